"""Methods that a network has to beat on the same windows: mean curves, ridge, nearest neighbours, pressure, physics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..records.stance_set import StanceSet
from ..units import G
from .baseline_base import Baseline, FlatBaseline, best_setting, flat_targets, mean_curve
from .batches import require
from .film_baselines import film_baselines, of_film
from .ridge import LaggedRidge, Ridge, ridge_answer

__all__ = [
    "Baseline",
    "KnownSpeedMeanCurve",
    "LaggedRidge",
    "MeanCurve",
    "NearestNeighbours",
    "PhysicsPrior",
    "Ridge",
    "ScaledPressure",
    "baselines",
    "mean_curve",
    "nearest_mean",
    "ridge_answer",
]


@dataclass
class MeanCurve(Baseline):
    """The mean curve of the training participants, each of whom counts alike; one constant in continuous windows."""

    name: str = "mean curve"
    _curve: Floats = field(default_factory=lambda: np.zeros((0, 0)), init=False)

    def fit(self, data: StanceSet) -> None:
        """Average."""
        self.remember(data)
        self._curve = mean_curve(data)

    def predict(self, data: StanceSet) -> Floats:
        """Return the same curve for every window."""
        self.check(data)
        return np.repeat(self._curve[None], data.size, axis=0)


@dataclass
class KnownSpeedMeanCurve(Baseline):
    """The mean curve at the training speed (or of the condition) nearest to that of the window.

    A participant who was not measured at a speed does not count there. Where the speed is not known, windows of the
    same ``condition`` label count; where no training window has it, all do.

    Parameters
    ----------
    step_m_s
        Speeds that round to the same multiple of this count as one.
    """

    name: str = "mean curve of the known speed"
    step_m_s: float = 0.1
    _curves: dict[str, Floats] = field(default_factory=dict, init=False)
    _speeds: Floats = field(default_factory=lambda: np.zeros(0), init=False)

    def _rounded(self, data: StanceSet) -> Floats:
        return np.asarray(np.round(data.scalar("speed_m_s") / self.step_m_s), dtype=np.float64)

    def fit(self, data: StanceSet) -> None:
        """Average by speed and by condition."""
        self.remember(data)
        speeds, labels = self._rounded(data), data.per_stance("condition")
        self._speeds = np.unique(speeds[np.isfinite(speeds)])
        self._curves = {"": mean_curve(data)}
        self._curves |= {f"condition {c}": mean_curve(data.where(labels == c)) for c in np.unique(labels) if c}
        self._curves |= {f"speed {v:g}": mean_curve(data.where(speeds == v)) for v in self._speeds}

    def predict(self, data: StanceSet) -> Floats:
        """Return for every window the curve of its speed or condition."""
        self.check(data)
        curves = []
        for speed, label in zip(self._rounded(data), data.per_stance("condition")):
            key = f"condition {label}"
            if np.isfinite(speed) and self._speeds.size:
                key = f"speed {self._speeds[np.argmin(np.abs(self._speeds - speed))]:g}"
            # a condition never trained on: the mean curve of all, under the empty key
            curves.append(self._curves.get(key, self._curves[""]))
        return np.stack(curves)


@dataclass
class NearestNeighbours(FlatBaseline):
    """The mean curve of the k training stances nearest in z-scored inputs; k chosen over participants."""

    name: str = "kNN"
    every: int = 4
    ks: tuple[int, ...] = (1, 3, 5, 10, 20)
    k: int = field(default=0, init=False)
    _x: Floats = field(default_factory=lambda: np.zeros((0, 0)), init=False)
    _y: Floats = field(default_factory=lambda: np.zeros((0, 0)), init=False)

    def fit(self, data: StanceSet) -> None:
        """Choose k and keep the stances."""
        self._x, self._y = self.learn_flat(data), flat_targets(data)
        self.k = int(best_setting(data, self._x, self._y, self.ks, nearest_means))

    def predict(self, data: StanceSet) -> Floats:
        """Return the mean of the nearest curves for every window."""
        self.check(data)
        curves = nearest_mean(self._x, self._y, self.k, self.scaled(self.flat(data)))
        return curves.reshape(data.size, self.points, len(self.axes))


def nearest_mean(x: Floats, y: Floats, k: float, at: Floats) -> Floats:
    """Return the mean of ``y`` over the ``k`` rows of ``x`` nearest (Euclid) to each row of ``at``."""
    return next(nearest_means(x, y, (k,), at))


def nearest_means(x: Floats, y: Floats, ks: Sequence[float], at: Floats) -> Iterator[Floats]:
    """Give for each ``k`` the mean of ``y`` over the ``k`` nearest rows, sorted once; see :func:`nearest_mean`."""
    # |a - b|^2 multiplied out: one matrix product instead of an array (m, n, p)
    apart = (at**2).sum(axis=1)[:, None] - 2 * at @ x.T + (x**2).sum(axis=1)
    # stable: of equally near stances the earlier counts, on every machine
    rows = np.argsort(apart, axis=1, kind="stable")[:, : min(int(max(ks)), len(x))]
    for k in ks:
        yield np.stack([y[r[: int(k)]].mean(axis=0) for r in rows])


@dataclass
class ScaledPressure(Baseline):
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
        matches = [[c for c in data.channels if fnmatchcase(c, p)] for p in self.patterns]
        cells = next((c for c in matches if c), None)
        if cells is None:
            raise BadInputError(
                f"{self.name} needs channels {' or '.join(self.patterns)}; the set has {', '.join(data.channels)}"
            )
        mass = data.scalar("mass_kg")
        if not np.isfinite(mass).all():
            raise BadInputError(f"{self.name} needs mass_kg of every window, and some have none; state the mass")
        total = np.nan_to_num(data.data["inputs"].sel(channel=cells).values.astype(np.float64)).sum(axis=2)
        return np.asarray(total / (mass * G)[:, None])

    def fit(self, data: StanceSet) -> None:
        """Fit the gain."""
        self.remember(data)
        if "vgrf" not in self.axes:
            raise BadInputError(f"{self.name} gives vgrf, which is not among the targets {', '.join(self.axes)}")
        _, y, w = data.arrays()
        load, truth = self._sum(data), np.nan_to_num(y[:, :, self.axes.index("vgrf")]).astype(np.float64)
        power = (w * load**2).sum()
        if not power > 0:
            raise BadInputError(f"{self.name}: the cells are all unloaded or missing; check their calibration")
        # a line through zero, without an offset: an unloaded insole has to give no force
        self.gain, self._curve = float((w * load * truth).sum() / power), mean_curve(data)

    def predict(self, data: StanceSet) -> Floats:
        """Return the scaled sum as vgrf, and the mean curve of the other axes."""
        self.check(data)
        curves = np.repeat(self._curve[None], data.size, axis=0)
        curves[:, :, self.axes.index("vgrf")] = self.gain * self._sum(data)
        return curves


@dataclass
class PhysicsPrior(Baseline):
    """The force on the body by its trunk's acceleration, where the windows hold it; other axes: mean curve.

    From the channels ``physics_v``, ``physics_ap`` and ``physics_ml``
    (:func:`~grfkit.dataset.motion.physics_bw`). The force is that on both feet: in double support it is an upper
    bound of the vertical force on one foot, and in continuous windows it is the other foot's while this one swings.
    A sample whose channel is missing gets the mean curve's.

    Parameters
    ----------
    fit_gain
        Scale each axis by the least-squares gain over training participants; without, nothing is learnt.
    """

    name: str = "physics prior"
    fit_gain: bool = False
    gains: dict[str, float] = field(default_factory=dict, init=False)
    _curve: Floats = field(default_factory=lambda: np.zeros((0, 0)), init=False)

    def fit(self, data: StanceSet) -> None:
        """Keep the mean curve and fit the gains, if any."""
        used = [a for a in data.axes if physics_channel(a) in data.channels]
        if not used:
            channels = " or ".join(physics_channel(a) for a in data.axes)
            raise BadInputError(f"{self.name} needs channels {channels}; the set has {', '.join(data.channels)}")
        self.remember(data)
        self._curve = mean_curve(data)
        self.gains = {a: self._gain(data, a) if self.fit_gain else 1.0 for a in used}

    def _gain(self, data: StanceSet, axis: str) -> float:
        _, y, w = data.arrays()
        prior, truth = _channel(data, axis), y[:, :, self.axes.index(axis)].astype(np.float64)
        valid = (w > 0) & np.isfinite(prior) & np.isfinite(truth)
        power = float((w[valid] * prior[valid] ** 2).sum())
        return float((w[valid] * prior[valid] * truth[valid]).sum()) / power if power > 0 else 1.0

    def predict(self, data: StanceSet) -> Floats:
        """Return the force by the channels, and the mean curve of axes without one."""
        self.check(data)
        require(data.channels, tuple(physics_channel(a) for a in self.gains), "channel")
        forces = np.repeat(self._curve[None], data.size, axis=0)
        for axis, gain in self.gains.items():
            prior = gain * _channel(data, axis)
            column = self.axes.index(axis)
            forces[:, :, column] = np.where(np.isfinite(prior), prior, forces[:, :, column])
        return forces


def physics_channel(axis: str) -> str:
    """Return the input channel with the physics of an axis: ``physics_v`` for ``vgrf``."""
    return f"physics_{axis.removesuffix('grf')}"


def _channel(data: StanceSet, axis: str) -> Floats:
    return np.asarray(data.data["inputs"].sel(channel=physics_channel(axis)).values, dtype=np.float64)


def baselines(data: StanceSet, *, leaks: tuple[str, ...] = (), statics: tuple[str, ...] = ()) -> tuple[Baseline, ...]:
    """Return every baseline that can be used on this set, not fitted; ``statics`` are inputs of ridge and kNN, too."""
    if of_film(data):
        return film_baselines(data, leaks=leaks)
    methods: list[Baseline] = [MeanCurve(leaks), KnownSpeedMeanCurve(leaks)]
    # whole-curve methods need a common phase, which continuous windows do not have
    if data.data.attrs["window"] == "stance":
        methods += [Ridge(leaks, statics=statics), NearestNeighbours(leaks, statics=statics)]
    else:
        methods.append(LaggedRidge(leaks))
    cells = any(fnmatchcase(c, p) for c in data.channels for p in ScaledPressure(leaks).patterns)
    if cells and "vgrf" in data.axes:
        methods.append(ScaledPressure(leaks))
    if any(physics_channel(a) in data.channels for a in data.axes):
        methods.append(PhysicsPrior(leaks))
    return tuple(methods)
