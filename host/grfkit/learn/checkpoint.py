"""The state of a training run on disk, after every epoch: one safetensors file, its header names the run."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as save_tensors
from torch import Tensor

from ..errors import BadInputError
from ..provenance import written_whole

KEY = "grfkit_training"


def fingerprint(**parts: Any) -> str:
    """Return the SHA-256 of everything that decides how a run goes."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def digest(tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 of weights."""
    return hashlib.sha256(save_tensors({k: v.detach().cpu().contiguous() for k, v in tensors.items()})).hexdigest()


def store(path: Path, state: Any, run: str) -> None:
    """Write weights, best weights, optimizer and counters, whole or not at all."""
    tensors = {f"now.{k}": v for k, v in state.network.state_dict().items()}
    tensors |= {f"best.{k}": v for k, v in state.best.items()}
    for index, entries in state.optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v for k, v in entries.items()}
    about = {
        "run": run,
        "epoch": state.epoch,
        "best_epoch": state.best_epoch,
        "best_loss": None if math.isinf(state.best_loss) else state.best_loss,
        "history": state.history,
        "done": state.done,
    }
    content = save_tensors(
        {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, {KEY: json.dumps(about)}
    )
    with written_whole(path, force=True) as temporary:
        temporary.write_bytes(content)


def restore(path: Path, state: Any, run: str) -> None:
    """Bring a state back to where a file says it was.

    Raises
    ------
    BadInputError
        If the file cannot be read or belongs to another run.
    """
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
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": entries, "param_groups": groups})
    state.epoch, state.best_epoch, state.done = about["epoch"], about["best_epoch"], about["done"]
    state.best_loss = math.inf if about["best_loss"] is None else about["best_loss"]
    state.history = [(float(a), None if b is None else float(b)) for a, b in about["history"]]


def _part(tensors: dict[str, torch.Tensor], name: str) -> dict[str, Tensor]:
    return {k[len(name) + 1 :]: v for k, v in tensors.items() if k.startswith(f"{name}.")}
