"""The run of grf-monitor: open insoles or a recording, run a hub on them, show it, and sum up at the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ..device.link import Link
from ..device.replay import markers_in, unread_in
from ..errors import BadInputError
from ..limits import MASS_KG, SLOPE_PERCENT, SPEED_M_S
from ..quiet import quiet_native
from ..wire import SettingKey
from .connect import Find, bluetooth_links, replay_links, serial_links
from .demo import insoles
from .hub import Hub, HubSettings, Replayed
from .live_calibration import LiveCalibration
from .messages import MonitorEvent
from .publisher import of_options, until_ended

__all__ = ["MonitorRequest", "headless", "monitored", "recording_name", "request_of", "summary"]

View = Callable[[Hub], Any]
_REPORTED = ("problem", "disconnected", "reconnected")


class MonitorRequest(BaseModel):
    """The insoles or recording to monitor.

    Attributes
    ----------
    adapter
        None for the system's Bluetooth, or ``bumble:TRANSPORT``.
    serial
        Ports in place of Bluetooth (any pyserial URL).
    record
        File to record into; None: none.
    seconds
        How long, from the moment the insoles are connected; None until stopped.
    replay, speed
        A recording to play in place of insoles, and how fast.
    calibration
        Documents that turn the cells into newtons.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    adapter: str | None = None
    serial: tuple[str, ...] = ()
    address: tuple[str, ...] = ()
    feet: int = Field(default=2, ge=1, le=4)
    rate_hz: int = Field(default=200, ge=1, le=1000)
    find_s: float = Field(default=10.0, gt=0, le=600)
    model: Path | None = None
    mass_kg: float | None = Field(default=None, ge=MASS_KG[0], le=MASS_KG[1])
    speed_m_s: float | None = Field(default=None, ge=SPEED_M_S[0], le=SPEED_M_S[1])
    slope_percent: float | None = Field(default=None, ge=SLOPE_PERCENT[0], le=SLOPE_PERCENT[1])
    record: Path | None = None
    force: bool = False
    seconds: float | None = Field(default=None, gt=0)
    demo: bool = False
    demo_options: tuple[str, ...] = ()
    replay: Path | None = None
    speed: float = Field(default=1.0, gt=0)
    calibration: tuple[Path, ...] = ()

    @property
    def set_values(self) -> dict[SettingKey, float]:
        """Return what SET sends to the insoles."""
        values = {SettingKey.MASS: self.mass_kg, SettingKey.SPEED: self.speed_m_s, SettingKey.SLOPE: self.slope_percent}
        return {key: amount for key, amount in values.items() if amount is not None}


def request_of(options: dict[str, Any]) -> MonitorRequest:
    """Return the request of a command's options.

    Raises
    ------
    BadInputError
        Naming the option that cannot be.
    """
    return of_options(MonitorRequest, options)


def recording_name(folder: Path | None = None) -> Path:
    """Return a dated name for a recording that is not there yet."""
    base = (folder or Path()) / f"grf-monitor-{datetime.now():%Y%m%d-%H%M%S}"
    names = [base.with_suffix(".grfrec"), *(base.with_name(f"{base.name}-{k}.grfrec") for k in range(2, 100))]
    return next(name for name in names if not name.exists())


@asynccontextmanager
async def monitored(request: MonitorRequest, say: Callable[[str], None] = lambda _: None) -> AsyncIterator[Hub]:
    """Give a hub that runs on the requested insoles or recording; all is closed afterwards.

    Parameters
    ----------
    say
        Is given the reason where virtual insoles run no bundle.

    Raises
    ------
    BadInputError, RefusedError
        If model, adapter or recording cannot be used, or no insole is found.
    """
    say(waits_for(request))
    calibration = LiveCalibration(request.calibration) if request.calibration else None
    model = None
    if request.model is not None:
        from .live_model import open_live_model

        with quiet_native():
            model = await asyncio.to_thread(open_live_model, request.model)
    settings = HubSettings(
        request.rate_hz, model, request.set_values, request.record, request.force, request.demo, None, calibration
    )
    async with AsyncExitStack() as stack:
        find: Find
        if request.replay is not None:
            find = replay_links(request.replay, request.speed)
            replayed = Replayed(request.replay.name, request.speed, tuple(markers_in(request.replay)))
            settings = replace(settings, record=None, replayed=replayed)
        elif request.serial:

            async def find(_: int) -> Sequence[Link]:
                """Return a link for each port."""
                return serial_links(request.serial)

        else:
            adapter = request.adapter
            if request.demo:
                adapter = await stack.enter_async_context(insoles(request.model, request.demo_options, say))
            bluetooth = bluetooth_links(adapter, addresses=request.address, feet=request.feet, find_s=request.find_s)
            find = await stack.enter_async_context(bluetooth)
        yield await stack.enter_async_context(Hub(find, settings))


def waits_for(request: MonitorRequest) -> str:
    """Return what a start waits for."""
    if request.replay is not None:
        return f"reading {request.replay}"
    if request.demo:
        return "starting virtual insoles, some seconds"
    many = "1 insole" if request.feet == 1 else f"{request.feet} insoles"
    if request.serial:
        return f"waiting for an answer of {', '.join(request.serial)}"
    named = f" ({', '.join(request.address)})" if request.address else ""
    return (
        f"looking for {many} over Bluetooth{named}, for up to {request.find_s:g} s; switch them on and keep them near"
    )


