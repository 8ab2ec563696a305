"""``grf-calibrate``: recordings made for the purpose to calibration documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from . import common

app = common.make_app("Measures what no recording of a run can show, and writes it as a calibration document.")

_Reference = Annotated[
    list[Path] | None,
    typer.Option(
        "--reference",
        metavar="<path>",
        help="Plates that were struck, with the device in the same file or in the --wearable of its place. Repeatable.",
    ),
]
_Wearable = Annotated[
    list[Path] | None,
    typer.Option("--wearable", metavar="<path>", help="The device (insole, IMU, landmarks); one for each reference."),
]
_Synchronised = Annotated[
    bool, typer.Option("--synchronised", help="A cable joins the clocks of each two files: their times hold.")
]
_Method = Annotated[
    str | None,
    typer.Option("--method", help="blows (hammer), jumps (drops too) or steps; otherwise seen from the plates."),
]
_Name = Annotated[str, typer.Option("--name", help="Name of the document; that of its file otherwise.")]
_MadeOn = Annotated[str, typer.Option("--made-on", help="Day of the measurement, YYYY-MM-DD.")]
_Report = Annotated[Path | None, typer.Option("--report", help="HTML report to write (.html).")]
_ColumnMap = Annotated[Path | None, typer.Option("--column-map", help="TOML names for a CSV's columns.")]
_Rate = Annotated[float | None, typer.Option("--rate-hz", help="For files that state no rate.")]
_Force = Annotated[bool, typer.Option("--force", help="Overwrite files that exist.")]
_Json = Annotated[bool, typer.Option("--json", help="Machine-readable result on stdout.")]


@app.callback()
def calibrate() -> None:
    """Measure a device and write a calibration document: pressure, bodyweight, plates, imu, lag."""


@app.command()
def lag(
    reference: _Reference = None,
    wearable: _Wearable = None,
    out: Annotated[Path | None, typer.Option("--out", help="Needed: lag document to write (.json).")] = None,
    name: _Name = "",
    device_class: Annotated[
        list[str] | None,
        typer.Option("--device-class", metavar="<str>", help="Only insole, imu or landmarks of what the files hold."),
    ] = None,
    synchronised: _Synchronised = False,
    method: _Method = None,
    one_device: Annotated[
        bool, typer.Option("--one-device", help="For this device alone, not for others of its class.")
    ] = False,
    made_on: _MadeOn = "",
    report: _Report = None,
    plates: Annotated[
        Path | None, typer.Option("--plates", help="TOML of the plates, for a C3D that does not describe them.")
    ] = None,
    side: Annotated[
        str | None, typer.Option("--side", metavar="<left|right>", help="Foot of devices that do not say it.")
    ] = None,
    column_map: _ColumnMap = None,
    rate_hz: _Rate = None,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Measure how late devices are by blows of a hammer, jumps or steps on plates; grf-sync --calibration takes it.

    One file with plates and device, or a reference and a wearable with --synchronised. A wearable alone that holds an
    insole and another device on one clock shows the difference of the two only. Several recordings, best of several
    devices, show the spread.
    """
    from .calibrate_lag import run_lag

    options: dict[str, Any] = {
        "references": tuple(reference or ()),
        "wearables": tuple(wearable or ()),
        "synchronised": synchronised,
        "method": method,
        "classes": tuple(device_class or ()),
        "plates": plates,
        "side": side,
        "column_map": column_map,
        "rate_hz": rate_hz,
    }
    summary, text = run_lag(
        options, out=out, report=report, name=name, one_device=one_device, made_on=made_on, force=force
    )
    print(json.dumps(summary, indent=2) if as_json else text)


