"""The accuracy benchmark: ``make bench-accuracy`` (or ``python tools/bench_accuracy.py --help``).

One table per benchmark, all methods on the same folds in one run, per-participant values in benchmarks/accuracy.json.
Sets and finished folds are kept under build/accuracy, so that a run that was stopped goes on. Real recordings are taken
from ../shared/data; a benchmark whose recordings are not there says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import accuracy_sets as sets
from grfkit.learn.answers import (
    Answers,
    BaselineMethod,
    Method,
    NetworkMethod,
    TransferMethod,
    answers_of,
    baseline_methods,
)
from grfkit.learn.augment import Augmentation
from grfkit.learn.blend import BlendMethod
from grfkit.learn.evaluation import of_surface
from grfkit.learn.folds import Fold, leave_one_trial_out, loso, within_trial
from grfkit.learn.kernel import KernelMethod
from grfkit.learn.networks import network_config
from grfkit.learn.parallel import JobReport
from grfkit.learn.preset import load_preset
from grfkit.learn.recipe import from_preset
from grfkit.learn.scores import scores, table_text
from grfkit.learn.stance_set import StanceSet, join
from grfkit.learn.train import TrainConfig
from grfkit.learn.transfer import MEANING, REGIMES, transfer_folds
from grfkit.learn.wrapped import Balanced, OnChannels

ROOT = Path(__file__).resolve().parents[1]
RIDGE, MEAN, SPEED = (BaselineMethod(n) for n in ("ridge", "mean curve", "mean curve of the known speed"))
POSITIONS = ("*_x", "*_y", "*_z")
MOTION = ("*_velocity", "*_acceleration")
Rows = dict[str, Any]


class Run:
    """What all benchmarks of one run share."""

    def __init__(self, jobs: int, *, quick: bool) -> None:
        self.jobs, self.quick = jobs, quick

    def answers(self, data: StanceSet, folds: Sequence[Fold], methods: Sequence[Method], *, split: str) -> Answers:
        """Return answers, folds that are done taken from the disk."""
        path = sets.BUILD / "now.nc"
        data.to_netcdf(path, force=True)
        return answers_of(
            path, folds, methods, split=split, workers=self.jobs, results=sets.BUILD / "folds", progress=told
        )

    def scored(
        self,
        data: StanceSet,
        folds: Sequence[Fold],
        methods: Sequence[Method],
        *,
        split: str = "loso",
        headline: str = "",
    ) -> Rows:
        """Return the scores of methods on folds."""
        return scores(self.answers(data, folds, methods, split=split), headline=headline)


def told(report: JobReport) -> None:
    """Say how far it is."""
    eta = "" if report.eta_s is None else f", {report.eta_s / 60:.0f} min to go"
    print(f"  {report.done}/{report.total} {report.name} {report.seconds:.0f} s{eta}", file=sys.stderr)


def cnn(name: str = "1D-CNN", *, epochs: int, hidden: int = 64, lr: float = 3e-3, **more: Any) -> NetworkMethod:
    """Return a 1D-CNN."""
    layers = more.pop("layers", 4)
    seeds = more.pop("seeds", 1)
    config = TrainConfig(epochs=epochs, lr=lr, patience=more.pop("patience", 0), **more)
    return NetworkMethod(name, network_config("cnn1d", hidden=hidden, layers=layers), config, seeds)


def bilstm(name: str = "BiLSTM", *, epochs: int, hidden: int = 32, lr: float = 5e-3, **more: Any) -> NetworkMethod:
    """Return a BiLSTM."""
    config = TrainConfig(epochs=epochs, lr=lr, patience=more.pop("patience", 0), **more)
    return NetworkMethod(name, network_config("bilstm", hidden=hidden), config)


def bench_a(run: Run) -> Rows:
    """A: shank acceleration to vertical force, by person: stances and continuous; and the paper's own protocols."""
    found: Rows = {}
    epochs = 20 if run.quick else 100
    for condition in ("running", "walking"):
        data = sets.bach_set(condition, "stance")
        methods = [*baseline_methods(data), KernelMethod(), bilstm(epochs=epochs, batch=16)]
        found[f"A {condition}, stances"] = run.scored(data, loso(data, inner=0), methods, headline="BiLSTM")
        data = sets.bach_set(condition, "continuous")
        many = shank_cnn("1D-CNN, 3 seeds", epochs, seeds=3)
        methods = [
            *baseline_methods(data),
            sets.EveryPoint(),
            bilstm(epochs=epochs, batch=16),
            shank_cnn("1D-CNN", epochs),
            shank_cnn("1D-CNN, noise and gains varied", epochs, augmentation=Augmentation(noise=0.05, gain=0.1)),
            many,
            Balanced("1D-CNN, 3 seeds, balanced to the mean load", many),
        ]
        found[f"A {condition}, continuous"] = run.scored(data, loso(data, inner=0), methods, headline=methods[-1].name)
    return found


