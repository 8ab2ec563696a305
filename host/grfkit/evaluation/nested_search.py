"""Nested search: in every fold of an evaluation settings are chosen anew, on its training participants alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import BadInputError
from ..learn.folds import Fold
from ..learn.method import FittedMethod
from ..learn.model import GrfModel
from ..learn.networks import NetworkConfig
from ..learn.parallel import Job, JobReport, map_folds
from ..learn.result_cache import digest_of, fingerprint_of
from ..learn.search import TrialRow, Value, applied, search
from ..learn.search_plan import Choice, SearchPlan
from ..learn.train_config import TrainConfig
from ..records.stance_set import StanceSet
from .methods import NetworkMethod

_ON_TRIAL: ContextVar[Callable[[TrialRow], None] | None] = ContextVar("on_trial", default=None)
"""Called after every trial of a search that runs in this process: a job's arguments decide its fingerprint, and a
callback must not."""


@dataclass(frozen=True)
class SearchedMethod:
    """A network with the settings chosen for each fold; a fold without a choice is refused.

    Attributes
    ----------
    choices
        By name of the fold. Who chose goes into ``TrainConfig.chosen_on``, so that training refuses to test any of
        them.
    """

    name: str
    network: NetworkConfig
    config: TrainConfig
    choices: Mapping[str, Choice]
    seeds: int = 1

    def fit(self, data: StanceSet, fold: Fold) -> FittedMethod:
        """Return the network trained with the fold's own settings."""
        return self._for_fold(fold).fit(data, fold)

    def train(self, data: StanceSet, fold: Fold) -> GrfModel:
        """Return the model of the first start, with the fold's own settings."""
        return self._for_fold(fold).train(data, fold)

    def _for_fold(self, fold: Fold) -> NetworkMethod:
        if fold.name not in self.choices:
            raise BadInputError(f"{self.name}: no settings were chosen for fold '{fold.name}'; search it first")
        choice = self.choices[fold.name]
        network, config = applied(self.network, self.config, choice.settings)
        config = config.model_copy(update={"chosen_on": tuple(sorted({*config.chosen_on, *choice.participants}))})
        return NetworkMethod(self.name, network, config, self.seeds)


def searched_name(network: NetworkConfig, plan: SearchPlan) -> str:
    """Return the name under which the results of a nested search are listed."""
    return f"{network.name}, searched ({plan.trials} trials)"


def search_job(
    data: StanceSet | Path, fold: Fold, network: NetworkConfig, config: TrainConfig, plan: SearchPlan, study: str = ""
) -> dict[str, Any]:
    """Return what a search on the training part of a fold chose, as a value that can be kept.

    The tested are taken out of the set before the search sees it.
    """
    stances = StanceSet.open(data) if isinstance(data, Path) else data
    result = search(
        plan.space,
        network,
        config,
        fold.of(stances, "train", "inner") if fold.inner else fold.of(stances, "train"),
        fold,
        trials=plan.trials,
        folds=plan.folds,
        seed=plan.seed,
        storage=Path(study) if study else None,
        progress=_ON_TRIAL.get(),
    )
    return Choice.of(result).document()


def search_folds(
    data: StanceSet,
    folds: Sequence[Fold],
    network: NetworkConfig,
    config: TrainConfig,
    plan: SearchPlan,
    *,
    shared: Path | None = None,
    workers: int = 0,
    cluster: Any = None,
    results: Path | None = None,
    progress: Callable[[JobReport], None] | None = None,
) -> dict[str, Choice]:
    """Return by name of the fold what a search on its training participants chose.

    Parameters
    ----------
    shared
        A file of the same set, for other processes.
    workers, cluster, results, progress
        Of :func:`~grfkit.learn.parallel.map_folds`. With ``results`` each finished search is kept, and (without a
        cluster) the state of one that was stopped, so that it goes on at its next trial. Progress counts trials.
    """
    same = {"network": network, "config": config, "plan": plan}
    digest = digest_of(data) if results is not None and cluster is None else ""
    jobs = []
    for fold in folds:
        study = ""
        if results is not None and cluster is None:
            results.mkdir(parents=True, exist_ok=True)
            arguments = {
                "network": network,
                "config": config,
                # without the number of trials: a search asked for more of them goes on from those it has
                "space": plan.space,
                "folds": plan.folds,
                "seed": plan.seed,
            }
            key = fingerprint_of(search_job, arguments | {"data": digest, "fold": fold})
            study = str(results.resolve() / f"search-{key[:16]}.db")
        jobs.append(Job(f"{fold.name} | search", {"data": shared or data, "fold": fold, "study": study} | same))
    counter = _TrialCounter(plan.trials, len(jobs), progress)
    # seen where the searches run in this process; other processes report finished searches only
    token = _ON_TRIAL.set(counter.trial)
    try:
        documents = map_folds(search_job, jobs, workers=workers, cluster=cluster, results=results, progress=counter.job)
    finally:
        _ON_TRIAL.reset(token)
    return {fold.name: Choice.model_validate(_rows(value)) for fold, value in zip(folds, documents)}


def _rows(value: dict[str, Any]) -> dict[str, Any]:
    return value | {"trials": [TrialRow(**row) for row in value["trials"]]}


class _TrialCounter:
    """Reports progress in trials: one by one where the searches run here, search by search where they run elsewhere."""

    def __init__(self, trials: int, jobs: int, progress: Callable[[JobReport], None] | None) -> None:
        self.trials, self.total, self.done, self.progress = trials, trials * jobs, 0, progress

    def trial(self, row: TrialRow) -> None:
        """Report one trial."""
        self._report(f"search, trial {row.number + 1} of {self.trials}", self.done + row.number + 1, 0.0, False)

    def job(self, report: JobReport) -> None:
        """Report a finished search."""
        self.done = report.done * self.trials
        self._report(report.name, self.done, report.seconds, report.reused)

    def _report(self, name: str, count: int, seconds: float, reused: bool) -> None:
        if self.progress is not None:
            self.progress(JobReport(name, count, self.total, seconds, None, reused))


def search_document(
    name: str, plan: SearchPlan, folds: Sequence[Fold], choices: Mapping[str, Choice]
) -> dict[str, Any]:
    """Return what was searched and chosen, fold by fold, as JSON values."""
    document = {
        "method": name,
        "plan": plan.model_dump(mode="json"),
        "folds": {f.name: {"tested": list(f.test)} | choices[f.name].document() for f in folds},
    }
    return document | {"words": search_words(document)}


def search_words(document: Mapping[str, Any]) -> list[str]:
    """Return in words what a nested search did and how far its choices agree."""
    folds, plan = document["folds"], document["plan"]
    lost = sum(row["score"] is None for choice in folds.values() for row in choice["trials"])
    lines = [
        f"{document['method']}: in each of {len(folds)} folds {plan['trials']} settings were tried on its training"
        " participants alone, scored on those of them left out in turn"
        + (f"; {lost} of the trials diverged." if lost else ".")
    ]
    spreads = [f"{n} {spread([choice['settings'][n] for choice in folds.values()])}" for n in plan["space"]]
    return [*lines, f"Chosen over the folds: {'; '.join(spreads)}."]


def spread(values: Sequence[Value]) -> str:
    """Return values in words: numbers from lowest to highest, names with how often."""
    if all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        low, high = min(values), max(values)
        return f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
    return ", ".join(f"{v} ({values.count(v)})" for v in dict.fromkeys(values))
