"""Models that predict stances on the host, from the windows that an insole itself would cut."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..arrays import Floats, PathLike
from ..documents import document_bytes
from ..embedded.cutter import SCALARS, SampleFormat, StanceCutter, StanceWindow, check_inputs, stance_detector
from ..errors import BadInputError
from ..gait.relative_cells import is_cell
from ..runtime.bundle import Bundle, is_bundle, load_bundle
from ..runtime.manifest import DOCUMENT, Column, Detector
from ..wire import Info, SettingKey

if TYPE_CHECKING:
    from ..learn.spec import ForceModel, ModelSpec

__all__ = ["LiveModel", "bundle_live", "half_widths", "open_live_model", "trained_live"]

AXES = {"vgrf": "v", "apgrf": "ap", "mlgrf": "ml"}
"""Axes of a model -> axes of a shown stance."""
_EVALUATION = "evaluation.json"

Predict: TypeAlias = Callable[[StanceWindow, str, Mapping[SettingKey, float]], Floats]
"""From a stance, its side and what SET sent to forces in BW, shape (points, axes)."""


@dataclass(frozen=True)
class LiveModel:
    """A model for stances that are cut while samples come: how they are cut, and what predicts their forces.

    Attributes
    ----------
    name
        Shown beside its predictions.
    model_id
        That of a bundle, which an insole must run too if its own predictions are to be taken; None of a trained model.
    needs_mass
        Whether the mass is needed for forces in BW.
    axes
        In the order of the predictions' columns.
    detector
        From the rate of the samples (Hz) to the contact detector.
    columns, relative, imu_lowpass_hz
        Of the windows; see :class:`~grfkit.embedded.cutter.StanceCutter`.
    half_width_bw
        By axis (``v ap ml``) the conformal half-width; empty where the model was not evaluated.
    calibrated
        How the insoles of its training were calibrated; empty where it is not known.
    newtons
        Whether it takes cells in N: windows are cut in counts, and calibrated before it is asked.
    """

    name: str
    model_id: int | None
    needs_mass: bool
    axes: tuple[str, ...]
    detector: Callable[[float], Detector]
    columns: tuple[Column, ...]
    relative: bool
    imu_lowpass_hz: float
    predict: Predict
    half_width_bw: Mapping[str, float]
    calibrated: tuple[str, ...] = ()
    newtons: bool = False

    def cutter(self, info: Info, rate_hz: int, set_values: Mapping[SettingKey, float]) -> StanceCutter:
        """Return the cutter of one insole's stances from a START on; BadInputError if its rate does not fit."""
        side = "right" if info.right else "left"
        return StanceCutter(
            self.detector(float(rate_hz)),
            self.columns,
            SampleFormat(side, info.accel_range_g, info.gyro_range_dps),
            rate_hz,
            set_values,
            relative=self.relative,
            imu_lowpass_hz=self.imu_lowpass_hz,
        )

    def forces_bw(self, cut: StanceWindow, side: str, set_values: Mapping[SettingKey, float]) -> dict[str, Floats]:
        """Return the force in BW by axis (``v ap ml``), shape (points,) each."""
        forces = self.predict(cut, side, set_values)
        return {AXES[axis]: np.asarray(forces[:, k]) for k, axis in enumerate(self.axes)}


def open_live_model(folder: PathLike) -> LiveModel:
    """Return the bundle or trained model in a folder, if an insole's own samples are all it needs.

    Raises
    ------
    BadInputError
        If it is neither, or takes windows, channels or units that an insole does not have.
    RefusedError
        If a file of it was changed.
    """
    from ..estimation.open_model import open_model, read_spec

    folder = Path(folder)
    if not folder.is_dir():
        raise BadInputError(f"{folder}: is no folder; name one of grf-train or grf-quantize with --model")
    if is_bundle(folder):
        bundle = load_bundle(folder)
        model = bundle_live(bundle)
        bundle.engine.run(np.zeros(bundle.manifest.input.shape, dtype=np.int8))  # the first run takes longest
        return replace(model, calibrated=read_spec(folder / DOCUMENT).calibrated.get("insole", ()))

    trained = open_model(folder)
    model = trained_live(folder, trained)
    points, channels = trained.spec.points, len(trained.spec.scaler.channels)
    set_values = {SettingKey.MASS: 70.0, SettingKey.SPEED: 3.0, SettingKey.SLOPE: 0.0}
    model.predict(
        StanceWindow(0.0, 0.25, 0, np.zeros((points, channels)), ()), "right", set_values
    )  # the first run takes longest
    return model


