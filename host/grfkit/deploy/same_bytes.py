"""The same bytes everywhere: TFLite Micro against the C runtime on many windows, and against emulated boards."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arguments import described
from ..embedded.compile import RUNTIME
from ..errors import BadInputError
from ..runtime import load
from ..runtime.compiled import CRuntime
from ..runtime.manifest import BoardSize, Figure, Sizes
from ..runtime.numbers import Bytes
from .emit_c import CModel
from .qemu import BOARDS, compiler_version, missing, run_on_board
from .tflite_file import TfliteFile

LEAST_WINDOWS = 1000
"""Windows that C and TFLite Micro answer byte for byte, at least. Chosen by hand: seconds on a host."""
LEAST_RANDOM_WINDOWS = 200
"""Random windows that C and TFLite Micro always answer, however many real ones there are. Chosen by hand: real windows
seldom reach the borders of 8 bits, where a clamp would show."""
_REORDERED, _ON_BOARD, _SEED = 40, 2, 20260
"""Windows that are run in reverse order again, windows that an emulated board runs (it takes seconds for each), and the
seed of the random windows. Chosen by hand."""
_WAVE_STEP = 12.0
"""SD of a slow wave's step from sample to sample, steps of int8. Chosen by hand: over 101 samples such a walk reaches
both ends of the range."""


@dataclass(frozen=True)
class Compared:
    """How many windows were compared byte for byte, and the figures."""

    windows: int
    figures: tuple[Figure, ...]


def compare_c(file: TfliteFile, library: CRuntime, real: Bytes) -> Compared:
    """Return how the compiled C runtime compares with TFLite Micro.

    Parameters
    ----------
    real
        Windows of people (n, T, width); random ones fill them up to :data:`LEAST_WINDOWS`, at least
        :data:`LEAST_RANDOM_WINDOWS` of them.

    Raises
    ------
    BadInputError
        If TFLite Micro is not installed.
    """
    windows = np.concatenate(
        [real, random_windows(max(LEAST_RANDOM_WINDOWS, LEAST_WINDOWS - len(real)), real.shape[1:])]
    )
    expected = load(file.content, "tflm").run(windows)
    outputs = library.run(windows)
    differ = int((outputs != expected).any(axis=(1, 2)).sum())
    # a state left over from the window before shows in another order
    few = windows[-_REORDERED:]
    reordered = int((library.run(few[::-1])[::-1] != outputs[-_REORDERED:]).any(axis=(1, 2)).sum())
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


def random_windows(count: int, shape: Sequence[int], seed: int = _SEED) -> Bytes:
    """Return windows of made-up bytes (count, T, width): noise, slow waves, and rails, in equal shares."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(-128, 128, (count, *shape))
    steps = np.clip(np.cumsum(rng.normal(scale=_WAVE_STEP, size=(count, *shape)), axis=1), -128, 127)
    rails = np.where(rng.random((count, *shape)) < 0.5, -128, 127)
    # noise reaches every byte, waves drive an LSTM's cells far, rails hold every clamp
    kind = np.arange(count)[:, None, None] % 3
    return np.where(kind == 0, noise, np.where(kind == 1, steps, rails)).astype(np.int8)


def on_boards(
    model: CModel, library: CRuntime, windows: Bytes, boards: Sequence[str], progress: Callable[[str], None]
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
    keys = board_keys(boards)
    if not boards:
        return None, "no board was asked for", ()
    lacking = missing()
    if lacking:
        return None, lacking, ()
    few = windows[:_ON_BOARD]
    expected = library.run(few)
    sizes: dict[str, BoardSize] = {}
    figures = []
    for machine, key in zip(boards, keys):
        sizes[machine], differ = run_machine(model, few, expected, key)
        figures.append(zero(f"{machine} (QEMU) to C on this machine, windows that differ", differ))
        progress(machine)
    return sizes, "", tuple(figures)


def board_keys(machines: Sequence[str]) -> list[str]:
    """Return the keys in ``qemu.BOARDS`` of boards by QEMU's names.

    Raises
    ------
    BadInputError
        If a board is unknown.
    """
    if isinstance(machines, str) or not isinstance(machines, Iterable):
        raise BadInputError(f"boards are {described(machines)}, expected a list of QEMU's names")
    keys: Mapping[str, str] = {board.machine: key for key, board in BOARDS.items()}
    unknown = [b for b in machines if b not in keys]
    if unknown:
        raise BadInputError(f"board '{unknown[0]}' is unknown; expected one of {', '.join(keys)}")
    return [keys[machine] for machine in machines]


def run_machine(
    model: CModel, windows: Bytes, expected: Bytes, key: str, runtime: Path = RUNTIME
) -> tuple[BoardSize, int]:
    """Return what a board counted, and for how many windows its outputs are not the expected ones."""
    run = run_on_board(model, windows, key, runtime=runtime)
    differ = int((run.outputs != expected).any(axis=(1, 2)).sum())
    size = BoardSize(
        core=BOARDS[key].core,
        instructions=run.instructions,
        flash_model_bytes=run.weights_bytes,
        flash_runtime_bytes=run.code_bytes,
        scratch_bytes=run.scratch_bytes,
        stack_bytes=run.stack_bytes,
        same_bytes_as_host=differ == 0,
    )
    return size, differ


def boards_again(
    model: CModel, windows: Bytes, expected: Bytes, stated: Sizes, machines: Sequence[str], runtime: Path
) -> tuple[str, list[str]]:
    """Return a text on the boards that ran the windows of an export again, and what is not as the bundle states it.

    Parameters
    ----------
    expected
        The right outputs, (n, T, outputs).
    stated
        Of the bundle; counts are held to it where the compiler is the same, and named where it is not.
    runtime
        The bundle's own.

    Raises
    ------
    BadInputError
        If a board is unknown, or a tool is missing or fails.
    """
    few, few_expected = windows[:_ON_BOARD], expected[:_ON_BOARD]
    version = compiler_version()
    texts, wrong = [], []
    for machine, key in zip(machines, board_keys(machines)):
        size, differ = run_machine(model, few, few_expected, key, runtime)
        if differ:
            wrong.append(f"{machine} gives other outputs for {differ} of {len(few)} windows")
        before = (stated.boards or {}).get(machine)
        differences = [] if before is None else counts_that_differ(size, before)
        if differences and stated.boards_compiler == version:
            wrong += [f"{machine}, {text}, by the same {version}" for text in differences]
        texts.append(f"{machine} {len(few)} windows byte for byte, {_compared(before, differences, stated, version)}")
    return "; ".join(texts), wrong


def _compared(before: BoardSize | None, differences: Sequence[str], stated: Sizes, version: str) -> str:
    if before is None:
        return "the bundle has no counts of it"
    if not differences:
        return f"{before.instructions} instructions, flash and RAM as it says"
    return (
        f"{version} here and {stated.boards_compiler or 'a compiler it does not state'} there: {', '.join(differences)}"
    )


def counts_that_differ(here: BoardSize, stated: BoardSize) -> list[str]:
    """Return the counts of a board that are not those a bundle states, each in words."""
    pairs = [(n, getattr(here, n), getattr(stated, n)) for n in BoardSize.model_fields if n != "same_bytes_as_host"]
    return [f"{name} {a}, it says {b}" for name, a, b in pairs if a != b]
