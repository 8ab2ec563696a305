"""Files and folders to one table of steps: trials, and estimates beside the trials they were made from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import xarray as xr

from ..arguments import ArgumentError, as_path
from ..arrays import PathLike
from ..errors import BadInputError
from ..provenance import InputFile, Provenance, describe_input
from ..records import Trial
from ..records.trees import read_tree
from .build import LOWPASS_HZ, check_options, measured_table, named_rows, trial_cells
from .estimated import estimated_steps, matched
from .table import Cell, StepTable, TrialSteps, joined

_LOG = logging.getLogger(__name__)

Which = Literal["measured", "estimated", "both"]
WHICH: tuple[Which, ...] = ("measured", "estimated", "both")
_HDF5 = b"\x89HDF\r\n\x1a\n"


@dataclass(frozen=True)
class StudyFile:
    """A file of a study: where it is, what its rows are named by, and whether the user named it or its folder."""

    path: Path
    name: str
    named: bool


def study_files(paths: Iterable[PathLike]) -> list[StudyFile]:
    """Return the files that paths stand for, each once: a folder gives every ``.nc`` in it and below.

    A file of a folder is named by its place in the folder, a file alone by its own name, both without the ending.

    Raises
    ------
    BadInputError
        If a path does not exist, or a folder holds no ``.nc``.
    """
    files: dict[Path, StudyFile] = {}
    for path in (as_path(p, what="a trial, an estimate, or a folder of them") for p in paths):
        if not path.is_dir():
            files.setdefault(path.resolve(), StudyFile(path, path.stem, True))
            continue
        inside = sorted(p for p in path.rglob("*.nc") if not p.name.startswith("."))
        if not inside:
            raise BadInputError(f"{path}: holds no .nc file; name a folder of trials that grf-sync wrote")
        for each in inside:
            name = each.relative_to(path).with_suffix("").as_posix()
            files.setdefault(each.resolve(), StudyFile(each, name, False))
    return list(files.values())


def study_table(
    paths: PathLike | Sequence[PathLike],
    *,
    which: Which = "both",
    rule: str = "auto",
    lowpass_hz: float | None = LOWPASS_HZ,
    progress: Callable[[int, int, str], None] | None = None,
) -> StepTable:
    """Return the steps of many files as one table.

    An estimate stands beside the trial that it was made from (by the SHA-256 in its provenance), which gives it surface
    and speed, and whose measured steps its rows refer to. Files of a folder that are no trial or estimate are passed
    over; those that give no rows are listed in ``left_out`` with the reason.

    Parameters
    ----------
    which
        ``measured``, ``estimated``, or ``both``.
    progress
        Called with the number of files done, of all, and the next one's name.

    Raises
    ------
    BadInputError
        If a file that was named cannot be used, an option cannot be, or there is no row in all.
    """
    if which not in WHICH:
        raise ArgumentError("which", f"is '{which}', expected one of {', '.join(WHICH)}")
    lowpass_hz = check_options(rule, lowpass_hz)
    alone = isinstance(paths, str | Path) or hasattr(paths, "__fspath__")
    files = study_files([paths] if alone else paths)  # type: ignore[list-item, arg-type]
    kinds = [(file, _artefact(file)) for file in files]
    trials = [file for file, kind in kinds if kind == "trial"]
    estimates = [file for file, kind in kinds if kind == "estimate"]
    done = _Study(which, rule, lowpass_hz)
    for number, file in enumerate([*trials, *estimates]):
        _LOG.info("counting steps of %s", file.name)
        if progress is not None:
            progress(number, len(trials) + len(estimates), file.name)
        done.add(file, estimated=file in estimates)
    table = done.table()
    if not table.rows:
        reasons = "; ".join(f"{name}: {why}" for name, why in table.left_out[:3])
        raise BadInputError(f"no step was found{f' ({reasons})' if reasons else ''}; name trials that grf-sync wrote")
    return table


def _artefact(file: StudyFile) -> str:
    """Return which artefact a file is, ``""`` of a folder's file that is none of grfkit; refuse a named one."""
    import h5py

    if file.named:
        return _named_artefact(file.path)
    try:
        with open(file.path, "rb") as handle:
            if handle.read(len(_HDF5)) != _HDF5:
                return ""
        with h5py.File(file.path, "r") as opened:
            return str(opened.attrs.get("artefact", ""))
    except OSError:
        return ""


