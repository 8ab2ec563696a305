"""Formats that hold no unknown value: refused, or cut to the longest stretch in which everything is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arguments import ArgumentError
from ..arrays import Floats
from ..errors import BadInputError
from ..signals.runs import true_runs

UNKNOWN = ("refuse", "cut")
"""What is done where a format would need a value that is not known."""
_NAMED = 4


def check_unknown(unknown: str) -> str:
    """Return what is done with unknown values; refuse another word.

    Raises
    ------
    BadInputError
        If it is none of :data:`UNKNOWN`.
    """
    if unknown not in UNKNOWN:
        raise ArgumentError("unknown", f"is '{unknown}', expected {' or '.join(UNKNOWN)}")
    return unknown


def known_stretch(time_s: Floats, known: NDArray[np.bool_], *, what: str, unknown: str, notes: list[str]) -> slice:
    """Return the samples to write: all, or the longest known stretch where that is asked for.

    Parameters
    ----------
    known
        Shape (samples,).
    what
        What is not known, and which format needs it, for messages.

    Raises
    ------
    BadInputError
        If something is unknown and that is to be refused, or nothing is known.
    """
    runs = [(int(a), int(b)) for a, b in true_runs(known)]
    if not runs:
        raise BadInputError(f"{what} is known at no time; take other streams (--stream), or --to csv")
    if len(runs) == 1 and runs[0] == (0, time_s.size):
        return slice(0, time_s.size)
    longest = sorted(runs, key=lambda r: r[0] - r[1])
    spans = ", ".join(f"{time_s[a]:.2f} to {time_s[b - 1]:.2f} s" for a, b in sorted(longest[:_NAMED]))
    spans += f" and {len(runs) - _NAMED} shorter" if len(runs) > _NAMED else ""
    if unknown == "refuse":
        raise BadInputError(
            f"{what} is known from {spans} only, of {time_s[0]:.2f} to {time_s[-1]:.2f} s; write the longest of these"
            " with --unknown cut (unknown='cut' in Python), take other streams (--stream), or --to csv"
        )
    start, end = longest[0]
    notes.append(f"cut to {time_s[start]:.2f} to {time_s[end - 1]:.2f} s: {what} is known from {spans}")
    return slice(start, end)
