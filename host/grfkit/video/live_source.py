"""Pictures as they come: of a camera, which waits for nobody, or of a film that is played as if it were one."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import BadInputError
from .decode import open_film
from .pose import Picture, import_cv

WAITING_BYTES = 400_000_000
"""Bytes of pictures of a camera that wait to be looked at; what comes beyond is skipped and counted. Chosen by hand:
some 140 pictures of 1280 x 720, two seconds, of which a computer of four gigabytes has room."""
ASKED_PX, ASKED_HZ = (1280, 720), 60.0
"""Size and rate that a camera is asked for; it gives what it can."""
_WAIT_S = 0.05


class LiveSource(Protocol):
    """Pictures with the time since the first (s), and how many were skipped.

    Attributes
    ----------
    name
        Of the film or camera.
    captured_hz
        As the camera states it; NaN where it does not.
    came, skipped
        Pictures that came, and those of them that nobody could look at in time.
    """

    name: str
    captured_hz: float
    came: int
    skipped: int

    def pictures(self) -> Iterator[tuple[float, Picture]]:
        """Yield time and picture until there is none, or :meth:`close`."""

    def late_s(self, time_s: float) -> float:
        """Return how long ago a time of the pictures was, s; NaN where they are given as fast as they are taken."""

    def close(self) -> None:
        """Give no more pictures."""


class FilmPlayed:
    """A film file, at the pace at which it was filmed, or slower where nobody takes its pictures so fast.

    None of its pictures is skipped: the file waits.

    Parameters
    ----------
    speed
        How many times as fast; inf: as fast as pictures are taken.
    """

    def __init__(self, path: Path, *, speed: float = 1.0) -> None:
        self._film, self._speed = open_film(path), speed
        self.name, self.captured_hz = path.name, self._film.captured_hz
        self.came = self.skipped = 0
        self._closed, self._began_s = threading.Event(), time.monotonic()

    def pictures(self) -> Iterator[tuple[float, Picture]]:
        """Yield time and picture, none before its time."""
        first: float | None = None
        self._began_s = time.monotonic()
        for frame in self._film.frames():
            first = frame.time_s if first is None else first
            at = frame.time_s - first
            early = self._began_s + at / self._speed - time.monotonic() if np.isfinite(self._speed) else 0.0
            if self._closed.wait(max(0.0, early)) if early > 0 else self._closed.is_set():
                return
            self.came += 1
            yield at, frame.image

    def late_s(self, time_s: float) -> float:
        """Return how long ago a time of the film would have been played, s; NaN where it is played unpaced."""
        if not np.isfinite(self._speed):
            return float("nan")
        return time.monotonic() - self._began_s - time_s / self._speed

    def close(self) -> None:
        """Give no more pictures."""
        self._closed.set()


class Camera:
    """A camera of this computer by its number; a thread takes its pictures, so that none is older than it seems.

    A picture's time is that at which the computer got it: a webcam states none, and USB makes it late by some
    milliseconds, not always as many.

    Parameters
    ----------
    capture
        What gives pictures; OpenCV's own of this number if None.

    Raises
    ------
    BadInputError
        If there is no such camera, or it gives no picture.
    """

    def __init__(self, number: int, *, capture: Any = None, waiting_bytes: int = WAITING_BYTES) -> None:
        self.name, self.captured_hz = f"camera {number}", float("nan")
        self._capture = capture if capture is not None else _opened(number)
        self._most, self._bytes = waiting_bytes, 0
        self._waiting: deque[tuple[float, Picture]] = deque()
        self._news, self._closed, self._over = threading.Condition(), False, False
        self.came = self.skipped = 0
        self._first_s = float("nan")
        self._thread = threading.Thread(target=self._take, name="grf camera", daemon=True)
        self._thread.start()

    def pictures(self) -> Iterator[tuple[float, Picture]]:
        """Yield time and picture as they come; ends where the camera gives no more."""
        cv = import_cv()
        while True:
            with self._news:
                while not self._waiting and not self._closed and not self._over:
                    self._news.wait(_WAIT_S)
                if self._closed or not self._waiting:
                    return
                came_s, picture = self._waiting.popleft()
                self._bytes -= picture.nbytes
            yield came_s - self._first_s, cv.cvtColor(picture, cv.COLOR_BGR2RGB)

    def late_s(self, time_s: float) -> float:
        """Return how long ago a time of the pictures was, s."""
        return time.monotonic() - self._first_s - time_s

    def close(self) -> None:
        """Give no more pictures, and let go of the camera."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        self._thread.join(timeout=2.0)

    def _take(self) -> None:
        """Take pictures until the end."""
        try:
            while not self._closed:
                good, picture = self._capture.read()
                came_s = time.monotonic()
                if not good:
                    return
                with self._news:
                    self._first_s = self._first_s if self.came else came_s
                    self.came += 1
                    if self._bytes + picture.nbytes > self._most:
                        self.skipped += 1
                    else:
                        self._waiting.append((came_s, picture))
                        self._bytes += picture.nbytes
                    self._news.notify_all()
        finally:
            self._capture.release()
            with self._news:
                self._over = True
                self._news.notify_all()


def _opened(number: int) -> Any:
    """Return OpenCV's camera of a number."""
    cv = import_cv()
    level = cv.utils.logging.getLogLevel()
    cv.utils.logging.setLogLevel(0)  # it writes of every driver that it tried
    try:
        capture = cv.VideoCapture(number)
    finally:
        cv.utils.logging.setLogLevel(level)
    if not capture.isOpened():
        raise BadInputError(
            f"no camera {number} answers; connect it, close programs that use it, or name another number (0 is the"
            " first), or a film file"
        )
    # most webcams give 60 pictures of this size a second only as JPEG
    capture.set(cv.CAP_PROP_FOURCC, cv.VideoWriter_fourcc(*"MJPG"))
    for what, value in (
        (cv.CAP_PROP_FRAME_WIDTH, ASKED_PX[0]), (cv.CAP_PROP_FRAME_HEIGHT, ASKED_PX[1]), (cv.CAP_PROP_FPS, ASKED_HZ),
    ):  # fmt: skip
        capture.set(what, value)
    return capture
