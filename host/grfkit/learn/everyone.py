"""Training on everyone in a set: the fold, the recipe as far as the set allows it, and the summary of the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..dataset.near_copies import near_copies
from ..errors import BadInputError
from ..records.by_hand import told_by
from ..records.calibrated import mixed_findings
from ..records.stance_set import StanceSet
from .cost import macs
from .direct_start import numbers_in
from .features import check_known, facts_of, unvarying
from .folds import Fold, stable_seed
from .model import GrfModel
from .picture_width import affordable
from .recipe import Recipe
from .uncalibrated import cells_told


def whole_fold(data: StanceSet, inner: int) -> Fold:
    """Return the fold that trains on everyone: ``inner`` of them, drawn by a hash of their names, decide when to stop.

    Raises
    ------
    BadInputError
        If there is one participant only.
    """
    people = data.participants
    if len(people) < 2:
        raise BadInputError(
            f"the set holds one participant only ({people[0]}); a model of one person tells nothing about another: add"
            " participants"
        )
    # by hash: one more participant changes at most one of the inner ones, and the order of files none
    order = sorted(people, key=lambda p: (stable_seed("whole", p), p))
    count = min(inner, len(people) - 1)
    return Fold("everyone", tuple(sorted(order[count:])), tuple(sorted(order[:count])), ())


def usable(data: StanceSet, recipe: Recipe) -> tuple[Recipe, tuple[str, ...]]:
    """Return the recipe without the scalars that no window of the set knows, and a sentence for each.

    A sentence too for a network that was made narrower because this computer has no GPU (:func:`affordable`), for each
    pair of participants whose recordings seem to be copies (:func:`near_copies`), on how cells that are counts were
    taken, for each clock that a person decided on by eye, and for kinds of wearables that were not calibrated alike.
    Only a preset's scalars are left out; those a user named are refused by training, and facts of people here.

    Raises
    ------
    BadInputError
        If a fact of people among the statics is not known of everybody, or no axis of the preset is in the set.
    """
    recipe, narrower = affordable(recipe)
    facts = facts_of(recipe.train.statics)
    check_known(data, facts)
    same = [f"'{name}' is the same for everybody here and tells a model nothing" for name in unvarying(data, facts)]
    told = (*narrower, *near_copies(data), *cells_told(data), *told_by(data.data.attrs), *same)
    told += tuple(mixed_findings(data.data.attrs))
    if not recipe.preset:
        return recipe, told
    have = {str(s) for s in data.data["scalar"].values}
    lost = [s for s in recipe.train.statics if s not in have or not np.isfinite(data.scalar(s)).any()]
    axes = [a for a in recipe.train.axes if a in data.axes]
    missing_axes = [a for a in recipe.train.axes if a not in data.axes]
    if not axes and recipe.train.axes:
        raise BadInputError(f"the preset asks for {', '.join(recipe.train.axes)}; the set has {', '.join(data.axes)}")
    statics = tuple(s for s in recipe.train.statics if s not in lost)
    config = recipe.train.model_copy(update={"statics": statics, "axes": tuple(axes)})
    findings = [f"the preset's '{s}' is known of no window and was left out" for s in lost]
    findings += [f"the preset's axis '{a}' is not in the set and was left out" for a in missing_axes]
    return recipe.model_copy(update={"train": config}), (*findings, *told)


def summary(model: GrfModel, data: StanceSet, findings: Sequence[str], folder: Path | None) -> dict[str, Any]:
    """Return what a trained model is, and the folder it goes to, as JSON values."""
    spec = model.spec
    history = spec.history
    return {
        "network": spec.network,
        "method": spec.training.get("method", "network"),
        "parameters": numbers_in(model.network),
        "macs": macs(model.network, spec.points) if hasattr(model.network, "body") else None,
        "participants": list(spec.participants),
        "windows": data.size,
        "channels": list(spec.scaler.channels),
        "statics": list(spec.scaler.statics),
        "axes": list(spec.scaler.axes),
        "cut": spec.cut,
        "epochs": len(history),
        "best_epoch": spec.best_epoch,
        "loss": history[-1][0] if history else None,
        "inner_loss": min((v for _, v in history if v is not None), default=None),
        "excluded": data.excluded,
        "findings": list(findings),
        "leaks": list(spec.leaks),
    } | ({} if folder is None else {"model": str(folder)})
