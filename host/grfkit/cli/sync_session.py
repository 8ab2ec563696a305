"""The work of ``grf-sync session``: align a session, write its trials and its page, and put the result into words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ..artefacts import check_file
from ..sync import SessionAlignment, align_session, assemble
from ..sync.session_request import SessionRequest, read_session
from .command_line import for_terminal
from .common import EXIT_BAD_INPUT, EXIT_REFUSED
from .sync_run import Outcome
from .sync_words import earlier_trial
from .talk import progress_console

_PRIOR_OPTIONS, _PRIOR_KEYS = "--prior-offset and --prior-sd", "prior_offset and prior_sd in its [[trial]]"


def run_session(document: Path, *, reports: bool, force: bool) -> Outcome:
    """Return the JSON summary, the words and the exit code of a session; trials and pages are written."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    request = read_session(document)
    page = request.options.report or document.with_suffix(".html")
    _check_files(request, page, reports=reports, force=force)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=progress_console()) as progress:
        task = progress.add_task("aligning", total=len(request.trials))
        session = align_session(request, progress=lambda _: progress.advance(task))
        progress.update(task, description="writing", completed=0)
        for trial in request.trials:
            _write_trial(session, trial.name, trial.out, reports=reports, force=force)
            progress.advance(task)
        _write_page(session, page, reports=reports, force=force)
    summary = session.to_json() | {"report": str(page)}
    code = EXIT_BAD_INPUT if session.errors else 0 if session.is_safe else EXIT_REFUSED
    return summary, _words(session, page), code


def _report_of(out: Path) -> Path:
    return out.with_suffix(".html")


def _check_files(request: SessionRequest, page: Path, *, reports: bool, force: bool) -> None:
    """Refuse before the work rather than after it."""
    from ..errors import BadInputError

    for folder in {path.parent for path in (page, *(trial.out for trial in request.trials))}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadInputError(f"{folder}: cannot be made ({error.strerror or error})") from error
    inputs = {path.resolve() for path in request.files()}
    own = [_report_of(trial.out) for trial in request.trials] if reports else []
    for path in (page, *own):
        if path.resolve() in inputs:
            raise BadInputError(f"{path}: is an input of this session; name another report")
    if page.resolve() in {path.resolve() for path in own}:
        raise BadInputError(f"{page}: is the page of the session and of a trial; name another report")
    for path in (page, *own, *(trial.out for trial in request.trials)):
        check_file(path, force=force)


def _write_trial(session: SessionAlignment, name: str, out: Path, *, reports: bool, force: bool) -> None:
    from ..report import write_sync_report

    alignment = session.trials.get(name)
    if alignment is None:
        return
    if alignment.accepted:
        assemble(alignment).to_netcdf(out, force=force)
    if reports:
        write_sync_report(_report_of(out), alignment.evidence, force=force)


def _write_page(session: SessionAlignment, page: Path, *, reports: bool, force: bool) -> None:
    from ..report import write_batch_report

    rows: list[dict[str, Any]] = []
    for row in session.to_json()["trials"]:
        report = _report_of(Path(row["out"])) if reports and not row["error"] else None
        name = "" if report is None else Path(os.path.relpath(report, page.parent)).as_posix()
        written = row["trial"] and Path(os.path.relpath(row["trial"], page.parent)).as_posix()
        rows.append({**row, "out": f"{row['name']}.nc", "report": name, "trial": written})
    title = f"Alignment of the session {session.request.title}"
    write_batch_report(page, rows, force, title=title, notes=session.clock_lines)


def _words(session: SessionAlignment, page: Path) -> str:
    written = sum(alignment.accepted for alignment in session.trials.values())
    lines = [f"verdict: {session.verdict}", *(f"  {text}" for text in session.messages)]
    for trial in session.request.trials:
        alignment = session.trials.get(trial.name)
        if alignment is None or not alignment.accepted:
            lines += earlier_trial(trial.out)
    lines += [f"trials written: {written} of {len(session.request.trials)}", f"report: {page}"]
    # advice of grf-sync: a session has no such options, but keys of its document
    text = for_terminal("\n".join(lines)).replace(_PRIOR_OPTIONS, _PRIOR_KEYS)
    return text.replace("--max-drift-ppm ", "max_drift_ppm = ")
