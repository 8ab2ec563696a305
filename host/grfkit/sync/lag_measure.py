"""A device class's lag, measured by blows, jumps or steps on a plate whose clock it shares; or a difference of two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from ..arrays import Floats
from ..errors import BadInputError
from ..provenance import InputFile
from ..records import Recording
from ..signals.robust import MAD_TO_SD
from .blows import (
    REFERENCE_LEVEL,
    LoadEvents,
    Method,
    Pairs,
    all_plates,
    imu_pairs,
    insole_pairs,
    landmark_pairs,
    load_events,
)
from .contact_events import device_loads
from .device import WALKING_STANCE_S, usual_stance_s
from .lag_courses import courses

FEWEST_BLOWS = 5
"""Blows of a recording that tell a mean and a scatter, at the least; chosen by hand: thirty are better."""
OUTLIER_SDS, LEAST_OUTLIER_S = 4.0, 0.003
"""A blow whose lag is off the median by more than this many robust SDs, and this time (s), is left out; by hand."""
MOST_LEFT_OUT = 1.0 / 3.0
"""Share of the blows beyond which leaving out is no longer tidying up; chosen by hand."""
DRIFT_ERRORS, LEAST_DRIFT_S = 4.0, 0.002
"""A lag that grows by more than this many standard errors and this time (s) over a recording is a clock's drift."""
SAME_RATE = 0.02
"""Share by which the sampling rates of one class may differ between recordings."""
FEATURES = {"insole": "onset", "imu": "jerk", "landmarks": "speed"}
"""Feature by which each class's contacts are found (:func:`~grfkit.sync.contact_events.device_train`)."""


@dataclass(frozen=True)
class LagSource:
    """One recording to measure by: a device, and the plates on its clock if there are any.

    Attributes
    ----------
    shift_s
        Reference minus device time, as the files state it; 0 in one file.
    """

    name: str
    reference: Recording | None
    device: Recording
    shift_s: float
    inputs: tuple[InputFile, ...]


@dataclass(frozen=True)
class RecordingLag:
    """One class's lag in one recording: every blow, which were left out, mean and scatter of the others.

    Attributes
    ----------
    pairs
        Blows that both saw; ``lag_s`` of a device less that of the class ``against``.
    kept
        Shape (blows,).
    against
        ``plate``, or ``insole`` where only a difference can be seen.
    course_s, reference_course, device_course
        Times (s) from the blow and, for every blow, both signals there, scaled to 0 .. 1, for the report.
    """

    source: str
    device_class: str
    feature: str
    rate_hz: float
    method: Method
    gait: str
    pairs: Pairs
    kept: NDArray[np.bool_]
    against: str
    peak_unit: str
    unseen: int
    course_s: Floats
    reference_course: Floats
    device_course: Floats

    @property
    def lags_s(self) -> Floats:
        """Return the lags of the blows that count."""
        return self.pairs.lag_s[self.kept]

    @property
    def mean_s(self) -> float:
        """Return their mean."""
        return float(self.lags_s.mean())

    @property
    def sd_s(self) -> float:
        """Return the SD between blows."""
        return float(self.lags_s.std(ddof=1))

    @property
    def error_s(self) -> float:
        """Return the standard error of the mean."""
        return self.sd_s / float(np.sqrt(self.lags_s.size))


def measure_recording(source: LagSource, method: Method | None = None) -> list[RecordingLag]:
    """Return the lag of every class that a recording holds, against its plates; without plates, against its insoles.

    Raises
    ------
    BadInputError
        If there are no blows or too few, the device does not show them, or the clocks drift apart.
    """
    streams = source.device.streams
    classes = [kind for kind in FEATURES if any(s.attrs.get("kind") == kind for s in streams.values())]
    if not classes:
        kinds = ", ".join(f"{n} ({s.attrs.get('kind')})" for n, s in streams.items())
        raise BadInputError(f"{source.name}: holds no insole, IMU or landmarks whose lag could be measured: {kinds}")
    if source.reference is not None:
        loads, against = all_plates(source.reference.streams), "plate"
        units = {_force_unit(s) for s in source.reference.of_kind("force_plate").values()}
        if not loads:
            raise BadInputError(f"{source.name}: holds no force plate, so that nothing says when a blow fell")
    else:
        loads, against = device_loads(streams), "insole"
        units = {""}
        if not loads or len(classes) < 2:
            raise BadInputError(
                f"{source.name}: without a plate on its clock only the difference between an insole and another device"
                f" in one file can be seen, and it holds {', '.join(classes)} alone"
            )
        classes = [kind for kind in classes if kind != "insole"]
    unit = units.pop() if len(units) == 1 else ""
    level = REFERENCE_LEVEL["force_plate" if against == "plate" else "insole"]
    events = load_events(loads, level=level, method=method, newtons=unit == "N")
    if events.onset_s.size < FEWEST_BLOWS:
        raise BadInputError(_too_few(source.name, events.onset_s.size, against))
    return [_class_lag(source, kind, events, against, unit) for kind in classes]


