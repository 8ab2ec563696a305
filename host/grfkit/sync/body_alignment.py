"""Alignment by the acceleration of the body: sensors on pelvis, torso, thighs or shanks against a treadmill's force."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from ..calibrate.documents import LagTable
from ..calibrate.lags import Lag, lookup
from ..records import Anchors, ClockMap, Prior, Segment, Surface
from ..records.body import BodyPlace
from ..signals.belt_breaks import belt_parts, told_parts
from ..signals.belt_clocks import told_shift
from ..signals.clocks import dejittered
from .body_breaks import BodyPart, body_parts
from .body_course import EDGE_S, course_of, local_lag
from .body_search import BestBodyLag, search_body
from .clock_map import DeviceAlignment, clock_map, nothing_to_align
from .contact_events import LoadSignal, has_flight, plate_loads
from .decide import contradiction, too_close
from .fit import ClockFit, fit_clock, segment_of
from .losses import loss_sentences, lost_samples
from .settings import AlignSettings
from .waveform import FEWEST_SAMPLES, WaveformLag

ORDER: tuple[BodyPlace, ...] = ("pelvis", "torso", "thigh", "shank")
"""Places, the one whose acceleration follows the force best first."""
TRUNK = ("pelvis", "torso")
"""Places that stay upright, where the mean acceleration points up; legs swing, and their magnitude is taken."""
SAME_S = 0.12
"""Lags (s) nearer than this are one alignment, as in the benchmark; the shortest step is twice as long."""
WINDOW_S = 8.0
"""Length (s) of a stretch whose own lag is looked at; chosen by hand: some seven strides."""
REACH_S = 0.25
"""Distance (s) from the best lag at which a stretch's own is looked for; less than half a step of a walk."""
NEAR_S = 0.05
"""Distance (s) from the clock within which a stretch follows it; chosen by hand, three times their usual scatter."""
MOST_FEWER = 1.25
"""How many times less of the records may overlap at a rival whose evidence is scaled up to the winner's overlap; chosen
by hand: beyond, chance would be scaled up."""
USUAL_STEP_S = 0.5
"""Step time (s) that a prior's SD is compared with."""
_ROUNDING = 1e-6
"""Range of a signal, as a share of its size, below which it is one number; what 32-bit files keep of it."""
_NORMAL_95 = 1.96
"""Half-width of a 95 % interval of the normal distribution, in SDs."""


def body_sensors(streams: Mapping[str, xr.Dataset]) -> tuple[BodyPlace, dict[str, xr.Dataset]] | None:
    """Return the accelerometers of the place on the body that follows the force best, None where there is none."""
    worn = {n: s for n, s in streams.items() if s.attrs.get("kind") == "body_imu" and _has_acceleration(s)}
    for place in ORDER:
        there = {n: s for n, s in worn.items() if s.attrs.get("place") == place}
        if there:
            return place, there
    return None


def align_body(
    reference: Mapping[str, xr.Dataset],
    device: Mapping[str, xr.Dataset],
    *,
    surface: Surface,
    prior: Prior | None,
    settings: AlignSettings,
    lags: LagTable,
) -> DeviceAlignment:
    """Return the alignment of a sensor on the body with the summed force of a treadmill.

    Parameters
    ----------
    device
        Streams of one clock, an accelerometer on pelvis, torso, thigh or shank among them; no axes need be known.
    """
    found, loads = body_sensors(device), plate_loads(reference)
    why = _cannot(found is not None, loads, reference, surface)
    if found is None or why:
        return nothing_to_align(why)
    place, sensors = found
    force, body = total_load(loads), body_signal(sensors, place)
    if not _varies(body.value) or not _varies(force.value):
        still = f"the {place}'s acceleration" if not _varies(body.value) else "the treadmill's force"
        return nothing_to_align(f"{still} does not change over the whole record: is the sensor, or its column, dead?")
    gait = "running" if has_flight(force.value) else "walking"
    lag = lookup(lags, device_class=f"imu_{place}", feature="acceleration", rate_hz=body.rate_hz, gait=gait)
    winner = search_body(body, force, prior, settings)
    if winner is None:
        return nothing_to_align("no lag gives the two records enough overlap")
    alignment = _described(winner, place, body, force, lag, prior, settings)
    named = {"source": "+".join(device), "target": "reference", "lag_source": lag.source}
    return replace(alignment, clock_map=alignment.clock_map.model_copy(update=named))


