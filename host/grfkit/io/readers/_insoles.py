"""Shared by the insole readers: which foot (from the file's content, never its name)."""

from __future__ import annotations

from typing import cast

from ...records import Side

SIDE_ADVICE = "state it with --side left or right (ReadOptions(extra={'side': 'left'}) in Python)"


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
