"""stAPPone sole exports (CSV): stamps in ms since 1970, motion, twelve pressures, and a flag per row.

The file states no unit for motion and pressure, so these are counts unless the user states one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from ...arrays import Floats
from ...errors import BadInputError
from ...formats.text import checked_unit, decimal_sign, parse_table, separator_of
from ...records import Channel, Frame, Recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import UNIX_TIME_S, check_time, file_recording, read_text, refuse_extra, with_pressure_sum
from ._insoles import SIDE_ADVICE

_MOTION = re.compile(r"(accel|gyro|magn)_([xyz])")
_CELL = re.compile(r"pressure_(\d{1,2})")
_SHORT = {"accel": "acc", "gyro": "gyro", "magn": "mag"}
# Option of ReadOptions.extra -> start of the channel names it is for, and the quantities it may be of
_UNIT_OPTIONS = {
    "accel_unit": ("acc", ("m/s^2", "count")),
    "gyro_unit": ("gyro", ("rad/s", "count")),
    "magn_unit": ("mag", ("T", "count")),
    "pressure_unit": ("cell", ("Pa", "N", "count")),
}


@dataclass(frozen=True)
class StapponeSole:
    """One sole: stamps (samples,) in ms since 1970; motion and pressure by channel name, corrupt rows NaN."""

    sole: int
    time_ms: Floats
    motion: dict[str, Floats]
    pressure: dict[str, Floats]
    corrupt: int


@dataclass(frozen=True)
class StapponeFile:
    """The soles of a file, by their number, and the file's own name of each channel."""

    soles: list[StapponeSole]
    raw_names: dict[str, str]
    notes: list[str]


def is_header(line: str) -> bool:
    """Return whether this first line names a sole, a stamp and at least one pressure."""
    cells = _cells(line)
    return {"sole_id", "timestamp"} <= set(cells) and any(_CELL.fullmatch(cell) for cell in cells)


def parse_stappone(text: str) -> StapponeFile:
    """Return what a file holds.

    Raises
    ------
    BadInputError
        If the header is missing, names a column twice or one that is not known, or a row is damaged.
    """
    lines = text.splitlines()
    if not lines or not is_header(lines[0]):
        raise BadInputError("has no header row with sole_id, timestamp and pressure_01")
    separator = separator_of(lines[0])
    names = _cells(lines[0])
    channels = _channel_columns(names)
    table = parse_table(
        lines[1:],
        columns=names,
        separator=separator,
        first_line=2,
        decimal=decimal_sign(lines[1:], separator),
        line_ended=text.endswith(("\n", "\r")),
    )
    soles = _soles(table.values, names, channels)
    cells = sorted(int(channel[len("cell_") :]) for channel in channels if channel.startswith("cell_"))
    notes = table.notes
    if cells != list(range(1, len(cells) + 1)):
        notes.append(f"the file holds pressure cells {', '.join(map(str, cells))}; some numbers are left out")
    return StapponeFile(soles, {channel: names[i] for channel, i in channels.items()}, notes)


def _cells(line: str) -> list[str]:
    return [cell.strip().strip('"') for cell in line.split(separator_of(line))]


def _channel_columns(names: Sequence[str]) -> dict[str, int]:
    channels: dict[str, int] = {}
    for index, name in enumerate(names):
        if names.count(name) > 1:
            raise BadInputError(f"column '{name}' stands twice")
        if name in ("sole_id", "timestamp", "corrupt"):
            continue
        motion, cell = _MOTION.fullmatch(name), _CELL.fullmatch(name)
        if motion:
            channels[f"{_SHORT[motion[1]]}_{motion[2]}"] = index
        elif cell:
            channels[f"cell_{int(cell[1]):02d}"] = index
        else:
            raise BadInputError(f"column '{name}' is not known; expected accel_x, gyro_x, pressure_01, corrupt")
    return channels


