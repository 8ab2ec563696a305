"""The work of ``grf-sync`` once its options are read: run, write, and put the result into words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..cluster import exposure
from ..errors import BadInputError
from ..sync import Alignment, align, assemble
from ..sync.batch import Row, read_table, run_batch, run_row, waiting
from .common import EXIT_REFUSED, say
from .sync_words import exit_code, table_words, words

Outcome = tuple[dict[str, Any], str, int]


def run_trial(options: dict[str, Any], *, out: Path | None, report: Path | None, force: bool) -> Outcome:
    """Return the JSON summary, the words and the exit code of one trial; trial and report are written.

    Parameters
    ----------
    options
        Keyword arguments of :func:`grfkit.sync.align`.
    """
    _refuse_missing(options)
    if out is None:
        raise BadInputError("--out is missing: name the trial to write, e.g. --out trial.nc")
    for path in (out, report):
        _writable(path, force)
    if report is not None and out.resolve() == report.resolve():
        raise BadInputError(f"--out and --report name the same file, {out}; give the report a name of its own")
    # --force must not let a result take the place of what it came from
    inputs = {p.resolve() for p in (options["reference"], *options["wearables"])}
    for path in (out, report):
        if path is not None and path.resolve() in inputs:
            raise BadInputError(f"{path}: is an input of this trial; name another file to write")
    from rich.console import Console

    with Console(stderr=True).status(f"aligning {', '.join(p.name for p in options['wearables'])} ..."):
        alignment = _aligned(options)
        if report is not None:
            from ..report import write_sync_report

            write_sync_report(report, alignment.evidence, force=force)
        if alignment.accepted:
            assemble(alignment).to_netcdf(out, force=force)
    return alignment.to_json(out), words(alignment, out, report), exit_code(alignment.outcome)


def _refuse_missing(options: dict[str, Any]) -> None:
    needed = {
        "reference": "--reference FILE",
        "wearables": "--wearable FILE",
        "surface": "--surface treadmill|overground",
    }
    for field, option in needed.items():
        if not options[field]:
            raise BadInputError(f"{option} is missing (see --help)")


def _aligned(options: dict[str, Any]) -> Alignment:
    """Return the alignment; an option that is refused is named as on the command line."""
    try:
        return align(**options)
    except BadInputError as error:
        if not isinstance(error.__cause__, ValidationError):
            raise
        name, text = str(error).split(" ", 1)
        option = name.replace("_", "-")
        # fields carry their unit (prior_offset_s), options do not
        option = option.removesuffix("-s") if option.startswith("prior") else option
        raise BadInputError(f"--{option} {text}") from error


def _writable(path: Path | None, force: bool) -> None:
    """Refuse before the work rather than after it."""
    if path is None:
        return
    if path.is_dir():
        raise BadInputError(f"{path}: is a folder; name a file to write")
    if path.exists() and not force:
        raise BadInputError(f"{path}: exists; use --force to overwrite it")
    if not path.parent.is_dir():
        raise BadInputError(f"{path}: its folder does not exist")


def run_row_with_report(row: Row) -> dict[str, Any]:
    """Run one row of a table and write its report; importable by other processes."""
    summary = run_row(row)
    # taken out: what is left goes into the journal as JSON
    evidence = summary.pop("_evidence", None)
    if evidence is not None and row.report is not None:
        from ..report import write_sync_report

        row.report.parent.mkdir(parents=True, exist_ok=True)
        # under another name until the whole row has ended well
        write_sync_report(waiting(row.report), evidence, force=True)
    return summary


def run_table(table: Path, *, scheduler: str | None, processes: int | None, reports: bool, force: bool) -> Outcome:
    """Return summary, words and exit code of a whole table, with a progress bar on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rows = read_table(table, {})
    if warning := exposure(scheduler):
        say(warning)
    if reports:
        rows = [r if r.report else r.model_copy(update={"report": r.out.with_suffix(".html")}) for r in rows]
    journal = table.with_name(f"{table.name}.journal.jsonl")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("aligning", total=len(rows))
        summaries = run_batch(
            rows,
            journal=journal,
            worker=run_row_with_report,
            scheduler=scheduler,
            processes=processes,
            force=force,
            progress=lambda _: progress.advance(task),
        )
    if reports:
        _write_index(table, summaries)
    verdicts = [str(d["verdict"]) for d in summaries]
    counts = {v: verdicts.count(v) for v in ("aligned", "refused", "bad input")}
    # the gravest outcome of any row
    code = 2 if counts["bad input"] else EXIT_REFUSED if counts["refused"] else 0
    return {"counts": counts, "trials": summaries}, table_words(counts, summaries), code


def _write_index(table: Path, summaries: list[dict[str, Any]]) -> None:
    from ..artefacts import written_whole
    from ..report import render_batch_report

    with written_whole(table.with_suffix(".html"), force=True) as temporary:
        temporary.write_text(render_batch_report(summaries), encoding="utf-8")
