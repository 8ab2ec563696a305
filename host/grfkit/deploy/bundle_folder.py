"""Where a bundle goes: a folder that is written whole or not at all, and what was there before."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import BadInputError
from ..runtime.manifest import MANIFEST


def check_replaceable(out: Path, *, force: bool) -> None:
    """Refuse to write where something is that is no bundle, or a bundle without ``force``.

    Raises
    ------
    BadInputError
        Naming the folder.
    """
    if not out.parent.is_dir():
        raise BadInputError(f"{out}: its folder does not exist")
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise BadInputError(f"{out}: exists and is no folder; name another one")
    if not out.exists():
        return
    if any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise BadInputError(f"{out}: exists and is no bundle; name another folder")
    if not force:
        raise BadInputError(f"{out}: exists; use --force to overwrite it")


def write_folder(out: Path, files: Mapping[str, bytes], *, force: bool = False) -> None:
    """Write a folder of files by path, beside its place, then put it there.

    Raises
    ------
    BadInputError
        If it cannot be written.
    """
    try:
        # on the same file system as its place, where renaming is one step
        beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise BadInputError(f"{out}: cannot be written ({error.strerror or error})") from error
    try:
        for path, content in files.items():
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
            (beside / path).write_bytes(content)
        # mkdtemp gives a folder to its owner alone
        beside.chmod(0o755)
        _put(beside, out, force=force)
    except OSError as error:
        raise BadInputError(f"{out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put(beside: Path, out: Path, *, force: bool) -> None:
    """Give a folder its place; what is there stays until the new one is, and comes back if that fails."""
    if not (out.exists() and force):
        beside.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.old.", dir=out.parent)) / out.name
    try:
        out.rename(old)
        beside.rename(out)
    finally:
        if old.exists() and not out.exists():  # Ctrl-C comes between two lines too
            old.rename(out)
        shutil.rmtree(old.parent, ignore_errors=True)
