"""The work of ``grf-train``: a set, a recipe, a model with its card; a stopped run goes on where it was."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..arguments import as_path, refuse_file_ending
from ..arrays import PathLike
from ..artefacts import check_folder, written_folder
from ..errors import BadInputError
from ..provenance import Provenance, describe_input, require_regular
from ..records.stance_set import StanceSet
from ..sync.documents import load_documents
from ..sync.request import as_several
from .card import write_card
from .choice import FEW, Tell
from .choice import Choice as MethodChoice
from .chosen import fit_chosen
from .device import check_device
from .everyone import summary, usable, whole_fold
from .folds import Fold
from .model import MODEL_FOLDER, GrfModel
from .outputs import SEARCH
from .recipe import Recipe, recipe_of
from .search import SearchResult, TrialRow, search
from .search_plan import Choice, SearchPlan, plan_of
from .train import fit
from .train_config import EpochReport
from .uncalibrated import cut_of
from .window_sources import WindowSource, listed, load_sets, paths_among

_LOG = logging.getLogger(__name__)

OnEpoch = Callable[[EpochReport], None]
OnTrial = Callable[[TrialRow], None]
Progress = Callable[[int, int, str], None]
"""Called with how many parts are done, of how many, and a text."""


@dataclass(frozen=True)
class Trained:
    """A model, and what was changed or noticed on the way."""

    model: GrfModel
    findings: tuple[str, ...]
    choice: Choice | None = None
    method: MethodChoice | None = None


def train_model(
    data: StanceSet,
    recipe: Recipe,
    *,
    progress: OnEpoch | None = None,
    checkpoint: Path | None = None,
    plan: SearchPlan | None = None,
    study: Path | None = None,
    tried: OnTrial | None = None,
    choosing: Tell | None = None,
) -> Trained:
    """Return a model of everyone in a set; with a plan, of the settings that a search among them found.

    Parameters
    ----------
    progress, checkpoint
        Of :func:`~grfkit.learn.train.fit`.
    study, tried
        File that keeps the state of the search; what is told after every trial.
    choosing
        What is told while methods are compared on people left out.

    Raises
    ------
    BadInputError
        If the recipe averages several trainings, or the set cannot be trained on.
    """
    if recipe.seeds > 1:
        raise BadInputError(f"seeds is {recipe.seeds}: a model holds one training; set seeds = 1")
    if recipe.decide_cells:
        recipe = recipe.model_copy(update={"cut": cut_of(data, recipe.cut), "decide_cells": False})
    recipe, findings = usable(data, recipe)
    if recipe.split in ("leave_one_trial_out", "within_trial"):
        findings += (f"the split of the recipe, {recipe.split}, leaks; its figures are no proof for new people",)
    fold = whole_fold(data, recipe.inner)
    if recipe.leaks:
        fold = replace(fold, leaks=recipe.leaks)
    configuration: dict[str, Any] = {"recipe": recipe.model_dump(mode="json")}
    if recipe.method != "network":
        return _by_method(data, recipe, fold, findings, choosing)
    searched = None if plan is None else _searched(data, recipe, fold, plan, study, tried)
    used = recipe
    if searched is not None and plan is not None:
        used = recipe.model_copy(update={"network": searched.network.model_dump(), "train": searched.config})
        configuration["search"] = {"plan": plan.model_dump(mode="json")} | Choice.of(searched).document()
    model = _by_regime(data, used, fold, progress, checkpoint)
    spec = model.spec
    spec.provenance.configuration = configuration
    spec.provenance.findings += [f for f in findings if f not in spec.provenance.findings]
    return Trained(model, findings, None if searched is None else Choice.of(searched))


def _by_method(
    data: StanceSet, recipe: Recipe, fold: Fold, findings: tuple[str, ...], choosing: Tell | None
) -> Trained:
    """Return the model of the recipe's method, what was found on the way, and the table it was chosen from."""
    model, choice = fit_chosen(data, fold, base=recipe.train, method=recipe.method, tell=choosing)
    if choice.people < FEW:
        findings += (
            f"{choice.people} people tell little about somebody new: the mean curve is what can be had, unless ridge is"
            f" better for every one of them; give {FEW} or more",
        )
    spec = model.spec
    spec.provenance.configuration = {"recipe": recipe.model_dump(mode="json"), "choice": choice.document()}
    spec.provenance.findings += [f for f in findings if f not in spec.provenance.findings]
    return Trained(model, findings, method=choice)


def _searched(
    data: StanceSet,
    recipe: Recipe,
    fold: Fold,
    plan: SearchPlan,
    study: Path | None,
    tried: OnTrial | None,
) -> SearchResult:
    network = recipe.network_config()
    how: dict[str, Any] = {"trials": plan.trials, "folds": plan.folds, "seed": plan.seed}
    return search(plan.space, network, recipe.train, data, fold, storage=study, progress=tried, **how)


