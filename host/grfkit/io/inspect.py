"""Reports of files, as ``grf-inspect`` shows them: content, and the reader that takes the file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..arguments import as_path
from ..arrays import PathLike
from ..errors import BadInputError
from ..provenance import describe_input
from ..records import Recording
from ..records.streams import is_masked
from . import Sniffed, check_options, read_with, refuse_unused, sniff
from .base import ReadOptions
from .belt_notes import belt_notes
from .film_notes import film_notes

_CHANNELS_SHOWN = 4
"""Channels that a ``repr`` names for each stream, chosen by hand: a line of it should fit a terminal."""


@dataclass(frozen=True)
class ChannelReport:
    """One channel; ``min`` and ``max`` are in ``unit``, None without a finite sample; ``missing`` counts samples."""

    name: str
    raw_name: str
    unit: str
    raw_unit: str
    frame: str
    min: float | None
    max: float | None
    missing: int


@dataclass(frozen=True)
class PlateReport:
    """A force plate's place: type 0 and None where the file does not state it."""

    type: int
    corners_m: list[list[float]] | None
    origin_m: list[float] | None
    vertical: str
    knows_feet: str
    unverified: str


@dataclass(frozen=True)
class StreamReport:
    """One stream of a file; ``plate`` is None unless it is a force plate.

    Attributes
    ----------
    rate_hz
        None where it is unknown.
    longest_gap_s
        Longest time between two complete samples where samples are missing; 0 without a gap.
    """

    name: str
    kind: str
    side: str
    clock: str
    rate_hz: float | None
    samples: int
    duration_s: float
    missing_samples: int
    gaps: int
    longest_gap_s: float
    stamp_source: str
    channels: list[ChannelReport]
    plate: PlateReport | None = None


