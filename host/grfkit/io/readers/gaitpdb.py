"""gaitpdb insole text: both feet on one clock, eight cells and their total in N."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from ...formats.gaitpdb import looks_like_gaitpdb, parse_gaitpdb
from ...provenance import Provenance, describe_input
from ...records import Channel, Recording, Side, make_recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, read_text, refuse_extra


def _sniff(head: Head) -> Match:
    whole = len(head.data) >= head.size
    lines = head.lines(12)
    why = looks_like_gaitpdb(lines if not whole else lines[:-1])
    if why:
        return Match(0.0, why)
    return Match(0.9, "has rows of 19 numbers whose last two are the sums of eight cells each")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "gaitpdb")
    parsed = parse_gaitpdb(read_text(path))
    check_time(parsed.time)
    streams = {}
    for side, cells in parsed.cells.items():
        channels = [
            Channel(f"cell_{i + 1:02d}", cells[:, i], "N", "foot", f"{side[0].upper()}{i + 1}")
            for i in range(cells.shape[1])
        ]
        channels.append(Channel("force", parsed.total[side], "N", "foot", f"total {side}"))
        streams[f"insole_{side}"] = make_stream(
            channels, parsed.time, kind="insole", side=cast(Side, side), stamp_source="index"
        )
    return make_recording(
        streams,
        device="Ultraflex (gaitpdb)",
        reader="gaitpdb",
        provenance=Provenance(inputs=[describe_input(path)]),
        notes=[*parsed.notes, "units and feet as the data set documents them: N, left before right"],
    )


READER = Reader("gaitpdb", "gaitpdb insole text (PhysioNet)", (".txt",), _sniff, _read)
