"""Many alignments from one table: resumable, on local processes or a dask cluster, the same results either way."""

from __future__ import annotations

import csv
import gc
import hashlib
import io
import json
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ..arguments import refused_field
from ..arrays import PathLike
from ..artefacts import replace_file, written_whole
from ..cluster import connected
from ..errors import BadInputError, GrfError
from ..formats.encoding import decode
from ..formats.rows import is_number
from ..provenance import describe_input, require_regular
from ..renames import remove
from .align import align_request
from .assemble import assemble
from .request import SyncRequest

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
    "column_map": "column_map",
    "rate_hz": "rate_hz",
    "together": "together",
    "allow_partial": "allow_partial",
}


_NUMBERS = frozenset({"mass_kg", "speed_m_s", "slope_percent", "prior_offset", "prior_sd", "rate_hz"})


class Row(BaseModel):
    """One row of the table in ``folder``: a request, where its trial goes, and where its report goes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    number: int
    request: SyncRequest
    out: Path
    report: Path | None = None
    folder: Path = Path()

    def name_of(self, path: Path) -> str:
        """Return a path as the table names it: relative to the table's folder, with forward slashes."""
        return Path(os.path.relpath(path, self.folder)).as_posix()

    def key(self) -> str:
        """Return what tells this job from any other: its request, and the size and time of its files."""
        stamps = [
            (str(p), p.stat().st_size, p.stat().st_mtime_ns)
            for p in (self.request.reference, *self.request.wearables)
            if p.exists()
        ]
        # without the number: a row that was moved within the table is the same job
        text = self.model_dump_json(exclude={"number"}) + repr(stamps)
        return hashlib.sha256(text.encode()).hexdigest()


def read_table(path: PathLike, defaults: dict[str, Any]) -> list[Row]:
    """Return the rows of a table; relative paths are relative to the table.

    It is text in UTF-8 or UTF-16, its columns separated by commas, semicolons or tabs, with either decimal sign.

    Columns: ``reference``, ``wearable`` (several separated by ``;``), ``surface``, ``out`` and, where wanted,
    ``mass_kg participant speed_m_s slope_percent forward report prior_offset prior_sd column_map rate_hz together
    allow_partial trial``.

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
    try:
        require_regular(path)
        text = decode(path.read_bytes())
        lines = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=_separator(text)))
    except (OSError, csv.Error) as error:
        raise BadInputError(f"{path}: cannot be read as a table ({error})") from error
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    if not lines:
        raise BadInputError(f"{path}: holds no row")
    for number, line in enumerate(lines, start=1):
        if None in line:
            raise BadInputError(
                f"{path}: row {number} has more cells than the table has columns; quote cells with commas"
            )
    _check_columns(path, list(lines[0]))
    rows = [_row(path, n, line, defaults) for n, line in enumerate(lines, start=1)]
    outs = [row.out for row in rows]
    twice = sorted({str(o) for o in outs if outs.count(o) > 1})
    if twice:
        raise BadInputError(f"{path}: several rows write {twice[0]}; every row needs its own 'out'")
    return rows


def _separator(text: str) -> str:
    """Return what separates the columns: a tab, or a semicolon where no comma stands between the names."""
    names = text.lstrip().partition("\n")[0]
    if "\t" in names:
        return "\t"
    return ";" if ";" in names and "," not in names else ","


def _plain_number(column: str, cell: str) -> str:
    """Return a number's cell with a decimal point: spreadsheets of some countries write ``70,5``."""
    return cell.replace(",", ".") if column in _NUMBERS and is_number(cell, ",") else cell


def _check_columns(path: Path, columns: list[str]) -> None:
    unknown = sorted({str(column) for column in columns if column not in _COLUMNS})
    if unknown:
        raise BadInputError(f"{path}: unknown column {', '.join(unknown)}; known are {', '.join(_COLUMNS)}")
    missing = [column for column in ("reference", "wearable", "out") if column not in columns]
    if missing:
        raise BadInputError(f"{path}: column {', '.join(missing)} is missing")


