"""Live recordings: packets to samples, on the host's clock as estimated from all of the recording, gaps as NaN."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ...arrays import Floats
from ...errors import BadInputError
from ...formats import grfrec
from ...formats.grfrec import Begin, Kind, Record, RecordFile
from ...formats.packet_stream import GrfSamples, PacketCounts, ReceivedStance, Samples
from ...records import Channel, Recording, make_stream
from ...wire import FORCES, StanceReport
from ..base import Head, Match, Reader, ReadOptions
from ..files import file_recording, refuse_extra, with_pressure_sum
from ._live_rows import LiveSession, Run, joined, runs_of

_SIDES = ("left", "right")
# Counts of a signed 16-bit IMU value at the stated range
_FULL_RANGE = 32768.0
_IMU = ("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")


@dataclass
class _Content:
    """A recording's records, sorted out; the numbers count what could not be used.

    Attributes
    ----------
    orphans
        Records of a device outside of its sessions.
    lost
        Records that could not be written, as the file itself says.
    unknown
        Records of a kind that this version does not have.
    unreadable
        Records whose body cannot be read although their CRC is right: of another program, or of a recorder at fault.
    """

    sessions: list[LiveSession] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[tuple[int, int]] = field(default_factory=list)
    orphans: int = 0
    lost: int = 0
    unknown: int = 0
    unreadable: int = 0


def _sniff(head: Head) -> Match:
    if head.data.startswith(grfrec.MAGIC):
        return Match(1.0, f"starts with '{grfrec.MAGIC.decode()}'")
    return Match(0.0, f"does not start with '{grfrec.MAGIC.decode()}'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "grfrec")
    file = RecordFile(path)
    content = _sorted_out(file)
    # zero is the first clock pair, whose Unix time is known
    zero_ns = content.pairs[0][0] if content.pairs else min((s.begin.started_ns for s in content.sessions), default=0)
    streams = _streams(content, zero_ns)
    if not streams:
        raise BadInputError(
            f"holds no sample of an insole ({len(content.sessions)} sessions, {file.unread} bytes unread)"
        )
    recording = file_recording(
        path,
        streams,
        device="GRF insole",
        reader="grfrec",
        t0_unix_s=content.pairs[0][1] * 1e-9 if content.pairs else None,
        notes=_notes(content, file.unread),
    )
    first_s = float(recording.tree.attrs["first_stamp_s"])
    marks = [{**m, "time_s": (m.pop("at_ns") - zero_ns) * 1e-9 - first_s} for m in content.marks]
    recording.tree.attrs.update(
        sessions=json.dumps([_session_document(s) for s in content.sessions]), marks=json.dumps(marks)
    )
    return recording


def _sorted_out(file: RecordFile) -> _Content:
    content = _Content()
    running: dict[int, LiveSession] = {}
    for record in file:
        try:
            _sort(record, content, running)
        except BadInputError:
            # one such record costs itself alone; of a session's beginning, that session
            content.unreadable += 1
            if record.kind == Kind.BEGIN:
                running.pop(record.device, None)
    return content


def _sort(record: Record, content: _Content, running: dict[int, LiveSession]) -> None:
    """Put one record in its place; BadInputError if its body cannot be read."""
    session = running.get(record.device)
    if record.kind == Kind.BEGIN:
        running[record.device] = LiveSession.of(record.device, Begin.from_bytes(record.body))
        content.sessions.append(running[record.device])
    elif record.kind == Kind.CLOCK_PAIR:
        content.pairs.append((record.arrival_ns, grfrec.unix_ns_of(record)))
    elif record.kind in (Kind.MARK, Kind.NOTE, Kind.TARE):
        about = {"kind": Kind(record.kind).name.lower(), "at_ns": record.arrival_ns, "text": record.text}
        content.marks.append(about | ({"device": record.device} if record.kind == Kind.TARE else {}))
    elif record.kind == Kind.LOST:
        content.lost += grfrec.lost_of(record)
    elif record.kind not in list(Kind):
        content.unknown += 1
    elif session is None:
        content.orphans += 1
    else:
        _take(session, record)
        if record.kind == Kind.END:
            del running[record.device]


def _take(session: LiveSession, record: Record) -> None:
    if record.kind == Kind.TIME_SYNC:
        session.synced(record)
    elif record.kind == Kind.END:
        session.reason = record.text
    elif not record.body:
        raise BadInputError("a packet's record is empty")
    else:
        item = session.stream.take(record.body[1:], record.body[0], record.arrival_ns)
        if item is not None:
            session.items.append(item)


def _streams(content: _Content, zero_ns: int) -> dict[str, xr.Dataset]:
    """Return the streams of every device; feet share a clock where time sync placed all of them."""
    devices: dict[int, list[LiveSession]] = {}
    for session in content.sessions:
        devices.setdefault(session.device, []).append(session)
    # without time sync a device's time is placed by arrivals alone, which are late by an unknown delay
    synced = all(session.exchanges for session in content.sessions if session.items)
    streams: dict[str, xr.Dataset] = {}
    for device, sessions in devices.items():
        side = _SIDES[sessions[-1].begin.side]
        clock = "host" if synced else f"insole_{side}_{device}"
        runs = [run for session in sessions for run in runs_of(session, zero_ns)]
        for name, data in _of_device(runs, sessions[-1].begin, side, clock).items():
            streams[name if name not in streams else f"{name}_{device}"] = data
    return streams


def _of_device(runs: list[Run], begin: Begin, side: str, clock: str) -> dict[str, xr.Dataset]:
    streams = {}
    raw = [run for run in runs if run.kind is Samples]
    about: dict[str, Any] = {"side": side, "rate_hz": 1e6 / begin.period_us, "stamp_source": "crystal", "clock": clock}
    if raw:
        host_s, device_s, values = joined(raw)
        cells = [Channel(f"cell_{k + 1:02d}", values[:, k], "count") for k in range(16)]
        scales = [(begin.accel_range_g, "g")] * 3 + [(begin.gyro_range_dps, "deg/s")] * 3
        imu = [
            Channel(name, values[:, 16 + k] * (full / _FULL_RANGE), unit, "sensor")
            for k, (name, (full, unit)) in enumerate(zip(_IMU, scales))
        ]
        extra = {"adc_bits": begin.adc_bits, "uncertainty_ms": max(1e3 * run.half_s for run in raw)}
        streams[f"insole_{side}"] = _device_stream(with_pressure_sum(cells), host_s, device_s, "insole", about, extra)
        streams[f"imu_{side}"] = _device_stream(imu, host_s, device_s, "imu", about, extra)
    grf = [run for run in runs if run.kind is GrfSamples]
    if grf:
        host_s, device_s, values = joined(grf)
        names = (("fx", "N"), ("fy", "N"), ("fz", "N"), ("cop_x", "mm"), ("cop_y", "mm"))
        channels = [Channel(name, values[:, k], unit, "foot") for k, (name, unit) in enumerate(names)]
        streams[f"grf_{side}"] = _device_stream(
            channels, host_s, device_s, "analog", about, {"model_id": begin.model_id}
        )
    stances = [run for run in runs if run.kind is ReceivedStance]
    if stances:
        host_s, device_s, values = joined(stances)
        names = (("contact_s", "s"), ("peak_up", "BW"), ("braking", "BW"), ("propulsion", "BW"), ("stance_id", "1"))
        channels = [Channel(name, values[:, k], unit, "foot") for k, (name, unit) in enumerate(names)]
        extra = {"model_id": begin.model_id}
        stream = _device_stream(channels, host_s, device_s, "events", about | {"rate_hz": None}, extra)
        streams[f"stances_{side}"] = _with_curves(stream, [report for run in stances for report in run.reports])
    return streams


def _with_curves(stream: xr.Dataset, reports: list[StanceReport]) -> xr.Dataset:
    """Return the stances that arrived, without rows between them, with ``apgrf mlgrf vgrf`` (time, point) in BW.

    Point k of P is ``contact_s * k / (P - 1)`` after initial contact, which is ``time``. An axis that an insole did not
    send is NaN, and so are curves of another number of points than the last one.
    """
    came = stream.isel(time=np.flatnonzero(np.isfinite(stream["time_raw"].values)))
    points = len(reports[-1].curve)
    curves = np.full((len(FORCES), len(reports), points), np.nan)
    for row, report in enumerate(reports):
        if len(report.curve) == points:
            curves[[bit for bit in range(len(FORCES)) if report.axes >> bit & 1], row] = report.force_bw.T
    about = {"units": "BW", "raw_units": "BW", "frame": "foot"}
    data = {name: (("time", "point"), curves[k], {**about, "raw_name": name}) for k, name in enumerate(FORCES)}
    with_curves: xr.Dataset = came.assign(data).assign_attrs(missing_samples=0, gaps=0)
    return with_curves


def _device_stream(
    channels: list[Channel], host_s: Floats, device_s: Floats, kind: Any, about: dict[str, Any], extra: dict[str, Any]
) -> xr.Dataset:
    """Return a stream whose ``time_raw`` is the device's own clock, unwrapped."""
    data = make_stream([*channels, Channel("device_time", device_s, "s")], host_s, kind=kind, attrs=extra, **about)
    raw = data["device_time"].values
    about_raw = {"units": "s", "long_name": "the device's clock as recorded"}
    stream: xr.Dataset = data.drop_vars("device_time").assign(time_raw=("time", raw, about_raw))
    return stream


