"""A bundle's own C from an insole's samples to packets, against the virtual insole."""

from __future__ import annotations

import re
import struct
import subprocess
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from firmware_c import need_compiler
from grfkit import wire
from grfkit.deploy import qemu, verify
from grfkit.deploy.bundle_texts import bundle_texts, c_texts
from grfkit.deploy.golden import read_npz
from grfkit.deploy.manifest import _as_written
from grfkit.deploy.verify_files import OpenedBundle
from grfkit.embedded.compile import RUNTIME, compiler
from grfkit.embedded.insole import insole_reason
from grfkit.embedded.made_up_foot import foot_of, made_up_foot
from grfkit.errors import RefusedError
from grfkit.estimation.open_model import read_spec
from grfkit.runtime.bundle_files import read_manifest
from grfkit.runtime.manifest import Detector
from grfkit.virtual.source import SampleSource
from grfkit.virtual.stance import OnDeviceRun
from grfkit.wire import SettingKey
from insole_bundles import Made, write

STRICT = [
    "-std=c99",
    "-O1",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wconversion",
    "-Wshadow",
    "-Wstrict-prototypes",
    "-pedantic",
]
DRIVER = r"""
#include <stdio.h>
#include "insole.h"
int insole_send(grf_characteristic_t characteristic, const uint8_t *packet, size_t size)
{
    uint8_t head[2] = {(uint8_t)(size & 0xFFu), (uint8_t)(size >> 8)};
    if (characteristic == GRF_GRF_DATA) {
        (void)fwrite(head, 1, 2, stdout);
        (void)fwrite(packet, 1, size, stdout);
    }
    return 1;
}
uint32_t insole_now_us(void)
{
    return 0;
}
uint32_t insole_lock(void)
{
    return 0;
}
void insole_unlock(uint32_t key)
{
    (void)key;
}
int main(int count, char **arguments)
{
    uint8_t missed;
    grf_sensor_t sample;
    const uint8_t set[6] = {GRF_SET, GRF_SET_MASS, 0x8F, 0x19, 0, 0}; /* 65.43 kg */
    const uint8_t start[4] = {GRF_START, GRF_STREAM_STANCE, 100, 0};
    (void)arguments;
    if (!insole_begin(count > 1)) {
        return 1;
    }
    insole_mtu(247);
    insole_written(GRF_CONTROL_POINT, set, sizeof set, 0);
    insole_written(GRF_CONTROL_POINT, start, sizeof start, 0);
    insole_delivered();
    for (uint32_t k = 0; fread(&missed, 1, 1, stdin) == 1; ++k) {
        if (fread(sample.cells, 2, 16, stdin) != 16 || fread(sample.imu, 2, 6, stdin) != 6) {
            return 2;
        }
        if (insole_sample(missed ? 0 : &sample, 50000000u + k * 10000u) && insole_work()) {
            return 3;
        }
    }
    return 0;
}
"""
SETTINGS = [
    {"relative": True, "lowpass_hz": 20.0},
    {"relative": True, "lowpass_hz": 0.0, "masks": True},
    {"relative": False, "lowpass_hz": 15.0},
    {"relative": False, "lowpass_hz": 0.0},
    {"relative": True, "lowpass_hz": 20.0, "points": True},
]


