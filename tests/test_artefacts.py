"""Artefacts are written whole or not at all, replace an older one in one step, and are damaged by nothing unnoticed."""

from __future__ import annotations

import builtins
import errno
import io
import os
import pathlib
import random
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from bench.faults.kills import kill_batch, kill_writer
from bench.faults.writers import (
    WRITERS,
    Writer,
    batch_rows,
    quick_row,
    read_recording,
    stances,
    write_bundle,
    write_model,
    write_recording,
)
from grfkit import renames
from grfkit.artefacts import check_file, check_folder, recovered, written_whole
from grfkit.deploy.bundle_folder import BUNDLE_FOLDER
from grfkit.errors import BadInputError, RefusedError
from grfkit.evaluation.evaluate import evaluate
from grfkit.learn.model import MODEL_FOLDER, GrfModel
from grfkit.learn.training_job import train
from grfkit.records import Recording
from grfkit.records.netcdf import netcdf_file
from grfkit.records.stance_set import StanceSet
from grfkit.runtime.bundle_files import read_sums, sums_text
from grfkit.simulate.folder import LAB_FOLDER
from grfkit.sync.batch import run_batch, waiting

ERRNOS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EBUSY)
by_writer = pytest.mark.parametrize("writer", WRITERS, ids=lambda w: w.name)


def inside(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


class _Failing:
    """A file whose writes fail."""

    def __init__(self, file: Any, number: int) -> None:
        self._file, self._number = file, number

    def write(self, _data: Any) -> int:
        raise OSError(self._number, os.strerror(self._number))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Failing:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()


def fail(monkeypatch: pytest.MonkeyPatch, what: str, number: int, folder: Path) -> None:
    """Let one kind of system call fail below a folder."""

    def failing(honest: Callable[..., Any], when: Callable[..., bool]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            if when(*arguments):
                # of a descriptor the system gives no name
                name = arguments[0]
                raise OSError(number, os.strerror(number), *([] if isinstance(name, int) else [str(name)]))
            return honest(*arguments, **more)

        return call

    def below(path: Any, *_more: Any) -> bool:
        return isinstance(path, str | Path) and str(path).startswith(str(folder))

    def of_paths(name: str, call: Callable[..., Any]) -> None:
        """Replace what a Path calls on Python 3.10, which takes the system's functions when pathlib is loaded."""
        if hasattr(pathlib, "_NormalAccessor"):
            monkeypatch.setattr(pathlib._NormalAccessor, name, staticmethod(call))

    if what == "create":
        monkeypatch.setattr(os, "mkdir", failing(os.mkdir, below))
        of_paths("mkdir", os.mkdir)
        monkeypatch.setattr(os, "open", failing(os.open, lambda p, flags=0, *_: below(p) and bool(flags & os.O_CREAT)))
    elif what == "sync":
        monkeypatch.setattr(os, "fsync", failing(os.fsync, lambda *_: True))
    elif what == "rename":
        for name in ("replace", "rename", "link"):
            monkeypatch.setattr(os, name, failing(getattr(os, name), below))
            of_paths(name, getattr(os, name))

        def flagged(_source: Path, target: Path, _flag: int) -> bool:
            raise OSError(number, os.strerror(number), str(target))

        monkeypatch.setattr(renames, "_with_flag", flagged)
    else:
        honest = io.open

        def opened(path: Any, mode: str = "r", *arguments: Any, **more: Any) -> Any:
            file = honest(path, mode, *arguments, **more)
            return _Failing(file, number) if below(path) and set(mode) & set("wxa+") else file

        monkeypatch.setattr(io, "open", opened)
        monkeypatch.setattr(builtins, "open", opened)
        of_paths("open", opened)


@by_writer
@pytest.mark.parametrize("what", ["create", "write", "sync", "rename"])
@pytest.mark.parametrize("number", ERRNOS, ids=lambda n: errno.errorcode[n])
def test_a_failing_disk_leaves_the_old_artefact_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: Writer, what: str, number: int
) -> None:
    place = tmp_path / writer.name
    writer.write(place, 1)
    before = inside(tmp_path)
    with monkeypatch.context() as context:
        fail(context, what, number, tmp_path)
        with pytest.raises(BadInputError, match="cannot be written") as refused:
            writer.write(place, 2)
        assert os.strerror(number) in str(refused.value)
        assert "\n" not in str(refused.value)
    assert writer.read(place) == 1
    assert inside(tmp_path) == before
    writer.write(place, 3)
    assert writer.read(place) == 3
    assert inside(tmp_path) == before


@by_writer
def test_a_first_artefact_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: Writer
) -> None:
    for what in ("create", "write", "sync", "rename"):
        with monkeypatch.context() as context:
            fail(context, what, errno.ENOSPC, tmp_path)
            with pytest.raises(BadInputError, match="No space left"):
                writer.write(tmp_path / writer.name, 1)
        assert inside(tmp_path) == []


