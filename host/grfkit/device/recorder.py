"""The recorder: everything that came, verbatim, on disk within a second, whatever happens next."""

from __future__ import annotations

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
from .host_clock import host_ns
from .link import Exchange, ReceivedPacket
from .recording_file import RecordingFile

WRITE_EVERY_S, SYNC_EVERY_S = 0.1, 1.0
"""Written: safe from a kill of the process; synced: safe from a loss of power too."""
MOST_WAITING_BYTES = 8 << 20
"""Kept in memory while the disk is full: minutes of two insoles; the oldest records go first."""


class Recorder:
    """An append-only recording; threads of its own write it ten times a second, and sync it every second.

    A disk that is full (or gone) shows in :attr:`problem` and stops nothing: records wait in memory and are written
    once there is room; those that had to be dropped are counted in :attr:`lost` and in the file. A recording that is
    removed while it grows is written again, from its first byte on.

    Parameters
    ----------
    path
        Must not exist, but with ``force``: then what is there stays until the first packet with samples has come, and
        stays for good if none comes.

    Attributes
    ----------
    lost
        Records dropped for good.

    Raises
    ------
    BadInputError
        If the file exists, is being recorded by another program, or cannot be made.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, force: bool = False, write_every_s: float = WRITE_EVERY_S
    ) -> None:
        self.lost = 0
        self._troubles: dict[str, str] = {}
        # each with whether it may be dropped when memory is short
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._waiting_bytes, self._dropped, self._why_dropped, self._samples = 0, 0, "", False
        # _lock guards the queue, for moments only: whoever records waits for it; _writing is held while the disk works
        self._lock, self._writing, self._closing = threading.Lock(), threading.Lock(), threading.Event()
        self._file = RecordingFile(Path(path), grfrec.opening() + _clock_pair().to_bytes(), force=force)
        self._unsynced = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_writing, args=(write_every_s,), name="recorder", daemon=True),
            threading.Thread(target=self._keep_syncing, name="recorder sync", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def path(self) -> Path:
        """Return where the recording is: as asked, unless it had to be written again beside."""
        return self._file.path

    @property
    def size(self) -> int:
        """Return the bytes written."""
        return self._file.size

    @property
    def holds_old(self) -> bool:
        """Return whether the name still stands for an older recording, as no samples have come."""
        return self._file.waiting

    @property
    def problem(self) -> str | None:
        """Return what is wrong with the recording, each thing until it is over; None while all is well."""
        return "; ".join(tuple(self._troubles.values())) or None

    def packet(self, device: int, arrived: ReceivedPacket, *, has_samples: bool = True) -> None:
        """Record a packet as it came.

        Parameters
        ----------
        has_samples
            False for one that was refused: it is recorded, and replaces no older recording.
        """
        body = grfrec.packet_body(arrived.characteristic, arrived.content)
        self._add(Kind.PACKET, device, body, arrived.arrival_ns)
        # not before it is in the queue: what is written then has to hold it
        self._samples = self._samples or has_samples

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
            if self._file.waiting and not self._samples:
                self._drop_oldest("no samples came")
                return
            with self._lock:
                # records leave the queue only once written; meanwhile new ones join at its end, and none is dropped
                dropped, records = self._dropped, len(self._waiting)
                chunk = self._loss_record(dropped) + b"".join(content for content, _ in self._waiting)
            if chunk:
                self._append(chunk, records, dropped)
            self._look_after_name()

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
        if self.holds_old:
            why = "nothing could be written" if self._samples else "no samples came, so that nothing was recorded"
            self._troubles["old"] = f"{why}; {self.path} stays as it was"
        self.lost += len(self._waiting)
        self._file.close()

    def remove(self) -> None:
        """Close, and remove what was recorded; an older recording stays."""
        self.close()
        self._file.remove()

    def __enter__(self) -> Recorder:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.close()

    def _add(self, kind: Kind, device: int, body: bytes, arrival_ns: int | None = None) -> None:
        at = host_ns() if arrival_ns is None else arrival_ns
        content = Record(kind, at, device, body[: grfrec.LARGEST_BODY]).to_bytes()
        with self._lock:
            self._waiting.append((content, kind == Kind.PACKET))
            self._waiting_bytes += len(content)

    def _append(self, chunk: bytes, records: int, dropped: int) -> None:
        """Write ``records`` of the queue, after a word on those dropped before them."""
        try:
            self._file.append(chunk)
        except OSError as error:
            why = error.strerror or str(error)
            self._troubles["write"] = f"{self.path}: cannot be written ({why}); the stream goes on"
            self._drop_oldest(why)
            return
        self._troubles.pop("write", None)
        self._unsynced.set()
        with self._lock:
            self._dropped -= dropped
            for _ in range(records):
                self._waiting_bytes -= len(self._waiting.popleft()[0])

    def _look_after_name(self) -> None:
        """Notice that the file was removed or renamed; a removed one is written again."""
        where, path = self._file.whereabouts(), self.path
        if where is None:
            self._troubles.pop("name", None)
        elif where == "renamed":
            self._troubles["name"] = (
                f"{path}: was renamed or moved while it grew; the recording goes on where it is now"
            )
        else:
            try:
                self._file.restore()
            except (OSError, BadInputError) as error:
                why = getattr(error, "strerror", None) or str(error)
                self._troubles["name"] = f"{path}: was removed while it grew, and cannot be written again ({why})"
                return
            self._troubles.pop("name", None)
            # this stays: whoever removed it may do so again when nobody records any longer
            self._troubles["removed"] = f"{path}: was removed while it grew; all of it was written again to {self.path}"
            self._unsynced.set()

    def _sync(self) -> None:
        """Have the disk take what was written; it may take its time, writing goes on meanwhile."""
        if not self._unsynced.is_set():
            return
        self._unsynced.clear()
        try:
            self._file.sync()
        except OSError as error:
            why = error.strerror or str(error)
            self._troubles["sync"] = f"{self.path}: cannot be synced ({why}); a loss of power may cost what came since"
            self._unsynced.set()
        else:
            self._troubles.pop("sync", None)

    def _drop_oldest(self, why: str) -> None:
        """Keep to the memory allowed; packets go first, and all else stays, as packets are nothing without it."""
        with self._lock:
            self._why_dropped = why
            kept: deque[tuple[bytes, bool]] = deque()
            while self._waiting_bytes > MOST_WAITING_BYTES and self._waiting:
                content, droppable = self._waiting.popleft()
                if droppable:
                    self._waiting_bytes -= len(content)
                    self._dropped += 1
                    self.lost += 1
                else:
                    kept.append((content, droppable))
            self._waiting.extendleft(reversed(kept))

    def _loss_record(self, dropped: int) -> bytes:
        """Return the record that stands in front of what waits where something before it was dropped."""
        if not dropped:
            return b""
        return Record(Kind.LOST, host_ns(), 0, grfrec.lost_body(dropped, self._why_dropped)).to_bytes()

    def _keep_writing(self, every_s: float) -> None:
        while not self._closing.wait(every_s):
            self.flush()

    def _keep_syncing(self) -> None:
        while not self._closing.wait(SYNC_EVERY_S):
            self._sync()


def _clock_pair() -> Record:
    return Record(Kind.CLOCK_PAIR, host_ns(), 0, grfrec.pair_body(time.time_ns()))
