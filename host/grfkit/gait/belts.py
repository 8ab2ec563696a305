"""A treadmill's plates whose feet are unknown: one surface, or a belt for each foot; and which foot's each belt is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..arrays import Floats
from ..signals.plates import plate_frame, upward
from ..signals.step_direction import common_direction, horizontal, pressure_travel, push_direction, up_vector
from .contacts import TOO_SHORT, ContactRule, ContactTimes, Rejection, contacts_from_force
from .plate_force import ContactSide, PlateContact, PlateForce, summed

_SAME_FOOT = 0.75
"""Share of the shorter of two contacts during which both belts are loaded, from which on one foot loads both. Chosen by
hand: double support takes a quarter of a contact, and 0.63 at one side of a very uneven walk (Pearl 2024)."""
_LEAST_TRAVEL_M, _AGREEMENT = 0.15, 0.8
"""Median travel (m) of the centres of pressure by which a belt's direction is known, and how well the contacts' travels
agree (:func:`~grfkit.signals.step_direction.common_direction`). Chosen by hand: a walker's belt goes 0.3 m or more in
a stance, a foot over a floor 0.25 m."""
_LEAST_APART_M = 0.1
"""Distance (m) of two belts' middles across the direction of walking by which left and right are known. Chosen by
hand: half of the narrowest belt."""
_LEAST_STRIDE_S = 0.8
"""Time (s) between contacts on one plate below which both feet step on it, where nothing else shows how the plates lie.
Chosen by hand: a quick walk's stride takes 0.9 s, its step 0.45 s."""
_SQUARE = 1.2
"""Ratio of a plate's sides below which its shape does not say which way a belt runs. Chosen by hand."""
_FEWEST_CONTACTS = 3
"""Contacts that show a direction at the least. Chosen by hand."""
_BEARING_SHARE = 0.25
"""Contacts on a plate, as a share of those on the plate with most, from which on it is one of the belts: a plate of the
floor beside them bears none, or the few steps on the way to the treadmill. Chosen by hand."""


@dataclass(frozen=True)
class BeltLayout:
    """How the plates of a treadmill lie.

    Attributes
    ----------
    side_by_side
        Whether each may be one foot's; otherwise they lie behind each other, and every foot crosses both.
    sides
        The foot of each plate, in their order.
    forward
        Shape (3,): unit vector opposite to the travel of the centres of pressure; None where that is unknown.
    """

    side_by_side: bool
    sides: tuple[ContactSide, ...]
    forward: Floats | None


@dataclass(frozen=True)
class _Span:
    """A stretch in which a force is above the level: a contact, or a rejected one (``reason``)."""

    start_s: float
    end_s: float
    reason: str
    plate: int


def unsided_contacts(
    plates: Sequence[PlateForce], rule: ContactRule, mass_kg: float
) -> tuple[list[PlateContact], list[Rejection], BeltLayout]:
    """Return the contacts on plates of a treadmill that know no feet, the rejections, and how the plates lie.

    Where the plates lie side by side, and while both bear a foot of their own (as in double support), each plate is cut
    by itself. Otherwise, as in running or where they lie behind each other, their sum is cut.
    """
    total = summed(plates)
    on_sum = _spans(contacts_from_force(total.time_s, total.up_n, rule=rule, mass_kg=mass_kg), -1)
    alone = [_spans(contacts_from_force(p.time_s, p.up_n, rule=rule, mass_kg=mass_kg), k) for k, p in enumerate(plates)]
    apart = sorted((s for spans in alone for s in spans), key=lambda s: s.start_s)
    within = [[s for s in apart if span.start_s <= (s.start_s + s.end_s) / 2 <= span.end_s] for span in on_sum]
    two_feet = [part if _bears_two_feet(part) else [] for part in within]
    steps = [s for part in two_feet for s in part if s.reason != TOO_SHORT]
    layout = belt_layout(plates, [[(s.start_s, s.end_s) for s in steps if s.plate == k] for k in range(len(plates))])
    contacts: list[PlateContact] = []
    turned: list[Rejection] = []
    names = tuple(p.name for p in plates)
    for span, on_belts in zip(on_sum, two_feet):
        for part in on_belts if on_belts and layout.side_by_side else [span]:
            if part.reason:
                turned.append(Rejection(part.start_s, part.end_s, part.reason))
                continue
            side = layout.sides[part.plate] if part.plate >= 0 else "unknown"
            bearing = names if part.plate < 0 else (names[part.plate],)
            contacts.append(PlateContact(part.start_s, part.end_s, side, bearing, deduced=side != "unknown"))
    return contacts, turned, layout


