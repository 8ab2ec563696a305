"""Eleven landmarks that go with the forces: the centre of mass moves as force and gravity say."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..units import G
from .passes import Ground
from .rest import Jump
from .settings import LandmarkRanges, draw
from .world import World, in_contact

LANDMARKS = (
    "pelvis", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_heel", "right_heel", "left_toe", "right_toe",
)  # fmt: skip
"""The landmarks of Zhou et al. 2025 (doi 10.16156/j.1004-7220.2025.05.028), section 1.2."""

_GRID_HZ = 1000.0
"""Rate of the grid on which force is integrated to a path, as the plates'."""
_FOOT_M = 0.22
"""Distance (m) of the heel's from the toe's landmark: less than a foot's length. Chosen by hand."""
_VISIBLE_M = 3.5
"""How far (m) from the plates' middle cameras see. Chosen by hand, as the numbers below."""
_BLIND = 25
"""Samples around a jump from one lap to the next in which nothing is seen."""
_LEAP_M = 0.5
"""Change of place between two samples that is such a jump."""
_LEVEL_S = 10.0
"""Distance (s) of the knots of the trend that is taken out of an integrated path: drift is slower, steps are faster."""

_RATE_PER_CUTOFF, _LEAST_SAMPLES = 2.2, 30
"""Samples a second for each hertz of a cut-off (2 are the theory's limit), and samples in all, without which no
filter is used. Chosen by hand."""


def total_force_n(world: World, time_s: Floats) -> Floats:
    """Return the true force of both feet (N), shape (samples, 3), at any increasing times."""
    force = np.zeros((time_s.size, 3))
    everyone = np.arange(world.steps.onset_s.size)
    for k, at, phase in in_contact(time_s, world.steps.onset_s, world.steps.contact_s, everyone):
        force[at] += world.force_n(k, phase)
    for rest in world.rests:
        force[:, 2] += rest.vertical(time_s) * world.weight_n
    return force


def centre_of_mass(world: World, start_s: float, end_s: float) -> tuple[Floats, Floats]:
    """Return times (1000 Hz) and the centre of mass (m, (samples, 3)) about its mean place.

    Twice the integral of force over mass less gravity (in the belt's frame on a slope). The small drift of
    the sums is taken out by a spline with knots ten seconds apart, an acceleration of some 0.01 m/s^2.
    """
    # on the plates' own grid: impacts of a few ms would alias at the cameras' rate
    time = start_s + np.arange(round((end_s - start_s) * _GRID_HZ)) / _GRID_HZ
    angle = np.arctan(world.situation.slope_percent / 100)
    gravity = G * np.asarray([np.sin(angle), 0.0, np.cos(angle)])
    acceleration = total_force_n(world, time) / world.situation.mass_kg - gravity
    # levelled after each integral: an error of the force's mean grows with time, then with its square
    velocity = _level(_integral(acceleration))
    return time, _level(_integral(velocity))


def _integral(values: Floats) -> Floats:
    """Return the running trapezoidal integral over the grid, zero at its start."""
    middle = (values[1:] + values[:-1]) / (2 * _GRID_HZ)
    return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(middle, axis=0)])


def _level(values: Floats) -> Floats:
    """Return values less a natural cubic spline through their means over stretches of ten seconds."""
    from scipy.interpolate import CubicSpline

    count = values.shape[0]
    pieces = max(1, round(count / (_LEVEL_S * _GRID_HZ)))
    edges = np.linspace(0, count, pieces + 1).astype(int)
    middle = (edges[1:] + edges[:-1]) / 2
    mean = np.stack([values[i:j].mean(axis=0) for i, j in pairwise(edges)])
    if pieces < 2:
        return np.asarray(values - mean)
    trend = CubicSpline(middle, mean, axis=0, bc_type="natural")(np.arange(count))
    return np.asarray(values - trend)


@dataclass(frozen=True)
class BodyPositions:
    """Positions (m): landmarks (samples, 11, 3), the centre of mass (samples, 3), and when cameras see them."""

    landmarks: Floats
    centre: Floats
    visible: NDArray[np.bool_]


