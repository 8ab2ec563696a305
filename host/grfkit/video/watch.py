"""A walker watched while the film goes on: pictures one at a time, and a recording of the pass so far at any time.

What is read of a pass is read as of a film that is over (:func:`~grfkit.video.recording.walk_recording`), with the same
refusals. Who walks is settled while they walk: the first who goes through the picture, or, where nobody does (a
treadmill), whoever was there longest after :data:`SETTLED_S`.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from ..errors import BadInputError, RefusedError
from ..records import Recording
from .camera import Background
from .clip import silhouettes
from .follow import Follower
from .passes import Passes
from .people import LOST_S, SCAN_S, TRAVEL, Path, Search, choose
from .pose import Picture, PoseModel, import_cv
from .recording import FilmOptions, Followed, walk_recording
from .stamps import Repeats

LARGEST_PX = 1280
"""Longer side of a picture (px) to which larger ones are scaled: pictures wait in memory until it is known who walks,
and the pose model looks at 256 px. Chosen by hand."""
SETTLED_S = 2.0
"""Time after which somebody who goes nowhere is taken for a walker on a treadmill, s. Chosen by hand."""
LONGEST_S = 30.0
"""Longest stretch that is read as one, s: a treadmill has no end. Chosen by hand: some 50 stances."""
_NOBODY_S = 0.4
"""Pictures (s) that are kept while nobody is seen: whoever comes was there before the search saw it."""


class Watch:
    """One walker's pass through a film that goes on.

    Parameters
    ----------
    name
        Of the film, for refusals.
    near_side
        Of :class:`~grfkit.video.recording.FilmOptions`.
    model
        The pose model; made where none is given.

    Attributes
    ----------
    over
        Whether the walker has left, or the pass is :data:`LONGEST_S` long: nothing of it is to come.
    looked
        Pictures in which the walker was looked for.
    """

    def __init__(
        self,
        name: str,
        *,
        near_side: str | None = None,
        captured_hz: float = float("nan"),
        model: PoseModel | None = None,
    ) -> None:
        self._name, self._options, self._captured_hz = name, FilmOptions(near_side=near_side), captured_hz
        self._model = model or PoseModel()
        self._pending: deque[tuple[float, Picture]] = deque()
        self.looked, self._due = 0, -np.inf
        self.restart()

    def restart(self) -> None:
        """Begin with another pass; pictures that nobody has looked at stay."""
        self._search, self._background = Search(self._model), Background()
        self._repeats, self._follower = Repeats(), Follower(self._model)
        self._way: Path | None = None
        self._size = (0, 0)
        self.over, self.start_s, self.end_s = False, float("nan"), float("nan")

    @property
    def followed(self) -> bool:
        """Return whether the walker was looked for in any picture: none may be there, where pictures are missing."""
        return len(self._follower) > 0

    @property
    def walker_seen(self) -> bool:
        """Return whether somebody is followed."""
        return self._way is not None

    def look(self, time_s: float, picture: Picture) -> None:
        """Take the next picture."""
        picture = _smaller(picture)
        self._pending.append((time_s, picture))
        if time_s >= self._due:
            self._due = time_s + SCAN_S - 1e-3
            self._background.look(picture, time_s, self._search.look(picture, time_s))
            self._way = self._way or self._settled(time_s)
        if self._way is None:
            self._forget(time_s)
            return
        gone = time_s - self._way.times[-1] > LOST_S
        self._follow(self._way, self._way.times[-1] + (SCAN_S if gone else 0.0))
        self.over = gone or self.end_s - self.start_s > LONGEST_S

    def finish(self) -> None:
        """Look at what waits: the film is over."""
        if self._way is not None:
            self._follow(self._way, np.inf)
            self.over = True

    def recording(self) -> Recording:
        """Return the pass so far as a recording, whose time 0 is :attr:`start_s`.

        Raises
        ------
        BadInputError, RefusedError
            As :func:`~grfkit.video.recording.read_film`; and if somebody else goes farther than who is followed.
        """
        if self._way is None or not len(self._follower):
            raise BadInputError(f"{self._name}: nobody walks in it; walk through the picture from side to side")
        paths = self._search.paths()
        try:
            farthest = choose(paths, None, name=self._name)
        except RefusedError:
            raise RefusedError(
                f"{self._name}: several people walk through the picture at the same time; let one walk alone"
            ) from None
        if farthest is not self._way:
            raise RefusedError(
                f"{self._name}: another person goes farther through the picture than the one who was followed; film one"
                " person alone"
            )
        width, height = self._size
        seen = Followed(
            self._name, self._follower.walker(), paths, self._way, Passes((self._way,)), self._background,
            self._repeats, width, height, self._captured_hz,
        )  # fmt: skip
        return walk_recording(seen, self._options, pictures=silhouettes)

    def _settled(self, time_s: float) -> Path | None:
        """Return whose pass it is, None where that is still open."""
        paths = self._search.paths()
        if paths and (paths[0].travel >= TRAVEL or time_s - paths[0].times[0] >= SETTLED_S):
            return paths[0]
        return None

    def _forget(self, time_s: float) -> None:
        """Let go of the pictures in which whoever is seen now was not there yet."""
        since = self._search.open_since
        first = time_s - _NOBODY_S if since is None else max(since - SCAN_S, time_s - SETTLED_S - 1.0)
        while self._pending and self._pending[0][0] < first:
            self._pending.popleft()

    def _follow(self, way: Path, until_s: float) -> None:
        """Look at the pictures that wait, up to a time, where the walker's path says."""
        while self._pending and self._pending[0][0] <= until_s:
            time_s, picture = self._pending.popleft()
            if not len(self._follower):
                self.start_s = time_s
            self._size = (picture.shape[1], picture.shape[0])
            self._repeats.look(picture)
            self._follower.look(time_s, picture, way.at(time_s))
            self.end_s = time_s
            self.looked += 1


def _smaller(picture: Picture) -> Picture:
    """Return a picture of at most :data:`LARGEST_PX` px."""
    largest = max(picture.shape[:2])
    if largest <= LARGEST_PX:
        return picture
    factor = LARGEST_PX / largest
    smaller: Picture = import_cv().resize(picture, None, fx=factor, fy=factor, interpolation=import_cv().INTER_AREA)
    return smaller
