"""An inertial sensor calibrated: six sides at rest, and a walk that shows how it sits on the shoe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..calibrate.imu_documents import AXES, ImuCalibration, RestPosition, Vector
from ..calibrate.imu_fit import find_rests, fit_acc
from ..calibrate.same_device import stated_device
from ..errors import BadInputError
from ..gait.shoe_axes import shoe_axes
from ..io import read
from ..io.base import ReadOptions
from ..provenance import describe_input
from ..units import require


def calibrate_imu(
    static: Path,
    walk: Path | None,
    *,
    name: str,
    stream: str = "",
    device: str = "",
    options: tuple[ReadOptions | None, ReadOptions | None] = (None, None),
    made_on: str = "",
) -> ImuCalibration:
    """Return the document of a sensor that lay on its six sides, and walked on a shoe where ``walk`` is given.

    Parameters
    ----------
    stream
        Which of a file's sensors; not needed where it holds one.
    options
        Read options of both files.

    Raises
    ------
    BadInputError
        If a file has no such sensor, a unit is another, six sides are not seen, or the walk shows no heading.
    """
    chosen, data = _sensor(static, stream, options[0])
    time_s = np.asarray(data["time"].values, dtype=np.float64)
    acc = _vector(data, chosen, "acc", "m/s^2")
    gyro = _vector(data, chosen, "gyro", "rad/s") if "gyro_x" in data else None
    rests = find_rests(time_s, acc, gyro, name=f"{static} {chosen}")
    fit = fit_acc(rests, name=f"{static} {chosen}")
    bias = None if gyro is None else np.mean([rest.gyro_rad_s for rest in rests], axis=0)
    turn = np.eye(3)
    inputs = [describe_input(static, role="static")]
    if walk is not None:
        if bias is None:
            raise BadInputError(
                f"{static}: '{chosen}' has no gyro, which shows how a shoe turns in a walk; leave --walk out"
            )
        turn = _turn(walk, chosen, fit.scale, fit.bias_m_s2, bias, options[1])
        inputs.append(describe_input(walk, role="walk"))
    held = float(np.sqrt(np.mean(fit.held_out_m_s2**2))) if fit.held_out_m_s2.size else None
    return ImuCalibration(
        name=name,
        source=f"grf-calibrate imu: {len(rests)} positions at rest"
        + (", axes from a walk" if walk is not None else "")
        + "; the gyro's scale is not measured",
        made_on=made_on,
        stream=chosen,
        device=device or stated_device(data),
        acc_scale=_three(fit.scale),
        acc_bias_m_s2=_three(fit.bias_m_s2),
        gyro_bias_rad_s=None if bias is None else _three(bias),
        turn=(_three(turn[0]), _three(turn[1]), _three(turn[2])),
        axes="sensor" if walk is None else "walking",
        positions=tuple(
            RestPosition(up=r.up, start_s=r.start_s, duration_s=r.duration_s, acc_m_s2=_three(r.acc_m_s2))
            for r in rests
        ),
        residual_m_s2=held,
        noise_m_s2=float(np.median([r.noise_m_s2 for r in rests])),
        inputs=tuple(inputs),
    )


def _three(values: Floats) -> Vector:
    return float(values[0]), float(values[1]), float(values[2])


def _sensor(path: Path, stream: str, options: ReadOptions | None) -> tuple[str, xr.Dataset]:
    sensors = read(path, options).of_kind("imu")
    if stream:
        if stream not in sensors:
            raise BadInputError(f"{path}: has no sensor '{stream}'; it has {', '.join(sensors) or 'none'}")
        return stream, sensors[stream]
    if len(sensors) != 1:
        has = (
            f"{len(sensors)} sensors ({', '.join(sensors)}); name one with --stream"
            if sensors
            else "no inertial sensor"
        )
        raise BadInputError(f"{path}: has {has}")
    return next(iter(sensors.items()))


def _vector(data: xr.Dataset, name: str, quantity: str, unit: str) -> Floats:
    rows = []
    for axis in AXES:
        channel = f"{quantity}_{axis}"
        if channel not in data:
            raise BadInputError(f"'{name}' has no '{channel}'; three axes are needed")
        require(str(data[channel].attrs.get("units", "unknown")), unit, what=f"{name} channel '{channel}'")
        rows.append(np.asarray(data[channel].values, dtype=np.float64))
    return np.stack(rows, axis=1)


def _turn(
    walk: Path, stream: str, scale: Floats, acc_bias: Floats, gyro_bias: Floats, options: ReadOptions | None
) -> Floats:
    """Return the rotation from the sensor's axes to the shoe's, as the walk shows it."""
    name, data = _sensor(walk, stream, options)
    acc = scale * (_vector(data, name, "acc", "m/s^2") - acc_bias)
    gyro = _vector(data, name, "gyro", "rad/s") - gyro_bias
    known = np.isfinite(acc).all(axis=1) & np.isfinite(gyro).all(axis=1)
    _, turned = shoe_axes(acc[known], gyro[known], rate_hz=float(data.attrs["rate_hz"]), axes="walking")
    # the turned rates are a rotation of the recorded ones: found again by the nearest rotation (Kabsch 1976)
    u, _, v = np.linalg.svd(turned.T @ gyro[known])
    return np.asarray(u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v))]) @ v)
