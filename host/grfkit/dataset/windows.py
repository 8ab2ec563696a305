"""Trials to one stance set: windows of wearables, landmarks or pictures, in memory or written trial by trial."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..arguments import as_path, refusal, refuse_other
from ..arrays import PathLike
from ..errors import BadInputError, NothingLeftError
from ..records import Trial
from ..records.by_hand import ATTRIBUTE, by_hand_findings
from ..records.calibrated import set_attribute, ways_of
from ..records.person import person_of
from ..records.stance_set import StanceSet, join, with_recordings
from ..sync.request import as_several
from .calibrated_trials import TrialCalibration
from .cut import CutRequest
from .from_keypoints import windows_of_keypoints
from .from_landmarks import windows_of_landmarks
from .from_pictures import windows_of_pictures
from .from_shoes import windows_of_shoes
from .from_wearables import windows_of_wearables
from .personal import with_people
from .set_writer import write_sets
from .trial_checks import check_trial

_LOG = logging.getLogger(__name__)

TrialLike = Trial | PathLike
_CHECKED = TypeAdapter(CutRequest)
"""What tells whether a request's fields can be."""
_MAKERS = {
    "landmarks": windows_of_landmarks,
    "keypoints": windows_of_keypoints,
    "images": windows_of_pictures,
    "shoes": windows_of_shoes,
}
"""What makes the windows of kinds that stand alone."""


def cut_windows(
    trials: TrialLike | Iterable[TrialLike] | Mapping[str, Trial],
    request: CutRequest | None = None,
    *,
    out: PathLike | None = None,
    force: bool = False,
    calibrations: PathLike | Sequence[PathLike] = (),
    **options: Any,
) -> StanceSet:
    """Return the windows of trials as one stance set: wearables (or landmarks) with the force of their foot.

    Parameters
    ----------
    trials
        Trials, or paths of the files that hold them, one or many. A mapping gives trials in memory their names;
        otherwise one trial is called ``trial``, and several ``trial_1``, ``trial_2`` and so on. A file's name is the
        trial's.
    request
        How windows are cut; the defaults of :class:`CutRequest` if left out.
    out
        A netCDF4 file to write the set to, with one trial in memory at a time; the set that comes back is read from it
        when needed. None keeps the set in memory.
    force
        Overwrite ``out``.
    calibrations
        Calibration documents of insoles and IMUs, applied to each trial they fit; each trial needs one that does.
    options
        Fields of :class:`CutRequest`, in place of those in ``request``.

    Raises
    ------
    BadInputError
        If there is no trial; if one names no participant or mass, was refused, or no window of it is left; if trials
        differ in channels; if an option is unknown; or if ``out`` exists and ``force`` is false. The message names the
        file; nothing is written then.

    Examples
    --------
    >>> from grfkit import cut_windows, simulate_trial
    >>> trial = simulate_trial(seed=0, duration_s=20).on_true_clock(participant="P01")
    >>> windows = cut_windows(trial, source="force", kinds=("insole",))
    >>> windows.participants, windows.axes
    (('P01',), ('vgrf',))
    >>> windows.data["inputs"].sizes["time"]
    101
    """
    documents = as_several(calibrations)
    calibration = TrialCalibration(documents) if documents else None
    sets = sets_of(trials, request_with(request, options), calibration)
    return join(list(sets)) if out is None else write_sets(sets, out, force=force)


def request_with(request: CutRequest | None, options: Mapping[str, Any]) -> CutRequest:
    """Return a request with some of its fields replaced.

    Raises
    ------
    BadInputError
        If a field is unknown, or holds what it cannot.
    """
    unknown = sorted(set(options) - {f.name for f in fields(CutRequest)})
    if unknown:
        names = ", ".join(f.name for f in fields(CutRequest))
        raise BadInputError(f"windows are cut without an option '{unknown[0]}'; there are {names}")
    if request is not None:
        refuse_other(request, CutRequest, "a request, as grfkit.dataset.cut.CutRequest makes it")
    completed = replace(request or CutRequest(), **options)
    try:
        _CHECKED.validate_python(asdict(completed))
    except ValidationError as error:
        raise BadInputError(f"windows cannot be cut: {refusal(error)}") from error
    return completed


