"""The model on a virtual insole: an exported bundle's int8 file, asked at each toe-off, answered as a stance report.

Contacts and windows are those of the C runtime's Python twins (:mod:`grfkit.gait.causal`,
:mod:`grfkit.deploy.fixed`). The device has nothing but its own counts and what SET told it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import wire
from ..deploy.fixed import READY, Rows, StanceBuffer, StanceSettings
from ..errors import BadInputError
from ..gait.causal import IC, MISSING, TO, CausalContacts, CausalSettings, Event
from ..gait.contacts import faint
from ..runtime.bundle import BundleModel, load_bundle
from ..runtime.manifest import Column, Detector, Manifest
from ..signals.filters import lowpass
from ..units import G
from .profile import Key
from .virtual_source import Source

__all__ = ["SCALARS", "Cut", "DeviceModel", "StanceCutter", "StanceMaker", "check_inputs", "report_of"]

Floats = NDArray[np.float64]
CELLS = tuple(f"cell_{k + 1:02d}" for k in range(wire.CELLS))
IMU = tuple(f"{kind}_{axis}" for kind in ("acc", "gyro") for axis in "xyz")
_AXES = ("apgrf", "mlgrf", "vgrf")
"""A bundle's names of the wire's axes, bit 0 first."""
_UNLOADED_PERCENT, _REMEMBERED_S, _STEPS, _LEAST_STEPS = 2.0, 30.0, 25, 3
SCALARS = {"mass_kg": Key.MASS, "speed_m_s": Key.SPEED, "slope_percent": Key.SLOPE}
"""What SET tells, by the names of the scalars that models take."""


class StanceMaker:
    """A bundle, checked to be one that an insole can run; call it for a model that begins with a START.

    Raises
    ------
    BadInputError
        If it wants windows, channels or units that the device has not.
    RefusedError
        If a file of it was changed.
    """

    def __init__(self, folder: Path, backend: str = "auto") -> None:
        self.bundle = load_bundle(folder, backend)
        manifest = self.bundle.manifest
        if manifest.window != "stance" or manifest.detector is None:
            raise BadInputError(f"{folder}: takes windows of '{manifest.window}'; an insole cuts stances")
        self.detector: Detector = manifest.detector
        axes = [a.name for a in manifest.axes]
        check_inputs(folder, manifest.columns, axes, relative=manifest.cells == "relative")

    @property
    def model_id(self) -> int:
        """Return the CRC-32 of the .tflite."""
        return self.bundle.manifest.model_id

    def __call__(self, source: Source, rate_hz: int, told: Mapping[Key, float]) -> DeviceModel:
        """Return the model at the beginning of a START's samples; BadInputError if its rate does not divide theirs."""
        return DeviceModel(self, source, rate_hz, told)


def check_inputs(folder: Path, columns: Sequence[Column], axes: Sequence[str], *, relative: bool) -> None:
    """Refuse a model that wants what an insole does not measure and nobody tells it.

    Raises
    ------
    BadInputError
        Naming it.
    """
    units = {"relative" if relative else "count", "m/s^2", "rad/s"}
    for column in columns:
        if column.role == "channel" and (column.name not in (*CELLS, *IMU) or column.unit not in units):
            raise BadInputError(
                f"{folder}: takes '{column.name}' in {column.unit}; an insole has cell_01 to cell_16 in counts or"
                " relative, acc in m/s^2 and gyro in rad/s"
            )
    unknown = [c.name for c in columns if c.role == "static" and c.name not in (*SCALARS, "contact_s")]
    if unknown or not set(axes) <= set(_AXES):
        raise BadInputError(f"{folder}: takes {unknown or list(axes)}, which an insole does not know")


@dataclass(frozen=True)
class Cut:
    """A stance as a network of windows takes it.

    Attributes
    ----------
    start
        Initial contact, in pushed samples.
    missed
        Samples of it that were missed and repeated.
    window
        Shape (points, channels), in the units of the bundle's columns, a left foot turned as in training.
    statics
        In the order of the bundle's; NaN where nobody told them.
    """

    start: float
    contact_s: float
    missed: int
    window: Floats
    statics: tuple[float, ...]


