"""One stream made ready to draw: signals to scale, times mapped, and the windows to show closely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..records import Segment
from ..records.evidence import StreamEvidence
from .decimate import ordered
from .numbers import has_value
from .panel import PanelAxis

SIGNAL_AXIS = PanelAxis(-0.25, 1.35, "signal (1: a usual contact's peak)", ((0.0, "0"), (0.5, "0.5"), (1.0, "1")))
"""The axis of every drawn signal: each is scaled on its own, so that it has no unit."""
WINDOW_S = 4.0
"""Length of a stretch shown closely: five to ten steps, chosen by eye."""
_ONE_BELOW = 1.5
"""Lengths of a stretch below which one picture shows all: two would overlap by more than half. Chosen by eye."""
_BEFORE_S = 1.0
"""How long before the first anchor and after the last one the stretches reach."""
_USUAL_PEAK, _ABOVE = 95, 0.1
"""The usual peak of a signal: this percentile of what is above this share of the largest value. Chosen by eye."""


@dataclass(frozen=True)
class SignalView:
    """The signals of one stream on the clocks they are drawn on.

    Attributes
    ----------
    reference, recorded, aligned, rival
        Pairs of time (s, never decreasing) and signal: the reference; the device as recorded; the device as
        the map has it (of a refused stream: as the best candidate would); as the runner-up would. Empty
        where there is nothing.
    trusted
        Whether ``aligned`` is the map's, and not a candidate's.
    overlap
        Start and end of what both recorded, on the reference clock; None if they do not meet.
    windows
        The stretches shown closely.
    """

    reference: tuple[Floats, Floats]
    recorded: tuple[Floats, Floats]
    aligned: tuple[Floats, Floats]
    rival: tuple[Floats, Floats]
    trusted: bool
    overlap: tuple[float, float] | None
    windows: tuple[tuple[float, float], ...]


def prepare(evidence: StreamEvidence) -> SignalView:
    """Return the stream's signals ready to draw."""
    reference = ordered(evidence.reference_time_s, scaled(evidence.reference_signal))
    device = scaled(evidence.device_signal)
    nothing = (np.empty(0), np.empty(0))
    mapped = to_reference(evidence, evidence.device_time_s)
    aligned = nothing if mapped is None else ordered(mapped, device)
    rival = nothing
    if not evidence.clock_map.segments and has_value(evidence.runner_up_lag_s):
        # a shift alone: a refused stream has no drift that could be trusted
        rival = ordered(evidence.device_time_s + float(evidence.runner_up_lag_s or 0.0), device)
    overlap = _common(reference, aligned)
    return SignalView(
        reference=reference,
        recorded=ordered(evidence.device_time_s, device),
        aligned=aligned,
        rival=rival,
        trusted=bool(evidence.clock_map.segments),
        overlap=overlap,
        windows=_windows(evidence, overlap),
    )


def to_reference(evidence: StreamEvidence, t_device_s: Floats) -> Floats | None:
    """Return reference times (s): by the map, else by the best candidate's offset, else None.

    Times in a stretch that no segment covers come back NaN.
    """
    times = np.asarray(t_device_s, dtype=np.float64)
    if evidence.clock_map.segments:
        return evidence.clock_map.apply(times)
    if evidence.chosen_lag_s is None or not has_value(evidence.chosen_lag_s):
        return None
    return times + evidence.chosen_lag_s


def scaled(signal: Floats) -> Floats:
    """Return the signal over its usual peak: the 95th percentile of what is above a tenth of the largest."""
    size = np.abs(signal)
    top = np.fmax.reduce(size, initial=0.0)
    # nothing but zeros or gaps has no peak to divide by
    if not (np.isfinite(top) and top > 0):
        return signal
    return np.asarray(signal / np.percentile(size[size > _ABOVE * top], _USUAL_PEAK))


def edges_of(segments: list[Segment]) -> list[float]:
    """Return the device times (s) at which a new segment begins."""
    return [segment.start_s for segment in segments[1:]]


def _common(a: tuple[Floats, Floats], b: tuple[Floats, Floats]) -> tuple[float, float] | None:
    if not a[0].size or not b[0].size:
        return None
    start, end = max(float(a[0][0]), float(b[0][0])), min(float(a[0][-1]), float(b[0][-1]))
    return (start, end) if end > start else None


def _windows(evidence: StreamEvidence, overlap: tuple[float, float] | None) -> tuple[tuple[float, float], ...]:
    """Return a window around the first and the last anchor, else at the ends of the overlap."""
    anchors = evidence.anchors.t_reference_s[evidence.anchors.kept]
    anchors = anchors[np.isfinite(anchors)]
    if anchors.size:
        first, last = float(anchors.min()) - _BEFORE_S, float(anchors.max()) + _BEFORE_S
    elif overlap is not None:
        first, last = overlap
    elif evidence.reference_time_s.size:
        first, last = float(evidence.reference_time_s[0]), float(evidence.reference_time_s[-1])
    else:
        return ()
    if last - first < _ONE_BELOW * WINDOW_S:
        return ((first, max(last, first + 1.0)),)
    return ((first, first + WINDOW_S), (last - WINDOW_S, last))
