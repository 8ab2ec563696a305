"""The examples of the shipped bundles as whoever puts them on a board builds them.

Zephyr's clock and threads, Arduino's printed commands, two bundles in one program.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from firmware_c import need_compiler
from grfkit import wire
from grfkit.deploy import qemu
from grfkit.deploy.golden import read_npz
from grfkit.device.link import Characteristic
from grfkit.device.serial_port import Deframer, framed
from grfkit.embedded.compile import FLAGS, RUNTIME, build_shared, compiler
from grfkit.runtime.bundle_files import read_manifest

SHIPPED = [RUNTIME.parent / name for name in ("bilstm_simulated", "tcn_simulated")]
BUNDLE = SHIPPED[0]
NAME = BUNDLE.name
STRICT = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-pedantic"]
ARM = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-Os", "-ffunction-sections",
       "-fdata-sections", "--specs=picolibc.specs"]  # fmt: skip
ARM_LINK = ["--oslib=semihost", "-Wl,--gc-sections", "-Wl,--defsym=__flash=0", "-Wl,--defsym=__flash_size=4M",
            "-Wl,--defsym=__ram=0x20000000", "-Wl,--defsym=__ram_size=512K"]  # fmt: skip


def run(command: list[object], folder: Path, **more: object) -> subprocess.CompletedProcess[bytes]:
    done = subprocess.run([str(c) for c in command], cwd=folder, capture_output=True, check=False, **more)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr.decode()[:4000]
    return done


def need_arm() -> None:
    lacking = qemu.missing()
    if lacking:
        pytest.skip(lacking)


MEANT = "16 cells as the converter counts them, acceleration and angular velocity in the IMU's counts"
"""What the examples say where a board's sensors are to be read."""
DATA = (Characteristic.SENSOR_DATA, Characteristic.GRF_DATA)


