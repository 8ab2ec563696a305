"""Sources of a virtual insole's samples: the phantom runner's feet, or a recording's, as counts at a device's rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..artefacts import written_whole
from ..errors import BadInputError
from ..records import Recording
from ..simulate.clocks import TrueClock
from ..simulate.conditions import Condition
from ..simulate.folder import write_reference
from ..simulate.imu import shoe_motion
from ..simulate.insole import adc_channels, draw_fsr
from ..simulate.lab import LabTrial, simulate_world
from ..simulate.passes import treadmill_ground
from ..simulate.plates import record_reference
from ..simulate.sampling import Sampling, draw_lag
from ..simulate.settings import default_settings
from ..simulate.truth import Truth, contact_table
from ..simulate.world import World
from ..units import G
from ..wire import ACCEL_COUNTS, CELLS, IMU

__all__ = ["Phantom", "SampleSource", "Side", "phantom", "recorded"]

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")
RATE_HZ = 200.0
"""Of the samples, as a real insole's."""
ADC_BITS, ACCEL_RANGE_G, GYRO_RANGE_DPS = 12, 16, 2000
"""Of a real insole: bits of a cell's count, and full ranges of the inertial sensor."""
_HEIGHT_M = 1.75
"""The runner's: places the waist marker beside the force plate, and nothing else."""


@dataclass(frozen=True)
class SampleSource:
    """Samples of one foot's insole, by its own clock from the moment it is switched on.

    Attributes
    ----------
    cells, imu
        Shape (samples, 16) and (samples, 6), counts as on the wire.
    loops
        Whether it begins again at its end; else the last sample stays.
    """

    side: Side
    rate_hz: float
    cells: NDArray[np.uint16]
    imu: NDArray[np.int16]
    adc_bits: int = ADC_BITS
    accel_range_g: int = ACCEL_RANGE_G
    gyro_range_dps: int = GYRO_RANGE_DPS
    loops: bool = True

    def __post_init__(self) -> None:
        """Refuse what is no insole's."""
        n = len(self.cells)
        if not n or self.cells.shape != (n, CELLS) or self.imu.shape != (n, IMU):
            raise BadInputError(
                f"a source has cells {self.cells.shape} and imu {self.imu.shape}; expected (n, 16), (n, 6), n > 0"
            )

    @property
    def duration_s(self) -> float:
        """Return the length (s)."""
        return len(self.cells) / self.rate_hz

    def rows(self, first: int, count: int, *, every: int = 1) -> tuple[NDArray[np.uint16], NDArray[np.int16]]:
        """Return cells and imu of ``count`` samples, each ``every``-th, the first of them ``first * every``."""
        index = (first + np.arange(count, dtype=np.int64)) * every
        index = index % len(self.cells) if self.loops else np.clip(index, 0, len(self.cells) - 1)
        return self.cells[index], self.imu[index]


@dataclass(frozen=True)
class Phantom:
    """A simulated runner: what both insoles sample, and what a force plate under them measures.

    Attributes
    ----------
    clocks
        The devices' own: running time to reference time (s); reference time 0 is the start of the replay.
    """

    sources: dict[Side, SampleSource]
    clocks: dict[Side, TrueClock]
    trial: LabTrial

    @property
    def mass_kg(self) -> float:
        """Return the runner's mass."""
        return self.trial.truth.world.situation.mass_kg

    def write_plate(self, path: Path) -> None:
        """Write the force plate as C3D (1000 Hz, with a waist marker); its time 0 is the start of the replay."""
        with written_whole(path, force=True) as temporary:
            write_reference(temporary, self.trial)


def phantom(
    *,
    seed: int = 1,
    duration_s: float = 60.0,
    rate_hz: float = RATE_HZ,
    clocks: Mapping[Side, TrueClock] | None = None,
    condition: Condition | None = None,
    loops: bool = True,
) -> Phantom:
    """Return a runner on a treadmill with an insole (12 bits) and an IMU (16 g, 2000 deg/s) in both shoes.

    The IMU is part of the insole and lies along the foot, as a device's own model needs it.

    Parameters
    ----------
    clocks
        Of the devices; perfect ones otherwise. Samples are taken by these, so that a fast crystal samples faster.
    condition
        Who runs how; its duration is ``duration_s`` whatever it says.

    Raises
    ------
    BadInputError
        If the duration is not that of a trial (5 to 8000 s).
    """
    if not 5 <= duration_s <= 8000:
        raise BadInputError(f"a phantom of {duration_s:g} s; expected 5 to 8000 s")
    trial_condition = (condition or Condition()).model_copy(
        update={"duration_s": duration_s, "overlap_s": duration_s, "wearables": ("insole", "imu"), "gaps": False}
    )
    settings = default_settings()
    world = simulate_world(trial_condition, seed, settings)
    # ground, plate, left and right draw from streams of their own: what one draws moves no other
    streams = np.random.SeedSequence([seed, 5]).spawn(4)
    ground = treadmill_ground(np.random.default_rng(streams[0]), trial_condition, settings, world)
    plate_rng = np.random.default_rng(streams[1])
    reference = record_reference(plate_rng, trial_condition, settings, world, ground, duration_s=duration_s)
    contacts = contact_table(world, ground, start_s=0.0, end_s=duration_s)
    truth = Truth(trial_condition, seed, world, ground, contacts, {}, (0.0, duration_s), _HEIGHT_M)
    device_clocks = dict(clocks) if clocks else {side: TrueClock(0.0, 0.0) for side in SIDES}
    sources = {
        side: _foot(streams[2 + k], world, device_clocks[side], side, rate_hz, duration_s, loops)
        for k, side in enumerate(SIDES)
    }
    return Phantom(sources, device_clocks, LabTrial(reference, {}, truth))