@pytest.fixture(scope="module", params=range(len(SETTINGS)), ids=["both", "levels", "lowpass", "neither", "points"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    return write(tmp_path_factory.mktemp("bundle"), **SETTINGS[request.param])


def _make(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "-s", "CFLAGS=-O1", "test"], cwd=folder, capture_output=True, text=True, check=False)


def test_a_bundles_own_test_walks_from_samples_to_int8_out(bundle: Made) -> None:
    ran = _make(bundle.folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = re.search(r"(\d+) stances of the made-up foot, every byte equal", ran.stdout)
    assert found is not None
    relative = bundle.manifest.cells == "relative"
    assert 5 <= int(found[1]) <= (9 if relative else 13), "faint ones and those before the third step are no answers"


def test_a_changed_setting_fails_a_bundles_own_test(tmp_path: Path) -> None:
    made = write(tmp_path)
    source = tmp_path / "c" / f"{made.manifest.name}_config.c"
    text = source.read_text()
    changes = {
        "faint_percent = 40": "faint_percent = 5",
        "least_steps = 3": "least_steps = 4",
        "pad = 15, .channels = ": "pad = 15, .channels = 1 + ",
        "unloaded_percent = 2": "unloaded_percent = 1",
        ".steps = 25": ".steps = 2",
    }
    for field, said in changes.items():
        assert field in text
        source.write_text(text.replace(field, said))
        ran = _make(tmp_path)
        assert ran.returncode != 0, said
        assert "the made-up foot: " in ran.stdout + ran.stderr
    source.write_text(text)
    assert _make(tmp_path).returncode == 0


def _packets(made: Made, cells: np.ndarray, imu: np.ndarray, missed: np.ndarray, *, left: bool) -> list[bytes]:
    """Return the packets that the example sends of samples."""
    need_compiler()
    folder = made.folder
    (folder / "driver.c").write_text(DRIVER)
    program = folder / "driver"
    if not program.is_file():
        sources = ["driver.c", "examples/insole/insole.c", *(str(p) for p in folder.glob("runtime/grf_*.c"))]
        sources += [f"c/{made.manifest.name}.c", f"c/{made.manifest.name}_config.c"]
        include = [f"-I{folder / p}" for p in ("c", "runtime", "examples/insole")]
        command = [str(compiler()), *STRICT, *include, *sources, "-o", str(program)]
        built = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert built.returncode == 0, built.stderr
    stream = b"".join(
        bytes([int(gone)]) + a.astype("<u2").tobytes() + b.astype("<i2").tobytes()
        for gone, a, b in zip(missed, cells, imu)
    )
    ran = subprocess.run([str(program), *(["left"] if left else [])], input=stream, capture_output=True, check=False)
    assert ran.returncode == 0
    packets, rest = [], ran.stdout
    while rest:
        (size,) = struct.unpack_from("<H", rest)
        packets.append(rest[2 : 2 + size])
        rest = rest[2 + size :]
    return packets


def _virtual(made: Made, cells: np.ndarray, imu: np.ndarray, *, left: bool) -> list[tuple[float, wire.StanceReport]]:
    """Return what the virtual insole answers to the same samples."""
    source = SampleSource("left" if left else "right", 100.0, cells, imu)
    maker = SimpleNamespace(
        bundle=SimpleNamespace(manifest=made.manifest, engine=made.library), detector=made.manifest.detector
    )
    return OnDeviceRun(maker, source, 100, {SettingKey.MASS: 65.43}).push(cells, imu)  # type: ignore[arg-type]


def _foot(seed: int, count: int = 1200) -> tuple[np.ndarray, np.ndarray]:
    """Return steps of changing length and load at 100 Hz, faint ones among them, and cells that rest and stick."""
    rng = np.random.default_rng(seed)
    load = np.zeros(count)
    at = 40
    while at < count - 90:
        lasts, strength = int(rng.integers(22, 40)), rng.choice([1.0, 0.8, 0.15], p=[0.5, 0.35, 0.15])
        load[at : at + lasts] = strength * np.sin(np.pi * np.arange(lasts) / lasts)
        at += lasts + int(rng.integers(35, 55))
    gain, level = rng.uniform(200, 900, 16), rng.uniform(0, 300, 16)
    gain[5], level[9] = 0.0, 50000.0
    cells = level + gain * load[:, None] + rng.uniform(0, 6, (count, 16))
    imu = 3000 * rng.standard_normal((count, 6)).cumsum(axis=0) / 8
    return np.rint(cells).astype(np.uint16), np.clip(imu, -32768, 32767).astype(np.int16)


@pytest.mark.parametrize("left", [True, False])
def test_the_example_sends_what_the_virtual_insole_answers(bundle: Made, left: bool) -> None:
    """Report by report: every byte but the four features, which C rounds in single precision, within one."""
    cells, imu = _foot(7 + left)
    packets = _packets(bundle, cells, imu, np.zeros(len(cells), dtype=bool), left=left)
    due = _virtual(bundle, cells, imu, left=left)
    assert len(due) >= 6
    reports: dict[int, bytes] = {}
    for number, packet in enumerate(packets):
        header = wire.PacketHeader.from_bytes(packet)
        assert header.sequence == number
        assert bool(packet[1] & 1) == (not left)
        (stance,) = struct.unpack_from("<H", packet, 12)
        reports[stance] = reports.get(stance, b"") + packet[16:]
        start = due[stance][0]
        assert abs(header.time_us - (50_000_000 + start * 10_000)) <= 2
    assert sorted(reports) == list(range(len(due)))
    for (_, report), content in zip(due, reports.values()):
        expected = report.to_bytes()
        assert content[:10] + content[18:] == expected[:10] + expected[18:]
        apart = np.frombuffer(content[10:18], "<i2") - np.frombuffer(expected[10:18], "<i2").astype(int)
        assert np.abs(apart).max() <= 1
    curves = np.asarray([report.curve for _, report in due])
    assert len(np.unique(curves, axis=0)) > 3, "stances are told apart"


def test_missed_samples_are_repeated_and_gaps_lose_the_contact(bundle: Made) -> None:
    cells, imu = _foot(3)
    whole = _packets(bundle, cells, imu, np.zeros(len(cells), dtype=bool), left=True)
    single = np.zeros(len(cells), dtype=bool)
    single[37::71] = True
    some = _packets(bundle, cells, imu, single, left=True)
    assert len(some) == len(whole)
    assert some != whole
    gap = np.zeros(len(cells), dtype=bool)
    for k in range(12, len(gap), 35):
        gap[k : k + 6] = True
    assert len(_packets(bundle, cells, imu, gap, left=True)) < len(whole)


def test_the_header_says_in_words_and_numbers_what_a_device_does(tmp_path: Path) -> None:
    made = write(tmp_path)
    header = (tmp_path / "c" / "foot_net_config.h").read_text()
    told = ("percentile 2 of the last 30 s", "last 25 contacts", "before 3;", "below 40 % of", "zero-lag low-pass")
    for words in (*told, "told[]: mass_kg", "100 Hz"):
        assert words in header
    source = (tmp_path / "c" / "foot_net_config.c").read_text()
    assert ".blocks = 6, .lowest = 7" in source
    sketch = tmp_path / "examples" / "arduino" / "foot_net_insole" / "foot_net_insole.ino"
    assert "insole_sample(" in sketch.read_text()
    assert "Untested" in (tmp_path / "examples" / "zephyr_insole" / "main.c").read_text()
    assert insole_reason(made.manifest) is None


def test_a_bundle_that_no_insole_can_run_says_why_and_has_no_example(tmp_path: Path) -> None:
    made = write(tmp_path)
    made.manifest.columns = (made.manifest.columns[0].model_copy(update={"name": "cop_y", "unit": "m"}),)
    golden = {"raw": np.zeros((1, 2, 1)), "input_int8": np.zeros((1, 2, 1)), "output_int8": np.zeros((1, 2, 3)),
              "force": np.zeros((1, 2, 3))}  # fmt: skip
    files = c_texts(made.manifest, golden, [])
    assert "it takes 'cop_y' in m" in files["c/foot_net_config.h"]
    assert not any("insole" in path for path in files)


def test_the_made_up_foot_is_a_foot() -> None:
    cells, imu, missed = made_up_foot(100.0)
    assert cells.shape == (980, 16)
    assert (cells[:, -1] == 40000).all()
    load = cells[:, :-1].sum(axis=1).reshape(14, 70)
    strength = load.max(axis=1) - load.min(axis=1)
    assert (strength[[4, 9]] < 0.4 * np.median(strength)).all()
    assert missed.sum() == 16
    assert np.abs(imu).max() < 4096


@pytest.mark.parametrize("board", ["m4f", "m3"])
def test_a_board_walks_from_samples_to_reports_as_this_machine_does(tmp_path: Path, board: str) -> None:
    lacking = qemu.missing()
    if lacking:
        pytest.skip(lacking)
    made = write(tmp_path)
    found = qemu.walk_on_board(tmp_path, made.manifest.name, board)
    assert found.wrong == 0
    assert found.answered == len(re.findall("0x", _foot_hashes(tmp_path)))
    assert found.answered >= 5
    assert found.sample_instructions < 3_000
    assert found.event_instructions < 30_000
    assert found.cut_instructions < 200_000
    assert found.cut_instructions < found.window_instructions < 250_000
    assert found.stack_bytes < 800
    source = tmp_path / "c" / f"{made.manifest.name}_config.c"
    source.write_text(source.read_text().replace("faint_percent = 40", "faint_percent = 5"))
    assert qemu.walk_on_board(tmp_path, made.manifest.name, board).wrong > 0


def _foot_hashes(folder: Path) -> str:
    (line,) = re.findall(r"golden_foot_input\[.*", (folder / "c" / "foot_net_golden_foot.h").read_text())
    return str(line)


def test_verify_walks_the_foot_and_takes_older_bundles_as_they_were_written(tmp_path: Path) -> None:
    made = write(tmp_path)
    golden = foot_of(made.manifest, made.library)
    told = OpenedBundle(tmp_path, made.manifest, None, None, golden)  # type: ignore[arg-type]
    assert "8 stances of the made-up foot" in verify._foot(told)
    golden["foot_input"][3, 7, 2] ^= 1
    with pytest.raises(RefusedError, match="foot_input is not what"):
        verify._foot(told)
    assert verify._foot(replace(told, golden={})) == ""
    whole = made.manifest.detector
    before = whole.model_copy(update={"levels": None, "lowpass": None})
    assert before == Detector.model_validate(whole.model_dump(exclude={"levels", "lowpass"}))
    assert _as_written(whole, before) == before
    assert _as_written(whole, whole) == whole
    wrong = whole.model_copy(update={"levels": {**whole.levels, "steps": 9}})
    assert _as_written(whole, wrong) != wrong


def test_card_and_readme_say_what_a_device_takes_for_steps() -> None:
    folder = RUNTIME.parent / "bilstm_simulated"
    told, golden = read_manifest(folder), read_npz((folder / "golden.npz").read_bytes())
    texts = bundle_texts(told, read_spec(folder / "model.json"), golden, [])
    assert "median peak of the last 25 contacts, answers nothing before 3" in texts["CARD.md"]
    assert "examples/insole/insole.c" in texts["README.md"]
    continuous = told.model_copy(update={"window": "continuous"})
    texts = bundle_texts(continuous, read_spec(folder / "model.json"), golden, [])
    assert "windows of 'continuous'" in texts["README.md"]
