"""Clocks that the user states: the map is the statement itself, and the contacts only check it.

What the check may say (``ClockMap.check``), and what follows:

* ``contradicts``: without the statement the contacts would have been aligned, and elsewhere, by every gate (but that of
  the overlap, see ``SHORTEST_CHECK_S``); or the recordings share no time. Refused, like any map that is known to be
  wrong: a warning alone would be read by nobody among a table's thousand rows, and training would take the trial.
  ``accept_refused`` writes it as refused.
* ``doubtful``: the contacts fit another offset clearly better, or hardly match at the stated one, but would not have
  been aligned by themselves. The statement may well know more than they do: kept, with a warning wherever the verdict
  stands.
* ``agrees``: aligned without the statement, to the same offset; or with it as a sure prior.
* ``unclear``: too little in the signals to check it by, such as two steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..calibrate.documents import LagTable
from ..errors import BadInputError
from ..records import Anchors, ClockMap, Prior, Recording, Segment
from ..records.clock import ClockCheck
from .candidates import surprise_nats
from .clock_map import DeviceAlignment, nothing_to_align, without_map
from .contact_events import LoadSignal, plate_loads
from .decide import CONTRADICTED
from .device import align_device
from .film_check import film_check
from .request import SyncRequest

UNKNOWN_LAG_S = 0.04
"""Difference (s) that a sensor's own delay may make beyond the lag table's SD: real shoe IMUs lie up to 39 ms off the
table, which is of simulated ones (-11 ms, SD 14 ms; 52 streams beside belts). A running step is seven times as long."""
LEAST_PRIOR_SD_S = 0.02
"""SD (s) with which the contacts are looked for at the stated offset; chosen by hand: wide enough for a sensor's lag,
and a quarter of what still decides between a run's steps."""
LEAST_MATCHED = 0.3
"""Share of the contacts that match below which the stated offset is doubted: chance gives one in six; chosen by hand,
half of what an alignment needs."""
FEWEST_TO_DOUBT = 8
"""Contacts without which a share says nothing: of eight at the right offset hardly six are missed; chosen by hand."""
SHORTEST_CHECK_S = 10.0
"""Overlap (s) that contacts on a treadmill need to contradict a statement; chosen by hand below the 30 s that they need
to align without one: the other gates (18 contacts, 20 nats) hold all the same, and short recordings are what is stated
most."""
_MOMENTS = 25
"""Moments of the overlap at which two maps are compared."""
_NORMAL_95 = 1.96
_CALLED = {
    "synchronised": "--synchronised; synchronised=True in Python",
    "offset": "--offset; offset_s in Python",
}
_SUMMARIES: dict[str, str] = {
    "contradicts": "the contacts contradict it",
    "doubtful": "the contacts speak against it",
    "unclear": "the signals cannot check it",
    "agrees": "the contacts agree",
}
"""By check, the gravest first: what is said in a trial's verdict."""


@dataclass(frozen=True)
class KnownClock:
    """A stated clock: ``t_reference = offset_s + t_device``, the SD (s) of that offset where known, and its words."""

    origin: Literal["synchronised", "offset"]
    offset_s: float
    sd_s: float | None
    finding: str


@dataclass(frozen=True)
class _Checked:
    """What the contacts say of a stated clock, and the alignment that says it."""

    check: ClockCheck
    words: str
    evidence: DeviceAlignment | None = None


def stated_clock(request: SyncRequest, device_starts_s: float, reference_starts_s: float) -> KnownClock | None:
    """Return the clock that the request states of a device, None where it has to be estimated.

    Parameters
    ----------
    device_starts_s, reference_starts_s
        Each file's own time of its first stamp: on clocks that a cable joins, these are times of one clock.
    """
    if request.offset_s is not None:
        sd = "" if request.offset_sd_s is None else f" with an SD of {request.offset_sd_s:g} s"
        words = f"clock given, not estimated: the offset is stated{sd}, and no drift is assumed"
        return KnownClock("offset", request.offset_s, request.offset_sd_s, words)
    if not request.synchronised:
        return None
    words = "clock given, not estimated: device and reference are stated to share one clock"
    offset_s = device_starts_s - reference_starts_s
    if offset_s:
        words += f" (their files begin at {device_starts_s:.4f} s and {reference_starts_s:.4f} s of it)"
    return KnownClock("synchronised", offset_s, None, words)


