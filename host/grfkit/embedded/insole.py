"""From a device's samples to a network's int8 input: the twin of grf_insole.c, byte for byte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from ..gait.causal import IC, MISSING, CausalContacts, CausalSettings, ContactEvent
from ..runtime.manifest import Column, Detector, Manifest
from ..wire import CELLS as CELL_COUNT
from ..wire import FORCES
from .int8_input import Int8Channel, counts_to_int8, int8_channel, int8_points
from .levels import Levels, LevelsSettings, levels_settings
from .lowpass import LowpassSettings, lowpass_settings
from .stance_buffer import READY, CountRows, StanceBuffer, StanceSettings

__all__ = [
    "AXES",
    "CELLS",
    "CONTACT_S",
    "IMU",
    "DeviceWindow",
    "Insole",
    "insole_reason",
    "int8_window",
    "origins",
    "tick_q16",
    "unfit",
]

CELLS = tuple(f"cell_{k + 1:02d}" for k in range(CELL_COUNT))
IMU = tuple(f"{kind}_{axis}" for kind in ("acc", "gyro") for axis in "xyz")
CONTACT_S = 1e-4
"""Unit (s) of a device's contact times."""
FROM_CONTACT, FROM_MISSING, FROM_STATIC, TURNED, MOST_STATICS = 32, 33, 40, 128, 8
"""Origins of columns, as grf_insole.h has them; below 22 a cell or an inertial channel."""


@dataclass(frozen=True)
class DeviceWindow:
    """A stance as the device has it.

    Attributes
    ----------
    contact
        The detector's event of initial contact, in pushed samples.
    contact_100us
        Contact time, 0.1 ms.
    missed
        Samples of it that did not come and were repeated.
    counts
        Shape (points, channels): counts, relative counts of relative cells; the sign of no channel is turned yet.
    """

    contact: ContactEvent
    contact_100us: int
    missed: int
    counts: CountRows


_UNITS = ("m/s^2", "rad/s")
_STATICS = ("mass_kg", "speed_m_s", "slope_percent", "contact_s")
"""Statics that are sent to an insole, and the contact time, which it measures."""
AXES = FORCES
"""A bundle's names of the wire's axes, bit 0 first."""


def unfit(columns: Sequence[Column], axes: Sequence[str], *, relative: bool) -> str | None:
    """Return why no insole can run a model of these inputs and outputs; None where it can.

    Parameters
    ----------
    relative
        Whether its cells are relative to the foot's own steps.
    """
    units = {"relative" if relative else "count", *_UNITS}
    for column in columns:
        if column.role == "channel" and (column.name not in (*CELLS, *IMU) or column.unit not in units):
            return (
                f"takes '{column.name}' in {column.unit}; an insole has cell_01 to cell_16 in counts or"
                " relative, acc in m/s^2 and gyro in rad/s"
            )
    unknown = [c.name for c in columns if c.role == "static" and c.name not in _STATICS]
    if unknown or not set(axes) <= set(AXES):
        return f"takes {unknown or list(axes)}, which an insole does not know"
    return None


def insole_reason(manifest: Manifest) -> str | None:
    """Return why no insole can run a bundle's C from its samples to packets; None where one can."""
    if manifest.window != "stance" or manifest.detector is None:
        return f"takes windows of '{manifest.window}'; an insole cuts stances"
    if manifest.points > 255:
        return f"answers {manifest.points} points; a report holds 255 at most"
    if sum(c.role == "static" and c.name != "contact_s" for c in manifest.columns) > MOST_STATICS:
        return f"is told more than the {MOST_STATICS} numbers that a device keeps"
    return unfit(manifest.columns, [a.name for a in manifest.axes], relative=manifest.cells == "relative")


def tick_q16(rate_hz: float) -> int:
    """Return how many 0.1 ms 1/256 samples last, in 1/65536."""
    return round(65536 / (CONTACT_S * 256 * rate_hz))


def origins(columns: Sequence[Column]) -> list[int]:
    """Return where a device takes each column of a network's input from, as grf_insole.h counts it.

    Raises
    ------
    BadInputError
        If an insole has no such column, or the network takes more statics than a device keeps.
    """
    places, statics = [], 0
    for column in columns:
        if column.role == "missing":
            place = FROM_MISSING
        elif column.role == "static":
            place = FROM_CONTACT if column.name == "contact_s" else FROM_STATIC + statics
            statics += place != FROM_CONTACT
        elif column.name in (*CELLS, *IMU):
            place = (*CELLS, *IMU).index(column.name)
        else:
            raise BadInputError(f"an insole has no channel '{column.name}'; it has cell_01 to cell_16, acc and gyro")
        places.append(place + (TURNED if column.turned_on_left else 0))
    if statics > MOST_STATICS:
        raise BadInputError(f"a device keeps {MOST_STATICS} statics that are sent to it; the network takes {statics}")
    return places


