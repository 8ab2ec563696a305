"""``grf-export``: a trial or an estimate in the formats of other programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from . import common

app = common.make_app()

_Trials = Annotated[
    list[Path],
    typer.Argument(
        metavar="TRIAL",
        help="Trial of grf-sync, or estimate of grf-estimate (.nc); several for bids.",
        show_default=False,
    ),
]
_To = Annotated[str, typer.Option("--to", help="csv, parquet, mat, opensim, c3d, bids or xdf.", show_default=False)]
_Out = Annotated[
    Path,
    typer.Option(
        "--out", help="File to write; without an ending: a folder of tables, or a data set.", show_default=False
    ),
]
_Streams = Annotated[
    list[str] | None,
    typer.Option("--stream", help="Stream to take, as grf-inspect names it; repeatable. All, if none is named."),
]
_Rate = Annotated[
    float | None,
    typer.Option("--rate-hz", help="Rate of one table of all streams; that of the reference, if not stated."),
]
_Forward = Annotated[
    str, typer.Option("--forward", help="Axis of the plates along which people walk, such as +x, for opensim.")
]
_Unknown = Annotated[
    str,
    typer.Option("--unknown", help="Where a format holds no unknown value: refuse, or cut to what is known."),
]

_CopFrame = Annotated[
    str,
    typer.Option(
        "--cop-frame",
        help="Also each foot's centre of pressure, in csv, parquet, mat: lab, or foot (from heel to toe marker).",
        show_default=False,
    ),
]
_Markers = Annotated[
    Path | None,
    typer.Option("--markers", help="Trial with the markers, for an estimated centre of pressure.", show_default=False),
]
_Task = Annotated[str, typer.Option("--task", help="What people did, letters and digits, for bids.")]


@app.command(epilog=common.EXIT_CODES)
def export(
    trial: _Trials,
    to: _To,
    out: _Out,
    stream: _Streams = None,
    rate_hz: _Rate = None,
    forward: _Forward = "",
    unknown: _Unknown = "refuse",
    task: _Task = "gait",
    cop_frame: _CopFrame = "",
    markers: _Markers = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite what exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout.")] = False,
) -> None:
    """Write TRIAL in the format of another program; what is not known stays unknown there, never 0.

    csv, parquet: one table on one time base, or a folder with a table for each stream. mat: MATLAB version 5. opensim:
    forces (.mot), ExternalLoads and markers (.trc) in OpenSim's axes. c3d: plates, markers, events.
    bids: a Motion-BIDS data set of one or several trials. xdf: Lab Streaming Layer.
    """
    # here and not above: --help must not wait for numpy and xarray
    from ..export.write import export_trial

    made = export_trial(
        trial,
        to,
        out,
        streams=stream or [],
        rate_hz=rate_hz,
        forward=forward,
        unknown=unknown,
        task=task,
        cop_frame=cop_frame,
        markers=markers,
        force=force,
    )
    for note in made.notes:
        common.say(note)
    if as_json:
        print(json.dumps({"files": [str(f) for f in made.files], "notes": list(made.notes)}, indent=1))
    else:
        for path in made.files:
            print(f"written: {path}")


def main() -> None:
    """Run ``grf-export``."""
    common.run(app, name="grf-export")


if __name__ == "__main__":
    main()
