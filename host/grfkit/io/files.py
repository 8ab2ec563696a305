"""Shared by the readers: a file as text, checks of time and extent, and the recording with its file named."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..formats.encoding import decode
from ..provenance import Provenance, describe_input
from ..records import Channel, Recording, make_recording
from ..units import canonical_name
from .base import ReadOptions

# 1e11 s are about 3,000 years: any unit of time misread as another is far below or far above a recording's length
_LATEST_S = 1e11
# What the markers of one frame may span, m; chosen by hand: wider than a hand's marker set, narrower than a hall
_SMALLEST_M, _LARGEST_M = 0.02, 50.0
# Frames looked at, and markers a frame needs for its span to mean anything; chosen by hand
_EXTENT_FRAMES, _EXTENT_MARKERS = 50, 5
LARGEST_TEXT_BYTES = 1 << 30
"""Bytes of text read at most (1 GiB), chosen by hand: parsed, it takes several times as much memory."""
UNIX_TIME_S = (1.0e9, 4.0e9)
"""Stamps between these are taken for Unix time: from September 2001 to October 2096."""


def file_recording(
    path: Path,
    streams: Mapping[str, xr.Dataset],
    *,
    device: str,
    reader: str,
    notes: Sequence[str],
    t0_unix_s: float | None = None,
) -> Recording:
    """Return the streams of a file as a recording whose provenance names that file."""
    provenance = Provenance(inputs=[describe_input(path)])
    return make_recording(
        streams, device=device, reader=reader, provenance=provenance, t0_unix_s=t0_unix_s, notes=notes
    )


def read_text(path: Path, *, largest: int = LARGEST_TEXT_BYTES) -> str:
    """Return a text file's content (UTF-8, UTF-16, otherwise Windows-1252).

    Raises
    ------
    BadInputError
        If it cannot be read, is larger than ``largest`` bytes, or is binary.
    """
    try:
        size = path.stat().st_size
        if size > largest:
            raise BadInputError(
                f"is {size / 1e9:.1f} GB of text, grfkit reads {largest / 1e9:.1f} GB; cut it into pieces"
            )
        data = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"cannot be read ({error.strerror or error})") from error
    return decode(data)


def refuse_extra(options: ReadOptions, reader: str, understood: frozenset[str] = frozenset()) -> None:
    """Refuse options that this reader does not understand.

    Raises
    ------
    BadInputError
        With the first such option.
    """
    unknown = sorted(set(options.extra) - understood)
    if unknown:
        raise BadInputError(f"the {reader} reader knows no option '{unknown[0]}'")


def check_time(stamps_s: Floats) -> None:
    """Refuse time stamps no clock can show: beyond 3000 years.

    Raises
    ------
    BadInputError
        With the first such row.
    """
    with np.errstate(invalid="ignore"):
        wild = np.flatnonzero(np.abs(stamps_s) > _LATEST_S)
    if wild.size:
        raise BadInputError(f"time is {stamps_s[wild[0]]:g} s in row {wild[0] + 1}; no clock shows that")


def with_pressure_sum(channels: Sequence[Channel]) -> list[Channel]:
    """Return insole channels with ``pressure_sum`` added where there are cells of one unit but no force.

    The sum runs over the cells that report at all; a row in which one of these is missing has none.
    """
    cells = [c for c in channels if c.name.startswith("cell_")]
    names = {c.name for c in channels}
    if not cells or {"force", "pressure_sum"} & names or len({canonical_name(c.unit) for c in cells}) > 1:
        return list(channels)
    # a cell that never reports is NaN in every row, and would make every sum NaN
    alive = [c.values for c in cells if np.isfinite(c.values).any()]
    if not alive:
        return list(channels)
    total = np.sum(alive, axis=0)
    return [*channels, Channel("pressure_sum", total, cells[0].unit, cells[0].frame, "sum of cells")]


def plate_attrs(*, vertical: str = "", knows_feet: str = "", unverified: str = "") -> dict[str, Any]:
    """Return the attributes of a force plate whose file states neither corners nor origin nor type."""
    return {"plate_type": 0, "vertical": vertical, "knows_feet": knows_feet, "unverified": unverified}


def snake(text: str) -> str:
    """Return a file's own name in lower case, anything but letters and digits as one ``_``."""
    return re.sub(r"[\W_]+", "_", text.strip().lower()).strip("_") or "unnamed"


def check_extent(positions: Floats, unit: str) -> None:
    """Refuse markers whose extent fits no body and no laboratory: the stated unit is wrong.

    Parameters
    ----------
    positions
        Shape (samples, markers, 3), m. Frames with fewer than five markers are not looked at.

    Raises
    ------
    BadInputError
        If the median frame spans less than 2 cm or more than 50 m.
    """
    some = positions[:: max(1, len(positions) // _EXTENT_FRAMES)]
    visible = np.asarray(np.isfinite(some).all(axis=2))
    spread = [float(np.ptp(f[mask], axis=0).max()) for f, mask in zip(some, visible) if mask.sum() >= _EXTENT_MARKERS]
    if not spread:
        return
    extent = float(np.median(spread))
    if not _SMALLEST_M < extent < _LARGEST_M:
        raise BadInputError(f"its markers span {extent:.3g} m if their unit is {unit} as stated; correct the unit")