def _cannot(has_sensor: bool, loads: list[LoadSignal], reference: Mapping[str, xr.Dataset], surface: Surface) -> str:
    """Return why nothing can be compared, empty where it can."""
    if surface == "overground":
        return (
            "a sensor on the body is aligned on a treadmill, whose force carries the whole body at every moment; over"
            " plates align shoes, insoles or landmarks"
        )
    if not has_sensor or not loads:
        return "an accelerometer on the body and a treadmill's force are needed, three axes of the former"
    return belts_apart(reference) or ""


def belts_apart(reference: Mapping[str, xr.Dataset]) -> str | None:
    """Return why two belts' forces must not be summed: their clocks differ; None where they may be."""
    plates = [s for s in reference.values() if s.attrs.get("kind") == "force_plate"]
    loads = plate_loads(reference)
    if len(plates) != 2 or len(loads) != 2 or not np.array_equal(loads[0].time_s, loads[1].time_s):
        return None
    along = _forward_axis(plates)
    forward = [np.asarray(s[along].values) if along else np.zeros(loads[0].value.size) for s in plates]
    first, second = (np.stack([load.value, fore], axis=1) for load, fore in zip(loads, forward))
    parts = belt_parts(first, second, rate_hz=loads[0].rate_hz)
    if parts:
        broken = f"the belts' clocks break: {loads[1].name} comes {told_parts(parts, loads[0].name)}"
        return f"{broken}; have that taken away with --correct belts (correct='belts'), or cut the file there"
    shift = told_shift(first, second, rate_hz=loads[0].rate_hz)
    if shift is None:
        return None
    return (
        f"the belts are not on one clock ({loads[1].name} is {1e3 * abs(shift.late_s):.0f} ms"
        f" {'late' if shift.late_s > 0 else 'early'} against {loads[0].name}), so that their sum is not the force on"
        " the body: have that taken away with --correct belts (correct='belts' in Python)"
    )


def _forward_axis(plates: list[xr.Dataset]) -> str:
    """Return the channel along which the belts are braked and pushed most, but for the vertical one; "" for none."""
    names = [n for n in ("fx", "fy", "fz") if all(n in s for s in plates)]
    spread = {n: float(sum(np.nanvar(s[n].values) for s in plates)) for n in names}
    ordered = sorted(names, key=lambda n: spread[n])
    return ordered[-2] if len(ordered) > 2 else ""


def total_load(loads: list[LoadSignal]) -> LoadSignal:
    """Return the summed load of all plates at the times of the first."""
    first = loads[0]
    same = all(np.array_equal(load.time_s, first.time_s) for load in loads)
    values = [load.value if same else np.interp(first.time_s, load.time_s, load.value) for load in loads]
    return LoadSignal("+".join(load.name for load in loads), first.time_s, np.sum(values, axis=0), -1, first.rate_hz)


def body_signal(sensors: Mapping[str, xr.Dataset], place: BodyPlace) -> LoadSignal:
    """Return what sensors of one place show of the body's vertical acceleration, the mean of several.

    On the trunk it is the acceleration along its own mean, which is up; on legs, which swing, its magnitude.
    """
    times, values = [], []
    for stream in sensors.values():
        acc = np.stack([np.asarray(stream[f"acc_{c}"].values, dtype=np.float64) for c in "xyz"], axis=1)
        if place in TRUNK:
            mean = np.nanmean(acc, axis=0)
            along = acc @ (mean / max(float(np.linalg.norm(mean)), 1e-9))
        else:
            along = np.linalg.norm(acc, axis=1)
        times.append(dejittered(np.asarray(stream["time"].values, dtype=np.float64)))
        values.append(along)
    together = values[0]
    if len(values) > 1:
        spread = [np.interp(times[0], t, v, left=np.nan, right=np.nan) for t, v in zip(times, values)]
        together = np.mean(spread, axis=0)
    rate_hz = float(next(iter(sensors.values())).attrs["rate_hz"])
    return LoadSignal("+".join(sensors), times[0], np.asarray(together), -1, rate_hz)


