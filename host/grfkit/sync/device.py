"""How one device's clock becomes the reference clock, and how surely; or a refusal."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import xarray as xr
from scipy.special import stdtrit

from ..arrays import Floats
from ..calibrate.documents import LagTable
from ..calibrate.lags import Lag, lookup
from ..errors import BadInputError
from ..records import Anchors, ClockMap, Knot, Prior, Recording, Segment, Surface
from ..signals.contacts import Contacts, inside
from .contact_events import (
    LONGEST_STANCE_S,
    TWIN_LEVEL,
    DeviceTrain,
    Load,
    device_train,
    follows_force,
    hides_feet,
    reference_train,
)
from .decide import decide
from .fit import ClockFit, fit_clock
from .search import Found, search
from .settings import AlignSettings
from .slips import slips_within
from .track import Piece, Tracked, scan_rates, track
from .waveform import WaveformFound, is_standing, search_waveform

Streams = Mapping[str, xr.Dataset]

_CLEARLY_ODD = 0.4
_MUCH_TOO_ODD = 0.6
_UNSTEADY_S = 0.008
_STEEPEST_PPM = 250.0
_LANDINGS_TOLD = 0.2
_WALKING_STANCE_S = 0.42
_SAME_ANSWER_S = 0.03
_STRETCH = 16
_USUAL_STEP_S = 0.5
TWIN_SD_S = 0.0005
"""SD (s) of what remains of a lag between two force plates: filters and sampling."""


_ONE_BELT = (
    "the reference is one force that is never at rest, as of walking on one belt: while both feet stand on it nobody"
    " sees which one lands; use a belt or plate for each foot, or align a run"
)
_SLOWEST_IMU_HZ = 90.0


@dataclass(frozen=True)
class DeviceAlignment:
    """A clock map with what a report shows beside it.

    Attributes
    ----------
    lags_s, log_likelihood
        Every lag that was scored, and its score (nats).
    lost
        (device time, samples) of each silent loss.
    reference_loads, device_loads
        The signals that were aligned.
    """

    clock_map: ClockMap
    anchors: Anchors
    lags_s: Floats
    log_likelihood: Floats
    anchor_kind: str = "contacts"
    lost: tuple[tuple[float, int], ...] = ()
    reference_loads: tuple[Load, ...] = ()
    device_loads: tuple[Load, ...] = field(default=())


def align_device(
    reference: Recording | Streams,
    device: Recording | Streams,
    *,
    surface: Surface,
    prior: Prior | None = None,
    settings: AlignSettings | None = None,
    lags: LagTable | None = None,
    accept_refused: bool = False,
) -> DeviceAlignment:
    """Return how one device's clock becomes the reference clock, or a refusal without a map.

    All streams of ``device`` are taken to share one clock, and the plates are taken as they are: nothing is examined,
    grouped or assembled. :func:`grfkit.sync.align` does all of that.

    Parameters
    ----------
    reference
        Force plates (or, for device chains, insoles).
    device
        Insoles, IMUs or landmarks, any unit; counts do.
    surface
        ``treadmill``: the reference sees every contact; ``overground``: separate plates, some contacts.
    prior
        Gaussian on ``offset_s``.
    settings
        Gates and limits.
    lags
        Sensor-lag table; the packaged one by default.
    accept_refused
        Keep the map of a refused alignment; ``verdict`` stays ``refused``.

    Raises
    ------
    BadInputError
        If either side holds nothing that shows contacts, or the surface is unknown.
    """
    chosen = settings or AlignSettings()
    if surface not in ("treadmill", "overground"):
        raise BadInputError(f"surface is '{surface}', expected 'treadmill' or 'overground'")
    plates = surface == "overground"
    contacts, loads = reference_train(_streams(reference), plates=plates)
    if not plates and hides_feet(loads):
        return replace(_nothing(_ONE_BELT), reference_loads=tuple(loads))
    table = lags if lags is not None else _default_lags()
    gait = "walking" if _usual_stance(contacts) > _WALKING_STANCE_S else "running"
    readings = []
    for train in _trains(_streams(device), contacts, plates):
        lag = lookup(table, device_class=train.device_class, feature=train.feature, rate_hz=train.rate_hz, gait=gait)
        readings.append((align_contacts(contacts, train, plates, prior, chosen, lag), train, lag))
    result, train, lag = max(readings, key=_evidence)
    result = _against_other_readings(result, [r[0] for r in readings], plates, chosen)
    if plates and result.clock_map.verdict == "refused" and train.loads and is_standing(loads):
        course = _by_waveform(loads, train, prior, chosen, lag)
        if course.clock_map.verdict == "aligned" or result.clock_map.margin is None or result.clock_map.margin < 5.0:
            result = course
    found = result.clock_map
    if found.segments and train.loads and not plates and follows_force(loads, train.loads, found.apply):
        train = device_train(_streams(device), level=TWIN_LEVEL, inverted=train.loads[0].inverted)
        contacts, loads = reference_train(_streams(reference), plates=False, level=TWIN_LEVEL)
        lag = Lag(0.0, TWIN_SD_S, "the device's load is the reference's own force: no sensor lag")
        result = align_contacts(contacts, train, plates, prior, chosen, lag)
    upside = [load.name for load in (*loads, *train.loads) if load.inverted]
    findings = list(result.clock_map.findings)
    if upside:
        findings.append(f"the load of {', '.join(upside)} points down in the file; its sign was turned to align")
    named = result.clock_map.model_copy(
        update={
            "source": "+".join(train.streams),
            "target": "reference",
            "lag_source": lag.source,
            "inverted": bool(upside),
            "findings": findings,
        }
    )
    if named.verdict == "refused" and not accept_refused:
        named = _without_map(named)
    return replace(result, clock_map=named, reference_loads=tuple(loads), device_loads=train.loads)


_Reading = tuple[DeviceAlignment, DeviceTrain, Lag]


def _evidence(reading: _Reading) -> float:
    return float(reading[0].log_likelihood.max(initial=-np.inf))


def _against_other_readings(
    best: DeviceAlignment, readings: Sequence[DeviceAlignment], plates: bool, settings: AlignSettings
) -> DeviceAlignment:
    """Return the best reading, refused where the load turned round says another thing and says it nearly as well."""
    offset = best.clock_map.offset_s
    rivals = [r for r in readings if r is not best and r.log_likelihood.size]
    if offset is None or not rivals:
        return best
    rival = max(rivals, key=lambda r: float(r.log_likelihood.max()))
    lead = float(best.log_likelihood.max() - rival.log_likelihood.max())
    same = rival.clock_map.offset_s is not None and abs(rival.clock_map.offset_s - offset) < _SAME_ANSWER_S
    gate = settings.overground if plates else settings.treadmill
    if same or lead >= gate.margin:
        return best
    law = settings.overground_wrong if plates else settings.treadmill_wrong
    reason = (
        f"its load fits nearly as well turned upside down ({lead:.1f} nats worse, {gate.margin:.0f} needed): say which"
        " sign is load, or calibrate the insole first"
    )
    told = best.clock_map
    update = {
        "verdict": "refused",
        "reasons": [*told.reasons, reason],
        "p_wrong": max(told.p_wrong or 0.0, law(lead)),
        "margin": min(told.margin if told.margin is not None else lead, lead),
    }
    return replace(best, clock_map=told.model_copy(update=update))


def _trains(streams: Streams, reference: Contacts, plates: bool) -> list[DeviceTrain]:
    """Return the device's contacts, and a second reading with its load turned round where that is as plausible.

    An insole whose counts fall under load shows its swings as contacts; those would match contacts too, a stance late.
    In running a swing lasts twice a stance and only one reading remains; in walking, or with a saturated insole, both
    do, and the likelihood decides.
    """
    train = device_train(streams, plates=plates, stance_s=_usual_stance(reference))
    if not train.loads:
        return [train]
    turned = device_train(streams, plates=plates, inverted=True)
    odd, odd_turned = _oddity(train, reference), _oddity(turned, reference)
    plausible = np.isfinite(odd_turned) and odd_turned < _MUCH_TOO_ODD
    if not plausible or odd < odd_turned - _CLEARLY_ODD:
        return [train]
    return [turned] if odd_turned < odd - _CLEARLY_ODD else [train, turned]


def _oddity(train: DeviceTrain, reference: Contacts) -> float:
    """Return how far (log ratio) the device's usual contact time is from the reference's, NaN if unknown."""
    known = train.contacts.duration_s[np.isfinite(train.contacts.duration_s)]
    if not known.size or not reference.size:
        return float("nan")
    return float(abs(np.log(np.median(known) / np.median(reference.duration_s))))


@lru_cache(maxsize=1)
def _default_lags() -> LagTable:
    from ..calibrate.library import load

    document = load("default", kind="lags").document
    if not isinstance(document, LagTable):
        raise BadInputError("the packaged lag table is no lag table; reinstall grfkit")
    return document


def _streams(source: Recording | Streams) -> dict[str, xr.Dataset]:
    return source.streams if isinstance(source, Recording) else dict(source)


def _without_map(refused: ClockMap) -> ClockMap:
    nothing: dict[str, object] = {
        "offset_s": None,
        "drift_ppm": None,
        "knots": [],
        "segments": [],
        "uncertainty_ms": None,
    }
    return refused.model_copy(update=nothing)


def align_contacts(
    reference: Contacts,
    train: DeviceTrain,
    plates: bool,
    prior: Prior | None,
    settings: AlignSettings,
    lag: Lag,
) -> DeviceAlignment:
    """Return the alignment of contact trains: :func:`align_device` past the detectors.

    Parameters
    ----------
    reference
        Contacts on the reference clock.
    train
        Contacts on the device clock.
    plates
        True where the reference sees only some contacts.
    """
    device = train.contacts
    if reference.size < 3 or device.size < 3:
        who = "reference" if reference.size < 3 else "device"
        count = min(reference.size, device.size)
        return _nothing(f"the {who} shows {count} contacts only; there is nothing to match")
    shortest = settings.shortest_overlap_s * 0.5 if not plates else 5.0
    start_rate = 1.0
    findings: list[str] = []
    if train.stamp_source == "index" and not plates:
        scanned = scan_rates(reference, device, half_width=settings.rate_scan, shortest_overlap_s=shortest, prior=prior)
        if scanned is not None:
            start_rate = scanned
            findings.append(f"stamps are sample counts; true rate is {1e6 * (1 / scanned - 1):+.0f} ppm off nominal")
    found = None
    long = device.onset_s[-1] - device.onset_s[0] > settings.long_record_s
    if not long:
        found = search(
            reference,
            device,
            plates=plates,
            prior=prior,
            start_rate=start_rate,
            rate_prior_ppm=settings.rate_prior_ppm if start_rate == 1.0 else 150.0,
            shortest_overlap_s=shortest,
        )
        if found is not None and (plates or not _suspicious(reference, device, found)):
            return _whole(reference, train, found, plates, prior, settings, lag, findings)
    tracked = None
    if not plates:
        tracked = track(
            reference,
            device,
            prior=prior,
            start_rate=start_rate,
            rate_prior_ppm=settings.rate_prior_ppm if start_rate == 1.0 else 150.0,
            shortest_overlap_s=shortest,
        )
    if tracked is not None and (long or len(tracked.pieces) > 1 or found is None):
        return _pieced(reference, train, tracked, prior, settings, lag, findings)
    if found is None:
        return _nothing("no lag gives the two records enough overlap")
    return _whole(reference, train, found, plates, prior, settings, lag, findings)


def _suspicious(reference: Contacts, device: Contacts, found: Found) -> bool:
    """Return whether part of the record does not follow the one clock found: samples may have been lost."""
    if found.inliers < 0.93 or found.residual_sd_s > 0.012 or np.any(np.abs(_blocks(reference, found)) > _UNSTEADY_S):
        return True
    return _slip(reference, device, found.offset_s, found.rate, found.beat.step_s) != []


def _shoe_reasons(train: DeviceTrain) -> list[str]:
    """Return why a shoe IMU's shocks cannot be taken for landings; no prior helps, for it cannot say which they are."""
    if train.feature != "jerk":
        return []
    if train.rate_hz < _SLOWEST_IMU_HZ:
        return [
            f"an IMU at {train.rate_hz:.0f} Hz is too slow to time a landing ({_SLOWEST_IMU_HZ:.0f} Hz needed):"
            " align an insole, or record faster"
        ]
    if train.landing_evidence > _LANDINGS_TOLD:
        return []
    return ["this IMU's landings cannot be told from its push-offs and either would fit: align an insole"]


