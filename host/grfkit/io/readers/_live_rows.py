"""A live recording's packets as rows: missing samples as NaN rows, the device's time on the host's."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...arrays import Floats
from ...formats import grfrec
from ...formats.device_clock import WrappedClock
from ...formats.grfrec import Begin, Record
from ...formats.packet_stream import GrfSamples, Item, PacketStream, ReceivedStance, Samples
from ...records.gaps import LONGEST_FILLED_GAP_S
from ...signals.clock_bounds import offset_over_time
from ...wire import StanceReport

# Time syncs up to this long after the last packet (ns, 10 s) still belong to it; chosen by hand
_SYNC_AFTER_NS = 10**10
# By how much of a period each sample around a seam is moved more than its neighbour; chosen by hand: half of what
# still counts as regular
_SEAM_STEP = 0.1


@dataclass
class LiveSession:
    """One connection of one device, its packets as samples."""

    device: int
    begin: Begin
    stream: PacketStream
    clock: WrappedClock
    items: list[Item] = field(default_factory=list)
    exchanges: list[tuple[int, int, int, int]] = field(default_factory=list)
    reason: str = "still open at the end of the file"

    @classmethod
    def of(cls, device: int, begin: Begin) -> LiveSession:
        """Return a session that has just begun."""
        clock = WrappedClock()
        stream = PacketStream(
            cfg_id=begin.cfg_id,
            samples_per_packet=begin.samples_per_packet,
            period_us=begin.period_us,
            right=begin.side == 1,
            started_ns=begin.started_ns,
            clock=clock,
        )
        return cls(device, begin, stream, clock)

    def synced(self, record: Record) -> None:
        """Keep a time sync, the device's clock unwrapped."""
        t1, t2, t3, t4 = grfrec.sync_of(record)
        later = (t3 - t2) & 0xFFFFFFFF
        t2 = self.clock.unwrapped(t2, t4)
        if self.clock.device_us is None:
            self.clock.keep(t2, t4)
        self.exchanges.append((t1, t2, t2 + later, t4))


@dataclass(frozen=True)
class Run:
    """Rows of one kind on one stretch of the device's clock.

    Attributes
    ----------
    host_s
        Shape (rows,), since the recording's zero; rows of missing samples included.
    device_s
        The device's time, unwrapped; NaN where a sample is missing, as ``values`` (rows, columns) is.
    half_s
        How far ``host_s`` may be off.
    reports
        Of stances: one for each row that is known, in their order.
    missing
        Samples missing between the session's stretch before and this one, by their counter; None where that does not
        count on from there (a session's first stretch, stances).
    period_s
        Time between two samples.
    """

    kind: type[Item]
    host_s: Floats
    device_s: Floats
    values: Floats
    half_s: float
    reports: tuple[StanceReport, ...] = ()
    missing: int | None = None
    period_s: float = 0.0


def runs_of(session: LiveSession, zero_ns: int) -> list[Run]:
    """Return a session's pieces by kind and stretch of its clock, placed on the host's time."""
    runs: list[Run] = []
    period_s = session.begin.period_us * 1e-6
    for epoch in sorted({item.epoch for item in session.items}):
        items = [item for item in session.items if item.epoch == epoch]
        sent, arrival = _sent(items, session.begin.period_us, zero_ns)
        exchanges = _exchanges(session, epoch, items, zero_ns)
        knots, offsets, half = offset_over_time(sent, arrival, exchanges)
        for kind in (Samples, GrfSamples, ReceivedStance):
            pieces = [item for item in items if isinstance(item, kind)]
            if pieces:
                at, device_s, values = _rows(pieces, period_s)
                reports = tuple(piece.report for piece in pieces if isinstance(piece, ReceivedStance))
                counts_on = kind is not ReceivedStance and any(run.kind is kind for run in runs)
                missing = pieces[0].missing if counts_on else None
                host_s = at + _along(at, knots, offsets)
                runs.append(Run(kind, host_s, device_s, values, half, reports, missing, period_s))
    return runs


def joined(runs: Sequence[Run]) -> tuple[Floats, Floats, Floats]:
    """Return host time (never going back), device time and values of runs one after the other.

    Two stretches of a session are placed on the host's time each on its own, some ms off; how many samples are missing
    between them their counter says. Where both agree within how far they may be off, the samples around the seam are
    moved until they fit it, or the seam would be a loss that there was none.
    """
    host, device, values = [runs[0].host_s.copy()], [runs[0].device_s], [runs[0].values]
    for before, run in itertools.pairwise(runs):
        now = run.host_s.copy()
        step = ((run.missing or 0) + 1) * run.period_s
        off = float(now[0] - host[-1][-1]) - step
        if run.missing is not None and abs(off) <= before.half_s + run.half_s + run.period_s:
            _close_seam(host[-1], now, off, run.period_s)
            if 0 < run.missing * run.period_s <= LONGEST_FILLED_GAP_S:
                host.append(np.linspace(host[-1][-1], now[0], run.missing + 2)[1:-1])
                device.append(np.full(run.missing, np.nan))
                values.append(np.full((run.missing, run.values.shape[1]), np.nan))
        host.append(now)
        device.append(run.device_s)
        values.append(run.values)
    return np.maximum.accumulate(np.concatenate(host)), np.concatenate(device), np.concatenate(values)


