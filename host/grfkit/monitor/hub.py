"""The hub: insoles on one side, listeners on the other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from ..device.host_clock import slept_ns as slept_ns_now
from ..device.link import Link, LinkClosed, ReceivedPacket
from ..device.recorder import Recorder
from ..device.replay import Marker
from ..device.session import Session, TimedItem
from ..errors import BadInputError, GrfError
from ..wire import SettingKey
from .commands import Commands
from .connection import InsoleConnection
from .insoles import Insoles, connect_all
from .live import LiveFoot
from .live_calibration import LiveCalibration
from .live_contact import warm_up
from .live_model import LiveModel
from .messages import Command, Message, MonitorEvent, Snapshot
from .pace import Pace
from .publisher import Publisher
from .recording import HubRecording
from .stances import LiveStances
from .state import device_state
from .timeline import Timeline

__all__ = ["Hub", "HubSettings", "Replayed"]

_TOLD_SLEEP_S = 1.0
"""Shorter sleeps are not told; chosen by hand: systems that doze between two packets lose none."""
BATCH_S, STATE_S = 0.066, 0.5
"""How often samples go out, and the state: a page draws 20 pictures a second at most."""


@dataclass(frozen=True)
class Replayed:
    """A recording that is played: its name, how fast, and the marks, notes and tares in it."""

    name: str
    speed: float
    markers: tuple[Marker, ...] = ()


@dataclass(frozen=True)
class HubSettings:
    """Settings of a hub.

    Attributes
    ----------
    model
        Predicts stances on the host; None where only insoles do.
    set_values
        Mass, speed and slope, SET before every START.
    record
        File to record into; None records nothing.
    calibration
        Documents that turn cells into newtons; None leaves counts.
    """

    rate_hz: int = 200
    model: LiveModel | None = None
    set_values: dict[SettingKey, float] = field(default_factory=dict)
    record: Path | None = None
    force: bool = False
    demo: bool = False
    replayed: Replayed | None = None
    calibration: LiveCalibration | None = None


class Hub(Publisher):
    """Insoles live, for as many listeners as there are; used with ``async with``, or ``await hub.run()``.

    Parameters
    ----------
    find
        Returns the links to connect; it is given the host time (ns) of second 0 of all that the hub publishes.
    """

    def __init__(self, find: Callable[[int], Awaitable[Sequence[Link]]], settings: HubSettings | None = None) -> None:
        super().__init__()
        self._find, self.settings = find, settings or HubSettings()
        model, replayed = self.settings.model, self.settings.replayed
        if model is not None and model.needs_mass and SettingKey.MASS not in self.settings.set_values:
            raise BadInputError(f"model '{model.name}' needs the runner's mass; state --mass KG")
        self._set_values = dict(self.settings.set_values)
        self._timeline = Timeline(replayed.speed if replayed else None)
        self._markers = list(replayed.markers if replayed else ())
        self._insoles = Insoles()
        self._recording = HubRecording(self.settings.record, force=self.settings.force)
        self._stances = LiveStances(
            self._insoles,
            self._timeline,
            model,
            self._set_values,
            publish=self.publish,
            alert=lambda device, text: self._event("alert", text, device),
        )
        self._commands = Commands(
            self._insoles,
            self._stances,
            self._recording,
            self._set_values,
            replayed=replayed.name if replayed else None,
            happened=self._event,
        )
        self._connected, self._slept_ns = False, slept_ns_now()
        self._pace = Pace(BATCH_S)
        self._changed, self._ready, self._stopping = False, asyncio.Event(), asyncio.Event()

    @property
    def connections(self) -> list[InsoleConnection]:
        """Return the connections in order of their numbers."""
        return self._insoles.connections

    @property
    def recorder(self) -> Recorder | None:
        """Return what records, None before anything is recorded."""
        return self._recording.recorder

    @property
    def origin_ns(self) -> int:
        """Return the host time (``device.host_clock.host_ns``) of second 0."""
        return self._timeline.origin_ns

    @property
    def now_s(self) -> float:
        """Return seconds since the hub began; of a recording that is played, its own time."""
        return self._timeline.now_s

    # Life

    async def __aenter__(self) -> Hub:
        """Begin to run, in the background."""
        self._run = asyncio.ensure_future(self.run())
        return self

    async def ready(self) -> None:
        """Return once every insole streams, or has failed to.

        Raises
        ------
        BadInputError
            If there is none.
        """
        waiting = asyncio.ensure_future(self._ready.wait())
        tasks = [waiting, *([self._run] if self._run else [])]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._run is not None and self._run.done() and not self._ready.is_set():
            # what ended the run before anything streamed is raised here
            self._run.result()

    async def stop(self) -> None:
        """End :meth:`run`; returns when everything is closed."""
        self._stopping.set()
        if self._run is not None:
            await asyncio.wait({self._run})

    async def run(self) -> None:
        """Find, connect and stream until :meth:`stop`, or until a recording is over.

        Raises
        ------
        BadInputError
            If no insole is found, none is one of this profile, or the recording cannot be written.
        """
        ticking = asyncio.ensure_future(self._tick())
        try:
            await self._until_stopped(self._live())
        finally:
            # in this order: no more samples, the predictions under way, the recording's end, the last state
            for connection in self.connections:
                await connection.close()
            await self._stances.settle()
            ticking.cancel()
            await asyncio.wait({ticking})
            self._publish_batches()
            self._recording.close()
            self._stances.close()
            self.publish(self.snapshot())
            for subscription in self._subscriptions:
                subscription.end()

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work until it is done, or :meth:`stop` closes the connections (and it then ends by itself)."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            if self._connected:
                for connection in self.connections:
                    await connection.close()
            else:
                working.cancel()
        try:
            await working
        except asyncio.CancelledError:
            if not self._stopping.is_set():
                raise

    async def _live(self) -> None:
        await asyncio.to_thread(warm_up)
        if self.settings.replayed is not None:
            # a recording's second 0 is now, not when the libraries began to load
            self._timeline.restart()
        links = await self._find(self._timeline.origin_ns)
        if not links:
            raise BadInputError("no insole was found; switch it on, bring it near, or name it with --address")
        await self._connect([self._connection(device, link) for device, link in enumerate(links)])
        # not earlier: where no insole is found no recording is left
        self._recording.open()
        for connection in self.connections:
            connection.record(self.recorder)
        self._connected = True
        running = [asyncio.ensure_future(connection.run()) for connection in self.connections]
        await asyncio.gather(*(connection.tried.wait() for connection in self.connections))
        self._ready.set()
        await asyncio.gather(*running)

    async def _connect(self, connections: list[InsoleConnection]) -> None:
        self._insoles.connections = connections
        problems: list[str] = []
        insoles = await connect_all(connections, lambda c, error: problems.append(f"{c.name}: {_reason(error)}"))
        for connection in [c for c in connections if c not in insoles]:
            await connection.close()
        self._insoles.number(insoles, self._foot)
        for text in problems:
            self._event("problem", text)
        if not insoles:
            raise BadInputError("; ".join(problems))

    def _connection(self, device: int, link: Link) -> InsoleConnection:
        model = self.settings.model
        return InsoleConnection(
            link,
            self,
            device=device,
            rate_hz=self.settings.rate_hz,
            stances=model is None or model.model_id is not None,
            set_values=self._set_values,
        )

    def _foot(self, device: int) -> LiveFoot:
        return LiveFoot(
            device,
            self.settings.model,
            self._set_values,
            show=partial(self._stances.show, device),
            predict=partial(self._stances.predict, device),
            refuse=self.connections[device].report_problem,
            calibration=self.settings.calibration,
            names=(self.connections[device].name, self.connections[device].link.address),
        )

    # What connections report: see connection.ConnectionListener

    def session_began(self, device: int, session: Session, gap: int | None, *, sends: bool) -> None:
        """Take note of a session."""
        foot = self._insoles.feet[device]
        foot.session_began(session, gap, sends=sends)
        foot.awaits_forces = self.connections[device].sends_forces
        self._changed = True

    def received(self, device: int, packet: ReceivedPacket, timed: TimedItem) -> None:
        """Take what a packet held."""
        self._timeline.arrived(packet.arrival_ns)
        if self._markers:
            self._replay_markers(device, packet.arrival_ns - self._timeline.origin_ns)
        self._insoles.feet[device].take(timed, packet.arrival_ns)

    def happened(self, device: int, kind: str, text: str) -> None:
        """Take an event worth a line."""
        if kind == "tare" and device < len(self._insoles.feet):
            self._insoles.feet[device].tared()
        self._event(kind, text, device)

    def _replay_markers(self, device: int, now_ns: int) -> None:
        """Show the marks, notes and tares up to then; a tare belongs to its own foot's samples."""
        recorded = self.connections[device].device
        reached = [m for m in self._markers if m.after_ns <= now_ns and (m.kind != "tare" or m.device == recorded)]
        for marker in reached:
            self._markers.remove(marker)
            if marker.kind == "tare":
                self._insoles.feet[device].tared()
            about = device if marker.kind == "tare" else None
            self._event(marker.kind, marker.text, about, time_s=marker.after_ns * 1e-9)

    # What listeners get, and may ask

    def _first(self) -> Sequence[Message]:
        return [self.snapshot(), *self._stances.log.last()]

    async def command(self, command: Command) -> dict[str, Any]:
        """Do what is asked and return the answer: ``{"type": "answer", "id", "ok", "error"}``."""
        error: str | None = None
        try:
            await self._commands.do(command)
        except GrfError as problem:
            error = " ".join(str(problem).split())
        self._changed = True
        return {"type": "answer", "id": command.id, "ok": error is None, "error": error}

    def snapshot(self) -> Snapshot:
        """Return everything but samples, as it is now."""
        now_s, origin_s = self.now_s, self._timeline.origin_s
        devices = range(len(self.connections))
        replayed, log = self.settings.replayed, self._stances.log
        return Snapshot(
            now_s=now_s,
            devices=[device_state(self._insoles, k, log, now_s=now_s, origin_s=origin_s) for k in devices],
            running=self._commands.running,
            recording=self._recording.state(now_s),
            asymmetry_percent=self._stances.asymmetry_percent(),
            target=self._stances.target_state(),
            demo=self.settings.demo,
            replay=replayed.name if replayed else None,
            behind_s=self._pace.behind_s,
            stated=self._commands.stated,
        )

    def _event(self, kind: str, text: str = "", device: int | None = None, *, time_s: float | None = None) -> None:
        self._changed = True
        self.publish(MonitorEvent(kind, self.now_s if time_s is None else time_s, text, device))

    async def _tick(self) -> None:
        next_state = 0.0
        while True:
            await asyncio.sleep(BATCH_S)
            self._notice_pace()
            self._publish_batches()
            news = self._recording.news()
            if news is not None:
                self._event("problem", news)
            self._notice_sleep()
            now = time.monotonic()
            if self._changed or now >= next_state:
                self._changed, next_state = False, now + STATE_S
                self.publish(self.snapshot())

    def _notice_pace(self) -> None:
        """Tell that this computer cannot keep up; what it takes to load libraries and to connect does not count."""
        if not self._ready.is_set():
            self._pace.restart()
        elif (words := self._pace.woke(time.monotonic())) is not None:
            self._event("problem", words)

    def _notice_sleep(self) -> None:
        """Tell that the computer has slept: nothing came meanwhile, and no link shows that by itself."""
        slept_ns = slept_ns_now()
        slept_s = (slept_ns - self._slept_ns) * 1e-9
        if slept_s >= _TOLD_SLEEP_S:
            self._slept_ns = slept_ns
            self._pace.restart()
            self._event("problem", f"this computer slept for {slept_s:.0f} s; what insoles sent meanwhile is missing")
            if self.recorder is not None:
                self.recorder.note(f"the computer slept for {slept_s:.0f} s")
                self.recorder.clock_pair()

    def _publish_batches(self) -> None:
        for foot in self._insoles.feet:
            for batch in foot.batches.take(self.now_s, self._timeline.origin_s):
                self.publish(batch)


def _reason(error: Exception) -> str:
    """Return why an insole is not reached; its name stands before."""
    return error.reason if isinstance(error, LinkClosed) else str(error)
