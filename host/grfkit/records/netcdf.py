"""netCDF4 files with a checksum: what the HDF5 library writes, and behind it the SHA-256 of all that.

The library never learns that a disk is full: it would end the process. :class:`_Disk` takes what the disk does not, and
the first error is raised when the library is done with the file.

Behind the netCDF4 content stand 8 bytes (:data:`_SEAL`) and 32 of SHA-256 of every byte before them. Other readers stop
where the content ends, as HDF5 says it in its first bytes, and see nothing of this. A program that changes the file
cuts it off there, so that a file without a checksum is one of an earlier version, or changed on purpose; one whose
checksum is wrong is damaged.
"""

from __future__ import annotations

import gc
import hashlib
import io
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import xarray as xr

from ..errors import BadInputError
from ..provenance import require_regular

_SEAL = b"grf-sha\n"
_SEAL_BYTES = len(_SEAL) + hashlib.sha256().digest_size
_BLOCK = 1 << 20
_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
"""Where in an HDF5 file its end is written (8 bytes), by the version of its first block; HDF5 File Format
Specification 3.0, section II.A, with the 8-byte offsets that all current libraries write."""
_SETTLED_S = 2.0
"""A file that was changed this short ago may change again without another time stamp (FAT keeps 2 s): read anew."""


class _Disk(io.RawIOBase):
    """A file that takes everything: what the disk does not is kept in memory, and the first error in ``error``."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115
        self._end = 0
        self._kept: list[tuple[int, bytes]] = []
        self._at = 0
        self.error: OSError | None = None

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def writable(self) -> bool:
        """Return that it can be written."""
        return True

    def seekable(self) -> bool:
        """Return that it has places."""
        return True

    def tell(self) -> int:
        """Return the place, in bytes."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place; return it."""
        self._at = offset + (0, self._at, self._end)[whence]
        return self._at

    def truncate(self, size: int | None = None) -> int:
        """Set the length, in bytes."""
        self._end = self._at if size is None else size
        if self.error is None:
            try:
                self._file.truncate(self._end)
            except OSError as error:
                self.error = error
        return self._end

    def write(self, data: Any) -> int:
        """Take bytes at the place."""
        rest = memoryview(data).cast("B")
        count = len(rest)
        while len(rest) and self.error is None:
            try:
                self._file.seek(self._at)
                taken = self._file.write(rest) or 0
                rest, self._at = rest[taken:], self._at + taken
            except OSError as error:
                self.error = error
        if len(rest):
            self._kept.append((self._at, bytes(rest)))
            self._at += len(rest)
        self._end = max(self._end, self._at)
        return count

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the place on, as far as the file goes; return how many bytes."""
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._end - self._at))
        view[:count] = bytes(count)
        try:
            self._file.seek(self._at)
            content = self._file.read(count) or b""
            view[: len(content)] = content
        except OSError as error:
            self.error = self.error or error
        for start, kept in self._kept:
            low, high = max(start, self._at), min(start + len(kept), self._at + count)
            if low < high:
                view[low - self._at : high - self._at] = kept[low - start : high - start]
        self._at += count
        return count

    def check(self) -> None:
        """Raise the first error there was."""
        if self.error is not None:
            raise OSError(self.error.errno, self.error.strerror)

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()


def _keeping(writer: type, kept: list[Any]) -> type:
    """Return xarray's writer that keeps each variable open as long as the list lives.

    HDF5 places the blocks of a variable when it is closed. Left to Python that is when the last reference goes, which
    whoever looks at the frames of this thread puts off: dask's profiler does, and the same trial got other bytes.
    """

    class Keeping(writer):  # type: ignore[misc]
        def add(self, source: Any, target: Any, region: Any = None) -> None:
            kept.append(target.get_array()._h5ds if hasattr(target, "get_array") else target)
            super().add(source, target, region)

    return Keeping


class NetcdfFile:
    """A netCDF4 file that is being written: datasets by group, and the library's own handle of it."""

    def __init__(self, disk: _Disk) -> None:
        import h5netcdf  # type: ignore[import-untyped]

        self._disk = disk
        self._kept: list[Any] = []
        self.handle = h5netcdf.File(disk, "w")

    def add(
        self,
        data: xr.Dataset,
        *,
        group: str | None = None,
        encoding: Mapping[str, Any] | None = None,
        unlimited: tuple[str, ...] = (),
    ) -> None:
        """Write a dataset.

        Raises
        ------
        OSError
            If the disk did not take all that was written so far.
        """
        from xarray.backends import H5NetCDFStore
        from xarray.backends.common import ArrayWriter

        store = H5NetCDFStore(self.handle, group=group, mode="a")
        writer = _keeping(ArrayWriter, self._kept)()
        data.dump_to_store(store, writer=writer, encoding=dict(encoding or {}), unlimited_dims=unlimited)
        writer.sync()
        self.check()

    def check(self) -> None:
        """Raise what the disk said, if it did not take all that was written so far."""
        self._disk.check()


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let no object be collected for a while: one that closes a variable has HDF5 place its blocks, and where these lie
    in a file must not depend on when Python tidies up."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def netcdf_file(path: Path) -> Iterator[NetcdfFile]:
    """Give a new netCDF4 file to write into, which gets its checksum at the end.

    Raises
    ------
    OSError
        If the disk does not take it.
    """
    with _Disk(path) as disk, _no_collection():
        file = NetcdfFile(disk)
        try:
            yield file
        finally:
            file.handle.close()
        disk.check()
    seal(path)


