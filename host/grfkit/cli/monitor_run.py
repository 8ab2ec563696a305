"""The work of ``grf-monitor`` once its options are read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import BadInputError
from ..extras import refuse_without
from .common import say

if TYPE_CHECKING:
    from ..monitor.hub import Hub

__all__ = ["Showing", "refuse_before", "run_monitor"]


@dataclass(frozen=True)
class Showing:
    """Where and how the monitor is shown."""

    headless: bool
    as_json: bool
    tui: bool
    lsl: bool
    host: str
    port: int
    token: str | None
    browser: bool


def run_monitor(options: dict[str, Any], showing: Showing, *, no_record: bool) -> None:
    """Monitor, or play a recording, and print what came of it.

    Raises
    ------
    BadInputError, RefusedError
        For whatever cannot be used.
    """
    _refuse_two_views(showing)
    if no_record and options.get("record") is not None:
        raise BadInputError(f"--record {options['record']} and --no-record; name one of them")
    from ..device.interrupted import run_loop
    from ..monitor import headless as monitor
    from ..quiet import quiet_logs

    quiet_logs()
    if options.get("record") is None and not no_record:
        options["record"] = monitor.recording_name()
    request = monitor.request_of(options)
    _refuse(request)
    _refuse_lacking(request, showing)
    summary = run_loop(monitor.headless(request, _views(showing), say=say))
    print(monitor.as_json(summary) if showing.as_json else monitor.words(summary))


_WITH_FILM = (
    "film", "near_side", "model", "mass", "seconds", "headless", "as_json", "port", "host", "token", "no_browser",
    "tui",
)  # fmt: skip
"""Parameters that say something of a film; all others are of insoles."""


def run_film(context: Any, options: dict[str, Any], showing: Showing) -> None:
    """Watch a film or a camera, and print what came of it.

    Raises
    ------
    BadInputError, RefusedError
        For whatever cannot be used.
    """
    if options["film"] is None:
        raise BadInputError("--near-side says which side of a filmed walker is near; name the film with --film")
    other = [name for name in _stated(context) if name not in _WITH_FILM]
    if other:
        option = "--" + other[0].replace("_", "-")
        raise BadInputError(f"{option} is of insoles and would do nothing with --film; leave one of them out")
    _refuse_two_views(showing)
    refuse_without("--film", {"video": ("av", "cv2", "ai_edge_litert"), "page": _packages_of_page(showing)})
    from ..device.interrupted import run_loop
    from ..monitor import film as monitor
    from ..monitor.publisher import of_options

    given = {name: value for name, value in options.items() if value is not None}
    given["model"] = str(given.get("model", ""))
    request = of_options(monitor.FilmRequest, given)
    summary = run_loop(monitor.film_headless(request, _views(showing), say=say))
    print(json.dumps(summary, allow_nan=False) if showing.as_json else monitor.words(summary))


def _stated(context: Any) -> list[str]:
    return [name for name in context.params if context.get_parameter_source(name).name != "DEFAULT"]


def _refuse_two_views(showing: Showing) -> None:
    if showing.headless and showing.tui:
        raise BadInputError("--headless shows nothing and --tui shows it in the terminal; name one of them")


def refuse_before(context: Any) -> None:
    """Refuse options in front of a subcommand, which would do nothing there."""
    options = _stated(context)
    if options:
        option, command = "--" + options[0].removeprefix("as_").replace("_", "-"), context.invoked_subcommand
        raise BadInputError(
            f"{option} in front of '{command}' would do nothing; write it after: {command} ... {option}"
        )


def _refuse(request: Any) -> None:
    """Refuse what would only be noticed once insoles are connected."""
    from ..device.recording_name import refuse_name

    if request.record is not None:
        refuse_name(request.record, force=request.force)
    for option, names in (
        ("--serial", request.serial),
        ("--address", [address.upper() for address in request.address]),
    ):
        twice = [name for k, name in enumerate(names) if name in names[:k]]
        if twice:
            raise BadInputError(f"{option} names '{twice[0]}' twice; name it once")
    _refuse_places(request)
    sources = [name for name, on in _sources(request).items() if on]
    if len(sources) > 1:
        raise BadInputError(f"{' and '.join(sources)} are different places to find insoles; name one of them")


def _refuse_lacking(request: Any, showing: Showing) -> None:
    """Refuse what packages are missing for, all of them in one line and before anything is shown."""
    if request.replay is not None:
        insoles: tuple[str, ...] = ()
    elif request.serial:
        insoles = ("serial", "cobs")
    else:
        bumble = request.demo or str(request.adapter or "").startswith("bumble:")
        insoles = ("bleak", "bumble") if bumble else ("bleak",)
    page, terminal = _packages_of_page(showing), ("textual",) if showing.tui else ()
    # the extra of insoles holds that of the page
    of_source = {"ble": (*insoles, *page)} if insoles else {"page": page}
    refuse_without("showing insoles live" if insoles else "showing a recording", {**of_source, "tui": terminal})


def _packages_of_page(showing: Showing) -> tuple[str, ...]:
    return () if showing.headless or showing.tui else ("starlette", "uvicorn", "websockets")


def _refuse_places(request: Any) -> None:
    """Refuse ports and addresses that can be none, however long they are looked for."""
    from ..monitor.connect import is_bluetooth_address, wrong_in_port

    for port in request.serial:
        if why := wrong_in_port(port):
            raise BadInputError(f"--serial {port}: {why}")
    for address in request.address:
        if not is_bluetooth_address(address):
            raise BadInputError(
                f"--address {address} is no Bluetooth address; expected AA:BB:CC:DD:EE:FF, or a UUID on macOS"
                + ("; a serial port is named with --serial" if address.startswith("/dev/") else "")
            )


def _sources(request: Any) -> dict[str, bool]:
    return {"--demo": request.demo, "--serial": bool(request.serial), "--adapter": bool(request.adapter)}


def _views(showing: Showing) -> list[Any]:
    """Return what shows the hub."""
    views: list[Any] = []
    if showing.lsl:
        from ..monitor.lsl import check, outlet

        check()
        views.append(outlet)
    if showing.tui:
        refuse_without("--tui", {"tui": ("textual",)})
        from ..monitor.tui import run as in_terminal

        views.append(in_terminal)
    elif not showing.headless:
        refuse_without("the page", {"page": _packages_of_page(showing)})
        from ..monitor.server import bind_listener, new_token, serve

        # here too: whoever opens the page may stop a recording, and other people may use this machine
        token = showing.token if showing.token is not None else new_token()
        browse = open_page if showing.browser else None
        # bound before insoles are looked for: a port that is taken is known at once
        listener = bind_listener(showing.host, showing.port, token)

        async def page(hub: Hub) -> None:
            """Serve the page."""
            await serve(hub, host=showing.host, token=token, ready=_say_page, browse=browse, listener=listener)

        views.append(page)
    return views


def _say_page(url: str) -> None:
    say(f"the page is at {url}")


def open_page(url: str) -> None:
    import threading
    import webbrowser

    # some browsers block their caller until they are closed
    threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()
