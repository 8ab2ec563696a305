"""Notes on values that no person or sensor gives in the unit that a file states: doubted aloud, never corrected.

Every threshold stands between what gait and sensors give and what the usual wrong units make of it. "Recordings" below
are the 247 public ones that the thresholds were tried on, none of which is doubted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import Floats
from ..records import Recording
from ..signals.marker_names import foot_landmarks
from ..signals.moment_unit import moment_doubt
from ..signals.runs import true_runs
from .plate_doubts import STEP_S, point_doubts, rate_doubt

# --- accelerometers -------------------------------------------------------------------------------------------------
GRAVITY_M_S2 = (5.0, 60.0)
"""Median size (m/s^2) of what an accelerometer measures: 9.8 at rest, 9.0 to 12 in recordings of walking, some 30 at
the foot of a fast runner. In g stated as m/s^2 the same is 1 to 3, and in m/s^2 stated as g 96 and more."""
LARGEST_ACCELERATION_M_S2 = 5000.0
"""Largest acceleration (m/s^2): 500 g, beyond sensors for impacts at the shoe (200 g); chosen by hand."""
GRAVITY_TAKEN_OFF = re.compile(r"free|lin|user", re.IGNORECASE)
"""Names of accelerations from which a sensor has taken gravity off: Xsens FreeAcc, linear or user acceleration."""
# --- gyroscopes -----------------------------------------------------------------------------------------------------
FASTEST_TURN_RAD_S = 70.0
"""Rate (rad/s) that 99 % of samples stay below: 4,000 deg/s, the widest range of sensors sold for gait (recordings: up
to 35 in single samples). A walking foot's 5 rad/s in deg/s, stated as rad/s, are 290."""
SLOWEST_TURN_RAD_S, SHAKEN_M_S2 = 0.35, 5.0
"""Rate (rad/s) that 1 % of samples exceed where the acceleration varies by so much (1st to 99th percentile): 20 deg/s,
below a walker's trunk; in rad/s stated as deg/s a walking foot has .1."""
STILL_M_S2, TURNING_RAD_S = 0.3, 0.3
"""SD (m/s^2) of each axis of a sensor that does not turn, and the rate (rad/s, 17 deg/s) that it cannot have: a
gyroscope at rest is off by up to 3 deg/s, .05 rad/s."""
# --- forces and pressures -------------------------------------------------------------------------------------------
LOADS: dict[str, tuple[float, float, str]] = {
    "N": (30.0, 20e3, "kN, body weights"),
    "BW": (0.2, 8.0, "N, N/kg, percent"),
    "N/kg": (4.0, 80.0, "N, body weights"),
}
"""By unit: what the largest load of steps reaches at least, what 99 % of a force's samples stay below, and the units
that are mistaken for it. A toddler of 10 kg reaches 100 N (recordings: a hand's push on an insole 57), a run 4 kN and 3
body weights at the most for a hundredth of the time; 1 body weight is 9.8 N/kg."""
PRESSURES_PA = (20e3, 3e6)
"""Pressure (Pa) that the most loaded cell reaches in steps at least, and that no cell exceeds in 99.9 % of samples:
recordings of walking reach 150 to 700 kPa, a standing child's cells 40."""
LOADED, QUIET = 0.25, 0.03
"""Share of the range above which a foot is on the ground, and the SD, as a share of it, of a force at rest in between;
chosen by hand: the lowest quarter of noise or drift has .07 and more."""
# --- landmarks ------------------------------------------------------------------------------------------------------
LARGEST_EXTENT_M = 20.0
"""Extent (m) of all places of landmarks: a laboratory (recordings: up to 12)."""
SMALLEST_SPAN_M = 0.01
"""Extent (m) of one frame's landmarks, or distance of a single one from the origin: a marker's own size."""
FOOT_M = (0.06, 0.45)
"""Distance (m) between landmarks of heel and toes of a foot: an infant's shoe, and the largest made."""
FASTEST_LANDMARKS_M_S = 15.0
"""Speed (m/s) that half of all landmarks stay below: a sprinter's body has 12. Accelerations taken for places leap."""
G_LIKE_M = (9.5, 10.1)
"""Distance (m) from the origin that every landmark has where accelerations at rest were taken for places."""

