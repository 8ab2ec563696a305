"""What ``grf-quantize`` does once its options are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInputError, RefusedError
from .common import one_line, say
from .learn_run import _bar
from .terminal import quiet_console

if TYPE_CHECKING:
    from ..runtime.manifest import Manifest

_EXPORT_STEPS, _VERIFY_STEPS = 9, 10


def run_export(
    model: Path,
    out: Path,
    *,
    calibrate: Sequence[Path] | None,
    held_out: Sequence[Path] | None,
    boards: str,
    rate_hz: float,
    licence: str,
    force: bool,
    keep_failed: Path | None,
) -> tuple[dict[str, Any], str]:
    """Return the manifest of the bundle that was written, and its words.

    Raises
    ------
    BadInputError
        For whatever cannot be used; nothing is written then.
    RefusedError
        If a bound is broken: each is a line on stderr, and nothing is written.
    """
    from ..deploy.bundle import UNSTATED, Refusal, export_bundle
    from ..deploy.bundle_folder import check_replaceable

    check_replaceable(out, force=force)
    chosen = boards_of(boards)
    try:
        with quiet_console() as console, _bar("converting", console) as told:
            manifest = export_bundle(
                model, out, calibrate=calibrate, held_out=held_out, boards=chosen, rate_hz=rate_hz,
                licence=licence or UNSTATED, force=force, keep_failed=keep_failed,
                progress=_steps(told, _EXPORT_STEPS + len(chosen)),
            )  # fmt: skip
    except Refusal as refused:
        for text in refused.broken:
            say(f"grf-quantize: {one_line(text)}")
        raise RefusedError(
            f"{out}: was not written, {len(refused.broken)} broken (above); {_advice(keep_failed)}"
        ) from None
    return manifest.model_dump(mode="json") | {"folder": str(out)}, export_words(out, manifest)


def _advice(kept: Path | None) -> str:
    """Return what can be done where a bound is broken."""
    look = f"what there is lies in {kept}" if kept else "or look at it with --keep-failed DIR"
    return f"train with more dropout or weight decay, calibrate with more windows (--calibrate), {look}"


def boards_of(text: str) -> tuple[str, ...]:
    """Return the boards that an option names; ``all`` and ``none`` are words for them.

    Raises
    ------
    BadInputError
        If a board is unknown or named twice.
    """
    from ..deploy.qemu import BOARDS

    known = [board.machine for board in BOARDS.values()]
    if text.strip() in ("all", "none", ""):
        return tuple(known) if text.strip() == "all" else ()
    chosen = [one.strip() for one in text.split(",")]
    wrong = [b for b in chosen if b not in known or chosen.count(b) > 1]
    if wrong:
        raise BadInputError(f"--boards names '{wrong[0]}'; expected each once of {', '.join(known)}, or all, or none")
    return tuple(chosen)


def _steps(told: Callable[[int, int, str], None], total: int) -> Callable[[str], None]:
    """Return what counts steps by their names."""
    done = 0

    def step(name: str) -> None:
        nonlocal done
        done += 1
        told(min(done, total), total, f"{name} done")

    return step


def export_words(out: Path, manifest: Manifest) -> str:
    """Return what people read of a bundle that was written."""
    parity, sizes = manifest.parity, manifest.sizes
    lines = [
        f"{out}: {manifest.trained.network['name']} in int8, model_id 0x{manifest.model_id:08x},"
        f" {sizes.tflite_bytes} bytes, {len(manifest.files) + 2} files",
        f"  parity on {parity.windows} windows of {', '.join(parity.participants)} ({parity.on})",
    ]
    lines += [f"  {f.name}: {f.value:.4g} {f.unit} (bound {f.bound:g})" for f in parity.figures if f.bound is not None]
    if manifest.c is None:
        lines.append(f"  no C: {manifest.c_reason}")
    else:
        lines.append(f"  C: {parity.c_windows} windows byte for byte, {sizes.scratch_bytes} bytes of scratch")
    for name, one in (sizes.boards or {}).items():
        flash, ram = one.flash_model_bytes + one.flash_runtime_bytes, one.scratch_bytes + one.stack_bytes
        lines.append(
            f"  {one.core} ({name}): {one.instructions / 1e6:.2f} M instructions (QEMU), {flash} bytes of flash, {ram}"
            " of RAM"
        )
    if sizes.boards is None:
        lines.append(f"  boards were not measured: {sizes.boards_reason}")
    lines += [f"  LEAKS: {leak}" for leak in manifest.leaks]
    lines += [f"  note: {text}" for text in manifest.findings]
    return "\n".join(lines)


def run_verify(bundle: Path, boards: str) -> tuple[dict[str, Any], str]:
    """Return what was proven of a bundle, and its words.

    Raises
    ------
    BadInputError
        If it is no bundle, or a board is unknown.
    RefusedError
        If a file was changed or a claim does not hold.
    """
    from ..deploy.verify import verify

    chosen = boards_of(boards)
    with quiet_console() as console, _bar("verifying", console) as told:
        found = verify(bundle, boards=chosen, progress=_steps(told, _VERIFY_STEPS))
    lines = [f"{bundle}: {found.name}, model_id 0x{found.model_id:08x}"]
    lines += [f"  {'proven' if p.proven else 'NOT PROVEN HERE'}: {p.name}: {p.said}" for p in found.proofs]
    if found.missing:
        lines.append(f"  nothing wrong was found, but {len(found.missing)} of {len(found.proofs)} were not proven here")
    return found.to_dict() | {"folder": str(bundle), "not_proven": list(found.missing)}, "\n".join(lines)