def _too_few(name: str, count: int, against: str) -> str:
    where = "the plates show" if against == "plate" else "the insoles show"
    found = "no blow, jump or step" if count == 0 else f"{count} blow{'' if count == 1 else 's'}, jumps or steps"
    why = "one blow has no scatter" if count == 1 else f"{FEWEST_BLOWS} are needed"
    return (
        f"{name}: {where} {found}; {why}: strike the shod foot on the plate thirty times, a second apart, or jump on it"
    )


def _class_lag(source: LagSource, kind: str, events: LoadEvents, against: str, unit: str) -> RecordingLag:
    streams = {n: s for n, s in source.device.streams.items() if s.attrs.get("kind") == kind}
    rate_hz = float(next(iter(streams.values())).attrs["rate_hz"])
    stance_s = usual_stance_s(events.contacts) if events.method == "steps" else float("nan")
    try:
        pairs = _pairs(source, kind, streams, events, stance_s)
    except BadInputError as error:
        raise BadInputError(f"{source.name}: {error}") from error
    if pairs.lag_s.size < FEWEST_BLOWS:
        raise BadInputError(
            f"{source.name}: the {kind} shows {pairs.lag_s.size} of the {events.onset_s.size} {events.method} that the"
            f" {against} felt, by its {FEATURES[kind]}; {FEWEST_BLOWS} are needed. Is it the device that was struck,"
            " and are the clocks one?"
        )
    kept = agreeing(pairs.lag_s, sample_s=1.0 / rate_hz)
    if kept.mean() < 1.0 - MOST_LEFT_OUT:
        raise BadInputError(
            f"{source.name}: the {events.method} do not agree on the lag of the {kind}: {int((~kept).sum())} of"
            f" {kept.size} lie far from the others; are the clocks one, and was every blow on this device?"
        )
    _refuse_drift(source.name, kind, pairs.onset_s[kept], pairs.lag_s[kept])
    gait = "any"
    if events.method == "steps":
        gait = "walking" if stance_s > WALKING_STANCE_S else "running"
    felt_by = source.reference if source.reference is not None else source.device
    about_s, plate_course, device_course = courses(felt_by.streams, streams, kind, pairs, shift_s=source.shift_s)
    return RecordingLag(
        source.name,
        kind,
        FEATURES[kind],
        rate_hz,
        events.method,
        gait,
        pairs,
        kept,
        against,
        unit,
        events.onset_s.size - pairs.lag_s.size,
        about_s,
        plate_course,
        device_course,
    )


def _pairs(source: LagSource, kind: str, streams: dict, events: LoadEvents, stance_s: float) -> Pairs:  # type: ignore[type-arg]
    if kind == "insole":
        return insole_pairs(streams, events, source.shift_s)
    if kind == "imu":
        return imu_pairs(streams, events, source.shift_s, stance_s)
    if events.method == "blows":
        raise BadInputError(
            "a hammer's blow moves no heel, and landmarks show contacts by how heels and toes move;"
            " measure their lag by steps or jumps"
        )
    return landmark_pairs(streams, events, source.shift_s)


def _force_unit(stream: object) -> str:
    for name in ("fz", "fy", "fx"):
        if name in stream:  # type: ignore[operator]
            return str(stream[name].attrs.get("units", ""))  # type: ignore[index]
    return ""


def agreeing(lag_s: Floats, *, sample_s: float = 0.0) -> NDArray[np.bool_]:
    """Return which lags lie with the others: within 4 robust SDs of the median, and always within 3 ms or a sample."""
    off = np.abs(lag_s - np.median(lag_s))
    return np.asarray(off <= max(OUTLIER_SDS * MAD_TO_SD * float(np.median(off)), LEAST_OUTLIER_S, sample_s))


