"""The work of ``grf-quantize``, once its options are read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arguments import refuse_file_ending
from ..errors import BadInputError, RefusedError
from ..extras import refuse_without
from .common import one_line, say
from .learn_words import progress_bar
from .terminal import quiet_console

if TYPE_CHECKING:
    from ..runtime.manifest import Manifest

_EXPORT_STEPS, _VERIFY_STEPS, _PICTURE_STEPS = 9, 10, 7
"""Steps that the progress bar counts: those of an export without its boards, of a verification, of pictures."""

_PACKAGES = ("torch", "safetensors", "tensorflow", "tf_keras", "ai_edge_litert")
"""What conversion needs; TFLite Micro, which models of pictures do not need, is asked for by the proof."""


def run_export(
    model: Path, out: Path, *, calibrate: Sequence[Path] | None, held_out: Sequence[Path] | None, boards: str,
    rate_hz: float, licence: str, force: bool, keep_failed: Path | None, stated: Sequence[str] = (),
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Return the manifest of the bundle that was written, and the text about it.

    Parameters
    ----------
    stated
        Options of insoles alone that the user stated: refused with a model of pictures.

    Raises
    ------
    BadInputError
        For whatever cannot be used; nothing is written then.
    RefusedError
        If a bound is broken: each is a line on stderr, and nothing is written.
    """
    from ..deploy.bundle_folder import check_replaceable
    from ..runtime.bundle import is_bundle
    from ..runtime.pictures import is_picture_bundle

    refuse_file_ending(out, "a bundle")
    machines = boards_of(boards)
    refuse_without("quantising a model", {"quantize": _PACKAGES})
    from ..deploy.bundle import UNSTATED, Refusal, export_bundle
    from ..deploy.picture_bundle import takes_pictures

    if is_bundle(model) or is_picture_bundle(model):
        raise BadInputError(f"{model}: is a bundle already; name the folder that grf-train wrote")
    if model.is_dir() and takes_pictures(model):
        _refuse_of_insoles(model, stated, pictures="a model")
        return _export_pictures(
            model, out, calibrate=calibrate, held_out=held_out, licence=licence or UNSTATED, force=force
        )
    check_replaceable(out, force=force)
    try:
        with quiet_console() as console, progress_bar("converting", console) as bar:
            manifest = export_bundle(
                model, out, calibrate=calibrate, held_out=held_out, boards=machines,
                rate_hz=rate_hz, licence=licence or UNSTATED, force=force,
                keep_failed=keep_failed, progress=_steps(bar, _EXPORT_STEPS + len(machines)),
            )  # fmt: skip
    except Refusal as refused:
        _say_broken(refused.broken)
        look = f"what there is lies in {keep_failed}" if keep_failed else "or look at it with --keep-failed DIR"
        raise RefusedError(
            f"{out}: was not written, {len(refused.broken)} broken (above); train with more dropout or weight decay,"
            f" calibrate with more windows (--calibrate), {look}"
        ) from None
    return manifest.model_dump(mode="json") | {"folder": str(out)}, export_words(out, manifest)


def _export_pictures(
    model: Path, out: Path, *, calibrate: Sequence[Path] | None, held_out: Sequence[Path] | None, licence: str,
    force: bool,
) -> tuple[dict[str, Any], str]:  # fmt: skip
    """Return the manifest of a bundle of pictures that was written, and the text about it."""
    from ..deploy.bundle import Refusal
    from ..deploy.picture_bundle import export_picture_bundle, words

    try:
        with quiet_console() as console, progress_bar("converting", console) as bar:
            manifest = export_picture_bundle(
                model, out, calibrate=calibrate, held_out=held_out, licence=licence, force=force,
                progress=_steps(bar, _PICTURE_STEPS),
            )  # fmt: skip
    except Refusal as refused:
        _say_broken(refused.broken)
        raise RefusedError(
            f"{out}: was not written, {len(refused.broken)} broken (above); train with more dropout or weight decay, or"
            " calibrate with more windows (--calibrate)"
        ) from None
    text = "\n  ".join([f"{out}: {words(manifest)[0]}", *words(manifest)[1:]])
    return manifest.model_dump(mode="json") | {"folder": str(out)}, text


def _refuse_of_insoles(folder: Path, stated: Sequence[str], *, pictures: str) -> None:
    """Refuse options that say something of insoles alone, with a model or a bundle of pictures."""
    if stated:
        options = [f"--{name.replace('_', '-')}" for name in stated]
        names = f"{', '.join(options[:-1])} and {options[-1]}" if len(options) > 1 else options[0]
        raise BadInputError(
            f"{folder}: is {pictures} of pictures of a film, of which there is no C, so that no board runs it; leave"
            f" out {names}, which would do nothing"
        )