@by_writer
def test_a_name_that_does_not_reach_the_disk_is_tried_again_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writer: Writer
) -> None:
    honest, folder, tries = os.fsync, os.stat(tmp_path), [0]

    def fsync(descriptor: int) -> None:
        if os.path.samestat(os.fstat(descriptor), folder):
            tries[0] += 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        honest(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(BadInputError, match=r"was written, but .*Input/output error.* power failure"):
        writer.write(tmp_path / writer.name, 1)
    assert tries[0] == 2
    assert writer.read(tmp_path / writer.name) == 1


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_a_file_system_that_cannot_sync_folders_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    honest = os.fsync

    def fsync(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(number, os.strerror(number))
        honest(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    write_recording(tmp_path / "a.nc", 1)
    assert read_recording(tmp_path / "a.nc") == 1


@contextmanager
def no_file_longer(size: int) -> Iterator[None]:
    """Limit the length (bytes) of every file that is written, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 1, 100, 2_047, 4_096, 9_000])
def test_a_netcdf_file_that_finds_no_room_is_refused_and_the_process_lives(tmp_path: Path, size: int) -> None:
    """The HDF5 library ends the process (SIGSEGV) where its own writes fail."""
    rng = np.random.default_rng(0)
    data = stances(1).data.assign(inputs=(("stance", "time", "channel"), rng.normal(size=(16, 21, 3))))
    big, place = StanceSet(data), tmp_path / "set.nc"
    refused = pytest.raises(BadInputError, match=r"set\.nc: cannot be written \(File too large\)")
    with refused, no_file_longer(size):
        big.to_netcdf(place)
    assert inside(tmp_path) == []


def test_parts_appended_on_a_full_disk_are_refused(tmp_path: Path) -> None:
    from grfkit.dataset.set_writer import write_sets

    rng = np.random.default_rng(0)
    parts = [
        StanceSet(stances(1, p * 40).data.assign(inputs=(("stance", "time", "channel"), rng.normal(size=(160, 21, 3)))))
        for p in "abc"
    ]
    write_sets(parts, tmp_path / "whole.nc")
    size = (tmp_path / "whole.nc").stat().st_size * 2 // 3
    with pytest.raises(BadInputError, match="File too large"), no_file_longer(size):
        write_sets(parts, tmp_path / "set.nc")
    assert inside(tmp_path) == ["whole.nc"]


def test_a_full_file_system_is_told(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path / "m")]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        write_recording(tmp_path / "m" / "a.nc", 1)
        while True:
            with open(tmp_path / "m" / "fill", "ab", buffering=0) as handle:
                try:
                    handle.write(b"x" * 4096)
                except OSError:
                    break
        for writer in WRITERS:
            with pytest.raises(BadInputError, match="No space left on device"):
                writer.write(tmp_path / "m" / ("a.nc" if writer.name == "trial.nc" else writer.name), 2)
        assert read_recording(tmp_path / "m" / "a.nc") == 1
        assert inside(tmp_path / "m") == ["a.nc", "fill"]
        with pytest.raises(BadInputError, match="is a mount point"):
            write_model(tmp_path / "m", 1)
    finally:
        subprocess.run(["umount", str(tmp_path / "m")], check=True)


def test_what_is_written_in_memory_reads_back_while_the_library_still_needs_it(
    tmp_path: Path,
) -> None:
    values = np.random.default_rng(0).normal(size=5_000)

    def write() -> None:
        with netcdf_file(tmp_path / "a.nc") as file:
            file.handle.dimensions["x"] = values.size
            file.handle.create_variable("a", ("x",), float)[:] = values
            np.testing.assert_array_equal(file.handle.variables["a"][:], values)

    with pytest.raises(OSError, match="File too large"), no_file_longer(3_000):
        write()


# --- kills


@by_writer
def test_a_killed_writer_leaves_a_whole_artefact_and_the_next_run_nothing_beside_it(
    tmp_path: Path, writer: Writer
) -> None:
    assert kill_writer(writer, tmp_path, 3, random.Random(1)) == []


@pytest.mark.parametrize("name", ["model", "bundle"])
def test_the_same_where_names_cannot_be_exchanged(tmp_path: Path, name: str) -> None:
    writer = next(w for w in WRITERS if w.name == name)
    assert kill_writer(writer, tmp_path, 3, random.Random(2), exchange=False) == []


def test_a_killed_batch_goes_on_and_leaves_no_hidden_file(tmp_path: Path) -> None:
    assert kill_batch(tmp_path, 4, random.Random(3)) == []


@pytest.mark.parametrize("write", [write_model, write_bundle])
@pytest.mark.parametrize("exchange", [True, False])
def test_a_kill_at_any_rename_leaves_the_old_folder_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path, int], None], exchange: bool
) -> None:
    writer = next(w for w in WRITERS if w.write is write)
    place = tmp_path / writer.name

    class Killed(BaseException):
        """The end of the process, as far as the file system sees: nothing of what follows happens."""

    for steps in range(6):
        writer.write(place, 1)
        left = [steps]

        def step(honest: Callable[..., Any], *arguments: Any, left: list[int] = left) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return honest(*arguments)

        with monkeypatch.context() as context:
            for owner, name in ((os, "rename"), (os, "replace"), (renames, "_with_flag"), (renames, "remove")):
                honest = getattr(owner, name)
                context.setattr(owner, name, lambda *a, honest=honest: step(honest, *a))
            if not exchange:
                context.setattr(renames, "exchange", lambda *_: False)
            with suppress(Killed):
                write(place, 2)
        assert writer.read(place) in (1, 2)
    writer.write(place, 3)
    assert inside(tmp_path) == [writer.name]


def test_a_folder_killed_between_two_renames_comes_back_for_whoever_reads_it(tmp_path: Path) -> None:
    write_model(tmp_path / "model", 1)
    (tmp_path / "model").rename(tmp_path / ".model.grfkit-old")
    assert GrfModel.load(tmp_path / "model").spec.source == "v1"
    write_model(tmp_path / "model", 2)
    (tmp_path / "model").rename(tmp_path / ".model.grfkit-old")
    with pytest.raises(BadInputError, match="exists; use --force"):
        check_folder(tmp_path / "model", MODEL_FOLDER)
    assert recovered(tmp_path / "none") == tmp_path / "none"
    assert inside(tmp_path) == ["model"]


def test_what_a_living_writer_holds_is_not_removed(tmp_path: Path) -> None:
    with written_whole(tmp_path / "a.txt", force=True) as first:
        first.write_text("1")
        with written_whole(tmp_path / "a.txt", force=True) as second:
            second.write_text("2")
            assert first.exists()
        assert (tmp_path / "a.txt").read_text() == "2"
    assert (tmp_path / "a.txt").read_text() == "1"
    (tmp_path / ".a.txt.grfkit-0badcafe.txt").write_text("of a process that was killed")
    (tmp_path / ".a.txt.mine").write_text("of somebody")
    with written_whole(tmp_path / "a.txt", force=True) as third:
        third.write_text("3")
    assert inside(tmp_path) == [".a.txt.mine", "a.txt"]


def test_of_two_writers_of_a_new_name_one_wins_and_the_other_is_told(tmp_path: Path) -> None:
    with written_whole(tmp_path / "b.txt") as other:
        other.write_text("other")

    def late() -> None:
        with written_whole(tmp_path / "a.txt") as temporary:
            temporary.write_text("late")
            (tmp_path / "b.txt").rename(tmp_path / "a.txt")

    with pytest.raises(BadInputError, match="File exists"):
        late()
    assert (tmp_path / "a.txt").read_text() == "other"
    assert inside(tmp_path) == ["a.txt"]


# --- places that cannot be replaced are told before the work


def refusals(place: Path) -> Iterator[Callable[[], object]]:
    """Give the checks before the work of whoever writes folders."""
    for kind in (MODEL_FOLDER, BUNDLE_FOLDER, LAB_FOLDER):
        yield lambda kind=kind: check_folder(place, kind, force=True)  # type: ignore[misc]


def test_files_of_somebody_in_the_folder_are_refused_and_stay(tmp_path: Path) -> None:
    write_model(tmp_path / "model", 1)
    for name in ("held_out.nc", "notes.txt", ".hidden", "deep/er/x.csv"):
        mine = tmp_path / "model" / name
        mine.parent.mkdir(parents=True, exist_ok=True)
        mine.write_text("mine")
        with pytest.raises(BadInputError, match=rf"model: holds {name}, not written by grfkit .* name another folder"):
            write_model(tmp_path / "model", 2)
        with pytest.raises(BadInputError, match=f"holds {name}"):
            train("trials_that_are_not_read", out=tmp_path / "model", force=True)
        assert mine.read_text() == "mine"
        mine.unlink()
    for name in ("CARD.md", "evaluation.json", "search.json", ".DS_Store"):
        (tmp_path / "model" / name).write_text("grfkit's, or of the system")
    write_model(tmp_path / "model", 3)
    assert inside(tmp_path / "model") == ["calibration.nc", "model.json", "model.safetensors"]


def test_files_that_appear_during_the_work_are_refused_and_stay(tmp_path: Path) -> None:
    from grfkit.artefacts import written_folder

    write_model(tmp_path / "model", 1)

    def slow() -> None:
        with written_folder(tmp_path / "model", MODEL_FOLDER, force=True) as temporary:
            (temporary / "model.json").write_text("{}")
            (tmp_path / "model" / "notes.txt").write_text("mine")

    with pytest.raises(BadInputError, match=r"holds notes\.txt"):
        slow()
    assert (tmp_path / "model" / "notes.txt").read_text() == "mine"
    assert inside(tmp_path) == ["model"]


def test_links_are_followed(tmp_path: Path) -> None:
    write_model(tmp_path / "disk", 1)
    write_recording(tmp_path / "real.nc", 1)
    (tmp_path / "model").symlink_to("disk")
    (tmp_path / "a.nc").symlink_to("real.nc")
    (tmp_path / "new.nc").symlink_to("not_yet.nc")
    write_model(tmp_path / "model", 2)
    for name in ("a.nc", "new.nc"):
        write_recording(tmp_path / name, 2)
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "model").is_symlink()
    assert GrfModel.load(tmp_path / "disk").spec.source == "v2"
    assert read_recording(tmp_path / "real.nc") == read_recording(tmp_path / "not_yet.nc") == 2
    (tmp_path / "round").symlink_to("round")
    for check in refusals(tmp_path / "round"):
        with pytest.raises(BadInputError, match="leads to itself"):
            check()
    with pytest.raises(BadInputError, match="leads to itself"):
        check_file(tmp_path / "round")
    assert inside(tmp_path) == ["a.nc", "disk", "model", "new.nc", "not_yet.nc", "real.nc", "round"]


def test_places_that_cannot_be_replaced_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for place, why in ((tmp_path / "file", "is a file"), (tmp_path / "no" / "out", "its folder does not exist")):
        for check in refusals(place):
            with pytest.raises(BadInputError, match=why):
                check()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    for check in refusals(tmp_path / "full"):
        with pytest.raises(BadInputError, match=r"exists and is no (grfkit model|bundle|simulated lab)"):
            check()
    (tmp_path / "empty").mkdir()
    assert check_folder(tmp_path / "empty", MODEL_FOLDER) == (tmp_path / "empty").resolve()
    monkeypatch.chdir(tmp_path / "empty")
    with pytest.raises(BadInputError, match="is the folder you are in"):
        check_folder(Path("."), MODEL_FOLDER, force=True)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInputError, match="is no regular file"):
        check_file(tmp_path / "pipe", force=True)


@pytest.mark.parametrize("name", ["m", "with blank"])
def test_a_folder_mounted_from_the_same_file_system_is_a_mount_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """``os.path.ismount`` does not see it; the kernel's list does."""
    place = tmp_path / name
    place.mkdir()
    listed = str(place.resolve()).replace(" ", "\\040")
    (tmp_path / "mountinfo").write_text(f"36 35 98:0 /mnt1 {listed} rw,noatime master:1 - ext3 /dev/root rw\n")
    assert not renames.is_mount_point(place)
    monkeypatch.setattr(renames, "_MOUNTS", tmp_path / "mountinfo")
    assert renames.is_mount_point(place)
    with pytest.raises(BadInputError, match="is a mount point, which cannot be replaced as a whole"):
        train("trials_that_are_not_read", out=place, force=True)


def test_a_folder_is_not_created_on_the_way_by_train_nor_by_evaluate(tmp_path: Path) -> None:
    for work in (train, evaluate):
        with pytest.raises(BadInputError, match="its folder does not exist"):
            work("trials_that_are_not_read", out=tmp_path / "no" / "out")
    assert inside(tmp_path) == []


def test_rights_of_what_is_replaced_are_kept(tmp_path: Path) -> None:
    write_recording(tmp_path / "a.nc", 1)
    write_model(tmp_path / "model", 1)
    (tmp_path / "a.nc").chmod(0o600)
    (tmp_path / "model").chmod(0o700)
    write_recording(tmp_path / "a.nc", 2)
    write_model(tmp_path / "model", 2)
    assert [os.stat(tmp_path / n).st_mode & 0o777 for n in ("a.nc", "model")] == [0o600, 0o700]


# --- checksums


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a file with a bit turned, some bytes zeroed, or its end cut off or overwritten."""
    kind, at = rng.integers(4), int(rng.integers(len(content)))
    if kind == 0:
        return content[:at] + bytes([content[at] ^ (1 << int(rng.integers(8)))]) + content[at + 1 :]
    size = int(rng.integers(1, 600))
    if kind == 1:
        zeroed = content[:at] + bytes(len(content[at : at + size])) + content[at + size :]
        return zeroed if zeroed != content else damaged(content, rng)
    if kind == 2:
        # exactly the checksum cut off leaves all of the content: a file as of an earlier version
        return content[:-size] if size != 40 else damaged(content, rng)
    return content[:at] + rng.bytes(len(content) - at)


@pytest.mark.parametrize("name", ["trial.nc", "set.nc", "model"])
def test_no_damage_is_accepted(tmp_path: Path, name: str) -> None:
    writer = next(w for w in WRITERS if w.name == name)
    writer.write(tmp_path / name, 1)
    rng, place = np.random.default_rng(5), tmp_path / name
    files = [place] if place.is_file() else sorted(place.iterdir())
    for file in files:
        content = file.read_bytes()
        for _ in range(60):
            file.write_bytes(damaged(content, rng))
            with pytest.raises(BadInputError):
                writer.read(place)
        file.write_bytes(content)
        assert writer.read(place) == 1


def test_an_old_file_is_read_with_a_note_and_so_is_one_that_was_changed_on_purpose(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    write_recording(path, 4)
    assert Recording.from_netcdf(path).provenance.findings == []
    path.write_bytes(path.read_bytes()[:-40])
    old = Recording.from_netcdf(path)
    assert read_recording(path) == 4
    assert old.provenance.findings == [
        "a.nc: carries no checksum (an earlier grfkit or another program wrote it), so that damage would not be noticed"
    ]
    write_recording(path, 5)
    with h5py.File(path, "r+") as handle:
        handle.attrs["device"] = "v6"
        handle["insole_left"]["cell_00"][0] = handle["insole_left"]["cell_01"][0] = 6.0
    assert Recording.from_netcdf(path).device == "v6"
    stances(3).to_netcdf(tmp_path / "set.nc")
    (tmp_path / "set.nc").write_bytes((tmp_path / "set.nc").read_bytes()[:-40])
    windows = StanceSet.open(tmp_path / "set.nc")
    assert "carries no checksum" in windows.data.attrs["provenance"]
    windows.data.close()


def test_other_programs_read_the_files_and_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.nc", "b.nc"):
        write_recording(tmp_path / name, 7)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()
    with xr.open_datatree(tmp_path / "a.nc", engine="h5netcdf", decode_times=False) as tree:
        assert float(tree["insole_left"]["cell_03"].values[0]) == 7.0
    with h5py.File(tmp_path / "a.nc") as handle:
        assert handle["insole_left"]["cell_03"].shape == (2000,)


def test_a_file_that_changes_after_it_was_checked_is_checked_again(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    write_recording(path, 1)
    long_ago = time.time() - 100
    os.utime(path, (long_ago, long_ago))
    assert read_recording(path) == 1
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(BadInputError, match="checksum does not fit"):
        read_recording(path)


# --- batches, and bundles' paths


def test_a_row_that_fails_after_its_trial_leaves_no_hidden_file(tmp_path: Path) -> None:
    def fails_late(row: Any) -> dict[str, Any]:
        summary = quick_row(row)
        return summary | {"trial": None, "error": "the report's disk is full", "verdict": "bad input"}

    rows = batch_rows(tmp_path)
    run_batch(rows, journal=tmp_path / "j", worker=fails_late, processes=1)
    assert [n for n in inside(tmp_path) if n.startswith(".")] == []

    def interrupted(row: Any) -> dict[str, Any]:
        quick_row(row)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(rows, journal=tmp_path / "j", worker=interrupted, processes=1)
    assert [n for n in inside(tmp_path) if n.startswith(".")] == []
    write_recording(waiting(rows[0].out), 1)
    run_batch(rows, journal=tmp_path / "j", worker=quick_row, processes=1)
    assert [n for n in inside(tmp_path) if n.startswith(".")] == []
    assert all(row.out.is_file() for row in rows)


@pytest.mark.parametrize("path", ["../x", "a/../x", "..", "a/..", ".", "./x", "a//x", "a/", "/etc/passwd"])
def test_a_path_that_leads_out_of_a_bundle_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "SHA256SUMS").write_text(sums_text({path: "0" * 64}))
    with pytest.raises(RefusedError, match="is not as it was written"):
        read_sums(tmp_path)


@pytest.mark.parametrize("path", [".clang-format", "..x", "c/a.b..c", "a-b/c_d"])
def test_a_path_that_stays_in_a_bundle_is_taken(tmp_path: Path, path: str) -> None:
    (tmp_path / "SHA256SUMS").write_text(sums_text({path: "0" * 64}))
    assert read_sums(tmp_path) == {path: "0" * 64}


def test_a_socket_is_no_file_to_read_or_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as channel:
        channel.bind("a.nc")
        for use in (lambda: Recording.from_netcdf("a.nc"), lambda: write_recording(Path("a.nc"), 1)):
            with pytest.raises(BadInputError, match="is no regular file"):
                use()
