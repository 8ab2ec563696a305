"""A method: whatever learns from a fold's training participants and then predicts the forces of those it tests."""

from __future__ import annotations

from typing import Protocol

from ..arrays import Floats
from ..records.stance_set import StanceSet
from .folds import Fold


class FittedMethod(Protocol):
    """What a method has learnt from one fold."""

    def predict(self, data: StanceSet) -> Floats:
        """Return forces in BW, shape (stances, time, axes)."""


class Method(Protocol):
    """A network, a baseline or a mix of them, not fitted; it can be sent to another process."""

    @property
    def name(self) -> str:
        """Return the name under which results are listed; unique among the methods of an evaluation."""

    def fit(self, data: StanceSet, fold: Fold) -> FittedMethod:
        """Return what is learnt from a fold; ``data`` holds its training and inner part, nobody to be tested."""
