"""Legs whose names a pose model exchanged for some frames: put back, so that every point moves steadily."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats

LEGS_PUT_RIGHT = "legs_put_right"
"""Attribute of keypoints whose left and right legs were told apart where they were read: in how many pictures names
were wrong. Whoever uses such points leaves the names as they are; without it, the points alone have to tell."""
LEG_PARTS = ("knee", "ankle", "heel", "toe")
"""Points that tell two legs apart; hips lie too near each other in a side view."""
SWAPPED_COST = 0.06
"""What a frame with exchanged legs costs, in lengths of a leg of unsteadiness: so little that only long stretches of
doubt go to the names as they are; chosen by hand."""
MOST_UNSTEADY = 0.5
"""Unsteadiness (lengths of a leg) of one point beyond which more says nothing more; chosen by hand."""
LONGEST_STEP_S = 0.12
"""Time (s) between two frames beyond which nothing is foretold from the ones before; chosen by hand."""


def legs_put_back(
    time_s: Floats, position: Floats, names: Sequence[str], *, leg_px: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the positions with left and right leg where steady motion has them, and in which frames they were changed.

    Of all ways to name the legs frame by frame the one is taken in which the points deviate least from uniform motion
    over three frames (Viterbi). Where both ways are as good the given names stand.

    Parameters
    ----------
    position
        Shape (frames, points, 2), px, NaN where hidden.
    names
        ``knee_left`` and so on; points without ``_left`` or ``_right`` stay.

    Returns
    -------
    position, changed
        Shapes (frames, points, 2) and (frames,).
    """
    pairs = [(names.index(f"{p}_left"), names.index(f"{p}_right")) for p in LEG_PARTS if _has_both(names, p)]
    swapped = np.zeros(time_s.size, dtype=bool)
    if not pairs or time_s.size < 3:
        return position, swapped
    both = position[:, np.asarray(pairs).T, :] / leg_px  # frames, side, part, plane
    swapped = _cheapest(_costs(time_s, both))
    fixed = position.copy()
    sides = [(n, n.removesuffix("_left") + "_right") for n in names if n.endswith("_left")]
    for left, right in sides:
        if right in names and left.removesuffix("_left") in (*LEG_PARTS, "hip"):
            i, k = names.index(left), names.index(right)
            fixed[swapped, i], fixed[swapped, k] = position[swapped, k], position[swapped, i]
    return fixed, swapped


def _has_both(names: Sequence[str], part: str) -> bool:
    return f"{part}_left" in names and f"{part}_right" in names


def _costs(time_s: Floats, both: Floats) -> Floats:
    """Return the unsteadiness of frames from the third on, shape (frames - 2, 2, 2, 2): exchanged in each of three."""
    step = np.diff(time_s)
    ratio = (step[1:] / step[:-1])[:, None, None, None]
    costs = np.zeros((time_s.size - 2, 2, 2, 2))
    ways = (both, both[:, ::-1])
    broken = (step[1:] > LONGEST_STEP_S) | (step[:-1] > LONGEST_STEP_S)
    # a point counts where both legs' are seen: else the way that hides most would be the steadiest
    seen: NDArray[np.bool_] = np.asarray(np.isfinite(both).all(axis=(1, 3)), dtype=bool)
    counts = (seen[:-2] & seen[1:-1] & seen[2:])[:, None, :]
    for a in range(2):
        for b in range(2):
            for c in range(2):
                first, second, third = ways[a][:-2], ways[b][1:-1], ways[c][2:]
                off = np.linalg.norm(third - second - ratio * (second - first), axis=-1)
                off = np.where(counts, np.minimum(np.nan_to_num(off), MOST_UNSTEADY), 0.0)
                costs[:, a, b, c] = np.where(broken, 0.0, off.mean(axis=(1, 2))) + SWAPPED_COST * c
    return costs


def _cheapest(costs: Floats) -> NDArray[np.bool_]:
    """Return the cheapest way through the costs: of each frame whether its legs are exchanged."""
    best = SWAPPED_COST * np.asarray([[0.0, 1.0], [1.0, 2.0]])
    came = np.zeros((len(costs), 2, 2), dtype=np.int64)
    for k, cost in enumerate(costs):
        through = best[:, :, None] + cost  # first, second, third
        came[k] = through.argmin(axis=0)
        best = through.min(axis=0)
    second, third = np.unravel_index(int(best.argmin()), best.shape)
    states = [int(third), int(second)]
    for k in range(len(costs) - 1, -1, -1):
        states.append(int(came[k][states[-1], states[-2]]))
    return np.asarray(states[::-1], dtype=bool)
