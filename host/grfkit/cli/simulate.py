"""``grf-simulate``: a virtual laboratory's recordings, and insoles to connect to, with the truth beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import EXIT_CODES, make_app, run
from .simulate_insole import insole as _insole

if TYPE_CHECKING:
    from ..simulate.folder import LabRequest, PlannedTrial

app = make_app()


@app.callback()
def simulate() -> None:
    """Simulate recordings whose truth is known."""


@app.command(epilog=EXIT_CODES)
def lab(
    out_dir: Annotated[Path, typer.Argument(help="Folder to write.", show_default=False)],
    surface: Annotated[str, typer.Option(help="treadmill, overground, or both.")] = "both",
    gait: Annotated[str, typer.Option(help="run, or walk (on a treadmill with a belt per foot).")] = "run",
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    family: Annotated[str, typer.Option(help="Family of contact shapes: A, B, or draw.")] = "draw",
    insole: Annotated[str, typer.Option(help="adc (CSV of counts), loadsol, or both in turn.")] = "both",
    people: Annotated[int, typer.Option(help="How many people.")] = 1,
    trials: Annotated[int, typer.Option(help="Trials per person and surface.")] = 1,
    duration_s: Annotated[
        float | None, typer.Option(help="Length of the reference; drawn if absent.", show_default=False)
    ] = None,
    jumps: Annotated[int, typer.Option(help="Jumps on a plate early in each trial.")] = 0,
    gaps: Annotated[bool, typer.Option("--gaps/--no-gaps", help="Lose packets.")] = True,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write a folder of recordings, a table and the truth.

    C3D, insoles, IMUs and landmarks of every trial; TABLE.csv for `grf-sync batch`; truth/, which no reader opens.
    """
    # first of all, while the options are the only names here
    request = _request(dict(locals()))
    written = _write(out_dir, request, force=force)
    if as_json:
        import json

        print(json.dumps({"folder": str(out_dir), "table": "TABLE.csv", "trials": [t.name for t in written]}))
        return
    print(f"{out_dir}: {len(written)} trials, listed in TABLE.csv")


app.command(name="insole", epilog=EXIT_CODES)(_insole)


def _request(options: dict[str, Any]) -> LabRequest:
    from pydantic import ValidationError

    from ..arguments import refused_field
    from ..errors import BadInputError
    from ..simulate.folder import LabRequest

    settings = {name: options[name] for name in LabRequest.model_fields}
    try:
        return LabRequest.model_validate(settings)
    except ValidationError as error:
        name, why = refused_field(error)
        raise BadInputError(f"--{name.split('.')[0].replace('_', '-')} {why}") from error


def _write(out_dir: Path, request: LabRequest, *, force: bool) -> list[PlannedTrial]:
    from ..simulate.folder import planned_trials, write_lab

    total = len(planned_trials(request))
    if total == 1:
        return list(write_lab(out_dir, request, force=force))
    from rich.console import Console
    from rich.progress import track

    trials = write_lab(out_dir, request, force=force)
    console = Console(stderr=True)
    return list(track(trials, "trials", total=total, console=console, transient=True))


def main() -> None:
    """Run ``grf-simulate``."""
    run(app, name="grf-simulate")


if __name__ == "__main__":
    main()
