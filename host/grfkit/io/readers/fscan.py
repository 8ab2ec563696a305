"""F-Scan movies: one foot's force (or sum of cells), centre of pressure and peak."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...formats.fscan import FscanFile, looks_like_fscan, parse_fscan
from ...provenance import Provenance, describe_input
from ...records import Channel, Recording, make_recording, make_stream
from ...units import parse_unit, to_si
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, read_text, refuse_extra
from ._insoles import named, stated_side


def _sniff(head: Head) -> Match:
    why = looks_like_fscan(head.lines(200))
    if why:
        return Match(0.0, why)
    return Match(0.95, "has header lines ROWS, COLS and ASCII_DATA")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "fscan")
    parsed = parse_fscan(read_text(path))
    notes = [*parsed.notes, "of the grid, sum, centre and peak are kept, not every cell"]
    side = stated_side(parsed.side, notes, what="the movie")
    if parsed.started:
        notes.append(f"the file states its start as '{parsed.started}' (no time zone)")
    time = (parsed.frame - parsed.frame[0]) * parsed.period_s
    check_time(time)
    stream = make_stream(
        _channels(parsed, notes),
        time,
        kind="insole",
        side=side,
        rate_hz=1.0 / parsed.period_s,
        stamp_source="index",
        attrs={"cell_area_m2": parsed.area_m2, "missing_samples": _lost(parsed)},
    )
    return make_recording(
        {named("insole", side): stream},
        device="F-Scan",
        reader="fscan",
        provenance=Provenance(inputs=[describe_input(path)]),
        notes=notes,
    )


def _lost(parsed: FscanFile) -> int:
    """Return how many frames the numbering skips; an unloaded frame has no centre, but is not lost."""
    return int(parsed.frame[-1] - parsed.frame[0]) + 1 - parsed.frame.size


def _channels(parsed: FscanFile, notes: list[str]) -> list[Channel]:
    sums, is_pressure = parsed.sums, parse_unit(parsed.unit).canonical == "Pa"
    if is_pressure and np.isfinite(parsed.area_m2):
        force = to_si(sums.total, parsed.unit) * parsed.area_m2
        channels = [Channel("force", force, "N", "foot", "sum of cells times cell area")]
    else:
        channels = [Channel("pressure_sum", sums.total, parsed.unit, "foot", "sum of cells")]
        notes.append("no force can be told (no calibration or no cell area): 'pressure_sum' stands for it")
    channels.append(Channel("peak_pressure", sums.peak, parsed.unit, "foot", "largest cell"))
    if np.isfinite(parsed.row_m) and np.isfinite(parsed.column_m):
        channels.append(Channel("cop_x", sums.column * parsed.column_m, "m", "sensor", "centre, along columns"))
        channels.append(Channel("cop_y", sums.row * parsed.row_m, "m", "sensor", "centre, along rows"))
    return channels


READER = Reader("fscan", "F-Scan ASCII movie (Tekscan)", (".asf",), _sniff, _read)
