"""Force plates as a maker's sheet describes them, typed into a TOML file, or as another C3D of the same lab does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .. import units
from ..arguments import refusal
from ..arrays import Floats
from ..documents import toml_document
from ..errors import BadInputError
from ..formats.c3d import parse_c3d
from ..formats.c3d_plates import PlateSpec, plate_specs
from .plate_documents import PlateInstrument, Vector, check_matrix

_TYPES = {(6, False): 2, (8, False): 3, (6, True): 4, (8, True): 5, (12, True): 6}
# A sensor's origin is not further below its surface; chosen by hand: a plate is 0.1 m high, a treadmill 0.4 m
_DEEPEST_M = 1.0
# Cosine of a plate's tilt from which on it is told: 20 degrees, steeper than ramps in gait laboratories; chosen by hand
_STEEP = 0.94


class SheetPlate(BaseModel):
    """One ``[[plate]]`` table of the TOML file; unknown keys are refused.

    Attributes
    ----------
    matrix, matrix_unit
        Loads of channels (``N/V``, ``N/mV``, ``N/count``), or channels of loads (``V/N``, ``uV/N``: inverted).
    moment_unit
        Of the matrix's rows 4 to 6 (or columns, where it is inverted), or of moment channels: ``N m``, ``N mm``.
    gain, excitation_v
        Of an amplifier: the matrix is of volts at the bridge, and per volt of excitation where that is stated.
    sensitivity_pc_n, charge_pc_v
        Kistler: pC per N of each sensor channel, and pC per V of the charge amplifier's range.
    channel_unit
        What the file says of channels without a matrix (N) or of raw ones, where it is not the matrix's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    channels: tuple[str, ...]
    corners: tuple[Vector, Vector, Vector, Vector]
    origin: Vector
    length_unit: str
    matrix: tuple[tuple[float, ...], ...] = ()
    matrix_unit: str = ""
    moment_unit: str = ""
    gain: float = Field(default=1.0, gt=0)
    excitation_v: float | None = Field(default=None, gt=0)
    sensitivity_pc_n: tuple[float, ...] = ()
    charge_pc_v: float | None = Field(default=None, gt=0)
    channel_unit: str = ""
    force_max_n: float | None = Field(default=None, gt=0)


