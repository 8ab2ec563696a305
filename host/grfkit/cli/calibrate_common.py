"""What every subcommand of ``grf-calibrate`` does with its options: names, days, and files checked before the work."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from pydantic import BaseModel

from ..arguments import ArgumentError, refuse_other_ending
from ..artefacts import check_file, written_whole
from ..errors import BadInputError

_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]*$")


def document_name(name: str, out: Path) -> str:
    """Return the document's name, made of its file's where none is given."""
    name = name or re.sub(r"[^a-z0-9_.-]+", "-", out.stem.lower())
    if not _NAME.match(name):
        raise ArgumentError("name", f"is {name!r}, expected small letters, digits, '-', '.' or '_'")
    return name


def check_day(made_on: str) -> None:
    """Refuse what is no day, as 2026-05-31."""
    try:
        good = not made_on or (bool(_DAY.match(made_on)) and date.fromisoformat(made_on) is not None)
    except ValueError:
        good = False
    if not good:
        raise ArgumentError("made_on", f"is {made_on!r}, expected a day as 2026-05-31")


def check_files(
    out: Path, report: Path | None, inputs: Sequence[Path | None], *, force: bool, ending: str = ".json"
) -> None:
    """Refuse what may not be written before the work rather than after it."""
    check_file(out, force=force)
    refuse_other_ending(out, (ending,), f"the document is written as {ending.lstrip('.').upper()}")
    written = [out]
    if report is not None:
        check_file(report, force=force)
        refuse_other_ending(report, (".html", ".htm"), "a report is written as HTML")
        written.append(report)
    taken = {path.resolve() for path in inputs if path is not None}
    for path in written:
        if path.resolve() in taken:
            raise BadInputError(f"{path}: is an input of this measurement; name another file to write")


def write_document(out: Path, document: BaseModel, *, force: bool) -> None:
    """Write a document as JSON, whole or not at all."""
    with written_whole(out, force=force) as temporary:
        temporary.write_text(document.model_dump_json(indent=2) + "\n", encoding="utf-8")
