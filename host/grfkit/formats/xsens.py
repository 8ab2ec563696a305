"""Xsens MT Manager text exports: ``//`` comment lines, a row of names, one row per packet."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from .rows import is_number, number_table

COUNTER = "PacketCounter"


@dataclass(frozen=True)
class XsensFile:
    """Header lines as keys in lower case -> values; column names; numbers (samples, columns)."""

    header: dict[str, str]
    columns: list[str]
    table: NDArray[np.float64]

    @property
    def rate_hz(self) -> float | None:
        """Return the update rate that the header states, None where it states none."""
        found = re.fullmatch(r"([\d.]+)\s*Hz", self.header.get("update rate", ""), re.IGNORECASE)
        return float(found[1]) if found and is_number(found[1]) and float(found[1]) > 0 else None


def parse_xsens(text: str) -> XsensFile:
    """Return what an export holds; columns separated by tab, comma, semicolon or single blanks.

    Raises
    ------
    BadInputError
        If there is no row of names that starts with ``PacketCounter``, or a row is damaged.
    """
    header: dict[str, str] = {}
    lines = text.splitlines()
    for index, line in enumerate(lines):
        if line.startswith("//"):
            key, _, value = line[2:].partition(":")
            header[key.strip().lower()] = value.strip()
        elif line.startswith(COUNTER):
            separator = next((s for s in "\t;, " if s in line.strip()), None)
            columns = [cell.strip() for cell in line.strip().split(separator)]
            if len(columns) < 2 or len(set(columns)) < len(columns):
                raise BadInputError(f"line {index + 1} names no column but {COUNTER}, or one twice")
            table = number_table(lines[index + 1 :], columns=columns, separator=separator, first_line=index + 2)
            return XsensFile(header, columns, table)
        elif line.strip():
            break
    raise BadInputError(f"has no row of column names that starts with '{COUNTER}' after its comment lines")