def _has_acceleration(stream: xr.Dataset) -> bool:
    return all(f"acc_{c}" in stream and bool(np.isfinite(stream[f"acc_{c}"].values).any()) for c in "xyz")


def _varies(values: Floats) -> bool:
    """Return whether a signal is more than one number and its rounding."""
    known = values[np.isfinite(values)]
    return bool(known.size and np.ptp(known) > _ROUNDING * max(float(np.abs(known).max()), 1.0))


def _stretches(winner: BestBodyLag, body: LoadSignal, force: LoadSignal) -> tuple[Floats, Floats]:
    """Return the device times of the stretches' middles and their own reference times, NaN where they show none."""
    moved = winner.mapped(body.time_s)
    mine, other = course_of(moved, body.value), course_of(force.time_s, force.value)
    if mine is None or other is None:
        return np.zeros(0), np.zeros(0)
    first = max(mine.start_s, other.start_s) + EDGE_S
    last = min(mine.time_s[-1], other.time_s[-1]) - EDGE_S
    count = max(1, int((last - first) / WINDOW_S))
    edges = np.linspace(first, last, count + 1)
    at, lags = 0.5 * (edges[:-1] + edges[1:]), []
    for a, b in itertools.pairwise(edges):
        window: NDArray[np.bool_] = (mine.time_s >= a) & (mine.time_s < b)
        lags.append(local_lag(mine, other, 0.0, window, REACH_S))
    device_s = winner.middle_s + (at - winner.middle_s - winner.lag_s) / winner.rate
    return device_s, at + np.asarray(lags)


@dataclass(frozen=True)
class _Fitted:
    """A part of the record on a line of its own: its stretches, and which of them follow it."""

    part: BodyPart
    device_s: Floats
    reference_s: Floats
    fit: ClockFit
    segment: Segment
    follows: NDArray[np.bool_]

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Return which stretches show a lag."""
        return np.isfinite(self.reference_s)


def _fitted(
    winner: BestBodyLag, part: BodyPart, body: LoadSignal, force: LoadSignal, lag: Lag, settings: AlignSettings
) -> _Fitted | None:
    """Return the clock through the lags of a part's stretches, None where fewer than two of them show one."""
    inside = (body.time_s >= part.start_s) & (body.time_s <= part.end_s)
    own = replace(body, time_s=body.time_s[inside], value=body.value[inside])
    if own.time_s.size < FEWEST_SAMPLES:
        return None
    device_s, reference_s = _stretches(replace(winner, lag_s=winner.lag_s + part.lag_s), own, force)
    seen = np.isfinite(reference_s)
    if seen.sum() < 2:
        return None
    fit = fit_clock(
        device_s[seen] - lag.lag_s, reference_s[seen], np.full(int(seen.sum()), -1, dtype=np.int64),
        start_s=part.start_s, end_s=part.end_s, rate=winner.rate, rate_sd_ppm=settings.rate_prior_ppm,
    )  # fmt: skip
    segment = segment_of(fit, part.start_s, part.end_s)
    line = ClockMap(source="", target="", verdict="aligned", segments=[segment])
    off_s = reference_s - line.apply(device_s - lag.lag_s)
    return _Fitted(part, device_s, reference_s, fit, segment, np.isfinite(off_s) & (np.abs(off_s) < NEAR_S))


