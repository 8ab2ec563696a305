"""Contacts of the feet of somebody who walks or runs through a film, from points of the body in its pictures.

A foot that stands moves with the ground: not at all in a picture whose camera stands, backwards with a treadmill's
belt, with the background where the camera pans. So the ground's velocity is the one that the feet keep longest, and
each foot is judged by its speed over it (:mod:`.side_foot`). Lengths are in legs (hip to ankle), forward is where the
walker goes, whatever the picture's direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .contacts import Contacts, empty_contacts, merge
from .film_time import leaps, trunk_of
from .runs import true_runs
from .side_foot import FEWEST_FRAMES, TOO_LONG, TOO_SHORT, UNLIKE, SideFoot, SideStance, seen_stretches
from .side_jumps import jump_landings
from .side_legs import legs_put_back

SLOWEST_LEG_S = 0.3
"""Speed (legs/s) over the ground below which nobody walks; chosen by hand, a slow walk has 0.8."""
PASSING_LEG_S = 0.35
"""Speed (legs/s) of the pelvis in the picture beyond which a walker passes through it, and is on no treadmill; chosen
by hand: people on treadmills drift by 0.1."""
PASSING_PERCENT = 90.0
"""Percentile of the pelvis's speed that is held against it."""
TURN_S = 0.6
"""Time (s) over which the pelvis's speed is averaged to tell passes and their directions: about a step."""
GROUND_SHARE = 0.5
"""Share of the slower half of the range of the feet's velocities that lies nearest together: feet stand for more of it,
walking or running."""
RANGE_PERCENT = (2.0, 98.0)
"""Percentiles between which that range is taken."""
NEAR_GROUND, LEAST_NEAR = 0.3, 0.1
"""Share of the walker's speed within which a foot's own ground lies of both feet's, and share of its samples needed;
chosen by hand: the far side of a belt is slower in the picture by a tenth."""
LEAST_VISIBLE = 0.1
"""Visibility (0 to 1) of a pose model's point below which it counts as hidden; chosen by hand: that of a far foot is
low long before its place is wrong."""
SHORTEST_PASS_S = 1.0
"""Shortest pass (s) that is looked at: in less than a stance and a swing the ground's velocity does not show."""
UNSEEN_S = 0.14
"""Time (s) at either end of what is seen of a foot in which its landing is not told for certain; less than half of
:data:`.side_foot.SHORTEST_SEEN_S`."""
JUMP_SEEN_S = 0.2
"""Time (s) about a jump's landing in which a landing would have been seen."""
ALIKE, FEWEST_ALIKE = 1.6, 4
"""Factor by which a stance may be longer or shorter than the pass's median, and stances that this needs; by hand: where
a walker is cut by the picture's border, a pose model draws feet that stand for a third of a stance."""
_NO_STANCE = (TOO_SHORT, TOO_LONG, UNLIKE)


@dataclass(frozen=True)
class SidePass:
    """One pass through the picture, or a stretch on a treadmill.

    Attributes
    ----------
    heading
        1.0 to the right of the picture, -1.0 to the left.
    speed_leg_s, ground_leg_s
        Of the walker over the ground, and of the ground in the picture along the heading (about 0 where the camera
        stands), legs/s.
    covered_s
        By foot: stretches in which a landing would have been seen, shape (stretches, 2).
    """

    start_s: float
    end_s: float
    heading: float
    speed_leg_s: float
    ground_leg_s: float
    stances: tuple[SideStance, ...]
    covered_s: dict[int, Floats]


@dataclass(frozen=True)
class SideView:
    """What a side view shows: its passes in order, and in how many frames left and right leg had been exchanged.

    ``jumps_s`` are the landings of jumps on the spot, left and right foot, shape (jumps, 2).
    """

    passes: tuple[SidePass, ...] = ()
    exchanged: int = 0
    jumps_s: Floats = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def stances(self) -> tuple[SideStance, ...]:
        """Return the stances of all passes in order."""
        return tuple(sorted((s for one in self.passes for s in one.stances), key=lambda s: s.first_s))

    def contacts(self) -> Contacts:
        """Return the contacts of both feet whose landing is seen."""
        trains = []
        for foot in (0, 1):
            covered = [one.covered_s[foot] for one in self.passes if foot in one.covered_s]
            # a jump is seen where it is: what else is done where nobody passes is not
            covered += [np.asarray([(t - JUMP_SEEN_S, t + JUMP_SEEN_S)]) for t in self.jumps_s[:, foot]]
            if not covered:
                continue
            seen = [s for s in self.stances if s.foot == foot and np.isfinite(s.ic_s) and s.reason not in _NO_STANCE]
            rows = [(s.ic_s, s.to_s, s.swing) for s in seen] + [(t, np.nan, np.nan) for t in self.jumps_s[:, foot]]
            values = np.asarray(sorted(rows), dtype=np.float64).reshape(-1, 3)
            stretches = np.concatenate(covered)
            feet = np.full(len(values), foot, dtype=np.int64)
            order = np.argsort(stretches[:, 0])
            trains.append(Contacts(values[:, 0], values[:, 1], values[:, 2], feet, stretches[order]))
        return merge(trains) if trains else empty_contacts()


