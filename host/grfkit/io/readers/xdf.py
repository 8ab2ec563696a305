"""XDF files (Lab Streaming Layer): every stream read apart, on its own clock moved by its measured offsets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ... import units
from ...arrays import Floats
from ...errors import BadInputError, UnitError
from ...formats.csv_generic import TableColumn, parse_column
from ...formats.xdf import GZIP, MAGIC, XdfStream, parse_xdf
from ...records import Channel, Recording, make_stream
from ...signals.clock_offsets import ClockOffsets, clock_offsets
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, file_recording, plate_attrs, refuse_extra, snake, with_pressure_sum
from ..naming import Place, channel_of, foot_of, place_of

# Names that a stream's variables cannot have
_RESERVED = ("time", "time_raw")
# A drift that moves the time by less over the recording (s), and a scatter below that, are not worth a note: a tenth of
# what alignment of insoles reaches
_NOTED_S = 0.002
# A nominal rate that differs by more than this share from what the stamps say is noted, as pyxdf does
_SAME_RATE = 0.1
# Stretches of the recording over which that is looked at
_RATE_STRETCHES = 20
# Offsets that cover less than this share of a recording longer than so many seconds leave its drift open
_COVERED, _LONG_S = 0.5, 60.0
# Channels named in a note at most, chosen by hand
_NAMED = 6
# What one odd stream may raise
_ODD = (BadInputError, ArithmeticError, LookupError, TypeError, ValueError)


def _sniff(head: Head) -> Match:
    if head.data.startswith(MAGIC):
        return Match(1.0, "starts with 'XDF:'")
    if head.data.startswith(GZIP) and head.path.name.lower().endswith((".xdfz", ".xdf.gz")):
        return Match(0.8, "is packed with gzip and named as XDF files are")
    return Match(0.0, "does not start with 'XDF:'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "xdf")
    try:
        file = parse_xdf(path.read_bytes())
    except OSError as error:
        raise BadInputError(f"cannot be read ({error.strerror or error})") from error
    notes = list(file.notes)
    streams: dict[str, xr.Dataset] = {}
    refused: list[str] = []
    clocks: set[str] = set()
    measured = any(source.offsets_s for source in file.streams)
    for source in file.streams:
        try:
            for name, data in _streams(source, _clock_name(source.name, clocks), measured, notes).items():
                streams[_free_name(name, source.name, streams)] = data
        except _ODD as error:
            refused.append(f"stream '{source.name}' is left out: {' '.join(str(error).split())}")
    if not streams:
        raise BadInputError("; ".join(["holds no stream that can be read", *refused, *notes]))
    recording = file_recording(path, streams, device="LSL", reader="xdf", notes=[*notes, *refused])
    recording.tree.attrs["started_local"] = file.started
    return recording


def _clock_name(title: str, taken: set[str]) -> str:
    """Return the clock's name: streams of one name may come from two computers, and are two clocks."""
    name = snake(title)
    name = next(n for n in (name, *(f"{name}_{k}" for k in range(2, 10000))) if n not in taken)
    taken.add(name)
    return name


def _streams(source: XdfStream, clock: str, measured: bool, notes: list[str]) -> dict[str, xr.Dataset]:
    """Return the streams made of one XDF stream: one for each kind and foot that its channels name."""
    if source.problem:
        raise BadInputError(source.problem)
    if not source.stamps_s.size:
        notes.append(f"stream '{source.name}' holds no sample and is left out")
        return {}
    _note_end(source, notes)
    source, placed = _placed(source, notes)
    _note_clock(source, placed, measured, notes)
    time = _forward(source, source.stamps_s + placed.shift_s, notes)
    _note_rate(source, time, notes)
    about = _about(source, placed)
    streams: dict[str, xr.Dataset] = {}
    for name, (place, channels) in _groups(source, about, notes).items():
        extra = plate_attrs(knows_feet=foot_of(place.side)) if place.kind == "force_plate" else {}
        data = make_stream(
            with_pressure_sum(channels) if place.kind == "insole" else channels,
            time,
            kind=place.kind,
            side="unknown" if place.kind == "force_plate" else place.side,
            rate_hz=source.rate_hz or None,
            stamp_source="host",
            clock=clock,
            attrs=about | extra,
        )
        # time_raw is the sender's own clock, as recorded
        raw = data["time_raw"].values
        raw[np.isfinite(raw)] = source.stamps_s
        streams[name] = data
    return streams


def _note_end(source: XdfStream, notes: list[str]) -> None:
    if not source.has_footer:
        notes.append(f"stream '{source.name}' has no footer: the recorder did not close the file")
    absent = (source.stated_samples or 0) - source.stamps_s.size
    # a recorder may count one sample more than it writes
    if absent > 1:
        notes.append(
            f"stream '{source.name}': {absent} of the {source.stated_samples} samples of its footer are absent"
        )


