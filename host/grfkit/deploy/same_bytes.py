"""The same bytes everywhere: TFLite Micro against the C runtime on many windows, and against emulated boards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BadInputError
from ..runtime import load
from ..runtime.manifest import BoardSize, Figure
from .clib import CLibrary, Int8s
from .emit_c import CModel
from .qemu import BOARDS, missing, run_on_board
from .tflite_file import TfliteFile

LEAST_WINDOWS = 1000
_ORDER, _MADE, _ON_BOARD, _SEED = 40, 200, 2, 20260


@dataclass(frozen=True)
class Compared:
    """How many windows were compared byte for byte, and the figures."""

    windows: int
    figures: tuple[Figure, ...]


def compare_c(file: TfliteFile, library: CLibrary, real: Int8s) -> Compared:
    """Return how the compiled C runtime compares with TFLite Micro.

    Parameters
    ----------
    real
        Windows of people (n, T, width); made-up ones fill them up to 1,000, at least 200 of them.

    Raises
    ------
    BadInputError
        If TFLite Micro is not installed.
    """
    windows = np.concatenate([real, made_up(max(_MADE, LEAST_WINDOWS - len(real)), real.shape[1:])])
    expected = load(file.content, "tflm").run(windows)
    answers = library.run(windows)
    differ = int((answers != expected).any(axis=(1, 2)).sum())
    few = windows[-_ORDER:]
    reordered = int((library.run(few[::-1])[::-1] != answers[-_ORDER:]).any(axis=(1, 2)).sum())
    return Compared(
        len(windows),
        (
            zero("C to TFLite Micro, windows that differ", differ),
            zero("C, windows that differ in another order", reordered),
        ),
    )


def zero(name: str, value: int) -> Figure:
    """Return a figure that has to be 0."""
    return Figure(name=name, value=float(value), unit="windows", bound=0.0, kept=value == 0)


def made_up(count: int, shape: Sequence[int], seed: int = _SEED) -> Int8s:
    """Return made-up windows (count, T, width): any bytes, slow waves, and rails, in equal shares."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(-128, 128, (count, *shape))
    steps = np.clip(np.cumsum(rng.normal(scale=12.0, size=(count, *shape)), axis=1), -128, 127)
    rails = np.where(rng.random((count, *shape)) < 0.5, -128, 127)
    kind = np.arange(count)[:, None, None] % 3
    return np.where(kind == 0, noise, np.where(kind == 1, steps, rails)).astype(np.int8)


def compile_c(model: CModel, folder: Path | None = None) -> CLibrary:
    """Return a model compiled for this machine; the files it was made from are not kept without a folder.

    Raises
    ------
    BadInputError
        If there is no compiler, or it refuses.
    """
    if folder is not None:
        return CLibrary.build(model, folder)
    with tempfile.TemporaryDirectory(prefix="grfkit-c-") as name:
        return CLibrary.build(model, Path(name))


def on_boards(
    model: CModel, library: CLibrary, windows: Int8s, boards: Sequence[str], told: Callable[[str], None]
) -> tuple[dict[str, BoardSize] | None, str, tuple[Figure, ...]]:
    """Return what emulated boards counted, why there is nothing, and the figures.

    Parameters
    ----------
    boards
        QEMU's names, such as ``mps2-an386``.

    Raises
    ------
    BadInputError
        If a board is unknown, or fails.
    """
    known: Mapping[str, str] = {board.machine: key for key, board in BOARDS.items()}
    unknown = [b for b in boards if b not in known]
    if unknown:
        raise BadInputError(f"board '{unknown[0]}' is unknown; expected one of {', '.join(known)}")
    if not boards:
        return None, "no board was asked for", ()
    lacking = missing()
    if lacking:
        return None, lacking, ()
    few = windows[:_ON_BOARD]
    expected = library.run(few)
    sizes: dict[str, BoardSize] = {}
    figures = []
    for machine in boards:
        run = run_on_board(model, few, known[machine])
        differ = int((run.answers != expected).any(axis=(1, 2)).sum())
        figures.append(zero(f"{machine} (QEMU) to C on this machine, windows that differ", differ))
        sizes[machine] = BoardSize(
            core=BOARDS[known[machine]].core,
            instructions=run.instructions,
            flash_model_bytes=run.weights_bytes,
            flash_runtime_bytes=run.code_bytes,
            scratch_bytes=run.scratch_bytes,
            stack_bytes=run.stack_bytes,
            same_bytes_as_host=differ == 0,
        )
        told(machine)
    return sizes, "", tuple(figures)
