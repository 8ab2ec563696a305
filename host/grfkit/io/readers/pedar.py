"""pedar ASCII: the cells of each insole and their sum, both feet on one clock."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np

from ...formats.pedar import PedarFile, find_header, parse_pedar
from ...provenance import Provenance, describe_input
from ...records import Channel, Recording, Side, make_recording, make_stream
from ...units import parse_unit
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, read_text, refuse_extra, with_pressure_sum


def _sniff(head: Head) -> Match:
    if find_header(head.text.splitlines()) >= 0:
        return Match(0.95, "states 'pressure values in' and has a row 'time[secs] 1 2 ...'")
    return Match(0.0, "has no line 'pressure values in kPa' above a row 'time[secs] 1 2 ...'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "pedar")
    parsed = parse_pedar(read_text(path))
    check_time(parsed.time)
    streams = {
        f"insole_{side}": make_stream(
            _channels(parsed, side),
            parsed.time,
            kind="insole",
            side=cast(Side, side),
            rate_hz=parsed.rate_hz,
            stamp_source="index",
        )
        for side in parsed.cells
    }
    notes = [*parsed.notes]
    if parse_unit(parsed.unit).canonical == "Pa":
        notes.append("the file holds pressures but no cell areas: 'pressure_sum' stands for the force")
    if parsed.started:
        notes.append(f"the file states its start as '{parsed.started}' (no time zone)")
    return make_recording(
        streams,
        device="pedar",
        reader="pedar",
        provenance=Provenance(inputs=[describe_input(path)]),
        notes=notes,
    )


def _channels(parsed: PedarFile, side: str) -> list[Channel]:
    values = parsed.cells[side]
    channels = [
        Channel(f"cell_{number:02d}", values[:, i], parsed.unit, "foot", f"{side} insole {number}")
        for i, number in enumerate(parsed.numbers[side])
    ]
    if parse_unit(parsed.unit).canonical == "N":
        return [*channels, Channel("force", np.sum(values, axis=1), parsed.unit, "foot", "sum of cells")]
    return with_pressure_sum(channels)


READER = Reader("pedar", "pedar ASCII (novel)", (".asc", ".txt"), _sniff, _read)
