"""The name of a recording: whether it may be had, claimed for one recorder alone, given to a new file in one step."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from pathlib import Path

from ..errors import BadInputError

__all__ = ["claim_old", "free_name", "lock", "new_file", "part_beside", "refuse_name"]

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""A file that nobody has made before, in particular no link to another one."""
_RIGHTS = 0o666
"""Less what the umask takes away, as for any file."""
_PART = re.compile(r"\.[0-9a-f]{24}\.grfrec\.part")
_STALE_S = 60.0
"""A part is renamed within moments: one that is older and that nobody holds was left by a kill; chosen by hand."""
_OTHER_FILES = (
    *(".csv", ".txt", ".tsv", ".json", ".toml", ".html", ".nc", ".npz", ".mot", ".sto", ".trc"),
    *(".c3d", ".xdf", ".mat", ".xlsx", ".zip", ".gz"),
)
"""Endings of other kinds of file: whoever opens one of these expects that."""


def refuse_name(path: Path, *, force: bool) -> None:
    """Refuse what a recording cannot be written to, before anything else begins.

    Raises
    ------
    BadInputError
        If the name ends as another kind of file, is taken, is being recorded to, or nothing can be written there.
    """
    if path.suffix.lower() in _OTHER_FILES:
        raise BadInputError(f"{path}: a recording is no {path.suffix} file; name it {path.with_suffix('.grfrec').name}")
    if not path.parent.is_dir():
        raise BadInputError(f"{path}: its folder does not exist; make it first")
    if not os.path.lexists(path):
        _try_part(path)
        return
    old = claim_old(path, force=force)
    if old is not None:
        os.close(old)


def claim_old(path: Path, *, force: bool) -> int | None:
    """Return a descriptor that holds the lock of an older recording; None where there is nothing to lock.

    Raises
    ------
    BadInputError
        If it must not be replaced, or could not be.
    """
    # first: --force would not help
    if path.exists() and not path.is_file():
        raise BadInputError(f"{path}: is no ordinary file, and nothing is written over it; name another")
    if not force:
        raise BadInputError(f"{path}: exists; name another file, or say --force")
    _try_part(path)
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        # a link is replaced itself, and what it points to stays
        descriptor = os.open(path, flags)
    except OSError:
        return None
    if not lock(descriptor):
        os.close(descriptor)
        raise BadInputError(f"{path}: is being recorded by another program; end that first, or name another file")
    return descriptor


def _try_part(path: Path) -> None:
    """Refuse a folder that takes no file, and clear it of what kills have left."""
    _remove_stale(path.parent)
    try:
        descriptor, part = part_beside(path)
        os.close(descriptor)
        part.unlink()
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written ({error.strerror or error})") from error


def new_file(path: Path, opening: bytes) -> int:
    """Return a locked file at a name that was free, open behind its opening.

    Raises
    ------
    BadInputError
        If the name was taken meanwhile.
    OSError
        If it cannot be written.
    """
    descriptor, part = part_beside(path)
    try:
        _begin_with(descriptor, opening)
        try:
            os.link(part, path)
        except FileExistsError:
            raise
        except OSError:
            # a file system without hard links: the name is claimed first, and has its opening a moment later
            claimed = os.open(path, _NEW, _RIGHTS)
            os.close(descriptor)
            descriptor = claimed
            _begin_with(descriptor, opening)
    except OSError as error:
        os.close(descriptor)
        if isinstance(error, FileExistsError):
            raise BadInputError(f"{path}: exists; name another file, or say --force") from error
        raise
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    lock(descriptor)
    return descriptor


def part_beside(path: Path) -> tuple[int, Path]:
    """Return a new file in the folder of ``path`` under a name that cannot be guessed, open for reading and writing."""
    part = path.with_name(f".{secrets.token_hex(12)}.grfrec.part")
    descriptor = os.open(part, _NEW, _RIGHTS)
    # whoever clears up sees by the lock that it is in use
    lock(descriptor)
    return descriptor, part


def free_name(path: Path) -> Path:
    """Return the path, or where something is there the first of ``NAME-2``, ``NAME-3`` ... that is free."""
    names = (path if k == 1 else path.with_name(f"{path.stem}-{k}{path.suffix}") for k in range(1, 1 << 30))
    return next(name for name in names if not os.path.lexists(name))


def _begin_with(descriptor: int, opening: bytes) -> None:
    with open(descriptor, "wb", closefd=False) as file:
        file.write(opening)


def lock(descriptor: int) -> bool:
    """Return whether no other recorder holds the file; where locks are not known nobody can tell."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _remove_stale(folder: Path) -> None:
    """Remove the parts that recorders left which were killed at the moment when a recording gives way."""
    with contextlib.suppress(OSError):
        for part in [entry for entry in folder.iterdir() if _PART.fullmatch(entry.name)]:
            _remove_if_stale(part)


def _remove_if_stale(part: Path) -> None:
    with contextlib.suppress(OSError):
        if part.is_symlink() or time.time() - part.stat().st_mtime < _STALE_S:
            return
        descriptor = os.open(part, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        try:
            if lock(descriptor):
                part.unlink()
        finally:
            os.close(descriptor)
