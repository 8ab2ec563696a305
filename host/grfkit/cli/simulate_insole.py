"""``grf-simulate insole``: virtual insoles that a program reaches over Bluetooth, without a radio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..virtual.run import InsoleRequest

_HIDDEN = {"show_default": False}


def insole(
    side: Annotated[str, typer.Option(help="left, right, or both feet of one person.")] = "both",
    hci: Annotated[
        str, typer.Option(help="Where a controller is offered (a Bumble transport).")
    ] = "tcp-server:127.0.0.1:7011",
    seed: Annotated[int, typer.Option(help="Who runs, and what goes wrong; both feet take the same.")] = 1,
    file: Annotated[
        Path | None, typer.Option(help="Replay a recording with 16 cells in place of the phantom.", **_HIDDEN)
    ] = None,
    duration_s: Annotated[float, typer.Option(help="Length of the phantom's run.")] = 60.0,
    loop: Annotated[bool, typer.Option("--loop/--once", help="Begin again at the end, or stand still.")] = True,
    interval_ms: Annotated[float, typer.Option(help="Connection interval of the modelled link.")] = 15.0,
    pdus_per_event: Annotated[int, typer.Option(help="Packets that fit one connection event.")] = 1,
    mtu: Annotated[int, typer.Option(help="Largest MTU the insole agrees to.")] = 247,
    loss: Annotated[float, typer.Option(help="Share of packets lost on the way.")] = 0.0,
    disconnect_every_s: Annotated[float, typer.Option(help="Mean time between lost links; 0: none.")] = 0.0,
    stall_every_s: Annotated[float, typer.Option(help="Mean time between stalls of 0.3 s; 0: none.")] = 0.0,
    drift_ppm: Annotated[
        float | None, typer.Option(help="Error of the left clock, the right one's with the other sign.", **_HIDDEN)
    ] = None,
    battery_percent: Annotated[float, typer.Option(help="Charge at the start; falls by 6 % an hour.")] = 100.0,
    on_device: Annotated[
        Path | None, typer.Option(help="Bundle of grf-quantize that the insole runs.", **_HIDDEN)
    ] = None,
    backend: Annotated[str, typer.Option(help="What runs it: auto, litert, tflite-runtime, or c (its C).")] = "auto",
    truth: Annotated[Path | None, typer.Option(help="JSON file for what was sent and lost.", **_HIDDEN)] = None,
    plate: Annotated[Path | None, typer.Option(help="C3D file for the force plate's truth.", **_HIDDEN)] = None,
    seconds: Annotated[float | None, typer.Option(help="Stop by itself after so long.", **_HIDDEN)] = None,
    flat_out: Annotated[bool, typer.Option(hidden=True, help="Send as fast as possible.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over files that exist.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line when ready.")] = False,
) -> None:
    """Be one or two insoles, until interrupted.

    Another program reaches them with `--adapter bumble:tcp-client:127.0.0.1:7011`, as grf-monitor does.
    """
    # first of all, while the options are the only names here
    options = dict(locals())
    force, as_json = options.pop("force"), options.pop("as_json")
    request = _request(options)
    _refuse_existing(request, force=force)
    from ..device.interrupted import run_loop
    from ..virtual.run import run_insoles

    run_loop(run_insoles(request, lambda bed: _ready(request, bed, as_json=as_json)))


def _request(options: dict[str, Any]) -> InsoleRequest:
    from pydantic import ValidationError

    from ..arguments import ArgumentError, as_choice, choices_of, refused_field
    from ..errors import BadInputError

    try:
        from ..virtual.run import InsoleRequest
    except ImportError as error:
        raise BadInputError(f"virtual insoles need Bumble ({error}); pip install 'grfkit[ble]'") from error
    fields = InsoleRequest.model_fields
    options = {name: as_choice(value, choices_of(fields[name].annotation)) for name, value in options.items()}
    try:
        return InsoleRequest.model_validate(options)
    except ValidationError as error:
        raise ArgumentError(*refused_field(error)) from error


def _refuse_existing(request: InsoleRequest, *, force: bool) -> None:
    from ..arguments import refuse_other_ending
    from ..artefacts import check_file

    for path, endings, what in (
        (request.truth, (".json",), "the truth is written as JSON"),
        (request.plate, (".c3d",), "the plate is written as C3D"),
    ):
        if path is not None:
            check_file(path, force=force)
            refuse_other_ending(path, endings, what)


def _ready(request: InsoleRequest, bed: Any, *, as_json: bool) -> None:
    addresses = [(insole.name, insole.settings.address) for insole in bed.insoles]
    if as_json:
        import json

        insoles = [{"name": name, "address": address} for name, address in addresses]
        print(json.dumps({"hci": request.hci, "epoch_s": bed.epoch_s, "insoles": insoles}), flush=True)
        return
    print(f"{request.hci}: {', '.join(f'{name} ({address})' for name, address in addresses)}", flush=True)
