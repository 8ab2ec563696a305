"""Signals of several rates on one time base: straight lines between neighbouring samples, NaN where one is missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arguments import ArgumentError
from ..arrays import Floats
from ..errors import BadInputError
from ..records.gaps import is_regular
from ..signals.filters import lowpass
from .source import ExportColumn, ExportSource, ExportStream

NEIGHBOURS = 1.5
"""Two samples further apart than this many usual steps are no neighbours: between them nothing is known."""
IRREGULAR_S = 0.05
"""The same (s) for stamps that come irregularly, as those of a host do: shorter than any contact. Chosen by hand."""
ANTI_ALIAS = 0.4
"""Cut-off of the zero-lag low-pass before a stream is taken to a lower rate, as a share of that rate. Chosen by hand,
below the half from which on signals fold."""
_SAME_S = 1e-9
_FASTEST_HZ, _MOST_ROWS = 100_000.0, 50_000_000
"""Rate and rows beyond which a time base is a typing error; chosen by hand."""


def time_base(source: ExportSource, rate_hz: float | None) -> Floats:
    """Return the times of a wide table: those of the fastest reference stream, or a stated rate over the same span.

    Without a reference stream the fastest stream's are taken. Times are increasing and known.

    Raises
    ------
    BadInputError
        If there is no stream, or the rate cannot be.
    """
    if not source.streams:
        raise BadInputError("there is no signal to export")
    reference = [s for s in source.streams if s.name.startswith("reference/")] or list(source.streams)
    base = max(reference, key=lambda s: s.rate_hz)
    own = base.time_s[np.isfinite(base.time_s)]
    if rate_hz is None:
        return own
    return regular(float(own[0]), float(own[-1]), rate_hz)


def regular(start_s: float, end_s: float, rate_hz: float) -> Floats:
    """Return times from start to end at a rate, the end included where it falls on one.

    Raises
    ------
    BadInputError
        If the rate is no usable number.
    """
    if not np.isfinite(rate_hz) or not 0 < rate_hz <= _FASTEST_HZ:
        raise ArgumentError("rate_hz", f"is {rate_hz:g}, expected a rate above 0, at most {_FASTEST_HZ:g} Hz")
    count = int(np.floor((end_s - start_s) * rate_hz + 1e-6)) + 1
    if count > _MOST_ROWS:
        raise ArgumentError("rate_hz", f"is {rate_hz:g}: {count} rows, more than {_MOST_ROWS}; take a lower rate")
    return start_s + np.arange(count) / rate_hz


def on_times(stream: ExportStream, at_s: Floats, *, rate_hz: float, notes: list[str]) -> list[ExportColumn]:
    """Return a stream's columns at other times; a faster one is low-passed first, which is noted."""
    values = np.stack([c.values for c in stream.columns], axis=1)
    if stream.rate_hz > 1.05 * rate_hz:
        cutoff = ANTI_ALIAS * rate_hz
        slow = [k for k, c in enumerate(stream.columns) if not c.channel.startswith(("cop_", "free_moment", "time_"))]
        values[:, slow] = lowpass(values[:, slow], rate_hz=stream.rate_hz, cutoff_hz=cutoff)
        notes.append(f"{stream.name}: low-passed at {cutoff:g} Hz before it was taken from {stream.rate_hz:g} Hz")
    at = between(stream.time_s, values, at_s)
    return [
        ExportColumn(c.name, c.channel, c.unit, c.frame, at[:, k])
        for k, c in enumerate(stream.columns)
        if c.channel != "time_device"
    ]


def between(time_s: Floats, values: Floats, at_s: Floats) -> Floats:
    """Return values (samples, columns) at times by straight lines; at the time of a sample its own value.

    NaN beyond the ends, and where one of both neighbours is missing.
    """
    known_times = np.isfinite(time_s)
    time, table = time_s[known_times], values[known_times]
    result = np.full((at_s.size, table.shape[1]), np.nan)
    if not time.size:
        return result
    if time.size > 1:
        after = np.clip(np.searchsorted(time, at_s, side="right"), 1, time.size - 1)
        before = after - 1
        width = time[after] - time[before]
        limit = NEIGHBOURS * float(np.median(np.diff(time)))
        limit = limit if is_regular(time) else max(limit, IRREGULAR_S)
        near = (at_s >= time[0]) & (at_s <= time[-1]) & (width <= limit)
        share = np.where(width > 0, (at_s - time[before]) / np.where(width > 0, width, 1.0), 0.0)[:, None]
        line = table[before] + share * (table[after] - table[before])
        result[near] = line[near]
    nearest = np.clip(np.searchsorted(time, at_s - _SAME_S), 0, time.size - 1)
    same = np.abs(time[nearest] - at_s) <= _SAME_S
    result[same] = table[nearest[same]]
    return result


def unique_names(columns: Sequence[tuple[str, ExportColumn]]) -> list[ExportColumn]:
    """Return columns, each with the name of its stream before its own where two have one name."""
    names = [c.name for _, c in columns]
    return [
        ExportColumn(f"{stream}_{c.name}", c.channel, c.unit, c.frame, c.values) if names.count(c.name) > 1 else c
        for stream, c in columns
    ]


def wide(source: ExportSource, rate_hz: float | None, notes: list[str]) -> tuple[Floats, list[ExportColumn]]:
    """Return one time base and all columns on it.

    Raises
    ------
    BadInputError
        As :func:`time_base`.
    """
    at = time_base(source, rate_hz)
    usual = float(np.median(np.diff(at))) if at.size > 1 else 1.0
    columns = []
    for stream in source.streams:
        columns += [(stream.file_name, c) for c in on_times(stream, at, rate_hz=1.0 / usual, notes=notes)]
        span = stream.time_s[np.isfinite(stream.time_s)]
        if span.size and (span[0] < at[0] - usual or span[-1] > at[-1] + usual):
            known = f"known from {span[0]:.2f} to {span[-1]:.2f} s"
            notes.append(f"{stream.name}: {known}, of which {at[0]:.2f} to {at[-1]:.2f} s are here")
    return at, unique_names(columns)
