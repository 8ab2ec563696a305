"""Who is in a film: everybody's path through the picture, and the walker among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError, RefusedError
from .pose import INDEX, Picture, Pose, PoseModel, Region

SCAN_S = 0.2
"""Time between two pictures that are searched for people, s: in it a walker goes a third of a leg. Chosen by hand."""
SEEN = 0.5
"""Score from which on a pose is somebody's; the threshold of MediaPipe's graph."""
LOST_S = 1.0
"""Time without a sighting after which a path ends, s. Chosen by hand."""
LEAST_SIGHTINGS = 4
"""Sightings that make somebody of a path: detections that last shorter are furniture. Chosen by hand."""
TRAVEL = 1.0
"""Bodies (:attr:`Path.body_px`) that hips have to go across the picture to count as walking. Chosen by hand."""
RIVAL = 0.5
"""Share of the longest way from which on another person's leaves open who is meant. Chosen by hand."""
# Shares of a square's side: how far apart the hips of one person may be found, and how far a person goes in a search
# step at most
_SAME, _REACH = 0.15, 0.35
_AHEAD = 0.1  # share of a square's side that hips may lie off its middle before it is looked at again
_COVERED = 0.5  # intersection over union of two poses' boxes from which on they are one person's


@dataclass
class Path:
    """One person's way through the picture, at the times that were searched.

    Attributes
    ----------
    times, regions, hips
        When the person was seen, s; the square around the body; the middle of the hips, px.
    """

    times: list[float] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    hips: list[Floats] = field(default_factory=list)

    def add(self, time_s: float, pose: Pose) -> None:
        """Add a sighting."""
        self.times.append(time_s)
        self.regions.append(pose.following)
        self.hips.append(pose.hip)

    def expected(self, time_s: float) -> Region:
        """Return where the person should be next, by the last two sightings."""
        last = self.regions[-1]
        if len(self.times) < 2 or time_s - self.times[-1] > 2 * SCAN_S:
            return last
        step = (self.hips[-1] - self.hips[-2]) * (time_s - self.times[-1]) / (self.times[-1] - self.times[-2])
        return last._replace(x=last.x + float(step[0]), y=last.y + float(step[1]))

    @property
    def body_px(self) -> float:
        """Return half the diameter of the circle around the body, px: about a body's height above the hips."""
        return float(np.median([region.side for region in self.regions])) / 2.5

    @property
    def travel(self) -> float:
        """Return how far the hips go across the picture, in bodies; the outermost sightings at each end left out."""
        x = np.array([hip[0] for hip in self.hips])
        return float(np.subtract(*np.percentile(x, [95, 5]))) / self.body_px

    def overlaps(self, other: Path) -> bool:
        """Return whether both were in the picture at the same time."""
        return self.times[0] <= other.times[-1] and other.times[0] <= self.times[-1]

    def at(self, time_s: float) -> Region | None:
        """Return where the person is at a time, between sightings; None before the first and after the last."""
        times = np.array(self.times)
        if not times[0] - SCAN_S <= time_s <= times[-1] + SCAN_S:
            return None
        values = np.array([region[:4] for region in self.regions])
        x, y, side = (float(np.interp(time_s, times, values[:, i])) for i in range(3))
        return Region(x, y, side, float(values[np.argmin(np.abs(times - time_s)), 3]), 1.0)


class Search:
    """Finds people in pictures that are given one after the other, and joins their sightings to paths."""

    def __init__(self, model: PoseModel) -> None:
        self._model = model
        self._open: list[Path] = []
        self._closed: list[Path] = []

    def look(self, picture: Picture, time_s: float) -> list[Pose]:
        """Return the people in the next picture, each of whom is joined to a path."""
        self._closed += [path for path in self._open if time_s - path.times[-1] > LOST_S]
        self._open = [path for path in self._open if time_s - path.times[-1] <= LOST_S]
        poses: list[Pose] = []
        for path in sorted(self._open, key=lambda p: -len(p.times)):
            pose = self._model.look(picture, path.expected(time_s))
            if np.hypot(*(pose.hip - [pose.region.x, pose.region.y])) > _AHEAD * pose.region.side:
                pose = self._model.look(picture, pose.following)  # at the square's edge a network sees ghosts
            near = np.hypot(*(pose.hip - path.hips[-1])) <= _REACH * path.regions[-1].side
            if near and pose.score >= SEEN and in_picture(pose.hip, picture) and not _seen(pose, poses):
                path.add(time_s, pose)
                poses.append(pose)
        for pose in self._new(picture, poses):
            path = self._nearest(pose, time_s) or Path()
            if not path.times:
                self._open.append(path)
            path.add(time_s, pose)
            poses.append(pose)
        return poses

    @property
    def open_since(self) -> float | None:
        """Return since when somebody who may still be there is seen, s; None where nobody is."""
        return min((path.times[0] for path in self._open), default=None)

    def paths(self) -> list[Path]:
        """Return everybody's path, the longest way through the picture first; short-lived ones are left out."""
        paths = [p for p in self._closed + self._open if len(p.times) >= LEAST_SIGHTINGS]
        return sorted(paths, key=lambda p: -p.travel)

    def _new(self, picture: Picture, known: Sequence[Pose]) -> Iterable[Pose]:
        """Return people whom the detector finds and who are none of the known ones."""
        found: list[Pose] = []
        height, width = picture.shape[:2]
        for square in [None, *tiles(width, height)]:
            for region in self._model.detect(picture, square):
                if any(_within(region, pose) for pose in [*known, *found]):
                    continue
                pose = self._model.look(picture, self._model.look(picture, region).following)
                if pose.score >= SEEN and in_picture(pose.hip, picture) and not _seen(pose, [*known, *found]):
                    found.append(pose)
        return found

    def _nearest(self, pose: Pose, time_s: float) -> Path | None:
        """Return the path without a sighting now that ends nearest to a pose, None if none is near."""
        waiting = [path for path in self._open if path.times[-1] < time_s]
        steps = [max(1.0, (time_s - path.times[-1]) / SCAN_S) for path in waiting]
        away = [float(np.hypot(*(pose.hip - path.hips[-1]))) for path in waiting]
        near = [
            (d, i)
            for i, (d, n) in enumerate(zip(away, steps))
            if d <= min(n * 0.5, 1.0) * _REACH * waiting[i].regions[-1].side
            and 0.6 < pose.following.side / waiting[i].regions[-1].side < 1.6
        ]
        return waiting[min(near)[1]] if near else None