def given_alignment(
    reference: Recording,
    group: Mapping[str, xr.Dataset],
    known: KnownClock,
    request: SyncRequest,
    *,
    lags: LagTable | None = None,
) -> DeviceAlignment:
    """Return the alignment of streams whose clock is stated: its map is the statement, refused where contradicted."""
    device_s, reference_s = _span(group), _span(reference.of_kind("force_plate") or reference.streams)
    overlap_s = min(device_s[1] + known.offset_s, reference_s[1]) - max(device_s[0] + known.offset_s, reference_s[0])
    if overlap_s <= 0:
        checked = _Checked("contradicts", _no_overlap(device_s, reference_s, known))
    else:
        checked = _checked(reference, group, known, request, lags)
        if checked.check == "unclear":
            plates = request.surface == "overground"
            said = film_check(reference, group, offset_s=known.offset_s, sd_s=known.sd_s, plates=plates)
            checked = checked if said is None else _Checked(*said)
    segment = Segment(start_s=device_s[0], end_s=device_s[1], offset_s=known.offset_s, drift_ppm=0.0)
    found = checked.evidence.clock_map if checked.evidence is not None else None
    agreed = found if found is not None and checked.check == "agrees" else None
    refused = checked.check == "contradicts"
    clock_map = ClockMap(
        source="+".join(group),
        target="reference",
        verdict="refused" if refused else "aligned",
        reasons=[checked.words] if refused else [],
        offset_s=known.offset_s,
        drift_ppm=0.0,
        segments=[segment],
        uncertainty_ms=None if known.sd_s is None else 1e3 * _NORMAL_95 * known.sd_s,
        residual_ms=agreed.residual_ms if agreed else None,
        inliers=agreed.inliers if agreed else None,
        matched_anchors=agreed.matched_anchors if agreed else 0,
        overlap_s=max(overlap_s, 0.0),
        swapped_sides=agreed.swapped_sides if agreed else None,
        inverted=agreed.inverted if agreed else False,
        findings=[known.finding, *([] if refused else [checked.words])],
        origin=known.origin,
        check=checked.check,
    )
    if refused and not request.accept_refused:
        clock_map = without_map(clock_map)
    alignment = _with_figures(checked.evidence, clock_map, segment)
    return alignment if alignment.reference_loads else replace(alignment, reference_loads=_loads(reference))


def _loads(reference: Recording) -> tuple[LoadSignal, ...]:
    """Return the reference's loads to draw, where nothing was compared with them."""
    try:
        return tuple(plate_loads(reference.streams))
    except BadInputError:
        return ()


def check_doubts(maps: Mapping[str, ClockMap]) -> tuple[str, ...]:
    """Return a warning for every stated clock that the contacts speak against without contradicting it surely."""
    streams: dict[str, list[str]] = {}
    for name, clock_map in maps.items():
        if clock_map.check == "doubtful":
            streams.setdefault(clock_map.findings[1], []).append(name)
    return tuple(f"{', '.join(names)}: {words}" for words, names in streams.items())


def check_in_words(maps: Mapping[str, ClockMap]) -> str:
    """Return that clocks were given and what the contacts say of them, as the end of a verdict; empty if estimated."""
    checks = {m.check for m in maps.values() if m.origin != "estimated"}
    gravest = next((words for check, words in _SUMMARIES.items() if check in checks), None)
    return "" if gravest is None else f" (clock given, not estimated: {gravest})"