def _by_regime(
    data: StanceSet, recipe: Recipe, fold: Fold, progress: OnEpoch | None, checkpoint: Path | None
) -> GrfModel:
    network = recipe.network_config()
    if not recipe.regime:
        return fit(network, recipe.train, data, fold, progress=progress, checkpoint=checkpoint)
    from .transfer import by_surface, train_regime

    states = None if checkpoint is None else checkpoint.with_suffix("")
    surfaces = by_surface(data)
    return train_regime(recipe.regime, network, recipe.train, *surfaces, fold, progress=progress, checkpoints=states)


def train(
    data: WindowSource | Sequence[WindowSource],
    *,
    out: PathLike | None = None,
    preset: str = "",
    kind: str = "fixed",
    config: PathLike | Recipe | None = None,
    method: str = "",
    network: str = "",
    regime: str = "",
    epochs: int | None = None,
    device: str = "",
    features: str = "",
    features_by: str = "",
    imagenet: PathLike | None = None,
    search: int | None = None,
    study: PathLike | None = None,
    teacher: PathLike | None = None,
    force: bool = False,
    calibrations: PathLike | Sequence[PathLike] = (),
    progress: Progress | None = None,
) -> GrfModel:
    """Return a model of all participants in trials or stance sets, as ``grf-train`` trains it.

    Without anything that asks for a network, mean curves, ridge, kernel ridge, a network that starts from ridge and
    their weighed mean are compared on people left out in groups, and the best of them is fitted to everyone; the
    table is ``model.summary["choice"]``.

    With ``out`` the state of training lies in ``OUT.training.safetensors``, of a regime in the folder ``OUT.training``,
    until the model is written, so that the same call goes on where a stopped one was; that of a search lies in
    ``study``, which stays, or in ``OUT.search.db`` until the model is written. The table of the search is
    ``search.json`` in the model's folder.

    Parameters
    ----------
    data
        Stance sets, trials, files of either, or folders of them.
    out
        Folder of the model to write, with its card; None writes nothing.
    preset, kind
        A paper's protocol (``carter2024``, ``carter2025``, ``zhou2025``), ``faithful`` or with its leaks ``fixed``.
    config
        TOML file laid over the preset or the defaults; or a whole :class:`~grfkit.learn.recipe.Recipe`.
    method
        ``best`` (the default), ``mean curve``, ``ridge``, ``kernel ridge``, ``mix`` or ``network``.
    network, regime, epochs, device
        Single settings over all of these: the network's name, the regime from treadmill to overground, at most so many
        epochs, ``cpu`` or ``cuda``.
    features
        Facts of people as inputs: ``alignment`` of the knees, the affected ``side``, ``both`` or ``none``; refused by
        name where one is not known of somebody. Empty: those of the preset, the TOML file or none.
    features_by
        How they enter a network: ``tile`` as constant channels, ``concat`` before the head (the default), ``film``.
    imagenet
        File with a user's own ImageNet weights (.pth or .safetensors) that ``resnet50`` or ``inception3`` starts from.
    search, study
        Try so many settings first, each on people left out in turn, and train with the best; the search's file.
    teacher
        A trained model: the new one is a small network of the past that learns its predictions, and the truth.
    force
        Overwrite ``out``.
    calibrations
        Documents of ``grf-calibrate`` for trials that were aligned without: each trial takes those that fit it.
    progress
        Called with how many parts are done, of how many, and a text.

    Raises
    ------
    BadInputError
        If the output exists and ``force`` is false, an option does not exist, or the trials cannot be trained on;
        nothing is written then.

    Examples
    --------
    >>> import grfkit
    >>> from grfkit import train
    >>> trials = [grfkit.simulate_trial(seed=k, duration_s=12).on_true_clock(participant=f"P{k}") for k in (1, 2)]
    >>> windows = [grfkit.cut_windows(trial) for trial in trials]
    >>> model = grfkit.train(windows, network="mlp", epochs=2)
    >>> model.participants
    ('P1', 'P2')
    """
    asked = method or ("network" if search is not None or teacher is not None or study is not None else "")
    recipe = recipe_of(
        preset, kind, config, network=network, regime=regime, epochs=epochs, device=device, method=asked,
        features=features, features_by=features_by, imagenet=imagenet,
    )  # fmt: skip
    if recipe.cut.targets == "cop":
        raise BadInputError(
            "the recipe asks for the centre of pressure: --targets cop (grfkit.learn.cop_job.train_cop in Python)"
        )
    if recipe.features == "shuffled":
        raise BadInputError(
            "features are 'shuffled', those of other people: a control for grf-evaluate, which shows what features do"
            " that say nothing of a person; a model takes alignment, side or both"
        )
    if recipe.method != "network" and (search is not None or teacher is not None or recipe.regime):
        raise BadInputError(
            f"method is '{recipe.method}': --search, --teacher and a regime (search, teacher, regime in Python) are of"
            " networks; leave them out, or take --method network"
        )
    if teacher is not None and (search is not None or regime or study is not None):
        raise BadInputError(
            "--teacher (teacher in Python) chooses among its own students; leave out --search, --study and --regime"
            " (search, study and regime in Python)"
        )
    plan = None if search is None else plan_of(recipe, search)
    documents = as_several(calibrations)
    folder = None if out is None else as_path(out, what="the folder to write")
    if folder is not None:
        # before the windows are cut and trained on: hours of work must not end at a folder that cannot be written
        refuse_file_ending(folder, "a model")
        check_folder(folder, MODEL_FOLDER, force=force)
    check_device(recipe.train.device)
    _check_study(study, plan, folder)
    if teacher is not None:
        from .distill import student_of

        teacher = as_path(teacher, what="a model's folder")
        if documents:
            raise BadInputError(
                "--teacher learns from trials that are calibrated as its teacher's were: calibrate when aligning"
                " (grf-sync --calibration), or leave --calibration out"
            )
        model = student_of(teacher, data, recipe, own_network=bool(network), out=folder)
    else:
        model = _trained(data, recipe, folder, plan, study, progress, documents)
    if folder is not None:
        _write(model, folder, force=force)
    return model


