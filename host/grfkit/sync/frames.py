"""Turning a file's own laboratory axes into grfkit's: X forward, Y left, Z up."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError

_TRIPLES = (("fx", "fy", "fz"), ("mx", "my", "mz"), ("cop_x", "cop_y", "cop_z"))


def axis_vector(text: str) -> Floats:
    """Return the unit vector of ``"+x"``, ``"-y"``, ``"z"``...

    Raises
    ------
    BadInputError
        If the text names no axis.
    """
    tidy = text.strip().lower()
    sign, name = (-1.0 if tidy.startswith("-") else 1.0), tidy.lstrip("+-")
    if name not in ("x", "y", "z") or len(tidy) > 2:
        raise BadInputError(f"axis '{text}' is not one of +x -x +y -y +z -z")
    vector = np.zeros(3)
    vector["xyz".index(name)] = sign
    return vector


def lab_rotation(forward: str, up: str) -> Floats:
    """Return the rotation, shape (3, 3), that takes file axes to lab axes (rows: forward, left, up).

    Raises
    ------
    BadInputError
        If forward and up are the same axis.
    """
    x, z = axis_vector(forward), axis_vector(up)
    if abs(float(x @ z)) > 0.5:
        raise BadInputError(f"forward axis '{forward}' is the vertical axis '{up}'; name the direction of travel")
    return np.stack([x, np.cross(z, x), z])


def into_lab(stream: xr.Dataset, rotation: Floats) -> xr.Dataset:
    """Return a plate or landmarks stream with forces, moments, points and corners in the lab frame."""
    turned: xr.Dataset = stream.copy()
    for names in _TRIPLES:
        if not all(n in stream for n in names):
            continue
        values = np.stack([stream[n].values for n in names])
        for name, row in zip(names, rotation @ values):
            turned[name] = stream[name].copy(data=row).assign_attrs(frame="lab")
    if "position" in stream and stream["position"].dims[-1] == "axis":
        turned["position"] = stream["position"].copy(data=stream["position"].values @ rotation.T)
        turned["position"].attrs["frame"] = "lab"
    for key in ("corners_m", "origin_lab_m"):
        if key in stream.attrs and np.size(stream.attrs[key]) % 3 == 0:
            points = np.reshape(stream.attrs[key], (-1, 3)) @ rotation.T
            turned.attrs[key] = [float(v) for v in points.ravel()]
    if stream.attrs.get("vertical"):
        turned.attrs["vertical"] = "+z"
    return turned
