"""Training: a network on the training participants of a fold, stopped by the inner ones, blind to the tested."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..errors import BadInputError
from ..provenance import Provenance
from ..records.participants import seen_among
from ..records.stance_set import StanceSet
from . import checkpoint as saved
from .augment import Augmentation, augmented
from .batches import Windows
from .folds import Fold, LeakError, stable_seed
from .loss import batch_loss, evaluate_loss, lr_share
from .model import GrfModel, calibration_windows, new_network
from .networks import ForceNetwork, NetworkConfig
from .scaler import Kind, Scaler, Target, fit_scaler
from .spec import ModelSpec, check_compatible, check_mass, rate_of

Mode = Literal["all", "head", "gradual"]


class DivergedError(BadInputError):
    """Training ended in infinite or undefined numbers: these settings cannot be used."""


class TrainConfig(BaseModel):
    """How a network is trained.

    Attributes
    ----------
    channels, statics, axes
        Patterns of input channels; names of scalars; names of axes, empty for all of the set.
    epochs, patience
        At most so many; training stops ``patience`` epochs after the best inner loss (0: never early), and the
        best weights are kept. Without inner participants all epochs are trained.
    schedule
        Of the learning rate over all steps: ``constant``, ``cosine`` to 0, or ``one-cycle`` (Smith and Topin 2018,
        arXiv:1708.07120: cosine up from lr/25 over the first 30 %, down to lr/10000).
    clip
        Greatest norm of the gradient; 0 clips nothing.
    seed, seed_from_fold
        The seed, or with ``seed_from_fold`` one derived from it and the names of those tested.
    target, scaling, missing_masks, unique_statics
        Of :func:`~grfkit.learn.scaler.fit_scaler`.
    balance
        Errors of an axis are divided by nothing, by its mean range, or by its SD, so that the small axes count.
    derivative
        Weight of errors in the steps between samples, relative to the size of true steps; 0 leaves them out.
    balance_batches
        A label (``surface``, ``participant``, ...) of which every batch holds equally many of each; empty: none.
    threads
        Threads of torch, 0 leaves them; sums in another number of threads may round differently.
    memory_mb
        Sets larger than this are read from disk batch by batch.
    chosen_on
        Participants on whom these settings were chosen, by a search: nobody of them may be tested.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    channels: tuple[str, ...] = ("*",)
    statics: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    epochs: int = Field(default=40, ge=1)
    patience: int = Field(default=6, ge=0)
    batch: int = Field(default=64, ge=1)
    lr: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    optimizer: Literal["adam", "adamw"] = "adamw"
    schedule: Literal["constant", "one-cycle", "cosine"] = "one-cycle"
    clip: float = Field(default=1.0, ge=0)
    seed: int = 1966
    seed_from_fold: bool = True
    target: Target = "bw"
    scaling: Kind = "zscore"
    missing_masks: bool = False
    unique_statics: bool = False
    balance: Literal["none", "range", "sd"] = "range"
    derivative: float = Field(default=0.0, ge=0)
    augmentation: Augmentation = Augmentation()
    balance_batches: Literal["", "participant", "trial", "surface", "side", "condition"] = ""
    threads: int = Field(default=0, ge=0)
    memory_mb: float = Field(default=2000.0, ge=0)
    device: str = "cpu"
    chosen_on: tuple[str, ...] = ()


class EpochReport(NamedTuple):
    """What is told after every epoch; ``inner_loss`` is None without inner participants."""

    epoch: int
    epochs: int
    loss: float
    inner_loss: float | None
    seconds: float


Progress = Callable[[EpochReport], None]


@dataclass
class _State:
    """All that changes from epoch to epoch."""

    network: ForceNetwork
    optimizer: Any
    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[tuple[float, float | None]] = field(default_factory=list)
    done: bool = False