async def headless(
    request: MonitorRequest, views: Sequence[View] = (), *, say: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Run until the time is over, a signal, a recording's end, or whatever shows it ends; return the summary.

    Parameters
    ----------
    views
        What shows the hub meanwhile, each a coroutine function of it; the first that returns ends the run.
    say
        Is given the recording's path and, where nothing shows the hub, what goes wrong and what comes back.

    Raises
    ------
    BadInputError
        If nothing can be monitored, and if no insole was reached in the time given.
    """
    troubles: list[str] = []
    async with monitored(request, say) as hub:
        if request.replay is not None and (unread := await asyncio.to_thread(unread_in, request.replay)):
            say(f"{request.replay}: its last {unread} bytes are torn, and left out")
        telling = asyncio.ensure_future(_tell(hub, troubles, say if not views else lambda _: None))
        await hub.ready()
        if request.replay is None:
            say(_reached(hub))
        if hub.recorder is not None:
            say(f"recording to {hub.recorder.path}")
        await until_ended(hub, views, telling, request.seconds)
    if request.replay is None and not any(connection.ever for connection in hub.connections):
        if hub.recorder is not None:
            hub.recorder.remove()
        raise BadInputError(f"no insole was reached: {troubles[0] if troubles else 'none answered in the time given'}")
    return summary(hub)


def _reached(hub: Hub) -> str:
    """Return which insoles stream, and which are still waited for."""
    devices = hub.snapshot().devices
    streaming = [d.side for d in devices if d.state == "streaming"]
    waiting = [f"{d.side} ({d.problem or d.state})" for d in devices if d.state != "streaming"]
    return f"streaming: {', '.join(streaming) or 'none'}" + (f"; waiting for {', '.join(waiting)}" if waiting else "")


async def _tell(hub: Hub, troubles: list[str], say: Callable[[str], None]) -> None:
    """Note what goes wrong, and say it."""
    async for message in hub.subscribe():
        if isinstance(message, MonitorEvent) and message.kind in _REPORTED:
            if message.kind == "problem":
                troubles.append(message.text)
            where = "" if message.device is None else f"{_foot(hub, message.device)}: "
            say(f"{where}{message.kind}: {message.text}")


def _foot(hub: Hub, device: int) -> str:
    states = hub.snapshot().devices
    return states[device].side if device < len(states) else f"insole {device}"


def summary(hub: Hub) -> dict[str, Any]:
    """Return what came of a run, as ``--headless --json`` prints it."""
    state = hub.snapshot()
    devices = []
    for device, connection in zip(state.devices, hub.connections):
        devices.append(
            {
                "side": device.side,
                "packets": device.packets,
                "packets_lost": device.packets_lost,
                "samples": device.samples,
                "samples_lost": device.samples_lost,
                "samples_lost_between": device.samples_lost_between,
                "reconnects": device.reconnects,
                "latency_ms": connection.latency.all_ms(),
                "stances": device.stances,
                "stances_bridged": device.stances_bridged,
                "stances_refused": device.stances_refused,
                "refused": device.refused_why,
                "estimate": device.estimate,
                "calibrated": device.calibrated,
            }
        )
    return {**_recording(hub), "devices": devices}


def _recording(hub: Hub) -> dict[str, Any]:
    """Return the recording's part of a summary: where it is, None where there is none, and what is wrong with it."""
    recorder = hub.recorder
    if recorder is None:
        return {"recording": None, "recording_trouble": None}
    wrong = recorder.problem or recorder.lost
    trouble = {"problem": recorder.problem, "records_lost": recorder.lost} if wrong else None
    return {"recording": None if recorder.holds_old else str(recorder.path), "recording_trouble": trouble}


def words(result: dict[str, Any]) -> str:
    """Return a summary for people."""
    trouble = result["recording_trouble"] or {"problem": None, "records_lost": 0}
    why = trouble["problem"] or ("written again later" if trouble["records_lost"] else "")
    lacks = f", {trouble['records_lost']} records lacking" if trouble["records_lost"] else ""
    lines = [f"recording: {result['recording'] or 'none'}{lacks}{f': {why}' if why else ''}"]
    for foot in result["devices"]:
        late = foot["latency_ms"]
        lines.append(
            f"  {foot['side']}: {foot['packets']} packets ({foot['packets_lost']} lost), {foot['samples']} samples"
            f" ({foot['samples_lost']} lost, {foot['samples_lost_between']} of them between connections),"
            f" {foot['reconnects']} reconnects, {foot['stances']} stances ({foot['stances_bridged']} with missing"
            f" samples, {sum(foot['stances_refused'].values())} refused)"
            + (f", load calibrated with {foot['calibrated']}" if foot["calibrated"] else "")
            + ("" if late["p50"] is None else f", latency {late['p50']:.1f} / {late['p99']:.1f} ms (p50 / p99)")
        )
    return "\n".join(lines)


def as_json(result: dict[str, Any]) -> str:
    """Return a summary for machines, in one line."""
    return json.dumps(result, allow_nan=False)
