"""What a user states about a film, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import BadInputError
from .clip import PICTURES


@dataclass(frozen=True)
class FilmOptions:
    """What the user states about a film, and what is wanted of it.

    Attributes
    ----------
    walker
        Who is read of several people: ``left`` or ``right`` of those who walk, or a number (0 goes farthest); None: who
        walks through the picture.
    near_side
        ``left`` or ``right``: the side of the body that faces the camera. None: of a walker to the right the right one.
        State it for a film that was mirrored (some front cameras do).
    picture
        ``silhouette``, ``grey`` (crop) or ``full frame`` (the whole picture, grey); or ``background silhouette``, by
        background subtraction, where the pose model finds nobody or cannot be run.
    start_s, end_s
        The part of the film that is read, s of the film's own time; None: all.
    progress
        Called with what is done and how far it is, s of the film.
    """

    walker: str | int | None = None
    near_side: str | None = None
    picture: str = "silhouette"
    start_s: float | None = None
    end_s: float | None = None
    progress: Callable[[str, float], None] | None = None

    def __post_init__(self) -> None:
        if self.near_side not in (None, "left", "right"):
            raise BadInputError(f"near side '{self.near_side}' is not left or right")
        if self.picture not in PICTURES:
            raise BadInputError(f"picture '{self.picture}' is not {', '.join(PICTURES)}")
        if self.start_s is not None and self.end_s is not None and self.end_s <= self.start_s:
            raise BadInputError(f"a film's part from {self.start_s:g} s to {self.end_s:g} s has no length")

    def holds(self, time_s: float) -> bool:
        """Return whether a time (s of the film) is in the part that is read."""
        return (self.start_s is None or time_s >= self.start_s) and (self.end_s is None or time_s < self.end_s)
