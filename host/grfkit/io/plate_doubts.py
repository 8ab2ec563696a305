"""Doubts on rates, and on centres of pressure and free moments, that cannot be true in the unit that a file states."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..signals.runs import true_runs

RATES_HZ = (5.0, 50e3)
"""Rates (Hz) of plates, insoles and IMUs of gait: the slowest insoles sold give 8, amplifiers of plates 10,000. A time
in ms taken for s makes 0.1 of 100 Hz."""
FARTHEST_M = {"force_plate": 20.0, "insole": 1.0}
"""Distance (m) of a centre of pressure from the origin: a laboratory's, a foot's; beyond that mm were taken for m."""
STEP_TRAVEL_M = (1e-6, 0.002)
"""Travel (m) of the centre of pressure in a step that no foot has: a foot's is 30 mm and more, 0.2 mm where m were
taken for mm. One that never moves is a place holder and says nothing."""
LONGEST_ARM_M = 1.0
"""Free moment per force (m): 0.01 to 0.05 under a foot, ten times more where N mm were taken for N m."""
LOADED_N = 50.0
"""Force (N) from which a centre of pressure and a moment can be judged; chosen by hand."""
STEP_S = (0.08, 2.0)
"""Length (s) of the load of a step: from a sprint's to a slow walk's."""

# Enough for a median, and quick for a recording of hours
_MOST_SAMPLES = 50_000
# Fewest samples that a rate or a median says anything about; chosen by hand
_FEWEST = 20


def rate_doubt(stream: xr.Dataset) -> str:
    """Return the doubt on the rate of a plate, an insole or an IMU, "" without."""
    rate = float(stream.attrs["rate_hz"])
    if stream.attrs["kind"] not in ("force_plate", "insole", "imu", "body_imu") or stream.sizes["time"] < _FEWEST:
        return ""
    if not rate > 0 or RATES_HZ[0] <= rate <= RATES_HZ[1]:
        return ""
    return (
        f"its rate is {rate:.3g} Hz, where plates, insoles and sensors of gait have {RATES_HZ[0]:g} to"
        f" {RATES_HZ[1]:,.0f}: is the unit of its time right (s, ms)?"
    )


def point_doubts(stream: xr.Dataset) -> Iterator[str]:
    """Give the doubts on centre of pressure (m) and free moment (N m), held against the force (N) of the stream."""
    kind, force = str(stream.attrs["kind"]), _columns(stream, ("fx", "fy", "fz", "force"), "N")
    if kind not in FARTHEST_M or force is None:
        return
    every = max(1, len(force) // _MOST_SAMPLES)
    size = np.linalg.norm(force[::every], axis=1)
    loaded = size > LOADED_N
    if loaded.sum() < _FEWEST:
        return
    point = _columns(stream, ("cop_x", "cop_y", "cop_z"), "m")
    if point is not None:
        yield from _of_points(point[::every], loaded, FARTHEST_M[kind], float(stream.attrs["rate_hz"]) / every)
    moment = _columns(stream, ("free_moment",), "N m")
    arms = np.abs(moment[::every, 0][loaded]) / size[loaded] if moment is not None else np.empty(0)
    arms = arms[np.isfinite(arms)]
    if arms.size >= _FEWEST and (arm := float(np.median(arms))) > LONGEST_ARM_M:
        yield f"its free moment is {arm:.3g} N m per N in the median, where a foot's is below 0.1"


def _of_points(point: Floats, loaded: np.ndarray, farthest: float, rate_hz: float) -> Iterator[str]:
    away = np.abs(point[loaded]).max(axis=1)
    away = away[np.isfinite(away)]
    if away.size >= _FEWEST and (middle := float(np.median(away))) > farthest:
        yield f"its centre of pressure is {middle:.3g} m from the origin in the median of the loaded samples"
        return
    # a load that the recording does not see rise and fall is a person who stands
    steps = [(a, b) for a, b in true_runs(loaded) if a > 0 and b < len(loaded)]
    travels = [_travel(point[a:b]) for a, b in steps if STEP_S[0] <= (b - a) / max(rate_hz, 1e-9) <= STEP_S[1]]
    travels = [travel for travel in travels if np.isfinite(travel)]
    if travels and STEP_TRAVEL_M[0] < (travel := float(np.median(travels))) < STEP_TRAVEL_M[1]:
        yield f"its centre of pressure travels {1e3 * travel:.2g} mm in a step, where a foot's travels 30 and more"


def _travel(point: Floats) -> float:
    """Return the largest extent (m) along an axis, NaN where samples are missing or too few."""
    return float(np.ptp(point, axis=0).max()) if len(point) > 2 else float("nan")


def _columns(stream: xr.Dataset, names: tuple[str, ...], unit: str) -> Floats | None:
    """Return the channels among these names that are in a unit, shape (samples, channels); None without."""
    there = [stream.variables[n] for n in names if n in stream.variables]
    values = [v.values for v in there if str(v.attrs.get("units")) == unit]
    return np.stack(values, axis=1).astype(np.float64) if values else None
