"""The times in which the reference and each wearable record, and the time they share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .conditions import Condition
from .settings import Settings, draw

_APART_S, _MARGIN_S = 8.0, 4.0
"""Largest distance (s) of the starts of two wearables, and how far (s) people move before and after any recording.
Chosen by hand."""


@dataclass(frozen=True)
class RecordingSpan:
    """When a wearable records: its start on the reference clock and its length (s)."""

    offset_s: float
    length_s: float


@dataclass(frozen=True)
class RecordingPlan:
    """When everything records: lengths, windows, shared time and the world's span (s, reference time)."""

    reference_s: float
    windows: dict[str, RecordingSpan]
    overlap: tuple[float, float]
    span: tuple[float, float]


def draw_plan(rng: np.random.Generator, condition: Condition, settings: Settings) -> RecordingPlan:
    """Return when everything records: wearables start within seconds of each other, minutes from the reference."""
    reference, length, least = _lengths(rng, condition, settings)
    least = min(least, 0.6 * reference, 0.6 * length)
    low, high = settings.clock.offset_s
    offset = float(rng.uniform(max(low, least - length), min(high, reference - least)))
    apart = _APART_S
    early = rng.random() < 0.5
    if condition.overlap_s is not None:
        shared = min(condition.overlap_s, reference, length)
        offset, apart = (shared - length if early else reference - shared), 0.0
    if condition.no_overlap:
        away = float(rng.uniform(20, 60))
        offset, apart = (-(length * 1.02 + away) if early else reference + away), 0.0
    # drawn for all three, worn or not, so that a wearable more leaves the others where they were
    windows = {}
    for name in ("insole", "imu", "landmarks"):
        late = float(rng.uniform(-apart, apart))
        late = min(max(late, least - length - offset), reference - least - offset) if apart else 0.0
        windows[name] = RecordingSpan(offset + late, length)
    active = [windows[name] for name in condition.wearables]
    overlap = (
        max(0.0, *(w.offset_s for w in active)),
        min([reference, *(w.offset_s + length for w in active)]),
    )
    start = min(0.0, *(w.offset_s for w in active)) - _MARGIN_S
    # a clock built from the index may be slow by 1.5 %, and records that much longer
    end = max(reference, *(w.offset_s + 1.02 * length for w in active)) + _MARGIN_S
    return RecordingPlan(reference, windows, overlap, (start, end))


def _lengths(rng: np.random.Generator, condition: Condition, settings: Settings) -> tuple[float, float, float]:
    """Return the reference's length, a wearable's, and the least overlap (s)."""
    if condition.surface == "treadmill":
        belt = settings.treadmill
        low, high = belt.duration_s
        both = low + (high - low) * rng.random(2) ** belt.duration_skew
        reference, length, least = float(both[0]), float(both[1]), belt.least_overlap_s
        scale = float(rng.uniform(0.9, 1.2))
    else:
        floor = settings.overground
        reference, length = draw(rng, floor.bout_s), draw(rng, floor.wearable_s)
        least, scale = floor.least_overlap_s, float(rng.uniform(0.9, 1.5))
    if condition.duration_s is not None:
        reference, length = condition.duration_s, condition.duration_s * scale
    if condition.overlap_s is not None:
        length = max(length, condition.overlap_s)
    return round(reference, 3), round(length, 3), least