class PlateSheet(BaseModel):
    """The content of the TOML file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    plate: tuple[SheetPlate, ...] = Field(min_length=1)


def plates_of_sheet(path: Path) -> tuple[list[PlateInstrument], list[str]]:
    """Return the plates of a sheet, and a remark on each thing that was changed.

    Raises
    ------
    BadInputError
        If the file cannot be used; names the plate and what to do.
    """
    try:
        sheet = PlateSheet.model_validate(toml_document(path))
    except ValidationError as error:
        raise BadInputError(f"{path}: {refusal(error, PlateSheet)}") from error
    made: list[PlateInstrument] = []
    remarks: list[str] = []
    for number, plate in enumerate(sheet.plate, start=1):
        try:
            instrument, notes = _of_sheet(plate, number)
        except ValidationError as error:
            raise BadInputError(f"{path}: plate {number}: {refusal(error, PlateInstrument)}") from error
        except BadInputError as error:
            raise BadInputError(f"{path}: plate {number}: {error}") from error
        for other in made:
            if np.allclose(np.sort(other.corners_m, axis=0), np.sort(instrument.corners_m, axis=0), atol=1e-3):
                raise BadInputError(f"{path}: plates {other.number} and {number} lie in one place; are corners copied?")
        made.append(instrument)
        remarks += [f"plate {number}: {note}" for note in [*notes, *_lie(instrument)]]
    return made, remarks


def _lie(plate: PlateInstrument) -> list[str]:
    """Return what is unusual about how a plate lies: upside down, or steep."""
    c = np.asarray(plate.corners_m)
    along, across = c[0] + c[3] - c[1] - c[2], c[0] + c[1] - c[2] - c[3]
    normal = np.cross(along, across)
    vertical = float(normal[2] / np.linalg.norm(normal))
    if vertical > _STEEP:
        return [
            "by the order of its corners its own Z points up, while plates of makers' sheets and of C3D have theirs"
            " down: is the order +x+y, -x+y, -x-y, +x-y of the plate? A wrong one mirrors the centre of pressure;"
            " --check REC --point X,Y shows it"
        ]
    if abs(vertical) <= _STEEP:
        return [f"it is tilted by {np.degrees(np.arccos(abs(vertical))):.0f} degrees against a floor with Z up"]
    return []


def plates_like(path: Path) -> tuple[list[PlateInstrument], list[str]]:
    """Return the plates that another C3D of the same lab describes.

    Raises
    ------
    BadInputError
        If it describes none, or one that gives no newtons.
    """
    file = parse_c3d(path.read_bytes())
    specs, remarks = plate_specs(file)
    if not specs:
        raise BadInputError(f"{path}: its FORCE_PLATFORM describes no plate" + "".join(f"; {r}" for r in remarks[:2]))
    made = []
    for spec in specs:
        try:
            made.append(_of_spec(spec, file.analog_labels, file.analog_units))
        except ValidationError as error:
            raise BadInputError(f"{path}: plate {spec.number}: {refusal(error, PlateInstrument)}") from error
        except BadInputError as error:
            raise BadInputError(f"{path}: plate {spec.number}: {error}") from error
    return made, remarks


def _of_sheet(plate: SheetPlate, number: int) -> tuple[PlateInstrument, list[str]]:
    units.require(plate.length_unit, "m", what="length_unit")
    factor = units.parse_unit(plate.length_unit).factor
    origin, remarks = np.asarray(plate.origin) * factor, []
    if abs(origin[2]) > _DEEPEST_M:
        raise BadInputError(f"has its origin {abs(origin[2]):.3g} m below the surface; is length_unit right?")
    if origin[2] > 0:
        origin = -origin
        remarks.append("origin is given from surface to sensor (z above 0) and is turned round")
    calibrated = bool(plate.matrix or plate.sensitivity_pc_n)
    width = len(plate.channels)
    kind = _TYPES.get((width, calibrated))
    if kind is None:
        raise BadInputError(f"has {width} channels; expected 6 or 8, or 12 with a matrix")
    matrix, unit = _matrix(plate, width)
    return (
        PlateInstrument(
            number=number,
            plate_type=kind,
            channels=plate.channels,
            units_in=(unit,) * width if calibrated or width == 8 else ("N",) * 3 + ("N m",) * 3,
            corners_m=_four(np.asarray(plate.corners) * factor),
            origin_m=_three(origin),
            matrix=_rows(matrix) if matrix is not None else (),
            force_max_n=plate.force_max_n,
        ),
        remarks,
    )


def _matrix(plate: SheetPlate, width: int) -> tuple[Floats | None, str]:
    """Return the matrix from channels in SI units to N and N m, and the channels' SI unit."""
    if plate.matrix and plate.sensitivity_pc_n:
        raise BadInputError("states both matrix and sensitivity_pc_n; keep one")
    if plate.sensitivity_pc_n:
        if width not in (8, 12) or len(plate.sensitivity_pc_n) != width:
            raise BadInputError("sensitivity_pc_n has a number for each of 8 or 12 channels")
        if plate.charge_pc_v is None:
            raise BadInputError("charge_pc_v is missing: pC per V of the charge amplifier (its range in pC / 10 V)")
        if not all(plate.sensitivity_pc_n):
            raise BadInputError("sensitivity_pc_n holds a 0")
        return np.diag(plate.charge_pc_v / np.asarray(plate.sensitivity_pc_n)), plate.channel_unit or "V"
    if not plate.matrix:
        if plate.gain != 1.0 or plate.excitation_v is not None:
            raise BadInputError("states gain or excitation_v without a matrix")
        if plate.channel_unit and (
            not units.is_unit(plate.channel_unit, "N") or units.parse_unit(plate.channel_unit).factor != 1.0
        ):
            raise BadInputError(
                f"channel_unit is {plate.channel_unit} without a matrix, and nothing would turn that into newtons:"
                " state matrix and matrix_unit, or leave channel_unit out where the file's channels are in newtons"
            )
        return None, "N"
    return _of_matrix(plate, width)


