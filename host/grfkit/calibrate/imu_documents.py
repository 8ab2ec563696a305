"""The document of a calibrated inertial sensor, and how it is applied."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..errors import BadInputError
from ..provenance import InputFile
from ..units import require
from .documents import Document
from .same_device import refuse_other_device

AXES = ("x", "y", "z")
Vector = tuple[float, float, float]


class RestPosition(BaseModel):
    """One position at rest: which way was up, and what the accelerometer showed (m/s^2, mean)."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    up: Literal["+x", "-x", "+y", "-y", "+z", "-z"]
    start_s: float
    duration_s: float = Field(gt=0)
    acc_m_s2: Vector


class ImuCalibration(Document):
    """What an inertial sensor needs: ``acc = turn @ (scale * (recorded - bias))``, ``gyro = turn @ (recorded - bias)``.

    Attributes
    ----------
    stream
        The stream it is for, e.g. ``imu_left``.
    device
        The sensor it was measured on; a recording that states another one is refused. Empty where not stated.
    acc_scale, acc_bias_m_s2
        Of each axis, measured between -1 g and 1 g.
    gyro_bias_rad_s
        Mean turning rate at rest. The gyro's scale is not measured.
    turn
        Rows of the rotation to the shoe's axes (x forward, y left, z up), found from a walk; the identity without one.
    residual_m_s2
        RMS of the size of gravity over the positions, less g, each judged by a fit to the others; None with six
        positions, which leave nothing to judge six parameters by.
    """

    kind: Literal["imu_calibration"] = "imu_calibration"
    stream: str = Field(min_length=1)
    device: str = ""
    unit_in: Literal["m/s^2, rad/s"] = "m/s^2, rad/s"
    acc_scale: Vector
    acc_bias_m_s2: Vector
    gyro_bias_rad_s: Vector | None = None
    turn: tuple[Vector, Vector, Vector] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    axes: Literal["sensor", "walking"] = "sensor"
    positions: tuple[RestPosition, ...] = Field(min_length=6)
    residual_m_s2: float | None = Field(default=None, ge=0)
    noise_m_s2: float = Field(ge=0)
    inputs: tuple[InputFile, ...] = ()

    @model_validator(mode="after")
    def _turns(self) -> ImuCalibration:
        turn = np.asarray(self.turn)
        if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-3) or np.linalg.det(turn) < 0:
            raise ValueError("turn is no rotation")
        if min(self.acc_scale) <= 0:
            raise ValueError("acc_scale is not above 0")
        return self


def calibrated_imu(stream: xr.Dataset, name: str, document: ImuCalibration) -> xr.Dataset:
    """Return the stream with acceleration and turning rate corrected, and turned to the shoe where a walk told how.

    Raises
    ------
    UnitError, BadInputError
        If a channel is missing or in another unit, or the sensor is another one.
    """
    refuse_other_device(stream, name, document.name, document.device, what="sensor")
    changed: xr.Dataset = stream.copy()
    changed.attrs = dict(stream.attrs) | ({"axes": document.axes} if document.axes != "sensor" else {})
    turn = np.asarray(document.turn)
    wanted = [("acc", "m/s^2", np.asarray(document.acc_scale), document.acc_bias_m_s2)]
    if document.gyro_bias_rad_s is not None:
        wanted.append(("gyro", "rad/s", np.ones(3), document.gyro_bias_rad_s))
    for quantity, unit, scale, bias in wanted:
        rows = []
        for axis in AXES:
            channel = f"{quantity}_{axis}"
            if channel not in stream:
                raise BadInputError(
                    f"calibration '{document.name}' takes {quantity}_x to _z, '{name}' has no '{channel}'"
                )
            require(str(stream[channel].attrs.get("units", "unknown")), unit, what=f"{name} channel '{channel}'")
            rows.append(np.asarray(stream[channel].values, dtype=np.float64))
        values = turn @ (scale[:, None] * (np.stack(rows) - np.asarray(bias)[:, None]))
        for axis, row in zip(AXES, values):
            channel = f"{quantity}_{axis}"
            changed[channel] = (stream[channel].dims, row, dict(stream[channel].attrs))
    return changed