def body_positions(world: World, ground: Ground, time_s: Floats, *, height_m: float) -> BodyPositions:
    """Return noise-free landmarks at any increasing times, in the frame of the plates or the belt."""
    # half a second more at either end, so that the ends are interpolated, too
    grid, path = centre_of_mass(world, float(time_s[0]) - 0.5, float(time_s[-1]) + 0.5)
    centre = np.stack([np.interp(time_s, grid, path[:, axis]) for axis in range(3)], axis=1)
    # the integral gives the path about zero; standing height is put under it
    centre[:, 2] += 0.52 * height_m
    advance, visible = _advance(world, ground, time_s)
    centre[:, 0] += advance
    points = np.empty((time_s.size, len(LANDMARKS), 3))
    points[:, 0] = centre
    for side, left in enumerate((True, False)):
        outward = 1.0 if left else -1.0
        hip = centre + np.asarray([0.0, 0.09 * outward, -0.05])
        toe, pitch = _toe(world, ground, time_s, advance, left=left)
        back = np.stack([np.cos(pitch), np.zeros_like(pitch), -np.sin(pitch)], axis=1)
        up = np.stack([np.sin(pitch), np.zeros_like(pitch), np.cos(pitch)], axis=1)
        heel = toe - _FOOT_M * back
        ankle = heel + 0.05 * back + 0.07 * up
        points[:, 1 + side] = hip
        # lengths as shares of height: Drillis and Contini, in Winter, Biomechanics and Motor Control, 4th ed., fig. 4.1
        points[:, 3 + side] = _knee(hip, ankle, 0.245 * height_m, 0.246 * height_m)
        if world.legs is not None:
            points[:, 3 + side, 1] += world.legs.knee_m(left=left) * outward
        points[:, 5 + side], points[:, 7 + side], points[:, 9 + side] = ankle, heel, toe
    return BodyPositions(points, centre, visible)


