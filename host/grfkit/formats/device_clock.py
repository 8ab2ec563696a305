"""An insole's 32-bit clock beside the host's: unwrapped, and whether it went on between two moments."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "CLOCK_DRIFT",
    "CLOCK_RESTARTED_US",
    "CLOCK_TURN_US",
    "WrappedClock",
    "ahead_us",
    "clock_goes_on",
    "nearest",
]

# Bits of the time in a packet, microseconds
_CLOCK_BITS = 32
CLOCK_TURN_US = 1 << _CLOCK_BITS
"""A device's clock begins at 0 again after this (71.6 min)."""
CLOCK_RESTARTED_US, CLOCK_DRIFT = 1_000_000, 100e-6
"""A device's clock that parts from the host's by more than this (us), and this share of the time between, has been
restarted or set, or the host's clock stood. Arrivals are late by 0.5 s at most on links with stalls (the stalls of
``tools/bench/live``), two crystals of 50 ppm part by 0.43 s in a turn of the 32-bit clock; and an insole that is
switched off and on is connected again after more than this."""


def nearest(value: int, expected: int, *, bits: int) -> int:
    """Return the number nearest to ``expected`` whose last ``bits`` bits are ``value``'s; of two as near, the later."""
    size = 1 << bits
    return expected + ((value - expected + size // 2 - 1) % size) - (size // 2 - 1)


@dataclass
class WrappedClock:
    """The device's 32-bit clock, unwrapped by when its stamps arrive; correct while these are less than 35 min off."""

    device_us: int | None = None
    arrival_ns: int = 0

    def unwrapped(self, time_us: int, arrival_ns: int) -> int:
        """Return the time without wraps; the first one stays as it is."""
        if self.device_us is None:
            return time_us
        return nearest(time_us, self.device_us + (arrival_ns - self.arrival_ns) // 1000, bits=_CLOCK_BITS)

    def keep(self, device_us: int, arrival_ns: int) -> None:
        """Keep an unwrapped time; the next one is unwrapped from it."""
        self.device_us, self.arrival_ns = device_us, arrival_ns


def ahead_us(device_elapsed_us: int, elapsed_us: float) -> float:
    """Return how far a device's clock ran ahead of the host's, as the nearest of what its 32 bits may stand for."""
    return (device_elapsed_us - round(elapsed_us) + CLOCK_TURN_US // 2) % CLOCK_TURN_US - CLOCK_TURN_US // 2


def clock_goes_on(before_us: int, before_ns: int, after_us: int, after_ns: int) -> bool:
    """Return whether a device's clock ran as the host's between two moments: no restart, and no sleep left uncounted.

    Parameters
    ----------
    before_us, after_us
        The device's clock, unwrapped or not.
    before_ns, after_ns
        The host's, at the same moments.
    """
    elapsed_us = (after_ns - before_ns) / 1e3
    limit_us = CLOCK_RESTARTED_US + CLOCK_DRIFT * max(elapsed_us, 0.0)
    return abs(ahead_us(after_us - before_us, elapsed_us)) <= limit_us
