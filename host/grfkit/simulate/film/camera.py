"""A pinhole camera beside a walkway."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...arrays import Floats

NEAREST_M = 0.3
"""Depth (m) before the camera under which nothing is drawn."""


@dataclass(frozen=True)
class Camera:
    """Where a camera stands and how it looks; the world's X is the heading, Y left, Z up.

    Attributes
    ----------
    place_m
        Shape (3,), the camera's centre.
    near_side
        The walker's side that it sees: ``right`` looks along +Y, ``left`` along -Y.
    yaw_deg, pitch_deg, roll_deg
        Turned off the perpendicular: to the picture's right, up, and clockwise.
    field_deg
        Horizontal angle of view.
    """

    place_m: Floats
    near_side: str
    width_px: int
    height_px: int
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    field_deg: float = 66.0

    @property
    def focal_px(self) -> float:
        """Return the focal length in pixels."""
        return float(self.width_px / 2 / np.tan(np.radians(self.field_deg) / 2))

    @property
    def heading(self) -> float:
        """Return +1 where the walker goes to the right of the picture, else -1."""
        return 1.0 if self.near_side == "right" else -1.0

    @property
    def axes(self) -> Floats:
        """Return the picture's right, down and depth as rows, in the world's axes."""
        right = np.asarray([self.heading, 0.0, 0.0])
        depth = np.asarray([0.0, self.heading, 0.0])
        down = np.asarray([0.0, 0.0, -1.0])
        yaw, pitch, roll = np.radians([self.yaw_deg, self.pitch_deg, self.roll_deg])
        right, depth = np.cos(yaw) * right - np.sin(yaw) * depth, np.cos(yaw) * depth + np.sin(yaw) * right
        depth, down = np.cos(pitch) * depth - np.sin(pitch) * down, np.cos(pitch) * down + np.sin(pitch) * depth
        right, down = np.cos(roll) * right + np.sin(roll) * down, np.cos(roll) * down - np.sin(roll) * right
        return np.stack([right, down, depth])

    def project(self, points_m: Floats) -> tuple[Floats, Floats]:
        """Return pixels (..., 2), x to the right and y down, and how many pixels a metre has there (...,)."""
        seen = (np.asarray(points_m) - self.place_m) @ self.axes.T
        per_m = self.focal_px / np.maximum(seen[..., 2], NEAREST_M)
        middle = np.asarray([(self.width_px - 1) / 2, (self.height_px - 1) / 2])
        return np.asarray(middle + seen[..., :2] * per_m[..., None]), np.asarray(per_m)
