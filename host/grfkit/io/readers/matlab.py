"""MATLAB files by a column map: arrays named as in MATLAB (``trial.force(:,3)``) become columns of one table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...errors import BadInputError
from ...formats.csv_generic import CsvFile, check_names, parse_column
from ...formats.matlab import MAGIC_5, MAGIC_73, checked, column_of, matlab_arrays, summary
from ...records import Recording
from ..base import Head, Match, Reader, ReadOptions
from ..files import file_recording, refuse_extra
from ..table_streams import table_streams


def _sniff(head: Head) -> Match:
    for magic in (MAGIC_5, MAGIC_73):
        if head.data.startswith(magic):
            return Match(1.0, f"starts with '{magic.decode()}'")
    return Match(0.0, "does not start as a MATLAB file (version 5 or later) does")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "matlab")
    arrays = matlab_arrays(path)
    if not options.column_map:
        raise BadInputError(
            f"is a MATLAB file, which is read by a column map (--column-map map.toml) that names its arrays and their"
            f" units; it holds {summary(arrays)}"
        )
    columns = [parse_column(text, raw=raw) for raw, text in options.column_map.items()]
    check_names(columns, () if options.rate_hz else ("time",))
    vectors = [checked(column_of(arrays, column.raw), column.raw) for column in columns]
    sizes = {vector.size for vector in vectors}
    if len(sizes) > 1:
        longest = max(range(len(vectors)), key=lambda i: vectors[i].size)
        shortest = min(range(len(vectors)), key=lambda i: vectors[i].size)
        raise BadInputError(
            f"'{columns[longest].raw}' has {vectors[longest].size} samples, '{columns[shortest].raw}'"
            f" {vectors[shortest].size}; arrays of one column map have one time base, read the others by a second map"
        )
    streams, t0_unix_s, notes = table_streams(CsvFile(columns, np.stack(vectors, axis=1), []), options)
    left_out = [name for name in arrays if not any(c.raw.split("(:")[0] == name or c.raw == name for c in columns)]
    if left_out:
        notes.append(f"arrays outside the column map are left out: {', '.join(left_out[:8])}")
    return file_recording(path, streams, device="MATLAB", reader="matlab", t0_unix_s=t0_unix_s, notes=notes)


READER = Reader("matlab", "MATLAB file", (".mat",), _sniff, _read, ("rate_hz", "column_map"))
