"""A comparison with features that takes about ten minutes: what it leaves out, and what it says of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..learn.folds import Fold
from ..learn.recipe import Recipe
from ..records.stance_set import StanceSet
from .comparison import costs
from .feature_methods import Cell, Plan, feature_method
from .methods import NetworkMethod

FOLDS, EACH = 4, 8
"""Groups of people, and stances of each person at most: chosen by hand."""
MOST_MACS = 2e13
"""Multiply-accumulates of all trainings together: about ten minutes of two cores, at some 15 thousand million a second
and core. A limit by the clock would choose other networks on another computer."""
LEAST_OF_STEP = 3e8
"""What a training step costs at least, for a small network waits for its calls: about 10 ms."""
PASSES = 3
"""Passes forward that a step of training costs: once forward, twice back."""


def quick_recipe(recipe: Recipe) -> Recipe:
    """Return the recipe with few folds over people."""
    return recipe.model_copy(update={"split": "grouped_kfold", "k": FOLDS})


def few_stances(data: StanceSet, most: int = EACH) -> StanceSet:
    """Return at most so many stances of every person, spread evenly over theirs."""
    people = data.per_stance("participant")
    kept = []
    for person in data.participants:
        own = np.flatnonzero(people == person)
        kept.append(own[np.unique(np.linspace(0, own.size - 1, min(most, own.size)).round().astype(int))])
    return StanceSet(data.data.isel(stance=np.sort(np.concatenate(kept))))


def quick_plan(
    plan: Plan, recipe: Recipe, data: StanceSet, folds: Sequence[Fold], *, whole: int, everyone: bool
) -> Plan:
    """Return the plan with one exchange and one training of each network, which says what was left out.

    Parameters
    ----------
    data
        Of :func:`few_stances`.
    whole
        Stances before.
    everyone
        Whether no network was named: then those are taken, the cheap ones first, that fit into :data:`MOST_MACS`.
    """
    plan = replace(plan, seeds=1, draws=1)
    networks = _affordable(plan, recipe, data, folds) if everyone else plan.networks
    out = [n for n in plan.networks if n not in networks]
    parts = [f"{len(folds)} groups of people", "one training of each network", "one exchange of features"]
    parts += [f"{data.size} of {whole} stances (at most {EACH} of each person)"] * (data.size < whole)
    limits = f"quick: {', '.join(parts)}"
    limits += f"; left out: {', '.join(out)}, and claims about them are open" if out else ""
    limits += "; a control of one exchange may by chance be near the truth: before you rely on a verdict, run it whole"
    return replace(plan, networks=networks, limits=limits)


def _affordable(plan: Plan, recipe: Recipe, data: StanceSet, folds: Sequence[Fold]) -> tuple[str, ...]:
    methods = {n: feature_method(Cell(n), recipe, plan.weights) for n in plan.networks}
    macs = costs([m for m in methods.values() if isinstance(m, NetworkMethod)], data)
    batch = min(recipe.train.batch, data.size)
    cost = {n: max(PASSES * batch * macs[m.name]["macs"], LEAST_OF_STEP) for n, m in methods.items()}
    per_fold = 1 + (len(plan.features) - 1) * (1 + plan.draws)
    steps = recipe.train.epochs * per_fold * sum(_training_windows(data, fold) / batch for fold in folds)
    taken: list[str] = []
    total = 0.0
    for name in sorted(cost, key=lambda n: cost[n]):
        total += cost[name] * steps
        if total <= MOST_MACS or not taken:
            taken.append(name)
    return tuple(n for n in plan.networks if n in taken)


def _training_windows(data: StanceSet, fold: Fold) -> int:
    return int(np.isin(data.per_stance("participant"), fold.train).sum())
