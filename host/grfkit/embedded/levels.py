"""Insole cells relative to their own foot's steps, as a device does it: the twin of grf_levels.c, number for number.

:mod:`grfkit.gait.relative_cells` uses a whole recording for the unloaded level and the size of a step. A device has
only the past: the percentile of the last seconds, and the median peak of the last contacts.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from ..gait.causal import IC, TO, ContactEvent
from ..gait.contacts import GREATER_PERCENT, UNDERLOADED_SHARE
from ..gait.relative_cells import LEAST_STEPS, UNLOADED_PERCENT
from .stance_buffer import MISSED, READY, CountRows

__all__ = ["Levels", "LevelsSettings", "Relative", "levels_settings"]

MOST_CELLS, MOST_BLOCKS, MOST_STEPS = 16, 16, 32
HIGHEST = 65535
"""Largest count of 16 bits: above every value that is kept."""
_REMEMBERED_S, _LOOKED_AT_HZ, _BLOCKS, _STEPS = 30.0, 10.0, 6, 25
"""Time (s) over which an unloaded level is taken, rate (Hz) at which cells are looked at for it, blocks of that time,
and steps whose peaks are kept. Chosen by hand for a device's memory (``tools/bench edge.levels`` compares with
training)."""


@dataclass(frozen=True)
class LevelsSettings:
    """The integers of ``grf_levels_settings_t``; see there. Contacts below ``faint_percent`` are underloaded.

    Raises
    ------
    BadInputError
        For settings that the C twin refuses.
    """

    cells: int
    blocks: int
    lowest: int
    unloaded_percent: int
    steps: int
    least_steps: int
    greater_percent: int
    faint_percent: int
    every: int
    block_rows: int
    units: int

    def __post_init__(self) -> None:
        """Refuse what the C twin refuses."""
        rows = self.blocks * self.block_rows
        ranges = {
            "cells": MOST_CELLS, "blocks": MOST_BLOCKS, "steps": MOST_STEPS, "least_steps": 255, "every": 65535,
            "block_rows": 65535, "units": 65535, "lowest": 255,
        }  # fmt: skip
        wrong = [name for name, most in ranges.items() if not 1 <= getattr(self, name) <= most]
        if wrong or not 0 <= self.unloaded_percent <= 99 or not 0 <= self.greater_percent <= 100:
            raise BadInputError(f"levels of cells with {self} cannot be ({', '.join(wrong) or 'a percentile'})")
        if self.lowest < (rows - 1) * self.unloaded_percent // 100 + 2:
            raise BadInputError(
                f"levels of cells keep {self.lowest} values of a block; percentile {self.unloaded_percent} of {rows}"
                f" rows asks for {(rows - 1) * self.unloaded_percent // 100 + 2} or more"
            )

    @property
    def lowest_bytes(self) -> int:
        """Return the memory of the lowest values."""
        return 2 * self.cells * self.blocks * self.lowest


def levels_settings(rate_hz: float, *, cells: int = MOST_CELLS, unit_per_count: float = 1e-4) -> LevelsSettings:
    """Return the settings for a rate: the 2nd percentile of the last 30 s at about 10 Hz, 25 contacts, 3 at least.

    Parameters
    ----------
    rate_hz
        Of the samples that are pushed.
    unit_per_count
        Unit of a relative count of the model's columns.

    Raises
    ------
    BadInputError
        If that does not fit 16 bits.
    """
    every = max(1, round(rate_hz / _LOOKED_AT_HZ))
    block_rows = max(1, round(_REMEMBERED_S * rate_hz / every / _BLOCKS))
    percent = round(UNLOADED_PERCENT)
    return LevelsSettings(
        cells=cells,
        blocks=_BLOCKS,
        lowest=(_BLOCKS * block_rows - 1) * percent // 100 + 2,
        unloaded_percent=percent,
        steps=_STEPS,
        least_steps=LEAST_STEPS,
        greater_percent=round(GREATER_PERCENT),
        faint_percent=round(100 * UNDERLOADED_SHARE),
        every=every,
        block_rows=block_rows,
        units=round(1.0 / unit_per_count),
    )


@dataclass(frozen=True)
class Relative:
    """The integers of one stance: ``((256 raw - level_q8) multiplier + half) >> shift``, saturated at 16 bits."""

    level_q8: NDArray[np.int64]
    multiplier: int
    shift: int

    def of(self, raw: NDArray[np.integer], cells: list[int]) -> CountRows:
        """Return relative counts of counts (..., columns), whose columns are these cells."""
        above = raw.astype(np.int64) * 256 - self.level_q8[cells]
        value = (above * self.multiplier + (1 << (self.shift - 1))) >> self.shift
        return np.asarray(np.clip(value, -32768, 32767), dtype=np.int16)


class Levels:
    """A foot's unloaded cells and the size of its steps, from the samples so far."""

    def __init__(self, settings: LevelsSettings) -> None:
        self.settings = settings
        self._blocks: list[list[list[int]]] = [self._empty()]
        self._rows = [0]
        self._skipped = 0
        self._high: int | None = None
        self._inside = False
        self.level_q8 = np.zeros(settings.cells, dtype=np.int64)
        self._highs: list[int] = []

    def _empty(self) -> list[list[int]]:
        return [[] for _ in range(self.settings.cells)]

    def push(self, cells: NDArray[np.uint16]) -> None:
        """Take a row of cells, counts; nothing is pushed for a missed sample."""
        if self._skipped == 0:
            self._look(cells)
        self._skipped = (self._skipped + 1) % self.settings.every
        if self._inside:
            total = int(cells.sum(dtype=np.int64))
            self._high = total if self._high is None else max(self._high, total)

    def _look(self, cells: NDArray[np.uint16]) -> None:
        """Keep a row among the lowest values of its block; the oldest block goes when a new one begins."""
        if self._rows[-1] == self.settings.block_rows:
            self._blocks.append(self._empty())
            self._rows.append(0)
            del self._blocks[: -self.settings.blocks], self._rows[: -self.settings.blocks]
        for lowest, value in zip(self._blocks[-1], cells.tolist()):
            insort(lowest, value)
            # values above these cannot be the percentile, and a device has no memory for them
            del lowest[self.settings.lowest :]
        self._rows[-1] += 1

    def event(self, event: ContactEvent, result: int) -> bool:
        """Take an event of the detector, and its result for the stance buffer (``StanceOutcome.result``).

        Returns
        -------
        bool
            Whether a contact ended that bore as much as the foot's steps do. A contact that was too short, too long or
            lost leaves no peak.
        """
        inside, self._inside = self._inside, event[0] == IC
        if event[0] == IC:
            self._high = None
        if not inside or event[0] != TO or self._high is None or result not in (READY, MISSED):
            return False
        return self._step(self._high)

    def _step(self, high: int) -> bool:
        rows = sum(self._rows)
        if rows:
            self.level_q8 = np.asarray([self._percentile_q8(c, rows) for c in range(self.settings.cells)])
        self._highs = [*self._highs, high][-self.settings.steps :]
        return not self._underloaded(self._peaks_q8(), high * 256 - int(self.level_q8.sum()))

    def _peaks_q8(self) -> list[int]:
        """Return the remembered peaks above the level now, in order of size."""
        unloaded = int(self.level_q8.sum())
        return sorted(high * 256 - unloaded for high in self._highs)

    def _percentile_q8(self, cell: int, rows: int) -> int:
        rank, part = divmod((rows - 1) * self.settings.unloaded_percent, 100)
        # the first row alone has no next one: HIGHEST stands for it, with weight 0
        ordered = [*sorted(v for block in self._blocks for v in block[cell]), HIGHEST]
        before, after = ordered[rank], ordered[rank + 1]
        return before * 256 + ((after - before) * part * 256 + 50) // 100

    def _underloaded(self, ordered: list[int], peak: int) -> bool:
        low, part = divmod((len(ordered) - 1) * self.settings.greater_percent, 100)
        high = min(low + 1, len(ordered) - 1)
        greater = ordered[low] * 100 + (ordered[high] - ordered[low]) * part
        # greater is 100 times the percentile, and faint_percent is a percentage: 100 * 100
        return peak * 10000 < greater * self.settings.faint_percent

    def relative(self) -> Relative | None:
        """Return the integers of the stance that just ended; None before enough steps, or if none has a load."""
        ordered = self._peaks_q8()
        if len(ordered) < self.settings.least_steps:
            return None
        steps = [p for p in ordered if not self._underloaded(ordered, p)] or ordered[-1:]
        peak = (steps[(len(steps) - 1) // 2] + steps[len(steps) // 2]) // 2
        if peak <= 0:
            return None
        # the largest shift with which the multiplier, rounded, stays below 2^31
        shift, units = 1, self.settings.units
        while shift < 46 and (units << (shift + 1)) + peak // 2 < peak << 31:
            shift += 1
        return Relative(self.level_q8, ((units << shift) + peak // 2) // peak, shift)
