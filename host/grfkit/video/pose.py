"""Poses of the people in a picture: a detector and a landmark network of MediaPipe, run by LiteRT.

The networks are MediaPipe's ``pose_detection`` and ``pose_landmark_full`` (Bazarevsky et al. 2020, BlazePose,
arXiv 2006.10204; Apache-2.0). How their inputs are cut and their outputs read follows MediaPipe's published graph
configuration (``pose_detection_cpu``, ``pose_landmark_by_roi_cpu``, ``pose_landmarks_to_roi``); the code is our own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..extras import without_extra
from ..quiet import quiet_native

Picture = NDArray[np.uint8]
"""Rows, columns and RGB, 0 to 255."""

MODELS = Path(__file__).parent / "models"
"""The folder of the two networks."""
DIGESTS = {
    "pose_detection.tflite": "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
    "pose_landmark_full.tflite": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
}
"""SHA-256 of the networks, as they are in the wheel mediapipe 0.10.21."""

POINTS = (
    "nose",
    *("eye_inner_left", "eye_left", "eye_outer_left", "eye_inner_right", "eye_right", "eye_outer_right"),
    *("ear_left", "ear_right", "mouth_left", "mouth_right", "shoulder_left", "shoulder_right"),
    *("elbow_left", "elbow_right", "wrist_left", "wrist_right", "pinky_left", "pinky_right"),
    *("index_left", "index_right", "thumb_left", "thumb_right", "hip_left", "hip_right"),
    *("knee_left", "knee_right", "ankle_left", "ankle_right", "heel_left", "heel_right", "toe_left", "toe_right"),
)
"""The 33 points of a pose, in the network's order; its ``foot_index`` is the toe."""
INDEX = {name: i for i, name in enumerate(POINTS)}
"""Name of a point -> its row."""

# of MediaPipe's graphs: anchors of the detector (side of the input, strides; two anchors for each cell and stride), the
# score and overlap that its detections need, and how much larger than the body the landmark network's square is
_DETECTOR_SIDE, _STRIDES = 224, (8, 16, 32, 32, 32)
_DETECTION_SCORE, _OVERLAP = 0.5, 0.3
_LANDMARK_SIDE, _LANDMARK_VALUES = 256, 5
_LARGER = 1.25
_HIP_CENTRE, _BODY_END = 33, 34  # of the 39 points: two that tell where the next picture's square is
_HEATMAP_KERNEL, _HEATMAP_LEAST = 7, 0.5


class Region(NamedTuple):
    """A square of the picture, turned so that the body in it stands upright: centre and side in px, angle in rad."""

    x: float
    y: float
    side: float
    angle: float
    score: float

    def to_crop(self, side: int) -> Floats:
        """Return the affine map (2, 3) from pixels of the picture to those of a square of ``side`` pixels."""
        scale = side / self.side
        cos, sin = np.cos(self.angle) * scale, np.sin(self.angle) * scale
        turn = np.array([[cos, sin], [-sin, cos]])
        shift = np.full(2, side / 2) - turn @ np.array([self.x, self.y])
        return np.column_stack([turn, shift])


@dataclass(frozen=True)
class Pose:
    """One person in one picture.

    Attributes
    ----------
    points
        Shape (33, 2), px of the picture, in the order of :data:`POINTS`.
    depth
        Shape (33,), px: how far behind the middle of the hips, by the network's estimate; negative is nearer.
    visibility
        Shape (33,), 0 to 1.
    score
        How sure the network is that somebody is there, 0 to 1.
    region
        The square that was looked at.
    following
        The square in which the next picture should be looked at.
    mask
        Shape (256, 256), 0 to 255, of the square: how sure each pixel is the person's.
    """

    points: Floats
    depth: Floats
    visibility: Floats
    score: float
    region: Region
    following: Region
    mask: NDArray[np.uint8]

    @property
    def hip(self) -> Floats:
        """Return the middle of the hips, px."""
        middle: Floats = self.points[[INDEX["hip_left"], INDEX["hip_right"]]].mean(axis=0)
        return middle