def _usual_stance(reference: Contacts) -> float:
    """Return the reference's usual contact time (s), standing and jumps left out; NaN where it has none."""
    known = reference.duration_s[np.isfinite(reference.duration_s) & (reference.duration_s < LONGEST_STANCE_S)]
    return float(np.median(known)) if known.size >= 3 else float("nan")


def _strays(reference: Contacts, train: DeviceTrain, segments: Sequence[Segment], lag_s: float) -> list[str]:
    """Return a reason for every stretch of device time whose contacts do not follow the map (treadmill only).

    Blocks of ten seconds with at least eight contacts of which fewer than half lie within 30 ms of a reference
    contact: by chance about one in six does.
    """
    device = train.contacts.onset_s
    mapped = ClockMap(source="", target="", verdict="aligned", segments=list(segments)).apply(device - lag_s)
    mapped = np.nan_to_num(mapped, nan=-1e9)
    seen = inside(reference.covered_s, mapped)
    index = np.clip(np.searchsorted(reference.onset_s, mapped), 1, reference.size - 1)
    distance = np.minimum(np.abs(reference.onset_s[index] - mapped), np.abs(reference.onset_s[index - 1] - mapped))
    block = (device / 10.0).astype(int)
    reasons = []
    for k in np.unique(block[seen]):
        here = seen & (block == k)
        if here.sum() >= 8 and float(np.mean(distance[here] < 0.03)) < 0.5:
            reasons.append(10 * int(k))
    if not reasons:
        return []
    where = ", ".join(f"{t} to {t + 10} s" for t in reasons[:4]) + (" and more" if len(reasons) > 4 else "")
    return [f"the device's contacts do not follow this clock at {where} of its record: were samples lost there?"]


