"""Measured ground reactions as an OpenSim storage file, and the ExternalLoads document that gives each to a body."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from .opensim import AppliedForce, applied_forces_text, storage_text

_PARTS = (("force_{}_v", "force_n"), ("force_{}_p", "point_m"), ("torque_{}_", "torque_n_m"))


@dataclass(frozen=True)
class GroundLoad:
    """One force, numbered from 1 in the file: ``ground_force_1_vx``, ``ground_force_1_px``, ``ground_torque_1_x``.

    Attributes
    ----------
    body
        To which it is applied; empty: to none.
    force_n, point_m, torque_n_m
        Shape (samples, 3) in OpenSim's ground: X forward, Y up, Z to the right; the torque is about the point.
    """

    name: str
    body: str
    force_n: Floats
    point_m: Floats
    torque_n_m: Floats


def loads_text(time_s: Floats, loads: Sequence[GroundLoad], *, name: str, notes: Sequence[str] = ()) -> str:
    """Return the storage file of ground reactions.

    Raises
    ------
    BadInputError
        If there is no load or sample, time does not increase, shapes differ, or a number is not finite: OpenSim reads
        no missing values.
    """
    if not loads:
        raise BadInputError("there is no ground reaction to write")
    labels, columns = [], []
    for number, load in enumerate(loads, start=1):
        for what, values in ((label, getattr(load, attribute)) for label, attribute in _PARTS):
            if values.shape != (time_s.size, 3) or not np.isfinite(values).all():
                raise BadInputError(
                    f"'{load.name}' is not known in each of {time_s.size} samples; OpenSim reads no NaN"
                )
            labels += [f"ground_{what.format(number)}{axis}" for axis in "xyz"]
            columns.append(values)
    return storage_text(time_s, labels, np.concatenate(columns, axis=1), name=name, notes=notes)


def loads_document(mot_name: str, loads: Sequence[GroundLoad]) -> str:
    """Return the ExternalLoads document (OpenSim 4): points are in ground; loads of no body are not in it.

    Parameters
    ----------
    mot_name
        The file's name, without folder: both files lie side by side.
    """
    forces = [
        AppliedForce(load.name, str(number), load.body, "ground")
        for number, load in enumerate(loads, start=1)
        if load.body
    ]
    return applied_forces_text(mot_name, forces)
