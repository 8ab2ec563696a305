"""The work of ``grf-evaluate``: folds, every baseline and the recipe's network, scores; a stopped run goes on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..arguments import as_path, refuse_other
from ..arrays import PathLike
from ..errors import BadInputError
from ..learn.card import add_evaluation, check_people
from ..learn.device import check_device
from ..learn.everyone import usable
from ..learn.features import facts_of
from ..learn.folds import Fold
from ..learn.method import Method
from ..learn.model import GrfModel
from ..learn.packaged import model_folder
from ..learn.parallel import JobReport
from ..learn.recipe import Recipe, recipe_of, recipe_of_model, spec_of
from ..learn.search_plan import SearchPlan, plan_of, search_of_model
from ..learn.spec import ModelSpec
from ..learn.training_job import Progress
from ..learn.transfer import Regime
from ..learn.window_sources import WindowSource, load_sets
from ..records.stance_set import StanceSet
from ..sync.request import as_several
from .comparison import compared_methods, comparison, costs
from .drawn import drawn
from .duration import Notice
from .feature_comparison import compare_features
from .feature_methods import EVERY, compares_features, feature_plan
from .given_model import evaluate_given, packaged_model
from .imagenet_starts import Weights, single_file, weights_of
from .methods import ChosenMethod, baseline_methods
from .nested_search import SearchedMethod, search_document, search_folds, searched_name
from .personal_folds import PersonalPlan, TrainedMethod, check_personal, personalise_folds, plan_of_counts
from .predictions import Predictions, predict_folds
from .quick import few_stances, quick_plan, quick_recipe
from .recipe_methods import DRAWS, exchanged_methods, folds_of, network_methods
from .request_checks import check_for_card, checked_output, checked_page, regimes_of
from .scores import scores
from .shared_set import shared_set
from .written import write_evaluation


def evaluate(
    data: WindowSource | Sequence[WindowSource],
    *,
    model: PathLike | GrfModel | None = None,
    preset: str = "",
    kind: str = "fixed",
    config: PathLike | Recipe | None = None,
    method: str = "",
    network: str = "",
    split: str = "",
    regimes: str | Sequence[str] = (),
    epochs: int | None = None,
    device: str = "",
    search: int | None = None,
    personalise: str | Sequence[int] = (),
    compare: str | Sequence[str] = (),
    features: str = "",
    features_by: str = "",
    imagenet: PathLike | Sequence[PathLike] | None = None,
    seeds: int = 1,
    draws: int = DRAWS,
    quick: bool = False,
    other_people: str = "",
    out: PathLike | None = None,
    report: PathLike | None = None,
    workers: int = 0,
    scheduler: Any = None,
    force: bool = False,
    calibrations: PathLike | Sequence[PathLike] = (),
    progress: Progress | None = None,
    notice: Notice | None = None,
) -> Predictions:
    """Return predictions for people left out of training, beside every baseline, as ``grf-evaluate`` makes them.

    Their ``scores`` hold every figure, by method and axis. With ``out``, ``answers.nc`` and ``evaluation.json`` are
    written there, and results of folds lie in ``OUT/folds`` while it runs, so that a stopped run goes on.

    Parameters
    ----------
    data
        Stance sets, trials, files of either, or folders of them.
    model
        Take this model's recipe, and the search its settings came from; into a model's folder the result is written
        with its card, and what could not stand on it is refused before anything is trained. ``grfkit:NAME`` is
        evaluated as it is, on people whom it does not know; only the baselines are trained.
    preset, kind, config, method, network, epochs, device
        Of :func:`~grfkit.learn.training_job.train`.
    split
        ``loso`` or ``grouped_kfold``; ``leave_one_trial_out`` and ``within_trial`` leak, and say so.
    regimes
        Regimes from treadmill to overground side by side, such as ``A,B,C1,D2``, or ``all``.
    search
        Also the network with the best of so many settings, searched anew in every fold without those it tests.
    personalise
        Also the error after calibration on so many first strides of the tested person.
    compare
        Methods side by side, two or more: networks, methods and presets, such as ``lstm,cnn2d_lstm,kernel ridge``;
        ``scores["comparison"]`` then holds every pair over people, ranks, and error against cost.
    features
        Facts of people as inputs: ``alignment``, ``side``, ``both``, ``none``; ``shuffled``, a control, gives everybody
        another's. With ``compare`` (networks, or ``all``) several, such as ``alignment,both``: every network without,
        with, and with those of others; ``scores["feature_comparison"]`` holds contrasts, ranks and, of the preset
        ``sugiarto2025`` (a reconstruction, not replication), the verdict on each of the study's claims.
    seeds, draws
        Of a comparison with features: trainings from different starts, and exchanges of features between people.
    quick
        A comparison with features in about ten minutes: few folds, stances and, where none is named, networks; the
        result says what was left out.
    features_by, imagenet
        Of :func:`~grfkit.learn.training_job.train`; with ``compare`` a file of ``resnet50``, of ``inception3`` or of
        each, which are then trained from it and from random weights.
    other_people
        Whose people these are, where some have the code of others in the training of a packaged model: they are named
        so, and the findings repeat that it was stated. Without it they are refused.
    report
        HTML report to write.
    workers, scheduler
        Processes, 0 for this one alone; or the address of a dask scheduler. They change no number.
    force
        Overwrite ``report`` and the evaluation in ``out``.
    calibrations
        Of :func:`~grfkit.learn.training_job.train`.
    progress
        Called with how many parts are done, of how many, and a text.
    notice
        Called with a sentence on how long a comparison with features will take, and what is left, every five minutes.

    Raises
    ------
    BadInputError
        If an output exists and ``force`` is false, an option does not exist, or the trials cannot be evaluated; nothing
        is written then.

    Examples
    --------
    >>> import grfkit
    >>> from grfkit import evaluate
    >>> trials = [grfkit.simulate_trial(seed=k, duration_s=12).on_true_clock(participant=f"P{k}") for k in (1, 2)]
    >>> windows = [grfkit.cut_windows(trial) for trial in trials]
    >>> predictions = grfkit.evaluate(windows, network="mlp", epochs=1)
    >>> predictions.methods
    ('mean curve', 'mean curve of the known speed', 'ridge', 'kNN', 'scaled pressure sum', 'mlp')
    >>> sorted(predictions.scores["windows"])
    ['P1', 'P2']
    """
    refuse_other(workers, int, "workers as a whole number")
    if isinstance(scheduler, int | float):
        raise BadInputError(
            f"scheduler is {scheduler}, expected the address of a dask scheduler, or the scheduler itself"
        )
    page = None if report is None else checked_page(report, force=force)
    if model is not None and (preset or isinstance(config, str | os.PathLike) or method or network or epochs or split):
        raise BadInputError(
            "--model (model in Python) brings its own recipe; leave out --preset, --config, --method, --network,"
            " --split, --epochs (preset, config, method, network, split, epochs in Python)"
        )
    if model is not None and search is not None:
        raise BadInputError(
            "--model (model in Python) is proven by the search its settings came from, if any; leave out --search"
            " (search in Python)"
        )
    if compare and (model is not None or regimes or personalise or method or network or search is not None):
        raise BadInputError(
            "--compare (compare in Python) names all methods; leave out --model, --method, --network, --regimes,"
            " --search and --personalise (model, method, network, regimes, search, personalise in Python)"
        )
    packaged = packaged_model(model)
    if packaged and (regimes or personalise):
        raise BadInputError(f"{packaged} is evaluated as it is; leave out --regimes and --personalise")
    if other_people and not packaged:
        raise BadInputError(
            "--other-people (other_people in Python) is of a packaged model, --model grfkit:NAME; other methods are"
            " trained without the tested; leave it out"
        )
    folder = model if isinstance(model, str | os.PathLike) and not packaged else None
    model = model_folder(packaged) if packaged else model
    spec = None if model is None else _spec_of(model)
    # a folder is passed on as it is, so that an error names it
    base = None if spec is None else recipe_of_model(spec if folder is None else folder)
    if not method and model is None and (search is not None or regimes):
        method = "network"
    recipe = recipe_of(
        preset, kind, config, network=network, split=split, epochs=epochs, device=device, method=method,
        features="" if compare else features, features_by=features_by,
        imagenet=None if compare else single_file(imagenet), base=base, compared=bool(compare) and not features,
    )  # fmt: skip
    if recipe.cut.targets == "cop":
        raise BadInputError("the recipe asks for the centre of pressure: --targets cop (evaluate_cop in Python)")
    weights = weights_of(imagenet) if compare else ()
    if weights and not compares_features(compare, features, recipe):
        raise BadInputError(
            "--imagenet beside --compare is of comparisons with features: add --features, or --preset sugiarto2025"
            " (imagenet, features, preset in Python)"
        )
    if quick and not (compare and compares_features(compare, features, recipe)):
        raise BadInputError(
            "--quick (quick in Python) is of comparisons with features: add --compare and --preset sugiarto2025 or"
            " --features (compare, preset, features in Python)"
        )
    plan = search_of_model(spec) if spec is not None else None if search is None else plan_of(recipe, search)
    check_device(recipe.train.device)
    names = regimes_of(regimes)
    counts = personalise if isinstance(personalise, Sequence) and not isinstance(personalise, str) else [personalise]
    text = ",".join(map(str, counts))
    personal = plan_of_counts(text) if text else None
    # refused before the windows are cut and hours are spent on training
    target = None if out is None else checked_output(as_path(out, what="the folder to write"), force=force)
    if folder is not None:
        check_for_card(Path(folder), recipe, names)
    windows = load_sets(data, recipe, as_several(calibrations))
    tell = progress or (lambda *_: None)
    how: dict[str, Any] = {
        "workers": workers, "cluster": scheduler, "progress": lambda r: tell(r.done, r.total, r.name),
        "results": None if target is None else target / "folds",
    }  # fmt: skip
    if packaged:
        predictions = evaluate_given(packaged, windows, recipe, other_people=other_people, **how)
    else:
        if folder is not None and spec is not None:
            check_people(Path(folder), spec.participants, windows.participants)
        predictions = evaluate_recipe(
            windows, recipe, regimes=names, search=plan, personal=personal, compare=compare, features=features,
            seeds=seeds, draws=draws, weights=weights, quick=quick, notice=notice, **how,
        )  # fmt: skip
    if target is not None:
        write_evaluation(target, predictions)
    if folder is not None:
        add_evaluation(Path(folder), predictions.scores)
    if page is not None:
        from ..report.accuracy_page import write_accuracy_report

        write_accuracy_report(page, predictions.scores, force=force)
    return predictions


def _spec_of(model: PathLike | GrfModel) -> ModelSpec:
    return model.spec if isinstance(model, GrfModel) else spec_of(as_path(model, what="a model's folder"))


def evaluate_recipe(
    data: StanceSet,
    recipe: Recipe,
    *,
    regimes: Sequence[Regime] = (),
    search: SearchPlan | None = None,
    personal: PersonalPlan | None = None,
    compare: str | Sequence[str] = (),
    features: str = "",
    seeds: int = 1,
    draws: int = DRAWS,
    weights: Sequence[Weights] = (),
    quick: bool = False,
    notice: Notice | None = None,
    workers: int = 0,
    cluster: Any = None,
    results: Path | None = None,
    progress: Callable[[JobReport], None] | None = None,
) -> Predictions:
    """Return predictions, with their scores, of the recipe's network beside every baseline, on the recipe's folds.

    Parameters
    ----------
    search
        Also the network with settings searched anew in every fold, nested; it becomes the headline.
    compare, features, seeds, draws, weights, quick, notice
        Of :func:`evaluate`, ``weights`` those of ``imagenet``; the last one named is the headline.
    personal
        Also the headline's error against calibration strides of the tested, under ``personalisation``.

    Raises
    ------
    BadInputError
        If the set cannot be split, a method cannot be used, or a search or personalisation does not go with the split.
    """
    as_given = recipe
    recipe, findings = usable(data, recipe)
    transfer = bool(regimes or recipe.regime)
    if search is not None and transfer:
        raise BadInputError("a search is of a network alone, not of a regime; leave out one of them")
    folds = folds_of(data, recipe, transfer=transfer)
    if compare and compares_features(compare, features, recipe):
        if quick:
            whole, data, recipe = data.size, few_stances(data), quick_recipe(recipe)
            folds = folds_of(data, recipe, transfer=False)
        facts_plan = feature_plan(compare, features, recipe, data, seeds=seeds, draws=draws, weights=weights)
        if quick:
            everyone = compare in (EVERY, [EVERY])
            facts_plan = quick_plan(facts_plan, recipe, data, folds, whole=whole, everyone=everyone)
        with shared_set(data, apart=bool(workers) or cluster is not None) as file:
            predictions = compare_features(
                data, recipe, facts_plan, folds, shared=file, workers=workers, cluster=cluster, results=results,
                progress=progress, notice=notice,
            )  # fmt: skip
        return _with_about(predictions, data, recipe, as_given, findings)
    networks = compared_methods(compare, recipe, data) if compare else network_methods(recipe, regimes)
    facts = () if recipe.features == "shuffled" else facts_of(recipe.train.statics)
    methods: tuple[Method, ...] = (
        *baseline_methods(data, statics=facts), *exchanged_methods(networks, recipe, DRAWS)
    )  # fmt: skip
    # the last regime that was named; a search takes its place below
    headline: TrainedMethod = networks[-1]
    surface = "overground" if transfer else ""
    if recipe.features == "shuffled" and (search is not None or personal is not None):
        raise BadInputError(
            "features 'shuffled' are a control of methods as they are; leave out --search and --personalise (search,"
            " personalise in Python)"
        )
    if personal is not None and isinstance(headline, ChosenMethod):
        raise BadInputError(
            f"--personalise (personalise in Python) trains a network further, and the method is '{recipe.method}'; take"
            " --network NAME, or --model of a network (network, model in Python)"
        )
    if personal is not None:
        check_personal(data, folds, personal, surface)
    configuration = {"recipe": recipe.model_dump(mode="json"), "regimes": list(regimes)}
    how: dict[str, Any] = {"workers": workers, "cluster": cluster, "results": results, "progress": progress}
    more: dict[str, Any] = {}
    with shared_set(data, apart=bool(workers) or cluster is not None) as file:
        if search is not None:
            searched, more["search"] = _searched(data, folds, recipe, search, shared=file, **how)
            methods, headline = (*methods, searched), searched
            configuration["search"] = search.model_dump(mode="json")
        predictions = predict_folds(
            file or data, folds, methods, split=recipe.split, leaks=recipe.leaks, configuration=configuration, **how
        )
        if personal is not None:
            more["personalisation"] = personalise_folds(
                data, folds, headline, personal, surface=surface, leaks=recipe.leaks, shared=file, **how
            )
    if transfer:
        predictions = of_surface(predictions, surface)
    table = scores(predictions)
    if compare:
        more["comparison"] = comparison(table, costs(networks, data))
    more["headline_regime"] = regimes[-1] if regimes else recipe.regime
    return _with_about(replace(predictions, scores=table | more), data, recipe, as_given, findings)


def _with_about(
    predictions: Predictions, data: StanceSet, recipe: Recipe, asked: Recipe, findings: Sequence[str]
) -> Predictions:
    """Return the predictions, whose scores say what was evaluated and how."""
    about = {
        "recipe": recipe.model_dump(mode="json"),
        # beside the recipe that was used: `usable` may have left out what no window knows
        "asked": asked.model_dump(mode="json"),
        "people": list(data.participants),
        "headline_regime": recipe.regime,
        "excluded": data.excluded,
        "findings": list(findings),
        "baselines": [m.name for m in baseline_methods(data)],
        "drawn": drawn(predictions, predictions.scores["headline"]),
    }
    return replace(predictions, scores=about | predictions.scores)


def _searched(
    data: StanceSet, folds: Sequence[Fold], recipe: Recipe, plan: SearchPlan, **how: Any
) -> tuple[SearchedMethod, dict[str, Any]]:
    """Return the method of the settings chosen in every fold, and what was chosen, for the record."""
    network, config = recipe.network_config(), recipe.train
    name = searched_name(network, plan)
    choices = search_folds(data, folds, network, config, plan, **how)
    method = SearchedMethod(name, network, config, choices, recipe.seeds)
    return method, search_document(name, plan, folds, choices)


def of_surface(predictions: Predictions, surface: str) -> Predictions:
    """Return the predictions on one surface: where a tested person walked on both, only the target counts."""
    rows = predictions.per_stance("surface") == surface
    return Predictions(predictions.data.isel(stance=rows.nonzero()[0]))
