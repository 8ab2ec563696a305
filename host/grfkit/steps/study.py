"""Files and folders to one table of steps: trials, and estimates beside the trials they were made from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import xarray as xr

from ..arguments import ArgumentError, as_path
from ..arrays import PathLike
from ..errors import BadInputError
from ..gait.foot_frame import CopFrame, FootFrames, MarkersMissingError, foot_frames
from ..provenance import InputFile, Provenance, describe_input
from ..records import Trial
from ..records.target_units import COP_ESTIMATE
from ..records.trees import read_tree
from .build import LOWPASS_HZ, check_options, measured_table, named_rows, trial_cells
from .cop_estimated import (
    MEASURED_ONLY,
    PlatePath,
    beside_plates,
    cop_steps,
    flagged,
    half_width_words,
    measured_only,
    with_forces,
)
from .estimated import estimated_steps, matched
from .measured import plate_ways
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
    cop_frame: CopFrame = "lab",
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
    rule, lowpass_hz, cop_frame
        Of :func:`~grfkit.steps.build.step_table`; an estimated centre of pressure is carried into the foot's frame by
        the markers of its trial.
    progress
        Called with the number of files done, of all, and the next one's name.

    Raises
    ------
    BadInputError
        If a file that was named cannot be used, an option cannot be, or there is no row in all.
    """
    if which not in WHICH:
        raise ArgumentError("which", f"is '{which}', expected one of {', '.join(WHICH)}")
    lowpass_hz = check_options(rule, lowpass_hz, cop_frame)
    alone = isinstance(paths, str | Path) or hasattr(paths, "__fspath__")
    files = study_files([paths] if alone else paths)  # type: ignore[list-item, arg-type]
    kinds = [(file, _artefact(file)) for file in files]
    trials = [file for file, kind in kinds if kind == "trial"]
    # the centres of pressure last: they stand beside the forces of another model
    estimates = [file for wanted in ("estimate", COP_ESTIMATE) for file, kind in kinds if kind == wanted]
    centres = {file for file, kind in kinds if kind == COP_ESTIMATE}
    done = _Study(which, rule, lowpass_hz, cop_frame)
    for number, file in enumerate([*trials, *estimates]):
        _LOG.info("counting steps of %s", file.name)
        if progress is not None:
            progress(number, len(trials) + len(estimates), file.name)
        done.add(file, "trial" if file in trials else COP_ESTIMATE if file in centres else "estimate")
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
    if kind not in ("trial", "estimate", COP_ESTIMATE):
        raise BadInputError(f"{path}: is a grfkit {kind}; expected a trial of grf-sync, or an estimate of grf-estimate")
    return kind


