"""The work of ``grf-sync`` once its options are read: run, write, and put the result into words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..arguments import refuse_other_ending
from ..artefacts import check_file
from ..cluster import exposure
from ..errors import BadInputError
from ..sync import align, assemble
from ..sync.batch import ROW_VERDICTS, read_table
from ..sync.batch_reports import run_with_reports
from .common import EXIT_REFUSED, say
from .sync_words import table_code, table_words, words
from .talk import progress_console

Outcome = tuple[dict[str, Any], str, int]


def run_trial(
    options: dict[str, Any],
    *,
    out: Path | None,
    report: Path | None,
    force: bool,
    review: bool = False,
    browser: bool = True,
) -> Outcome:
    """Return the JSON summary, the words and the exit code of one trial; trial and report are written.

    Parameters
    ----------
    options
        Keyword arguments of :func:`grfkit.sync.align`.
    review, browser
        Whether a person decides on a page before anything is written, and whether a browser is opened for it.
    """
    _refuse_missing(options, out)
    assert out is not None
    _check_file(options, out, report, force)

    with progress_console().status(
        f"aligning {', '.join(p.name for p in options['wearables'] or (options['reference'],))} ..."
    ):
        # what is refused keeps its place to begin from
        alignment = align(**options | {"accept_refused": options["accept_refused"] or review})
    if review:
        from .review_run import review_alignment

        asked = bool(options["accept_refused"])
        return review_alignment(alignment, out, report, accept_refused=asked, browser=browser, force=force)
    with progress_console().status("writing ..."):
        if report is not None:
            from ..report import write_sync_report

            write_sync_report(report, alignment.evidence, force=force)
        if alignment.accepted:
            assemble(alignment).to_netcdf(out, force=force)
    return alignment.to_json(out), words(alignment, out, report), 0 if alignment.is_safe else EXIT_REFUSED


def _refuse_missing(options: dict[str, Any], out: Path | None) -> None:
    # two devices or more can be joined without a reference
    given = {
        "--reference FILE": options["reference"] or len(options["wearables"]) > 1,
        "--wearable FILE": options["wearables"] or options["synchronised"],
        "--surface treadmill|overground": options["surface"],
        "--out TRIAL.nc": out,
    }
    missing = [option for option, value in given.items() if not value]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise BadInputError(f"{', '.join(missing)} {verb} missing (see --help)")


def _check_file(options: dict[str, Any], out: Path, report: Path | None, force: bool) -> None:
    """Refuse before the work rather than after it."""
    if report is not None and out.resolve() == report.resolve():
        raise BadInputError(f"--out and --report name the same file, {out}; give the report a name of its own")
    check_file(out, force=force)
    refuse_other_ending(out, (".nc",), "a trial is written as netCDF4")
    written = [out]
    if report is not None:
        check_file(report, force=force)
        refuse_other_ending(report, (".html", ".htm"), "a report is written as HTML")
        written.append(report)
    # --force must not let a result take the place of what it came from
    documents = (options["column_map"], options["plates"], *options["calibrations"])
    inputs = {p.resolve() for p in (options["reference"], *options["wearables"], *documents) if p is not None}
    for path in written:
        if path.resolve() in inputs:
            raise BadInputError(f"{path}: is an input of this trial; name another file to write")


def run_table(table: Path, *, scheduler: str | None, processes: int | None, reports: bool, force: bool) -> Outcome:
    """Return summary, words and exit code of a whole table, with a progress bar on stderr."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rows = read_table(table, {})
    if warning := exposure(scheduler):
        say(warning)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=progress_console()) as progress:
        task = progress.add_task("aligning", total=len(rows))
        summaries = run_with_reports(
            table,
            rows,
            scheduler=scheduler,
            processes=processes,
            reports=reports,
            force=force,
            progress=lambda _: progress.advance(task),
        )
    counts: dict[str, int] = {v: sum(d["verdict"] == v for d in summaries) for v in ROW_VERDICTS}
    summary = {"counts": counts, "trials": summaries}
    return summary, table_words(counts, summaries), table_code(summaries)
