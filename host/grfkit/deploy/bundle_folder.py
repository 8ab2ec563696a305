"""Where a bundle goes: a folder that is written whole or not at all, and what was there before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..artefacts import FolderKind, check_folder, written_folder
from ..runtime.bundle_files import members
from ..runtime.manifest import MANIFEST

BUNDLE_FOLDER = FolderKind("bundle", MANIFEST, members)
"""What a bundle's folder holds; whatever else is in it, such as what was built there, is never removed."""


def check_replaceable(out: Path, *, force: bool) -> None:
    """Refuse to write where something is that is no bundle, or a bundle without ``force``.

    Raises
    ------
    BadInputError
        Naming the folder.
    """
    check_folder(out, BUNDLE_FOLDER, force=force)


def write_folder(out: Path, files: Mapping[str, bytes], *, force: bool = False) -> None:
    """Write a folder of files by path, beside its place, then put it there.

    Raises
    ------
    BadInputError
        If it cannot be written.
    """
    with written_folder(out, BUNDLE_FOLDER, force=force) as temporary:
        for path, content in files.items():
            (temporary / path).parent.mkdir(parents=True, exist_ok=True)
            (temporary / path).write_bytes(content)
