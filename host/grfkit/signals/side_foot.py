"""One foot of a walker or runner filmed from the side: when it landed and when it left the ground.

The heel has landed where its speed over the ground has fallen to a share of the walker's own, and where the raised toe
has begun to go down; where both are seen landing is their mean. Toe-off is where the toe's speed rises above a share;
of walkers the heel's speed is asked, too.
A heel as fast as the pelvis is the one farthest ahead of it (Zeni, Richards & Higginson, Gait Posture 27, 2008,
710-714): lower shares come later, and nearer to the force.

Constants were measured on 12 walkers over plates (Schreiber 2019: 24 walks, 48 stances), markers seen by a camera 3.5 m
away at 60 fps, against the force of 20 N.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal
from scipy.interpolate import CubicSpline

from ..arrays import Floats
from .runs import true_runs

GRID_HZ = 200.0
"""Rate (Hz) at which courses are looked at, whatever the film's: between two samples they are then straight."""
LOWPASS_HZ = 8.0
"""Low-pass (Hz) of the points' courses. Between 6 and 12 Hz landings scatter alike without noise (SD 10 to 12 ms); with
a pose model's noise 12 Hz is worse."""
IC_LEVEL = 0.25
"""Share of the walker's speed to which the heel's speed over the ground falls at landing: at .2 and .3 it lies 8 ms
after and 1 ms before the force (means), at 1.0, the heel farthest ahead, 38 ms before."""
PITCH_LEVEL = 0.7
"""Share of the raised toe's angle above the flat foot's to which it falls at landing: 1 ms after the force, SD 8 ms; at
.9 24 ms before."""
LEAST_PITCH_RAD = 0.12
"""Raised angle (rad) below which the toe says nothing of landing: a flat foot or the forefoot lands; chosen by hand."""
AGREEING_S = 0.08
"""Time (s) within which heel and toe speak of one landing; chosen by hand, about three SDs of both."""
TO_LEVEL = 0.5
"""Share of the walker's speed to which the toe's rises at toe-off: SD 11 ms; at 1.0, farthest behind, 13 ms."""
HEEL_OFF_LEVEL, HEEL_OFF_LATE_S = 1.1, -0.023
"""Share of the walker's speed that the heel has reached just before toe-off, and how late (s) that is. SD 12 ms where a
pose model found the points (rendered films of the 12 walkers); the toe's is 23 then, for it leaves toes behind."""
TO_AGREEING_S = 0.04
"""Time (s) within which toe and heel speak of one toe-off, which is then their mean; else the heel's holds."""
LONGEST_RUN_S = 0.4
"""Contact (s) up to which somebody may run, whose heel leaves long before the toe; the fastest of the walkers: .45."""
IC_LATE_S, PITCH_LATE_S, TO_LATE_S = 0.003, 0.002, -0.022
"""How late (s) heel, toe's angle and toe-off are against the force (means); taken off."""
STILL, SWINGING = 0.6, 1.2
"""Share of the walker's speed below which the slower of heel and toe makes a stance, and beyond which the foot has
swung before the next one; chosen by hand: a swing reaches 2.5 to 3.5."""
SHORTEST_SWING_LEGS = 0.4
"""Way (legs) of a foot over the ground from which on it has swung; chosen by hand: a slow walker's stride has 1.3."""
ABOVE = 0.2
"""Share of the walker's speed by which a foot was faster than the level before it fell through it; chosen by hand."""
REACH_S = 0.2
"""Time (s) beyond a still stretch within which its landing and toe-off are looked for; chosen by hand."""
FLAT_S = (0.12, 0.28)
"""Time (s) after a still stretch has begun in which the foot is flat; chosen by hand."""
SWING_S = 0.4
"""Time (s) before a stance in which its swing is looked for; a slow walker's lasts as long."""
BRIDGE_S = 0.12
"""Longest hole (s) in a point's course that is bridged; chosen by hand, three frames at 30 fps."""
SHORTEST_SEEN_S, FEWEST_FRAMES = 0.3, 8
"""Shortest stretch (s) in which a foot is looked at, and frames that it needs; chosen by hand."""
PADDED_S = 0.3
"""Time (s) by which a course is mirrored at its ends for the low-pass, some of its time constants."""
MEDIAN_S, LEAP_LEGS = 0.15, 0.05
"""Time (s) over whose median a point lies off its course, and by how much (legs): a pose model's points leap to the
other leg for one to four frames of 60 Hz; a foot that turns back lies off by .02. Chosen by hand, on rendered films."""
LEAST_SEEN = 0.1
"""Share of the frames in which a point has to be seen to be used before another one of the foot; chosen by hand."""
SHORTEST_S, LONGEST_S = 0.1, 2.0
"""Contact times (s) of walkers and runners; the slowest of the 12 walkers stands for 0.97 s."""
BORDER, UNCLEAR, TOO_SHORT, TOO_LONG, UNLIKE = "border", "unclear", "too short", "too long", "unlike"
"""Why a stance is not whole: cut where the foot is not seen before or after it, a foot that comes to rest or leaves
without a swing, no stance's length, or far from the length of the others."""


