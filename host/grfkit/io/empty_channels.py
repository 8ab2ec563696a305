"""A note on channels without one number: an empty column, a sensor that was not connected."""

from __future__ import annotations

import numpy as np

from ..records import Recording
from ..records.streams import is_masked

# Channels named, the rest is counted; chosen by hand
_MOST_NAMED = 8


def empty_channels(recording: Recording) -> list[str]:
    """Return a note for each stream with samples of which some channels have none; [] where there is no such one.

    Left out are centres of pressure and free moments, which are missing on purpose where nothing is loaded.
    """
    notes = []
    for name, stream in recording.streams.items():
        # variables and not the channels themselves: of a thousand channels each would first be made an array
        empty = [
            str(channel)
            for channel, values in stream.variables.items()
            if values.dims == ("time",) and values.dtype.kind == "f" and channel not in ("time", "time_raw")
            if not is_masked(str(channel)) and values.size and not np.isfinite(values.values).any()
        ]
        if empty:
            more = f" and {len(empty) - _MOST_NAMED} more" if len(empty) > _MOST_NAMED else ""
            verb = "holds" if len(empty) == 1 else "hold"
            notes.append(f"{name}: {', '.join(empty[:_MOST_NAMED])}{more} {verb} no number")
    return notes
