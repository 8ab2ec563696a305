"""Times from step to step: which contacts follow each other for certain, and how left and right differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..gait.contacts import Rejection
from ..gait.temporal import LONGEST_STEP_S, MISSED, Temporal, temporal
from .table import Cell

LONGEST_FLIGHT_S = 0.25
"""Longest flight (s) between two contacts on plates in the floor that follow each other: beside the plates nobody sees
a step, and a contact with a flight before and after it takes longer. Chosen by hand."""
_COMPARED = {
    "contact_s": "asymmetry_contact_percent",
    "step_s": "asymmetry_step_percent",
    "vgrf_peak_bw": "asymmetry_peak_percent",
    "vertical_impulse_bw_s": "asymmetry_impulse_percent",
}


@dataclass(frozen=True)
class ContactChain:
    """Contacts in order of time: (contacts,) each; ``side`` is 0 left, 1 right, -1 unknown."""

    ic_s: Floats
    to_s: Floats
    side: NDArray[np.int64]


def step_times(chain: ContactChain, rejections: Sequence[Rejection], *, on_floor: bool) -> Temporal:
    """Return the times of contacts, NaN wherever a contact may have been missed in between.

    Between two contacts that follow each other no contact was rejected, unless both feet are known, and the time is
    less than 1.5 medians of all such times. On plates in the floor (``on_floor``), between and beside which nobody sees
    a step, contacts follow each other for certain only where they overlap (double support), or where less than
    ``LONGEST_FLIGHT_S`` lies between two contacts shorter than a step of walking.

    Raises
    ------
    BadInputError
        If contacts are not in order.
    """
    times = temporal(chain.ic_s, chain.to_s, chain.side, longest_step_s=LONGEST_STEP_S)
    certain = _certain(chain, times, rejections, on_floor=on_floor)
    step = np.where(certain, times.step_s, np.nan)
    stride = _strides(chain, step, times.stride_s, on_floor=on_floor)
    contact = times.contact_s
    return replace(times, step_s=step, flight_s=step - contact, stride_s=stride, duty_factor=contact / stride)


def _certain(
    chain: ContactChain, times: Temporal, rejections: Sequence[Rejection], *, on_floor: bool
) -> NDArray[np.bool_]:
    certain = np.isfinite(times.step_s)
    usual = MISSED * float(np.median(times.step_s[certain])) if certain.any() else np.inf
    for k in np.flatnonzero(certain):
        between = any(chain.ic_s[k] < 0.5 * (r.start_s + r.end_s) < chain.ic_s[k + 1] for r in rejections)
        sides_known = chain.side[k] >= 0 and chain.side[k + 1] >= 0
        gap = float(chain.ic_s[k + 1] - chain.to_s[k])
        if on_floor:
            certain[k] = gap <= 0 or (gap <= LONGEST_FLIGHT_S and not between)
        else:
            certain[k] = (sides_known or not between) and times.step_s[k] <= usual
    return certain


def _strides(chain: ContactChain, step: Floats, stride: Floats, *, on_floor: bool) -> Floats:
    """Return strides that are certain: over two certain steps, or on a treadmill of a known foot as long as usual."""
    over_two = np.full(step.shape, np.nan)
    if step.size > 2:
        over_two[:-2] = step[:-2] + step[1:-1]
        same = (chain.side[2:] == chain.side[:-2]) | (chain.side[2:] < 0) | (chain.side[:-2] < 0)
        over_two[:-2][~same] = np.nan
    if on_floor:
        return over_two
    known = np.where(chain.side >= 0, stride, np.nan)
    steady = over_two[np.isfinite(over_two)]
    if steady.size:
        known = np.where(known <= MISSED * float(np.median(steady)), known, np.nan)
    elif np.isfinite(known).any():
        known = np.where(known <= MISSED * float(np.nanmedian(known)), known, np.nan)
    return np.where(np.isfinite(over_two), over_two, known)


def with_asymmetry(rows: Sequence[dict[str, Cell]]) -> list[dict[str, Cell]]:
    """Return rows in order of contact with the difference of left and right, of each step and the one after it.

    ``100 (L - R) / (0.5 (L + R))``, the symmetry index of Robinson, Herzog and Nigg (J Manipulative Physiol Ther 10,
    172-176, 1987): positive where left is larger. Only of two known feet whose steps follow each other for certain.
    """
    done = [dict(row) for row in rows]
    for this, after in pairwise(done):
        if _number(this, "step_s") is None or {this.get("side"), after.get("side")} != {"left", "right"}:
            continue
        left, right = (this, after) if this["side"] == "left" else (after, this)
        for name, column in _COMPARED.items():
            a, b = _number(left, name), _number(right, name)
            if a is not None and b is not None and a + b > 0:
                this[column] = 100.0 * (a - b) / (0.5 * (a + b))
    return done


def _number(row: dict[str, Cell], name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, float | int) and np.isfinite(value) else None
