"""Whether an estimate can be true at all: body weight over whole strides, and no foot pulls at the ground."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..arrays import Floats
from ..learn.balance import LARGEST, LEAST_STANCES, Balance, BalanceChange
from .curves import FootCurve, common_times
from .types import Side, StanceRow

LEAST_BW = -0.1
"""Vertical force of a stance below which it is flagged, BW: a foot cannot pull. 0.1 % of the
stances of runners left out come so low, 0.3 % of those of insole wearers (ridge)."""
PULLS = f"vertical force below {LEAST_BW:g} BW"
WEIGHT_TOLERANCE = 0.12
"""How far from 1 the mean vertical force over whole strides may be, BW. The impulse of the stances of people left out
is .91 to 1.06 of the true one (ridge: 60 recordings of 20 runners, 24 of 12 walkers, 97 of insole wearers)."""
LONGEST_STRIDE_S = 3.0
"""Time between two contacts of a foot beyond which no stride was walked, s: chosen by hand, twice a slow one."""
FEWEST_STRIDES = 5
"""Strides below which nothing is said: chosen by hand; who begins, turns or stops is not in steady state."""

IN_TURN = (0.25, 0.75)
"""Shares of a stride of the left foot within which the right one's contact falls in gait: chosen by hand. Of 97 insole
wearers they are .45 to .55, of imitated stiff knees .42 to .65."""


class Carried(NamedTuple):
    """Mean vertical force of both feet over whole strides (BW), and over how many strides."""

    mean_bw: float
    strides: int


def carried(feet: Mapping[Side, FootCurve], rows: Sequence[StanceRow]) -> Carried | None:
    """Return the mean vertical force of both feet over whole strides; None where fewer than five are known throughout.

    A body that after a stride moves as before it was carried: over the stride the vertical force averages its weight
    (Newton's second law). A stride lasts from a contact to the next of the same foot. Where one foot was recorded, the
    other's force is taken to be the same.
    """
    if not feet or any("vgrf" not in curve.axes for curve in feet.values()):
        return None
    time = common_times(list(feet.values()))
    force = sum(curve.at(time)[:, curve.axes.index("vgrf")] for curve in feet.values())
    total = np.asarray(force, dtype=np.float64) * (2.0 / len(feet))
    # of the foot with more contacts: strides of both overlap, and would count twice
    side = max(sorted(feet), key=lambda s: sum(row.side == s for row in rows))
    contacts = sorted(row.start_s for row in rows if row.side == side)
    strides = [(a, b) for a, b in pairwise(contacts) if b - a <= LONGEST_STRIDE_S]
    # half-open: the sample at a contact begins the next stride
    means = [(_mean(total[slice(*np.searchsorted(time, stride))]), stride[1] - stride[0]) for stride in strides]
    known = [(mean, lasted) for mean, lasted in means if np.isfinite(mean)]
    if len(known) < FEWEST_STRIDES:
        return None
    each, seconds = np.asarray(known).T
    return Carried(float(np.average(each, weights=seconds)), len(known))


def _mean(values: Floats) -> float:
    """Return the mean; NaN where one is not known, or there are none."""
    return float(values.mean()) if values.size else float("nan")


def weight_findings(weight: Carried | None, change: BalanceChange | None = None, *, feet: int = 2) -> list[str]:
    """Return what is to be known of the weight that an estimate carries; nothing where it is near 1.

    Parameters
    ----------
    change
        How the estimate was balanced over its strides: what counts is the weight that it carried before.
    feet
        How many were recorded.
    """
    told = [] if change is None else [_balanced(change, feet)]
    mean_bw = before_balance(weight, change)
    if weight is None or abs(mean_bw - 1) <= WEIGHT_TOLERANCE:
        return told
    return [
        *told,
        f"BODY WEIGHT: over {weight.strides} whole strides the estimated vertical force of both feet averages"
        f" {mean_bw:.2f} BW{' before it was balanced' if change else ''}, and a body that goes on as before is carried"
        " by 1: check the mass, the calibration of the recording, and whether a contact is missing",
    ]


def turn_findings(rows: Sequence[StanceRow]) -> list[str]:
    """Return that the feet do not step in turn, as where their clocks are apart, or both files are of one foot."""
    left, right = (np.sort([row.start_s for row in rows if row.side == side]) for side in ("left", "right"))
    shares = [
        float((inside[0] - a) / (b - a))
        for a, b in pairwise(left)
        if b - a <= LONGEST_STRIDE_S and len(inside := right[(right >= a) & (right < b)]) == 1
    ]
    if len(shares) < FEWEST_STRIDES:
        return []
    # a circle: just before a contact is as far from half a stride as just after it
    share = float(np.angle(np.mean(np.exp(2j * np.pi * np.asarray(shares)))) / (2 * np.pi)) % 1.0
    if IN_TURN[0] <= share <= IN_TURN[1]:
        return []
    return [
        f"NOT IN TURN: the right foot lands {100 * share:.0f} % of a stride after the left, and whoever walks or runs"
        " lands about half a stride later: are both feet's recordings on one clock, and are they of two feet?"
    ]


def unbalanced_findings(balance: Balance | None, change: BalanceChange | None, *, asked: bool) -> list[str]:
    """Return why the force of a model that balances over strides was not balanced; nothing where it was.

    Parameters
    ----------
    balance
        Of the model; None where it does not balance.
    asked
        Whether it was to be balanced.
    """
    if balance is None or change is not None:
        return []
    if not asked:
        return ["not balanced over its strides, as was asked for: the model's card has the errors of balanced force"]
    return [
        f"not balanced over its strides: that takes {LEAST_STANCES} stances or more whose strides are known, feet that"
        f" step in turn, and a force within a factor of {LARGEST:g} of body weight; the model's card has the errors of"
        " balanced force"
    ]


def before_balance(weight: Carried | None, change: BalanceChange | None) -> float:
    """Return the mean force that an estimate carried before it was balanced, BW: balanced, it says nothing."""
    if weight is None:
        return float("nan")
    return weight.mean_bw / (1.0 if change is None else change.factor)


def _balanced(change: BalanceChange, feet: int) -> str:
    """Return how an estimate was balanced, and of which gait that is true."""
    # no tilt on a slope: nothing was done to the forward force
    forward = (
        f", and {change.tilt:+.3f} of it was added to the forward force, which then neither speeds up nor slows down"
        if change.tilt
        else ""
    )
    level = " on level ground" if forward else ""
    other = "; one foot was recorded, and the other was taken to carry as much" if feet == 1 else ""
    return (
        "balanced by momentum: over whole strides the ground carries the body weight, so that the vertical force of"
        f" all stances was multiplied by {change.factor:.3f}{forward}; true of steady gait{level}"
        f" that only the feet carry (no crutch, handrail or harness){other}"
    )