def _session_document(session: LiveSession) -> dict[str, Any]:
    """Return a session's settings, end and counts as a plain document."""
    about = {"device": session.device, "reason": session.reason, "time_syncs": len(session.exchanges)}
    return asdict(session.begin) | about | {"counts": session.stream.counts.to_dict()}


def _notes(content: _Content, unread: int) -> list[str]:
    counts = sum((session.stream.counts for session in content.sessions), PacketCounts())
    notes = ["cells are counts; calibrate them before they are taken for a force", *_losses(counts)]
    if len(content.sessions) > len({session.device for session in content.sessions}):
        notes.append(f"recorded over {len(content.sessions)} connections")
    if content.lost:
        notes.append(f"{content.lost} records could not be written while the disk was full")
    if content.orphans or content.unknown:
        notes.append(
            f"{content.orphans} records outside of a session and {content.unknown} of unknown kind are left out"
        )
    if content.unreadable:
        notes.append(f"{content.unreadable} records have a content that cannot be read, and are left out")
    if unread:
        notes.append(f"the last {unread} bytes hold no whole record and are left out: the recorder was cut off")
    return notes


def _losses(counts: PacketCounts) -> list[str]:
    """Return a sentence for each kind of fault that was counted."""
    lost, samples, dropped = counts.packets_lost, counts.samples_lost, counts.packets_lost_device
    grf, stances = counts.grf_samples_lost, counts.stances_lost
    refused = ", ".join(f"{n} {why}" for why, n in sorted(counts.refused.items()))
    sentences = {
        f"{lost} packets ({samples} samples) are missing, {dropped} of these dropped by the insole itself": lost
        or samples,
        f"{grf} force samples and {stances} stances of the insole's own are missing": grf or stances,
        f"packets refused: {refused}": refused,
        f"{counts.repeated} packets came twice and were taken once": counts.repeated,
        f"the insole's clock jumped {counts.time_jumps} times; what follows is placed anew": counts.time_jumps,
        f"the computer that recorded slept {counts.host_sleeps} times and its clock stood; what follows is placed"
        " anew, and too early by as long as it slept": counts.host_sleeps,
        f"{counts.saturated} packets hold values at the end of the sensor's range": counts.saturated,
    }
    return [sentence for sentence, counted in sentences.items() if counted]


READER = Reader("grfrec", "live recording", (".grfrec",), _sniff, _read)
