"""Cost of training: the authors' configuration beside ours, each in a process of its own.

``python tools/bench accuracy.cost JSON`` measures one configuration and prints JSON.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.learn.folds import loso
from grfkit.learn.model import predict
from grfkit.learn.networks import NetworkConfig
from grfkit.learn.preset import load_preset
from grfkit.learn.recipe import from_preset
from grfkit.learn.train import fit
from grfkit.learn.train_config import EpochReport, TrainConfig
from grfkit.records.stance_set import StanceSet

from ..harness import Rows, command
from . import sets
from .methods import MOTION, POSITIONS, Run, landmark_cnn

OURS, THEIRS = "ours: 1D-CNN 64, batch 64, 101 points", "carter2024: BiLSTM 512, batch 8"
EACH = (16, 32, 63)
"""Stances of each of 20 people: about 300, 600 and 1200 to train on."""
THREADS = 1
"""Threads of one training, as a fold has it when folds fan out over the cores."""
BUDGET_S = 300.0
"""Shortest time for which theirs is trained longer (s), chosen by hand."""
GOAL = 5.0
"""Goal: theirs takes this many times as long as ours at the same error."""


def configuration(who: str, epochs: int) -> tuple[NetworkConfig, TrainConfig]:
    """Return a network and its training: ``ours``, or the published ``carter`` on this benchmark's landmarks."""
    if who == "ours":
        method = landmark_cnn(Run(1, quick=False))
        return method.network, method.config.model_copy(update={"channels": MOTION, "epochs": epochs})
    preset = from_preset(load_preset("carter2024", "faithful"))
    changed = {"channels": POSITIONS, "statics": (), "axes": ("vgrf",), "epochs": epochs}
    return preset.network_config(), preset.train.model_copy(update=changed)


def stretched(data: StanceSet, points: int) -> StanceSet:
    """Return time-normalised windows in another number of points, by straight lines between those there are."""
    old = int(data.data.sizes["time"])
    at = np.linspace(0, old - 1, points)
    # the last point lies on the last interval's end, not behind it
    low = np.minimum(at.astype(int), old - 2)
    share = at - low
    windows = data.data.copy()
    arrays: dict[str, Any] = {}
    for name in ("inputs", "targets", "weight"):
        item = windows[name]
        values = item.values
        weights = share.reshape(1, -1, *[1] * (values.ndim - 2))
        mixed = values[:, low] * (1 - weights) + values[:, low + 1] * weights
        arrays[name] = (item.dims, mixed.astype(np.float32), item.attrs)
    windows = windows.drop_vars(list(arrays)).assign(arrays)
    return StanceSet(windows.assign_attrs(points=points))


def measured(path: Path, who: str, epochs: int, threads: int) -> Rows:
    """Return what one training costs in this process, on the first fold: seconds, peak memory, error of the tested."""
    import torch

    torch.set_num_threads(threads)
    data = StanceSet(StanceSet.open(path).data.load())
    fold = loso(data, inner=0)[0]
    others = data.without(fold.test)
    network, config = configuration(who, epochs)
    before_mb = _peak_mb()
    seconds: list[float] = []

    def note(report: EpochReport) -> None:
        seconds.append(report.seconds)

    began = time.perf_counter()
    model = fit(network, config, others, fold, progress=note)
    fold_s = time.perf_counter() - began
    test = data.of(fold.test)
    off = predict(model, test)[:, :, 0] - test.arrays()[1][:, :, 0]
    return {
        "stances": others.size, "points": int(data.data.sizes["time"]), "epochs": epochs,
        "s_per_epoch": float(np.median(seconds)), "s_per_fold": fold_s, "peak_mb": _peak_mb(),
        "peak_before_training_mb": before_mb, "rmse_bw_vertical": float(np.sqrt((off**2).mean(axis=1)).mean()),
    }  # fmt: skip


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_own_process(spec: Rows) -> Rows:
    """Return what :func:`measured` says in a new process; kept on disk, so that a stopped run goes on."""
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:16]
    path = sets.BUILD / "cost" / f"{digest}.json"
    if not path.exists():
        threads = str(spec["threads"])
        # set before the process begins: numerical libraries read them once
        env = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
        words = command("accuracy.cost", json.dumps(spec))
        ended = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise RuntimeError(f"{spec['who']} ended with {ended.returncode}: {ended.stderr.strip()[-300:]}")
        print(f"  {spec['who']} {Path(spec['path']).stem}: {ended.stdout.strip()}", file=sys.stderr)
        path.write_text(ended.stdout, encoding="utf-8")
    figures: Rows = json.loads(path.read_text(encoding="utf-8"))
    return figures


