"""Centre of pressure within insole and plate, and what it says about where a foot stood on a plate."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..signals.plates import COP_THRESHOLD_N, plate_frame

EDGE_M = 0.02
"""Distance (m) of the centre of pressure from a plate's edge below which the foot hangs over it. Chosen by hand."""
LONGEST_FOOT_M = 0.34
"""Length (m) of the largest shoe: the centre of pressure of one foot travels less."""
SHORTEST_LINE_M = 0.05
"""Least distance (m) of heel and toe markers, seen from above; chosen by hand."""
_LOADED = 0.2
"""Share of a contact's highest load above which its centre of pressure is judged: below, it is noise over a small
force. Chosen by hand."""
_TRAVEL_PERCENT = (2.0, 98.0)
"""Percentiles between which a centre of pressure travels, so that single outliers do not count."""
_FULL_PERCENT = 99.0
"""Percentile of an insole's load that stands for its highest."""
_NEAR_SHARE = 0.02
"""Share of samples that may be near the edge. Chosen by hand, as the percentiles above."""


def insole_cop(cells: Floats, positions_m: Floats, *, gain: Floats | None = None, least_share: float = 0.02) -> Floats:
    """Return the centre of pressure of an insole: the mean of the cells' places, weighted by their loads.

    A cell that is NaN has no weight, so that a dead cell draws the centre away from itself; a negative load counts as
    none. The centre is NaN where the total is below ``least_share`` of its 99th percentile or no cell was measured: an
    unloaded insole has no centre.

    Parameters
    ----------
    cells
        Shape (samples, cells), any unit, larger is more load.
    positions_m
        Shape (cells, 2): place of each cell in the foot's frame (m, forward from the heel, and to the left).
    gain
        Shape (cells,): factor of each cell's load, such as its area; 1 where not given.

    Returns
    -------
    Shape (samples, 2), m.

    Raises
    ------
    BadInputError
        If cells, places and gains differ in number, or a gain is negative.
    """
    count = cells.shape[1] if cells.ndim == 2 else -1
    weight = np.ones(max(count, 0)) if gain is None else np.asarray(gain, dtype=np.float64)
    if positions_m.shape != (count, 2) or weight.shape != (count,) or (weight < 0).any():
        raise BadInputError(
            f"insole load {cells.shape}, cell places {positions_m.shape} and gains {weight.shape} do not fit;"
            " expected (samples, cells), (cells, 2) and (cells,) of 0 or more"
        )
    load = np.clip(np.where(np.isfinite(cells), cells, 0.0), 0.0, None) * weight
    total = load.sum(axis=1)
    # a percentile, so that a single spike does not raise the guard above every step
    guard = least_share * float(np.percentile(total, _FULL_PERCENT)) if total.size else 0.0
    loaded = (total > guard) & (total > 0)
    centre = (load @ positions_m) / np.where(loaded, total, 1.0)[:, None]
    return np.where(loaded[:, None], centre, np.nan)


def foot_to_lab(cop_foot_m: Floats, heel_m: Floats, toe_m: Floats) -> Floats:
    """Return an insole's centre of pressure in the lab, shape (samples, 3), m; NaN where it or a marker is unknown.

    The foot's axes are level: forward from the heel marker to the toe marker, and to the left of that. Height is that
    of the floor, 0; the markers' own height does not count.

    Parameters
    ----------
    cop_foot_m
        Shape (samples, 2): forward from the heel, and to the left of the foot's line, as :func:`insole_cop` gives.
    heel_m, toe_m
        Shape (samples, 3), lab frame (X forward, Y left, Z up), at the insole's own samples.

    Raises
    ------
    BadInputError
        If shapes do not fit, or heel and toe are at one place.
    """
    if cop_foot_m.shape[1:] != (2,) or heel_m.shape != (len(cop_foot_m), 3) or toe_m.shape != heel_m.shape:
        raise BadInputError(
            f"centre {cop_foot_m.shape}, heel {heel_m.shape} and toe {toe_m.shape} do not fit; expected (samples, 2)"
            " and (samples, 3) twice, at the same samples"
        )
    line = (toe_m - heel_m)[:, :2]
    length = np.linalg.norm(line, axis=1)
    if np.any(length[np.isfinite(length)] < SHORTEST_LINE_M):
        raise BadInputError(f"heel and toe are less than {SHORTEST_LINE_M:g} m apart; are they markers of one foot?")
    forward = line / length[:, None]
    left = np.stack([-forward[:, 1], forward[:, 0]], axis=1)
    flat = heel_m[:, :2] + cop_foot_m[:, :1] * forward + cop_foot_m[:, 1:] * left
    return np.concatenate([flat, np.where(np.isfinite(flat[:, :1]), 0.0, np.nan)], axis=1)


