"""Trees read through h5py: the same as xarray's own reading, to the last label, and what is unknown is left to it."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from grfkit.records.read_h5 import NotKnownError, read_h5_tree
from grfkit.records.trees import read_tree, write_tree


def _by_xarray(path: Path) -> xr.DataTree:
    with xr.open_datatree(path, engine="h5netcdf", decode_times=False) as tree:
        loaded: xr.DataTree = tree.load()
    return loaded


def _about(tree: xr.DataTree) -> list[object]:
    """Return everything of a tree that `identical` leaves out: orders, types, kinds of number."""
    about: list[object] = []
    for path, node in tree.subtree_with_keys:
        about += [path, [(key, type(value)) for key, value in node.attrs.items()]]
        for name, v in node.variables.items():
            about += [name, v.dims, v.dtype, [(key, type(value)) for key, value in v.attrs.items()]]
    return about


def _tree() -> xr.DataTree:
    rng = np.random.default_rng(1)
    time = np.arange(40) / 100.0
    insole = xr.Dataset(
        {
            "force": ("time", np.where(time > 0.2, np.nan, rng.normal(size=40)), {"units": "N"}),
            "cells": (("time", "cell"), rng.normal(size=(40, 3)).astype("float32")),
            "flag": ("time", time > 0.1),
            "count": ("time", np.arange(40, dtype="int16"), {"units": "1"}),
            "temperature": ((), 21.5),
            "note": ((), "dry"),
        },
        coords={"time": ("time", time, {"units": "s"}), "cell": ["heel", "mid", "tóe"], "moment": ("time", time + 5)},
        attrs={"kind": "insole", "gaps": 0, "rate_hz": 100.0, "lost": np.array([1.5, 2.5]), "of": ["a", "b"], "x": ""},
    )
    film = xr.Dataset(
        {"picture": (("time", "row", "column"), rng.integers(0, 255, (5, 4, 4), dtype="uint8"))},
        coords={"time": np.arange(5) / 50.0},
        attrs={"one": np.array([3]), "name": ["only"]},
    )
    plate = xr.Dataset({"empty": ("time", np.zeros(0))}, coords={"time": np.zeros(0)})
    nodes = {"/insole": insole, "/film": film, "/reference/plate_1": plate, "/a": xr.Dataset({"v": ("n", [1, 2])})}
    tree = xr.DataTree.from_dict(nodes)
    tree.attrs.update(artefact="trial", provenance="{}", t0=float("nan"))
    return tree


def test_a_tree_is_read_as_xarray_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "tree.nc"
    write_tree(_tree(), path)
    ours, theirs = read_h5_tree(path), _by_xarray(path)
    assert ours.identical(theirs)
    assert _about(ours) == _about(theirs)
    assert all(isinstance(v.data, np.ndarray) for node in ours.subtree for v in node.variables.values())


def test_a_name_that_another_program_gave_as_text_hides_no_variable(tmp_path: Path) -> None:
    path = tmp_path / "tree.nc"
    _tree().to_netcdf(path, engine="h5netcdf")
    with h5py.File(path, "r+") as file:
        file["insole/force"].attrs["NAME"] = "force of the sole"
    assert read_h5_tree(path).identical(_by_xarray(path))


def _scale_gone(file: h5py.File) -> None:
    file.create_dataset("bare", data=np.arange(3.0))


def _enumeration(file: h5py.File) -> None:
    file.create_dataset("state", data=1, dtype=h5py.enum_dtype({"off": 0, "on": 1}, basetype="i1"))


def _letters(file: h5py.File) -> None:
    file.create_dataset("word", data=np.bytes_("abc"))


def _of_several(file: h5py.File) -> None:
    file["insole"].attrs["table"] = np.zeros((2, 2))


def _nothing(file: h5py.File) -> None:
    file.attrs["nothing"] = h5py.Empty("f4")


@pytest.mark.parametrize("change", [_scale_gone, _enumeration, _letters, _of_several, _nothing])
@pytest.mark.filterwarnings("ignore:The 'phony_dims' kwarg")
def test_what_other_programs_added_is_left_to_xarray(tmp_path: Path, change: object) -> None:
    path = tmp_path / "tree.nc"
    _tree().to_netcdf(path, engine="h5netcdf")
    with h5py.File(path, "r+") as file:
        change(file)  # type: ignore[operator]
    with pytest.raises(NotKnownError):
        read_h5_tree(path)
    read, theirs = read_tree(path), _by_xarray(path)
    read.attrs = theirs.attrs  # the note that it carries no checksum apart
    assert read.identical(theirs)
