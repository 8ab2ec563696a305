"""The C side of a bundle as text: settings, golden windows, the test that runs them, and what builds it all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..runtime.manifest import Column, Detector, Manifest
from .bundle_insole import UNTESTED, examples, fits, foot_header, foot_test, header_lines, source_lines
from .bundle_insole import c_float as _float


def c_files(manifest: Manifest, golden: Mapping[str, NDArray[Any]], runtime: Sequence[str]) -> dict[str, str]:
    """Return the texts of all C-side files but the model itself and the runtime, by path.

    Parameters
    ----------
    golden
        ``raw`` (n, T, width) int16, ``input_int8``, ``output_int8`` and ``force`` (n, T, axes) in the manifest's unit;
        ``foot_...`` of the made-up foot where an insole can run the bundle.
    runtime
        Names of the runtime's C files.
    """
    name = manifest.name
    sources = [f"c/{name}.c", f"c/{name}_config.c", *(f"runtime/{n}" for n in runtime)]
    foot = "foot_input" in golden
    return {
        f"c/{name}_config.h": config_header(manifest),
        f"c/{name}_config.c": config_source(manifest),
        "c/golden.h": golden_header(golden),
        "c/test_golden.c": test_main(name, foot=foot),
        **({"c/golden_foot.h": foot_header(manifest, golden)} if foot else {}),
        **examples(manifest),
        "Makefile": makefile(name),
        "CMakeLists.txt": cmake(name, sources),
        **_zephyr(name, sources),
        **_arduino(name),
    }


def config_header(manifest: Manifest) -> str:
    """Return ``<name>_config.h``: who the model is, its axes, and the settings around it."""
    name, upper = manifest.name, manifest.name.upper()
    lines = [
        f"/* Settings of {name}: counts to int8, contacts, stance buffer, forces. See manifest.json. */",
        f"#ifndef GRF_{upper}_CONFIG_H",
        f"#define GRF_{upper}_CONFIG_H",
        "",
        *(f'#include "{header}"' for header in _headers(manifest)),
        "",
        f"#define GRF_{upper}_MODEL_ID 0x{manifest.model_id:08x}u /* CRC-32 of model.tflite */",
        f"#define GRF_{upper}_COLUMNS {len(manifest.columns)}",
        f"#define GRF_{upper}_CHANNELS {len(manifest.of_role('channel'))}",
        f"#define GRF_{upper}_AXES {len(manifest.axes)} /* {', '.join(a.name for a in manifest.axes)} */",
        *_rates(upper, manifest.detector),
        "",
        f"extern const grf_channel_t grf_{name}_columns[GRF_{upper}_COLUMNS];",
        *_settings(f"extern const grf_detect_settings_t grf_{name}_contacts;", manifest.detector),
        *_settings(f"extern const grf_stance_settings_t grf_{name}_buffer;", manifest.detector),
        "",
        f"/* Force of an axis, {manifest.force_unit}: centre + size * scale * (stored - zero). */",
        f"extern const float grf_{name}_centre[GRF_{upper}_AXES], grf_{name}_size[GRF_{upper}_AXES];",
        *header_lines(manifest),
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def _headers(manifest: Manifest) -> tuple[str, ...]:
    return (f"{manifest.name}.h", "grf_insole.h") if fits(manifest) else ("grf_input.h", "grf_stance.h")


def _rates(upper: str, detector: Detector | None) -> list[str]:
    return [] if detector is None else [f"#define GRF_{upper}_RATE_HZ {_float(detector.rate_hz)}"]


def _settings(line: str, detector: Detector | None) -> list[str]:
    return [] if detector is None else [line]


def config_source(manifest: Manifest) -> str:
    """Return ``<name>_config.c``."""
    name, upper = manifest.name, manifest.name.upper()
    lines = [f'#include "{name}_config.h"', "", f"const grf_channel_t grf_{name}_columns[GRF_{upper}_COLUMNS] = {{"]
    lines += [
        f"    {{{c.offset}, {c.multiplier}, {c.shift}, {c.zero}}}, /* {i} {_words(c)} */"
        for i, c in enumerate(manifest.columns)
    ]
    lines += ["};", ""]
    if manifest.detector is not None:
        for kind, what, settings in (
            ("grf_detect_settings_t", "contacts", manifest.detector.contacts),
            ("grf_stance_settings_t", "buffer", manifest.detector.buffer),
        ):
            fields = ", ".join(f".{key} = {value}" for key, value in settings.items())
            lines += [f"const {kind} grf_{name}_{what} = {{", f"    {fields}", "};", ""]
    for what in ("centre", "size"):
        values = ", ".join(_float(getattr(a, what)) for a in manifest.axes)
        lines.append(f"const float grf_{name}_{what}[GRF_{upper}_AXES] = {{{values}}};")
    return "\n".join([*lines, *source_lines(manifest)]) + "\n"


def _words(column: Column) -> str:
    turned = ", sign turned on a left foot" if column.turned_on_left else ""
    kind = "" if column.role == "channel" else f"{column.role} "
    return f"{kind}{column.name}, {column.unit_per_count:.6g} {column.unit or '?'} per count{turned}".replace("*/", "")


def golden_header(golden: Mapping[str, NDArray[Any]]) -> str:
    """Return ``golden.h``: a few windows with what has to come out."""
    count, points, width = golden["raw"].shape
    parts = [
        "/* Golden windows: raw counts, int8 in, int8 out, force. golden.npz has more of them. */",
        "#ifndef GRF_GOLDEN_H\n#define GRF_GOLDEN_H\n\n#include <stdint.h>\n",
        f"#define GRF_GOLDEN_WINDOWS {count}u",
        f"#define GRF_GOLDEN_POINTS {points}u",
        f"#define GRF_GOLDEN_COLUMNS {width}u",
        f"#define GRF_GOLDEN_AXES {golden['output_int8'].shape[2]}u\n",
        _array("int16_t", "golden_raw", golden["raw"]),
        _array("int8_t", "golden_input", golden["input_int8"]),
        _array("int8_t", "golden_output", golden["output_int8"]),
        _array("float", "golden_force", golden["force"]),
        "#endif",
    ]
    return "\n".join(parts) + "\n"


def _array(kind: str, name: str, values: NDArray[Any]) -> str:
    flat = values.reshape(len(values), -1)
    rows = []
    for window in flat.tolist():
        items = (_float(v) for v in window) if kind == "float" else (str(int(v)) for v in window)
        rows.append("    {\n" + "\n".join(_wrapped(items)) + "\n    },")
    head = f"static const {kind} {name}[{len(flat)}][{flat.shape[1]}] = {{"
    return "\n".join([head, *rows, "};", ""])


def _wrapped(items: Iterable[str]) -> list[str]:
    lines, line = [], "       "
    for item in items:
        if len(line) + len(item) > 116:
            lines.append(line)
            line = "       "
        line += f" {item},"
    return [*lines, line]


def test_main(name: str, *, foot: bool) -> str:
    """Return ``test_golden.c``: every golden window through counts, model and force; exit status 0 if all are equal.

    Parameters
    ----------
    foot
        Whether the made-up foot is walked as well, from samples to answers.
    """
    upper = name.upper()
    include = '\n#include "golden_foot.h"' if foot else ""
    walk = foot_test(name) if foot else ""
    walked = (
        f"""    const char *off = wrong_foot();
    if (off != NULL) {{
        printf("{name}: the made-up foot: %s differs\\n", off);
        return 1;
    }}
    printf("{name}: %lu stances of the made-up foot, every byte equal\\n", (unsigned long)GRF_FOOT_STANCES);
