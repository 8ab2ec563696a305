"""Methods around a method: on some channels only, or balanced to what a foot carries over many steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..learn.baselines import Predictor
from ..learn.folds import Fold
from ..records.stance_set import StanceSet
from .predictions import Method


def on_channels(data: StanceSet, patterns: Sequence[str]) -> StanceSet:
    """Return the set with the channels that match a pattern only.

    Raises
    ------
    BadInputError
        If none does.
    """
    kept = [c for c in data.channels if any(fnmatchcase(c, p) for p in patterns)]
    if not kept:
        raise BadInputError(f"no channel matches {', '.join(patterns)}; the set has {', '.join(data.channels[:8])} ...")
    return StanceSet(data.data.sel(channel=kept))


@dataclass(frozen=True)
class OnChannels:
    """Another method that is shown the channels of some patterns only."""

    name: str
    member: Method
    patterns: tuple[str, ...]

    def predictor(self, data: StanceSet, fold: Fold) -> Predictor:
        """Return the untrained predictor."""
        return Narrowed(self.name, self.member.predictor(on_channels(data, self.patterns), fold), self.patterns)


@dataclass
class Narrowed:
    """A predictor that is shown some channels only."""

    name: str
    inside: Predictor
    patterns: tuple[str, ...]

    def fit(self, data: StanceSet, inner: Sequence[str]) -> None:
        """Fit what is inside."""
        self.inside.fit(on_channels(data, self.patterns), inner)

    def predict(self, data: StanceSet) -> Floats:
        """Return its forces in BW, shape (stances, time, axes)."""
        return self.inside.predict(on_channels(data, self.patterns))


@dataclass(frozen=True)
class Balanced:
    """Another method whose vertical force is scaled, trial by trial, to the mean load of the training participants.

    Over many whole strides at a steady speed each foot carries about half the body weight, whoever walks (momentum); a
    trial's own windows tell its mean prediction, and no force of the tested is used. Continuous windows only.
    """

    name: str
    member: Method

    def predictor(self, data: StanceSet, fold: Fold) -> Predictor:
        """Return the untrained predictor."""
        return _Scaled(self.name, self.member.predictor(data, fold))


@dataclass
class _Scaled:
    name: str
    inside: Predictor
    load_bw: float = field(default=float("nan"))

    def fit(self, data: StanceSet, inner: Sequence[str]) -> None:
        """Fit the method and note the mean load, participants alike.

        Raises
        ------
        BadInputError
            If windows are stances, or the set has no vertical force.
        """
        if data.data.attrs["window"] != "continuous" or "vgrf" not in data.axes:
            raise BadInputError(f"{self.name} needs continuous windows with vgrf")
        self.inside.fit(data, inner)
        _, y, w = data.arrays()
        people, axis = data.per_stance("participant"), data.axes.index("vgrf")
        loads = [np.average(y[people == p, :, axis], weights=w[people == p]) for p in data.participants]
        self.load_bw = float(np.mean(loads))

    def predict(self, data: StanceSet) -> Floats:
        """Return scaled forces in BW, shape (windows, time, axes)."""
        said = self.inside.predict(data)
        axis, weight = data.axes.index("vgrf"), data.arrays()[2] > 0
        keys = np.asarray([f"{p}/{t}" for p, t in zip(data.per_stance("participant"), data.per_stance("trial"))])
        for key in np.unique(keys):
            own = keys == key
            mean = float(said[own, :, axis][weight[own]].mean())
            if mean > 0.1 * self.load_bw:
                said[own, :, axis] *= self.load_bw / mean
        return said
