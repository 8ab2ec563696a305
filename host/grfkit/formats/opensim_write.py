"""Text of OpenSim files: ground reactions of both feet (.mot) and the ExternalLoads document that refers to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError

_TAGS = {"left": "l", "right": "r"}
BODIES = {"left": "calcn_l", "right": "calcn_r"}
"""The foot's body in the models that come with OpenSim (gait2392, Rajagopal 2016)."""
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
        tag = _TAGS[foot.side]
        for what, values in (("force_{}_v", foot.force_n), ("force_{}_p", foot.point_m)):
            labels += [f"ground_{what.format(tag)}{axis}" for axis in "xyz"]
            columns.append(values)
        labels += [f"ground_torque_{tag}_{axis}" for axis in "xyz"]
        columns.append(np.zeros((time.size, 3)))
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
    """Return the ExternalLoads document (OpenSim 4) of a file that :func:`mot_text` made.

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
        tag, body = _TAGS[side], BODIES[side]
        force = ElementTree.SubElement(objects, "ExternalForce", name=f"{side}_foot")
        told = {
            "appliesForce": "true",
            "applied_to_body": body,
            "force_expressed_in_body": "ground",
            "point_expressed_in_body": body,
            "force_identifier": f"ground_force_{tag}_v",
            "point_identifier": f"ground_force_{tag}_p",
            "torque_identifier": f"ground_torque_{tag}_",
            "data_source_name": mot_name,
        }
        for key, value in told.items():
            ElementTree.SubElement(force, key).text = value
    ElementTree.SubElement(loads, "groups")
    ElementTree.SubElement(loads, "datafile").text = mot_name
    ElementTree.indent(root, "\t")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"
