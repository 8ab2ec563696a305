"""The measured part of a manifest: parity, errors against the measured force, sizes; filled in as an export goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..learn.baseline_base import mean_curve
from ..learn.model import GrfModel, predict
from ..provenance import tool_version
from ..runtime import from_int8, load
from ..runtime.manifest import Axis, BoardSize, CFiles, Figure, Manifest, Parity, Sizes, Trained
from ..units import G
from .bundle_windows import IN_TRAINING, ParityWindows
from .convert import Converted
from .emit_c import CModel
from .manifest import axes_of, derived, units_without_counts
from .parity import ParityReport
from .qemu import compiler_version
from .tflite_file import TfliteFile

MEAN_CURVE = "mean curve"
UNBALANCED = (
    "the trained model balances the stances of a trial over its strides; the bundle answers each stance alone and does"
    " not, and its errors are those without it (grf-estimate balances what a bundle answers)"
)


def draft_manifest(
    model: GrfModel, converted: Converted, tested: ParityWindows, report: ParityReport, *,
    name: str, rate_hz: float, licence: str,
) -> Manifest:  # fmt: skip
    """Return the manifest as far as it is known before C, boards and files.

    Parameters
    ----------
    rate_hz
        Of the device.
    """
    spec, plan, file = model.spec, converted.plan, converted.files["int8"]
    units = units_without_counts(spec)
    by_range = (f"counts of {', '.join(units)} were chosen by range: no device has said them",) if units else ()
    unbalanced = (UNBALANCED,) if spec.balance is not None else ()
    return Manifest(
        name=name,
        axes=tuple(Axis(**a) for a in axes_of(plan)),
        interpreters=report.interpreters,
        parity=_parity(report, tested),
        sizes=sizes_of(file, None, None, ""),
        c=None,
        c_reason="",
        calibrated_on=converted.calibrated_on,
        licence=licence,
        trained=Trained(
            weights_sha256=spec.weights_sha256,
            network=spec.network,
            seed=spec.provenance.seed,
            grfkit=spec.provenance.version,
        ),
        grfkit=tool_version(),
        findings=(*tested.findings, *by_range, *unbalanced),
        files=(),
        **derived(file, spec, plan.unit, rate_hz=rate_hz),
    )


def _parity(report: ParityReport, tested: ParityWindows) -> Parity:
    """Return parity as the manifest has it; what is no number is left out."""
    axes = {a: {k: float(v) for k, v in row.items() if np.isfinite(v)} for a, row in report.axes.items()}
    return Parity(
        on=tested.on,  # type: ignore[arg-type]
        participants=tuple(p.removesuffix(IN_TRAINING) for p in report.participants),
        windows=report.windows,
        c_windows=0,
        figures=tuple(Figure(**check) for check in report.to_dict()["checks"]),
        axes=axes,
    )


def completed_manifest(
    draft: Manifest, *, sizes: Sizes, figures: tuple[Figure, ...], errors: Mapping[str, Mapping[str, float]],
    c: CFiles | None, c_reason: str, c_windows: int,
) -> Manifest:  # fmt: skip
    """Return the manifest with what was measured after parity: all but the list of files.

    Parameters
    ----------
    figures
        Of C, boards and fixed point; they follow those of parity.
    errors
        As :func:`errors_of` gives them.
    """
    axes = {a: {**row, **errors.get(a, {})} for a, row in draft.parity.axes.items()}
    lost = [a for a, row in axes.items() if row.get("rmse_bw int8", 0.0) >= row.get(f"rmse_bw {MEAN_CURVE}", math.inf)]
    finding = f"on {', '.join(lost)} the model does not beat the mean curve of its calibration windows"
    findings = (*draft.findings, *((finding,) if lost else ()))
    parity = draft.parity.model_copy(
        update={"figures": (*draft.parity.figures, *figures), "axes": axes, "c_windows": c_windows}
    )
    return draft.model_copy(
        update={"parity": parity, "sizes": sizes, "c": c, "c_reason": c_reason, "findings": findings}
    )


def sizes_of(file: TfliteFile, model: CModel | None, boards: dict[str, BoardSize] | None, reason: str) -> Sizes:
    """Return the bytes of a model; ``reason`` says why there are no boards."""
    return Sizes(
        tflite_bytes=len(file.content),
        const_bytes=model.const_bytes if model else None,
        scratch_bytes=model.scratch_bytes if model else None,
        boards=boards,
        boards_reason=reason,
        boards_compiler=compiler_version() if boards else None,
    )


def errors_of(
    model: GrfModel, converted: Converted, tested: ParityWindows, inputs: NDArray[np.int8]
) -> dict[str, dict[str, float]]:
    """Return RMSE against the measured force of torch, of int8 by TFLite Micro and of a mean curve; in BW and N.

    Parameters
    ----------
    inputs
        The windows of parity in int8 (n, T, width).
    """
    plan, file, data, calibration = converted.plan, converted.files["int8"], tested.data, tested.calibration
    _, targets, weight = data.arrays()
    # samples without a measured force have weight 0 and count nowhere
    measured = np.where(weight[:, :, None] > 0, targets[:, :, [data.axes.index(a) for a in plan.axes]], np.nan)
    body_weight_n = (data.scalar("mass_kg") * G)[:, None, None]
    outputs = load(file.content, "tflm").run(inputs)
    forces = plan.forces(from_int8(outputs, scale=file.output.scale, zero_point=file.output.zero_point))
    predictions = {
        "torch": predict(model, data, balanced=False),
        "int8": forces / body_weight_n if plan.unit == "N" else forces,
        MEAN_CURVE: mean_curve(calibration)[None, :, [calibration.axes.index(a) for a in plan.axes]],
    }
    table: dict[str, dict[str, float]] = {axis: {} for axis in plan.axes}
    for method, predicted in predictions.items():
        for unit, factor in (("bw", 1.0), ("n", body_weight_n)):
            square = ((predicted - measured) * factor) ** 2
            for k, axis in enumerate(plan.axes):
                finite = square[:, :, k][np.isfinite(square[:, :, k])]
                if finite.size:
                    table[axis][f"rmse_{unit} {method}"] = float(np.sqrt(finite.mean()))
    return table