"""
        if foot
        else ""
    )
    return f"""/* Golden windows through the runtime: counts to int8, the model, and the force of each axis. */
#include <stdio.h>
#include <string.h>

#include "{name}.h"
#include "{name}_config.h"
#include "golden.h"{include}

#define INPUTS (GRF_GOLDEN_POINTS * GRF_GOLDEN_COLUMNS)
#define OUTPUTS (GRF_GOLDEN_POINTS * GRF_GOLDEN_AXES)

static uint32_t scratch[GRF_{upper}_SCRATCH_WORDS];
static int8_t window[INPUTS], answer[OUTPUTS];

static int forces_differ(const float *golden)
{{
    for (uint32_t k = 0; k < OUTPUTS; ++k) {{
        uint32_t axis = k % GRF_GOLDEN_AXES;
        float real = GRF_{upper}_OUTPUT_SCALE * (float)(answer[k] - GRF_{upper}_OUTPUT_ZERO);
        float off = grf_{name}_centre[axis] + grf_{name}_size[axis] * real - golden[k];
        float most = 1e-5f * (1.0f + (golden[k] < 0.0f ? -golden[k] : golden[k]));
        if (off > most || off < -most) {{
            return 1;
        }}
    }}
    return 0;
}}

static const char *wrong(uint32_t k)
{{
    grf_input_signed(golden_raw[k], grf_{name}_columns, GRF_GOLDEN_COLUMNS, GRF_GOLDEN_POINTS, window);
    if (memcmp(window, golden_input[k], INPUTS) != 0) {{
        return "int8 in";
    }}
    if (grf_model_run(&grf_{name}, window, answer, scratch) != GRF_OK) {{
        return "the call";
    }}
    if (memcmp(answer, golden_output[k], OUTPUTS) != 0) {{
        return "int8 out";
    }}
    return forces_differ(golden_force[k]) ? "force" : NULL;
}}
{walk}
int main(void)
{{
    for (uint32_t k = 0; k < GRF_GOLDEN_WINDOWS; ++k) {{
        const char *what = wrong(k);
        if (what != NULL) {{
            printf("{name}: golden window %lu: %s differs\\n", (unsigned long)k, what);
            return 1;
        }}
    }}
{walked}    printf("{name}: %lu golden windows, every byte equal\\n", (unsigned long)GRF_GOLDEN_WINDOWS);
    return 0;
}}
"""


def makefile(name: str) -> str:
    """Return the ``Makefile``: ``make test`` on a PC, ``make lib`` for any compiler in CC."""
    return f"""# make test: model, runtime and golden windows on this machine
