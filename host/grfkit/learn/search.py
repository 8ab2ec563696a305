"""Search for settings within the training participants of a fold: seeded, resumable, blind to those tested."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from ..arguments import refusal
from ..errors import BadInputError
from ..records.stance_set import StanceSet
from .checkpoint import DivergedError, fingerprint
from .device import deterministic
from .folds import Fold, check_blind, grouped_kfold, stable_seed
from .model import predict
from .networks import NetworkConfig, network_config
from .parallel import Job, map_folds
from .result_cache import digest_of
from .train import fit
from .train_config import TrainConfig

Value = str | int | float | bool


class Span(BaseModel):
    """The range of one setting: one of ``choices``, or a number from ``low`` to ``high``.

    Attributes
    ----------
    log
        Whether it is drawn evenly by its logarithm.
    whole
        Whether it is an integer.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    choices: tuple[Value, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False

    @model_validator(mode="after")
    def _one_of_both(self) -> Span:
        bounded = self.low is not None and self.high is not None
        if bool(self.choices) == bounded or (self.low is None) != (self.high is None):
            raise ValueError("give either choices, or low and high")
        if (
            self.low is not None
            and self.high is not None
            and not (0 if self.log else self.low) <= self.low <= self.high
        ):
            raise ValueError("low has to be at most high, and above 0 where log is set")
        return self

    def draw(self, trial: Any, name: str) -> Value:
        """Return the value an Optuna trial takes."""
        if self.low is None or self.high is None:
            return trial.suggest_categorical(name, list(self.choices))  # type: ignore[no-any-return]
        if self.whole:
            return int(trial.suggest_int(name, int(self.low), int(self.high), log=self.log))
        return float(trial.suggest_float(name, self.low, self.high, log=self.log))


Space = Mapping[str, Span]
_WIDTHS = Span(choices=(32, 64, 128, 256, 512))

CARTER_SPACE: Space = {
    "train.lr": Span(low=1e-5, high=1e-1, log=True),
    "train.epochs": Span(low=1, high=15, whole=True),
    "network.hidden": _WIDTHS,
    "network.dropout_in": Span(low=0.1, high=0.5),
    "network.dropout": Span(low=0.1, high=0.5),
    "network.head.0": _WIDTHS,
    "network.head.1": _WIDTHS,
    "train.batch": Span(choices=(8, 16, 32, 64, 128)),
}
"""Of Carter 2024's public code (doi 10.7717/peerj.17896; systems.md 1.5), 250 trials there; its choice of activation
is left out: these networks have ReLU."""

ZHOU_SPACE: Space = {
    "network.layers": Span(low=1, high=3, whole=True),
    "network.hidden": Span(choices=(64, 128, 256, 512)),
    "network.name": Span(choices=("lstm", "bilstm")),
    "network.dropout": Span(low=0.0, high=0.5),
    "train.lr": Span(low=1e-4, high=1e-2, log=True),
    "train.batch": Span(choices=(16, 32, 64)),
}
"""Zhou 2025 gives its space in a figure that could not be read; this is the choice of systems.md 2.4."""

SPACES: Mapping[str, Space] = {"carter2024": CARTER_SPACE, "carter2025": CARTER_SPACE, "zhou2025": ZHOU_SPACE}


def space_of(preset: str) -> Space:
    """Return the space a preset is searched in.

    Raises
    ------
    BadInputError
        If it has none.
    """
    if preset not in SPACES:
        raise BadInputError(f"preset '{preset}' has no space to search; there are {', '.join(SPACES)}")
    return SPACES[preset]


class TrialRow(NamedTuple):
    """One set of settings tried; ``score`` is None where training diverged."""

    number: int
    settings: dict[str, Value]
    score: float | None


@dataclass(frozen=True)
class SearchResult:
    """The best settings, everything tried, and on whom: ``config.chosen_on`` names them, and training refuses to test
    any of them.

    Attributes
    ----------
    score
        Mean over participants and axes of RMSE over the axis's mean range, when left out of an inner fold.
    """

    network: NetworkConfig
    config: TrainConfig
    score: float
    trials: tuple[TrialRow, ...]
    participants: tuple[str, ...]

    @property
    def settings(self) -> dict[str, Value]:
        """Return the best settings by name, the earliest of equally good ones."""
        return dict(min((r for r in self.trials if r.score is not None), key=lambda r: (r.score, r.number)).settings)


def search(
    space: Space,
    network: NetworkConfig,
    config: TrainConfig,
    data: StanceSet,
    fold: Fold,
    *,
    trials: int = 20,
    folds: int = 5,
    seed: int = 1966,
    storage: Path | None = None,
    workers: int | Executor = 0,
    cluster: Any = None,
    progress: Callable[[TrialRow], None] | None = None,
) -> SearchResult:
    """Return the settings whose models err least on participants left out within the training part of a fold.

    Every trial trains ``folds`` models on the fold's training and inner participants, each participant left out once.
    The sampler is a TPE (Bergstra et al. 2011, NeurIPS 24; Optuna) newly seeded before every trial, so that the
    n-th trial depends on the seed and the trials before it alone: a search that was killed goes on as if it had not
    been, and any number of workers gives the same table.

    Parameters
    ----------
    space
        Settings by name: ``network.hidden``, ``network.head.0``, ``train.lr``; others stay as ``network`` and
        ``config`` have them.
    data
        Windows without anyone tested.
    folds
        Fewer where there are fewer participants.
    storage
        SQLite file of the search; one of another search is refused.
    workers, cluster
        Where the inner folds of a trial run, as :func:`~grfkit.learn.parallel.map_folds` takes them.

    Raises
    ------
    LeakError
        If one of the tested is in the data.
    BadInputError
        If the space is empty or names no setting, fewer than two participants are there, the storage is of another
        search, or every trial diverged.
    """
    fold.check(data)
    check_blind(fold, config.chosen_on, "an earlier search that chose these settings")
    people = data.participants
    if fold.unit != "participant" or len(people) < 2:
        raise BadInputError(
            f"a search needs two participants or more to leave one out within training; fold '{fold.name}' has"
            f" {', '.join(people)} by {fold.unit}"
        )
    if not space or trials < 1:
        raise BadInputError(f"the space has {len(space)} settings and {trials} trials; expected at least one of each")
    for name, span in space.items():
        applied(network, config, {name: span.choices[0] if span.choices else _low(span)})
    inner = grouped_kfold(data, k=min(folds, len(people)), seed=seed, inner=1 if len(people) > 2 else 0)
    run = fingerprint(
        space={k: v.model_dump() for k, v in space.items()},
        network=network.model_dump(mode="json"),
        config=config.model_dump(mode="json"),
        fold=asdict(fold),
        data=digest_of(data),
        folds=[asdict(f) for f in inner],
        seed=seed,
    )
    tried = config.model_copy(update={"chosen_on": ()})  # within the training part everyone may take a turn
    # numbers count finished trials: one that a kill cut short is drawn again, under its number and from its seed
    with _study(storage, run) as study:
        for number in range(len(_finished(study)), trials):
            study.sampler = _sampler(stable_seed(seed, "trial", number))
            trial = study.ask()
            # sorted: the sampler's random numbers go by order, which a mapping read from a file may change
            settings = {name: span.draw(trial, name) for name, span in sorted(space.items())}
            score = _score(*applied(network, tried, settings), data, inner, workers, cluster)
            _tell(study, trial, score)
            if progress is not None:
                progress(TrialRow(number, settings, score))
        rows = _table(study)[:trials]
    return _best(rows, network, config, people)


def _low(span: Span) -> Value:
    low = span.low or 0.0
    return int(low) if span.whole else low


def applied(
    network: NetworkConfig, config: TrainConfig, settings: Mapping[str, Value]
) -> tuple[NetworkConfig, TrainConfig]:
    """Return both configurations with settings such as ``network.head.0`` or ``train.lr`` put in, and checked.

    Raises
    ------
    BadInputError
        If there is no such setting, or a value is out of range.
    """
    net, train = network.model_dump(), config.model_dump()
    for name, value in settings.items():
        part, _, rest = name.partition(".")
        target = {"network": net, "train": train}.get(part)
        key, _, index = rest.partition(".")
        if target is None or (key not in target and part == "train"):
            raise BadInputError(
                f"there is no setting '{name}'; expected network.NAME, network.NAME.INDEX or train.NAME"
            )
        target[key] = _with_item(target.get(key), int(index), value, name) if index.isdigit() else value
    try:
        return network_config(**net), TrainConfig.model_validate(train)
    except ValidationError as error:
        raise BadInputError(f"setting train.{refusal(error, TrainConfig)}") from error


def _with_item(old: Any, index: int, value: Value, name: str) -> tuple[Any, ...]:
    items = list(old) if isinstance(old, tuple | list) else []
    if index > len(items):
        raise BadInputError(f"setting '{name}' is number {index + 1} of {len(items)}; give the ones before it")
    items[index : index + 1] = [value]
    return tuple(items)


def _score(
    network: NetworkConfig,
    config: TrainConfig,
    data: StanceSet,
    inner: Sequence[Fold],
    workers: int | Executor,
    cluster: Any,
) -> float | None:
    """Return the mean error over the participants, each left out once; None where a training diverged."""
    if cluster is None and workers == 0:
        with deterministic(1):  # one thread, as in every job: a search may itself be a job, which takes none in
            answers = [fold_errors(network, config, data, f) for f in inner]
    else:
        jobs = [Job(f.name, {"network": network, "config": config, "data": data, "fold": f}) for f in inner]
        answers = map_folds(fold_errors, jobs, workers=workers, cluster=cluster)
    errors: dict[str, float] = {}
    for answer in answers:
        if answer is None:
            return None
        errors |= answer
    # sorted, so that the sum rounds alike whichever fold ended first
    score = float(np.mean([errors[p] for p in sorted(errors)]))
    return score if np.isfinite(score) else None


def fold_errors(network: NetworkConfig, config: TrainConfig, data: StanceSet, fold: Fold) -> dict[str, float] | None:
    """Return the error of every tested participant of a fold, None if training diverged.

    The error is the RMSE in BW over the axis's mean range in the training windows, mean over axes: it does not depend
    on the target, scaling or loss that are searched.
    """
    try:
        model = fit(network, config, data.without(fold.test), fold)
    except DivergedError:
        return None
    ranges = np.asarray(model.spec.scaler.target_range)
    at = [data.axes.index(a) for a in model.spec.scaler.axes]
    errors = {}
    for person in fold.test:
        windows = data.of([person])
        _, y, w = windows.arrays()
        valid = (w > 0)[:, :, None] & np.isfinite(y[:, :, at])
        squared = np.where(valid, (predict(model, windows) - np.where(valid, y[:, :, at], 0.0)) ** 2, 0.0)
        weight = np.where(valid, w[:, :, None].astype(np.float64), 0.0)
        rmse = np.sqrt((weight * squared).sum(axis=(0, 1)) / np.maximum(weight.sum(axis=(0, 1)), 1e-12))
        # an axis that never moved in training has no range to compare with: its error counts in BW
        errors[person] = float((rmse / np.where(ranges > 1e-6, ranges, 1.0)).mean())
    return errors


def _sampler(seed: int) -> Any:
    import optuna

    return optuna.samplers.TPESampler(seed=seed)


@contextmanager
def _study(storage: Path | None, run: str) -> Iterator[Any]:
    """Give the study of this search; trials that a kill left unfinished are marked as failed and drawn again."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    database = None if storage is None else _stored(storage)
    try:
        study = optuna.create_study(storage=database, study_name="search", load_if_exists=True, direction="minimize")
        before = study.user_attrs.get("run")
        if before not in (None, run):
            raise BadInputError(
                f"{storage}: is the state of another search (other data, fold, space or settings); remove it to start"
                " anew, or name another file"
            )
        # a fingerprint in the file itself: settings tried on other data must not guide this search
        study.set_user_attr("run", run)
        for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        yield study
    finally:
        optuna.logging.set_verbosity(level)
        if database is not None:
            database.remove_session()
            database.engine.dispose()


def _stored(storage: Path) -> Any:
    import optuna

    try:
        return optuna.storages.RDBStorage(f"sqlite:///{Path(storage).resolve()}")
    except Exception as error:  # the data base's own errors come as many types
        raise BadInputError(
            f"{storage}: is no state of a search ({type(error).__name__}); name another file"
        ) from error


def _tell(study: Any, trial: Any, score: float | None) -> None:
    """Store a trial; one that diverged is pruned: the sampler takes it for worse than all others."""
    import optuna

    if score is None:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, score)


def _finished(study: Any) -> list[Any]:
    import optuna

    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return list(study.get_trials(deepcopy=False, states=states))


def _table(study: Any) -> list[TrialRow]:
    finished = sorted(_finished(study), key=lambda t: t.number)
    return [TrialRow(i, dict(t.params), None if t.value is None else float(t.value)) for i, t in enumerate(finished)]


def _best(
    rows: Sequence[TrialRow], network: NetworkConfig, config: TrainConfig, people: tuple[str, ...]
) -> SearchResult:
    scored = [(r.score, r.number) for r in rows if r.score is not None]
    if not scored:
        raise BadInputError(f"training diverged in all {len(rows)} trials; narrow the space (lower train.lr)")
    # of equally good ones the earliest
    score, number = min(scored)
    best_network, best_config = applied(network, config, rows[number].settings)
    chosen_on = tuple(sorted({*config.chosen_on, *people}))
    best_config = best_config.model_copy(update={"chosen_on": chosen_on})
    return SearchResult(best_network, best_config, score, tuple(rows), people)
