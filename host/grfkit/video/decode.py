"""A film, picture by picture: upright, RGB, each with the stamp that the container gives it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import PathLike
from ..errors import BadInputError
from ..extras import without_extra
from ..provenance import require_regular
from .containers import HEAD_BYTES, container_of, no_film

LARGEST_PX = 1920
"""Longer side of a picture, px, to which larger ones are scaled while they are decoded: a picture of 8K is 100 MB, and
the pose model looks at 256 px. Chosen by hand."""
LEAST_PX = 32
"""Shorter side, px, below which nobody can be seen; chosen by hand."""
CAPTURE_TAG = "com.android.capture.fps"
"""Name by which Android's camera states pictures a second (MediaRecorder.setCaptureRate), in MP4's metadata."""
CUT_SHORT_S = 1.0
"""Time (s) by which pictures may end before the length that a file states: sound goes on for less. Chosen by hand."""


@dataclass(frozen=True)
class Frame:
    """One picture: its number, its stamp (s, of the container) and its pixels (rows, columns, RGB)."""

    index: int
    time_s: float
    image: NDArray[np.uint8]


class Film:
    """A film that is decoded anew, one picture at a time, whenever its frames are asked for.

    Attributes
    ----------
    path, name
        The file.
    width, height
        Of the upright picture, px, as it is given.
    rotation_deg
        By how much the container says that pictures have to be turned, counterclockwise.
    captured_hz
        Pictures a second of the camera as the phone states them, NaN where it does not: those of the stamps, unless the
        film is slow motion or speeded up.
    stored_px
        Width and height as they are stored in the file; pictures with more than 1,920 px are scaled down.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, path.name
        self._unstamped = self._backwards = self.rotation_deg = 0
        self._stated_s, self._last_s = float("nan"), float("nan")
        self.captured_hz = float("nan")
        self.stored_px = (0, 0)
        first = list(islice(self.frames(), 2))
        if not first:
            raise BadInputError(f"{path.name}: holds no picture that can be decoded; record or export the film again")
        if len(first) < 2:
            raise BadInputError(
                f"{path.name}: holds a single picture, no film; film the walker at 60 pictures a second"
            )
        self.height, self.width = first[0].image.shape[:2]

    @property
    def findings(self) -> tuple[str, ...]:
        """Return what was wrong with the stamps of the pictures that were last asked for."""
        notes = []
        if self._unstamped:
            notes.append(f"{self._unstamped} pictures have no time stamp and were left out")
        if self._backwards:
            notes.append(f"{self._backwards} pictures are stamped no later than the one before and were left out")
        if self._stated_s - self._last_s > CUT_SHORT_S:
            notes.append(
                f"the file states a length of {self._stated_s:.1f} s, but its pictures end at {self._last_s:.1f} s: it"
                " is cut short; copy it again"
            )
        if max(self.stored_px) > LARGEST_PX:
            notes.append(f"pictures of {self.stored_px[0]} x {self.stored_px[1]} px were scaled to {LARGEST_PX} px")
        return tuple(notes)

    def frames(self) -> Iterator[Frame]:
        """Yield the pictures in order of time.

        Raises
        ------
        BadInputError
            If the file breaks off before its first picture, or holds none.
        """
        av = _import_av()
        self._unstamped = self._backwards = 0
        last, index = -np.inf, 0
        self._stated_s = self._last_s = float("nan")
        try:
            with av.open(str(self.path)) as container:
                if not container.streams.video:
                    raise BadInputError(f"{self.name}: holds no film (only {_held(container)})")
                stated_s = _stated_s(container, av.time_base)
                self.captured_hz = _captured_hz(container)
                for picture in container.decode(container.streams.video[0]):
                    if picture.time is None:
                        self._unstamped += 1
                    elif picture.time <= last:
                        self._backwards += 1
                    else:
                        last = float(picture.time)
                        self._look_at(picture)
                        yield Frame(index, last, _upright(picture))
                        index += 1
                # of pictures that were all asked for
                self._stated_s, self._last_s = stated_s, last
        except av.error.FFmpegError as error:
            if not index:
                raise BadInputError(f"{self.name}: is no film that can be decoded ({_line(error)})") from error
            raise BadInputError(f"{self.name}: breaks off after {last:.2f} s ({_line(error)})") from error

    def _look_at(self, picture: Any) -> None:
        """Keep the picture's size and turn; refuse one in which nobody can be seen."""
        self.stored_px = (picture.width, picture.height)
        self.rotation_deg = round(getattr(picture, "rotation", 0))
        if min(self.stored_px) < LEAST_PX:
            raise BadInputError(
                f"{self.name}: has pictures of {picture.width} x {picture.height} px, expected {LEAST_PX} or more"
                " each way"
            )


def open_film(path: PathLike) -> Film:
    """Return a film.

    Raises
    ------
    BadInputError
        If the file is missing or no film, or the extra ``video`` is not installed.
    """
    file = Path(path)
    require_regular(file)
    if not file.exists():
        raise BadInputError(f"{file}: cannot be read (No such file or directory)")
    try:
        with open(file, "rb") as handle:
            head = handle.read(HEAD_BYTES)
    except OSError as error:
        raise BadInputError(f"{file}: cannot be read ({error.strerror or error})") from error
    # a decoder would take text for moving letters, or a list of files for all of them
    if not container_of(head):
        raise BadInputError(f"{file.name}: {no_film(head)}")
    return Film(file)


def _upright(picture: Any) -> NDArray[np.uint8]:
    """Return a decoded picture's pixels, turned as the container says that it has to be shown."""
    largest = max(picture.width, picture.height)
    if largest > LARGEST_PX:
        width, height = (max(1, round(side * LARGEST_PX / largest)) for side in (picture.width, picture.height))
        image = picture.to_ndarray(format="rgb24", width=width, height=height, interpolation="AREA")
    else:
        image = picture.to_ndarray(format="rgb24")
    quarters = round(getattr(picture, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else np.asarray(image, dtype=np.uint8)


def _stated_s(container: Any, ticks_per_s: int) -> float:
    """Return when the container says that it ends (s), NaN where it does not."""
    if not container.duration:
        return float("nan")
    return float(container.duration + (container.start_time or 0)) / ticks_per_s


def _captured_hz(container: Any) -> float:
    """Return the rate of the camera that the container states (Android), NaN where it states none."""
    stated = [container.metadata, *(stream.metadata for stream in container.streams.video)]
    for text in (each.get(CAPTURE_TAG) for each in stated):
        try:
            rate = float(text)
        except (TypeError, ValueError):
            continue
        if rate > 0.0:
            return rate
    return float("nan")


def _held(container: Any) -> str:
    return ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"


def _line(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())


def _import_av() -> Any:
    try:
        import av
        import av.error
    except ModuleNotFoundError as error:
        raise without_extra("reading a film", error) or error from error
    return av