def _spans(times: ContactTimes, plate: int) -> list[_Span]:
    spans = [_Span(float(a), float(b), "", plate) for a, b in zip(times.ic_s, times.to_s)]
    spans += [_Span(r.start_s, r.end_s, r.reason, plate) for r in times.rejections]
    return sorted(spans, key=lambda s: s.start_s)


def _bears_two_feet(spans: Sequence[_Span]) -> bool:
    """Return whether two plates were loaded by different feet: one after the other, with a short overlap at most."""
    steps = [s for s in spans if s.reason != TOO_SHORT]
    return any(a.plate != b.plate and overlap_share(a, b) < _SAME_FOOT for a, b in pairwise(steps))


def overlap_share(a: _Span, b: _Span) -> float:
    """Return the time in which both spans last, as a share of the shorter one."""
    shared = min(a.end_s, b.end_s) - max(a.start_s, b.start_s)
    return max(0.0, shared) / max(min(a.end_s - a.start_s, b.end_s - b.start_s), 1e-9)


def belt_layout(plates: Sequence[PlateForce], spans: Sequence[Sequence[tuple[float, float]]]) -> BeltLayout:
    """Return how plates lie: by their corners or centres of pressure, and the direction in which the belts run.

    Only the plates that are walked on count: where a plate of the floor lies says nothing about the belts, and its foot
    is unknown.

    Parameters
    ----------
    spans
        Start and end (s) of every contact on each plate.
    """
    bearing = _bearing(spans)
    if len(bearing) < len(plates):
        layout = belt_layout([plates[k] for k in bearing], [spans[k] for k in bearing])
        known = dict(zip(bearing, layout.sides))
        return replace(layout, sides=tuple(known.get(k, "unknown") for k in range(len(plates))))
    unknown: tuple[ContactSide, ...] = tuple("unknown" for _ in plates)
    up, centres = _up(plates), [_centre(p) for p in plates]
    if up is None or any(c is None for c in centres):
        return BeltLayout(_shows_strides(spans), unknown, None)
    middles = horizontal(np.stack([c for c in centres if c is not None]), up)
    travel = _belt_travel(plates, spans, up)
    forward = None if travel is None else -travel / np.linalg.norm(travel)
    ahead = np.asarray([1.0, 0.0, 0.0]) if all(p.in_lab for p in plates) else forward
    if ahead is None:
        return BeltLayout(_side_by_side_by_shape(plates, middles, up, spans), unknown, None)
    left = np.cross(up, ahead)
    across = middles @ left
    side_by_side = bool(np.ptp(across) > np.ptp(middles @ ahead))
    sure = len(plates) == 2 and side_by_side and np.ptp(across) > _LEAST_APART_M
    if not sure or not _agrees(ahead, forward, _pushes(plates, spans, up)):
        return BeltLayout(side_by_side, unknown, forward)
    if across[0] > across[1]:
        return BeltLayout(side_by_side, ("left", "right"), forward)
    return BeltLayout(side_by_side, ("right", "left"), forward)


