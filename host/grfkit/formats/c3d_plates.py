"""The FORCE_PLATFORM group of a C3D file: one description per plate, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .. import units
from ..errors import BadInputError
from .c3d import C3dFile
from .c3d_params import Parameters

Floats = NDArray[np.float64]

CHANNELS_BY_TYPE = {1: 6, 2: 6, 3: 8, 4: 6, 5: 8, 6: 12, 7: 8}
CALIBRATED_TYPES = (4, 5, 6, 7)
_REFUSED = {11: "Kistler split-belt treadmill", 12: "Kistler split-belt treadmill", 21: "AMTI stairs"}
_MOST_PLATES = 64


@dataclass(frozen=True)
class PlateSpec:
    """How one plate is described.

    Attributes
    ----------
    channels
        Column of :attr:`C3dFile.analog` per plate channel, from 0.
    origin_m
        From the sensor's origin to the centre of the surface in plate axes, z at most 0 (a file that gives
        the opposite vector is turned round). Kistler: half the sensor distances and the depth.
    calibration
        Matrix from channels to forces and moments, None for types 1 to 3.
    polynomial
        Kistler's twelve CoP correction factors for lengths in m, None where the file has none.
    length_unit, force_unit, moment_unit
        Of what comes out of channels (and matrix).
    """

    number: int
    plate_type: int
    channels: tuple[int, ...]
    corners_m: Floats
    origin_m: Floats
    calibration: Floats | None
    polynomial: Floats | None
    length_unit: str
    force_unit: str
    moment_unit: str


def plate_specs(file: C3dFile) -> tuple[list[PlateSpec], list[str]]:
    """Return the plates that can be read, and a sentence for each that cannot and each assumption made."""
    parameters, specs, notes = file.parameters, [], []
    used = parameters.count("FORCE_PLATFORM", "USED") or 0
    if used > _MOST_PLATES:
        return [], [f"FORCE_PLATFORM:USED is {used}, more than {_MOST_PLATES}: no plate is read"]
    length, note = _length_unit(file) if used else ("mm", "")
    notes += [note] if note else []
    for index in range(used):
        try:
            spec, remarks = _spec(file, index, length)
        except BadInputError as error:
            notes.append(f"plate {index + 1} is not read: it {error}")
            continue
        specs.append(spec)
        notes += [f"plate {index + 1}: {remark}" for remark in remarks]
    return specs, notes


def zero_frames(parameters: Parameters) -> tuple[int, int] | None:
    """Return FORCE_PLATFORM:ZERO as a half-open range of frames from 0, None where it means no baseline."""
    stated = parameters.numbers("FORCE_PLATFORM", "ZERO")
    if stated.size < 2 or not np.isfinite(stated[:2]).all():
        return None
    first, last = int(stated[0]), int(stated[1])
    return (first - 1, last) if 1 <= first <= last else None


def plate_units(file: C3dFile, channels: tuple[int, ...], plate_type: int) -> tuple[str, str, list[str]]:
    """Return force and moment unit of a plate, and what had to be assumed.

    The channels' own units are taken where they are forces and moments; what a calibration matrix makes of
    volts, and what has no unit, is in N and N times the unit of the points, as C3D defines it.
    """
    length = file.point_unit if _known(file.point_unit, "m") else "mm"
    default = {"m": "N m", "cm": "N cm"}.get(units.canonical_name(length), "N mm")
    held = [file.analog_units[c] for c in channels]
    forces = held if plate_type in (3, 5, 6, 7) else held[:3]
    moments = [] if plate_type in (3, 5, 6, 7) else (held[5:6] if plate_type == 1 else held[3:6])
    force, moment = _common(forces, "N"), _common(moments, "N m")
    said: list[str] = []
    if force is None:
        said.append(f"force channels are in {_shown(forces)}, taken as N" + _through(plate_type))
    if moment is None and moments:
        said.append(f"moment channels are in {_shown(moments)}, taken as {default}" + _through(plate_type))
    return force or "N", moment or default, said


def _through(plate_type: int) -> str:
    return " after the calibration matrix" if plate_type in CALIBRATED_TYPES else ""


def _common(names: list[str], quantity: str) -> str | None:
    return names[0] if names and len(set(names)) == 1 and _known(names[0], quantity) else None


def _shown(names: list[str]) -> str:
    return " and ".join(dict.fromkeys(f"'{name}'" for name in names))


def _known(name: str, quantity: str) -> bool:
    try:
        return units.parse_unit(name).canonical == quantity
    except BadInputError:
        return False


def _length_unit(file: C3dFile) -> tuple[str, str]:
    if _known(file.point_unit, "m"):
        return file.point_unit, ""
    corners = file.parameters.numbers("FORCE_PLATFORM", "CORNERS")
    largest = float(np.nanmax(np.abs(corners))) if np.isfinite(corners).any() else 0.0
    unit = "m" if 0 < largest < 20.0 else "mm"
    return unit, f"POINT:UNITS is '{file.point_unit}': corners up to {largest:.4g} are taken as {unit}"


def _spec(file: C3dFile, index: int, length: str) -> tuple[PlateSpec, list[str]]:
    parameters = file.parameters
    kind = _type(parameters, index)
    channels = _channels(file, index, kind)
    factor = units.parse_unit(length).factor
    corners = _slice(parameters, "CORNERS", index, 12) * factor
    origin = _slice(parameters, "ORIGIN", index, 3) * factor
    remarks: list[str] = []
    if not np.isfinite(corners).all():
        raise BadInputError("has corners that are not finite numbers")
    if not np.isfinite(origin).all() or np.abs(origin).max() > 5.0:
        raise BadInputError(f"has an ORIGIN of {np.round(origin, 3).tolist()} m, expected less than 5 m")
    if origin[2] > 0:
        origin = -origin
        remarks.append("ORIGIN is given from surface to sensor (z above 0) and is turned round")
    if kind == 1:
        origin = np.asarray([0.0, 0.0, origin[2]])
    force, moment, said = plate_units(file, channels, kind)
    spec = PlateSpec(
        number=index + 1,
        plate_type=kind,
        channels=channels,
        corners_m=corners,
        origin_m=origin + 0.0,
        calibration=_calibration(parameters, index, kind, in_newton=not said),
        polynomial=_polynomial(parameters, index, factor) if kind in (3, 7) else None,
        length_unit=length,
        force_unit=force,
        moment_unit=moment,
    )
    return spec, remarks + said


def _type(parameters: Parameters, index: int) -> int:
    types = parameters.numbers("FORCE_PLATFORM", "TYPE")
    if types.size <= index or not np.isfinite(types[index]):
        raise BadInputError("has no FORCE_PLATFORM:TYPE")
    kind = int(types[index])
    if kind in _REFUSED:
        raise BadInputError(f"is of type {kind} ({_REFUSED[kind]}), which grfkit does not decode")
    if kind not in CHANNELS_BY_TYPE:
        raise BadInputError(f"is of type {kind}, expected 1 to 7")
    return kind


def _channels(file: C3dFile, index: int, kind: int) -> tuple[int, ...]:
    table = file.parameters.array("FORCE_PLATFORM", "CHANNEL")
    if table.ndim == 1:
        table = table.reshape(-1, 1, order="F")
    wanted = CHANNELS_BY_TYPE[kind]
    if table.ndim != 2 or table.shape[0] < wanted or table.shape[1] <= index:
        raise BadInputError(f"of type {kind} needs {wanted} channels, FORCE_PLATFORM:CHANNEL has {table.shape}")
    column = table[:wanted, index]
    count = file.analog.shape[1]
    if not count:
        raise BadInputError("has no channels: the file holds no analog channel at all")
    if not np.isfinite(column).all() or column.min() < 1 or column.max() > count:
        raise BadInputError(f"uses channels {column.tolist()}, the file has 1 to {count}")
    return tuple(int(c) - 1 for c in column)


def _slice(parameters: Parameters, name: str, index: int, count: int) -> Floats:
    values = parameters.numbers("FORCE_PLATFORM", name)
    part = values[index * count : (index + 1) * count]
    if part.size < count:
        raise BadInputError(f"has no FORCE_PLATFORM:{name} ({part.size} of {count} numbers)")
    return part


def _calibration(parameters: Parameters, index: int, kind: int, *, in_newton: bool) -> Floats | None:
    if kind not in CALIBRATED_TYPES:
        return None
    table = parameters.array("FORCE_PLATFORM", "CAL_MATRIX")
    if kind == 4 and not table.size and in_newton:
        return np.eye(6)
    wanted = CHANNELS_BY_TYPE[kind]
    if table.ndim == 2:
        table = table[:, :, None]
    if table.ndim != 3 or table.shape[2] <= index or max(table.shape[:2]) < wanted:
        shape = table.shape if table.size else "none"
        raise BadInputError(f"of type {kind} needs a matrix with {wanted} columns, CAL_MATRIX is {shape}")
    matrix = table[:, :, index] if table.shape[1] >= wanted else table[:, :, index].T
    matrix = matrix[: min(wanted, matrix.shape[0]), :wanted]
    while matrix.shape[0] > 6 and not matrix[-1].any():
        matrix = matrix[:-1]  # padded to the largest plate of the file
    if not np.isfinite(matrix).all() or not matrix.any():
        raise BadInputError("has a CAL_MATRIX of zeros or of no finite numbers")
    return matrix


def _polynomial(parameters: Parameters, index: int, factor: float) -> Floats | None:
    """Return FPCOPPOLY brought to metres: each factor has the unit of a power of a length."""
    values = parameters.numbers("FORCE_PLATFORM", "FPCOPPOLY")[index * 12 : (index + 1) * 12]
    if values.size != 12 or not np.isfinite(values).all() or not values.any():
        return None
    return np.asarray(values / factor ** np.tile([6.0, 4.0, 2.0, 4.0, 2.0, 0.0], 2), dtype=np.float64)
