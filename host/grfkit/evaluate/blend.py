"""Blend: several methods weighed axis by axis, the weights chosen on inner participants none of them was fitted on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..learn.baselines import Predictor
from ..learn.folds import Fold
from ..learn.model import predict
from ..records.stance_set import StanceSet
from .predictions import Ensemble, FoldNetwork, Method
from .wrapped import Narrowed, on_channels

STEPS = 4


@dataclass(frozen=True)
class BlendMethod:
    """The weighed mean of other methods.

    Attributes
    ----------
    members
        Methods. A network stops early on the same inner participants, which favours it a little there; any other is
        fitted without them, and again with them once the weights are chosen.
    """

    name: str
    members: tuple[Method, ...]

    def predictor(self, data: StanceSet, fold: Fold) -> Predictor:
        """Return the untrained blend."""
        return Blend(self, fold, data)


@dataclass
class Blend:
    """A blend on one fold; ``weights`` has shape (members, axes)."""

    method: BlendMethod
    fold: Fold
    data: StanceSet
    weights: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    fitted: list[Predictor] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return the method's name."""
        return self.method.name

    def fit(self, data: StanceSet, inner: Sequence[str]) -> None:
        """Fit the members without the inner participants, weigh them there, and fit again those that are to be.

        Raises
        ------
        BadInputError
            If the fold splits by anything but participants, or has nobody inner.
        """
        if self.fold.unit != "participant" or not inner:
            raise BadInputError(f"{self.name} chooses its weights on inner participants; the fold has none")
        rest, near = data.without(inner), data.of(inner)
        self.fitted, said = [], []
        for member in self.method.members:
            one = member.predictor(data, self.fold)
            known = data if has_network(one) else rest
            one.fit(known, inner if has_network(one) else ())
            said.append(_inner_answers(one, near))
            self.fitted.append(one)
        self.weights = chosen_weights(np.stack(said), near)
        for i, member in enumerate(self.method.members):
            if not has_network(self.fitted[i]):
                self.fitted[i] = member.predictor(data, self.fold)
                self.fitted[i].fit(data, ())

    def predict(self, data: StanceSet) -> Floats:
        """Return forces in BW, shape (stances, time, axes)."""
        if not self.fitted:
            raise BadInputError(f"{self.name} has not been fitted; call fit first")
        said = np.stack([one.predict(data) for one in self.fitted])
        return np.asarray(np.einsum("ka,knta->nta", self.weights, said))


def has_network(one: Predictor) -> bool:
    """Return whether a predictor trains a network, which needs inner participants to stop."""
    inside = [one.inside] if isinstance(one, Narrowed) else one.members if isinstance(one, Ensemble) else ()
    return isinstance(one, FoldNetwork) or any(has_network(i) for i in inside)


def _inner_answers(one: Predictor, near: StanceSet) -> Floats:
    """Return answers for inner participants; a network remembers them as seen, which is what they are."""
    if isinstance(one, Narrowed):
        return _inner_answers(one.inside, on_channels(near, one.patterns))
    if isinstance(one, Ensemble):
        return np.asarray(np.mean([_inner_answers(i, near) for i in one.members], axis=0))
    if isinstance(one, FoldNetwork) and one.model is not None:
        return predict(one.model, near, leaks=("inner participants choose the weights",))
    return one.predict(near)


def chosen_weights(said: Floats, near: StanceSet) -> Floats:
    """Return the weights (members, axes) of least RMSE, participants alike: on a grid of quarters that sum to 1.

    Parameters
    ----------
    said
        Shape (members, stances, time, axes).
    """
    _, y, w = near.arrays()
    counts = (w > 0)[:, :, None] & np.isfinite(y)
    people = near.per_stance("participant")
    members, axes = len(said), said.shape[3]
    grid = [g for g in itertools.product(range(STEPS + 1), repeat=members) if sum(g) == STEPS]
    best = np.zeros((members, axes))
    for axis in range(axes):
        errors = []
        for weights in grid:
            mixed = np.tensordot(np.asarray(weights) / STEPS, said[..., axis], axes=1)
            off = np.where(counts[:, :, axis], mixed - np.nan_to_num(y[:, :, axis]), 0.0) ** 2
            size = np.maximum(counts[:, :, axis].sum(axis=1), 1)
            rmse = np.sqrt(off.sum(axis=1) / size)
            errors.append(np.mean([rmse[people == p].mean() for p in near.participants]))
        best[:, axis] = np.asarray(grid[int(np.argmin(errors))]) / STEPS
    return best
