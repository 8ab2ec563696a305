"""The C side of a bundle from an insole's samples to packets, as text: settings, memory, a made-up foot, examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..embedded.insole import AXES, insole_reason, origins, tick_q16
from ..embedded.made_up_foot import FOOT_STEPS, foot_samples
from ..runtime.manifest import Detector, Manifest

UNTESTED = "Untested: nobody has run this on a board yet; what is tested is `make test` and the boards of sizes.json."


def fits(manifest: Manifest) -> bool:
    """Return whether an insole can run the bundle from its samples to packets."""
    return insole_reason(manifest) is None


def header_lines(manifest: Manifest) -> list[str]:
    """Return what ``<name>_config.h`` says of the way from samples to packets."""
    one, name, upper = manifest.detector, manifest.name, manifest.name.upper()
    if one is None or not fits(manifest):
        return ["", f"/* No insole runs it from samples to packets: it {_plain(insole_reason(manifest) or '')}. */"]
    lines = ["", *_words(one)]
    if one.levels is not None:
        lines.append(f"extern const grf_levels_settings_t grf_{name}_levels;")
    if one.lowpass is not None:
        lines.append(f"extern const grf_lowpass_settings_t grf_{name}_lowpass;")
    told = [c.name for c in manifest.of_role("static") if c.name != "contact_s"]
    if told:
        lines.append(f"/* told[]: {', '.join(told)}, in counts of their columns. */")
    return [
        *lines,
        f"extern const grf_insole_settings_t grf_{name}_insole; /* for grf_insole_push, {one.rate_hz:g} Hz */",
        "",
        "/* RAM that the way from samples to packets needs, beside a grf_insole_t. */",
        "typedef struct {",
        *(f"    {kind} {field}[{size}];" for kind, field, size in _memory(manifest, one)),
        f"}} grf_{name}_memory_t;",
        "",
        f"grf_insole_memory_t grf_{name}_memory(grf_{name}_memory_t *memory);",
        f"#define GRF_{upper}_REPORT_BYTES GRF_STANCE_BYTES({manifest.points}, {len(manifest.axes)})",
    ]


def _plain(text: str) -> str:
    """Return a text that ends no comment."""
    return text.replace("*/", "")


def remembered_s(one: Detector, levels: Mapping[str, int]) -> float:
    """Return how long a device looks back for the unloaded level, s."""
    return levels["blocks"] * levels["block_rows"] * levels["every"] / one.rate_hz


def _words(one: Detector) -> list[str]:
    """Return in words what levels and low-pass do."""
    lines = []
    if one.levels is not None:
        told = one.levels
        lines += [
            f"/* Cells are relative, in 1/{told['units']}: minus percentile {told['unloaded_percent']} of the last"
            f" {remembered_s(one, told):.0f} s (a row in",
            f" * {told['every']} is looked at), over the median of what all cells together say at the peaks of the"
            f" last {told['steps']} contacts.",
            f" * Nothing is answered before {told['least_steps']}; a contact below {told['faint_percent']} % of"
            f" percentile {told['greater_percent']} of the peaks is no step. */",
        ]
    if one.lowpass is not None:
        lines.append("/* Inertial channels go through a zero-lag low-pass before a stance is cut out. */")
    return lines


def _memory(manifest: Manifest, one: Detector) -> list[tuple[str, str, str]]:
    """Return type, name and size of every array."""
    points, columns, axes = manifest.points, len(manifest.columns), len(manifest.axes)
    channels, capacity = one.buffer["channels"], one.buffer["capacity"]
    made = [
        ("uint32_t", "scratch", f"GRF_{manifest.name.upper()}_SCRATCH_WORDS"),
        ("int16_t", "ring", f"GRF_STANCE_RING_BYTES({channels}, {capacity}) / 2"),
        ("int16_t", "window", f"{points} * {channels}"),
    ]
    if one.levels is not None:
        sizes = ", ".join(str(one.levels[key]) for key in ("cells", "blocks", "lowest"))
        made.append(("uint16_t", "lowest", f"GRF_LEVELS_NUMBERS({sizes})"))
    if one.lowpass is not None:
        made.append(("int32_t", "work", f"GRF_LOWPASS_WORDS({capacity}, {one.lowpass['pad']})"))
    return [
        *made,
        ("int8_t", "input", f"{points} * {columns}"),
        ("int8_t", "answer", f"{points} * {axes}"),
        ("int8_t", "curve", f"{points} * {axes}"),
    ]


def source_lines(manifest: Manifest) -> list[str]:
    """Return what ``<name>_config.c`` says of the way from samples to packets."""
    one, name, upper = manifest.detector, manifest.name, manifest.name.upper()
    if one is None or not fits(manifest):
        return []
    lines = [""]
    for kind, what, settings in (("levels", "levels", one.levels), ("lowpass", "lowpass", one.lowpass)):
        if settings is not None:
            fields = ", ".join(f".{key} = {value}" for key, value in settings.items())
            lines += [f"const grf_{kind}_settings_t grf_{name}_{what} = {{", f"    {fields}", "};", ""]
    places = ", ".join(map(str, origins(manifest.columns)))
    order = [[a.name for a in manifest.axes].index(n) for n in AXES if n in [a.name for a in manifest.axes]]
    bits = sum(1 << k for k, n in enumerate(AXES) if n in [a.name for a in manifest.axes])
    offset, scale = _scales(manifest, order)
    return [
        *lines,
        f"static const uint8_t from[GRF_{upper}_COLUMNS] = {{{places}}};",
        "",
        f"const grf_insole_settings_t grf_{name}_insole = {{",
        f"    &grf_{name}, grf_{name}_columns, from, &grf_{name}_contacts, &grf_{name}_buffer,",
        f"    {f'&grf_{name}_levels' if one.levels else '0'}, {f'&grf_{name}_lowpass' if one.lowpass else '0'},",
        f"    GRF_{upper}_MODEL_ID, {tick_q16(one.rate_hz)}u, {bits}, {int(manifest.force_unit == 'N')},",
        f"    {{{', '.join(map(str, order))}}}, {{{offset}}}, {{{scale}}}}};",
        "",
        f"grf_insole_memory_t grf_{name}_memory(grf_{name}_memory_t *memory)",
        "{",
        "    grf_insole_memory_t made = {memory->ring, memory->window, memory->input, memory->answer, memory->curve,",
        f"                                memory->scratch, {'memory->lowest' if one.levels else '0'},"
        f" {'memory->work' if one.lowpass else '0'}}};",
        "    return made;",
        "}",
    ]


def _scales(manifest: Manifest, order: list[int]) -> tuple[str, str]:
    """Return offset and scale of each axis that is sent, as the virtual insole rounds them."""
    ends, axes = manifest.output, [manifest.axes[k] for k in order]
    offset = [a.centre - ends.scale * ends.zero_point * a.size for a in axes]
    return ", ".join(map(c_float, offset)), ", ".join(c_float(ends.scale * a.size) for a in axes)


def c_float(value: float) -> str:
    """Return a number as a C float, rounded once."""
    text = f"{float(np.float32(value)):.9g}"
    return f"{text if any(c in text for c in '.en') else text + '.0'}f"


def hash_of(window: NDArray[np.int8]) -> int:
    """Return the FNV-1a hash of a window's bytes."""
    made = 2166136261
    for value in np.ascontiguousarray(window).tobytes():
        made = ((made ^ value) * 16777619) & 0xFFFFFFFF
    return made