class Insole:
    """Samples in, windows out: levels of the cells, the contact detector and the stance buffer between them.

    Parameters
    ----------
    detector
        Of a manifest. Levels and low-pass follow from its rate where it does not state them.
    channels
        The columns of role ``channel``, all of an insole.
    relative
        Whether cells are relative to the foot's own steps.
    imu_lowpass_hz
        Of the inertial channels; 0 filters nothing.
    """

    def __init__(
        self, detector: Detector, channels: Sequence[Column], *, relative: bool, imu_lowpass_hz: float
    ) -> None:
        self._picked = [place % TURNED for place in origins(channels)]
        self.cells = [k for k, place in enumerate(self._picked) if place < CELL_COUNT]
        moved = [k for k, place in enumerate(self._picked) if place >= CELL_COUNT]
        self._tick_q16 = tick_q16(detector.rate_hz)
        self._contacts = CausalContacts(CausalSettings(**detector.contacts))
        self._buffer = StanceBuffer(StanceSettings(**detector.buffer), _lowpass(detector, moved, imu_lowpass_hz))
        self.levels = Levels(_levels(detector)) if relative else None
        self._contact: ContactEvent | None = None

    @property
    def delay_samples(self) -> float:
        """Return the detector's delay."""
        return self._contacts.settings.delay_samples

    def push(self, cells: NDArray[np.uint16], imu: NDArray[np.int16]) -> DeviceWindow | None:
        """Take a sample's counts, cells clipped to 15 bits; return the window of a stance it completes, or None."""
        # the stance buffer holds int16; a 16-bit converter may give more
        clipped = np.minimum(cells, 32767)
        self._buffer.push(np.concatenate([clipped.astype(np.int16), imu])[self._picked])
        if self.levels is not None:
            self.levels.push(clipped)
        return self._take_event(self._contacts.push(int(clipped.sum(dtype=np.int64))))

    def miss(self) -> DeviceWindow | None:
        """Take a missing sample; return as :meth:`push`. Many in a row lose the stance under way."""
        self._buffer.push(None)
        return self._take_event(self._contacts.push(MISSING))

    def _take_event(self, event: ContactEvent | None) -> DeviceWindow | None:
        if event is None:
            return None
        before, self._contact = self._contact, event if event[0] == IC else None
        stance = self._buffer.take(event)
        step = self.levels is None or self.levels.event(event, stance.result)
        if not step or stance.result != READY or stance.window is None or before is None:
            return None
        counts = self._relative(stance.window)
        if counts is None:
            return None
        lasted = min((stance.contact_q8 * self._tick_q16 + 0x8000) >> 16, 65535)
        return DeviceWindow(before, lasted, stance.missed, counts)

    def _relative(self, window: CountRows) -> CountRows | None:
        """Return a window with relative cells; None before the foot has made enough steps."""
        if self.levels is None:
            return window
        relative = self.levels.relative()
        if relative is None:
            return None
        scaled: CountRows = window.copy()
        scaled[:, self.cells] = relative.of(window[:, self.cells], [self._picked[k] for k in self.cells])
        return scaled


def int8_window(
    columns: Sequence[Column],
    integers: Sequence[Int8Channel],
    window: DeviceWindow,
    statics: Sequence[int],
    *,
    left: bool,
) -> NDArray[np.int8]:
    """Return the network's input (points, columns) of a window.

    Parameters
    ----------
    integers
        Of each column.
    statics
        Statics but for the contact time, in counts of their columns.
    """
    # masks of missing samples stay 0: a device repeats the sample before
    table = np.zeros((len(window.counts), len(columns)), dtype=np.int64)
    for k, place in enumerate(origins(columns)):
        if columns[k].role == "channel":
            table[:, k] = window.counts[:, k] * np.int64(-1 if left and place & TURNED else 1)
        elif place == FROM_CONTACT:
            table[:, k] = min(window.contact_100us, 32767)
        elif place >= FROM_STATIC:
            table[:, k] = min(max(statics[place - FROM_STATIC], -32768), 32767)
    return counts_to_int8(table, integers)


def fixed_columns(manifest: Manifest) -> list[Int8Channel]:
    """Return the integers of every column."""
    return [fixed_column(c, c.unit_per_count, manifest.input.scale) for c in manifest.columns]


def fixed_column(column: Column, unit_per_count: float, scale: float) -> Int8Channel:
    """Return the integers of a column of the bundle's counts, or of a device whose counts stand for something else.

    Parameters
    ----------
    unit_per_count
        What one count stands for, in the column's unit.
    scale
        Of the input tensor.
    """
    fixed = Int8Channel(column.offset, column.multiplier, column.shift, column.zero)
    if column.multiplier and not math.isclose(unit_per_count, column.unit_per_count, rel_tol=1e-9):
        centre, size = column.centre / unit_per_count, column.size / unit_per_count
        fixed = int8_channel(centre=centre, size=size, scale=scale, zero=column.zero)
    if column.points is None:
        return fixed
    centres, sizes = (np.asarray(v) / unit_per_count for v in (column.points.centre, column.points.size))
    return int8_points(fixed, centre=centres, size=sizes, scale=scale)


def _levels(detector: Detector) -> LevelsSettings:
    settings = detector.levels
    return levels_settings(detector.rate_hz) if settings is None else LevelsSettings(**settings)


def _lowpass(detector: Detector, moved: list[int], cutoff_hz: float) -> LowpassSettings | None:
    if detector.lowpass is not None:
        return LowpassSettings(**detector.lowpass)
    # samples hold nothing above half their rate that could be filtered out
    if not moved or not 0 < cutoff_hz < detector.rate_hz / 2:
        return None
    return lowpass_settings(cutoff_hz, rate_hz=detector.rate_hz, channels=moved)
