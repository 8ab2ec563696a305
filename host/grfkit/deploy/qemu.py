"""A model on emulated Cortex-M boards: instructions per window, flash, RAM, and the bytes of its output.

QEMU counts instructions, not cycles: milliseconds computed from them are estimates.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..embedded.compile import FLAGS, RUNTIME, run_tool, runtime_sources
from ..errors import BadInputError
from ..runtime.numbers import Bytes
from .compile_c import write_model
from .emit_c import CModel

COMPILER, EMULATOR, SIZER = "arm-none-eabi-gcc", "qemu-system-arm", "arm-none-eabi-size"
_ICOUNT_NS = 64
"""Virtual time of an instruction, ns: 2^6, from ``-icount shift=6``."""
_COMPILE_S, _QUERY_S = 60.0, 20.0
"""Longest that a compilation, and a question such as a version or a size, may take, s. Chosen by hand."""
CORE = ("grf_math", "grf_model", "grf_lstm", "grf_conv", "grf_add")
"""The runtime's files that a model needs."""
_LINE = re.compile(r"^window (\d+) ticks (\d+) stack (\d+) bytes ([0-9a-f]+)$", re.MULTILINE)
_FOOT = re.compile(
    r"^foot answered (?P<answered>\d+) wrong (?P<wrong>\d+) sample (?P<sample>\d+) event (?P<event>\d+)"
    r" cut (?P<cut>\d+) stance (?P<stance>\d+) model (?P<model>\d+) stack (?P<stack>\d+)"
    r" state (?P<state>\d+) memory (?P<memory>\d+)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Board:
    """One emulated board: QEMU's machine, the core's compiler flags, where memory lies, SysTick's clock."""

    machine: str
    core: str
    cpu: tuple[str, ...]
    flash: int
    ram: int
    mhz: int
    flash_bytes: int = 4 << 20


_HARD = ("-mthumb", "-mfloat-abi=hard")
BOARDS = {
    "m4f": Board("mps2-an386", "M4F", ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", *_HARD), 0, 0x20000000, 25),
    "m7": Board("mps2-an500", "M7", ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", *_HARD), 0, 0x20000000, 25),
    "m33": Board("mps2-an505", "M33", ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", *_HARD), 0x10000000, 0x38000000, 20),
    "m55": Board("mps3-an547", "M55", ("-mcpu=cortex-m55", *_HARD), 0x10000000, 0x31000000, 32, 512 << 10),
}
DEFAULT_BOARDS = ("mps2-an386",)
"""QEMU's names of the boards that an export counts on where nobody says another: a Cortex-M4F."""
PLAIN_BOARDS = {"m3": Board("mps2-an385", "M3", ("-mcpu=cortex-m3", "-mthumb"), 0, 0x20000000, 25)}
"""Without DSP instructions: the portable code as such a core runs it."""


@dataclass(frozen=True)
class BoardRun:
    """Counts and outputs of a board.

    Attributes
    ----------
    instructions
        Per window (QEMU), the most of all windows.
    weights_bytes, code_bytes
        Flash of the model's const arrays and tables, and of the runtime's code with its sigmoid table.
    scratch_bytes, stack_bytes
        RAM of a window without its input and output; the stack by painting, high water.
    outputs
        Shape (n, T, outputs).
    """

    board: str
    instructions: int
    weights_bytes: int
    code_bytes: int
    scratch_bytes: int
    stack_bytes: int
    outputs: Bytes

    @property
    def ram_bytes(self) -> int:
        """Return scratch and stack together."""
        return self.scratch_bytes + self.stack_bytes


def missing() -> str | None:
    """Return the tools that this machine lacks to run a board, or None."""
    lacking = [name for name in (COMPILER, EMULATOR, SIZER) if shutil.which(name) is None]
    if lacking:
        return f"{', '.join(lacking)} missing (Debian: gcc-arm-none-eabi picolibc-arm-none-eabi qemu-system-arm)"
    return None


def compiler_version() -> str:
    """Return the boards' compiler with its version; instructions and flash depend on it.

    Raises
    ------
    BadInputError
        If it does not run.
    """
    return f"{COMPILER} {run_tool([COMPILER, '-dumpfullversion'], timeout_s=_QUERY_S).stdout.strip()}"


def run_on_board(
    model: CModel, windows: Bytes, board: str = "m4f", *,
    flags: Sequence[str] = ("-O3",), runtime: Path = RUNTIME, timeout_s: float = 120.0,
) -> BoardRun:  # fmt: skip
    """Return counts and outputs of a board for some windows.

    Parameters
    ----------
    windows
        Shape (n, T, inputs), int8; a handful, they are compiled in.
    board
        One of ``BOARDS`` or ``PLAIN_BOARDS``.
    flags
        For the compiler, of the model and runtime; ``-DGRF_PORTABLE`` leaves the DSP instructions unused.

    Raises
    ------
    BadInputError
        If a tool is missing or fails, or the board's output is not what was expected.
    """
    target = _board(board)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        elf = _build(model, windows, target, folder, flags, runtime)
        weights_bytes, code_bytes = _sizes(folder)
        lines = _LINE.findall(_printed(target, elf, timeout_s))
    if len(lines) != len(windows):
        raise BadInputError(f"board '{board}' answered {len(lines)} of {len(windows)} windows")
    # a tick of SysTick lasts 1000 / MHz ns, an instruction _ICOUNT_NS of virtual time
    _, ticks, stack, content = zip(*lines)
    outputs = np.frombuffer(bytes.fromhex("".join(content)), dtype=np.int8)
    return BoardRun(
        board=board,
        instructions=max(map(int, ticks)) * 1000 // (target.mhz * _ICOUNT_NS),
        weights_bytes=weights_bytes,
        code_bytes=code_bytes,
        scratch_bytes=model.scratch_bytes,
        stack_bytes=max(map(int, stack)),
        outputs=outputs.reshape(len(windows), model.points, model.outputs),
    )


@dataclass(frozen=True)
class FootRun:
    """Counts of a board for a bundle's made-up foot, from samples to reports.

    Attributes
    ----------
    answered, wrong
        Stances, and those of them whose input, output or contact time is not the golden one.
    sample_instructions, event_instructions
        The most of a sample without an event, and of one that begins a contact or ends one unanswered (QEMU).
    cut_instructions
        The most of a sample that ends a stance: what the sampling path takes at most.
    window_instructions
        The most of a stance from its samples to int8, without the model; the part beyond ``cut_instructions`` is in the
        second call, beside the model.
    state_bytes, memory_bytes
        RAM that stays: the insole's state, and its arrays with the model's scratch in them.
    stack_bytes
        High water, by painting.
    """

    answered: int
    wrong: int
    sample_instructions: int
    event_instructions: int
    cut_instructions: int
    window_instructions: int
    model_instructions: int
    state_bytes: int
    memory_bytes: int
    stack_bytes: int


def walk_on_board(
    bundle: Path, name: str, board: str = "m4f", *, flags: Sequence[str] = ("-O3",), timeout_s: float = 120.0
) -> FootRun:
    """Return counts of a board for the made-up foot of a bundle, with the bundle's own C.

    Parameters
    ----------
    bundle
        A folder with ``c``, whose ``NAME_golden_foot.h`` says what has to come out, and ``runtime``.
    name
        Of the model in it.

    Raises
    ------
    BadInputError
        If a tool is missing or fails, or the board's output is not what was expected.
    """
    target = _board(board)
    main = RUNTIME.parent / "tests" / "board_insole.c"
    defines = {
        "GRF_HEADER": f'"{name}_config.h"', "GRF_FOOT": f'"{name}_golden_foot.h"', "GRF_NAME": f"grf_{name}_insole",
        "GRF_MEMORY": f"grf_{name}_memory", "GRF_MEMORY_T": f"grf_{name}_memory_t",
        "GRF_FOOT_STANCES": f"GRF_{name.upper()}_FOOT_STANCES", "GRF_FOOT_SAMPLES": f"GRF_{name.upper()}_FOOT_SAMPLES",
        **{f"golden_foot{part}": f"grf_{name}_golden_foot{part}" for part in ("", "_input", "_output", "_contact")},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        sources = [bundle / "c" / f"{name}.c", bundle / "c" / f"{name}_config.c"]
        sources += runtime_sources(bundle / "runtime")
        include = [bundle / "runtime", bundle / "c"]
        elf = _linked(target, Path(temporary), sources, main, include, defines, flags)
        line = _FOOT.search(_printed(target, elf, timeout_s))
    if line is None:
        raise BadInputError(f"board '{board}' did not walk the made-up foot to its end")
    return _foot_run({key: int(value) for key, value in line.groupdict().items()}, target.mhz)


def _foot_run(counts: Mapping[str, int], mhz: int) -> FootRun:
    """Return what a board printed, its ticks of SysTick as instructions."""
    per_tick = 1000.0 / (mhz * _ICOUNT_NS)
    return FootRun(
        answered=counts["answered"],
        wrong=counts["wrong"],
        sample_instructions=round(counts["sample"] * per_tick),
        event_instructions=round(counts["event"] * per_tick),
        cut_instructions=round(counts["cut"] * per_tick),
        window_instructions=round((counts["stance"] - counts["model"]) * per_tick),
        model_instructions=round(counts["model"] * per_tick),
        state_bytes=counts["state"],
        memory_bytes=counts["memory"],
        stack_bytes=counts["stack"],
    )


def _board(board: str) -> Board:
    lacking, boards = missing(), BOARDS | PLAIN_BOARDS
    if lacking or board not in boards:
        raise BadInputError(lacking or f"board '{board}' is unknown; expected one of {', '.join(boards)}")
    return boards[board]


def _build(model: CModel, windows: Bytes, board: Board, folder: Path, flags: Sequence[str], runtime: Path) -> Path:
    source = write_model(model, folder)
    (folder / "windows.h").write_text(_windows(windows, model), encoding="utf-8")
    sources = [source, *(p for p in runtime_sources(runtime) if p.stem in CORE)]
    defines = {"GRF_HEADER": f'"{model.name}.h"', "GRF_MODEL": f"grf_{model.name}"}
    main = RUNTIME.parent / "tests" / "board.c"
    return _linked(board, folder, sources, main, [runtime, folder], defines, flags)


def _linked(
    board: Board, folder: Path, sources: Sequence[Path], main: Path, include: Sequence[Path],
    defines: Mapping[str, str], flags: Sequence[str],
) -> Path:  # fmt: skip
    """Return a program of compiled sources and a main; objects stay beside it."""
    common = [*board.cpu, *flags, "-ffunction-sections", "-fdata-sections", "--specs=picolibc.specs"]
    includes = [f"-I{path}" for path in include]
    # model and runtime are compiled apart from the program around them, so that their sizes can be read off the objects
    objects = []
    for path in sources:
        # the last -O of a command counts: the caller's has to
        warned = [f for f in FLAGS if f != "-O2"]
        objects.append(str(folder / f"{path.stem}.o"))
        run_tool([COMPILER, *common, *warned, *includes, "-c", str(path), "-o", objects[-1]], timeout_s=_COMPILE_S)
    memory = {"flash": board.flash, "flash_size": board.flash_bytes, "ram": board.ram, "ram_size": 512 << 10}
    linked = ["--oslib=semihost", "-Wl,--gc-sections", *(f"-Wl,--defsym=__{k}={v:#x}" for k, v in memory.items())]
    macros = [f"-D{key}={value}" for key, value in defines.items()]
    elf = folder / "board.elf"
    run_tool(
        [COMPILER, *common, *macros, *includes, str(main), *objects, *linked, "-o", str(elf)], timeout_s=_COMPILE_S
    )
    return elf


def _windows(windows: Bytes, model: CModel) -> str:
    rows = ",\n".join("{" + ",".join(str(v) for v in w.reshape(-1).tolist()) + "}" for w in windows)
    return (
        f"#define GRF_WINDOWS {len(windows)}u\n#define GRF_ANSWER {model.points * model.outputs}u\n"
        f"#define GRF_SCRATCH_NEEDED {model.scratch_bytes}u\n"
        f"static const int8_t windows[{len(windows)}][{model.points * model.inputs}] = {{\n{rows}}};\n"
    )


def _sizes(folder: Path) -> tuple[int, int]:
    """Return the flash of the model's object (text + data) and of the runtime's."""
    model = runtime = 0
    for path in sorted(folder.glob("*.o")):
        # the columns of size: text, data, bss; data lies in flash too, until it is copied
        printed = run_tool([SIZER, str(path)], timeout_s=_QUERY_S).stdout.splitlines()[1].split()
        size = int(printed[0]) + int(printed[1])
        if path.stem in CORE:
            runtime += size
        else:
            model += size
    return model, runtime


def _printed(board: Board, elf: Path, timeout_s: float) -> str:
    """Return what a program printed on an emulated board."""
    command = [
        *(EMULATOR, "-M", board.machine, "-nographic", "-monitor", "none", "-serial", "none"),
        *("-semihosting-config", "enable=on,target=native", "-icount", "shift=6", "-kernel", str(elf)),
    ]
    run = run_tool(command, timeout_s=timeout_s)
    # semihosting prints to stderr
    return run.stdout + run.stderr