def seal(path: Path) -> None:
    """Write the checksum behind a file's content."""
    digest = hashlib.sha256()
    with open(path, "r+b") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
        handle.write(_SEAL + digest.digest())


def check_sealed(path: Path) -> str:
    """Return a note if a file has no checksum, else an empty text.

    Files that were found whole are not read again as long as they do not change.

    Raises
    ------
    BadInputError
        If it cannot be read, or is not what was written.
    """
    require_regular(path)
    try:
        about = os.stat(path)
        look = _is_sealed if time.time() - about.st_mtime > _SETTLED_S else _is_sealed.__wrapped__
        if look(os.path.realpath(path), about.st_size, about.st_ino, about.st_mtime_ns):
            return ""
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror or error})") from error
    return (
        f"{path.name}: carries no checksum (an earlier grfkit or another program wrote it), so that damage would not be"
        " noticed"
    )


@lru_cache(maxsize=1024)
def _is_sealed(path: str, size: int, _inode: int, _changed_ns: int) -> bool:
    """Return whether a file carries its checksum; not read again as long as it is the same: workers open often.

    Raises
    ------
    BadInputError
        If it carries another one, or something stands behind its content that is none.
    """
    with open(path, "rb") as handle:
        end = _content_end(handle.read(64))
        handle.seek(max(0, size - _SEAL_BYTES))
        last = handle.read(_SEAL_BYTES)
        sealed = last[: len(_SEAL)] == _SEAL
        # of what does not begin as HDF5 does the library says itself what it is not
        if not sealed and (end is None or size <= end):
            return False
        digest, rest = hashlib.sha256(), size - _SEAL_BYTES
        handle.seek(0)
        while rest > 0 and (block := handle.read(min(_BLOCK, rest))):
            digest.update(block)
            rest -= len(block)
    if not sealed or digest.digest() != last[len(_SEAL) :]:
        raise BadInputError(
            f"{path}: is not what grfkit wrote (its checksum does not fit): it was damaged on a disk or on the way;"
            " copy or make it again"
        )
    return True


def _content_end(first: bytes) -> int | None:
    """Return where a file's HDF5 content ends as its first bytes say, or None where they say nothing."""
    if not first.startswith(_SIGNATURE) or len(first) < 64 or first[8] not in _END_AT:
        return None
    at = _END_AT[first[8]]
    return int.from_bytes(first[at : at + 8], "little")
