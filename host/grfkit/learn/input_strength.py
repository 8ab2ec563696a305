"""How strong inputs are beside those of training, and which of them never move; no torch.

The distance in the inputs grows with what is more or other than in training. A dead cell and cells that show a part of
the load come nearer to the training's mean, and are seen here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..arrays import Floats
from ..errors import BadInputError
from ..records.stance_set import StanceSet
from .batches import Windows

STILL = 0.2
"""Spread of a channel within a window, as a share of the least of any recording of the training, below which it does
not move: chosen by hand. Of 97 insole wearers the weakest cell has .09 of its median, so that a person left out moves
it by more than half the least of the others."""
STILL_WINDOWS = 0.8
"""Share of the windows of a recording in which a channel must not move to be named: chosen by hand."""

MADE_OTHERWISE = (
    "it was made by an older grfkit, or its document was edited; train it again with grf-train, from the same trials or"
    " sets"
)
"""What is wrong with a model whose range is of other inputs than this grfkit makes of its channels, and what to do."""


class InputStrength(BaseModel):
    """What inputs are compared with.

    Attributes
    ----------
    level
        Root mean square of each channel in the training; 0 where it never was anything else.
    spread
        The least that each channel moved within the windows of any recording of the training (median of windows of
        the standard deviation over the window's samples).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    level: tuple[float, ...]
    spread: tuple[float, ...]

    def of(self, data: StanceSet, channels: tuple[str, ...]) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the strength of every window, 1 in training, and whether each channel is still in it.

        Shapes (windows,), NaN where nothing is known, and (windows, channels), false where a channel is missing.

        Raises
        ------
        BadInputError
            If these are not as many channels as it was fitted on.
        """
        if not len(self.level) == len(self.spread) == len(channels):
            raise BadInputError(
                f"the model's range knows {len(self.level)} channels of its inputs, and there are {len(channels)}:"
                f" {MADE_OTHERWISE}"
            )
        level, least = np.asarray(self.level), np.asarray(self.spread)
        parts = list(_of(data, channels))
        square, spread = (np.concatenate(each) for each in zip(*parts))
        share = np.where(level > 0, square / np.where(level > 0, level, 1.0) ** 2, np.nan)
        known = np.isfinite(share)
        mean = np.where(known, share, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        still = np.isfinite(spread) & (spread < STILL * least)
        return np.where(known.any(axis=1), np.sqrt(mean), np.nan), np.asarray(still, dtype=bool)


def fit_input_strength(data: StanceSet, channels: tuple[str, ...], recordings: NDArray[np.object_]) -> InputStrength:
    """Return the strength of the windows of a training.

    Parameters
    ----------
    recordings
        Of every window, shape (windows,).
    """
    square, spread = (np.concatenate(each) for each in zip(*_of(data, channels)))
    names = recordings.astype(str)
    of_recording = np.asarray([[_median(column) for column in spread[names == n].T] for n in np.unique(names)])
    known = np.isfinite(of_recording)
    least = np.where(known, of_recording, np.inf).min(axis=0)
    level = [np.sqrt(np.mean(column[np.isfinite(column)])) if np.isfinite(column).any() else 0.0 for column in square.T]
    return InputStrength(
        level=tuple(float(v) for v in level), spread=tuple(float(v) if np.isfinite(v) else 0.0 for v in least)
    )


def _median(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if known.size else float("nan")


def _of(data: StanceSet, channels: tuple[str, ...]) -> Iterator[tuple[Floats, Floats]]:
    """Yield mean square and standard deviation over time, each (windows, channels), NaN where nothing is known."""
    for batch in Windows(data, channels, (), (), memory_mb=0).in_order():
        x = np.asarray(batch.inputs, dtype=np.float64)
        known = np.isfinite(x)
        count = known.sum(axis=1)
        filled = np.where(known, x, 0.0)
        mean = filled.sum(axis=1) / np.maximum(count, 1)
        square = (filled**2).sum(axis=1) / np.maximum(count, 1)
        # about the mean, not the difference of squares: of a channel far from 0 nothing would be left
        moved = np.where(known, x - mean[:, None], 0.0)
        spread = np.sqrt((moved**2).sum(axis=1) / np.maximum(count, 1))
        yield np.where(count > 0, square, np.nan), np.where(count > 0, spread, np.nan)
