"""Recording and Trial: labelled trees of streams, and netCDF4 files of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

from ..errors import BadInputError
from ..provenance import SCHEMA_VERSION, Provenance, written_whole
from .clock import ClockMap
from .streams import StreamKind


@dataclass(frozen=True)
class Recording:
    """What one device recorded, on its own clock: an :class:`xarray.DataTree` with a node per stream.

    ``tree.attrs`` holds ``device``, ``reader``, ``t0_unix_s`` (NaN if unknown) and ``provenance`` (JSON).
    Each stream's attributes: ``kind side rate_hz stamp_source clock missing_samples gaps``.
    """

    tree: xr.DataTree
    notes: tuple[str, ...] = field(default=())

    @property
    def streams(self) -> dict[str, xr.Dataset]:
        """Return the streams by name, in the file's order (new datasets: a change stays yours)."""
        return {name: node.to_dataset() for name, node in self.tree.children.items()}

    @property
    def device(self) -> str:
        """Return what recorded it, e.g. ``"loadsol"``."""
        return str(self.tree.attrs.get("device", "unknown"))

    @property
    def provenance(self) -> Provenance:
        """Return what made this recording."""
        return Provenance.model_validate_json(self.tree.attrs["provenance"])

    def of_kind(self, kind: StreamKind) -> dict[str, xr.Dataset]:
        """Return the streams of one kind by name."""
        return {name: data for name, data in self.streams.items() if data.attrs["kind"] == kind}

    def replaced(self, streams: Mapping[str, xr.Dataset], *, findings: Sequence[str] = ()) -> Recording:
        """Return a recording with these streams in place of its own and ``findings`` added to provenance."""
        attrs = dict(self.tree.attrs)
        attrs["provenance"] = self.provenance.merged(Provenance(findings=list(findings))).model_dump_json()
        tree = xr.DataTree.from_dict({f"/{name}": data for name, data in streams.items()})
        tree.attrs.update(attrs)
        return Recording(tree, self.notes)

    def to_netcdf(self, path: Path, *, force: bool = False) -> None:
        """Write netCDF4 (through h5netcdf), whole or not at all."""
        write_tree(self.tree, path, force=force)

    @classmethod
    def from_netcdf(cls, path: Path) -> Recording:
        """Return the recording that :meth:`to_netcdf` wrote."""
        return cls(read_tree(path))


def make_recording(
    streams: Mapping[str, xr.Dataset],
    *,
    device: str,
    reader: str,
    provenance: Provenance,
    t0_unix_s: float | None = None,
    notes: Sequence[str] = (),
) -> Recording:
    """Return a recording whose time starts at its first stamp over all streams.

    Parameters
    ----------
    t0_unix_s
        Absolute time of the file's own time zero; the first stamp is added to it.
    notes
        What a user should know about the file, one sentence each; they become provenance findings.

    Raises
    ------
    BadInputError
        If there is no stream.
    """
    if not streams:
        raise BadInputError("holds no stream that grfkit knows")
    first = min(float(data["time"].values[0]) for data in streams.values())
    shifted = {name: data.assign_coords(time=_minus(data["time"], first)) for name, data in streams.items()}
    tree = xr.DataTree.from_dict({f"/{name}": data for name, data in shifted.items()})
    kept = provenance.merged(Provenance(findings=list(notes)))
    tree.attrs.update(
        schema_version=SCHEMA_VERSION,
        artefact="recording",
        device=device,
        reader=reader,
        t0_unix_s=float("nan") if t0_unix_s is None else float(t0_unix_s) + first,
        first_stamp_s=first,
        provenance=kept.model_dump_json(),
    )
    return Recording(tree, tuple(notes))


@dataclass(frozen=True)
class Trial:
    """Everything on one clock: a tree with ``/reference/...`` and a node per wearable stream.

    Every stream keeps its own samples and rate; ``time`` is on the reference clock and ``time_device`` is the
    stream's own. ``tree.attrs``: ``participant mass_kg surface speed_m_s slope_percent verdict provenance``.
    """

    tree: xr.DataTree

    @property
    def verdict(self) -> str:
        """Return ``aligned``, ``partial`` or ``refused``."""
        return str(self.tree.attrs["verdict"])

    @property
    def provenance(self) -> Provenance:
        """Return what made this trial."""
        return Provenance.model_validate_json(self.tree.attrs["provenance"])

    @property
    def clock_maps(self) -> dict[str, ClockMap]:
        """Return the clock map of each wearable stream by its name."""
        raw = json.loads(self.tree.attrs["clock_maps"])
        return {name: ClockMap.model_validate(value) for name, value in raw.items()}

    def streams(self) -> Iterator[tuple[str, xr.Dataset]]:
        """Give path and dataset of every stream, reference streams first."""
        for node in self.tree.subtree:
            if "time" in node.coords:
                yield node.path.lstrip("/"), node.to_dataset()

    def to_netcdf(self, path: Path, *, force: bool = False) -> None:
        """Write netCDF4 (through h5netcdf), whole or not at all."""
        write_tree(self.tree, path, force=force)

    @classmethod
    def from_netcdf(cls, path: Path) -> Trial:
        """Return the trial that :meth:`to_netcdf` wrote.

        Raises
        ------
        BadInputError
            If the file is no grfkit trial.
        """
        tree = read_tree(path)
        if tree.attrs.get("artefact") != "trial":
            raise BadInputError(f"{path}: is not a grfkit trial (artefact '{tree.attrs.get('artefact')}')")
        return cls(tree)


def write_tree(tree: xr.DataTree, path: Path, *, force: bool = False) -> None:
    """Write a tree as netCDF4, compressed, beside and then renamed; the same tree gives the same bytes."""
    encoding = {
        node.path: {
            str(name): {"zlib": True, "complevel": 4, "shuffle": True}
            for name, item in node.to_dataset(inherit=False).variables.items()
            if item.dtype.kind == "f" and item.ndim and item.size
        }
        for node in tree.subtree
    }
    for node in tree.subtree:
        for item in node.to_dataset(inherit=False).variables.values():
            item.encoding = {}  # lengths and chunks of the file it came from do not hold for what was added since
    with written_whole(path, force=force) as temporary:
        temporary.unlink()
        tree.to_netcdf(temporary, engine="h5netcdf", encoding={k: v for k, v in encoding.items() if v})


def read_tree(path: Path) -> xr.DataTree:
    """Return the tree in a netCDF4 file, loaded.

    Raises
    ------
    BadInputError
        If the file is missing or no netCDF4 written by grfkit.
    """
    try:
        with xr.open_datatree(path, engine="h5netcdf", decode_times=False) as tree:
            loaded: xr.DataTree = tree.load()
    except Exception as error:
        raise BadInputError(f"{path}: cannot be read as netCDF4 ({type(error).__name__}: {error})") from error
    if "artefact" not in loaded.attrs:
        raise BadInputError(f"{path}: is netCDF4 but was not written by grfkit")
    return loaded


def _minus(time: xr.DataArray, first: float) -> tuple[str, Any, dict[str, str]]:
    return ("time", time.values - first, {"units": "s"})
