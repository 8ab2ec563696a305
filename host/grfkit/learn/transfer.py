"""Transfer between surfaces: eight regimes from treadmill to overground, blind to the tested on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..records.participants import check_names
from ..records.stance_set import StanceSet, join
from .folds import Fold, stable_seed
from .model import GrfModel, predict
from .networks import NetworkConfig
from .scaler import Scaler
from .train import fine_tune, fit, training_scaler
from .train_config import Mode, Progress, TrainConfig

Regime = Literal["A", "B", "C1", "C2", "C3", "D", "D2", "D3"]
REGIMES: tuple[Regime, ...] = get_args(Regime)
MEANING: dict[Regime, str] = {
    "A": "source only (treadmill)",
    "B": "target only (overground)",
    "C1": "source, then all weights fine-tuned on the target",
    "C2": "source, then the head fine-tuned on the target",
    "C3": "source, then unfrozen gradually on the target",
    "D": "both together",
    "D2": "both together, as many of each surface in every batch",
    "D3": "both together, then all weights fine-tuned on the target",
}
_TUNING: dict[Regime, Mode] = {"C1": "all", "C2": "head", "C3": "gradual", "D3": "all"}


@dataclass(frozen=True)
class Tuning:
    """How the second training of C1, C2, C3 and D3 differs from the first.

    Attributes
    ----------
    lr_factor
        Of the learning rate: a tenth after Carter 2025's fine-tuning as systems.md 1.8 chooses it.
    head_lr_factor
        The same for C2, where the rest of the network cannot drift.
    epochs, patience
        Of the second training; None: as in the first.
    """

    lr_factor: float = 0.1
    head_lr_factor: float = 1.0
    epochs: int | None = None
    patience: int | None = 5


def by_surface(
    data: StanceSet, *, source: str = "treadmill", target: str = "overground"
) -> tuple[StanceSet, StanceSet]:
    """Return the windows of the source surface and those of the target.

    Raises
    ------
    BadInputError
        If either has none, or a window is of neither.
    """
    surfaces = data.per_stance("surface")
    labels = sorted(set(surfaces.tolist()))
    if labels != sorted((source, target)):
        raise BadInputError(
            f"transfer needs windows of the surfaces {source} and {target}; the set has"
            f" {', '.join(labels).strip(', ') or 'none that is named'}"
        )
    return data.where(surfaces == source), data.where(surfaces == target)


def transfer_folds(source: StanceSet, target: StanceSet, *, inner: int = 1) -> tuple[Fold, ...]:
    """Return one fold per target participant, tested on that one, over the participants of both surfaces.

    A name is a person: someone in both sets under one name is held out of both. Inner participants are of the target
    where at least one other is left there to train on, else of the source.

    Raises
    ------
    BadInputError
        If nobody is left to train on, or the sets spell a participant in two ways.
    """
    people = sorted({*source.participants, *target.participants})
    check_names(people)
    folds = []
    for person in target.participants:
        others = [p for p in people if p != person]
        near = [p for p in others if p in target.participants]
        # one of the pool has to stay in training
        pool, spare = (near, len(near) - 1) if len(near) > 1 else (others, len(others) - 1)
        inner_people = tuple(sorted(_drawn(pool, (person,), min(inner, max(spare, 0)))))
        train = tuple(p for p in others if p not in inner_people)
        if not train:
            raise BadInputError(f"participant {person} is the only one on both surfaces; nobody is left to train on")
        folds.append(Fold(f"transfer:{person}", train, inner_people, (person,)))
    return tuple(folds)


def _drawn(pool: Sequence[str], test: Sequence[str], count: int) -> list[str]:
    """Return ``count`` of the pool by a hash of their and the tested names: the first few of more are the same ones."""
    return sorted(pool, key=lambda p: (stable_seed("inner", *sorted(test), p), p))[:count]


def limited(target: StanceSet, fold: Fold, count: int) -> StanceSet:
    """Return the target windows of so many participants, none of them tested: how few people are enough?

    Inner participants count and come first; two are a part of four, and four of eight.

    Raises
    ------
    BadInputError
        If ``count`` is below 1 or there are fewer.
    """
    have = [p for p in target.participants if p not in fold.test]
    if not 1 <= count <= len(have):
        raise BadInputError(f"{count} target participants are asked for, and {len(have)} are not tested")
    inner = [p for p in have if p in fold.inner]
    rest = [p for p in have if p not in fold.inner]
    # one has to train: with a count of one nobody is inner
    first = inner[: max(count - 1, 0)]
    return target.of([*first, *_drawn(rest, (*fold.test, "limited"), count - len(first))])


def train_regime(
    regime: Regime,
    network: NetworkConfig,
    config: TrainConfig,
    source: StanceSet,
    target: StanceSet,
    fold: Fold,
    *,
    tuning: Tuning | None = None,
    scaler_of: Literal["union", "source"] = "union",
    progress: Progress | None = None,
    checkpoints: Path | None = None,
) -> GrfModel:
    """Return the model of one regime for one fold.

    Parameters
    ----------
    regime
        One of :data:`REGIMES`; :data:`MEANING` says what each is.
    source, target
        Windows of the two surfaces without anyone tested, alike in channels, units, axes and kind of window.
    fold
        Over the participants of both, as :func:`transfer_folds` makes them. Target windows of its inner participants
        decide when to stop; where the source alone is trained on and none of them is in it, one of the source does.
    scaler_of
        C regimes: whether the scaler is of the training windows of both surfaces or of the source's. A takes the
        source's, B the target's, D both.
    checkpoints
        Folder for the state of the trainings, so that a run that was killed goes on; C1, C2 and C3 share the first.

    Raises
    ------
    LeakError
        If one of the tested is in either set, or in the search that chose the settings.
    BadInputError
        If the regime is unknown, the sets differ, a surface is empty of training participants, or D2 cannot tell the
        surfaces apart.
    """
    if regime not in REGIMES:
        raise BadInputError(f"there is no regime '{regime}'; there are {', '.join(REGIMES)}")
    for data in (source, target):
        _check_people(fold, data)
    _check_alike(source, target)
    run = _Run(network, config, progress, checkpoints)
    near = _restricted(fold, target)
    if regime == "B":
        return run.fit("B", target, near)
    first = _on_both if regime.startswith("D") else _on_source
    model = first(run, regime, source, target, fold, scaler_of)
    if regime not in _TUNING:
        return model
    return run.tune(regime, model, target, near, tuning or Tuning())


@dataclass(frozen=True)
class _Run:
    """The arguments that all trainings of a regime share."""

    network: NetworkConfig
    config: TrainConfig
    progress: Progress | None
    checkpoints: Path | None

    def _state(self, name: str) -> Path | None:
        if self.checkpoints is None:
            return None
        self.checkpoints.mkdir(parents=True, exist_ok=True)
        return self.checkpoints / f"{name}.safetensors"

    def fit(
        self, name: str, data: StanceSet, fold: Fold, *, scaler: Scaler | None = None, balance: bool = False
    ) -> GrfModel:
        """Return a first training, whose state has this name."""
        config = self.config.model_copy(update={"balance_batches": "surface"}) if balance else self.config
        return fit(
            self.network, config, data, fold, scaler=scaler, progress=self.progress, checkpoint=self._state(name)
        )

    def tune(self, regime: Regime, model: GrfModel, data: StanceSet, fold: Fold, tuning: Tuning) -> GrfModel:
        """Return the second training of a regime."""
        changed = {"epochs": tuning.epochs, "patience": tuning.patience}
        return fine_tune(
            model,
            self.config.model_copy(update={k: v for k, v in changed.items() if v is not None}),
            data,
            fold,
            mode=_TUNING[regime],
            lr_factor=tuning.head_lr_factor if regime == "C2" else tuning.lr_factor,
            progress=self.progress,
            checkpoint=self._state(regime),
        )


def _on_source(run: _Run, regime: Regime, source: StanceSet, target: StanceSet, fold: Fold, scaler_of: str) -> GrfModel:
    """Return the model of A, or the one the C regimes begin with."""
    far, near = _source_fold(fold, source), _restricted(fold, target)
    if regime == "A" or scaler_of == "source":
        return run.fit("source", source, far)
    # the source's training sees the target's scaling, else fine-tuning would begin with inputs out of range
    scaler = training_scaler(run.config, join([source.of(far.train), target.of(near.train)]))
    return run.fit("source_union", source, far, scaler=scaler)


def _on_both(run: _Run, regime: Regime, source: StanceSet, target: StanceSet, fold: Fold, scaler_of: str) -> GrfModel:
    """Return the model of D or D2, or the one D3 begins with: its scaler is of both whatever is asked."""
    del scaler_of
    both, fold_of_both = _together(source, target, fold)
    if regime == "D2":
        _check_surfaces(source, target)
        return run.fit("D2", both, fold_of_both, balance=True)
    return run.fit("D", both, fold_of_both)


@dataclass(frozen=True)
class RegimePrediction:
    """A model of one regime, the tested windows of the target, and what the model says of them in BW."""

    model: GrfModel
    test: StanceSet
    forces_bw: Floats


def predict_regime(
    regime: Regime,
    network: NetworkConfig,
    config: TrainConfig,
    source: StanceSet,
    target: StanceSet,
    fold: Fold,
    *,
    tuning: Tuning | None = None,
    progress: Progress | None = None,
    checkpoints: Path | None = None,
) -> RegimePrediction:
    """Return the answer of one regime for the tested of a fold: whole sets in, the tested are taken out of both here.

    Raises
    ------
    BadInputError
        As :func:`train_regime`, or if the target holds no window of the tested.
    """
    test = fold.of(target, "test")
    far, near = source.without(fold.test), target.without(fold.test)
    model = train_regime(
        regime, network, config, far, near, fold, tuning=tuning, progress=progress, checkpoints=checkpoints
    )
    return RegimePrediction(model, test, predict(model, test))


def _check_people(fold: Fold, data: StanceSet) -> None:
    if fold.unit != "participant":
        raise BadInputError(f"fold '{fold.name}' splits by {fold.unit}; transfer needs folds over participants")
    fold.check(data)


def _check_alike(source: StanceSet, target: StanceSet) -> None:
    """Refuse what :func:`~grfkit.records.stance_set.join` does, and units or rates that differ."""
    units, other = ([str(u) for u in s.data["unit"].values] for s in (source, target))
    for channel, a, b in zip(source.channels, units, other):
        if a != b and source.channels == target.channels:
            raise BadInputError(f"channel '{channel}' is in {a} in the source and in {b} in the target; convert one")
    rates = [float(s.data.attrs["rate_hz"]) for s in (source, target)]
    if np.isfinite(rates).all() and abs(rates[0] - rates[1]) > 1e-6 * rates[0]:
        raise BadInputError(f"the source is at {rates[0]:g} Hz and the target at {rates[1]:g} Hz; resample one")
    # joining a window of each finds, before any training, what joining the whole sets would refuse
    join([source.where(np.arange(source.size) < 1), target.where(np.arange(target.size) < 1)])


def _check_surfaces(source: StanceSet, target: StanceSet) -> None:
    both = sorted(set(source.per_stance("surface")) & set(target.per_stance("surface")))
    if both:
        raise BadInputError(
            f"regime D2 balances batches by surface, but both sets hold surface '{both[0]}'; label the surfaces"
        )


def _restricted(fold: Fold, data: StanceSet) -> Fold:
    """Return the fold with the training and inner participants this set holds; the tested stay named."""
    people = set(data.participants)
    parts = [tuple(p for p in part if p in people) for part in (fold.train, fold.inner)]
    return Fold(fold.name, parts[0], parts[1], fold.test)


def _source_fold(fold: Fold, source: StanceSet) -> Fold:
    """Return the fold of the source alone; a training participant turns inner where none is inner and one can."""
    restricted = _restricted(fold, source)
    if restricted.inner or not fold.inner or len(restricted.train) < 2:
        return restricted
    inner = tuple(_drawn(restricted.train, fold.test, 1))
    return Fold(fold.name, tuple(p for p in restricted.train if p not in inner), inner, fold.test)


def _together(source: StanceSet, target: StanceSet, fold: Fold) -> tuple[StanceSet, Fold]:
    """Return both sets as one and its fold; of the inner participants the target's windows, where they have any."""
    near = [p for p in fold.inner if p in target.participants]
    # training stops by what is to be estimated, the target; the source windows of these people are left out
    remaining = source.without(fold.inner if near else [])
    both = join([remaining, target])
    return both, _restricted(fold, both)
