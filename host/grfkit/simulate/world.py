"""The world of one trial: a person's contacts on the reference clock, balanced forces, and rests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..units import G
from .balance import Balance, Bout, balance
from .conditions import Condition
from .family import CELL_X_MM, CELL_Y_MM, Family, Person, Situation, Steps
from .knees import LegFacts
from .rest import Rest, make_rest
from .settings import Settings

FOOT_M = 0.27
"""Length (m) of everybody's foot. Chosen by hand."""
_COP_NODES = 25
"""Phases at which a contact's centre of pressure is computed, with straight lines between them. Chosen by hand."""


@dataclass(frozen=True, repr=False)
class World:
    """Everything that is true in one trial; all times are reference time (s).

    Attributes
    ----------
    steps
        All contacts in ``[start_s, end_s)``, in order of onset.
    example
        Contacts of the same person where ``steps`` may be empty (standing); only for load shares at rest.
    legs
        Knees out of line and an affected leg; None where nothing is simulated about them.
    """

    family: str
    situation: Situation
    person: Person
    steps: Steps
    example: Steps
    balance: Balance
    bouts: tuple[Bout, ...]
    rests: tuple[Rest, ...]
    start_s: float
    end_s: float
    legs: LegFacts | None = None

    def __repr__(self) -> str:
        """Return gait, speed and how many contacts there are, in a line."""
        now = self.situation
        return f"<World: {now.gait} at {now.speed_m_s:g} m/s, {now.mass_kg:g} kg, {self.steps.onset_s.size} contacts>"

    @property
    def weight_n(self) -> float:
        """Return body weight (N)."""
        return self.situation.mass_kg * G

    def force_n(self, index: int, phase: Floats) -> Floats:
        """Return the balanced force (N) of one contact at phases in [0, 1], shape (phases, 3)."""
        raw = self.person.force_bw(self.steps, index, phase)
        force = self.balance.apply(raw, index)
        if self.legs is not None:
            left = bool(self.steps.left[index])
            # medial of a left foot is to the right
            force[:, 1] += self.legs.medial_bw(phase, left=left) * (-1.0 if left else 1.0)
        return force * self.weight_n

    def load_share(self, index: int, phase: Floats) -> Floats:
        """Return each cell's share of the vertical force of one contact, shape (phases, 16)."""
        share = self.person.load_share(self.steps, index, phase)
        return share if self.legs is None else self.legs.loads(share, left=bool(self.steps.left[index]))

    def cop_m(self, index: int) -> tuple[Floats, Floats]:
        """Return phases and centre of pressure within the foot (m; forward from the heel, to the left)."""
        phase = np.linspace(0, 1, _COP_NODES)
        share = self.load_share(index, phase)
        lateral = 1.0 if self.steps.left[index] else -1.0
        x = share @ (np.asarray(CELL_Y_MM) * 1e-3)
        y = share @ (np.asarray(CELL_X_MM) * 1e-3) * lateral
        return phase, np.stack([x, y], axis=1)


def in_contact(
    time_s: Floats, onset_s: Floats, contact_s: Floats, which: Sequence[int] | NDArray[np.int64]
) -> Iterator[tuple[int, slice, Floats]]:
    """Give contact index, slice of samples and their phase, for contacts that hold a sample of ``time_s``."""
    begin = np.searchsorted(time_s, onset_s[which], side="left")
    end = np.searchsorted(time_s, onset_s[which] + contact_s[which], side="right")
    for k, i, j in zip(which, begin, end):
        if j > i:
            yield int(k), slice(int(i), int(j)), (time_s[i:j] - onset_s[k]) / contact_s[k]