def _slip(
    reference: Contacts, device: Contacts, offset_s: float, rate: float, step_s: float, *, plates: bool = False
) -> list[str]:
    """Return a reason where a stretch of the record speaks for another step than the rest."""
    slip = slips_within(reference, device, offset_s=offset_s, rate=rate, step_s=step_s, plates=plates)
    if slip is None:
        return []
    start, end, steps = slip
    return [
        f"between {start:.0f} and {end:.0f} s of the reference the contacts fit better {steps:+.1f} steps away:"
        " were samples lost there?"
    ]


def _blocks(reference: Contacts, found: Found) -> Floats:
    """Return the median residual of every twenty seconds."""
    index = (reference.onset_s / 20.0).astype(int)
    used = found.partner >= 0
    values = [np.median(found.residual_s[used & (index == k)]) for k in np.unique(index[used])]
    return np.asarray(values)


def _nothing(reason: str) -> DeviceAlignment:
    empty = np.zeros(0)
    refused = ClockMap(source="", target="", verdict="refused", reasons=[reason], matched_anchors=0)
    return DeviceAlignment(refused, Anchors(empty, empty, empty, np.zeros(0, dtype=bool)), empty, empty)


def _overlap(reference: Contacts, start_s: float, end_s: float, found: Found) -> tuple[float, float, float]:
    """Return start and end (device time) and length (s) of the overlap."""
    first = (reference.covered_s[0, 0] - found.offset_s) / found.rate
    last = (reference.covered_s[-1, 1] - found.offset_s) / found.rate
    start, end = max(first, start_s), min(last, end_s)
    return start, end, max(end - start, 0.0)


