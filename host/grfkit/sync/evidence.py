"""What an alignment rests on, as the report shows it: signals, anchors, scores and gaps of every stream."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..records import ClockMap
from ..records.evidence import StreamEvidence
from ..signals.runs import true_runs
from .clock_map import DeviceAlignment
from .contact_events import LoadSignal, insole_load

SCALE_PERCENT = (5, 97)
"""Percentiles of a signal that are drawn at 0 and 1: about the unloaded level and the top of a usual contact."""
RARE_PERCENT, RARE_HIT, LOADED_SHARE = 99.9, 5.0, 0.3
"""A signal whose highest thousandth rises so many times as high as its usual top is that of plates that are hit now and
then: its top is that of the samples beyond this share of its range; chosen by hand."""
MOST_GAPS = 2000
"""Gaps that a report marks: more would only make the file large."""


def stream_evidence(name: str, stream: xr.Dataset, alignment: DeviceAlignment, clock_map: ClockMap) -> StreamEvidence:
    """Return what a report shows of one stream: its signal and the reference's, anchors, scores and gaps."""
    reference_s, total = reference_signal(alignment.reference_loads)
    reference = scaled(total)
    device_s, shown = device_signal(name, stream, alignment.device_loads)
    device = scaled(shown)
    best = float(alignment.lags_s[np.argmax(alignment.log_likelihood)]) if alignment.lags_s.size else None
    return StreamEvidence(
        stream=name,
        clock_map=clock_map,
        reference_time_s=reference_s,
        reference_signal=reference,
        device_time_s=device_s,
        device_signal=device,
        anchors=alignment.anchors,
        anchor_kind=alignment.anchor_kind,
        lag_s=alignment.lags_s,
        log_likelihood=alignment.log_likelihood,
        chosen_lag_s=best,
        runner_up_lag_s=clock_map.runner_up_offset_s,
        gaps=gaps_of(stream),
        lost=alignment.lost,
        deciding_prior_sd_s=alignment.deciding_prior_sd_s,
    )


def levels(values: Floats) -> tuple[float, float]:
    """Return the values that are drawn at 0 and at 1: about the unloaded level, and the top of a usual contact."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, SCALE_PERCENT)
    top = np.percentile(finite, RARE_PERCENT)
    if top - low > RARE_HIT * (high - low):
        high = np.percentile(finite[finite > low + LOADED_SHARE * (top - low)], SCALE_PERCENT[1])
    return float(low), float(high if high > low else low + 1.0)


def scaled(values: Floats) -> Floats:
    """Return a signal as it is drawn, its usual contact from 0 to 1."""
    low, high = levels(values)
    return np.asarray((values - low) / (high - low))


def reference_signal(loads: Sequence[LoadSignal]) -> tuple[Floats, Floats]:
    """Return time (s) and total load of the plates, in their own unit."""
    if not loads:
        return np.zeros(0), np.zeros(0)
    total = loads[0].value
    for load in loads[1:]:
        if load.time_s.size == total.size:
            total = total + load.value
    return loads[0].time_s, total


def device_signal(name: str, stream: xr.Dataset, loads: Sequence[LoadSignal]) -> tuple[Floats, Floats]:
    """Return time (s) and the signal of a device's stream that shows its contacts, in its own unit."""
    for load in loads:
        if load.name == name:
            return load.time_s, load.value
    time_s = np.asarray(stream["time"].values, dtype=np.float64)
    if (load_of_insole := insole_load(stream)) is not None:
        return time_s, load_of_insole
    axes = [n for n in ("acc_x", "acc_y", "acc_z") if n in stream]
    if axes:
        return time_s, np.asarray(np.sqrt(sum(stream[n].values ** 2 for n in axes)), dtype=np.float64)
    if "position" in stream:
        return time_s, np.asarray(-np.fmin.reduce(stream["position"].values[:, :, -1], axis=1))
    return np.zeros(0), np.zeros(0)


def gaps_of(stream: xr.Dataset, *, shortest_s: float = 0.015) -> list[tuple[float, float]]:
    """Return (start, end) of every stretch without data on the device clock, the longest ``MOST_GAPS`` of them."""
    names = [str(n) for n in stream.data_vars if n != "time_raw" and stream[n].dims[0] == "time"]
    time_s = np.asarray(stream["time"].values, dtype=np.float64)
    missing = np.ones(time_s.size, dtype=bool)
    for name in names:
        values = stream[name].values.reshape(time_s.size, -1)
        missing &= ~np.isfinite(values).any(axis=1)
    edges = true_runs(missing)
    spans = [(float(time_s[max(a - 1, 0)]), float(time_s[min(b, time_s.size - 1)])) for a, b in edges]
    spans = [s for s in spans if s[1] - s[0] >= shortest_s]
    return sorted(sorted(spans, key=lambda s: s[0] - s[1])[:MOST_GAPS])
