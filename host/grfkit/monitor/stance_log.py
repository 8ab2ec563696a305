"""The last stances of every foot, and what follows from several: means, asymmetry, the target."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import BadInputError
from .live_contact import NAMES
from .messages import SIDES, StanceShown

__all__ = ["StanceLog", "Target"]

LAST = 12
"""Stances of a foot that are drawn over each other."""
_MEAN_OF, _STEP_S = 10, 1.5
"""Stances of a mean, and how far two feet's stances may lie apart in time to be compared: a slow walker's stride."""
COMPARED = ("contact_s", "peak", "loading_rate")


@dataclass(frozen=True)
class Target:
    """Biofeedback: where a feature is to lie; an end that is None is open, a side that is None means both feet."""

    feature: str
    low: float | None
    high: float | None
    side: str | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Target:
        """Return the target of a command's arguments.

        Raises
        ------
        BadInputError
            If the feature is unknown, an end is no number, or there is nothing between the ends.
        """
        feature, side = str(fields.get("feature", "")), fields.get("side") or None
        if feature not in NAMES:
            raise BadInputError(f"'{feature}' is no feature to aim at, expected one of {', '.join(NAMES)}")
        if side is not None and side not in SIDES:
            raise BadInputError(f"a target of side '{side}', expected left, right or none for both")
        ends = []
        for name in ("low", "high"):
            value = fields.get(name)
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            if value is not None and not number:
                raise BadInputError(f"a target's {name} is {value!r}, expected a number or nothing")
            ends.append(None if value is None else float(value))
        low, high = ends
        if (low is None and high is None) or (low is not None and high is not None and not low < high):
            raise BadInputError(f"a target from {low} to {high} has no room; give low, high, or both with low < high")
        return cls(feature, low, high, side)

    def holds(self, side: str, features: Mapping[str, float]) -> bool | None:
        """Return whether a stance keeps to it; None where it is not about it."""
        value = features.get(self.feature)
        if value is None or self.side not in (None, side):
            return None
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def words(self) -> str:
        """Return what it asks for."""
        low = "" if self.low is None else f"{self.low:g} or more"
        high = "" if self.high is None else f"{self.high:g} or less"
        return f"{self.feature} {' and '.join(p for p in (low, high) if p)}"


class StanceLog:
    """The stances that were shown of each foot.

    Averaged are stances that are whole (no sample of them missing) and of one kind with the foot's newest: unit,
    source, and nothing changed between (a tare, another mass).
    """

    def __init__(self) -> None:
        self._last: dict[int, deque[StanceShown]] = {}
        self.counts: dict[int, int] = {}
        self.bridged: dict[int, int] = {}

    def add(self, stance: StanceShown) -> None:
        """Keep a stance."""
        self._last.setdefault(stance.device, deque(maxlen=LAST)).append(stance)
        self.counts[stance.device] = self.counts.get(stance.device, 0) + 1
        self.bridged[stance.device] = self.bridged.get(stance.device, 0) + (stance.missed > 0)

    def clear(self) -> None:
        """Forget the stances, not how many there were."""
        self._last.clear()

    def last(self) -> list[StanceShown]:
        """Return the last stances of every foot in order."""
        return sorted((s for stances in self._last.values() for s in stances), key=lambda s: s.start_s)

    def averaged(self, device: int) -> list[StanceShown]:
        """Return the stances that means are of: the last ten that are complete and of one kind."""
        stances = list(self._last.get(device, ()))
        kind = _kind(stances[-1]) if stances else None
        return [s for s in stances if not s.missed and _kind(s) == kind][-_MEAN_OF:]

    def mean(self, device: int, feature: str) -> float | None:
        """Return the mean of a feature over a foot's last complete stances."""
        return _mean(self.averaged(device), feature)

    def unit(self, device: int) -> str:
        """Return the unit of a foot's last stance."""
        stances = self._last.get(device)
        return stances[-1].unit if stances else "count"

    def asymmetry_percent(self, left: int, right: int) -> dict[str, float | None]:
        """Return ``100 (left - right) / mean of both`` by feature, of the stances that both feet made in one time.

        None where a foot, a common unit and source, or a common time is missing.
        """
        left_stances, right_stances = _together(self.averaged(left), self.averaged(right))
        if not left_stances or not right_stances or _method(left_stances[-1]) != _method(right_stances[-1]):
            return dict.fromkeys(COMPARED)
        return {name: _asymmetry_percent(_mean(left_stances, name), _mean(right_stances, name)) for name in COMPARED}


def _kind(stance: StanceShown) -> tuple[str, str, int]:
    return stance.unit, stance.source, stance.era


def _method(stance: StanceShown) -> tuple[str, str]:
    return stance.unit, stance.source


def _mean(stances: list[StanceShown], feature: str) -> float | None:
    values = [s.features[feature] for s in stances if feature in s.features]
    return sum(values) / len(values) if values else None


def _together(left: list[StanceShown], right: list[StanceShown]) -> tuple[list[StanceShown], list[StanceShown]]:
    """Return the stances of the time in which both feet are known; a foot that lags by a step belongs to it."""
    if not left or not right:
        return [], []
    first = max(left[0].start_s, right[0].start_s) - _STEP_S
    last = min(left[-1].start_s, right[-1].start_s) + _STEP_S
    overlap = [[s for s in stances if first <= s.start_s <= last] for stances in (left, right)]
    return overlap[0], overlap[1]


def _asymmetry_percent(left: float | None, right: float | None) -> float | None:
    if left is None or right is None or not left + right > 0:
        return None
    # 100 times the difference over the mean of both
    return 200.0 * (left - right) / (left + right)