def _bearing(spans: Sequence[Sequence[tuple[float, float]]]) -> list[int]:
    """Return the numbers of the plates that are walked on, if these are two or more; else of all."""
    counts = [len(times) for times in spans]
    bearing = [k for k, n in enumerate(counts) if n and n >= _BEARING_SHARE * max(counts)]
    return bearing if len(bearing) > 1 else list(range(len(counts)))


def _agrees(ahead: Floats, forward: Floats | None, pushes: list[Floats]) -> bool:
    """Return whether neither the travel of the belts nor braking and propulsion contradict a direction."""
    push = common_direction(pushes, agreement=_AGREEMENT)
    return not any(v is not None and float(v @ ahead) < 0 for v in (forward, push))


def _up(plates: Sequence[PlateForce]) -> Floats | None:
    for plate in plates:
        up = up_vector(plate.vertical)
        if up is None and plate.corners_m is not None:
            up = upward(plate_frame(plate.corners_m))
        if up is not None:
            return up
    return None


def _centre(plate: PlateForce) -> Floats | None:
    """Return a plate's middle: that of its corners, else of its centres of pressure."""
    if plate.corners_m is not None:
        return np.asarray(plate.corners_m.mean(axis=0))
    if plate.cop_m is None or not np.isfinite(plate.cop_m).all(axis=1).any():
        return None
    return np.asarray(np.nanmedian(plate.cop_m, axis=0))


def _belt_travel(
    plates: Sequence[PlateForce], spans: Sequence[Sequence[tuple[float, float]]], up: Floats
) -> Floats | None:
    """Return the usual travel (m) of the centres of pressure in a contact; None where it is small or no common one."""
    travels = []
    for plate, times in zip(plates, spans):
        if plate.cop_m is not None:
            parts = [_part(plate, a, b) for a, b in times]
            travels += [pressure_travel(plate.cop_m[part], plate.up_n[part], up) for part in parts]
    known = [t for t in travels if t is not None]
    common = common_direction(known, agreement=_AGREEMENT) if len(known) >= _FEWEST_CONTACTS else None
    return common if common is not None and float(np.linalg.norm(common)) > _LEAST_TRAVEL_M else None


def _pushes(plates: Sequence[PlateForce], spans: Sequence[Sequence[tuple[float, float]]], up: Floats) -> list[Floats]:
    pushes = [
        push_direction(plate.force_n[_part(plate, a, b)], up)
        for plate, times in zip(plates, spans)
        if plate.force_n is not None
        for a, b in times
    ]
    return [p for p in pushes if p is not None]


def _part(plate: PlateForce, start_s: float, end_s: float) -> slice:
    first, last = np.searchsorted(plate.time_s, [start_s, end_s])
    return slice(int(first), int(last))


def _side_by_side_by_shape(
    plates: Sequence[PlateForce], middles: Floats, up: Floats, spans: Sequence[Sequence[tuple[float, float]]]
) -> bool:
    """Return whether plates touch along their long sides, as belts do; where shapes do not say, by their contacts."""
    between = middles[np.argmax(np.linalg.norm(middles - middles[0], axis=1))] - middles[0]
    distance = float(np.linalg.norm(between))
    if distance == 0.0 or any(p.corners_m is None for p in plates):
        return _shows_strides(spans)
    corners = np.stack([p.corners_m for p in plates if p.corners_m is not None])
    along = np.ptp(corners @ (between / distance), axis=1)
    across = np.ptp(corners @ np.cross(up, between / distance), axis=1)
    if (np.maximum(along, across) < _SQUARE * np.minimum(along, across)).any():
        return _shows_strides(spans)
    return bool((along < across).all())


def _shows_strides(spans: Sequence[Sequence[tuple[float, float]]]) -> bool:
    """Return whether contacts on a plate come at the pace of strides, not of steps."""
    between = [float(np.median(np.diff([a for a, _ in times]))) for times in spans if len(times) > 1]
    return not between or float(np.median(between)) >= _LEAST_STRIDE_S
