"""What a person reads: one page per alignment, and one over many."""

from .sync_page import render_sync_report, write_sync_report

__all__ = ["render_sync_report", "write_sync_report"]
