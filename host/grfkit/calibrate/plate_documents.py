"""The document of force plates that a file's channels do not describe, and how it makes plates of these channels."""

from __future__ import annotations

from typing import Literal

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..arrays import Floats
from ..errors import BadInputError
from ..provenance import InputFile
from ..records import Channel, make_stream
from ..signals import plates
from ..units import require
from .documents import Document, check_unit

Vector = tuple[float, float, float]
# A matrix that loses so much between its best and its worst seen load cannot tell loads apart, once rows and columns
# are brought to one size; chosen by hand: cross-talk of a few percent gives 1.1, two equal rows give infinity
WORST_CONDITION = 30.0
# Diagonals or opposite sides that differ by more than this share make no rectangle; chosen by hand: corners measured
# by markers are off by some mm of half a metre
MOST_SKEW = 0.03
# A corner this far (share of the longer side) out of the plane of the others is a slip of the pen; chosen by hand
MOST_WARP = 0.02


class PlateInstrument(BaseModel):
    """One force plate: its channels, what they are in, and where it lies.

    Attributes
    ----------
    channels, units_in
        Names in the file, in the order of the plate's type, and their units (SI; ``unknown`` of a file that states
        none).
    corners_m
        At +x+y, -x+y, -x-y, +x-y of the plate, in the lab's axes.
    origin_m
        From the sensor to the centre of the surface, plate axes (C3D's ORIGIN), z at most 0.
    matrix
        From channels to N and N m (6 rows), or to N of each sensor (8 or 12); empty where channels are that.
    force_max_n
        Full scale of the vertical force: beyond it samples become missing. None where it is not stated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    number: int = Field(ge=1, le=64)
    plate_type: int = Field(ge=1, le=7)
    channels: tuple[str, ...]
    units_in: tuple[str, ...]
    corners_m: tuple[Vector, Vector, Vector, Vector]
    origin_m: Vector
    matrix: tuple[tuple[float, ...], ...] = ()
    cop_polynomial: tuple[float, ...] = ()
    force_max_n: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> PlateInstrument:
        width = plates.CHANNELS_BY_TYPE[self.plate_type]
        if len(self.channels) != width or len(self.units_in) != width:
            raise ValueError(f"type {self.plate_type} has {width} channels, {len(self.channels)} are named")
        if len(set(self.channels)) < width:
            raise ValueError("a channel is named twice")
        if len(self.cop_polynomial) not in (0, 12):
            raise ValueError("cop_polynomial has not 12 numbers")
        for unit in self.units_in:
            check_unit(unit)
        if bool(self.matrix) != (self.plate_type in plates.CALIBRATED_TYPES):
            raise ValueError(f"type {self.plate_type} {'has no' if self.matrix else 'needs a'} matrix")
        try:
            check_corners(np.asarray(self.corners_m))
            if self.matrix:
                check_matrix(self.matrix, width)
        except BadInputError as error:
            raise ValueError(str(error)) from error
        return self


class LoadCheck(BaseModel):
    """A known mass on a plate: what it showed, and whether that is within tolerance.

    Attributes
    ----------
    load_n, horizontal_n
        Mean vertical (up positive) and horizontal force of the steady load, less the unloaded level where there is one.
    cop_m, error_m
        Mean centre of pressure, and its distance from the stated point (None without one).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    plate: str
    mass_kg: float = Field(gt=0)
    load_n: float
    expected_n: float
    horizontal_n: float
    seconds: float
    zeroed: bool
    cop_m: Vector | None
    inside: bool | None
    error_m: float | None = None
    failures: tuple[str, ...] = ()


