"""The report of a calibrated inertial sensor: positions at rest, what each axis needs, and how it sits on the shoe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..arrays import PathLike
from ..units import G
from .html import page, write_page
from .numbers import fixed, size


def render_imu_report(document: Mapping[str, Any]) -> str:
    """Return the report of ``grf-calibrate imu`` as one HTML page that needs nothing else.

    Parameters
    ----------
    document
        A calibration document of kind ``imu_calibration``.
    """
    scale, bias = np.asarray(document["acc_scale"]), np.asarray(document["acc_bias_m_s2"])
    gyro = document["gyro_bias_rad_s"]
    return page(
        "imu.html",
        document=document,
        axes=[
            (
                "xyz"[k],
                f"{scale[k]:.4f}",
                fixed(float(bias[k]), 3, "m/s²"),
                "" if gyro is None else fixed(float(np.rad2deg(gyro[k])), 2, "°/s"),
            )
            for k in range(3)
        ],
        positions=[
            (
                p["up"],
                fixed(p["start_s"], 1, "s"),
                fixed(p["duration_s"], 1, "s"),
                fixed(float(np.linalg.norm(p["acc_m_s2"])) - G, 3, "m/s²"),
                fixed(float(np.linalg.norm(scale * (np.asarray(p["acc_m_s2"]) - bias))) - G, 3, "m/s²"),
            )
            for p in document["positions"]
        ],
        turn=[
            (what, *(f"{v:+.3f}".replace("-", "−") for v in row))
            for what, row in zip(("forward", "left", "up"), document["turn"])
        ],
        residual=None if document["residual_m_s2"] is None else fixed(document["residual_m_s2"], 3, "m/s²"),
        noise=fixed(document["noise_m_s2"], 3, "m/s²"),
        inputs=[(i["name"], i["role"], size(i["size_bytes"]), i["sha256"]) for i in document["inputs"]],
    )


def write_imu_report(path: PathLike, document: Mapping[str, Any], *, force: bool = False) -> None:
    """Write the report, completely or not at all; errors as of other reports."""
    write_page(path, render_imu_report(document), force=force)
