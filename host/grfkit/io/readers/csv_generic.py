"""Generic CSV files: streams from column names such as ``left_force [N]``, ``right_gyro_z [rad/s]``."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import BadInputError
from ...formats.csv_generic import looks_like_table, parse_csv
from ...formats.header_rows import HeaderLayout, layout_of
from ...records import Recording
from ..base import Head, Match, Reader, ReadOptions
from ..files import file_recording, read_text, refuse_extra
from ..naming import is_house_name
from ..table_streams import table_streams

_SUFFIXES = (".csv", ".tsv", ".txt")


# Lines looked at for a header of several rows
_LOOKED_AT = 64


def _sniff(head: Head) -> Match:
    if "\0" in head.text:
        return Match(0.0, "holds binary zeros")
    why, cells = looks_like_table(head.text)
    if not cells:
        layout = layout_of(head.lines(_LOOKED_AT)) if head.path.suffix.lower() in _SUFFIXES else None
        return Match(0.05, _several_rows(layout)) if layout else Match(0.0, why)
    # a unit in the header is what distinguishes this layout from any other table of numbers
    timed = [cell for cell in cells if re.match(r"time\s*[\[(]", cell, re.IGNORECASE)]
    ours = [cell for cell in cells if is_house_name(cell)]
    if timed and ours:
        return Match(0.97, f"has a header row with '{timed[0]}' and '{ours[0]}'")
    if timed:
        return Match(0.5, f"has a header row with '{timed[0]}'")
    if head.path.suffix.lower() in _SUFFIXES:
        return Match(0.1, f"has a header row of {len(cells)} named columns, but no 'time [s]'")
    return Match(0.0, "has a header row, but no column 'time [s]'")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "csv")
    needs = () if options.rate_hz else ("time",)
    text = read_text(path)
    layout = layout_of(text.splitlines()[:_LOOKED_AT]) if options.layout.is_plain else None
    if layout and looks_like_table(text[: 1 << 16])[0]:
        stated = [f"header_rows = {layout.header_rows}", f"units_row = {str(layout.units_row).lower()}"]
        stated += [f"skip_lines = {layout.skip_lines}"] if layout.skip_lines else []
        raise BadInputError(
            f"{_several_rows(layout)}; if that is so, state it in a column map (--column-map): {', '.join(stated)}"
        )
    parsed = parse_csv(text, options.column_map, needs=needs, layout=options.layout)
    streams, t0_unix_s, notes = table_streams(parsed, options)
    return file_recording(path, streams, device="csv", reader="csv", t0_unix_s=t0_unix_s, notes=notes)


def _several_rows(layout: HeaderLayout) -> str:
    """Return what the first lines of a file seem to be."""
    names = "a row" if layout.header_rows == 1 else f"{layout.header_rows} rows"
    below = " and a row of units" if layout.units_row else ""
    return f"has a header of {names} of names{below} from line {layout.skip_lines + 1} on, as it seems"


READER = Reader("csv", "generic CSV (time [s], name [unit], ...)", _SUFFIXES, _sniff, _read, ("rate_hz", "column_map"))
