"""Contacts on plates, one by one or as one surface: a foot across two plates is one contact, bad hits are rejected."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from .contacts import TOO_LONG, TWO_FEET, ContactRule, Rejection, contacts_from_force
from .cop import combined_cop, hit_fault

ContactSide = Literal["left", "right", "unknown"]
_SAME_FOOT = 0.5
"""Share of the shorter of two contacts during which both plates are loaded, from which on they bear one foot. Chosen by
hand: double support takes a quarter of a contact at most."""
_SUM_EARLIER_S, _SUM_LATER_S = 0.05, 0.02
"""Limits (s) of how much earlier, and how much later or shorter, the contact on the plates' sum may be than those on
the plates: the sum crosses its threshold sooner than either plate. Chosen by hand."""
_REST_PERCENT = 30.0
"""Percentile of a plate's force, of its size, below which the plate is unloaded. Chosen by hand."""


@dataclass(frozen=True)
class PlateForce:
    """A plate's signals that contacts are found from.

    Attributes
    ----------
    time_s, up_n
        Shape (samples,): the vertical force on the foot, up positive.
    cop_m
        Shape (samples, 3), or None where the stream has no centre of pressure.
    corners_m
        Shape (4, 3), or None.
    """

    name: str
    time_s: Floats
    up_n: Floats
    cop_m: Floats | None
    corners_m: Floats | None
    side: ContactSide

    @classmethod
    def of(cls, name: str, stream: xr.Dataset) -> PlateForce:
        """Return a trial's plate.

        Raises
        ------
        BadInputError
            If the stream holds no force.
        """
        time = np.asarray(stream["time"].values, dtype=np.float64)
        cop = [f"cop_{a}" for a in "xyz"]
        place = np.stack([stream[c].values for c in cop], axis=1) if all(c in stream for c in cop) else None
        corners = np.asarray(stream.attrs.get("corners_m", ()), dtype=np.float64).reshape(-1)
        usable = corners.size == 12 and bool(np.isfinite(corners).all())
        knows = str(stream.attrs.get("knows_feet", ""))
        side: ContactSide = "left" if knows == "left" else "right" if knows == "right" else "unknown"
        return cls(name, time, upward_n(stream, name), place, corners.reshape(4, 3) if usable else None, side)


@dataclass(frozen=True)
class PlateContact:
    """One contact on one plate, or across two (``across``)."""

    ic_s: float
    to_s: float
    side: ContactSide
    plates: tuple[str, ...]
    across: bool = False


def upward_n(stream: xr.Dataset, name: str = "a plate") -> Floats:
    """Return a plate's vertical force, up positive: along the stated ``vertical`` axis, else along the loaded one.

    Where the file holds the force on the plate, not on the foot, it is turned round.

    Raises
    ------
    BadInputError
        If the stream holds no force channel.
    """
    axes = [f"f{a}" for a in "xyz" if f"f{a}" in stream]
    if not axes:
        raise BadInputError(f"{name} holds no force channel (fx, fy, fz); contacts cannot be cut from it")
    hint = str(stream.attrs.get("vertical", ""))
    vertical = f"f{hint[-1]}" if hint and f"f{hint[-1]}" in axes else ""
    values = {a: np.asarray(stream[a].values, dtype=np.float64) for a in axes}
    force = values[vertical or max(axes, key=lambda a: float(np.nan_to_num(np.nanmax(np.abs(values[a])))))]
    measured = force[np.isfinite(force)]
    if not measured.size:
        return force
    low, high = float(measured.min()), float(measured.max())
    # the level in the air may be off zero: the load's sign is the longer way from there
    rest = float(np.median(measured[np.abs(measured) <= np.percentile(np.abs(measured), _REST_PERCENT)]))
    return -force if rest - low > high - rest else force


def plate_contacts(
    plates: list[PlateForce], rule: ContactRule, *, mass_kg: float, treadmill: bool
) -> tuple[list[PlateContact], list[Rejection]]:
    """Return the contacts of all plates in order, and the rejected ones.

    On a treadmill whose plates are not each one foot's, all plates are one surface. Elsewhere each plate is searched by
    itself; contacts of two plates that overlap by half of the shorter one are one foot across both, from the first
    contact to the last toe-off of their sum. Where corners and centre of pressure are given, partial hits and two feet
    on one plate are rejected (the edges of a belt do not count). Where they are not, two feet on one plate can only
    show as a contact that is "too long".
    """
    shared = treadmill and all(p.side == "unknown" for p in plates)
    if shared and len(plates) > 1 and all(_same_clock(p, plates[0]) for p in plates):
        plates = [_summed(plates)]
    contacts: list[PlateContact] = []
    turned: list[Rejection] = []
    for plate in plates:
        times = contacts_from_force(plate.time_s, plate.up_n, rule=rule, mass_kg=mass_kg)
        names = tuple(plate.name.split(" + "))
        contacts += [PlateContact(float(a), float(b), plate.side, names) for a, b in zip(times.ic_s, times.to_s)]
        turned += [_two_feet(plate, rejection) for rejection in times.rejections]
    by_name = {p.name: p for p in plates}
    merged = sorted(contacts, key=lambda c: c.ic_s)
    if not treadmill:
        merged, bad = _checked_hits(_across(merged, by_name, rule, mass_kg), by_name)
        turned += bad
    return merged, sorted(turned, key=lambda r: r.start_s)


def _same_clock(a: PlateForce, b: PlateForce) -> bool:
    return a.time_s.shape == b.time_s.shape and bool(np.array_equal(a.time_s, b.time_s, equal_nan=True))


def _summed(plates: list[PlateForce]) -> PlateForce:
    """Return several plates as one surface; its centre of pressure where every plate has one."""
    total = np.sum([p.up_n for p in plates], axis=0)
    cops = [p.cop_m for p in plates if p.cop_m is not None]
    cop = combined_cop([p.up_n for p in plates], cops) if len(cops) == len(plates) else None
    corners = [p.corners_m for p in plates if p.corners_m is not None]
    outlines = np.stack(corners) if len(corners) == len(plates) else None
    return PlateForce(" + ".join(p.name for p in plates), plates[0].time_s, total, cop, outlines, "unknown")


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
        if all(_same_clock(p, loaded[0]) for p in loaded):
            times = contacts_from_force(loaded[0].time_s, _summed(loaded).up_n, rule=rule, mass_kg=mass_kg)
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
        reason = _plate_fault(loaded[0] if len(loaded) == 1 else _summed(loaded), contact.ic_s, contact.to_s)
        if reason:
            bad.append(Rejection(contact.ic_s, contact.to_s, reason))
        else:
            good.append(contact)
    return good, bad
