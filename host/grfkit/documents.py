"""Documents that people write or copy, JSON and TOML: from regular files only, of a size and depth for people."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from .errors import BadInputError
from .provenance import require_regular

OPTION_TABLES = re.compile(r"grf(-[a-z]+)?(?![\w-])")
"""Names of tables that hold a command's options; the same file may hold a recipe for training."""
LARGEST_DOCUMENT_BYTES = 64 << 20
"""Bytes of a document at most (64 MiB), chosen by hand: the largest that grfkit writes has a hundredth of it."""


def document_bytes(path: Path) -> bytes:
    """Return a document's content.

    Raises
    ------
    BadInputError
        If it is no regular file (a read of a pipe may never end), cannot be read or is larger than any document.
    """
    require_regular(path)
    try:
        with open(path, "rb") as handle:
            content = handle.read(LARGEST_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror or error})") from error
    if len(content) > LARGEST_DOCUMENT_BYTES:
        raise BadInputError(f"{path}: is larger than any document ({LARGEST_DOCUMENT_BYTES >> 20} MiB); name another")
    return content


def toml_document(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises
    ------
    BadInputError
        As :func:`document_bytes`, or if it is no TOML in UTF-8, or is nested too deeply.
    """
    try:
        return tomllib.loads(document_bytes(path).decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInputError(f"{path}: is no TOML ({error})") from error
    except RecursionError as error:
        raise BadInputError(f"{path}: is no TOML (lists or tables nested too deeply)") from error
