"""The fragments of stances that an insole reports, joined to whole reports."""

from __future__ import annotations

from ..errors import BadInputError
from ..wire import Fragment, StanceReport, joined

__all__ = ["StanceFragments"]

_OPEN_STANCES = 4
"""Stances whose fragments are waited for at once; chosen by hand."""


class StanceFragments:
    """Joins fragments to reports; a stance still incomplete when the fourth after it begins is given up."""

    def __init__(self) -> None:
        self._open: dict[int, list[Fragment]] = {}
        self._last: int | None = None
        self.lost = 0

    def add(self, piece: Fragment) -> StanceReport | None:
        """Return the report that a fragment completes."""
        self._open.setdefault(piece.stance_id, []).append(piece)
        if len(self._open) > _OPEN_STANCES:
            del self._open[next(iter(self._open))]
        try:
            report = joined(self._open[piece.stance_id])
        except BadInputError:
            del self._open[piece.stance_id]
            raise
        if report is not None:
            del self._open[piece.stance_id]
            if self._last is not None:
                # ids have 16 bits and start anew
                self.lost += (piece.stance_id - self._last - 1) & 0xFFFF
            self._last = piece.stance_id
        return report
