"""XDF (Lab Streaming Layer): every stream with its own samples and stamps, and the contacts as markers."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..formats.write_xdf import XdfMarkers, XdfSignals, xdf_bytes
from ..records.gaps import is_regular
from .source import ExportSource, ExportStream

_WORDS = {"ic": "contact", "to": "toe-off"}
_TYPES = {"force_plate": "ForcePlate", "insole": "Pressure", "imu": "IMU", "body_imu": "IMU", "landmarks": "MoCap"}


def write_xdf(path: Path, source: ExportSource) -> list[str]:
    """Write all streams of a trial or estimate; stamps are the times of the trial's reference clock."""
    events = source.events
    texts = [f"{event.side or 'unknown'} {_WORDS[event.kind]}" for event in events]
    markers = XdfMarkers("contacts", np.asarray([event.time_s for event in events]), texts)
    path.write_bytes(xdf_bytes([_signals(stream, source) for stream in source.streams], markers))
    return []


def _signals(stream: ExportStream, source: ExportSource) -> XdfSignals:
    keep = np.isfinite(stream.time_s)
    time = stream.time_s[keep]
    columns = [c for c in stream.columns if c.channel != "time_device"]
    values = np.stack([c.values[keep] for c in columns], axis=1)
    facts = {"stream": stream.name, "side": stream.side, "place": stream.place}
    facts |= {key: str(value) for key, value in source.facts.items() if key in ("participant", "surface")}
    facts |= {"source": "; ".join(f"{i.role} {i.name} SHA-256 {i.sha256}" for i in source.inputs)}
    return XdfSignals(
        name=stream.file_name,
        kind=_TYPES.get(stream.kind, stream.kind or "Signal"),
        # readers set evenly what states a rate, which moves stamps that come irregularly
        rate_hz=stream.rate_hz if is_regular(time) else 0.0,
        labels=[c.name for c in columns],
        units=[c.unit for c in columns],
        time_s=time,
        values=values,
        facts={key: text for key, text in facts.items() if text},
    )
