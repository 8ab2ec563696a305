"""A recording's file: whose name it is, what stays where nothing comes, and what a disk that fails costs."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grfkit.device.link import Characteristic, ReceivedPacket
from grfkit.device.recorder import Recorder
from grfkit.device.recording_file import RecordingFile
from grfkit.device.recording_name import lock, refuse_name
from grfkit.errors import BadInputError
from grfkit.formats.grfrec import Kind, RecordFile
from grfkit.wire import Info, Running

posix = pytest.mark.skipif(os.name != "posix", reason="Windows lets nobody remove or replace a file that is open")
OLD = b"GRFREC\x01\x00 an old recording"


def packet(k: int) -> ReceivedPacket:
    return ReceivedPacket(k.to_bytes(4, "little") * 58, Characteristic.SENSOR_DATA, 1000 + k, 1)


def packets_in(path: Path) -> list[int]:
    file = RecordFile(path)
    numbers = [int.from_bytes(r.body[1:5], "little") for r in file if r.kind == Kind.PACKET]
    assert file.unread == 0
    return numbers


def quiet(path: Path, **options: Any) -> Recorder:
    """Return a recorder that writes when it is told to."""
    return Recorder(path, write_every_s=3600, **options)


def left_beside(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if entry.name.startswith(".")]


# The old recording stays until there is another


def test_an_old_recording_stays_until_samples_have_come(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    path.write_bytes(OLD)
    recorder = quiet(path, force=True)
    recorder.begin(0, connection=1, address="A", info=Info(0), running=Running(7, 5, 200, 5000), started_ns=9)
    recorder.note("put the shoe on")
    recorder.packet(0, packet(0), has_samples=False)
    recorder.flush()
    assert path.read_bytes() == OLD
    assert recorder.holds_old
    assert left_beside(tmp_path) == []
    recorder.packet(0, packet(1))
    recorder.flush()
    assert not recorder.holds_old
    assert packets_in(path) == [0, 1], "what came before the first sample is there too"
    recorder.close()
    kinds = [Kind(r.kind).name for r in RecordFile(path)]
    assert kinds == ["CLOCK_PAIR", "BEGIN", "NOTE", "PACKET", "PACKET", "CLOCK_PAIR"]
    assert not recorder.holds_old
    assert recorder.problem is None


def test_an_old_recording_does_not_give_way_before_the_first_samples_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that writes may run between any two steps of the one that records."""
    path = tmp_path / "a.grfrec"
    path.write_bytes(OLD)
    recorder, add = quiet(path, force=True), Recorder._add

    def interrupted(self: Recorder, kind: Kind, *more: Any) -> None:
        recorder.flush()
        assert path.read_bytes() == OLD
        add(self, kind, *more)

    recorder.note("put the shoe on")
    monkeypatch.setattr(Recorder, "_add", interrupted)
    recorder.packet(0, packet(0))
    monkeypatch.undo()
    recorder.close()
    assert packets_in(path) == [0]


def test_a_dead_insole_costs_no_old_recording_and_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    path.write_bytes(OLD)
    with quiet(path, force=True) as recorder:
        recorder.begin(0, connection=1, address="A", info=Info(0), running=Running(7, 5, 200, 5000), started_ns=9)
    assert path.read_bytes() == OLD
    assert recorder.holds_old
    assert recorder.problem == f"no samples came, so that nothing was recorded; {path} stays as it was"
    recorder.remove()
    assert path.read_bytes() == OLD, "it is no part of this run"


def test_a_new_recording_without_any_insole_is_removed_but_nobody_else_s(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    recorder = quiet(path)
    assert path.read_bytes().startswith(b"GRFREC\x01\x00"), "the name is taken from the first moment on"
    recorder.remove()
    assert not path.exists()
    recorder = quiet(path)
    path.rename(tmp_path / "b.grfrec")
    path.write_bytes(OLD)
    recorder.remove()
    assert path.read_bytes() == OLD


@posix
def test_a_link_of_that_name_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target, path = tmp_path / "target.grfrec", tmp_path / "a.grfrec"
    target.write_bytes(OLD)
    path.symlink_to(target)
    with pytest.raises(BadInputError, match="exists"):
        quiet(path)
    with quiet(path, force=True) as recorder:
        recorder.packet(0, packet(0))
    assert target.read_bytes() == OLD
    assert packets_in(path) == [0]
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BadInputError, match="exists"):
        quiet(path)
    assert not (tmp_path / "nowhere").exists()