class _Study:
    """Tables of files as they come, and what an estimate needs to know of its trial."""

    def __init__(self, which: Which, rule: str, lowpass_hz: float | None, cop_frame: CopFrame) -> None:
        self._cop_frame = cop_frame
        self._which, self._rule, self._lowpass_hz = which, rule, lowpass_hz
        self._tables: list[StepTable] = []
        self._left_out: list[tuple[str, str]] = []
        self._seen: dict[str, Path] = {}
        self._trials: dict[str, _Measured] = {}
        self._forces: dict[str, list[int]] = {}
        self._centres: dict[str, Path] = {}

    def add(self, file: StudyFile, kind: str) -> None:
        """Add the rows of a file, or why it has none."""
        try:
            table = {"trial": self._trial, "estimate": self._estimate, COP_ESTIMATE: self._centre}[kind](file)
        except BadInputError as error:
            if file.named and (kind != "trial" or self._which != "both" or isinstance(error, MarkersMissingError)):
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
        own = self._trials[about.sha256] = _Measured(file.path, trial_cells(trial, file.name))
        table = measured_table(
            trial, file.name, rule=self._rule, lowpass_hz=self._lowpass_hz, inputs=(about,), cop_frame=self._cop_frame
        )
        own.rows = [dict(row) for row in table.rows]
        if self._which == "estimated":
            return None
        own.table = len(self._tables)
        return table

    def _estimate(self, file: StudyFile) -> StepTable | None:
        opened = self._opened(file)
        if opened is None:
            return None
        rows, rejected = estimated_steps(opened.tree)
        measured = [] if opened.trial is None else opened.trial.rows
        done = named_rows(tuple(matched(rows, measured)), opened.shared | {"force": "estimated"})
        if opened.trial_sha256:
            self._forces.setdefault(opened.trial_sha256, []).append(len(self._tables))
        return StepTable(tuple(done), (opened.about({"estimated": len(rows)}, rejected, _notes(opened.tree)),))

    def _centre(self, file: StudyFile) -> StepTable | None:
        """Return the rows of an estimated centre of pressure; they go into those of the forces, where one was given."""
        opened = self._opened(file)
        if opened is None:
            return None
        key, trial = opened.trial_sha256, opened.trial
        if key and self._centres.setdefault(key, file.path) != file.path:
            self._left_out.append(
                (str(file.path), f"the centre of pressure of this trial is that of {self._centres[key]}; name one")
            )
            return None
        rows, rejected = cop_steps(opened.tree, self._frames(file, trial))
        measured = [] if trial is None else trial.rows
        plates = None if trial is None or not measured else self._ways(trial)
        rows = beside_plates(rows, measured, plates)
        if trial is not None:
            self._flag(trial, measured_only(measured, rows))
        about = opened.about({"estimated centre of pressure": len(rows)}, rejected, _notes(opened.tree))
        shared = opened.shared | {"force": "estimated"}
        forces = self._forces.get(key, [])
        if len(forces) != 1:
            return StepTable(tuple(named_rows(tuple(rows), shared)), (about,))
        beside = self._tables[forces[0]]
        # a row of the forces has its mass; one of the centre alone has what the trial says
        both = [shared | row for row in with_forces(rows, beside.rows)]
        self._tables[forces[0]] = StepTable(tuple(named_rows(tuple(both), {})), (*beside.trials, about))
        return None

    def _opened(self, file: StudyFile) -> _Estimate | None:
        """Return an estimate with the trial that it was made from; None where it is not to be taken."""
        if self._which == "measured":
            return None
        made = describe_input(file.path, role="estimate")
        if self._copy(file, made.sha256):
            return None
        tree = read_tree(file.path)
        origin = Provenance.model_validate_json(str(tree.attrs["provenance"]))
        sha256 = next((i.sha256 for i in origin.inputs if i.sha256 in self._trials), "")
        trial = self._trials.get(sha256)
        own: dict[str, Cell] = {"trial": file.name, "participant": str(tree.attrs.get("participant", ""))}
        shared = own if trial is None else dict(trial.shared)
        if (mass_kg := tree.attrs.get("mass_kg")) is not None:
            shared["mass_kg"] = float(mass_kg)
        return _Estimate(tree, origin, made, shared, sha256, trial)

    def _frames(self, file: StudyFile, trial: _Measured | None) -> FootFrames | None:
        """Return the markers for an estimate's centre of pressure in the foot's frame; None for the lab's."""
        if self._cop_frame == "lab":
            return None
        if trial is None:
            raise MarkersMissingError(
                f"{file.path}: --cop-frame foot (cop_frame='foot' in Python) needs the markers of the trial that this"
                " was estimated from; name that trial, too"
            )
        return foot_frames(Trial.from_netcdf(trial.path), str(trial.path), frame="lab")

    def _ways(self, trial: _Measured) -> PlatePath:
        opened = Trial.from_netcdf(trial.path)
        frames = foot_frames(opened, str(trial.path)) if self._cop_frame == "foot" else None
        return plate_ways(opened, rule=self._rule, lowpass_hz=self._lowpass_hz, frames=frames)

    def _flag(self, trial: _Measured, steps: list[Cell]) -> None:
        """Flag the measured steps, by number, of which a model gave no centre of pressure."""
        if trial.table is None or not steps:
            return
        table = self._tables[trial.table]
        rows = tuple(flagged(row, MEASURED_ONLY) if row["step"] in steps else row for row in table.rows)
        self._tables[trial.table] = replace(table, rows=rows)


@dataclass
class _Measured:
    """A trial's file, the cells its rows share, its measured rows, and which table of all holds them, if any does."""

    path: Path
    shared: dict[str, Cell]
    rows: list[dict[str, Cell]] = field(default_factory=list)
    table: int | None = None


@dataclass(frozen=True)
class _Estimate:
    """An estimate's tree and origin, the cells its rows share, and the trial it was made from where that was given."""

    tree: xr.DataTree
    origin: Provenance
    file: InputFile
    shared: dict[str, Cell]
    trial_sha256: str
    trial: _Measured | None

    def about(self, accepted: dict[str, int], rejected: dict[str, int], notes: tuple[str, ...]) -> TrialSteps:
        """Return what there is to say of it besides its rows."""
        return TrialSteps(
            trial=str(self.shared["trial"]), participant=str(self.shared["participant"]), accepted=accepted,
            rejected=rejected, notes=notes, findings=tuple(self.origin.findings), inputs=(self.file,),
        )  # fmt: skip


def _notes(tree: xr.DataTree) -> tuple[str, ...]:
    if tree.attrs.get("artefact") == COP_ESTIMATE:
        return (f"centre of pressure estimated by {tree.attrs.get('method', '')}", half_width_words(tree))
    network = str(tree.attrs.get("network", ""))
    return (f"estimated by {network}" if network else "estimated",)


def inputs_of(table: StepTable) -> Iterator[InputFile]:
    """Give every file that a table was made of."""
    for trial in table.trials:
        yield from trial.inputs
