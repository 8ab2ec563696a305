"""Training: a network on the training participants of a fold, stopped by the inner ones, blind to the tested."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch

from ..arrays import PathLike
from ..errors import BadInputError
from ..provenance import Provenance
from ..records.calibrated import ways_in
from ..records.stance_set import StanceSet
from . import checkpoint as saved
from .augment import augmented
from .batches import Windows, matching_channels
from .checkpoint import TrainingState
from .device import deterministic
from .direct_start import give_start
from .film_limits import FilmLimits, fit_film_limits
from .folds import Fold, check_blind, stable_seed
from .force_balance import balanced_over_force
from .loss import batch_loss, evaluate_loss
from .model import GrfModel, calibration_windows, new_network
from .moved_limits import with_moved_limits
from .networks import ForceNetwork, NetworkConfig
from .scaler import Scaler, fit_scaler
from .schedule import lr_share, unfreeze
from .spec import ModelSpec, check_compatible, check_mass, rate_of
from .train_config import EpochReport, Mode, Progress, TrainConfig
from .training_range import fit_training_range

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Run:
    """All of a training that stays the same: windows, scaler, settings, seed."""

    config: TrainConfig
    scaler: Scaler
    train: Windows
    inner: Windows | None
    fold: Fold
    seed: int
    lr: float
    mode: Mode = "all"


def train(run: _Run, network: ForceNetwork, *, progress: Progress | None, checkpoint: PathLike | None) -> TrainingState:
    """Train a network epoch by epoch, leave its best weights in it, and return how it went.

    Every random number of an epoch depends on the seed and the epoch alone, so that a run that is stopped and goes on
    from its checkpoint ends with the same bits.
    """
    config, scaler = run.config, run.scaler
    network.to(config.device)
    if not config.epochs:
        return _untrained(run, network)
    optimizer_class = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    optimizer = optimizer_class(network.parameters(), lr=run.lr, weight_decay=config.weight_decay)
    state = TrainingState(network, optimizer)
    fingerprint = _fingerprint(run, network)
    labels = tuple(run.train.data.per_stance(config.balance_batches)) if config.balance_batches else None
    steps = run.train.batches(config.batch, labels)
    with deterministic(config.threads, config.device):
        if network.config.linear is not None:
            state.begin(None if run.inner is None else evaluate_loss(scaler, config, network, run.inner))
        if checkpoint is not None:
            saved.restore_if_there(checkpoint, state, fingerprint)
        while state.epoch < config.epochs and not state.stopped:
            start = time.perf_counter()
            seed = stable_seed(run.seed, "epoch", state.epoch)
            # dropout draws from torch's generator, augmentation from one of its own: neither moves the other's numbers
            torch.manual_seed(seed)
            generator = torch.Generator().manual_seed(seed)
            # before unfreeze, which puts a frozen body back to evaluation
            network.train()
            unfreeze(network, run.mode, state.epoch, config.epochs)
            totals = []
            for step, batch in enumerate(run.train.shuffled(config.batch, seed, labels)):
                share = (state.epoch * steps + step) / (config.epochs * steps)
                for group in optimizer.param_groups:
                    group["lr"] = run.lr * lr_share(config.schedule, share)
                inputs = torch.from_numpy(batch.inputs)
                if config.augmentation.active:
                    inputs = augmented(inputs, config.augmentation, scaler.channels, scaler.size, generator)
                total, weight = batch_loss(scaler, config, network, batch, inputs)
                optimizer.zero_grad(set_to_none=True)
                # by the weight of the batch: one with many samples that do not count takes a step of the same size
                (total / weight.clamp(min=1e-12)).backward()
                if config.clip:
                    torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip)
                optimizer.step()
                totals.append((float(total.detach()), float(weight)))
            loss = sum(t for t, _ in totals) / max(sum(w for _, w in totals), 1e-12)
            inner_loss = None if run.inner is None else evaluate_loss(scaler, config, network, run.inner)
            state.record(loss, inner_loss, config)
            if checkpoint is not None:
                saved.store(checkpoint, state, fingerprint)
            _LOG.debug("epoch %d of %d: loss %.5g, inner loss %s", state.epoch, config.epochs, loss, inner_loss)
            if progress is not None:
                progress(EpochReport(state.epoch, config.epochs, loss, inner_loss, time.perf_counter() - start))
    network.load_state_dict(state.best)
    # a gradual or head-only training has left layers frozen
    network.requires_grad_(True)
    network.eval()
    return state


def _untrained(run: _Run, network: ForceNetwork) -> TrainingState:
    """Return the state of a network that stays as it starts."""
    network.eval()
    state = TrainingState(network, None)
    state.begin(None if run.inner is None else evaluate_loss(run.scaler, run.config, network, run.inner))
    return state


def fit(
    network: NetworkConfig,
    config: TrainConfig,
    data: StanceSet,
    fold: Fold,
    *,
    scaler: Scaler | None = None,
    progress: Progress | None = None,
    checkpoint: PathLike | None = None,
    lasting: bool = True,
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
    lasting
        False for a model that answers one fold and is gone: it does not learn in which range it may be asked.

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
    limits, learning = _limits_put_right(config, fold.of(data, "train"))
    windows = _training_windows(config, learning)
    scaler = scaler or _scaler_of(config, windows)
    check_blind(fold, scaler.participants, "the scaler")
    seed = fold.seed(config.seed) if config.seed_from_fold else config.seed
    learnt = windows
    if config.balance_force:
        learnt = _training_windows(config, balanced_over_force(windows.data, config.balance_force))
    inner = _inner_windows(config, scaler, data if limits is None else limits.put_right(data)[0], fold)
    run = _Run(config, scaler, learnt, inner, fold, seed, config.lr)
    starting = _start_windows(config, windows, seed)
    # by the windows it starts from: kernel ridge keeps as many stances as these are
    built = new_network(network.for_windows(starting).model_dump(), scaler, seed=seed)
    give_start(built, scaler, starting)
    state = train(run, built, progress=progress, checkpoint=checkpoint)
    return _trained_model(run, state, data, lasting=lasting, limits=limits)


def _limits_put_right(config: TrainConfig, data: StanceSet) -> tuple[FilmLimits | None, StanceSet]:
    """Return what puts a film's contacts right (None: nothing does), and the training windows as they are learnt."""
    if not config.film_limits:
        return None, data
    found = fit_film_limits(data, matching_channels(data.channels, config.channels))
    return (None, data) if found is None else found


