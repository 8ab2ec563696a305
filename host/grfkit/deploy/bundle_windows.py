"""The windows of an export: those whose ranges eight bits span, and those that parity is measured on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arguments import as_path
from ..arrays import PathLike
from ..errors import BadInputError
from ..learn.folds import LeakError
from ..learn.model import GrfModel, calibration_windows
from ..learn.recipe import Recipe, recipe_of_model
from ..learn.window_sources import artefact_files, artefact_of, load_sets
from ..records.participants import seen_among
from ..records.stance_set import StanceSet

HELD_OUT = "held_out.nc"
"""Windows of people the model has not seen, which a model's folder may offer."""
PARITY_WINDOWS = 400
"""Most windows that parity is measured on, evenly spread over all there are. Chosen by hand: of 101 points each, 40
samples then lie beyond the 99.9th percentile that is bound."""
IN_TRAINING = " (in training)"
"""Added to the names of participants where parity is measured on training people: parity refuses them by name."""
WindowSource = StanceSet | PathLike | Sequence[PathLike] | None
"""Windows as a caller gives them: a set, or files and folders of trials and sets."""


@dataclass(frozen=True)
class ParityWindows:
    """The windows that parity is measured on.

    Attributes
    ----------
    on
        Whose they are, as the manifest says it: ``held-out people`` or ``training people``.
    findings
        Sentences on what was left out, or that nobody else was at hand.
    calibration
        The calibration windows: all that a mean curve may be taken from.
    """

    data: StanceSet
    on: str
    findings: tuple[str, ...]
    calibration: StanceSet


def windows_of(folder: Path, windows: WindowSource) -> StanceSet | None:
    """Return windows that were given as a set or as files; trials are cut as the model's recipe says.

    Raises
    ------
    BadInputError
        If a path cannot be used, or there are trials and the model in ``folder`` names no recipe to cut them by.
    """
    if windows is None or isinstance(windows, StanceSet):
        return windows
    paths = windows if isinstance(windows, Sequence) and not isinstance(windows, str | bytes) else [windows]
    files = [as_path(path, what="a trial or a stance set") for path in paths]
    return load_sets(files, _recipe(folder, files))


def _recipe(folder: Path, paths: Sequence[Path]) -> Recipe:
    """Return how trials are cut: as in training; a model that was saved without a recipe can have stance sets only."""
    trials = [path for path in artefact_files(paths) if artefact_of(path) == "trial"]
    if not trials:
        return Recipe()
    try:
        return recipe_of_model(folder)
    except BadInputError as error:
        raise BadInputError(
            f"{trials[0]}: is a trial, and {folder} names no recipe that says how its windows are cut; name stance sets"
            " (.nc of StanceSet.to_netcdf), or train with grf-train, which keeps the recipe"
        ) from error


def parity_windows(model: GrfModel, folder: Path, held_out: WindowSource, calibration: StanceSet) -> ParityWindows:
    """Return the windows parity is measured on: of people the model has not seen, where there are any.

    Raises
    ------
    LeakError
        If everyone in ``held_out`` was in training.
    BadInputError
        If no window has a measured force and a known sample.
    """
    data = windows_of(folder, held_out)
    if data is None and (folder / HELD_OUT).is_file():
        data = StanceSet.open(folder / HELD_OUT)
    if data is None:
        return _of_training(_usable(model, calibration)[0])
    trained = seen_among(data.participants, model.participants)
    strangers = [p for p in data.participants if p not in trained]
    if not strangers:
        raise LeakError(
            f"all of the held-out participants ({', '.join(trained)}) were in training; name trials of others, or leave"
            " --held-out (held_out in Python) away, and the bundle says that nobody else was at hand"
        )
    leak = f"{', '.join(trained)} of the held-out windows were in training and were left out of parity"
    windows, findings = _usable(model, data.of(strangers))
    return ParityWindows(windows, "held-out people", (*((leak,) if trained else ()), *findings), calibration)


def _usable(model: GrfModel, data: StanceSet) -> tuple[StanceSet, tuple[str, ...]]:
    """Return the windows of parity that have a known sample, and a sentence on those that were left out."""
    windows = calibration_windows(data, PARITY_WINDOWS).data
    names = [c for c in model.spec.scaler.channels if c in windows["channel"].values]
    # a window without one known sample is not predicted (NaN), so that there is nothing to compare
    usable = np.isfinite(windows["inputs"].sel(channel=names).values).any(axis=(1, 2))
    if not usable.any() or not np.isfinite(windows["targets"].values[usable]).any():
        raise BadInputError(
            f"none of {len(usable)} windows of {', '.join(data.participants)} has a known sample and a measured force;"
            " parity is measured on such"
        )
    finding = f"{int((~usable).sum())} of {len(usable)} windows have no known sample and were left out of parity"
    return StanceSet(windows.isel(stance=np.flatnonzero(usable))), () if usable.all() else (finding,)


def _of_training(data: StanceSet) -> ParityWindows:
    """Return the calibration windows, everyone named as one of the training."""
    labels = np.asarray([f"{p}{IN_TRAINING}" for p in data.per_stance("participant")], dtype=object)
    relabelled = StanceSet(data.data.assign_coords(participant=("stance", labels)))
    finding = (
        "no held-out people were at hand: parity was measured on training people"
        f" ({', '.join(data.participants)}), and says nothing of somebody new"
    )
    return ParityWindows(relabelled, "training people", (finding,), data)
