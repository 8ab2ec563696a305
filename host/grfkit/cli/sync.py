"""``grf-sync``: raw files of several devices to one aligned trial, or a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from . import common

app = common.make_app("Aligns insoles, IMUs and landmarks with a force plate or treadmill, from the signals alone.")

_Reference = Annotated[Path | None, typer.Option("--reference", help="C3D, MOT, text: the force plates.")]
_Wearables = Annotated[
    list[Path] | None, typer.Option("--wearable", help="Insole, IMU or landmarks file; repeat for more.")
]
_Surface = Annotated[str | None, typer.Option("--surface", help="'treadmill', or 'overground' for separate plates.")]
_Mass = Annotated[float | None, typer.Option("--mass-kg", help="Body mass; checked against the force.")]
_Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
_Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout.")]
_Together = Annotated[
    bool | None,
    typer.Option("--together/--apart", help="All streams of a file on one clock / each foot apart."),
]


@app.callback(invoke_without_command=True)
def sync(
    context: typer.Context,
    reference: _Reference = None,
    wearable: _Wearables = None,
    surface: _Surface = None,
    out: Annotated[Path | None, typer.Option("--out", help="Trial to write (netCDF4).")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="HTML report to write.")] = None,
    mass_kg: _Mass = None,
    participant: Annotated[str, typer.Option("--participant", help="Code of the person, not a name.")] = "",
    speed_m_s: Annotated[float | None, typer.Option("--speed-m-s")] = None,
    slope_percent: Annotated[float | None, typer.Option("--slope-percent")] = None,
    forward: Annotated[
        str,
        typer.Option("--forward", help="File axis that points forward: +x, -y ... Turns plates to the lab."),
    ] = "",
    prior_offset: Annotated[
        float | None,
        typer.Option("--prior-offset", help="Rough reference minus device time at its start, s."),
    ] = None,
    prior_sd: Annotated[float | None, typer.Option("--prior-sd", help="Its SD, s.")] = None,
    together: _Together = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Keep the streams that align, list the others.")
    ] = False,
    accept_refused: Annotated[
        bool, typer.Option("--accept-refused", help="Write a refused trial all the same; its verdict stays.")
    ] = False,
    correct: Annotated[
        list[str] | None,
        typer.Option("--correct", help="Doctor's findings to correct besides the unambiguous: zero, sign, drift."),
    ] = None,
    column_map: Annotated[Path | None, typer.Option("--column-map", help="TOML names for a CSV's columns.")] = None,
    rate_hz: Annotated[float | None, typer.Option("--rate-hz", help="For files that state no rate.")] = None,
    min_overlap_s: Annotated[float, typer.Option("--min-overlap-s", help="Treadmill overlap needed.")] = 30.0,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Align one trial. Exit code 0 aligned, 3 refused (nothing written), 2 bad input. 'batch' aligns a table."""
    if context.invoked_subcommand is not None:
        return
    from .sync_run import run_one

    given: dict[str, Any] = {
        "reference": reference,
        "wearables": tuple(wearable or ()),
        "surface": surface,
        "mass_kg": mass_kg,
        "participant": participant,
        "speed_m_s": speed_m_s,
        "slope_percent": slope_percent,
        "forward": forward,
        "prior_offset_s": prior_offset,
        "prior_sd_s": prior_sd,
        "together": together,
        "allow_partial": allow_partial,
        "accept_refused": accept_refused,
        "correct": tuple(correct or ()),
        "column_map": column_map,
        "rate_hz": rate_hz,
        "settings": {"shortest_overlap_s": min_overlap_s},
    }
    summary, text, code = run_one(given, out=out, report=report, force=force)
    print(json.dumps(summary, indent=2) if as_json else text)
    raise typer.Exit(code)


@app.command()
def batch(
    table: Annotated[Path, typer.Argument(help="CSV: one row a trial, columns named as the options.")],
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a running dask.distributed scheduler.")
    ] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Local processes.")] = None,
    reports: Annotated[bool, typer.Option("--reports", help="An HTML report beside every trial.")] = False,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Align every row of a table; stopped, it goes on where it was. Exit 0 if all rows aligned, else 3 or 2."""
    from .sync_run import run_table

    summary, text, code = run_table(table, scheduler=scheduler, processes=processes, reports=reports, force=force)
    print(json.dumps(summary, indent=2) if as_json else text)
    raise typer.Exit(code)


def main() -> None:
    """Run ``grf-sync``."""
    common.run(app, name="grf-sync")
