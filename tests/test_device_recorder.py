"""The recorder and its files: nothing lost but the last second, nothing taken for whole that is not."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit.device.link import Characteristic, Exchange, ReceivedPacket
from grfkit.device.recorder import Recorder
from grfkit.errors import BadInputError
from grfkit.formats import grfrec
from grfkit.formats.grfrec import Kind, Record, RecordFile
from grfkit.io import read
from grfkit.io.inspect import inspect
from grfkit.wire import Info, Running
from live_files import PERIOD_US, UNIX_NS, Insole, write_recording

RNG = np.random.default_rng(11)
COUNTS = RNG.integers(0, 4096, (12000, 16))
IMU = RNG.integers(-32768, 32768, (12000, 6))


def arrived(k: int) -> ReceivedPacket:
    return ReceivedPacket(bytes([k & 0xFF]) * 232, Characteristic.SENSOR_DATA, 1000 + k, 1)


def test_what_was_recorded_is_read_verbatim(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    with Recorder(path) as recorder:
        recorder.begin(3, connection=2, address="AA", info=Info(1), running=Running(7, 5, 200, 5000), started_ns=99)
        for k in range(300):
            recorder.packet(3, arrived(k))
        recorder.synced(3, Exchange(10**15, 2**32 - 1, 0, 10**15 + 7))
        recorder.mark("start")
        recorder.note("wet shoe, größer")
        recorder.tare(3)
        recorder.end(3, "link loss")
    file = RecordFile(path)
    records = list(file)
    assert file.unread == 0
    kinds = [Kind(r.kind).name for r in records]
    assert kinds == ["CLOCK_PAIR", "BEGIN", *["PACKET"] * 300, "TIME_SYNC", "MARK", "NOTE", "TARE", "END", "CLOCK_PAIR"]
    assert [(r.body, r.arrival_ns, r.device) for r in records[2:302]] == [
        (b"\x04" + bytes([k & 0xFF]) * 232, 1000 + k, 3) for k in range(300)
    ]
    assert grfrec.sync_of(records[302]) == (10**15, 2**32 - 1, 0, 10**15 + 7)
    assert records[304].text == "wet shoe, größer"
    begin = grfrec.Begin.from_bytes(records[1].body)
    assert (begin.side, begin.cfg_id, begin.period_us, begin.started_ns) == (1, 7, 5000, 99)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    insole = Insole(0, 0.0, 0, 0)
    path = tmp_path_factory.mktemp("rec") / "whole.grfrec"
    return write_recording(path, [insole.begin(), *insole.packets(COUNTS[:200], IMU[:200], frozenset())])


@given(st.data())
def test_a_file_cut_anywhere_gives_all_that_is_whole(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(8, len(whole)))
    path = tmp_path_factory.getbasetemp() / "cut.grfrec"
    path.write_bytes(whole[:cut])
    file = RecordFile(path)
    records = list(file)
    size = 8 + sum(len(r.to_bytes()) for r in records)
    assert file.unread == cut - size
    assert b"".join([whole[:8], *(r.to_bytes() for r in records)]) == whole[:size]
    path.write_bytes(whole)
    following = list(RecordFile(path))[len(records) : len(records) + 1]
    assert not following or size + len(following[0].to_bytes()) > cut


@given(st.data())
def test_a_flipped_bit_ends_the_file_before_its_record(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    bit = data.draw(st.integers(64, 8 * len(whole) - 1))
    broken = bytearray(whole)
    broken[bit // 8] ^= 1 << bit % 8
    path = tmp_path_factory.getbasetemp() / "flipped.grfrec"
    path.write_bytes(broken)
    file = RecordFile(path)
    records = list(file)
    assert len(whole) - file.unread <= bit // 8
    assert file.unread > 0
    assert b"".join(r.to_bytes() for r in records) == whole[8 : len(whole) - file.unread]


def test_a_recording_becomes_streams_on_the_host_s_time(tmp_path: Path) -> None:
    """Two feet, 60 s, +30 and -25 ppm, the left clock wraps, the right reconnects; packets lost at known places."""
    left = Insole(0, 30.0, 2**32 - 20_000_000, 0, start_s=0.5)
    right = Insole(1, -25.0, 77_000_000, 1, start_s=0.7)
    again = Insole(1, -25.0, 77_000_000 + 31_500_000, 1, start_s=0.7 + 31.5 * (1 - 25e-6), connection=2)
    lost = frozenset({0, 1, 40, 41, 42, 900})
    records = [left.begin(), right.begin(), *left.packets(COUNTS, IMU, lost), *left.syncs(60)]
    records += [*right.packets(COUNTS[:6000], IMU[:6000], frozenset()), *right.syncs(25)]
    records += [again.begin(), *again.packets(COUNTS[6300:11000], IMU[6300:11000], frozenset()), *again.syncs(20)]
    path = tmp_path / "two.grfrec"
    write_recording(path, records)
    recording = read(path)
    assert set(recording.streams) == {"insole_left", "imu_left", "insole_right", "imu_right"}
    insole, imu = recording.streams["insole_left"], recording.streams["imu_left"]
    first = float(recording.tree.attrs["first_stamp_s"])
    assert recording.tree.attrs["t0_unix_s"] == pytest.approx(UNIX_NS * 1e-9 + first)
    due = np.full((12000, 16), np.nan)
    for k in range(2400):
        if k not in lost:
            due[5 * k : 5 * k + 5] = COUNTS[5 * k : 5 * k + 5]
    cells = np.stack([insole[f"cell_{k:02d}"].values for k in range(1, 17)], axis=1)
    assert np.array_equal(cells, due[10:], equal_nan=True)
    assert insole["cell_01"].attrs["units"] == "count"
    assert insole.attrs["adc_bits"] == 12
    assert insole.attrs["missing_samples"] == 20
    assert insole.attrs["gaps"] == 2
    assert np.nanmax(np.abs(insole["time"].values + first - left.true_s(np.arange(10, 12000)))) < 2e-4
    steps = np.diff(insole["time_raw"].values)
    assert np.allclose(steps[np.isfinite(steps)], PERIOD_US * 1e-6)
    scaled = IMU[10:, [0, 3]] / 32768 * [16 * 9.80665, 2000 * np.pi / 180]
    there = np.isfinite(imu["acc_x"].values)
    assert np.allclose(imu["acc_x"].values[there], scaled[there, 0])
    assert np.allclose(imu["gyro_x"].values[there], scaled[there, 1])
    other = recording.streams["insole_right"]
    assert other.attrs["missing_samples"] == 300, "over a reconnection the gap is known to the sample"
    assert other.sizes["time"] == 11000
    wrong_s = np.abs(other["time"].values + first - right.true_s(np.arange(11000)))
    assert wrong_s.max() < 25e-6 * 21, "no drift is fitted to a session of half a minute"
    assert other.attrs["clock"] == insole.attrs["clock"] == "host"
    sessions = json.loads(recording.tree.attrs["sessions"])
    assert [s["connection"] for s in sessions] == [1, 1, 2]
    assert sessions[0]["counts"]["packets_lost"] == 6
    assert any("6 packets (30 samples) are missing" in note for note in recording.notes)


def test_without_time_sync_the_feet_keep_clocks_of_their_own(tmp_path: Path) -> None:
    feet = [Insole(0, 10.0, 0, 0), Insole(1, -10.0, 0, 1)]
    records = [r for foot in feet for r in [foot.begin(), *foot.packets(COUNTS[:3000], IMU[:3000], frozenset())]]
    path = tmp_path / "b.grfrec"
    write_recording(path, records)
    streams = read(path).streams
    assert len({data.attrs["clock"] for data in streams.values()}) == 2
    assert streams["insole_left"].attrs["uncertainty_ms"] >= 4.0


def test_inspect_tells_the_torn_end_and_the_losses(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "torn.grfrec"
    path.write_bytes(whole[:-100])
    report = inspect(path).to_dict()
    assert report["reader"] == "grfrec"
    assert any("bytes hold no whole record" in note for note in report["notes"])
    assert report["streams"][0]["samples"] == 195


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"GRFREC\x02\x00", "version 02"), (b"GRFREC", "version none"), (b"GRFREC\x01\x00", "holds no sample")],
)
def test_what_is_no_recording_or_empty_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "x.grfrec"
    path.write_bytes(content)
    with pytest.raises(BadInputError, match=why):
        read(path)


@given(st.data())
def test_no_body_ends_in_another_error(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Bodies, kinds and times are changed under CRCs that fit: a file of another program, or a hostile one."""
    path = tmp_path_factory.getbasetemp() / "odd.grfrec"
    path.write_bytes(whole)
    records = list(RecordFile(path))
    for _ in range(data.draw(st.integers(1, 3))):
        k = data.draw(st.integers(0, len(records) - 1))
        body = bytearray(records[k].body)
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        kind = data.draw(st.sampled_from([records[k].kind, records[k].kind, *range(11)]))
        at_ns = data.draw(st.sampled_from([records[k].arrival_ns] * 3 + [0, 2**63, 2**64 - 1]))
        records[k] = Record(kind, at_ns, records[k].device, bytes(body))
    path.write_bytes(grfrec.opening() + b"".join(record.to_bytes() for record in records))
    try:
        streams = read(path).streams
    except BadInputError:
        return
    for name, stream in streams.items():
        assert np.isfinite(stream["time"].values).all(), name
        assert stream.sizes["time"] < 3000


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    path.write_bytes(b"kept")
    with pytest.raises(BadInputError, match="exists"):
        Recorder(path)
    assert path.read_bytes() == b"kept"