def _whole(
    reference: Contacts,
    train: DeviceTrain,
    found: Found,
    plates: bool,
    prior: Prior | None,
    settings: AlignSettings,
    lag: Lag,
    findings: Sequence[str],
) -> DeviceAlignment:
    start, end, overlap = _overlap(reference, train.start_s, train.end_s, found)
    decision = decide(found, plates=plates, overlap_s=overlap, prior=prior, settings=settings)
    anchors, fit = _fitted(reference, train.contacts, found, start, end, lag)
    if fit is None:
        return _nothing("too few contacts match to fit a clock")
    segment = _segment(fit, train.start_s, train.end_s)
    reasons = [*decision.reasons, *_shoe_reasons(train)]
    if train.stamp_source != "index" and abs(segment.drift_ppm) > _STEEPEST_PPM:
        reasons.append(
            f"the clock would have to run {segment.drift_ppm:+.0f} ppm off, more than a crystal's {_STEEPEST_PPM:.0f}:"
            " were samples lost, or is the rate another than the file says?"
        )
    if not plates:
        reasons += _strays(reference, train, [segment], lag.lag_s)
        reasons += _slip(reference, train.contacts, found.offset_s, found.rate, found.beat.step_s)
    else:
        reasons += _slip(reference, train.contacts, found.offset_s, found.rate, found.beat.step_s, plates=True)
    spread = float(stdtrit(max(int(anchors.kept.sum()) - 3, 1), 0.975)) * fit.worst_sd_s
    uncertainty = 1e3 * float(np.hypot(spread + _unsteadiness(anchors), 1.96 * lag.sd_s))
    made = ClockMap(
        source="",
        target="",
        verdict="refused" if reasons else "aligned",
        reasons=reasons,
        offset_s=segment.offset_s,
        drift_ppm=segment.drift_ppm,
        knots=segment.knots,
        segments=[segment],
        uncertainty_ms=uncertainty,
        residual_ms=1e3 * found.residual_sd_s,
        margin=found.margin,
        margin_without_prior=found.margin_without_prior,
        p_wrong=decision.p_wrong,
        inliers=found.inliers,
        matched_anchors=found.matched,
        overlap_s=overlap,
        runner_up_offset_s=_finite(found.runner_up_s),
        lag_s=lag.lag_s,
        lag_sd_s=lag.sd_s,
        swapped_sides=found.swapped,
        findings=[*findings, *_swap_finding(found), *_unseen(train, plates)],
    )
    return DeviceAlignment(made, anchors, found.lags_s, found.log_likelihood)


