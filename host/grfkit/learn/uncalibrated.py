"""Insole cells that are counts: how trials are cut where nobody said how to take their cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from ..arrays import PathLike
from ..dataset.calibrated_trials import TrialCalibration
from ..dataset.cut import KINDS, CutRequest
from ..dataset.from_keypoints import FILM
from ..dataset.keypoint_inputs import KEYPOINT_CHANNELS
from ..dataset.shoe_signals import LOWPASS_HZ, has_both_shoes, names_of_both
from ..dataset.windows import cut_windows
from ..errors import BadInputError, NothingLeftError
from ..gait.relative_cells import UNIT, is_cell
from ..gait.stances import find_stances
from ..provenance import Provenance
from ..records import Trial
from ..records.stance_set import StanceSet

WALKERS = "5%BW walking"
"""Rule of the contacts of walkers, and of films: whoever is filmed from the side to the end of a walkway walks."""
_WALKED_S = 0.45
"""Median contact (s) from which on a trial is a walk: between the longest of slow runners (0.35) and the shortest of
fast walkers (0.55)."""
LEFT_OUT = "trial left out: "
"""How a finding on a trial begins of which no window is left."""
COUNTS = "count"
"""Unit of cells that nobody has calibrated."""


def cut_for_training(
    trials: Sequence[Trial | PathLike],
    request: CutRequest,
    *,
    decide: bool,
    calibrations: Sequence[PathLike] = (),
) -> StanceSet:
    """Return the windows of trials; with ``decide``, cells in counts relative to their foot's own steps.

    Trials of a film, without insoles or IMUs, are cut as films are (:func:`film_request`), and those of a walker with
    an IMU on each shoe, without insoles, as shoes are (:func:`shoes_request`). A count is another load in
    every insole, so that counts of one person tell nothing of another's. Where a recording has too few steps to set its
    cells against, all are taken as recorded, and the set's findings say so.
    Documents of ``calibrations`` are applied first.

    Raises
    ------
    BadInputError
        As :func:`~grfkit.dataset.windows.cut_windows`.
    """
    usual = decide and request.kinds == KINDS
    insoles = "insole" in request.kinds and not request.mapping and request.cells != "relative"
    if not (usual or insoles):
        return cut_windows(trials, request, calibrations=calibrations)
    first = trials[0] if isinstance(trials[0], Trial) else Trial.from_netcdf(trials[0])
    if usual and _film_alone(first):
        return cut_windows(trials, film_request(request), calibrations=calibrations)
    if usual and _shoes_of_walkers([first, *trials[1:]]):
        return _with_finding(cut_windows(trials, shoes_request(request), calibrations=calibrations), _SHOES)
    stem = "trial" if isinstance(trials[0], Trial) else Path(trials[0]).stem
    if not insoles or not _counts(first, stem, calibrations):
        return cut_windows(trials, request, calibrations=calibrations)
    if not decide:
        return _with_finding(
            cut_windows(trials, request, calibrations=calibrations), f"{_AS_RECORDED} {_TAKE_RELATIVE}"
        )
    try:
        relative = replace(request, cells="relative")
        windows, told = cut_windows(trials, relative, calibrations=calibrations), _RELATIVE
    except BadInputError as error:
        # if it is not for the steps, the next line refuses it, too
        windows = cut_windows(trials, request, calibrations=calibrations)
        told = f"{_AS_RECORDED} ({error})"
    return _with_finding(windows, told)


def cut_what_has_windows(
    trials: Sequence[Trial | PathLike],
    request: CutRequest,
    *,
    decide: bool,
    calibrations: Sequence[PathLike] = (),
) -> StanceSet:
    """Return the windows of trials as :func:`cut_for_training`, without those whose files hold none.

    Each of these is named with the reason in the set's findings (:data:`LEFT_OUT`).

    Raises
    ------
    NothingLeftError
        If no trial has a window.
    BadInputError
        As :func:`cut_for_training`.
    """
    lost: list[str] = []
    rest = list(trials)
    while True:
        try:
            windows = cut_for_training(rest, request, decide=decide, calibrations=calibrations)
            break
        except NothingLeftError as error:
            others = [t for t in rest if isinstance(t, Trial) or str(t) != error.trial]
            if not others or len(others) == len(rest):
                raise
            lost.append(f"{LEFT_OUT}{error}")
            rest = others
    for finding in lost:
        windows = _with_finding(windows, finding)
    return windows


def left_out(findings: Sequence[str]) -> list[str]:
    """Return what findings say of trials that were left out whole."""
    return [text for text in findings if text.startswith(LEFT_OUT)]


def cells_told(data: StanceSet) -> tuple[str, ...]:
    """Return what was said of the cells of a set and of trials without windows when it was cut, if anything."""
    provenance = Provenance.model_validate_json(str(data.data.attrs["provenance"]))
    return tuple(text for text in provenance.findings if text.startswith((LEFT_OUT, _RELATIVE, _AS_RECORDED, _SHOES)))


_RELATIVE = (
    'insole cells are counts, and were taken relative to their foot\'s own steps (cells = "as recorded" in the [cut]'
    " table of a TOML file for --config takes them as they are)"
)
_SHOES = (
    "the IMUs of both shoes were taken, in axes of the walk, and stances cut by the turning of the shoes, as an"
    " estimate without plates cuts them"
)
_AS_RECORDED = "insole cells are counts, and were taken as recorded, which tells little about other insoles"


_TAKE_RELATIVE = (
    '(cells = "relative" in the [cut] table of a TOML file for --config takes them relative to their foot\'s own steps)'
)


def cells_in(units: Sequence[str]) -> Literal["as recorded", "relative"]:
    """Return how the cells of a set were taken, as the units of its channels say."""
    return "relative" if UNIT in units else "as recorded"


def film_request(request: CutRequest) -> CutRequest:
    """Return how the stances of films are cut where nobody said how: of walkers, by what the film shows."""
    return replace(request, kinds=("keypoints",), source=FILM, rule=WALKERS)


def shoes_request(request: CutRequest) -> CutRequest:
    """Return how the stances of walkers with an IMU on each shoe are cut where nobody said how: by turning."""
    return replace(request, kinds=("shoes",), source="imu", rule=WALKERS, imu_lowpass_hz=LOWPASS_HZ)


def cut_of(data: StanceSet, request: CutRequest) -> CutRequest:
    """Return how windows were cut that :func:`cut_for_training` decided on."""
    if data.channels == KEYPOINT_CHANNELS and request.kinds == KINDS:
        return film_request(request)
    if data.channels == names_of_both() and request.kinds == KINDS:
        return shoes_request(request)
    return replace(request, cells=cells_in([str(unit) for unit in data.data["unit"].values]))


def _film_alone(trial: Trial) -> bool:
    """Return whether a trial has a film and nothing worn."""
    kinds = {str(s.attrs.get("kind")) for s in trial.streams.values()}
    return "keypoints" in kinds and not kinds & set(KINDS)


def _shoes_of_walkers(trials: Sequence[Trial | PathLike]) -> bool:
    """Return whether trials have an IMU on each shoe and no insole, and the plates show a walker's contacts.

    The first trial decides in which the plates show any.
    """
    for trial in trials:
        opened = trial if isinstance(trial, Trial) else Trial.from_netcdf(trial)
        worn = [s for s in opened.streams.values() if s.attrs.get("kind") == "insole"]
        if worn or not has_both_shoes(opened.streams) or opened.tree.attrs.get("force") == "none":
            return False
        contacts = [s.to_s - s.ic_s for s in find_stances(opened, source="force", rule=WALKERS).stances]
        if contacts:
            return float(np.median(contacts)) >= _WALKED_S
    return False


def _counts(trial: Trial, name: str, calibrations: Sequence[PathLike]) -> bool:
    """Return whether a trial of this name has cells in counts, once it is calibrated."""
    calibrated = TrialCalibration(calibrations).applied(trial, name) if calibrations else trial
    insoles = [s for s in calibrated.streams.values() if s.attrs.get("kind") == "insole"]
    return any(s[c].attrs.get("units") == COUNTS for s in insoles for c in map(str, s) if is_cell(c))


def _with_finding(windows: StanceSet, finding: str) -> StanceSet:
    provenance = Provenance.model_validate_json(str(windows.data.attrs["provenance"]))
    provenance.findings.append(finding)
    return StanceSet(windows.data.assign_attrs(provenance=provenance.model_dump_json()))
