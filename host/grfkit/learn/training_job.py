"""What ``grf-train`` does: a set, a recipe, a model with its card; stopped, it goes on where it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInputError
from ..provenance import Provenance, describe_input
from ..records.stance_set import StanceSet
from .folds import Fold, stable_seed
from .model import GrfModel
from .recipe import Recipe, load_sets
from .search import SearchResult, TrialRow, search
from .search_plan import Choice, SearchPlan
from .train import fit
from .train_config import EpochReport

Told = Callable[[EpochReport], None]
Tried = Callable[[TrialRow], None]


@dataclass(frozen=True)
class Trained:
    """A model, and what was changed or noticed on the way."""

    model: GrfModel
    findings: tuple[str, ...]
    choice: Choice | None = None


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
    drawn = sorted(people, key=lambda p: (stable_seed("whole", p), p))
    count = min(inner, len(people) - 1)
    return Fold("everyone", tuple(sorted(drawn[count:])), tuple(sorted(drawn[:count])), ())


def usable(data: StanceSet, recipe: Recipe) -> tuple[Recipe, tuple[str, ...]]:
    """Return the recipe without the scalars that no window of the set knows, and a sentence for each.

    Only a preset's scalars are left out; those a user named are refused by training.
    """
    if not recipe.preset:
        return recipe, ()
    have = {str(s) for s in data.data["scalar"].values}
    lost = [s for s in recipe.train.statics if s not in have or not np.isfinite(data.scalar(s)).any()]
    axes = [a for a in recipe.train.axes if a in data.axes]
    gone = [a for a in recipe.train.axes if a not in data.axes]
    if not axes and recipe.train.axes:
        raise BadInputError(f"the preset asks for {', '.join(recipe.train.axes)}; the set has {', '.join(data.axes)}")
    kept = tuple(s for s in recipe.train.statics if s not in lost)
    config = recipe.train.model_copy(update={"statics": kept, "axes": tuple(axes)})
    said = [f"the preset's '{s}' is known of no window and was left out" for s in lost]
    said += [f"the preset's axis '{a}' is not in the set and was left out" for a in gone]
    return recipe.model_copy(update={"train": config}), tuple(said)


def train_model(
    data: StanceSet,
    recipe: Recipe,
    *,
    progress: Told | None = None,
    checkpoint: Path | None = None,
    plan: SearchPlan | None = None,
    study: Path | None = None,
    tried: Tried | None = None,
) -> Trained:
    """Return a model of everyone in a set; with a plan, of the settings that a search among them found.

    Parameters
    ----------
    progress, checkpoint
        Of :func:`~grfkit.learn.train.fit`.
    study, tried
        File that keeps the state of the search; what is told after every trial.

    Raises
    ------
    BadInputError
        If the recipe averages several trainings, or the set cannot be trained on.
    """
    if recipe.seeds > 1:
        raise BadInputError(f"seeds is {recipe.seeds}: a model holds one training; set seeds = 1")
    recipe, findings = usable(data, recipe)
    if recipe.split in ("leave_one_trial_out", "within_trial"):
        findings += (f"the split of the recipe, {recipe.split}, leaks; its figures are no proof for new people",)
    fold = whole_fold(data, recipe.inner)
    if recipe.leaks:
        fold = replace(fold, leaks=recipe.leaks)
    configuration: dict[str, Any] = {"recipe": recipe.model_dump(mode="json")}
    found = None if plan is None else _searched(data, recipe, fold, plan, study, tried)
    used = recipe
    if found is not None and plan is not None:
        used = recipe.model_copy(update={"network": found.network.model_dump(), "train": found.config})
        configuration["search"] = {"plan": plan.model_dump(mode="json")} | Choice.of(found).document()
    model = _by_regime(data, used, fold, progress, checkpoint)
    spec = model.spec
    spec.provenance.configuration = configuration
    spec.provenance.findings += [f for f in findings if f not in spec.provenance.findings]
    return Trained(model, findings, None if found is None else Choice.of(found))


def _searched(
    data: StanceSet, recipe: Recipe, fold: Fold, plan: SearchPlan, study: Path | None, tried: Tried | None
) -> SearchResult:
    network = recipe.network_config()
    how: dict[str, Any] = {"trials": plan.trials, "folds": plan.folds, "seed": plan.seed}
    return search(plan.space, network, recipe.train, data, fold, storage=study, progress=tried, **how)


def _by_regime(data: StanceSet, recipe: Recipe, fold: Fold, progress: Told | None, checkpoint: Path | None) -> GrfModel:
    network = recipe.network_config()
    if not recipe.regime:
        return fit(network, recipe.train, data, fold, progress=progress, checkpoint=checkpoint)
    from .transfer import by_surface, train_regime

    states = None if checkpoint is None else checkpoint.with_suffix("")
    surfaces = by_surface(data)
    return train_regime(recipe.regime, network, recipe.train, *surfaces, fold, progress=progress, checkpoints=states)


def train_job(
    paths: Sequence[Path],
    recipe: Recipe,
    *,
    out: Path,
    force: bool = False,
    progress: Told | None = None,
    plan: SearchPlan | None = None,
    study: Path | None = None,
    tried: Tried | None = None,
) -> dict[str, Any]:
    """Write the model of a folder of trials with its card; return a summary.

    The state of training lies in ``OUT.training.safetensors``, of a regime in the folder ``OUT.training``, until the
    model is written, so that the same command goes on where a stopped one was; that of a search (``plan``) lies in
    ``study``, which stays, or in ``OUT.search.db`` until the model is written. The table of the search is
    ``search.json`` in the model's folder.

    Raises
    ------
    BadInputError
        If the output exists and ``force`` is false, or the trials cannot be trained on; nothing is written then.
    """
    from .card import SEARCH, write_card
    from .model import _check_replaceable

    _check_replaceable(out, force=force)
    _check_study(study, plan, out)
    data = load_sets(paths, recipe)
    state = out.with_name(f"{out.name}.training.safetensors")
    own_study = out.with_name(f"{out.name}.search.db")
    trained = train_model(
        data, recipe, progress=progress, checkpoint=state, plan=plan, study=study or own_study, tried=tried
    )
    spec = trained.model.spec
    if not spec.provenance.inputs:
        spec.provenance = Provenance(
            **(spec.provenance.model_dump() | {"inputs": [describe_input(p) for p in paths if p.is_file()]})
        )
    trained.model.save(out, force=force)
    told = summary(trained.model, data, trained.findings) | {"model": str(out)}
    if trained.choice is not None:
        told["search"] = spec.provenance.configuration["search"]
        (out / SEARCH).write_text(as_json(told["search"]) + "\n", encoding="utf-8")
        own_study.unlink(missing_ok=True)
    write_card(out)
    state.unlink(missing_ok=True)
    shutil.rmtree(state.with_suffix(""), ignore_errors=True)
    return told


def _check_study(study: Path | None, plan: SearchPlan | None, out: Path) -> None:
    """Refuse a file for the state of a search that is not asked for, has no folder, or would go with the model's."""
    if study is None:
        return
    if plan is None:
        raise BadInputError(f"--study {study} keeps the state of a search; ask for one with --search N")
    folder = study.resolve().parent
    if folder == out.resolve() or not folder.is_dir():
        what = "is the folder of the model" if folder == out.resolve() else "does not exist"
        raise BadInputError(f"{study}: its folder {what}; name a file in another one")


def summary(model: GrfModel, data: StanceSet, findings: Sequence[str]) -> dict[str, Any]:
    """Return what a trained model is, for a machine."""
    spec = model.spec
    history = spec.history
    return {
        "network": spec.network,
        "parameters": sum(p.numel() for p in model.network.parameters()),
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
    }


def as_json(value: Any) -> str:
    """Return JSON without NaN."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False)