def shank_cnn(name: str, epochs: int, **more: Any) -> NetworkMethod:
    """Return the network for the shank's acceleration."""
    return cnn(name, epochs=epochs, hidden=32, layers=5, batch=16, **more)


def bench_a_paper(run: Run) -> Rows:
    """A, the paper's protocols, which leak by design: leave-one-trial-out and within-trial 50/25/25."""
    data = sets.bach_paper()
    network = shank_cnn("1D-CNN", 20 if run.quick else 100)
    lags = BaselineMethod("ridge with lags")
    found = {}
    for name, folds in (("leave_one_trial_out", leave_one_trial_out(data)), ("within_trial", (within_trial(data),))):
        answers = run.answers(data, folds, [lags, network], split=name)
        found[f"A {name}"] = scores(answers) | {"paper": {m: paper_figures(answers, m) for m in answers.methods}}
    return found


def paper_figures(answers: Answers, method: str) -> dict[str, float]:
    """Return R2 and epsilon of Bach 2022 over trials: z-scored force, first 250 ms left out, RMSE over the range."""
    y, p = answers.measured[:, :, 0], answers.predicted(method)[:, :, 0]
    keys = np.asarray([f"{a}/{b}" for a, b in zip(answers.per_stance("participant"), answers.per_stance("trial"))])
    start = np.asarray(answers.data["start_s"].values, dtype=float)
    r2, epsilon = [], []
    for key in np.unique(keys):
        rows = np.flatnonzero(keys == key)
        rows = rows[np.argsort(start[rows])]
        true, said = y[rows].ravel(), p[rows].ravel()
        true, said = true[36:], said[36:]
        known = np.isfinite(true)
        true, said = true[known], said[known]
        r2.append(1 - ((true - said) ** 2).sum() / ((true - true.mean()) ** 2).sum())
        epsilon.append(100 * np.sqrt(((true - said) ** 2).mean()) / np.ptp(true))
    return {
        "R2": float(np.mean(r2)), "R2_sd": float(np.std(r2)), "epsilon_percent": float(np.mean(epsilon)),
        "epsilon_sd": float(np.std(epsilon)), "trials": len(r2),
    }  # fmt: skip


def landmark_methods(run: Run, *, networks: bool) -> list[Method]:
    """Return what answers for landmarks: the published inputs, ours, kernel ridge, network, blend."""
    moving = OnChannels("ridge, velocities and accelerations", RIDGE, MOTION)
    kernel_v = OnChannels(
        "kernel ridge, velocities and accelerations", KernelMethod("kernel v a", statics=("contact_s",)), MOTION
    )
    kernel = KernelMethod("kernel ridge, all", statics=("contact_s",))
    every = OnChannels("ridge, positions, every point", sets.EveryPoint(), POSITIONS)
    methods: list[Method] = [MEAN, SPEED, OnChannels("ridge, positions", RIDGE, POSITIONS), moving, kernel_v, kernel]
    if networks:
        methods.append(OnChannels("1D-CNN, velocities and accelerations", landmark_cnn(run), MOTION))
    methods.append(BlendMethod("blend", tuple(methods[3:])))
    methods.insert(3, every)
    return methods


