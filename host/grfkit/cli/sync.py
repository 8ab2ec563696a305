"""``grf-sync``: raw files of several devices to one aligned trial, or a refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from . import common

app = common.make_app("Aligns insoles, IMUs, landmarks and films with force plates, from the signals alone.")

_Reference = Annotated[
    Path | None,
    typer.Option(
        "--reference",
        help="Force plates or treadmill (C3D, MOT, text). Without it two --wearable or more are joined to the clock of"
        " the first; the trial then has no force.",
    ),
]
_Wearables = Annotated[
    list[Path] | None,
    typer.Option(
        "--wearable", metavar="<path>", help="Needed: insole (.grfrec too), IMU, landmarks, film; one or several."
    ),
]
_Surface = Annotated[str | None, typer.Option("--surface", help="Needed: treadmill, or overground (separate plates).")]
_Synchronised = Annotated[
    bool,
    typer.Option(
        "--synchronised",
        help="One clock already: one file's markers or IMU and plates (no --wearable), or files joined by a cable."
        " Nothing is estimated; the contacts check it.",
    ),
]
_Offset = Annotated[
    float | None,
    typer.Option(
        "--offset",
        "--offset-s",
        help="The true offset of the one wearable, s: its first sample lies so long after the reference's first one"
        " (before: negative). Insole started 5.8 s after the plates: --offset 5.8. Not a prior: it is taken, the"
        " contacts only check it.",
    ),
]
_OffsetSd = Annotated[float | None, typer.Option("--offset-sd", "--offset-sd-s", help="SD of --offset, s.")]
_Plates = Annotated[
    Path | None, typer.Option("--plates", help="TOML of the plates, for a C3D that does not describe them.")
]
_Side = Annotated[
    list[str] | None,
    typer.Option(
        "--side", metavar="<left|right>", help="Foot of wearables that do not say it: one for all, or each in turn."
    ),
]
_Calibrations = Annotated[
    list[Path] | None,
    typer.Option(
        "--calibration", metavar="<path>", help="Calibration document (of grf-calibrate, plates, insole); repeatable."
    ),
]
_Ending = "Needed: trial to write (netCDF4, ends in .nc)."
_Mass = Annotated[float | None, typer.Option("--mass-kg", help="Body mass; checked against the force.")]
_Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
_Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout.")]
_Together = Annotated[bool | None, typer.Option("--together/--apart", help="One clock per file / one per foot.")]


@app.callback(invoke_without_command=True)
def sync(
    context: typer.Context,
    reference: _Reference = None,
    wearable: _Wearables = None,
    surface: _Surface = None,
    out: Annotated[Path | None, typer.Option("--out", help=_Ending)] = None,
    report: Annotated[Path | None, typer.Option("--report", help="HTML report to write (.html).")] = None,
    mass_kg: _Mass = None,
    participant: Annotated[str, typer.Option("--participant", help="Code of the person, not a name.")] = "",
    speed_m_s: Annotated[float | None, typer.Option("--speed-m-s", help="Kept with the trial.")] = None,
    slope_percent: Annotated[float | None, typer.Option("--slope-percent", help="Kept with the trial.")] = None,
    forward: Annotated[
        str,
        typer.Option("--forward", help="File axis that points forward: +x, -y ... Turns plates to the lab."),
    ] = "",
    prior_offset_s: Annotated[
        float | None,
        typer.Option(
            "--prior-offset",
            "--prior-offset-s",
            help="Rough reference minus device time at its start, s: where to look; the contacts decide.",
        ),
    ] = None,
    prior_sd_s: Annotated[float | None, typer.Option("--prior-sd", "--prior-sd-s", help="Its SD, s.")] = None,
    synchronised: _Synchronised = False,
    offset_s: _Offset = None,
    offset_sd_s: _OffsetSd = None,
    together: _Together = None,
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Keep the streams that align, list the others.")
    ] = False,
    accept_refused: Annotated[
        bool, typer.Option("--accept-refused", help="Write a refused trial all the same; its verdict stays.")
    ] = False,
    review: Annotated[
        bool,
        typer.Option("--review", help="Decide by eye on a local page before anything is written."),
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="With --review: open no browser.")] = False,
    correct: Annotated[
        list[str] | None,
        typer.Option(
            "--correct",
            metavar="<str>",
            help="Findings about the plates to correct besides the certain: zero, sign, vertical, drift, horizontal,"
            " belts.",
        ),
    ] = None,
    plates: _Plates = None,
    side: _Side = None,
    calibrations: _Calibrations = None,
    column_map: Annotated[Path | None, typer.Option("--column-map", help="TOML names for a CSV's columns.")] = None,
    rate_hz: Annotated[float | None, typer.Option("--rate-hz", help="For files that state no rate.")] = None,
    allow_short: Annotated[bool, typer.Option("--allow-short", help=common.ALLOW_SHORT)] = False,
    min_overlap_s: Annotated[
        float | None,
        typer.Option(
            "--min-overlap-s", help="Overlap needed on a treadmill; without it 30 s, or 32 matching contacts."
        ),
    ] = None,
    max_drift_ppm: Annotated[
        float,
        typer.Option("--max-drift-ppm", help="By how much a wearable's clock may be off; more for phones' (1500)."),
    ] = 250.0,
    person: Annotated[
        Path | None,
        typer.Option("--person", help="TOML of the person: hka_left_deg, affected, height_m ... Kept with the trial."),
    ] = None,
    walker: Annotated[
        str | None,
        typer.Option(
            "--walker",
            help="Of several people in a film: left or right of those who walk, or a number (0 goes farthest).",
        ),
    ] = None,
    near_side: Annotated[
        str | None,
        typer.Option(
            "--near-side",
            help="Of a mirrored film: the side of the body near the camera, left or right.",
        ),
    ] = None,
    picture: Annotated[
        str | None,
        typer.Option(
            "--picture",
            help="Of a film: what its pictures show: silhouette (default), grey, full frame; or 'background silhouette'"
            " (by background subtraction, without the pose model: needs --offset or --synchronised).",
        ),
    ] = None,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Align one trial: --reference, --wearable, --surface and --out are needed; or a table of them: batch TABLE.csv.

    Devices alone, such as an insole and a shoe IMU, are joined without --reference: two --wearable or more.
    """
    if context.invoked_subcommand is not None:
        return
    from .sync_run import run_trial

    options: dict[str, Any] = {
        "reference": reference,
        "wearables": tuple(wearable or ()),
        "surface": surface,
        "mass_kg": mass_kg,
        "participant": participant,
        "speed_m_s": speed_m_s,
        "slope_percent": slope_percent,
        "forward": forward,
        "prior_offset_s": prior_offset_s,
        "prior_sd_s": prior_sd_s,
        "synchronised": synchronised,
        "offset_s": offset_s,
        "offset_sd_s": offset_sd_s,
        "together": together,
        "allow_partial": allow_partial,
        "accept_refused": accept_refused,
        "correct": tuple(correct or ()),
        "plates": plates,
        "side": tuple(side or ()),
        "calibrations": tuple(calibrations or ()),
        "column_map": column_map,
        "rate_hz": rate_hz,
        "allow_short": allow_short,
        "min_overlap_s": min_overlap_s,
        "max_drift_ppm": max_drift_ppm,
        "person": person,
        "walker": walker,
        "near_side": near_side,
        "picture": picture,
    }
    summary, text, code = run_trial(options, out=out, report=report, force=force, review=review, browser=not no_browser)
    print(json.dumps(summary, indent=2) if as_json else text)
    raise typer.Exit(code)