def _row(path: Path, number: int, line: dict[str, str | None], defaults: dict[str, Any]) -> Row:
    cells = {_COLUMNS[k]: _plain_number(k, (v or "").strip()) for k, v in line.items() if k in _COLUMNS}
    filled: dict[str, Any] = dict(defaults) | {k: v for k, v in cells.items() if v}
    base = path.parent
    out, report = filled.pop("out", ""), filled.pop("report", None)
    filled.pop("trial", None)
    if not out:
        raise BadInputError(f"{path}: row {number} has no 'out'")
    filled["reference"] = base / str(filled.get("reference", ""))
    filled["wearables"] = tuple(base / w.strip() for w in str(filled.get("wearables", "")).split(";") if w.strip())
    if "column_map" in filled:
        filled["column_map"] = base / str(filled["column_map"])
    try:
        request = SyncRequest.model_validate(filled)
    except ValidationError as error:
        raise BadInputError(f"{path}: row {number}, {' '.join(refused_field(error))}") from error
    there = base / report if report else None
    return Row(number=number, request=request, out=base / str(out), report=there, folder=base)


def run_row(row: Row) -> dict[str, Any]:
    """Return the summary of one row, its trial written beside its final place; an error concerns this row only.

    The summary is the JSON of ``grf-sync`` plus ``row``, ``out`` and, for bad input, ``error``. The trial waits as
    :func:`waiting` names it until the batch has it in its journal: a batch that is stopped leaves no trial that it
    does not know of.
    """
    summary: dict[str, Any] = {"row": row.number, "out": row.name_of(row.out), "key": row.key()}
    try:
        alignment = align_request(row.request)
        row.out.parent.mkdir(parents=True, exist_ok=True)
        if alignment.accepted:
            assemble(alignment).to_netcdf(waiting(row.out), force=True)
        summary |= alignment.to_json(Path(row.name_of(row.out))) | {"error": None}
        if row.report is not None:
            summary["report"] = row.name_of(row.report)
            summary["_evidence"] = alignment.evidence
    except (GrfError, OSError) as error:
        summary |= _failed(str(error))
    except Exception as error:  # one row must not end the others
        summary |= _failed(f"internal error, {type(error).__name__}: {error}")
    gc.collect()  # trees refer to themselves: without this a worker keeps gigabytes of rows long done
    return summary


def _failed(why: str) -> dict[str, Any]:
    return {"verdict": "bad input", "trial": None, "maps": [], "error": why}


def waiting(path: Path) -> Path:
    """Return where a row's file waits for its journal line."""
    return path.with_name(f".{path.name}.waiting")


