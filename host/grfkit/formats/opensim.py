"""OpenSim storage files (.mot, .sto), read and written, and the ExternalLoads document that refers to one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from .rows import data_rows, is_number, number_table, unquoted
from .text import READ_SHORT, as_tabs, decimal_sign, ends_whole, refuse_split_decimals, torn_row_note

# Lines searched for endheader, chosen by hand: real files have it in line 5 to 10, but a header may be longer
_HEADER_LINES = 200
# Lines after endheader searched for the labels, chosen by hand: some programs leave blank ones between
_LABEL_LINES = 10
# Times of header and rows agree within this, s: both are printed
_SAME_S = 1e-9


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


def parse_storage(text: str, *, allow_short: bool = False) -> StorageFile:
    """Return what a storage file holds: old (``datarows 90``) and new headers (``nRows=90``), stray lines.

    A table of vectors (``DataType=Vec3``: cells ``1,2,3``) gives a column for each of their numbers, ``f1_1 f1_2
    f1_3`` of ``f1``, as OpenSim flattens it. Commas or semicolons in place of tabs are read as a spreadsheet leaves
    them, with either decimal sign.

    Parameters
    ----------
    allow_short
        Whether a file that ends inside its last row, with fewer rows than its header states, is read without that row.

    Raises
    ------
    BadInputError
        If ``endheader`` or the labels are missing, a row is damaged, or the file ends inside a row.
    """
    lines = text.splitlines()
    header, end = _header(lines)
    first = _label_line(lines, end)
    notes: list[str] = []
    rows, separator = _tabbed(lines[first:], first + 1, notes)
    labels = unquoted(rows[0].strip().split(separator))
    while labels and not labels[-1]:
        labels.pop()
    if len(labels) < 2:
        raise BadInputError(f"line {first + 1} names no column but time")
    _check_columns(labels, header, notes)
    body = data_rows(rows[1:])
    kind = header.get("datatype", "double")
    if kind.lower() not in ("double", ""):
        labels, body = _flat(labels, body, kind, first + 2)
        notes.append(f"the table is of DataType={kind}: each cell's numbers are columns of their own (_1, _2, ...)")
    decimal = decimal_sign(body, separator or " ")
    table = number_table(body, columns=labels, separator=separator, first_line=first + 2, decimal=decimal)
    whole = text.endswith(("\n", "\r")) or ends_whole(body, separator, decimal)
    short = _check_rows(table[:, 0], header, notes, whole=whole)
    if short and not allow_short:
        raise BadInputError(f"{short}; export it again, or {READ_SHORT}")
    torn = short or ("" if text.endswith(("\n", "\r")) else torn_row_note(body, separator, first + 2, decimal))
    if torn:
        notes.append(f"{torn}, which is left out" if short else torn)
        table = table[:-1]
    return StorageFile(header, labels[1:], table[:, 0], table[:, 1:], notes)


def _tabbed(lines: list[str], first_line: int, notes: list[str]) -> tuple[list[str], str | None]:
    """Return the row of labels and what follows with tabs between the cells, and the separator (None: blanks)."""
    separator = next((s for s in "\t;," if s in lines[0].strip()), None)
    if separator in (None, "\t"):
        return lines, separator
    notes.append(f"its cells are separated by '{separator}', not by tabs as OpenSim writes them: read as that")
    refuse_split_decimals(lines[1:], str(separator), len(lines[0].rstrip(",; ").split(separator)), first_line + 1)
    return as_tabs(lines, str(separator)), "\t"


def _check_columns(labels: list[str], header: dict[str, str], notes: list[str]) -> None:
    stated = header.get("ncolumns", "")
    if stated.isdigit() and int(stated) != len(labels):
        notes.append(
            f"the header states {int(stated)} columns, the row of labels names {len(labels)} with time, and the rows"
            " have as many cells as that: the labels are taken"
        )


def _flat(labels: list[str], rows: list[str], kind: str, first_line: int) -> tuple[list[str], list[str]]:
    """Return labels and rows of a table of vectors with one number in a cell."""
    example = rows[0].split("\t")[1:2]
    size = len(example[0].split(",")) if example else 1
    if size < 2:
        raise BadInputError(
            f"states DataType={kind}, but line {first_line} holds no vectors such as 1,2,3 between tabs; export the"
            " table again, or flattened (TimeSeriesTable.flatten)"
        )
    names = [labels[0], *(f"{label}_{i + 1}" for label in labels[1:] for i in range(size))]
    flat = []
    for line, row in enumerate(rows, first_line):
        time, *cells = row.split("\t")
        while len(cells) > len(labels) - 1 and not cells[-1].strip():
            cells.pop()
        parts = [re.sub(r"[~\[\]() ]", "", cell).split(",") if cell.strip() else [""] * size for cell in cells]
        if len(parts) != len(labels) - 1 or any(len(part) != size for part in parts):
            raise BadInputError(
                f"line {line} does not hold {len(labels) - 1} vectors of {size} numbers (DataType={kind}); the file is"
                " cut off or damaged there"
            )
        flat.append("\t".join([time, *(number for part in parts for number in part)]))
    return names, flat


def _header(lines: list[str]) -> tuple[dict[str, str], int]:
    header: dict[str, str] = {}
    for index, line in enumerate(lines[:_HEADER_LINES]):
        tidy = bare(line)
        if tidy.lower() == "endheader":
            return header, index
        key, equals, value = tidy.partition("=")
        if not equals:
            key, _, value = tidy.partition(" ")
        key = {"datarows": "nrows", "datacolumns": "ncolumns"}.get(key.strip().lower(), key.strip().lower())
        header.setdefault(key, value.strip())
    raise BadInputError(f"has no line 'endheader' among its first {_HEADER_LINES}, so it is no OpenSim file")


def bare(line: str) -> str:
    """Return a line of the header without the blanks, quotes and separators that a spreadsheet puts around it."""
    return line.strip(' \t\r,;"')


def _label_line(lines: list[str], end: int) -> int:
    """Return the index of the row of labels: the first line after the header that starts with 'time'."""
    for index in range(end + 1, min(end + 1 + _LABEL_LINES, len(lines))):
        if re.match(r"[\s\"]*time[\s\",;]", lines[index] + " ", re.IGNORECASE):
            return index
    raise BadInputError("has no row of labels that starts with 'time' after 'endheader'")


def _check_rows(time: Floats, header: dict[str, str], notes: list[str], *, whole: bool) -> str:
    """Note rows that are not as many as stated (files are trimmed); return why a file ends inside a row, or ""."""
    stated = header.get("nrows", "")
    if not stated.isdigit() or int(stated) == time.size:
        return ""
    begin, end = _range(header)
    late = begin is not None and time[0] > begin + _SAME_S
    early = end is not None and time[-1] < end - _SAME_S
    if time.size < int(stated) and not whole and (early or not late):
        rows = f"rows up to {end:g} s, it ends at {time[-1]:g} s" if late else f"{stated} rows, it holds {time.size}"
        return f"is cut off: its header states {rows}, and its last line may be torn"
    note = f"the header states {stated} rows, the file holds {time.size} ({time[0]:g} to {time[-1]:g} s)"
    if time.size < int(stated):
        note += f"; it ends at {time[-1]:g} s of {end:g} s: trimmed, or cut off" if early else "; trimmed, or cut off"
    notes.append(note)
    return ""


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
    return storage_text(time, labels[1:], np.concatenate(columns[1:], axis=1), name=name, notes=notes)


def storage_text(time_s: Floats, labels: Sequence[str], table: Floats, *, name: str, notes: Sequence[str] = ()) -> str:
    """Return a storage file of known numbers (samples, labels), with six decimals.

    Raises
    ------
    BadInputError
        If there is no sample, or time does not increase.
    """
    _check_time(time_s)
    # adding 0.0 makes 0.0 of the -0.0 that rounding leaves
    rounded = np.round(np.concatenate([time_s[:, None], table], axis=1), _DECIMALS) + 0.0
    header = [_line(name), "version=1", f"nRows={time_s.size}", f"nColumns={len(labels) + 1}", "inDegrees=yes"]
    header += [f"note {_line(text)}" for text in notes]
    rows = ["\t".join(f"{value:.{_DECIMALS}f}" for value in row) for row in rounded.tolist()]
    return "\n".join([*header, "endheader", "\t".join(["time", *labels]), *rows]) + "\n"


def _check(time: Floats, feet: Sequence[FootLoad]) -> None:
    sides = [foot.side for foot in feet]
    if not feet or len(set(sides)) != len(sides):
        raise BadInputError(f"feet are {', '.join(sides) or 'none'}; expected left, right or both, each once")
    _check_time(time)
    for foot in feet:
        for what, values in (("force", foot.force_n), ("point of force", foot.point_m)):
            if values.shape != (time.size, 3):
                raise BadInputError(f"{what} of the {foot.side} foot has shape {values.shape}, expected {time.size, 3}")
            if not np.isfinite(values).all():
                raise BadInputError(f"{what} of the {foot.side} foot is missing in some samples; OpenSim reads no NaN")


def _check_time(time: Floats) -> None:
    if time.ndim != 1 or not time.size or not np.isfinite(time).all() or not (np.diff(time) > 0).all():
        raise BadInputError(f"time of shape {time.shape} does not increase from sample to sample")


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
    forces = [AppliedForce(f"{side}_foot", _SIDE_TAGS[side], BODIES[side], BODIES[side]) for side in sides]
    return applied_forces_text(mot_name, forces)


@dataclass(frozen=True)
class AppliedForce:
    """A force of a file's columns ``ground_force_TAG_v``, the body it is applied to, and in which its point is told."""

    name: str
    tag: str
    body: str
    point_in: str


def applied_forces_text(mot_name: str, forces: Sequence[AppliedForce]) -> str:
    """Return the ExternalLoads document (OpenSim 4) of forces in ground, whose file lies beside it."""
    root = ElementTree.Element("OpenSimDocument", Version="40000")
    loads = ElementTree.SubElement(root, "ExternalLoads", name="ground_reactions")
    objects = ElementTree.SubElement(loads, "objects")
    for applied in forces:
        force = ElementTree.SubElement(objects, "ExternalForce", name=applied.name)
        properties = {
            "appliesForce": "true",
            "applied_to_body": applied.body,
            "force_expressed_in_body": "ground",
            "point_expressed_in_body": applied.point_in,
            "force_identifier": f"ground_force_{applied.tag}_v",
            "point_identifier": f"ground_force_{applied.tag}_p",
            "torque_identifier": f"ground_torque_{applied.tag}_",
            "data_source_name": mot_name,
        }
        for key, value in properties.items():
            ElementTree.SubElement(force, key).text = value
    ElementTree.SubElement(loads, "groups")
    ElementTree.SubElement(loads, "datafile").text = mot_name
    ElementTree.indent(root, "\t")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