@dataclass(frozen=True, repr=False)
class FileReport:
    """Content of a file, and its reader; every number is finite or None.

    Attributes
    ----------
    reader, why
        The reader that took the file, and one clause that says why.
    others
        Every other reader and why it did not take the file.
    t0_unix_s
        Start in Unix time, None where the file does not state it.
    """

    file: str
    sha256: str
    size_bytes: int
    reader: str
    why: str
    others: dict[str, str]
    device: str
    duration_s: float
    t0_unix_s: float | None
    streams: list[StreamReport]
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """Return the document that ``grf-inspect --json`` prints."""
        document = asdict(self)
        document["others"] = [{"reader": name, "why_not": why} for name, why in self.others.items()]
        for stream in document["streams"]:
            if stream["plate"] is None:
                del stream["plate"]
        return document

    def __repr__(self) -> str:
        """Return a line for the file and a line for each stream."""
        rows = [("stream", "kind", "rate Hz", "samples", "missing", "gaps", "channels")]
        for stream in self.streams:
            names = [f"{channel.name} [{channel.unit}]" for channel in stream.channels[:_CHANNELS_SHOWN]]
            names += ["..."] if len(stream.channels) > _CHANNELS_SHOWN else []
            rate = "-" if stream.rate_hz is None else f"{stream.rate_hz:.6g}"
            counts = (str(stream.samples), str(stream.missing_samples), str(stream.gaps))
            rows.append((stream.name, stream.kind, rate, *counts, ", ".join(names)))
        widths = [max(map(len, column)) for column in zip(*rows)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
        head = f"{Path(self.file).name}: read by {self.reader}, device {self.device}, {self.duration_s:.6g} s"
        return "\n  ".join([head, *lines])


def inspect(path: PathLike, options: ReadOptions | None = None) -> FileReport:
    """Return what a file holds: its reader and why, streams, channels, units, rates, duration, gaps, plates.

    Parameters
    ----------
    path
        The file, ``str`` or ``Path``.
    options
        What the file itself does not say, as for :func:`grfkit.io.read`.

    Raises
    ------
    BadInputError
        As :func:`grfkit.io.read`, and for a rate or column map that this format has no use for.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import grfkit
    >>> path = Path(tempfile.mkdtemp()) / "walk.csv"
    >>> _ = path.write_text("time [s],left_force [N]\\n0.00,0\\n0.01,350\\n0.02,\\n0.03,700\\n")
    >>> report = grfkit.inspect(path)
    >>> report
    walk.csv: read by csv, device csv, 0.03 s
      stream       kind    rate Hz  samples  missing  gaps  channels
      insole_left  insole  100      4        1        1     force [N]
    >>> report.why
    "has a header row with 'time [s]' and 'left_force [N]'"
    >>> report.streams[0].channels[0].max
    700.0
    """
    return inspect_with(path, options)[0]


def inspect_with(
    path: PathLike, options: ReadOptions | None = None, *, change: Callable[[Recording], Recording] | None = None
) -> tuple[FileReport, Recording]:
    """Return what a file holds, as :func:`inspect` does, and the recording that was read for it.

    Parameters
    ----------
    change
        What is done to the recording before it is described, such as its calibration.

    Raises
    ------
    BadInputError
        As :func:`inspect`.
    """
    check_options(options)
    path, options = as_path(path, what="a recording"), options or ReadOptions()
    match = sniff(path)
    try:
        refuse_unused(match.reader, options)
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    recording = read_with(match.reader, path, options)
    recording = recording if change is None else change(recording)
    return _report(path, match, recording), recording


def _report(path: Path, match: Sniffed, recording: Recording) -> FileReport:
    about, times = describe_input(path), [data["time"].values for data in recording.streams.values()]
    return FileReport(
        file=str(path),
        sha256=about.sha256,
        size_bytes=about.size_bytes,
        reader=match.reader.name,
        why=match.why,
        others=dict(match.others),
        device=recording.device,
        duration_s=float(max(t[-1] for t in times) - min(t[0] for t in times)),
        t0_unix_s=_finite(recording.tree.attrs.get("t0_unix_s")),
        streams=[_stream(name, data) for name, data in recording.streams.items()],
        notes=[*recording.notes, *belt_notes(recording), *film_notes(recording)],
    )


def _stream(name: str, data: xr.Dataset) -> StreamReport:
    time, attrs = data["time"].values, data.attrs
    return StreamReport(
        name=name,
        kind=attrs["kind"],
        side=attrs["side"],
        clock=attrs["clock"],
        rate_hz=_finite(attrs["rate_hz"]),
        samples=int(time.size),
        duration_s=float(time[-1] - time[0]),
        missing_samples=int(attrs["missing_samples"]),
        gaps=int(attrs["gaps"]),
        longest_gap_s=_longest_gap_s(data),
        stamp_source=attrs["stamp_source"],
        channels=_landmarks(data) if attrs["kind"] in ("landmarks", "keypoints") else _channels(data),
        plate=_plate(attrs) if attrs["kind"] == "force_plate" else None,
    )


def _longest_gap_s(data: xr.Dataset) -> float:
    """Return the longest time (s) between two complete samples where samples are missing, 0 without a gap."""
    if not int(data.attrs["gaps"]):
        return 0.0
    present = np.isfinite(data["time_raw"].values)
    for name, channel in _variables(data):
        # an unloaded foot or plate has no centre of pressure and no free moment: that is no gap
        if name in ("time_raw", "visibility", "image") or is_masked(name):
            continue
        values = np.asarray(channel.values, dtype=np.float64)
        complete = np.isfinite(values if values.ndim == 1 else values.sum(axis=2))
        # of landmarks only those count that are seen at all
        complete = complete if complete.ndim == 1 else complete[:, complete.any(axis=0)].all(axis=1)
        present &= complete if complete.any() else True
    recorded = data["time"].values[present]
    return float(np.diff(recorded).max()) if recorded.size > 1 else 0.0


def _channels(data: xr.Dataset) -> list[ChannelReport]:
    return [_channel(name, channel.values, channel.attrs) for name, channel in _variables(data) if name != "time_raw"]


def _variables(data: xr.Dataset) -> list[tuple[str, xr.Variable]]:
    """Return the channels as variables: as arrays each would look through all others for its coordinates."""
    return [(str(name), data.variables[name]) for name in data.data_vars]


def _landmarks(data: xr.Dataset) -> list[ChannelReport]:
    position = data["position"]
    return [
        _channel(str(name), position.values[:, i, :], position.attrs) for i, name in enumerate(data["landmark"].values)
    ]


def _channel(name: str, values: Any, attrs: Mapping[Any, Any]) -> ChannelReport:
    array = np.asarray(values, dtype=np.float64)
    finite = array[np.isfinite(array)]
    absent = ~np.isfinite(array if array.ndim == 1 else array.reshape(array.shape[0], -1).sum(axis=1))
    return ChannelReport(
        name=name,
        raw_name=str(attrs.get("raw_name", name)),
        unit=str(attrs["units"]),
        raw_unit=str(attrs["raw_units"]),
        frame=str(attrs["frame"]),
        min=_finite(finite.min()) if finite.size else None,
        max=_finite(finite.max()) if finite.size else None,
        missing=int(absent.sum()),
    )


def _plate(attrs: Mapping[Any, Any]) -> PlateReport:
    corners = _numbers(attrs.get("corners_m"))
    return PlateReport(
        type=int(attrs.get("plate_type", 0)),
        corners_m=[corners[i : i + 3] for i in range(0, 12, 3)] if len(corners) == 12 else None,
        origin_m=_numbers(attrs.get("origin_m")) or None,
        vertical=str(attrs.get("vertical", "")),
        knows_feet=str(attrs.get("knows_feet", "")),
        unverified=str(attrs.get("unverified", "")),
    )


def _numbers(value: Any) -> list[float]:
    return [] if value is None else [float(v) for v in np.asarray(value, dtype=np.float64).ravel()]


def _finite(value: Any) -> float | None:
    if value is None or not math.isfinite(float(value)):
        return None
    return float(value)