@app.command()
def batch(
    table: Annotated[Path, typer.Argument(help="CSV, one row a trial.")],
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", help="Address of a running dask.distributed scheduler.")
    ] = None,
    processes: Annotated[int | None, typer.Option("--processes", min=1, help="Local processes.")] = None,
    reports: Annotated[bool, typer.Option("--reports", help="An HTML report beside every trial.")] = False,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Align every row of a table; stopped, it goes on where it was. Exit code 0 if all rows are aligned, else 3 or 2.

    Columns: reference, wearable (several: a;b), surface, out; where wanted trial, mass_kg, participant, speed_m_s,
    slope_percent, forward, report, prior_offset, prior_sd, synchronised, offset, offset_sd, column_map, rate_hz,
    allow_short, plates, side, calibration, correct, together, allow_partial, accept_refused, min_overlap_s,
    max_drift_ppm,
    session (rows of one are aligned together), start, start_sd, person, or its hka_left_deg, hka_right_deg, hka_method,
    hka_sd_deg, affected, height_m, sex, insole_size; of films film (for wearable), walker, near_side, picture. Paths
    are relative to the table.
    """
    from .sync_run import run_table

    summary, text, code = run_table(table, scheduler=scheduler, processes=processes, reports=reports, force=force)
    print(json.dumps(summary, indent=2) if as_json else text)
    raise typer.Exit(code)


@app.command()
def session(
    document: Annotated[Path, typer.Argument(metavar="SESSION.toml", help="TOML of the session's trials.")],
    reports: Annotated[bool, typer.Option("--reports", help="An HTML report beside every trial.")] = False,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Align the trials of one session together: many references, many device files, or several of each.

    A trial that is sure lends its offset to those that are not, where start times or the order of the trials tie them;
    one that contradicts the others is refused. Writes each trial, and a page of the session.
    """
    from .sync_session import run_session

    summary, text, code = run_session(document, reports=reports, force=force)
    print(json.dumps(summary, indent=2) if as_json else text)
    raise typer.Exit(code)


@app.command("review")
def review_trial(
    trial: Annotated[Path, typer.Argument(help="Trial (.nc); a refused one: written with --accept-refused.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Trial to write; TRIAL.reviewed.nc if none.", show_default=False)
    ] = None,
    who: Annotated[str, typer.Option("--who", help="Who decides: initials or a code; can be said on the page.")] = "",
    port: Annotated[int, typer.Option("--port", help="Port of the page; 0: a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Open no browser; the address is printed.")] = False,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Decide on a trial's clocks by eye, on a local page: signals over each other, moved by 1 ms or a step.

    What is accepted is marked as done by hand, in the trial and in all that is made from it. The trial itself stays.
    """
    from .review_run import run_review

    summary, text, code = run_review(trial, out=out, who=who, port=port, browser=not no_browser, force=force)
    print(json.dumps(summary, indent=2) if as_json else text)
    raise typer.Exit(code)


def main() -> None:
    """Run ``grf-sync``."""
    common.run(app, name="grf-sync")


if __name__ == "__main__":
    main()
