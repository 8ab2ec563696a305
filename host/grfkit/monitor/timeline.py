"""The time of a hub: seconds since it began, or of a recording that is played."""

from __future__ import annotations

import math

from ..device.host_clock import host_ns

__all__ = ["Timeline"]


class Timeline:
    """Host time as seconds since a hub began.

    Parameters
    ----------
    speed
        Of a recording that is played; None where insoles are live.

    Attributes
    ----------
    origin_ns
        Host time (``host_ns``) of second 0.
    """

    def __init__(self, speed: float | None = None) -> None:
        self._speed = speed
        self.origin_ns = self._latest_ns = host_ns()

    def restart(self) -> None:
        """Begin at second 0 again."""
        self.origin_ns = host_ns()

    def arrived(self, arrival_ns: int) -> None:
        """Take note of a packet: at unlimited speed it is they that move the time of a recording."""
        self._latest_ns = max(self._latest_ns, arrival_ns)

    @property
    def origin_s(self) -> float:
        """Return the host time of second 0."""
        return self.origin_ns * 1e-9

    @property
    def now_s(self) -> float:
        """Return seconds since the hub began; of a recording that is played, its own time."""
        if self._speed is not None and math.isinf(self._speed):
            return (self._latest_ns - self.origin_ns) * 1e-9
        return (host_ns() - self.origin_ns) * 1e-9 * (self._speed or 1.0)

    def late_ms(self, arrival_ns: int) -> float | None:
        """Return how long ago a packet came; None where that is not known, or says nothing (unlimited speed)."""
        if not arrival_ns or (self._speed is not None and math.isinf(self._speed)):
            return None
        return max(0.0, 1e3 * (self.now_s - (arrival_ns - self.origin_ns) * 1e-9))