def foot_header(manifest: Manifest, golden: Mapping[str, NDArray[Any]]) -> str:
    """Return ``c/golden_foot.h``: the foot of :func:`~grfkit.embedded.made_up_foot.made_up_foot`, and the answers."""
    assert manifest.detector is not None
    step, contact = foot_samples(manifest.detector.rate_hz)
    stances = golden["foot_input"]
    hashes = ", ".join(f"0x{hash_of(w):08x}u" for w in stances)
    contacts = ", ".join(str(int(v)) for v in golden["foot_contact_100us"])
    rows = ",\n".join(
        "    {" + ", ".join(str(int(v)) for v in answer.reshape(-1)) + "}" for answer in golden["foot_output"]
    )
    return f"""/* A made-up left foot, sample by sample, and what has to come of each of its stances. */
#ifndef GRF_GOLDEN_FOOT_H
#define GRF_GOLDEN_FOOT_H

#include "grf_packet.h"

#define GRF_FOOT_STEP {step}u
#define GRF_FOOT_CONTACT {contact}u
#define GRF_FOOT_SAMPLES {FOOT_STEPS * step}u
#define GRF_FOOT_STANCES {len(stances)}u

static uint32_t golden_noise(uint32_t k, uint32_t channel)
{{
    return ((k * 22u + channel) * 2654435761u) >> 28;
}}

static uint16_t golden_cell(uint32_t k, uint32_t c)
{{
    uint32_t at = k % GRF_FOOT_STEP, strength = k / GRF_FOOT_STEP % 5u == 4u ? 1u : 4u;
    uint32_t from = c * GRF_FOOT_CONTACT / 32u, width = GRF_FOOT_CONTACT - GRF_FOOT_CONTACT / 2u;
    uint64_t bump = 0;
    if (at > from && at - from < width) {{
        bump = (uint64_t)(at - from) * (width - (at - from));
    }}
    uint64_t load = bump * 4u * (300u + 20u * c) * strength / ((uint64_t)width * width);
    return (uint16_t)(c + 1u == GRF_CELLS ? 40000u : 40u + 5u * c + (uint32_t)load + golden_noise(k, c));
}}

/* 0 where the sample is missed. */
static int golden_foot(uint32_t k, grf_sensor_t *sample)
{{
    uint32_t at = k % GRF_FOOT_STEP;
    for (uint32_t c = 0; c < GRF_CELLS; ++c) {{
        sample->cells[c] = golden_cell(k, c);
    }}
    for (uint32_t i = 0; i < GRF_IMU; ++i) {{
        uint32_t wave = at * (i + 3u) * 400u / GRF_FOOT_STEP % 4001u;
        sample->imu[i] = (int16_t)((int32_t)(wave + golden_noise(k, GRF_CELLS + i)) - 2000);
    }}
    return k % 61u != 30u;
}}

/* FNV-1a of the int8 input, and the contact time in 0.1 ms. */
static const uint32_t golden_foot_input[GRF_FOOT_STANCES] = {{{hashes}}};
static const uint16_t golden_foot_contact[GRF_FOOT_STANCES] = {{{contacts}}};
static const int8_t golden_foot_output[GRF_FOOT_STANCES][{stances.shape[1] * golden["foot_output"].shape[2]}] = {{
{rows}
}};

#endif
"""


