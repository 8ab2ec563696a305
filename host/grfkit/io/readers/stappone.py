"""stAPPone soles: pressures and motion as counts (the file states no unit), stamps in Unix time."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import xarray as xr

from ...errors import BadInputError
from ...formats.stappone import StapponeSole, is_header, parse_stappone
from ...formats.text import checked_unit
from ...provenance import Provenance, describe_input
from ...records import Channel, Frame, Recording, make_recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, read_text, refuse_extra, with_pressure_sum
from ._insoles import TELL_SIDE, tell_gaps

_UNIT_OPTIONS = {
    "accel_unit": ("acc", ("m/s^2", "count")),
    "gyro_unit": ("gyro", ("rad/s", "count")),
    "magn_unit": ("mag", ("T", "count")),
    "pressure_unit": ("cell", ("Pa", "N", "count")),
}
_EARLIEST_S, _LATEST_S = 1.0e9, 4.0e9


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
    notes.append(f"the file numbers its soles and states no foot; {TELL_SIDE}")
    streams = {}
    for sole in parsed.soles:
        _check_stamps(sole)
        ending = f"_{sole.sole}" if len(parsed.soles) > 1 else ""
        if sole.corrupt:
            notes.append(f"sole {sole.sole}: {sole.corrupt} of {sole.time_ms.size} rows are marked corrupt")
        streams[f"insole{ending}"] = _stream(sole, "insole", units, parsed.raw_names)
        if sole.motion:
            streams[f"imu{ending}"] = _stream(sole, "imu", units, parsed.raw_names)
    tell_gaps(streams, notes)
    return make_recording(
        streams,
        device="stAPPone",
        reader="stappone",
        provenance=Provenance(inputs=[describe_input(path)]),
        t0_unix_s=0.0,
        notes=notes,
    )


def _stream(
    sole: StapponeSole, kind: Literal["insole", "imu"], units: dict[str, str], raw_names: dict[str, str]
) -> xr.Dataset:
    held = sole.pressure if kind == "insole" else sole.motion
    frame: Frame = "foot" if kind == "insole" else "sensor"
    channels = [
        Channel(name, values, units[name.partition("_")[0]], frame, raw_names[name]) for name, values in held.items()
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
    wrong = ~((sole.time_ms * 1e-3 > _EARLIEST_S) & (sole.time_ms * 1e-3 < _LATEST_S))
    if wrong.any():
        row = int(wrong.argmax())
        raise BadInputError(f"sole {sole.sole}, row {row + 1}: stamp {sole.time_ms[row]:g} is not in ms since 1970")


READER = Reader("stappone", "stAPPone CSV", (".csv",), _sniff, _read)
