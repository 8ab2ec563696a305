"""A table whose columns have house names becomes streams: from a CSV file, a workbook or arrays of MATLAB."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from .. import units
from ..arrays import Floats
from ..errors import BadInputError
from ..formats.csv_generic import CsvFile, TableColumn
from ..formats.timing import without_wraps
from ..records import Channel, make_stream
from .base import ReadOptions
from .files import UNIX_TIME_S, check_time, plate_attrs, with_pressure_sum
from .naming import Place, channel_of, foot_of, place_of

# Outside of these rates (Hz) the unit of the time column is doubted; chosen by hand around what sensors of gait do
_SLOW_HZ, _FAST_HZ = 5.0, 50000.0
# ... and above this one for what is worn: insoles and inertial sensors sample at 2,000 Hz at the most
_FAST_WORN_HZ = 5000.0


def table_streams(parsed: CsvFile, options: ReadOptions) -> tuple[dict[str, xr.Dataset], float | None, list[str]]:
    """Return the streams of a table, the Unix time of its time zero (None where it counts from no date), and notes.

    Raises
    ------
    BadInputError
        If its time has no unit or is no time, a column's unit is not of its quantity, or there is only time.
    """
    time, time_unit, notes = _time(parsed, options)
    has_time = bool(_time_columns(parsed))
    streams = streams_of(parsed.columns, parsed.table, time, time_unit, None if has_time else options.rate_hz, notes)
    if has_time:
        _keep_recorded(streams, parsed.table[:, _time_columns(parsed)[0]])
    first_s = float(units.to_si(time[:1], time_unit)[0])
    absolute = UNIX_TIME_S[0] < first_s < UNIX_TIME_S[1]
    if absolute:
        notes.append("time counts from 1970 (Unix time)")
    return streams, 0.0 if absolute else None, [*parsed.notes, *notes]


def _time_columns(parsed: CsvFile) -> list[int]:
    return [i for i, column in enumerate(parsed.columns) if column.name == "time"]


def _time(parsed: CsvFile, options: ReadOptions) -> tuple[Floats, str, list[str]]:
    """Return the time column and its unit; without such a column, time counted at the rate that the user states."""
    time_columns = _time_columns(parsed)
    if not time_columns:
        assert options.rate_hz  # else parse_csv refused
        note = f"the file has no time column; time is counted at {options.rate_hz:g} Hz, as stated"
        return np.arange(len(parsed.table)) / options.rate_hz, "s", [note]
    column = parsed.columns[time_columns[0]]
    if not column.unit:
        raise BadInputError(f"column '{column.raw}' states no unit; write 'time [s]', 'time [ms]' or use a column map")
    units.require(column.unit, "s", what=f"column '{column.raw}'")
    time = parsed.table[:, time_columns[0]]
    check_time(units.to_si(time, column.unit))
    time, wrapped = _counted_on(time, column.unit)
    unused = f"the stated rate of {options.rate_hz:g} Hz is not used" if options.rate_hz else ""
    notes = [f"{unused}: column '{column.raw}' tells the time"] if unused else []
    return time, column.unit, [*notes, *wrapped]


def _counted_on(time: Floats, unit: str) -> tuple[Floats, list[str]]:
    """Return a time column counted on where its clock starts anew, and a note of that."""
    scale = float(units.to_si(np.ones(1), unit)[0])
    stamps, what = without_wraps(time * scale)
    if not what:
        return time, []
    times = int(np.count_nonzero(np.diff(time) < 0))
    often = "once" if times == 1 else f"{times} times"
    return stamps / scale, [f"time starts anew {often}, as {what} does: it is counted on from there"]


def _keep_recorded(streams: dict[str, xr.Dataset], recorded: Floats) -> None:
    """Put the column as it stands into ``time_raw``, starts anew included."""
    for stream in streams.values():
        raw = stream["time_raw"].values
        raw[np.isfinite(raw)] = recorded


def streams_of(
    columns: Sequence[TableColumn],
    table: Floats,
    time: Floats,
    time_unit: str,
    rate_hz: float | None,
    notes: list[str],
) -> dict[str, xr.Dataset]:
    """Return the streams of columns by their house names; the column ``time`` is passed over.

    Parameters
    ----------
    table
        Shape (samples, columns).
    rate_hz
        Where the time was counted at a stated rate, else None.

    Raises
    ------
    BadInputError
        If a unit is not of its name's quantity, or there is no column but time.
    """
    names = {column.name for column in columns}
    members: dict[str, list[Channel]] = {}
    about: dict[str, Place] = {}
    for index, column in enumerate(columns):
        if column.name == "time":
            continue
        place = place_of(column.name, names)
        members.setdefault(place.stream, []).append(channel_of(column, place, table[:, index]))
        about.setdefault(place.stream, place)
    if not members:
        raise BadInputError("holds a time column but no other")
    streams = {}
    for name, channels in members.items():
        place = about[name]
        streams[name] = make_stream(
            with_pressure_sum(channels) if place.kind == "insole" else channels,
            time,
            kind=place.kind,
            side=place.side if place.kind != "force_plate" else "unknown",
            time_unit=time_unit,
            rate_hz=rate_hz,
            stamp_source="index" if rate_hz else "unknown",
            attrs=plate_attrs(knows_feet=foot_of(place.side)) if place.kind == "force_plate" else place.attrs,
        )
    # all streams of a table have its one time column
    rate = float(next(iter(streams.values())).attrs["rate_hz"])
    worn = any(stream.attrs["kind"] in ("insole", "imu", "body_imu") for stream in streams.values())
    if rate and not _SLOW_HZ <= rate <= (_FAST_WORN_HZ if worn else _FAST_HZ):
        notes.append(f"samples come at {rate:.3g} Hz: check the unit of the time column")
    return streams
