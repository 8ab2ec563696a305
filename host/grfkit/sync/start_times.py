"""When recordings started by what is stated of them: in the session, in a file's name, in the file, or by its date."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from ..arguments import ArgumentError, described
from ..io.start_time import stated_start
from ..records import Recording

FILE_DATE_SD_S = 60.0
"""SD (s) of a start by a file's date less its length: a file is written some time after the recording ends; chosen by
hand."""
_PARTS = {
    "%Y": r"(?P<Y>\d{4})",
    "%y": r"(?P<y>\d\d)",
    "%m": r"(?P<m>\d\d)",
    "%d": r"(?P<d>\d\d)",
    "%H": r"(?P<H>\d\d)",
    "%M": r"(?P<M>\d\d)",
    "%S": r"(?P<S>\d\d)",
    "%f": r"(?P<f>\d{1,6})",
}


@dataclass(frozen=True)
class Start:
    """When a recording started: seconds of a clock that need not be known, its SD, and where that is stated."""

    at_s: float
    sd_s: float
    source: str


def start_of(
    path: Path,
    recording: Recording,
    *,
    stated: datetime | float | None,
    pattern: re.Pattern[str] | None,
    file_dates: bool,
    sd_s: float,
) -> Start | None:
    """Return when a recording's first sample was taken; None where nothing says it.

    What the session states counts before the file's name, that before what the file holds, and its date comes last.
    """
    if stated is not None:
        return Start(seconds_of(stated), sd_s, "the session states it")
    named = None if pattern is None else start_in_name(path, pattern)
    if named is not None:
        return Start(named, sd_s, "its name")
    found = stated_start(path, recording)
    if found is not None:
        return Start(found.at_s, max(sd_s, found.sd_s), found.source)
    if file_dates:
        return Start(path.stat().st_mtime - length_of(recording), max(sd_s, FILE_DATE_SD_S), "the file's date")
    return None


def length_of(recording: Recording) -> float:
    """Return the time (s) from a recording's first stamp to its last."""
    return max(float(stream["time"].values[-1]) for stream in recording.streams.values())


def seconds_of(stated: datetime | float) -> float:
    """Return a stated start in seconds; times without a zone are taken as of one zone, whichever that is."""
    if isinstance(stated, datetime):
        return (stated if stated.tzinfo else stated.replace(tzinfo=timezone.utc)).timestamp()
    return float(stated)


def as_start(value: object, name: str) -> datetime | float:
    """Return a stated start: a TOML date and time, the same as text, or seconds.

    Raises
    ------
    ArgumentError
        If it is none of these.
    """
    if isinstance(value, datetime):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    try:
        # a day alone would be its midnight
        return datetime.fromisoformat(value if isinstance(value, str) and ":" in value else "")
    except ValueError:
        raise ArgumentError(
            name, f"is {described(value)}, expected a date and time as 2026-03-01T10:15:30, or seconds"
        ) from None


def name_pattern(text: str) -> re.Pattern[str]:
    """Return what finds a start in a file's name: ``%Y %m %d %H %M %S`` (``%y %f``), ``*`` for anything.

    Raises
    ------
    ArgumentError
        If the pattern has no hour and minute, or a part that is unknown or stands twice.
    """
    parts, at = [], 0
    used: list[str] = []
    while at < len(text):
        two = text[at : at + 2]
        if two in _PARTS and two not in used:
            parts.append(_PARTS[two])
            used.append(two)
            at += 2
        elif text[at] == "%":
            what = "stands twice" if two in used else f"is unknown; known are {' '.join(_PARTS)}"
            raise ArgumentError("start_pattern", f"is {text!r}: {two} {what}")
        else:
            parts.append(".*?" if text[at] == "*" else re.escape(text[at]))
            at += 1
    if "%H" not in used or "%M" not in used:
        raise ArgumentError(
            "start_pattern", f"is {text!r}, expected a time in it, as in '%Y-%m-%d_%H-%M-%S' or 'walk*_%H%M%S'"
        )
    return re.compile("".join(parts))


def start_in_name(path: Path, pattern: re.Pattern[str]) -> float | None:
    """Return the start (s) that a file's name states; None where the pattern does not find one in it.

    Raises
    ------
    ArgumentError
        If what it finds is no date and time.
    """
    match = pattern.search(path.stem)
    if match is None:
        return None
    found = {key: value for key, value in match.groupdict().items() if value is not None}
    year = int(found["Y"]) if "Y" in found else 2000 + int(found.get("y", 0))
    micro = int(found.get("f", "0").ljust(6, "0"))
    try:
        moment = datetime(
            year,
            int(found.get("m", 1)),
            int(found.get("d", 1)),
            int(found["H"]),
            int(found["M"]),
            int(found.get("S", 0)),
            micro,
        )
    except ValueError as error:
        raise ArgumentError("start_pattern", f"finds no time in {path.name} ({error})") from error
    return seconds_of(moment)
