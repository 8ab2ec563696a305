"""Shared by the insole readers: which foot (from the file's content, never its name), and a note of long gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import numpy as np
import xarray as xr

from ...records import Side

# A gap (s) that a person should know of: about one stride; chosen by hand
_LONG_GAP_S = 1.0
SIDE_ADVICE = "state it from Python: read(path, ReadOptions(extra={'side': 'left'})), for grf-inspect with --side"


def stated_side(side: str, notes: list[str], *, what: str) -> Side:
    """Return the side the file states, ``unknown`` (with a note) where it states none."""
    if side in ("left", "right"):
        return cast(Side, side)
    note = f"{what} states no foot; {SIDE_ADVICE}"
    if note not in notes:
        notes.append(note)
    return "unknown"


def stream_name(stem: str, side: Side) -> str:
    """Return the stream's name: ``insole_left``, or ``insole`` where the side is unknown."""
    return stem if side == "unknown" else f"{stem}_{side}"


def note_gaps(streams: Mapping[str, xr.Dataset], notes: list[str]) -> None:
    """Add a note for each stream whose stamps leave out more than a second."""
    for name, stream in streams.items():
        raw = stream["time_raw"].values
        steps = np.diff(stream["time"].values[np.isfinite(raw)])
        long = steps[steps > _LONG_GAP_S]
        if long.size:
            notes.append(f"{name}: {long.size} gaps of more than {_LONG_GAP_S:g} s, the longest {long.max():.6g} s")
