"""Where feet come down: on a belt, or lap by lap on a row of floor plates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .conditions import Condition
from .settings import OvergroundRanges, Settings, draw
from .world import FOOT_M, World


@dataclass(frozen=True)
class PlateBox:
    """A plate's extent in the laboratory (m): X and Y from low to high."""

    x: tuple[float, float]
    y: tuple[float, float]

    @property
    def centre(self) -> tuple[float, float]:
        """Return the centre of the surface (m)."""
        return (self.x[0] + self.x[1]) / 2, (self.y[0] + self.y[1]) / 2


@dataclass(frozen=True)
class Hit:
    """Part of a foot on a plate: contact, plate (from 0), lap, and from where to where along the foot (m)."""

    contact: int
    plate: int
    lap: int
    heel_from_m: float
    heel_to_m: float

    @property
    def whole(self) -> bool:
        """Return whether the whole foot is on this plate."""
        return self.heel_from_m <= 0 and self.heel_to_m >= FOOT_M


@dataclass(frozen=True)
class Ground:
    """Plates, and where each contact's heel comes down.

    Attributes
    ----------
    heel_m
        Shape (contacts, 2): X and Y of the heel at contact; on a treadmill it then moves with the belt.
    belt_m_s
        Speed of the belt, 0 overground.
    crossing_s
        Overground: when the body passes the plates' middle, lap by lap.
    """

    plates: tuple[PlateBox, ...]
    heel_m: Floats
    hits: tuple[Hit, ...]
    belt_m_s: float
    crossing_s: Floats
    rest_plate: int


def treadmill_ground(rng: np.random.Generator, condition: Condition, settings: Settings, world: World) -> Ground:
    """Return feet on one belt, or one belt per foot."""
    length, width = settings.treadmill.belt_m
    x = (-length / 2, length / 2)
    plates: tuple[PlateBox, ...]
    if condition.split_belt:
        plates = (PlateBox(x, (0.0, width / 2)), PlateBox(x, (-width / 2, 0.0)))
    else:
        plates = (PlateBox(x, (-width / 2, width / 2)),)
    count = world.steps.onset_s.size
    heel = np.empty((count, 2))
    heel[:, 0] = 0.5 * world.situation.speed_m_s * world.steps.contact_s - 0.12 + rng.normal(0, 0.02, count)
    heel[:, 1] = _across(rng, world)
    plate = np.where(world.steps.left, 0, 1) if condition.split_belt else np.zeros(count, dtype=int)
    # a belt ends nowhere under a foot
    hits = tuple(Hit(k, int(plate[k]), 0, -np.inf, np.inf) for k in range(count))
    return Ground(plates, heel, hits, world.situation.speed_m_s, np.zeros(0), 0)


def overground_ground(rng: np.random.Generator, condition: Condition, settings: Settings, world: World) -> Ground:
    """Return feet on a row of plates crossed once a lap; a few land partly beside their plate."""
    ranges = settings.overground
    plates = _row(rng, ranges)
    crossing = _crossings(rng, ranges, world)
    # each contact belongs to the crossing nearest in time
    lap = np.argmin(np.abs(world.steps.onset_s[:, None] - crossing[None, :]), axis=1)
    speed = world.situation.speed_m_s
    x = speed * (world.steps.onset_s - crossing[lap] + 0.5 * world.steps.contact_s) - 0.12
    heel = np.stack([x, _across(rng, world)], axis=1)
    hits: list[Hit] = []
    near = np.flatnonzero([any(p.x[0] <= m <= p.x[1] for p in plates) for m in x + FOOT_M / 2])
    for number in np.unique(lap[near]):
        on_plates = near[lap[near] == number]
        most = int(rng.integers(ranges.stances_per_pass[0], ranges.stances_per_pass[1] + 1, size=2).max())
        start = int(rng.integers(0, max(1, on_plates.size - most + 1)))
        for k in on_plates[start : start + most]:
            hits += _strike(rng, ranges, plates, heel, int(k), int(number))
    resting = [r for r in world.rests if r.jumps]
    allowed = len(hits) if condition.hits is None else condition.hits
    on_plate = 1 if resting or condition.standing or condition.start_stop else -1
    return Ground(plates, heel, tuple(_first_contacts(hits, allowed)), 0.0, crossing, on_plate)


def _first_contacts(hits: Sequence[Hit], allowed: int) -> list[Hit]:
    contacts = list(dict.fromkeys(hit.contact for hit in hits))[:allowed]
    return [hit for hit in hits if hit.contact in set(contacts)]


def _across(rng: np.random.Generator, world: World) -> Floats:
    half = 0.045 if world.situation.gait == "run" else 0.085
    side = np.where(world.steps.left, half, -half)
    return np.asarray(side + rng.normal(0, 0.012, side.size))


def _row(rng: np.random.Generator, ranges: OvergroundRanges) -> tuple[PlateBox, ...]:
    length, width = ranges.plate_m
    pitch = draw(rng, ranges.pitch_m)
    middle = (np.arange(ranges.plates) - (ranges.plates - 1) / 2) * pitch
    return tuple(PlateBox((float(m) - length / 2, float(m) + length / 2), (-width / 2, width / 2)) for m in middle)


def _crossings(rng: np.random.Generator, ranges: OvergroundRanges, world: World) -> NDArray[np.float64]:
    lap = draw(rng, ranges.lap_s)
    count = int((world.end_s - world.start_s) / lap) + 3
    laps = lap * (1 + rng.normal(0, ranges.lap_cv_percent / 100, count))
    return np.asarray(world.start_s - lap * rng.random() + np.cumsum(laps))


def _strike(
    rng: np.random.Generator,
    ranges: OvergroundRanges,
    plates: Sequence[PlateBox],
    heel: Floats,
    k: int,
    lap: int,
) -> list[Hit]:
    """Return what contact ``k`` hits; its heel is moved inside the plate, or over an edge if partial."""
    middle = heel[k, 0] + FOOT_M / 2
    aimed = [number for number, plate in enumerate(plates) if plate.x[0] <= middle <= plate.x[1]]
    if not aimed:
        return []
    low, high = plates[aimed[0]].x
    if rng.random() < ranges.partial_share:
        beyond = float(rng.uniform(0.2, 0.8)) * FOOT_M
        front = middle > (low + high) / 2
        # over the edge that the foot is nearer to
        heel[k, 0] = high - FOOT_M + beyond if front else low - beyond
    else:
        heel[k, 0] = float(np.clip(heel[k, 0], low + 0.01, high - FOOT_M - 0.01))
    hits = []
    for number, plate in enumerate(plates):
        start, end = plate.x[0] - heel[k, 0], plate.x[1] - heel[k, 0]
        if end > 0 and start < FOOT_M:
            hits.append(Hit(k, number, lap, float(start), float(end)))
    return hits
