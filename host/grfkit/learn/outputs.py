"""Checks of output paths, made before hours are spent on what is to be written there."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import BadInputError


def check_folder(path: Path) -> None:
    """Refuse a path to write whose folder does not exist or cannot be written to."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise BadInputError(f"{path}: its folder does not exist; make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInputError(f"{path}: its folder cannot be written to")


def check_can_write(path: Path, *, force: bool) -> None:
    """Refuse a file that cannot be written.

    Raises
    ------
    BadInputError
        If it exists and ``force`` is false, is a folder, or its folder does not exist or cannot be written to.
    """
    if path.is_dir():
        raise BadInputError(f"{path}: is a folder; name a file to write")
    if path.exists() and not force:
        raise BadInputError(f"{path}: exists; use --force to overwrite it")
    check_folder(path)