class StanceCutter:
    """A contact detector and a stance buffer between START and STOP: samples in, windows out.

    Parameters
    ----------
    rate_hz
        Of the samples that are pushed; a multiple of the detector's.
    told
        What SET told, read at each stance.

    Raises
    ------
    BadInputError
        If the detector's rate does not divide the samples'.
    """

    def __init__(
        self,
        detector: Detector,
        columns: Sequence[Column],
        source: Source,
        rate_hz: int,
        told: Mapping[Key, float],
        *,
        relative: bool,
        imu_lowpass_hz: float,
    ) -> None:
        self._told, self._left, self._relative = told, source.side == "left", relative
        rate = detector.rate_hz
        self._every = round(rate_hz / rate)
        if self._every < 1 or self._every * rate != rate_hz:
            raise BadInputError(f"the model's contacts are found at {rate:g} Hz, which {rate_hz} Hz is no multiple of")
        self._rate_hz = rate
        self._detector = CausalContacts(CausalSettings(**detector.contacts))
        channels = [c for c in columns if c.role == "channel"]
        self._statics = [c.name for c in columns if c.role == "static"]
        names = [c.name for c in channels]
        self._picked = [(*CELLS, *IMU).index(name) for name in names]
        self._cells = [k for k, name in enumerate(names) if name in CELLS]
        moved = [k for k, name in enumerate(names) if name in IMU]
        self._buffer = _Buffer(StanceSettings(**detector.buffer), moved, rate, imu_lowpass_hz)
        self._unit = _units(source, names)
        self._sign = np.asarray([-1.0 if self._left and c.turned_on_left else 1.0 for c in channels])
        self._levels = _Levels(rate)
        self._pushed = 0
        self._contact: Event | None = None

    def cuts(self, cells: NDArray[np.uint16], imu: NDArray[np.int16]) -> list[Cut]:
        """Take samples; return the stances that became known."""
        found = []
        for row, moved in zip(cells, imu):
            self._pushed += 1
            if (self._pushed - 1) % self._every == 0:
                made = self._one(row, moved)
                if made is not None:
                    found.append(made)
        return found

    def miss(self, count: int) -> None:
        """Take note that samples are missing: the stance under way is lost where they are many."""
        for _ in range(count):
            self._pushed += 1
            if (self._pushed - 1) % self._every == 0:
                self._buffer.push(None)
                self._heard(self._detector.push(MISSING))

    def _one(self, cells: NDArray[np.uint16], imu: NDArray[np.int16]) -> Cut | None:
        raw = np.concatenate([np.minimum(cells, 32767).astype(np.int16), imu])
        self._levels.push(cells, loaded=self._contact is not None)
        self._buffer.push(raw[self._picked])
        return self._heard(self._detector.push(int(cells.sum(dtype=np.int64))))

    def _heard(self, event: Event | None) -> Cut | None:
        if event is None:
            return None
        before, self._contact = self._contact, event if event[0] == IC else None
        stance = self._buffer.take(event)
        if event[0] == TO and before is not None and not self._levels.step():
            return None
        if stance.result != READY or stance.window is None or before is None:
            return None
        window = self._in_units(stance.window)
        if window is None:
            return None
        contact_s = stance.contact_q8 / 256 / self._rate_hz
        start = (before[2] - 1 + before[1] / 256 - self._detector.settings.delay_samples) * self._every
        return Cut(start, contact_s, stance.missed, window, tuple(self._static(n, contact_s) for n in self._statics))

    def _in_units(self, rows: Rows) -> Floats | None:
        """Return a window in the columns' units; None while the foot's own steps are not known and needed."""
        window = np.asarray(rows.astype(np.float64) * self._unit * self._sign)
        if self._relative:
            known = self._levels.known()
            if known is None:
                return None
            level, peak = known
            window[:, self._cells] = (window[:, self._cells] - level[self._cell_numbers()]) / peak
        return window

    def _cell_numbers(self) -> list[int]:
        return [self._picked[k] for k in self._cells]

    def _static(self, name: str, contact_s: float) -> float:
        return contact_s if name == "contact_s" else self._told.get(SCALARS[name], math.nan)


class DeviceModel(StanceCutter):
    """What runs between START and STOP: a contact detector, a stance buffer and the network.

    Parameters
    ----------
    rate_hz
        Of the samples that are pushed; a multiple of the bundle's detector's.
    told
        What SET told, read at each stance.
    """

    def __init__(self, maker: StanceMaker, source: Source, rate_hz: int, told: Mapping[Key, float]) -> None:
        self._bundle: BundleModel = maker.bundle
        self._manifest: Manifest = maker.bundle.manifest
        super().__init__(
            maker.detector,
            self._manifest.columns,
            source,
            rate_hz,
            told,
            relative=self._manifest.cells == "relative",
            imu_lowpass_hz=self._manifest.imu_lowpass_hz,
        )

    @property
    def model_id(self) -> int:
        """Return the CRC-32 of the .tflite."""
        return self._manifest.model_id

    def push(self, cells: NDArray[np.uint16], imu: NDArray[np.int16]) -> list[tuple[float, wire.StanceReport]]:
        """Take samples; return the stances that became known, each with its initial contact in pushed samples."""
        answers = [(cut.start, self._answer(cut)) for cut in self.cuts(cells, imu)]
        return [(start, report) for start, report in answers if report is not None]

    def _answer(self, cut: Cut) -> wire.StanceReport | None:
        """Return a stance's report; None while the device does not know what the network needs."""
        mass_kg = self._told.get(Key.MASS, math.nan)
        if self._manifest.force_unit == "N" and not mass_kg > 0:
            return None
        stored = self._bundle.stored(cut.window[None], np.asarray([cut.statics], dtype=np.float64))
        said = self._bundle.engine.run(stored.values)[0]
        return report_of(self._manifest, said, contact_s=cut.contact_s, missed=cut.missed, mass_kg=mass_kg)


