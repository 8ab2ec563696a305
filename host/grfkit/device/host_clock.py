"""The host's clock for all that insoles send: it never steps, and goes on while the computer sleeps."""

from __future__ import annotations

import platform
import time

__all__ = ["host_ns", "slept_ns"]


def _steady_clock() -> int | None:
    """Return the number of a steady clock that counts time asleep; None where ``time.monotonic`` does (Windows)."""
    if platform.system() == "Darwin":
        # there time.monotonic (mach_absolute_time) stands in sleep, and CLOCK_MONOTONIC goes on
        return time.CLOCK_MONOTONIC
    return getattr(time, "CLOCK_BOOTTIME", None)


_CLOCK = _steady_clock()


def _awake_and_asleep_ns() -> int:
    return time.monotonic_ns() if _CLOCK is None else time.clock_gettime_ns(_CLOCK)


def slept_ns() -> int:
    """Return how long this computer has slept since this module was loaded (ns), as far as the system tells."""
    return _awake_and_asleep_ns() - time.monotonic_ns() - _APART_NS


def host_ns() -> int:
    """Return the host's time (ns): ``time.monotonic_ns`` and, on top, how long the computer has slept meanwhile.

    A clock that stands while the computer sleeps gives all that insoles send afterwards a time too early, by as long as
    it slept, and what is missing in between cannot be counted. Until the computer sleeps for the first time in the life
    of this process this is ``time.monotonic_ns``.
    """
    return _awake_and_asleep_ns() - _APART_NS


def _apart_ns() -> int:
    """Return how far the two clocks are apart (ns), from the reading that took the least time."""
    readings = []
    for _ in range(_READINGS):
        before, both, after = time.monotonic_ns(), _awake_and_asleep_ns(), time.monotonic_ns()
        readings.append((after - before, both - (before + after) // 2))
    return min(readings)[1]


_READINGS = 20
"""Of both clocks, one after the other; the machine may turn to something else in any of them."""
_APART_NS = _apart_ns()
"""How far the two clocks are apart at the beginning: time slept before counts for nothing here."""