def cost_set(each: int, points: int) -> Path:
    """Return the file of ``each`` stances of every runner in ``points`` points."""
    path = sets.BUILD / "cost" / f"B_{each}_{points}.nc"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        data = sets.thinned(sets.runners(), each)
        (data if points == int(data.data.sizes["time"]) else stretched(data, points)).to_netcdf(path)
    return path


def bench_cost(run: Run) -> Rows:
    """Cost of the authors' configuration (400 points as published, and 101) beside ours on one fold of B."""
    published = from_preset(load_preset("carter2024", "faithful")).train.epochs
    our_epochs = landmark_cnn(Run(1, quick=False)).config.epochs

    def one(name: str, who: str, each: int, points: int, epochs: int) -> Rows:
        spec = {"path": str(cost_set(each, points)), "who": who, "epochs": epochs, "threads": THREADS}
        return {"name": name} | in_own_process(spec)

    rows = []
    for each in (5,) if run.quick else EACH:
        ours = one(OURS, "ours", each, 101, our_epochs)
        rows.append(ours)
        for points in (101,) if run.quick else (101, 400):
            theirs = one(f"{THEIRS}, {points} points", "carter", each, points, published)
            rows.append(theirs)
            if each == EACH[1]:
                longer = budget_epochs(theirs["s_per_epoch"], ours["s_per_fold"])
                if longer > published:
                    rows.append(one(f"{THEIRS}, {points} points, for longer", "carter", each, points, longer))
    note = (
        "One fold of B (first runner tested), one thread, as a fold has it when folds fan out, each row in a process"
        " of its own; peak memory is that process's, with what it held before training beside it."
        f" {our_epochs} epochs for ours, {published} for theirs as the preset has it (`for longer`: until"
        f" {BUDGET_S:.0f} s, or {GOAL:g} times ours, are over)."
        " Theirs gives one axis from 33 positions, ours three from 66 velocities and"
        " accelerations. 400 points are drawn from 101 by straight lines: the cost is that of 400, the detail of 101."
    )
    return {"cost": {"rows": rows, "note": note, "tables": {"Ours against theirs": ratio_rows(rows)}}}


def budget_epochs(s_per_epoch: float, ours_s: float) -> int:
    """Return how many epochs of theirs fill the budget: :data:`BUDGET_S`, or :data:`GOAL` times ours if longer."""
    return max(1, math.ceil(max(BUDGET_S, GOAL * ours_s) / s_per_epoch))


def ratio_rows(rows: list[Rows]) -> list[Rows]:
    """Return theirs over ours at the same number of stances: per epoch, per fold, memory; and whether the goal is met.

    The goal is met by a row whose fold took :data:`GOAL` times as long as ours or more and whose error is no lower; a
    shorter one with a larger error leaves it open how long theirs would need to come as far.
    """
    ratios = []
    ours = {r["stances"]: r for r in rows if r["name"] == OURS}
    for row in rows:
        if row["name"] == OURS or row["stances"] not in ours:
            continue
        mine = ours[row["stances"]]
        fold = row["s_per_fold"] / mine["s_per_fold"]
        lower = mine["rmse_bw_vertical"] <= row["rmse_bw_vertical"]
        verdict = "not met" if not lower else "met" if fold >= GOAL else "open: theirs ended early, at a larger error"
        ratios.append({
            "theirs": row["name"], "stances": row["stances"], "epochs": row["epochs"],
            "per epoch": row["s_per_epoch"] / mine["s_per_epoch"], "per participant-fold": fold,
            "peak memory": row["peak_mb"] / mine["peak_mb"], "their RMSE": row["rmse_bw_vertical"],
            "our RMSE": mine["rmse_bw_vertical"], "goal": f">= {GOAL:g} x at the same or lower error",
            "verdict": verdict,
        })  # fmt: skip
    return ratios


def main() -> None:
    """Measure one configuration."""
    spec = json.loads(sys.argv[1])
    print(json.dumps(measured(Path(spec["path"]), spec["who"], spec["epochs"], spec["threads"])))
