"""What the system does with names in one step: two exchanged, a new one taken, and both kept over a power failure."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

_NOREPLACE, _EXCHANGE = 1, 2
"""Flags of renameat2(2), Linux 3.15 and later."""
# "Relative to the current folder", fcntl.h of Linux
_AT_FDCWD = -100
_NO_FLAGS = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM)
"""What kernels and file systems (NFS, some of FUSE) say that know no flags of a rename."""
_NO_SYNC = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)
"""What file systems say that cannot sync a folder."""
_MOUNTS = Path("/proc/self/mountinfo")


@cache
def _renameat2() -> Callable[..., int] | None:
    """Return renameat2 of the C library, or None where there is none (other systems, an older library)."""
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError, AttributeError):
        function: Callable[..., int] = ctypes.CDLL(None, use_errno=True).renameat2
        return function
    return None


def _with_flag(source: Path, target: Path, flag: int) -> bool:
    """Rename by a flag; return False where that is not known here.

    Raises
    ------
    OSError
        If it is known and fails; nothing has changed then.
    """
    function = _renameat2()
    if function is None:
        return False
    if function(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), flag) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_FLAGS:
        return False
    raise OSError(number, os.strerror(number), str(target))


def exchange(one: Path, other: Path) -> bool:
    """Let two names change what they stand for, in one step; return False where the system cannot.

    Raises
    ------
    OSError
        If it fails; nothing has changed then.
    """
    return _with_flag(one, other, _EXCHANGE)


def rename_new(source: Path, target: Path) -> None:
    """Rename a file to a name that nobody has; of two at once one gets it.

    Raises
    ------
    FileExistsError
        If the name is taken.
    OSError
        If it fails otherwise; nothing has changed then.
    """
    if _with_flag(source, target, _NOREPLACE):
        return
    try:
        # a second name for the file: refused by the system where the name is taken
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):
        # a file system without links: the look before the step is all there is
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.rename(source, target)
        return
    os.unlink(source)


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk.

    Raises
    ------
    OSError
        If the disk did not take it. Another call may then say nothing though the content is lost: write it again.
    """
    # for writing: some systems sync nothing else
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk; nothing where the system cannot (Windows, some file systems).

    Raises
    ------
    OSError
        If the disk did not take them, twice.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except PermissionError:
        return  # a folder that may be written but not read, or any on Windows
    try:
        try:
            _synced(descriptor)
        except OSError:
            # names are still in memory after a failure, unlike a file's content: a second try can help
            _synced(descriptor)
    finally:
        os.close(descriptor)


def _synced(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def sync_tree(folder: Path) -> None:
    """Wait until a folder with all in it is on the disk.

    Raises
    ------
    OSError
        If the disk did not take it.
    """
    for where, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync_file(Path(where, name))
        sync_folder(Path(where))


def is_mount_point(path: Path) -> bool:
    """Return whether another file system or folder is mounted here: such a name can be neither renamed nor replaced."""
    if os.path.ismount(path):
        return True
    # a folder of the same file system mounted a second time looks like any other: only the kernel's list has it
    with contextlib.suppress(OSError):
        real = os.path.realpath(path)
        for line in _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
            if _unescaped(line.split(" ")[4]) == real:
                return True
    return False


def _unescaped(text: str) -> str:
    """Return a path of mountinfo with its blanks, which stand there in octal."""
    for code, letter in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, letter)
    return text


class Held:
    """A temporary file or folder that others can see is in use; they see its end even where this process is killed."""

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = None
        with contextlib.suppress(OSError, ImportError):
            import fcntl

            self._descriptor = os.open(path, os.O_RDONLY)
            # a lock of the kernel: gone with the process, however that ends
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def is_at(self, path: Path) -> bool:
        """Return whether it is still what the path names: not removed as abandoned before it was held."""
        if self._descriptor is None:
            return True
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.lstat(path))
        except OSError:
            return False

    def free(self) -> None:
        """Give it up."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def remove_abandoned(path: Path) -> None:
    """Remove a temporary file or folder that no process holds any more; nothing where the system cannot tell."""
    with contextlib.suppress(OSError, ImportError):
        import fcntl

        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)
        finally:
            os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file, or a folder with all in it, as far as it can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
