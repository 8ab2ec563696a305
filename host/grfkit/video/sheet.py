"""A contact sheet of a film: pictures over the walk, with the skeleton and the mask that were found."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from ..arrays import PathLike
from ..errors import BadInputError
from ..records import Recording
from ..signals.film_stream import side_view_of
from .decode import open_film

COLUMNS, ROWS = 4, 3
TILE_PX = (480, 360)
"""Width and height of a tile."""
_ABOVE_LEGS, _BELOW_LEGS = 2.3, 0.35
"""What a tile shows above and below the floor, in legs; chosen by hand."""
_LIMBS = (
    ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "heel"), ("heel", "toe"), ("toe", "ankle"),
    ("shoulder", "elbow"), ("elbow", "wrist"),
)  # fmt: skip
_NEAR, _FAR = (255, 140, 0), (0, 120, 215)
"""Colours (RGB) of the side that is near and of the far one: told apart by colour-blind eyes, too."""
_FAR_TEXT = (90, 180, 255)
"""The far side's colour, light enough to be read on black."""
_WHITE = (255, 255, 255)
_SOLE = 0.06  # how far below the floor a contact is drawn, legs: under the shoe. Chosen by hand
Stands = dict[str, list[tuple[float, float]]]
"""By side: landing and toe-off of each stance, s."""


def contact_sheet(path: PathLike, recording: Recording, *, ending: str = ".png") -> bytes:
    """Return twelve pictures over the walk as one file: the near side orange, the far side blue, the mask in a corner.

    A foot that stands, by the contacts that the film shows whole, has a line under it and its side beside the time;
    before the first of them and after the last it is not known which foot does. The first picture says which colour is
    which side.

    Parameters
    ----------
    path
        The film.
    recording
        What :func:`~grfkit.video.recording.read_film` made of it.
    ending
        ``.png`` or ``.jpg``, the format.

    Raises
    ------
    BadInputError
        If the recording holds no keypoints in which the walker is seen.
    """
    points = next(iter(recording.of_kind("keypoints").values()), None)
    if points is None:
        raise BadInputError("holds no keypoints of a film; a contact sheet is made of a film")
    rows = _chosen(points)
    masks = next(iter(recording.of_kind("images").values()), None)
    stamps = np.asarray(points["time_raw"].values, dtype=np.float64)[rows]
    stands = _stands(points)
    tiles: list[NDArray[Any]] = []
    for frame in open_film(path).frames():
        if len(tiles) < len(rows) and frame.time_s >= stamps[len(tiles)] - 1e-6:
            tiles.append(_tile(frame.image, points, masks, rows[len(tiles)], stands))
        if len(tiles) == len(rows):
            break
    if tiles:
        near = str(points.attrs["near_side"])
        far = "right" if near == "left" else "left"
        _label(tiles[0], f"orange: {near} side, near the camera", 1, _NEAR)
        _label(tiles[0], f"blue: {far} side", 2, _FAR_TEXT)
    blank = np.full((TILE_PX[1], TILE_PX[0], 3), 255, dtype=np.uint8)
    tiles += [blank] * (COLUMNS * ROWS - len(tiles))
    sheet = np.vstack([np.hstack(tiles[row * COLUMNS : (row + 1) * COLUMNS]) for row in range(ROWS)])
    return bytes(cv2.imencode(ending, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes())


def _chosen(points: xr.Dataset) -> list[int]:
    """Return the rows that are shown: evenly over the frames in which the hips are seen."""
    hips = points["position"].sel(landmark=["hip_left", "hip_right"]).values
    seen = np.flatnonzero(np.isfinite(hips).all(axis=(1, 2)))
    if not seen.size:
        raise BadInputError("the walker's hips are seen in no picture; a contact sheet shows nothing")
    return [int(k) for k in np.unique(seen[np.linspace(0, seen.size - 1, COLUMNS * ROWS).round().astype(int)])]


def _tile(image: NDArray[Any], points: xr.Dataset, masks: xr.Dataset | None, row: int, stands: Stands) -> NDArray[Any]:
    at_s = float(points["time"].values[row])
    leg, floor = float(points.attrs["leg_px"]), float(points.attrs["floor_px"])
    drawn = image.copy()
    down = [side for side, spans in stands.items() if any(a <= at_s <= b for a, b in spans)]
    for side in ("left", "right"):
        colour = _NEAR if side == points.attrs["near_side"] else _FAR
        _draw(drawn, points, row, side, colour, leg)
        if side in down:
            _draw_contact(drawn, points, row, side, colour, leg)
    hips = points["position"].sel(landmark=["hip_left", "hip_right"]).values[row, :, 0]
    height = (_ABOVE_LEGS + _BELOW_LEGS) * leg
    width = height * TILE_PX[0] / TILE_PX[1]
    part = _window(drawn, float(np.mean(hips)) - width / 2, floor - _ABOVE_LEGS * leg, width, height)
    tile = np.asarray(cv2.resize(part, TILE_PX, interpolation=cv2.INTER_AREA))
    if masks is not None:
        size = TILE_PX[1] // 4
        mask = cv2.resize(np.asarray(masks["image"].values[row]), (size, size), interpolation=cv2.INTER_NEAREST)
        tile[:size, -size:] = mask[:, :, None]
    text = f"{at_s:.2f} s"
    if down:
        text += f"  stands: {' and '.join(down)}"
    elif not any(a <= at_s <= b for a, b in _between(stands)):
        text += "  contacts not known"
    _label(tile, text, 0, _WHITE)
    return tile


def _between(stands: Stands) -> list[tuple[float, float]]:
    """Return from when to when contacts are known: from the first landing to the last toe-off, s."""
    spans = [span for of in stands.values() for span in of]
    return [(min(a for a, _ in spans), max(b for _, b in spans))] if spans else []


def _label(tile: NDArray[Any], text: str, row: int, colour: tuple[int, int, int]) -> None:
    """Write a line on black in the upper left corner of a tile."""
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1)
    top = row * (high + 16)
    tile[top : top + high + 16, : wide + 16] = 0
    cv2.putText(tile, text, (8, top + high + 8), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 1, cv2.LINE_AA)


