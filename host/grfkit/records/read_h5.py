"""A netCDF4 tree read through h5py at once.

xarray's own way through h5netcdf looks up the dimensions of each variable again and again, each time by its name in the
file, which costs more than the numbers do. Here a file's groups are gone through once and xarray decodes what was read.
What this does not know, it leaves to xarray.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import xarray as xr

_OF_HDF5 = frozenset(
    {
        "CLASS",
        "DIMENSION_LIST",
        "NAME",
        "REFERENCE_LIST",
        "_NCProperties",
        "_Netcdf4Coordinates",
        "_Netcdf4Dimid",
        "_nc3_strict",
    }
)
"""Attributes that netCDF4 and HDF5 keep for themselves (netCDF file format specification, "netCDF-4 spec")."""
_ONLY_LENGTH = b"This is a netCDF dimension but not a netCDF variable"
"""So the name of a dimension's scale begins that holds no values (same specification)."""


class NotKnownError(Exception):
    """Something in the file that only xarray's own way reads."""


def read_h5_tree(path: Path) -> xr.DataTree:
    """Return the tree in a netCDF4 file, loaded, as ``xarray.open_datatree(path, decode_times=False).load()`` does.

    Raises
    ------
    NotKnownError
        If something in it is not of the kinds that grfkit writes.
    OSError
        If it cannot be read, or is no HDF5.
    """
    nodes: dict[str, xr.Dataset] = {}
    with h5py.File(path, "r") as file:
        _read_group(file, "/", nodes)
    tree: xr.DataTree = xr.DataTree.from_dict(nodes)
    return tree


def _read_group(group: h5py.Group, path: str, nodes: dict[str, xr.Dataset]) -> None:
    """Add a group's dataset to ``nodes`` by its path, then those of the groups in it."""
    variables: dict[str, xr.Variable] = {}
    inside: dict[str, h5py.Group] = {}
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            inside[name] = item
        elif not isinstance(item, h5py.Dataset):
            raise NotKnownError(f"{path}{name}: a {type(item).__name__}")
        elif not _is_only_length(item):
            values, encoding = _values(item)
            variables[name] = xr.Variable(_dimensions(group, item, name), values, _attributes(item), encoding)
    nodes[path] = xr.decode_cf(xr.Dataset(variables, attrs=_attributes(group)), decode_times=False).load()
    for name, child in inside.items():
        _read_group(child, f"{path.rstrip('/')}/{name}", nodes)


def _is_only_length(data: h5py.Dataset) -> bool:
    name = data.attrs.get("NAME")
    return isinstance(name, bytes) and name.startswith(_ONLY_LENGTH)


def _dimensions(group: h5py.Group, data: h5py.Dataset, name: str) -> tuple[str, ...]:
    """Return the names of a variable's dimensions: its own, where it is one; else those of the scales it refers to."""
    if name.startswith("_nc4_non_coord_"):
        raise NotKnownError(f"{name}: a variable of a dimension's name that is not along it")
    if not data.ndim:
        return ()
    if "DIMENSION_LIST" in data.attrs:
        scales = data.attrs["DIMENSION_LIST"]
        if not all(len(references) == 1 for references in scales):
            raise NotKnownError(f"{name}: an axis without a dimension, or with several")
        return tuple(str(group[references[0]].name).rsplit("/", 1)[-1] for references in scales)
    if data.ndim == 1 and data.attrs.get("CLASS") == b"DIMENSION_SCALE":
        return (name,)
    raise NotKnownError(f"{name}: axes without dimensions")


def _values(data: h5py.Dataset) -> tuple[Any, dict[str, Any]]:
    """Return a variable's values, numbers or texts of any length, and what xarray decodes them by."""
    if data.dtype.kind in "fiu" and h5py.check_enum_dtype(data.dtype) is None:
        return data[()], {}
    text = h5py.check_string_dtype(data.dtype)
    if text is not None and text.length is None:
        return data.asstr()[()], {"dtype": str}
    raise NotKnownError(f"{data.name}: values of {data.dtype}")


def _attributes(item: h5py.Group | h5py.Dataset) -> dict[str, Any]:
    """Return what is stated of a group or a variable: numbers, arrays of them, texts and lists of texts."""
    attributes: dict[str, Any] = {}
    for key in item.attrs:
        if key in _OF_HDF5:
            continue
        value = item.attrs[key]
        if isinstance(value, np.ndarray):
            if value.ndim != 1 or not (value.dtype.kind in "fiu" or all(isinstance(part, str) for part in value)):
                raise NotKnownError(f"{item.name}: attribute {key} of {value.dtype}, {value.ndim} axes")
            # netCDF knows no difference between a value and an array of one
            value = value[0] if value.size == 1 else value if value.dtype.kind in "fiu" else value.tolist()
        elif not isinstance(value, str | np.number):
            raise NotKnownError(f"{item.name}: attribute {key} of {type(value).__name__}")
        attributes[key] = value
    return attributes
