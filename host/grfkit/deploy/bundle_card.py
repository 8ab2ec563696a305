"""The card and the README of a bundle: generated from its manifest and the model's document, never edited."""

from __future__ import annotations

from ..embedded.insole import insole_reason
from ..learn.spec import ModelSpec
from ..runtime.manifest import Manifest
from .bundle_insole import UNTESTED, remembered_s
from .plan import BEYOND


def bundle_card(manifest: Manifest, spec: ModelSpec) -> str:
    """Return ``CARD.md``."""
    parts = [
        f"# Model card: {manifest.name}",
        "Generated from `manifest.json` and `model.json`. Not for clinical use.",
        _what(manifest, spec),
        _data(manifest, spec),
        _error(manifest),
        _parity(manifest),
        _size(manifest),
        _placement(manifest),
        _limits(manifest, spec),
        f"## Licence\n\n* Runtime and tools: Apache-2.0 (gemmlowp's notice in the files that follow it).\n"
        f"* Weights: {manifest.licence}.",
    ]
    return "\n\n".join(parts) + "\n"


def _what(manifest: Manifest, spec: ModelSpec) -> str:
    channels, statics = manifest.of_role("channel"), manifest.of_role("static")
    settings = ", ".join(f"{k} {v}" for k, v in spec.network.items() if k != "name")
    rate = f" at {manifest.rate_hz:g} Hz" if manifest.rate_hz else ""
    lines = [
        "## What it is",
        "",
        f"* Network {spec.network['name']} ({settings}) in int8; model_id 0x{manifest.model_id:08x}.",
        f"* From {len(channels)} channels ({', '.join(f'{c.name} {c.unit}' for c in channels)})"
        + (f" and {', '.join(f'{c.name} {c.unit}' for c in statics)}" if statics else "")
        + f", {manifest.window} windows of {manifest.points} samples{rate} cut by `{manifest.cut}`,",
        f"* to {', '.join(a.name for a in manifest.axes)} in body weights.",
    ]
    return "\n".join(lines)


def _data(manifest: Manifest, spec: ModelSpec) -> str:
    parity = manifest.parity
    rows = [
        "## Data",
        "",
        f"* Source: {spec.source}.",
        f"* Trained on {len(manifest.trained_on)} participants: {', '.join(manifest.trained_on)}.",
        f"* Ranges of 8 bits from windows of {', '.join(manifest.calibrated_on)}, who were in training, and from the"
        f" same windows {BEYOND:g} times as far from the mean.",
        f"* Compared with the trained model on {parity.windows} windows of {', '.join(parity.participants)}"
        f" ({parity.on}).",
    ]
    if parity.on == "training people":
        rows.append(
            "* **These people were in training**: the figures below say that the files are the model, and nothing of"
            " how it does on somebody new."
        )
    rows += [f"* Left out of training: {n} x {why}." for why, n in sorted(spec.excluded.items())]
    rows += [f"* Leaks: {leak}; its figures are no headline." for leak in manifest.leaks]
    rows += [f"* {text}." for text in manifest.findings]
    return "\n".join(rows)


def _number(row: dict[str, float], key: str, digits: int) -> str:
    return f"{row[key]:.{digits}f}" if key in row else "-"


