"""Ridge regression: from the whole stance to the whole curve, and from a sample's neighbourhood to its force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..records.stance_set import StanceSet
from .baseline_base import MOST_GROUPS, MOVES, Baseline, FlatBaseline, best_setting, flat_targets
from .batches import require

ALPHAS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
_AT_ONCE = 128
"""Windows whose lagged features are in memory at once: chosen by hand. Sums are added part by part, so that another
number changes the last bits of the weights."""


@dataclass
class Ridge(FlatBaseline):
    """Ridge regression from the flattened stance to the flattened curve.

    The penalty is chosen by cross-validation over participants (at most five groups) within the training set.

    Parameters
    ----------
    alphas
        Penalties tried, on z-scored features.
    every
        Every how many-th point of the inputs is a feature: of 101 points a quarter says nearly all, and the fit grows
        with the square to cube of their number.
    least
        Windows of few points keep so many of them, or all.
    """

    name: str = "ridge"
    every: int = 4
    least: int = 21
    alphas: tuple[float, ...] = ALPHAS
    alpha: float = field(default=float("nan"), init=False)
    _weights: Floats = field(default_factory=lambda: np.zeros((0, 0)), init=False)
    _mean: Floats = field(default_factory=lambda: np.zeros(0), init=False)
    _offset: Floats = field(default_factory=lambda: np.zeros(0), init=False)

    def fit(self, data: StanceSet) -> None:
        """Choose the penalty, then fit everyone."""
        x, y = self.learn_flat(data), flat_targets(data)
        self.alpha = best_setting(data, x, y, self.alphas, ridge_answers)
        self._mean = y.mean(axis=0)
        # z-scores average 0 only where nothing is missing: missing ones became 0 after scaling
        self._offset = x.mean(axis=0)
        self._weights = next(ridge_weights(x - self._offset, y - self._mean, (self.alpha,)))

    def predict(self, data: StanceSet) -> Floats:
        """Return the linear answer of every window."""
        self.check(data)
        x = self.scaled(self.flat(data)) - self._offset
        return np.asarray((x @ self._weights + self._mean).reshape(data.size, self.points, len(self.axes)))


def ridge_answer(x: Floats, y: Floats, alpha: float, at: Floats) -> Floats:
    """Return what ridge with an unpenalised mean, fitted on ``x`` (n, p) and ``y`` (n, q), gives at ``at`` (m, p)."""
    return next(ridge_answers(x, y, (alpha,), at))


def ridge_answers(x: Floats, y: Floats, alphas: Sequence[float], at: Floats) -> Iterator[Floats]:
    """Give what ridge with an unpenalised mean says at ``at`` for each penalty in turn, shape (m, q).

    Parameters
    ----------
    x, y
        Shapes (n, p) and (n, q).
    at
        Shape (m, p).
    """
    x0, y0 = x.mean(axis=0), y.mean(axis=0)
    for weights in ridge_weights(x - x0, y - y0, alphas):
        yield np.asarray((at - x0) @ weights + y0)


def ridge_weights(x: Floats, y: Floats, alphas: Sequence[float]) -> Iterator[Floats]:
    """Give weights (p, q) minimising |x w - y|^2 + alpha |w|^2 for each penalty, by the smaller normal equations.

    The product ``x'x``, or with fewer rows than columns ``xx'`` (Hastie et al., The Elements of Statistical Learning,
    2nd ed., 2009, section 18.3.5), is made once; each penalty costs one Cholesky decomposition of it. For six
    penalties that takes a third less than one eigendecomposition for them all.
    """
    from scipy.linalg import cho_factor, cho_solve

    tall = x.shape[1] <= x.shape[0]
    gram, right = (x.T @ x, x.T @ y) if tall else (x @ x.T, y)
    # a view that can be written: each penalty changes the diagonal alone, without a copy of the product
    diagonal = np.einsum("ii->i", gram)
    plain = diagonal.copy()
    for alpha in alphas:
        diagonal[:] = plain + alpha
        solution = cho_solve(cho_factor(gram, check_finite=False), right, check_finite=False)
        yield np.asarray(solution if tall else x.T @ solution)


@dataclass
class LaggedRidge(Baseline):
    """Ridge from each sample's neighbourhood to the force at that sample: for continuous windows (and any other).

    Parameters
    ----------
    lags
        Features are the channels at these offsets in samples; beyond the window the border value stands.
    """

    name: str = "ridge with lags"
    lags: tuple[int, ...] = tuple(range(-20, 21, 4))
    alphas: tuple[float, ...] = ALPHAS
    alpha: float = field(default=float("nan"), init=False)
    channels: tuple[str, ...] = field(default=(), init=False)
    _centre: Floats = field(default_factory=lambda: np.zeros(0), init=False)
    _size: Floats = field(default_factory=lambda: np.ones(0), init=False)
    _weights: Floats = field(default_factory=lambda: np.zeros((0, 0)), init=False)

    def fit(self, data: StanceSet) -> None:
        """Gather normal equations by participant, choose the penalty over participants, solve."""
        self.remember(data)
        self.channels = data.channels
        x = data.data["inputs"].values.reshape(-1, len(self.channels)).astype(np.float64)
        valid = np.isfinite(x)
        count = np.maximum(valid.sum(axis=0), 1)
        self._centre = np.where(valid, x, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(valid, (x - self._centre) ** 2, 0.0).sum(axis=0) / count)
        self._size = np.where(spread > MOVES * (1 + np.abs(self._centre)), spread, np.inf)
        parts = [self._normal(data.of([p])) for p in data.participants]
        self.alpha = self._choose(parts)
        self._weights = _solve_normal(parts, self.alpha)

    @property
    def centre(self) -> Floats:
        """Return the mean of each channel."""
        return self._centre

    @property
    def size(self) -> Floats:
        """Return the SD of each channel, infinite where it never moved."""
        return self._size

    @property
    def constant(self) -> Floats:
        """Return the answer (axes,) where every channel is at its mean."""
        return np.asarray(self._weights[-1])

    def by_lag(self) -> Floats:
        """Return the weights of z-scores, shape (lags, channels, axes)."""
        return np.asarray(self._weights[:-1]).reshape(len(self.lags), len(self.channels), -1)

    def _features(self, inputs: NDArray[np.floating[Any]]) -> Floats:
        """Return (windows, time, channels x lags + 1): lagged z-scores, then a one."""
        z = np.nan_to_num((inputs.astype(np.float64) - self._centre) / self._size, nan=0.0)
        at = np.clip(np.arange(z.shape[1])[:, None] + np.asarray(self.lags), 0, z.shape[1] - 1)
        flat = z[:, at].reshape(*z.shape[:2], -1)
        return np.concatenate([flat, np.ones((*flat.shape[:2], 1))], axis=2)

    def _normal(self, data: StanceSet) -> tuple[Floats, Floats, Floats]:
        """Return X'WX, X'WY and Y'WY of a participant."""
        x, y, w = data.arrays()
        keep = (w > 0) & np.isfinite(y).all(axis=2)
        width = len(self.channels) * len(self.lags) + 1
        xx, xy, yy = np.zeros((width, width)), np.zeros((width, y.shape[2])), np.zeros(y.shape[2])
        for low in range(0, len(x), _AT_ONCE):
            part = slice(low, low + _AT_ONCE)
            rows, truth = self._features(x[part])[keep[part]], y[part][keep[part]].astype(np.float64)
            weight = w[part][keep[part]][:, None].astype(np.float64)
            xx += rows.T @ (weight * rows)
            xy += rows.T @ (weight * truth)
            yy += (weight * truth**2).sum(axis=0)
        return xx, xy, yy

    def _choose(self, parts: list[tuple[Floats, Floats, Floats]]) -> float:
        if len(parts) < 2:
            return self.alphas[len(self.alphas) // 2]
        groups = [list(range(i, len(parts), min(MOST_GROUPS, len(parts)))) for i in range(min(MOST_GROUPS, len(parts)))]
        errors = np.zeros(len(self.alphas))
        for out in groups:
            rest = [p for i, p in enumerate(parts) if i not in out]
            for i, alpha in enumerate(self.alphas):
                b = _solve_normal(rest, alpha)
                # |y - Xb|^2 from the sums alone: yy - 2 b'X'y + b'X'Xb, without a second pass over the windows
                for xx, xy, yy in (parts[j] for j in out):
                    errors[i] += float((yy - 2 * (b * xy).sum(axis=0) + (b * (xx @ b)).sum(axis=0)).sum())
        return self.alphas[int(np.argmin(errors))]

    def predict(self, data: StanceSet) -> Floats:
        """Return the linear answer at every sample."""
        self.check(data)
        require(data.channels, self.channels, "channel")
        x = data.data["inputs"].sel(channel=list(self.channels)).values
        parts = [self._features(x[low : low + _AT_ONCE]) @ self._weights for low in range(0, len(x), _AT_ONCE)]
        return np.concatenate(parts)


def _solve_normal(parts: list[tuple[Floats, Floats, Floats]], alpha: float) -> Floats:
    """Return ridge weights of summed normal equations; the last feature, the constant, is not penalised."""
    from scipy.linalg import solve

    xx, xy = sum(p[0] for p in parts), sum(p[1] for p in parts)
    penalty = alpha * np.eye(len(xx))  # type: ignore[arg-type]
    # a penalised constant would draw the mean force to 0
    penalty[-1, -1] = 0.0
    # 1e-9: still solvable where a penalty of 0 meets a channel that never moves
    return np.asarray(solve(xx + penalty + 1e-9 * np.eye(len(penalty)), xy, assume_a="sym"))