def _training_windows(config: TrainConfig, data: StanceSet) -> Windows:
    channels = matching_channels(data.channels, config.channels)
    return Windows(data, channels, config.statics, config.axes or data.axes, config.memory_mb)


def _start_windows(config: TrainConfig, windows: Windows, seed: int) -> Windows:
    """Return the windows that ridge and kernel ridge are fitted to."""
    varied = config.augmentation
    moved = with_moved_limits(
        windows.data, sd_s=varied.limits_s, copies=varied.copies, seed=stable_seed(seed, "limits")
    )
    if moved is windows.data:
        return windows
    return Windows(moved, windows.channels, windows.statics, windows.axes, config.memory_mb)


def _inner_windows(config: TrainConfig, scaler: Scaler, data: StanceSet, fold: Fold) -> Windows | None:
    """Return the windows that decide when to stop; None where the set holds none of the fold's inner part."""
    if not fold.inner or not np.isin(fold.keys(data), fold.inner).any():
        return None
    return Windows(fold.of(data, "inner"), scaler.channels, scaler.statics, scaler.axes, config.memory_mb)


def _scaler_of(config: TrainConfig, train: Windows) -> Scaler:
    return fit_scaler(
        train,
        kind=config.scaling,
        target=config.target,
        missing_masks=config.missing_masks,
        unique_statics=config.unique_statics,
        per_point=config.per_point,
    )


def training_scaler(config: TrainConfig, data: StanceSet) -> Scaler:
    """Return the scaler that these settings take from these windows, all of them training windows."""
    return _scaler_of(config, _training_windows(config, data))