def run_batch(
    rows: Sequence[Row],
    *,
    journal: PathLike,
    worker: Callable[[Row], dict[str, Any]],
    scheduler: str | None = None,
    processes: int | None = None,
    force: bool = False,
    progress: Callable[[dict[str, Any]], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Return the summary of every row in the table's order; rows already in the journal are not run again.

    Parameters
    ----------
    journal
        JSON-lines file beside the table; a row counts as done if its key (request and input files) stands there
        and its trial still exists (or was refused).
    worker
        What runs a row; importable, so that another process can.
    scheduler
        Address of a running dask.distributed scheduler; local processes if None.
    """
    journal = Path(journal)
    _refuse_collisions(rows)
    finished = {} if force else _finished(rows, journal)
    for row in rows:
        if row.number not in finished and row.out.exists() and not force and not _is_from_this_table(row, journal):
            raise BadInputError(f"{row.out}: exists and was not made by this table; use --force to overwrite it")
    todo = [row for row in rows if row.number not in finished]
    for summary in finished.values():
        progress(summary)
    by_number = {row.number: row for row in rows}
    with _nothing_waits(todo, finished), closing(_run(todo, worker, scheduler, processes)) as summaries:
        for summary in summaries:
            _settle(by_number[summary["row"]], summary, finished, journal)
            progress(summary)
    return [finished[row.number] for row in rows]


@contextmanager
def _nothing_waits(rows: Sequence[Row], finished: dict[int, dict[str, Any]]) -> Iterator[None]:
    """Remove files that wait for a journal line that never comes: before the rows run, and of those that do not end."""
    for row in rows:
        _remove_waiting(row)
    try:
        yield
    finally:
        for row in rows:
            if row.number not in finished:
                _remove_waiting(row)


def _remove_waiting(row: Row) -> None:
    for path in (row.out, row.report):
        if path is not None:
            remove(waiting(path))


def _settle(row: Row, summary: dict[str, Any], finished: dict[int, dict[str, Any]], journal: Path) -> None:
    """Write a row's line into the journal, and give its files their names."""
    files = [row.out] if summary["trial"] else []
    files += [row.report] if row.report is not None and summary.get("report") else []
    files = [path for path in files if waiting(path).exists()]
    summary["digests"] = {row.name_of(path): describe_input(waiting(path)).sha256 for path in files}
    finished[summary["row"]] = summary
    # the journal first: a batch that is stopped here finds the files still waiting, and puts them in place
    _journal(journal, list(finished.values()))
    for path in files:
        replace_file(waiting(path), path)
    # a row may fail with its trial written and its report not
    _remove_waiting(row)


def _finished(rows: Sequence[Row], journal: Path) -> dict[int, dict[str, Any]]:
    if not journal.exists():
        return {}
    require_regular(journal)
    entries: dict[str, dict[str, Any]] = {}
    for line in journal.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue  # a line cut short by a kill: that row runs again
        if isinstance(entry, dict) and "key" in entry:
            entries[str(entry["key"])] = entry
    finished: dict[int, dict[str, Any]] = {}
    for row in rows:
        summary = entries.get(row.key())
        # a row that failed runs again: its files may be readable by now
        if summary and not summary.get("error") and _still_there(row, summary.get("digests", {})):
            finished[row.number] = summary | {"row": row.number}
    return finished


def _still_there(row: Row, digests: dict[str, str]) -> bool:
    """Return whether a row's files are what they were made as; one that still waits for its place is put there."""
    files = {row.name_of(path): path for path in (row.out, row.report) if path is not None}
    for name, digest in digests.items():
        path = files.get(name)
        if path is None:
            return False
        if waiting(path).is_file() and describe_input(waiting(path)).sha256 == digest:
            replace_file(waiting(path), path)
        if not path.is_file() or describe_input(path).sha256 != digest:
            return False
    return True


def _is_from_this_table(row: Row, journal: Path) -> bool:
    """Return whether this very job, same request and inputs, made the row's trial, whatever became of it since."""
    return journal.exists() and row.key() in journal.read_text(encoding="utf-8")


def _refuse_collisions(rows: Sequence[Row]) -> None:
    """Refuse rows that write one file twice or over an input; links and dots are followed."""
    inputs = {p.resolve(): p for r in rows for p in (r.request.reference, *r.request.wearables)}
    written: dict[Path, int] = {}
    for row in rows:
        for path in (row.out, row.report):
            if path is None:
                continue
            real = path.resolve()
            if real in inputs:
                raise BadInputError(f"row {row.number} would write over {inputs[real]}, which is an input; rename it")
            if real in written:
                raise BadInputError(
                    f"rows {written[real]} and {row.number} both write {path}; give each a file of its own"
                )
            written[real] = row.number


def _journal(path: Path, entries: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(e, sort_keys=True) + "\n" for e in sorted(entries, key=lambda e: int(e["row"])))
    with written_whole(path, force=True) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _run(
    rows: Sequence[Row], worker: Callable[[Row], dict[str, Any]], scheduler: str | None, processes: int | None
) -> Generator[dict[str, Any]]:
    yield from _on_dask(rows, worker, scheduler) if scheduler else _locally(rows, worker, processes)


def _locally(
    rows: Sequence[Row], worker: Callable[[Row], dict[str, Any]], processes: int | None
) -> Iterator[dict[str, Any]]:
    count = min(processes or os.cpu_count() or 1, max(len(rows), 1))
    if count == 1:
        for row in rows:
            yield worker(row)
        return
    with ProcessPoolExecutor(count) as pool:
        for future in as_completed([pool.submit(worker, row) for row in rows]):
            yield future.result()


def _on_dask(rows: Sequence[Row], worker: Callable[[Row], dict[str, Any]], scheduler: str) -> Iterator[dict[str, Any]]:
    from distributed import as_completed as as_they_come

    with connected(scheduler) as client:
        # not pure: the same row may have other files by now, so an earlier result must not stand for it
        for future in as_they_come(client.map(worker, list(rows), pure=False)):
            yield future.result()
