"""Keypoints as a film from the side would give them, of bodies whose landmarks in space are known: no picture is made.

Stand-ins for rendered films where many people are needed, and what the tests of contacts see.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from grfkit.records import make_keypoints
from grfkit.simulate.body import LANDMARKS
from grfkit.simulate.truth import Truth

NEAR_SD_M, FAR_SD_M = 0.006, 0.012
"""SD (m) of a pose model's points, near and far side; half of it comes and goes within 0.08 s."""
SLOW_S = 0.08


@dataclass(frozen=True)
class SideCamera:
    """A camera that stands beside the walk: its distance from the walk, height (m), focal length (px) and picture."""

    distance_m: float = 3.5
    height_m: float = 1.0
    focal_px: float = 1500.0
    width_px: int = 1920
    height_px: int = 1080

    def pictured(self, points: np.ndarray, *, near: str, middle_m: tuple[float, float]) -> np.ndarray:
        """Return px of points (frames, points, 3; X forward, Y left, Z up), shape (frames, points, 2).

        ``middle_m`` is where the camera looks, X and Y of the walk.
        """
        side = 1.0 if near == "left" else -1.0
        depth = self.distance_m - side * (points[..., 1] - middle_m[1])
        across = -side * self.focal_px * (points[..., 0] - middle_m[0]) / depth
        down = self.focal_px * (self.height_m - points[..., 2]) / depth
        return np.stack([self.width_px / 2 + across, self.height_px / 2 + down], axis=-1)

    @property
    def floor_px(self) -> float:
        """Return the row of the floor under the walk."""
        return self.height_px / 2 + self.focal_px * self.height_m / self.distance_m


def pose_noise(
    rng: np.random.Generator, names: Sequence[str], frames: int, *, near: str, rate_hz: float, scale: float = 1.0
) -> np.ndarray:
    """Return errors of a pose model's points, m at the walk's distance, shape (frames, points, 2)."""
    sd = np.asarray([NEAR_SD_M if n.endswith(near) else FAR_SD_M for n in names]) * scale
    shape = (len(names), 2)
    keep = np.exp(-1.0 / (rate_hz * SLOW_S))
    slow = np.empty((frames, *shape))
    slow[0] = rng.normal(size=shape)
    for k in range(1, frames):
        slow[k] = keep * slow[k - 1] + np.sqrt(1 - keep * keep) * rng.normal(size=shape)
    return sd[None, :, None] * (slow + rng.normal(size=slow.shape)) / np.sqrt(2.0)


def keypoints_of(
    points: np.ndarray,
    names: Sequence[str],
    time_s: np.ndarray,
    *,
    near: str,
    middle_m: tuple[float, float],
    leg_m: float,
    rate_hz: float,
    rng: np.random.Generator | None,
    camera: SideCamera | None = None,
    noise: float = 1.0,
) -> xr.Dataset:
    """Return the stream of keypoints of a body (frames, points, 3) whose names need no ``pelvis``."""
    camera = camera or SideCamera()
    kept = [i for i, name in enumerate(names) if name != "pelvis"]
    names = [names[i] for i in kept]
    seen = camera.pictured(points[:, kept], near=near, middle_m=middle_m)
    metre_px = camera.focal_px / camera.distance_m
    if rng is not None:
        seen = seen + metre_px * pose_noise(rng, names, time_s.size, near=near, rate_hz=rate_hz, scale=noise)
    seen[~np.isfinite(seen).all(axis=2)] = np.nan
    about = {
        "heading": 1.0 if near == "right" else -1.0,
        "near_side": near,
        "leg_px": leg_m * metre_px,
        "floor_px": camera.floor_px,
        "width_px": camera.width_px,
        "height_px": camera.height_px,
        "people": 1,
    }
    return make_keypoints(seen, names, time_s, rate_hz=rate_hz, attrs=about)


def phantom_film(
    truth: Truth,
    *,
    start_s: float,
    end_s: float,
    near: str = "right",
    rate_hz: float = 60.0,
    offset_s: float = 0.0,
    seed: int = 0,
    noise: float = 1.0,
    camera: SideCamera | None = None,
) -> xr.Dataset:
    """Return a film of a simulated walker from ``start_s`` to ``end_s`` of reference time.

    Its clock shows ``offset_s`` less. Over plates nobody is seen while the walker comes round.
    """
    rng = np.random.default_rng(seed)
    time_s = np.arange(start_s + rng.uniform(0, 1 / rate_hz), end_s, 1.0 / rate_hz)
    body = truth.body(time_s)
    points = np.where(body.visible[:, None, None], body.landmarks, np.nan)
    names = [n if n == "pelvis" else "_".join(reversed(n.split("_"))) for n in LANDMARKS]
    return keypoints_of(
        points, names, time_s - offset_s, near=near, middle_m=(0.0, 0.0), leg_m=0.245 * truth.height_m * 2,
        rate_hz=rate_hz, rng=rng, camera=camera, noise=noise,
    )  # fmt: skip
