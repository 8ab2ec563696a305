"""Which foot an insole was worn on: from the file's content, never from its name."""

from __future__ import annotations

from typing import cast

from ...records import Side


def stated_side(found: str, notes: list[str], *, what: str) -> Side:
    """Return the side the file states, ``unknown`` (with a note) where it states none."""
    if found in ("left", "right"):
        return cast(Side, found)
    note = f"{what} states no foot; tell it with the option side (left or right)"
    if note not in notes:
        notes.append(note)
    return "unknown"


def named(stem: str, side: Side) -> str:
    """Return the stream's name: ``insole_left``, or ``insole`` where the side is unknown."""
    return stem if side == "unknown" else f"{stem}_{side}"