# make lib: lib{name}.a with CC and CFLAGS
CC ?= cc
AR ?= ar
CFLAGS ?= -O2
FLAGS = -std=c99 -Wall -Wextra -Werror -Wconversion -pedantic -Iruntime -Ic
BUILD ?= build
SOURCES = c/{name}.c c/{name}_config.c $(wildcard runtime/grf_*.c)
OBJECTS = $(addprefix $(BUILD)/,$(notdir $(SOURCES:.c=.o)))
vpath %.c c runtime

test: $(BUILD)/test_golden
	$(BUILD)/test_golden

lib: $(BUILD)/lib{name}.a

$(BUILD)/test_golden: $(OBJECTS) $(BUILD)/test_golden.o
	$(CC) $(CFLAGS) $^ -o $@

$(BUILD)/lib{name}.a: $(OBJECTS)
	$(AR) rcs $@ $^

$(BUILD)/%.o: %.c $(wildcard c/*.h runtime/*.h)
	@mkdir -p $(BUILD)
	$(CC) $(CFLAGS) $(FLAGS) -c $< -o $@

clean:
	rm -rf $(BUILD)

.PHONY: test lib clean
"""


def cmake(name: str, sources: Sequence[str]) -> str:
    """Return ``CMakeLists.txt``: the library ``grf_<name>`` and, built on its own, the test of the golden windows."""
    listed = "\n".join(f"    ${{CMAKE_CURRENT_LIST_DIR}}/{path}" for path in sources)
    return f"""cmake_minimum_required(VERSION 3.13)
project(grf_{name} C)

add_library(grf_{name} STATIC
{listed}
)
target_include_directories(grf_{name} PUBLIC ${{CMAKE_CURRENT_LIST_DIR}}/c ${{CMAKE_CURRENT_LIST_DIR}}/runtime)
set_target_properties(grf_{name} PROPERTIES C_STANDARD 99 C_EXTENSIONS OFF)

if(CMAKE_SOURCE_DIR STREQUAL CMAKE_CURRENT_SOURCE_DIR)
    enable_testing()
    add_executable(test_golden ${{CMAKE_CURRENT_LIST_DIR}}/c/test_golden.c)
    target_link_libraries(test_golden grf_{name})
    add_test(NAME golden COMMAND test_golden)
endif()
"""


def _zephyr(name: str, sources: Sequence[str]) -> dict[str, str]:
    listed = "\n".join(f"        ${{BUNDLE}}/{path}" for path in sources)
    option = f"GRF_{name.upper()}"
    return {
        "zephyr/module.yml": f"# {UNTESTED}\nname: grf_{name}\nbuild:\n  cmake: zephyr\n  kconfig: zephyr/Kconfig\n",
        "zephyr/Kconfig": f'# {UNTESTED}\nconfig {option}\n\tbool "Ground reaction force model {name}"\n',
        "zephyr/CMakeLists.txt": f"""# {UNTESTED}
if(CONFIG_{option})
    get_filename_component(BUNDLE ${{CMAKE_CURRENT_LIST_DIR}} DIRECTORY)
    zephyr_library()
    zephyr_include_directories(${{BUNDLE}}/c ${{BUNDLE}}/runtime)
    zephyr_library_sources(
{listed}
    )
endif()
""",
        "examples/zephyr/CMakeLists.txt": f"""# {UNTESTED}
cmake_minimum_required(VERSION 3.20)
list(APPEND ZEPHYR_EXTRA_MODULES ${{CMAKE_CURRENT_LIST_DIR}}/../..)
find_package(Zephyr REQUIRED HINTS $ENV{{ZEPHYR_BASE}})
project(grf_{name}_golden C)
target_sources(app PRIVATE ${{CMAKE_CURRENT_LIST_DIR}}/../../c/test_golden.c)
""",
        "examples/zephyr/prj.conf": f"# {UNTESTED}\nCONFIG_{option}=y\nCONFIG_PRINTK=y\n",
    }


def _arduino(name: str) -> dict[str, str]:
    upper = name.upper()
    sketch = f"""// {UNTESTED}
// Copy the files of c/ (without test_golden.c) and runtime/ beside this sketch.
extern "C" {{
#include "{name}.h"
#include "{name}_config.h"
#include "golden.h"
}}

static uint32_t scratch[GRF_{upper}_SCRATCH_WORDS];
static int8_t window[GRF_GOLDEN_POINTS * GRF_GOLDEN_COLUMNS], answer[GRF_GOLDEN_POINTS * GRF_GOLDEN_AXES];

void setup() {{
    Serial.begin(115200);
}}

void loop() {{
    grf_input_signed(golden_raw[0], grf_{name}_columns, GRF_GOLDEN_COLUMNS, GRF_GOLDEN_POINTS, window);
    unsigned long before = micros();
    grf_status_t status = grf_model_run(&grf_{name}, window, answer, scratch);
    unsigned long spent = micros() - before;
    bool same = memcmp(answer, golden_output[0], sizeof answer) == 0;
    Serial.print(status == GRF_OK && same ? "every byte equal, " : "DIFFERS, ");
    Serial.print(spent);
    Serial.println(" us");
    delay(1000);
}}
"""
    return {f"examples/arduino/{name}/{name}.ino": sketch}


def int8_forces(manifest: Manifest, stored: NDArray[np.int8]) -> NDArray[np.float64]:
    """Return forces in the manifest's unit of int8 answers (n, T, axes)."""
    real = (stored.astype(np.float64) - manifest.output.zero_point) * manifest.output.scale
    sizes, centres = np.asarray([a.size for a in manifest.axes]), np.asarray([a.centre for a in manifest.axes])
    return np.asarray(real * sizes + centres, dtype=np.float64)