def _foot(
    seeds: np.random.SeedSequence,
    world: World,
    clock: TrueClock,
    side: Side,
    rate_hz: float,
    duration_s: float,
    loops: bool,
) -> SampleSource:
    settings, left = default_settings(), side == "left"
    rng = np.random.default_rng(seeds)
    # both feet's parent seed: cells and delay are drawn alike for the two, as for one make of insole
    device = np.random.default_rng(seeds.entropy)
    fsr = draw_fsr(device, settings.insole, bits=ADC_BITS)
    running = np.arange(int(duration_s * rate_hz)) / rate_hz
    lag_s = draw_lag(device, mean_ms=settings.insole.lag_ms, sd_ms=settings.insole.lag_sd_ms)
    # a sample shows the world as it was the sensor's delay ago
    sampling = Sampling(
        rate_hz, clock.running(running) - lag_s, running, np.ones(running.size, dtype=bool), (), lag_s, False
    )
    cells = adc_channels(rng, settings, world, sampling, fsr, left=left, with_force=False)
    counts = np.stack([cell.values for cell in cells], axis=1).astype(np.uint16)
    force, turn = shoe_motion(rng, settings.imu, world, sampling.world_s, left=left)
    moved = np.concatenate([force, turn], axis=1)
    ranges = settings.imu
    moved += rng.normal(0, [ranges.acc_bias_m_s2] * 3 + [ranges.gyro_bias_rad_s] * 3, 6)
    moved += rng.normal(0, [ranges.acc_noise_m_s2] * 3 + [ranges.gyro_noise_rad_s] * 3, moved.shape)
    return SampleSource(side, rate_hz, counts, imu_counts(moved), loops=loops)


def imu_counts(
    motion: NDArray[np.float64], *, accel_range_g: float = ACCEL_RANGE_G, gyro_range_dps: float = GYRO_RANGE_DPS
) -> NDArray[np.int16]:
    """Return counts (n, 6) of accelerations (m/s^2) and rates (rad/s): full range at 32768, saturated."""
    full = np.asarray([accel_range_g * G] * 3 + [np.deg2rad(gyro_range_dps)] * 3)
    return np.asarray(np.clip(np.rint(np.nan_to_num(motion) / full * ACCEL_COUNTS), -32768, 32767), dtype=np.int16)


def recorded(path: Path, *, rate_hz: float = RATE_HZ, loops: bool = True) -> dict[Side, SampleSource]:
    """Return what a recorded file's insoles measured, by side, on one clock, at a device's rate.

    Raises
    ------
    BadInputError
        If the file cannot be read or holds no insole of 16 cells in counts.
    """
    from ..io import read

    recording = read(path)
    sources = {
        side: source for side in SIDES if (source := _recorded_foot(recording, side, rate_hz, loops)) is not None
    }
    if not sources:
        raise BadInputError(f"{path}: holds no insole of {CELLS} cells in counts; a virtual insole replays those")
    return sources


def _recorded_foot(recording: Recording, side: Side, rate_hz: float, loops: bool) -> SampleSource | None:
    streams = [s for s in recording.streams.values() if s.attrs.get("side") == side]
    names = [f"cell_{k + 1:02d}" for k in range(CELLS)]
    insole = next((s for s in streams if set(names) <= set(map(str, s.data_vars))), None)
    if insole is None or insole[names[0]].attrs.get("units") != "count":
        return None
    time = np.asarray(insole["time"].values, dtype=np.float64)
    grid = np.arange(time[0], time[-1], 1.0 / rate_hz)
    cells = _on_grid(insole, names, grid)
    moving = [f"{kind}_{axis}" for kind in ("acc", "gyro") for axis in "xyz"]
    imu = next((s for s in streams if set(moving) <= set(map(str, s.data_vars))), None)
    # an insole always sends six axes: without a recorded IMU they are 0
    motion = np.zeros((grid.size, IMU)) if imu is None else _on_grid(imu, moving, grid)
    bits = max(ADC_BITS, int(np.nanmax(cells)).bit_length())
    if bits > 16:
        return None
    counts = np.clip(np.rint(np.nan_to_num(cells)), 0, 65535).astype(np.uint16)
    return SampleSource(side, rate_hz, counts, imu_counts(motion), adc_bits=bits, loops=loops)


def _on_grid(stream: xr.Dataset, names: list[str], grid: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return channels on a grid of times, shape (grid, names): straight lines between known samples."""
    time = np.asarray(stream["time"].values, dtype=np.float64)
    columns = []
    for name in names:
        values = np.asarray(stream[name].values, dtype=np.float64)
        finite = np.isfinite(values)
        columns.append(np.interp(grid, time[finite], values[finite]) if finite.any() else np.zeros(grid.size))
    return np.stack(columns, axis=1)