def foot_test(name: str) -> str:
    """Return the part of ``test_golden.c`` that walks the made-up foot from samples to answers."""
    return f"""
static grf_{name}_memory_t memory;
static grf_insole_t insole;
static grf_sensor_t sample;
static grf_report_t report;

static uint32_t hash_of_input(void)
{{
    uint32_t made = 2166136261u;
    for (uint32_t k = 0; k < sizeof memory.input; ++k) {{
        made = (made ^ (uint8_t)memory.input[k]) * 16777619u;
    }}
    return made;
}}

static const char *wrong_foot(void)
{{
    grf_insole_memory_t given = grf_{name}_memory(&memory);
    uint32_t found = 0;
    if (!grf_insole_start(&grf_{name}_insole, &insole, &given, 1)) {{
        return "the start";
    }}
    for (uint32_t k = 0; k < GRF_FOOT_SAMPLES; ++k) {{
        int there = golden_foot(k, &sample);
        if (!grf_insole_push(&grf_{name}_insole, &insole, there ? &sample : NULL, &report)) {{
            continue;
        }}
        if (found == GRF_FOOT_STANCES || hash_of_input() != golden_foot_input[found]) {{
            return "int8 in";
        }}
        if (memcmp(memory.answer, golden_foot_output[found], sizeof memory.answer) != 0 ||
            report.contact_100us != golden_foot_contact[found]) {{
            return "int8 out";
        }}
        ++found;
    }}
    return found == GRF_FOOT_STANCES ? NULL : "how many stances there are";
}}
"""


def examples(manifest: Manifest) -> dict[str, str]:
    """Return the programs from samples to packets by path; none where no insole can run the bundle."""
    if not fits(manifest) or manifest.detector is None:
        return {}
    name, rate = manifest.name, manifest.detector.rate_hz
    folder = f"examples/arduino/{name}_insole"
    return {
        "examples/insole/insole.h": _EXAMPLE_HEADER,
        "examples/insole/insole.c": _example(name, manifest.name.upper()),
        "examples/zephyr_insole/CMakeLists.txt": f"""# {UNTESTED}
cmake_minimum_required(VERSION 3.20)
list(APPEND ZEPHYR_EXTRA_MODULES ${{CMAKE_CURRENT_LIST_DIR}}/../..)
find_package(Zephyr REQUIRED HINTS $ENV{{ZEPHYR_BASE}})
project(grf_{name}_insole C)
target_include_directories(app PRIVATE ${{CMAKE_CURRENT_LIST_DIR}}/../insole)
target_sources(app PRIVATE ${{CMAKE_CURRENT_LIST_DIR}}/../insole/insole.c main.c)
""",
        "examples/zephyr_insole/prj.conf": f"# {UNTESTED}\nCONFIG_GRF_{name.upper()}=y\n",
        "examples/zephyr_insole/main.c": _zephyr_main(rate),
        f"{folder}/{name}_insole.ino": _sketch(rate),
    }


_EXAMPLE_HEADER = """/* From samples to packets. Write insole_send and call the others; nothing here waits. */
#ifndef INSOLE_H
#define INSOLE_H

#include <stddef.h>

#include "grf_packet.h"

/* Once, and again after each START. left: 1 for a left shoe. 0: the settings cannot be. */
int insole_begin(int left);

/* What SET told: number `place` of grf_<name>_config.h's told[], in counts of its column. */
void insole_tell(unsigned place, int16_t count);

/* Every sample, at the rate of the settings; a null pointer where one was missed. now_us and counter are its own. */
void insole_sample(const grf_sensor_t *sample, uint32_t now_us, uint16_t counter);

/* A whole packet of at most INSOLE_ROOM bytes: a notification, or a frame of a serial line. */
#define INSOLE_ROOM 244u
void insole_send(const uint8_t *packet, size_t size);

#endif
"""