def _refuse_drift(name: str, kind: str, at_s: Floats, lag_s: Floats) -> None:
    """Refuse a lag that grows over the recording: the two clocks are not one."""
    span = float(np.ptp(at_s))
    if at_s.size < FEWEST_BLOWS or span <= 0:
        return
    centred = at_s - at_s.mean()
    slope = float(centred @ lag_s / (centred @ centred))
    left = lag_s - lag_s.mean() - slope * centred
    error = float(np.sqrt(left @ left / max(at_s.size - 2, 1) / (centred @ centred)))
    if abs(slope) * span > LEAST_DRIFT_S and abs(slope) > DRIFT_ERRORS * max(error, 1e-9):
        raise BadInputError(
            f"{name}: the lag of the {kind} changes by {1e3 * slope * span:+.1f} ms over {span:.0f} s"
            f" ({1e6 * slope:+.0f} ppm): its clock and the plate's are not one, and a lag cannot be told from an"
            " offset; record both in one file, or join the clocks by a cable"
        )


@dataclass(frozen=True)
class ClassLag:
    """One class's lag over all recordings.

    Attributes
    ----------
    device_sd_s
        SD between the recordings' means, less what the blows' scatter explains; None of a single one.
    """

    recordings: tuple[RecordingLag, ...]
    lag_s: float
    blow_sd_s: float
    device_sd_s: float | None
    error_s: float

    @property
    def first(self) -> RecordingLag:
        """Return the first recording, whose class, feature and rate are those of all."""
        return self.recordings[0]


def combine(lags: Sequence[RecordingLag]) -> list[ClassLag]:
    """Return the lag of every class over its recordings: each recording counts once.

    Raises
    ------
    BadInputError
        If recordings of one class differ in rate, method, gait or in what they are measured against.
    """
    found = []
    for kind in dict.fromkeys(lag.device_class for lag in lags):
        own = [lag for lag in lags if lag.device_class == kind]
        _refuse_mixed(own)
        means = np.asarray([lag.mean_s for lag in own])
        count = sum(lag.lags_s.size for lag in own)
        squares = sum(float(((lag.lags_s - lag.mean_s) ** 2).sum()) for lag in own)
        blow_sd = float(np.sqrt(squares / max(count - len(own), 1)))
        errors = np.asarray([lag.error_s for lag in own])
        between = None
        if len(own) > 1:
            between = float(np.sqrt(max(means.var(ddof=1) - float((errors**2).mean()), 0.0)))
        error = float(np.sqrt((errors**2).mean() / len(own)))
        found.append(ClassLag(tuple(own), float(means.mean()), blow_sd, between, error))
    return found


def _refuse_mixed(own: Sequence[RecordingLag]) -> None:
    first = own[0]
    for lag in own[1:]:
        if abs(lag.rate_hz - first.rate_hz) > SAME_RATE * first.rate_hz:
            raise BadInputError(
                f"{first.source} has the {first.device_class} at {first.rate_hz:g} Hz and {lag.source} at"
                f" {lag.rate_hz:g} Hz: a lag depends on the rate; measure each by itself"
            )
        if (lag.method, lag.gait, lag.against) != (first.method, first.gait, first.against):
            raise BadInputError(
                f"{first.source} holds {first.method} ({first.gait} gait, against the {first.against}) and"
                f" {lag.source} {lag.method} ({lag.gait}, against the {lag.against}): measure each by itself"
            )


def predictive_sd_s(seen_sd_s: float | None, count: int, general_sd_s: float, *, worth: float) -> float:
    """Return the SD whose 1.96-fold holds 95 % of the lags of further devices.

    The general table's SD counts like ``worth`` devices, so that two or three recordings do not claim to know a
    spread; what is left uncertain of it widens the normal to Student's t.

    Parameters
    ----------
    seen_sd_s, count
        SD between the recordings' means, and their number.
    general_sd_s
        SD of the class in the general table.
    """
    freedom = worth + max(count - 1, 0)
    seen = 0.0 if seen_sd_s is None else seen_sd_s
    pooled = np.sqrt((worth * general_sd_s**2 + max(count - 1, 0) * seen**2) / freedom)
    return float(pooled * np.sqrt(1.0 + 1.0 / count) * special.stdtrit(freedom, 0.975) / 1.96)