def _described(
    winner: BestBodyLag,
    place: BodyPlace,
    body: LoadSignal,
    force: LoadSignal,
    lag: Lag,
    prior: Prior | None,
    settings: AlignSettings,
) -> DeviceAlignment:
    """Return the map of the best lag, fitted through the lags of its stretches, or the reasons against it."""
    parts = body_parts(winner, body, force, same_s=SAME_S)
    several = [_fitted(winner, part, body, force, lag, settings) for part in parts]
    fitted = [one for one in several if one is not None]
    if not fitted:
        return nothing_to_align("no stretch of the record follows the force at the best lag")
    device_s, reference_s, residual_s, follows = (
        np.concatenate(values)
        for values in zip(*((one.device_s, one.reference_s, one.fit.residual_s, one.follows) for one in fitted))
    )
    seen = np.isfinite(reference_s)
    worst = max(fitted, key=lambda one: one.fit.worst_sd_s)
    best = _as_lag(winner, worst.fit, device_s, reference_s, seen, (body, force))
    segments = [one.segment for one in fitted]
    lost = lost_samples(segments, body.rate_hz)
    broken: list[str] = []
    if len(parts) > 1:
        best = _of_parts(best, winner, parts, body, force, settings)
        broken = _broken(several, parts, settings)
    steepest = max((one.segment.drift_ppm for one in fitted), key=abs)
    reasons = broken or _doubts(best, follows, device_s, steepest, settings, prior)
    described = clock_map(
        best,
        segments,
        lag,
        reasons=reasons,
        uncertainty_ms=1e3 * _NORMAL_95 * float(np.hypot(worst.fit.worst_sd_s, lag.sd_s)),
        residual_ms=1e3 * float(np.std(residual_s)),
        p_wrong=settings.treadmill_wrong(best.margin),
        inliers=float(follows.mean()),
        matched_anchors=int(seen.sum()),
        overlap_s=best.overlap_s,
        lost_samples=sum(max(count, 0) for _, count in lost),
        lag_s=lag.lag_s,
        findings=[
            f"aligned by the acceleration of the {place}, which follows the summed force of {force.name}"
            f" (correlation {best.correlation:.2f}), not by steps",
            *(loss_sentences(lost, segments) if len(fitted) == len(parts) else []),
        ],
    )
    anchors = Anchors(device_s[seen], reference_s[seen], residual_s, follows[seen])
    return DeviceAlignment(
        described, anchors, best.lags_s, best.log_likelihood, anchor_kind="stretches",
        lost=tuple(lost), reference_loads=(force,), device_loads=(body,),
    )  # fmt: skip


def _of_parts(
    best: WaveformLag,
    winner: BestBodyLag,
    parts: list[BodyPart],
    body: LoadSignal,
    force: LoadSignal,
    settings: AlignSettings,
) -> WaveformLag:
    """Return the winner with the margins of a broken record: the surest part's against all lags, and the least of all.

    The whole record's own margin says nothing: its best lag is that of one part, the next best that of another.
    """
    surest = max(parts, key=lambda part: part.margin)
    inside = (body.time_s >= surest.start_s) & (body.time_s <= surest.end_s)
    own = replace(body, time_s=body.time_s[inside], value=body.value[inside])
    alone = search_body(own, force, None, settings)
    if alone is None:
        return replace(best, margin=0.0, margin_without_prior=0.0)
    # the same place, at the middle of the part
    middle_s = np.asarray([alone.middle_s])
    same = abs(float(alone.mapped(middle_s)[0] - winner.mapped(middle_s)[0]) - surest.lag_s) < SAME_S
    far = np.abs(alone.lags_s - alone.lag_s) > SAME_S
    everywhere = float(alone.plain.max() - alone.plain[far].max(initial=0.0)) if same else 0.0
    least = min(everywhere, *(part.margin for part in parts))
    return replace(best, margin=least, margin_without_prior=least, runner_up_s=float("nan"))


def _broken(several: list[_Fitted | None], parts: list[BodyPart], settings: AlignSettings) -> list[str]:
    """Return why a record with breaks cannot be aligned, with the places."""
    where = ", ".join(f"{a.end_s:.0f} and {b.start_s:.0f} s" for a, b in itertools.pairwise(parts))
    unplaced = [p for p, one in zip(parts, several) if one is None or p.margin < settings.body.margin]
    if not unplaced:
        return []
    which = ", ".join(f"{p.start_s:.0f} to {p.end_s:.0f} s" for p in unplaced)
    return [
        f"the record breaks between {where} of its time (samples were lost there, or a clock was set), and the part of"
        f" {which} shows too little to be placed by itself: cut the file there and align its parts one by one"
    ]


