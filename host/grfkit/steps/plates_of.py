"""The force under a foot of one contact: plates summed, filtered as a whole, turned to up, forward and left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Floats
from ..gait.plate_force import PlateForce, same_clock, summed
from ..gait.stances import Stance
from ..signals.filters import lowpass

CLEAR_AXIS = 2.0
"""How much longer the walking direction is along its axis than across it, at least. Chosen by hand: a person who
crosses plates obliquely walks along no axis of the laboratory."""


@dataclass(frozen=True)
class Bearing:
    """What bore a foot: the plates' sum, unfiltered, with its vertical force and force vector (samples, 3) filtered.

    Attributes
    ----------
    filter_hz
        Cut-off of the filter; None where the rate allows none.
    """

    plate: PlateForce
    up_n: Floats
    force_n: Floats | None
    filter_hz: float | None


def bearings(plates: Mapping[str, PlateForce], cutoff_hz: float | None) -> Bearings:
    """Return what gives the bearing of any stance; each set of plates is filtered once."""
    return Bearings(plates, cutoff_hz)


class Bearings:
    """The plates of a trial, summed and filtered where a stance asks for it."""

    def __init__(self, plates: Mapping[str, PlateForce], cutoff_hz: float | None) -> None:
        self._plates, self._cutoff_hz = plates, cutoff_hz
        self._done: dict[tuple[str, ...], Bearing | None] = {}

    def of(self, names: tuple[str, ...]) -> Bearing | None:
        """Return what bears a foot on these plates; None where their clocks differ, so that they have no sum."""
        if names not in self._done:
            self._done[names] = self._made([self._plates[name] for name in names])
        return self._done[names]

    def _made(self, plates: Sequence[PlateForce]) -> Bearing | None:
        if not all(same_clock(p, plates[0]) for p in plates):
            return None
        vectors = [p.force_n for p in plates if p.force_n is not None]
        plate = plates[0]
        if len(plates) > 1:
            plate = replace(summed(plates), vertical=plate.vertical, in_lab=all(p.in_lab for p in plates))
        force = np.sum(vectors, axis=0) if len(vectors) == len(plates) else None
        steps = np.diff(plate.time_s[np.isfinite(plate.time_s)])
        rate_hz = 1.0 / float(np.median(steps)) if steps.size else 0.0
        cutoff = self._cutoff_hz if self._cutoff_hz and self._cutoff_hz < rate_hz / 2 else None
        if cutoff is None:
            return Bearing(plate, plate.up_n, force, None)
        low = [None if v is None else lowpass(v, rate_hz=rate_hz, cutoff_hz=cutoff) for v in (plate.up_n, force)]
        return Bearing(plate, low[0] if low[0] is not None else plate.up_n, low[1], cutoff)


def up_vector(vertical: str) -> Floats | None:
    """Return the unit vector of ``"+z"`` and the like; None where the axis is not known."""
    if len(vertical) != 2 or vertical[1] not in "xyz":
        return None
    up = np.zeros(3)
    up["xyz".index(vertical[1])] = -1.0 if vertical[0] == "-" else 1.0
    return up


def push_direction(bearing: Bearing, stance: Stance) -> Floats | None:
    """Return which way the force of one contact turns: its second half less its first, horizontally (3,), N.

    A foot brakes first and propels then, so that this points forward.
    """
    up = up_vector(bearing.plate.vertical)
    if bearing.force_n is None or up is None:
        return None
    time = bearing.plate.time_s
    middle = 0.5 * (stance.ic_s + stance.to_s)
    early, late = (time >= stance.ic_s) & (time < middle), (time >= middle) & (time <= stance.to_s)
    if not early.any() or not late.any():
        return None
    turned = np.nanmean(bearing.force_n[late], axis=0) - np.nanmean(bearing.force_n[early], axis=0)
    return np.asarray(turned - (turned @ up) * up) if np.isfinite(turned).all() else None


def cop_travel(bearing: Bearing, stance: Stance, *, least_share: float) -> Floats | None:
    """Return how far the centre of pressure went in one contact (3,), m, while a share of the peak was borne."""
    plate = bearing.plate
    if plate.cop_m is None:
        return None
    inside = np.flatnonzero((plate.time_s >= stance.ic_s) & (plate.time_s <= stance.to_s))
    if not inside.size:
        return None
    load, place = plate.up_n[inside], plate.cop_m[inside]
    good = (load >= least_share * np.nanmax(load)) & np.isfinite(place).all(axis=1)
    if np.count_nonzero(good) < 2:
        return None
    return np.asarray(place[good][-1] - place[good][0])


def along_axis(direction: Floats) -> Floats | None:
    """Return the unit vector of the axis along which a direction lies; None where it lies along none clearly."""
    size = np.sort(np.abs(direction))
    if not np.isfinite(direction).all() or size[-1] <= 0 or size[-1] < CLEAR_AXIS * size[-2]:
        return None
    axis = int(np.argmax(np.abs(direction)))
    unit = np.zeros(3)
    unit[axis] = np.sign(direction[axis])
    return unit
