"""One trial on one device clock of a session, and which trials contradict the others there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..arrays import Floats

SAME_S = 0.1
"""Offsets (s) this near to one another are one alignment: a third of a runner's step, as within a trial."""
FIT_SD_S = 0.03
"""SD (s) added to every stated start time: rates of 50 ppm over ten minutes; chosen by hand."""
CONTRADICTS_SDS = 4.0
"""Start times this many SDs off contradict the contacts: 6 in 100,000 of true ones; chosen by hand."""
MOST_SHARED_S = 1.0
"""Time (s) on the device's clock that two trials may share: plates record one trial after the other; chosen by hand,
above what a stated length may be off."""


@dataclass(frozen=True)
class Link:
    """One trial's alignment on one device clock.

    Attributes
    ----------
    lags_s, log_likelihood
        Shape (candidates,): offsets that were scored, and their scores (nats).
    offset_s
        The best one; None where nothing was scored.
    aligned
        Whether the contacts align this trial by themselves.
    window_s
        Device time that the reference covers at the best offset.
    length_s
        Length of the reference.
    covered_s
        Device time that the device recorded.
    stated_s, stated_sd_s
        Device's start less reference's start by what the files state, and its SD; None where either is unknown.
    as_labelled
        Nats by which the feet as labelled fit better than exchanged ones, their chance not counted.
    """

    trial: str
    lags_s: Floats
    log_likelihood: Floats
    offset_s: float | None
    aligned: bool
    margin: float
    length_s: float
    covered_s: tuple[float, float]
    stated_s: float | None = None
    stated_sd_s: float = math.inf
    as_labelled: float = 0.0

    @property
    def window_s(self) -> tuple[float, float]:
        """Return the device time that the reference covers at the best offset."""
        offset = self.offset_s if self.offset_s is not None else math.nan
        return -offset, self.length_s - offset

    @property
    def sd_s(self) -> float:
        """Return the SD of the stated offset about the true one, the shift taken off."""
        return math.hypot(self.stated_sd_s, FIT_SD_S)

    @property
    def difference_s(self) -> float:
        """Return the stated difference of the starts; asked only of trials that have both."""
        assert self.stated_s is not None
        return self.stated_s


def overlapping(links: Sequence[Link], aligned: Sequence[int]) -> dict[int, str]:
    """Return trials that share device time with another: both are refused, as nothing says which of them is right."""
    found: dict[int, str] = {}
    for a in aligned:
        for b in aligned:
            shared = min(links[a].window_s[1], links[b].window_s[1]) - max(links[a].window_s[0], links[b].window_s[0])
            if a != b and shared > MOST_SHARED_S and a not in found:
                found[a] = (
                    f"its contacts place it on {shared:.0f} s of the device's clock that trial '{links[b].trial}' has,"
                    " and plates record one after the other: one of the two is of another session, or both are one"
                )
    return found


def contradicting(links: Sequence[Link], aligned: Sequence[int]) -> dict[int, str]:
    """Return trials whose contacts and start times contradict those of the most trials that agree with one another."""
    stated = [n for n in aligned if links[n].stated_s is not None]
    agree = {a: frozenset(b for b in stated if a == b or _agree(links[a], links[b])) for a in stated}
    if all(len(group) == len(stated) for group in agree.values()):
        return {}
    most = max(len(group) for group in agree.values())
    largest = {group for group in agree.values() if len(group) == most}
    # several largest groups: nothing says which of them is right
    right = next(iter(largest)) if len(largest) == 1 and most > 1 else frozenset()
    found = {}
    for n in stated:
        if n in right:
            continue
        other = max((m for m in stated if m not in agree[n]), key=lambda m: links[m].margin, default=None)
        if other is None:
            continue
        apart = abs(_shift_of(links[n]) - _shift_of(links[other]))
        found[n] = (
            f"its start time and its contacts disagree by {apart:.1f} s with those of trial '{links[other].trial}':"
            " one of the two is of another session, or its start time is wrong"
        )
    return found


def _shift_of(link: Link) -> float:
    assert link.offset_s is not None
    return link.offset_s - link.difference_s


def _agree(one: Link, other: Link) -> bool:
    return abs(_shift_of(one) - _shift_of(other)) <= CONTRADICTS_SDS * math.hypot(one.sd_s, other.sd_s)


def out_of_order(links: Sequence[Link], aligned: Sequence[int]) -> dict[int, str]:
    """Return trials that are not in order: those that not every longest run of trials in order holds."""
    starts = [links[n].window_s[0] for n in aligned]
    before = _longest(starts)
    after = _longest([-s for s in reversed(starts)])[::-1]
    if not aligned:
        return {}
    longest = max(before)
    # a place in a longest run is sure where no other trial could have it
    places = [before[k] for k in range(len(aligned)) if before[k] + after[k] - 1 == longest]
    found = {}
    for k, n in enumerate(aligned):
        in_a_run = before[k] + after[k] - 1 == longest
        if in_a_run and places.count(before[k]) == 1:
            continue
        wrong = [
            m for j, m in enumerate(aligned) if (j < k and starts[j] > starts[k]) or (j > k and starts[j] < starts[k])
        ]
        if not wrong:
            continue
        other = links[wrong[0]]
        side = "before" if starts[k] < other.window_s[0] else "after"
        found[n] = (
            f"its contacts place it {side} trial '{other.trial}' on the device's clock, and the session lists it"
            f" {'after' if side == 'before' else 'before'}: the order is wrong, or one of the two is of another session"
            " (in_order = false takes any order)"
        )
    return found


def _longest(values: Sequence[float]) -> list[int]:
    """Return for each value the length of the longest rising run that ends with it."""
    lengths: list[int] = []
    for k, value in enumerate(values):
        lengths.append(1 + max((lengths[j] for j in range(k) if values[j] < value), default=0))
    return lengths
