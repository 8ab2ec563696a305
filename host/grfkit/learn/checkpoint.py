"""The state of a training run: in memory, and after every epoch as one safetensors file whose header names the run."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

from ..arrays import PathLike
from ..artefacts import written_whole
from ..errors import BadInputError
from ..provenance import require_regular
from .networks import ForceNetwork
from .train_config import TrainConfig

KEY = "grfkit_training"


class DivergedError(BadInputError):
    """Training ended in infinite or undefined numbers: these settings cannot be used."""


@dataclass
class TrainingState:
    """All that changes from epoch to epoch.

    Attributes
    ----------
    epoch, best_epoch
        How many epochs were trained; after which of them the weights were best.
    best
        The best weights so far.
    history
        Loss and inner loss (None without inner participants) of every epoch.
    stopped
        Whether the inner loss (or that of training, where the settings stop on it) has not fallen for as long as
        patience allows.
    """

    network: ForceNetwork
    optimizer: Any
    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    best: dict[str, Tensor] = field(default_factory=dict)
    history: list[tuple[float, float | None]] = field(default_factory=list)
    stopped: bool = False

    def begin(self, inner_loss: float | None) -> None:
        """Take the start as the best so far: a network that starts from ridge need not be trained to be of use."""
        self.best_loss = math.inf if inner_loss is None else inner_loss
        self.best = {k: v.detach().clone() for k, v in self.network.state_dict().items()}

    def record(self, loss: float, inner_loss: float | None, config: TrainConfig) -> None:
        """Count an epoch, keep its weights if they are the best so far, and decide whether to stop.

        Raises
        ------
        DivergedError
            If the loss is not a number, or no epoch's inner loss has been one.
        """
        self.epoch += 1
        self.history.append((loss, inner_loss))
        # without inner participants nothing can choose: the last epoch is the best
        # NaN compares false, so an epoch that diverged is never the best
        chooses = loss if config.stops_on == "training" else inner_loss
        if chooses is None or chooses < self.best_loss:
            self.best_loss = math.inf if chooses is None else chooses
            self.best_epoch = self.epoch
            self.best = {k: v.detach().clone() for k, v in self.network.state_dict().items()}
        if chooses is not None and config.patience and self.epoch - self.best_epoch >= config.patience:
            self.stopped = True
        if not math.isfinite(loss) or not self.best:
            raise DivergedError(
                f"training diverged in epoch {self.epoch} (loss {loss}); lower lr (now {config.lr:g}), or look for wild"
                " values in the inputs"
            )


def fingerprint(**parts: Any) -> str:
    """Return the SHA-256 of everything that decides how a run goes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def digest(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 of weights."""
    return hashlib.sha256(save_tensors({k: v.detach().cpu().contiguous() for k, v in tensors.items()})).hexdigest()


def store(path: PathLike, state: TrainingState, run: str) -> None:
    """Write weights, best weights, optimizer and counters, whole or not at all."""
    tensors = {f"now.{k}": v for k, v in state.network.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in state.best.items()}
    for index, entries in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in entries.items()}
    about = {
        "run": run,
        "epoch": state.epoch,
        "best_epoch": state.best_epoch,
        # JSON has no infinity
        "best_loss": None if math.isinf(state.best_loss) else state.best_loss,
        "history": state.history,
        "done": state.stopped,
    }
    content = save_tensors(
        {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, {KEY: json.dumps(about)}
    )
    with written_whole(Path(path), force=True) as temporary:
        temporary.write_bytes(content)


def restore_if_there(path: PathLike, state: TrainingState, run: str) -> None:
    """Bring a state back to where a file says it was; without the file the state stays as it is.

    Raises
    ------
    BadInputError
        If the file cannot be read or belongs to another run.
    """
    path = Path(path)
    if not path.exists():
        return
    require_regular(path)
    try:
        with safe_open(path, framework="pt") as handle:
            about = json.loads((handle.metadata() or {}).get(KEY, "{}"))
            tensors = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise BadInputError(f"{path}: is no training state ({error}); remove it to start anew") from error
    if about.get("run") != run:
        raise BadInputError(
            f"{path}: is the state of another run (other data, fold, network or settings); remove it to start anew, or"
            " name another file"
        )
    part = {name: _part(tensors, name) for name in ("now", "best")}
    state.network.load_state_dict(part["now"])
    state.best = {k: v.to(next(state.network.parameters()).device) for k, v in part["best"].items()}
    entries: dict[int, dict[str, Tensor]] = {}
    for name, value in _part(tensors, "optimizer").items():
        index, key = name.split(".", 1)
        entries.setdefault(int(index), {})[key] = value
    # settings of the groups come from the run, not the file: the fingerprint has found them equal
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": entries, "param_groups": groups})
    state.epoch, state.best_epoch, state.stopped = about["epoch"], about["best_epoch"], about["done"]
    state.best_loss = math.inf if about["best_loss"] is None else about["best_loss"]
    state.history = [(float(a), None if b is None else float(b)) for a, b in about["history"]]


def _part(tensors: dict[str, torch.Tensor], name: str) -> dict[str, Tensor]:
    return {k[len(name) + 1 :]: v for k, v in tensors.items() if k.startswith(f"{name}.")}
