"""``grf-simulate``: a virtual laboratory's recordings, and insoles to connect to, with the truth beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import EXIT_CODES, make_app, run
from .simulate_film import film as _film
from .simulate_insole import insole as _insole
from .talk import progress_console

if TYPE_CHECKING:
    from ..simulate.folder import LabRequest, PlannedTrial

app = make_app()


@app.callback()
def simulate() -> None:
    """Simulate recordings whose truth is known."""


@app.command(epilog=EXIT_CODES)
def lab(
    out_dir: Annotated[Path | None, typer.Argument(help="Folder to write.", show_default=False)] = None,
    out: Annotated[Path | None, typer.Option("--out", help="The same, as other commands name it.", hidden=True)] = None,
    surface: Annotated[str, typer.Option(help="treadmill, overground, or both.")] = "both",
    gait: Annotated[str, typer.Option(help="run, or walk (on a treadmill with a belt per foot).")] = "run",
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    family: Annotated[str, typer.Option(help="Family of contact shapes: A, B, draw (A or B), or C.")] = "draw",
    footprints: Annotated[
        Path | None, typer.Option(help="Folder of family C's recordings (grfkit.fetch).", show_default=False)
    ] = None,
    insole: Annotated[str, typer.Option(help="adc (CSV of counts), loadsol, or both in turn.")] = "both",
    people: Annotated[int, typer.Option(help="How many people.")] = 1,
    trials: Annotated[int, typer.Option(help="Trials per person and surface.")] = 1,
    duration_s: Annotated[
        float | None, typer.Option(help="Length of the reference; drawn if absent.", show_default=False)
    ] = None,
    jumps: Annotated[int, typer.Option(help="Jumps on a plate early in each trial.")] = 0,
    gaps: Annotated[bool, typer.Option("--gaps/--no-gaps", help="Lose packets.")] = True,
    knee_gain: Annotated[
        float | None,
        typer.Option(
            "--knee-gain",
            help="Knees out of line, half of the people with an affected leg, as TABLE.csv states: 1 with an effect,"
            " 0 with none.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write a folder of recordings, a table and the truth.

    C3D, insoles, IMUs and landmarks of every trial; TABLE.csv for `grf-sync batch`; truth/, which no reader opens.
    """
    # first of all, while the options are the only names here
    request = _request(dict(locals()))
    folder = _folder(out_dir, out)
    written = _write(folder, request, force=force)
    if as_json:
        import json

        print(json.dumps({"folder": str(folder), "table": "TABLE.csv", "trials": [t.name for t in written]}))
        return
    print(f"{folder}: {len(written)} trials, listed in TABLE.csv")


@app.command(epilog=EXIT_CODES)
def session(
    out_dir: Annotated[Path, typer.Argument(help="Folder to write.")],
    surface: Annotated[str, typer.Option(help="treadmill or overground.")] = "overground",
    gait: Annotated[str, typer.Option(help="run, or walk (on a treadmill with a belt per foot).")] = "run",
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    bouts: Annotated[int, typer.Option(help="Bouts on the plates, each a C3D file.")] = 3,
    bout_s: Annotated[float, typer.Option(help="Length of each, s.")] = 120.0,
    jumps: Annotated[int, typer.Option(help="Jumps on a plate early in the session.")] = 0,
    gaps: Annotated[bool, typer.Option("--gaps/--no-gaps", help="Lose packets.")] = True,
    start_sd_s: Annotated[
        float | None,
        typer.Option("--start-sd-s", help="State when the files started, off by this SD (s).", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write a session: insoles and IMUs that record through, several bouts, SESSION.toml for `grf-sync session`."""
    options = dict(locals())
    from pydantic import ValidationError

    from ..arguments import ArgumentError, refuse_file_ending, refused_field
    from ..simulate.session_folder import SimulatedSessionRequest, write_session

    refuse_file_ending(out_dir, "a session")
    try:
        request = SimulatedSessionRequest.model_validate({n: options[n] for n in SimulatedSessionRequest.model_fields})
    except ValidationError as error:
        raise ArgumentError(*refused_field(error)) from error
    names = write_session(out_dir, request, force=force)
    if as_json:
        import json

        print(json.dumps({"folder": str(out_dir), "session": "SESSION.toml", "trials": names}))
        return
    print(f"{out_dir}: {len(names)} bouts, listed in SESSION.toml")


def _folder(out_dir: Path | None, out: Path | None) -> Path:
    from ..arguments import refuse_file_ending
    from ..errors import BadInputError

    if (out_dir is None) == (out is None):
        given = "is missing: name the folder to write" if out is None else "and --out both name a folder; give one"
        raise BadInputError(f"OUT_DIR {given}")
    folder = out_dir if out_dir is not None else out
    assert folder is not None
    refuse_file_ending(folder, "a lab")
    return folder


app.command(name="insole", epilog=EXIT_CODES)(_insole)
app.command(name="film", epilog=EXIT_CODES)(_film)


def _request(options: dict[str, Any]) -> LabRequest:
    from pydantic import ValidationError

    from ..arguments import ArgumentError, as_choice, choices_of, refused_field
    from ..simulate.folder import LabRequest

    settings = {name: options[name] for name in LabRequest.model_fields}
    settings = {
        name: as_choice(value, choices_of(LabRequest.model_fields[name].annotation)) for name, value in settings.items()
    }
    try:
        return LabRequest.model_validate(settings)
    except ValidationError as error:
        raise ArgumentError(*refused_field(error)) from error


def _write(out_dir: Path, request: LabRequest, *, force: bool) -> list[PlannedTrial]:
    from ..simulate.folder import planned_trials, write_lab

    total = len(planned_trials(request))
    if total == 1:
        return list(write_lab(out_dir, request, force=force))
    from rich.progress import track

    trials = write_lab(out_dir, request, force=force)
    console = progress_console()
    return list(track(trials, "trials", total=total, console=console, transient=True))


def main() -> None:
    """Run ``grf-simulate``."""
    run(app, name="grf-simulate")


if __name__ == "__main__":
    main()
