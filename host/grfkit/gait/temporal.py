"""Times of gait: contact, flight, swing, step and stride, duty factor and cadence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError

MISSED = 1.5
"""Medians of a foot's strides from which on a contact was missed: between one stride and two."""
LONGEST_STEP_S = 1.5
"""Longest step (s): between two contacts further apart one was missed, or the person stood. Chosen by hand, above the
steps of slow walking."""


@dataclass(frozen=True)
class Temporal:
    """Per contact, shape (contacts,), NaN where the next contact is missing.

    Attributes
    ----------
    contact_s
        Toe-off minus initial contact.
    flight_s
        Next contact of the other foot minus toe-off; negative is double support.
    step_s, stride_s
        To the next contact of the other and of the same foot.
    duty_factor
        Contact time over stride time (Patoz 2022, doi 10.1038/s41598-022-17274-0).
    """

    contact_s: Floats
    flight_s: Floats
    step_s: Floats
    stride_s: Floats
    duty_factor: Floats

    @property
    def cadence_steps_min(self) -> float:
        """Return steps per minute, 60 over the mean step time; NaN without a step."""
        steps = self.step_s[np.isfinite(self.step_s)]
        return float(60.0 / steps.mean()) if steps.size else float("nan")


def temporal(
    ic_s: Floats, to_s: Floats, side: NDArray[np.int64] | None = None, *, longest_step_s: float = LONGEST_STEP_S
) -> Temporal:
    """Return the times of contacts in order.

    Where the sides of two contacts in a row are given, they have to be different feet, else the step is NaN; without
    sides feet are assumed to alternate. A stride ends at the next contact of the same foot, within two longest steps.

    Parameters
    ----------
    ic_s, to_s
        Shape (contacts,), ``ic_s`` increasing; ``to_s`` NaN where unknown.
    side
        0 left, 1 right, -1 unknown.

    Raises
    ------
    BadInputError
        If shapes differ or contacts are not in order.
    """
    feet = np.full(ic_s.shape, -1) if side is None else side
    if not ic_s.shape == to_s.shape == feet.shape:
        raise BadInputError(f"contacts {ic_s.shape}, toe-offs {to_s.shape} and sides {feet.shape} differ in number")
    if (np.diff(ic_s) <= 0).any():
        raise BadInputError("contacts are not in order of time; sort them first")
    step, stride = np.full(ic_s.shape, np.nan), np.full(ic_s.shape, np.nan)
    if ic_s.size > 1:
        apart = np.diff(ic_s)
        usable = (apart <= longest_step_s) & ~((feet[1:] == feet[:-1]) & (feet[1:] >= 0))
        step[:-1] = np.where(usable, apart, np.nan)
    for k in range(ic_s.size):
        stride[k] = _stride(ic_s, feet, step, k, 2.0 * longest_step_s)
    contact = to_s - ic_s
    return Temporal(contact, step - contact, step, stride, contact / stride)


def strides_of_foot(ic_s: Floats) -> Floats:
    """Return the time (s) from each contact of one foot to its next, shape (contacts,), NaN where that is not certain.

    Parameters
    ----------
    ic_s
        Contacts of one foot in order of time; those between which another one was missed are too far apart.
    """
    strides = np.full(len(ic_s), np.nan)
    if len(ic_s) > 1:
        apart = np.diff(np.asarray(ic_s, dtype=np.float64))
        apart[apart > min(MISSED * float(np.median(apart)), 2.0 * LONGEST_STEP_S)] = np.nan
        strides[:-1] = apart
    return strides


def _stride(ic_s: Floats, feet: NDArray[np.int64], step: Floats, k: int, longest_s: float) -> float:
    """Return the time from contact ``k`` to the next one of the same foot, NaN where that is not certain."""
    if feet[k] < 0:
        # NaN where either step is: a missed contact would make a stride of one and a half
        return float(step[k] + step[k + 1]) if k + 2 < ic_s.size else float("nan")
    # two ahead at most: a foot that does not come again by then was missed
    later = np.flatnonzero(feet[k + 1 : k + 3] == feet[k])
    if not later.size:
        return float("nan")
    apart = float(ic_s[k + 1 + int(later[0])] - ic_s[k])
    return apart if apart <= longest_s else float("nan")
