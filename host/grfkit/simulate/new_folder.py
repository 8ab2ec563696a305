"""Folders that simulators write: whole or not at all, and what a table in them names."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..arrays import PathLike
from ..artefacts import FolderKind, written_folder
from ..errors import BadInputError


@contextmanager
def new_folder(out_dir: PathLike, kind: FolderKind, *, force: bool, parts: tuple[str, ...] = ()) -> Iterator[Path]:
    """Give a folder to fill, which takes its place once all is written; folders above it are made.

    Parameters
    ----------
    parts
        Folders in it, made empty.

    Raises
    ------
    BadInputError
        If the folder holds something and ``force`` is false, or cannot be written.
    """
    out_dir = Path(out_dir)
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInputError(f"{out_dir}: cannot be written ({error.strerror or error})") from error
    with written_folder(out_dir, kind, force=force) as temporary:
        for part in parts:
            (temporary / part).mkdir()
        yield temporary


def rows_of(table: Path) -> list[dict[str, str | None]]:
    """Return the rows of a CSV table; none where it cannot be read."""
    try:
        return [dict(row) for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines())]
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