def make_world(
    rng: np.random.Generator,
    who_rng: np.random.Generator,
    condition: Condition,
    settings: Settings,
    family: Family,
    situation: Situation,
    *,
    span: tuple[float, float],
    overlap: tuple[float, float],
    legs: LegFacts | None = None,
) -> World:
    """Return the world of a trial over ``span``; rests lie in the ``overlap`` of reference and wearables.

    The person is drawn from ``who_rng``, what they do from ``rng``.
    """
    # people move before and after every recording, so that none begins or ends in a contact cut short
    situation = replace(situation, duration_s=span[1] - span[0])
    person = family.person(who_rng, situation)
    unbroken = person.steps(rng)
    steps = replace(unbroken, onset_s=unbroken.onset_s + span[0])
    steps = steps if legs is None else legs.shortened(steps)
    rests = _rests(rng, condition, settings, span, overlap)
    # steps are drawn as if nobody rested, and those in rests taken out: a rest changes no other step
    moving = _without(steps, rests)
    bouts = tuple(_bouts(moving, rests))
    rests = tuple(_joined(rests, bouts))
    balanced = balance(person, moving, bouts, slope_percent=situation.slope_percent)
    balanced = balanced if legs is None else legs.unloaded(balanced, moving, bouts)
    start, end = float(span[0]), float(span[1])
    return World(family.name, situation, person, moving, steps, balanced, bouts, rests, start, end, legs)


def _rests(
    rng: np.random.Generator,
    condition: Condition,
    settings: Settings,
    span: tuple[float, float],
    overlap: tuple[float, float],
) -> tuple[Rest, ...]:
    low, high = overlap
    ranges = settings.jumps
    if condition.standing:
        return (make_rest(rng, ranges, start_s=span[0], end_s=span[1], jumps=0),)
    rests = []
    if condition.start_stop:
        first = make_rest(rng, ranges, start_s=span[0], end_s=low + float(rng.uniform(4, 9)), jumps=0)
        last = make_rest(rng, ranges, start_s=high - float(rng.uniform(4, 9)), end_s=span[1], jumps=0)
        rests = [first, last]
    if condition.jumps:
        begin = max([low, *(r.end_s for r in rests[:1])]) + float(rng.uniform(2, 5))
        rests.insert(min(1, len(rests)), make_rest(rng, ranges, start_s=begin, end_s=None, jumps=condition.jumps))
    return tuple(rests)


def _without(steps: Steps, rests: Sequence[Rest]) -> Steps:
    """Return the steps whose contact lies in no rest."""
    keep = np.ones(steps.onset_s.size, dtype=bool)
    off = steps.onset_s + steps.contact_s
    for rest in rests:
        keep &= (off < rest.start_s) | (steps.onset_s >= rest.end_s)
    return Steps(steps.onset_s[keep], steps.contact_s[keep], steps.left[keep], steps.variation[keep])


def _bouts(steps: Steps, rests: Sequence[Rest]) -> Iterator[Bout]:
    edges = [0, *(int(np.searchsorted(steps.onset_s, rest.start_s)) for rest in rests), steps.onset_s.size]
    for number, (first, end) in enumerate(pairwise(edges)):
        if end <= first:
            continue
        before = float(steps.onset_s[first]) if number else None
        off = float(np.max(steps.onset_s[first:end] + steps.contact_s[first:end]))
        yield Bout(first, end, before, off if number < len(rests) else None)


def _joined(rests: Sequence[Rest], bouts: Sequence[Bout]) -> Iterator[Rest]:
    """Give the rests stretched to the last toe-off before and the first contact after them."""
    for rest in rests:
        ends = [b.stands_from_s for b in bouts if b.stands_from_s is not None and b.stands_from_s <= rest.start_s]
        starts = [b.stood_until_s for b in bouts if b.stood_until_s is not None and b.stood_until_s >= rest.end_s]
        begin, end = max(ends, default=rest.start_s), min(starts, default=rest.end_s)
        lead, tail = round((rest.start_s - begin) * 1000), round((end - rest.end_s) * 1000)
        force = np.concatenate([np.ones(lead), rest.force_bw, np.ones(tail)])
        share = np.pad(rest.left_share, (lead, tail), mode="edge")
        yield Rest(rest.start_s - lead / 1000, end, force, share, rest.jumps)
