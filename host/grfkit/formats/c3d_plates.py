"""The FORCE_PLATFORM group of a C3D file: a description of each plate, or why it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import units
from ..arrays import Floats
from ..errors import BadInputError
from .c3d import C3dFile
from .c3d_params import Parameters

CHANNELS_BY_TYPE = {1: 6, 2: 6, 3: 8, 4: 6, 5: 8, 6: 12, 7: 8}
CALIBRATED_TYPES = (4, 5, 6, 7)
# Named as in the documentation of BTK (ForcePlatformsExtractor), which lists their channels and reads none of them "due
# to the lack of information"; the C3D user guide defines types 1 to 4
_REFUSED = {
    11: "Kistler split-belt treadmill: order of the 8 channels and correction of the centre of pressure are not public",
    12: "Kistler Gaitway treadmill: 8 vertical sensors of two plates, whose places the file does not state",
    21: "AMTI stairs: two plates under four steps, whose places are not defined in public",
}
_REFUSED_ADVICE = {
    11: "export each belt as type 2 (Fx Fy Fz Mx My Mz), or as text to read by a column map",
    12: "export it as text with the vertical force of each plate, to read by a column map",
    21: "describe its two plates as type 4 by --plates FILE, or export them as type 2",
}
# A count beyond this is damage; chosen by hand: walkways have up to a dozen
_MOST_PLATES = 64
# Corners up to this are in m, larger ones in mm; chosen by hand: a laboratory in m, a few cm in mm
_LARGEST_M = 20.0
# A sensor lies within this of its surface's centre, m; chosen by hand: a treadmill's half length and more
_FARTHEST_ORIGIN_M = 5.0
_NO_UNIT = ("unknown", "none", "-")
STATE_UNIT = "from Python: read(path, ReadOptions(extra={'force_unit': 'N', 'moment_unit': 'N mm'}))"


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
        Of what comes out of channels (and matrix); a force unit other than a force's is of values that must not be
        taken for one, a moment unit of "" says that there are no moments to use.
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


def plate_specs(
    file: C3dFile, *, force_unit: str | None = None, moment_unit: str | None = None
) -> tuple[list[PlateSpec], list[str]]:
    """Return the plates that can be read, and a sentence for each that cannot be read and for each assumption.

    Parameters
    ----------
    force_unit, moment_unit
        What the user states in place of ANALOG:UNITS.
    """
    parameters, specs = file.parameters, []
    stated = parameters.numbers("FORCE_PLATFORM", "USED")[:1]
    used = parameters.count("FORCE_PLATFORM", "USED") or 0
    if (stated < 0).any():
        return [], [f"FORCE_PLATFORM:USED is {stated[0]:g}, expected a count: no plate is read"]
    if used > _MOST_PLATES:
        return [], [f"FORCE_PLATFORM:USED is {used}, more than {_MOST_PLATES}: no plate is read"]
    length, note = _length_unit(file) if used else ("mm", "")
    notes = [n for n in (note, zero_note(file) if used else "") if n]
    for index in range(used):
        try:
            spec, remarks = _spec(file, index, length, (force_unit, moment_unit))
        except BadInputError as error:
            notes.append(f"plate {index + 1} is not read: it {error}")
            continue
        specs.append(spec)
        notes += [f"plate {index + 1}: {remark}" for remark in remarks]
    return specs, notes


def zero_frames(file: C3dFile) -> tuple[int, int] | None:
    """Return FORCE_PLATFORM:ZERO as a half-open range of the file's frames, None where it names no baseline in it.

    ZERO counts the frames of the trial, as the header does: a file cut out of one may not hold them.
    """
    stated = file.parameters.numbers("FORCE_PLATFORM", "ZERO")
    if stated.size < 2 or not np.isfinite(stated[:2]).all():
        return None
    first, last = int(stated[0]) - file.first_frame, int(stated[1]) - file.first_frame
    return (first, last + 1) if 0 <= first <= last < _frame_count(file) else None


def zero_note(file: C3dFile) -> str:
    """Return what is wrong with FORCE_PLATFORM:ZERO, "" where it is usable, absent, or states no baseline.

    ``0 0`` and ``1 0`` are how files say that there is none.
    """
    stated = file.parameters.numbers("FORCE_PLATFORM", "ZERO")[:2]
    if not stated.size or zero_frames(file) is not None or [float(v) for v in stated] in ([0.0, 0.0], [1.0, 0.0]):
        return ""
    frames = " ".join(f"{v:g}" for v in stated)
    last = file.first_frame + _frame_count(file) - 1
    part = " (the file is a part of a trial, and that baseline is not in it)" if file.first_frame > 1 else ""
    return (
        f"FORCE_PLATFORM:ZERO is {frames}, expected first and last of frames {file.first_frame} to {last}:"
        f" it is ignored{part}"
    )


def _frame_count(file: C3dFile) -> int:
    return int(file.analog.shape[0]) // file.per_frame


def plate_units(
    file: C3dFile, channels: tuple[int, ...], plate_type: int, stated: tuple[str | None, str | None] = (None, None)
) -> tuple[str, str, list[str]]:
    """Return force and moment unit of a plate, and what a user should know about them.

    The channels' own units are taken. Forces in counts, volts or without a unit keep that (``unknown`` for none) and
    are never taken for newtons; a moment unit of ``""`` says that there are no moments to use. A calibration matrix
    turns channels in other units into N and N times the unit of the points, as C3D defines it.

    Parameters
    ----------
    stated
        Force and moment unit as the user states them, None where the file is to be believed.

    Raises
    ------
    BadInputError
        If a force channel's unit is unknown or of another quantity, or the three differ.
    """
    channel_units = [file.analog_units[c] for c in channels]
    # the channels of these types are all forces, of which moments are made; types 1, 2 and 4 have moments of their own
    summed = plate_type in (3, 5, 6, 7)
    forces = channel_units if summed else channel_units[:3]
    moments = [] if summed else (channel_units[5:6] if plate_type == 1 else channel_units[3:6])
    length = file.point_unit if units.is_unit(file.point_unit, "m") else "mm"
    default = {"m": "N m", "cm": "N cm"}.get(units.canonical_name(length), "N mm")
    for unit, quantity, what in zip(stated, ("N", "N m"), ("force_unit", "moment_unit")):
        if unit is not None:
            units.require(unit, quantity, what=what)
    if plate_type in CALIBRATED_TYPES:
        return _calibrated_units(forces, moments, default, stated)
    force, notes = (stated[0], []) if stated[0] else _force_unit(forces)
    if not units.is_unit(force, "N"):
        return force, "", notes
    moment = stated[1] or (_common(moments, "N m") if moments else "N m")
    if moment is None:
        notes.append(
            f"moment channels are in {_quoted(moments)}, no moment: moments and centre of pressure are left out"
        )
    return force, moment or "", notes


def _calibrated_units(
    forces: list[str], moments: list[str], default: str, stated: tuple[str | None, str | None]
) -> tuple[str, str, list[str]]:
    force, moment = stated[0] or _common(forces, "N"), stated[1] or _common(moments, "N m")
    notes: list[str] = []
    if force is None:
        notes.append(f"force channels are in {_quoted(forces)}, taken as N after the calibration matrix")
    if moment is None and moments:
        notes.append(f"moment channels are in {_quoted(moments)}, taken as {default} after the calibration matrix")
    return force or "N", moment or default, notes


def _force_unit(names: list[str]) -> tuple[str, list[str]]:
    """Return the unit of force channels, and a note where it is no force's."""
    force = _common(names, "N")
    if force is not None:
        return force, []
    raw_units = {_raw_unit(name) for name in names}
    if "" in raw_units or len(raw_units) > 1:
        raise BadInputError(
            f"has force channels in {_quoted(names)}, expected one unit of force (N, kN, lbf), counts or V;"
            f" correct ANALOG:UNITS or state the unit {STATE_UNIT}"
        )
    unit = raw_units.pop()
    what = "state no unit" if unit == "unknown" else f"are in {unit}, not in N"
    return unit if unit == "unknown" else names[0], [
        f"force channels {what}: kept as {unit}, without moments and centre of pressure; fit for alignment by shape;"
        f" calibrate them (grf-calibrate plates, from the plate's sheet or another C3D), or state the unit {STATE_UNIT}"
    ]


