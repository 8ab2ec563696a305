"""The hub: stations on one side, listeners on the other; what is known now, what just came, what may be asked."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..device.link import Link, ReceivedPacket
from ..device.recorder import Recorder
from ..device.replay import Marker
from ..device.session import Session, TimedItem
from ..errors import BadInputError, GrfError
from ..wire import SettingKey
from .live import Asked, Foot
from .live_contact import Contact, features, interval, on_points, warm_up
from .live_model import LiveModel
from .messages import Command, DeviceState, Message, MonitorEvent, Side, Snapshot, StanceShown
from .stance_log import StanceLog, Target
from .station import Station, connected
from .subscription import Subscription

__all__ = ["Hub", "HubSettings", "Replayed"]

BATCH_S, STATE_S = 0.066, 0.5
_SET = {"mass_kg": SettingKey.MASS, "speed_m_s": SettingKey.SPEED, "slope_percent": SettingKey.SLOPE}
_LATENCY_OF_S = 60.0
_LONGEST_FLIGHT_S, _FLIGHT_UNSURE_MS = 0.6, 10.0
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Replayed:
    """That a recording is played: its name, how fast, what people did in it."""

    name: str
    speed: float
    markers: tuple[Marker, ...] = ()


@dataclass(frozen=True)
class HubSettings:
    """How a hub runs.

    Attributes
    ----------
    told
        What is SET before every START.
    record
        File to record into; None records nothing.
    """

    rate_hz: int = 200
    host: LiveModel | None = None
    told: dict[SettingKey, float] = field(default_factory=dict)
    record: Path | None = None
    force: bool = False
    demo: bool = False
    replayed: Replayed | None = None


class Hub:
    """Insoles live, for as many listeners as there are; used with ``async with``, or ``await hub.run()``.

    Parameters
    ----------
    find
        Returns the links to connect; it is given the host time (ns) that is second 0 of everything the hub tells.

    Attributes
    ----------
    stations
        In order of their numbers.
    """

    def __init__(self, find: Callable[[int], Awaitable[Sequence[Link]]], settings: HubSettings | None = None) -> None:
        self._find, self.settings = find, settings or HubSettings()
        if (
            self.settings.host is not None
            and self.settings.host.needs_mass
            and SettingKey.MASS not in self.settings.told
        ):
            raise BadInputError(f"model '{self.settings.host.name}' needs the runner's mass; state --mass KG")
        self.origin_ns = time.monotonic_ns()
        self.stations: list[Station] = []
        self.feet: list[Foot] = []
        self.recorder: Recorder | None = None
        self._told = dict(self.settings.told)
        self._runner: list[int] = []
        self._log = StanceLog()
        self._aim: Target | None = None
        self._within: dict[int, bool | None] = {}
        self._listeners: list[Subscription] = []
        self._markers = list(self.settings.replayed.markers if self.settings.replayed else ())
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="grf model")
        self._answering: set[asyncio.Future[None]] = set()
        self._latest_ns = self.origin_ns
        self._running, self._connected = True, False
        self._dirty, self._ready, self._stopping = False, asyncio.Event(), asyncio.Event()
        self._run: asyncio.Task[None] | None = None
        self._recorder_problem: str | None = None

    # Living

    async def __aenter__(self) -> Hub:
        """Begin to run, in the background."""
        self._run = asyncio.ensure_future(self.run())
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        """Stop, and raise what went wrong."""
        await self.stop()
        if self._run is not None:
            try:
                await self._run
            except GrfError:
                if kind is None:
                    raise

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
            self._run.result()

    async def over(self) -> None:
        """Return when the hub has ended, by itself or not; what went wrong is raised by leaving ``async with``."""
        if self._run is not None:
            await asyncio.wait({self._run})

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
            for station in self.stations:
                await station.close()
            if self._answering:
                await asyncio.wait(self._answering)
            ticking.cancel()
            await asyncio.wait({ticking})
            self._ended()

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work until it is done, or :meth:`stop` closes the stations (and it then ends by itself)."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            if self._connected:
                for station in self.stations:
                    await station.close()
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
            self.origin_ns = time.monotonic_ns()
        links = await self._find(self.origin_ns)
        if not links:
            raise BadInputError("no insole was found; switch it on, bring it near, or name it with --address")
        self.stations = [self._station(k, link) for k, link in enumerate(links)]
        problems: list[str] = []
        kept = await connected(self.stations, lambda s, e: problems.append(f"{s.name}: {e}"))
        for station in [s for s in self.stations if s not in kept]:
            await station.close()
        self._number(kept)
        for text in problems:
            self._happen(MonitorEvent("problem", self.now_s, text))
        if not kept:
            raise BadInputError(problems[0])
        if self.settings.record is not None:
            self.recorder = Recorder(self.settings.record, force=self.settings.force)
        for station in kept:
            station.recorder = self.recorder
        self._connected = True
        running = [asyncio.ensure_future(station.run()) for station in kept]
        await asyncio.gather(*(station.tried.wait() for station in kept))
        self._ready.set()
        await asyncio.gather(*running)

    def _station(self, device: int, link: Link) -> Station:
        host = self.settings.host
        return Station(
            link,
            self,
            device=device,
            rate_hz=self.settings.rate_hz,
            stances=host is None or host.model_id is not None,
            told=self._told,
        )

    def _number(self, stations: list[Station]) -> None:
        """Number feet: the first left one with the first right one, then the next runner's."""
        seen = {"left": 0, "right": 0}
        placed = []
        for station in stations:
            side = _side(station)
            placed.append((seen[side], side, station))
            seen[side] += 1
        placed.sort(key=lambda one: one[:2])
        self.stations = [one[2] for one in placed]
        self._runner = [one[0] for one in placed]
        self.feet = []
        for k, station in enumerate(self.stations):
            station.device = k
            self.feet.append(
                Foot(
                    k,
                    self.settings.host,
                    self._told,
                    shown=partial(self._show, k),
                    asked=partial(self._ask, k),
                    refused=partial(self._problem, k),
                )
            )

    def _ended(self) -> None:
        self._flush()
        if self.recorder is not None:
            self.recorder.close()
        self._pool.shutdown()
        self._tell(self.snapshot())
        for one in self._listeners:
            one.end()

    # Time

    @property
    def now_s(self) -> float:
        """Return seconds since the hub began; of a recording that is played, its own time."""
        speed = self.settings.replayed.speed if self.settings.replayed else 1.0
        if math.isinf(speed):
            return (self._latest_ns - self.origin_ns) * 1e-9
        return (time.monotonic_ns() - self.origin_ns) * 1e-9 * speed

    # What stations tell

    def began(self, device: int, session: Session, gap: int | None, *, sends: bool) -> None:
        """Take note of a session; see :class:`.station.Listener`."""
        self.feet[device].began(session, gap, sends=sends)
        self.feet[device].forces_due = self.stations[device].sends_forces
        self._dirty = True

    def placed(self, device: int, arrived: ReceivedPacket, placed: TimedItem) -> None:
        """Take what a packet held."""
        self._latest_ns = max(self._latest_ns, arrived.arrival_ns)
        if self._markers:
            self._replay_moments(device, arrived.arrival_ns - self.origin_ns)
        self.feet[device].took(placed, arrived.arrival_ns)

    def happened(self, device: int, kind: str, text: str) -> None:
        """Take a moment worth a line."""
        if kind == "tare" and device < len(self.feet):
            self._tare_now(device)
        self._happen(MonitorEvent(kind, self.now_s, text, device))

    def _replay_moments(self, device: int, now_ns: int) -> None:
        """Show what somebody did by then; a tare belongs to its own foot's samples."""
        recorded = self.stations[device].device
        due = [m for m in self._markers if m.after_ns <= now_ns and (m.kind != "tare" or m.device == recorded)]
        for moment in due:
            self._markers.remove(moment)
            if moment.kind == "tare":
                self._tare_now(device)
            about = device if moment.kind == "tare" else None
            self._happen(MonitorEvent(moment.kind, moment.after_ns * 1e-9, moment.text, about))

    def _tare_now(self, device: int) -> None:
        self.feet[device].tared()

    def _problem(self, device: int, text: str) -> None:
        if self.stations[device].problem != text:
            self.stations[device].problem = text
            self._happen(MonitorEvent("problem", self.now_s, text, device))

    # Stances

    def _ask(self, device: int, asked: Asked) -> None:
        """Have the model answer, beside the loop, one after the other."""
        host = self.settings.host
        if host is None:
            return
        side = _side(self.stations[device])
        answering = asyncio.get_running_loop().run_in_executor(
            self._pool, host.forces_bw, asked.cut, side, dict(self._told)
        )
        task = asyncio.ensure_future(self._answered(device, asked, answering))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answered(self, device: int, asked: Asked, answering: Awaitable[dict[str, Any]]) -> None:
        host = self.settings.host
        try:
            axes = await answering
        except GrfError as error:
            self._problem(device, str(error))
            return
        cut, half = asked.cut, host.half_width_bw if host else {}
        self._show(
            device, Contact(asked.start_s, cut.contact_s, axes, "BW", "host", cut.missed, asked.arrival_ns, half)
        )

    def _show(self, device: int, contact: Contact) -> None:
        side = _side(self.stations[device])
        told = features(contact)
        start_s = contact.start_s - self.origin_ns * 1e-9
        flight_s = self._flight_s(device, contact.start_s)
        if flight_s is not None:
            told["flight_s"] = flight_s
        within = self._aim.holds(side, told) if self._aim and not contact.missed else None
        low, high = interval(contact)
        stance = StanceShown(
            device=device,
            number=self._log.counts.get(device, 0),
            start_s=start_s,
            contact_s=contact.contact_s,
            axes={name: on_points(curve) for name, curve in contact.axes.items()},
            unit=contact.unit,
            source=contact.source,
            features=told,
            low=low,
            high=high,
            missed=contact.missed,
            latency_ms=self._late_ms(contact.arrival_ns),
            within=within,
            era=self.feet[device].era,
        )
        self._log.add(stance)
        self._tell(stance)
        if not contact.missed:
            self._judge(device, side, within, told)

    def _flight_s(self, device: int, start_s: float) -> float | None:
        """Return how long both feet were in the air before a contact, by the cells of both.

        None in walking, where a contact may be missing between, and while the clocks are too uncertain.
        """
        other = [k for k, runner in enumerate(self._runner) if runner == self._runner[device] and k != device]
        unsure = [self.feet[k].uncertainty_ms for k in (device, *other)]
        start = self.feet[device].track.start_near(start_s)
        if len(other) != 1 or start is None or any(u is None or u > _FLIGHT_UNSURE_MS for u in unsure):
            return None
        since = self.feet[other[0]].track.in_air_since(start)
        gone = math.inf if since is None else start - since
        return gone if 0 < gone <= _LONGEST_FLIGHT_S else None

    def _late_ms(self, arrival_ns: int) -> float | None:
        replayed = self.settings.replayed
        if not arrival_ns or (replayed is not None and math.isinf(replayed.speed)):
            return None
        return max(0.0, 1e3 * (self.now_s - (arrival_ns - self.origin_ns) * 1e-9))

    def _judge(self, device: int, side: str, within: bool | None, told: dict[str, float]) -> None:
        """Alert when a foot leaves the target."""
        before, self._within[device] = self._within.get(device), within
        if within is False and before is not False and self._aim is not None:
            value = told[self._aim.feature]
            text = f"{side}: {self._aim.feature} is {value:.3g}, wanted {self._aim.words()}"
            self._happen(MonitorEvent("alert", self.now_s, text, device))

    # What listeners get

    def subscribe(self) -> Subscription:
        """Return the messages from now on: the state, the last stances, then whatever comes."""
        one = Subscription([self.snapshot(), *self._log.last()], self._forget)
        self._listeners.append(one)
        return one

    def _forget(self, one: Subscription) -> None:
        with suppress(ValueError):
            self._listeners.remove(one)

    def _tell(self, message: Message) -> None:
        for one in tuple(self._listeners):
            one.put(message)

    def _happen(self, happening: MonitorEvent) -> None:
        self._dirty = True
        self._tell(happening)

    async def _tick(self) -> None:
        due = 0.0
        while True:
            await asyncio.sleep(BATCH_S)
            self._flush()
            self._watch_recorder()
            now = time.monotonic()
            if self._dirty or now >= due:
                self._dirty, due = False, now + STATE_S
                self._tell(self.snapshot())

    def _flush(self) -> None:
        for foot in self.feet:
            for batch in foot.batches.taken(self.now_s, self.origin_ns * 1e-9):
                self._tell(batch)

    def _watch_recorder(self) -> None:
        problem = self.recorder.problem if self.recorder else None
        if problem != self._recorder_problem:
            self._recorder_problem = problem
            self._happen(MonitorEvent("problem", self.now_s, problem or "the recording is being written again"))

    def snapshot(self) -> Snapshot:
        """Return everything but samples, as it is now."""
        now_s = self.now_s
        replayed = self.settings.replayed
        return Snapshot(
            now_s=now_s,
            devices=[self._state(k, now_s) for k in range(len(self.stations))],
            running=self._running,
            recording=self._recording(now_s),
            asymmetry_percent=self._asymmetry(),
            target=self._target_told(),
            demo=self.settings.demo,
            replay=replayed.name if replayed else None,
        )

    def _state(self, device: int, now_s: float) -> DeviceState:
        station = self.stations[device]
        counts, running = station.counts, station.running
        state = DeviceState(
            device=device,
            side=_side(station),
            name=station.name,
            address=station.link.address,
            state=station.state,
            reconnects=station.reconnects,
            packets=counts.packets,
            packets_lost=counts.packets_lost,
            samples=counts.samples,
            samples_lost=station.samples_lost,
            samples_lost_between=station.samples_between,
            battery_percent=station.battery_percent,
            rate_hz=running.rate_hz if running else None,
            mtu=station.mtu,
            problem=station.problem,
        )
        if device >= len(self.feet):
            return state
        foot, log = self.feet[device], self._log
        refused = {**counts.refused, **foot.refused}
        per_s = running.rate_hz / running.samples_per_packet if running else 40.0
        last_s = foot.last_sample_s
        cadence, why = foot.track.cadence_per_min(now_s + self.origin_ns * 1e-9), foot.track.broken
        turned_down = {**foot.track.refused, **({"report lost": counts.stances_lost} if counts.stances_lost else {})}
        return replace(
            state,
            refused=sum(refused.values()),
            refused_why=refused,
            stances=log.counts.get(device, 0),
            latency_ms=station.latency.recent_ms(round(per_s * _LATENCY_OF_S)),
            data_age_ms=None if last_s is None else max(0.0, 1e3 * (now_s - last_s + self.origin_ns * 1e-9)),
            clock_uncertainty_ms=foot.uncertainty_ms,
            force_unit=foot.force_unit,
            estimate=foot.estimate,
            cadence_per_min=cadence,
            cadence_why=None if cadence is not None else why or "no stride in the last 10 s",
            contact_s=log.mean(device, "contact_s"),
            peak=log.mean(device, "peak"),
            loading_rate=log.mean(device, "loading_rate"),
            stance_unit=log.unit(device),
            runner=self._runner[device],
            stances_bridged=log.bridged.get(device, 0),
            stances_refused=turned_down,
        )

    def _recording(self, now_s: float) -> dict[str, Any] | None:
        if self.recorder is None:
            return None
        path, size = self.recorder.path, 0
        with suppress(OSError):
            size = path.stat().st_size
        told = {"path": str(path), "bytes": size, "seconds": now_s}
        return {**told, "problem": self.recorder.problem, "lost": self.recorder.lost}

    def _asymmetry(self) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        for runner in sorted(set(self._runner)):
            pair = [k for k, one in enumerate(self._runner) if one == runner]
            if len(pair) == 2:
                prefix = f"{pair[0]}:" if pair[0] else ""
                found |= {prefix + name: v for name, v in self._log.asymmetry_percent(pair[0], pair[1]).items()}
        return found

    def _target_told(self) -> dict[str, Any] | None:
        aim = self._aim
        if aim is None:
            return None
        within = {str(k): self._within.get(k) for k in range(len(self.feet))}
        return {"feature": aim.feature, "low": aim.low, "high": aim.high, "side": aim.side, "within": within}

    # What listeners ask

    async def command(self, command: Command) -> dict[str, Any]:
        """Do what is asked and return the answer: ``{"type": "answer", "id", "ok", "error"}``."""
        doing: dict[str, Callable[[Command], Awaitable[None]]] = {
            "start": self._start_all,
            "stop": self._stop_all,
            "tare": self._tare,
            "mark": self._mark,
            "note": self._note,
            "target": self._set_target,
            "clear": self._clear,
            "set": self._set,
        }
        error: str | None = None
        try:
            if command.action not in doing:
                raise BadInputError(f"'{command.action}' is nothing to ask of a monitor")
            await doing[command.action](command)
        except GrfError as problem:
            error = " ".join(str(problem).split())
        self._dirty = True
        return {"type": "answer", "id": command.id, "ok": error is None, "error": error}

    async def _start_all(self, command: Command) -> None:
        self._live_only(command)
        await _each(station.start() for station in self.stations)
        self._running = True

    async def _stop_all(self, command: Command) -> None:
        self._live_only(command)
        self._running = False
        await _each(station.stop() for station in self.stations)

    async def _tare(self, command: Command) -> None:
        self._live_only(command)
        chosen = self.stations
        if command.device is not None:
            if not 0 <= command.device < len(self.stations):
                raise BadInputError(f"there is no insole {command.device}; there are {len(self.stations)}")
            chosen = [self.stations[command.device]]
        await _each(station.tare() for station in chosen)

    async def _mark(self, command: Command) -> None:
        text = str(command.arguments.get("text", ""))
        self._recorded("mark").mark(text)
        self._happen(MonitorEvent("mark", self.now_s, text))

    async def _note(self, command: Command) -> None:
        text = str(command.arguments.get("text", "")).strip()
        if not text:
            raise BadInputError("a note without words was sent; write something")
        self._recorded("note").note(text)
        self._happen(MonitorEvent("note", self.now_s, text))

    async def _set_target(self, command: Command) -> None:
        self._aim = Target.of(command.arguments) if command.arguments else None
        self._within.clear()
        self._happen(MonitorEvent("target", self.now_s, self._aim.words() if self._aim else "none"))

    async def _clear(self, command: Command) -> None:
        del command
        self._log.clear()
        self._happen(MonitorEvent("clear", self.now_s))

    async def _set(self, command: Command) -> None:
        self._live_only(command)
        amounts = command.arguments
        wrong = [
            k for k, v in amounts.items() if k not in _SET or isinstance(v, bool) or not isinstance(v, int | float)
        ]
        if wrong or not amounts or not all(map(math.isfinite, amounts.values())):
            raise BadInputError(
                f"'{wrong[0] if wrong else amounts}' cannot be set; expected numbers of {', '.join(_SET)}"
            )
        for name, amount in amounts.items():
            await _each(station.set(_SET[name], float(amount)) for station in self.stations)
            self._told[_SET[name]] = float(amount)
        for foot in self.feet:
            foot.era += 1
        self._happen(MonitorEvent("set", self.now_s, ", ".join(f"{k} {v:g}" for k, v in amounts.items())))

    def _live_only(self, command: Command) -> None:
        if self.settings.replayed is not None:
            raise BadInputError(
                f"'{command.action}' is for insoles; this is the recording {self.settings.replayed.name}"
            )
        if not self.feet:
            raise BadInputError(f"'{command.action}' has to wait: no insole is connected yet")

    def _recorded(self, what: str) -> Recorder:
        if self.recorder is None:
            raise BadInputError(f"nothing is being recorded, so that a {what} has no place")
        return self.recorder


async def _each(asked: Any) -> None:
    """Ask all at once; raise the first refusal once all have answered."""
    done = await asyncio.gather(*asked, return_exceptions=True)
    for result in done:
        if isinstance(result, BaseException):
            raise result


def _side(station: Station) -> Side:
    """Return the foot as Info tells it; before that as the name's last letter does."""
    if station.info is not None:
        return "right" if station.info.right else "left"
    return "right" if station.name.rstrip().upper().endswith("R") else "left"
