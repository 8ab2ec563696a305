"""What tells, in everything made from a trial, that a person decided on a clock by eye."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .clock import ClockMap

ATTRIBUTE = "clocks_by_hand"
"""Attribute of a stance set: JSON, a sentence for each clock by hand of the trials it is cut from."""


def by_hand_findings(maps: Mapping[str, ClockMap], trial: str = "") -> list[str]:
    """Return a finding for every clock that somebody accepted by eye; streams of one decision are named together."""
    streams: dict[str, list[str]] = {}
    for name, clock_map in maps.items():
        if clock_map.by_hand is not None and clock_map.by_hand.accepted:
            streams.setdefault(clock_map.by_hand.in_words(), []).append(name)
    where = f" (trial '{trial}')" if trial else ""
    return [f"clock by hand: {', '.join(names)} {words}{where}" for words, names in streams.items()]


def told_by(attributes: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return the sentences on clocks by hand in a stance set's attributes."""
    return tuple(json.loads(str(attributes.get(ATTRIBUTE, "[]"))))


def joined_by_hand(attributes: Iterable[Mapping[Any, Any]]) -> dict[str, str]:
    """Return the attribute of several sets together, empty where no clock is by hand."""
    told = dict.fromkeys(text for each in attributes for text in told_by(each))
    return {ATTRIBUTE: json.dumps([*told])} if told else {}