def _unseen(train: DeviceTrain, plates: bool) -> list[str]:
    if not plates or train.stamp_source == "crystal":
        return []
    return [
        "samples lost between passes over the plates would go unseen, as these stamps are not the device's own clock:"
        " jumps at the beginning and at the end would show a loss"
    ]


def _swap_finding(found: Found) -> list[str]:
    if not found.swapped:
        return []
    return ["left and right of the device are exchanged against the reference; the streams keep their names"]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _fitted(
    reference: Contacts,
    device: Contacts,
    found: Found,
    start: float,
    end: float,
    lag: Lag,
) -> tuple[Anchors, ClockFit | None]:
    pairs = np.flatnonzero(found.partner >= 0)
    partner = found.partner[pairs]
    t_device = device.onset_s[partner] - lag.lag_s
    t_reference = reference.onset_s[pairs]
    kept = found.kept[pairs]
    empty = Anchors(t_device, t_reference, np.zeros(pairs.size), kept)
    if kept.sum() < 3 or end - start < 1.0:
        return empty, None
    fit = fit_clock(
        t_device[kept],
        t_reference[kept],
        device.foot[partner][kept],
        start_s=start,
        end_s=end,
        rate=found.rate,
        foot_s=found.foot_s,
    )
    segment = _segment(fit, start, end)
    return Anchors(t_device, t_reference, t_reference - segment.apply(t_device), kept), fit