# When samples are due


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory):
    """grf_clock.h, run over many samples."""
    import ctypes

    need_compiler()
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock.c").write_text(r"""
#include "grf_clock.h"
int64_t walk(uint64_t start, uint32_t ticks_per_s, uint32_t rate_mhz, uint64_t samples, uint64_t *last_us);
int64_t walk(uint64_t start, uint32_t ticks_per_s, uint32_t rate_mhz, uint64_t samples, uint64_t *last_us)
{
    grf_pace_t pace;
    uint64_t due = start, low = UINT64_MAX, high = 0, before_us = grf_ticks_us(start, ticks_per_s);
    grf_pace_start(&pace, start, ticks_per_s, rate_mhz);
    for (uint64_t k = 0; k < samples; ++k) {
        due = grf_pace_next(&pace);
        *last_us = grf_ticks_us(due, ticks_per_s);
        low = *last_us - before_us < low ? *last_us - before_us : low;
        high = *last_us - before_us > high ? *last_us - before_us : high;
        before_us = *last_us;
    }
    last_us[1] = low;
    last_us[2] = high;
    return (int64_t)(due - start);
}
uint64_t us(uint64_t ticks, uint32_t ticks_per_s);
uint64_t us(uint64_t ticks, uint32_t ticks_per_s)
{
    return grf_ticks_us(ticks, ticks_per_s);
}
uint64_t widened(uint64_t wide, uint32_t counter);
uint64_t widened(uint64_t wide, uint32_t counter)
{
    return grf_widened(&wide, counter);
}
""")
    library = ctypes.CDLL(str(build_shared([folder / "clock.c"], folder / "clock.so")))
    library.walk.argtypes = [ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p]
    library.walk.restype = ctypes.c_int64
    for name, kinds in (("us", [ctypes.c_uint64, ctypes.c_uint32]), ("widened", [ctypes.c_uint64, ctypes.c_uint32])):
        function = getattr(library, name)
        function.argtypes, function.restype = kinds, ctypes.c_uint64
    return library


@pytest.mark.parametrize("ticks_per_s", [32_768, 10_000, 1_000_000, 24_000_000, 100])
@pytest.mark.parametrize("rate_mhz", [100_000, 200_000, 128_000, 59_940, 100_001])
def test_no_fraction_of_a_tick_is_lost_in_40_hours(clock, ticks_per_s: int, rate_mhz: int) -> None:
    """The due tick of the last of some millions of samples is that of exact fractions; times never jump."""
    samples = 40 * 3600 * rate_mhz // 1000 // 8
    ends = np.zeros(3, np.uint64)
    passed = clock.walk(5, ticks_per_s, rate_mhz, samples, ends.ctypes.data)
    assert passed == samples * ticks_per_s * 1000 // rate_mhz
    exact_us = Fraction(5 + passed, ticks_per_s) * 1_000_000
    assert abs(int(ends[0]) - exact_us) <= Fraction(1, 2)
    period_us, tick_us = Fraction(10**9, rate_mhz), Fraction(10**6, ticks_per_s)
    assert period_us - tick_us - 1 <= int(ends[1]) <= int(ends[2]) <= period_us + tick_us + 1


def test_the_rate_on_a_clock_of_32768_ticks_is_the_models(clock) -> None:
    """36 h at 100 Hz: 12,960,000 samples, not 100.21 a second."""
    ends = np.zeros(3, np.uint64)
    assert clock.walk(0, 32_768, 100_000, 12_960_000, ends.ctypes.data) == 36 * 3600 * 32_768
    assert int(ends[0]) == 36 * 3600 * 1_000_000


@pytest.mark.parametrize("ticks", [0, 1, 2**32 - 1, 2**32, 2**32 + 1, 2**40 + 12_345, 2**45])
def test_ticks_become_microseconds_before_anything_is_cut(clock, ticks: int) -> None:
    for ticks_per_s in (100, 10_000, 32_768, 1_000_000, 168_000_000):
        assert abs(clock.us(ticks, ticks_per_s) - Fraction(ticks * 1_000_000, ticks_per_s)) <= Fraction(1, 2)


def test_a_counter_of_32_bits_is_carried_on(clock) -> None:
    wide = 2**32 - 10
    for step in (4, 4, 4, 2**31, 2**31 - 1, 0):
        now = wide + step
        assert clock.widened(wide, now % 2**32) == now
        wide = now


# Zephyr


KERNEL_H = r"""
#ifndef FAKE_KERNEL_H
#define FAKE_KERNEL_H
#include <stddef.h>
#include <stdint.h>
typedef int64_t k_ticks_t;
typedef struct {
    int64_t ticks;
} k_timeout_t;
struct k_sem {
    int count;
};
struct k_msgq {
    char *held;
    size_t size, room, count;
};
typedef void (*k_entry_t)(void *, void *, void *);
typedef k_entry_t k_tid_t;
extern const k_timeout_t fake_none;
#define K_NO_WAIT fake_none
k_timeout_t fake_timeout(int64_t ticks);
#define K_MSEC(ms) fake_timeout(ms)
#define K_TIMEOUT_ABS_TICKS(t) fake_timeout(t)
#define SYS_FOREVER_MS (-1)
#define K_SEM_DEFINE(name, initial, limit) struct k_sem name = {initial}
#define K_MSGQ_DEFINE(name, bytes, most, align) \
    static char name##_held[(bytes) * (most)];  \
    struct k_msgq name = {name##_held, bytes, most, 0}
#define K_THREAD_DEFINE(name, stack, entry, a, b, c, priority, options, delay)                      \
    typedef char name##_is_started_by_main[(delay) == SYS_FOREVER_MS && (priority) > 0 ? 1 : -1]; \
    k_tid_t name = entry
int64_t k_uptime_ticks(void);
int32_t k_sleep(k_timeout_t until);
int k_sem_take(struct k_sem *sem, k_timeout_t most);
void k_sem_give(struct k_sem *sem);
int k_msgq_put(struct k_msgq *queue, const void *from, k_timeout_t most);
int k_msgq_get(struct k_msgq *queue, void *to, k_timeout_t most);
void k_thread_start(k_tid_t thread);
unsigned int irq_lock(void);
void irq_unlock(unsigned int key);
int harness_send(int characteristic, const uint8_t *value, size_t size);
int harness_sample(void *sample);
#endif
"""
KERNEL_C = r"""
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <zephyr/kernel.h>
#include "insole.h"
typedef enum { AGREED_MTU, WRITTEN, CONFIRMED, DISCONNECTED } event_kind_t;
int board_event(event_kind_t kind, uint16_t number, const uint8_t *value, size_t size);
int board_main(void);
const k_timeout_t fake_none = {0};
static int64_t now;
static long samples, taken, locked;
static ucontext_t board, worker;
static char stack[1 << 17];
k_timeout_t fake_timeout(int64_t ticks)
{
    k_timeout_t made = {ticks};
    return made;
}
int64_t k_uptime_ticks(void)
{
    return now;
}
int k_sem_take(struct k_sem *sem, k_timeout_t most)
{
    (void)most;
    swapcontext(&worker, &board); /* until the main thread sleeps again */
    sem->count = 0;
    return 0;
}
void k_sem_give(struct k_sem *sem)
{
    sem->count = 1;
}
int k_msgq_put(struct k_msgq *queue, const void *from, k_timeout_t most)
{
    (void)most;
    if (queue->count == queue->room) {
        return -1;
    }
    memcpy(queue->held + queue->count++ * queue->size, from, queue->size);
    return 0;
}
int k_msgq_get(struct k_msgq *queue, void *to, k_timeout_t most)
{
    (void)most;
    if (queue->count == 0) {
        return -1;
    }
    memcpy(to, queue->held, queue->size);
    memmove(queue->held, queue->held + queue->size, --queue->count * queue->size);
    return 0;
}
static k_entry_t entry;
static void enter(void)
{
    entry(0, 0, 0);
}
void k_thread_start(k_tid_t thread)
{
    entry = thread;
    getcontext(&worker);
    worker.uc_stack.ss_sp = stack;
    worker.uc_stack.ss_size = sizeof stack;
    makecontext(&worker, enter, 0);
    swapcontext(&board, &worker);
}
unsigned int irq_lock(void)
{
    return (unsigned int)locked++;
}
void irq_unlock(unsigned int key)
{
    if (--locked != (long)key) {
        abort();
    }
}
int harness_send(int characteristic, const uint8_t *value, size_t size)
{
    uint8_t head[3] = {(uint8_t)characteristic, (uint8_t)size, (uint8_t)(size >> 8)};
    if (locked != 0) {
        abort(); /* no radio may be called with interrupts off */
    }
    if (characteristic == GRF_CONTROL_POINT) {
        (void)board_event(CONFIRMED, 0, 0, 0);
    }
    fwrite(head, 1, 3, stdout);
    fwrite(value, 1, size, stdout);
    return 1;
}
int harness_sample(void *sample)
{
    grf_sensor_t *to = sample;
    memset(to, 0, sizeof *to);
    to->cells[0] = (uint16_t)(taken & 0xFFF);
    to->cells[1] = (uint16_t)(taken >> 12);
    ++taken;
    return 1;
}
int32_t k_sleep(k_timeout_t until)
{
    static const uint8_t start[4] = {GRF_START, GRF_STREAM_SENSOR, 100, 0};
    swapcontext(&board, &worker); /* the main thread waits: the worker's turn */
    if (until.ticks < now) {
        abort();
    }
    now = until.ticks;
    if (--samples < 0) {
        exit(0);
    }
    if (taken == 3) {
        (void)board_event(AGREED_MTU, 247, 0, 0);
        (void)board_event(WRITTEN, GRF_CONTROL_POINT, start, sizeof start);
    }
    return 0;
}
int main(int count, char **arguments)
{
    now = count > 2 ? strtoll(arguments[1], 0, 10) : 0;
    samples = count > 2 ? strtol(arguments[2], 0, 10) : 0;
    return board_main();
}
"""


def zephyr_program(folder: Path, ticks_per_s: int) -> Path:
    """Return the Zephyr example on a fake kernel, its two marked places filled in."""
    cc = compiler()
    assert cc is not None
    text = (BUNDLE / "examples/zephyr_insole/main.c").read_text()
    sensors = f"(void)sample; /* {MEANT} */\n    return 0;"
    radio = re.search(r"    \(void\)characteristic; /\*.*?    return 0;", text, re.DOTALL)
    assert sensors in text
    assert radio is not None
    text = text.replace(sensors, "return harness_sample(sample);")
    text = text.replace(radio[0], "    return harness_send((int)characteristic, value, size);")
    (folder / "zephyr").mkdir(exist_ok=True)
    (folder / "zephyr" / "kernel.h").write_text(KERNEL_H)
    (folder / "kernel.c").write_text(KERNEL_C)
    (folder / "main.c").write_text(text)
    include = [f"-I{folder}", *(f"-I{BUNDLE / p}" for p in ("examples/insole", "c", "runtime"))]
    tick = f"-DCONFIG_SYS_CLOCK_TICKS_PER_SEC={ticks_per_s}"
    run([cc, *STRICT, *include, tick, "-Dmain=board_main", "-c", "main.c", "-o", "main.o"], folder)
    sources = [BUNDLE / "examples/insole/insole.c", BUNDLE / f"c/{NAME}.c", BUNDLE / f"c/{NAME}_config.c"]
    sources += sorted((BUNDLE / "runtime").glob("*.c"))
    run([cc, "-std=gnu99", "-O1", *include, tick, "kernel.c", "main.o", *sources, "-o", f"board_{ticks_per_s}"], folder)
    return folder / f"board_{ticks_per_s}"


@pytest.mark.parametrize("ticks_per_s", [32_768, 10_000, 1_000_000])
def test_the_zephyr_example_samples_at_the_models_rate_and_its_time_goes_on(tmp_path: Path, ticks_per_s: int) -> None:
    """Across 2^32 ticks (36 h of a 32,768 Hz clock) and across 2^32 us: the time of every packet, by fractions."""
    need_compiler()
    program = zephyr_program(tmp_path, ticks_per_s)
    for ticks in (2**32, 2**32 * ticks_per_s // 1_000_000):
        begun = ticks - 5 * ticks_per_s
        rest, packets = run([program, begun, 1_500], tmp_path).stdout, []
        while rest:
            size = int.from_bytes(rest[1:3], "little")
            packets += [wire.SensorPacket.from_bytes(rest[3 : 3 + size])] if rest[0] == 4 else []
            rest = rest[3 + size :]
        assert len(packets) >= 298
        taken = [int(p.cells[0, 0]) + 4096 * int(p.cells[0, 1]) for p in packets]
        assert np.diff(taken).tolist() == [5] * (len(packets) - 1), "no sample is left out"
        for number, packet in zip(taken, packets):
            # sample number n is the (n + 1)th that was due
            due = begun + (number + 1) * ticks_per_s // 100
            exact_us = Fraction(due * 1_000_000, ticks_per_s)
            off = (packet.header.time_us - exact_us) % 2**32
            assert min(off, 2**32 - off) <= Fraction(1, 2)
        steps = np.diff([p.header.time_us for p in packets]).astype(np.int64) % 2**32
        assert np.abs(steps - 50_000).max() <= 1_000_000 / ticks_per_s + 1


# Arduino


ARDUINO_H = r"""
#ifndef Arduino_h
#define Arduino_h
#include <stddef.h>
#include <stdint.h>
#include <string.h>
unsigned long micros();
void delay(unsigned long ms);
struct Line {
    void begin(unsigned long baud);
    int available();
    int read();
    size_t write(uint8_t byte);
    size_t write(const uint8_t *bytes, size_t size);
    void print(const char *text);
    void print(unsigned long number);
    void println(const char *text);
};
extern Line Serial;
void setup();
void loop();
#endif
"""
ARDUINO_CPP = r"""
#include <Arduino.h>
Line Serial;
unsigned long micros() { static uint32_t now = 4294960000u; return now += 300; }
void delay(unsigned long) {}
void Line::begin(unsigned long) {}
#ifdef ON_HOST
#include <stdio.h>
int Line::available() { int byte = getchar(); if (byte == EOF) { return 0; } ungetc(byte, stdin); return 1; }
int Line::read() { return getchar(); }
size_t Line::write(uint8_t byte) { return fwrite(&byte, 1, 1, stdout); }
size_t Line::write(const uint8_t *bytes, size_t size) { return fwrite(bytes, 1, size, stdout); }
int main() { setup(); for (long k = 0; k < 400000; ++k) { loop(); } return 0; }
#else
int Line::available() { return 0; }
int Line::read() { return 0; }
size_t Line::write(uint8_t) { return 1; }
size_t Line::write(const uint8_t *, size_t size) { return size; }
int main() { setup(); for (;;) { loop(); } }
#endif
void Line::print(const char *) {}
void Line::print(unsigned long) {}
void Line::println(const char *) {}
"""


def sketch_of(bundle: Path, kind: str, folder: Path) -> Path:
    """Return the sketch's folder, made by the commands that its own comment prints, typed in a copy of the bundle."""
    copy = folder / bundle.name
    shutil.copytree(bundle, copy)
    text = (copy / "examples" / "arduino" / kind / f"{kind}.ino").read_text()
    commands = re.findall(r"^//   (.*)$", text, re.MULTILINE)
    assert commands[-1].startswith("arduino-cli compile ")
    assert len(commands) >= 3
    for command in commands[:-1]:
        run(["sh", "-ec", command], copy)
    return copy / commands[-1].split()[-1]


def arduino_build(sketch: Path, cc: list[str], cxx: list[str], link: list[str]) -> Path:
    """Return a sketch built as arduino-cli does: one flat folder, the .ino as C++ with Arduino.h before it."""
    (sketch / "Arduino.h").write_text(ARDUINO_H)
    (sketch / "core.cpp").write_text(ARDUINO_CPP)
    (sketch / "sketch.ino.cpp").write_text(f"#include <Arduino.h>\n{(sketch / f'{sketch.name}.ino').read_text()}")
    assert not [p for p in sketch.iterdir() if p.is_dir()]
    for source in sorted(sketch.glob("*.c")):
        run([*cc, "-std=gnu11", "-I.", "-c", source.name, "-o", f"{source.name}.o"], sketch)
    for source in sorted(sketch.glob("*.cpp")):
        flags = ["-std=gnu++17", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-nostdinc++"]
        run([*cxx, *flags, "-I.", "-c", source.name, "-o", f"{source.name}.o"], sketch)
    objects = [p.name for p in sorted(sketch.glob("*.o"))]
    run([*cc, *objects, *link, "-o", "program"], sketch)
    return sketch / "program"


@pytest.mark.parametrize(("bundle", "ending"), [(SHIPPED[0], "_insole"), (SHIPPED[1], "")], ids=["insole", "golden"])
def test_a_sketch_compiles_for_a_cortex_m4_by_the_commands_it_prints(bundle: Path, ending: str, tmp_path: Path) -> None:
    need_arm()
    sketch = sketch_of(bundle, f"{bundle.name}{ending}", tmp_path)
    warned = ["-Wall", "-Wextra", "-Werror"]
    program = arduino_build(
        sketch, ["arm-none-eabi-gcc", *ARM, *warned], ["arm-none-eabi-g++", *ARM, *warned], ARM_LINK
    )
    symbols = run(["arm-none-eabi-nm", program.name], sketch).stdout.decode()
    assert f"grf_{bundle.name}" in symbols


def test_the_serial_sketch_answers_a_host_and_sends_every_stance(tmp_path: Path) -> None:
    """On this machine, its sensors the made-up foot: Info, START, samples in order, golden bytes of each stance."""
    need_compiler()
    if shutil.which("g++") is None:
        pytest.skip("no C++ compiler (g++)")
    sketch = sketch_of(BUNDLE, f"{NAME}_insole", tmp_path)
    ino = sketch / f"{NAME}_insole.ino"
    marked = f"    (void)to;  // {MEANT}\n    return false;\n"
    text = ino.read_text()
    assert marked in text
    text = text.replace(marked, f"    static uint32_t k = 0;\n    return grf_{NAME}_golden_foot(k++, to) != 0;\n")
    ino.write_text(text.replace('#include "insole.h"\n', f'#include "insole.h"\n#include "{NAME}_golden_foot.h"\n', 1))
    program = arduino_build(sketch, ["gcc", "-O1"], ["g++", "-O1", "-DON_HOST"], ["-lm"])
    start = wire.Start(wire.Stream.SENSOR | wire.Stream.STANCE, 100)
    time = wire.TimeRequest(1, 77)
    asked = [bytes([2]), bytes([6]) + time.to_bytes(), bytes([3]) + start.to_bytes()]
    done = run([program], sketch, input=b"\0noise\0" + b"".join(map(framed, asked)))
    found = [value if what in DATA else bytes([what]) + value for what, value in Deframer().feed(done.stdout)]
    told, golden = read_manifest(BUNDLE), read_npz((BUNDLE / "golden.npz").read_bytes())
    assert found[0] == bytes([2]) + wire.Info(0, model_id=told.model_id).to_bytes()
    replies = [wire.TimeReply.from_bytes(f[1:]) for f in found if f[0] == 6]
    assert [(r.id, r.t1_us) for r in replies] == [(1, 77)]
    (answer,) = [wire.Answer.from_bytes(f[1:]) for f in found if f[0] == 3]
    assert wire.Running.from_bytes(answer.payload).samples_per_packet == 5
    sensor = [wire.SensorPacket.from_bytes(f) for f in found if f[0] == 0x11]
    samples = sum(p.header.count for p in sensor)
    assert samples > 900
    times = np.concatenate([p.header.time_us + 10_000 * np.arange(p.header.count) for p in sensor])
    counters = np.concatenate([p.header.counter + np.arange(p.header.count) for p in sensor])
    assert np.diff(counters).min() == 1
    assert ((np.diff(times) - 10_000 * np.diff(counters)) % 2**32 == 0).all(), "across the end of 32 bits too"
    stances = [f for f in found if f[0] == 0x13]
    reports = [wire.joined([wire.Fragment.from_bytes(p) for p in stances[k : k + 2]]) for k in range(0, 16, 2)]
    order = [[a.name for a in told.axes].index(n) for n in wire.FORCES]
    for report, output in zip(reports, golden["foot_output"]):
        assert report is not None
        assert (report.curve == output[:, order]).all()


# Two bundles in one program


BOTH = r"""
#include <stdio.h>
#include <stdlib.h>
#include "bilstm_simulated.h"
#include "bilstm_simulated_config.h"
#include "bilstm_simulated_golden.h"
#include "bilstm_simulated_golden_foot.h"
#include "tcn_simulated.h"
#include "tcn_simulated_config.h"
#include "tcn_simulated_golden.h"
#include "tcn_simulated_golden_foot.h"
int grf_bilstm_simulated_golden(void);
int grf_tcn_simulated_golden(void);
int main(void)
{
    int wrong = grf_bilstm_simulated_golden() + grf_tcn_simulated_golden();
    printf("%d wrong, first raw %d and %d, %d and %d arrays of the foot\n", wrong,
           grf_bilstm_simulated_golden_raw[0][0], grf_tcn_simulated_golden_raw[0][0],
           (int)(sizeof grf_bilstm_simulated_golden_foot_input / 4),
           (int)(sizeof grf_tcn_simulated_golden_foot_input / 4));
    exit(wrong);
}
"""


def both_sources(folder: Path) -> list[Path]:
    (folder / "both.c").write_text(BOTH)
    return [
        folder / "both.c",
        *sorted(SHIPPED[0].glob("runtime/*.c")),
        *(p for b in SHIPPED for p in sorted(b.glob("c/*.c"))),
    ]


BOTH_INCLUDE = [f"-I{b / p}" for b in SHIPPED for p in ("c", "runtime")]
BOTH_SAY = [
    "bilstm_simulated: 8 stances of the made-up foot, every byte equal",
    "bilstm_simulated: 8 golden windows, every byte equal",
    "tcn_simulated: 8 stances of the made-up foot, every byte equal",
    "tcn_simulated: 8 golden windows, every byte equal",
]


def test_two_bundles_run_in_one_program(tmp_path: Path) -> None:
    """Headers of both in one file, C of both with one runtime, each walked through its golden windows and its foot."""
    need_compiler()
    warned = [f for f in FLAGS if f != "-O2"]
    unused = ["-Wno-unused-function", "-Wno-unused-variable", "-Wno-unused-const-variable"]
    run([str(compiler()), *warned, *unused, "-O1", *BOTH_INCLUDE, *both_sources(tmp_path), "-o", "both"], tmp_path)
    lines = run([tmp_path / "both"], tmp_path).stdout.decode().splitlines()
    assert lines[:4] == BOTH_SAY
    firsts = [int(np.load(b / "golden.npz")["raw"].flat[0]) for b in SHIPPED]
    assert lines[4] == f"0 wrong, first raw {firsts[0]} and {firsts[1]}, 8 and 8 arrays of the foot"


def test_two_bundles_run_in_one_program_on_a_board(tmp_path: Path) -> None:
    need_arm()
    board = qemu.BOARDS["m4f"]
    run(["arm-none-eabi-gcc", *board.cpu, "-O2", "-ffunction-sections", "-fdata-sections", "--specs=picolibc.specs",
         *BOTH_INCLUDE, *both_sources(tmp_path), *ARM_LINK, "-o", "both.elf"], tmp_path)  # fmt: skip
    lines = qemu._printed(board, tmp_path / "both.elf", 120.0).splitlines()
    assert lines[:4] == BOTH_SAY
    assert lines[4].startswith("0 wrong,")


def test_the_libraries_of_two_bundles_link_whole(tmp_path: Path) -> None:
    """make lib of both, every object taken: nothing is there twice but the runtime, which is a library of its own."""
    need_compiler()
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    libraries = []
    for bundle in SHIPPED:
        copy = tmp_path / bundle.name
        shutil.copytree(bundle, copy)
        run(["make", "-s", "CFLAGS=-O0", "lib"], copy)
        libraries.append(copy / "build" / f"lib{bundle.name}.a")
    (tmp_path / "main.c").write_text("int main(void)\n{\n    return 0;\n}\n")
    runtime = tmp_path / NAME / "build" / "libgrf_runtime.a"
    whole = ["-Wl,--whole-archive", *libraries, runtime, "-Wl,--no-whole-archive"]
    run([str(compiler()), "main.c", *whole, "-o", "both"], tmp_path)


def test_cmake_takes_two_bundles_into_one_project(tmp_path: Path) -> None:
    need_compiler()
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    (tmp_path / "both.c").write_text(BOTH)
    goldens = " ".join(f"{b}/c/{b.name}_golden.c" for b in SHIPPED)
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(both C)\n"
        + "".join(f"add_subdirectory({b} {b.name})\n" for b in SHIPPED)
        + f"add_executable(both both.c {goldens})\n"
        + f"target_link_libraries(both {' '.join('grf_' + b.name for b in SHIPPED)})\n"
    )
    run(["cmake", "-S", ".", "-B", "build"], tmp_path)
    run(["cmake", "--build", "build"], tmp_path)
    assert run([tmp_path / "build" / "both"], tmp_path).stdout.decode().splitlines()[:4] == BOTH_SAY


def test_a_bundle_of_another_runtime_refuses_to_be_compiled(tmp_path: Path) -> None:
    """Structures of another layout would be read wrongly in silence."""
    need_compiler()
    shutil.copytree(BUNDLE, tmp_path / "b")
    header = tmp_path / "b" / "runtime" / "grf_model.h"
    header.write_text(re.sub(r"#define GRF_RUNTIME \d+", "#define GRF_RUNTIME 1", header.read_text()))
    done = subprocess.run(
        [str(compiler()), "-Iruntime", "-c", f"c/{NAME}.c", "-o", "x.o"],
        cwd=tmp_path / "b", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "export the bundles of a program with one grfkit" in done.stderr
