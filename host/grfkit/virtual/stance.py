"""The model on a virtual insole: an exported bundle's int8 file, run at each toe-off for a stance report.

Everything from counts to int8 is done by the C runtime's Python twins (:mod:`grfkit.embedded.insole`),
byte for byte. The device has nothing but its own counts and the values that SET sent.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..embedded.curve import curve_of
from ..embedded.cutter import SampleFormat, StanceCutter, StanceWindow, stance_detector
from ..embedded.insole import AXES, fixed_column, int8_window
from ..embedded.int8_input import Int8Channel
from ..errors import BadInputError
from ..runtime.bundle import Bundle, load_bundle
from ..runtime.bundle_files import check_digest, read_manifest, read_sums
from ..runtime.manifest import Column, Manifest
from ..units import G
from ..wire import SettingKey, StanceReport
from .source import SampleSource

__all__ = ["OnDeviceModel", "OnDeviceRun", "report_of"]


class OnDeviceModel:
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
        self.detector = stance_detector(folder, self.bundle.manifest)

    @property
    def model_id(self) -> int:
        """Return the CRC-32 of the .tflite."""
        return self.bundle.manifest.model_id

    def __call__(self, source: SampleSource, rate_hz: int, set_values: Mapping[SettingKey, float]) -> OnDeviceRun:
        """Return the model at the beginning of a START's samples; BadInputError if its rate does not divide theirs."""
        return OnDeviceRun(self, source, rate_hz, set_values)


def _compiled(folder: Path) -> Bundle:
    """Return a bundle that runs its own C, compiled into a shared library that is gone with the process."""
    from ..embedded.compile import build_shared

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


class OnDeviceRun(StanceCutter):
    """The model from START to STOP: a contact detector, a stance buffer and the network.

    Parameters
    ----------
    rate_hz
        Of the samples that are pushed; a multiple of the bundle's detector's.
    set_values
        What SET sent, read at each stance.
    """

    def __init__(
        self, maker: OnDeviceModel, source: SampleSource, rate_hz: int, set_values: Mapping[SettingKey, float]
    ) -> None:
        self._bundle: Bundle = maker.bundle
        self._manifest: Manifest = maker.bundle.manifest
        super().__init__(
            maker.detector,
            self._manifest.columns,
            SampleFormat(source.side, source.accel_range_g, source.gyro_range_dps),
            rate_hz,
            set_values,
            relative=self._manifest.cells == "relative",
            imu_lowpass_hz=self._manifest.imu_lowpass_hz,
        )
        self._integers = _device_integers(self._manifest, self._unit)

    @property
    def model_id(self) -> int:
        """Return the CRC-32 of the .tflite."""
        return self._manifest.model_id

    def push(self, cells: NDArray[np.uint16], imu: NDArray[np.int16]) -> list[tuple[float, StanceReport]]:
        """Take samples; return the stances that became known, each with its initial contact in pushed samples.

        :meth:`take` and :meth:`answer` in one call, as ``grf_insole_push`` in C.
        """
        answers = [(cut.start, self.answer(cut)) for cut in self.take(cells, imu)]
        return [(start, report) for start, report in answers if report is not None]

    def take(self, cells: NDArray[np.uint16], imu: NDArray[np.int16]) -> list[StanceWindow]:
        """Take samples; return the stances that they complete, to be answered whenever there is time."""
        return self.cuts(cells, imu)

    def answer(self, cut: StanceWindow) -> StanceReport | None:
        """Return a stance's report; None while the device does not know what the network needs."""
        mass_kg = self._values.get(SettingKey.MASS, math.nan)
        if (self._manifest.force_unit == "N" and not mass_kg > 0) or cut.device is None:
            return None
        columns = self._manifest.columns
        # the contact time is in the window already, in the 0.1 ms that the device counts it in
        statics = [_count(c, v) for c, v in zip(self._manifest.of_role("static"), cut.statics) if c.name != "contact_s"]
        stored = int8_window(columns, self._integers, cut.device, statics, left=self._left)
        output = self._bundle.engine.run(stored[None])[0]
        return report_of(self._manifest, output, contact_s=cut.contact_s, missed=cut.missed, mass_kg=mass_kg)


def _count(column: Column, value: float) -> int:
    """Return a value that SET sent as a count; the column's centre where it was not sent."""
    return column.offset if math.isnan(value) else round(value / column.unit_per_count)


def _device_integers(manifest: Manifest, unit: NDArray[np.float64]) -> list[Int8Channel]:
    """Return the integers of every column, of a device whose counts may stand for more or less than the bundle's."""
    units = iter(unit.tolist())
    per_count = [next(units) if c.role == "channel" else c.unit_per_count for c in manifest.columns]
    return [fixed_column(c, unit, manifest.input.scale) for c, unit in zip(manifest.columns, per_count)]


def report_of(
    manifest: Manifest, stored: NDArray[np.int8], *, contact_s: float, missed: int, mass_kg: float
) -> StanceReport:
    """Return what an insole sends of a network's output: int8 curves, with offset and scale in BW.

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
    axes = [manifest.axes[k] for k in order]
    # force = centre + size * scale * (q - zero point), as offset + scale * q; float32, as it is sent
    scale = tuple(float(np.float32(ends.scale * axis.size * per)) for axis in axes)
    offset = tuple(float(np.float32((axis.centre - ends.scale * ends.zero_point * axis.size) * per)) for axis in axes)
    curve = np.asarray(curve_of(manifest, stored)[:, order], dtype=np.int8)
    force = np.asarray(offset) + np.asarray(scale) * curve
    by_name = {name: force[:, k] for k, name in enumerate(n for n in AXES if n in names)}
    up, forward = by_name.get("vgrf"), by_name.get("apgrf")
    return StanceReport(
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