def test_a_full_disk_is_told_and_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes half of a chunk, then nothing; once there is room all that waited is there, in order."""
    path, real, room = tmp_path / "a.grfrec", os.write, [10**9]

    def write(handle: int, content: memoryview) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        part = content[: room[0]]
        room[0] -= len(part)
        return real(handle, part)

    monkeypatch.setattr("grfkit.device.recorder.os.write", write)
    recorder = Recorder(path, write_every_s=3600)
    for k in range(50):
        recorder.packet(0, arrived(k))
    recorder.flush()
    room[0] = 3000
    for k in range(50, 100):
        recorder.packet(0, arrived(k))
    recorder.flush()
    assert recorder.problem is not None
    assert "No space left" in recorder.problem
    assert [r.arrival_ns for r in RecordFile(path) if r.kind == Kind.PACKET] == [1000 + k for k in range(50)]
    room[0] = 10**9
    recorder.flush()
    assert recorder.problem is None
    recorder.close()
    assert [r.arrival_ns for r in RecordFile(path) if r.kind == Kind.PACKET] == [1000 + k for k in range(100)]
    assert recorder.lost == 0


def test_memory_is_bounded_while_the_disk_stays_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real, full = tmp_path / "a.grfrec", os.write, [True]

    def write(handle: int, content: memoryview) -> int:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, content)

    monkeypatch.setattr("grfkit.device.recorder.os.write", write)
    monkeypatch.setattr("grfkit.device.recorder.MOST_WAITING_BYTES", 10_000)
    recorder = Recorder(path, write_every_s=3600)
    for k in range(200):
        recorder.packet(0, arrived(k))
        recorder.flush()
    full[0] = False
    recorder.close()
    records = list(RecordFile(path))
    kept = [r.arrival_ns for r in records if r.kind == Kind.PACKET]
    told = sum(json.loads(r.body)["records"] for r in records if r.kind == Kind.LOST)
    assert kept == [1000 + k for k in range(200 - len(kept), 200)]
    assert 30 < len(kept) < 45
    assert told == recorder.lost == 200 - len(kept)


CHILD = """
import os, sys, time
sys.path.insert(0, {host!r})
from grfkit.device.link import ReceivedPacket
from grfkit.device.recorder import Recorder
pids = []
for k in range(int(sys.argv[2])):
    pid = os.fork()
    if not pid:
        with open(os.path.join(sys.argv[1], f"{{k}}.began"), "w") as file:
            file.write(str(time.monotonic_ns()))
        recorder, n = Recorder(os.path.join(sys.argv[1], f"{{k}}.grfrec")), 0
        while True:
            recorder.packet(0, ReceivedPacket(n.to_bytes(4, "little") * 58, 4, time.monotonic_ns()))
            n += 1
            time.sleep(0.005)
    pids.append(pid)