def landmark_cnn(run: Run) -> NetworkMethod:
    """Return the network for landmarks."""
    return cnn("1D-CNN", epochs=4 if run.quick else 10, statics=("contact_s",))


def bench_b(run: Run) -> Rows:
    """B: treadmill running, landmarks to three forces, by person."""
    data = sets.runners()
    folds = loso(data, inner=3)
    folds = folds[::4] if run.quick else folds
    return {"B": run.scored(data, folds, landmark_methods(run, networks=True), headline="blend")}


def bench_b_preset(run: Run) -> Rows:
    """B, the published protocol on four drawn folds: zhou2025 faithful, beside ours on the same folds."""
    data = sets.runners()
    drawn = loso(data, inner=3)[2::5]
    faithful = from_preset(load_preset("zhou2025", "faithful"))
    epochs = 3 if run.quick else 20
    train = faithful.train.model_copy(update={"epochs": epochs, "channels": POSITIONS})
    zhou = NetworkMethod(f"zhou2025 faithful, {epochs} epochs", faithful.network_config(), train)
    ours = landmark_methods(run, networks=True)
    found = run.scored(data, drawn, [MEAN, SPEED, ours[2], zhou, ours[-1]], headline="blend")
    found["note"] = f"four drawn folds of 20; {epochs} epochs where the preset guesses {faithful.train.epochs}"
    return {"B, zhou2025": found}


def bench_cross(run: Run) -> Rows:
    """Cross-lab: trained on B, tested on the Hamner runners."""
    here, there = sets.runners(), sets.other_lab()
    both = join([here, there])
    test = tuple(there.participants)
    inner = loso(here, inner=3)[0].inner
    train = tuple(p for p in here.participants if p not in inner)
    fold = Fold("B to Hamner", train, inner, test)
    found = run.scored(both, [fold], landmark_methods(run, networks=not run.quick), split="cross-lab", headline="blend")
    return {"B to Hamner": found}


def bench_c(run: Run) -> Rows:
    """C: overground walking, landmarks to three forces, by person."""
    data = sets.walkers()
    return {"C": run.scored(data, loso(data, inner=3), landmark_methods(run, networks=True), headline="blend")}


def bench_transfer(run: Run) -> Rows:
    """B to C: treadmill running to overground walking in every regime, and how few walkers are enough."""
    source = sets._thinned(sets.runners(), 12)
    data = join([source, sets.walkers()])
    target = data.where(data.per_stance("surface") == "overground")
    source = data.where(data.per_stance("surface") == "treadmill")
    folds = transfer_folds(source, target, inner=0)
    folds = folds[::4] if run.quick else folds
    config = TrainConfig(epochs=10, lr=3e-3, patience=0, batch=32, channels=MOTION, statics=("contact_s",))
    network = network_config("cnn1d", hidden=32)
    regimes: list[Method] = [TransferMethod(f"{r}: {MEANING[r]}", r, network, config) for r in REGIMES]
    few: list[Method] = [
        TransferMethod(f"{r}, {n} walkers", r, network, config, target_people=n)
        for n in (2, 4, 8)
        for r in ("B", "C1", "D2")
    ]
    methods = [MEAN, SPEED, RIDGE, *regimes, *([] if run.quick else few)]
    answers = run.answers(data, folds, methods, split="loso")
    return {"B to C": scores(of_surface(answers, "overground"), headline=f"D2: {MEANING['D2']}")}


