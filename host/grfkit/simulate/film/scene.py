"""The laboratory behind the walker: wall, floor, plates and furniture as a camera sees them, drawn from a seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...arrays import Floats
from .camera import NEAREST_M, Camera
from .look import Colour, Look
from .motion import FilmedBody
from .paint import Picture, fill

_WALL_M = {"base": 2.2, "other": 3.4}
"""How far (m) the wall stands behind the walkway."""
_WALLS: dict[str, tuple[Colour, ...]] = {
    "base": ((206, 208, 204), (188, 198, 206), (214, 206, 190)),
    "other": ((120, 134, 128), (226, 224, 228), (150, 120, 104), (98, 104, 120)),
}
_FLOORS: dict[str, tuple[Colour, ...]] = {
    "base": ((128, 132, 136), (104, 112, 122), (146, 140, 132)),
    "other": ((164, 128, 92), (96, 100, 96), (190, 182, 168), (84, 72, 64)),
}
_THINGS: tuple[Colour, ...] = (
    (88, 92, 100), (150, 90, 60), (40, 60, 90), (220, 220, 216), (60, 90, 70), (170, 160, 60), (30, 30, 34),
)  # fmt: skip
"""Colours of doors, cabinets and posters."""
_ASIDE_M = 9.0
"""How far (m) wall and floor reach to either side."""


def draw_scene(look: Look, camera: Camera, body: FilmedBody) -> Picture:
    """Return the laboratory as the camera sees it without the walker."""
    import cv2

    rng = np.random.default_rng([look.scene_seed, 4])
    across = float(body.middle("hip")[:, 1].mean())
    painter = _Painter(np.zeros((camera.height_px, camera.width_px, 3), dtype=np.uint8), camera, across)
    wall, floor = (
        _pick(rng, colours[look.laboratory]) for colours in (_WALLS, _FLOORS)
    )  # one after the other: the order of the draws is the scene's
    back = _WALL_M[look.laboratory]
    painter.picture[:] = wall
    painter.floor(-camera_distance(camera, across) + 2 * NEAREST_M, back, floor)
    _tiles(painter, rng, floor, back)
    painter.wall(-_ASIDE_M, _ASIDE_M, 0.0, 0.09, back, _shade(wall, 0.6))
    _furniture(painter, rng, back, float(body.middle("hip")[:, 0].mean()), look.laboratory)
    _plates(painter, body)
    picture = cv2.GaussianBlur(painter.picture, (0, 0), 0.8 + 0.4 * camera.height_px / 720)
    return _lit(picture, rng, look)


def camera_distance(camera: Camera, across_m: float) -> float:
    """Return how far the camera stands from the walkway, m."""
    return abs(float(camera.place_m[1]) - across_m)


@dataclass
class _Painter:
    """Draws flat things that stand in the laboratory; depth is m behind the walkway's middle, seen from the camera."""

    picture: Picture
    camera: Camera
    across_m: float

    def quad(self, corners_m: Sequence[tuple[float, float, float]], colour: Colour) -> None:
        """Fill four corners given as (along, behind, up)."""
        places = np.asarray([(x, self.across_m + self.camera.heading * behind, z) for x, behind, z in corners_m])
        pixels, _ = self.camera.project(places)
        fill(self.picture, np.clip(pixels, -3e4, 3e4), tuple(float(c) for c in colour))

    def wall(self, x0: float, x1: float, z0: float, z1: float, behind: float, colour: Colour) -> None:
        """Fill an upright rectangle."""
        self.quad([(x0, behind, z0), (x1, behind, z0), (x1, behind, z1), (x0, behind, z1)], colour)

    def floor(self, near: float, far: float, colour: Colour, x0: float = -_ASIDE_M, x1: float = _ASIDE_M) -> None:
        """Fill a rectangle on the floor."""
        self.quad([(x0, near, 0.0), (x1, near, 0.0), (x1, far, 0.0), (x0, far, 0.0)], colour)


def _tiles(painter: _Painter, rng: np.random.Generator, floor: Colour, back: float) -> None:
    """Draw the seams of tiles, or a walkway of another colour."""
    seam = _shade(floor, float(rng.uniform(0.85, 1.1)))
    size = float(rng.uniform(0.4, 1.0))
    near = -camera_distance(painter.camera, painter.across_m) + 3 * NEAREST_M
    if rng.random() < 0.5:
        painter.floor(-0.6, 0.6, _shade(floor, float(rng.uniform(0.8, 1.15))))
    for x in np.arange(-_ASIDE_M, _ASIDE_M, size):
        painter.floor(near, back, seam, float(x), float(x) + 0.012)
    for behind in np.arange(near, back, size):
        painter.floor(float(behind), float(behind) + 0.015, seam)


def _furniture(painter: _Painter, rng: np.random.Generator, back: float, middle_m: float, laboratory: str) -> None:
    """Draw some flat things against the wall: doors and cabinets that stand, posters and windows that hang."""
    for _ in range(int(rng.integers(3, 7)) + (3 if laboratory == "other" else 0)):
        x, wide = middle_m + float(rng.uniform(-3.5, 3.5)), float(rng.uniform(0.3, 1.1))
        stands = rng.random() < 0.5
        low = 0.0 if stands else float(rng.uniform(0.9, 1.6))
        high = float(rng.uniform(0.6, 2.0)) if stands else low + float(rng.uniform(0.3, 0.9))
        behind = back - (float(rng.uniform(0.0, 0.5)) if stands else 0.0)
        colour = _pick(rng, _THINGS)
        painter.wall(x, x + wide, low, high, behind, colour)
        edge = 0.04
        painter.wall(
            x + edge, x + wide - edge, low + edge, high - edge, behind, _shade(colour, float(rng.uniform(0.9, 1.25)))
        )


def _plates(painter: _Painter, body: FilmedBody) -> None:
    """Draw two force plates in the middle of the walkway (0.46 x 0.51 m, as Schreiber's); only how they look."""
    middle = body.opposite_m
    if middle is None:
        middle = float(np.median(body.middle("hip")[body.measured, 0]))
    for k in (-1, 0):
        painter.floor(-0.23, 0.23, (92, 94, 98), middle + 0.52 * k, middle + 0.52 * k + 0.5)


def _lit(picture: Picture, rng: np.random.Generator, look: Look) -> Picture:
    """Return the picture with light that falls off to one side, and with dirt and grain that never move."""
    import cv2

    rows, columns = picture.shape[:2]
    blotches = cv2.resize(
        rng.normal(0.0, 1.0, (9, 16)).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC
    )
    slope = np.linspace(-0.5, 0.5, columns, dtype=np.float32)[None] * look.light[0] * look.contrast
    light = 1.0 + 0.35 * slope + 0.03 * blotches
    return np.asarray(np.clip(picture * light[..., None], 0, 255), dtype=np.uint8)


def _pick(rng: np.random.Generator, colours: Sequence[Colour]) -> Colour:
    shift: Floats = np.clip(np.asarray(colours[int(rng.integers(len(colours)))]) + rng.normal(0.0, 6.0, 3), 0, 255)
    return int(shift[0]), int(shift[1]), int(shift[2])


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (int(min(255.0, factor * c)) for c in colour)
    return red, green, blue
