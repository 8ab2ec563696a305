"""The base of baselines: whom they were fitted on, flattened stances, mean curves, choice of settings over people."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..records.stance_set import StanceSet
from .batches import require, require_personal
from .folds import LeakError, grouped_kfold

MOVES = 1e-9
"""A feature moves if its SD exceeds this share of its mean (and this much of its unit): less is the rounding of sums in
double precision, which scaling would blow up."""
MOST_GROUPS = 5
"""Groups of participants over which a setting is chosen, at most: chosen by hand, five fits for each setting."""


@dataclass
class Baseline(ABC):
    """A method without a network: it learns from training and inner participants alike, and remembers them.

    Attributes
    ----------
    leaks
        Names of what a split leaks by design; without one, participants seen in fitting are refused.
    """

    leaks: tuple[str, ...] = ()
    name: str = ""
    fitted_on: tuple[str, ...] = field(default=(), init=False)
    axes: tuple[str, ...] = field(default=(), init=False)
    points: int = field(default=0, init=False)

    @abstractmethod
    def fit(self, data: StanceSet) -> None:
        """Learn from a set without anyone to be tested."""

    @abstractmethod
    def predict(self, data: StanceSet) -> Floats:
        """Return forces in BW, shape (stances, time, axes)."""

    def remember(self, data: StanceSet) -> None:
        """Keep who is learnt from, and the axes and points of the windows."""
        self.fitted_on, self.axes, self.points = data.participants, data.axes, int(data.data.sizes["time"])

    def check(self, data: StanceSet) -> None:
        """Refuse to predict before fitting, for participants it was fitted on, or for windows of other points."""
        if not self.fitted_on:
            raise BadInputError(f"{self.name} has not been fitted; call fit first")
        overlap = sorted(set(self.fitted_on) & set(data.participants))
        # an empty text names no leak
        if overlap and not any(leak.strip() for leak in self.leaks):
            raise LeakError(
                f"participant {', '.join(overlap)} was in the fit of {self.name}; test others, or name the split that"
                " leaks by design (leaks=...)"
            )
        if int(data.data.sizes["time"]) != self.points:
            raise BadInputError(
                f"windows have {int(data.data.sizes['time'])} points, but {self.name} was fitted on {self.points}"
            )


def mean_curve(data: StanceSet) -> Floats:
    """Return the mean over participants of each one's mean curve, shape (time, axes); weight 0 counts nothing."""
    _, y, w = data.arrays()
    w = np.where(np.isfinite(y).all(axis=2), w, 0.0)[:, :, None]
    # a continuous window starts anywhere in the gait cycle: without a phase there is one mean for all samples
    if data.data.attrs["window"] == "continuous":
        w, y = w.reshape(-1, 1, 1), y.reshape(-1, 1, y.shape[2])
    people = np.repeat(data.per_stance("participant"), len(y) // data.size)
    curves = []
    for person in data.participants:
        rows = people == person
        weight = w[rows].sum(axis=0, dtype=np.float64)
        total = (w[rows] * np.nan_to_num(y[rows])).sum(axis=0, dtype=np.float64)
        # first each person's own mean, so that many stances of one do not outweigh the others
        curves.append(np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan))
    counted = np.isfinite(curves)
    # nanmean in other words, without its warning where nobody has a sample
    mean = np.where(counted, curves, 0.0).sum(axis=0) / np.maximum(counted.sum(axis=0), 1)
    return np.array(np.broadcast_to(mean, (int(data.data.sizes["time"]), y.shape[2])), dtype=np.float64)


@dataclass
class FlatBaseline(Baseline):
    """A baseline on flattened, z-scored stances: of every ``every``-th point, but of no fewer than ``least``."""

    every: int = 1
    least: int = 1
    statics: tuple[str, ...] = ()
    channels: tuple[str, ...] = field(default=(), init=False)
    _centre: Floats = field(default_factory=lambda: np.zeros(0), init=False)
    _size: Floats = field(default_factory=lambda: np.ones(0), init=False)

    def flat(self, data: StanceSet) -> Floats:
        """Return one row of features for every stance, shape (stances, features), not scaled."""
        if data.data.attrs["window"] != "stance":
            raise BadInputError(f"{self.name} takes time-normalised stances, not continuous windows")
        require(data.channels, self.channels, "channel")
        require_personal(data, self.statics)
        x = np.asarray(data.data["inputs"].sel(channel=list(self.channels)).values, dtype=np.float64)
        # short windows are thinned less, so that at least `least` points remain
        step = max(1, min(self.every, (x.shape[1] - 1) // max(self.least - 1, 1)))
        parts = [x[:, ::step].reshape(data.size, -1), *(data.scalar(s)[:, None] for s in self.statics)]
        return np.concatenate(parts, axis=1)

    def learn_flat(self, data: StanceSet) -> Floats:
        """Keep the set's participants, channels, and the centre and size of features; return their z-scores."""
        self.remember(data)
        self.channels = data.channels
        flat = self.flat(data)
        valid = np.isfinite(flat)
        count = np.maximum(valid.sum(axis=0), 1)
        self._centre = np.where(valid, flat, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(valid, (flat - self._centre) ** 2, 0.0).sum(axis=0) / count)
        self._size = np.where(spread > MOVES * (1 + np.abs(self._centre)), spread, np.inf)
        return self.scaled(flat)

    def scaled(self, flat: Floats) -> Floats:
        """Return z-scores; what is missing, and what never changed in training, is 0."""
        return np.nan_to_num((flat - self._centre) / self._size, nan=0.0)


def flat_targets(data: StanceSet) -> Floats:
    """Return curves (stances, time x axes); a sample that does not count takes the mean curve's value."""
    _, y, w = data.arrays()
    counts = (w > 0)[:, :, None] & np.isfinite(y)
    # these methods take no weights per sample; the mean curve is what they would say if they knew nothing
    return np.asarray(np.where(counts, y, mean_curve(data)), dtype=np.float64).reshape(data.size, -1)


def best_setting(
    data: StanceSet,
    x: Floats,
    y: Floats,
    settings: Sequence[float],
    answers: Callable[[Floats, Floats, Sequence[float], Floats], Iterator[Floats]],
) -> float:
    """Return the setting of least squared error over held-out participants; the middle one where there is only one.

    Parameters
    ----------
    answers
        Fits ``x`` (n, p) and ``y`` (n, q) with each setting in turn, and gives its predictions at other rows (m, p),
        shape (m, q).
    """
    # the choice is between people: with one of them there is nobody to test on
    if len(data.participants) < 2:
        return settings[len(settings) // 2]
    people = data.per_stance("participant")
    errors = np.zeros(len(settings))
    for fold in grouped_kfold(data, k=min(MOST_GROUPS, len(data.participants)), inner=0):
        out = np.isin(people, fold.test)
        for i, predicted in enumerate(answers(x[~out], y[~out], settings, x[out])):
            errors[i] += ((predicted - y[out]) ** 2).sum()
    return settings[int(np.argmin(errors))]
