"""The report of ``grf-inspect`` as tables that fit 80 columns."""

from __future__ import annotations

from datetime import datetime, timezone

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..io.inspect import FileReport, PlateReport, StreamReport

_WIDTH = 80
"""Columns that every terminal has; the tables are laid out for it."""
_CHANNELS_SHOWN = 16
"""Channels listed for each stream, chosen by hand: an insole's sixteen cells and no page of analog channels."""


def show_report(report: FileReport, *, width: int = _WIDTH) -> None:
    """Print a report of :func:`grfkit.io.inspect.inspect` to stdout; long lists of channels are cut."""
    console = Console(width=width, highlight=False, soft_wrap=False)
    console.print(_head(report))
    console.print(_streams(report.streams))
    for stream in report.streams:
        console.print(_channels(stream))
        if stream.plate is not None:
            console.print(Text(_plate(stream.plate), style="dim"))
    for note in report.notes:
        console.print(Text(f"note: {note}"))


def _head(report: FileReport) -> Text:
    lines = [
        report.file,
        f"reader {report.reader}: {report.why}",
        f"device {report.device}, {report.duration_s:.3f} s, {report.size_bytes} bytes"
        f", started {_start(report.t0_unix_s)}",
        f"sha256 {report.sha256}",
    ]
    return Text("\n".join(lines))


def _start(t0_unix_s: float | None) -> str:
    if t0_unix_s is None:
        return "at an unknown time"
    try:
        return datetime.fromtimestamp(t0_unix_s, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):  # beyond the years that a date can have
        return f"{t0_unix_s:g} s after 1970"


def _streams(streams: list[StreamReport]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("stream", overflow="fold", ratio=3)
    table.add_column("kind", overflow="fold")
    table.add_column("clock", overflow="fold", ratio=2)
    for title in ("Hz", "samples", "missing", "gaps", "longest s"):
        table.add_column(title, justify="right", no_wrap=True)
    for s in streams:
        cells = [s.name, s.kind, f"{s.clock} ({s.stamp_source})", _short(s.rate_hz)]
        cells += [str(s.samples), str(s.missing_samples), str(s.gaps), _short(s.longest_gap_s)]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _channels(stream: StreamReport) -> Table:
    title = stream.name + (f" ({stream.side})" if stream.side in ("left", "right") else "")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column(Text(title), overflow="fold", ratio=3)
    table.add_column("in the file", overflow="fold", ratio=3)
    table.add_column("unit", overflow="fold")
    table.add_column("frame", no_wrap=True)
    for heading in ("min", "max", "missing"):
        table.add_column(heading, justify="right", no_wrap=True)
    for c in stream.channels[:_CHANNELS_SHOWN]:
        unit = f"[{c.raw_unit}]"
        raw = c.raw_name if c.raw_name.endswith(unit) else f"{c.raw_name} {unit}"
        cells = [c.name, raw, c.unit, c.frame, _short(c.min), _short(c.max), str(c.missing)]
        table.add_row(*(Text(cell) for cell in cells))
    more = len(stream.channels) - _CHANNELS_SHOWN
    if more > 0:
        table.add_row(Text(f"... {more} more (--json lists all)", style="dim"))
    return table


def _plate(plate: PlateReport) -> str:
    parts = [f"plate type {plate.type or 'not stated'}"]
    if plate.corners_m:
        corners = " ".join("(" + ", ".join(f"{v:.3f}" for v in corner) + ")" for corner in plate.corners_m)
        parts.append(f"corners {corners} m")
    if plate.origin_m:
        parts.append("origin (" + ", ".join(f"{v:.4f}" for v in plate.origin_m) + ") m")
    if plate.vertical:
        parts.append(f"vertical {plate.vertical}")
    if plate.knows_feet:
        parts.append(f"{plate.knows_feet} foot")
    if plate.unverified:
        parts.append(f"unverified: {plate.unverified}")
    return "; ".join(parts)


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.5g}"
