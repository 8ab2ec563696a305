"""A pose model that knows the walk: pictures hold the number of their frame, and poses are those of ``film_walks``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from film_walks import FIRST_S, STRIDE_S, _points
from grfkit.video.pose import INDEX, POINTS, Picture, Pose, Region

WIDTH, HEIGHT = 1280, 720
PX_M, FLOOR_PX = 132.0, 600.0
RATE_HZ = 60.0


def walk_pictures(strides: int = 3, *, empty_s: float = 1.5) -> list[Picture]:
    """Return the pictures of a walk, then so many seconds of nobody."""
    frames = round((FIRST_S + STRIDE_S * (strides + 0.5) + 0.4) * RATE_HZ)
    picture = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
    pictures = []
    for number in [*range(1, frames + 1), *[0] * round(empty_s * RATE_HZ)]:
        numbered = picture.copy() if len(pictures) < 2 else pictures[-1].copy()
        numbered[0, 0] = (number // 256, number % 256, 0)
        pictures.append(numbered)
    return pictures


class KnownPoses:
    """In place of the pose model: one person, whose points are known for every frame."""

    def __init__(self, strides: int = 3, speed_m_s: float = 1.3) -> None:
        time = np.arange(0.0, FIRST_S + STRIDE_S * (strides + 0.5) + 0.5, 1.0 / RATE_HZ)
        body = _points(time, strides, speed_m_s)
        head = body["hip_left"] + np.asarray([0.03, 0.72])
        place = np.stack([body.get(name, head) for name in POINTS], axis=1)
        self._points = np.stack([640.0 + PX_M * (place[..., 0] - 2.0), FLOOR_PX - PX_M * place[..., 1]], axis=2)
        # as much of the leg as the trials of ``film_walks`` have
        self._points += np.random.default_rng(7).normal(0.0, 0.3, self._points.shape)

    def detect(self, picture: Picture, within: Region | None = None) -> list[Region]:
        """Return the person's square."""
        number = _number(picture)
        return [] if not number else [self._region(number)]

    def look(self, picture: Picture, region: Region) -> Pose:
        """Return the person's pose; of nobody a score of 0."""
        number = _number(picture)
        points = self._points[max(0, number - 1)]
        depth = np.asarray([-5.0 if name.endswith("_right") else 5.0 for name in POINTS])
        mask = np.zeros((256, 256), dtype=np.uint8)
        mask[60:200, 100:160] = 255
        following = self._region(max(1, number))
        return Pose(points, depth, np.ones(len(POINTS)), float(number > 0), following, following, mask)

    def _region(self, number: int) -> Region:
        points = self._points[number - 1]
        hip = points[[INDEX["hip_left"], INDEX["hip_right"]]].mean(axis=0)
        return Region(float(hip[0]), float(hip[1]), 2.5 * 0.9 * PX_M, 0.0, 1.0)


class Pictures:
    """A source of pictures for a hub, as fast as they are taken; ``late`` s behind from the start."""

    def __init__(self, pictures: list[Picture], *, late: float = float("nan"), skipped: int = 0) -> None:
        self.name, self.captured_hz = "walk.mp4", float("nan")
        self._pictures, self._late = pictures, late
        self.came, self.skipped, self._closed = 0, skipped, False

    def pictures(self) -> Iterator[tuple[float, Picture]]:
        """Yield time and picture."""
        for k, picture in enumerate(self._pictures):
            if self._closed:
                return
            self.came += 1
            yield k / RATE_HZ, picture

    def late_s(self, time_s: float) -> float:
        """Return how late pictures are."""
        return self._late

    def close(self) -> None:
        """Give no more."""
        self._closed = True


def _number(picture: Picture) -> int:
    return int(picture[0, 0, 0]) * 256 + int(picture[0, 0, 1])
