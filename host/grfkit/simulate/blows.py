"""A shod foot on a plate, struck with a hammer: plate, insole and IMU on one clock, each with a lag of its own."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from ..arrays import Floats
from ..provenance import Provenance
from ..records import Channel, Recording, make_recording, make_stream
from .insole import Fsr, adc_counts, draw_fsr
from .settings import InsoleRanges, Settings, default_settings

_WIDTH_S = (0.008, 0.020)
"""Length (s) of a blow on a shod foot: a rubber hammer through upper, foot and sole. Chosen by hand."""
_WIDTH_CV = 0.08
"""Scatter of it from blow to blow: one hammer, one shoe."""
_PEAK_N = (300.0, 1500.0)
_PAUSE_S = (0.9, 1.6)
"""Time (s) from one blow to the next."""
_REST_N = 40.0
"""Load of the resting foot of a person who sits."""
_SHOCK_M_S2, _RING_HZ, _DECAY_S = (60.0, 250.0), (25.0, 75.0), (0.007, 0.03)
"""The shoe's shock: its height for 1000 N, frequency and decay; those of the lab's landings (``imu.py``, splines)."""
_SCATTER_S = 0.0005
"""SD (s) from blow to blow of how the sole passes the blow on; chosen by hand."""
_FINE_HZ = 2000.0
_CELLS = 16


def simulate_blows(
    seed: int = 0,
    *,
    blows: int = 30,
    insole_lag_s: float = 0.002,
    imu_lag_s: float = 0.0015,
    insole_rate_hz: float = 200.0,
    imu_rate_hz: float = 400.0,
    plate_rate_hz: float = 1000.0,
    drift_ppm: float = 0.0,
    settings: Settings | None = None,
) -> Recording:
    """Return a recording of a left foot struck ``blows`` times on a plate: ``plate_1``, ``insole_left``, ``imu_left``.

    Parameters
    ----------
    insole_lag_s, imu_lag_s
        Delay (s) of each device, which its stamps do not show; the rise of the sensor comes on top.
    drift_ppm
        Rate of the devices' clock against the plate's; 0 where a cable joins them.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(77,)))
    ranges = (settings or default_settings()).insole
    fsr = draw_fsr(rng, ranges, bits=None)
    at = 1.0 + np.cumsum(rng.uniform(*_PAUSE_S, blows))
    end_s = float(at[-1]) + 1.5 if blows else 6.0
    width = rng.uniform(*_WIDTH_S) * np.exp(rng.normal(0, _WIDTH_CV, blows))
    peak = rng.uniform(*_PEAK_N, blows)
    fine = np.arange(0.0, end_s, 1 / _FINE_HZ)
    plate_s = np.arange(0.0, end_s, 1 / plate_rate_hz)
    force = _pulses(plate_s, at, width, peak) + _REST_N + rng.normal(0, 1.5, plate_s.size)
    felt = at + rng.normal(0, _SCATTER_S, blows)
    insole = _insole(rng, ranges, fsr, fine, _pulses(fine, felt, width, peak), insole_rate_hz)
    shoe = _shoe(rng, fine, felt, width, peak)
    streams = {
        "plate_1": make_stream(
            [Channel("fz", force, "N", "plate")],
            plate_s,
            kind="force_plate",
            rate_hz=plate_rate_hz,
            attrs={"vertical": "+z"},
        ),
        "insole_left": make_stream(
            [Channel(f"cell_{k + 1:02d}", insole[1][:, k], "count") for k in range(_CELLS)],
            _stamps(insole[0] + insole_lag_s, drift_ppm),
            kind="insole",
            side="left",
            rate_hz=insole_rate_hz,
        ),
    }
    step = round(_FINE_HZ / imu_rate_hz)
    # a sensor's own filter: without it a slow one would see the ringing at chance
    shoe = uniform_filter1d(shoe, step, axis=0)
    noise = rng.normal(0, 0.25, (shoe[::step].shape[0], 3))
    streams["imu_left"] = make_stream(
        [Channel(f"acc_{a}", (shoe[::step] + noise)[:, k], "m/s^2", "sensor") for k, a in enumerate("xyz")],
        _stamps(fine[::step] + imu_lag_s, drift_ppm),
        kind="imu",
        side="left",
        rate_hz=_FINE_HZ / step,
    )
    return make_recording(streams, device="virtual hammer", reader="simulate", provenance=Provenance(seed=seed))


def _stamps(true_s: Floats, drift_ppm: float) -> Floats:
    return np.round(true_s / (1.0 + 1e-6 * drift_ppm), 6)


def _pulses(time_s: Floats, at_s: Floats, width_s: Floats, peak: Floats) -> Floats:
    """Return blows as half a sine each."""
    total = np.zeros(time_s.size)
    for at, width, height in zip(at_s, width_s, peak):
        near = slice(*np.searchsorted(time_s, [at, at + width]))
        total[near] += height * np.sin(np.pi * (time_s[near] - at) / width)
    return total


def _insole(
    rng: np.random.Generator, ranges: InsoleRanges, fsr: Fsr, fine_s: Floats, force_n: Floats, rate_hz: float
) -> tuple[Floats, Floats]:
    """Return times and counts of 16 cells, as the lab's insole makes them of a load; sampled, not averaged."""
    share = rng.dirichlet(np.ones(_CELLS))
    loads = (force_n + _REST_N)[:, None] * share[None, :]
    counts = adc_counts(rng, ranges, fsr, loads, _FINE_HZ, 700.0)
    step = round(_FINE_HZ / rate_hz)
    return fine_s[::step], counts[::step]


def _shoe(rng: np.random.Generator, fine_s: Floats, at_s: Floats, width_s: Floats, peak_n: Floats) -> Floats:
    """Return the shoe's specific force, (samples, 3): gravity, and a shock that rings at every blow."""
    acceleration = np.zeros((fine_s.size, 3))
    acceleration[:, 2] = 9.81
    hz, decay, height = rng.uniform(*_RING_HZ), rng.uniform(*_DECAY_S), rng.uniform(*_SHOCK_M_S2) / 1000.0
    for at, width, peak in zip(at_s, width_s, peak_n):
        near = slice(*np.searchsorted(fine_s, [at, at + 0.2]))
        since = fine_s[near] - at
        # what passes through the shoe, and what it sets ringing
        push = np.where(since < width, np.sin(np.pi * since / width), 0.0)
        wave = height * peak * (0.5 * push + np.exp(-since / decay) * np.sin(2 * np.pi * hz * since))
        acceleration[near] += wave[:, None] * np.asarray([-0.4, 0.15, 1.0])
    return acceleration
