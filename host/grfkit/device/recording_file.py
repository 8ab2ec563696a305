"""The file of a recording that grows: its name claimed for it alone, its bytes on disk, and its removal noticed.

An older recording of that name stays until there is something to put in its place. The file is locked (``flock``) while
it grows, so that no other recorder takes its name with ``--force``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator
from pathlib import Path

from ..errors import BadInputError
from .recording_name import claim_old, free_name, lock, new_file, part_beside

__all__ = ["RecordingFile"]

_COPIED_BYTES = 1 << 20
"""Of a recording that is written again, at a time."""
_NO_FOLDER_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EBADF)
"""Folders cannot be synced on some file systems, nor opened by whoever may only write to them."""


class RecordingFile:
    """The file of one recording.

    Parameters
    ----------
    opening
        Its first bytes; under its name it never lacks them.
    force
        Whether an older file of that name may be replaced, which happens with the first :meth:`append`.

    Attributes
    ----------
    path
        Where it is; another than at first if it had to be written again beside (see :meth:`restore`).
    size
        Bytes written.

    Raises
    ------
    BadInputError
        If the name is taken, or nothing can be written there.
    """

    def __init__(self, path: Path, opening: bytes, *, force: bool) -> None:
        self.path, self.size = path, 0
        self._opening = opening
        self._descriptor: int | None = None
        self._old: int | None = None
        self._synced, self._sync_failed, self._name_synced = 0, False, False
        self._identity: tuple[int, int] | None = None
        # held while the disk syncs, and while one file takes the place of another
        self._syncing = threading.Lock()
        if os.path.lexists(path):
            self._old = claim_old(path, force=force)
            return
        try:
            self._hold(new_file(path, opening), len(opening))
        except OSError as error:
            raise BadInputError(f"{path}: cannot be written ({error.strerror or error})") from error

    @property
    def waiting(self) -> bool:
        """Return whether an older recording still has the name: nothing has been appended."""
        return self._identity is None

    def append(self, content: bytes) -> None:
        """Write at the end, all or nothing.

        Raises
        ------
        OSError
            If the disk refuses; the file ends where it ended before.
        """
        if self._descriptor is None:
            self._replace_old(content)
            return
        try:
            _write(self._descriptor, content)
        except OSError:
            with contextlib.suppress(OSError):
                # readers stop at a torn record: what comes later would be lost behind it
                os.ftruncate(self._descriptor, self.size)
            with contextlib.suppress(OSError):
                os.lseek(self._descriptor, self.size, os.SEEK_SET)
            raise
        self.size += len(content)

    def sync(self) -> None:
        """Have the disk take all that was written before; OSError if it does not.

        A system may count what a failed ``fsync`` did not write as written, and report success the next time (Rebello
        et al. 2020, "Can applications recover from fsync failures?", USENIX ATC). So what came since the last good one
        is written again before the next one counts.
        """
        if self._descriptor is None:
            return
        with self._syncing:
            end = self.size
            try:
                os.fsync(self._descriptor)
                if self._sync_failed:
                    _write_again(self._descriptor, self._synced, end)
                    os.fsync(self._descriptor)
                if not self._name_synced:
                    _sync_folder(self.path.parent)
            except OSError:
                self._sync_failed = True
                raise
            self._synced, self._sync_failed, self._name_synced = end, False, True

    def whereabouts(self) -> str | None:
        """Return ``"removed"`` or ``"renamed"`` where the name no longer stands for this file; None while it does."""
        if self._descriptor is None:
            return None
        try:
            named = os.lstat(self.path)
        except FileNotFoundError:
            named = None
        except OSError:
            # a folder that cannot be looked into at present says nothing about the file
            return None
        here = os.fstat(self._descriptor)
        if named is not None and os.path.samestat(named, here):
            return None
        return "renamed" if here.st_nlink else "removed"

    def restore(self) -> None:
        """Write a removed recording again, under its name or, where another file has it, under a free one beside.

        Raises
        ------
        OSError, BadInputError
            If that fails; it may be tried again.
        """
        if self._descriptor is None:
            return
        before, size, path = self._descriptor, self.size, free_name(self.path)
        descriptor = new_file(path, self._opening)
        try:
            for _, content in _pieces(before, len(self._opening), size):
                _write(descriptor, content)
            os.fsync(descriptor)
        except OSError:
            os.close(descriptor)
            with contextlib.suppress(OSError):
                path.unlink()
            raise
        with self._syncing:
            self.path = path
            self._hold(descriptor, size)
            os.close(before)

    def close(self) -> None:
        """Close it."""
        for descriptor in (self._descriptor, self._old):
            if descriptor is not None:
                os.close(descriptor)
        self._descriptor = self._old = None

    def remove(self) -> None:
        """Remove the file, if it was written and its name still stands for it."""
        with contextlib.suppress(OSError):
            named = os.lstat(self.path)
            if self._identity == (named.st_dev, named.st_ino):
                self.path.unlink()

    def _hold(self, descriptor: int, size: int) -> None:
        """Go on with a file of this size, open at its end."""
        about = os.fstat(descriptor)
        self._descriptor, self._identity = descriptor, (about.st_dev, about.st_ino)
        self.size, self._synced, self._name_synced = size, 0, False

    def _replace_old(self, content: bytes) -> None:
        """Give a new file that holds something the name of the old one, in one step."""
        descriptor, part = part_beside(self.path)
        try:
            _write(descriptor, self._opening + content)
            # on disk before it has the name: a loss of power leaves the old one or this one
            os.fsync(descriptor)
            descriptor = _named(descriptor, part, self.path)
        except OSError:
            with contextlib.suppress(OSError):
                os.close(descriptor)
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        lock(descriptor)
        self._hold(descriptor, len(self._opening) + len(content))
        if self._old is not None:
            os.close(self._old)
            self._old = None


def _named(descriptor: int, part: Path, path: Path) -> int:
    """Give an open file its name in place of an older one; return it open at its end."""
    if os.name == "posix":
        os.replace(part, path)
        return descriptor
    # Windows renames no file that is open
    os.close(descriptor)
    os.replace(part, path)
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    os.lseek(descriptor, 0, os.SEEK_END)
    return descriptor


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _pieces(descriptor: int, start: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Give the bytes of a file from ``start`` to ``end`` in pieces, each with its place; OSError if they lack."""
    while start < end:
        content = os.pread(descriptor, min(_COPIED_BYTES, end - start), start)
        if not content:
            raise OSError(errno.EIO, "the file ends too early")
        yield start, content
        start += len(content)


def _write_again(descriptor: int, start: int, end: int) -> None:
    """Write the bytes from ``start`` to ``end`` once more where they are; nothing where that is not possible."""
    if not hasattr(os, "pwrite"):
        return
    for at, content in _pieces(descriptor, start, end):
        view = memoryview(content)
        while view:
            written = os.pwrite(descriptor, view, at)
            view, at = view[written:], at + written


def _sync_folder(folder: Path) -> None:
    """Have the disk take the folder's entries too; OSError if it fails where it can be done."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FOLDER_SYNC:
            raise
    finally:
        os.close(descriptor)
