"""A whole table aligned with a report for every row and a page over all: what ``grf-sync batch`` and studies run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..artefacts import written_whole
from .batch import Row, run_batch, run_row, waiting


def run_row_with_report(row: Row) -> dict[str, Any]:
    """Run one row of a table and write its report; importable by other processes."""
    summary = run_row(row)
    rows = {member.number: member for member in (row, *row.companions)}
    for each in (summary, *summary.get("_companions", ())):
        _write_report(rows[each["row"]], each)
    return summary


def run_with_reports(
    table: Path,
    rows: Sequence[Row],
    *,
    scheduler: str | None = None,
    processes: int | None = None,
    reports: bool = False,
    force: bool = False,
    remake: bool = False,
    progress: Callable[[dict[str, Any]], None] = lambda _: None,
    study: str = "",
) -> list[dict[str, Any]]:
    """Return the summary of every row of a table, resumed from the journal beside it.

    Parameters
    ----------
    rows
        Of :func:`~grfkit.sync.batch.read_table`.
    reports
        An HTML report beside every trial, and a page over all of them beside the table.
    study
        Name for the head of that page; the table's folder where empty.
    scheduler, processes, force, remake, progress
        Of :func:`~grfkit.sync.batch.run_batch`.
    """
    if reports:
        rows = [_reported(row) for row in rows]
    summaries = run_batch(
        rows,
        journal=table.with_name(f"{table.name}.journal.jsonl"),
        worker=run_row_with_report,
        scheduler=scheduler,
        processes=processes,
        force=force,
        remake=remake,
        progress=progress,
    )
    if reports:
        _write_index(table, summaries, study)
    return summaries


def _write_report(row: Row, summary: dict[str, Any]) -> None:
    # taken out: what is left goes into the journal as JSON
    evidence = summary.pop("_evidence", None)
    if evidence is not None and row.report is not None:
        from ..report import write_sync_report

        row.report.parent.mkdir(parents=True, exist_ok=True)
        # under another name until the whole row has ended well
        write_sync_report(waiting(row.report), evidence, force=True, of_table=True)


def _reported(row: Row) -> Row:
    """Return a row with a report beside its trial where it names none, and its session's rows likewise."""
    report = row.report or row.out.with_suffix(".html")
    companions = tuple(_reported(other) for other in row.companions)
    return row.model_copy(update={"report": report, "companions": companions})


def _write_index(table: Path, summaries: list[dict[str, Any]], study: str) -> None:
    from ..report import render_batch_report

    title = f"{study or table.resolve().parent.name}: alignment of {table.name}"
    with written_whole(table.with_suffix(".html"), force=True) as temporary:
        temporary.write_text(render_batch_report(summaries, title=title), encoding="utf-8")
