"""TRC files: marker positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import BadInputError
from ...formats.trc import MAGIC, TrcFile, parse_trc
from ...provenance import Provenance, describe_input
from ...records import Floats, Recording, make_landmarks, make_recording
from ..base import Head, Match, Reader, ReadOptions
from ..files import read_text, refuse_extra

_LARGEST_M, _SMALLEST_M = 50.0, 0.02


def _sniff(head: Head) -> Match:
    if head.text.startswith(MAGIC):
        return Match(1.0, f"starts with '{MAGIC}', as every TRC file does")
    return Match(0.0, f"does not start with '{MAGIC}'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "trc")
    parsed = parse_trc(read_text(path))
    stream = make_landmarks(
        parsed.positions,
        parsed.names,
        parsed.time,
        unit=parsed.unit,
        rate_hz=_rate(parsed),
        stamp_source="index",
    )
    _check_extent(stream["position"].values, parsed.unit)
    return make_recording(
        {"landmarks": stream},
        device="motion capture",
        reader="trc",
        provenance=Provenance(inputs=[describe_input(path)]),
        notes=parsed.notes,
    )


def _rate(parsed: TrcFile) -> float | None:
    """Return the header's rate where the stamps follow it; None (estimate it from them) otherwise."""
    if not parsed.rate_hz or parsed.time.size < 2:
        return parsed.rate_hz or None
    step = float(np.median(np.diff(parsed.time)))
    return parsed.rate_hz if abs(step * parsed.rate_hz - 1.0) < 0.02 else None


def _check_extent(positions: Floats, unit: str) -> None:
    """Refuse markers that stand as far apart as no body and no laboratory: the stated unit is wrong."""
    some = positions[:: max(1, len(positions) // 50)]
    seen = np.asarray(np.isfinite(some).all(axis=2))
    spread = [float(np.ptp(f[mask], axis=0).max()) for f, mask in zip(some, seen) if mask.sum() >= 5]
    if not spread:
        return
    extent = float(np.median(spread))
    if not _SMALLEST_M < extent < _LARGEST_M:
        raise BadInputError(
            f"its markers stand {extent:.3g} m apart in the unit it states ({unit}); correct its Units"
        )


READER = Reader("trc", "TRC marker positions", (".trc",), _sniff, _read)