# Whose name it is


def _claim(path: Path, ready: Any, results: Any, number: int) -> None:
    ready.wait()
    try:
        recorder = Recorder(path)
    except BadInputError as error:
        results.put((number, str(error)))
        return
    recorder.note(f"from {number}")
    recorder.packet(0, packet(number))
    recorder.close()
    results.put((number, None))


@posix
def test_of_four_recorders_on_one_new_name_one_wins_and_the_others_are_told(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for turn in range(8):
        path = tmp_path / f"{turn}.grfrec"
        ready, results = context.Barrier(4), context.Queue()
        writers = [context.Process(target=_claim, args=(path, ready, results, k)) for k in range(4)]
        for writer in writers:
            writer.start()
        ended = dict(results.get(timeout=60) for _ in writers)
        for writer in writers:
            writer.join(60)
        (winner,) = [number for number, why in ended.items() if why is None]
        assert packets_in(path) == [winner]
        assert all(why == f"{path}: exists; name another file, or say --force" for why in ended.values() if why)
    assert left_beside(tmp_path) == []


def test_a_name_that_is_taken_between_looking_and_writing_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file appears just after this recorder looked; with and without hard links."""
    path = tmp_path / "a.grfrec"
    monkeypatch.setattr("os.path.lexists", lambda _: False)
    for no_links in (False, True):
        if no_links:
            monkeypatch.setattr("os.link", failing(errno.EPERM))
        path.write_bytes(OLD)
        with pytest.raises(BadInputError, match="exists"):
            quiet(path)
        assert path.read_bytes() == OLD
    assert left_beside(tmp_path) == []


def test_without_hard_links_a_recording_is_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.link", failing(errno.EPERM))
    path = tmp_path / "a.grfrec"
    with quiet(path) as recorder:
        recorder.packet(0, packet(3))
    assert packets_in(path) == [3]
    assert left_beside(tmp_path) == []


@posix
def test_force_does_not_take_a_name_that_another_recorder_writes_to(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    with quiet(path) as first:
        first.packet(0, packet(1))
        first.flush()
        with pytest.raises(BadInputError, match=r"a\.grfrec: is being recorded by another program; end that first"):
            quiet(path, force=True)
    path.write_bytes(OLD)
    with quiet(path, force=True), pytest.raises(BadInputError, match="is being recorded"):
        quiet(path, force=True)
    with quiet(path, force=True) as again:
        again.packet(0, packet(2))
        again.flush()
        with pytest.raises(BadInputError, match="is being recorded"):
            quiet(path, force=True)
    assert packets_in(path) == [2]


@posix
def test_the_name_of_a_part_cannot_be_guessed_and_no_link_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, path, seen = tmp_path / "victim", tmp_path / "a.grfrec", []
    victim.write_bytes(b"precious")
    real = os.open

    def opened(name: Any, flags: int, *more: Any) -> int:
        if flags & os.O_CREAT:
            seen.append(Path(name))
            assert flags & os.O_EXCL
            assert flags & os.O_NOFOLLOW
            if len(seen) == 2:
                seen[-1].symlink_to(victim)
        return real(name, flags, *more)

    monkeypatch.setattr("os.open", opened)
    quiet(path).close()
    with pytest.raises(BadInputError):
        quiet(tmp_path / "b.grfrec")
    assert victim.read_bytes() == b"precious"
    assert all(re.fullmatch(r"\.[0-9a-f]{24}\.grfrec\.part", part.name) for part in seen)
    assert len({part.name for part in seen}) == 2


@posix
def test_what_kills_left_is_removed_and_what_is_in_use_is_not(tmp_path: Path) -> None:
    names = ["." + letter * 24 + ".grfrec.part" for letter in "abcd"]
    for name in [*names, ".other.part", "data.grfrec.part"]:
        (tmp_path / name).write_bytes(b"GRFREC")
        os.utime(tmp_path / name, (0, 0))
    (tmp_path / names[1]).touch()
    held = os.open(tmp_path / names[2], os.O_RDWR)
    assert lock(held)
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / names[3]).unlink()
    (tmp_path / names[3]).symlink_to(tmp_path / "target")
    refuse_name(tmp_path / "a.grfrec", force=False)
    os.close(held)
    assert left_beside(tmp_path) == sorted([".other.part", *names[1:]], key=left_beside(tmp_path).index)
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert (tmp_path / "data.grfrec.part").exists()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a.csv", r"a\.csv: a recording is no \.csv file; name it a\.grfrec$"),
        ("A.MOT", r"a recording is no \.MOT file; name it A\.grfrec$"),
        ("nowhere/a.grfrec", "its folder does not exist; make it first"),
        ("folder", "is no ordinary file, and nothing is written over it; name another"),
        ("pipe", "is no ordinary file, and nothing is written over it; name another"),
        ("old.grfrec", "exists; name another file, or say --force"),
        ("dangling", "exists; name another file, or say --force"),
    ],
)
@posix
def test_a_name_that_cannot_be_is_refused_before_anything_begins(name: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "old.grfrec").write_bytes(OLD)
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    with pytest.raises(BadInputError, match=why):
        refuse_name(tmp_path / name, force=False)
    assert (tmp_path / "old.grfrec").read_bytes() == OLD


@pytest.mark.parametrize("name", ["a.grfrec", "run 3", "run.2024-05", "A.GRFREC"])
def test_a_name_that_can_be_is_left_as_it_is(name: str, tmp_path: Path) -> None:
    refuse_name(tmp_path / name, force=False)
    assert list(tmp_path.iterdir()) == []
    with quiet(tmp_path / name) as recorder:
        recorder.packet(0, packet(0))
        recorder.flush()
        if os.name == "posix":
            with pytest.raises(BadInputError, match="is being recorded"):
                refuse_name(tmp_path / name, force=True)


@posix
def test_a_name_as_long_as_the_file_system_takes_can_be_recorded_to(tmp_path: Path) -> None:
    path = tmp_path / ("n" * (255 - len(".grfrec")) + ".grfrec")
    with quiet(path) as recorder:
        recorder.packet(0, packet(0))
    assert packets_in(path) == [0]


def _record_over(path: Path, wait_s: float) -> None:
    recorder, number = Recorder(path, force=True, write_every_s=0.001), 0
    recorder.begin(0, connection=1, address="A", info=Info(0), running=Running(7, 5, 200, 5000), started_ns=9)
    time.sleep(wait_s)
    while True:
        recorder.packet(0, packet(number))
        number += 1
        time.sleep(0.0005)


@posix
def test_a_kill_at_any_moment_leaves_the_old_recording_or_the_new_one(tmp_path: Path) -> None:
    """``python tools/bench live.kills`` does it 500 times, with the whole monitor."""
    context, chance, outcomes = multiprocessing.get_context("fork"), random.Random(7), []
    for turn in range(4):
        writers = []
        for k in range(8):
            path = tmp_path / f"{turn}-{k}.grfrec"
            path.write_bytes(OLD)
            writer = context.Process(target=_record_over, args=(path, chance.uniform(0.0, 0.1)))
            writer.start()
            writers.append((time.monotonic() + chance.uniform(0.0, 0.15), writer, path))
        for at_s, writer, path in sorted(writers, key=lambda entry: entry[0]):
            time.sleep(max(0.0, at_s - time.monotonic()))
            writer.kill()
            writer.join(60)
            if path.read_bytes() == OLD:
                outcomes.append("old")
                continue
            numbers = [int.from_bytes(r.body[1:5], "little") for r in RecordFile(path) if r.kind == Kind.PACKET]
            assert numbers == list(range(len(numbers)))
            assert numbers
            outcomes.append("new")
    assert len(outcomes) == 32


# The file is taken away while it grows


@posix
def test_a_recording_that_is_removed_is_written_again_and_that_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    recorder = quiet(path)
    for k in range(3000):
        recorder.packet(0, packet(k))
    recorder.flush()
    path.unlink()
    recorder.packet(0, packet(3000))
    recorder.flush()
    assert recorder.problem == f"{path}: was removed while it grew; all of it was written again to {path}"
    recorder.packet(0, packet(3001))
    recorder.close()
    assert packets_in(path) == list(range(3002))
    assert recorder.problem is not None, "it stays told to the end"


@posix
def test_a_recording_that_is_replaced_goes_on_under_a_name_beside(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    recorder = quiet(path)
    recorder.packet(0, packet(0))
    recorder.flush()
    (tmp_path / "copy").write_bytes(OLD)
    (tmp_path / "copy").replace(path)
    recorder.flush()
    recorder.packet(0, packet(1))
    recorder.close()
    assert recorder.path == tmp_path / "a-2.grfrec"
    assert packets_in(recorder.path) == [0, 1]
    assert path.read_bytes() == OLD
    assert str(recorder.path) in str(recorder.problem)


@posix
def test_a_recording_that_is_renamed_is_told_and_goes_on_where_it_is(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "a.grfrec", tmp_path / "moved" / "b.grfrec"
    elsewhere.parent.mkdir()
    recorder = quiet(path)
    recorder.packet(0, packet(0))
    recorder.flush()
    path.rename(elsewhere)
    recorder.flush()
    assert recorder.problem == f"{path}: was renamed or moved while it grew; the recording goes on where it is now"
    recorder.packet(0, packet(1))
    recorder.close()
    assert recorder.problem is not None
    assert packets_in(elsewhere) == [0, 1]
    assert not path.exists()


@posix
def test_a_removed_folder_is_told_and_the_recording_comes_back_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "session"
    folder.mkdir()
    path = folder / "a.grfrec"
    recorder = quiet(path)
    recorder.packet(0, packet(0))
    recorder.flush()
    path.unlink()
    folder.rmdir()
    recorder.flush()
    assert recorder.problem == (
        f"{path}: was removed while it grew, and cannot be written again (No such file or directory)"
    )
    folder.mkdir()
    recorder.packet(0, packet(1))
    recorder.close()
    assert packets_in(path) == [0, 1]


# A disk that fails


def failing(code: int, times: list[int] | None = None) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        if times is not None:
            times[0] += 1
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_sync_that_fails_stays_told_and_is_tried_again(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes that succeed meanwhile do not hide it; after it, what it lost is written again before it counts."""
    path, times = tmp_path / "a.grfrec", [0]
    recorder = quiet(path)
    recorder._sync()
    with monkeypatch.context() as broken:
        broken.setattr("os.fsync", failing(code, times))
        for k in range(5):
            recorder.packet(0, packet(k))
            recorder.flush()
            recorder._sync()
            recorder.flush()
            assert recorder.problem == (
                f"{path}: cannot be synced ({os.strerror(code)}); a loss of power may cost what came since"
            )
    assert times == [5]
    if hasattr(os, "pwrite"):
        again: list[tuple[int, int]] = []
        real = os.pwrite

        def noted(descriptor: int, content: Any, at: int) -> int:
            again.append((at, at + len(content)))
            return real(descriptor, content, at)

        monkeypatch.setattr("os.pwrite", noted)
    recorder._sync()
    assert recorder.problem is None
    if hasattr(os, "pwrite"):
        assert again[0][0] < 60, "from what was synced at last, the opening, on"
        assert again[-1][1] == path.stat().st_size
    recorder.close()
    assert packets_in(path) == list(range(5))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize("torn", [True, False])
def test_a_write_that_fails_loses_nothing_once_the_disk_takes_it(
    code: int, torn: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a record is on the disk, and perhaps it cannot even be cut off: what follows is written over it."""
    path, real = tmp_path / "a.grfrec", os.write
    recorder = quiet(path)
    recorder.packet(0, packet(0))
    recorder.flush()

    def half(descriptor: int, content: Any) -> int:
        if len(content) < 100:
            raise OSError(code, os.strerror(code))
        return real(descriptor, content[: len(content) - 50])

    with monkeypatch.context() as broken:
        broken.setattr("os.write", half)
        if torn:
            broken.setattr("os.ftruncate", failing(code))
        for k in range(1, 4):
            recorder.packet(0, packet(k))
            recorder.flush()
            assert recorder.problem == f"{path}: cannot be written ({os.strerror(code)}); the stream goes on"
    recorder.flush()
    assert recorder.problem is None
    recorder.close()
    assert packets_in(path) == [0, 1, 2, 3]
    assert recorder.lost == 0


@pytest.mark.parametrize("where", ["os.open", "os.write", "os.fsync", "os.replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EBUSY])
def test_an_old_recording_outlives_every_failure_of_its_successor(
    where: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.grfrec"
    path.write_bytes(OLD)
    recorder = quiet(path, force=True)
    with monkeypatch.context() as broken:
        broken.setattr(where, failing(code))
        recorder.packet(0, packet(0))
        recorder.flush()
        assert recorder.problem == f"{path}: cannot be written ({os.strerror(code)}); the stream goes on"
    assert path.read_bytes() == OLD
    assert left_beside(tmp_path) == []
    recorder.packet(0, packet(1))
    recorder.close()
    assert packets_in(path) == [0, 1]
    assert recorder.problem is None


def test_an_old_recording_stays_where_the_disk_is_full_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.grfrec"
    path.write_bytes(OLD)
    recorder = quiet(path, force=True)
    recorder.packet(0, packet(0))
    monkeypatch.setattr("os.write", failing(errno.ENOSPC))
    recorder.close()
    assert path.read_bytes() == OLD
    assert str(recorder.problem).endswith(f"nothing could be written; {path} stays as it was")
    assert recorder.lost == 2


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("force", [False, True])
def test_what_cannot_be_written_is_refused_before_insoles_are_asked(
    code: int, force: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.grfrec"
    if force:
        path.write_bytes(OLD)
    monkeypatch.setattr("os.open", failing(code))
    with pytest.raises(BadInputError, match=rf"a\.grfrec: cannot be written \({re.escape(os.strerror(code))}"):
        quiet(path, force=force)


def test_packets_are_dropped_before_what_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full from the first moment on: the session's beginning is kept, else no packet could be read."""
    monkeypatch.setattr("grfkit.device.recorder.MOST_WAITING_BYTES", 5_000)
    path = tmp_path / "a.grfrec"
    recorder = quiet(path)
    with monkeypatch.context() as full:
        full.setattr("os.write", failing(errno.ENOSPC))
        recorder.begin(0, connection=1, address="A", info=Info(0), running=Running(7, 5, 200, 5000), started_ns=9)
        recorder.mark("hill")
        for k in range(100):
            recorder.packet(0, packet(k))
            recorder.flush()
    recorder.close()
    records = list(RecordFile(path))
    assert [Kind(r.kind).name for r in records[:4]] == ["CLOCK_PAIR", "LOST", "BEGIN", "MARK"]
    kept = packets_in(path)
    assert kept == list(range(100 - len(kept), 100))
    assert recorder.lost == 100 - len(kept) > 50


def test_a_file_may_be_synced_while_it_is_written_again(tmp_path: Path) -> None:
    """Two threads: one has the disk take the file, the other puts a new one in its place."""
    if os.name != "posix" or sys.platform == "win32":
        pytest.skip("Windows lets nobody remove a file that is open")
    path = tmp_path / "a.grfrec"
    file, ended = RecordingFile(path, b"GRFREC\x01\x00", force=False), threading.Event()
    failures: list[OSError] = []

    def sync() -> None:
        while not ended.is_set():
            try:
                file.sync()
            except OSError as error:
                failures.append(error)

    thread = threading.Thread(target=sync)
    thread.start()
    for _ in range(30):
        file.append(b"x" * 100)
        path.unlink()
        assert file.whereabouts() == "removed"
        file.restore()
        assert file.whereabouts() is None
    ended.set()
    thread.join()
    file.close()
    assert not failures
    assert path.read_bytes() == b"GRFREC\x01\x00" + b"x" * 3000