def cop_in_plate(cop_m: Floats, corners_m: Floats) -> Floats:
    """Return a centre of pressure in the plate's own axes, from its middle, shape (samples, 2), m.

    Parameters
    ----------
    cop_m
        Shape (samples, 3), in the frame of the corners; NaN where there is none.
    corners_m
        Shape (4, 3) or (12,).
    """
    frame = plate_frame(corners_m)
    return np.asarray(((cop_m - frame.centre_m) @ frame.axes)[:, :2])


def combined_cop(forces_n: list[Floats], cops_m: list[Floats], *, threshold_n: float = COP_THRESHOLD_N) -> Floats:
    """Return the centre of pressure of several plates together: their centres weighted by vertical force.

    A plate below the threshold, or without a centre, has no weight; NaN where no plate has.

    Parameters
    ----------
    forces_n
        Shape (samples,) each, up positive.
    cops_m
        Shape (samples, 3) each, one common frame.
    """
    weights = [
        np.where((force >= threshold_n) & np.isfinite(cop).all(axis=1), force, 0.0)
        for force, cop in zip(forces_n, cops_m)
    ]
    total = np.sum(weights, axis=0)
    moments = np.sum([w[:, None] * np.where(np.isfinite(c), c, 0.0) for w, c in zip(weights, cops_m)], axis=0)
    return np.where(total[:, None] > 0, moments / np.where(total > 0, total, 1.0)[:, None], np.nan)


def edge_distance_m(cop_m: Floats, corners_m: Floats) -> Floats:
    """Return how far inside a plate a centre of pressure lies: the distance (m) to the nearest edge, negative outside.

    Parameters
    ----------
    cop_m
        Shape (samples, 3).
    corners_m
        Shape (4, 3), or (plates, 4, 3): plates that touch count as the one surface that encloses them.
    """
    from scipy.spatial import ConvexHull

    corners = np.asarray(corners_m, dtype=np.float64).reshape(-1, 4, 3)
    frame = plate_frame(corners[0])
    flat = ((corners.reshape(-1, 3) - frame.centre_m) @ frame.axes)[:, :2]
    place = ((cop_m - frame.centre_m) @ frame.axes)[:, :2]
    # each row is an outward unit normal and an offset, negative inside: the largest value is that of the nearest edge
    edges = np.asarray(ConvexHull(flat).equations, dtype=np.float64)
    return np.asarray(-(place @ edges[:, :2].T + edges[:, 2]).max(axis=1), dtype=np.float64)


def hit_fault(
    force_n: Floats, cop_m: Floats, corners_m: Floats, *, margin_m: float = EDGE_M
) -> Literal["", "partial hit", "two feet on one plate"]:
    """Return why one contact is no full hit of one foot on its plate, by where its force acted; "" if it is one.

    In a partial hit the centre of pressure is within ``margin_m`` of an edge (or beyond it) under a fifth or more of
    the contact's highest load. Under two feet it travels further than a foot is long.

    Parameters
    ----------
    force_n, cop_m
        Shape (samples,) and (samples, 3) of one contact; samples without a centre do not count.
    """
    loaded = (force_n >= _LOADED * np.nanmax(force_n)) & np.isfinite(cop_m).all(axis=1)
    if not loaded.any():
        return ""
    place = cop_m[loaded]
    low, high = np.percentile(cop_in_plate(place, np.reshape(corners_m, (-1, 4, 3))[0]), _TRAVEL_PERCENT, axis=0)
    if float(np.hypot(*(high - low))) > LONGEST_FOOT_M:
        return "two feet on one plate"
    near = edge_distance_m(place, corners_m) < margin_m
    return "partial hit" if near.mean() > _NEAR_SHARE else ""
