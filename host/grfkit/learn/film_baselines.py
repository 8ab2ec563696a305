"""What an estimate from a film has to beat on the same windows: constants, mean curves by known phase, image kernel."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..dataset.from_pictures import ONSET, of_pictures
from ..errors import BadInputError
from ..records.stance_set import StanceSet
from .baseline_base import Baseline
from .batches import require
from .folds import grouped_kfold
from .kernel import Solved, distances_of_rows, solve_kernel
from .picture_components import Components, components

KNOWS = "(knows the stance's limits)"
"""Ends the name of a method that is told when the tested foot landed and left: no film tells that for nothing."""
_POINTS = 101
_BIN_M_S = 0.2
"""Width (m/s) of the kernel that weighs training stances by how near their speed is. Chosen by hand: a fifth of the
range of comfortable walks."""


def of_film(data: StanceSet) -> bool:
    """Return whether the windows are clips around stances of a film, or hold pictures."""
    if data.data.attrs["window"] != "continuous":
        return False
    return of_pictures(data.channels) or _phase_known(data)


def _phase_known(data: StanceSet) -> bool:
    if ONSET not in {str(n) for n in data.data["scalar"].values}:
        return False
    return bool(np.isfinite(data.scalar(ONSET)).all() and np.isfinite(data.scalar("contact_s")).all())


def film_baselines(data: StanceSet, *, leaks: tuple[str, ...] = ()) -> tuple[Baseline, ...]:
    """Return the baselines that can be used on clips of a film, not fitted."""
    methods: list[Baseline] = [ConstantMedian(leaks)]
    if _phase_known(data):
        methods.append(PhaseMeanCurve(leaks))
        if np.isfinite(data.scalar("speed_m_s")).all():
            methods.append(SpeedMeanCurve(leaks))
    if of_pictures(data.channels):
        methods.append(ImageKernel(leaks))
    return tuple(methods)


def _counted(data: StanceSet) -> tuple[Floats, NDArray[np.bool_]]:
    """Return targets (windows, time, axes) and which samples count (windows, time)."""
    y = np.asarray(data.data["targets"].values, dtype=np.float64)
    return y, np.asarray((data.data["weight"].values > 0) & np.isfinite(y).all(axis=2))


@dataclass
class ConstantMedian(Baseline):
    """The median force of all training samples, at every moment: what a network at chance level says."""

    name: str = "constant median"
    _median: Floats = field(default_factory=lambda: np.zeros(0), init=False)

    def fit(self, data: StanceSet) -> None:
        """Take the medians."""
        self.remember(data)
        y, counted = _counted(data)
        self._median = np.median(y[counted], axis=0)

    def predict(self, data: StanceSet) -> Floats:
        """Return the same force everywhere."""
        self.check(data)
        return np.tile(self._median, (data.size, self.points, 1))


@dataclass
class PhaseMeanCurve(Baseline):
    """The mean curve over the phase of the stance, which it is told: each person counts alike."""

    name: str = f"mean curve by known phase {KNOWS}"
    _curves: Floats = field(default_factory=lambda: np.zeros((0, 0, 0)), init=False)
    _people: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, dtype=str), init=False)
    _speeds: Floats = field(default_factory=lambda: np.zeros(0), init=False)
    _rate_hz: float = field(default=float("nan"), init=False)

    def fit(self, data: StanceSet) -> None:
        """Keep every stance as a curve of 101 points."""
        self.remember(data)
        self._rate_hz = float(data.data.attrs["rate_hz"])
        y, counted = _counted(data)
        grid = np.linspace(0.0, 1.0, _POINTS)
        phases = self._phase(data)
        curves = [
            np.stack([np.interp(grid, p[c], force[c, i]) for i in range(y.shape[2])], axis=1)
            for force, c, p in zip(y, counted, phases)
        ]
        self._curves, self._people = np.stack(curves), data.per_stance("participant")
        self._speeds = data.scalar("speed_m_s")

    def _phase(self, data: StanceSet) -> Floats:
        """Return the phase of every sample, 0 at contact and 1 at toe-off, shape (windows, time)."""
        time = np.arange(int(data.data.sizes["time"])) / self._rate_hz
        return np.asarray((time - data.scalar(ONSET)[:, None]) / data.scalar("contact_s")[:, None])

    def _shares(self, data: StanceSet) -> Floats:
        """Return how much each training stance counts for each window, shape (windows, training stances)."""
        of_person = {p: 1.0 / (self._people == p).sum() for p in np.unique(self._people)}
        return np.tile([of_person[p] for p in self._people], (data.size, 1))

    def predict(self, data: StanceSet) -> Floats:
        """Return the curve at the phase of every sample; before and after the stance its first and last value."""
        self.check(data)
        shares = self._shares(data)
        shares = shares / shares.sum(axis=1, keepdims=True)
        curves = np.einsum("ws,spa->wpa", shares, self._curves)
        grid = np.linspace(0.0, 1.0, _POINTS)
        return np.stack(
            [
                np.stack([np.interp(p, grid, curve[:, i]) for i in range(curve.shape[1])], axis=1)
                for p, curve in zip(self._phase(data), curves)
            ]
        )


@dataclass
class SpeedMeanCurve(PhaseMeanCurve):
    """The same, of training stances at about the speed of the tested one, which it is told, too."""

    name: str = f"mean curve of the known speed {KNOWS}"

    def _shares(self, data: StanceSet) -> Floats:
        apart = (data.scalar("speed_m_s")[:, None] - self._speeds) / _BIN_M_S
        # the nearest one always counts, however far it is
        apart = apart**2 - (apart**2).min(axis=1, keepdims=True)
        return np.asarray(super()._shares(data) * np.exp(-0.5 * apart))


@dataclass
class ImageKernel(Baseline):
    """Kernel ridge on the main components of the pictures at a few frames, without a network.

    Parameters
    ----------
    lags
        Frames, relative to the answered one; beyond the clip its border stands.
    count
        Components of a picture.
    most
        At most so many training frames, evenly spread.
    widths, penalties
        Tried on groups of training people: kernel width as a multiple of the median squared distance, and penalty.
    """

    name: str = "image kernel"
    lags: tuple[int, ...] = (-4, -3, -2, -1, 0)
    count: int = 40
    most: int = 2500
    widths: tuple[float, ...] = (0.3, 1.0, 3.0)
    penalties: tuple[float, ...] = (1e-2, 1e-1)
    settings: list[tuple[float, float]] = field(default_factory=list, init=False)
    channels: tuple[str, ...] = field(default=(), init=False)

    def fit(self, data: StanceSet) -> None:
        """Find the components, choose the settings over people, then fit everyone."""
        self.remember(data)
        self.channels = data.channels
        y, counted = _counted(data)
        pictures = self._pictures(data)
        self._components: Components = components(pictures[counted], self.count)
        people = np.repeat(data.per_stance("participant")[:, None], counted.shape[1], axis=1)[counted]
        step = max(1, -(-len(people) // self.most))
        x, force, people = self._features(pictures)[counted][::step], y[counted][::step], people[::step]
        self._x = x
        apart = distances_of_rows(x, x)
        self._median = float(np.median(apart))
        self.settings = self._choose(data, apart, force, people)
        self._solved: list[Solved] = [
            solve_kernel(apart, force[:, i : i + 1], w * self._median, p) for i, (w, p) in enumerate(self.settings)
        ]

    def _pictures(self, data: StanceSet) -> Floats:
        require(data.channels, self.channels, "channel")
        at = [data.channels.index(c) for c in self.channels]
        pictures = np.asarray(data.data["inputs"].values, dtype=np.float64)
        # a moment without a picture is black
        return np.nan_to_num(pictures if at == list(range(pictures.shape[2])) else pictures[:, :, at])

    def _features(self, pictures: Floats) -> Floats:
        """Return the components at all lags, shape (windows, time, lags x components)."""
        found = self._components
        # not in SDs: small components are mostly noise, and would count like the first ones
        scores = (pictures - found.mean) @ found.basis
        at = np.clip(np.arange(scores.shape[1])[:, None] + np.asarray(self.lags), 0, scores.shape[1] - 1)
        return np.asarray(scores[:, at].reshape(*scores.shape[:2], -1))

    def _choose(
        self, data: StanceSet, apart: Floats, force: Floats, people: NDArray[np.str_]
    ) -> list[tuple[float, float]]:
        settings = list(itertools.product(self.widths, self.penalties))
        if len(data.participants) < 3:
            return [settings[len(settings) // 2]] * force.shape[1]
        errors = np.zeros((len(settings), force.shape[1]))
        for fold in grouped_kfold(data, k=3, inner=0):
            out = np.isin(people, fold.test)
            near, far = apart[np.ix_(~out, ~out)], apart[np.ix_(out, ~out)]
            for i, (width, penalty) in enumerate(settings):
                solved = solve_kernel(near, force[~out], width * self._median, penalty)
                answer = np.exp(-far / (width * self._median)) @ solved.weights + solved.mean
                errors[i] += np.abs(answer - force[out]).sum(axis=0)
        return [settings[int(k)] for k in errors.argmin(axis=0)]

    def predict(self, data: StanceSet) -> Floats:
        """Return the force at every frame."""
        self.check(data)
        if not self._solved:
            raise BadInputError(f"{self.name} has not been fitted; call fit first")
        x = self._features(self._pictures(data))
        apart = distances_of_rows(x.reshape(-1, x.shape[2]), self._x)
        parts = [
            np.exp(-apart / (w * self._median)) @ s.weights + s.mean for (w, _), s in zip(self.settings, self._solved)
        ]
        return np.concatenate(parts, axis=1).reshape(data.size, self.points, len(self.axes))