def _advance(world: World, ground: Ground, time_s: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Return how far the body is past the plates' middle (m), zero on a belt, and whether cameras see it."""
    if not ground.crossing_s.size:
        return np.zeros(time_s.size), np.ones(time_s.size, dtype=bool)
    # laps are cut half-way between two crossings, far from the plates
    lap = np.argmin(np.abs(time_s[:, None] - ground.crossing_s[None, :]), axis=1)
    x = world.situation.speed_m_s * (time_s - ground.crossing_s[lap])
    visible = np.abs(x) < _VISIBLE_M
    for rest in world.rests:
        resting = (time_s >= rest.start_s) & (time_s < rest.end_s)
        x[resting] = (sum(ground.plates[ground.rest_plate].x) / 2) if ground.rest_plate >= 0 else 0.0
        visible |= resting & (ground.rest_plate >= 0)
    leap = np.flatnonzero(np.abs(np.diff(x, prepend=x[:1])) > _LEAP_M)
    for at in leap:
        visible[max(0, at - _BLIND) : at + _BLIND] = False
    return x, visible


def _toe(world: World, ground: Ground, time_s: Floats, advance: Floats, *, left: bool) -> tuple[Floats, Floats]:
    """Return one foot's toe (m, (n, 3)) and pitch (rad, heel up positive): fixed to the ground in stance."""
    contacts = np.flatnonzero(world.steps.left == left)
    across = 0.06 if left else -0.06
    toe = np.stack([advance + 0.1, np.full(time_s.size, across), np.full(time_s.size, 0.02)], axis=1)
    pitch = np.zeros(time_s.size)
    if contacts.size >= 2:
        _walk(world, ground, time_s, contacts, toe, pitch)
    for rest in world.rests:
        at = slice(*np.searchsorted(time_s, [rest.start_s, rest.end_s]))
        toe[at, 0], toe[at, 1] = advance[at] + 0.1, across
        toe[at, 2] = _lift(rest.jumps, time_s[at])
        pitch[at] = 0.0
    return toe, pitch


def _lift(jumps: tuple[Jump, ...], time_s: Floats) -> Floats:
    """Return the height (m) of a resting foot: a parabola during each jump."""
    height = np.full(time_s.size, 0.02)
    for jump in jumps:
        off, land = jump.take_off_s, jump.landing_s
        air = (time_s > off) & (time_s < land)
        height[air] += G / 2 * (time_s[air] - off) * (land - time_s[air])
    return height


def _walk(
    world: World, ground: Ground, time_s: Floats, contacts: NDArray[np.int64], toe: Floats, pitch: Floats
) -> None:
    """Fill in stance (the toe stays where it is on ground or belt) and swing (a smooth path to the next)."""
    onset, contact_s = world.steps.onset_s[contacts], world.steps.contact_s[contacts]
    place = ground.heel_m[contacts] + np.asarray([_FOOT_M + 0.02, 0.0])
    # of the last contact there is no next one to swing to
    at = np.clip(np.searchsorted(onset, time_s, side="right") - 1, 0, contacts.size - 2)
    since = time_s - onset[at]
    stance = np.clip(since / contact_s[at], 0, 1)
    swing_s = np.maximum(onset[at + 1] - onset[at] - contact_s[at], 0.05)
    u = np.clip((since - contact_s[at]) / swing_s, 0, 1)
    # at rest at both ends of the swing, as the foot is
    smooth = u * u * (3 - 2 * u)
    belt = ground.belt_m_s * np.minimum(since, contact_s[at])
    start = place[at, 0] - belt
    aim = place[at + 1, 0]
    if ground.crossing_s.size:
        aim = start + np.clip(aim - start, 0, world.situation.speed_m_s * (swing_s + contact_s[at]) * 1.3)
    toe[:, 0] = start + (aim - start) * smooth
    toe[:, 1] = place[at, 1] + (place[at + 1, 1] - place[at, 1]) * smooth
    toe[:, 2] = 0.02 + 0.06 * np.sin(np.pi * u) ** 2
    rise = np.clip((stance - 0.5) / 0.5, 0, 1)
    lifted = 0.95 if world.situation.gait == "run" else 0.75
    more = 0.7 if world.situation.gait == "run" else 0.2
    pitch[:] = lifted * rise**2 * (1 - smooth) + more * np.sin(np.pi * u) ** 2 * (1 - u) - 0.25 * smooth
    pitch[u <= 0] -= 0.25 * np.clip(1 - stance[u <= 0] / 0.15, 0, 1)


def _knee(hip: Floats, ankle: Floats, thigh_m: float, shank_m: float) -> Floats:
    """Return the knee of a two-link leg that bends forward; a leg too short for its span is stretched."""
    leg = ankle - hip
    span = np.linalg.norm(leg, axis=1)
    # below the full length: a straight leg has no plane to bend in
    reach = np.clip(span, 0.3, 0.999 * (thigh_m + shank_m))
    along = (thigh_m**2 - shank_m**2 + reach**2) / (2 * reach)
    bend = np.sqrt(np.maximum(thigh_m**2 - along**2, 0))
    unit = leg / span[:, None]
    forward = np.asarray([1.0, 0.0, 0.0]) - unit * unit[:, :1]
    forward /= np.linalg.norm(forward, axis=1)[:, None]
    return np.asarray(hip + unit * (along * span / reach)[:, None] + forward * bend[:, None])


def recorded_landmarks(
    rng: np.random.Generator, ranges: LandmarkRanges, body: BodyPositions, *, rate_hz: float
) -> Floats:
    """Return landmarks as a markerless system gives them: smoothed, noisy, now and then missing."""
    from scipy.signal import butter, sosfiltfilt

    smooth = body.landmarks
    if _RATE_PER_CUTOFF * ranges.smoothing_hz < rate_hz and smooth.shape[0] > _LEAST_SAMPLES:
        smooth = sosfiltfilt(butter(2, ranges.smoothing_hz, fs=rate_hz, output="sos"), smooth, axis=0)
    noisy = np.array(smooth + rng.normal(0, draw(rng, ranges.noise_mm) * 1e-3, smooth.shape))
    noisy[~body.visible] = np.nan
    noisy[rng.random(noisy.shape[:2]) < ranges.lost_share] = np.nan
    return noisy
