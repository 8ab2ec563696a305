"""Windows of stance sets and trials, in memory or in files and folders of files, as one set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..arguments import refuse_other
from ..arrays import PathLike
from ..errors import BadInputError
from ..provenance import describe_input
from ..records import Trial
from ..records.stance_set import StanceSet, join
from ..records.target_units import check_targets
from .recipe import Recipe
from .uncalibrated import cut_what_has_windows

WindowSource = StanceSet | Trial | PathLike
"""Windows, a trial to cut them from, or the path of either or of a folder of them."""


def load_sets(
    sources: WindowSource | Sequence[WindowSource], recipe: Recipe, calibrations: Sequence[PathLike] = ()
) -> StanceSet:
    """Return the windows of stance sets and trials, in memory or in files and folders of files, as one set.

    Files of trials of which no window is left are left out, and named in the findings of the set.

    Parameters
    ----------
    calibrations
        Documents applied to the trials; stance sets are cut already, and are refused with them.

    Raises
    ------
    BadInputError
        If there is none, no window is left of any, a file holds neither a trial nor a stance set, or they differ in
        kind.
    """
    parts = listed(sources)
    files = artefact_files(paths_among(parts)) if paths_among(parts) or not parts else []
    kinds = {path: artefact_of(path) for path in files}
    strange = [p for p, kind in kinds.items() if kind not in ("trial", "stance_set")]
    if strange:
        raise BadInputError(
            f"{strange[0]}: is neither a trial of grf-sync nor a stance set (artefact '{kinds[strange[0]]}')"
        )
    trials = [part for part in parts if isinstance(part, Trial)] + [p for p, kind in kinds.items() if kind == "trial"]
    sets = [part for part in parts if isinstance(part, StanceSet)]
    sets += [StanceSet.open(p) for p, kind in kinds.items() if kind == "stance_set"]
    if calibrations and sets:
        raise BadInputError(
            f"{sets[0].source}: a stance set is cut already, and cannot be calibrated; name the trials it was cut from,"
            " or leave --calibration (calibrations in Python) out"
        )
    if trials:
        sets.append(cut_what_has_windows(trials, recipe.cut, decide=recipe.decide_cells, calibrations=calibrations))
    for windows in sets:
        check_targets(windows.axes, recipe.cut.targets, windows.source)
        _check_body_weights(windows)
    return sets[0] if len(sets) == 1 else join(sets)


def listed(sources: WindowSource | Sequence[WindowSource]) -> list[WindowSource]:
    """Return one source or many as a list.

    Raises
    ------
    BadInputError
        If one of them is something else, or is there twice.
    """
    kinds = (StanceSet, Trial, str, os.PathLike)
    several = [sources] if isinstance(sources, kinds) or not isinstance(sources, Iterable) else list(sources)
    for source in several:
        refuse_other(source, kinds, "trials or stance sets, or paths of their files")
    if len({id(source) for source in several}) < len(several):
        raise BadInputError("the same trial or stance set was given twice; name each once")
    return several


def paths_among(sources: Sequence[WindowSource]) -> list[Path]:
    """Return those of the sources that are paths."""
    return [Path(source) for source in sources if isinstance(source, str | os.PathLike)]


_HIGHEST_BW = 15.0
"""Peaks above this are no body weights but newtons: chosen by hand, well above any step of a runner (about 5 BW) and
far below any step in newtons."""
_WINDOWS_LOOKED_AT = 8
"""Windows of each participant in which peaks are looked at: chosen by hand, because newtons show in every window, and
the whole set may lie on disk."""


def _check_body_weights(data: StanceSet) -> None:
    """Refuse a set whose forces cannot be body weights: the peaks of a few windows of everyone are looked at."""
    if "vgrf" not in data.axes:
        return
    people = data.per_stance("participant")
    for person in data.participants:
        rows = np.flatnonzero(people == person)[:_WINDOWS_LOOKED_AT]
        part = data.data.isel(stance=rows)
        counted = np.where(part["weight"].values > 0, part["targets"].values[:, :, data.axes.index("vgrf")], 0.0)
        # the median: one spike in a curve is no reason to refuse a set
        peak = float(np.median(counted.max(axis=1)))
        if peak > _HIGHEST_BW:
            raise BadInputError(
                f"{data.data.attrs['source']}: the vertical force of participant {person} peaks at {peak:.0f} BW; the"
                " targets of a stance set are body weights, and these look like newtons: divide them by the weight"
            )


def artefact_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that paths mean, folders by the .nc files in them.

    Raises
    ------
    BadInputError
        If there is none, one does not exist, or one is given twice or is a copy of another.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob("*.nc"))
            if not inside:
                raise BadInputError(f"{path}: holds no .nc file; name the folder grf-sync wrote its trials to")
            files += inside
        elif path.exists():
            files.append(path)
        else:
            raise BadInputError(f"{path}: does not exist")
    if not files:
        raise BadInputError("no trial was given; name the files that grf-sync wrote, or their folder")
    twice = len(files) - len({p.resolve() for p in files})
    if twice:
        raise BadInputError(f"{twice} of the files were given twice; name each once")
    _check_copies(files)
    return files


def _check_copies(files: Sequence[Path]) -> None:
    """Refuse a file that is a copy of another one: its windows would count twice."""
    by_size: dict[int, list[Path]] = {}
    for path in files:
        by_size.setdefault(path.stat().st_size, []).append(path)
    by_digest: dict[str, Path] = {}
    # copies have one size: only files that share theirs are read
    for path in [p for alike in by_size.values() if len(alike) > 1 for p in alike]:
        digest = describe_input(path).sha256
        if digest in by_digest:
            raise BadInputError(f"{path}: is a copy of {by_digest[digest]}; its windows would count twice")
        by_digest[digest] = path


def artefact_of(path: Path) -> str:
    """Return what kind of artefact a netCDF file holds, empty if it says nothing.

    Raises
    ------
    BadInputError
        If it is no netCDF4 file.
    """
    import h5py

    try:
        with h5py.File(path, "r") as handle:
            value = handle.attrs.get("artefact", "trial" if "participant" in handle.attrs else "")
    except OSError as error:
        raise BadInputError(f"{path}: is no netCDF4 file; name trials that grf-sync wrote, or stance sets") from error
    return value.decode() if isinstance(value, bytes) else str(value)
