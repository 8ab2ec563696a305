"""OpenSim storage files (.mot, .sto), read and written, and the ExternalLoads document that refers to one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from .rows import is_number, number_table

Foot = Literal["left", "right", ""]
Quantity = Literal["force", "point", "torque"]

# Lines searched for endheader, chosen by hand: real files have it in line 5 to 10, but a header may be longer
_HEADER_LINES = 200
# Lines after endheader searched for the labels, chosen by hand: some programs leave blank ones between
_LABEL_LINES = 10
# Times of header and rows agree within this, s: both are printed
_SAME_S = 1e-9
_FEET: dict[str, Foot] = {"l": "left", "left": "left", "r": "right", "right": "right"}
_TAG = r"(?P<tag>\d{1,2}|left|right|l|r)"
_SCHEMES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:{_TAG}_)?ground_(?P<what>force|torque|moment)_(?P<kind>[vpm]?)(?P<axis>[xyz])",
        rf"(?:ground_)?(?P<what>force|torque|moment)_{_TAG}_(?P<kind>[vpm]?)(?P<axis>[xyz])",
    )
)
_ADAPTER = re.compile(r"(?P<kind>[fpm])(?P<tag>\d{1,2})_(?P<axis>[123])")


@dataclass(frozen=True)
class StorageFile:
    """Content of a storage file.

    Attributes
    ----------
    header
        Keys in lower case -> values (``nrows``, ``indegrees``, ...), ``name`` where the file has one.
    labels
        All columns but time.
    time, table
        Shapes (samples,) in s and (samples, labels).
    notes
        What a user should know about the file.
    """

    header: dict[str, str]
    labels: list[str]
    time: Floats
    table: Floats
    notes: list[str]

    @property
    def in_degrees(self) -> bool | None:
        """Return whether rotations are in degrees, None where the header does not say."""
        in_degrees = self.header.get("indegrees", "").lower()
        return {"yes": True, "no": False}.get(in_degrees)


@dataclass
class GroundReactionColumns:
    """The columns of one plate: index per axis of force (N), point (m), torque about the point (N m)."""

    foot: Foot
    force: dict[str, int] = field(default_factory=dict)
    point: dict[str, int] = field(default_factory=dict)
    torque: dict[str, int] = field(default_factory=dict)
    axes_of_c3d: bool = False
    """Whether the axes (and units) are those of a C3D file that OpenSim's adapter passed on."""


def parse_storage(text: str) -> StorageFile:
    """Return what a storage file holds: old (``datarows 90``) and new headers (``nRows=90``), stray lines.

    Raises
    ------
    BadInputError
        If ``endheader`` or the labels are missing, a row is damaged, or rows that the header promises lack.
    """
    lines = text.splitlines()
    header, end = _header(lines)
    first = _label_line(lines, end)
    separator = "\t" if "\t" in lines[first].strip() else None
    labels = [cell.strip() for cell in lines[first].strip().split(separator)]
    if len(labels) < 2:
        raise BadInputError(f"line {first + 1} names no column but time")
    table = number_table(lines[first + 1 :], columns=labels, separator=separator, first_line=first + 2)
    notes: list[str] = []
    _check_rows(table[:, 0], header, notes, line_ended=text.endswith(("\n", "\r")))
    return StorageFile(header, labels[1:], table[:, 0], table[:, 1:], notes)


def plate_columns(labels: list[str]) -> list[GroundReactionColumns]:
    """Return the plates that labels name, in order of appearance.

    Known are ``ground_force_vx``, ``1_ground_force_vx``, ``R_ground_force_vx``, ``ground_force_1_vx``,
    ``ground_force_r_vx``, ``force_r_vx`` with ``px`` for the point and ``torque_x``, ``moment_x`` or ``mx``
    for the torque; and ``f1_1 p1_1 m1_1``, as OpenSim's C3D adapter writes them. A plate needs a force.

    Raises
    ------
    BadInputError
        If two labels name the same axis of the same plate.
    """
    plates: dict[str, GroundReactionColumns] = {}
    for index, label in enumerate(labels):
        scheme = next((m for m in (s.fullmatch(label) for s in _SCHEMES) if m), None)
        adapter = None if scheme else _ADAPTER.fullmatch(label)
        match = scheme or adapter
        if match is None:
            continue
        tag = (match["tag"] or "").lower()
        plate = plates.setdefault(tag, GroundReactionColumns(_FEET.get(tag, ""), axes_of_c3d=adapter is not None))
        axis = match["axis"].lower()
        axes = _quantity(plate, match["kind"].lower(), "" if adapter else match["what"].lower())
        axis = {"1": "x", "2": "y", "3": "z"}.get(axis, axis)
        if axis in axes:
            raise BadInputError(f"column '{label}' stands twice")
        axes[axis] = index
    return [plate for plate in plates.values() if plate.force]


