"""RBDS text files: forces of a treadmill, or markers."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from ...formats.rbds import FORCE_COLUMNS, RbdsFile, marker_names, parse_rbds
from ...provenance import Provenance, describe_input
from ...records import Channel, Recording, make_landmarks, make_recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_extent, check_time, plate_attrs, read_text, refuse_extra


def _sniff(head: Head) -> Match:
    first = head.lines(1) or [""]
    header = [cell.strip() for cell in first[0].rstrip("\t").split("\t")]
    if tuple(header) == FORCE_COLUMNS:
        return Match(0.9, f"its columns are {' '.join(FORCE_COLUMNS)}")
    names = marker_names(header)
    if names:
        return Match(0.8, f"its columns are Time and X, Y, Z of {len(names)} markers")
    return Match(0.0, "its first line is neither 'Time Fx Fy Fz COPx COPy COPz Ty' nor Time and marker columns")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "rbds")
    parsed = parse_rbds(read_text(path), options.rate_hz)
    check_time(parsed.time)
    streams = {"landmarks": _landmarks(parsed)} if parsed.markers else {"plate_1": _plate(parsed)}
    return make_recording(
        streams,
        device="motion capture" if parsed.markers else "instrumented treadmill",
        reader="rbds",
        provenance=Provenance(inputs=[describe_input(path)]),
        notes=parsed.notes,
    )


def _landmarks(parsed: RbdsFile) -> xr.Dataset:
    positions = parsed.table.reshape(len(parsed.table), len(parsed.markers), 3)
    stream = make_landmarks(positions, parsed.markers, parsed.time, unit="mm", stamp_source="index")
    check_extent(stream["position"].values, "mm")
    return stream


def _plate(parsed: RbdsFile) -> xr.Dataset:
    named = ("fx", "fy", "fz", "cop_x", "cop_y", "cop_z", "free_moment")
    kinds = ("N", "N", "N", "mm", "mm", "mm", "N mm")
    channels = [
        Channel(name, parsed.table[:, i], unit, "global", raw)
        for i, (name, unit, raw) in enumerate(zip(named, kinds, FORCE_COLUMNS[1:]))
    ]
    return make_stream(
        channels, parsed.time, kind="force_plate", stamp_source="index", attrs=plate_attrs(vertical="+y")
    )


READER = Reader("rbds", "RBDS running text", (".txt",), _sniff, _read, ("rate_hz",))
