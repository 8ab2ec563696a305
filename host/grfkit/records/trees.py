"""Recording and Trial: labelled trees of streams, and netCDF4 files of them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import TypeAdapter, ValidationError

from ..arguments import as_path, refusal, refuse_other
from ..arrays import PathLike
from ..artefacts import written_whole
from ..errors import BadInputError
from ..provenance import SCHEMA_VERSION, Provenance
from .clock import ClockMap
from .netcdf import check_sealed, netcdf_file
from .read_h5 import NotKnownError, read_h5_tree
from .streams import StreamKind

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_COLUMNS = ("stream", "kind", "side", "rate Hz", "from s", "to s", "samples", "missing", "channels")
_CLOCK_MAPS = TypeAdapter(dict[str, ClockMap])
_CHANNELS_SHOWN = 6
"""So many channel names of a stream fit on a line of 120 characters; the rest is counted."""


@dataclass(frozen=True, repr=False)
class StreamTree:
    """Base of :class:`Recording` and :class:`Trial`: a tree whose nodes with a time are its streams."""

    tree: xr.DataTree

    def __post_init__(self) -> None:
        """Refuse anything but a tree: a file is read by ``from_netcdf``."""
        refuse_other(self.tree, xr.DataTree, f"an xarray.DataTree ({type(self).__name__}.from_netcdf reads a file)")

    @property
    def streams(self) -> dict[str, xr.Dataset]:
        """Return the streams by name, in the tree's order (new datasets: a change stays yours).

        Plates of a trial are named with their node, as ``reference/plate_1``.
        """
        return {node.path.lstrip("/"): node.to_dataset() for node in self.tree.subtree if "time" in node.coords}

    @property
    def provenance(self) -> Provenance:
        """Return what made this; an empty one for a tree put together by hand that states none.

        Raises
        ------
        BadInputError
            If what is stored is no provenance.
        """
        stored = self.tree.attrs.get("provenance")
        if stored is None:
            return Provenance()
        try:
            return Provenance.model_validate_json(stored)
        except ValidationError as error:
            raise BadInputError(f"the stored provenance cannot be used: {refusal(error, Provenance)}") from error

    def of_kind(self, kind: StreamKind) -> dict[str, xr.Dataset]:
        """Return the streams of one kind by name."""
        return {name: data for name, data in self.streams.items() if data.attrs.get("kind") == kind}

    def to_netcdf(self, path: PathLike, *, force: bool = False) -> None:
        """Write netCDF4 (through h5netcdf), whole or not at all.

        Raises
        ------
        BadInputError
            If the file exists and ``force`` is false, or cannot be written.
        """
        write_tree(self.tree, path, force=force)

    def to_pandas(self, stream: str | None = None) -> pd.DataFrame:
        """Return one stream as a table: index ``time`` (s), a column per channel in SI, gaps as NaN.

        Landmarks become a column per coordinate, ``heel_x`` and so on. Streams have rates of their own, so there is
        no table of several.

        Parameters
        ----------
        stream
            Its name; may be left out where there is only one.

        Raises
        ------
        BadInputError
            If there is no such stream, or several and none was named.
        """
        streams = self.streams
        if stream is None and len(streams) == 1:
            stream = next(iter(streams))
        if stream is None or stream not in streams:
            problem = "name one of" if stream is None else f"there is no stream '{stream}'; there are"
            raise BadInputError(f"{problem}: {', '.join(streams) or 'none'}")
        return _table(streams[stream])

    def plot(self, *streams: str) -> Figure:
        """Draw streams over time, a panel each (all of them where none is named).

        Raises
        ------
        BadInputError
            If matplotlib is not installed, or there is no such stream.
        """
        from .plot import plot_streams

        names = streams or tuple(self.streams)
        missing = [name for name in names if name not in self.streams]
        if missing:
            raise BadInputError(f"there is no stream '{missing[0]}'; there are: {', '.join(self.streams) or 'none'}")
        return plot_streams({name: self.streams[name] for name in names}, title=self._title())

    def _title(self) -> str:
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return a line for the whole and a line a stream."""
        rows = [_COLUMNS, *(_row(name, data) for name, data in self.streams.items())]
        width = [max(len(row[k]) for row in rows) for k in range(len(_COLUMNS))]
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, width)).rstrip() for row in rows]
        return "\n  ".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        """Return the same as a table, which notebooks show."""
        head = "".join(f"<th>{escape(name)}</th>" for name in _COLUMNS)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in _row(name, data)) + "</tr>"
            for name, data in self.streams.items()
        )
        return f"<p>{escape(self._title())}</p><table><tr>{head}</tr>{body}</table>"


def _row(name: str, data: xr.Dataset) -> tuple[str, ...]:
    """Return what is shown of a stream, a text per column of :data:`_COLUMNS`."""
    time, attrs = data["time"].values, data.attrs
    channels = _channels(data)
    text = ", ".join(channels[:_CHANNELS_SHOWN])
    more = len(channels) - _CHANNELS_SHOWN
    span = (f"{time[0]:.2f}", f"{time[-1]:.2f}") if time.size else ("-", "-")
    counts = (str(time.size), str(attrs.get("missing_samples", "-")))
    about = (str(attrs.get("kind", "-")), str(attrs.get("side", "-")), f"{float(attrs.get('rate_hz', np.nan)):.6g}")
    return (name, *about, *span, *counts, text + (f" and {more} more" if more > 0 else ""))