class PoseModel:
    """The two networks, ready to run on one thread each.

    Raises
    ------
    BadInputError
        If ai-edge-litert or OpenCV is not installed, or a network's file is not the one that grfkit ships.
    """

    def __init__(self, threads: int = 1) -> None:
        self._cv = import_cv()
        self._detector = _engine("pose_detection.tflite", threads)
        self._landmarks = _engine("pose_landmark_full.tflite", threads)

    def detect(self, picture: Picture, within: Region | None = None) -> list[Region]:
        """Return the squares in which people are, the surest first; empty if nobody is seen.

        Parameters
        ----------
        within
            An upright square to look in: the whole picture if None. People much smaller than it are overlooked.
        """
        height, width = picture.shape[:2]
        square = within or Region(width / 2, height / 2, float(max(height, width)), 0.0, 1.0)
        crop = self._cut(picture, square, _DETECTOR_SIDE)
        boxes, logits = _run(self._detector, crop.astype(np.float32) / 127.5 - 1.0)
        scores = _sigmoid(logits[0, :, 0])
        likely = np.flatnonzero(scores >= _DETECTION_SCORE)
        found = _suppress(_decoded(boxes[0, likely], anchors()[likely]), scores[likely])
        side, corner = square.side, np.array([square.x, square.y]) - square.side / 2
        return [_region(values[4:6] * side + corner, values[6:8] * side + corner, score) for values, score in found]

    def look(self, picture: Picture, region: Region) -> Pose:
        """Return the pose of the person in a square of the picture; ``score`` says whether somebody is there."""
        crop = self._cut(picture, region, _LANDMARK_SIDE)
        flat, score, logits, heat, _ = _run(self._landmarks, crop.astype(np.float32) / 255.0)
        values = flat[0].reshape(-1, _LANDMARK_VALUES).astype(np.float64)
        placed = _refined(values[:, :2], heat[0])
        back = inverse(region.to_crop(_LANDMARK_SIDE))
        points = placed @ back[:, :2].T + back[:, 2]
        scale = region.side / _LANDMARK_SIDE
        return Pose(
            points=points[: len(POINTS)],
            depth=values[: len(POINTS), 2] * scale,
            visibility=np.minimum(_sigmoid(values[:, 3]), _sigmoid(values[:, 4]))[: len(POINTS)],
            score=float(score[0, 0]),
            region=region,
            following=_region(points[_HIP_CENTRE], points[_BODY_END], float(score[0, 0])),
            mask=np.round(_sigmoid(logits[0, :, :, 0]) * 255).astype(np.uint8),
        )

    def _cut(self, picture: Picture, region: Region, side: int) -> Picture:
        cv = self._cv
        if region.side > 2 * side:  # a warp has no area filter, and would pick single pixels: shrink first
            factor = 1 / int(region.side / side)
            picture = cv.resize(picture, None, fx=factor, fy=factor, interpolation=cv.INTER_AREA)
            region = region._replace(x=region.x * factor, y=region.y * factor, side=region.side * factor)
        crop: Picture = cv.warpAffine(picture, region.to_crop(side), (side, side), flags=cv.INTER_LINEAR)
        return crop


def import_cv() -> Any:
    """Return OpenCV, with one thread.

    Raises
    ------
    BadInputError
        If it is not installed.
    """
    try:
        return import_module("cv2")
    except ModuleNotFoundError as error:
        raise without_extra("reading a film", error) or error from error


def inverse(affine: Floats) -> Floats:
    """Return the inverse of an affine map (2, 3)."""
    turn = np.linalg.inv(affine[:, :2])
    return np.asarray(np.column_stack([turn, -turn @ affine[:, 2]]), dtype=np.float64)


@cache
def anchors() -> Floats:
    """Return the centres of the detector's 2254 anchors, shape (2254, 2), in the unit square."""
    rows = []
    for stride in sorted(set(_STRIDES)):
        cells = _DETECTOR_SIDE // stride
        middles = (np.arange(cells) + 0.5) / cells
        y, x = np.meshgrid(middles, middles, indexing="ij")
        rows.append(np.repeat(np.column_stack([x.ravel(), y.ravel()]), 2 * _STRIDES.count(stride), axis=0))
    return np.concatenate(rows)


