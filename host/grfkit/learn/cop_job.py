"""``grf-train --targets cop``: a model of the centre of pressure (mm) of a foot, from trials or stance sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import as_path, refuse_file_ending
from ..arrays import Floats, PathLike
from ..artefacts import check_folder, written_folder
from ..errors import BadInputError
from ..provenance import Provenance, describe_input
from ..records.stance_set import StanceSet
from ..sync.request import as_several
from .candidates import KEPT
from .choice import Choice
from .chosen import fit_chosen
from .cop_card import write_cop_card
from .everyone import summary, usable, whole_fold
from .model import MODEL_FOLDER, GrfModel
from .recipe import Recipe, recipe_of
from .train_config import TrainConfig
from .training_job import Progress
from .uncalibrated import cut_of
from .window_sources import WindowSource, listed, load_sets, paths_among

FAMILIES = ("mean curve", "ridge", "kernel ridge")
"""What is compared where nothing is asked for: a network takes minutes where these take seconds."""
NETWORK = "network"
"""The BiLSTM that starts from ridge (:mod:`~grfkit.learn.candidates`); it is held against the mean path as they are."""
LOADED_SHARE = "loaded_share"
"""In what a model says of its training: at each point of stance the share of contacts that had a centre of pressure."""


def cop_recipe(config: PathLike | Recipe | None = None, method: str = "", base: Recipe | None = None) -> Recipe:
    """Return the recipe of a model of the centre of pressure.

    Raises
    ------
    BadInputError
        If it asks for another network than the one that starts from ridge, or for how that is trained.
    """
    recipe = recipe_of(config=config, method=method, base=base)
    if recipe.method not in ("best", *FAMILIES, NETWORK):
        raise BadInputError(
            f"method is '{recipe.method}'; of the centre of pressure there are best, {', '.join((*FAMILIES, NETWORK))}"
        )
    if recipe.method == NETWORK and (recipe.network != Recipe().network or recipe.regime or _trained_otherwise(recipe)):
        raise BadInputError(
            "of the centre of pressure the network is a BiLSTM that starts from ridge, with epochs of its own: leave"
            " out --network, and in a TOML file network, regime and in train all but channels, axes, seed and device"
        )
    if recipe.cut.kinds == ("images",):
        raise BadInputError(
            "a film shows no plate's centre of pressure to learn from: its contacts carry a force alone; take trials of"
            " insoles, IMUs, shoes or landmarks"
        )
    if recipe.features or recipe.leaks or recipe.split not in ("loso", "grouped_kfold"):
        raise BadInputError(
            "a model of the centre of pressure takes no facts of people and no split that leaks; leave features, leaks"
            " and split out"
        )
    return recipe.model_copy(update={"cut": replace(recipe.cut, targets="cop")})


def _trained_otherwise(recipe: Recipe) -> bool:
    """Return whether a recipe states how a network is trained, which the one that starts from ridge brings itself."""
    plain = TrainConfig()
    return any(getattr(recipe.train, k) != getattr(plain, k) for k in TrainConfig.model_fields if k not in KEPT)


def families_of(method: str) -> tuple[str, ...]:
    """Return what a method is compared with: the network stands among them where it is asked for."""
    return (*FAMILIES, NETWORK) if method == NETWORK else FAMILIES


def train_cop(
    data: WindowSource | Sequence[WindowSource],
    *,
    out: PathLike | None = None,
    config: PathLike | Recipe | None = None,
    method: str = "",
    force: bool = False,
    calibrations: PathLike | Sequence[PathLike] = (),
    progress: Progress | None = None,
) -> GrfModel:
    """Return a model of the centre of pressure of all participants in trials or stance sets.

    Its predictions are millimetres along the direction of walking and towards the medial side, from the path's own
    mean (:func:`~grfkit.gait.cop_path.cop_path`); nothing that takes a model of force takes it.

    Parameters
    ----------
    data
        Stance sets, trials, files of either, or folders of them.
    out
        Folder of the model to write, with its card; None writes nothing.
    config
        TOML file with ``cut``, ``method``; or a whole recipe.
    method
        ``best`` (the default) of the mean path, ridge, kernel ridge and their mix on people left out; one of these, or
        ``network``: a BiLSTM that starts from ridge.
    force, calibrations, progress
        Of :func:`~grfkit.learn.training_job.train`.

    Raises
    ------
    BadInputError
        If the output exists and ``force`` is false, or the trials cannot be trained on; nothing is written then.
    """
    recipe = cop_recipe(config, method)
    folder = None if out is None else as_path(out, what="the folder to write")
    if folder is not None:
        refuse_file_ending(folder, "a model")
        check_folder(folder, MODEL_FOLDER, force=force)
    sources = listed(data)
    windows = load_sets(sources, recipe, as_several(calibrations))
    # as it was cut, so that an estimate cuts the same
    recipe = recipe.model_copy(update={"cut": cut_of(windows, recipe.cut), "decide_cells": False})
    recipe, findings = usable(windows, recipe)
    fold = whole_fold(windows, 0)
    families = families_of(recipe.method)
    model, choice = fit_chosen(windows, fold, base=recipe.train, method=recipe.method, tell=progress, families=families)
    _describe(model, windows, recipe, choice, sources)
    model.spec.provenance.findings += [f for f in findings if f not in model.spec.provenance.findings]
    model.summary = summary(model, windows, findings, folder) | {"choice": choice_in_mm(choice)}
    if folder is not None:
        with written_folder(folder, MODEL_FOLDER, force=force) as temporary:
            model.write_into(temporary)
            write_cop_card(temporary)
    return model


def _describe(
    model: GrfModel, windows: StanceSet, recipe: Recipe, choice: Choice, sources: Sequence[WindowSource]
) -> None:
    """Note in a model how it came about."""
    spec = model.spec
    spec.training[LOADED_SHARE] = [round(float(v), 4) for v in loaded_share(windows)]
    spec.provenance.configuration = {"recipe": recipe.model_dump(mode="json"), "choice": choice_in_mm(choice)}
    if not spec.provenance.inputs:
        files = [describe_input(path) for path in paths_among(sources) if Path(path).is_file()]
        spec.provenance = Provenance(**(spec.provenance.model_dump() | {"inputs": files}))


def loaded_share(data: StanceSet) -> Floats:
    """Return at each point of stance the share of contacts whose centre is known: the mean over people, (points,)."""
    known = np.asarray(data.data["weight"].values) > 0
    people = data.per_stance("participant")
    return np.asarray(np.mean([known[people == p].mean(axis=0) for p in data.participants], axis=0))


def choice_in_mm(choice: Choice) -> dict[str, Any]:
    """Return the table that a method was chosen from, in millimetres."""
    document = choice.document()
    table = [{("rmse_mm" if k == "rmse_bw" else k): v for k, v in row.items()} for row in document["table"]]
    return document | {"table": table, "words": path_words(choice.words())}


def path_words(text: str) -> str:
    """Return a text whose mean curves are mean paths."""
    return text.replace("mean curve", "mean path")