def _channels(data: xr.Dataset) -> list[str]:
    if "landmark" in data.coords:
        return [str(name) for name in data["landmark"].values]
    return [str(name) for name in data.data_vars if name not in ("time_raw", "time_device")]


def _table(data: xr.Dataset) -> pd.DataFrame:
    """Return a stream's channels, or the coordinates of its landmarks, over time."""
    import pandas as pd

    index = pd.Index(data["time"].values, name="time")
    if "landmark" not in data.coords:
        # a picture is no column: of a film's pictures the table holds their mean brightness
        columns = {name: data[name].values for name in _channels(data)}
        return pd.DataFrame({n: v.mean(axis=(1, 2)) if v.ndim == 3 else v for n, v in columns.items()}, index=index)
    across = "plane" if "plane" in data.coords else "axis"
    position = data["position"].transpose("time", "landmark", across)
    names = [f"{point}_{axis}" for point in position["landmark"].values for axis in position[across].values]
    return pd.DataFrame(position.values.reshape(len(index), len(names)), index=index, columns=names)


@dataclass(frozen=True, repr=False)
class Recording(StreamTree):
    """The streams that one device recorded, on its own clock: an :class:`xarray.DataTree` with a node per stream.

    ``tree.attrs`` holds ``device``, ``reader``, ``t0_unix_s`` (NaN if unknown) and ``provenance`` (JSON).
    Each stream's attributes: ``kind side rate_hz stamp_source clock missing_samples gaps``.

    Examples
    --------
    >>> import numpy as np
    >>> from grfkit import Recording
    >>> from grfkit.provenance import Provenance
    >>> from grfkit.records import Channel, make_recording, make_stream
    >>> force = Channel("force", np.array([0.0, 700.0, np.nan, 650.0]), "N")
    >>> stream = make_stream([force], np.arange(4) / 100, kind="insole", side="left")
    >>> recording = make_recording({"insole_left": stream}, device="demo", reader="none", provenance=Provenance())
    >>> recording
    Recording of demo, 1 stream
      stream       kind    side  rate Hz  from s  to s  samples  missing  channels
      insole_left  insole  left  100      0.00    0.03  4        1        force
    >>> recording.to_pandas()["force"].max()
    np.float64(700.0)
    """

    notes: tuple[str, ...] = field(default=())

    @property
    def device(self) -> str:
        """Return the name of the device that recorded it, e.g. ``"loadsol"``."""
        return str(self.tree.attrs.get("device", "unknown"))

    def _title(self) -> str:
        count = len(self.streams)
        return f"Recording of {self.device}, {count} stream{'' if count == 1 else 's'}"

    def replaced(self, streams: Mapping[str, xr.Dataset], *, findings: Sequence[str] = ()) -> Recording:
        """Return a recording with these streams in place of its own and ``findings`` added to provenance."""
        attrs = dict(self.tree.attrs)
        attrs["provenance"] = self.provenance.merged(Provenance(findings=list(findings))).model_dump_json()
        tree = xr.DataTree.from_dict({f"/{name}": data for name, data in streams.items()})
        tree.attrs.update(attrs)
        return Recording(tree, self.notes)

    @classmethod
    def from_netcdf(cls, path: PathLike) -> Recording:
        """Return the recording that :meth:`to_netcdf` wrote.

        Raises
        ------
        BadInputError
            If the file is no grfkit recording.
        """
        return cls(_of_kind(read_tree(path), "recording", path))


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
    # one zero for all streams: what lies between them is part of the recording
    first = min(float(data["time"].values[0]) for data in streams.values())
    shifted = {name: data.assign_coords(time=_minus(data["time"], first)) for name, data in streams.items()}
    tree = xr.DataTree.from_dict({f"/{name}": data for name, data in shifted.items()})
    complete = provenance.merged(Provenance(findings=list(notes)))
    tree.attrs.update(
        schema_version=SCHEMA_VERSION,
        artefact="recording",
        device=device,
        reader=reader,
        t0_unix_s=float("nan") if t0_unix_s is None else float(t0_unix_s) + first,
        first_stamp_s=first,
        provenance=complete.model_dump_json(),
    )
    return Recording(tree, tuple(notes))