def _error(manifest: Manifest) -> str:
    lines = [
        f"## Error: float against int8, on {manifest.parity.on}",
        "",
        "RMSE over all samples against the measured force; rRMSE in percent of the measured range, mean over"
        " participants. int8 as TFLite Micro and the C runtime answer it. The mean curve is that of the calibration"
        " windows: whoever does not beat it has learnt nothing.",
        "",
        "| axis | RMSE mean curve BW | RMSE float BW | RMSE int8 BW | RMSE float N | RMSE int8 N | rRMSE float % |"
        " rRMSE int8 % |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for axis, row in manifest.parity.axes.items():
        rrmse = next((k for k in reversed(list(row)) if k.startswith("rrmse_percent") and not k.endswith("torch")), "")
        cells = [
            _number(row, "rmse_bw mean curve", 4), _number(row, "rmse_bw torch", 4), _number(row, "rmse_bw int8", 4),
            _number(row, "rmse_n torch", 1), _number(row, "rmse_n int8", 1), _number(row, "rrmse_percent torch", 2),
            _number(row, rrmse, 2),
        ]  # fmt: skip
        lines.append(f"| {axis} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _parity(manifest: Manifest) -> str:
    lines = ["## Proven while it was made", "", "| figure | value | bound |", "|---|---|---|"]
    for one in manifest.parity.figures:
        if one.bound is not None:
            lines.append(f"| {one.name} | {one.value:.4g} {one.unit} | {one.bound:g} |")
    lines += ["", f"{manifest.parity.c_windows} windows byte for byte between TFLite Micro and C."]
    lines += ["", "By: " + "; ".join(manifest.interpreters) + "."]
    return "\n".join(lines)


def _size(manifest: Manifest) -> str:
    sizes = manifest.sizes
    lines = ["## Size", "", f"* model.tflite: {sizes.tflite_bytes} bytes."]
    if manifest.c is None:
        lines.append(f"* No C: {manifest.c_reason}.")
    else:
        lines.append(f"* C: {sizes.const_bytes} bytes of weights, {sizes.scratch_bytes} bytes of scratch.")
    for name, one in (sizes.boards or {}).items():
        flash, ram = one.flash_model_bytes + one.flash_runtime_bytes, one.scratch_bytes + one.stack_bytes
        lines.append(
            f"* {one.core} ({name}): {one.instructions / 1e6:.2f} million instructions (QEMU) a window, {flash} bytes"
            f" of flash, {ram} bytes of RAM."
        )
    if sizes.boards is None:
        lines.append(f"* Boards were not measured: {sizes.boards_reason}.")
    return "\n".join(lines)


def _placement(manifest: Manifest) -> str:
    turned = [c.name for c in manifest.columns if c.turned_on_left]
    lines = [
        "## Sensor placement",
        "",
        "* As in the recordings it was trained on: the same sensor, mounted alike on both shoes, axes as in"
        " docs/trial-format.md (x forward, y left, z up in the foot's frame).",
    ]
    if turned:
        lines.append(f"* On a left foot the signs of {', '.join(turned)} turn before anything else.")
    if manifest.imu_lowpass_hz:
        lines.append(
            f"* Inertial signals went through a zero-lag Butterworth of {manifest.imu_lowpass_hz:g} Hz; a device that"
            " filters otherwise gives other windows."
        )
    if manifest.cells == "relative":
        lines.append(
            "* Insole cells are relative: their unloaded level is taken off, and 1 is the load of all cells at the"
            " median step's peak. In training both are those of the whole recording."
        )
        lines += _levels(manifest)
    return "\n".join(lines)


def _levels(manifest: Manifest) -> list[str]:
    """Return what a device takes for the wearer's levels and steps."""
    one = manifest.detector
    if one is None or one.levels is None:
        return []
    told, lasts = one.levels, remembered_s(one, one.levels)
    return [
        f"* A device takes percentile {told['unloaded_percent']} of the last {lasts:.0f} s and the median peak of the"
        f" last {told['steps']} contacts, answers nothing before {told['least_steps']} of them, and takes a contact"
        f" below {told['faint_percent']} % of percentile {told['greater_percent']} of these peaks for no step."
    ]


def _limits(manifest: Manifest, spec: ModelSpec) -> str:
    return (
        "## Limits\n\n"
        "* Not for clinical use, diagnosis, or a single contact; not for loading rates beyond the filter of the force"
        " it was trained on.\n"
        "* For people, shoes, speeds and slopes like those of the data above; another sensor, gait or surface needs a"
        " new evaluation.\n"
        f"* Windows cut by anything but `{manifest.cut}` are others than those of training.\n"
        f"* Numbers more than {BEYOND:g} times as far from the mean as those of the calibration windows saturate: a"
        " slower or heavier person than any of them loses accuracy first.\n"
        f"* Trained by grfkit {spec.provenance.version}, seed {spec.provenance.seed}."
    )


def _insole(manifest: Manifest) -> list[str]:
    """Return what there is from an insole's samples to packets."""
    reason = insole_reason(manifest)
    if reason is not None:
        return ["", f"An insole does not run it from its samples to packets: it {reason}."]
    return [
        "",
        "From an insole's samples to packets: `examples/insole/insole.c` (`runtime/grf_insole.h`). `make test` walks a"
        " made-up foot that way (`c/golden_foot.h`); a board's own walk has to give the same bytes.",
    ]


def readme(manifest: Manifest) -> str:
    """Return ``README.md``: what lies where, and how to build and check it."""
    name, upper = manifest.name, manifest.name.upper()
    lines = [
        f"# {name}",
        "",
        "Written by `grf-quantize export`; `CARD.md` says what it is worth. Nothing here is edited by hand.",
        "",
        "    grf-quantize verify .              # every file, every figure that can be measured again",
        "    sha256sum -c SHA256SUMS            # the files alone",
        "    grf-estimate . RECORDING --out estimate.nc",
    ]
    if manifest.c is not None:
        lines += [
            "    make test                          # model, runtime and golden windows on this machine",
            "",
            f"C: `c/{name}.h` (model), `c/{name}_config.h` (counts to int8, detector, stance buffer, forces),"
            " `runtime/` (nothing else is needed). Scratch: `uint32_t scratch[GRF_" + upper + "_SCRATCH_WORDS]`.",
            "",
            f"`zephyr/` makes this folder a Zephyr module, `examples/` has programs for Zephyr and Arduino. {UNTESTED}",
            *_insole(manifest),
        ]
    else:
        lines += ["", f"No C: {manifest.c_reason}."]
    lines += [
        "",
        "Golden windows (`golden.npz`, `c/golden.h`): raw counts as the manifest's columns have them (left feet already"
        " turned), int8 in, int8 out, force. Counts of another device: new multipliers from `unit_per_count`.",
    ]
    return "\n".join(lines) + "\n"
