"""What a network has to beat, asked the same question: mean curves, ridge, nearest neighbours, scaled pressure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from ..units import G
from .batches import require
from .folds import LeakError, grouped_kfold
from .stance_set import StanceSet

Floats = NDArray[np.float64]
ALPHAS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5)


class Predictor(Protocol):
    """What answers for a window: a network or a baseline."""

    @property
    def name(self) -> str:
        """Return the name under which results are listed."""

    def fit(self, data: StanceSet, inner: Sequence[str]) -> None:
        """Learn from a set without anyone to be tested; ``inner`` are those of it who may choose settings."""

    def predict(self, data: StanceSet) -> Floats:
        """Return forces in BW, shape (stances, time, axes)."""


@dataclass
class _Baseline:
    """What baselines share: they learn from training and inner participants alike, and remember them.

    Attributes
    ----------
    leaks
        Names of what a split leaks by design; without one, participants seen in fitting are refused.
    """

    leaks: tuple[str, ...] = ()
    seen: tuple[str, ...] = field(default=(), init=False)
    axes: tuple[str, ...] = field(default=(), init=False)
    points: int = field(default=0, init=False)

    def _learn(self, data: StanceSet) -> None:
        self.seen, self.axes, self.points = data.participants, data.axes, int(data.data.sizes["time"])

    def _check(self, data: StanceSet, name: str) -> None:
        if not self.seen:
            raise BadInputError(f"{name} has not been fitted; call fit first")
        known = sorted(set(self.seen) & set(data.participants))
        if known and not any(leak.strip() for leak in self.leaks):
            raise LeakError(
                f"participant {', '.join(known)} was in the fit of {name}; test others, or name the split that leaks"
                " by design (leaks=...)"
            )
        if int(data.data.sizes["time"]) != self.points:
            raise BadInputError(
                f"windows have {int(data.data.sizes['time'])} points, but {name} was fitted on {self.points}"
            )


@dataclass
class MeanCurve(_Baseline):
    """The mean curve of the training participants, each of whom counts alike; one constant in continuous windows."""

    name: str = "mean curve"
    _curve: Floats = field(default_factory=lambda: np.zeros((0, 0)), init=False)

    def fit(self, data: StanceSet, inner: Sequence[str] = ()) -> None:
        """Average; ``inner`` changes nothing."""
        del inner
        self._learn(data)
        self._curve = mean_curve(data)

    def predict(self, data: StanceSet) -> Floats:
        """Return the same curve for every window."""
        self._check(data, self.name)
        return np.repeat(self._curve[None], data.size, axis=0)


@dataclass
class KnownSpeedMeanCurve(_Baseline):
    """The mean curve at the training speed (or of the condition) nearest to that of the window.

    A participant who was not measured at a speed does not count there. Where the speed is not known, windows of the
    same ``condition`` label count; where no training window has it, all do.

    Parameters
    ----------
    step_m_s
        Speeds are told apart in steps of this.
    """

    name: str = "mean curve of the known speed"
    step_m_s: float = 0.1
    _curves: dict[str, Floats] = field(default_factory=dict, init=False)
    _speeds: Floats = field(default_factory=lambda: np.zeros(0), init=False)

    def _rounded(self, data: StanceSet) -> Floats:
        return np.asarray(np.round(data.scalar("speed_m_s") / self.step_m_s), dtype=np.float64)

    def fit(self, data: StanceSet, inner: Sequence[str] = ()) -> None:
        """Average by speed and by condition; ``inner`` changes nothing."""
        del inner
        self._learn(data)
        speeds, labels = self._rounded(data), data.per_stance("condition")
        self._speeds = np.unique(speeds[np.isfinite(speeds)])
        self._curves = {"": mean_curve(data)}
        self._curves |= {f"condition {c}": mean_curve(data.where(labels == c)) for c in np.unique(labels) if c}
        self._curves |= {f"speed {v:g}": mean_curve(data.where(speeds == v)) for v in self._speeds}

    def predict(self, data: StanceSet) -> Floats:
        """Return for every window the curve of its speed or condition."""
        self._check(data, self.name)
        curves = []
        for speed, label in zip(self._rounded(data), data.per_stance("condition")):
            key = f"condition {label}"
            if np.isfinite(speed) and self._speeds.size:
                key = f"speed {self._speeds[np.argmin(np.abs(self._speeds - speed))]:g}"
            curves.append(self._curves.get(key, self._curves[""]))
        return np.stack(curves)


def mean_curve(data: StanceSet) -> Floats:
    """Return the mean over participants of each one's mean curve, shape (time, axes); weight 0 counts nothing."""
    _, y, w = data.arrays()
    w = np.where(np.isfinite(y).all(axis=2), w, 0.0)[:, :, None]
    if data.data.attrs["window"] == "continuous":
        w, y = w.reshape(-1, 1, 1), y.reshape(-1, 1, y.shape[2])
    people = np.repeat(data.per_stance("participant"), len(y) // data.size)
    curves = []
    for person in data.participants:
        own = people == person
        weight = w[own].sum(axis=0, dtype=np.float64)
        total = (w[own] * np.nan_to_num(y[own])).sum(axis=0, dtype=np.float64)
        curves.append(np.where(weight > 0, total / np.where(weight > 0, weight, 1.0), np.nan))
    counted = np.isfinite(curves)
    mean = np.where(counted, curves, 0.0).sum(axis=0) / np.maximum(counted.sum(axis=0), 1)
    return np.array(np.broadcast_to(mean, (int(data.data.sizes["time"]), y.shape[2])), dtype=np.float64)


@dataclass
class _Flat(_Baseline):
    """A baseline on flattened, z-scored stances."""

    every: int = 1
    statics: tuple[str, ...] = ()
    channels: tuple[str, ...] = field(default=(), init=False)
    _centre: Floats = field(default_factory=lambda: np.zeros(0), init=False)
    _size: Floats = field(default_factory=lambda: np.ones(0), init=False)

    def _flat(self, data: StanceSet, name: str) -> Floats:
        if data.data.attrs["window"] != "stance":
            raise BadInputError(f"{name} takes time-normalised stances, not continuous windows")
        require(data.channels, self.channels, "channel")
        x = np.asarray(data.data["inputs"].sel(channel=list(self.channels)).values, dtype=np.float64)
        parts = [x[:, :: self.every].reshape(data.size, -1), *(data.scalar(s)[:, None] for s in self.statics)]
        return np.concatenate(parts, axis=1)

    def _learn_flat(self, data: StanceSet, name: str) -> Floats:
        self._learn(data)
        self.channels = data.channels
        flat = self._flat(data, name)
        known = np.isfinite(flat)
        count = np.maximum(known.sum(axis=0), 1)
        self._centre = np.where(known, flat, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(known, (flat - self._centre) ** 2, 0.0).sum(axis=0) / count)
        self._size = np.where(spread > 1e-9 * (1 + np.abs(self._centre)), spread, np.inf)
        return self._scaled(flat)

    def _scaled(self, flat: Floats) -> Floats:
        """Return z-scores; what is missing, and what never changed in training, is 0."""
        return np.nan_to_num((flat - self._centre) / self._size, nan=0.0)


@dataclass
class Ridge(_Flat):
    """Ridge regression from the flattened stance to the flattened curve.

    The penalty is chosen by cross-validation over participants (at most five groups) within the training set.

    Parameters
    ----------
    alphas
        Penalties tried, on z-scored features.
    every
        Every how many-th point of the inputs is a feature.
    """

    name: str = "ridge"
    alphas: tuple[float, ...] = ALPHAS
    alpha: float = field(default=float("nan"), init=False)
    _weights: Floats = field(default_factory=lambda: np.zeros((0, 0)), init=False)
    _mean: Floats = field(default_factory=lambda: np.zeros(0), init=False)
    _offset: Floats = field(default_factory=lambda: np.zeros(0), init=False)

    def fit(self, data: StanceSet, inner: Sequence[str] = ()) -> None:
        """Choose the penalty, then fit everyone; ``inner`` counts as training."""
        del inner
        x, y = self._learn_flat(data, self.name), _flat_targets(data)
        self.alpha = _best(data, x, y, self.alphas, ridge_answer)
        self._mean = y.mean(axis=0)
        self._offset = x.mean(axis=0)
        self._weights = _ridge_weights(x - self._offset, y - self._mean, self.alpha)

    def predict(self, data: StanceSet) -> Floats:
        """Return the linear answer of every window."""
        self._check(data, self.name)
        x = self._scaled(self._flat(data, self.name)) - self._offset
        return np.asarray((x @ self._weights + self._mean).reshape(data.size, self.points, len(self.axes)))


@dataclass
class NearestNeighbours(_Flat):
    """The mean curve of the k training stances nearest in z-scored inputs; k chosen over participants."""

    name: str = "kNN"
    every: int = 4
    ks: tuple[int, ...] = (1, 3, 5, 10, 20)
    k: int = field(default=0, init=False)
    _x: Floats = field(default_factory=lambda: np.zeros((0, 0)), init=False)
    _y: Floats = field(default_factory=lambda: np.zeros((0, 0)), init=False)

    def fit(self, data: StanceSet, inner: Sequence[str] = ()) -> None:
        """Choose k and keep the stances; ``inner`` counts as training."""
        del inner
        self._x, self._y = self._learn_flat(data, self.name), _flat_targets(data)
        self.k = int(_best(data, self._x, self._y, self.ks, nearest_mean))

    def predict(self, data: StanceSet) -> Floats:
        """Return the mean of the nearest curves for every window."""
        self._check(data, self.name)
        found = nearest_mean(self._x, self._y, self.k, self._scaled(self._flat(data, self.name)))
        return found.reshape(data.size, self.points, len(self.axes))


def nearest_mean(x: Floats, y: Floats, k: float, at: Floats) -> Floats:
    """Return the mean of ``y`` over the ``k`` rows of ``x`` nearest (Euclid) to each row of ``at``."""
    apart = (at**2).sum(axis=1)[:, None] - 2 * at @ x.T + (x**2).sum(axis=1)
    rows = np.argsort(apart, axis=1, kind="stable")[:, : min(int(k), len(x))]
    return np.stack([y[r].mean(axis=0) for r in rows])


def ridge_answer(x: Floats, y: Floats, alpha: float, at: Floats) -> Floats:
    """Return what ridge with an unpenalised mean, fitted on ``x`` (n, p) and ``y`` (n, q), gives at ``at`` (m, p)."""
    x0, y0 = x.mean(axis=0), y.mean(axis=0)
    return np.asarray((at - x0) @ _ridge_weights(x - x0, y - y0, alpha) + y0)


def _ridge_weights(x: Floats, y: Floats, alpha: float) -> Floats:
    """Return weights (p, q) minimising |x w - y|^2 + alpha |w|^2, by the smaller of the two normal equations."""
    from scipy.linalg import solve

    n, p = x.shape
    if p <= n:
        return np.asarray(solve(x.T @ x + alpha * np.eye(p), x.T @ y, assume_a="pos"))
    return np.asarray(x.T @ solve(x @ x.T + alpha * np.eye(n), y, assume_a="pos"))


def _flat_targets(data: StanceSet) -> Floats:
    """Return curves (stances, time x axes); a sample that does not count takes the mean curve's value."""
    _, y, w = data.arrays()
    counts = (w > 0)[:, :, None] & np.isfinite(y)
    return np.asarray(np.where(counts, y, mean_curve(data)), dtype=np.float64).reshape(data.size, -1)


def _best(
    data: StanceSet,
    x: Floats,
    y: Floats,
    settings: Sequence[float],
    answer: Callable[[Floats, Floats, float, Floats], Floats],
) -> float:
    """Return the setting of least squared error over held-out participants; the middle one where there is only one."""
    if len(data.participants) < 2:
        return settings[len(settings) // 2]
    people = data.per_stance("participant")
    errors = np.zeros(len(settings))
    for fold in grouped_kfold(data, k=min(5, len(data.participants)), inner=0):
        out = np.isin(people, fold.test)
        for i, setting in enumerate(settings):
            errors[i] += ((answer(x[~out], y[~out], setting, x[out]) - y[out]) ** 2).sum()
    return settings[int(np.argmin(errors))]


@dataclass
class LaggedRidge(_Baseline):
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

    def fit(self, data: StanceSet, inner: Sequence[str] = ()) -> None:
        """Gather normal equations by participant, choose the penalty over participants, solve."""
        del inner
        self._learn(data)
        self.channels = data.channels
        x = data.data["inputs"].values.reshape(-1, len(self.channels)).astype(np.float64)
        known = np.isfinite(x)
        count = np.maximum(known.sum(axis=0), 1)
        self._centre = np.where(known, x, 0.0).sum(axis=0) / count
        spread = np.sqrt(np.where(known, (x - self._centre) ** 2, 0.0).sum(axis=0) / count)
        self._size = np.where(spread > 1e-9 * (1 + np.abs(self._centre)), spread, np.inf)
        parts = [self._normal(data.of([p])) for p in data.participants]
        self.alpha = self._choose(parts)
        self._weights = _solve_normal(parts, self.alpha)

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
        for low in range(0, len(x), 128):
            part = slice(low, low + 128)
            rows, truth = self._features(x[part])[keep[part]], y[part][keep[part]].astype(np.float64)
            weight = w[part][keep[part]][:, None].astype(np.float64)
            xx += rows.T @ (weight * rows)
            xy += rows.T @ (weight * truth)
            yy += (weight * truth**2).sum(axis=0)
        return xx, xy, yy

    def _choose(self, parts: list[tuple[Floats, Floats, Floats]]) -> float:
        if len(parts) < 2:
            return self.alphas[len(self.alphas) // 2]
        groups = [list(range(i, len(parts), min(5, len(parts)))) for i in range(min(5, len(parts)))]
        errors = np.zeros(len(self.alphas))
        for out in groups:
            rest = [p for i, p in enumerate(parts) if i not in out]
            for i, alpha in enumerate(self.alphas):
                b = _solve_normal(rest, alpha)
                for xx, xy, yy in (parts[j] for j in out):
                    errors[i] += float((yy - 2 * (b * xy).sum(axis=0) + (b * (xx @ b)).sum(axis=0)).sum())
        return self.alphas[int(np.argmin(errors))]

    def predict(self, data: StanceSet) -> Floats:
        """Return the linear answer at every sample."""
        self._check(data, self.name)
        require(data.channels, self.channels, "channel")
        x = data.data["inputs"].sel(channel=list(self.channels)).values
        parts = [self._features(x[low : low + 128]) @ self._weights for low in range(0, len(x), 128)]
        return np.concatenate(parts)


def _solve_normal(parts: list[tuple[Floats, Floats, Floats]], alpha: float) -> Floats:
    """Return ridge weights of summed normal equations; the last feature, the constant, is not penalised."""
    from scipy.linalg import solve

    xx, xy = sum(p[0] for p in parts), sum(p[1] for p in parts)
    penalty = alpha * np.eye(len(xx))  # type: ignore[arg-type]
    penalty[-1, -1] = 0.0
    return np.asarray(solve(xx + penalty + 1e-9 * np.eye(len(penalty)), xy, assume_a="sym"))


@dataclass
class ScaledPressure(_Baseline):
    """Vertical force as one gain times the sum of the cells (or the load) over body weight; other axes: mean curve.

    The gain is the least-squares one over training participants. Cells that are missing count as unloaded.

    Parameters
    ----------
    patterns
        Channels that are summed: the first pattern that matches any.
    """

    name: str = "scaled pressure sum"
    patterns: tuple[str, ...] = ("cell_*", "*load*", "cell*")
    gain: float = field(default=float("nan"), init=False)
    _curve: Floats = field(default_factory=lambda: np.zeros((0, 0)), init=False)

    def _sum(self, data: StanceSet) -> Floats:
        found = [[c for c in data.channels if fnmatchcase(c, p)] for p in self.patterns]
        cells = next((c for c in found if c), None)
        if cells is None:
            raise BadInputError(
                f"{self.name} needs channels {' or '.join(self.patterns)}; the set has {', '.join(data.channels)}"
            )
        mass = data.scalar("mass_kg")
        if not np.isfinite(mass).all():
            raise BadInputError(f"{self.name} needs mass_kg of every window, and some have none; state the mass")
        total = np.nan_to_num(data.data["inputs"].sel(channel=cells).values.astype(np.float64)).sum(axis=2)
        return np.asarray(total / (mass * G)[:, None])

    def fit(self, data: StanceSet, inner: Sequence[str] = ()) -> None:
        """Fit the gain; ``inner`` counts as training."""
        del inner
        self._learn(data)
        if "vgrf" not in self.axes:
            raise BadInputError(f"{self.name} gives vgrf, which is not among the targets {', '.join(self.axes)}")
        _, y, w = data.arrays()
        load, truth = self._sum(data), np.nan_to_num(y[:, :, self.axes.index("vgrf")]).astype(np.float64)
        power = (w * load**2).sum()
        if not power > 0:
            raise BadInputError(f"{self.name}: the cells are all unloaded or missing; check their calibration")
        self.gain, self._curve = float((w * load * truth).sum() / power), mean_curve(data)

    def predict(self, data: StanceSet) -> Floats:
        """Return the scaled sum as vgrf, and the mean curve of the other axes."""
        self._check(data, self.name)
        curves = np.repeat(self._curve[None], data.size, axis=0)
        curves[:, :, self.axes.index("vgrf")] = self.gain * self._sum(data)
        return curves


def baselines(data: StanceSet, *, leaks: tuple[str, ...] = ()) -> tuple[Predictor, ...]:
    """Return every baseline that can answer for this set, not fitted."""
    found: list[Predictor] = [MeanCurve(leaks), KnownSpeedMeanCurve(leaks)]
    if data.data.attrs["window"] == "stance":
        found += [Ridge(leaks), NearestNeighbours(leaks)]
    else:
        found.append(LaggedRidge(leaks))
    cells = any(fnmatchcase(c, p) for c in data.channels for p in ScaledPressure(leaks).patterns)
    if cells and "vgrf" in data.axes:
        found.append(ScaledPressure(leaks))
    return tuple(found)
