"""Made-up sets of known truth for the tests of learning."""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

from grfkit.errors import BadInputError
from grfkit.learn.folds import Fold
from grfkit.learn.model import predict
from grfkit.learn.networks import network_config
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.records.stance_set import StanceSet, make_stance_set


def made_up(
    people: str = "abcde",
    *,
    each: int = 12,
    points: int = 21,
    window: str = "stance",
    seed: int = 0,
    mass_kg: float = 70.0,
    trials: int = 2,
    channels: tuple[str, ...] = ("acc_x", "acc_y", "acc_z", "cell_1", "cell_2"),
) -> StanceSet:
    """Return windows whose vgrf is a fixed mix of the channels, and whose apgrf a small one of the first."""
    rng = np.random.default_rng(seed)
    n = len(people) * each
    phase = np.linspace(0, np.pi, points)[None, :, None]
    x = np.sin(phase) * rng.uniform(0.5, 1.5, (n, 1, len(channels))) + 0.1 * rng.normal(size=(n, points, len(channels)))
    x = 5.0 + 3.0 * x
    vertical = (x[:, :, :3].sum(axis=2) - 15.0) / 4.0
    y = np.stack([vertical, 0.05 * (x[:, :, 0] - 5.0)], axis=2)
    participants = [p for p in people for _ in range(each)]
    return make_stance_set(
        x,
        y,
        channels=channels,
        units=["m/s^2" if c.startswith("acc") else "N" for c in channels],
        labels={
            "participant": participants,
            "trial": [f"t{i % each * trials // each}" for i in range(n)],
            "surface": ["treadmill" if i % 4 else "overground" for i in range(n)],
            "condition": ["fast" if i % 2 else "slow" for i in range(n)],
        },
        scalars={"mass_kg": [mass_kg] * n, "speed_m_s": [3.0 + i % 2 for i in range(n)], "contact_s": [0.25] * n},
        window=window,
        cut="force" if window == "stance" else "none",
        source="made up",
        axes=("vgrf", "apgrf"),
        start_s=[float(i % each) for i in range(n)],
        rate_hz=100.0 if window == "continuous" else float("nan"),
        excluded={"too short": 3},
    )


def on_surface(data: StanceSet, surface: str, *, offset: float = 0.0) -> StanceSet:
    """Return the set on one surface, where the vertical force is larger by ``offset`` (BW)."""
    labels = ("stance", np.asarray([surface] * data.size, dtype=object))
    targets = data.data["targets"].copy()
    targets[:, :, 0] += offset
    return StanceSet(data.data.assign_coords(surface=labels).assign(targets=targets))


def trained_forces(data: StanceSet, fold: Fold) -> dict[str, Any]:
    """Train a small network with everything random on, and return what it says of the tested: a job of one fold."""
    config = TrainConfig(epochs=3, batch=16, patience=1)
    model = fit(network_config("bilstm", hidden=8, head=(8,), dropout=0.3), config, data.without(fold.test), fold)
    forces = predict(model, data.of(fold.test))
    return {"test": fold.test, "forces": forces, "loss": model.spec.history[-1][0], "best": model.spec.best_epoch}


def logged_square(number: int, log: str, wait_s: float = 0.0) -> dict[str, Any]:
    """Return a square, and leave a line in a log of who was run."""
    time.sleep(wait_s)
    if number < 0:
        raise BadInputError(f"number is {number}; expected 0 or more")
    with open(log, "a") as handle:
        handle.write(f"{number}\n")
    return {"square": number**2, "values": np.arange(number, dtype=np.float32), "nothing": None}


def own_process(number: int, wait_s: float = 0.0) -> dict[str, Any]:
    """Return who runs this job and with how many threads."""
    import torch

    time.sleep(wait_s)
    return {"pid": os.getpid(), "threads": torch.get_num_threads(), "omp": os.environ.get("OMP_NUM_THREADS")}