@dataclass(frozen=True, repr=False)
class Trial(StreamTree):
    """Everything on one clock: a tree with ``/reference/...`` and a node per wearable stream.

    Every stream keeps its own samples and rate; ``time`` is on the reference clock and ``time_device`` is the
    stream's own. ``tree.attrs``: ``participant mass_kg surface speed_m_s slope_percent verdict provenance``.

    Examples
    --------
    >>> from grfkit import Trial, simulate_trial
    >>> simulate_trial(seed=0, duration_s=20).on_true_clock(participant="P01").to_netcdf("trial.nc")
    >>> trial = Trial.from_netcdf("trial.nc")
    >>> trial.verdict, list(trial.streams)
    ('aligned', ['insole_left', 'insole_right', 'imu_left', 'imu_right', 'reference/plate_1'])
    >>> trial.to_pandas("insole_left").shape  # samples, cells
    (10835, 16)
    """

    @property
    def verdict(self) -> str:
        """Return ``aligned``, ``partial`` or ``refused``."""
        return str(self.tree.attrs["verdict"])

    @property
    def refused_streams(self) -> list[str]:
        """Return the streams that were refused and are there all the same, because the user accepted them."""
        return [name for name, stream in self.streams.items() if stream.attrs.get("verdict") == "refused"]

    @property
    def clock_maps(self) -> dict[str, ClockMap]:
        """Return the clock map of each wearable stream by its name.

        Raises
        ------
        BadInputError
            If what is stored are no clock maps.
        """
        try:
            return _CLOCK_MAPS.validate_json(self.tree.attrs["clock_maps"])
        except ValidationError as error:
            raise BadInputError(f"the stored clock maps cannot be used: {refusal(error)}") from error

    def _title(self) -> str:
        attrs = self.tree.attrs
        about = [f"Trial of {attrs.get('participant') or 'nobody named'}", str(attrs.get("surface", "surface unknown"))]
        mass_kg = float(attrs.get("mass_kg", np.nan))
        about += [f"{mass_kg:g} kg"] if np.isfinite(mass_kg) else []
        by_hand = [n for n, m in self.clock_maps.items() if m.by_hand is not None] if "clock_maps" in attrs else []
        marked = f" (clock of {', '.join(by_hand)} by hand)" if by_hand else ""
        about += ["no force"] if attrs.get("force") == "none" else []
        return ", ".join([*about, str(attrs.get("verdict", "no verdict")) + marked])

    @classmethod
    def from_netcdf(cls, path: PathLike) -> Trial:
        """Return the trial that :meth:`to_netcdf` wrote.

        Raises
        ------
        BadInputError
            If the file is no grfkit trial.
        """
        return cls(_of_kind(read_tree(path), "trial", path))


def _of_kind(tree: xr.DataTree, kind: str, path: PathLike) -> xr.DataTree:
    """Return the tree if it is of a kind of artefact; refuse it otherwise."""
    if tree.attrs["artefact"] != kind:
        raise BadInputError(f"{path}: is not a grfkit {kind} (artefact '{tree.attrs['artefact']}')")
    return tree


def write_tree(tree: xr.DataTree, path: PathLike, *, force: bool = False) -> None:
    """Write a tree as netCDF4, compressed, beside and then renamed; the same tree gives the same bytes.

    Raises
    ------
    BadInputError
        If the file exists and ``force`` is false, or cannot be written.
    """
    with written_whole(as_path(path), force=force) as temporary, netcdf_file(temporary) as file:
        for node in tree.subtree:
            # lengths and chunks of the file it came from do not hold for what was added since
            data = node.to_dataset(inherit=node is tree).drop_encoding()
            encoding = {
                str(name): {"zlib": True, "complevel": 4, "shuffle": True}
                for name, item in data.variables.items()
                if item.dtype.kind in "fu" and item.ndim and item.size
            }
            file.add(data, group=None if node is tree else node.path, encoding=encoding)


def read_tree(path: PathLike) -> xr.DataTree:
    """Return the tree in a netCDF4 file, loaded.

    Raises
    ------
    BadInputError
        If the file is missing or no netCDF4 written by grfkit.
    """
    path = as_path(path, what="a netCDF4 file")
    note = check_sealed(path)
    try:
        loaded = _loaded(path)
    except Exception as error:
        raise not_netcdf(path, error) from error
    if "artefact" not in loaded.attrs:
        raise BadInputError(f"{path}: is netCDF4 but was not written by grfkit")
    loaded.attrs = noted(loaded.attrs, note)
    return loaded


def _loaded(path: Path) -> xr.DataTree:
    try:
        return read_h5_tree(path)
    except NotKnownError:
        with xr.open_datatree(path, engine="h5netcdf", decode_times=False) as tree:
            loaded: xr.DataTree = tree.load()
        return loaded


def noted(attrs: dict[Any, Any], note: str) -> dict[Any, Any]:
    """Return an artefact's attributes, with a finding more in its provenance where there is a note."""
    if not note or "provenance" not in attrs:
        return attrs
    provenance = Provenance.model_validate_json(str(attrs["provenance"])).merged(Provenance(findings=[note]))
    return attrs | {"provenance": provenance.model_dump_json()}


def not_netcdf(path: Path, error: Exception) -> BadInputError:
    """Return the refusal of a file that is missing, or that the netCDF4 library cannot open."""
    if isinstance(error, OSError) and error.errno:
        return BadInputError(f"{path}: cannot be read ({os.strerror(error.errno)})")
    return BadInputError(f"{path}: cannot be read as netCDF4 ({type(error).__name__}: {' '.join(str(error).split())})")


def _minus(time: xr.DataArray, first: float) -> tuple[str, Any, dict[str, str]]:
    return ("time", time.values - first, {"units": "s"})
