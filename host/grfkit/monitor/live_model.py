"""Who answers stances on the host: a bundle or a trained model, on the windows that an insole itself would cut."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..arrays import Floats
from ..embedded.cutter import SCALARS, Cut, SampleFormat, StanceCutter, check_inputs
from ..errors import BadInputError
from ..runtime.bundle import is_bundle
from ..runtime.manifest import Column
from ..virtual.stance import StanceMaker
from ..wire.profile import Info, Key

if TYPE_CHECKING:
    from ..learn.spec import Estimator

__all__ = ["BundleOnHost", "HostModel", "TrainedOnHost", "half_widths", "open_host_model"]

AXES = {"vgrf": "v", "apgrf": "ap", "mlgrf": "ml"}
_EVALUATION = "evaluation.json"


class HostModel(Protocol):
    """A model on the host."""

    @property
    def name(self) -> str:
        """Return what is shown beside its answers."""

    @property
    def model_id(self) -> int | None:
        """Return that of the bundle, which an insole has to run too if it answers itself; None for a trained model."""

    @property
    def half_width_bw(self) -> Mapping[str, float]:
        """Return by axis (``v ap ml``) the conformal half-width; empty where nobody has evaluated it."""

    @property
    def needs_mass(self) -> bool:
        """Return whether it gives newtons, or takes the mass."""

    def cutter(self, info: Info, rate_hz: int, told: Mapping[Key, float]) -> StanceCutter:
        """Return what cuts one insole's stances from a START on; BadInputError if its rate does not fit."""

    def answer(self, cut: Cut, side: str, told: Mapping[Key, float]) -> dict[str, Floats]:
        """Return the force in BW by axis (``v ap ml``), shape (points,) each."""


@dataclass(frozen=True)
class BundleOnHost:
    """A bundle, run as the insole would."""

    maker: StanceMaker
    name: str
    half_width_bw: Mapping[str, float]

    @property
    def model_id(self) -> int | None:
        """Return the CRC-32 of the .tflite."""
        return self.maker.model_id

    @property
    def needs_mass(self) -> bool:
        """Return whether it gives newtons."""
        return self.maker.bundle.manifest.force_unit == "N"

    def cutter(self, info: Info, rate_hz: int, told: Mapping[Key, float]) -> StanceCutter:
        """Return what cuts one insole's stances; see :class:`HostModel`."""
        manifest = self.maker.bundle.manifest
        return StanceCutter(
            self.maker.detector,
            manifest.columns,
            _form(info),
            rate_hz,
            told,
            relative=manifest.cells == "relative",
            imu_lowpass_hz=manifest.imu_lowpass_hz,
        )

    def answer(self, cut: Cut, side: str, told: Mapping[Key, float]) -> dict[str, Floats]:
        """Return the force in BW by axis."""
        del side
        mass = np.asarray([told.get(Key.MASS, math.nan)])
        statics = np.asarray([cut.statics], dtype=np.float64)
        made = self.maker.bundle.predict(cut.window[None], statics, mass)[0]
        return {AXES[axis.name]: made[:, k] for k, axis in enumerate(self.maker.bundle.manifest.axes)}


