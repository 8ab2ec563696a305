"""Blend: several methods weighed axis by axis, the weights chosen on inner participants none of them was fitted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..learn.choice import mixing_weights
from ..learn.folds import Fold
from ..learn.method import FittedMethod, Method
from ..learn.model import FittedModel, predict
from ..records.stance_set import StanceSet
from .methods import Ensemble, NetworkMethod
from .nested_search import SearchedMethod
from .wrapped import FittedOnChannels, OnChannels, on_channels


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

    def fit(self, data: StanceSet, fold: Fold) -> Blend:
        """Return the members fitted without the inner participants, weighed there, and then fitted on all.

        Raises
        ------
        BadInputError
            If the fold splits by anything but participants, or has nobody inner.
        """
        inner = [person for person in fold.inner if person in data.participants]
        if fold.unit != "participant" or not inner:
            raise BadInputError(f"{self.name} chooses its weights on inner participants; the fold has none")
        rest, near = data.without(inner), data.of(inner)
        # other methods are fitted without the inner participants here, because their weights are chosen on them
        fitted = [member.fit(data if has_network(member) else rest, fold) for member in self.members]
        # axis by axis: the best method for the vertical force need not be the best for the small axes
        weights = chosen_weights(np.stack([_inner_predictions(member, near) for member in fitted]), near)
        # a network needs the inner participants to stop; the others learn from them, too, once the weights are chosen
        final = [first_fit if has_network(m) else m.fit(data, fold) for m, first_fit in zip(self.members, fitted)]
        return Blend(tuple(final), weights)


@dataclass(frozen=True)
class Blend:
    """A blend fitted on one fold; ``weights`` has shape (members, axes)."""

    members: tuple[FittedMethod, ...]
    weights: Floats

    def predict(self, data: StanceSet) -> Floats:
        """Return forces in BW, shape (stances, time, axes)."""
        forces = np.stack([member.predict(data) for member in self.members])
        # a member of weight 0 has no say: what it does not know makes nothing unknown
        forces = np.where(self.weights[:, None, None, :] > 0, forces, 0.0)
        return np.asarray(np.einsum("ka,knta->nta", self.weights, forces))


def has_network(method: Method) -> bool:
    """Return whether a method trains a network, which needs inner participants to stop."""
    if isinstance(method, OnChannels):
        return has_network(method.member)
    return isinstance(method, NetworkMethod | SearchedMethod)


def _inner_predictions(fitted: FittedMethod, near: StanceSet) -> Floats:
    """Return predictions for inner participants; a network remembers them as seen, which is what they are."""
    if isinstance(fitted, FittedOnChannels):
        return _inner_predictions(fitted.member, on_channels(near, fitted.patterns))
    if isinstance(fitted, Ensemble):
        return np.asarray(np.mean([_inner_predictions(member, near) for member in fitted.members], axis=0))
    if isinstance(fitted, FittedModel):
        return predict(fitted.model, near, leaks=("inner participants choose the weights",))
    return fitted.predict(near)


def chosen_weights(predictions: Floats, near: StanceSet) -> Floats:
    """Return the weights (members, axes) of least RMSE, participants alike: on a grid of quarters that sum to 1.

    Parameters
    ----------
    predictions
        Shape (members, stances, time, axes). Samples that one of the members does not predict (NaN) count for none.

    Raises
    ------
    BadInputError
        If no sample that counts is predicted by every member.
    """
    _, y, w = near.arrays()
    # the same samples for all: a member must not win because the others alone are tried where it says nothing
    counts = (w > 0)[:, :, None] & np.isfinite(y) & np.isfinite(predictions).all(axis=0)
    if not counts.any(axis=(0, 1)).all():
        raise BadInputError(
            "no sample of the inner participants is predicted by every member of the blend, so that no weights can be"
            " chosen; leave out the member that predicts nothing, or the windows without inputs"
        )
    return mixing_weights(near, predictions, near.axes)