def sets_of(
    trials: TrialLike | Iterable[TrialLike] | Mapping[str, Trial],
    request: CutRequest | None = None,
    calibration: TrialCalibration | None = None,
) -> Iterator[StanceSet]:
    """Give the windows of one trial after the other, calibrated first; a file is read when its turn comes.

    Raises
    ------
    BadInputError
        As :func:`cut_windows`, naming the file.
    """
    none = True
    for name, trial in _named_trials(trials):
        none = False
        if isinstance(trial, Trial):
            yield trial_windows(_calibrated(trial, calibration, name), request, name=name)
            continue
        path = Path(trial)
        try:
            yield trial_windows(_calibrated(Trial.from_netcdf(path), calibration, name), request, name=name)
        except BadInputError as error:
            text = str(error)
            named = text if text.startswith(str(path)) else f"{path}: {text}"
            if isinstance(error, NothingLeftError):
                raise NothingLeftError(named, str(path)) from error
            raise BadInputError(named) from error
    if none:
        raise BadInputError("no trial was given; name the files that grf-sync wrote")
    if calibration is not None:
        calibration.check_all_used()


def _calibrated(trial: Trial, calibration: TrialCalibration | None, name: str) -> Trial:
    return trial if calibration is None else calibration.applied(trial, name)


def trial_windows(trial: Trial, request: CutRequest | None = None, *, name: str = "trial") -> StanceSet:
    """Return the windows of one trial: of its landmarks or film where the request asks for them, or its wearables.

    Raises
    ------
    BadInputError
        As :func:`cut_windows`.
    """
    request = request or CutRequest()
    check_trial(trial, request, name)
    of_landmarks = request.kinds == ("landmarks",)
    windows_of = _MAKERS.get(request.kinds[0], windows_of_wearables)
    cut = windows_of(trial, request, name=name)
    cut = with_recordings(cut, str(trial.tree.attrs["participant"]), _recordings(trial, landmarks=of_landmarks))
    person = person_of(trial.tree.attrs)
    if person.stated():
        cut = with_people(cut, {str(trial.tree.attrs["participant"]): person})
    ways = ways_of(trial.streams, ("imu",) if request.kinds == ("shoes",) else request.kinds)
    cut = StanceSet(cut.data.assign_attrs(set_attribute(ways, name)))
    _LOG.info("%s: %d windows cut", name, cut.data.sizes["stance"])
    return _with_clocks_by_hand(cut, trial, name)


def _with_clocks_by_hand(cut: StanceSet, trial: Trial, name: str) -> StanceSet:
    """Return the windows with a sentence for every clock of the trial that a person decided on by eye."""
    maps = trial.clock_maps if "clock_maps" in trial.tree.attrs else {}
    told = by_hand_findings(maps, name)
    return StanceSet(cut.data.assign_attrs({ATTRIBUTE: json.dumps(told)})) if told else cut


def _recordings(trial: Trial, *, landmarks: bool) -> dict[str, str]:
    """Return SHA-256 and name of the files that a trial's inputs come from.

    A reference is none of them (plates may record several people, one after the other), unless it holds the landmarks.
    """
    if "provenance" not in trial.tree.attrs:
        return {}
    of_reference = landmarks and any(
        name.startswith("reference/") and stream.attrs.get("kind") == "landmarks"
        for name, stream in trial.streams.items()
    )
    roles = {"wearable", "reference"} if of_reference else {"wearable"}
    return {file.sha256: file.name for file in trial.provenance.inputs if file.role in roles}


def _named_trials(trials: TrialLike | Iterable[TrialLike] | Mapping[str, Trial]) -> Iterator[tuple[str, TrialLike]]:
    """Give trials or paths, each with the name that its windows will carry."""
    if isinstance(trials, Mapping):
        yield from trials.items()
        return
    if isinstance(trials, Trial):
        yield "trial", trials
        return
    alone = isinstance(trials, str | os.PathLike) or not isinstance(trials, Iterable)
    several: Iterable[TrialLike] = [trials] if alone else trials  # type: ignore[list-item, assignment]
    earlier_trials: set[object] = set()
    for number, trial in enumerate(several, start=1):
        key: object = id(trial) if isinstance(trial, Trial) else as_path(trial, what="a trial, or a Trial").resolve()
        if key in earlier_trials:
            raise BadInputError(f"trial {number} was given twice; name each once")
        earlier_trials.add(key)
        yield f"trial_{number}" if isinstance(trial, Trial) else Path(trial).stem, trial