time.sleep(0.5)
print(*pids, flush=True)
sys.stdin.read()
for pid in pids:
    os.waitpid(pid, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked and killed, which Windows does not know")
def test_a_killed_recorder_loses_the_last_second_at_most(tmp_path: Path) -> None:
    """25 writers, each killed at a moment of its own; ``python tools/bench live.kills`` does it 500 times."""
    rng = np.random.default_rng(5)
    host = str(Path(__file__).resolve().parents[1] / "host")
    command = [sys.executable, "-c", CHILD.format(host=host), str(tmp_path), "25"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 25
        killed = {}
        for wait, k in sorted(zip(rng.uniform(0.0, 0.12, 25), range(25))):
            time.sleep(wait)
            killed[k] = time.monotonic_ns()
            os.kill(pids[k], signal.SIGKILL)
        parent.communicate()
    assert len(list(tmp_path.glob("*.grfrec"))) > 12
    for k, at_ns in killed.items():
        if not (tmp_path / f"{k}.grfrec").exists():
            continue  # it was killed before it had a recorder
        file = RecordFile(tmp_path / f"{k}.grfrec")
        numbers = [(int.from_bytes(r.body[1:5], "little"), r.arrival_ns) for r in file if r.kind == Kind.PACKET]
        assert [n for n, _ in numbers] == list(range(len(numbers)))
        written = [r.arrival_ns for r in file]
        began_ns = int((tmp_path / f"{k}.began").read_text())
        assert max([began_ns, *written]) >= at_ns - 1_000_000_000
