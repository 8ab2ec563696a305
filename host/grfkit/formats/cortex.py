"""Cortex (Motion Analysis) ``.forces`` text: force, point and free moment of each plate."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from .rows import is_number, number_table

MAGIC = "[Force Data]"
QUANTITIES = ("FX", "FY", "FZ", "X", "Y", "Z", "MZ")
"""Columns of one plate: force (N), point (mm), free moment (N mm)."""


@dataclass(frozen=True)
class ForcesFile:
    """Shapes: ``sample`` (samples,), ``plates`` (samples, plates, 7) in the order of :data:`QUANTITIES`."""

    rate_hz: float
    sample: NDArray[np.float64]
    plates: NDArray[np.float64]


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
    count, rate = _whole(header, "NumberOfForcePlates"), _rate(header)
    columns = [cell.strip() for cell in lines[start].rstrip("\t").split("\t")]
    expected = ["#Sample", *(f"{q}{n + 1}" for n in range(count) for q in QUANTITIES)]
    if not 1 <= count <= 100 or [c.upper() for c in columns] != [e.upper() for e in expected]:
        raise BadInputError(f"its columns are not those of {count} plates ({' '.join(expected[:8])}, ...)")
    table = number_table(lines[start + 1 :], columns=columns, separator="\t", first_line=start + 2)
    stated = _whole(header, "NumberOfSamples")
    if stated != len(table):
        raise BadInputError(f"is damaged: its header states {stated} samples, it holds {len(table)}")
    return ForcesFile(rate, table[:, 0], table[:, 1:].reshape(len(table), count, len(QUANTITIES)))


def _whole(header: dict[str, str], key: str) -> int:
    text = header.get(key.lower(), "")
    if not re.fullmatch(r"\d{1,9}", text):
        raise BadInputError(f"its header states {key} as '{text}', expected a whole number")
    return int(text)


def _rate(header: dict[str, str]) -> float:
    text = header.get("samplerate", "")
    if not is_number(text) or not 0 < float(text) < 1e6:
        raise BadInputError(f"its header states SampleRate as '{text}', expected a rate in Hz")
    return float(text)