def _span(streams: Mapping[str, xr.Dataset]) -> tuple[float, float]:
    """Return from when to when (s) any of the streams recorded."""
    times = [np.asarray(s["time"].values, dtype=np.float64) for s in streams.values()]
    return min(float(t[0]) for t in times), max(float(t[-1]) for t in times)


def _no_overlap(device_s: tuple[float, float], reference_s: tuple[float, float], known: KnownClock) -> str:
    first, last = (t + known.offset_s for t in device_s)
    return (
        f"on the given clock ({_CALLED[known.origin]}) the recordings share no time: the reference lasts from"
        f" {reference_s[0]:.2f} to {reference_s[1]:.2f} s, this device from {first:.2f} to {last:.2f} s"
    )


def _checked(
    reference: Recording,
    group: Mapping[str, xr.Dataset],
    known: KnownClock,
    request: SyncRequest,
    lags: LagTable | None,
) -> _Checked:
    """Return what the contacts say: alone, as if nothing were stated, and else with the statement as a sure prior."""
    prior = Prior(offset_s=known.offset_s, sd_s=float(np.hypot(known.sd_s or 0.0, LEAST_PRIOR_SD_S)))
    shortest_s = min(SHORTEST_CHECK_S, request.settings.enough_overlap_s)
    settings = request.settings.model_copy(update={"shortest_overlap_s": shortest_s})
    try:
        alone, led = (
            align_device(
                reference,
                group,
                surface=request.surface,
                prior=each,
                settings=settings,
                lags=lags,
                accept_refused=True,
            )
            for each in (None, prior)
        )
    except BadInputError as error:
        return _Checked("unclear", f"nothing checks the given clock: {error}")
    if alone.clock_map.verdict == "aligned":
        return _against_alignment(alone, known)
    # what a prior saves of the search is no evidence for the statement that it is made of
    saved = surprise_nats(prior, sum(end - start for start, end in (_span(reference.streams), _span(group))))
    gate = settings.treadmill if request.surface == "treadmill" else settings.overground
    near = led.clock_map.verdict == "aligned" and abs(_difference_s(led, known)) <= _allowed_s(led, known)
    if near and (led.clock_map.margin or 0.0) - saved >= gate.margin:
        return _Checked("agrees", _agreement(led, known), led)
    return _doubted(alone, led, known)


def _against_alignment(alone: DeviceAlignment, known: KnownClock) -> _Checked:
    """Return whether an alignment that needs no statement says the same."""
    off_s = _difference_s(alone, known)
    if abs(off_s) <= _allowed_s(alone, known):
        return _Checked("agrees", _agreement(alone, known), alone)
    found = alone.clock_map
    where = f"offset {found.offset_s:+.3f} s" if found.offset_s is not None else f"{len(found.segments)} pieces"
    words = (
        f"the contacts contradict the given clock ({_CALLED[known.origin]}): by themselves they align, {where}"
        f" +-{found.uncertainty_ms or 0.0:.0f} ms, {_far(off_s)} from the given {known.offset_s:+.3f} s at the worst"
        f" instant (margin {found.margin or 0.0:.0f} nats); correct the statement, or leave it out"
    )
    return _Checked("contradicts", words, alone)


def _doubted(alone: DeviceAlignment, led: DeviceAlignment, known: KnownClock) -> _Checked:
    """Return whether contacts that align nothing surely speak against the statement all the same."""
    found, at = alone.clock_map, led.clock_map
    elsewhere_s, lead = _lead_elsewhere(alone, led, known)
    if lead > CONTRADICTED:
        words = (
            f"the contacts speak against the given clock ({_CALLED[known.origin]}): an offset of"
            f" {elsewhere_s:+.3f} s fits {lead:.0f} nats better than the given {known.offset_s:+.3f} s, though not"
            " surely enough to align by it; check the statement"
        )
        return _Checked("doubtful", words, alone)
    few = at.inliers is not None and at.inliers < LEAST_MATCHED
    if few and at.inliers is not None and at.matched_anchors >= FEWEST_TO_DOUBT * at.inliers:
        words = (
            f"the contacts speak against the given clock ({_CALLED[known.origin]}): at {known.offset_s:+.3f} s only"
            f" {100 * at.inliers:.0f} % of them match; are these files of the same trial?"
        )
        return _Checked("doubtful", words, led)
    reason = (found.reasons or at.reasons or ["no reason was found"])[0]
    return _Checked("unclear", f"nothing in the signals checks the given clock: {reason}", None)