def _placed(source: XdfStream, notes: list[str]) -> tuple[XdfStream, ClockOffsets]:
    """Return the stream with its samples in the order of their time, and where the recorder's clock puts them."""
    stamps = source.stamps_s
    if not np.isfinite(stamps).all():
        raise BadInputError(f"time stamp {int(np.flatnonzero(~np.isfinite(stamps))[0]) + 1} is none")
    check_time(stamps)
    check_time(np.asarray(source.offsets_s, dtype=np.float64))
    placed = clock_offsets(stamps, np.asarray(source.offset_times_s), np.asarray(source.offsets_s))
    time = stamps + placed.shift_s
    back = np.diff(time)
    # samples without a rate come when they come: several senders of markers overtake each other
    if source.rate_hz or not (back < 0).any():
        return source, placed
    order = np.argsort(time, kind="stable")
    values = [source.values[k] for k in order] if isinstance(source.values, list) else source.values[order]
    notes.append(
        f"stream '{source.name}': samples out of order ({int((back < 0).sum())}, by up to {-back.min() * 1e3:.3g} ms)"
        " are put in the order of their time"
    )
    shifted = replace(placed, shift_s=placed.shift_s[order])
    return replace(source, stamps_s=stamps[order], values=values), shifted


def _forward(source: XdfStream, time: Floats, notes: list[str]) -> Floats:
    """Return time that stands where stamps go back by less than a sample; larger steps back are refused later on."""
    back = np.diff(time)
    if not (back < 0).any() or not source.rate_hz or back.min() <= -1.0 / source.rate_hz:
        return time
    notes.append(
        f"stream '{source.name}': stamps that go back by less than a sample ({int((back < 0).sum())}, by up to"
        f" {-back.min() * 1e3:.3g} ms): time stands there"
    )
    return np.maximum.accumulate(time)