def _soles(values: Floats, names: list[str], channels: dict[str, int]) -> list[StapponeSole]:
    number = values[:, names.index("sole_id")]
    valid = np.isfinite(number) & (number == np.floor(number)) & (number >= 0)
    if not valid.all():
        raise BadInputError(f"line {int((~valid).argmax()) + 2}: sole_id is no whole number")
    soles = []
    for sole in np.unique(number):
        # a copy, because rows that are marked corrupt are blanked in it
        rows = values[number == sole].copy()
        flagged = rows[:, names.index("corrupt")] != 0 if "corrupt" in names else np.zeros(len(rows), dtype=bool)
        for index in channels.values():
            rows[flagged, index] = np.nan
        channel_values = {channel: rows[:, i] for channel, i in channels.items()}
        soles.append(
            StapponeSole(
                int(sole),
                rows[:, names.index("timestamp")],
                {n: v for n, v in channel_values.items() if not n.startswith("cell_")},
                {n: v for n, v in channel_values.items() if n.startswith("cell_")},
                int(flagged.sum()),
            )
        )
    return soles


def _sniff(head: Head) -> Match:
    first = head.lines(1)
    if first and is_header(first[0]):
        return Match(0.95, "has a header row with sole_id, timestamp and pressure_01")
    return Match(0.0, "has no header row with sole_id, timestamp and pressure_01")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "stappone", frozenset(_UNIT_OPTIONS))
    units = _units(options)
    parsed = parse_stappone(read_text(path))
    notes = [*parsed.notes]
    left = [o for o, (short, _) in _UNIT_OPTIONS.items() if units[short] == "count"]
    if left:
        notes.append(
            "the file states no units; values are kept as counts (state them from Python: read(path,"
            f" ReadOptions(extra={{'{left[0]}': UNIT}}); known are {', '.join(left)})"
        )
    notes.append(f"the file numbers its soles and states no foot; {SIDE_ADVICE}")
    streams = {}
    for sole in parsed.soles:
        _check_stamps(sole)
        ending = f"_{sole.sole}" if len(parsed.soles) > 1 else ""
        if sole.corrupt:
            notes.append(f"sole {sole.sole}: {sole.corrupt} of {sole.time_ms.size} rows are marked corrupt")
        streams[f"insole{ending}"] = _stream(sole, "insole", units, parsed.raw_names)
        if sole.motion:
            streams[f"imu{ending}"] = _stream(sole, "imu", units, parsed.raw_names)
    return file_recording(path, streams, device="stAPPone", reader="stappone", t0_unix_s=0.0, notes=notes)


def _stream(
    sole: StapponeSole, kind: Literal["insole", "imu"], units: dict[str, str], raw_names: dict[str, str]
) -> xr.Dataset:
    channel_values = sole.pressure if kind == "insole" else sole.motion
    frame: Frame = "foot" if kind == "insole" else "sensor"
    channels = [
        Channel(name, values, units[name.partition("_")[0]], frame, raw_names[name])
        for name, values in channel_values.items()
    ]
    return make_stream(
        with_pressure_sum(channels) if kind == "insole" else channels,
        sole.time_ms,
        kind=kind,
        time_unit="ms",
        clock=f"sole {sole.sole}",
    )


def _units(options: ReadOptions) -> dict[str, str]:
    """Return the unit of each kind of channel: as the user states it, else ``count``."""
    return {
        short: checked_unit(str(options.extra.get(option, "count")), expected, what=f"extra '{option}'")
        for option, (short, expected) in _UNIT_OPTIONS.items()
    }


def _check_stamps(sole: StapponeSole) -> None:
    check_time(sole.time_ms * 1e-3)
    wrong = ~((sole.time_ms * 1e-3 > UNIX_TIME_S[0]) & (sole.time_ms * 1e-3 < UNIX_TIME_S[1]))
    if wrong.any():
        row = int(wrong.argmax())
        raise BadInputError(f"sole {sole.sole}, row {row + 1}: stamp {sole.time_ms[row]:g} is not in ms since 1970")


READER = Reader("stappone", "stAPPone CSV", (".csv",), _sniff, _read)
