"""What the tests of alignment share: simulated trials, clocks of one's own making, and how far a map is off."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import xarray as xr

from grfkit.provenance import Provenance
from grfkit.records import ClockMap, Recording, make_recording
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial
from grfkit.simulate.truth import StreamTruth

STEP_S = 0.12
"""A map off by more than this somewhere is taken to be a step wrong; running steps last 0.3 s and more."""

Streams = dict[str, xr.Dataset]


@lru_cache(maxsize=64)
def made(condition: Condition, seed: int) -> LabTrial:
    """Return a simulated trial, made once a session."""
    return simulate_trial(condition, seed)


def truth_of(trial: LabTrial, wearable: str) -> StreamTruth:
    """Return the truth of a wearable's first stream."""
    return trial.truth.streams[(wearable, next(iter(trial.wearables[wearable].streams)))]


def worst_s(clock_map: ClockMap, truth: StreamTruth) -> float:
    """Return the largest error (s) of a map over the true overlap; infinite where there is no overlap."""
    start, end = truth.overlap_s
    if end <= start:
        return float("inf")
    t = np.linspace(start, end, 300)
    return float(np.nanmax(np.abs(clock_map.apply(t) - truth.t_reference(t))))


def on_clock(streams: Streams, *, shift_s: float = 0.0, rate: float = 1.0) -> Streams:
    """Return the streams with device time ``rate * time + shift_s``."""
    return {n: s.assign_coords(time=("time", rate * s["time"].values + shift_s)) for n, s in streams.items()}


def with_values(streams: Streams, change: dict[str, tuple[float, float]]) -> Streams:
    """Return the streams with channels whose name starts so changed to ``gain * value + zero``."""
    found = {}
    for name, stream in streams.items():
        new = stream.copy()
        for channel in stream.data_vars:
            for start, (gain, zero) in change.items():
                if str(channel).startswith(start):
                    new[channel] = stream[channel].copy(data=gain * stream[channel].values + zero)
        found[name] = new
    return found


def assert_refused(clock_map: ClockMap) -> None:
    """Check that a refusal says why and holds nothing that could be taken for a map."""
    assert clock_map.verdict == "refused"
    assert clock_map.reasons
    assert all(reason.strip() and "\n" not in reason for reason in clock_map.reasons)
    assert clock_map.segments == []
    assert clock_map.knots == []
    assert (clock_map.offset_s, clock_map.drift_ppm, clock_map.uncertainty_ms) == (None, None, None)


def recording_of(streams: Streams, device: str = "made for a test") -> Recording:
    """Return a recording that holds these streams."""
    return make_recording(streams, device=device, reader="test", provenance=Provenance())