def _quantity(plate: GroundReactionColumns, kind: str, what: str) -> dict[str, int]:
    if kind == "p":
        return plate.point
    if kind == "m" or what in ("torque", "moment"):
        return plate.torque
    return plate.force


def _header(lines: list[str]) -> tuple[dict[str, str], int]:
    header: dict[str, str] = {}
    for index, line in enumerate(lines[:_HEADER_LINES]):
        tidy = line.strip()
        if tidy.lower() == "endheader":
            return header, index
        key, equals, value = tidy.partition("=")
        if not equals:
            key, _, value = tidy.partition(" ")
        key = {"datarows": "nrows", "datacolumns": "ncolumns"}.get(key.strip().lower(), key.strip().lower())
        header.setdefault(key, value.strip())
    raise BadInputError(f"has no line 'endheader' among its first {_HEADER_LINES}, so it is no OpenSim file")


def _label_line(lines: list[str], end: int) -> int:
    """Return the index of the row of labels: the first line after the header that starts with 'time'."""
    for index in range(end + 1, min(end + 1 + _LABEL_LINES, len(lines))):
        if re.match(r"\s*time\s", lines[index] + " ", re.IGNORECASE):
            return index
    raise BadInputError("has no row of labels that starts with 'time' after 'endheader'")


def _check_rows(time: Floats, header: dict[str, str], notes: list[str], *, line_ended: bool) -> None:
    """Refuse a file with fewer rows than stated, unless it begins later than stated: then it was trimmed.

    A trimmed file may also end earlier than stated (published ones do), but then at the end of a line.
    """
    stated = header.get("nrows", "")
    if not stated.isdigit() or int(stated) == time.size:
        return
    begin, end = _range(header)
    trimmed = begin is not None and time[0] > begin + _SAME_S
    if time.size < int(stated) and not trimmed:
        raise BadInputError(f"is cut off: its header states {stated} rows, it holds {time.size}; export it again")
    early = trimmed and end is not None and time[-1] < end - _SAME_S
    if early and not line_ended:
        raise BadInputError(
            f"is cut off: its header states rows up to {end:g} s, it ends at {time[-1]:g} s inside a line;"
            " export it again"
        )
    note = f"the header states {stated} rows, the file holds {time.size} (from {time[0]:g} s)"
    notes.append(note + (f"; it ends at {time[-1]:g} s of {end:g} s: trimmed, or cut off" if early else ""))


def _range(header: dict[str, str]) -> tuple[float | None, float | None]:
    """Return the first and last time (s) that a header states, None where it states none."""
    cells = [*header.get("range", "").split(), "", ""]
    begin, end = (float(cell) if is_number(cell) else None for cell in cells[:2])
    return begin, end


_SIDE_TAGS = {"left": "l", "right": "r"}
BODIES = {"left": "calcn_l", "right": "calcn_r"}
"""The foot's body in the models that come with OpenSim (gait2392, Rajagopal 2016)."""
# Decimals of a written number: a millionth of N or m
_DECIMALS = 6


@dataclass(frozen=True)
class FootLoad:
    """The ground reaction of one foot.

    Attributes
    ----------
    force_n
        Shape (samples, 3), N, in OpenSim's ground: X forward, Y up, Z to the right; what acts on the foot.
    point_m
        Shape (samples, 3), m, where it acts, in the axes of the foot's body (X to the toes, Y up, Z to the right).
    """

    side: Literal["left", "right"]
    force_n: Floats
    point_m: Floats


def opensim_axes(forward: Floats, left: Floats, up: Floats) -> Floats:
    """Return vectors (samples, 3) in OpenSim's axes of their parts in the lab's: X forward, Y up, Z to the right."""
    return np.stack([forward, up, -left], axis=1)