def _as_lag(
    winner: BestBodyLag,
    fit: ClockFit,
    device_s: Floats,
    reference_s: Floats,
    seen: NDArray[np.bool_],
    signals: tuple[LoadSignal, LoadSignal],
) -> WaveformLag:
    """Return the winner with its margins, as alignments by a load's course have it."""
    body, force = signals
    far = np.abs(winner.lags_s - winner.lag_s) > SAME_S
    top = int(np.argmin(np.abs(winner.lags_s - winner.lag_s)))
    # even steps agree equally well a stride away: that less of the records overlaps there is no evidence against it
    first, last = winner.middle_s + winner.lags_s + (np.asarray(body.time_s)[[0, -1], None] - winner.middle_s)
    shared_s = np.minimum(last, force.time_s[-1]) - np.maximum(first, force.time_s[0])
    fewer = np.clip(shared_s[top] / np.maximum(shared_s, 1e-9), 1.0, MOST_FEWER)
    rivals = np.where(far, winner.total + winner.plain * (fewer - 1.0), -np.inf)
    rival = float(rivals.max(initial=winner.floor))
    runner_up_s = float(winner.lags_s[int(np.argmax(rivals))]) if rival > winner.floor else float("nan")
    moved = winner.mapped(body.time_s[[0, -1]])
    overlap_s = float(min(moved[1], force.time_s[-1]) - max(moved[0], force.time_s[0]))
    return WaveformLag(
        offset_s=winner.lag_s,
        margin=float(winner.total[top] - rival),
        margin_without_prior=float(winner.plain[top] - (winner.plain * fewer)[far].max(initial=winner.floor)),
        against_prior=winner.against_prior,
        range_s=winner.range_s,
        runner_up_s=runner_up_s,
        correlation=winner.correlation,
        edges=int(seen.sum()),
        sd_s=fit.worst_sd_s,
        overlap_s=overlap_s,
        pairs=((body.name, force.name),),
        lags_s=winner.lags_s,
        log_likelihood=winner.total,
        anchor_device_s=device_s,
        anchor_reference_s=reference_s,
    )


def _doubts(
    best: WaveformLag,
    follows: NDArray[np.bool_],
    device_s: Floats,
    drift_ppm: float,
    settings: AlignSettings,
    prior: Prior | None,
) -> list[str]:
    """Return why another lag may be the right one, or the record does not follow one clock."""
    gate = settings.body
    tight = prior is not None and prior.sd_s < settings.prior_relaxes_below_steps * USUAL_STEP_S
    margin = best.margin if tight else min(best.margin, best.margin_without_prior)
    reasons = contradiction("accelerations", best.against_prior)
    if margin < gate.margin:
        advice = "record longer, or with a sensor nearer to the pelvis"
        reasons.append(f"{too_close('lag', margin, best.runner_up_s, gate.margin)}: {advice}")
    if best.overlap_s < settings.enough_overlap_s:
        reasons.append(
            f"the records overlap by {best.overlap_s:.1f} s only ({settings.enough_overlap_s:.0f} s needed): record"
            " longer, or ask for less with --min-overlap-s (min_overlap_s in Python)"
        )
    if float(follows.mean()) < gate.inliers or bool(np.any(~follows[:-1] & ~follows[1:])):
        where = ", ".join(f"{t - WINDOW_S / 2:.0f} to {t + WINDOW_S / 2:.0f} s" for t in device_s[~follows][:4])
        reasons.append(
            f"the body's acceleration does not follow this clock at {where} of its record: were samples lost there?"
        )
    if abs(drift_ppm) > settings.max_drift_ppm:
        reasons.append(
            f"the clock would have to run {drift_ppm:+.0f} ppm off, more than the {settings.max_drift_ppm:.0f} that is"
            " allowed: were samples lost, or is the rate another than the file says?"
        )
    return reasons
