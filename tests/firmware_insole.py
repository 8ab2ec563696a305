"""A bundle's examples/insole compiled for this machine, and a virtual insole that answers with nothing else."""

from __future__ import annotations

import asyncio
import ctypes
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bumble.device import Connection

from firmware_c import PROBES, need_compiler
from grfkit.embedded.compile import build_shared
from grfkit.virtual.insole import VirtualInsole

CONTROL_POINT, SENSOR_DATA, GRF_DATA, TIME_SYNC = 3, 4, 5, 6
_SEND = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t)
_NOW = ctypes.CFUNCTYPE(ctypes.c_uint32)


class _Hooks(ctypes.Structure):
    _fields_ = [("send", _SEND), ("now_us", _NOW)]


class CInsole:
    """The example's functions; one object for each library file, for its state is the library's.

    ``send(characteristic, value)`` returns whether it was sent, ``now_us()`` the device's clock.
    """

    def __init__(
        self, library: Path, send: Callable[[int, bytes], bool], now_us: Callable[[], int] = lambda: 0
    ) -> None:
        self._c = ctypes.CDLL(str(library))
        self._hooks = _Hooks(_SEND(lambda what, at, size: int(send(what, ctypes.string_at(at, size)))), _NOW(now_us))
        self._c.hooks_set.argtypes = [_Hooks]
        self._c.hooks_set(self._hooks)
        self._c.hooks_row.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]
        self._c.hooks_written.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32]
        self._c.insole_info.restype = ctypes.c_size_t

    def begin(self, *, left: bool) -> None:
        assert self._c.insole_begin(int(left)) == 1

    def sample(self, cells: np.ndarray, imu: np.ndarray, time_us: int) -> bool:
        row, moved = np.ascontiguousarray(cells, np.uint16), np.ascontiguousarray(imu, np.int16)
        return bool(self._c.hooks_row(row.ctypes.data, moved.ctypes.data, time_us & 0xFFFFFFFF))

    def miss(self, time_us: int) -> bool:
        return bool(self._c.insole_sample(None, ctypes.c_uint32(time_us & 0xFFFFFFFF)))

    def work(self) -> bool:
        return bool(self._c.insole_work())

    def mtu(self, mtu: int) -> None:
        self._c.insole_mtu(ctypes.c_uint16(mtu))

    def written(self, characteristic: int, value: bytes, came_us: int = 0) -> None:
        self._c.hooks_written(characteristic, value, len(value), came_us)

    def delivered(self) -> None:
        self._c.insole_delivered()

    def disconnected(self) -> None:
        self._c.insole_disconnected()

    def info(self) -> bytes:
        to = (ctypes.c_uint8 * 14)()
        return bytes(to[: self._c.insole_info(to)])


def library_of(bundle: Path, name: str, output: Path, *, rate_hz: int, flags: tuple[str, ...] = ()) -> Path:
    """Return a shared library of a bundle's C, its own runtime and its examples/insole, sampled at a rate."""
    need_compiler()
    sources = [PROBES / "hooks.c", bundle / "examples/insole/insole.c"]
    sources += [bundle / f"c/{name}.c", bundle / f"c/{name}_config.c"]
    include = [f"-I{bundle / p}" for p in ("c", "examples/insole")]
    return build_shared(
        sources, output, runtime=bundle / "runtime", flags=[*include, f"-DINSOLE_RATE_MHZ={rate_hz * 1000}u", *flags]
    )


class FirmwareInsole(VirtualInsole):
    """A virtual insole whose Info, control point, time sync, packets and stances are the C's; radio and sensors are
    all that is Python's."""

    library: Path
    """Set on a subclass."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._answers: list[bytes] = []
        self._next = 0
        self._pump: asyncio.Task[None] | None = None
        self._c = CInsole(self.library, self._sent, self._now_us)
        self._c.begin(left=self.source.side == "left")
        self.settings = replace(self.settings, info=self._c.info())

    @property
    def firmware(self) -> CInsole:
        return self._c

    def _now_us(self) -> int:
        # the reply of a time sync leaves with the next connection event
        return self.ticks.stamp_us(self.ticks.running_s(self._link.leaves_at(self.address)))

    def _sent(self, characteristic: int, value: bytes) -> bool:
        if characteristic == CONTROL_POINT:
            self._answers.append(value)
            return True
        if characteristic == TIME_SYNC:
            self._server.send_time(value)
            return True
        if not self._server.free():
            return False
        self._server.send(characteristic, value)
        return True

    def _time_written(self, content: bytes) -> None:
        self._c.written(TIME_SYNC, content, self.ticks.stamp_us(self.ticks.running_s(time.monotonic())))

    async def _answer(self, connection: Connection, content: bytes) -> None:
        self._c.mtu(connection.att_mtu)
        self._c.written(CONTROL_POINT, content)
        await self._indicate(connection)

    async def _indicate(self, connection: Connection) -> None:
        while self._answers:
            if await self._server.indicate(connection, self._answers.pop(0)):
                self._c.delivered()

    async def begin(self) -> None:
        await super().begin()
        self._next = math.floor(self.ticks.running_s(time.monotonic()) * self.source.rate_hz) + 1
        self._pump = asyncio.ensure_future(self._sample())

    async def end(self) -> None:
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait({self._pump})
        await super().end()

    async def _sample(self) -> None:
        rate = self.source.rate_hz
        while True:
            await asyncio.sleep(max(0.0, self.ticks.monotonic_s(self._next / rate) - time.monotonic()))
            while self._next <= self.ticks.running_s(time.monotonic()) * rate:
                (cells,), (imu,) = self.source.rows(self._next, 1)
                self._c.sample(cells, imu, self.ticks.stamp_us(self._next / rate))
                self._next += 1
            self._c.work()
            if self._answers and self._server.connection is not None:
                await self._indicate(self._server.connection)

    async def _end_run(self, reason: str) -> None:
        if reason != "stopped":
            self._c.disconnected()
        await super()._end_run(reason)
