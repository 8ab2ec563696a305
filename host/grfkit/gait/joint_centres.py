"""Joint centres from skin markers: by regression, carried by a cluster, or from the motion of two segments."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError

_LEAST_MARKERS = 3
"""Markers that fix a rigid body in space."""
_LEAST_SPREAD_M = 1e-3
"""Second singular value (m) of a cluster below which its markers lie on a line."""
_LEAST_FRAMES = 30
"""Frames that a hinge is found from. Chosen by hand: 0.3 s at 100 Hz."""


def rigid_fit(template: Floats, observed: Floats) -> tuple[Floats, Floats]:
    """Return the rotation and shift that lay a rigid cluster best on the markers of each frame.

    Least squares by singular value decomposition, without reflections (Kabsch 1976, doi
    10.1107/S0567739476001873; Söderkvist & Wedin 1993, doi 10.1016/0021-9290(93)90098-Y). Only the markers
    that a frame shows count.

    Parameters
    ----------
    template
        Shape (markers, 3).
    observed
        Shape (frames, markers, 3), NaN where missing.

    Returns
    -------
    rotation, shift
        Shapes (frames, 3, 3) and (frames, 3), such that ``observed = template @ rotation.T + shift``; NaN where a frame
        shows fewer than three markers.

    Raises
    ------
    BadInputError
        If the cluster has fewer than three markers, or they lie on a line.
    """
    if len(template) < _LEAST_MARKERS or np.linalg.svd(template - template.mean(axis=0))[1][1] < _LEAST_SPREAD_M:
        raise BadInputError(f"a cluster of {len(template)} markers, or markers on a line, cannot be followed in space")
    visible = np.asarray(np.isfinite(observed).all(axis=2))
    count = visible.sum(axis=1)
    share = visible / np.maximum(count, 1)[:, None]
    centre = np.einsum("fm,mi->fi", share, template)
    middle = np.einsum("fm,fmi->fi", share, np.where(visible[:, :, None], observed, 0.0))
    away = np.where(visible[:, :, None], template[None] - centre[:, None], 0.0)
    there = np.where(visible[:, :, None], observed - middle[:, None], 0.0)
    # Kabsch: singular vectors of the covariance of both shapes about their means; a negative determinant would mirror
    u, _, vt = np.linalg.svd(np.einsum("fmi,fmj->fij", away, there))
    turn = np.einsum("fji,fkj->fik", vt, u)
    flip = np.ones((len(observed), 3))
    flip[:, 2] = np.sign(np.linalg.det(turn))
    rotation = np.einsum("fji,fj,fkj->fik", vt, flip, u)
    shift = middle - np.einsum("fij,fj->fi", rotation, centre)
    few = count < _LEAST_MARKERS
    rotation[few], shift[few] = np.nan, np.nan
    return rotation, shift


def carried(points: Floats, template: Floats, observed: Floats) -> Floats:
    """Return points that move with a cluster, shape (frames, points, 3); NaN where the cluster is not visible.

    Parameters
    ----------
    points
        Shape (points, 3), in the frame of ``template``.
    template, observed
        As :func:`rigid_fit`.
    """
    rotation, shift = rigid_fit(template, observed)
    return np.asarray(np.einsum("fij,pj->fpi", rotation, points) + shift[:, None])


def template_of(observed: Floats) -> Floats:
    """Return the shape of a cluster, shape (markers, 3): its most usual frame among those that show every marker.

    Raises
    ------
    BadInputError
        If no frame shows them all.
    """
    complete = observed[np.isfinite(observed).all(axis=(1, 2))]
    if not len(complete):
        raise BadInputError("no frame shows all markers of a cluster; leave out those that are missing throughout")
    lengths = np.linalg.norm(complete[:, :, None] - complete[:, None], axis=3)
    # by distances between markers, which do not change as the cluster moves and turns
    odd = np.abs(lengths - np.median(lengths, axis=0)).sum(axis=(1, 2))
    return np.asarray(complete[int(np.argmin(odd))])


def harrington_hips(asis_left: Floats, asis_right: Floats, psis: Floats) -> Floats:
    """Return the left and right hip centre, shape (2, 3), from pelvis markers, shape (3,) each, m.

    Harrington et al. 2007 (doi 10.1016/j.jbiomech.2006.02.003), the equations with pelvis width ``w`` (between the
    ASIS) and depth ``d`` (from the middle of the ASIS to ``psis``, the middle of the PSIS) in mm, from the middle of
    the ASIS: forward ``-0.24 d - 9.9``, up ``-0.30 w - 10.9``, outward ``0.33 w + 7.3``.
    """
    middle = (asis_left + asis_right) / 2.0
    width, depth = float(np.linalg.norm(asis_left - asis_right)), float(np.linalg.norm(middle - psis))
    left = (asis_left - asis_right) / width
    forward = middle - psis
    # made square to the line between the ASIS: the PSIS are seldom placed evenly behind them
    forward = forward - (forward @ left) * left
    forward /= np.linalg.norm(forward)
    up = np.cross(forward, left)
    at = middle + (-0.24 * depth - 0.0099) * forward + (-0.30 * width - 0.0109) * up
    outward = (0.33 * width + 0.0073) * left
    return np.stack([at + outward, at - outward])


def hinge_centre(proximal: Floats, distal: Floats, guide_a: Floats, guide_b: Floats) -> Floats:
    """Return the centre of a hinge between two segments in every frame, shape (frames, 3).

    The axis is the line that moves least with respect to both segments over the trial (Ehrig et al. 2007, doi
    10.1016/j.jbiomech.2006.10.026); the centre is where it comes nearest to the line from ``guide_a`` to
    ``guide_b``, shape (frames, 3) each, in the median over frames. For trials without medial and lateral markers.

    Parameters
    ----------
    proximal, distal
        Markers of the two segments, shape (frames, markers, 3).
    """
    r1, t1 = rigid_fit(template_of(proximal), proximal)
    r2, t2 = rigid_fit(template_of(distal), distal)
    visible = np.isfinite(t1).all(axis=1) & np.isfinite(t2).all(axis=1)
    visible &= np.isfinite(guide_a).all(axis=1) & np.isfinite(guide_b).all(axis=1)
    if visible.sum() < _LEAST_FRAMES:
        raise BadInputError(
            f"{int(visible.sum())} frames show both segments of a joint; a hinge needs {_LEAST_FRAMES} or more"
        )
    # a fixed point c1, c2 of both segments: r1 c1 + t1 = r2 c2 + t2; the direction without an answer is the axis
    matrix = np.concatenate([r1[visible], -r2[visible]], axis=2).reshape(-1, 6)
    right = (t2 - t1)[visible].reshape(-1)
    u, size, vt = np.linalg.svd(matrix, full_matrices=False)
    solved = vt[:5].T @ ((u.T @ right)[:5] / size[:5])
    axis = vt[5]
    # the solution fixes the point up to a shift along the axis, which a hinge leaves open: the guides choose the place
    point = _both(r1, t1, r2, t2, solved, moving=True)
    direction = _both(r1, t1, r2, t2, axis, moving=False)
    # one place for all frames, as the joint is fixed in both segments
    along = np.median(
        _nearest_along(point[visible], direction[visible], guide_a[visible], (guide_b - guide_a)[visible])
    )
    return np.asarray(point + along * direction)


def _both(r1: Floats, t1: Floats, r2: Floats, t2: Floats, six: Floats, *, moving: bool) -> Floats:
    """Return the mean of what both segments say about a point or direction, shape (frames, 3)."""
    first, second = r1 @ six[:3], r2 @ six[3:]
    return np.asarray((first + second + (t1 + t2 if moving else 0.0)) / 2.0)


def _nearest_along(p: Floats, a: Floats, q: Floats, d: Floats) -> Floats:
    """Return how far along ``p + s a`` the line ``q + t d`` comes nearest, shape (frames,)."""
    d = d / np.linalg.norm(d, axis=1, keepdims=True)
    w = q - p
    aa, ad = (a * a).sum(axis=1), (a * d).sum(axis=1)
    return np.asarray(((a * w).sum(axis=1) - ad * (d * w).sum(axis=1)) / np.maximum(aa - ad * ad, 1e-9))
