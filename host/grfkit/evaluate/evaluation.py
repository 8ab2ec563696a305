"""What ``grf-evaluate`` does: folds, every baseline and the recipe's network, scores; stopped, it goes on."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import BadInputError
from ..learn.card import check_people
from ..learn.folds import Fold
from ..learn.method import Method
from ..learn.parallel import JobReport
from ..learn.recipe import Recipe, load_sets, spec_of
from ..learn.search_plan import SearchPlan
from ..learn.training_job import usable
from ..learn.transfer import MEANING, REGIMES, Regime, by_surface, transfer_folds
from ..records.stance_set import StanceSet
from .methods import NetworkMethod, TransferMethod, baseline_methods
from .nested_search import SearchedMethod, search_document, search_folds, searched_name
from .personal_folds import PersonalPlan, TrainedMethod, check_personal, personalise_folds
from .predictions import Predictions, predict_folds
from .scores import scores

Told = Callable[[JobReport], None]


def _check_for_card(folder: Path, recipe: Recipe, regimes: Sequence[str]) -> None:
    """Refuse an evaluation whose headline could not stand on the model's card."""
    if recipe.leaks or recipe.split in ("leave_one_trial_out", "within_trial"):
        why = "; ".join(recipe.leaks) or recipe.split
        raise BadInputError(
            f"{folder}: its recipe leaks ({why}), and what leaks is no figure for a model's card; evaluate its recipe"
            " without the model (--preset, --config)"
        )
    if regimes and regimes[-1] != recipe.regime:
        raise BadInputError(
            f"{folder}: was trained by regime '{recipe.regime or 'none'}', and the last of --regimes, '{regimes[-1]}',"
            " would be the headline on its card; name the model's own one last, or leave out --model"
        )


def network_methods(recipe: Recipe, regimes: Sequence[Regime] = ()) -> tuple[NetworkMethod | TransferMethod, ...]:
    """Return the recipe's network, or one of it for each regime."""
    network, chosen = recipe.network_config(), regimes or ((recipe.regime,) if recipe.regime else ())
    methods: list[NetworkMethod | TransferMethod] = []
    for regime in chosen:
        if regime not in REGIMES:
            raise BadInputError(f"there is no regime '{regime}'; there are {', '.join(REGIMES)}")
        methods.append(TransferMethod(f"{network.name}, {regime}: {MEANING[regime]}", regime, network, recipe.train))
    if not chosen:
        methods.append(NetworkMethod(network.name, network, recipe.train, recipe.seeds))
    return tuple(methods)


def folds_of(data: StanceSet, recipe: Recipe, *, transfer: bool) -> tuple[Fold, ...]:
    """Return the folds: with a regime, one per participant of the target surface, out of both surfaces."""
    if not transfer:
        return recipe.folds(data)
    if recipe.split != "loso":
        raise BadInputError(f"split is {recipe.split}; transfer between surfaces is proven by loso only")
    return transfer_folds(*by_surface(data), inner=recipe.inner)