class _Levels:
    """A foot's unloaded cells and the size of its steps, from what the device has seen.

    :mod:`grfkit.learn.relative` takes both over a whole recording; here the unloaded level is the 2nd percentile of
    the last 30 s, the size of a step the median peak of the last 25, and no stance is answered before the third.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rows: deque[NDArray[np.uint16]] = deque(maxlen=round(_REMEMBERED_S * rate_hz))
        self._now: list[NDArray[np.uint16]] = []
        self._peaks: deque[float] = deque(maxlen=_STEPS)
        self._level: Floats = np.zeros(wire.CELLS)

    def push(self, cells: NDArray[np.uint16], *, loaded: bool) -> None:
        self._rows.append(cells)
        if loaded:
            self._now.append(cells)

    def step(self) -> bool:
        """End a contact: its peak joins the others; return whether it bore as much as a step does."""
        self._level = np.asarray(np.percentile(np.stack(self._rows), _UNLOADED_PERCENT, axis=0), dtype=np.float64)
        if self._now:
            self._peaks.append(float((np.stack(self._now) - self._level).sum(axis=1).max()))
        self._now = []
        return not (self._peaks and faint(np.asarray(self._peaks))[-1])

    def known(self) -> tuple[Floats, float] | None:
        """Return the unloaded level of each cell and the median peak; None before three steps."""
        peaks = np.asarray(self._peaks)
        middle = float(np.median(peaks[~faint(peaks)])) if peaks.size >= _LEAST_STEPS else 0.0
        return (self._level, middle) if middle > 0 else None


class _Buffer(StanceBuffer):
    """A stance buffer whose inertial channels are low-passed before a stance is cut out, where that is wanted."""

    def __init__(self, settings: StanceSettings, moved: list[int], rate_hz: float, cutoff_hz: float) -> None:
        super().__init__(settings)
        self._moved, self._of = moved, (rate_hz, cutoff_hz)

    def _window(self, start: int, stop: int) -> Rows:
        rate_hz, cutoff_hz = self._of
        if not cutoff_hz or not self._moved:
            return super()._window(start, stop)
        kept = self._rows
        rows = np.stack(kept).astype(np.float64)
        rows[:, self._moved] = lowpass(rows[:, self._moved], rate_hz=rate_hz, cutoff_hz=cutoff_hz)
        self._rows = list(np.clip(np.rint(rows), -32768, 32767).astype(np.int16))
        try:
            return super()._window(start, stop)
        finally:
            self._rows = kept


def _units(source: Source, names: list[str]) -> Floats:
    """Return what one count stands for, channel by channel."""
    full = {"cell": 1.0, "acc": source.accel_range_g * G / 32768, "gyro": math.radians(source.gyro_range_dps) / 32768}
    return np.asarray([full[name.split("_")[0]] for name in names])


def report_of(
    manifest: Manifest, stored: NDArray[np.int8], *, contact_s: float, missed: int, mass_kg: float
) -> wire.StanceReport:
    """Return what an insole sends of a network's answer: the int8 curves as they are, with offset and scale in BW.

    Parameters
    ----------
    stored
        Shape (points, axes), in the order of the manifest's axes.
    mass_kg
        Used where the network gives newtons.
    """
    per = 1.0 / (mass_kg * G) if manifest.force_unit == "N" else 1.0
    ends = manifest.output
    names = [axis.name for axis in manifest.axes]
    order = [names.index(name) for name in _AXES if name in names]
    chosen = [manifest.axes[k] for k in order]
    scale = tuple(float(np.float32(ends.scale * axis.size * per)) for axis in chosen)
    offset = tuple(float(np.float32((axis.centre - ends.scale * ends.zero_point * axis.size) * per)) for axis in chosen)
    curve = np.asarray(stored[:, order], dtype=np.int8)
    force = np.asarray(offset) + np.asarray(scale) * curve
    by_name = {name: force[:, k] for k, name in enumerate(n for n in _AXES if n in names)}
    up, forward = by_name.get("vgrf"), by_name.get("apgrf")
    return wire.StanceReport(
        model_id=manifest.model_id,
        contact_s=contact_s,
        axes=sum(1 << k for k, name in enumerate(_AXES) if name in names),
        missed=missed,
        peak_point=0 if up is None else int(np.argmax(up)),
        peak_bw=0.0 if up is None else float(up.max()),
        impulse_bw_s=0.0 if up is None else float((up[1:] + up[:-1]).sum() / 2 * contact_s / (len(up) - 1)),
        braking_bw=0.0 if forward is None else float(forward.min()),
        propulsion_bw=0.0 if forward is None else float(forward.max()),
        offset_bw=offset,
        scale_bw=scale,
        curve=curve,
    )
