"""Devices worn together through a session: where one is sure of a trial, it tells the other where to look.

In a trial in which both are aligned, the two maps give the difference of the devices' clocks. It holds in every other
trial but for the rates, so that a device that is aligned there places one that is not. And where it does not hold, one
of the two is a step off.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..records import ClockMap, Prior
from .clock_map import DeviceAlignment
from .session_clock import Placement
from .session_table import Clock, SessionTable

RATE_SD_PPM = 85.0
"""SD (ppm) of one device's rate against another's: two crystals of 60 ppm each, as the matching takes them."""
FITTED_RATE_SD_PPM = 40.0
"""SD (ppm) of a rate fitted to a bout of two minutes over plates (reference design: 25), wander included."""
TOGETHER_SD_S = 0.015
"""SD (s) of the difference of two devices' clocks by two maps: their lags and fits; chosen by hand."""
SAME_S, SAME_PPM = 0.08, 250.0
"""Differences of two clocks that are this near to one another (s, and ppm of the time between) are one: a quarter of a
runner's step, and beyond what crystals are off; chosen by hand."""


NORMAL_95 = 1.96
"""SDs of a 95 % half-width."""


@dataclass(frozen=True)
class Pair:
    """A trial in which both devices are aligned.

    Attributes
    ----------
    at_s
        Time of the middle of the trial on the other device's clock.
    apart_s
        The one device's time less the other's at that moment.
    """

    trial: str
    at_s: float
    apart_s: float
    rate: float
    p_wrong: float
    margin: float


def device_time(clock_map: ClockMap, reference_s: float) -> float | None:
    """Return a device's time (s) at a moment of the reference; None of a map in pieces."""
    if clock_map.verdict != "aligned" or clock_map.offset_s is None or clock_map.drift_ppm is None:
        return None
    return (reference_s - clock_map.offset_s) / (1.0 + 1e-6 * clock_map.drift_ppm)


Joined = Callable[[Clock, Clock], ClockMap]
"""Gives the map from one device's clock to another's by the landings that both saw, or its refusal."""


def device_placements(
    table: SessionTable, aligned: Mapping[str, list[DeviceAlignment]], joined: Joined
) -> dict[tuple[str, int], Placement]:
    """Return where other devices place a trial's device, by trial and number of its group, or why they contradict it.

    A placement with reasons refuses a device that is aligned.

    Parameters
    ----------
    joined
        Asked only of two devices that are nowhere aligned in one trial, where one of them could place the other.
    """
    found: dict[tuple[str, int], Placement] = {}
    for one, other in itertools.permutations(table.clocks, 2):
        if not (table.is_one_device(one) and table.is_one_device(other)):
            continue
        groups = {trial.name: group for trial, group, _ in table.clocks[one]}
        others = {trial.name: group for trial, group, _ in table.clocks[other]}
        shared = [name for name in groups if name in others]
        maps = {name: aligned[name][groups[name]].clock_map for name in shared}
        sure = {name: aligned[name][others[name]].clock_map for name in shared}
        pairs = [pair for name in shared if (pair := _pair(table, name, maps[name], sure[name])) is not None]
        wrong = _disagreeing(pairs)
        for name, reason in wrong.items():
            found[name, groups[name]] = Placement(reasons=(reason.format(one=one[0], other=other[0]),))
        pairs = [pair for pair in pairs if pair.trial not in wrong]
        for name in shared:
            key = name, groups[name]
            if maps[name].verdict == "aligned" or name in wrong or sure[name].verdict != "aligned":
                continue
            if pairs:
                placed = _placed(table, name, sure[name], pairs, other)
            else:
                placed = _placed_by_landings(table, name, sure[name], joined(one, other), other)
            if placed is not None and (key not in found or placed.p_wrong < found[key].p_wrong):
                found[key] = placed
    return found