def side_view(
    time_s: Floats,
    position: Floats,
    names: Sequence[str],
    *,
    heading: float,
    leg_px: float,
    visibility: Floats | None = None,
    width_px: float = float("nan"),
    legs_known: bool = False,
) -> SideView:
    """Return the passes of a walker or runner filmed from the side, and the stances of both feet.

    Frames may come at any rate and at varying intervals. A walker may pass several times in both directions, or stay
    on a treadmill; legs that were exchanged for some frames are put back first.

    Parameters
    ----------
    time_s
        Shape (frames,), s.
    position
        Shape (frames, points, 2), px of the upright picture (x right, y down), NaN where hidden.
    names
        Of the points; ``hip_left``, ``heel_left``, ``toe_left`` (``ankle_left`` in place of a missing one), and of the
        right.
    heading
        Where a walker on a treadmill faces: 1.0 to the right of the picture, -1.0 to the left. One who passes shows it.
    leg_px
        Length of the leg, px.
    visibility
        Shape (frames, points), 0 to 1.
    width_px
        Of the picture: points beyond its border are hidden. NaN if unknown.
    legs_known
        Whether left and right are certain already. Of 7,019 pictures of 48 rendered films, whose reader tells the legs
        apart by more than even motion, 111 have them exchanged, and would 209 if they were told apart once more.

    Returns
    -------
    SideView
        Without passes where nobody walks, or hips or feet are not seen.
    """
    names = [str(n) for n in names]
    position = _without_hidden(position, visibility, width_px)
    if time_s.size < FEWEST_FRAMES or not leg_px > 0.0:
        return SideView()
    exchanged = np.zeros(time_s.size, dtype=bool)
    if not legs_known:
        position, exchanged = legs_put_back(time_s, position, names, leg_px=leg_px)
    course = position * np.asarray([1.0, -1.0]) / leg_px
    pelvis = _pelvis(course[..., 0], names)
    found = []
    leapt = np.asarray([leap.after_s for leap in leaps(time_s, trunk_of(course[..., 0], names))])
    for start, end, way in _stretches(time_s, pelvis, 1.0 if heading >= 0 else -1.0, leapt):
        forward = course[start:end] * np.asarray([way, 1.0])
        one = _pass(time_s[start:end], forward, way * pelvis[start:end], names, way)
        if one is not None:
            found.append(one)
    jumps = jump_landings(time_s, course, pelvis, names)
    passing = [(one.start_s, one.end_s) for one in found]
    apart = [t for t in jumps if not any(a < min(t) and max(t) < b for a, b in passing)]
    return SideView(tuple(found), int(exchanged.sum()), np.asarray(apart, dtype=np.float64).reshape(-1, 2))


def _without_hidden(position: Floats, visibility: Floats | None, width_px: float) -> Floats:
    position = np.array(position, dtype=np.float64)
    hidden = ~np.isfinite(position).all(axis=2)
    if visibility is not None:
        hidden |= visibility < LEAST_VISIBLE
    if np.isfinite(width_px):
        with np.errstate(invalid="ignore"):
            hidden |= (position[..., 0] < 0.0) | (position[..., 0] > width_px - 1.0)
    position[hidden] = np.nan
    return position


def _pelvis(course: Floats, names: Sequence[str]) -> Floats:
    """Return the middle of the hips, by the one that is seen where the other is hidden; NaN where neither is."""
    hips = [course[:, names.index(n)] for n in ("hip_left", "hip_right") if n in names]
    if len(hips) < 2:
        return hips[0] if hips else np.full(len(course), np.nan)
    apart = hips[1] - hips[0]
    usual = float(np.median(apart[np.isfinite(apart)])) if np.isfinite(apart).any() else 0.0
    left = np.where(np.isfinite(hips[0]), hips[0], hips[1] - usual)
    right = np.where(np.isfinite(hips[1]), hips[1], hips[0] + usual)
    return np.asarray((left + right) / 2.0)


