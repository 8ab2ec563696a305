"""The table of a batch: its cells checked row by row before any row runs."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ..arguments import refuse_other_ending, refused_field
from ..arrays import PathLike
from ..calibrate.kinds import KINDS
from ..errors import BadInputError
from ..formats.encoding import decode
from ..formats.rows import is_number
from ..provenance import require_regular
from ..records.person import Person, check_people, make_person, read_person
from .request import LATER, SyncRequest, refuse_options

_OF_PERSONS = tuple(name for name in Person.model_fields if name != "mass_kg")
"""Columns that are facts of the row's person, where no document states them."""
_COLUMNS = {
    "trial": "trial",
    "reference": "reference",
    "wearable": "wearables",
    "surface": "surface",
    "mass_kg": "mass_kg",
    "participant": "participant",
    "speed_m_s": "speed_m_s",
    "slope_percent": "slope_percent",
    "forward": "forward",
    "out": "out",
    "report": "report",
    "prior_offset": "prior_offset_s",
    "prior_sd": "prior_sd_s",
    "synchronised": "synchronised",
    "offset": "offset_s",
    "offset_sd": "offset_sd_s",
    "column_map": "column_map",
    "rate_hz": "rate_hz",
    "allow_short": "allow_short",
    "plates": "plates",
    "side": "side",
    "calibration": "calibrations",
    "correct": "correct",
    "together": "together",
    "allow_partial": "allow_partial",
    "accept_refused": "accept_refused",
    "min_overlap_s": "min_overlap_s",
    "max_drift_ppm": "max_drift_ppm",
    "session": "session",
    "start": "start",
    "start_sd": "start_sd_s",
    "person": "person",
    "walker": "walker",
    "near_side": "near_side",
    "picture": "picture",
    "rendered": "rendered",
    **{name: name for name in _OF_PERSONS},
}
_OTHER_NAMES = {
    "wearables": "wearable",
    "film": "wearable",
    "calibrations": "calibration",
    "prior_offset_s": "prior_offset",
    "prior_sd_s": "prior_sd",
    "offset_s": "offset",
    "offset_sd_s": "offset_sd",
    "start_sd_s": "start_sd",
    "synchronized": "synchronised",
    "mass": "mass_kg",
    "speed": "speed_m_s",
    "slope": "slope_percent",
    "subject": "participant",
}
"""Names of columns that people write, and the table's own."""
_SEVERAL = ("wearables", "calibrations", "side", "correct")
"""Fields that hold several values, separated by semicolons."""
_PATHS = ("reference", "wearables", "column_map", "plates", "calibrations")
"""Fields whose values are relative to the table."""
_SETTINGS = {"min_overlap_s": "shortest_overlap_s", "max_drift_ppm": "max_drift_ppm"}
"""Columns that are settings of the alignment, and these."""
_COLUMN_OF = {f"settings.{field}": column for column, field in _SETTINGS.items()} | {
    field: column for column, field in _COLUMNS.items()
}
_NUMBERS = frozenset(
    {"mass_kg", "speed_m_s", "slope_percent", "prior_offset", "prior_sd", "rate_hz", "offset", "offset_sd", "start_sd"}
    | {"hka_left_deg", "hka_right_deg", "hka_sd_deg", "height_m", *_SETTINGS}
)
_OF_SESSIONS = ("session", "start", "start_sd_s")
"""Fields that say nothing of a row without a session: journals of an earlier grfkit hold no such field."""
_HEADING = "its first line names the columns: reference,wearable,surface,out and others"


