"""XDF files (Lab Streaming Layer), through pyxdf: every XDF stream on its own clock, raw stamps kept."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import xarray as xr

from ... import units
from ...arrays import Floats
from ...errors import BadInputError, UnitError
from ...formats.csv_generic import TableColumn, parse_column
from ...formats.timing import HIGHEST_RATE_HZ
from ...records import Channel, Recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, file_recording, plate_attrs, refuse_extra, snake, with_pressure_sum
from ..naming import Place, channel_of, foot_of, place_of

_MAGIC = b"XDF:"
_GZIP = b"\x1f\x8b"


def _sniff(head: Head) -> Match:
    if head.data.startswith(_MAGIC):
        return Match(1.0, "starts with 'XDF:'")
    if head.data.startswith(_GZIP) and head.path.name.lower().endswith((".xdfz", ".xdf.gz")):
        return Match(0.8, "is packed with gzip and named as XDF files are")
    return Match(0.0, "does not start with 'XDF:'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "xdf")
    notes: list[str] = []
    streams: dict[str, xr.Dataset] = {}
    for source in _load(path):
        for name, data in _streams(source, notes).items():
            streams[_free_name(name, source, streams)] = data
    if not streams:
        raise BadInputError("holds no XDF stream with samples")
    return file_recording(path, streams, device="LSL", reader="xdf", notes=notes)


class _Complaints(logging.Handler):
    """Keeps what pyxdf logs about damage: it reads on after it, but grfkit does not take a part for the whole file."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message of a record."""
        self.messages.append(record.getMessage().strip())


def _load(path: Path) -> list[dict[str, Any]]:
    """Return pyxdf's streams, stamps neither dejittered nor moved to another clock."""
    import pyxdf

    # pyxdf logs damage and goes on; the log is caught here and left as it was
    log, complaints = logging.getLogger("pyxdf"), _Complaints()
    before = log.propagate, log.level
    log.addHandler(complaints)
    log.propagate = False
    try:
        with open(path, "rb") as raw, gzip.open(raw) if raw.peek(2)[:2] == _GZIP else raw as file:
            _check_chunks(cast(BinaryIO, file))
            file.seek(0)
            loaded, _ = pyxdf.load_xdf(file, synchronize_clocks=False, dejitter_timestamps=False)
    except BadInputError:
        raise
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise BadInputError(f"is broken or cut off; pyxdf cannot read it ({what[:200]})") from error
    finally:
        log.removeHandler(complaints)
        log.propagate = before[0]
        log.setLevel(before[1])
    if complaints.messages:
        raise BadInputError(f"is damaged or cut off; pyxdf says: {' '.join(complaints.messages[0].split())[:200]}")
    return list(loaded)


def _check_chunks(file: BinaryIO) -> None:
    """Refuse a file whose chunks do not fill it to the end: pyxdf would return the part before in silence."""
    size = file.seek(0, 2)
    at = file.seek(len(_MAGIC))
    while at < size:
        width = (file.read(1) or b"\0")[0]
        # XDF: a byte says in how many bytes the chunk's length is written
        if width not in (1, 4, 8):
            raise BadInputError(f"is damaged: no chunk starts at byte {at}")
        length = int.from_bytes(file.read(width), "little")
        end = at + 1 + width + length
        if length < 2 or end > size:
            raise BadInputError(f"is cut off or damaged: the chunk at byte {at} should end at byte {end} of {size}")
        at = file.seek(end)


def _streams(source: Mapping[str, Any], notes: list[str]) -> dict[str, xr.Dataset]:
    """Return the streams made of one XDF stream: one for each kind and foot that its channels name."""
    title = _first(source["info"], "name") or "unnamed"
    stamps = np.asarray(source.get("time_stamps", []), dtype=np.float64)
    if not stamps.size:
        notes.append(f"stream '{title}' holds no sample and is left out")
        return {}
    if "footer" not in source:
        notes.append(f"stream '{title}' has no footer: the recorder did not close the file")
    check_time(stamps)
    shift = _clock_offset(source)
    about = {"clock_offset_s": shift, "xdf_name": title, "xdf_type": _first(source["info"], "type")}
    streams: dict[str, xr.Dataset] = {}
    for name, (place, channels) in _groups(source, title, stamps.size, about, notes).items():
        extra = plate_attrs(knows_feet=foot_of(place.side)) if place.kind == "force_plate" else {}
        data = make_stream(
            with_pressure_sum(channels) if place.kind == "insole" else channels,
            stamps,
            kind=place.kind,
            side="unknown" if place.kind == "force_plate" else place.side,
            rate_hz=_rate(source),
            stamp_source="host",
            clock=snake(title),
            attrs=about | extra,
        )
        # the clock offset moves the time; time_raw stays as recorded
        streams[name] = data.assign_coords(time=("time", data["time"].values + shift, {"units": "s"}))
    return streams


