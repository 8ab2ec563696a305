"""Whether this computer keeps up: by how much the hub's own clockwork is late."""

from __future__ import annotations

from collections import deque

__all__ = ["BEHIND_S", "Pace"]

BEHIND_S = 0.25
"""Lateness from which it is said that this computer cannot keep up: half of the age at which samples are called old."""
_KEPT_S = 3.0
"""How long a late moment is remembered: chosen by hand, as long as one needs to read why samples are old."""
_TOLD_EVERY_S = 30.0
"""How often the log says so at most: chosen by hand."""


class Pace:
    """How late a loop woke up that meant to sleep for ``step_s`` each time.

    Whatever takes the processor from the monitor, other programs or its own model, makes it late; nothing that happens
    on the way from an insole does.
    """

    def __init__(self, step_s: float) -> None:
        self._step_s, self._before_s = step_s, float("nan")
        self._late: deque[tuple[float, float]] = deque()
        self._told_s = float("-inf")

    def woke(self, now_s: float) -> str | None:
        """Note a wake-up and return what is to be told of it, None for nothing new."""
        late_s = now_s - self._before_s - self._step_s
        self._before_s = now_s
        while self._late and self._late[0][0] < now_s - _KEPT_S:
            self._late.popleft()
        if not late_s >= BEHIND_S:  # the first one is of no length
            return None
        self._late.append((now_s, late_s))
        if now_s - self._told_s < _TOLD_EVERY_S:
            return None
        self._told_s = now_s
        return f"this computer cannot keep up: what is shown came up to {late_s:.1f} s late; close other programs"

    def restart(self) -> None:
        """Forget what was: the computer slept, or the hub was not yet at work."""
        self._before_s = float("nan")
        self._late.clear()

    @property
    def behind_s(self) -> float:
        """Return by how much the loop was late in the last seconds, 0 where it kept up."""
        return max((late for _, late in self._late), default=0.0)