def _unsteadiness(anchors: Anchors) -> float:
    """Return how far (s) the residuals of some six seconds stand off together, beyond what their scatter explains.

    A clock that jumped by less than can be found, or wandered faster than a crystal, leaves this behind.
    """
    residual = anchors.residual_s[anchors.kept]
    if residual.size < 2 * _STRETCH:
        return 0.0
    parts = np.array_split(residual, residual.size // _STRETCH)
    middle = np.asarray([np.median(p) for p in parts])
    scatter = 1.4826 * np.asarray([np.median(np.abs(p - m)) for p, m in zip(parts, middle)])
    chance = 3.5 * 1.25 * np.median(scatter) * np.sqrt(2.0 / _STRETCH)  # jitter is correlated: half the number counts
    return float(max(np.abs(middle).max() - chance, 0.0))


def _segment(fit: ClockFit, start_s: float, end_s: float) -> Segment:
    knots: list[Knot] = []
    if np.abs(fit.extra_s).max() > 1e-4:
        knots = [Knot(t_device_s=float(t), extra_s=float(x)) for t, x in zip(fit.knots_s, fit.extra_s)]
    return Segment(
        start_s=start_s,
        end_s=end_s,
        offset_s=float(fit.offset_s),
        drift_ppm=float((fit.rate - 1.0) * 1e6),
        knots=knots,
    )


def _pieced(
    reference: Contacts,
    train: DeviceTrain,
    tracked: Tracked,
    prior: Prior | None,
    settings: AlignSettings,
    lag: Lag,
    findings: Sequence[str],
) -> DeviceAlignment:
    """Return the alignment of a record cut into pieces, each fitted on its own."""
    segments: list[Segment] = []
    parts: list[Anchors] = []
    reasons: list[str] = []
    lost: list[tuple[float, int]] = []
    worst = residual = overlap = unsteady = 0.0
    matched = possible = 0
    for number, piece in enumerate(tracked.pieces):
        outcome = _piece(reference, train, tracked, piece, lag)
        if outcome is None:
            reasons.append(f"the stretch {piece.start_s:.0f} to {piece.end_s:.0f} s matches too few contacts")
            continue
        anchors, fit, seen = outcome
        reasons += _slip(reference, _part(train.contacts, piece), piece.lag_s, tracked.rate, tracked.anchor.beat.step_s)
        first = train.start_s if number == 0 else piece.start_s
        last = train.end_s if number == len(tracked.pieces) - 1 else piece.end_s
        segment = _segment(fit, first, last)
        if segments:
            jump = float(segment.apply(np.asarray([first]))[0] - segments[-1].apply(np.asarray([first]))[0])
            lost.append((first, round(jump * train.rate_hz)))
        segments.append(segment)
        parts.append(anchors)
        worst = max(worst, fit.worst_sd_s)
        unsteady = max(unsteady, _unsteadiness(anchors))
        residual = max(residual, float(np.std(fit.residual_s)))
        matched, possible = matched + int(anchors.kept.sum()), possible + seen
        overlap += _shared(reference, segment, piece)
    if not segments:
        return _nothing("no stretch of the record could be fitted")
    found = replace(
        tracked.anchor,
        inliers=min(1.0, matched / max(possible, 1)),
        residual_sd_s=residual,
        margin=tracked.margin,
        margin_without_prior=min(tracked.margin, tracked.anchor.margin_without_prior),
    )
    decision = decide(found, plates=False, overlap_s=overlap, prior=prior, settings=settings)
    reasons += [
        *decision.reasons,
        *_shoe_reasons(train),
        *_strays(reference, train, segments, lag.lag_s),
    ]
    if tracked.share < 0.7:
        reasons.append(f"only {100 * tracked.share:.0f} % of the record's half-minutes follow the clock found")
    if len(segments) > 1:
        findings = [*findings, *_losses(lost, segments)]
    one = segments[0] if len(segments) == 1 else None
    joined = Anchors(*(np.concatenate([getattr(p, n) for p in parts]) for n in _ANCHOR_FIELDS))
    made = ClockMap(
        source="",
        target="",
        verdict="refused" if reasons else "aligned",
        reasons=reasons,
        offset_s=one.offset_s if one else None,
        drift_ppm=one.drift_ppm if one else None,
        knots=one.knots if one else [],
        segments=segments,
        uncertainty_ms=1e3 * float(np.hypot(1.96 * worst + unsteady, 1.96 * lag.sd_s)),
        residual_ms=1e3 * residual,
        margin=found.margin,
        margin_without_prior=found.margin_without_prior,
        p_wrong=decision.p_wrong,
        inliers=found.inliers,
        matched_anchors=matched,
        overlap_s=overlap,
        runner_up_offset_s=_finite(found.runner_up_s),
        lost_samples=sum(max(n, 0) for _, n in lost),
        lag_s=lag.lag_s,
        lag_sd_s=lag.sd_s,
        swapped_sides=found.swapped,
        findings=[*findings, *_swap_finding(found)],
    )
    return DeviceAlignment(made, joined, found.lags_s, found.log_likelihood, lost=tuple(lost))


def _losses(lost: Sequence[tuple[float, int]], segments: Sequence[Segment]) -> list[str]:
    """Return a sentence for each loss (or surplus): how many samples, and between which device times."""
    found = []
    for (_, count), (before, after) in zip(lost, itertools.pairwise(segments)):
        what = f"{count} samples lost" if count >= 0 else f"{-count} samples too many"
        found.append(f"{what} between {before.end_s:.2f} and {after.start_s:.2f} s; what lies between is not placed")
    return found


def _shared(reference: Contacts, segment: Segment, piece: Piece) -> float:
    """Return how much (s) of a piece the reference recorded too."""
    start, end = segment.apply(np.asarray([piece.start_s, piece.end_s]))
    return float(max(min(end, reference.covered_s[-1, 1]) - max(start, reference.covered_s[0, 0]), 0.0))


def _part(device: Contacts, piece: Piece) -> Contacts:
    return device.taken((device.onset_s >= piece.start_s) & (device.onset_s < piece.end_s))


_ANCHOR_FIELDS = ("t_device_s", "t_reference_s", "residual_s", "kept")


def _piece(
    reference: Contacts,
    train: DeviceTrain,
    tracked: Tracked,
    piece: Piece,
    lag: Lag,
) -> tuple[Anchors, ClockFit, int] | None:
    from .matching import match

    part = _part(train.contacts, piece)
    if part.size < 6:
        return None
    matches = match(
        reference,
        part,
        np.asarray([piece.lag_s]),
        rate=tracked.rate,
        rate_prior_ppm=30.0,
        windows_s=(0.06, 0.05),
    )
    pairs = np.flatnonzero(matches.partner[0] >= 0)
    partner = matches.partner[0][pairs]
    kept = matches.kept[0][pairs]
    t_device, t_reference = part.onset_s[partner] - lag.lag_s, reference.onset_s[pairs]
    if kept.sum() < 6:
        return None
    fit = fit_clock(
        t_device[kept],
        t_reference[kept],
        part.foot[partner][kept],
        start_s=piece.start_s,
        end_s=piece.end_s,
        rate=tracked.rate,
        foot_s=float(matches.foot_s[0]),
    )
    residual = t_reference - _segment(fit, piece.start_s, piece.end_s).apply(t_device)
    return Anchors(t_device, t_reference, residual, kept), fit, int(matches.seen[0])


def _by_waveform(
    loads: list[Load],
    train: DeviceTrain,
    prior: Prior | None,
    settings: AlignSettings,
    lag: Lag,
) -> DeviceAlignment:
    found = search_waveform(loads, list(train.loads), prior=prior)
    if found is None:
        return _nothing(
            "nobody steps on or off a plate while both devices record; record three jumps or stomps on the plate"
        )
    reasons = _waveform_reasons(found, settings, prior)
    sd = float(np.hypot(np.hypot(found.sd_s, 0.010), max(lag.sd_s, 0.002)))
    segment = Segment(start_s=train.start_s, end_s=train.end_s, offset_s=found.offset_s, drift_ppm=0.0)
    residual = found.anchor_reference_s - found.anchor_device_s - found.offset_s
    made = ClockMap(
        source="",
        target="",
        verdict="refused" if reasons else "aligned",
        reasons=reasons,
        offset_s=found.offset_s,
        drift_ppm=0.0,
        segments=[segment],
        uncertainty_ms=1e3 * 1.96 * sd,
        residual_ms=1e3 * float(np.std(residual)) if residual.size else None,
        margin=found.margin,
        margin_without_prior=found.margin_without_prior,
        p_wrong=settings.overground_wrong(found.margin),
        inliers=None,
        matched_anchors=found.edges,
        overlap_s=found.overlap_s,
        runner_up_offset_s=_finite(found.runner_up_s),
        lag_s=0.0,
        lag_sd_s=lag.sd_s,
        findings=[
            "aligned by the course of the load, not by steps: "
            + ", ".join(f"{a} on {b}" for a, b in found.pairs)
            + f" (correlation {found.correlation:.2f}); drift was taken as zero"
        ],
    )
    anchors = Anchors(found.anchor_device_s, found.anchor_reference_s, residual, np.ones(residual.size, dtype=bool))
    return DeviceAlignment(made, anchors, found.lags_s, found.log_likelihood, anchor_kind="loadings")


def _waveform_reasons(found: WaveformFound, settings: AlignSettings, prior: Prior | None) -> list[str]:
    gate = settings.waveform
    tight = prior is not None and prior.sd_s < settings.prior_relaxes_below_steps * _USUAL_STEP_S
    margin = found.margin if tight else min(found.margin, found.margin_without_prior)
    reasons = []
    if margin < gate.margin:
        other = f", offset {found.runner_up_s:+.3f} s," if np.isfinite(found.runner_up_s) else ""
        reasons.append(
            f"the next best lag{other} is only {margin:.1f} nats worse"
            f" ({gate.margin:.0f} needed): record three jumps or stomps on the plate, or give a prior"
        )
    if found.edges < gate.contacts:
        reasons.append(
            f"only {found.edges} loadings and unloadings per foot agree ({gate.contacts} needed):"
            " record three jumps or stomps on the plate"
        )
    if found.correlation < 0.5:
        reasons.append(f"the loads agree poorly at the best lag (correlation {found.correlation:.2f}, 0.5 needed)")
    return reasons