@dataclass(frozen=True)
class TrainedOnHost:
    """A trained model, in floating point, on the same windows."""

    model: Estimator
    columns: tuple[Column, ...]
    name: str
    half_width_bw: Mapping[str, float]
    model_id: int | None = None

    @property
    def needs_mass(self) -> bool:
        """Return whether it gives newtons or takes the mass."""
        scaler = self.model.spec.scaler
        return scaler.target == "newton" or "mass_kg" in scaler.statics

    def cutter(self, info: Info, rate_hz: int, told: Mapping[Key, float]) -> StanceCutter:
        """Return what cuts one insole's stances; see :class:`HostModel`."""
        from ..estimate.detector import detector

        spec = self.model.spec
        found = detector(spec, spec.points, float(rate_hz))
        if found is None:
            raise BadInputError(f"{self.name}: takes windows of '{spec.window}'; live stances are wanted")
        return StanceCutter(
            found,
            self.columns,
            _form(info),
            rate_hz,
            told,
            relative="relative" in spec.scaler.units,
            imu_lowpass_hz=float(spec.cut_told.get("imu_lowpass_hz", 0.0)),
        )

    def answer(self, cut: Cut, side: str, told: Mapping[Key, float]) -> dict[str, Floats]:
        """Return the force in BW by axis."""
        from ..estimate.estimate import NOT_STATED
        from ..records.stance_set import make_stance_set

        spec = self.model.spec
        scaler = spec.scaler
        data = make_stance_set(
            cut.window[None],
            np.full((1, spec.points, len(scaler.axes)), np.nan),
            weight=np.zeros((1, spec.points)),
            channels=scaler.channels,
            units=scaler.units,
            axes=scaler.axes,
            labels={"participant": [NOT_STATED], "trial": ["live"], "side": [side]},
            scalars={n: [told.get(k, math.nan)] for n, k in SCALARS.items()} | {"contact_s": [cut.contact_s]},
            window=spec.window,
            cut=spec.cut,
            source="live",
            mirrored=spec.mirrored,
        )
        made = self.model.predict(data)[0]
        return {AXES[axis]: np.asarray(made[:, k], dtype=np.float64) for k, axis in enumerate(scaler.axes)}


def open_host_model(folder: Path) -> HostModel:
    """Return the bundle or trained model in a folder, if an insole's own samples are all it needs.

    Raises
    ------
    BadInputError
        If it is neither, or wants windows, channels or units that an insole has not.
    RefusedError
        If a file of it was changed.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise BadInputError(f"{folder}: is no folder; name one of grf-train or grf-quantize with --model")
    if is_bundle(folder):
        maker = StanceMaker(folder)
        maker.bundle.engine.run(np.zeros(maker.bundle.manifest.input.shape, dtype=np.int8))  # the first takes longest
        return BundleOnHost(maker, maker.bundle.manifest.name, half_widths(folder))
    from ..dataset.cut import LATERAL
    from ..estimate.open_model import open_model

    model = open_model(folder)
    spec = model.spec
    if spec.window != "stance":
        raise BadInputError(f"{folder}: takes windows of '{spec.window}'; live stances are wanted")
    scaler = spec.scaler
    columns = [_column("channel", n, u, spec.mirrored and n in LATERAL) for n, u in zip(scaler.channels, scaler.units)]
    columns += [_column("static", n, "", False) for n in scaler.statics]
    check_inputs(folder, columns, scaler.axes, relative="relative" in scaler.units)
    made = TrainedOnHost(model, tuple(columns), f"{folder.name} ({model.name})", half_widths(folder))
    told = {Key.MASS: 70.0, Key.SPEED: 3.0, Key.SLOPE: 0.0}
    made.answer(Cut(0.0, 0.25, 0, np.zeros((spec.points, len(scaler.channels))), ()), "right", told)  # takes longest
    return made


def half_widths(folder: Path) -> dict[str, float]:
    """Return by axis (``v ap ml``) the half-width (BW) of the conformal interval that an evaluation found.

    The evaluation lies beside the model as ``evaluation.json`` (:func:`grfkit.learn.card.add_evaluation`); bands are
    those of :func:`grfkit.stats.conformal.leave_one_out_coverage`. Without it, or with too few people, there is none.
    """
    try:
        bands = json.loads((folder / _EVALUATION).read_text(encoding="utf-8"))["bands"]
        found = {AXES[a]: one.get("half_width_bw") for a, one in bands.items() if a in AXES}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}
    return {a: float(w) for a, w in found.items() if isinstance(w, int | float) and math.isfinite(w) and w > 0}


def _form(info: Info) -> SampleFormat:
    """Return what an insole's Info says of its samples."""
    return SampleFormat("right" if info.right else "left", info.accel_range_g, info.gyro_range_dps)


def _column(role: Any, name: str, unit: str, turned: bool) -> Column:
    return Column(
        role=role, name=name, unit=unit, centre=0.0, size=1.0, unit_per_count=1.0, turned_on_left=turned,
        offset=0, multiplier=0, shift=1, zero=0,
    )  # fmt: skip
