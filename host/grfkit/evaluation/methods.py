"""The methods that an evaluation compares: baselines, networks, and networks moved from one surface to another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..learn.baselines import Baseline, baselines
from ..learn.chosen import fit_chosen
from ..learn.folds import Fold, stable_seed
from ..learn.method import FittedMethod
from ..learn.model import FittedModel, GrfModel
from ..learn.networks import NetworkConfig
from ..learn.train import fit
from ..learn.train_config import TrainConfig
from ..learn.transfer import Regime, Tuning, by_surface, limited, train_regime
from ..records.stance_set import StanceSet


@dataclass(frozen=True)
class BaselineMethod:
    """One of :func:`~grfkit.learn.baselines.baselines`, by name."""

    name: str
    statics: tuple[str, ...] = ()

    def fit(self, data: StanceSet, fold: Fold) -> Baseline:
        """Return the baseline, fitted on training and inner participants alike."""
        for baseline in baselines(data, leaks=fold.leaks, statics=self.statics):
            if baseline.name == self.name:
                baseline.fit(data)
                return baseline
        raise BadInputError(f"baseline '{self.name}' cannot be used on this set")


def baseline_methods(
    data: StanceSet, *, but: Sequence[str] = (), statics: tuple[str, ...] = ()
) -> tuple[BaselineMethod, ...]:
    """Return every baseline that can be used on a set, except those named; ``statics`` are inputs of those that can."""
    return tuple(BaselineMethod(baseline.name, statics) for baseline in baselines(data) if baseline.name not in but)


@dataclass(frozen=True)
class NetworkMethod:
    """A network; the predictions of ``seeds`` trainings from different starts are averaged."""

    name: str
    network: NetworkConfig
    config: TrainConfig
    seeds: int = 1

    def fit(self, data: StanceSet, fold: Fold) -> FittedMethod:
        """Return the network trained on the fold, or an ensemble of it; inner participants decide when to stop."""
        # gone after the fold: nobody asks it in which range it may be asked
        models = [self.train(data, fold, member=i, lasting=False) for i in range(self.seeds)]
        members = tuple(FittedModel(model, fold.leaks) for model in models)
        return members[0] if self.seeds == 1 else Ensemble(members)

    def train(self, data: StanceSet, fold: Fold, *, member: int = 0, lasting: bool = True) -> GrfModel:
        """Return the model of one start; ``lasting`` of :func:`~grfkit.learn.train.fit`."""
        # the first is the network as it would be alone, so that an ensemble of one changes nothing
        seed = self.config.seed if member == 0 else stable_seed(self.config.seed, "member", member)
        return fit(self.network, self.config.model_copy(update={"seed": seed}), data, fold, lasting=lasting)


@dataclass(frozen=True)
class ChosenMethod:
    """What ``grf-train`` would have trained of the fold's people: chosen anew in every fold, blind to its test."""

    name: str
    base: TrainConfig
    method: str = "best"

    def fit(self, data: StanceSet, fold: Fold) -> FittedModel:
        """Return the model that was chosen on people left out within the fold's training and inner part."""
        return FittedModel(self.train(data, fold), fold.leaks)

    def train(self, data: StanceSet, fold: Fold) -> GrfModel:
        """Return that model."""
        return fit_chosen(data, fold, base=self.base, method=self.method)[0]


@dataclass(frozen=True)
class Ensemble:
    """The mean prediction of several fitted methods."""

    members: tuple[FittedMethod, ...]

    def predict(self, data: StanceSet) -> Floats:
        """Return the mean prediction in BW, shape (stances, time, axes)."""
        return np.asarray(np.mean([member.predict(data) for member in self.members], axis=0))


@dataclass(frozen=True)
class TransferMethod:
    """A network trained by one regime from one surface to the other; the tested are out of both."""

    name: str
    regime: Regime
    network: NetworkConfig
    config: TrainConfig
    tuning: Tuning | None = None
    target_people: int | None = None

    def fit(self, data: StanceSet, fold: Fold) -> FittedModel:
        """Return the network trained as the regime says; the set holds windows of both surfaces."""
        # no leaks of the fold: a regime is proven on folds over people, which have none
        return FittedModel(self.train(data, fold))

    def train(self, data: StanceSet, fold: Fold) -> GrfModel:
        """Return the model of the regime."""
        source, target = by_surface(data)
        if self.target_people is not None:
            target = limited(target, fold, self.target_people)
        return train_regime(self.regime, self.network, self.config, source, target, fold, tuning=self.tuning)