def _stretches(time_s: Floats, pelvis: Floats, heading: float, leapt_s: Floats) -> list[tuple[int, int, float]]:
    """Return sample ranges and directions of the passes; where nobody passes, of what has no long hole.

    None goes over a time ``leapt_s`` at which the walker leaps: pictures are missing there.
    """
    seen = np.isfinite(pelvis)
    found: list[tuple[int, int, float]] = []
    for start, end in _apart(seen_stretches(time_s, seen), np.searchsorted(time_s, leapt_s)):
        t = time_s[start:end]
        if t[-1] - t[0] < SHORTEST_PASS_S:
            continue
        x, half = np.interp(t, time_s[seen], pelvis[seen]), min(TURN_S, t[-1] - t[0]) / 2.0
        early, late = np.clip(t - half, t[0], t[-1]), np.clip(t + half, t[0], t[-1])
        speed = (np.interp(late, t, x) - np.interp(early, t, x)) / (late - early)
        if np.percentile(np.abs(speed), PASSING_PERCENT) < PASSING_LEG_S:
            found.append((start, end, heading))
            continue
        for way in (1.0, -1.0):
            runs = true_runs(way * speed > PASSING_LEG_S)
            found += [(start + int(a), start + int(b), way) for a, b in runs if t[b - 1] - t[a] >= SHORTEST_PASS_S]
    return sorted(found)


def _apart(stretches: list[tuple[int, int]], cuts: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Return sample ranges cut at some samples."""
    parts = []
    for start, end in stretches:
        inside = [int(c) for c in cuts if start < c < end]
        parts += list(zip([start, *inside], [*inside, end]))
    return parts


def _pass(time_s: Floats, course: Floats, pelvis: Floats, names: Sequence[str], way: float) -> SidePass | None:
    """Return one pass with its stances; None where nobody walks or no foot is seen."""
    sides = {foot: SideFoot.of(time_s, course, names, side) for foot, side in enumerate(("left", "right"))}
    feet = {foot: stretches for foot, stretches in sides.items() if stretches}
    if not feet:
        return None
    seen = np.isfinite(pelvis)
    body = float(np.polyfit(time_s[seen] - time_s[0], pelvis[seen], 1)[0])
    middles = {foot: np.concatenate([one.middle for one in stretches]) for foot, stretches in feet.items()}
    ground = densest(np.concatenate(list(middles.values())))
    walker = body - ground
    if walker < SLOWEST_LEG_S:
        return None
    stances: list[SideStance] = []
    for foot, stretches in feet.items():
        near = middles[foot][np.abs(middles[foot] - ground) < NEAR_GROUND * walker]
        # of each foot by itself: a belt is slower in the picture the farther away it is
        own = float(np.median(near)) if near.size > LEAST_NEAR * middles[foot].size else ground
        stances += [s for one in stretches for s in one.stances(foot, own, body - own)]
    covered = {
        foot: np.asarray([(one.time_s[0] + UNSEEN_S, one.time_s[-1] - UNSEEN_S) for one in stretches])
        for foot, stretches in feet.items()
    }
    stances = _without_unlike(stances)
    ends = float(time_s[0]), float(time_s[-1])
    return SidePass(*ends, way, walker, ground, tuple(sorted(stances, key=lambda s: s.first_s)), covered)


def _without_unlike(stances: list[SideStance]) -> list[SideStance]:
    """Return the stances, those far shorter or longer than the others of the pass marked."""
    lasted = [s.to_s - s.ic_s for s in stances if not s.reason]
    if len(lasted) < FEWEST_ALIKE:
        return stances
    usual = float(np.median(lasted))
    return [
        replace(s, reason=UNLIKE) if not s.reason and not usual / ALIKE < s.to_s - s.ic_s < usual * ALIKE else s
        for s in stances
    ]


def densest(values: Floats) -> float:
    """Return the velocity that feet keep longest, of the slower half of their range; a swing's peak is flat, too."""
    slowest, fastest = np.percentile(values, RANGE_PERCENT)
    ordered = np.sort(values[values <= (slowest + fastest) / 2.0])
    count = min(ordered.size, max(3, int(GROUND_SHARE * ordered.size)))
    first = int(np.argmin(ordered[count - 1 :] - ordered[: ordered.size - count + 1]))
    return float(np.mean(ordered[first : first + count]))
