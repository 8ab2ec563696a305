"""Methods around a method: on some channels only, or balanced to what a foot carries over many steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..learn.folds import Fold
from ..learn.method import FittedMethod, Method
from ..records.stance_set import StanceSet

LEAST_LOAD_SHARE = 0.1
"""Share of the mean load below which a trial's prediction is left as it is: chosen by hand, so that a trial predicted
as nearly unloaded is not blown up by the division."""


def on_channels(data: StanceSet, patterns: Sequence[str]) -> StanceSet:
    """Return the set with the channels that match a pattern only.

    Raises
    ------
    BadInputError
        If none does.
    """
    channels = [c for c in data.channels if any(fnmatchcase(c, p) for p in patterns)]
    if not channels:
        raise BadInputError(f"no channel matches {', '.join(patterns)}; the set has {', '.join(data.channels[:8])} ...")
    return StanceSet(data.data.sel(channel=channels))


@dataclass(frozen=True)
class OnChannels:
    """Another method that is shown the channels of some patterns only."""

    name: str
    member: Method
    patterns: tuple[str, ...]

    def fit(self, data: StanceSet, fold: Fold) -> FittedOnChannels:
        """Return the method fitted on these channels."""
        return FittedOnChannels(self.member.fit(on_channels(data, self.patterns), fold), self.patterns)


@dataclass(frozen=True)
class FittedOnChannels:
    """A fitted method that is shown some channels only."""

    member: FittedMethod
    patterns: tuple[str, ...]

    def predict(self, data: StanceSet) -> Floats:
        """Return its forces in BW, shape (stances, time, axes)."""
        return self.member.predict(on_channels(data, self.patterns))


@dataclass(frozen=True)
class Balanced:
    """Another method whose vertical force is scaled, trial by trial, to the mean load of the training participants.

    Over many complete strides at a steady speed each foot carries about half the body weight, whoever walks (momentum);
    a trial's own windows give its mean prediction, and no force of the tested is used. Continuous windows only.
    """

    name: str
    member: Method

    def fit(self, data: StanceSet, fold: Fold) -> FittedBalanced:
        """Return the fitted method and the mean load over participants.

        Raises
        ------
        BadInputError
            If windows are stances, or the set has no vertical force.
        """
        if data.data.attrs["window"] != "continuous" or "vgrf" not in data.axes:
            raise BadInputError(f"{self.name} needs continuous windows with vgrf")
        fitted = self.member.fit(data, fold)
        _, y, w = data.arrays()
        people, axis = data.per_stance("participant"), data.axes.index("vgrf")
        loads = [np.average(y[people == p, :, axis], weights=w[people == p]) for p in data.participants]
        return FittedBalanced(fitted, float(np.mean(loads)))


@dataclass(frozen=True)
class FittedBalanced:
    """A fitted method, and the mean vertical force (BW) that each trial's prediction is scaled to."""

    member: FittedMethod
    load_bw: float

    def predict(self, data: StanceSet) -> Floats:
        """Return scaled forces in BW, shape (windows, time, axes)."""
        forces = self.member.predict(data)
        axis, counts = data.axes.index("vgrf"), data.arrays()[2] > 0
        keys = np.asarray([f"{p}/{t}" for p, t in zip(data.per_stance("participant"), data.per_stance("trial"))])
        for key in np.unique(keys):
            rows = keys == key
            mean = float(forces[rows, :, axis][counts[rows]].mean())
            if mean > LEAST_LOAD_SHARE * self.load_bw:
                forces[rows, :, axis] *= self.load_bw / mean
        return forces
