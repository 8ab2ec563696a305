"""Contacts on plates, one by one or as one surface: a foot across two plates is one contact, bad hits are rejected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..arrays import Floats
from .belt_crossing import crossing_faults
from .belts import belt_layout, unsided_contacts
from .contacts import TOO_LONG, TWO_FEET, ContactRule, Rejection, contacts_from_force
from .cop import hit_fault
from .plate_force import PlateContact, PlateForce, same_clock, summed

_SAME_FOOT = 0.5
"""Share of the shorter of two contacts during which both plates are loaded, from which on they bear one foot. Chosen by
hand: double support takes a quarter of a contact at most."""
_SUM_EARLIER_S, _SUM_LATER_S = 0.05, 0.02
"""Limits (s) of how much earlier, and how much later or shorter, the contact on the plates' sum may be than those on
the plates: the sum crosses its threshold sooner than either plate. Chosen by hand."""


def plate_contacts(
    plates: list[PlateForce], rule: ContactRule, *, mass_kg: float, treadmill: bool
) -> tuple[list[PlateContact], list[Rejection]]:
    """Return the contacts of all plates in order, and the rejected ones.

    On a treadmill whose plates know no feet, their sum is cut while one foot stands on all of them, as in running;
    while two feet stand on plates that lie side by side, each plate is cut by itself, and its side follows from the
    direction of the belts (:mod:`~grfkit.gait.belts`). Contacts on belts that bear a part of the other foot are
    rejected (:mod:`~grfkit.gait.belt_crossing`).

    Elsewhere each plate is searched by itself; contacts of two plates that overlap by half of the shorter one are one
    foot across both, from the first contact to the last toe-off of their sum. Where corners and centre of pressure are
    given, partial hits and two feet on one plate are rejected (the edges of a belt do not count). Where they are not,
    two feet on one plate can only show as a contact that is "too long".
    """
    together = treadmill and len(plates) > 1 and all(same_clock(p, plates[0]) for p in plates)
    shared = together and all(p.side == "unknown" for p in plates)
    forward: Floats | None = None
    if shared:
        contacts, turned, layout = unsided_contacts(plates, rule, mass_kg)
        forward = layout.forward
    else:
        contacts, turned = _each_alone(plates, rule, mass_kg, treadmill=treadmill)
        forward = belt_layout(plates, _spans(plates, contacts)).forward if together else None
    by_name = {p.name: p for p in plates}
    merged = sorted(contacts, key=lambda c: c.ic_s)
    bad: list[Rejection] = []
    if not treadmill:
        merged, bad = _checked_hits(_across(merged, by_name, rule, mass_kg), by_name)
    elif together:
        merged, bad = _on_one_belt(merged, by_name, rule.level(mass_kg), forward)
    return merged, sorted([*turned, *bad], key=lambda r: r.start_s)


def _each_alone(
    plates: Sequence[PlateForce], rule: ContactRule, mass_kg: float, *, treadmill: bool
) -> tuple[list[PlateContact], list[Rejection]]:
    """Return the contacts on each plate by itself."""
    contacts: list[PlateContact] = []
    turned: list[Rejection] = []
    for plate in plates:
        times = contacts_from_force(plate.time_s, plate.up_n, rule=rule, mass_kg=mass_kg)
        contacts += [
            PlateContact(float(a), float(b), plate.side, (plate.name,)) for a, b in zip(times.ic_s, times.to_s)
        ]
        # on a belt the centre of pressure of one foot goes further than a foot is long
        turned += times.rejections if treadmill else [_two_feet(plate, r) for r in times.rejections]
    return contacts, turned


def _spans(plates: Sequence[PlateForce], contacts: Sequence[PlateContact]) -> list[list[tuple[float, float]]]:
    return [[(c.ic_s, c.to_s) for c in contacts if plate.name in c.plates] for plate in plates]


def _on_one_belt(
    contacts: Sequence[PlateContact], plates: Mapping[str, PlateForce], level_n: float, forward: Floats | None
) -> tuple[list[PlateContact], list[Rejection]]:
    """Return the contacts of one foot alone, and those that bear a part of the other, or lack a part of theirs."""
    faults = crossing_faults(contacts, plates, level_n=level_n, forward=forward)
    good = [c for c, fault in zip(contacts, faults) if not fault]
    return good, [Rejection(c.ic_s, c.to_s, fault) for c, fault in zip(contacts, faults) if fault]


def _two_feet(plate: PlateForce, rejection: Rejection) -> Rejection:
    """Return the rejection of a contact that is too long as two feet, where the centre of pressure says so."""
    if rejection.reason != TOO_LONG:
        return rejection
    return (
        replace(rejection, reason=TWO_FEET)
        if _plate_fault(plate, rejection.start_s, rejection.end_s) == TWO_FEET
        else rejection
    )


def _plate_fault(plate: PlateForce, ic_s: float, to_s: float) -> str:
    """Return why a contact is no full hit of one foot; "" where it is, or where the plate cannot say."""
    if plate.cop_m is None or plate.corners_m is None:
        return ""
    within = (plate.time_s >= ic_s) & (plate.time_s <= to_s)
    return hit_fault(plate.up_n[within], plate.cop_m[within], plate.corners_m)


def _across(
    contacts: list[PlateContact], plates: dict[str, PlateForce], rule: ContactRule, mass_kg: float
) -> list[PlateContact]:
    """Return the contacts, those of two plates that bear one foot replaced by the contact on the plates' sum."""
    merged: list[PlateContact] = []
    for contact in contacts:
        # by onset, so one look back is enough, and a foot across three plates is merged twice
        before = merged[-1] if merged else None
        if before is None or not _same_foot(before, contact):
            merged.append(contact)
            continue
        names = tuple(dict.fromkeys((*before.plates, *contact.plates)))
        ic, to = min(before.ic_s, contact.ic_s), max(before.to_s, contact.to_s)
        loaded = [plates[n] for n in names]
        # on the sum, because on each plate alone the foot seems to land late and to leave early
        if all(same_clock(p, loaded[0]) for p in loaded):
            times = contacts_from_force(loaded[0].time_s, summed(loaded).up_n, rule=rule, mass_kg=mass_kg)
            covers = (times.ic_s <= ic + _SUM_LATER_S) & (times.to_s >= to - _SUM_LATER_S)
            fits = np.flatnonzero(covers & (times.ic_s > ic - _SUM_EARLIER_S))
            if fits.size:
                ic, to = float(times.ic_s[fits[0]]), float(times.to_s[fits[0]])
        side = before.side if before.side == contact.side else "unknown"
        merged[-1] = PlateContact(ic, to, side, names, across=True)
    return merged


def _same_foot(a: PlateContact, b: PlateContact) -> bool:
    """Return whether contacts of different plates overlap so long that one foot made both."""
    if set(a.plates) & set(b.plates) or ("unknown" not in (a.side, b.side) and a.side != b.side):
        return False
    shared = min(a.to_s, b.to_s) - max(a.ic_s, b.ic_s)
    return shared >= _SAME_FOOT * min(a.to_s - a.ic_s, b.to_s - b.ic_s)


def _checked_hits(
    contacts: list[PlateContact], plates: dict[str, PlateForce]
) -> tuple[list[PlateContact], list[Rejection]]:
    good: list[PlateContact] = []
    bad: list[Rejection] = []
    for contact in contacts:
        loaded = [plates[n] for n in contact.plates]
        reason = _plate_fault(loaded[0] if len(loaded) == 1 else summed(loaded), contact.ic_s, contact.to_s)
        if reason:
            bad.append(Rejection(contact.ic_s, contact.to_s, reason))
        else:
            good.append(contact)
    return good, bad