def _close_seam(before: Floats, after: Floats, off_s: float, period_s: float) -> None:
    """Move the samples around a seam by up to half of ``off_s``, in place, each a little less than the one beside."""
    samples = math.ceil(0.5 * abs(off_s) / (_SEAM_STEP * period_s))
    left, right = min(samples, before.size), min(samples, after.size)
    before[before.size - left :] += 0.5 * off_s * np.arange(1, left + 1) / max(left, 1)
    after[:right] -= 0.5 * off_s * np.arange(right, 0, -1) / max(right, 1)


def _sent(items: Sequence[Item], period_us: int, zero_ns: int) -> tuple[Floats, Floats]:
    """Return when packets were ready (device) and when they came (host), in order of the first."""
    # a stance's report is stamped with its initial contact, long before it is sent
    moving = [item for item in items if not isinstance(item, ReceivedStance)] or items
    # a packet can be sent once its last sample is taken
    sent = np.asarray([(item.device_us + (_count(item) - 1) * period_us) * 1e-6 for item in moving])
    arrival = np.asarray([(item.arrival_ns - zero_ns) * 1e-9 for item in moving])
    order = np.argsort(sent, kind="stable")
    return sent[order], arrival[order]


def _exchanges(session: LiveSession, epoch: int, items: Sequence[Item], zero_ns: int) -> Floats:
    """Return the time syncs of a stretch, (n, 4) in s; those before the first packet belong to the first."""
    begin, end = items[0].arrival_ns if epoch else 0, items[-1].arrival_ns + _SYNC_AFTER_NS
    if epoch < session.items[-1].epoch:
        end = items[-1].arrival_ns
    exchanges = [x for x in session.exchanges if begin <= x[3] <= end]
    rows = [((t1 - zero_ns) * 1e-9, t2 * 1e-6, t3 * 1e-6, (t4 - zero_ns) * 1e-9) for t1, t2, t3, t4 in exchanges]
    return np.asarray(sorted(rows, key=lambda row: row[1]), dtype=np.float64).reshape(-1, 4)


def _along(at_s: Floats, knots: Floats, offsets: Floats) -> Floats:
    """Return the offset at device times; straight on beyond the outer knots."""
    if knots.size < 2:
        return np.full(at_s.size, offsets[0])
    inside = np.interp(at_s, knots, offsets)
    first, last = np.diff(offsets[:2])[0] / np.diff(knots[:2])[0], np.diff(offsets[-2:])[0] / np.diff(knots[-2:])[0]
    # np.interp holds the outer values; a clock that runs fast or slow goes on doing so
    inside += first * np.minimum(at_s - knots[0], 0.0) + last * np.maximum(at_s - knots[-1], 0.0)
    return np.asarray(inside)


def _count(item: Item) -> int:
    return len(_values(item))


def _values(item: Item) -> Floats:
    if isinstance(item, Samples):
        return np.concatenate([item.cells, item.imu], axis=1).astype(np.float64)
    if isinstance(item, GrfSamples):
        return np.concatenate([item.force_n, item.cop_mm], axis=1)
    report = item.report
    return np.asarray([[report.contact_s, report.peak_bw, report.braking_bw, report.propulsion_bw, item.stance_id]])


def _rows(pieces: Sequence[Item], period_s: float) -> tuple[Floats, Floats, Floats]:
    """Return ``(complete device time, device time or NaN, values or NaN)``, a row per sample up to 10 s of them.

    A longer hole is left to :func:`grfkit.records.make_stream`, as all longer holes are.
    """
    times: list[Floats] = []
    recorded: list[Floats] = []
    values: list[Floats] = []
    for piece in pieces:
        now = piece.device_us * 1e-6
        count = _count(piece)
        if times and 0 < piece.missing * period_s <= LONGEST_FILLED_GAP_S:
            gap = np.asarray(np.linspace(times[-1][-1], now, piece.missing + 2)[1:-1], dtype=np.float64)
            times.append(gap)
            recorded.append(np.full(gap.size, np.nan))
            values.append(np.full((gap.size, values[-1].shape[1]), np.nan))
        times.append(now + period_s * np.arange(count, dtype=np.float64))
        recorded.append(times[-1])
        values.append(_values(piece))
    return np.concatenate(times), np.concatenate(recorded), np.concatenate(values)