@dataclass(frozen=True)
class _Task:
    """All that stays: windows, scaler, settings, seed."""

    config: TrainConfig
    scaler: Scaler
    train: Windows
    inner: Windows | None
    seed: int
    mode: Mode = "all"
    lr: float = 1e-3
    groups: tuple[str, ...] | None = None


@contextmanager
def deterministic(threads: int = 0, device: str = "cpu") -> Iterator[None]:
    """Let torch take deterministic algorithms (and so many threads) within the block, and leave the rest as it was."""
    import os

    before, count = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    devices = [torch.device(device)] if device.startswith("cuda") else []
    if devices:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        torch.use_deterministic_algorithms(True)
        if threads:
            torch.set_num_threads(threads)
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.use_deterministic_algorithms(before)
        torch.set_num_threads(count)


def fit(
    network: NetworkConfig,
    config: TrainConfig,
    data: StanceSet,
    fold: Fold,
    *,
    scaler: Scaler | None = None,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> GrfModel:
    """Return a model trained on the training part of a fold.

    Parameters
    ----------
    data
        Windows of the training and inner parts; the tested must have been taken out (``StanceSet.without``).
    scaler
        Of :func:`training_scaler`, perhaps of more windows than these; None: of the training part.
    checkpoint
        A file that holds the state after every epoch. If it exists, training goes on from it and ends with the same
        weights, bit for bit, as a run that was never stopped; one of another run is refused.

    Raises
    ------
    LeakError
        If anything of the test part is in the data, or one of the tested is in the scaler or in the search that chose
        the settings.
    BadInputError
        If channels, statics, axes or masses are missing, or a channel is missing in all training windows.
    """
    fold.check(data)
    check_blind(fold, config.chosen_on, "the search that chose these settings")
    check_mass(data, config.statics, config.target)
    train = _training_windows(config, fold.of(data, "train"))
    scaler = scaler or _scaler_of(config, train)
    check_blind(fold, scaler.participants, "the scaler")
    seed = fold.seed(config.seed) if config.seed_from_fold else config.seed
    task = _task(config, scaler, data, fold, seed=seed, mode="all", lr=config.lr, train=train)
    untrained = new_network(network.model_dump(), scaler, seed=seed)
    state = _run(task, untrained, fold, progress, checkpoint)
    return _finished(state, task, data, fold, earlier=None)


def _training_windows(config: TrainConfig, data: StanceSet) -> Windows:
    channels = chosen_channels(data.channels, config.channels)
    return Windows(data, channels, config.statics, config.axes or data.axes, config.memory_mb)


def _scaler_of(config: TrainConfig, train: Windows) -> Scaler:
    return fit_scaler(
        train,
        kind=config.scaling,
        target=config.target,
        missing_masks=config.missing_masks,
        unique_statics=config.unique_statics,
    )


def training_scaler(config: TrainConfig, data: StanceSet) -> Scaler:
    """Return the scaler that these settings take from these windows, all of them training windows."""
    return _scaler_of(config, _training_windows(config, data))


def check_blind(fold: Fold, seen: Sequence[str], by: str) -> None:
    """Refuse if one of the tested participants was seen by what the name says.

    Raises
    ------
    LeakError
        If so, and the fold names no leak.
    """
    known = seen_among(fold.test, seen) if fold.unit == "participant" else []
    if known and not fold.leaks:
        raise LeakError(
            f"fold '{fold.name}': {by} has seen {', '.join(known)}, who is to be tested; take one made without"
        )


def fine_tune(
    model: GrfModel,
    config: TrainConfig,
    data: StanceSet,
    fold: Fold,
    *,
    mode: Mode = "all",
    lr_factor: float = 0.1,
    progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> GrfModel:
    """Return a model trained further, with the scaler it has; the given model stays as it is.

    Parameters
    ----------
    config
        Channels, statics, axes, target and scaling are the model's own, whatever it says.
    mode
        ``all`` weights; the ``head`` alone; or ``gradual``: the head first, then one more group of layers at equal
        intervals, from output to input (Howard and Ruder 2018, arXiv:1801.06146).
    lr_factor
        The learning rate is ``config.lr`` times this.

    Raises
    ------
    LeakError
        If anything of the test part is in the data, or the model has seen one of the tested without a named leak.
    BadInputError
        If the data do not fit the model.
    """
    fold.check(data)
    check_blind(fold, model.participants, "the model to fine-tune")
    check_blind(fold, config.chosen_on, "the search that chose these settings")
    check_compatible(model.spec, data)
    seed = stable_seed(fold.seed(config.seed) if config.seed_from_fold else config.seed, "fine-tune", mode)
    lr = config.lr * lr_factor
    task = _task(config, model.spec.scaler, data, fold, seed=seed, mode=mode, lr=lr)
    copy = new_network(model.spec.network, model.spec.scaler, seed=0)
    copy.load_state_dict(model.network.state_dict())
    state = _run(task, copy, fold, progress, checkpoint)
    return _finished(state, task, data, fold, earlier=model)


def chosen_channels(have: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the channels that match a pattern, in the set's order; refuses a pattern that matches nothing."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in have):
            raise BadInputError(f"no channel matches '{pattern}'; the set has {', '.join(have)}")
    return tuple(name for name in have if any(fnmatchcase(name, p) for p in patterns))


def _task(
    config: TrainConfig,
    scaler: Scaler,
    data: StanceSet,
    fold: Fold,
    *,
    seed: int,
    mode: Mode,
    lr: float,
    train: Windows | None = None,
) -> _Task:
    names = (scaler.channels, scaler.statics, scaler.axes, config.memory_mb)
    windows = train or Windows(fold.of(data, "train"), *names)
    inner = None
    if fold.inner and any(np.isin(fold.keys(data), fold.inner)):
        inner = Windows(fold.of(data, "inner"), *names)
    label = config.balance_batches
    groups = tuple(windows.data.per_stance(label)) if label else None
    return _Task(config, scaler, windows, inner, seed, mode, lr, groups)


def _run(task: _Task, network: ForceNetwork, fold: Fold, progress: Progress | None, checkpoint: Path | None) -> _State:
    config = task.config
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    network.to(config.device)
    state = _State(network, kind(network.parameters(), lr=task.lr, weight_decay=config.weight_decay))
    run = saved.fingerprint(
        network=network.config.model_dump(mode="json"), config=config.model_dump(mode="json"), fold=asdict(fold),
        scaler=task.scaler.model_dump(mode="json"), mode=task.mode, lr=task.lr,
        train=_which(task.train.data), inner=None if task.inner is None else _which(task.inner.data),
        start=saved.digest(network.state_dict()),
    )  # fmt: skip
    with deterministic(config.threads, config.device):
        if checkpoint is not None and checkpoint.exists():
            saved.restore(checkpoint, state, run)
        while state.epoch < config.epochs and not state.done:
            began = time.perf_counter()
            loss = _train_epoch(task, state)
            inner = None if task.inner is None else evaluate_loss(task.scaler, config, network, task.inner)
            _remember(state, config, loss, inner)
            if checkpoint is not None:
                saved.store(checkpoint, state, run)
            if progress is not None:
                progress(EpochReport(state.epoch, config.epochs, loss, inner, time.perf_counter() - began))
    network.load_state_dict(state.best)
    for parameter in network.parameters():
        parameter.requires_grad_(True)
    network.eval()
    return state


def _which(data: StanceSet) -> str:
    """Return a digest of which windows a set holds: trial, side and instant of each."""
    labels = [data.per_stance("trial"), data.per_stance("side"), data.data["start_s"].values.astype(str)]
    return saved.fingerprint(windows=[list(map(str, label)) for label in labels])


def _remember(state: _State, config: TrainConfig, loss: float, inner: float | None) -> None:
    """Count the epoch, keep its weights if they are the best so far, and tell whether to stop."""
    state.epoch += 1
    state.history.append((loss, inner))
    if inner is None or inner < state.best_loss:
        state.best_loss = math.inf if inner is None else inner
        state.best_epoch = state.epoch
        state.best = {k: v.detach().clone() for k, v in state.network.state_dict().items()}
    if inner is not None and config.patience and state.epoch - state.best_epoch >= config.patience:
        state.done = True
    if not math.isfinite(loss) or not state.best:
        raise DivergedError(
            f"training left the numbers in epoch {state.epoch} (loss {loss}); lower lr (now {config.lr:g}), or look for"
            " wild values in the inputs"
        )


def _train_epoch(task: _Task, state: _State) -> float:
    """Train one epoch and return its mean loss; its random numbers depend on the seed and the epoch alone."""
    config, network = task.config, state.network
    seed = stable_seed(task.seed, "epoch", state.epoch)
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network.train()
    _freeze(network, task, state.epoch)
    count = task.train.batches(config.batch, task.groups)
    parts = []
    for i, batch in enumerate(task.train.shuffled(config.batch, seed, task.groups)):
        share = (state.epoch * count + i) / (config.epochs * count)
        for group in state.optimizer.param_groups:
            group["lr"] = task.lr * lr_share(config.schedule, share)
        raw = torch.from_numpy(batch.inputs)
        if config.augmentation.active:
            raw = augmented(raw, config.augmentation, task.scaler.channels, task.scaler.size, generator)
        total, weight = batch_loss(task.scaler, config, network, batch, raw)
        loss = total / weight.clamp(min=1e-12)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if config.clip:
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
        state.optimizer.step()
        parts.append((float(total.detach()), float(weight)))
    return sum(p[0] for p in parts) / max(sum(p[1] for p in parts), 1e-12)


def _freeze(network: ForceNetwork, task: _Task, epoch: int) -> None:
    """Let only the stages move whose turn has come; a frozen body also keeps its batch statistics."""
    stages = network.stages()
    count = len(stages)
    if task.mode == "head":
        count = 1
    elif task.mode == "gradual":
        count = min(len(stages), 1 + epoch * len(stages) // task.config.epochs)
    for i, stage in enumerate(stages):
        for parameter in stage:
            parameter.requires_grad_(i < count)
    if count == 1 and len(stages) > 1:
        network.body.eval()


def _finished(state: _State, task: _Task, data: StanceSet, fold: Fold, earlier: GrfModel | None) -> GrfModel:
    attrs = data.data.attrs
    findings = [] if task.inner is not None else ["no inner participant: all epochs were trained, none chosen"]
    provenance = Provenance.model_validate_json(str(attrs["provenance"]))
    provenance.findings += findings
    provenance.seed = task.seed
    seen = {*data.participants, *task.scaler.participants, *task.config.chosen_on}
    training = task.config.model_dump(mode="json") | {"mode": task.mode, "lr_used": task.lr}
    leaks = fold.leaks
    if earlier is not None:
        seen |= set(earlier.participants)
        provenance = provenance.merged(earlier.spec.provenance)
        leaks = tuple(dict.fromkeys([*earlier.spec.leaks, *leaks]))
        training["before"] = earlier.spec.training
    spec = ModelSpec(
        network=state.network.config.model_dump(mode="json"),
        scaler=task.scaler,
        training=training,
        fold={"name": fold.name, "unit": fold.unit, "inner": list(fold.inner), "test": list(fold.test)},
        participants=tuple(sorted(seen)),
        leaks=leaks,
        window=str(attrs["window"]),
        points=int(data.data.sizes["time"]),
        rate_hz=rate_of(data),
        cut=str(attrs["cut"]),
        source=data.source,
        mirrored=bool(attrs["mirrored"]),
        history=tuple(state.history),
        best_epoch=state.best_epoch,
        excluded=data.excluded,
        provenance=provenance,
    )
    return GrfModel(spec, state.network, calibration_windows(task.train.data))
