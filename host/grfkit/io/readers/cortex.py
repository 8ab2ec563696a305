"""Cortex (Motion Analysis) ``.forces`` text: force, point and free moment of each plate, one stream per plate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from ...arrays import Floats
from ...errors import BadInputError
from ...formats.rows import is_number, number_table
from ...formats.timing import HIGHEST_RATE_HZ
from ...records import Channel, Recording, make_stream
from ..base import Head, Match, Reader, ReadOptions
from ..files import file_recording, plate_attrs, read_text, refuse_extra

MAGIC = "[Force Data]"
QUANTITIES = ("FX", "FY", "FZ", "X", "Y", "Z", "MZ")
"""Columns of one plate: force (N), point (mm), free moment (N mm)."""
_NAMES = ("fx", "fy", "fz", "cop_x", "cop_y", "cop_z", "free_moment")
_UNITS = ("N", "N", "N", "mm", "mm", "mm", "N mm")


@dataclass(frozen=True)
class ForcesFile:
    """Shapes: ``sample`` (samples,), ``plates`` (samples, plates, 7) in the order of :data:`QUANTITIES`."""

    rate_hz: float
    sample: Floats
    plates: Floats


def parse_forces(text: str) -> ForcesFile:
    """Return what a ``.forces`` file holds.

    Raises
    ------
    BadInputError
        If the header is incomplete, columns are not those of its plates, or samples it promises lack.
    """
    lines = text.splitlines()
    if not lines or lines[0].strip() != MAGIC:
        raise BadInputError(f"does not start with '{MAGIC}'")
    header: dict[str, str] = {}
    start = 1
    while start < len(lines) and not lines[start].startswith("#"):
        key, _, value = lines[start].partition("=")
        header[key.strip().lower()] = value.strip()
        start += 1
    if start >= len(lines):
        raise BadInputError("has no row of column names that starts with '#Sample'")
    count, rate = _integer(header, "NumberOfForcePlates"), _rate(header)
    columns = [cell.strip() for cell in lines[start].rstrip("\t").split("\t")]
    expected = ["#Sample", *(f"{q}{n + 1}" for n in range(count) for q in QUANTITIES)]
    if not 1 <= count <= 100 or [c.upper() for c in columns] != [e.upper() for e in expected]:
        raise BadInputError(f"its columns are not those of {count} plates ({' '.join(expected[:8])}, ...)")
    table = number_table(lines[start + 1 :], columns=columns, separator="\t", first_line=start + 2)
    stated = _integer(header, "NumberOfSamples")
    if stated != len(table):
        raise BadInputError(f"is damaged: its header states {stated} samples, it holds {len(table)}")
    return ForcesFile(rate, table[:, 0], table[:, 1:].reshape(len(table), count, len(QUANTITIES)))


def _integer(header: dict[str, str], key: str) -> int:
    text = header.get(key.lower(), "")
    if not re.fullmatch(r"\d{1,9}", text):
        raise BadInputError(f"its header states {key} as '{text}', expected a whole number")
    return int(text)


def _rate(header: dict[str, str]) -> float:
    text = header.get("samplerate", "")
    if not is_number(text) or not 0 < float(text) < HIGHEST_RATE_HZ:
        raise BadInputError(f"its header states SampleRate as '{text}', expected a rate in Hz")
    return float(text)


def _sniff(head: Head) -> Match:
    if head.text.lstrip().startswith(MAGIC):
        return Match(1.0, f"starts with '{MAGIC}'")
    return Match(0.0, f"does not start with '{MAGIC}'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "cortex")
    parsed = parse_forces(read_text(path))
    vertical = _vertical(parsed)
    if not np.isfinite(parsed.sample).all():
        raise BadInputError("a sample number is missing")
    streams = {f"plate_{i + 1}": _plate(parsed, i, vertical) for i in range(parsed.plates.shape[1])}
    return file_recording(
        path, streams, device="Cortex", reader="cortex", notes=["units as Cortex writes them: N, mm, N mm"]
    )


def _vertical(parsed: ForcesFile) -> str:
    """Return the axis along which every point of force is at 0 (the floor), "" unless there is just one."""
    flat = [axis for i, axis in enumerate("xyz") if not np.nan_to_num(parsed.plates[:, :, 3 + i]).any()]
    return f"+{flat[0]}" if len(flat) == 1 else ""


def _plate(parsed: ForcesFile, index: int, vertical: str) -> xr.Dataset:
    channels = [
        Channel(name, parsed.plates[:, index, i], unit, "global", f"{raw}{index + 1}")
        for i, (name, unit, raw) in enumerate(zip(_NAMES, _UNITS, QUANTITIES))
    ]
    return make_stream(
        channels,
        (parsed.sample - parsed.sample[0]) / parsed.rate_hz,
        kind="force_plate",
        rate_hz=parsed.rate_hz,
        stamp_source="index",
        attrs=plate_attrs(vertical=vertical),
    )


READER = Reader("cortex", "Cortex forces", (".forces",), _sniff, _read)
