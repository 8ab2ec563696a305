"""Many alignments from one table: resumable, on local processes or a dask cluster, the same results either way."""

from __future__ import annotations

import gc
import json
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

from ..arrays import PathLike
from ..artefacts import replace_file, written_whole
from ..cluster import connected, log_level, with_log
from ..errors import BadInputError, GrfError
from ..provenance import describe_input, require_regular
from ..records.participants import person_key
from ..renames import remove
from .align import Alignment, align_request
from .assemble import assemble
from .table import Row
from .table_sessions import members_of, read_table, session_of

__all__ = ["ROW_VERDICTS", "Row", "RowVerdict", "read_table", "run_batch", "run_row", "waiting"]

RowVerdict = Literal["aligned", "partial", "refused", "bad input", "internal error"]
ROW_VERDICTS: tuple[RowVerdict, ...] = get_args(RowVerdict)
"""How a row may end, the best first."""


def run_row(row: Row) -> dict[str, Any]:
    """Return the summary of one row, its trial written beside its final place; an error concerns this row only.

    The summary is the JSON of ``grf-sync`` plus ``row``, ``out`` and, for bad input, ``error``. The trial waits as
    :func:`waiting` names it until the batch has it in its journal: a batch that is stopped leaves no trial that it
    does not know of. A row of a session runs with its companions, whose summaries are ``_companions`` of its own.
    """
    if row.companions:
        return _run_session(row)
    with _own_error(summary := _summary_of(row)):
        summary |= _written(row, align_request(row.request))
    gc.collect()  # trees refer to themselves: without this a worker keeps gigabytes of rows long done
    return summary


def _run_session(row: Row) -> dict[str, Any]:
    members = members_of(row)
    summaries = {member.number: _summary_of(member) for member in members}
    try:
        session = session_of(members)
        for member in members:
            with _own_error(summary := summaries[member.number]):
                if member.out.stem in session.errors:
                    raise BadInputError(session.errors[member.out.stem])
                summary |= _written(member, session.trials[member.out.stem])
    except Exception as error:  # one session must not end the other rows
        for summary in summaries.values():
            summary |= _failed("internal error", f"internal error, {type(error).__name__}: {error}")
    gc.collect()
    own = summaries.pop(row.number)
    return own | {"_companions": list(summaries.values())}


def _summary_of(row: Row) -> dict[str, Any]:
    return {"row": row.number, "out": row.name_of(row.out), "key": row.key()}


@contextmanager
def _own_error(summary: dict[str, Any]) -> Iterator[None]:
    """Put an error into the summary of the row that it concerns."""
    try:
        yield
    except (GrfError, OSError) as error:
        summary |= _failed("bad input", str(error))
    except Exception as error:  # one row must not end the others
        summary |= _failed("internal error", f"internal error, {type(error).__name__}: {error}")


def _written(row: Row, alignment: Alignment) -> dict[str, Any]:
    """Return what a row's summary says of its alignment, the trial written beside its final place."""
    row.out.parent.mkdir(parents=True, exist_ok=True)
    if alignment.accepted:
        assemble(alignment).to_netcdf(waiting(row.out), force=True)
    summary = alignment.to_json(Path(row.name_of(row.out))) | {"error": None}
    if row.report is not None:
        summary |= {"report": row.name_of(row.report), "_evidence": alignment.evidence}
    return summary


def _failed(verdict: RowVerdict, why: str) -> dict[str, Any]:
    return {"verdict": verdict, "trial": None, "maps": [], "error": why}


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
    remake: bool = False,
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
    remake
        Overwrite a trial that an earlier run of this table wrote and nobody changed since, where the row's request or
        inputs have changed; refused otherwise.
    """
    journal = Path(journal)
    _refuse_collisions(rows)
    _refuse_shared(rows)
    finished = {} if force else _finished(rows, journal)
    for row in rows:
        if row.number in finished or not row.out.exists() or force or _is_from_this_table(row, journal):
            continue
        if not (remake and _is_of_an_earlier_run(row, journal)):
            raise BadInputError(
                f"{row.out}: exists and was not made by this table; use --force (force=True in Python) to overwrite it"
            )
    todo = [row for row in rows if row.number not in finished]
    for summary in finished.values():
        progress(summary)
    by_number = {row.number: row for row in rows}
    with _nothing_waits(todo, finished), closing(_run(_leads(todo), worker, scheduler, processes)) as results:
        for result in results:
            for summary in (*result.pop("_companions", ()), result):
                if summary["row"] in finished:  # made by an earlier run from the same files
                    _remove_waiting(by_number[summary["row"]])
                    continue
                _settle(by_number[summary["row"]], summary, finished, journal)
                progress(summary)
    return [finished[row.number] for row in rows]


def _leads(rows: Sequence[Row]) -> list[Row]:
    """Return the rows to hand to workers: of each session the first, which runs with its companions."""
    first: dict[str, Row] = {}
    return [row for row in rows if not row.companions or first.setdefault(row.session, row) is row]


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


def _is_of_an_earlier_run(row: Row, journal: Path) -> bool:
    """Return whether the file that is there is, to the byte, what an earlier run of this table wrote."""
    return journal.exists() and describe_input(row.out).sha256 in journal.read_text(encoding="utf-8")


def _refuse_collisions(rows: Sequence[Row]) -> None:
    """Refuse rows that write one file twice or over an input; links and dots are followed."""
    inputs = {p.resolve(): p for r in rows for p in r.request.files()}
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


def _refuse_shared(rows: Sequence[Row]) -> None:
    """Refuse one wearable recording under two participants, be it one file or two of the same bytes.

    A reference may be shared: plates may record several people, one after the other.
    """
    owners: dict[Path, Row] = {}
    for row in rows:
        for path in row.request.wearables if row.request.participant else ():
            other = owners.setdefault(path.resolve(), row)
            if person_key(other.request.participant) != person_key(row.request.participant):
                raise BadInputError(_shared(other, row, row.name_of(path)))
    sizes: dict[int, list[Path]] = {}
    for path in owners:
        if path.is_file():
            sizes.setdefault(path.stat().st_size, []).append(path)
    digests: dict[str, Path] = {}
    # files of one length alone are read through
    for path in [path for alike in sizes.values() if len(alike) > 1 for path in alike]:
        first, row = digests.setdefault(describe_input(path).sha256, path), owners[path]
        other = owners[first]
        if person_key(other.request.participant) != person_key(row.request.participant):
            raise BadInputError(_shared(other, row, f"{other.name_of(first)} (the same bytes as {row.name_of(path)})"))


def _shared(first: Row, second: Row, recording: str) -> str:
    return (
        f"rows {first.number} and {second.number} give one recording, {recording}, to participants"
        f" '{first.request.participant}' and '{second.request.participant}': a model's test on one would leak from"
        " training on the other; correct the table"
    )


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
        for future in as_completed([pool.submit(with_log, log_level(), worker, row) for row in rows]):
            yield future.result().told()


def _on_dask(rows: Sequence[Row], worker: Callable[[Row], dict[str, Any]], scheduler: str) -> Iterator[dict[str, Any]]:
    from distributed import as_completed as as_they_come

    with connected(scheduler) as client:
        # not pure: the same row may have other files by now, so an earlier result must not stand for it
        for future in as_they_come([client.submit(with_log, log_level(), worker, row, pure=False) for row in rows]):
            yield future.result().told()