def _pair(table: SessionTable, name: str, one: ClockMap, other: ClockMap) -> Pair | None:
    middle_s = table.length_s(name) / 2.0
    mine, theirs = device_time(one, middle_s), device_time(other, middle_s)
    if mine is None or theirs is None:
        return None
    p_wrong = (one.p_wrong or 0.0) + (other.p_wrong or 0.0)
    rate = 1.0 + 1e-6 * (one.drift_ppm or 0.0)
    return Pair(name, theirs, mine - theirs, rate, p_wrong, min(one.margin or 0.0, other.margin or 0.0))


def _agree(one: Pair, other: Pair) -> bool:
    return abs(one.apart_s - other.apart_s) <= SAME_S + 1e-6 * SAME_PPM * abs(one.at_s - other.at_s)


def _disagreeing(pairs: list[Pair]) -> dict[str, str]:
    """Return the trials outside the largest group that agrees, all of them where there is no such group, and why."""
    agree = {a.trial: frozenset(b.trial for b in pairs if _agree(a, b)) for a in pairs}
    if all(len(group) == len(pairs) for group in agree.values()):
        return {}
    most = max(len(group) for group in agree.values())
    largest = {group for group in agree.values() if len(group) == most}
    right = next(iter(largest)) if len(largest) == 1 and most > 1 else frozenset()
    found = {}
    for pair in pairs:
        rivals = [other for other in pairs if other.trial not in agree[pair.trial]]
        if pair.trial in right or not rivals:
            continue
        apart_ms = 1e3 * abs(pair.apart_s - rivals[0].apart_s)
        found[pair.trial] = (
            f"the clocks of {{one}} and {{other}} differ here by {apart_ms:.0f} ms from what they do in trial"
            f" '{rivals[0].trial}': one of the two is a step off"
        )
    return found


def _placed(table: SessionTable, name: str, sure: ClockMap, pairs: list[Pair], other: Clock) -> Placement | None:
    """Return where the other device places a trial, by the nearest trial in which both are aligned."""
    middle_s = table.length_s(name) / 2.0
    theirs = device_time(sure, middle_s)
    if theirs is None:
        return None
    nearest = min(pairs, key=lambda pair: abs(pair.at_s - theirs))
    mine = theirs + nearest.apart_s
    sd_s = math.hypot(
        TOGETHER_SD_S,
        1e-6 * RATE_SD_PPM * abs(theirs - nearest.at_s),
        # a prior is on the offset at the device's zero
        1e-6 * FITTED_RATE_SD_PPM * abs(mine),
    )
    prior = Prior(offset_s=middle_s - nearest.rate * mine, sd_s=sd_s)
    p_wrong = min(1.0, (sure.p_wrong or 0.0) + nearest.p_wrong)
    margin = min(sure.margin or 0.0, nearest.margin)
    return Placement(prior, None, (), p_wrong, margin, (nearest.trial,), device=other[0])


def _placed_by_landings(
    table: SessionTable, name: str, sure: ClockMap, between: ClockMap, other: Clock
) -> Placement | None:
    """Return where the other device places a trial, by the map between the two devices."""
    middle_s = table.length_s(name) / 2.0
    theirs = device_time(sure, middle_s)
    mine = None if theirs is None else device_time(between, theirs)
    if mine is None:
        return None
    sd_s = math.hypot(
        TOGETHER_SD_S, 1e-3 * (between.uncertainty_ms or 0.0) / NORMAL_95, 1e-6 * FITTED_RATE_SD_PPM * abs(mine)
    )
    rate = (1.0 + 1e-6 * (sure.drift_ppm or 0.0)) * (1.0 + 1e-6 * (between.drift_ppm or 0.0))
    p_wrong = min(1.0, (sure.p_wrong or 0.0) + (between.p_wrong or 0.0))
    margin = min(sure.margin or 0.0, between.margin or 0.0)
    return Placement(Prior(offset_s=middle_s - rate * mine, sd_s=sd_s), None, (), p_wrong, margin, (), device=other[0])