def _decoded(boxes: NDArray[np.float32], centres: Floats) -> Floats:
    """Return boxes (x, y, width, height) and four points each, in the unit square."""
    values = boxes.astype(np.float64) / _DETECTOR_SIDE
    values[:, :2] += centres
    values[:, 4:] += np.tile(centres, 4)
    return values


def _suppress(boxes: Floats, scores: Floats) -> list[tuple[Floats, float]]:
    """Return one box for each person: overlapping ones averaged, weighed by their scores (as BlazeFace does)."""
    order, found = np.argsort(-scores), []
    while order.size:
        overlapping = order[_overlaps(boxes[order[0]], boxes[order]) > _OVERLAP]
        if not overlapping.size:  # a box without extent
            overlapping = order[:1]
        weights = scores[overlapping]
        found.append((np.average(boxes[overlapping], axis=0, weights=weights), float(scores[order[0]])))
        order = order[~np.isin(order, overlapping)]
    return found


def _overlaps(box: Floats, others: Floats) -> Floats:
    """Return the intersection over union of a box with others, as x, y of the centre, width, height."""
    low = np.maximum(box[:2] - box[2:4] / 2, others[:, :2] - others[:, 2:4] / 2)
    high = np.minimum(box[:2] + box[2:4] / 2, others[:, :2] + others[:, 2:4] / 2)
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    whole = np.prod(box[2:4]) + np.prod(others[:, 2:4], axis=1) - shared
    ratio: Floats = shared / np.maximum(whole, 1e-12)
    return ratio


def _region(hip: Floats, end: Floats, score: float) -> Region:
    """Return the square around a body from the middle of its hips and a point on the circle around it."""
    across = end - hip
    angle = float(np.arctan2(across[0], -across[1]))  # 0 where the body stands upright
    return Region(float(hip[0]), float(hip[1]), float(2 * np.hypot(*across) * _LARGER), angle, score)


def _refined(places: Floats, heat: NDArray[np.float32]) -> Floats:
    """Return places (px of the square) moved to the weighed middle of the heat map around them, where it is sure."""
    rows, columns, _ = heat.shape
    half = _HEATMAP_KERNEL // 2
    refined: Floats = places.copy()
    for i, (x, y) in enumerate(places / _LANDMARK_SIDE * np.array([columns, rows])):
        column, row = int(x), int(y)
        if not (0 <= column < columns and 0 <= row < rows):
            continue
        top, left = max(0, row - half), max(0, column - half)
        part = _sigmoid(heat[top : row + half + 1, left : column + half + 1, i])
        if part.max() < _HEATMAP_LEAST:
            continue
        y_at, x_at = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
        total = part.sum()
        refined[i] = (part * x_at).sum() / total / columns, (part * y_at).sum() / total / rows
        refined[i] *= _LANDMARK_SIDE
    return refined


def _sigmoid(values: Any) -> Floats:
    bounded = np.clip(np.asarray(values, dtype=np.float64), -100.0, 100.0)
    result: Floats = 1.0 / (1.0 + np.exp(-bounded))
    return result


def _engine(name: str, threads: int) -> Any:
    try:
        module = import_module("ai_edge_litert.interpreter")
    except ModuleNotFoundError as error:
        raise without_extra("finding the person in a film", error) or error from error
    path = MODELS / name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror or error}); install grfkit again") from error
    if hashlib.sha256(content).hexdigest() != DIGESTS[name]:
        raise BadInputError(f"{path} is not the network that grfkit ships; install grfkit again")
    with quiet_native():  # it says of itself what it was made with
        engine = module.Interpreter(model_content=content, num_threads=threads)
        engine.allocate_tensors()
    return _Engine(engine, content)


class _Engine(NamedTuple):
    """An interpreter and the bytes it reads for as long as it lives."""

    interpreter: Any
    content: bytes


def _run(engine: _Engine, picture: NDArray[np.float32]) -> Sequence[NDArray[np.float32]]:
    """Return the outputs of a network, in the order of their names."""
    interpreter = engine.interpreter
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture[None])
    interpreter.invoke()
    outputs = sorted(interpreter.get_output_details(), key=lambda details: details["name"])
    return [interpreter.get_tensor(details["index"]) for details in outputs]
