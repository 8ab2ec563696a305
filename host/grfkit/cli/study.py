"""``grf init`` and ``grf run``: a study in one folder, from a lab's files to a proven model."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .command_line import for_terminal
from .common import EXIT_BAD_INPUT, EXIT_INTERNAL, EXIT_REFUSED

if TYPE_CHECKING:
    from ..study import StudyResult

_Study = Annotated[Path, typer.Argument(metavar="STUDY", help="Folder of the study.")]
_Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout.")]
_GRAVEST = (EXIT_INTERNAL, EXIT_BAD_INPUT, EXIT_REFUSED)


def init(
    study: _Study,
    table: Annotated[
        Path | None,
        typer.Option("--table", help="Table of trials that is there already, as grf-sync batch reads it."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite study.toml and README; a table that holds rows is kept.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Write a study's folder: study.toml, an empty table of trials and a README."""
    from ..study import begin_study
    from ..study.begin import holds_rows
    from ..study.plan import PLAN, read_plan

    folder = begin_study(study, table=table, force=force)
    rows = os.path.normpath(folder / read_plan(folder).table)
    if as_json:
        print(json.dumps({"study": str(folder), "plan": PLAN, "table": rows}))
        return
    fill_in = "" if holds_rows(Path(rows)) else f"fill in {rows}, one row a trial; then: "
    print(f"{folder}: {PLAN}, README.md\n  next: {fill_in}grf run {shlex.quote(str(folder))}")


def run(
    study: _Study,
    skip: Annotated[
        list[str] | None,
        typer.Option("--skip", metavar="<part>", help="Leave out align, steps, train or prove; repeatable."),
    ] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Local processes.")] = None,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a running dask.distributed scheduler.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Do every part anew.")] = False,
    as_json: _Json = False,
) -> None:
    """Align a study's trials, table their steps, train a model, prove it on people left out, and write index.html.

    Stopped, it goes on where it was; what was done of the same trials and options is kept. A part that is not possible
    says why; the others go on. Exit code 0 if every trial is aligned and every part done, else that of the gravest.
    """
    from ..cluster import exposure
    from ..study import run_study
    from .common import say

    if warning := exposure(scheduler):
        say(warning)
    with _bars() as move:
        result = run_study(
            study, skip=tuple(skip or ()), processes=processes, scheduler=scheduler, force=force, progress=move
        )
    print(json.dumps(result.to_json(), indent=2) if as_json else _words(result))
    raise typer.Exit(_code(result))


def _words(result: StudyResult) -> str:
    lines = [f"{result.name}"]
    for part in result.parts:
        state = ", ".join(filter(None, (part.doubt, {"kept": "done before"}.get(part.state, part.state))))
        lines.append(f"  {part.name}: {state}{''.join(f', {file}' for file in part.files)}")
        lines += [f"    {for_terminal(line)}" for line in part.lines]
    return "\n".join([*lines, f"  page: {result.page}"])


def _code(result: StudyResult) -> int:
    """Return the gravest exit code of the parts and of the table's rows."""
    from .sync_words import table_code

    codes = {part.exit_code for part in result.parts} | {table_code(result.rows)}
    return next((code for code in _GRAVEST if code in codes), 0)


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int, str], None]]:
    """Give a function that moves two bars on stderr: parts of the study, and the part at work."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from ..study.plan import STAGES
    from .terminal import quiet_console

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with quiet_console() as screen:
        if not screen.is_interactive:
            yield lambda *_: None
            return
        with Progress(*columns, console=screen, transient=True) as progress:
            whole = progress.add_task("study", total=len(STAGES))
            part = progress.add_task("", total=None)
            at = ""

            def move(name: str, done: int, of: int, text: str) -> None:
                nonlocal at
                if name != at:
                    progress.reset(part)
                    progress.update(whole, completed=STAGES.index(name))
                    at = name
                progress.update(part, completed=done, total=of or None, description=f"{name}: {text}")

            yield move