def _groups(
    source: Mapping[str, Any], title: str, samples: int, about: dict[str, Any], notes: list[str]
) -> dict[str, tuple[Place, list[Channel]]]:
    """Return the channels by stream; texts become one channel of codes, their ``labels`` an attribute."""
    series = source["time_series"]
    if not isinstance(series, list) and np.asarray(series).dtype.kind in "fiu":
        return _channels(source, title, samples, notes)
    channel, about["labels"] = _event_codes(series)
    return {f"events_{snake(title)}": (Place("events", "events", "unknown", "code", "raw"), [channel])}


def _clock_offset(source: Mapping[str, Any]) -> float:
    """Return the median of the clock offsets that the recorder measured, 0 without any."""
    values = np.asarray(source.get("clock_values", []), dtype=np.float64)
    values = values[np.isfinite(values)]
    # the median, since one exchange that was held up would move a mean
    offset = float(np.median(values)) if values.size else 0.0
    check_time(np.asarray([offset]))
    return offset


def _rate(source: Mapping[str, Any]) -> float | None:
    try:
        rate = float(_first(source["info"], "nominal_srate") or 0)
    except ValueError as error:
        raise BadInputError("states a nominal rate that is no number") from error
    return rate if 0 < rate < HIGHEST_RATE_HZ else None


def _channels(
    source: Mapping[str, Any], title: str, samples: int, notes: list[str]
) -> dict[str, tuple[Place, list[Channel]]]:
    table = np.asarray(source["time_series"], dtype=np.float64).reshape(samples, -1)
    columns = _columns(source, table.shape[1], notes, title)
    names = {column.name for column in columns}
    members: dict[str, tuple[Place, list[Channel]]] = {}
    for index, column in enumerate(columns):
        place = place_of(column.name, names) if column.unit else _analog(column)
        values: Floats = np.where(np.isfinite(table[:, index]), table[:, index], np.nan)
        name = f"analog_{snake(title)}" if place.kind == "analog" else place.stream
        members.setdefault(name, (place, []))[1].append(channel_of(column, place, values))
    return members


def _analog(column: TableColumn) -> Place:
    return Place("analog", "analog", "unknown", column.name, "raw")


def _columns(source: Mapping[str, Any], count: int, notes: list[str], title: str) -> list[TableColumn]:
    """Return name and unit of each channel from the stream's description, else ``channel_01``."""
    described = _described(source)
    columns = []
    for index in range(count):
        channel = described[index] if index < len(described) else {}
        label = _first(channel, "label") or f"channel_{index + 1:02d}"
        unit = _first(channel, "unit")
        try:
            units.parse_unit(unit)
        except UnitError:
            if unit:
                notes.append(f"stream '{title}', channel '{label}': unit '{unit}' is not known; kept as it is")
            unit = ""
        labelled = parse_column(label)
        columns.append(TableColumn(label, labelled.name, unit or labelled.unit))
    return columns


def _described(source: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    try:
        channels = source["info"]["desc"][0]["channels"][0]["channel"]
    except (KeyError, IndexError, TypeError):
        return []
    return [c for c in channels if isinstance(c, Mapping)] if isinstance(channels, list) else []


def _first(node: Mapping[str, Any], key: str) -> str:
    value = node.get(key)
    if isinstance(value, list):
        value = value[0] if value else ""
    return value if isinstance(value, str) else ""


def _event_codes(series: Any) -> tuple[Channel, list[str]]:
    texts = [" ".join(str(cell) for cell in np.atleast_1d(row)) for row in series]
    labels = list(dict.fromkeys(texts))
    codes = np.asarray([labels.index(text) for text in texts], dtype=np.float64)
    return Channel("code", codes, "1", "raw", "index into labels"), labels


def _free_name(name: str, source: Mapping[str, Any], streams: Mapping[str, xr.Dataset]) -> str:
    if name not in streams:
        return name
    longer = f"{name}_{snake(_first(source['info'], 'name'))}"
    return next(n for n in (longer, *(f"{longer}_{i}" for i in range(2, 10000))) if n not in streams)


READER = Reader("xdf", "XDF (Lab Streaming Layer)", (".xdf", ".xdfz"), _sniff, _read)