def _trained(
    data: WindowSource | Sequence[WindowSource],
    recipe: Recipe,
    folder: Path | None,
    plan: SearchPlan | None,
    study: PathLike | None,
    progress: Progress | None,
    calibrations: Sequence[PathLike],
) -> GrfModel:
    """Return the model with its summary; the states of training and search lie beside the folder, if there is one."""
    sources = listed(data)
    windows = load_sets(sources, recipe, calibrations)
    _LOG.info("training on %d windows of %d people", windows.data.sizes["stance"], len(windows.participants))
    study_file = Path(study) if study is not None else None if folder is None else _search_state(folder)
    tell = progress or (lambda *_: None)
    trained = train_model(
        windows, recipe, plan=plan, study=study_file, checkpoint=None if folder is None else _training_state(folder),
        progress=lambda r: tell(r.epoch, r.epochs, _epoch_words(r)),
        tried=lambda r: tell(r.number + 1, 0 if plan is None else plan.trials, _trial_words(r)), choosing=tell,
    )  # fmt: skip
    model, spec = trained.model, trained.model.spec
    # windows cut here already name their trials; sets from elsewhere may name nothing
    if not spec.provenance.inputs:
        files = [describe_input(path) for path in paths_among(sources) if path.is_file()]
        spec.provenance = Provenance(**(spec.provenance.model_dump() | {"inputs": files}))
    if calibrations:
        spec.provenance = spec.provenance.merged(
            Provenance(inputs=load_documents([Path(c) for c in calibrations]).inputs)
        )
    model.summary = summary(model, windows, trained.findings, folder)
    if trained.method is not None:
        model.summary["choice"] = trained.method.document() | {"words": trained.method.words()}
    if trained.choice is not None:
        model.summary["search"] = spec.provenance.configuration["search"]
    return model


def _write(model: GrfModel, folder: Path, *, force: bool) -> None:
    """Write a model with its card, and remove the states that a stopped run would have gone on from."""
    with written_folder(folder, MODEL_FOLDER, force=force) as temporary:
        model.write_into(temporary)
        if "search" in model.summary:
            text = json.dumps(model.summary["search"], indent=2, sort_keys=True, allow_nan=False)
            (temporary / SEARCH).write_text(text + "\n", encoding="utf-8")
        write_card(temporary)
    if "search" in model.summary:
        _search_state(folder).unlink(missing_ok=True)
    state = _training_state(folder)
    state.unlink(missing_ok=True)
    shutil.rmtree(state.with_suffix(""), ignore_errors=True)


def _training_state(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.training.safetensors")


def _search_state(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.search.db")


def _epoch_words(report: EpochReport) -> str:
    inner = "" if report.inner_loss is None else f", inner {report.inner_loss:.4g}"
    return f"loss {report.loss:.4g}{inner}"


def _trial_words(row: TrialRow) -> str:
    return "search, diverged" if row.score is None else f"search, error {row.score:.4g}"


def _check_study(study: PathLike | None, plan: SearchPlan | None, out: Path | None) -> None:
    """Refuse a file for the state of a search that is not asked for, has no folder, or would go with the model's."""
    if study is None:
        return
    if plan is None:
        raise BadInputError(
            f"--study {study} (study in Python) keeps the state of a search; ask for one with --search N"
            " (search=N in Python)"
        )
    folder, model = Path(study).resolve().parent, None if out is None else out.resolve()
    if folder == model or not folder.is_dir():
        what = "is the folder of the model" if folder == model else "does not exist"
        raise BadInputError(f"{study}: its folder {what}; name a file in another one")
    require_regular(Path(study))
