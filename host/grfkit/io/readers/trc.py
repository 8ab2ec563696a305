"""TRC files: marker positions, or where a column map says so the signals of sensors, three axes under each name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from ...errors import BadInputError
from ...formats.csv_generic import TableColumn, parse_column
from ...formats.trc import MAGIC, TrcFile, parse_trc
from ...records import Channel, Recording, make_landmarks, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_extent, check_time, file_recording, read_text, refuse_extra
from ..naming import channel_of, place_of

# How far the stamps may be from the stated rate for it to be taken; chosen by hand: stamps are rounded
_RATE_TOLERANCE = 0.02


def _sniff(head: Head) -> Match:
    if head.text.lstrip('"').startswith(MAGIC):
        return Match(1.0, f"starts with '{MAGIC}', as every TRC file does")
    return Match(0.0, f"does not start with '{MAGIC}'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "trc")
    parsed = parse_trc(read_text(path), allow_short=options.allow_short)
    check_time(parsed.time)
    named = {name: options.column_map[name] for name in parsed.names if name in (options.column_map or {})}
    if named:
        streams, notes = _sensors(parsed, named)
        return file_recording(path, streams, device="sensors", reader="trc", notes=[*parsed.notes, *notes])
    stream = make_landmarks(
        parsed.positions,
        parsed.names,
        parsed.time,
        unit=parsed.unit,
        rate_hz=_rate(parsed),
        stamp_source="index",
    )
    check_extent(stream["position"].values, parsed.unit)
    unused = ["no name of the column map stands in this file: it is read as markers"] if options.column_map else []
    notes = [*parsed.notes, *unused]
    return file_recording(path, {"landmarks": stream}, device="motion capture", reader="trc", notes=notes)


def _sensors(parsed: TrcFile, named: dict[str, str]) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Return the streams of names that a column map calls a sensor's: ``"right_acc [m/s^2]"`` has three axes.

    Raises
    ------
    BadInputError
        If a name states no unit, or two state one channel.
    """
    members: dict[str, list[Channel]] = {}
    about = {}
    for raw, text in named.items():
        column = parse_column(text, raw=raw)
        if not column.unit:
            raise BadInputError(f"the column map states no unit for '{raw}'; write '{column.name} [unit]'")
        values = parsed.positions[:, parsed.names.index(raw)]
        for axis, along in zip("xyz", values.T):
            one = TableColumn(f"{raw} {axis.upper()}", f"{column.name}_{axis}", column.unit)
            place = place_of(one.name, {one.name})
            if place.kind not in ("imu", "body_imu"):
                raise BadInputError(
                    f"the column map calls '{raw}' '{text}', expected acc, gyro or mag of a foot, or of pelvis, torso,"
                    " thigh or shank ('pelvis_acc [m/s^2]')"
                )
            members.setdefault(place.stream, []).append(channel_of(one, place, along))
            about[place.stream] = place
    streams = {
        name: make_stream(
            channels,
            parsed.time,
            kind=about[name].kind,
            side=about[name].side,
            rate_hz=_rate(parsed),
            stamp_source="index",
            attrs=about[name].attrs,
        )
        for name, channels in members.items()
    }
    left_out = [name for name in parsed.names if name not in named]
    notes = [f"not in the column map, and left out: {', '.join(left_out)}"] if left_out else []
    return streams, notes


def _rate(parsed: TrcFile) -> float | None:
    """Return the header's rate where the stamps follow it; None (estimate it from them) otherwise."""
    if not parsed.rate_hz or parsed.time.size < 2:
        return parsed.rate_hz or None
    step = float(np.median(np.diff(parsed.time)))
    return parsed.rate_hz if abs(step * parsed.rate_hz - 1.0) < _RATE_TOLERANCE else None


READER = Reader("trc", "TRC marker positions", (".trc",), _sniff, _read, ("column_map", "allow_short"))
