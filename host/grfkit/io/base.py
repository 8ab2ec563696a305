"""Readers: each says whether a file is of its format, and turns it into a Recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..formats.header_rows import HeaderLayout
from ..records import Recording
from ..signals.plates import COP_FILTER_HZ, COP_THRESHOLD_N

HEAD_BYTES = 65536
"""Bytes that sniffing looks at, chosen by hand: more than any header that tells one format from another."""


class Head(NamedTuple):
    """The part of a file that sniffing looks at: path, size in bytes and the first 64 kB, as bytes and as text."""

    path: Path
    size: int
    data: bytes
    text: str

    def lines(self, count: int) -> list[str]:
        """Return the first ``count`` lines without their ends."""
        return self.text.splitlines()[:count]


class Match(NamedTuple):
    """How well a file fits a reader: 0 not at all, 1 certain; and why, as one clause."""

    score: float
    why: str


@dataclass(frozen=True)
class ReadOptions:
    """What the user states about a file that the file itself does not.

    Attributes
    ----------
    column_map
        For generic CSV: file column -> ``"name [unit]"``, from a TOML file.
    layout
        Of tables: lines above the header, rows of names, row of units; from the same TOML file.
    rate_hz
        For files that state no rate.
    cop_threshold_n, cop_filter_hz
        Of C3D plates: the centre of pressure is computed above this vertical force, after a low-pass at this cut-off.
    allow_short
        Of TRC and OpenSim files with fewer rows than their header states: a last row that may be torn is left out,
        where otherwise the file is refused.
    extra
        Options of a single reader, e.g. ``side``, ``zero`` of C3D; an unknown key is refused by that reader.
    """

    column_map: dict[str, str] = field(default_factory=dict)
    layout: HeaderLayout = field(default_factory=HeaderLayout)
    rate_hz: float | None = None
    cop_threshold_n: float = COP_THRESHOLD_N
    cop_filter_hz: float = COP_FILTER_HZ
    allow_short: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reader:
    """A file format: ``sniff`` looks at the head, ``read`` returns the whole recording.

    ``read`` raises ``BadInputError`` with one line (without the path: :func:`grfkit.io.read`
    puts it in front) for whatever is wrong with the file, and never another exception. ``uses`` names those of the
    options ``rate_hz``, ``column_map`` and ``allow_short`` that this format needs.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    sniff: Callable[[Head], Match]
    read: Callable[[Path, ReadOptions], Recording]
    uses: tuple[str, ...] = ()