def evaluate(
    data: StanceSet,
    recipe: Recipe,
    *,
    regimes: Sequence[Regime] = (),
    search: SearchPlan | None = None,
    personal: PersonalPlan | None = None,
    workers: int = 0,
    cluster: Any = None,
    results: Path | None = None,
    progress: Told | None = None,
) -> tuple[Predictions, dict[str, Any]]:
    """Return answers and scores of the recipe's network beside every baseline, on the recipe's folds.

    Parameters
    ----------
    search
        Also the network with settings searched anew in every fold, nested; it becomes the headline.
    personal
        Also the headline's error against calibration strides of the tested, under ``personalisation``.

    Raises
    ------
    BadInputError
        If the set cannot be split, a method cannot answer, or a search or personalisation does not go with the split.
    """
    asked = recipe
    recipe, findings = usable(data, recipe)
    transfer = bool(regimes or recipe.regime)
    if search is not None and transfer:
        raise BadInputError("a search is of a network alone, not of a regime; leave out one of them")
    folds, networks = folds_of(data, recipe, transfer=transfer), network_methods(recipe, regimes)
    methods: tuple[Method, ...] = (*baseline_methods(data), *networks)
    headline: TrainedMethod = networks[-1]
    surface = "overground" if transfer else ""
    if personal is not None:
        check_personal(data, folds, personal, surface)
    configuration = {"recipe": recipe.model_dump(mode="json"), "regimes": list(regimes)}
    how: dict[str, Any] = {"workers": workers, "cluster": cluster, "results": results, "progress": progress}
    more: dict[str, Any] = {}
    with _shared(data, apart=bool(workers) or cluster is not None) as file:
        if search is not None:
            searched, more["search"] = _searched(data, folds, recipe, search, shared=file, **how)
            methods, headline = (*methods, searched), searched
            configuration["search"] = search.model_dump(mode="json")
        answers = predict_folds(
            file or data, folds, methods, split=recipe.split, leaks=recipe.leaks, configuration=configuration, **how
        )
        if personal is not None:
            more["personalisation"] = personalise_folds(
                data, folds, headline, personal, surface=surface, leaks=recipe.leaks, shared=file, **how
            )
    if transfer:
        answers = of_surface(answers, surface)
    made = {
        "recipe": recipe.model_dump(mode="json"),
        "asked": asked.model_dump(mode="json"),
        "people": list(data.participants),
        "headline_regime": regimes[-1] if regimes else recipe.regime,
    }
    return answers, scores(answers) | more | made | {"excluded": data.excluded, "findings": list(findings)}


@contextmanager
def _shared(data: StanceSet, *, apart: bool) -> Iterator[Path | None]:
    """Give a file of the set that other processes can read, for as long as the block lasts; None if not ``apart``."""
    if not apart:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="grfkit-") as folder:
        path = Path(folder) / "set.nc"
        data.to_netcdf(path)
        yield path


def _searched(
    data: StanceSet, folds: Sequence[Fold], recipe: Recipe, plan: SearchPlan, **how: Any
) -> tuple[SearchedMethod, dict[str, Any]]:
    """Return the method of the settings chosen in every fold, and what was chosen, for the record."""
    network, config = recipe.network_config(), recipe.train
    name = searched_name(network, plan)
    chosen = search_folds(data, folds, network, config, plan, **how)
    method = SearchedMethod(name, network, config, chosen, recipe.seeds)
    return method, search_document(name, plan, folds, chosen)


def of_surface(answers: Predictions, surface: str) -> Predictions:
    """Return the answers of one surface: where a tested person walked on both, only the target counts."""
    own = answers.per_stance("surface") == surface
    return Predictions(answers.data.isel(stance=own.nonzero()[0]))


def evaluate_job(
    paths: Sequence[Path],
    recipe: Recipe,
    *,
    out: Path | None = None,
    force: bool = False,
    model: Path | None = None,
    **how: Any,
) -> dict[str, Any]:
    """Return the scores of a folder of trials; with ``out``, write ``answers.nc`` and ``evaluation.json`` there.

    Results of folds lie in ``OUT/folds`` while it runs, so that a stopped run goes on.

    Parameters
    ----------
    model
        Whose card the result is for: what could not stand on it is refused before anything is trained.

    Raises
    ------
    BadInputError
        If the output exists and ``force`` is false, or the trials cannot be evaluated; nothing is written then.
    """
    if out is not None and out.exists() and (out / "evaluation.json").exists() and not force:
        raise BadInputError(f"{out}: holds an evaluation; use --force to overwrite it")
    if out is not None and out.exists() and not out.is_dir():
        raise BadInputError(f"{out}: is a file; name a folder")
    if model is not None:
        _check_for_card(model, recipe, how.get("regimes", ()))
    data = load_sets(paths, recipe)
    if model is not None:
        check_people(model, spec_of(model).participants, data.participants)
    answers, found = evaluate(data, recipe, results=None if out is None else out / "folds", **how)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        answers.to_netcdf(out / "answers.nc", force=True)
        (out / "evaluation.json").write_text(as_text(found), encoding="utf-8")
    return found


def as_text(found: dict[str, Any]) -> str:
    """Return scores as JSON text."""
    return json.dumps(found, indent=1, allow_nan=False, default=_default) + "\n"


def _default(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(type(value).__name__)
