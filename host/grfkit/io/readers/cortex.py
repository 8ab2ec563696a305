"""Cortex .forces files: one stream per plate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from ...errors import BadInputError
from ...formats.cortex import MAGIC, QUANTITIES, ForcesFile, parse_forces
from ...provenance import Provenance, describe_input
from ...records import Channel, Recording, make_recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import plate_attrs, read_text, refuse_extra

_NAMES = ("fx", "fy", "fz", "cop_x", "cop_y", "cop_z", "free_moment")
_UNITS = ("N", "N", "N", "mm", "mm", "mm", "N mm")


def _sniff(head: Head) -> Match:
    if head.text.lstrip().startswith(MAGIC):
        return Match(1.0, f"starts with '{MAGIC}'")
    return Match(0.0, f"does not start with '{MAGIC}'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "cortex")
    parsed = parse_forces(read_text(path))
    vertical = _vertical(parsed)
    if not np.isfinite(parsed.sample).all():
        raise BadInputError("a sample number is missing")
    streams = {f"plate_{i + 1}": _plate(parsed, i, vertical) for i in range(parsed.plates.shape[1])}
    return make_recording(
        streams,
        device="Cortex",
        reader="cortex",
        provenance=Provenance(inputs=[describe_input(path)]),
        notes=["units as Cortex writes them: N, mm, N mm"],
    )


def _vertical(parsed: ForcesFile) -> str:
    """Return the axis along which every point of force is at 0 (the floor), "" unless there is just one."""
    flat = [axis for i, axis in enumerate("xyz") if not np.nan_to_num(parsed.plates[:, :, 3 + i]).any()]
    return f"+{flat[0]}" if len(flat) == 1 else ""


def _plate(parsed: ForcesFile, index: int, vertical: str) -> xr.Dataset:
    channels = [
        Channel(name, parsed.plates[:, index, i], unit, "global", f"{raw}{index + 1}")
        for i, (name, unit, raw) in enumerate(zip(_NAMES, _UNITS, QUANTITIES))
    ]
    return make_stream(
        channels,
        (parsed.sample - parsed.sample[0]) / parsed.rate_hz,
        kind="force_plate",
        rate_hz=parsed.rate_hz,
        stamp_source="index",
        attrs=plate_attrs(vertical=vertical),
    )


READER = Reader("cortex", "Cortex forces", (".forces",), _sniff, _read)