def _of_matrix(plate: SheetPlate, width: int) -> tuple[Floats, str]:
    over, _, under = plate.matrix_unit.partition("/")
    inverse = under.strip() == "N"
    unit = over.strip() if inverse else under.strip()
    if not unit or (not inverse and over.strip() != "N"):
        raise BadInputError(
            f"matrix_unit is '{plate.matrix_unit}', expected N/V, N/mV or N/count (loads of channels), or V/N, mV/N or"
            " uV/N (channels of loads)"
        )
    if not (units.is_unit(unit, "V") or units.is_unit(unit, "count")):
        raise BadInputError(f"matrix_unit is of {unit}, expected V, mV, uV or count")
    unsaid = sorted({"excitation_v", "gain"} - plate.model_fields_set)
    if inverse and unit in ("uV", "mV") and unsaid:
        raise BadInputError(
            f"matrix_unit {plate.matrix_unit} is of a bridge: state {' and '.join(unsaid)} too (1 where there is none)"
        )
    rows = np.asarray(plate.matrix, dtype=np.float64) if len({len(r) for r in plate.matrix}) == 1 else np.empty(0)
    if rows.ndim != 2 or rows.shape[1] != width or rows.shape[0] not in (6, width):
        raise BadInputError(f"has a matrix of other than 6 or {width} rows of {width} numbers")
    moment = 1.0
    if rows.shape[0] == 6:
        if not plate.moment_unit:
            raise BadInputError("moment_unit is missing: what the matrix's moments are in, N m or N mm")
        units.require(plate.moment_unit, "N m", what="moment_unit")
        moment = units.parse_unit(plate.moment_unit).factor
    check_matrix(plate.matrix, width)
    if inverse:
        if rows.shape != (6, 6):
            raise BadInputError("a matrix of channels by loads (V/N) can be inverted with 6 rows of 6 only")
        rows = np.asarray(np.linalg.inv(rows), dtype=np.float64)
    loads = np.asarray([1.0] * 3 + [moment] * 3) if rows.shape[0] == 6 else np.ones(width)
    amplified = plate.gain * (plate.excitation_v or 1.0) * units.parse_unit(unit).factor
    stated = plate.channel_unit or units.parse_unit(unit).canonical
    return loads[:, None] * rows / amplified, units.parse_unit(stated).canonical


def _of_spec(spec: PlateSpec, labels: list[str], channel_units: list[str]) -> PlateInstrument:
    if not units.is_unit(spec.force_unit, "N") or not spec.moment_unit:
        raise BadInputError("its channels give no newtons and newton metres; describe it in a sheet (--sheet)")
    if spec.moment_unit and not units.is_unit(spec.moment_unit, "N m"):
        raise BadInputError(f"its moments are in {spec.moment_unit}; describe it in a sheet (--sheet)")
    own = [channel_units[c] if units.is_unit(channel_units[c]) else "unknown" for c in spec.channels]
    parsed = [units.parse_unit(u) for u in own]
    matrix = None
    if spec.calibration is not None:
        force, moment = units.parse_unit(spec.force_unit).factor, units.parse_unit(spec.moment_unit).factor
        rows = spec.calibration.shape[0]
        loads = np.asarray([force] * 3 + [moment] * 3) if rows == 6 else np.full(rows, force)
        # recordings hold SI units: what the file's own ones were is taken out of each column
        matrix = loads[:, None] * spec.calibration / np.asarray([u.factor for u in parsed])
    return PlateInstrument(
        number=spec.number,
        plate_type=spec.plate_type,
        channels=tuple(labels[c] for c in spec.channels),
        units_in=tuple(u.canonical for u in parsed),
        corners_m=_four(spec.corners_m.reshape(4, 3)),
        origin_m=_three(spec.origin_m),
        matrix=_rows(matrix) if matrix is not None else (),
        cop_polynomial=tuple(float(v) for v in spec.polynomial) if spec.polynomial is not None else (),
    )


def _three(values: Floats) -> Vector:
    return float(values[0]), float(values[1]), float(values[2])


def _four(corners: Floats) -> tuple[Vector, Vector, Vector, Vector]:
    return _three(corners[0]), _three(corners[1]), _three(corners[2]), _three(corners[3])


def _rows(matrix: Floats) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(v) for v in row) for row in matrix)
