"""Stances cut as an insole cuts them: samples in, windows in the model's units out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..runtime.manifest import Column, Detector, Manifest
from ..units import G
from ..wire import SettingKey
from .insole import CONTACT_S, DeviceWindow, Insole, unfit

SCALARS = {"mass_kg": SettingKey.MASS, "speed_m_s": SettingKey.SPEED, "slope_percent": SettingKey.SLOPE}
"""Settings that the SET message sends, by the names of the scalars that models take."""


def check_inputs(folder: Path, columns: Sequence[Column], axes: Sequence[str], *, relative: bool) -> None:
    """Refuse a model with inputs that an insole neither measures nor is sent.

    Raises
    ------
    BadInputError
        Naming the input.
    """
    reason = unfit(columns, axes, relative=relative)
    if reason is not None:
        raise BadInputError(f"{folder}: {reason}")


def stance_detector(folder: Path, manifest: Manifest) -> Detector:
    """Return the contact detector of a bundle that an insole can run.

    Raises
    ------
    BadInputError
        If the bundle takes other windows than stances, or inputs that an insole does not have.
    """
    if manifest.window != "stance" or manifest.detector is None:
        raise BadInputError(f"{folder}: takes windows of '{manifest.window}'; an insole cuts stances")
    axes = [axis.name for axis in manifest.axes]
    check_inputs(folder, manifest.columns, axes, relative=manifest.cells == "relative")
    return manifest.detector


@dataclass(frozen=True)
class SampleFormat:
    """The meaning of an insole's counts: its foot, and the full scale of its inertial sensor."""

    side: str
    accel_range_g: float
    gyro_range_dps: float


@dataclass(frozen=True)
class StanceWindow:
    """A stance as a network of windows takes it.

    Attributes
    ----------
    start
        Initial contact, in pushed samples.
    missed
        Samples of it that did not come and were repeated.
    window
        Shape (points, channels), in the units of the bundle's columns, a left foot turned as in training.
    statics
        In the order of the bundle's; NaN where they were not sent.
    device
        The same window in a device's integers.
    """

    start: float
    contact_s: float
    missed: int
    window: Floats
    statics: tuple[float, ...]
    device: DeviceWindow | None = None


class StanceCutter:
    """A contact detector and a stance buffer between START and STOP: samples in, windows out.

    Parameters
    ----------
    form
        Format of the samples that are pushed.
    rate_hz
        Their rate; a multiple of the detector's.
    statics
        Settings that were sent (:data:`SCALARS`), read at each stance.

    Raises
    ------
    BadInputError
        If the detector's rate does not divide the samples'.
    """

    def __init__(
        self,
        detector: Detector,
        columns: Sequence[Column],
        form: SampleFormat,
        rate_hz: int,
        values: Mapping[SettingKey, float],
        *,
        relative: bool,
        imu_lowpass_hz: float,
    ) -> None:
        self._values, self._left = values, form.side == "left"
        rate = detector.rate_hz
        self._every = round(rate_hz / rate)
        if self._every < 1 or self._every * rate != rate_hz:
            raise BadInputError(f"the model's contacts are found at {rate:g} Hz, which {rate_hz} Hz is no multiple of")
        channels = [c for c in columns if c.role == "channel"]
        self._static_names = [c.name for c in columns if c.role == "static"]
        self._insole = Insole(detector, channels, relative=relative, imu_lowpass_hz=imu_lowpass_hz)
        self._unit = _units(form, [c.name for c in channels])
        if self._insole.levels is not None:
            self._unit[self._insole.cells] = 1.0 / self._insole.levels.settings.units
        self._sign = np.asarray([-1.0 if self._left and c.turned_on_left else 1.0 for c in channels])
        self._pushed = 0

    def cuts(self, cells: NDArray[np.uint16], imu: NDArray[np.int16]) -> list[StanceWindow]:
        """Take samples; return the stances that they complete."""
        stances = []
        for row, moved in zip(cells, imu):
            self._pushed += 1
            if (self._pushed - 1) % self._every == 0:
                window = self._insole.push(row, moved)
                if window is not None:
                    stances.append(self._cut(window))
        return stances

    def miss(self, count: int) -> list[StanceWindow]:
        """Take note that samples are missing; return the stances whose toe-off the repeated samples confirm.

        The stance under way is lost where they are many.
        """
        stances = []
        for _ in range(count):
            self._pushed += 1
            if (self._pushed - 1) % self._every == 0:
                window = self._insole.miss()
                if window is not None:
                    stances.append(self._cut(window))
        return stances

    def _cut(self, window: DeviceWindow) -> StanceWindow:
        _, fraction_q8, sample, _ = window.contact
        # the detector numbers samples from 1, and is late by its smoothing
        start = (sample - 1 + fraction_q8 / 256 - self._insole.delay_samples) * self._every
        contact_s = window.contact_100us * CONTACT_S
        values = np.asarray(window.counts.astype(np.float64) * self._unit * self._sign)
        stated = {"contact_s": contact_s} | {n: self._values.get(key, math.nan) for n, key in SCALARS.items()}
        statics = tuple(stated[n] for n in self._static_names)
        return StanceWindow(start, contact_s, window.missed, values, statics, window)


def _units(form: SampleFormat, names: list[str]) -> Floats:
    """Return the unit of one count, channel by channel."""
    full = {"cell": 1.0, "acc": form.accel_range_g * G / 32768, "gyro": math.radians(form.gyro_range_dps) / 32768}
    return np.asarray([full[name.split("_")[0]] for name in names])
