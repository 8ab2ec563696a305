"""``grf-monitor``: insoles live, on a page, in a terminal or as JSON; everything recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import common

app = common.make_app("Shows insoles live, records them, and plays recordings again.")
_HIDDEN = {"show_default": False}
_Model = Annotated[
    Path | None, typer.Option("--model", "--bundle", help="Folder of grf-train or grf-quantize.", **_HIDDEN)
]
_Mass = Annotated[float | None, typer.Option("--mass", "--mass-kg", help="Body mass, kg.", **_HIDDEN)]
_Speed = Annotated[float | None, typer.Option("--speed", "--speed-m-s", help="Treadmill's speed, m/s.", **_HIDDEN)]
_Slope = Annotated[float | None, typer.Option("--slope", "--slope-percent", help="Treadmill's slope, %.", **_HIDDEN)]
_Calibration = Annotated[
    list[Path] | None,
    typer.Option(
        "--calibration",
        metavar="<path>",
        help="Document of grf-calibrate bodyweight or pressure: cells in newtons; repeatable.",
        **_HIDDEN,
    ),
]
_Seconds = Annotated[float | None, typer.Option("--seconds", help="Stop after this many seconds.", **_HIDDEN)]
_Headless = Annotated[bool, typer.Option("--headless", help="Show nothing; print a summary at the end.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the summary as one JSON line.")]
_Port = Annotated[int, typer.Option("--port", help="Port of the page; 0: a free one.")]
_Host = Annotated[str, typer.Option("--host", help="Where the page is served; 0.0.0.0: for other machines too.")]
_Token = Annotated[
    str | None,
    typer.Option(
        "--token", help="What the page has to know; made up if none, and part of the printed address.", **_HIDDEN
    ),
]
_NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Open no browser; the address is printed.")]
_Tui = Annotated[bool, typer.Option("--tui", help="Show it in the terminal.")]
_Lsl = Annotated[bool, typer.Option("--lsl", help="Send samples to the Lab Streaming Layer too.")]


@app.callback(invoke_without_command=True)
def monitor(
    context: typer.Context,
    adapter: Annotated[
        str | None,
        typer.Option(
            "--adapter",
            help="Bluetooth adapter: bumble:TRANSPORT, or hci0 (Linux); the system's own if none.",
            **_HIDDEN,
        ),
    ] = None,
    serial: Annotated[
        list[str] | None, typer.Option("--serial", metavar="<str>", help="Serial port or URL; repeatable.")
    ] = None,
    address: Annotated[
        list[str] | None,
        typer.Option("--address", metavar="<str>", help="Bluetooth address: only this insole; repeatable."),
    ] = None,
    feet: Annotated[int, typer.Option("--feet", help="Insoles to look for, 1 to 4.")] = 2,
    model: _Model = None,
    mass: _Mass = None,
    speed: _Speed = None,
    slope: _Slope = None,
    calibration: _Calibration = None,
    rate_hz: Annotated[int, typer.Option("--rate-hz", help="Samples a second.")] = 200,
    record: Annotated[Path | None, typer.Option("--record", help="File to record into (.grfrec).", **_HIDDEN)] = None,
    no_record: Annotated[bool, typer.Option("--no-record", help="Record to no file.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a recording that exists, once samples come.")] = False,
    seconds: _Seconds = None,
    headless: _Headless = False,
    as_json: _Json = False,
    port: _Port = 8717,
    host: _Host = "127.0.0.1",
    token: _Token = None,
    no_browser: _NoBrowser = False,
    tui: _Tui = False,
    lsl: _Lsl = False,
    demo: Annotated[bool, typer.Option("--demo", help="Virtual insoles, which run a bundle.")] = False,
    film: Annotated[
        str | None,
        typer.Option(
            "--film", metavar="FILE|CAMERA", help="Film of a walker from the side, or a camera's number.", **_HIDDEN
        ),
    ] = None,
    near_side: Annotated[
        str | None, typer.Option("--near-side", help="With --film: left or right, if it is mirrored.", **_HIDDEN)
    ] = None,
) -> None:
    """Monitor insoles until interrupted; or play a recording again: replay FILE.

    Without --record the recording gets a dated name in the present folder. With --film FILE or a camera's number (0)
    stances of whoever walks through the picture are shown after they ended; nothing is recorded.
    """
    from .monitor_run import Showing, refuse_before, run_film, run_monitor

    if context.invoked_subcommand is not None:
        refuse_before(context)
        return

    options = {
        "adapter": adapter,
        "serial": tuple(serial or ()),
        "address": tuple(address or ()),
        "feet": feet,
        "model": model,
        "mass_kg": mass,
        "speed_m_s": speed,
        "slope_percent": slope,
        "rate_hz": rate_hz,
        "record": record,
        "force": force,
        "seconds": seconds,
        "demo": demo,
        "calibration": tuple(calibration or ()),
    }
    showing = Showing(headless, as_json, tui, lsl, host, port, token, not no_browser)
    if film is not None or near_side is not None:
        asked = {"film": film, "model": model, "mass_kg": mass, "near_side": near_side, "seconds": seconds}
        run_film(context, asked, showing)
        return
    run_monitor(options, showing, no_record=no_record)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Recording of grf-monitor.")],
    speed: Annotated[float, typer.Option("--speed", help="How many times as fast; inf: as fast as can be.")] = 1.0,
    model: _Model = None,
    mass: _Mass = None,
    calibration: _Calibration = None,
    seconds: _Seconds = None,
    headless: _Headless = False,
    as_json: _Json = False,
    port: _Port = 8717,
    host: _Host = "127.0.0.1",
    token: _Token = None,
    no_browser: _NoBrowser = False,
    tui: _Tui = False,
    lsl: _Lsl = False,
) -> None:
    """Play a recording again as if live."""
    from .monitor_run import Showing, run_monitor

    options = {"replay": file, "speed": speed, "model": model, "mass_kg": mass, "seconds": seconds}
    options["calibration"] = tuple(calibration or ())
    run_monitor(options, Showing(headless, as_json, tui, lsl, host, port, token, not no_browser), no_record=True)


def main() -> None:
    """Run ``grf-monitor``."""
    common.run(app, name="grf-monitor")


if __name__ == "__main__":
    main()