def bundle_live(bundle: Bundle) -> LiveModel:
    """Return a bundle for live stances, cut by the detector that its manifest holds.

    Raises
    ------
    BadInputError
        If no insole can run it.
    """
    manifest = bundle.manifest
    detector = stance_detector(bundle.folder, manifest)

    def predict(cut: StanceWindow, side: str, set_values: Mapping[SettingKey, float]) -> Floats:
        """Return forces in BW."""
        del side
        mass = np.asarray([set_values.get(SettingKey.MASS, math.nan)])
        statics = np.asarray([cut.statics], dtype=np.float64)
        return np.asarray(bundle.predict(cut.window[None], statics, mass)[0])

    return LiveModel(
        name=manifest.name,
        model_id=manifest.model_id,
        needs_mass=manifest.force_unit == "N",
        axes=tuple(axis.name for axis in manifest.axes),
        # of the rate that the manifest states, to which the cutter thins the samples
        detector=lambda _: detector,
        columns=manifest.columns,
        relative=manifest.cells == "relative",
        imu_lowpass_hz=manifest.imu_lowpass_hz,
        predict=predict,
        half_width_bw=half_widths(bundle.folder),
    )


def trained_live(folder: Path, model: ForceModel) -> LiveModel:
    """Return a trained model for live stances, in floating point.

    Raises
    ------
    BadInputError
        If it takes windows, channels or units that an insole does not have.
    """
    from ..dataset.cut import LATERAL
    from ..estimation.detector import detector

    spec = model.spec
    if spec.window != "stance":
        raise BadInputError(f"{folder}: takes windows of '{spec.window}'; live stances are wanted")
    scaler = spec.scaler
    newtons = any(is_cell(n) and u == "N" for n, u in zip(scaler.channels, scaler.units))
    units = ["count" if is_cell(n) and u == "N" else u for n, u in zip(scaler.channels, scaler.units)]
    columns = [_column("channel", n, u, spec.mirrored and n in LATERAL) for n, u in zip(scaler.channels, units)]
    columns += [_column("static", n, "", False) for n in scaler.statics]
    relative = "relative" in scaler.units
    check_inputs(folder, columns, scaler.axes, relative=relative)

    def detector_at(rate_hz: float) -> Detector:
        """Return the detector for samples of a rate."""
        stance = detector(spec, spec.points, rate_hz)
        if stance is None:
            raise BadInputError(f"{folder}: takes windows of '{spec.window}'; live stances are wanted")
        return stance

    return LiveModel(
        name=f"{folder.name} ({model.name})",
        model_id=None,
        needs_mass=scaler.target == "newton" or "mass_kg" in scaler.statics,
        axes=tuple(scaler.axes),
        detector=detector_at,
        columns=tuple(columns),
        relative=relative,
        imu_lowpass_hz=float(spec.cut_told.get("imu_lowpass_hz", 0.0)),
        predict=partial(_predict_trained, model, spec),
        half_width_bw=half_widths(folder),
        calibrated=spec.calibrated.get("insole", ()),
        newtons=newtons,
    )


def _predict_trained(
    model: ForceModel, spec: ModelSpec, cut: StanceWindow, side: str, set_values: Mapping[SettingKey, float]
) -> Floats:
    """Return a trained model's forces of one stance in BW, shape (points, axes)."""
    from ..estimation.source import NOT_STATED
    from ..records.stance_set import make_stance_set

    scaler = spec.scaler
    # a stance set holds forces too: unknown here, NaN with weight 0
    stances = make_stance_set(
        cut.window[None],
        np.full((1, spec.points, len(scaler.axes)), np.nan),
        weight=np.zeros((1, spec.points)),
        channels=scaler.channels,
        units=scaler.units,
        axes=scaler.axes,
        labels={"participant": [NOT_STATED], "trial": ["live"], "side": [side]},
        scalars={n: [set_values.get(k, math.nan)] for n, k in SCALARS.items()} | {"contact_s": [cut.contact_s]},
        window=spec.window,
        cut=spec.cut,
        source="live",
        mirrored=spec.mirrored,
    )
    return np.asarray(model.predict(stances)[0], dtype=np.float64)


def half_widths(folder: Path) -> dict[str, float]:
    """Return by axis (``v ap ml``) the half-width (BW) of the conformal interval of an evaluation.

    The evaluation lies beside the model as ``evaluation.json`` (:func:`grfkit.learn.card.add_evaluation`); bands are
    those of :func:`grfkit.stats.conformal.leave_one_out_coverage`. Without it, or with too few people, there is none.
    """
    try:
        bands = json.loads(document_bytes(folder / _EVALUATION))["bands"]
        widths = {AXES[a]: band.get("half_width_bw") for a, band in bands.items() if a in AXES}
    except (BadInputError, ValueError, RecursionError, KeyError, AttributeError, TypeError):
        return {}
    return {a: float(w) for a, w in widths.items() if isinstance(w, int | float) and math.isfinite(w) and w > 0}


def _column(role: Any, name: str, unit: str, turned: bool) -> Column:
    """Return a column of a window in its own units; a trained model scales it itself."""
    return Column(
        role=role, name=name, unit=unit, centre=0.0, size=1.0, unit_per_count=1.0, turned_on_left=turned,
        offset=0, multiplier=0, shift=1, zero=0,
    )  # fmt: skip
