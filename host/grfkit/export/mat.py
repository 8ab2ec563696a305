"""MATLAB files of version 5 (``load`` in MATLAB 5 and later, Octave), written by SciPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInputError
from .source import ExportSource, ExportStream, safe_name

_LONGEST = 63
"""Letters of a name in MATLAB."""
_LARGEST_BYTES = (1 << 31) - (1 << 20)
"""Bytes that a variable of version 5 holds at most (2 GiB, less room for its heads)."""
_HEADER_BYTES = 116


def write_mat(path: Path, source: ExportSource) -> list[str]:
    """Write the structure ``trial``: its facts, ``trial.streams.NAME`` with times and signals, and ``trial.stances``.

    Numbers are doubles, unknown is NaN. Names longer than 63 letters are cut, with a number where two become one.

    Raises
    ------
    BadInputError
        If the trial is larger than a file of this version holds.
    """
    from scipy.io import savemat

    size = sum(8 * s.time_s.size * (len(s.columns) + 1) for s in source.streams)
    if size > _LARGEST_BYTES:
        raise BadInputError(
            f"holds {size / 1e9:.1f} GB, and a MATLAB file of version 5 up to 2 GB; take some streams (--streams), or"
            " --to parquet"
        )
    streams: dict[str, Any] = {}
    for stream in source.streams:
        streams[_name(stream.file_name, set(streams))] = _struct(stream)
    trial = {_name(key, set()): value for key, value in source.facts.items()}
    trial |= {"name": source.name, "time": "s on the reference clock of the trial", "contact_rule": source.contact_rule}
    trial |= {"streams": streams, "stances": _stances(source), "notes": "\n".join(source.notes)}
    trial["inputs"] = "\n".join(f"{i.role} {i.name} SHA-256 {i.sha256}" for i in source.inputs)
    savemat(path, {"trial": trial}, format="5", long_field_names=True, do_compression=True, oned_as="column")
    # SciPy writes the time of day and the system here
    with open(path, "r+b") as handle:
        handle.write(b"MATLAB 5.0 MAT-file, written by grfkit".ljust(_HEADER_BYTES))
    return []


def _struct(stream: ExportStream) -> dict[str, Any]:
    made: dict[str, Any] = {"time": stream.time_s[:, None]}
    units, frames, names = {}, {}, {}
    for column in stream.columns:
        name = _name(column.name, {*made, "kind", "side", "rate_hz", "units", "frames"})
        made[name] = column.values[:, None]
        units[name], frames[name] = column.unit, column.frame
        names[name] = column.channel
    made |= {"kind": stream.kind, "side": stream.side or "unknown", "rate_hz": stream.rate_hz}
    return made | {"units": units, "frames": frames, "channels": names}


def _stances(source: ExportSource) -> dict[str, Any]:
    numbers = np.asarray([(ic, to) for ic, to, _, _ in source.stances], dtype=np.float64).reshape(-1, 2)
    cells: dict[str, Any] = {"ic_s": numbers[:, :1], "to_s": numbers[:, 1:]}
    for name, texts in (
        ("side", [side or "unknown" for _, _, side, _ in source.stances]),
        ("plates", [" + ".join(plates) for *_, plates in source.stances]),
    ):
        column = np.empty((len(texts), 1), dtype=object)
        column[:, 0] = texts
        cells[name] = column
    return cells


def _name(text: str, taken: set[str]) -> str:
    name = safe_name(text)[:_LONGEST]
    number = 2
    while name in taken:
        ending = f"_{number}"
        name, number = safe_name(text)[: _LONGEST - len(ending)] + ending, number + 1
    return name
