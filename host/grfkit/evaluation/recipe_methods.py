"""The methods and folds that a recipe asks an evaluation for."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import BadInputError
from ..learn.features import facts_of
from ..learn.folds import Fold
from ..learn.method import Method
from ..learn.recipe import Recipe
from ..learn.transfer import MEANING, REGIMES, Regime, by_surface, transfer_folds
from ..records.stance_set import StanceSet
from .exchanged import ExchangedFeatures
from .methods import ChosenMethod, NetworkMethod, TransferMethod
from .personal_folds import TrainedMethod

DRAWS = 3
"""Exchanges of features between people: one alone may by chance give many people values near their own."""


def as_trained(method: str) -> str:
    """Return what a method is called that ``grf-train`` fits, beside the plain baseline of that name.

    It may be another one: the best of its family (ridge on all channels, or of landmarks on their motion alone),
    balanced over strides where that errs less.
    """
    return f"grf-train: {method}"


def network_methods(recipe: Recipe, regimes: Sequence[Regime] = ()) -> tuple[TrainedMethod, ...]:
    """Return the recipe's network, or one of it for each regime; or the method that stands in its place."""
    if recipe.method != "network" and not regimes:
        name = "the best of them, chosen within each fold" if recipe.method == "best" else as_trained(recipe.method)
        return (ChosenMethod(name, recipe.train, recipe.method),)
    network, names = recipe.network_config(), regimes or ((recipe.regime,) if recipe.regime else ())
    methods: list[TrainedMethod] = []
    for regime in names:
        if regime not in REGIMES:
            raise BadInputError(f"there is no regime '{regime}'; there are {', '.join(REGIMES)}")
        methods.append(TransferMethod(f"{network.name}, {regime}: {MEANING[regime]}", regime, network, recipe.train))
    if not names:
        methods.append(NetworkMethod(network.name, network, recipe.train, recipe.seeds))
    return tuple(methods)


def folds_of(data: StanceSet, recipe: Recipe, *, transfer: bool) -> tuple[Fold, ...]:
    """Return the folds: with a regime, one per participant of the target surface, out of both surfaces."""
    if not transfer:
        return recipe.folds(data)
    if recipe.split != "loso":
        raise BadInputError(f"split is {recipe.split}; transfer between surfaces is proven by loso only")
    return transfer_folds(*by_surface(data), inner=recipe.inner)


def exchanged_methods(methods: Sequence[TrainedMethod], recipe: Recipe, draws: int) -> tuple[Method, ...]:
    """Return the methods; of a recipe with shuffled features each as often as there are draws, with others' features.

    Raises
    ------
    BadInputError
        If features are exchanged and a method is moved between surfaces.
    """
    if recipe.features != "shuffled":
        return tuple(methods)
    if any(isinstance(m, TransferMethod) for m in methods):
        raise BadInputError("features 'shuffled' are of methods without a regime; leave out the regime or --features")
    names = facts_of(recipe.train.statics)
    return tuple(
        ExchangedFeatures(f"{m.name}, features of others {k}", m, names, k)
        for m in methods
        for k in range(1, draws + 1)
    )
