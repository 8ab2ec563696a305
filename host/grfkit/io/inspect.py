"""What a file holds, as a plain document: the content of ``grf-inspect``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from ..errors import BadInputError
from ..provenance import describe_input
from ..records import Recording
from . import read_with, refuse_unused, sniff
from .base import ReadOptions

Report = dict[str, Any]


def inspect(path: str | Path, options: ReadOptions | None = None) -> Report:
    """Return what a file holds: its reader and why, streams, channels, units, rates, duration, gaps, plates.

    Returns
    -------
    dict
        ``file sha256 size_bytes reader why others device duration_s t0_unix_s streams notes``; each stream
        ``name kind side clock rate_hz samples duration_s missing_samples gaps longest_gap_s stamp_source
        channels``, a plate also ``plate``; each channel ``name raw_name unit raw_unit frame min max
        missing``.
        Every number is finite or None; min and max are in ``unit``, missing counts samples.

    Raises
    ------
    BadInputError
        As :func:`grfkit.io.read`, and for a rate or column map that this format has no use for.
    """
    path = Path(path)
    match = sniff(path)
    try:
        refuse_unused(match.reader, options or ReadOptions())
    except BadInputError as error:
        raise BadInputError(f"{path}: {error}") from error
    recording = read_with(match.reader, path, options)
    about = describe_input(path)
    return {
        "file": str(path),
        "sha256": about.sha256,
        "size_bytes": about.size_bytes,
        "reader": match.reader.name,
        "why": match.why,
        "others": [{"reader": name, "why_not": why} for name, why in match.others.items()],
        "device": recording.device,
        "duration_s": _duration(recording),
        "t0_unix_s": _number(recording.tree.attrs.get("t0_unix_s")),
        "streams": [_stream(name, data) for name, data in recording.streams.items()],
        "notes": list(recording.notes),
    }


def _duration(recording: Recording) -> float:
    times = [data["time"].values for data in recording.streams.values()]
    return float(max(t[-1] for t in times) - min(t[0] for t in times))


def _stream(name: str, data: xr.Dataset) -> Report:
    time = data["time"].values
    about = data.attrs
    report: Report = {
        "name": name,
        "kind": about["kind"],
        "side": about["side"],
        "clock": about["clock"],
        "rate_hz": _number(about["rate_hz"]),
        "samples": int(time.size),
        "duration_s": float(time[-1] - time[0]),
        "missing_samples": int(about["missing_samples"]),
        "gaps": int(about["gaps"]),
        "longest_gap_s": _longest_gap(data),
        "stamp_source": about["stamp_source"],
        "channels": _landmarks(data) if about["kind"] == "landmarks" else _channels(data),
    }
    if about["kind"] == "force_plate":
        report["plate"] = _plate(about)
    return report


def _longest_gap(data: xr.Dataset) -> float:
    """Return the longest time (s) between two complete samples where samples lack, 0 without a gap."""
    if not int(data.attrs["gaps"]):
        return 0.0
    there = np.isfinite(data["time_raw"].values)
    for name, item in data.data_vars.items():
        values = np.asarray(item.values, dtype=np.float64)
        if name == "time_raw" or str(name).startswith("cop_"):
            continue
        complete = np.isfinite(values if values.ndim == 1 else values.sum(axis=2))
        complete = complete if complete.ndim == 1 else complete[:, complete.any(axis=0)].all(axis=1)
        there &= complete if complete.any() else True
    recorded = data["time"].values[there]
    return float(np.diff(recorded).max()) if recorded.size > 1 else 0.0


def _channels(data: xr.Dataset) -> list[Report]:
    return [_channel(str(name), item.values, item.attrs) for name, item in data.data_vars.items() if name != "time_raw"]


def _landmarks(data: xr.Dataset) -> list[Report]:
    position = data["position"]
    return [
        _channel(str(name), position.values[:, i, :], position.attrs) for i, name in enumerate(data["landmark"].values)
    ]


def _channel(name: str, values: Any, about: dict[str, Any]) -> Report:
    array = np.asarray(values, dtype=np.float64)
    finite = array[np.isfinite(array)]
    absent = ~np.isfinite(array if array.ndim == 1 else array.sum(axis=1))
    return {
        "name": name,
        "raw_name": str(about.get("raw_name", name)),
        "unit": str(about["units"]),
        "raw_unit": str(about["raw_units"]),
        "frame": str(about["frame"]),
        "min": _number(finite.min()) if finite.size else None,
        "max": _number(finite.max()) if finite.size else None,
        "missing": int(absent.sum()),
    }


def _plate(about: dict[str, Any]) -> Report:
    corners = _numbers(about.get("corners_m"))
    return {
        "type": int(about.get("plate_type", 0)),
        "corners_m": [corners[i : i + 3] for i in range(0, 12, 3)] if len(corners) == 12 else None,
        "origin_m": _numbers(about.get("origin_m")) or None,
        "vertical": str(about.get("vertical", "")),
        "knows_feet": str(about.get("knows_feet", "")),
        "unverified": str(about.get("unverified", "")),
    }


def _numbers(value: Any) -> list[float]:
    return [] if value is None else [float(v) for v in np.asarray(value, dtype=np.float64).ravel()]


def _number(value: Any) -> float | None:
    if value is None or not math.isfinite(float(value)):
        return None
    return float(value)
