"""Contacts from vertical force by a named rule, and every rejected contact with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..signals.filters import lowpass
from ..signals.runs import true_runs
from ..units import G

Indices = NDArray[np.int64]

TOO_SHORT = "too short"
TOO_LONG = "too long"
GAP = "touches a gap"
BORDER = "cut at the border"
PARTIAL = "partial hit"
TWO_FEET = "two feet on one plate"
UNDERLOADED = "far less load than the foot's steps"
OTHER_FOOT = "other foot on the belt"
BOTH_BELTS = "foot on both belts"
UNLIKE = "longer or shorter than its neighbours"
UNCLEAR = "landing or toe-off unclear"
REASONS = (TOO_SHORT, TOO_LONG, GAP, BORDER, PARTIAL, TWO_FEET, UNDERLOADED, OTHER_FOOT, BOTH_BELTS, UNLIKE, UNCLEAR)

GREATER_PERCENT, UNDERLOADED_SHARE = 90.0, 0.4
"""A contact is underloaded if its peak is below this share of the percentile of its foot's peaks. Chosen by hand,
between the quarter that a shoe pressing on the foot in the air reaches in simulated trials and a slow step among fast
ones. The C runtime has the same numbers."""
_WALKING_S, _WALKING_DIP_S = (0.2, 2.0), 0.06
"""Shortest and longest contact (s) of a walker, and the longest dip that belongs to one; chosen by hand: a quick walk's
contact lasts 0.5 s."""
_HOLE_STEPS = 1.5
"""Distance of two stamps, in usual sample periods, above which samples are missing between them."""
_REST_SHARE = 0.1
"""Lowest part of a force's range that holds the samples of flight. Chosen by hand."""
_RANGE_PERCENT = (1.0, 99.0)
"""Percentiles between which that range is taken, so that single samples do not widen it."""


def peak_loads(load: Floats, time_s: Floats, ic_s: Floats, to_s: Floats) -> Floats:
    """Return the greatest measured load in each contact, shape (contacts,); -inf where nothing was measured."""
    first, last = np.searchsorted(time_s, ic_s), np.searchsorted(time_s, to_s)
    peaks = [np.nanmax(load[a : max(b, a + 1)], initial=-np.inf) for a, b in zip(first, last)]
    return np.asarray(peaks, dtype=np.float64)


def underloaded(peaks: Floats) -> NDArray[np.bool_]:
    """Return which contacts of a foot bear far less than its steps do: peaks under two fifths of the 90th percentile.

    Parameters
    ----------
    peaks
        Highest load in each contact above the unloaded level, any unit, shape (contacts,).
    """
    return np.asarray(peaks < UNDERLOADED_SHARE * np.percentile(peaks, GREATER_PERCENT))


@dataclass(frozen=True)
class ContactRule:
    """When a vertical force counts as a contact.

    Attributes
    ----------
    name
        Stated beside every result.
    level_n, level_bw
        The threshold, either in newtons or as a share of body weight; contact and toe-off are its crossings.
    hysteresis
        Share of the level by which a contact has to rise above it at least once, so that noise about the level makes no
        contact. The crossings are those of the level itself.
    shortest_s, longest_s
        Shorter and longer contacts are rejected. The defaults are a runner's: contacts last 0.1 to 0.4 s.
    shortest_flight_s
        A shorter dip below the level belongs to the contact.
    lowpass_hz
        Cut-off of the zero-lag low-pass (corrected, order 2 each way) of the signal that is searched; None leaves
        the force as it is. 50 to 100 Hz moves crossings of 20 N by a sample at most, 15 to 20 Hz by 4 to 7 ms.
    zeroed
        Subtract the unloaded level first (the median of the lowest tenth of the loaded range).
    """

    name: str
    level_n: float | None = None
    level_bw: float | None = None
    hysteresis: float = 0.5
    shortest_s: float = 0.08
    longest_s: float = 0.5
    shortest_flight_s: float = 0.03
    lowpass_hz: float | None = None
    zeroed: bool = False

    def level(self, mass_kg: float | None) -> float:
        """Return the threshold in newtons.

        Raises
        ------
        BadInputError
            If the rule names no level or two, or is a share of an unknown body weight.
        """
        if (self.level_n is None) == (self.level_bw is None):
            raise BadInputError(f"contact rule '{self.name}' has to state level_n or level_bw, and not both")
        if self.level_n is not None:
            return self.level_n
        if mass_kg is None or not np.isfinite(mass_kg) or mass_kg <= 0:
            raise BadInputError(
                f"contact rule '{self.name}' is a share of body weight, mass is {mass_kg}; give mass_kg, or take"
                " a rule in newtons ('20N', '10N')"
            )
        return float(self.level_bw or 0.0) * mass_kg * G

    def walking(self) -> ContactRule:
        """Return the rule with a walker's limits: contacts of 0.2 s to 2 s, dips up to 60 ms."""
        return replace(self, shortest_s=_WALKING_S[0], longest_s=_WALKING_S[1], shortest_flight_s=_WALKING_DIP_S)


