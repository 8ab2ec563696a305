"""Names of the files beside a model's own, and the check of a folder that results are put into file by file."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import BadInputError

CARD, EVALUATION, SEARCH = "CARD.md", "evaluation.json", "search.json"
ABOUT = "about.json"
"""Of a model that comes with grfkit: what it is for, licence and attribution."""


def check_into(folder: Path) -> None:
    """Refuse a folder that files could not be put into; one that is missing is made, but not the folder around it.

    Raises
    ------
    BadInputError
        If it is no folder or cannot be written to, or the folder around it is missing or cannot be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise BadInputError(f"{folder}: is a file; name a folder")
    where = folder if folder.is_dir() else folder.absolute().parent
    if not where.is_dir():
        raise BadInputError(f"{folder}: cannot be written (its folder does not exist); make it first")
    if not os.access(where, os.W_OK | os.X_OK):
        raise BadInputError(f"{folder}: cannot be written to")
