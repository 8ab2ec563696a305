"""TRC files: marker positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...formats.trc import MAGIC, TrcFile, parse_trc
from ...records import Recording, make_landmarks
from ..base import Head, Match, Reader, ReadOptions
from ..files import check_extent, check_time, file_recording, read_text, refuse_extra

# How far the stamps may be from the stated rate for it to be taken; chosen by hand: stamps are rounded
_RATE_TOLERANCE = 0.02


def _sniff(head: Head) -> Match:
    if head.text.lstrip('"').startswith(MAGIC):
        return Match(1.0, f"starts with '{MAGIC}', as every TRC file does")
    return Match(0.0, f"does not start with '{MAGIC}'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "trc")
    parsed = parse_trc(read_text(path))
    check_time(parsed.time)
    stream = make_landmarks(
        parsed.positions,
        parsed.names,
        parsed.time,
        unit=parsed.unit,
        rate_hz=_rate(parsed),
        stamp_source="index",
    )
    check_extent(stream["position"].values, parsed.unit)
    return file_recording(path, {"landmarks": stream}, device="motion capture", reader="trc", notes=parsed.notes)


def _rate(parsed: TrcFile) -> float | None:
    """Return the header's rate where the stamps follow it; None (estimate it from them) otherwise."""
    if not parsed.rate_hz or parsed.time.size < 2:
        return parsed.rate_hz or None
    step = float(np.median(np.diff(parsed.time)))
    return parsed.rate_hz if abs(step * parsed.rate_hz - 1.0) < _RATE_TOLERANCE else None


READER = Reader("trc", "TRC marker positions", (".trc",), _sniff, _read)
