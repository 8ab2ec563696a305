"""Which reader takes a file, why, and why the others do not."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from ..arrays import PathLike
from ..errors import BadInputError
from ..formats.encoding import foreign, head_text
from ..provenance import require_regular
from .base import HEAD_BYTES, Head, Match, Reader

READER_MODULES = (
    "c3d",
    "loadsol",
    "moticon",
    "pedar",
    "xsensor",
    "fscan",
    "stappone",
    "gaitpdb",
    "trc",
    "opensim",
    "rbds",
    "cortex",
    "vicon",
    "visual3d",
    "xsens",
    "apdm",
    "xio",
    "physilog",
    "shimmer",
    "delsys",
    "matlab",
    "workbook",
    "xdf",
    "grfrec",
    "netcdf",
    "film",
    "csv_generic",
)
"""Modules of :mod:`grfkit.io.readers`, each with one ``READER``; of equal matches the first one wins.

The generic table stands last: its reason is given where no reader takes a file.
"""


@dataclass(frozen=True)
class Sniffed:
    """Which reader takes a file and why; ``others`` says why each other reader does not.

    Attributes
    ----------
    reader
        The reader with the best match.
    why
        One clause.
    others
        Reader name -> why not, one clause, in the order of :data:`READER_MODULES`.
    """

    reader: Reader
    why: str
    others: dict[str, str]


def all_readers() -> list[Reader]:
    """Return every reader grfkit has, imported when first asked for."""
    return [_load(name) for name in READER_MODULES]


def read_head(path: Path) -> Head:
    """Return what sniffing sees of a file.

    Raises
    ------
    BadInputError
        If the file is missing, no regular file, unreadable or empty.
    """
    try:
        require_regular(path)
        with open(path, "rb") as handle:
            data = handle.read(HEAD_BYTES)
        size = path.stat().st_size
    except OSError as error:
        raise BadInputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise BadInputError(f"{str(path)!r}: is no file name ({error})") from error
    if not data:
        raise BadInputError(f"{path}: is empty (0 bytes); record or export it again")
    return Head(path, size, data, head_text(data))


def sniff(path: PathLike) -> Sniffed:
    """Return which reader takes a file, why, and why the others do not.

    Raises
    ------
    BadInputError
        If the file cannot be read, is empty, or no reader knows it.
    """
    head = read_head(Path(path))
    matches = [(reader, reader.sniff(head)) for reader in all_readers()]
    # max takes the first of equal scores: the order of READER_MODULES decides
    best, match = max(matches, key=lambda pair: pair[1].score)
    if match.score <= 0:
        raise BadInputError(f"{head.path}: {_unknown(head, matches)}")
    others = {r.name: _why_not(m, match, best) for r, m in matches if r is not best}
    return Sniffed(best, match.why, others)


def _load(name: str) -> Reader:
    module = importlib.import_module(f".readers.{name}", __package__)
    reader = module.READER
    assert isinstance(reader, Reader)
    return reader


def _why_not(match: Match, winner: Match, reader: Reader) -> str:
    if match.score <= 0:
        return match.why
    return f"would take it ({match.why}), but {reader.name} fits better: {winner.why}"


def _other_logs(head: Head) -> str:
    """Return why a log that its maker's program has to export is not read, "" for any other file."""
    ending = head.path.suffix.lower()
    if "<mvnx" in head.text[:4096] or ending == ".mvn":
        return (
            "is a file of MVN Analyze: it holds a body model, not what its sensors measured; export the sensors as text"
            " from MT Manager, or the markers as C3D"
        )
    if ending == ".mtb":
        return "is a binary log of Xsens sensors; export it as text from MT Manager, or as CSV from the DOT app"
    if ending == ".bin" and "\0" in head.text[:512]:
        return (
            "is a binary log of no public layout; of a Physilog (Gait Up) export it as CSV, of another sensor as text"
        )
    return ""


def _unknown(head: Head, matches: list[tuple[Reader, Match]]) -> str:
    if other := _other_logs(head) or foreign(head.data, head.path.name):
        return other
    what = f"first bytes {head.data[:8].hex(' ')}" if "\0" in head.text[:512] else _first_line(head)
    by_ending = [(r, m) for r, m in matches if head.path.suffix.lower() in r.suffixes]
    if len(by_ending) == 1:
        reader, match = by_ending[0]
        return f"is damaged or wrongly named: {head.path.suffix} is {reader.title}, but {match.why} ({what})"
    return f"is of no format that grfkit reads ({what}); as a table it fails too: {matches[-1][1].why}"


def _first_line(head: Head) -> str:
    line = next((line.strip() for line in head.text.splitlines() if line.strip()), "")
    excerpt = line if len(line) <= 40 else line[:37] + "..."
    return f"first line {excerpt!r}"
