"""Flash and RAM of a bundle on a Cortex-M4F: the model alone, from samples to reports, and from samples to the air.

Read off linked programs, the C library's part taken off; nothing is run. The stack is not in it: see
:func:`~grfkit.deploy.qemu.walk_on_board`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..embedded.compile import FLAGS, run_tool
from ..runtime.manifest import PartSize
from .qemu import BOARDS, COMPILER, SIZER

PARTS = ("window", "reports", "air")
"""A window through the model (input, output and scratch in RAM); ``grf_insole``: samples to reports; ``grf_device`` as
``examples/insole`` has it: Info, control point, time sync, sensor packets and stances, 16 packets waiting at most."""
_BOARD = BOARDS["m4f"]
_COMPILE_S = 60.0
"""Longest that a compilation may take, s. Chosen by hand."""
_EMPTY = "int main(void)\n{\n    return 0;\n}\n"
_WINDOW = """#include "{name}.h"
static uint32_t scratch[GRF_{upper}_SCRATCH_WORDS];
static int8_t window[GRF_{upper}_POINTS * GRF_{upper}_INPUTS], answer[GRF_{upper}_POINTS * GRF_{upper}_OUTPUTS];
int main(void)
{{
    return (int)grf_model_run(&grf_{name}, window, answer, scratch) + answer[0];
}}
"""
_REPORTS = """#include "{name}_config.h"
static grf_{name}_memory_t memory;
static grf_insole_t insole;
static grf_sensor_t sample;
static grf_report_t report;
static uint8_t bytes[GRF_{upper}_REPORT_BYTES];
int main(void)
{{
    grf_insole_memory_t given = grf_{name}_memory(&memory);
    int ready = grf_insole_start(&grf_{name}_insole, &insole, &given, 1);
    while (ready) {{
        if (grf_insole_take(&grf_{name}_insole, &insole, &sample) &&
            grf_insole_answer(&grf_{name}_insole, &insole, &report)) {{
            (void)grf_report_encode(&report, bytes, sizeof bytes);
        }}
    }}
    return 0;
}}
"""
_AIR = """#include "insole.h"
static grf_sensor_t sample;
static uint8_t info[GRF_INFO_BYTES];
int insole_send(grf_characteristic_t characteristic, const uint8_t *value, size_t size)
{{
    return (int)characteristic + value[0] + (int)size;
}}
uint32_t insole_now_us(void)
{{
    return 0;
}}
uint32_t insole_lock(void)
{{
    return 0;
}}
void insole_unlock(uint32_t key)
{{
    (void)key;
}}
int main(void)
{{
    int ready = insole_begin(1);
    while (ready) {{
        insole_mtu(247);
        insole_written(GRF_CONTROL_POINT, info, insole_info(info), 0);
        insole_delivered();
        (void)insole_sample(&sample, 0);
        (void)insole_work();
        insole_disconnected();
    }}
    return 0;
}}
"""


def insole_sizes(
    files: Mapping[str, bytes], name: str, *, flags: Sequence[str] = ("-O3",)
) -> dict[str, PartSize] | None:
    """Return flash and RAM by :data:`PARTS`; None where this machine lacks the compiler, or no insole can run it.

    Parameters
    ----------
    files
        Of a bundle, by path: ``c/``, ``runtime/`` and ``examples/insole/`` are read.
    name
        Of the model in it.

    Raises
    ------
    BadInputError
        If the compiler fails.
    """
    if "examples/insole/insole.c" not in files or None in (shutil.which(COMPILER), shutil.which(SIZER)):
        return None
    with tempfile.TemporaryDirectory(prefix="grfkit-sizes-") as temporary:
        folder = Path(temporary)
        for path, content in files.items():
            if path.startswith(("c/", "runtime/", "examples/insole/")) and path.endswith((".c", ".h")):
                (folder / Path(path).name).write_bytes(content)
        objects = [_compiled(p, flags) for p in sorted(folder.glob("*.c")) if not p.stem.endswith("_golden")]
        programs = dict(zip(("empty", *PARTS), (_EMPTY, _WINDOW, _REPORTS, _AIR)))
        sizes = {
            part: _linked(
                folder, part, text if part == "empty" else text.format(name=name, upper=name.upper()), objects, flags
            )
            for part, text in programs.items()
        }
    empty = sizes.pop("empty")
    return {
        part: PartSize(core=_BOARD.core, flash_bytes=flash - empty[0], ram_bytes=ram - empty[1])
        for part, (flash, ram) in sizes.items()
    }


def _compiled(source: Path, flags: Sequence[str]) -> str:
    """Return the path of an object of a source."""
    target = source.with_suffix(".o")
    warned = [f for f in FLAGS if f != "-O2"]
    run_tool([*_command(flags), *warned, "-c", str(source), "-o", str(target)], timeout_s=_COMPILE_S)
    return str(target)


def _linked(folder: Path, part: str, text: str, objects: Sequence[str], flags: Sequence[str]) -> tuple[int, int]:
    """Return flash (text and data) and RAM (data and bss) of a program, what it does not use left out."""
    source, elf = folder / f"{part}_main.c", folder / f"{part}.elf"
    source.write_text(text, encoding="utf-8")
    # the hooks of examples/insole are another program's: only the air has them
    taken = [o for o in objects if part == "air" or Path(o).stem != "insole"]
    memory = {"flash": 0, "flash_size": 4 << 20, "ram": 0x20000000, "ram_size": 512 << 10}
    places = [f"-Wl,--defsym=__{key}={value:#x}" for key, value in memory.items()]
    linked = ["--oslib=semihost", "-Wl,--gc-sections", *places]
    run_tool([*_command(flags), f"-I{folder}", str(source), *taken, *linked, "-o", str(elf)], timeout_s=_COMPILE_S)
    # the columns of size: text, data, bss
    row = run_tool([SIZER, str(elf)], timeout_s=_COMPILE_S).stdout.splitlines()[1].split()
    in_text, data, bss = (int(value) for value in row[:3])
    return in_text + data, data + bss


def _command(flags: Sequence[str]) -> list[str]:
    return [COMPILER, *_BOARD.cpu, *flags, "-ffunction-sections", "-fdata-sections", "--specs=picolibc.specs"]
