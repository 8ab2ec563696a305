"""When a file's recording started, where the file or one that its maker writes beside it says so."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ..errors import BadInputError
from ..records import Recording
from .files import read_text

WHOLE_SECOND_SD_S = 0.5
"""SD (s) of a start that is stated in whole seconds; that of rounding is 0.3; chosen by hand."""
CREATED_SD_S = 2.0
"""SD (s) of Vicon's date of creation about the trial's first frame; chosen by hand."""
STARTED_SD_S = 0.5
"""SD (s) of the first sample about the start that a recorder states; chosen by hand: half a second of buffers."""
_VICON = re.compile(r"CREATIONDATEANDTIME\s*=\s*(\d+),(\d+),(\d+),(\d+),(\d+),(\d+)", re.IGNORECASE)
_QTM = re.compile(
    r"^TIME_STAMP\s+(\d{4})-(\d\d)-(\d\d)[ ,T]+(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?", re.IGNORECASE | re.MULTILINE
)
_LARGEST_BESIDE = 1 << 20
"""Bytes read of a file beside a recording (1 MiB): what is looked for stands in its first lines."""


@dataclass(frozen=True)
class StatedStart:
    """Start of a recording's first sample (s since 1970, of the zone of whoever wrote it), SD, and who says so."""

    at_s: float
    sd_s: float
    source: str


def stated_start(path: Path, recording: Recording) -> StatedStart | None:
    """Return when a recording's first sample was taken; None where neither its file nor one beside it says so.

    Read are the file's own stamps (``t0_unix_s`` of the recording), the date and time that loadsol and XDF files state
    (``started_local``), and for C3D files, which have no place for one, Qualisys' ``NAME.tsv`` and Vicon's
    ``NAME.Trial*.enf`` of the same name.
    """
    own = float(recording.tree.attrs.get("t0_unix_s", math.nan))
    if math.isfinite(own):
        return StatedStart(own, 0.0, "the file")
    stated = _moment(str(recording.tree.attrs.get("started_local", "")))
    if stated is not None:
        return StatedStart(stated, STARTED_SD_S, "the file")
    if path.suffix.lower() != ".c3d":
        return None
    first_s = float(recording.tree.attrs.get("first_stamp_s", 0.0))
    for pattern, found, sd_s in (("{}.tsv", _QTM, 0.0), ("{}.Trial*.enf", _VICON, CREATED_SD_S)):
        for beside in sorted(path.parent.glob(pattern.format(_escaped(path.stem)))):
            start = _start_in(beside, found)
            if start is not None:
                at_s, whole = start
                return StatedStart(at_s + first_s, max(sd_s, WHOLE_SECOND_SD_S if whole else 0.0), beside.name)
    return None


def _moment(text: str) -> float | None:
    """Return a date and time in seconds; one without a zone is taken as of one zone, whichever that is."""
    # Python before 3.11 reads no +0100
    zoned = re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text.strip())
    try:
        found = datetime.fromisoformat(zoned)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()


def _escaped(stem: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", stem)


def _start_in(path: Path, found: re.Pattern[str]) -> tuple[float, bool] | None:
    """Return the start that a file states, and whether in whole seconds."""
    try:
        match = found.search(read_text(path, largest=_LARGEST_BESIDE << 8)[:_LARGEST_BESIDE])
        if match is None:
            return None
        year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
        fraction = match.groups()[6] if len(match.groups()) > 6 else None
        micro = int((fraction or "0").ljust(6, "0"))
        moment = datetime(year, month, day, hour, minute, second, micro, tzinfo=timezone.utc)
    except (BadInputError, ValueError):
        return None
    return moment.timestamp(), fraction is None