def _lead_elsewhere(alone: DeviceAlignment, led: DeviceAlignment, known: KnownClock) -> tuple[float, float]:
    """Return the best other offset (s), and by how many nats it beats the stated one, and no alignment at all."""
    if not alone.log_likelihood.size or not led.log_likelihood.size:
        return float("nan"), 0.0
    best = int(np.argmax(alone.log_likelihood))
    elsewhere_s, score = float(alone.lags_s[best]), float(alone.log_likelihood[best])
    if abs(elsewhere_s - known.offset_s) <= UNKNOWN_LAG_S + _NORMAL_95 * (known.sd_s or 0.0):
        return elsewhere_s, 0.0
    sd_s = float(np.hypot(known.sd_s or 0.0, LEAST_PRIOR_SD_S))
    off_s = led.lags_s - known.offset_s
    # what a lag loses by the prior is no evidence
    plain = led.log_likelihood + 0.5 * (off_s / sd_s) ** 2
    here = plain[np.abs(off_s) <= UNKNOWN_LAG_S + _NORMAL_95 * (known.sd_s or 0.0)]
    return elsewhere_s, score - max(float(here.max(initial=0.0)), 0.0)


def _difference_s(alignment: DeviceAlignment, known: KnownClock) -> float:
    """Return how far (s) an alignment's map lies from the stated one, where they differ most."""
    used = alignment.anchors.t_device_s[alignment.anchors.kept]
    segments = alignment.clock_map.segments
    first = float(used.min()) if used.size else segments[0].start_s
    last = float(used.max()) if used.size else segments[-1].end_s
    at = np.linspace(first, last, _MOMENTS)
    off: Floats = alignment.clock_map.apply(at) - at - known.offset_s
    off = off[np.isfinite(off)]
    return float(off[np.argmax(np.abs(off))]) if off.size else 0.0


def _allowed_s(alignment: DeviceAlignment, known: KnownClock) -> float:
    """Return the difference (s) that both uncertainties and a sensor's unknown delay explain."""
    own_s = 1e-3 * (alignment.clock_map.uncertainty_ms or 0.0)
    return float(np.hypot(own_s, _NORMAL_95 * (known.sd_s or 0.0)) + UNKNOWN_LAG_S)


def _agreement(alignment: DeviceAlignment, known: KnownClock) -> str:
    off_s, found = _difference_s(alignment, known), alignment.clock_map
    return (
        f"the contacts agree with the given clock: {found.matched_anchors} match, within {_far(off_s)} of it, which"
        " sensors' own delays explain"
    )


def _far(off_s: float) -> str:
    return f"{1e3 * abs(off_s):.0f} ms" if abs(off_s) < 1.0 else f"{abs(off_s):.2f} s"


def _with_figures(evidence: DeviceAlignment | None, clock_map: ClockMap, segment: Segment) -> DeviceAlignment:
    """Return the check's figures under the stated map: residuals are those of the contacts about it."""
    if evidence is None or not evidence.clock_map.segments:
        return replace(evidence or nothing_to_align(""), clock_map=clock_map, deciding_prior_sd_s=None)
    old = evidence.anchors
    moved_s = evidence.clock_map.apply(old.t_device_s) - segment.apply(old.t_device_s)
    anchors = Anchors(old.t_device_s, old.t_reference_s, old.residual_s + np.nan_to_num(moved_s), old.kept)
    return replace(evidence, clock_map=clock_map, anchors=anchors, lost=(), deciding_prior_sd_s=None)