class Row(BaseModel):
    """One row of the table in ``folder``: a request, where its trial goes, and where its report goes.

    Attributes
    ----------
    session, start, start_sd_s
        Rows of one session are aligned together (:mod:`.table_sessions`); when the row's reference started, and the SD
        of that, as the table's text.
    companions
        The other rows of its session.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    number: int
    request: SyncRequest
    out: Path
    report: Path | None = None
    folder: Path = Path()
    session: str = ""
    start: str = ""
    start_sd_s: str = ""
    companions: tuple[Row, ...] = ()

    def name_of(self, path: Path) -> str:
        """Return a path as the table names it: relative to the table's folder, with forward slashes."""
        return Path(os.path.relpath(path, self.folder)).as_posix()

    def key(self) -> str:
        """Return what tells this job from any other: its request, and the size and time of its files."""
        stamps = [(str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in self.request.files() if p.exists()]
        # without the number: a row that was moved within the table is the same job
        exclude: dict[str, Any] = {"number": True, "companions": True}
        exclude |= {} if self.session else dict.fromkeys(_OF_SESSIONS, True)
        exclude["request"] = {name for name in LATER if getattr(self.request, name) in (None, False)}
        text = self.model_dump_json(exclude=exclude)
        text += repr(stamps) + "".join(sorted(other.key() for other in self.companions))
        return hashlib.sha256(text.encode()).hexdigest()


def read_rows(path: PathLike, defaults: dict[str, Any]) -> list[Row]:
    """Return the rows of a table, not yet joined to sessions; relative paths are relative to the table.

    Columns: ``reference``, ``wearable`` (several separated by ``;``), ``surface``, ``out`` and, where wanted,
    ``mass_kg participant speed_m_s slope_percent forward report prior_offset prior_sd synchronised offset offset_sd
    column_map rate_hz allow_short plates side calibration correct together allow_partial accept_refused min_overlap_s
    max_drift_ppm trial session start start_sd walker near_side picture``, ``person`` or its facts
    (:class:`~grfkit.records.person.Person`); in any case, with any blanks around them. Rows of one ``session`` are
    aligned together. A row whose clocks are ``synchronised`` may name no wearable.
    Cells are separated by commas, semicolons or tabs.

    Parameters
    ----------
    defaults
        Request fields that hold for every row whose own cell is empty.

    Raises
    ------
    BadInputError
        If the table cannot be read, a column is unknown or missing, a cell is wrong, or two rows write one file.
    """
    path = Path(path)
    lines = _lines(path)
    _refuse_wrong_columns(path, list(lines[0]), defaults)
    rows = [_row(path, n, line, defaults) for n, line in enumerate(lines, start=1)]
    outs = [row.out for row in rows]
    twice = sorted({str(o) for o in outs if outs.count(o) > 1})
    if twice:
        raise BadInputError(f"{path}: several rows write {twice[0]}; every row needs its own 'out'")
    try:
        check_people((r.request.participant or f"row {r.number}", r.request.person) for r in rows if r.request.person)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    return rows


def _lines(path: Path) -> list[dict[str, str]]:
    """Return the cells of every row by their column; rows without any cell are left out."""
    text = _text(path)
    head = next((line for line in text.splitlines() if line.strip()), "")
    # cells that name several files hold semicolons: the heading decides
    separator = max(",;\t", key=head.count)
    try:
        cells = [[cell.strip() for cell in line] for line in csv.reader(io.StringIO(text), delimiter=separator)]
    except csv.Error as error:
        raise BadInputError(f"{path}: cannot be read as a table ({error})") from error
    filled = [line for line in cells if any(line)]
    if len(filled) < 2:
        raise BadInputError(f"{path}: holds no row{'' if filled else ' and no heading'}; {_HEADING}")
    columns, lines = [_column(name) for name in filled[0]], []
    for number, line in enumerate(filled[1:], start=1):
        if any(line[len(columns) :]):
            raise BadInputError(
                f"{path}: row {number} has more cells than the table has columns; quote cells that hold '{separator}'"
            )
        lines.append(dict(zip(columns, line + [""] * (len(columns) - len(line)))))
    twice = sorted({name for name in columns if name and columns.count(name) > 1})
    if twice:
        raise BadInputError(f"{path}: has the column '{twice[0]}' twice; leave one out")
    return lines


def _text(path: Path) -> str:
    """Return a table's text in whatever encoding it is; files of other kinds are named."""
    require_regular(path)
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error


def _column(name: str) -> str:
    tidy = name.strip().strip("\ufeff").lower().replace(" ", "_").replace("-", "_")
    return _OTHER_NAMES.get(tidy, tidy)


def _refuse_wrong_columns(path: Path, columns: list[str], defaults: Mapping[str, Any]) -> None:
    unknown = [column for column in columns if column and column not in _COLUMNS]
    if unknown:
        near = difflib.get_close_matches(unknown[0], list(_COLUMNS), n=1)
        meant = f" ('{unknown[0]}': did you mean '{near[0]}'?)" if near else ""
        raise BadInputError(
            f"{path}: unknown column {', '.join(sorted(unknown))}{meant}; known are {', '.join(_COLUMNS)}"
        )
    needed = [name for name in ("reference", "wearable", "surface", "out") if _COLUMNS[name] not in defaults]
    if "synchronised" in columns:
        needed = [name for name in needed if name != "wearable"]
    missing = [column for column in needed if column not in columns]
    if missing:
        raise BadInputError(f"{path}: column {', '.join(missing)} is missing; {_HEADING}")


def _plain_number(column: str, cell: str) -> str:
    """Return a number's cell with a decimal point: spreadsheets of some countries write ``70,5``."""
    return cell.replace(",", ".") if column in _NUMBERS and is_number(cell, ",") else cell


def _row(path: Path, number: int, line: dict[str, str], defaults: dict[str, Any]) -> Row:
    cells = {_COLUMNS[k]: _plain_number(k, v) for k, v in line.items() if k in _COLUMNS}
    filled: dict[str, Any] = dict(defaults) | {k: v for k, v in cells.items() if v}
    base = path.parent
    out, report = filled.pop("out", ""), filled.pop("report", None)
    session, start, start_sd_s = (str(filled.pop(name, "")) for name in _OF_SESSIONS)
    for unused in ("trial", "rendered"):
        filled.pop(unused, None)
    if not out:
        raise BadInputError(f"{path}: row {number} has no 'out'")
    for name in _SEVERAL:
        if isinstance(filled.get(name), str):
            parts = tuple(part.strip() for part in filled.pop(name).split(";") if part.strip())
            filled |= {name: parts} if parts else {}
    for name in _PATHS:
        if name in filled:
            value = filled[name]
            filled[name] = tuple(_there(base, v) for v in value) if isinstance(value, tuple) else _there(base, value)
    settings = {field: filled.pop(column) for column, field in _SETTINGS.items() if column in filled}
    if settings:
        filled["settings"] = settings
    filled |= _person(path, number, filled)
    for name, words in (("reference", "no 'reference'"), ("wearables", "no 'wearable'"), ("surface", "no 'surface'")):
        if name not in filled and not (name == "wearables" and "synchronised" in filled):
            raise BadInputError(f"{path}: row {number} has {words}")
    try:
        request = SyncRequest.model_validate(filled)
    except ValidationError as error:
        name, why = refused_field(error)
        raise BadInputError(f"{path}: row {number}, {_COLUMN_OF.get(name.split(' ')[0], name)} {why}") from error
    row = Row(
        number=number,
        request=request,
        out=_there(base, out),
        report=_there(base, report) if report else None,
        folder=base,
        session=session,
        start=start,
        start_sd_s=start_sd_s,
    )
    _refuse_before(path, row)
    return row


def _person(path: Path, number: int, filled: dict[str, Any]) -> dict[str, Any]:
    """Return the person of a row, its facts taken out of the cells: of the document it names, or of its own cells."""
    facts = {name: filled.pop(name) for name in _OF_PERSONS if name in filled}
    document = filled.pop("person", None)
    if document is not None and facts:
        raise BadInputError(f"{path}: row {number} states {', '.join(facts)} beside its 'person'; state it there")
    if document is not None:
        return {"person": read_person(_there(path.parent, document))}
    return {"person": make_person(facts, what=f"{path}: row {number}")} if facts else {}


def _there(base: Path, text: object) -> Path:
    """Return a cell's path, relative to the table; the name of a document that comes with grfkit stays."""
    path = Path(str(text)).expanduser()
    there = base / path
    packaged = path.suffix == "" and path.parts[:1] and path.parts[0] in KINDS and not there.exists()
    return path if packaged else there


def _refuse_before(path: Path, row: Row) -> None:
    """Refuse what can be seen to be wrong of a row before any row runs."""
    inputs = {file.resolve() for file in row.request.files()}
    try:
        for written in (row.out, row.report):
            if written is not None and written.resolve() in inputs:
                raise BadInputError(f"would write over {written}, which is an input; rename it")
        if row.report is not None and row.report.resolve() == row.out.resolve():
            raise BadInputError(f"trial and report both write {row.out}; give each a file of its own")
        refuse_other_ending(row.out, (".nc",), "a trial is written as netCDF4")
        if row.report is not None:
            refuse_other_ending(row.report, (".html", ".htm"), "a report is written as HTML")
        row.request.prior()
        refuse_options(row.request)
    except BadInputError as error:
        raise BadInputError(f"{path}: row {row.number}, {error}") from error