def bench_d(run: Run) -> Rows:
    """D: the total load with cells missing, folds of ten groups of people."""
    from grfkit.learn.adapters.gaitpdb import mask_cells
    from grfkit.learn.folds import grouped_kfold

    whole = sets.insoles(3 if run.quick else 6)
    left = {"one dead (4)": (1, 2, 3, 5, 6, 7, 8), "five": (1, 2, 4, 6, 8), "four": (1, 3, 6, 8), "three": (1, 5, 8)}
    left["two (heel, toe)"] = (1, 8)
    found = {}
    for name, cells in left.items():
        masked = mask_cells(whole, cells)
        kept = StanceSet(masked.data.sel(channel=[f"cell_{n}" for n in cells]))
        folds = grouped_kfold(kept, k=10, inner=4)
        network = cnn(epochs=4 if run.quick else 12, hidden=32, statics=("mass_kg", "contact_s"))
        methods: list[Method] = [*baseline_methods(kept, but=("kNN",)), KernelMethod(statics=("mass_kg",)), network]
        methods.append(BlendMethod("blend", (RIDGE, methods[-2], network)))
        found[f"D, {name}"] = run.scored(kept, folds, methods, split="grouped_kfold", headline="blend")
    return found


def bench_lab(run: Run) -> Rows:
    """The simulated lab: insole and IMU, treadmill and overground, all regimes."""
    data = sets.lab(20 if run.quick else 40)
    surface = data.per_stance("surface")
    source, target = data.where(surface == "treadmill"), data.where(surface == "overground")
    folds = transfer_folds(source, target, inner=0)
    folds = folds[::5] if run.quick else folds
    config = TrainConfig(epochs=6 if run.quick else 12, lr=5e-3, patience=0, batch=32, statics=("contact_s", "mass_kg"))
    network = network_config("bilstm", hidden=32)
    regimes: list[Method] = [TransferMethod(f"{r}: {MEANING[r]}", r, network, config) for r in REGIMES]
    methods = [*baseline_methods(data), *regimes]
    answers = run.answers(data, folds, methods, split="loso")
    found = scores(of_surface(answers, "overground"), headline=f"D2: {MEANING['D2']}")
    found["note"] = "simulated"
    return {"simulated lab": found}


def bench_cost(run: Run) -> Rows:
    """Cost of the authors' configuration beside ours on one fold of B: seconds per epoch and for a participant-fold."""
    import resource

    from grfkit.learn.train import fit

    data = sets._thinned(sets.runners(), 20 if run.quick else 60)
    fold = loso(data, inner=1)[0]
    known = data.without(fold.test)
    carter = from_preset(load_preset("carter2024", "faithful"))
    theirs = carter.train.model_copy(update={"channels": POSITIONS, "statics": (), "axes": ("vgrf",), "epochs": 1})
    ours = landmark_cnn(run)
    rows = []
    for name, network, config in (
        ("carter2024: BiLSTM 512, batch 8", carter.network_config(), theirs),
        ("ours: 1D-CNN 64, batch 64", ours.network, ours.config.model_copy(update={"channels": MOTION})),
    ):
        began = time.perf_counter()
        model = fit(network, config, known, fold)
        seconds = time.perf_counter() - began
        test = data.of(fold.test)
        from grfkit.learn.model import predict

        said = predict(model, test)[:, :, 0]
        error = float(np.sqrt(((said - test.arrays()[1][:, :, 0]) ** 2).mean(axis=1)).mean())
        rows.append({
            "name": name, "stances": known.size, "points": 101, "epochs": config.epochs,
            "s_per_epoch": seconds / config.epochs, "s_per_fold": seconds, "rmse_bw_vertical": error,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        })  # fmt: skip
    return {"cost": {"rows": rows, "note": "one fold, one thread, 101 points for both; the authors used 400"}}


BENCHMARKS: dict[str, Callable[[Run], Rows]] = {
    "C": bench_c,
    "A": bench_a,
    "A-paper": bench_a_paper,
    "B": bench_b,
    "cross": bench_cross,
    "transfer": bench_transfer,
    "lab": bench_lab,
    "D": bench_d,
    "B-zhou2025": bench_b_preset,
    "cost": bench_cost,
}