def _example(name: str, upper: str) -> str:
    return f"""/* From samples to packets: contacts, stance, levels of the cells, int8, model, report, fragments. */
#include "insole.h"

#include "{name}_config.h"

static grf_{name}_memory_t memory;
static grf_insole_t insole;
static grf_report_t report;
static uint8_t bytes[GRF_{upper}_REPORT_BYTES], packet[INSOLE_ROOM];
static uint16_t sequence, stance_id;

int insole_begin(int left)
{{
    grf_insole_memory_t given = grf_{name}_memory(&memory);
    sequence = 0;
    return grf_insole_start(&grf_{name}_insole, &insole, &given, left);
}}

void insole_tell(unsigned place, int16_t count)
{{
    if (place < GRF_INSOLE_TOLD) {{
        insole.told[place] = count;
    }}
}}

static void send_report(uint32_t now_us, uint16_t counter)
{{
    size_t size = grf_report_encode(&report, bytes, sizeof bytes);
    uint32_t ago_q8 = insole.info.age_q8 - 256u; /* samples before this one, in 1/256 */
    grf_header_t header = {{GRF_TYPE_STANCE, insole.left ? 0 : GRF_FLAG_RIGHT, 0, 0, 0, 0, 0}};
    header.time_us = now_us - (uint32_t)((float)ago_q8 * (1e6f / 256.0f / GRF_{upper}_RATE_HZ));
    header.counter = (uint16_t)(counter - (ago_q8 >> 8));
    for (uint8_t k = 0; k < grf_fragments(size, sizeof packet); ++k) {{
        header.sequence = sequence++;
        insole_send(packet, grf_fragment_encode(&header, stance_id, k, bytes, size, packet, sizeof packet));
    }}
    ++stance_id;
}}

void insole_sample(const grf_sensor_t *sample, uint32_t now_us, uint16_t counter)
{{
    if (grf_insole_push(&grf_{name}_insole, &insole, sample, &report)) {{
        send_report(now_us, counter);
    }}
}}
"""


def _zephyr_main(rate_hz: float) -> str:
    return f"""/* {UNTESTED}
 * Fill in the two places marked; samples have to come at {rate_hz:g} Hz. The model takes longer than a sample: sample
 * from an interrupt or a thread of higher priority into a queue, and empty it here. */
#include <zephyr/kernel.h>

#include "insole.h"

void insole_send(const uint8_t *packet, size_t size)
{{
    (void)packet; /* bt_gatt_notify(NULL, attribute, packet, size) */
    (void)size;
}}

static int read_sample(grf_sensor_t *sample)
{{
    (void)sample; /* 16 cells as the converter counts them, acceleration and angular velocity in the IMU's counts */
    return 0;
}}

int main(void)
{{
    uint16_t counter = 0;
    grf_sensor_t sample;
    if (!insole_begin(1)) {{
        return 1;
    }}
    for (int64_t due = k_uptime_ticks();; ++counter) {{
        due += CONFIG_SYS_CLOCK_TICKS_PER_SEC / {round(rate_hz)};
        k_sleep(K_TIMEOUT_ABS_TICKS(due));
        insole_sample(read_sample(&sample) ? &sample : NULL, k_ticks_to_us_near32((uint32_t)due), counter);
    }}
}}
"""


def _sketch(rate_hz: float) -> str:
    return f"""// {UNTESTED}
// Copy c/ (without test_golden.c), runtime/ and examples/insole/ beside this sketch and fill in read_sample.
extern "C" {{
#include "insole.h"
}}

static grf_sensor_t sample;
static uint32_t due_us;
static uint16_t counter;

extern "C" void insole_send(const uint8_t *packet, size_t size) {{
    Serial.write(packet, size);  // a serial line wants COBS and a CRC around it: see firmware_models/README.md
}}

static bool read_sample(grf_sensor_t *to) {{
    (void)to;  // 16 cells as the converter counts them, acceleration and angular velocity in the IMU's counts
    return false;
}}

void setup() {{
    Serial.begin(460800);
    insole_begin(1);
    due_us = micros();
}}

void loop() {{
    if ((int32_t)(micros() - due_us) < 0) {{
        return;
    }}
    insole_sample(read_sample(&sample) ? &sample : NULL, due_us, counter++);
    due_us += {round(1e6 / rate_hz)};
}}
"""