_JUDGED = {"m/s^2", "rad/s", "Pa", *LOADS}
# Enough for a percentile or a median, and quick for a recording of hours
_MOST_SAMPLES, _MOST_CELL_SAMPLES, _MOST_FRAMES, _STEP_HZ = 50_000, 20_000, 100, 100.0
# Fewest samples (a fifth of a second at 100 Hz) that a median says anything about; chosen by hand
_FEWEST = 20


class _Signals(NamedTuple):
    """The channels of one stream whose unit can be judged: unit and samples by name."""

    name: str
    kind: str
    rate_hz: float
    channels: dict[str, tuple[str, Floats]]

    def of_unit(self, unit: str, *names: str) -> list[str]:
        """Return the channels in a unit, among these names where any are given."""
        return [n for n, (u, _) in self.channels.items() if u == unit and (not names or n in names)]

    def rows(self, names: list[str]) -> Floats:
        """Return evenly spread rows (samples, channels) in which no channel is missing."""
        every = max(1, len(self.channels[names[0]][1]) // _MOST_SAMPLES)
        rows = np.stack([np.asarray(self.channels[n][1][::every], dtype=np.float64) for n in names], axis=1)
        return np.asarray(rows[np.isfinite(rows).all(axis=1)])

    def size(self, names: list[str]) -> Floats:
        """Return the length of the vector of these channels, in complete rows."""
        return np.asarray(np.linalg.norm(self.rows(names), axis=1)) if names else np.empty(0)


def doubts(recording: Recording) -> list[str]:
    """Return a sentence for each stream whose values cannot be true in the unit that is stated for them.

    Looked at are gravity and range of accelerometers, the rate of gyroscopes, forces of plates and insoles (too large;
    and too small where steps can be seen in them), moments of plates against their forces, pressures of cells, and
    landmarks (their extent, the length of a foot, their speed), and by :mod:`grfkit.io.plate_doubts` rates, centres of
    pressure and free moments. Counts, magnetometers and quantities of unknown unit
    are not.
    """
    notes: list[str] = []
    loads: dict[str, list[_Signals]] = {"force_plate": [], "insole": []}
    for name, stream in recording.streams.items():
        signals = _signals(name, stream)
        found = _landmarks(stream) if signals.kind == "landmarks" else _of_signals(signals)
        notes += [f"{name}: {doubt}: is the unit right?" for doubt in found]
        notes += [f"{name}: {doubt}: is the unit right?" for doubt in point_doubts(stream)]
        notes += [f"{name}: {doubt}" for doubt in (*_moments(stream), rate_doubt(stream)) if doubt]
        loads.setdefault(signals.kind, []).append(signals)
    # a person loads both feet, but perhaps one plate of several: what the others show is their neighbour's
    notes += _small_loads(loads["force_plate"])
    return [*notes, *(note for insole in loads["insole"] for note in _small_loads([insole]))]


def _signals(name: str, stream: xr.Dataset) -> _Signals:
    # variables and not the channels themselves: of a thousand channels each would first be made an array with a time
    channels = {str(n): (str(v.attrs.get("units")), v.values) for n, v in stream.variables.items() if v.ndim == 1}
    judged = {n: (u, v) for n, (u, v) in channels.items() if u in _JUDGED}
    return _Signals(name, str(stream.attrs["kind"]), float(stream.attrs["rate_hz"]), judged)


def _of_signals(signals: _Signals) -> Iterator[str]:
    if signals.kind in ("imu", "body_imu", "analog"):
        yield from _accelerations(signals)
    if signals.kind in ("imu", "body_imu"):
        yield from _turns(signals)
    if signals.kind == "insole":
        yield from _pressures(signals)
    if signals.kind in ("force_plate", "insole", "analog"):
        yield from _large_loads(signals)


def _moments(stream: xr.Dataset) -> Iterator[str]:
    """Give the doubt on a plate's moments, where the plate's place is known and force and moment have their units."""
    names = [f"{kind}{axis}" for kind in "fm" for axis in "xyz"]
    corners = np.asarray(stream.attrs.get("corners_m", ()), dtype=np.float64).ravel()
    if any(n not in stream.variables for n in names) or corners.size != 12:
        return
    values = [stream.variables[n] for n in names]
    if [str(v.attrs.get("units")) for v in values] != ["N"] * 3 + ["N m"] * 3:
        return
    # of types with eight or twelve force channels the moments are made of forces and lengths: ORIGIN is no offset
    by_origin = int(stream.attrs.get("plate_type", 0)) in (2, 4)
    origin = np.asarray(stream.attrs.get("origin_m", ()), dtype=np.float64).ravel() if by_origin else np.zeros(3)
    every = max(1, values[0].size // _MOST_SAMPLES)
    columns = [np.asarray(v.values[::every], dtype=np.float64) for v in values]
    doubt = moment_doubt(
        np.stack(columns[:3], axis=1), np.stack(columns[3:], axis=1), corners_m=corners,
        origin_m=origin if origin.size == 3 else np.zeros(3), vertical=str(stream.attrs.get("vertical", "")),
    )  # fmt: skip
    if doubt:
        yield doubt


# --- accelerometers and gyroscopes ----------------------------------------------------------------------------------


def _accelerations(signals: _Signals) -> Iterator[str]:
    for sensor, axes in _sensors(signals).items():
        size = signals.size(axes)
        if not size.any():
            continue
        middle, largest = float(np.median(size)), float(size.max())
        complete = len(axes) == 3 and not GRAVITY_TAKEN_OFF.search(sensor)
        # one axis that never changes is stuck, and says nothing of its unit
        alive = len(axes) == 3 or bool(np.ptp(size))
        if size.size >= _FEWEST and middle < GRAVITY_M_S2[0] and complete:
            yield (
                f"its acceleration ({', '.join(axes)}) is {middle:.3g} m/s^2 in the median, where gravity alone is 9.8"
                " (in g it is 1)"
            )
        elif size.size >= _FEWEST and middle > GRAVITY_M_S2[1] and alive:
            yield (
                f"its acceleration ({', '.join(axes)}) is {middle:.3g} m/s^2 in the median, where gravity is 9.8 and a"
                f" runner's foot stays below {GRAVITY_M_S2[1]:g}"
            )
        elif largest > LARGEST_ACCELERATION_M_S2:
            yield f"values of {', '.join(axes)} reach {largest:.3g} m/s^2"


def _sensors(signals: _Signals) -> dict[str, list[str]]:
    """Return the accelerations by the name that they share but for the axis."""
    sensors: dict[str, list[str]] = {}
    for name in signals.of_unit("m/s^2"):
        parts = re.fullmatch(r"(.*)[xyz]([^a-z]*)", name, re.IGNORECASE)
        sensors.setdefault(f"{parts[1]}?{parts[2]}" if parts else name, []).append(name)
    return sensors


def _turns(signals: _Signals) -> Iterator[str]:
    gyro = signals.of_unit("rad/s", "gyro_x", "gyro_y", "gyro_z")
    acc = signals.of_unit("m/s^2", "acc_x", "acc_y", "acc_z")
    rate = signals.size(gyro)
    if rate.size < _FEWEST or not rate.any():
        return
    fast = float(np.percentile(rate, 99))
    if fast > FASTEST_TURN_RAD_S:
        yield f"it turns at {fast:.3g} rad/s ({np.rad2deg(fast):,.0f} deg/s), which no sensor of gait measures"
        return
    both = signals.rows([*gyro, *acc]) if len(gyro) == len(acc) == 3 else np.empty((0, 6))
    size = np.linalg.norm(both[:, 3:], axis=1)
    if size.size < _FEWEST or not GRAVITY_M_S2[0] <= float(np.median(size)) <= GRAVITY_M_S2[1]:
        return
    low, high = np.percentile(size, [1, 99])
    turning = float(np.median(np.linalg.norm(both[:, :3], axis=1)))
    if high - low > SHAKEN_M_S2 and fast < SLOWEST_TURN_RAD_S:
        yield (
            f"it turns at {fast:.2g} rad/s ({np.rad2deg(fast):.2g} deg/s) at the most while its acceleration varies by"
            f" {high - low:.3g} m/s^2"
        )
    elif both[:, 3:].std(axis=0).max() < STILL_M_S2 and turning > TURNING_RAD_S:
        yield f"it turns at {turning:.2g} rad/s while gravity shows that it lies still"


# --- forces and pressures -------------------------------------------------------------------------------------------


def _large_loads(signals: _Signals) -> Iterator[str]:
    for name, (unit, _) in signals.channels.items():
        sizes = np.abs(signals.rows([name])) if unit in LOADS else np.empty(0)
        reached = float(np.percentile(sizes, 99)) if sizes.size else 0.0
        if unit in LOADS and reached > LOADS[unit][1]:
            yield f"values of {name} reach {reached:.3g} {unit}"
            return


def _small_loads(streams: list[_Signals]) -> list[str]:
    """Return a note where these streams, together, show steps and no load that a person has."""
    loads = [(s.name, s.rate_hz, unit, values) for s in streams for unit, values in _whole_loads(s)]
    units = {unit for _, _, unit, _ in loads}
    if len(units) != 1 or not units <= set(LOADS):
        return []
    unit = units.pop()
    least, _, mistaken = LOADS[unit]
    ranges = [_range(values) for *_, values in loads]
    largest = int(np.argmax(ranges))
    _, rate_hz, _, values = loads[largest]
    if ranges[largest] >= least or not shows_steps(values, rate_hz=rate_hz):
        return []
    return [
        f"{', '.join(dict.fromkeys(name for name, *_ in loads))}: steps can be seen, but no load is above"
        f" {ranges[largest]:.3g} {unit}, which is no person's (a toddler's are above {least:g}): is the unit right, or"
        f" is it {mistaken}?"
    ]


def _whole_loads(signals: _Signals) -> list[tuple[str, Floats]]:
    """Return the forces of a plate or a foot with their units; the sum of an insole's parts where it has no other."""
    forces = [signals.channels[n] for n in ("fx", "fy", "fz", "force") if n in signals.channels]
    if forces or signals.kind != "insole":
        return forces
    parts = [c for n, c in signals.channels.items() if n.startswith(("zone_", "cell_")) and c[0] in LOADS]
    if len({unit for unit, _ in parts}) != 1:
        return []
    return [(parts[0][0], np.sum([values for _, values in parts], axis=0))]


def _range(values: Floats) -> float:
    some = values[:: max(1, len(values) // _MOST_SAMPLES)]
    some = some[np.isfinite(some)]
    return float(np.ptp(np.percentile(some, [0.5, 99.5]))) if some.size else 0.0


def shows_steps(values: Floats, *, rate_hz: float) -> bool:
    """Return whether a force rises from rest for the time of a step, again and again or once, whatever its unit is."""
    every = max(1, round(rate_hz / _STEP_HZ)) if rate_hz > 0 else 1
    some = np.asarray(values[::every][:_MOST_SAMPLES], dtype=np.float64)
    some = some[np.isfinite(some)]
    if some.size < _FEWEST or rate_hz <= 0:
        return False
    low, high = np.percentile(some, [0.5, 99.5])
    if not high > low:
        return False
    share = (some - low) / (high - low)
    # the file may hold the force on the plate: then the load points down
    return any(_rises(level, rate_hz / every) for level in (share, 1.0 - share))


def _rises(share: Floats, rate_hz: float) -> bool:
    loaded = share > LOADED
    lengths = np.diff(true_runs(loaded), axis=1).ravel() / rate_hz
    rest = share[~loaded]
    if not lengths.size or not rest.size or not STEP_S[0] <= float(np.median(lengths)) <= STEP_S[1]:
        return False
    # by the median deviation: the flanks of a step are no rest
    return float(np.median(np.abs(rest - np.median(rest)))) * 1.4826 < QUIET


def _pressures(signals: _Signals) -> Iterator[str]:
    cells = [n for n in signals.of_unit("Pa") if n.startswith(("cell_", "peak_"))]
    if not cells:
        return
    every = max(1, len(signals.channels[cells[0]][1]) // _MOST_CELL_SAMPLES)
    most = np.full(len(signals.channels[cells[0]][1][::every]), -np.inf)
    for name in cells:
        most = np.fmax(most, signals.channels[name][1][::every])
    most = most[np.isfinite(most)]
    if not most.size:
        return
    if (largest := float(np.percentile(most, 99.9))) > PRESSURES_PA[1]:
        yield f"pressures reach {largest / 1e3:,.0f} kPa, where a foot's stay below {PRESSURES_PA[1] / 1e3:,.0f}"
    elif (largest := float(np.percentile(most, 99.5))) < PRESSURES_PA[0] and shows_steps(
        most, rate_hz=signals.rate_hz / every
    ):
        yield (
            f"steps can be seen, but no cell is above {largest / 1e3:.3g} kPa, where a foot's most loaded one is"
            f" above {PRESSURES_PA[0] / 1e3:g}"
        )


# --- landmarks ------------------------------------------------------------------------------------------------------


def _landmarks(stream: xr.Dataset) -> Iterator[str]:
    position = stream["position"].values
    at = np.unique(np.linspace(0, len(position) - 1, _MOST_FRAMES).astype(int))
    frames = np.asarray(position[at], dtype=np.float64)
    places = frames.reshape(-1, 3)
    places = places[np.isfinite(places).all(axis=1)]
    if not places.size:
        return
    if (extent := float(np.max(np.ptp(np.percentile(places, [1, 99], axis=0), axis=0)))) > LARGEST_EXTENT_M:
        yield f"its landmarks reach over {extent:.3g} m"
    elif (span := _span(frames)) < SMALLEST_SPAN_M:
        yield f"its landmarks lie within {1e3 * span:.2g} mm"
    elif (speed := _speed(stream, at)) > FASTEST_LANDMARKS_M_S:
        yield f"half of its landmarks move faster than {speed:.3g} m/s, as accelerations taken for places seem to"
    elif _all_like_gravity(frames):
        yield "each of its landmarks is 9.8 m from the origin, as accelerations (m/s^2) taken for places are"
    elif foot := _foot(frames, [str(n) for n in stream["landmark"].values]):
        yield f"a foot is {foot:.2g} m long between its landmarks of heel and toes"


def _span(frames: Floats) -> float:
    """Return the median extent (m) of a frame's landmarks; of a single one its distance from the origin."""
    seen = np.asarray(np.isfinite(frames).all(axis=2), dtype=bool)[:, :, None]
    several = seen.sum(axis=(1, 2)) > 1
    if several.any():
        high = np.where(seen, frames, -np.inf).max(axis=1)[several]
        low = np.where(seen, frames, np.inf).min(axis=1)[several]
        return float(np.median((high - low).max(axis=1)))
    return float(np.median(np.linalg.norm(frames[seen[:, :, 0]], axis=1)))


def _speed(stream: xr.Dataset, at: NDArray[np.int64]) -> float:
    """Return the median speed (m/s) over landmarks and frames, 0 where there is none; stamps that stand twice apart."""
    position, time = stream["position"].values, stream["time"].values
    at = at[at + 1 < time.size]
    at = at[time[at + 1] > time[at]]
    steps = np.linalg.norm(position[at + 1] - position[at], axis=2) / (time[at + 1] - time[at])[:, None]
    steps = steps[np.isfinite(steps)]
    return float(np.median(steps)) if steps.size else 0.0


def _all_like_gravity(frames: Floats) -> bool:
    distance = np.linalg.norm(frames, axis=2)
    seen = distance[:, np.isfinite(distance).any(axis=0)]
    inside = ((seen > G_LIKE_M[0]) & (seen < G_LIKE_M[1])).sum(axis=0)
    # of each landmark most frames: its median then is too
    return bool(np.all(inside > 0.5 * np.isfinite(seen).sum(axis=0)))


def _foot(frames: Floats, names: list[str]) -> float:
    """Return the length (m) of a foot where it is no foot's, else 0."""
    for parts in foot_landmarks(names).values():
        if {"heel", "toe"} <= set(parts):
            apart = np.linalg.norm(frames[:, parts["heel"][0]] - frames[:, parts["toe"][0]], axis=1)
            apart = apart[np.isfinite(apart)]
            if apart.size and not FOOT_M[0] < (length := float(np.median(apart))) < FOOT_M[1]:
                return length
    return 0.0
