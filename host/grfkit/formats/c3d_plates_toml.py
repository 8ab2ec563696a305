"""Force plates described by hand, for C3D files whose FORCE_PLATFORM group is empty or wrong.

A TOML file holds one table per plate::

    [[plate]]
    type = 2
    channels = ["Fx1", "Fy1", "Fz1", "Mx1", "My1", "Mz1"]   # labels, or numbers from 1
    corners = [[0.6, 0.4, 0], [0, 0.4, 0], [0, 0, 0], [0.6, 0, 0]]   # at +x+y, -x+y, -x-y, +x-y of the plate
    origin = [0, 0, -0.04]         # sensor to surface, plate axes
    length_unit = "m"              # of corners and origin, and of Px Py of type 1
    force_unit = "N"               # only where the channels do not say it, or wrongly
    moment_unit = "N mm"
    calibration = [[...], ...]     # types 4 to 7
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .. import units
from ..arguments import refusal
from ..documents import toml_document
from ..errors import BadInputError
from .c3d import C3dFile
from .c3d_plates import CALIBRATED_TYPES, CHANNELS_BY_TYPE, PlateSpec, plate_units


class PlateByHand(BaseModel):
    """One ``[[plate]]`` table; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: int = Field(ge=1, le=7)
    channels: list[int | str]
    corners: list[tuple[float, float, float]] = Field(min_length=4, max_length=4)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    length_unit: str = "m"
    force_unit: str | None = None
    moment_unit: str | None = None
    calibration: list[list[float]] | None = None


class PlatesByHand(BaseModel):
    """The content of the TOML file: its plates."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    plate: list[PlateByHand] = Field(min_length=1)


def plates_by_hand(source: str | Path | Mapping[str, Any]) -> PlatesByHand:
    """Return the plates a TOML file, or the tables parsed from one, describes.

    Raises
    ------
    BadInputError
        If the file cannot be read, is no TOML, or a key is unknown, missing or of the wrong kind.
    """
    if isinstance(source, Mapping):
        tables, name = dict(source), "extra['plates']"
    else:
        tables, name = toml_document(Path(source)), f"plates file '{Path(source).name}'"
    try:
        return PlatesByHand.model_validate(tables)
    except ValidationError as error:
        raise BadInputError(f"{name}: {refusal(error, PlatesByHand)}") from error


def specs_by_hand(described: PlatesByHand, file: C3dFile) -> tuple[list[PlateSpec], list[str]]:
    """Return the described plates for one file, and a sentence for each assumption.

    Raises
    ------
    BadInputError
        If a channel is not in the file, or counts, units or matrix do not fit the type.
    """
    specs, notes = [], ["plates are taken from the user's description, not from FORCE_PLATFORM"]
    for number, plate in enumerate(described.plate, start=1):
        try:
            spec, remarks = _spec(plate, number, file)
        except BadInputError as error:
            raise BadInputError(f"plate {number} of the user's description {error}") from error
        specs.append(spec)
        notes += [f"plate {number}: {remark}" for remark in remarks]
    return specs, notes


def _spec(plate: PlateByHand, number: int, file: C3dFile) -> tuple[PlateSpec, list[str]]:
    width = CHANNELS_BY_TYPE[plate.type]
    if len(plate.channels) != width:
        raise BadInputError(f"has {len(plate.channels)} channels, type {plate.type} has {width}")
    channels = tuple(_column(name, file) for name in plate.channels)
    units.require(plate.length_unit, "m", what="length_unit")
    force, moment, remarks = plate_units(file, channels, plate.type, (plate.force_unit, plate.moment_unit))
    factor = units.parse_unit(plate.length_unit).factor
    spec = PlateSpec(
        number=number,
        plate_type=plate.type,
        channels=channels,
        corners_m=np.asarray(plate.corners, dtype=np.float64).reshape(-1) * factor,
        origin_m=np.asarray(plate.origin, dtype=np.float64) * factor,
        calibration=_matrix(plate, width),
        polynomial=None,
        length_unit=plate.length_unit,
        force_unit=force,
        moment_unit=moment,
    )
    return spec, remarks


def _column(name: int | str, file: C3dFile) -> int:
    count = file.analog.shape[1]
    if isinstance(name, int):
        if not 1 <= name <= count:
            raise BadInputError(f"uses channel {name}, the file has 1 to {count}")
        return name - 1
    columns = [i for i, label in enumerate(file.analog_labels) if label == name]
    if len(columns) != 1:
        why = "stands twice in the file, use its number" if columns else "is not in the file"
        raise BadInputError(f"uses channel '{name}', which {why}")
    return columns[0]


def _matrix(plate: PlateByHand, width: int) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    if plate.type not in CALIBRATED_TYPES:
        return None
    rows = plate.calibration or []
    if len({len(row) for row in rows}) != 1 or len(rows[0]) != width or len(rows) not in (6, width):
        raise BadInputError(f"of type {plate.type} needs a calibration of 6 or {width} rows of {width} numbers")
    return np.asarray(rows, dtype=np.float64)
