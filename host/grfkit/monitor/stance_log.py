"""The last stances of every foot, and what follows from several: means, cadence, flight, asymmetry, the target."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from ..errors import BadInputError
from .live_contact import NAMES
from .messages import SIDES, StanceShown

__all__ = ["StanceLog", "Target"]

LAST = 12
_MEAN_OF, _CADENCE_S, _LONGEST_FLIGHT_S = 10, 10.0, 0.6
COMPARED = ("contact_s", "peak", "loading_rate")


@dataclass(frozen=True)
class Target:
    """Biofeedback: where a feature is to lie; an end that is None is open, a side that is None means both feet."""

    feature: str
    low: float | None
    high: float | None
    side: str | None = None

    @classmethod
    def of(cls, asked: Mapping[str, Any]) -> Target:
        """Return what a page asked for.

        Raises
        ------
        BadInputError
            If the feature is unknown, an end is no number, or there is nothing between the ends.
        """
        feature, side = str(asked.get("feature", "")), asked.get("side") or None
        if feature not in NAMES:
            raise BadInputError(f"'{feature}' is no feature to aim at, expected one of {', '.join(NAMES)}")
        if side is not None and side not in SIDES:
            raise BadInputError(f"a target of side '{side}', expected left, right or none for both")
        ends = []
        for name in ("low", "high"):
            value = asked.get(name)
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
    """What was shown of each foot."""

    def __init__(self) -> None:
        self._last: dict[int, deque[StanceShown]] = {}
        self._starts: dict[int, deque[float]] = {}
        self._offs: dict[int, deque[float]] = {}
        self.counts: dict[int, int] = {}

    def add(self, stance: StanceShown) -> None:
        """Keep a stance."""
        self._last.setdefault(stance.device, deque(maxlen=LAST)).append(stance)
        self._starts.setdefault(stance.device, deque(maxlen=64)).append(stance.start_s)
        self._offs.setdefault(stance.device, deque(maxlen=8)).append(stance.start_s + stance.contact_s)
        self.counts[stance.device] = self.counts.get(stance.device, 0) + 1

    def clear(self) -> None:
        """Forget the stances, not how many there were."""
        self._last.clear()

    def last(self) -> list[StanceShown]:
        """Return the last stances of every foot in order."""
        return sorted((s for held in self._last.values() for s in held), key=lambda s: s.start_s)

    def flight_s(self, start_s: float, others: list[int]) -> float | None:
        """Return how long both feet were off the ground before a contact; None while nobody knows, or when walking."""
        offs = [off for d in others for off in self._offs.get(d, ()) if off <= start_s]
        gone = start_s - max(offs, default=-math.inf)
        return gone if 0 < gone <= _LONGEST_FLIGHT_S else None

    def cadence_per_min(self, device: int, now_s: float) -> float | None:
        """Return twice a foot's stances per minute: the median stride of the last ten seconds, whatever was lost."""
        starts = [s for s in self._starts.get(device, ()) if s > now_s - _CADENCE_S]
        if len(starts) < 2 or starts[-1] <= starts[0]:
            return None
        return 120.0 / median(b - a for a, b in pairwise(starts))

    def mean(self, device: int, feature: str) -> float | None:
        """Return the mean of a feature over a foot's last stances of one unit."""
        held = list(self._last.get(device, ()))[-_MEAN_OF:]
        values = [s.features[feature] for s in held if feature in s.features and s.unit == held[-1].unit]
        return sum(values) / len(values) if values else None

    def unit(self, device: int) -> str:
        """Return the unit of a foot's last stance."""
        held = self._last.get(device)
        return held[-1].unit if held else "count"

    def asymmetry_percent(self, left: int, right: int) -> dict[str, float | None]:
        """Return ``100 (left - right) / mean of both`` by feature; None where a foot or a common unit lacks."""
        found: dict[str, float | None] = {}
        for name in COMPARED:
            one, other = self.mean(left, name), self.mean(right, name)
            same = name == "contact_s" or self.unit(left) == self.unit(right)
            known = one is not None and other is not None and same and one + other > 0
            found[name] = (
                200.0 * (one - other) / (one + other) if known and one is not None and other is not None else None
            )
        return found