def tiles(width: int, height: int) -> list[Region]:
    """Return upright squares as wide as the picture's short side, half overlapping; none if it is about square."""
    short, long = min(width, height), max(width, height)
    if long < 1.25 * short:
        return []
    count = int(np.ceil(2 * (long - short) / short)) + 1
    middles = np.linspace(short / 2, long - short / 2, count)
    if width >= height:
        return [Region(float(m), height / 2, float(short), 0.0, 1.0) for m in middles]
    return [Region(width / 2, float(m), float(short), 0.0, 1.0) for m in middles]


def choose(paths: Sequence[Path], walker: str | int | None, *, name: str) -> Path:
    """Return the walker's path: the one asked for, or who goes through the picture.

    Parameters
    ----------
    walker
        ``left``, ``right`` (of those who go, by where they are first seen), or a number, 0 for who goes farthest.
    name
        Of the film, for what a refusal says.

    Raises
    ------
    BadInputError
        If nobody is found, or not so many.
    RefusedError
        If several people go about equally far at the same time and none was asked for.
    """
    if not paths:
        raise BadInputError(
            f"{name}: nobody was found; film one person whole, from the side, in good light, at least a quarter of the"
            " picture high; pictures to learn from, but no force, come without finding anybody (--picture 'background"
            " silhouette')"
        )
    if walker is None:
        first = paths[0]
        rivals = [p for p in paths[1:] if p.travel >= max(TRAVEL, RIVAL * first.travel) and p.overlaps(first)]
        if rivals:
            raise RefusedError(
                f"{name}: {len(rivals) + 1} people walk through the picture at the same time; say whose force is asked"
                " for with --walker left, right or a number (0 is who goes farthest), or film one alone"
            )
        return first
    if walker in ("left", "right"):
        moving = [p for p in paths if p.travel >= TRAVEL] or list(paths)
        ordered = sorted(moving, key=lambda p: float(p.hips[0][0]))
        return ordered[0 if walker == "left" else -1]
    if str(walker) in (numbers := [str(i) for i in range(len(paths))]):
        return paths[int(walker)]
    there = "0" if len(paths) == 1 else f"0 to {numbers[-1]}"
    raise BadInputError(f"{name}: walker '{walker}' is not left, right or {there} (people found)")


def in_picture(point: Floats, picture: Picture) -> bool:
    """Return whether a point lies within the picture."""
    height, width = picture.shape[:2]
    return bool(0 <= point[0] < width and 0 <= point[1] < height)


def _seen(pose: Pose, others: Sequence[Pose]) -> bool:
    """Return whether a pose is of somebody who is among others: hips and shoulders, or the boxes, nearly agree."""
    shoulders = [INDEX["shoulder_left"], INDEX["shoulder_right"]]
    near = _SAME * pose.following.side
    return any(
        np.hypot(*(pose.hip - other.hip)) < near
        and np.hypot(*(pose.points[shoulders].mean(axis=0) - other.points[shoulders].mean(axis=0))) < near
        for other in others
    ) or any(_overlap(pose, other) > _COVERED for other in others)


def _overlap(one: Pose, other: Pose) -> float:
    """Return the intersection over union of two poses' boxes."""
    lows, highs = (np.array([f(pose.points, axis=0) for pose in (one, other)]) for f in (np.min, np.max))
    shared = float(np.prod(np.maximum(highs.min(axis=0) - lows.max(axis=0), 0.0)))
    return shared / max(float(np.prod(highs - lows, axis=1).sum()) - shared, 1e-9)


def _within(region: Region, pose: Pose) -> bool:
    """Return whether a detection's hips lie near those of a person who is known."""
    near = _SAME * max(pose.following.side, 0.5 * region.side)
    return bool(np.hypot(region.x - pose.hip[0], region.y - pose.hip[1]) < near)
