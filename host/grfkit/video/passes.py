"""Several passes of one walker through the picture, followed as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .people import TRAVEL, Path
from .pose import Region

SAME_BODY = 1.12
"""Ratio of two sizes (px) up to which two bodies may be one person's: people of 1.80 and 1.60 m. Chosen by hand."""


@dataclass(frozen=True)
class Passes:
    """One walker's ways through the picture, none at the time of another."""

    ways: tuple[Path, ...]

    def at(self, time_s: float) -> Region | None:
        """Return where the walker is at a time; None between the passes."""
        return next((region for way in self.ways if (region := way.at(time_s)) is not None), None)


def passes_of(paths: Sequence[Path], way: Path) -> Passes:
    """Return a walker's path with the other passes that seem to be the same person's.

    Those that go the same way across the picture, are as large, and are alone with it in time: nobody else walks then.
    """
    others = [p for p in paths if p is not way and p.travel >= TRAVEL and not p.overlaps(way)]
    alike = [p for p in others if _direction(p) == _direction(way) and _is_as_large(p, way)]
    alone = [p for p in alike if not any(q is not p and q.travel >= TRAVEL and q.overlaps(p) for q in paths)]
    return Passes(tuple(sorted((way, *alone), key=lambda p: p.times[0])))


def _direction(path: Path) -> float:
    x = np.asarray([hip[0] for hip in path.hips])
    return float(np.sign(np.polynomial.polynomial.polyfit(np.asarray(path.times), x, 1)[1]))


def _is_as_large(one: Path, other: Path) -> bool:
    ratio = one.body_px / other.body_px
    return max(ratio, 1.0 / ratio) <= SAME_BODY
