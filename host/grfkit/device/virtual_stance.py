"""The model on a virtual insole: an exported bundle's int8 file, asked at each toe-off, answered as a stance report.

Everything from counts to int8 is done by the C runtime's Python twins (:mod:`grfkit.deploy.insole`),
byte for byte. The device has nothing but its own counts and what SET told it.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import wire
from ..deploy.fixed import Channel, channel
from ..deploy.insole import AXES, CELLS, CONTACT_S, IMU, Insole, Window, fixed_columns, int8_window, unfit
from ..errors import BadInputError
from ..runtime.bundle import BundleModel, load_bundle, read_manifest
from ..runtime.manifest import Column, Detector, Manifest
from ..runtime.sums import check_digest, read_sums
from ..units import G
from .profile import Key
from .virtual_source import Source

__all__ = ["CELLS", "IMU", "SCALARS", "Cut", "DeviceModel", "StanceCutter", "StanceMaker", "check_inputs", "report_of"]

Floats = NDArray[np.float64]
SCALARS = {"mass_kg": Key.MASS, "speed_m_s": Key.SPEED, "slope_percent": Key.SLOPE}
"""What SET tells, by the names of the scalars that models take."""


class StanceMaker:
    """A bundle, checked to be one that an insole can run; call it for a model that begins with a START.

    Parameters
    ----------
    backend
        Of :func:`grfkit.runtime.load`; ``c`` compiles the bundle's own C for this machine.

    Raises
    ------
    BadInputError
        If it wants windows, channels or units that the device has not, or cannot be run by this backend.
    RefusedError
        If a file of it was changed.
    """

    def __init__(self, folder: Path, backend: str = "auto") -> None:
        self.bundle = _compiled(folder) if backend == "c" else load_bundle(folder, backend)
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


def _compiled(folder: Path) -> BundleModel:
    """Return a bundle that answers by its own C, compiled into a shared library that is gone with the process."""
    from ..deploy.clib import build_shared

    manifest, digests = read_manifest(folder), read_sums(folder)
    if manifest.c is None:
        raise BadInputError(f"{folder}: holds no C ({manifest.c_reason}); leave --backend c away")
    for path in digests:
        if path.startswith(("c/", "runtime/")):
            check_digest(folder, path, digests)
    with tempfile.TemporaryDirectory(prefix="grfkit-", ignore_cleanup_errors=True) as place:
        library = Path(place) / f"{manifest.name}.so"
        build_shared([folder / manifest.c.source], library, runtime=folder / "runtime")
        return load_bundle(folder, "c", library=library)


def check_inputs(folder: Path, columns: Sequence[Column], axes: Sequence[str], *, relative: bool) -> None:
    """Refuse a model that wants what an insole does not measure and nobody tells it.

    Raises
    ------
    BadInputError
        Naming it.
    """
    reason = unfit(columns, axes, relative=relative)
    if reason is not None:
        raise BadInputError(f"{folder}: {reason}")


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
    device
        The same in a device's whole numbers.
    """

    start: float
    contact_s: float
    missed: int
    window: Floats
    statics: tuple[float, ...]
    device: Window | None = None


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
        self._told, self._left = told, source.side == "left"
        rate = detector.rate_hz
        self._every = round(rate_hz / rate)
        if self._every < 1 or self._every * rate != rate_hz:
            raise BadInputError(f"the model's contacts are found at {rate:g} Hz, which {rate_hz} Hz is no multiple of")
        channels = [c for c in columns if c.role == "channel"]
        self._statics = [c.name for c in columns if c.role == "static"]
        self._insole = Insole(detector, channels, relative=relative, imu_lowpass_hz=imu_lowpass_hz)
        self._unit = _units(source, [c.name for c in channels])
        if self._insole.levels is not None:
            self._unit[self._insole.cells] = 1.0 / self._insole.levels.settings.units
        self._sign = np.asarray([-1.0 if self._left and c.turned_on_left else 1.0 for c in channels])
        self._pushed = 0

    def cuts(self, cells: NDArray[np.uint16], imu: NDArray[np.int16]) -> list[Cut]:
        """Take samples; return the stances that became known."""
        found = []
        for row, moved in zip(cells, imu):
            self._pushed += 1
            if (self._pushed - 1) % self._every == 0:
                window = self._insole.push(row, moved)
                if window is not None:
                    found.append(self._cut(window))
        return found

    def miss(self, count: int) -> None:
        """Take note that samples are missing: the stance under way is lost where they are many."""
        for _ in range(count):
            self._pushed += 1
            if (self._pushed - 1) % self._every == 0:
                self._insole.miss()  # a toe-off that became known in a gap is not answered

    def _cut(self, window: Window) -> Cut:
        _, fraction_q8, sample, _ = window.contact
        start = (sample - 1 + fraction_q8 / 256 - self._insole.delay_samples) * self._every
        contact_s = window.contact_100us * CONTACT_S
        values = np.asarray(window.counts.astype(np.float64) * self._unit * self._sign)
        statics = tuple(self._static(n, contact_s) for n in self._statics)
        return Cut(start, contact_s, window.missed, values, statics, window)

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
        self._integers = _device_integers(self._manifest, self._unit)

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
        if (self._manifest.force_unit == "N" and not mass_kg > 0) or cut.device is None:
            return None
        columns = self._manifest.columns
        told = [_count(c, v) for c, v in zip(self._manifest.of_role("static"), cut.statics) if c.name != "contact_s"]
        stored = int8_window(columns, self._integers, cut.device, told, left=self._left)
        said = self._bundle.engine.run(stored[None])[0]
        return report_of(self._manifest, said, contact_s=cut.contact_s, missed=cut.missed, mass_kg=mass_kg)


def _count(column: Column, value: float) -> int:
    """Return what was told as a count; what was not is the column's centre."""
    return column.offset if math.isnan(value) else round(value / column.unit_per_count)


def _device_integers(manifest: Manifest, unit: Floats) -> list[Channel]:
    """Return the integers of every column, of a device whose counts may stand for more or less than the bundle's."""
    units, made = iter(unit.tolist()), []
    for c, one in zip(manifest.columns, fixed_columns(manifest)):
        per_count = next(units) if c.role == "channel" else c.unit_per_count
        if c.multiplier and not math.isclose(per_count, c.unit_per_count, rel_tol=1e-9):
            scale = manifest.input.scale
            one = channel(centre=c.centre / per_count, size=c.size / per_count, scale=scale, zero=c.zero)
        made.append(one)
    return made


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
    order = [names.index(name) for name in AXES if name in names]
    chosen = [manifest.axes[k] for k in order]
    scale = tuple(float(np.float32(ends.scale * axis.size * per)) for axis in chosen)
    offset = tuple(float(np.float32((axis.centre - ends.scale * ends.zero_point * axis.size) * per)) for axis in chosen)
    curve = np.asarray(stored[:, order], dtype=np.int8)
    force = np.asarray(offset) + np.asarray(scale) * curve
    by_name = {name: force[:, k] for k, name in enumerate(n for n in AXES if n in names)}
    up, forward = by_name.get("vgrf"), by_name.get("apgrf")
    return wire.StanceReport(
        model_id=manifest.model_id,
        contact_s=contact_s,
        axes=sum(1 << k for k, name in enumerate(AXES) if name in names),
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
