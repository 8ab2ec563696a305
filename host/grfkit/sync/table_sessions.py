"""Rows of a batch table that belong to one session: aligned together, each with a summary of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..arguments import ArgumentError
from ..arrays import PathLike
from ..errors import BadInputError
from ..formats.rows import is_number
from .session import SessionAlignment, align_session
from .session_request import SessionOptions, SessionRequest, SessionTrial
from .start_times import as_start
from .table import Row, read_rows

_STATED = {"synchronised": "synchronised", "offset_s": "offset"}
"""Fields of a request that state a clock, which a session estimates, and their columns."""


def read_table(path: PathLike, defaults: dict[str, Any]) -> list[Row]:
    """Return the rows of a table as :func:`~grfkit.sync.table.read_rows` does, each with the others of its session.

    Raises
    ------
    BadInputError
        As that, and as :func:`with_companions`.
    """
    return with_companions(Path(path), read_rows(path, defaults))


def with_companions(path: Path, rows: Sequence[Row]) -> list[Row]:
    """Return the rows, each with the others of its session; a session's rows are checked against each other.

    Raises
    ------
    BadInputError
        If a row has a start and no session, a start is none, a row of a session states its clock, or two rows of one
        session are of the same files or have one name.
    """
    sessions: dict[str, list[Row]] = {}
    for row in rows:
        _check_row(path, row)
        if row.session:
            sessions.setdefault(row.session, []).append(row)
    for members in sessions.values():
        _check_members(path, members)
    return [_among(row, sessions.get(row.session, ())) for row in rows]


def _among(row: Row, members: Sequence[Row]) -> Row:
    """Return a row with the others of its session as companions, which have none themselves."""
    others = [member.model_copy(update={"companions": ()}) for member in members if member.number != row.number]
    return row.model_copy(update={"companions": tuple(others)})


def members_of(row: Row) -> list[Row]:
    """Return all rows of a row's session in the table's order, each with the others as its companions."""
    rows = sorted((row, *row.companions), key=lambda member: member.number)
    return [_among(member, rows) for member in rows]


def _check_row(path: Path, row: Row) -> None:
    if (row.start or row.start_sd_s) and not row.session:
        raise BadInputError(
            f"{path}: row {row.number} states a start but no session; name its session in the column 'session'"
        )
    try:
        _start_of(row)
        _start_sd_of(row)
    except ArgumentError as error:
        raise BadInputError(f"{path}: row {row.number}, {error}") from error
    for field, column in _STATED.items():
        if row.session and getattr(row.request, field):
            raise BadInputError(
                f"{path}: row {row.number}, '{column}' states a clock, which session '{row.session}' estimates; leave"
                " out one of the two"
            )


def _check_members(path: Path, members: Sequence[Row]) -> None:
    seen: dict[object, Row] = {}
    for row in members:
        for what, key in (
            ("are of the same files", (row.request.reference, row.request.wearables)),
            ("both write a trial of the name", row.out.stem),
        ):
            other = seen.setdefault((what, key), row)
            if other is not row:
                name = f" '{row.out.stem}'" if isinstance(key, str) else ""
                raise BadInputError(
                    f"{path}: rows {other.number} and {row.number} of session '{row.session}' {what}{name}; correct one"
                )


def _start_of(row: Row) -> Any:
    """Return a row's stated start: date and time, or seconds; None where nothing is stated."""
    if not row.start:
        return None
    try:
        return as_start(float(row.start.replace(",", ".")), "start")
    except ValueError:
        return as_start(row.start, "start")


def _start_sd_of(row: Row) -> float | None:
    """Return the SD (s) of a row's start; None where none is stated."""
    if not row.start_sd_s:
        return None
    if not is_number(row.start_sd_s) or not 0 < float(row.start_sd_s) < math.inf:
        raise ArgumentError("start_sd", f"is '{row.start_sd_s}', expected seconds, more than 0")
    return float(row.start_sd_s)


def session_of(members: Sequence[Row]) -> SessionAlignment:
    """Return the alignment of all rows of a session; its trials have the names of the files that are written."""
    trials = tuple(SessionTrial(name=m.out.stem, request=m.request, out=m.out, start=_start_of(m)) for m in members)
    # a table is sorted by whatever its owner likes: its order says nothing of when trials were recorded
    options = SessionOptions(in_order=False)
    spread = [sd for sd in map(_start_sd_of, members) if sd is not None]
    if spread:
        options = options.model_copy(update={"start_sd_s": max(spread)})
    first = members[0]
    return align_session(SessionRequest(title=first.session, options=options, trials=trials, folder=first.folder))