def fine_tune(
    model: GrfModel,
    config: TrainConfig,
    data: StanceSet,
    fold: Fold,
    *,
    mode: Mode = "all",
    lr_factor: float = 0.1,
    progress: Progress | None = None,
    checkpoint: PathLike | None = None,
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
    if not any(True for _ in model.network.parameters()):
        raise BadInputError(
            f"a model of {model.spec.training.get('method', model.name)} has no weights that training could move; train"
            ' a network (--method network, method="network" in Python), or fit it anew with these windows'
        )
    check_blind(fold, model.participants, "the model to fine-tune")
    check_blind(fold, config.chosen_on, "the search that chose these settings")
    check_compatible(model.spec, data)
    seed = stable_seed(fold.seed(config.seed) if config.seed_from_fold else config.seed, "fine-tune", mode)
    scaler = model.spec.scaler
    limits = model.spec.limits
    learning = data if limits is None else limits.put_right(data)[0]
    windows = Windows(fold.of(learning, "train"), scaler.channels, scaler.statics, scaler.axes, config.memory_mb)
    inner = _inner_windows(config, scaler, learning, fold)
    run = _Run(config, scaler, windows, inner, fold, seed, config.lr * lr_factor, mode)
    # any seed: the weights are those of the model, on the next line
    copy = new_network(model.spec.network, scaler, seed=0)
    copy.load_state_dict(model.network.state_dict())
    state = train(run, copy, progress=progress, checkpoint=checkpoint)
    return _trained_model(run, state, data, earlier=model, limits=limits)


def _fingerprint(run: _Run, network: ForceNetwork) -> str:
    """Return a digest of everything that decides how a training goes."""
    return saved.fingerprint(
        network=network.config.model_dump(mode="json"), config=run.config.model_dump(mode="json"),
        fold=asdict(run.fold), scaler=run.scaler.model_dump(mode="json"), mode=run.mode, lr=run.lr,
        train=_windows_digest(run.train), inner=None if run.inner is None else _windows_digest(run.inner),
        start=saved.digest(network.state_dict()),
    )  # fmt: skip


def _windows_digest(windows: Windows) -> str:
    """Return a digest of which windows a set holds: trial, side and start of each."""
    data = windows.data
    labels = [data.per_stance("trial"), data.per_stance("side"), data.data["start_s"].values.astype(str)]
    return saved.fingerprint(windows=[list(map(str, label)) for label in labels])


def _trained_model(
    run: _Run, state: TrainingState, data: StanceSet, *, earlier: GrfModel | None = None, lasting: bool = True,
    limits: FilmLimits | None = None,
) -> GrfModel:  # fmt: skip
    """Return the trained network with what it expects, whom it has seen, and how its training went."""
    fold, attrs = run.fold, data.data.attrs
    chosen = run.inner is not None or not run.config.epochs or run.config.stops_on == "training"
    findings = [] if chosen else ["no inner participant: all epochs were trained, none chosen"]
    if run.config.stops_on == "training":
        findings.append("stopped on the loss of training, which falls as long as people are learnt by heart")
    provenance = Provenance.model_validate_json(str(attrs["provenance"]))
    provenance.findings += findings
    provenance.seed = run.seed
    # whoever moved the weights, the scaling or the choice of settings may test none of them
    participants = {*data.participants, *run.scaler.participants, *run.config.chosen_on}
    training = run.config.model_dump(mode="json") | {"mode": run.mode, "lr_used": run.lr}
    leaks, before = fold.leaks, None
    if earlier is not None:
        before = earlier.spec.range
        participants |= set(earlier.participants)
        provenance = provenance.merged(earlier.spec.provenance)
        leaks = tuple(dict.fromkeys([*earlier.spec.leaks, *leaks]))
        training["before"] = earlier.spec.training
    spec = ModelSpec(
        network=state.network.config.model_dump(mode="json"),
        scaler=run.scaler,
        training=training,
        fold={"name": fold.name, "unit": fold.unit, "inner": list(fold.inner), "test": list(fold.test)},
        participants=tuple(sorted(participants)),
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
        calibrated=ways_in(attrs),
        limits=limits,
        range=None if not lasting else fit_training_range(data, run.scaler.channels).joined(before),
        provenance=provenance,
    )
    return GrfModel(spec, state.network, calibration_windows(run.train.data))
