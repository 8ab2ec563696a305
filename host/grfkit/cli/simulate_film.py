"""``grf-simulate film``: rendered films of walkers whose forces are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .talk import progress_console


def film(
    out_dir: Annotated[Path, typer.Argument(help="Folder to write.")],
    people: Annotated[int, typer.Option(help="How many people.")] = 1,
    films: Annotated[int, typer.Option(help="Films per person.")] = 1,
    surface: Annotated[str, typer.Option(help="overground (passes over plates) or treadmill.")] = "overground",
    gait: Annotated[str, typer.Option(help="walk or run.")] = "walk",
    laboratory: Annotated[
        str, typer.Option(help="base, or other: another background, clothes and camera pose.")
    ] = "base",
    near_side: Annotated[str, typer.Option(help="Side that faces the camera: left, right, or both in turn.")] = "both",
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    duration_s: Annotated[
        float, typer.Option(help="Length of the plates' recording; the film is some s shorter.")
    ] = 30.0,
    rate_hz: Annotated[float, typer.Option(help="Pictures a second.")] = 60.0,
    width_px: Annotated[int, typer.Option(help="Width of the film.")] = 1280,
    height_px: Annotated[int, typer.Option(help="Height of the film.")] = 720,
    jitter_ms: Annotated[float, typer.Option(help="SD of a picture's time about its regular place.")] = 0.0,
    dropped: Annotated[float, typer.Option(help="Share of pictures that are lost.")] = 0.0,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Write rendered films of simulated walkers: a body of capsules, no real film.

    Beside each film (H.264) the plates as C3D on a clock of their own; TABLE.csv lists them and says `rendered`; truth/
    holds clocks and contacts, which no reader opens.
    """
    # first of all, while the options are the only names here
    options = dict(locals())
    import json

    from pydantic import ValidationError

    from ..arguments import ArgumentError, refuse_file_ending, refused_field
    from ..extras import refuse_without
    from ..simulate.film.folder import FilmRequest, planned_films, write_films

    refuse_file_ending(out_dir, "rendered films")
    refuse_without("rendering films", {"video": ("av", "cv2")})
    try:
        request = FilmRequest.model_validate({name: options[name] for name in FilmRequest.model_fields})
    except ValidationError as error:
        raise ArgumentError(*refused_field(error)) from error
    total, written = len(planned_films(request)), []
    from rich.progress import track

    console = progress_console()
    made = write_films(out_dir, request, force=force)
    for planned in track(made, "films", total=total, console=console, transient=True):
        written.append(planned.name)
    if as_json:
        print(json.dumps({"folder": str(out_dir), "table": "TABLE.csv", "rendered": True, "films": written}))
        return
    print(f"{out_dir}: {total} rendered film{'s' if total > 1 else ''}, listed in TABLE.csv")