def machine() -> dict[str, Any]:
    """Return commit and machine."""

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()

    return {
        "commit": git("rev-parse", "HEAD"),
        "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }


def markdown(figures: dict[str, Any]) -> str:
    """Return all tables."""
    about = figures["machine"]
    dirty = " (with uncommitted changes)" if about["dirty"] else ""
    lines = [
        "# Accuracy benchmark",
        "",
        f"`make bench-accuracy`{' (the subset for every day)' if figures['quick'] else ''}, last written at commit"
        f" {about['commit'][:12]}{dirty}, Python {about['python']}, {about['cores']} cores; every part names the commit"
        " it was run at. Mean over participants and its 95 % interval; every participant tested by a method that had"
        " not seen them unless the row says it leaks.",
    ]
    for name, one in figures["benchmarks"].items():
        lines += ["", f"## {name}", "", f"Run at commit {one['commit'][:12]}.", ""]
        if "error" in one:
            lines.append(f"Not run: {one['error']}")
        elif "rows" in one:
            heads = list(one["rows"][0])
            lines += ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
            lines += ["| " + " | ".join(_cell(r[h]) for h in heads) + " |" for r in one["rows"]]
            lines += ["", one["note"]]
        else:
            lines += _one(one)
    return "\n".join(lines) + "\n"


def _one(one: Rows) -> list[str]:
    lines = [f"{one['participants']} participants, {sum(one['windows'].values())} windows, split {one['split']},"
             f" cut {one['cut']}." + (f" {one['note']}." if "note" in one else "")]  # fmt: skip
    lines += [f"LEAKS by design: {leak}." for leak in one["leaks"]]
    lines += ["", table_text(one)]
    if "paper" in one:
        lines += ["", "| method | R2 | epsilon % | trials |", "|---|---|---|---|"]
        lines += [
            f"| {m} | {v['R2']:.3f} +- {v['R2_sd']:.3f} | {v['epsilon_percent']:.1f} +- {v['epsilon_sd']:.1f} |"
            f" {v['trials']} |"
            for m, v in one["paper"].items()
        ]
    for axis, others in one["comparisons"].items():
        parts = [
            f"{m} {v['mean']:+.4f} ({v['low']:+.4f} to {v['high']:+.4f}; p {_p(v['p_holm'])})"
            for m, v in others.items()
            if isinstance(v, dict)
        ]
        if parts:
            lines += ["", f"{axis}, {one['headline']} minus: " + "; ".join(parts) + "."]
    return lines


def _p(value: float | None) -> str:
    return "not given, fewer than 6 people" if value is None else f"{value:.3g}"


def _cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    """Run the benchmark and write its figures after every part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(BENCHMARKS), choices=list(BENCHMARKS), help="parts to run")
    parser.add_argument("--quick", action="store_true", help="the subset for every day: few folds, few epochs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "accuracy")
    chosen = parser.parse_args()
    run = Run(chosen.jobs, quick=chosen.quick)
    out = chosen.out.with_name(chosen.out.name + ("_quick" if chosen.quick else ""))
    figures: dict[str, Any] = {"machine": machine(), "quick": chosen.quick, "benchmarks": {}}
    if out.with_suffix(".json").exists():
        earlier = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
        if earlier["quick"] == figures["quick"]:
            figures["benchmarks"] = earlier["benchmarks"]
            figures["wall_s"] = earlier.get("wall_s", {})
    out.parent.mkdir(parents=True, exist_ok=True)
    for name in chosen.only:
        print(f"{name} ...", file=sys.stderr)
        began = time.perf_counter()
        try:
            made = BENCHMARKS[name](run)
        except Exception as error:
            made = {name: {"error": f"{type(error).__name__}: {error}"}}
            print(f"  {made[name]['error']}", file=sys.stderr)
        figures["benchmarks"] |= {n: one | {"commit": figures["machine"]["commit"]} for n, one in made.items()}
        figures.setdefault("wall_s", {})[name] = round(time.perf_counter() - began, 1)
        out.with_suffix(".json").write_text(json.dumps(figures, indent=1, default=float) + "\n", encoding="utf-8")
        out.with_suffix(".md").write_text(markdown(figures), encoding="utf-8")
    print(markdown(figures))


if __name__ == "__main__":
    main()
