"""The cost part of the alignment benchmark: CPU seconds and memory of align() beside a fixed loop of the same run."""

from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from typing import Any

import numpy as np

from grfkit.records import Channel, make_stream
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial
from grfkit.sync import align_device

_SEED = 900_001
"""Seed of the run that is timed; no other benchmark uses it."""
_MINUTES = (5, 10, 30, 120)
_LATER_S, _EARLIER_S = 30.0, 40.0
"""How much later than the reference the insole's record begins, and how much earlier it ends (s), mid-run; by hand."""


def calibration_loop() -> float:
    """Return the CPU seconds of a fixed amount of numpy work: 60 FFTs of 2**20 points and a sort each."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=2**20)
    start_s = time.process_time()
    for _ in range(60):
        np.sort(np.abs(np.fft.rfft(values)))
    return time.process_time() - start_s


def arrays(minutes: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return reference and insole streams of a run: simulated to 10 min, beyond that events drawn as pulses."""
    if minutes <= 10:
        condition = Condition(
            surface="treadmill", family="A", duration_s=60.0 * minutes, overlap_s=57.0 * minutes,
            insole_rate_hz=1000.0, wearables=("insole",),
        )  # fmt: skip
        trial = simulate_trial(condition, _SEED)
        return trial.reference.streams, trial.wearables["insole"].streams
    return long_run(60.0 * minutes)


def long_run(length_s: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return reference and insole streams of a long run built from half-sine contacts at 1000 Hz."""
    rng = np.random.default_rng(_SEED)
    count = int(length_s / 0.34)
    onset = np.cumsum(0.36 * (1 + 0.02 * rng.normal(size=count)))
    onset = onset[onset < length_s - 2.0]
    contact = 0.22 * (1 + 0.02 * rng.normal(size=onset.size))
    time_s = np.arange(0.0, length_s, 1e-3)
    force = _pulses(time_s, onset, contact, 1800.0)
    force += 6.0 * rng.normal(size=force.size)
    reference = {
        "plate_1": make_stream([Channel("fz", force, "N", "global")], time_s, kind="force_plate", rate_hz=1000.0)
    }
    device_s = time_s[(time_s > _LATER_S) & (time_s < length_s - _EARLIER_S)]
    start = float(device_s[0])
    # a crystal that is 40 ppm off
    stamps = (device_s - start) / (1 + 40e-6)
    wearable = {}
    for side, name in enumerate(("left", "right")):
        mine = np.arange(onset.size) % 2 == side
        jitter = 0.005 * rng.normal(size=int(mine.sum()))
        load = _pulses(device_s, onset[mine] + jitter, contact[mine], 3000.0)
        stream = make_stream(
            [Channel("force", load, "count")], stamps, kind="insole", side=name, rate_hz=1000.0, stamp_source="crystal"
        )  # type: ignore[arg-type]
        wearable[f"insole_{name}"] = stream
    return reference, wearable


def _pulses(time_s: np.ndarray, onset: np.ndarray, contact: np.ndarray, peak: float) -> np.ndarray:
    index = np.clip(np.searchsorted(onset, time_s, side="right") - 1, 0, onset.size - 1)
    phase = (time_s - onset[index]) / contact[index]
    return np.where((phase >= 0) & (phase < 1), peak * np.sin(np.pi * np.clip(phase, 0, 1)), 0.0)


def measure() -> dict[str, Any]:
    """Return CPU seconds (best of three, of one for the longest) and peak memory above the inputs."""
    # the lesser of two: other work only ever makes it longer
    loop = min(calibration_loop() for _ in range(2))
    rows = []
    for minutes in _MINUTES:
        reference, wearable = arrays(minutes)
        # processor time, not wall time; memory is traced in a run of its own, as tracing slows it
        costs = []
        for _ in range(3 if minutes <= 10 else 1):
            start_s = time.process_time()
            clock_map = align_device(reference, wearable, surface="treadmill").clock_map
            costs.append(time.process_time() - start_s)
        tracemalloc.start()
        align_device(reference, wearable, surface="treadmill")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        rows.append({"name": f"{minutes} min", "minutes": minutes, "cpu_s": min(costs), "ratio": min(costs) / loop,
                     "memory_mb": peak / 1e6, "verdict": clock_map.verdict})  # fmt: skip
    return {"calibration_cpu_s": loop, "rows": rows, "help_s": help_time()}


def help_time() -> float:
    """Return the best wall time of ``grf-sync --help`` out of five."""
    command = [
        sys.executable,
        "-c",
        "import sys; sys.argv = ['grf-sync', '--help']; from grfkit.cli.sync import main; main()",
    ]
    times = []
    for _ in range(5):
        start_s = time.perf_counter()
        subprocess.run(command, capture_output=True, check=True)
        times.append(time.perf_counter() - start_s)
    return min(times)
