"""The recorder: everything that came, verbatim, on disk within a second, whatever happens next."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections import deque
from pathlib import Path
from types import TracebackType

from ..errors import BadInputError
from ..formats import grfrec
from ..formats.grfrec import Begin, Kind, Record
from ..wire import Info, Running
from .link import Exchange, ReceivedPacket

WRITE_EVERY_S, SYNC_EVERY_S = 0.1, 1.0
"""Written: safe from a kill of the process; synced: safe from a loss of power too."""
MOST_WAITING_BYTES = 8 << 20
"""Kept in memory while the disk is full: minutes of two insoles; the oldest records go first."""


class Recorder:
    """An append-only recording; threads of its own write it ten times a second, and sync it every second.

    A disk that is full (or gone) shows in :attr:`problem` and stops nothing: records wait in memory and are written
    once there is room; those that had to be dropped are counted in :attr:`lost` and in the file.

    Parameters
    ----------
    path
        Must not exist, but with ``force``.

    Attributes
    ----------
    problem
        Why nothing can be written at present, None while all is well.
    lost
        Records dropped for good.

    Raises
    ------
    BadInputError
        If the file exists or cannot be made.
    """

    def __init__(self, path: str | Path, *, force: bool = False, write_every_s: float = WRITE_EVERY_S) -> None:
        self.path, self.lost = Path(path), 0
        self.problem: str | None = None
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes, self._dropped = 0, 0
        # _lock guards the queue, for moments only: whoever records waits for it; _writing is held while the disk works
        self._lock, self._writing, self._closing = threading.Lock(), threading.Lock(), threading.Event()
        opening = grfrec.opening() + _clock_pair().to_bytes()
        self._file, self._good = _open_recording(self.path, opening, force=force), len(opening)
        self._unsynced = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_writing, args=(write_every_s,), name="recorder", daemon=True),
            threading.Thread(target=self._keep_syncing, name="recorder sync", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def packet(self, device: int, arrived: ReceivedPacket) -> None:
        """Record a packet as it came."""
        self._add(Kind.PACKET, device, grfrec.packet_body(arrived.characteristic, arrived.content), arrived.arrival_ns)

    def begin(
        self, device: int, *, connection: int, address: str, info: Info, running: Running, started_ns: int
    ) -> None:
        """Record that a connection streams; packets and time syncs of ``device`` belong to it from now on."""
        begin = Begin(
            connection=connection,
            address=address,
            started_ns=started_ns,
            side=info.side,
            adc_bits=info.adc_bits,
            accel_range_g=info.accel_range_g,
            gyro_range_dps=info.gyro_range_dps,
            model_id=info.model_id,
            cfg_id=running.cfg_id,
            samples_per_packet=running.samples_per_packet,
            rate_hz=running.rate_hz,
            period_us=running.period_us,
        )
        self._add(Kind.BEGIN, device, begin.to_bytes())

    def end(self, device: int, reason: str) -> None:
        """Record that a connection ended."""
        self._add(Kind.END, device, reason.encode())

    def mark(self, label: str = "") -> None:
        """Record a moment."""
        self._add(Kind.MARK, 0, label.encode())

    def note(self, text: str) -> None:
        """Record a note."""
        self._add(Kind.NOTE, 0, text.encode())

    def tare(self, device: int) -> None:
        """Record that an insole has tared."""
        self._add(Kind.TARE, device, b"")

    def synced(self, device: int, exchange: Exchange) -> None:
        """Record a time sync; one made before START belongs after :meth:`begin`."""
        body = grfrec.sync_body(exchange.t1_ns, exchange.t2_us, exchange.t3_us, exchange.t4_ns)
        self._add(Kind.TIME_SYNC, device, body, exchange.t4_ns)

    def clock_pair(self) -> None:
        """Record the wall clock beside the monotonic one, for a person."""
        pair = _clock_pair()
        self._add(Kind.CLOCK_PAIR, 0, pair.body, pair.arrival_ns)

    def flush(self) -> None:
        """Write what waits; a failure is kept in :attr:`problem`, not raised."""
        with self._writing:
            with self._lock:
                # records leave the queue only once written; meanwhile new ones join at its end, and none is dropped
                dropped, records = self._dropped, len(self._waiting)
                chunk = self._loss_record(dropped) + b"".join(self._waiting)
            if not chunk:
                return
            try:
                self._write(chunk)
            except OSError as error:
                self.problem = f"{self.path}: cannot be written ({error.strerror or error}); the stream goes on"
                with contextlib.suppress(OSError):
                    # readers stop at a torn record: what comes later would be lost behind it
                    os.ftruncate(self._file, self._good)
                    os.lseek(self._file, self._good, os.SEEK_SET)
                self._drop_oldest()
                return
            self.problem = None
            self._unsynced.set()
            self._good += len(chunk)
            with self._lock:
                self._dropped -= dropped
                for _ in range(records):
                    self._waiting_bytes -= len(self._waiting.popleft())

    def close(self) -> None:
        """Write what waits and close the file; may be called twice."""
        if self._closing.is_set():
            return
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self.clock_pair()
        self.flush()
        self._sync()
        self.lost += len(self._waiting)
        os.close(self._file)

    def __enter__(self) -> Recorder:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _add(self, kind: Kind, device: int, body: bytes, arrival_ns: int | None = None) -> None:
        at = time.monotonic_ns() if arrival_ns is None else arrival_ns
        content = Record(kind, at, device, body[: grfrec.LARGEST_BODY]).to_bytes()
        with self._lock:
            self._waiting.append(content)
            self._waiting_bytes += len(content)

    def _write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            view = view[os.write(self._file, view) :]

    def _sync(self) -> None:
        """Have the disk take what was written; it may take its time, writing goes on meanwhile."""
        if self._unsynced.is_set():
            self._unsynced.clear()
            try:
                os.fsync(self._file)
            except OSError as error:
                self.problem = f"{self.path}: cannot be synced ({error.strerror or error}); the stream goes on"

    def _drop_oldest(self) -> None:
        """Keep to the memory allowed."""
        with self._lock:
            while self._waiting_bytes > MOST_WAITING_BYTES and len(self._waiting) > 1:
                self._waiting_bytes -= len(self._waiting.popleft())
                self._dropped += 1
                self.lost += 1

    def _loss_record(self, dropped: int) -> bytes:
        """Return the record that stands in front of what waits where something before it was dropped."""
        if not dropped:
            return b""
        body = json.dumps({"records": dropped, "why": self.problem or "disk full"}).encode()
        return Record(Kind.LOST, time.monotonic_ns(), 0, body).to_bytes()

    def _keep_writing(self, every_s: float) -> None:
        while not self._closing.wait(every_s):
            self.flush()

    def _keep_syncing(self) -> None:
        while not self._closing.wait(SYNC_EVERY_S):
            self._sync()


def _clock_pair() -> Record:
    return Record(Kind.CLOCK_PAIR, time.monotonic_ns(), 0, grfrec.pair_body(time.time_ns()))


def _open_recording(path: Path, opening: bytes, *, force: bool) -> int:
    """Return a file open for appending that starts with ``opening``; under its name it never lacks that."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    if path.exists() and not force:
        raise BadInputError(f"{path}: exists; name another file, or say --force")
    if path.exists() and not path.is_file():
        raise BadInputError(f"{path}: is no ordinary file, and nothing is written over it; name another")
    try:
        part.write_bytes(opening)
        os.replace(part, path)
        return os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0))
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise BadInputError(f"{path}: cannot be written ({error.strerror or error})") from error