RULES = {
    "20N": ContactRule("20N", level_n=20.0),
    "10N": ContactRule("10N", level_n=10.0),
    "5%BW": ContactRule("5%BW", level_bw=0.05, hysteresis=0.2),
}
"""Carter 2025 (doi 10.7717/peerj.17896 and its sequel), Zhou 2025 (doi 10.16156/j.1004-7220.2025.05.028) and
Alcantara 2022 (doi 10.7717/peerj.12752), with a runner's limits."""


@dataclass(frozen=True)
class Rejection:
    """A contact that was rejected: from when to when, and why (one of ``REASONS``)."""

    start_s: float
    end_s: float
    reason: str


@dataclass(frozen=True)
class ContactTimes:
    """Contacts in order: ``ic_s`` and ``to_s`` of shape (contacts,), the rejections, and the detector's name."""

    ic_s: Floats
    to_s: Floats
    detector: str
    rejections: tuple[Rejection, ...] = ()

    @property
    def size(self) -> int:
        """Return the number of contacts."""
        return int(self.ic_s.size)

    @property
    def contact_s(self) -> Floats:
        """Return the contact times (s)."""
        return self.to_s - self.ic_s

    @property
    def rejected(self) -> dict[str, int]:
        """Return how many contacts were rejected, by reason."""
        return counted(self.rejections)


def counted(rejections: Iterable[Rejection]) -> dict[str, int]:
    """Return how many rejections there are of each reason, sorted by reason."""
    return dict(sorted(Counter(rejection.reason for rejection in rejections).items()))


def rule_of(rule: ContactRule | str) -> ContactRule:
    """Return the rule of this name; a rule itself is returned as it is.

    With the word walking after the name, such as ``20N walking``, its limits are those of a walker.

    Raises
    ------
    BadInputError
        If there is none.
    """
    if isinstance(rule, ContactRule):
        return rule
    level, _, gait = str(rule).partition(" ")
    if level not in RULES or gait not in ("", "walking"):
        names = ", ".join(RULES)
        raise BadInputError(f"contact rule '{rule}' is unknown; expected one of {names}, or one of them and 'walking'")
    return replace(RULES[level].walking(), name=rule) if gait else RULES[level]


def contacts_from_force(
    time_s: Floats, vgrf_n: Floats, *, rule: ContactRule | str = "20N", mass_kg: float | None = None
) -> ContactTimes:
    """Return the contacts in a vertical force: where it crosses the rule's level, between samples by a straight line.

    A run above the level counts where it rises above ``level (1 + hysteresis)``; runs less than the shortest flight
    apart are one contact. A contact whose run or neighbouring samples hold a gap (NaN, or stamps further apart than
    1.5 usual steps), or that is under way at an end of the record, is rejected.

    Parameters
    ----------
    time_s, vgrf_n
        Shape (samples,); time increasing (rows without a time are gaps), force in N, up positive, NaN where missing.
    rule
        A rule or its name.
    mass_kg
        Needed by rules in body weights.

    Raises
    ------
    BadInputError
        If shapes differ, there are fewer than four samples, time does not increase, or the rule needs a mass and
        none is given.
    """
    rule = rule_of(rule)
    level = rule.level(mass_kg)
    time, force = _checked(time_s, vgrf_n)
    step = float(np.median(np.diff(time)))
    missing = ~np.isfinite(force)
    if missing.all():
        return ContactTimes(np.zeros(0), np.zeros(0), rule.name)
    holes = np.diff(time) > _HOLE_STEPS * step
    searched = _searched(time, force, holes, rule, 1.0 / step)
    # gaps are bridged by straight lines here, so that a contact with a gap is one contact, and rejected below
    above = np.where(missing, np.interp(time, time[~missing], searched[~missing]), searched) - level
    runs = true_runs(above > 0)
    # before runs are joined: noise about the level in flight must not tie two contacts together
    runs = runs[[bool(above[a:b].max() > rule.hysteresis * level) for a, b in runs]]
    onset, offset = _crossing_times(time, above, runs)
    runs, onset, offset = _joined(runs, onset, offset, rule.shortest_flight_s)
    reasons = _reasons(runs, offset - onset, missing, holes, rule)
    keep = np.asarray([not r for r in reasons], dtype=bool)
    turned = tuple(Rejection(float(a), float(b), r) for a, b, r in zip(onset, offset, reasons) if r)
    return ContactTimes(onset[keep], offset[keep], rule.name, turned)


