"""loadsol text: ``insole_left``, ``insole_right`` and their IMUs, each foot on its own clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from ...formats.loadsol import LoadsolBlock, LoadsolFile, find_header, parse_loadsol
from ...records import Channel, Frame, Recording, Side, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, file_recording, read_text, refuse_extra
from ._insoles import stated_side, stream_name


def _sniff(head: Head) -> Match:
    lines = head.lines(40)
    at = find_header(lines)
    if at > 0 and "Force[" in lines[at] and "-" in lines[at - 1]:
        return Match(0.95, "has rows of sensor names and of units with 'Time[...]' and 'Force[...]'")
    if lines and lines[0].lstrip('"').startswith("loadapp_"):
        return Match(0.9, "starts with 'loadapp_'")
    return Match(0.0, "has no row of units with 'Time[secs]' and 'Force[N]' below a row of sensor names")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "loadsol")
    parsed = parse_loadsol(read_text(path))
    notes = [*parsed.notes]
    if parsed.started:
        notes.append(f"recording started at {parsed.started} local time of the phone (no time zone stated)")
    streams = {}
    for block in parsed.blocks:
        side = stated_side(block.side, notes, what=f"sensor '{block.sensor}'")
        name = stream_name("imu" if block.kind == "imu" else "insole", side)
        streams[name] = _stream(block, side, _clock(block, side, parsed))
        _note_losses(block, notes)
    recording = file_recording(path, streams, device="loadsol", reader="loadsol", notes=notes)
    recording.tree.attrs["started_local"] = parsed.started
    return recording


def _stream(block: LoadsolBlock, side: Side, clock: str) -> xr.Dataset:
    check_time(block.time)
    frame: Frame = "sensor" if block.kind == "imu" else "foot"
    channels = [
        Channel(column.channel, block.table[:, i], column.unit, frame, column.raw)
        for i, column in enumerate(block.columns)
    ]
    stream = make_stream(
        channels,
        block.time,
        kind="imu" if block.kind == "imu" else "insole",
        side=side,
        time_unit=block.time_unit,
        stamp_source="host" if block.repeated else "unknown",
        clock=clock,
        attrs={"sensor": block.sensor, "repeated_samples": block.repeated},
    )
    present = np.isfinite(stream["time_raw"].values)
    # the stamps as printed, those of repeated samples too
    stream["time_raw"].values[present] = block.time_raw
    return stream


def _clock(block: LoadsolBlock, side: Side, parsed: LoadsolFile) -> str:
    """Return the clock's name: the foot's, or the IMU's own where its stamps differ from the load's."""
    foot = next((b for b in parsed.blocks if b.side == block.side and b.kind == "insole"), block)
    if foot is block or np.array_equal(foot.time_raw, block.time_raw):
        return str(side)
    return f"{side}_imu"


def _note_losses(block: LoadsolBlock, notes: list[str]) -> None:
    if block.lost:
        notes.append(
            f"{block.sensor}: {block.lost} of {block.time.size} samples were lost (zones at -1);"
            " their total of 0 is no flight"
        )
    if block.repeated and block.kind == "insole":
        notes.append(
            f"{block.sensor}: {block.repeated} samples stand twice with one stamp (the app pads a slower"
            " sensor); the first of each pair is put one period earlier"
        )


READER = Reader("loadsol", "loadsol text (novel)", (".txt", ".csv"), _sniff, _read)