def _note_rate(source: XdfStream, time: Floats, notes: list[str]) -> None:
    """Note a nominal rate that is another than the samples': another unit of the stamps, or samples that are lost."""
    starts = time[:: max(1, time.size // _RATE_STRETCHES)]
    if not source.rate_hz or starts.size <= _RATE_STRETCHES // 2:
        return
    # the median over stretches: pauses make some of them longer, and bursts of equal stamps none
    lasts = float(np.median(np.diff(starts))) / max(1, time.size // _RATE_STRETCHES)
    if abs(lasts * source.rate_hz - 1.0) > _SAME_RATE:
        notes.append(
            f"stream '{source.name}' states {source.rate_hz:g} Hz, but its stamps are {lasts:.3g} s apart: check their"
            " unit"
        )


def _about(source: XdfStream, placed: ClockOffsets) -> dict[str, Any]:
    """Return the attributes of every stream made of this one."""
    about: dict[str, Any] = {"clock_offset_s": 0.0, "xdf_name": source.name, "xdf_type": source.kind}
    if placed.lines:
        longest = max(placed.lines, key=lambda line: line.span_s)
        about["clock_offset_s"] = longest.offset_s
        about["clock_offsets"] = sum(line.count for line in placed.lines)
        about["clock_drift_ppm"] = longest.drift * 1e6
        about["clock_residual_ms"] = max(line.scatter_s for line in placed.lines) * 1e3
        about["clock_segments"] = len(placed.lines)
    return about


def _note_clock(source: XdfStream, placed: ClockOffsets, measured: bool, notes: list[str]) -> None:
    """Note what the clock offsets say of the stream's clock, where it matters."""
    title, stamps = f"stream '{source.name}'", source.stamps_s
    if not placed.lines:
        if measured:
            notes.append(f"{title} holds no clock offsets: its time is taken as it is, on the sender's clock")
        return
    _note_lines(title, placed, notes)
    time = stamps + placed.shift_s
    for row in placed.starts[1:]:
        if 0 < row < stamps.size:
            leap, left = stamps[row] - stamps[row - 1], time[row] - time[row - 1]
            notes.append(
                f"{title}: its clock was set by {leap - left:.6g} s at sample {row + 1}; each side is placed by its own"
                f" clock offsets, which leaves {left:.6g} s between them"
            )
    if placed.recorder_set_s:
        moved = ", ".join(f"{moved:.6g} s" for moved in placed.recorder_set_s)
        notes.append(f"{title}: the recorder's clock was set by {moved} while the sender's went on; this is taken out")
    if placed.strays:
        notes.append(f"{title}: clock offsets that were held up are left out ({placed.strays})")
    span, covered = float(np.ptp(stamps)), sum(line.span_s for line in placed.lines)
    if len(placed.lines) == 1 and span > _LONG_S and covered < _COVERED * span:
        notes.append(
            f"{title}: its clock offsets ({placed.lines[0].count}) cover {covered:.6g} of {span:.6g} s; beyond them"
            " its drift is a guess"
        )


def _note_lines(title: str, placed: ClockOffsets, notes: list[str]) -> None:
    drift = max(placed.lines, key=lambda line: abs(line.drift) * line.span_s)
    if abs(drift.drift) * drift.span_s > _NOTED_S:
        notes.append(
            f"{title}: its clock drifts by {drift.drift * 1e6:.4g} ppm against the recorder's,"
            f" {abs(drift.drift) * drift.span_s * 1e3:.4g} ms from end to end; its clock offsets take this out"
        )
    wander = max((float(np.abs(line.wander_s).max(initial=0.0)) for line in placed.lines), default=0.0)
    if wander > _NOTED_S:
        notes.append(f"{title}: its clock wanders by up to {wander * 1e3:.3g} ms around that drift; this is followed")
    scatter = max(line.scatter_s for line in placed.lines)
    if scatter > _NOTED_S:
        notes.append(
            f"{title}: its clock offsets scatter by {scatter * 1e3:.3g} ms (SD): its time is no surer than that"
        )


def _groups(source: XdfStream, about: dict[str, Any], notes: list[str]) -> dict[str, tuple[Place, list[Channel]]]:
    """Return the channels by stream; texts become one channel of codes, their ``labels`` an attribute."""
    if not isinstance(source.values, list):
        return _channels(source, source.values, notes)
    channel, about["labels"] = _event_codes(source.values)
    return {f"events_{snake(source.name)}": (Place("events", "events", "unknown", "code", "raw"), [channel])}


def _channels(source: XdfStream, table: Floats, notes: list[str]) -> dict[str, tuple[Place, list[Channel]]]:
    columns = _columns(source, notes)
    names = {column.name for column in columns}
    members: dict[str, tuple[Place, list[Channel]]] = {}
    _note_unitless(source.name, columns, names, notes)
    for index, column in enumerate(columns):
        place = place_of(column.name, names) if column.unit else _analog(column)
        values: Floats = np.where(np.isfinite(table[:, index]), table[:, index], np.nan)
        name = f"analog_{snake(source.name)}" if place.kind == "analog" else place.stream
        channels = members.setdefault(name, (place, []))[1]
        if place.kind == "analog":
            place = replace(place, channel=_free_channel(place.channel, channels, source.name, notes))
        channels.append(channel_of(column, place, values))
    return members


def _note_unitless(title: str, columns: list[TableColumn], names: set[str], notes: list[str]) -> None:
    """Note channels that are named as an insole's, a sensor's or a plate's and would be, if they had a unit."""
    bare = [c.name for c in columns if not c.unit and place_of(c.name, names).kind != "analog"]
    if bare:
        some = ", ".join(bare[:_NAMED]) + (", ..." if len(bare) > _NAMED else "")
        notes.append(
            f"stream '{title}': {some} without a unit that is known: analog channels of unknown unit, and no insole,"
            " sensor or plate; let the sender state <unit> for each channel (N, m/s^2, ...; count where there is none)"
        )


def _analog(column: TableColumn) -> Place:
    return Place("analog", "analog", "unknown", column.name, "raw")


def _free_channel(name: str, channels: list[Channel], title: str, notes: list[str]) -> str:
    """Return a name that no other channel has: equal labels are numbered, with a note."""
    taken = {channel.name for channel in channels} | set(_RESERVED)
    if name not in taken:
        return name
    free = next(n for n in (f"{name}_{k}" for k in range(2, len(channels) + 3)) if n not in taken)
    if name not in _RESERVED:
        notes.append(f"stream '{title}' has two channels '{name}'; the later one is '{free}'")
    return free


def _columns(source: XdfStream, notes: list[str]) -> list[TableColumn]:
    """Return name and unit of each channel from the stream's description, else ``channel_01``."""
    columns = []
    for index, (stated, unit) in enumerate(source.labels):
        label = stated or f"channel_{index + 1:02d}"
        if unit and not units.is_unit(unit):
            notes.append(f"stream '{source.name}', channel '{label}': unit '{unit}' is not known; kept as it is")
            unit = ""
        columns.append(_column(label, unit, index, source.name, notes))
    return columns


def _column(label: str, unit: str, index: int, title: str, notes: list[str]) -> TableColumn:
    """Return a channel's column; one whose brackets hold no unit, or whose label no letter, keeps what it can."""
    try:
        labelled = parse_column(label)
    except UnitError:
        labelled = TableColumn(label, snake(re.sub(r"\[[^\]]*\]", "", label)), "")
        if not unit:
            notes.append(f"stream '{title}', channel '{label}': the unit in brackets is not known; kept as it is")
    except BadInputError:
        labelled = TableColumn(label, f"channel_{index + 1:02d}", "")
    return TableColumn(label, labelled.name, unit or labelled.unit)


def _event_codes(rows: list[list[str]]) -> tuple[Channel, list[str]]:
    texts = [" ".join(row) for row in rows]
    number = {text: k for k, text in enumerate(dict.fromkeys(texts))}
    codes, labels = np.asarray([number[text] for text in texts], dtype=np.float64), list(number)
    return Channel("code", codes, "1", "raw", "index into labels"), labels


def _free_name(name: str, title: str, streams: Mapping[str, xr.Dataset]) -> str:
    if name not in streams:
        return name
    longer = f"{name}_{snake(title)}"
    return next(n for n in (longer, *(f"{longer}_{i}" for i in range(2, 10000))) if n not in streams)


READER = Reader("xdf", "XDF (Lab Streaming Layer)", (".xdf", ".xdfz"), _sniff, _read)