def unloaded_level_n(vgrf_n: Floats) -> float:
    """Return the level (N) a force rests at in flight: the median of the samples in the lowest tenth of its range.

    Only for records with flights: the lowest load of a plate that is never unloaded is not its zero.
    """
    measured = vgrf_n[np.isfinite(vgrf_n)]
    low, high = np.percentile(measured, _RANGE_PERCENT)
    return float(np.median(measured[measured <= low + _REST_SHARE * (high - low)]))


def _checked(time_s: Floats, force_n: Floats) -> tuple[Floats, Floats]:
    time, force = np.asarray(time_s, dtype=np.float64), np.asarray(force_n, dtype=np.float64)
    if time.ndim != 1 or time.shape != force.shape:
        raise BadInputError(f"time has shape {time.shape} and force {force.shape}; expected two equal (samples,)")
    stamped = np.isfinite(time)
    time, force = time[stamped], force[stamped]
    if time.size < 4:
        raise BadInputError(f"a force of {time.size} samples is too short to search for contacts; expected 4 or more")
    if not (np.diff(time) > 0).all():
        raise BadInputError("the time of the force goes backwards or stands; expected increasing seconds")
    return time, force


def _searched(time: Floats, force: Floats, holes: NDArray[np.bool_], rule: ContactRule, rate_hz: float) -> Floats:
    """Return the force as it is searched: zeroed and low-passed where the rule says so, piece by piece."""
    values = force - unloaded_level_n(force) if rule.zeroed else force
    if rule.lowpass_hz is None:
        return values
    # a filter that ran on across missing stamps would take both sides for neighbours
    edges = [0, *(np.flatnonzero(holes) + 1).tolist(), time.size]
    parts = [lowpass(values[a:b], rate_hz=rate_hz, cutoff_hz=rule.lowpass_hz) for a, b in pairwise(edges)]
    return np.concatenate(parts)


def _crossing_times(time: Floats, above: Floats, runs: Indices) -> tuple[Floats, Floats]:
    """Return where each run begins and ends; at an end of the record the first or last sample."""

    def between(left: Indices, right: Indices) -> Floats:
        """Return when the straight line between two samples crosses 0; the sample's time where both are one."""
        share = above[left] / np.where(left == right, 1.0, above[left] - above[right])
        return np.asarray(time[left] + np.where(left == right, 0.0, share) * (time[right] - time[left]))

    first, end = runs[:, 0], runs[:, 1]
    onset = between(np.maximum(first - 1, 0), first)
    return onset, between(end - 1, np.minimum(end, time.size - 1))


def _joined(runs: Indices, onset: Floats, offset: Floats, flight_s: float) -> tuple[Indices, Floats, Floats]:
    """Return the runs, those that are less than the shortest flight apart joined."""
    if not len(runs):
        return runs, onset, offset
    apart = onset[1:] - offset[:-1] >= flight_s
    first, last = np.concatenate([[True], apart]), np.concatenate([apart, [True]])
    return np.stack([runs[first, 0], runs[last, 1]], axis=1), onset[first], offset[last]


def _reasons(
    runs: Indices, contact_s: Floats, missing: NDArray[np.bool_], holes: NDArray[np.bool_], rule: ContactRule
) -> list[str]:
    """Return why each run is no contact, "" where it is one. Damage comes first: it makes durations wrong."""
    reasons = []
    for (first, end), duration in zip(runs, contact_s):
        low, high = max(first - 1, 0), min(end + 1, missing.size)
        if missing[low:high].any() or holes[low : high - 1].any():
            reasons.append(GAP)
        elif first == 0 or end == missing.size:
            reasons.append(BORDER)
        elif duration < rule.shortest_s:
            reasons.append(TOO_SHORT)
        elif duration > rule.longest_s:
            reasons.append(TOO_LONG)
        else:
            reasons.append("")
    return reasons
