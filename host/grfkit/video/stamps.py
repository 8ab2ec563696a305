"""What a film's stamps do not say, or say of pictures that are not there: repeated pictures and holes in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..signals.film_time import Leap, missing_pictures, slowed
from .pose import Picture

LEAST_REPEATED = 0.05
"""Share of the walk's pictures from which on it is told that pictures repeat the one before. Chosen by hand."""
_EVERY = 2  # rows and columns of a picture that are compared
_CHANGE = 0.1  # of the 90th percentile of the walk's changes, below which a picture is the one before. Chosen by hand:
# rendered films of 60 Hz and a real one of 30 Hz stay above 0.14; their copies with doubled pictures are below 0.02


class Repeats:
    """How far each picture differs from the one before, taken while pictures pass through."""

    def __init__(self) -> None:
        self._changes: list[float] = []
        self._last: NDArray[np.int16] | None = None

    def watch(self, frames: Iterable[tuple[float, Picture]]) -> Iterator[tuple[float, Picture]]:
        """Yield times and pictures as they come."""
        for time_s, picture in frames:
            self.look(picture)
            yield time_s, picture

    def look(self, picture: Picture) -> None:
        """Take the next picture."""
        last, seen = self._last, picture[::_EVERY, ::_EVERY, 1].astype(np.int16)
        alike = last is not None and last.shape == seen.shape
        self._changes.append(float(np.abs(seen - last).mean()) if alike and last is not None else np.inf)
        self._last = seen

    def share(self, start: int, end: int) -> float:
        """Return the share of the pictures ``[start, end)`` that repeat the one before; 0 where that is not told."""
        changes = np.asarray(self._changes[start + 1 : end])
        changes = changes[np.isfinite(changes)]
        if changes.size < 2:
            return 0.0
        return float((changes < _CHANGE * np.percentile(changes, 90)).mean())


def about_time(times: Floats, repeated: float, leaps: Sequence[Leap] = ()) -> list[str]:
    """Return what is said of the pictures of a walk at these times (s), a share of which repeat the one before."""
    notes = []
    steps = np.diff(times)
    usual = float(np.median(steps))
    missing = missing_pictures(times)
    if missing:
        longest = int(np.argmax(steps))
        seem = "1 picture of the walk seems" if missing == 1 else f"{missing} pictures of the walk seem"
        notes.append(f"{seem} to be missing; the longest hole is {steps[longest]:.2f} s at {times[longest]:.2f} s")
    if repeated >= LEAST_REPEATED:
        notes.append(
            f"{100 * repeated:.0f} % of the walk's pictures repeat the one before: the film has about"
            f" {(1 - repeated) / usual:.0f} pictures a second of its own, not {1 / usual:.0f}"
        )
    if leaps:
        notes.append(
            f"pictures seem to be cut out, though their stamps go on, at {', '.join(str(leap) for leap in leaps)}; take"
            " the file that the camera wrote, not an export"
        )
    return notes


def about_rate(times: Floats, captured_hz: float) -> list[str]:
    """Return what is said of stamps (s) that are not those of the camera, which states its own rate."""
    times_slower = slowed(times, captured_hz)
    if times_slower == 1.0:
        return []
    how = f"{times_slower:.1f} times too slow" if times_slower > 1.0 else f"{1.0 / times_slower:.1f} times too fast"
    return [f"the camera states {captured_hz:.0f} pictures a second, the stamps are {how}: slow motion, or speeded up"]