@app.command()
def pressure(
    run: Annotated[
        list[Path] | None,
        typer.Option("--run", metavar="<path>", help="Cells of one run (.mat, .csv, .txt). Twice or more."),
    ] = None,
    bench: Annotated[
        list[Path] | None,
        typer.Option("--bench", metavar="<path>", help="The bench's load, one for each run; none if the run holds it."),
    ] = None,
    columns: Annotated[
        Path | None, typer.Option("--columns", help="Needed: TOML that names columns, units and rates of both loggers.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Needed: cells document to write (.json).")] = None,
    cell_area_mm2: Annotated[
        float | None, typer.Option("--cell-area-mm2", min=0.01, help="Area of a cell, for a bench of pressure.")
    ] = None,
    stream: Annotated[str, typer.Option("--stream", help="The stream it is for.")] = "insole_left",
    law: Annotated[
        str, typer.Option("--law", help="auto (least error on unseen runs), linear, power, hysteresis.")
    ] = "auto",
    zero_s: Annotated[
        float | None,
        typer.Option(
            "--zero-s", min=0.5, help="Every recording begins with so many seconds unloaded: the cells' rest."
        ),
    ] = None,
    name: _Name = "",
    made_on: _MadeOn = "",
    report: _Report = None,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Calibrate each cell of an insole in a pressure chamber or under weights that load all cells alike.

    Cells and load may come from two loggers without a common clock: steps of the load join them. Dead, stopped, loose,
    spiking and saturated cells are found; laws are compared on runs they have not seen. How the TOML looks:
    calibration/README.md.
    """
    from .calibrate_pressure import run_pressure

    summary, text = run_pressure(
        tuple(run or ()),
        tuple(bench or ()),
        columns,
        out=out,
        report=report,
        name=name,
        stream=stream,
        area_mm2=cell_area_mm2,
        law=law,
        zero_s=zero_s,
        made_on=made_on,
        force=force,
    )
    print(json.dumps(summary, indent=2) if as_json else text)


@app.command()
def bodyweight(
    recording: Annotated[
        Path | None, typer.Argument(metavar="RECORDING", help="Insoles of both feet, any file that grfkit reads.")
    ] = None,
    mass_kg: Annotated[
        float | None, typer.Option("--mass-kg", min=1.0, help="Needed: the person's mass, with shoes and clothes.")
    ] = None,
    method: Annotated[
        str, typer.Option("--method", help="strides (walk or run), one-foot (each foot in turn), stand (both feet).")
    ] = "strides",
    out: Annotated[Path | None, typer.Option("--out", help="Needed: scale document to write (.json).")] = None,
    name: _Name = "",
    made_on: _MadeOn = "",
    report: _Report = None,
    column_map: _ColumnMap = None,
    rate_hz: _Rate = None,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Scale an insole's load so that its wearer weighs what the scales say.

    Over whole strides of a steady walk or run both feet carry one body weight on average; standing on one foot that
    foot does. The stated error is that from stride to stride; what cells miss in every stride is not in it.
    """
    from .calibrate_bodyweight import run_bodyweight

    summary, text = run_bodyweight(
        recording,
        mass_kg=mass_kg,
        method=method,
        out=out,
        report=report,
        name=name,
        made_on=made_on,
        column_map=column_map,
        rate_hz=rate_hz,
        force=force,
    )
    print(json.dumps(summary, indent=2) if as_json else text)


@app.command()
def plates(
    sheet: Annotated[
        Path | None,
        typer.Argument(metavar="SHEET", help="TOML with what the maker's sheet says of each plate, or use --like."),
    ] = None,
    like: Annotated[
        Path | None, typer.Option("--like", metavar="<path>", help="Another C3D of the lab that describes its plates.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Needed: plates document to write (.json).")] = None,
    check: Annotated[
        Path | None, typer.Option("--check", help="Recording of a known mass, or somebody, standing on a plate.")
    ] = None,
    mass_kg: Annotated[float | None, typer.Option("--mass-kg", min=1.0, help="The mass in --check.")] = None,
    point: Annotated[
        str, typer.Option("--point", metavar="X,Y", help="Where the mass in --check stood, m in the lab's axes.")
    ] = "",
    name: _Name = "",
    made_on: _MadeOn = "",
    report: _Report = None,
    column_map: Annotated[
        Path | None, typer.Option("--column-map", help="TOML names for the columns of a CSV in --check.")
    ] = None,
    rate_hz: Annotated[float | None, typer.Option("--rate-hz", help="Of a --check that states no rate.")] = None,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Describe force plates for files that hold their channels alone: matrix, corners and channels.

    A matrix that cannot be inverted, corners that are no rectangle and missing units are refused. --check tells whether
    a known mass weighs what it should, straight down, where it stands. How the TOML looks: calibration/README.md.
    """
    from .calibrate_plates import run_plates

    summary, text, code = run_plates(
        sheet,
        like,
        out=out,
        check=check,
        mass_kg=mass_kg,
        point=point,
        name=name,
        made_on=made_on,
        report=report,
        column_map=column_map,
        rate_hz=rate_hz,
        force=force,
    )
    print(json.dumps(summary, indent=2) if as_json else text)
    if code:
        raise typer.Exit(code)


@app.command()
def imu(
    static: Annotated[
        Path | None,
        typer.Argument(metavar="STATIC", help="The sensor on its six sides, 2 s or more each, in any order."),
    ] = None,
    walk: Annotated[
        Path | None, typer.Option("--walk", help="The sensor on the shoe in a walk: where up and forward are.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Needed: sensor document to write (.json).")] = None,
    stream: Annotated[str, typer.Option("--stream", help="Which sensor of a file with several, e.g. imu_left.")] = "",
    device: Annotated[str, typer.Option("--device", help="The sensor's name or serial number.")] = "",
    name: _Name = "",
    made_on: _MadeOn = "",
    report: _Report = None,
    column_map: _ColumnMap = None,
    rate_hz: _Rate = None,
    force: _Force = False,
    as_json: _Json = False,
) -> None:
    """Calibrate an inertial sensor: scale and bias by gravity on its six sides, gyro bias at rest, axes by a walk.

    Rests are found by themselves. More positions than six, also of sides seen before, show how true it is.
    """
    from .calibrate_imu import run_imu

    summary, text = run_imu(
        static,
        walk=walk,
        out=out,
        report=report,
        name=name,
        stream=stream,
        device=device,
        made_on=made_on,
        column_map=column_map,
        rate_hz=rate_hz,
        force=force,
    )
    print(json.dumps(summary, indent=2) if as_json else text)


def main() -> None:
    """Run ``grf-calibrate``."""
    common.run(app, name="grf-calibrate")


if __name__ == "__main__":
    main()
