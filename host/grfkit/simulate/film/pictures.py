"""The pictures of a rendered film, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ...arrays import Floats
from .camera import Camera
from .clock import FilmStamps
from .figure import figure, painted
from .look import Look
from .motion import SIDES, FilmedBody
from .paint import Picture, fill, paint_body, polygons
from .scene import draw_scene

_SHADOWS = 0.34
"""How much darker the floor is right under a standing foot. Chosen by hand."""
_LIFTED_M = 0.25
"""Height (m) of an ankle at which its foot casts no shadow of its own any more."""
_GRAINS = 5
"""Pictures of noise that take turns."""


def film_pictures(body: FilmedBody, look: Look, camera: Camera, stamps: FilmStamps) -> Iterator[Picture]:
    """Give a film's pictures in order, shape (rows, columns, 3), RGB: what the camera sees at each stamp.

    Nobody is in the picture while the body is not there (before or after its motion): the walker comes and goes.
    """
    shown = body.at(stamps.reference_s)
    there = body.covers(stamps.reference_s)
    empty = draw_scene(look, camera, body)
    parts = painted(figure(shown, look.clothes, camera.near_side), camera)
    grains = _grains(look, camera)
    for i in range(stamps.film_s.size):
        picture = empty.copy()
        if there[i]:
            _shadow(picture, shown, i, camera)
            paint_body(picture, parts, i, light=look.light, contrast=look.contrast)
        # the picture's grain jumps about, and each of them differs
        yield _grainy(picture, grains[(i * 7 + i // _GRAINS) % _GRAINS])


def _shadow(picture: Picture, shown: FilmedBody, frame: int, camera: Camera) -> None:
    """Darken the floor under the feet, the more the nearer they are to it, and a little under the body."""
    import cv2

    angles = np.linspace(0.0, 2 * np.pi, 16, endpoint=False)
    hip = shown.middle("hip")[frame]
    spots = [(hip[0], hip[1], 0.42, 0.20, 0.4)]
    for side in SIDES:
        heel, toe = shown.points[f"heel_{side}"][frame], shown.points[f"toe_{side}"][frame]
        height = min(heel[2], toe[2])
        middle = (heel + toe) / 2
        spots.append((middle[0], middle[1], 0.2, 0.08, max(0.0, 1.0 - height / _LIFTED_M)))
    outlines = []
    for x, y, long, wide, strength in spots:
        ring = np.stack([x + long * np.cos(angles), y + wide * np.sin(angles), np.zeros(16)], axis=1)
        outlines.append((camera.project(ring)[0], strength))
    low = np.floor(np.min([o.min(axis=0) for o, _ in outlines], axis=0)).astype(int) - 12
    high = np.ceil(np.max([o.max(axis=0) for o, _ in outlines], axis=0)).astype(int) + 13
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, [picture.shape[1], picture.shape[0]])
    if left >= right or top >= bottom:
        return
    dark = np.zeros((bottom - top, right - left), dtype=np.uint8)
    for ring, strength in outlines:
        spot = np.zeros_like(dark)
        fill(spot, ring - [left, top], 255.0 * _SHADOWS * strength)
        dark = np.maximum(dark, spot)
    dark = cv2.blur(dark, (13, 7))
    box = picture[top:bottom, left:right]
    box[:] = (box * (255 - dark.astype(np.uint16))[..., None] // 255).astype(np.uint8)


def _grains(look: Look, camera: Camera) -> list[tuple[Picture, Picture]]:
    """Return noise as what is added and what is taken away; the same in all colours, as phones filter colour noise."""
    rng = np.random.default_rng([look.scene_seed, 5])
    shape = (camera.height_px, camera.width_px, 1)
    drawn = [np.rint(rng.normal(0.0, look.noise, shape)).clip(-100, 100).repeat(3, axis=2) for _ in range(_GRAINS)]
    return [(np.maximum(d, 0).astype(np.uint8), np.maximum(-d, 0).astype(np.uint8)) for d in drawn]


def _grainy(picture: Picture, grain: tuple[Picture, Picture]) -> Picture:
    """Return the picture with noise."""
    import cv2

    more, less = grain
    return np.asarray(cv2.subtract(cv2.add(picture, more), less), dtype=np.uint8)


def body_masks(body: FilmedBody, look: Look, camera: Camera, times_s: Floats) -> Iterator[NDArray[np.bool_]]:
    """Give where the body is in the picture at some times, shape (rows, columns): the truth of a pose model's mask."""
    shown = body.at(times_s)
    parts = painted(figure(shown, look.clothes, camera.near_side), camera)
    for i in range(len(times_s)):
        mask = np.zeros((camera.height_px, camera.width_px), dtype=np.uint8)
        for polygon in polygons(parts, i):
            fill(mask, polygon, 255)
        yield np.asarray(mask > 127)