def _raw_unit(name: str) -> str:
    """Return the unit of uncalibrated values, ``unknown`` where none is stated, "" for any other unit."""
    if not name.strip() or name.strip().lower() in _NO_UNIT:
        return "unknown"
    return units.canonical_name(name) if units.is_unit(name, "count") or units.is_unit(name, "V") else ""


def _common(names: list[str], quantity: str) -> str | None:
    """Return the common unit (as the first one spells it) where all name the same unit of this quantity, else None."""
    if not names or not all(units.is_unit(name, quantity) for name in names):
        return None
    return names[0] if len({units.canonical_name(name) for name in names}) == 1 else None


def _quoted(names: list[str]) -> str:
    return " and ".join(dict.fromkeys(f"'{name}'" for name in names))


def _length_unit(file: C3dFile) -> tuple[str, str]:
    if units.is_unit(file.point_unit, "m"):
        return file.point_unit, ""
    corners = file.parameters.numbers("FORCE_PLATFORM", "CORNERS")
    largest = float(np.nanmax(np.abs(corners))) if np.isfinite(corners).any() else 0.0
    unit = "m" if 0 < largest < _LARGEST_M else "mm"
    return unit, f"POINT:UNITS is '{file.point_unit}': corners up to {largest:.4g} are taken as {unit}"


