"""Excel workbooks (.xlsx): one sheet, read as a generic CSV file is, with a column map where names are not grfkit's."""

from __future__ import annotations

import re
from pathlib import Path

from ...formats.csv_generic import parse_csv
from ...formats.workbook import ZIP, sheet_text
from ...records import Recording
from ..base import Head, Match, Reader, ReadOptions
from ..files import file_recording, refuse_extra
from ..table_streams import table_streams

_INSIDE = re.compile(rb"xl/(workbook|worksheets|sharedStrings|styles|theme|_rels)")


def _sniff(head: Head) -> Match:
    if head.data.startswith(ZIP) and _INSIDE.search(head.data):
        return Match(1.0, "is a ZIP archive with 'xl/' in it, as Excel workbooks are")
    return Match(0.0, "is no ZIP archive with 'xl/' in it")


def _read(path: Path, options: ReadOptions) -> Recording:
    refuse_extra(options, "workbook", frozenset({"sheet"}))
    text, sheet, others = sheet_text(path, str(options.extra.get("sheet", "")))
    needs = () if options.rate_hz else ("time",)
    parsed = parse_csv(text, options.column_map, needs=needs, layout=options.layout)
    streams, t0_unix_s, notes = table_streams(parsed, options)
    if others:
        notes.append(f"read is the sheet '{sheet}', not: {', '.join(others[:8])}")
    return file_recording(path, streams, device="Excel", reader="workbook", t0_unix_s=t0_unix_s, notes=notes)


READER = Reader("workbook", "Excel workbook", (".xlsx", ".xlsm"), _sniff, _read, ("rate_hz", "column_map"))