@dataclass(frozen=True)
class SideStance:
    """One stance of a foot (0 left, 1 right), s; NaN where its begin or end is not seen, and then why in ``reason``.

    ``swing`` is the foot's greatest speed over the ground in the swing before, in walker's speeds, NaN if unseen.
    """

    foot: int
    ic_s: float
    to_s: float
    reason: str = ""
    swing: float = float("nan")

    @property
    def first_s(self) -> float:
        """Return what is known first of the stance."""
        return self.ic_s if np.isfinite(self.ic_s) else self.to_s


@dataclass(frozen=True)
class SideFoot:
    """A foot on a grid of times, while it is seen: velocities along the heading, legs/s, and the toe's angle, rad.

    ``pitch`` is the angle of the line from heel to toe, positive where the toe is the higher one; NaN if one of the two
    points stands for both.
    """

    time_s: Floats
    heel: Floats
    toe: Floats
    pitch: Floats

    @property
    def middle(self) -> Floats:
        """Return the velocity of the middle of heel and toe."""
        return (self.heel + self.toe) / 2.0

    @classmethod
    def of(cls, time_s: Floats, course: Floats, names: Sequence[str], side: str) -> list[SideFoot]:
        """Return a foot by the points that are there, an entry for each stretch in which it is seen.

        Parameters
        ----------
        course
            Shape (frames, points, 2): forward and up, legs; NaN where hidden.
        """
        back = next((p for p in ("heel", "ankle", "toe") if _is_seen(course, names, f"{p}_{side}")), "")
        front = next((p for p in ("toe", "ankle", "heel") if _is_seen(course, names, f"{p}_{side}")), "")
        if not back:
            return []
        # never over a long hole, nor beyond what is seen: a line drawn there stops, as a foot that lands does
        ends = course[:, [names.index(f"{part}_{side}") for part in (back, front)]]
        seen: NDArray[np.bool_] = np.asarray(np.isfinite(ends).all(axis=(1, 2)), dtype=bool)
        found = []
        for start, end in seen_stretches(time_s, seen):
            part = np.flatnonzero(seen[start:end]) + start
            part = part[~leaping(time_s[part], ends[part])]
            if part.size >= FEWEST_FRAMES and time_s[part[-1]] - time_s[part[0]] >= SHORTEST_SEEN_S:
                found.append(cls._smooth(time_s[part], ends[part], points=1 if back == front else 2))
        return found

    @classmethod
    def _smooth(cls, time_s: Floats, ends: Floats, *, points: int) -> SideFoot:
        grid = np.arange(time_s[0], time_s[-1] + 1e-9, 1.0 / GRID_HZ)
        sections = signal.butter(2, LOWPASS_HZ, fs=GRID_HZ, output="sos")
        filled = CubicSpline(time_s, ends)(grid)
        smooth = signal.sosfiltfilt(sections, filled, axis=0, padlen=min(grid.size - 1, round(PADDED_S * GRID_HZ)))
        heel, toe = smooth[:, 0], smooth[:, 1]
        pitch = np.unwrap(np.arctan2(toe[:, 1] - heel[:, 1], toe[:, 0] - heel[:, 0]))
        return cls(
            grid,
            np.gradient(heel[:, 0]) * GRID_HZ,
            np.gradient(toe[:, 0]) * GRID_HZ,
            pitch if points == 2 else np.full(grid.size, np.nan),
        )

    def stances(self, foot: int, ground: float, walker: float) -> list[SideStance]:
        """Return the stances, over a ground of this velocity and for a walker of this speed over it, legs/s."""
        heel, toe = (self.heel - ground) / walker, (self.toe - ground) / walker
        slower, faster = np.minimum(np.abs(heel), np.abs(toe)), np.maximum(np.abs(heel), np.abs(toe))
        way = np.cumsum(self.middle - ground) / GRID_HZ
        return [self._stance(foot, a, b, heel, toe) for a, b in _still_runs(slower, faster, way)]

    def _stance(self, foot: int, start: int, end: int, heel: Floats, toe: Floats) -> SideStance:
        reach, size = round(REACH_S * GRID_HZ), self.time_s.size
        ic_s = self._landing_s(start, end, heel)
        # toe-off is a landing backwards in time
        first, last = max(0, size - end - reach), size - max(start, end - 2 * reach)
        to_s = self._at(size - 1 - _after_swing(toe[::-1], TO_LEVEL, first, last)) - TO_LATE_S
        by_heel = self._at(size - 1 - _after_swing(heel[::-1], HEEL_OFF_LEVEL, first, last)) - HEEL_OFF_LATE_S
        if min(to_s, by_heel) - ic_s > LONGEST_RUN_S:
            to_s = (to_s + by_heel) / 2.0 if abs(to_s - by_heel) <= TO_AGREEING_S else by_heel
        why = ""
        if np.isnan(ic_s):
            why = BORDER if start <= reach else UNCLEAR
        elif np.isnan(to_s):
            why = BORDER if end >= size - reach else UNCLEAR
        elif not SHORTEST_S <= to_s - ic_s <= LONGEST_S:
            why = TOO_SHORT if to_s - ic_s < SHORTEST_S else TOO_LONG
        before = heel[max(0, start - round(SWING_S * GRID_HZ)) : start]
        return SideStance(foot, ic_s, to_s, why, float(before.max()) if before.size else float("nan"))

    def _landing_s(self, start: int, end: int, heel: Floats) -> float:
        """Return when the foot landed that is still from ``start`` on, s; NaN where that is not seen."""
        reach = round(REACH_S * GRID_HZ)
        first, last = max(0, start - reach), min(end, start + 2 * reach)
        by_heel = self._at(_after_swing(heel, IC_LEVEL, first, last)) - IC_LATE_S
        by_pitch = self._at(self._lowered(start, end)) - PITCH_LATE_S
        return (by_heel + by_pitch) / 2.0 if abs(by_heel - by_pitch) <= AGREEING_S else by_heel

    def _lowered(self, start: int, end: int) -> float:
        """Return where the raised toe has begun to go down to the flat foot, NaN where it is not raised."""
        first, last = (start + round(s * GRID_HZ) for s in FLAT_S)
        flat, reach = self.pitch[first : min(last, end)], round(REACH_S * GRID_HZ)
        if flat.size < 4 or np.isnan(flat).all():
            return float("nan")
        raised = self.pitch - float(np.median(flat))
        begin = max(0, start - reach // 2)
        highest = float(raised[begin : start + reach // 2].max())
        return _fall(raised / highest, PITCH_LEVEL, begin, first) if highest > LEAST_PITCH_RAD else float("nan")

    def _at(self, sample: float) -> float:
        """Return the time (s) of a fraction of a sample."""
        return float(self.time_s[0] + sample / GRID_HZ)


def _still_runs(slower: Floats, faster: Floats, way: Floats) -> list[tuple[int, int]]:
    """Return the stretches in which heel or toe is still; joined where the foot did not swing on between.

    ``way`` is the foot's over the ground, legs: where the other leg passes, a pose model's points leap to it and back.
    """
    joined: list[tuple[int, int]] = []
    for a, b in true_runs(slower < STILL):
        last = joined[-1] if joined else None
        swung = last is None or (
            faster[last[1] : a].max(initial=0.0) >= SWINGING and way[a] - way[last[1] - 1] >= SHORTEST_SWING_LEGS
        )
        if last is not None and not swung:
            joined[-1] = (last[0], int(b))
        else:
            joined.append((int(a), int(b)))
    shortest = SHORTEST_S / 2 * GRID_HZ
    return [(a, b) for a, b in joined if b - a > shortest]


def _after_swing(speed: Floats, level: float, start: int, end: int) -> float:
    """Return where a speed falls through a level after a swing; NaN where the swing is not seen.

    Without it a landing is not told from a heel that trembles, or is lifted, where the film begins.
    """
    fall = _fall(speed, level, start, end)
    seen = np.isfinite(fall) and speed[start : int(fall) + 1].max() >= SWINGING
    return fall if seen else float("nan")


def _fall(speed: Floats, level: float, start: int, end: int) -> float:
    """Return where a speed first falls through a level within a range of samples, NaN where it does not.

    It has to have been clearly above: a film may begin in the middle of a stance, whose speed trembles.
    """
    part = speed[start:end]
    falls = np.flatnonzero((part[:-1] >= level) & (part[1:] < level))
    clear = np.maximum.accumulate(part)[falls] > level + ABOVE if falls.size else falls
    if not np.any(clear):
        return float("nan")
    k = int(falls[np.argmax(clear)])
    return start + k + float((part[k] - level) / (part[k] - part[k + 1]))


def _is_seen(course: Floats, names: Sequence[str], name: str) -> bool:
    return name in names and bool(np.isfinite(course[:, names.index(name), 0]).mean() > LEAST_SEEN)


def leaping(time_s: Floats, ends: Floats) -> NDArray[np.bool_]:
    """Return in which frames a point of a foot is off its course for some frames, shape (frames,).

    The median over frames leaves a foot that goes on alone, however fast, and tells one that leaps and comes back.

    Parameters
    ----------
    ends
        Shape (frames, points, 2), legs.
    """
    if time_s.size < FEWEST_FRAMES:
        return np.zeros(time_s.size, dtype=bool)
    frames = max(5, 2 * int(MEDIAN_S / 2.0 / float(np.median(np.diff(time_s)))) + 1)
    course = ndimage.median_filter(ends, size=(frames, 1, 1), mode="nearest")
    return np.asarray((np.abs(ends - course) > LEAP_LEGS).any(axis=(1, 2)), dtype=bool)


def seen_stretches(time_s: Floats, seen: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the sample ranges in which something is seen without a hole that is too long to bridge."""
    where = np.flatnonzero(seen)
    if not where.size:
        return []
    breaks = np.flatnonzero(np.diff(time_s[where]) > BRIDGE_S + 1e-9) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(where, breaks)]
