"""Moticon text: cells, total force, centre of pressure and motion of both feet, on one clock."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import xarray as xr

from ... import units
from ...errors import BadInputError
from ...formats.moticon import MoticonFile, find_header, parse_moticon
from ...provenance import Provenance, describe_input
from ...records import Channel, Frame, Recording, Side, StreamKind, make_recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_time, read_text, refuse_extra, with_pressure_sum
from ._insoles import tell_gaps

_KINDS: tuple[tuple[StreamKind, Frame], ...] = (("insole", "foot"), ("imu", "sensor"), ("analog", "raw"))


def _sniff(head: Head) -> Match:
    if find_header(head.text.splitlines()) >= 0:
        return Match(0.95, "has columns such as 'time' and 'left pressure 1[N/cm²]'")
    return Match(0.0, "has no row of columns such as '# time' and 'left pressure 1[N/cm²]'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "moticon")
    parsed = parse_moticon(read_text(path))
    check_time(units.to_si(parsed.time, parsed.time_unit))
    notes = [*parsed.notes]
    if parsed.started:
        notes.append(f"the file states its start as '{parsed.started}' (no time zone)")
    streams = {}
    for kind, frame in _KINDS:
        for side in ("left", "right", ""):
            stream = _stream(parsed, kind, frame, side, notes)
            if stream is not None:
                streams["_".join(filter(None, (kind, side)))] = stream
    if not any(stream.attrs["kind"] != "analog" for stream in streams.values()):
        raise BadInputError("every pressure, force and motion value is missing")
    tell_gaps(streams, notes)
    return make_recording(
        streams,
        device="Moticon",
        reader="moticon",
        provenance=Provenance(inputs=[describe_input(path)]),
        notes=notes,
    )


def _stream(parsed: MoticonFile, kind: StreamKind, frame: Frame, side: str, notes: list[str]) -> xr.Dataset | None:
    """Return the stream of one kind and foot, None if the file has no such column or no value in them."""
    chosen = [i for i, c in enumerate(parsed.columns) if c.kind == kind and c.side == side]
    if not chosen:
        return None
    values = parsed.table[:, chosen]
    if not np.isfinite(values).any():
        notes.append(f"every {side} {kind} value is missing; the stream is left out")
        return None
    channels = [
        Channel(
            parsed.columns[i].channel,
            parsed.table[:, i],
            parsed.columns[i].unit,
            frame,
            parsed.columns[i].raw,
        )
        for i in chosen
    ]
    without = int((~np.isfinite(values)).all(axis=1).sum())
    if without:
        notes.append(f"{side} {kind}: {without} of {len(values)} rows are empty")
    return make_stream(
        with_pressure_sum(channels) if kind == "insole" else channels,
        parsed.time,
        kind=kind,
        side=cast(Side, side or "unknown"),
        time_unit=parsed.time_unit,
    )


READER = Reader("moticon", "Moticon text", (".txt", ".csv"), _sniff, _read)
