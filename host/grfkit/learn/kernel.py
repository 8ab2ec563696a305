"""Kernel ridge regression of whole stances: a smooth function of the flattened stance, no network."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..records.stance_set import StanceSet
from .baseline_base import MOVES, flat_targets
from .batches import require, require_personal
from .folds import Fold, LeakError, grouped_kfold


@dataclass(frozen=True)
class KernelMethod:
    """Kernel ridge with a Gaussian kernel, its width and penalty chosen over training participants, axis by axis.

    Attributes
    ----------
    every
        Every how many-th point of the inputs is a feature.
    most
        At most so many training stances, evenly spread over each participant's.
    widths, penalties
        Tried: kernel width as a multiple of the median squared distance, and the penalty.
    """

    name: str = "kernel ridge"
    every: int = 4
    statics: tuple[str, ...] = ()
    most: int = 2500
    widths: tuple[float, ...] = (3.0, 10.0)
    penalties: tuple[float, ...] = (1e-3, 1e-2)

    def fit(self, data: StanceSet, fold: Fold) -> KernelRidge:
        """Return the kernel ridge of a fold; inner participants count as training."""
        fitted = KernelRidge(self, leaks=fold.leaks)
        fitted.fit(data)
        return fitted


@dataclass
class Solved:
    """Dual weights (n, outputs) and the means taken off."""

    weights: Floats
    mean: Floats


@dataclass
class KernelRidge:
    """Kernel ridge on one fold; ``settings`` is (width, penalty) of each axis."""

    method: KernelMethod
    leaks: tuple[str, ...] = ()
    settings: list[tuple[float, float]] = field(default_factory=list)
    fitted_on: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the method's name."""
        return self.method.name

    def fit(self, data: StanceSet) -> None:
        """Choose the settings over groups of participants, then fit everyone.

        A sample that does not count (weight 0) takes the mean curve's value, as in the other flat methods.

        Raises
        ------
        BadInputError
            If windows are continuous.
        """
        if data.data.attrs["window"] != "stance":
            raise BadInputError(f"{self.name} takes time-normalised stances, not continuous windows")
        self.fitted_on, self._channels = data.participants, data.channels
        stances = spread(data, self.method.most)
        x, y = self._flat(stances), flat_targets(stances).reshape(stances.arrays()[1].shape)
        self._centre, self._size = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
        self._size[~(self._size > MOVES * (1 + np.abs(self._centre)))] = np.inf
        self._z = self._scaled(x)
        apart = distances_of_rows(self._z, self._z)
        # widths in units of the median distance mean the same for any number of features
        self._median = float(np.median(apart))
        self.settings = self._choose(stances, apart, y)
        self._solved = [solve_kernel(apart, y[:, :, i], w * self._median, p) for i, (w, p) in enumerate(self.settings)]

    def predict(self, data: StanceSet) -> Floats:
        """Return forces in BW, shape (stances, time, axes)."""
        if not self.fitted_on:
            raise BadInputError(f"{self.name} has not been fitted; call fit first")
        overlap = sorted(set(self.fitted_on) & set(data.participants))
        if overlap and not self.leaks:
            raise LeakError(f"participant {', '.join(overlap)} was in the fit of {self.name}; test others")
        apart = distances_of_rows(self._scaled(self._flat(data)), self._z)
        parts = [
            np.exp(-apart / (w * self._median)) @ s.weights + s.mean for (w, _), s in zip(self.settings, self._solved)
        ]
        return np.stack(parts, axis=2)

    def _flat(self, data: StanceSet) -> Floats:
        require(data.channels, self._channels, "channel")
        x = np.asarray(data.data["inputs"].sel(channel=list(self._channels)).values, dtype=np.float64)
        require_personal(data, self.method.statics)
        scalars = [data.scalar(s)[:, None] for s in self.method.statics]
        return np.concatenate([x[:, :: self.method.every].reshape(data.size, -1), *scalars], axis=1)

    def _scaled(self, flat: Floats) -> Floats:
        return np.asarray(np.nan_to_num((flat - self._centre) / self._size, nan=0.0))

    def _choose(self, data: StanceSet, apart: Floats, y: Floats) -> list[tuple[float, float]]:
        """Return the settings of least error of participants left out, axis by axis."""
        settings = list(itertools.product(self.method.widths, self.method.penalties))
        axes = y.shape[2]
        # fewer people than the three folds below
        if len(settings) == 1 or len(data.participants) < 3:
            return [settings[0]] * axes
        errors = np.zeros((len(settings), axes))
        people = data.per_stance("participant")
        counts = (data.arrays()[2] > 0)[:, :, None]
        for fold in grouped_kfold(data, k=3, inner=0):
            out = np.isin(people, fold.test)
            # distances (and their median) are of inputs alone, so taking them before the split tells nothing of a force
            near, far = apart[np.ix_(~out, ~out)], apart[np.ix_(out, ~out)]
            for i, (width, penalty) in enumerate(settings):
                solved = solve_kernel(near, y[~out].reshape((~out).sum(), -1), width * self._median, penalty)
                predicted = np.exp(-far / (width * self._median)) @ solved.weights + solved.mean
                off = np.where(counts[out], predicted.reshape(-1, *y.shape[1:]) - y[out], 0.0)
                errors[i] += (off**2).sum(axis=(0, 1))
        return [settings[int(k)] for k in errors.argmin(axis=0)]


def spread(data: StanceSet, most: int) -> StanceSet:
    """Return at most ``most`` windows, as many of each participant, evenly spread over theirs."""
    return data if data.size <= most else StanceSet(data.data.isel(stance=spread_rows(data, most)))


def spread_rows(data: StanceSet, most: int) -> list[int]:
    """Return the numbers of at most ``most`` windows, as many of each participant, evenly spread over theirs."""
    if data.size <= most:
        return list(range(data.size))
    people = data.per_stance("participant")
    each = max(1, most // len(data.participants))
    rows: list[int] = []
    for person in data.participants:
        windows = np.flatnonzero(people == person)
        rows += windows[
            np.unique(np.linspace(0, len(windows) - 1, min(each, len(windows))).round().astype(int))
        ].tolist()
    return sorted(rows)


def distances_of_rows(a: Floats, b: Floats) -> Floats:
    """Return squared distances between rows."""
    # |a - b|^2 multiplied out; rounding may leave it a little below 0
    return np.asarray(np.maximum((a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T, 0.0))


def solve_kernel(apart: Floats, y: Floats, width: float, penalty: float) -> Solved:
    from scipy.linalg import cho_factor, cho_solve

    # far from every stance the kernel is 0, and the prediction falls back to this mean
    mean = y.mean(axis=0)
    kernel = np.exp(-apart / width)
    kernel[np.diag_indices_from(kernel)] += penalty
    return Solved(np.asarray(cho_solve(cho_factor(kernel, overwrite_a=True), y - mean)), mean)
