"""A virtual insole: profile v1 as a Bumble GATT peripheral that replays a phantom or a recording at true rate."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bumble import hci
from bumble.device import Connection

from ..errors import BadInputError
from ..limits import MASS_KG, SLOPE_PERCENT, SPEED_M_S
from ..wire import (
    ATT_HEADER,
    CELLS,
    NAME,
    Answer,
    ControlError,
    Get,
    Info,
    Op,
    Running,
    Set,
    SettingKey,
    Start,
    Status,
    Stop,
    Stream,
    Tare,
    TimeReply,
    TimeRequest,
    parse_request,
    samples_per_packet,
    state_to_bytes,
)
from .gatt import GattServer
from .link_model import ModelLink
from .source import SampleSource
from .stream import Faults, InsoleRun, StanceModel, Ticks

__all__ = ["InsoleSettings", "VirtualInsole"]

TARE_SAMPLES = 100
"""Quiet samples that a tare averages, by the profile."""
_QUIET_SHARE = 0.005
"""Of a cell's full range: a sample is quiet where no cell moved more since the one before."""
_LOWEST_RATE_HZ = 10
"""Of a START; chosen by hand."""
_HORIZON_S = 24 * 3600.0
"""Losses of the link are drawn for a day ahead."""
_LEAST_QUIET_COUNTS = 2.0
"""A cell may move so much in a quiet sample whatever its range, as on the host; chosen by hand: noise of few bits."""
_TROUBLE_EVERY_S = 0.05
"""Time between looks whether a fault is due or the battery has fallen; chosen by hand: far below a stall of 0.3 s."""
_LIMITS = {SettingKey.MASS: MASS_KG, SettingKey.SPEED: SPEED_M_S, SettingKey.SLOPE: SLOPE_PERCENT}
"""Of SET: kg, m/s, % of slope. Chosen by hand, around any runner on any treadmill."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class InsoleSettings:
    """Properties of a virtual insole besides its source.

    Attributes
    ----------
    mtu
        The largest it agrees to, 23 to 517.
    ring_s
        Of packets, at least; what comes on top drops the oldest.
    first_us, first_counter, first_sequence
        What the device's clock shows when it is switched on, and counter and sequences at START (0 on a real one).
    battery_percent, battery_percent_per_hour
        Charge at the start and how fast it falls.
    late_stamp
        Stamp time sync answers with the connection event they leave in, as firmware with a radio interrupt does;
        without, with the moment they are queued.
    info
        In place of the profile's Info (for tests of what a host refuses).
    """

    address: str = "F6:47:52:46:01:00"
    mtu: int = 247
    ring_s: float = 0.5
    first_us: int = 0
    first_counter: int = 0
    first_sequence: int = 0
    battery_percent: float = 100.0
    battery_percent_per_hour: float = 6.0
    advertising_ms: float = 25.0
    late_stamp: bool = True
    flat_out: bool = False
    faults: Faults = field(default_factory=Faults)
    info: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not 23 <= self.mtu <= 517 or self.ring_s < 0.5 or not 0 <= self.battery_percent <= 100:
            raise BadInputError(
                f"an insole with an MTU of {self.mtu}, a ring of {self.ring_s:g} s and {self.battery_percent:g} %"
                " battery; expected 23 to 517, 0.5 s or more, 0 to 100 %"
            )


class VirtualInsole:
    """One insole on a modelled link; ``begin`` switches it on, ``end`` off.

    Attributes
    ----------
    on
        Whether it is switched on.
    runs
        What was sent, START by START; see :class:`~grfkit.virtual.stream.RunTruth`.
    """

    def __init__(
        self,
        source: SampleSource,
        ticks: Ticks,
        link: ModelLink,
        settings: InsoleSettings | None = None,
        model: Callable[[SampleSource, int, dict[SettingKey, float]], StanceModel] | None = None,
        *,
        model_id: int = 0,
    ) -> None:
        self.settings = settings or InsoleSettings()
        self.source, self.ticks, self._link, self._make_model = source, ticks, link, model
        self.address = hci.Address(self.settings.address)
        side = int(source.side == "right")
        self.info = Info(
            side, CELLS, source.adc_bits, source.accel_range_g, source.gyro_range_dps, model_id if model else 0
        )
        self.name = f"{NAME} {'R' if side else 'L'}"
        self.set_values: dict[SettingKey, float] = {}
        self.runs: list[InsoleRun] = []
        self.disconnections: list[dict[str, Any]] = []
        self.stalls: list[dict[str, Any]] = []
        self._lose = self.settings.faults.lose(side) if self.settings.faults.loss else None
        self._cfg_id, self._tared, self._taring = 0, False, False
        self._tasks: set[asyncio.Task[None]] = set()
        self._started_s: float | None = None
        self._on_s = time.monotonic()
        self.on = False
        self._server = GattServer(
            self.name,
            self.address,
            link,
            mtu=self.settings.mtu,
            advertising_ms=self.settings.advertising_ms,
            info=lambda: self.settings.info or self.info.to_bytes(),
            battery_percent=self.battery_percent,
            control=lambda connection, content: self._spawn(self._answer(connection, content)),
            time_sync=self._time_written,
            disconnected=self._disconnected,
        )

    async def begin(self) -> None:
        """Switch it on: it advertises the service, its name in the scan response."""
        self.on = True
        await self._server.power_on()
        await self._server.advertise()
        self._spawn(self._trouble())

    async def end(self) -> None:
        """Switch it off."""
        self.on = False
        await self._end_run("switched off")
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._server.power_off()

    def battery_percent(self) -> int:
        """Return the battery's charge now."""
        hours = (time.monotonic() - self._on_s) / 3600.0
        return max(0, round(self.settings.battery_percent - hours * self.settings.battery_percent_per_hour))

    @property
    def running(self) -> InsoleRun | None:
        """Return what runs now."""
        return self.runs[-1] if self.runs and not self.runs[-1].truth.ended_ns else None

    async def disconnect(self) -> None:
        """Break the link, as a supervision timeout does, but at once."""
        await self._server.disconnect()

    def stall(self, seconds: float) -> None:
        """Let no connection event succeed for a time."""
        self.stalls.append({"at_ns": time.monotonic_ns(), "seconds": seconds})
        self._link.stall(self.address, seconds)

    def truth(self) -> dict[str, Any]:
        """Return the truth against which a host is tested, as a JSON document."""
        clock = self.ticks.clock
        return {
            "side": self.source.side,
            "address": self.settings.address,
            "model_id": self.info.model_id,
            "clock": {
                "epoch_s": self.ticks.epoch_s,
                "first_us": self.ticks.first_us,
                "offset_s": clock.offset_s,
                "drift_ppm": clock.drift_ppm,
                "sinusoid_ppm": clock.sinusoid_ppm,
                "sinusoid_s": clock.sinusoid_s,
                "sinusoid_phase": clock.sinusoid_phase,
            },
            "first_counter": self.settings.first_counter,
            "runs": [run.truth.document() for run in self.runs],
            "disconnections": self.disconnections,
            "stalls": self.stalls,
            "late_events": self._link.late_events(),
        }

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        # held here: asyncio itself keeps weak references to tasks only
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _LOG.error("%s: %r", self.name, task.exception())

    def _disconnected(self, reason: int) -> None:
        self._taring = False
        self.disconnections.append({"at_ns": time.monotonic_ns(), "reason": reason})
        run = self.running
        if run is not None:
            # before the run is ended: what the stack took and never carried belongs to its truth
            for characteristic, content in self._server.undelivered():
                run.undelivered(characteristic, content)
        self._spawn(self._again())

    async def _again(self) -> None:
        await self._end_run("disconnected")
        await self._server.advertise()

    async def _end_run(self, reason: str) -> None:
        run = self.running
        self._link.before_events(self.address, None)
        if run is not None:
            await run.end(reason)

    # What a host writes

    def _time_written(self, content: bytes) -> None:
        came_s = time.monotonic()
        try:
            request = TimeRequest.from_bytes(content)
        except BadInputError:
            return
        left_s = self._link.leaves_at(self.address) if self.settings.late_stamp else came_s
        stamps = [self.ticks.stamp_us(self.ticks.running_s(at)) for at in (came_s, left_s)]
        self._server.send_time(TimeReply(request.id, request.t1_us, *stamps).to_bytes())

    async def _answer(self, connection: Connection, content: bytes) -> None:
        then: Callable[[], None] | None = None
        try:
            request = parse_request(content)
            if self._taring and not isinstance(request, (Stop, Get)):
                raise ControlError("taring", op=content[0], status=Status.BUSY)
            payload, then = await self._perform(connection, request)
            answer = Answer(content[0], Status.OK, payload)
        except ControlError as error:
            answer = Answer(error.op & 0x7F, error.status)
        if len(answer.to_bytes()) > connection.att_mtu - ATT_HEADER:
            answer = Answer(answer.op, Status.MTU_TOO_SMALL)
        # what follows waits until the host has the answer: it would not know the configuration of earlier packets
        delivered = await self._server.indicate(connection, answer.to_bytes())
        if delivered and then is not None and self._server.connection is connection:
            then()

    async def _perform(self, connection: Connection, request: Any) -> tuple[bytes, Callable[[], None] | None]:
        """Return an answer's payload, and what follows once the host has it."""
        if isinstance(request, Start):
            return self._start(request, connection.att_mtu)
        if isinstance(request, Stop):
            await self._end_run("stopped")
        elif isinstance(request, Get):
            run = self.running
            return state_to_bytes(self.info, run.running if run else None), None
        elif isinstance(request, Tare):
            await self._tare()
        elif isinstance(request, Set):
            self._set(request)
        return b"", None

    def _start(self, request: Start, mtu: int) -> tuple[bytes, Callable[[], None]]:
        base = round(self.source.rate_hz)

        def refuse(status: Status) -> ControlError:
            """Return the refusal of this START."""
            return ControlError(f"START {request}", op=int(Op.START), status=status)

        if self.running is not None:
            raise refuse(Status.BUSY)
        if not _LOWEST_RATE_HZ <= request.rate_hz <= base or base % request.rate_hz:
            raise refuse(Status.BAD_PARAMETER)
        # a bundle predicts whole stances, so there is no force sample by sample
        if Stream.SAMPLES in request.streams:
            raise refuse(Status.BAD_PARAMETER)
        model: StanceModel | None = None
        if Stream.STANCE in request.streams:
            try:
                model = self._make_model(self.source, request.rate_hz, self.set_values) if self._make_model else None
            except BadInputError:
                model = None
            if model is None:
                raise refuse(Status.BAD_PARAMETER)
        per_packet = samples_per_packet(mtu)
        if not per_packet:
            raise refuse(Status.MTU_TOO_SMALL)
        # 1 to 255, never the one before: a packet of an old configuration shows by it
        self._cfg_id = self._cfg_id % 255 + 1
        # halves upward, as the firmware's integers round
        period_us = (1_000_000 + request.rate_hz // 2) // request.rate_hz
        configured = Running(self._cfg_id, per_packet, request.rate_hz, period_us)
        return configured.to_bytes(), lambda: self._run(configured, request.streams, mtu, model)

    def _run(self, configured: Running, streams: Stream, mtu: int, model: StanceModel | None) -> None:
        self._started_s = self._started_s or time.monotonic()
        paced = bool(self._link.settings.interval_ms)
        run = InsoleRun(
            self.source,
            self.ticks,
            configured,
            streams,
            mtu=mtu,
            ring_s=self.settings.ring_s,
            send=self._server.send,
            free=self._server.free,
            first_sequence=self.settings.first_sequence,
            first_counter=self.settings.first_counter,
            lose=self._lose,
            tared=self._tared,
            model=model,
            flat_out=self.settings.flat_out,
            paced_here=not paced,
        )
        self.runs.append(run)
        run.begin()
        if paced and not self.settings.flat_out:
            self._link.before_events(self.address, run.until)

    async def _tare(self) -> None:
        """Average 100 quiet samples of the unloaded cells; what is sent stays raw, flagged as tared."""
        self._taring = True
        try:
            rate = self.source.rate_hz
            index = int(self.ticks.running_s(time.monotonic()) * rate)
            quiet, before = 0, self.source.rows(index, 1)[0][0].astype(np.int64)
            limit = max(_LEAST_QUIET_COUNTS, _QUIET_SHARE * (1 << self.source.adc_bits))
            while quiet < TARE_SAMPLES:
                index += 1
                await asyncio.sleep(max(0.0, self.ticks.monotonic_s(index / rate) - time.monotonic()))
                now = self.source.rows(index, 1)[0][0].astype(np.int64)
                quiet += bool((np.abs(now - before) <= limit).all())
                before = now
        finally:
            self._taring = False
        self._tared = True
        if self.running is not None:
            self.running.tared = True

    def _set(self, request: Set) -> None:
        low, high = _LIMITS[request.key]
        if not low <= request.amount <= high:
            raise ControlError(f"SET {request}", op=int(Op.SET), status=Status.BAD_PARAMETER)
        self.set_values[request.key] = request.amount

    # What goes wrong, and the battery

    async def _trouble(self) -> None:
        side, faults, battery = self.info.side, self.settings.faults, self.battery_percent()
        breaks = deque(faults.disconnect_times(side, until_s=_HORIZON_S))
        stalls = deque(faults.stall_times(side, until_s=_HORIZON_S))
        while True:
            await asyncio.sleep(_TROUBLE_EVERY_S)
            if self._started_s is not None:
                elapsed_s = time.monotonic() - self._started_s
                if breaks and elapsed_s >= breaks[0]:
                    breaks.popleft()
                    await self.disconnect()
                if stalls and elapsed_s >= stalls[0]:
                    stalls.popleft()
                    self.stall(faults.stall_s)
            if self.battery_percent() != battery:
                battery = self.battery_percent()
                self._server.send_battery(battery)
