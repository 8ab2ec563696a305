"""APDM exports: one stream per sensor, all on one clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ... import units
from ...errors import BadInputError
from ...formats.apdm import ApdmFile, looks_like_apdm, parse_apdm
from ...provenance import Provenance, describe_input
from ...records import Channel, Recording, Side, make_recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, read_text, refuse_extra, snake

_LARGEST_READING = 1e12
_UNIX_TIME_S = 1e9


def _sniff(head: Head) -> Match:
    why = looks_like_apdm(head.lines(12))
    if why:
        return Match(0.95, why)
    return Match(0.0, "starts neither with 'Format=7' nor has '<sensor>/Acceleration/X' columns")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "apdm")
    parsed = parse_apdm(read_text(path))
    units.require(parsed.time_unit, "s", what="column 'Time'")
    time = units.to_si(parsed.time, parsed.time_unit)
    check_time(time)
    notes: list[str] = [] if parsed.rate_hz else ["units as APDM documents them: m/s^2, rad/s, uT; time in us"]
    streams = {}
    for sensor in dict.fromkeys(column.sensor for column in parsed.columns):
        name = f"imu_{snake(sensor)}"
        if name in streams:
            raise BadInputError(f"two sensors are called '{sensor}'; rename one")
        streams[name] = make_stream(
            _channels(parsed, sensor, notes),
            parsed.time,
            kind="imu",
            side=_side(sensor),
            time_unit=parsed.time_unit,
            rate_hz=parsed.rate_hz or None,
            stamp_source="crystal",
        )
    absolute = bool(np.isfinite(time[0]) and time[0] > _UNIX_TIME_S)
    return make_recording(
        streams,
        device="APDM",
        reader="apdm",
        provenance=Provenance(inputs=[describe_input(path)]),
        t0_unix_s=0.0 if absolute else None,
        notes=notes,
    )


def _channels(parsed: ApdmFile, sensor: str, notes: list[str]) -> list[Channel]:
    channels = []
    for index, column in enumerate(parsed.columns):
        if column.sensor != sensor:
            continue
        values = parsed.table[:, index]
        if np.nanmax(np.abs(values), initial=0.0) > _LARGEST_READING:
            notes.append(f"'{column.raw}' is left out: its values ({values[0]:.3g}) are no reading")
            continue
        channels.append(Channel(column.channel, values, column.unit, "sensor", column.raw))
    if not channels:
        raise BadInputError(f"sensor '{sensor}' holds no usable channel")
    return channels


def _side(sensor: str) -> Side:
    words = sensor.lower().replace("_", " ").split()
    if "left" in words:
        return "left"
    return "right" if "right" in words else "unknown"


READER = Reader("apdm", "APDM export", (".csv",), _sniff, _read)