def mot_text(time_s: Floats, feet: Sequence[FootLoad], *, name: str, notes: Sequence[str] = ()) -> str:
    """Return a storage file of ground reactions: ``ground_force_l_vx`` ... ``_px`` ... ``ground_torque_l_x``.

    The torque about the point is 0: what is estimated holds no free moment.

    Parameters
    ----------
    time_s
        Shape (samples,), increasing.
    name
        First line of the file.
    notes
        What a user should know, one line each; stand in the header.

    Raises
    ------
    BadInputError
        If there is no foot or sample, a foot stands twice, shapes differ, time does not increase, or a number is not
        finite: OpenSim reads no missing values.
    """
    time = np.asarray(time_s, dtype=np.float64)
    _check(time, feet)
    labels, columns = ["time"], [time[:, None]]
    for foot in feet:
        tag = _SIDE_TAGS[foot.side]
        for what, values in (("force_{}_v", foot.force_n), ("force_{}_p", foot.point_m)):
            labels += [f"ground_{what.format(tag)}{axis}" for axis in "xyz"]
            columns.append(values)
        labels += [f"ground_torque_{tag}_{axis}" for axis in "xyz"]
        columns.append(np.zeros((time.size, 3)))
    # adding 0.0 makes 0.0 of the -0.0 that rounding leaves
    table = np.round(np.concatenate(columns, axis=1), _DECIMALS) + 0.0
    header = [_line(name), "version=1", f"nRows={time.size}", f"nColumns={len(labels)}", "inDegrees=yes"]
    header += [f"note {_line(text)}" for text in notes]
    rows = ["\t".join(f"{value:.{_DECIMALS}f}" for value in row) for row in table.tolist()]
    return "\n".join([*header, "endheader", "\t".join(labels), *rows]) + "\n"


def _check(time: Floats, feet: Sequence[FootLoad]) -> None:
    sides = [foot.side for foot in feet]
    if not feet or len(set(sides)) != len(sides):
        raise BadInputError(f"feet are {', '.join(sides) or 'none'}; expected left, right or both, each once")
    if time.ndim != 1 or not time.size or not np.isfinite(time).all() or not (np.diff(time) > 0).all():
        raise BadInputError(f"time of shape {time.shape} does not increase from sample to sample")
    for foot in feet:
        for what, values in (("force", foot.force_n), ("point of force", foot.point_m)):
            if values.shape != (time.size, 3):
                raise BadInputError(f"{what} of the {foot.side} foot has shape {values.shape}, expected {time.size, 3}")
            if not np.isfinite(values).all():
                raise BadInputError(f"{what} of the {foot.side} foot is missing in some samples; OpenSim reads no NaN")


def _line(text: str) -> str:
    """Return a text as one line that cannot end the header."""
    tidy = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return "end header" if tidy.lower() == "endheader" else tidy or "ground reactions"


def external_loads_text(mot_name: str, sides: Sequence[str]) -> str:
    """Return the ExternalLoads document (OpenSim 4) for a file written by :func:`mot_text`.

    Forces are expressed in ground, their points in the foot's own body, to which they are applied.

    Parameters
    ----------
    mot_name
        The file's name, without folder: both files lie side by side.
    """
    root = ElementTree.Element("OpenSimDocument", Version="40000")
    loads = ElementTree.SubElement(root, "ExternalLoads", name="ground_reactions")
    objects = ElementTree.SubElement(loads, "objects")
    for side in sides:
        tag, body = _SIDE_TAGS[side], BODIES[side]
        force = ElementTree.SubElement(objects, "ExternalForce", name=f"{side}_foot")
        properties = {
            "appliesForce": "true",
            "applied_to_body": body,
            "force_expressed_in_body": "ground",
            "point_expressed_in_body": body,
            "force_identifier": f"ground_force_{tag}_v",
            "point_identifier": f"ground_force_{tag}_p",
            "torque_identifier": f"ground_torque_{tag}_",
            "data_source_name": mot_name,
        }
        for key, value in properties.items():
            ElementTree.SubElement(force, key).text = value
    ElementTree.SubElement(loads, "groups")
    ElementTree.SubElement(loads, "datafile").text = mot_name
    ElementTree.indent(root, "\t")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
