"""Live recordings with known content, for tests: two insoles, losses, reconnections, device clocks with an error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grfkit import wire
from grfkit.formats import grfrec
from grfkit.formats.grfrec import Begin, Kind, Record

PERIOD_US = 5000
ZERO_NS = 5_000_000_000_000
UNIX_NS = 1_700_000_000_000_000_000


@dataclass
class Insole:
    """One insole that is written down as it sends; 8 ms from its last sample to the host, a twentieth of it jitter."""

    side: int
    ppm: float
    clock_us: int
    device: int
    start_s: float = 0.5
    connection: int = 1

    def begin(self) -> Record:
        """Return the session's beginning."""
        started = ZERO_NS + round(self.start_s * 1e9)
        body = Begin(self.connection, f"insole {self.side}", started, self.side, 12, 16, 2000, 0, 7, 5, 200, PERIOD_US)
        return Record(Kind.BEGIN, started, self.device, body.to_bytes())

    def true_s(self, sample: NDArray[np.int64] | int) -> NDArray[np.float64]:
        """Return the host's time of a sample, s since the recording's zero."""
        return np.asarray(self.start_s + np.asarray(sample) * PERIOD_US * 1e-6 * (1 + self.ppm * 1e-6))

    def packets(self, cells: NDArray[np.int64], imu: NDArray[np.int64], lost: frozenset[int]) -> list[Record]:
        """Return the records of all packets of (samples, 16) and (samples, 6) that are not lost."""
        rng = np.random.default_rng(self.device)
        records = []
        for k in range(len(cells) // 5):
            at = slice(5 * k, 5 * k + 5)
            time_us = (self.clock_us + 5 * k * PERIOD_US) & 0xFFFFFFFF
            header = wire.PacketHeader(1, k & 0xFFFF, time_us, 5 * k & 0xFFFF, 5, 7, right=self.side == 1)
            content = wire.SensorPacket(header, cells[at].astype(np.uint16), imu[at].astype(np.int16)).to_bytes()
            arrival = ZERO_NS + round(1e9 * (float(self.true_s(5 * k + 4)) + 0.008 + rng.exponential(4e-4)))
            if k not in lost:
                records.append(Record(Kind.PACKET, arrival, self.device, grfrec.packet_body(4, content)))
        return records

    def syncs(self, seconds: float) -> list[Record]:
        """Return time syncs in bursts of 8 every 10 s, 4 ms each way."""
        records = []
        for k in range(int(seconds // 10) + 1):
            for j in range(8):
                heard = self.start_s + 0.02 + 10.0 * k + 0.1 * j
                device = (self.clock_us + round((heard - self.start_s) / (1 + self.ppm * 1e-6) * 1e6)) & 0xFFFFFFFF
                t1, t4 = (ZERO_NS + round(1e9 * (heard + side)) for side in (-0.004, 0.004))
                records.append(Record(Kind.TIME_SYNC, t4, self.device, grfrec.sync_body(t1, device, device, t4)))
        return records


def recording_bytes(records: list[Record]) -> bytes:
    """Return a file of records in order of arrival, after its opening and its clock pair."""
    pair = Record(Kind.CLOCK_PAIR, ZERO_NS, 0, grfrec.pair_body(UNIX_NS))
    return grfrec.opening() + b"".join(r.to_bytes() for r in [pair, *sorted(records, key=lambda r: r.arrival_ns)])


def write_recording(path: Path, records: list[Record]) -> bytes:
    """Write a file of records and return its bytes."""
    content = recording_bytes(records)
    path.write_bytes(content)
    return content
