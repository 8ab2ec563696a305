"""Where the real C3D files are, and a small C3D file to break or bend (not a test module)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from c3d_bytes import c3d_bytes
from grfkit.io.base import ReadOptions
from grfkit.io.readers.c3d import READER
from grfkit.records import Recording

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CORNERS = np.asarray([[600.0, 400, 0], [600, 0, 0], [0, 0, 0], [0, 400, 0]])
"""Of a plate with z down, mm."""
LABELS = ["Fx1", "Fy1", "Fz1", "Mx1", "My1", "Mz1"]
UNITS = ["N", "N", "N", "Nmm", "Nmm", "Nmm"]


def real(name: str) -> Path:
    """Return a real file, or skip the test with a reason."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the recording {name} is not in ../shared/data")
    return path


def platform(count: int = 1, *, kind: int = 2, width: int = 6, **further: Any) -> dict[str, Any]:
    """Return a FORCE_PLATFORM group of ``count`` plates side by side."""
    corners = [np.add(CORNERS, [0, 500.0 * i, 0]) for i in range(count)]
    group: dict[str, Any] = {
        "USED": np.asarray([count], np.int16),
        "TYPE": np.full(count, kind, np.int16),
        "ZERO": np.asarray([1, 0], np.int16),
        "CORNERS": np.stack(corners, axis=-1).transpose(1, 0, 2),
        "ORIGIN": np.repeat([[0.0], [0.0], [-40.0]], count, axis=1),
        "CHANNEL": (np.arange(width * count).reshape(count, width).T + 1).astype(np.int16),
    }
    return group | further


def loads(frames: int = 60, per_frame: int = 10) -> np.ndarray:
    """Return six channels (samples, 6): 700 N pressed on the plate in the middle third, at (50, -30) mm."""
    samples = frames * per_frame
    fz = np.zeros(samples)
    fz[samples // 3 : 2 * samples // 3] = 700.0
    fx = 0.1 * fz
    # about the sensor, 40 mm under the surface: the surface point is at z = -40 of the sensor
    mx, my, mz = -30.0 * fz, -(50.0 * fz) - 40.0 * fx, 30.0 * fx
    return np.column_stack([fx, 0 * fz, fz, mx, my, mz])


def build(
    analog: np.ndarray | None = None,
    *,
    groups: Mapping[str, Mapping[str, Any]] | None = None,
    **settings: Any,
) -> bytes:
    """Return a C3D file of 60 frames at 100 Hz, 10 analog samples each, two markers and one plate."""
    points = np.tile(np.asarray([[100.0, 200.0, 900.0], [120.0, 210.0, 30.0]]), (60, 1, 1))
    analog = loads() if analog is None else analog
    width = analog.shape[1]
    known: dict[str, Any] = {"point_rate_hz": 100.0, "analog_per_frame": 10, "point_labels": ["HIP", "HEEL"]}
    known |= {"analog_labels": (LABELS * width)[:width], "analog_units": (UNITS * width)[:width]}
    return c3d_bytes(points, analog, groups={"FORCE_PLATFORM": platform(), **(groups or {})}, **(known | settings))


def read_bytes(folder: Path, data: bytes, **options: Any) -> Recording:
    """Return what the reader makes of these bytes."""
    path = folder / "trial.c3d"
    path.write_bytes(data)
    return READER.read(path, ReadOptions(**options))