def _spec(file: C3dFile, index: int, length: str, stated: tuple[str | None, str | None]) -> tuple[PlateSpec, list[str]]:
    parameters = file.parameters
    kind = _type(parameters, index)
    channels = _channels(file, index, kind)
    factor = units.parse_unit(length).factor
    corners = _slice(parameters, "CORNERS", index, 12) * factor
    origin = _slice(parameters, "ORIGIN", index, 3) * factor
    remarks: list[str] = []
    if not np.isfinite(corners).all():
        raise BadInputError("has corners that are not finite numbers")
    if not np.isfinite(origin).all() or np.abs(origin).max() > _FARTHEST_ORIGIN_M:
        raise BadInputError(
            f"has an ORIGIN of {np.round(origin, 3).tolist()} m, expected less than {_FARTHEST_ORIGIN_M:g} m"
        )
    if origin[2] > 0:
        origin = -origin
        remarks.append("ORIGIN is given from surface to sensor (z above 0) and is turned round")
    # type 1 measures its point of force from the middle of the surface, so that x and y of ORIGIN mean nothing
    if kind == 1:
        origin = np.asarray([0.0, 0.0, origin[2]])
    force, moment, unit_notes = plate_units(file, channels, kind, stated)
    spec = PlateSpec(
        number=index + 1,
        plate_type=kind,
        channels=channels,
        corners_m=corners,
        origin_m=origin + 0.0,
        calibration=_calibration(parameters, index, kind),
        polynomial=_polynomial(parameters, index, factor) if kind in (3, 7) else None,
        length_unit=length,
        force_unit=force,
        moment_unit=moment,
    )
    return spec, remarks + unit_notes


def _type(parameters: Parameters, index: int) -> int:
    types = parameters.numbers("FORCE_PLATFORM", "TYPE")
    if types.size <= index or not np.isfinite(types[index]):
        raise BadInputError("has no FORCE_PLATFORM:TYPE")
    kind = int(types[index])
    if kind in _REFUSED:
        raise BadInputError(
            f"is of type {kind} ({_REFUSED[kind]}), which grfkit does not decode; {_REFUSED_ADVICE[kind]}"
        )
    if kind not in CHANNELS_BY_TYPE:
        raise BadInputError(f"is of type {kind}, expected 1 to 7")
    return kind


def _channels(file: C3dFile, index: int, kind: int) -> tuple[int, ...]:
    table = file.parameters.array("FORCE_PLATFORM", "CHANNEL")
    if table.ndim == 1:
        table = table.reshape(-1, 1, order="F")
    needed = CHANNELS_BY_TYPE[kind]
    if table.ndim != 2 or table.shape[0] < needed or table.shape[1] <= index:
        raise BadInputError(f"is of type {kind} and needs {needed} channels, FORCE_PLATFORM:CHANNEL has {table.shape}")
    column = table[:needed, index]
    count = file.analog.shape[1]
    if not count:
        raise BadInputError("has no channels: the file holds no analog channel at all")
    if not np.isfinite(column).all() or column.min() < 1 or column.max() > count:
        raise BadInputError(f"uses channels {column.tolist()}, the file has 1 to {count}")
    if len(set(column.tolist())) < needed:
        raise BadInputError(f"uses a channel twice ({column.astype(int).tolist()})")
    return tuple(int(c) - 1 for c in column)


def _slice(parameters: Parameters, name: str, index: int, count: int) -> Floats:
    values = parameters.numbers("FORCE_PLATFORM", name)
    part = values[index * count : (index + 1) * count]
    if part.size < count:
        raise BadInputError(f"has no FORCE_PLATFORM:{name} ({part.size} of {count} numbers)")
    return part


def _calibration(parameters: Parameters, index: int, kind: int) -> Floats | None:
    if kind not in CALIBRATED_TYPES:
        return None
    table = parameters.array("FORCE_PLATFORM", "CAL_MATRIX")
    width = CHANNELS_BY_TYPE[kind]
    if table.ndim == 2:
        table = table[:, :, None]
    if table.ndim != 3 or table.shape[2] <= index or max(table.shape[:2]) < width:
        shape = table.shape if table.size else "none"
        raise BadInputError(f"is of type {kind} and needs a matrix with {width} columns, CAL_MATRIX is {shape}")
    # a matrix stored with channels along its rows is turned; a square one does not show which way it was stored
    matrix = table[:, :, index] if table.shape[1] >= width else table[:, :, index].T
    matrix = matrix[: min(width, matrix.shape[0]), :width]
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