class ForcePlates(Document):
    """Channels that are force plates: matrix, corners and channels of each, as ``grf-calibrate plates`` writes it."""

    kind: Literal["force_plates"] = "force_plates"
    plates: tuple[PlateInstrument, ...] = Field(min_length=1)
    remarks: tuple[str, ...] = ()
    check: LoadCheck | None = None
    inputs: tuple[InputFile, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> ForcePlates:
        if len({p.number for p in self.plates}) < len(self.plates):
            raise ValueError("a plate's number stands twice")
        channels = [c for p in self.plates for c in p.channels]
        if len(set(channels)) < len(channels):
            raise ValueError("a channel belongs to two plates")
        return self


def check_corners(corners: Floats) -> None:
    """Refuse corners (4, 3) in m that lie in no plane or are no rectangle.

    Raises
    ------
    BadInputError
        With what is wrong, and what to look at.
    """
    frame = plates.plate_frame(corners)
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    longest = float(sides.max())
    warp = float(np.abs((corners - frame.centre_m) @ frame.axes[:, 2]).max())
    if warp > MOST_WARP * longest:
        raise BadInputError(f"has corners that lie {1e3 * warp:.0f} mm out of one plane; look through their heights")
    diagonals = np.linalg.norm(corners[:2] - corners[2:], axis=1)
    # a rectangle's diagonals are of one length, and cut each other in half: corners in the wrong order do not
    middles = float(np.linalg.norm(corners[0] + corners[2] - corners[1] - corners[3])) / 2.0
    skew = max(middles, abs(float(diagonals[0] - diagonals[1])))
    if skew > MOST_SKEW * longest:
        raise BadInputError(
            f"has corners that are no rectangle (sides {', '.join(f'{1e3 * s:.0f}' for s in sides)} mm, diagonals"
            f" {1e3 * diagonals[0]:.0f} and {1e3 * diagonals[1]:.0f} mm); state them around the plate:"
            " +x+y, -x+y, -x-y, +x-y"
        )


def check_matrix(rows: tuple[tuple[float, ...], ...], width: int) -> None:
    """Refuse a matrix that is no matrix of this plate, or from which loads cannot be told apart.

    Raises
    ------
    BadInputError
        With what is wrong.
    """
    if len(rows) not in (6, width) or any(len(row) != width for row in rows):
        raise BadInputError(f"has a matrix of other than 6 or {width} rows of {width} numbers")
    matrix = np.asarray(rows, dtype=np.float64)
    for _ in range(3):
        for axis in (1, 0):
            size = np.linalg.norm(matrix, axis=axis, keepdims=True)
            if (size == 0).any():
                what = "row" if axis == 1 else "column"
                raise BadInputError(f"has a matrix with a {what} of zeros: number {int(np.argmin(size)) + 1}")
            matrix = matrix / size
    values = np.linalg.svd(matrix, compute_uv=False)
    if values[-1] * WORST_CONDITION < values[0]:
        raise BadInputError(
            "has a matrix that is singular or nearly so (two rows or columns are alike); look through its numbers"
        )


def with_plates(streams: dict[str, xr.Dataset], document: ForcePlates) -> tuple[dict[str, xr.Dataset], list[str]]:
    """Return the streams with a plate of each described one, its channels taken out of theirs, and the plates' names.

    Raises
    ------
    UnitError, BadInputError
        If a channel is not there, twice there, or in another unit, or the recording has the plate already.
    """
    made: dict[str, xr.Dataset] = {}
    heights = _heights(streams)
    used: set[tuple[str, str]] = set()
    for plate in document.plates:
        name = f"plate_{plate.number}"
        if name in streams:
            raise BadInputError(
                f"calibration '{document.name}' describes {name}, which the recording has already; leave it out"
            )
        places = [_place(streams, channel, document.name) for channel in plate.channels]
        if len({stream for stream, _ in places}) > 1:
            raise BadInputError(f"calibration '{document.name}': the channels of {name} are in several streams")
        source = streams[places[0][0]]
        rows = []
        for (stream, column), channel, unit in zip(places, plate.channels, plate.units_in):
            require(str(source[column].attrs.get("units", "unknown")), unit, what=f"{stream} channel '{channel}'")
            rows.append(np.asarray(source[column].values, dtype=np.float64))
        made[name] = _stream(source, np.column_stack(rows), plate, heights)
        used |= set(places)
    kept = {}
    for name, data in streams.items():
        rest = data.drop_vars([column for stream, column in used if stream == name])
        if [c for c in rest.data_vars if c != "time_raw"]:
            kept[name] = rest
    return made | kept, list(made)


def holds_channels(streams: dict[str, xr.Dataset], document: ForcePlates) -> bool:
    """Return whether any channel of the document is in the streams."""
    wanted = {c for plate in document.plates for c in plate.channels}
    return any(wanted & {str(v.attrs.get("raw_name", k)) for k, v in s.data_vars.items()} for s in streams.values())


def _place(streams: dict[str, xr.Dataset], channel: str, document: str) -> tuple[str, str]:
    """Return stream and variable of a channel, by its name in the file or in the recording."""
    every = [
        (name, str(c), str(v.attrs.get("raw_name", ""))) for name, s in streams.items() for c, v in s.data_vars.items()
    ]
    found = [(s, c) for s, c, raw in every if raw == channel] or [(s, c) for s, c, _ in every if c == channel]
    if len(found) == 1:
        return found[0]
    if found:
        raise BadInputError(
            f"calibration '{document}': channel '{channel}' stands {len(found)} times in the file; name it"
            f" {' or '.join(c for _, c in found[:3])}"
        )
    there = ", ".join(raw or c for _, c, raw in every if c != "time_raw")
    raise BadInputError(f"calibration '{document}': channel '{channel}' is not in the file, which has {there[:200]}")


def _heights(streams: dict[str, xr.Dataset]) -> Floats | None:
    found = [s["position"].values for s in streams.values() if s.attrs["kind"] == "landmarks"]
    return np.asarray(found[0][:: max(1, len(found[0]) // 50)], dtype=np.float64).reshape(-1, 3) if found else None


def _stream(source: xr.Dataset, values: Floats, plate: PlateInstrument, heights: Floats | None) -> xr.Dataset:
    corners, rate = np.asarray(plate.corners_m), float(source.attrs["rate_hz"])
    frame = plates.plate_frame(corners)
    matrix = np.asarray(plate.matrix) if plate.matrix else None
    local = plates.plate_wrench(
        values, plate_type=plate.plate_type, origin_m=np.asarray(plate.origin_m), calibration=matrix
    )
    force, moment = plates.to_global(local, frame)
    if plate.force_max_n is not None:
        beyond = np.abs(local.force[:, 2]) > plate.force_max_n
        force[beyond], moment[beyond] = np.nan, np.nan
    vertical = plates.vertical_axis(frame, heights)
    polynomial = np.asarray(plate.cop_polynomial) if plate.cop_polynomial else None
    cutoff = plates.COP_FILTER_HZ if 0.45 * rate > plates.COP_FILTER_HZ else None
    pressure = plates.center_of_pressure(
        force, moment, corners_m=corners, rate_hz=rate, cutoff_hz=cutoff, vertical=vertical, polynomial=polynomial
    )
    columns = [(f"f{a}", force[:, k], "N") for k, a in enumerate("xyz")]
    columns += [(f"m{a}", moment[:, k], "N m") for k, a in enumerate("xyz")]
    columns += [(f"cop_{a}", pressure.cop[:, k], "m") for k, a in enumerate("xyz")]
    columns += [("free_moment", pressure.free_moment, "N m")]
    attrs = {
        "corners_m": [float(v) for v in corners.ravel()],
        "origin_m": list(plate.origin_m),
        "plate_type": plate.plate_type,
        "vertical": vertical,
        "knows_feet": "",
        "unverified": "",
        "cop_threshold_n": plates.COP_THRESHOLD_N,
        "cop_filter_hz": cutoff or 0.0,
    }
    if plate.cop_polynomial:
        attrs["cop_polynomial"] = list(plate.cop_polynomial)
    return make_stream(
        [Channel(name, column, unit, "global") for name, column, unit in columns],
        np.asarray(source["time"].values, dtype=np.float64),
        kind="force_plate",
        rate_hz=rate,
        stamp_source=source.attrs["stamp_source"],
        clock=source.attrs["clock"],
        attrs=attrs,
    )