def _named_artefact(path: Path) -> str:
    kind = str(read_tree(path).attrs["artefact"])
    if kind not in ("trial", "estimate"):
        raise BadInputError(f"{path}: is a grfkit {kind}; expected a trial of grf-sync, or an estimate of grf-estimate")
    return kind


class _Study:
    """Tables of files as they come, and what an estimate needs to know of its trial."""

    def __init__(self, which: Which, rule: str, lowpass_hz: float | None) -> None:
        self._which, self._rule, self._lowpass_hz = which, rule, lowpass_hz
        self._tables: list[StepTable] = []
        self._left_out: list[tuple[str, str]] = []
        self._seen: dict[str, Path] = {}
        self._trials: dict[str, tuple[dict[str, Cell], list[dict[str, Cell]]]] = {}

    def add(self, file: StudyFile, *, estimated: bool) -> None:
        """Add the rows of a file, or why it has none."""
        try:
            table = self._estimate(file) if estimated else self._trial(file)
        except BadInputError as error:
            if file.named and (estimated or self._which != "both"):
                raise
            self._left_out.append((str(file.path), str(error)))
            return
        if table is not None:
            self._tables.append(table)

    def table(self) -> StepTable:
        """Return all rows."""
        return joined([*self._tables, StepTable((), (), tuple(self._left_out))])

    def _copy(self, file: StudyFile, sha256: str) -> bool:
        """Return whether a file of the same bytes was taken already; then it is listed as left out."""
        first = self._seen.setdefault(sha256, file.path)
        if first != file.path:
            self._left_out.append((str(file.path), f"is a copy of {first}"))
        return first != file.path

    def _trial(self, file: StudyFile) -> StepTable | None:
        about = describe_input(file.path, role="trial")
        if self._copy(file, about.sha256):
            return None
        trial = Trial.from_netcdf(file.path)
        shared = trial_cells(trial, file.name)
        self._trials[about.sha256] = (shared, [])
        table = measured_table(trial, file.name, rule=self._rule, lowpass_hz=self._lowpass_hz, inputs=(about,))
        self._trials[about.sha256] = (shared, [dict(row) for row in table.rows])
        return table if self._which != "estimated" else None

    def _estimate(self, file: StudyFile) -> StepTable | None:
        if self._which == "measured":
            return None
        made = describe_input(file.path, role="estimate")
        if self._copy(file, made.sha256):
            return None
        tree = read_tree(file.path)
        origin = Provenance.model_validate_json(str(tree.attrs["provenance"]))
        trial = next((self._trials[i.sha256] for i in origin.inputs if i.sha256 in self._trials), None)
        shared: dict[str, Cell] = {"trial": file.name, "participant": str(tree.attrs.get("participant", ""))}
        mass_kg = tree.attrs.get("mass_kg")
        measured: list[dict[str, Cell]] = []
        if trial is not None:
            shared, measured = {**trial[0]}, trial[1]
        if mass_kg is not None:
            shared["mass_kg"] = float(mass_kg)
        rows, rejected = estimated_steps(tree)
        about = TrialSteps(
            trial=str(shared["trial"]),
            participant=str(shared["participant"]),
            accepted={"estimated": len(rows)},
            rejected=rejected,
            notes=_notes(tree),
            findings=tuple(origin.findings),
            inputs=(made,),
        )
        done = named_rows(tuple(matched(rows, measured)), shared | {"force": "estimated"})
        return StepTable(tuple(done), (about,))


def _notes(tree: xr.DataTree) -> tuple[str, ...]:
    network = str(tree.attrs.get("network", ""))
    return (f"estimated by {network}" if network else "estimated",)


def inputs_of(table: StepTable) -> Iterator[InputFile]:
    """Give every file that a table was made of."""
    for trial in table.trials:
        yield from trial.inputs
