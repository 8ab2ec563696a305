"""Pages for people: one per alignment, one over many."""

from .batch import BatchRow, batch_row, render_batch_report, write_batch_report
from .sync_page import render_sync_report, write_sync_report

__all__ = [
    "BatchRow",
    "batch_row",
    "render_batch_report",
    "render_sync_report",
    "write_batch_report",
    "write_sync_report",
]
