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
from ..artefacts import written_whole
from ..errors import BadInputError
from ..records.by_hand import joined_by_hand
from ..records.calibrated import joined_calibrated
from ..records.netcdf import NetcdfFile, netcdf_file
from ..records.participants import check_names
from ..records.stance_set import StanceSet, join, joined_recordings

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
    with written_whole(out, force=force) as temporary, netcdf_file(temporary) as file:
        first: StanceSet | None = None
        excluded: dict[str, int] = {}
        sources: list[str] = []
        people: set[str] = set()
        recordings: list[StanceSet] = []
        for part in sets:
            people.update(part.participants)
            check_names(people)
            # one window of each person: the attributes are what is looked at
            rows = np.sort(np.unique(part.per_stance("participant"), return_index=True)[1])
            recordings.append(StanceSet(part.data[["weight"]].isel(stance=rows).copy(deep=True)))
            known = joined_recordings(recordings) | joined_by_hand(s.data.attrs for s in recordings)
            known |= joined_calibrated(s.data.attrs for s in recordings)
            if first is None:
                _begin(part, file)
                # a copy, else this one window would keep all of the first part in memory
                first = StanceSet(part.data.isel(stance=slice(0, 1)).copy(deep=True))
            else:
                _append(part, first, file)
            for reason, count in part.excluded.items():
                excluded[reason] = excluded.get(reason, 0) + count
            sources.append(str(part.data.attrs["source"]))
            del part
            gc.collect()  # trees of trials and open files refer to themselves, and would stay a while
        if first is None:
            raise BadInputError("no stance set to write")
        file.handle.attrs["excluded"] = json.dumps(excluded, sort_keys=True)
        file.handle.attrs["source"] = "+".join(dict.fromkeys(sources))
        file.handle.attrs.update(known)
    return StanceSet.open(out)


def _begin(part: StanceSet, file: NetcdfFile) -> None:
    """Write the first part to a file that can grow along its windows."""
    encoding: dict[str, dict[str, Any]] = {}
    for name, item in part.data.variables.items():
        if item.dims[:1] == ("stance",):
            rows = _CHUNK if item.ndim == 3 else _LABEL_CHUNK
            encoding[str(name)] = {"chunksizes": (rows, *item.shape[1:])}
            if item.ndim == 3:
                encoding[str(name)] |= {"zlib": True, "complevel": 4}
    file.add(part.data.drop_encoding(), encoding=encoding, unlimited=("stance",))


def _append(part: StanceSet, first: StanceSet, file: NetcdfFile) -> None:
    """Write the part's windows behind those that are in the file."""
    # joining one window of each refuses parts that differ, by the rules of sets in memory
    join([first, StanceSet(part.data.isel(stance=slice(0, 1)))])
    scalars = [[str(n) for n in stance_set.data["scalar"].values] for stance_set in (first, part)]
    if scalars[0] != scalars[1]:
        raise BadInputError(f"sets differ in scalars: {', '.join(scalars[0])} and {', '.join(scalars[1])}")
    handle = file.handle
    low = len(handle.dimensions["stance"])
    handle.resize_dimension("stance", low + part.size)
    for name, item in part.data.variables.items():
        if item.dims[:1] == ("stance",):
            handle.variables[str(name)][low : low + part.size] = _stored(item)
    file.check()


def _stored(item: xr.Variable) -> np.ndarray[Any, Any]:
    values = np.asarray(item.values)
    return values.astype(object) if values.dtype.kind in "OU" else values
