"""Stance sets larger than memory: windows appended to one netCDF4 file, part by part."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..arrays import PathLike
from ..errors import BadInputError
from ..provenance import written_whole
from ..records.participants import check_names
from ..records.stance_set import StanceSet, join

_CHUNK = 64
"""Windows in a chunk of the file. Chosen by hand, as is the number below."""
_LABEL_CHUNK = 4096
"""Labels and scalars in a chunk."""


def write_sets(sets: Iterable[StanceSet], out: PathLike, *, force: bool = False) -> StanceSet:
    """Return the windows of all sets as one set on disk, as :func:`~grfkit.records.stance_set.join` does in memory.

    One part is in memory at a time. The file is chunked by window; it is written whole or not at all.

    Raises
    ------
    BadInputError
        If there is no set, they differ in kind, units or scalars or spell a participant in two ways, or the file
        exists and ``force`` is false.
    """
    out = Path(out)
    with written_whole(out, force=force) as temporary:
        # the netCDF library wants to create its file itself
        temporary.unlink()
        first: StanceSet | None = None
        excluded: dict[str, int] = {}
        sources: list[str] = []
        people: set[str] = set()
        for part in sets:
            people.update(part.participants)
            check_names(people)
            if first is None:
                _begin(part, temporary)
                # a copy, else this one window would keep all of the first part in memory
                first = StanceSet(part.data.isel(stance=slice(0, 1)).copy(deep=True))
            else:
                _append(part, first, temporary)
            for reason, count in part.excluded.items():
                excluded[reason] = excluded.get(reason, 0) + count
            sources.append(str(part.data.attrs["source"]))
            del part
            gc.collect()  # trees of trials and open files refer to themselves, and would stay a while
        if first is None:
            raise BadInputError("no stance set to write")
        _finish(temporary, excluded, sources)
    return StanceSet.open(out)


def _begin(part: StanceSet, path: Path) -> None:
    """Write the first part to a file that can grow along its windows."""
    encoding: dict[str, dict[str, Any]] = {}
    for name, item in part.data.variables.items():
        if item.dims[:1] == ("stance",):
            rows = _CHUNK if item.ndim == 3 else _LABEL_CHUNK
            encoding[str(name)] = {"chunksizes": (rows, *item.shape[1:])}
            if item.ndim == 3:
                encoding[str(name)] |= {"zlib": True, "complevel": 4}
    part.data.drop_encoding().to_netcdf(path, engine="h5netcdf", encoding=encoding, unlimited_dims=["stance"])


def _append(part: StanceSet, first: StanceSet, path: Path) -> None:
    """Write the part's windows behind those that are in the file."""
    import h5netcdf  # type: ignore[import-untyped]

    # joining one window of each refuses parts that differ, by the rules of sets in memory
    join([first, StanceSet(part.data.isel(stance=slice(0, 1)))])
    scalars = [[str(n) for n in stance_set.data["scalar"].values] for stance_set in (first, part)]
    if scalars[0] != scalars[1]:
        raise BadInputError(f"sets differ in scalars: {', '.join(scalars[0])} and {', '.join(scalars[1])}")
    with h5netcdf.File(path, "a") as handle:
        low = len(handle.dimensions["stance"])
        handle.resize_dimension("stance", low + part.size)
        for name, item in part.data.variables.items():
            if item.dims[:1] == ("stance",):
                handle.variables[str(name)][low : low + part.size] = _stored(item)


def _stored(item: xr.Variable) -> np.ndarray[Any, Any]:
    values = np.asarray(item.values)
    return values.astype(object) if values.dtype.kind in "OU" else values


def _finish(path: Path, excluded: dict[str, int], sources: list[str]) -> None:
    import h5netcdf

    with h5netcdf.File(path, "a") as handle:
        handle.attrs["excluded"] = json.dumps(excluded, sort_keys=True)
        handle.attrs["source"] = "+".join(dict.fromkeys(sources))
