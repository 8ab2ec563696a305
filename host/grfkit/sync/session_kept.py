"""A trial of a session without the rest of the device's recording: what lies far from its reference is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..records import ClockMap
from ..records.evidence import StreamEvidence
from .align import Alignment
from .start_times import length_of


def kept(alignment: Alignment, keep_s: float | None) -> Alignment:
    """Return the alignment with the samples that lie within ``keep_s`` of the reference; all of them if it is None.

    Samples are chosen, none is changed, and every one keeps its device time: the clock map holds as before.
    """
    if keep_s is None:
        return alignment
    span = -keep_s, length_of(alignment.reference) + keep_s
    wearables, maps = alignment.wearables, alignment.maps
    streams = {name: _near(stream, maps[name], span) for name, stream in wearables.streams.items()}
    carried = {
        name: (_near(stream, maps[leader], span), leader) for name, (stream, leader) in wearables.carried.items()
    }
    shown = [_shown(stream, span) for stream in alignment.evidence.streams]
    return replace(
        alignment,
        wearables=replace(wearables, streams=streams, carried=carried),
        evidence=replace(alignment.evidence, streams=shown),
    )


def _near(stream: xr.Dataset, clock_map: ClockMap, span: tuple[float, float]) -> xr.Dataset:
    inside = _inside(np.asarray(stream["time"].values, dtype=np.float64), clock_map, span)
    return stream if inside is None else stream.isel(time=inside)


def _inside(device_s: Floats, clock_map: ClockMap, span: tuple[float, float]) -> slice | None:
    """Return the samples within a span of reference time; None where there is no map, or nothing lies within."""
    if not clock_map.segments:
        return None
    mapped = clock_map.apply(device_s)
    within = np.flatnonzero((mapped >= span[0]) & (mapped <= span[1]))
    return slice(int(within[0]), int(within[-1]) + 1) if within.size > 1 else None


def _shown(evidence: StreamEvidence, span: tuple[float, float]) -> StreamEvidence:
    inside = _inside(evidence.device_time_s, evidence.clock_map, span)
    if inside is None:
        return evidence
    return replace(evidence, device_time_s=evidence.device_time_s[inside], device_signal=evidence.device_signal[inside])