def _say_broken(broken: Sequence[str]) -> None:
    """Write a line for each bound that is broken."""
    for text in broken:
        say(f"grf-quantize: {one_line(text)}")


def boards_of(text: str) -> tuple[str, ...]:
    """Return the boards that an option names; ``all`` and ``none`` are words for them.

    Raises
    ------
    BadInputError
        If a board is unknown or named twice.
    """
    from ..deploy.qemu import BOARDS

    emulated = [board.machine for board in BOARDS.values()]
    text = text.strip().lower()
    if text in ("all", "none", ""):
        return tuple(emulated) if text == "all" else ()
    machines = [name.strip() for name in text.split(",")]
    wrong = [b for b in machines if b not in emulated or machines.count(b) > 1]
    if wrong:
        raise BadInputError(
            f"--boards names '{wrong[0]}'; expected each once of {', '.join(emulated)}, or all, or none"
        )
    return tuple(machines)


def _steps(bar: Callable[[int, int, str], None], total: int) -> Callable[[str], None]:
    """Return a function that moves a progress bar on by one of ``total`` steps, given the step's name."""
    count = itertools.count(1)
    # a conversion may name more steps than were counted: the bar stays full then
    return lambda name: bar(min(next(count), total), total, f"{name} done")


def export_words(out: Path, manifest: Manifest) -> str:
    """Return the text about a bundle that was written."""
    parity, sizes = manifest.parity, manifest.sizes
    lines = [
        f"{out}: {manifest.trained.network['name']} in int8, model_id 0x{manifest.model_id:08x},"
        f" {sizes.tflite_bytes} bytes, {len(manifest.files) + 2} files",
        f"  parity on {parity.windows} windows of {', '.join(parity.participants)} ({parity.on})",
    ]
    lines += [_cost(axis, errors, parity.on) for axis, errors in parity.axes.items()]
    lines += [f"  {f.name}: {f.value:.4g} {f.unit} (bound {f.bound:g})" for f in parity.figures if f.bound is not None]
    if manifest.c is None:
        lines.append(f"  no C: {manifest.c_reason}")
    else:
        lines.append(f"  C: {parity.c_windows} windows byte for byte, {sizes.scratch_bytes} bytes of scratch")
    for name, board in (sizes.boards or {}).items():
        flash, ram = board.flash_model_bytes + board.flash_runtime_bytes, board.scratch_bytes + board.stack_bytes
        lines.append(
            f"  {board.core} ({name}): {board.instructions / 1e6:.2f} M instructions (QEMU), {flash} bytes of flash,"
            f" {ram} of RAM"
        )
    if sizes.boards is None:
        lines.append(f"  boards were not measured: {sizes.boards_reason}")
    lines += [f"  LEAKS: {leak}" for leak in manifest.leaks]
    lines += [f"  note: {text}" for text in manifest.findings]
    return "\n".join(lines)


def _cost(axis: str, errors: Mapping[str, float], on: str) -> str:
    """Return what eight bits cost on an axis, beside the mean curve that a model has to beat."""
    before, after, blind = (errors[f"rmse_bw {name}"] for name in ("torch", "int8", "mean curve"))
    of = "" if on == "held-out people" else ", which says nothing of somebody new"
    return f"  {axis}: RMSE {after:.4f} BW in int8, {before:.4f} before, {blind:.4f} of the mean curve, on {on}{of}"


def run_verify(
    bundle: Path, boards: str, run: bool | None, *, stated: Sequence[str] = ()
) -> tuple[dict[str, Any], str]:
    """Return what was proven of a bundle, and the text about it.

    Raises
    ------
    BadInputError
        If it is no bundle, or a board is unknown.
    RefusedError
        If a file was changed or a claim does not hold.
    """
    from ..deploy.verify import verify_bundle
    from ..runtime.pictures import is_picture_bundle

    machines = boards_of(boards)
    if is_picture_bundle(bundle):
        _refuse_of_insoles(bundle, stated, pictures="a bundle")
        from ..deploy.picture_bundle import verified as verified_pictures

        proven = verified_pictures(bundle)
        return {"folder": str(bundle), "proven": proven}, f"{bundle}: " + "\n  ".join(proven)
    with quiet_console() as console, progress_bar("verifying", console) as bar:
        verified = verify_bundle(bundle, boards=machines, run=run, progress=_steps(bar, _VERIFY_STEPS))
    return verified.to_dict() | {"folder": str(bundle), "not_proven": list(verified.missing)}, f"{bundle}: {verified}"