def _draw(
    image: NDArray[Any], points: xr.Dataset, row: int, side: str, colour: tuple[int, int, int], leg_px: float
) -> None:
    """Draw one side's limbs into a picture."""
    place = {str(n): p for n, p in zip(points["landmark"].values, points["position"].values[row])}
    thickness = max(1, round(leg_px / 60))
    for one, other in _LIMBS:
        ends = [place.get(f"{name}_{side}", np.full(2, np.nan)) for name in (one, other)]
        if np.isfinite(ends).all():
            (ax, ay), (bx, by) = np.rint(ends).astype(int).tolist()
            cv2.line(image, (ax, ay), (bx, by), colour, thickness, cv2.LINE_AA)


def _draw_contact(
    image: NDArray[Any], points: xr.Dataset, row: int, side: str, colour: tuple[int, int, int], leg_px: float
) -> None:
    """Draw the floor under a foot that stands, from its heel to its toe."""
    ends = points["position"].sel(landmark=[f"heel_{side}", f"toe_{side}"]).values[row, :, 0]
    if np.isfinite(ends).all():
        y = round(float(points.attrs["floor_px"]) + _SOLE * leg_px)
        left, right = int(ends.min()), int(ends.max())
        cv2.line(image, (left, y), (right, y), colour, max(2, round(leg_px / 25)))


def _stands(points: xr.Dataset) -> Stands:
    """Return when each foot stands: landing and toe-off, s, of the contacts that the film shows whole."""
    seen = [s for s in side_view_of(points).stances if not s.reason and np.isfinite(s.ic_s) and np.isfinite(s.to_s)]
    return {side: [(s.ic_s, s.to_s) for s in seen if s.foot == foot] for foot, side in enumerate(("left", "right"))}


def _window(image: NDArray[Any], left: float, top: float, width: float, height: float) -> NDArray[Any]:
    """Return a part of a picture; what lies outside is grey."""
    matrix = np.asarray([[1.0, 0.0, -left], [0.0, 1.0, -top]])
    size = (max(2, round(width)), max(2, round(height)))
    return np.asarray(cv2.warpAffine(image, matrix, size, borderValue=(90, 90, 90)))
