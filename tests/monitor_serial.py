"""Insoles at the other end of serial lines, for the monitor's tests: known steps in real time, faults on purpose."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from grfkit import wire
from grfkit.device.link import Characteristic
from grfkit.device.serial_port import Deframer, framed
from grfkit.wire import Answer, Info, Op, Running, Status, Stream
from monitor_room import RATE_HZ, steps

EACH = 5
PERIOD_US = round(1e6 / RATE_HZ)
CFG = 4


@dataclass
class Faults:
    """What is wrong with an insole."""

    info: bytes | None = None
    cfg_id: int = CFG
    deaf_to: frozenset[int] = frozenset()


class SerialInsole(threading.Thread):
    """A device: answers requests, and streams steps from START on; counts what it sent."""

    def __init__(
        self,
        read: Callable[[], bytes],
        write: Callable[[bytes], object],
        *,
        right: bool = False,
        model_id: int = 0,
        faults: Faults | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self._read, self._write, self.faults = read, write, faults or Faults()
        self.info = Info(int(right), model_id=model_id)
        self._source = steps("right" if right else "left")
        self._streams = Stream(0)
        self._began: float | None = None
        self._lock = threading.Lock()
        self.sent = self.sent_grf = 0
        self.requests: list[int] = []

    def run(self) -> None:
        """Answer until the line ends."""
        streaming = threading.Thread(target=self._stream, daemon=True)
        streaming.start()
        frames = Deframer()
        with contextlib.suppress(OSError):
            while content := self._read():
                for characteristic, value in frames.feed(content):
                    self._answer(characteristic, value)
        self._began = None

    def _say(self, content: bytes, characteristic: Characteristic | None = None) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._write(framed(content, characteristic))

    def _answer(self, characteristic: Characteristic, value: bytes) -> None:
        if characteristic == Characteristic.INFO:
            self._say(self.info.to_bytes() if self.faults.info is None else self.faults.info, Characteristic.INFO)
        elif characteristic == Characteristic.TIME_SYNC:
            asked = wire.TimeRequest.from_bytes(value)
            now = self._clock_us() & 0xFFFFFFFF
            self._say(wire.TimeReply(asked.id, asked.t1_us, now, now).to_bytes(), Characteristic.TIME_SYNC)
        elif value[0] not in self.faults.deaf_to:
            self._asked(value)
        self.requests += [value[0]] if characteristic == Characteristic.CONTROL_POINT else []

    def _asked(self, value: bytes) -> None:
        request, payload = wire.parse_request(value), b""
        if isinstance(request, wire.Start):
            payload = Running(CFG, EACH, round(RATE_HZ), PERIOD_US).to_bytes()
        self._say(Answer(value[0], Status.OK, payload).to_bytes(), Characteristic.CONTROL_POINT)
        if isinstance(request, wire.Start):
            self._streams, self.sent, self.sent_grf, self._began = request.streams, 0, 0, time.monotonic()
        elif value[0] == Op.STOP:
            self._began = None

    @staticmethod
    def _clock_us() -> int:
        return time.monotonic_ns() // 1000

    def _stream(self) -> None:
        while True:
            time.sleep(0.005)
            began = self._began
            while began is not None and began + (self.sent + 1) * EACH / RATE_HZ <= time.monotonic():
                self._packet(round(began * 1e6))
                if self._began != began:
                    break

    def _packet(self, began_us: int) -> None:
        first, right = EACH * self.sent, bool(self.info.side)
        cells, imu = self._source.rows(first, EACH)
        at = (began_us + first * PERIOD_US) & 0xFFFFFFFF
        told = {"time_us": at, "counter": first & 0xFFFF, "count": EACH, "cfg_id": self.faults.cfg_id, "right": right}
        self._say(wire.SensorPacket(wire.PacketHeader(wire.SENSOR, self.sent & 0xFFFF, **told), cells, imu).to_bytes())
        self.sent += 1
        if Stream.SAMPLES in self._streams and self.info.model_id:
            up = np.zeros((EACH, 3))
            up[:, 2] = newtons(cells)
            head = wire.PacketHeader(wire.SAMPLES, self.sent_grf & 0xFFFF, **told)
            self._say(wire.SamplesPacket(head, up, np.zeros((EACH, 2))).to_bytes())
            self.sent_grf += 1


def newtons(cells: np.ndarray) -> np.ndarray:
    """What the insole says the force is: a tenth of the sum of its cells, unloaded level and all."""
    return cells.sum(axis=1) / 10.0


@contextlib.contextmanager
def on_socket(**more: Any) -> Iterator[tuple[str, SerialInsole]]:
    """Give the URL of an insole on a TCP socket."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        line: list[socket.socket] = []

        def read() -> bytes:
            if not line:
                line.append(server.accept()[0])
            return line[0].recv(4096)

        insole = SerialInsole(read, lambda content: line[0].sendall(content), **more)
        insole.start()
        yield f"socket://127.0.0.1:{server.getsockname()[1]}", insole
        for one in line:
            one.close()


@contextlib.contextmanager
def on_rfc2217(**more: Any) -> Iterator[tuple[str, SerialInsole]]:
    """Give the URL of an insole behind a Telnet port server (RFC 2217)."""
    import serial
    from serial.rfc2217 import PortManager

    with socket.create_server(("127.0.0.1", 0)) as server, serial.serial_for_url("loop://") as port:
        line: list[Any] = []

        class Connection:
            @staticmethod
            def write(content: bytes) -> None:
                line[0].sendall(content)

        def read() -> bytes:
            if not line:
                line.append(server.accept()[0])
                line.append(PortManager(port, Connection()))
            while content := line[0].recv(4096):
                told = b"".join(line[1].filter(content))
                if told:
                    return told
            return b""

        insole = SerialInsole(read, lambda content: line[0].sendall(b"".join(line[1].escape(content))), **more)
        insole.start()
        yield f"rfc2217://127.0.0.1:{server.getsockname()[1]}", insole
        for one in line[:1]:
            one.close()


@contextlib.contextmanager
def on_pty(*, kind: type[SerialInsole] = SerialInsole, **more: Any) -> Iterator[tuple[str, SerialInsole]]:
    """Give the name of a pseudo terminal with an insole at its other end."""
    import tty

    master, slave = os.openpty()
    tty.setraw(slave)
    insole = kind(lambda: os.read(master, 4096), lambda content: os.write(master, content), **more)
    insole.start()
    yield os.ttyname(slave), insole
    os.close(slave)
    insole.join(2)
    os.close(master)
