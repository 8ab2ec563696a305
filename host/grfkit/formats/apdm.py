"""APDM exports (CSV): Motion Studio's ``Sample Rate`` table and the older ``Format=7`` blocks of sensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from .rows import is_number, number_table

_QUANTITIES = {
    "Acceleration": "acc",
    "Accelerometer": "acc",
    "Angular Velocity": "gyro",
    "Gyroscope": "gyro",
    "Magnetic Field": "mag",
    "Magnetometer": "mag",
    "Orientation": "quat",
    "Temperature": "temperature",
    "Pressure": "pressure",
    "Barometer": "barometer",
}
_FORMAT7_UNITS = {"acc": "m/s^2", "gyro": "rad/s", "mag": "uT", "quat": "1", "barometer": "unknown"}


@dataclass(frozen=True)
class ApdmColumn:
    """One column: the sensor's label, grfkit's channel name, its unit, and the file's own words."""

    sensor: str
    channel: str
    unit: str
    raw: str


@dataclass(frozen=True)
class ApdmFile:
    """Columns and numbers (samples, columns); ``time`` in ``time_unit``; 0 where no rate is stated."""

    columns: list[ApdmColumn]
    time: NDArray[np.float64]
    time_unit: str
    rate_hz: float
    table: NDArray[np.float64]


def looks_like_apdm(lines: list[str]) -> str:
    """Return what makes these first lines an APDM export, "" if nothing does."""
    if lines and lines[0].startswith("Format=7,"):
        return "starts with 'Format=7'"
    if any(line.startswith("Sample Rate:,") for line in lines[:8]) and any("/Acceleration/" in x for x in lines[:12]):
        return "states a 'Sample Rate:' and columns such as '<sensor>/Acceleration/X'"
    return ""


def parse_apdm(text: str) -> ApdmFile:
    """Return what an export holds.

    Raises
    ------
    BadInputError
        If header rows are missing or disagree, or a row is damaged.
    """
    lines = text.splitlines()
    if not looks_like_apdm(lines[:12]):
        raise BadInputError("is no APDM export")
    return _format7(lines) if lines[0].startswith("Format=7,") else _table(lines)


def _table(lines: list[str]) -> ApdmFile:
    start = next((i for i, line in enumerate(lines[:12]) if line.startswith("Time,")), -1)
    if start < 0 or start + 2 >= len(lines):
        raise BadInputError("is cut off inside its header: expected a row 'Time,...', a row of units, and data")
    names, stated = _cells(lines[start]), _cells(lines[start + 1])
    stated += [""] * (len(names) - len(stated))
    rate = next((_cells(line)[1] for line in lines[:start] if line.startswith("Sample Rate:,")), "")
    if not is_number(rate) or float(rate) <= 0:
        raise BadInputError(f"states its sample rate as '{rate}', expected a number above 0")
    columns = [_column(name, unit) for name, unit in zip(names[1:], stated[1:])]
    table = number_table(lines[start + 2 :], columns=names, separator=",", first_line=start + 3)
    return ApdmFile(columns, table[:, 0], stated[0], float(rate), table[:, 1:])


def _column(name: str, unit: str) -> ApdmColumn:
    parts = name.split("/")
    if len(parts) != 3 or parts[1] not in _QUANTITIES:
        raise BadInputError(f"column '{name}' is not '<sensor>/<quantity>/<axis>'")
    axis = "" if parts[2] == "Scalar" and parts[1] != "Orientation" else parts[2]
    return ApdmColumn(parts[0], _channel(parts[1], axis), unit or "1", name)


def _channel(quantity: str, axis: str) -> str:
    short = {"Scalar": "s", "S": "s"}.get(axis, axis.lower())
    return f"{_QUANTITIES[quantity]}_{short}" if short else _QUANTITIES[quantity]


def _format7(lines: list[str]) -> ApdmFile:
    if len(lines) < 4:
        raise BadInputError("is cut off inside its header: expected three header rows and data")
    sensors, quantities, axes = (line.rstrip("\r").split(",") for line in lines[:3])
    width = len(quantities)
    sensors += [""] * (width - len(sensors))
    axes += [""] * (width - len(axes))
    columns, sensor, quantity = [], "", ""
    for i in range(1, width):
        if is_number(sensors[i]):  # the sensor's number opens its block, its label stands three cells on
            sensor = sensors[i + 3].strip() if i + 3 < width else ""
        quantity = quantities[i].strip() or quantity
        if not sensor or quantity not in _QUANTITIES:
            raise BadInputError(f"header column {i + 1} ('{quantity}') belongs to no known sensor or quantity")
        unit = _FORMAT7_UNITS.get(_QUANTITIES[quantity], "unknown")
        columns.append(ApdmColumn(sensor, _channel(quantity, axes[i].strip()), unit, f"{sensor}/{quantity}/{axes[i]}"))
    names = ["Time", *(column.raw for column in columns)]
    table = number_table(lines[3:], columns=names, separator=",", first_line=4)
    return ApdmFile(columns, table[:, 0], "us", 0.0, table[:, 1:])


def _cells(line: str) -> list[str]:
    cells = [cell.strip() for cell in line.split(",")]
    while cells and not cells[-1]:
        cells.pop()
    return cells
