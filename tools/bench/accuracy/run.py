"""The accuracy benchmark: ``make bench-accuracy`` (or ``python tools/bench accuracy --help``).

One table per benchmark, all methods on the same folds in one run, per-participant values in docs/results/accuracy.json.
Sets and finished folds are kept under build/accuracy, so that a run that was stopped goes on. Real recordings are taken
from ../shared/data; a benchmark whose recordings are not there says so.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from grfkit.dataset.public.gaitpdb import mask_cells
from grfkit.evaluation.blend import BlendMethod
from grfkit.evaluation.evaluate import of_surface
from grfkit.evaluation.methods import BaselineMethod, NetworkMethod, TransferMethod, baseline_methods
from grfkit.evaluation.scores import scores
from grfkit.evaluation.wrapped import Balanced, OnChannels
from grfkit.learn.augment import Augmentation
from grfkit.learn.folds import Fold, grouped_kfold, leave_one_trial_out, loso, within_trial
from grfkit.learn.kernel import KernelMethod
from grfkit.learn.method import Method
from grfkit.learn.networks import network_config
from grfkit.learn.preset import load_preset
from grfkit.learn.recipe import from_preset
from grfkit.learn.train_config import TrainConfig
from grfkit.learn.transfer import MEANING, REGIMES, Regime, Tuning, transfer_folds
from grfkit.records.stance_set import StanceSet, join

from .. import harness
from . import sets
from .cost import bench_cost
from .lab import bench_lab, bench_lab_carter
from .methods import DEFAULT, MEAN, MOTION, POSITIONS, RIDGE, SPEED, Rows, Run, bilstm, cnn, landmark_cnn, shank_cnn
from .paper import paper_figures, paper_tables
from .shoes import bench_e, bench_e_continuous, bench_e_estimate, bench_e_shift
from .tables import apart, below, limit, markdown, with_tables
from .tried import bench_tried
from .weight import bench_weight

ZHOU = {"vgrf": (0.110, 0.993), "apgrf": (0.038, 0.992), "mlgrf": (0.022, None)}
"""Zhou 2025: RMSE (BW) to stay below and r to exceed."""
B_GOALS = (0.050, 0.017, 0.014)
"""RMSE (BW), vertical, fore-aft, medial: what one model is to reach on the runners."""
FORCE_FILTER = f"low-passed at {sets.LANDMARKS.force_lowpass_hz:g} Hz (zero-lag, corrected)"


def bench_a(run: Run) -> Rows:
    """A: shank acceleration to vertical force, by person: stances and continuous; and the paper's own protocols."""
    parts: Rows = {}
    epochs = 20 if run.quick else 100
    for condition in ("running", "walking"):
        data = sets.bach_set(condition, "stance")
        methods: list[Method] = [*baseline_methods(data), KernelMethod(), bilstm(epochs=epochs, batch=16)]
        parts[f"A {condition}, stances"] = run.scored(data, loso(data, inner=0), methods, headline="BiLSTM")
        data = sets.bach_set(condition, "continuous")
        methods = [*baseline_methods(data), *shank_methods(run, epochs)]
        part = run.scored(data, loso(data, inner=0), methods, headline=methods[-1].name)
        goals = [limit(part, "vgrf", "rmse_bw", 0.15), below(part, "vgrf", "ridge with lags", 1.0)]
        parts[f"A {condition}, continuous"] = with_tables(part, goals)
    return parts


def shank_methods(run: Run, epochs: int) -> list[Method]:
    """Return the networks for continuous acceleration of the shank; the last one is ours."""
    plain = shank_cnn("1D-CNN", epochs)
    if run.quick:
        return [plain, Balanced("1D-CNN, balanced to the mean load", plain)]
    many = shank_cnn("1D-CNN, 3 seeds", epochs, seeds=3)
    return [
        bilstm(epochs=epochs, batch=16),
        plain,
        shank_cnn("1D-CNN, noise and gains varied", epochs, augmentation=Augmentation(noise=0.05, gain=0.1)),
        many,
        Balanced("1D-CNN, 3 seeds, balanced to the mean load", many),
    ]


def bench_a_paper(run: Run) -> Rows:
    """A, the paper's protocols, which leak by design: leave-one-trial-out and within-trial 50/25/25."""
    data = sets.bach_paper()
    network = shank_cnn("1D-CNN", 20 if run.quick else 100)
    lags = BaselineMethod("ridge with lags")
    parts = {}
    for name, folds in (("leave_one_trial_out", leave_one_trial_out(data)), ("within_trial", (within_trial(data),))):
        answers = run.answers(data, folds, [lags, network], split=name)
        figures = {m: paper_figures(answers, m) for m in answers.methods}
        parts[f"A {name}"] = scores(answers) | {"paper": figures, "tables": paper_tables(name, figures)}
    return parts


def landmark_methods(run: Run, *, networks: bool) -> list[Method]:
    """Return the methods for landmarks: on the published inputs, on ours, kernel ridge, network, blend."""
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
    return [*methods, DEFAULT] if networks else methods


def bench_b(run: Run) -> Rows:
    """B: treadmill running, landmarks to three forces, by person."""
    data = sets.runners()
    folds = loso(data, inner=3)
    folds = folds[::10] if run.quick else folds
    part = run.scored(data, folds, landmark_methods(run, networks=not run.quick), headline="blend")
    shown_methods = ["blend", "ridge, velocities and accelerations", SPEED.name]
    return {"B": with_tables(part, landmark_goals(part), shown_methods, force_filter=FORCE_FILTER)}


def bench_b_groups(run: Run) -> Rows:
    """B, five groups of four runners left out: what grf-train gives beside regressions on the same inputs."""
    data = sets.runners()
    folds = grouped_kfold(data, k=5, inner=0)
    methods: list[Method] = [
        MEAN,
        SPEED,
        RIDGE,
        OnChannels("ridge, velocities and accelerations", RIDGE, MOTION),
        KernelMethod(statics=("contact_s",)),
        OnChannels(
            "kernel ridge, velocities and accelerations", KernelMethod("kernel v a", statics=("contact_s",)), MOTION
        ),
        DEFAULT,
    ]
    part = run.scored(data, folds[:2] if run.quick else folds, methods, split="five groups", headline=DEFAULT.name)
    goals = [limit(part, axis, "rmse_bw", goal) for axis, goal in zip(data.axes, B_GOALS)]
    goals += [apart(part, axis, m.name) for axis in data.axes for m in methods[2:-1]]
    return {"B, five groups": with_tables(part, goals, [DEFAULT.name], force_filter=FORCE_FILTER)}


def landmark_goals(part: Rows) -> list[Rows]:
    """Return Zhou's figures as goals, and the paired intervals against ridge and the mean curve of the known speed."""
    rows = []
    for axis, (rmse, r) in ZHOU.items():
        rows.append(limit(part, axis, "rmse_bw", rmse))
        rows += [] if r is None else [limit(part, axis, "r", r)]
        rows += [apart(part, axis, other) for other in ("ridge, positions", SPEED.name)]
    return rows


def bench_b_continuous(run: Run) -> Rows:
    """B, continuous: windows of 2 s of each foot, no contact known beforehand."""
    data = sets.runners_continuous()
    folds = loso(data, inner=3)
    folds = folds[::5] if run.quick else folds
    lags = BaselineMethod("ridge with lags")
    moving = OnChannels("ridge with lags, velocities and accelerations", lags, MOTION)
    network = cnn("1D-CNN, all", epochs=3 if run.quick else 12, hidden=64, layers=5, batch=16)
    methods: list[Method] = [MEAN, OnChannels("ridge with lags, positions", lags, POSITIONS), moving, network]
    part = run.scored(data, folds, [*methods, BlendMethod("blend", (moving, network))], headline="blend")
    goals = [apart(part, axis, methods[1].name) for axis in part["axes"]]
    goals += [limit(part, axis, "r", r) for axis, r in (("vgrf", 0.987), ("apgrf", 0.962), ("mlgrf", 0.775))]
    part["note"] = "ridge of the published baselines on this data, per foot: r .987 / .962 / .775"
    return {"B continuous": with_tables(part, goals)}


def bench_b_preset(run: Run) -> Rows:
    """B, the published protocol on four drawn folds: zhou2025 faithful and fixed, beside ours on the same folds."""
    data = sets.runners()
    folds = loso(data, inner=3)[2::5]
    epochs = 3 if run.quick else 20
    zhou, guessed = [], []
    for kind, channels in (("faithful", POSITIONS), ("fixed", ("*",))):
        preset = from_preset(load_preset("zhou2025", kind))
        train = preset.train.model_copy(update={"epochs": min(epochs, preset.train.epochs), "channels": channels})
        zhou.append(NetworkMethod(f"zhou2025 {kind}, {train.epochs} epochs", preset.network_config(), train))
        guessed.append(str(preset.train.epochs))
    ours = landmark_methods(run, networks=True)
    blend = next(m for m in ours if m.name == "blend")
    part = run.scored(data, folds, [MEAN, SPEED, ours[2], *zhou, blend], headline="blend")
    part["note"] = f"four drawn folds of 20; at most {epochs} epochs, where the presets guess {' and '.join(guessed)}"
    return {"B, zhou2025": part}


def bench_cross(run: Run) -> Rows:
    """Cross-lab: trained on B, tested on the Hamner runners."""
    here, there = sets.runners(), sets.other_lab()
    both = join([here, there])
    test = tuple(there.participants)
    inner = loso(here, inner=3)[0].inner
    train = tuple(p for p in here.participants if p not in inner)
    fold = Fold("B to Hamner", train, inner, test)
    part = run.scored(both, [fold], landmark_methods(run, networks=not run.quick), split="cross-lab", headline="blend")
    goals = [limit(part, "vgrf", "rmse_bw", 0.270)]
    goals += [below(part, axis, other, 1.0) for axis in ZHOU for other in ("ridge, positions", MEAN.name)]
    return {"B to Hamner": with_tables(part, goals)}


def bench_c(run: Run) -> Rows:
    """C: overground walking, landmarks to three forces, by person."""
    data = sets.walkers()
    folds = loso(data, inner=3)
    folds = folds[::3] if run.quick else folds
    longer = cnn("1D-CNN, 120 epochs", epochs=10 if run.quick else 120, hidden=32, statics=("contact_s",), batch=16)
    extra = OnChannels("1D-CNN, velocities and accelerations, 120 epochs", longer, MOTION)
    part = run.scored(data, folds, [*landmark_methods(run, networks=True), extra], headline=DEFAULT.name)
    goals = [below(part, axis, "ridge, positions", 0.8) for axis in ZHOU]
    goals += [
        limit(part, axis, "rmse_bw", 0.8 * b) for axis, b in (("vgrf", 0.068), ("apgrf", 0.019), ("mlgrf", 0.011))
    ]
    return {"C": with_tables(part, goals, [DEFAULT.name], force_filter=FORCE_FILTER)}


def walking(name: str, regime: Regime, people: int | None = None) -> TransferMethod:
    """Return a regime from the runners to ``people`` walkers, all if None.

    There are ten times fewer windows of walkers: what trains on them alone, or goes on with them, takes more epochs, so
    that it takes as many steps or half as many, and does not lose for want of training.
    """
    config = TrainConfig(epochs=10, lr=3e-3, patience=0, batch=16, channels=MOTION, statics=("contact_s",))
    config = config.model_copy(update={"epochs": 120}) if regime == "B" else config
    network = network_config("cnn1d", hidden=32)
    return TransferMethod(name, regime, network, config, tuning=Tuning(epochs=60), target_people=people)


def bench_transfer(run: Run) -> Rows:
    """B to C: treadmill running to overground walking in every regime, and how few walkers are enough."""
    source = sets.thinned(sets.runners(), 12)
    data = join([source, sets.walkers()])
    target = data.where(data.per_stance("surface") == "overground")
    source = data.where(data.per_stance("surface") == "treadmill")
    folds = transfer_folds(source, target, inner=0)
    folds = folds[::4] if run.quick else folds
    regimes: list[Method] = [walking(f"{r}: {MEANING[r]}", r) for r in REGIMES]
    few: list[Method] = [walking(f"{r}, {n} walkers", r, n) for n in (2, 4, 8) for r in ("B", "C1", "D2")]
    methods = [MEAN, SPEED, RIDGE, *regimes, *([] if run.quick else few)]
    answers = run.answers(data, folds, methods, split="loso")
    return {"B to C": scores(of_surface(answers, "overground"), headline=f"D2: {MEANING['D2']}")}


def bench_d(run: Run, *, only: Sequence[str] = ()) -> Rows:
    """D: the total load with cells missing, folds of ten groups of people; every set of cells, or some."""
    data = sets.insoles(3 if run.quick else 6)
    left = {"one dead (4)": (1, 2, 3, 5, 6, 7, 8), "five": (1, 2, 4, 6, 8), "four": (1, 3, 6, 8), "three": (1, 5, 8)}
    left["two (heel, toe)"] = (1, 8)
    parts = {}
    for name in only or left:
        cells = left[name]
        masked = mask_cells(data, cells)
        remaining = StanceSet(masked.data.sel(channel=[f"cell_{n}" for n in cells]))
        folds = grouped_kfold(remaining, k=10, inner=4)
        network = cnn(epochs=4 if run.quick else 12, hidden=32, statics=("mass_kg", "contact_s"))
        methods: list[Method] = [
            *baseline_methods(remaining, but=("kNN",)),
            KernelMethod(statics=("mass_kg",)),
            network,
        ]
        methods += [BlendMethod("blend", (RIDGE, methods[-2], network)), *([] if run.quick else [DEFAULT])]
        part = run.scored(remaining, folds, methods, split="grouped_kfold", headline="blend")
        parts[f"D, {name}"] = with_tables(
            part, [below(part, "vgrf", RIDGE.name, 0.75), apart(part, "vgrf", RIDGE.name)]
        )
    return parts


BENCHMARKS: dict[str, Callable[[Run], Rows]] = {
    "C": bench_c,
    "A": bench_a,
    "A-paper": bench_a_paper,
    "B": bench_b,
    "B-groups": bench_b_groups,
    "cross": bench_cross,
    "transfer": bench_transfer,
    "lab": bench_lab,
    "lab-carter": bench_lab_carter,
    "D": bench_d,
    "D-four": partial(bench_d, only=("four",)),
    "D-weight": bench_weight,
    "E": bench_e,
    "E-shift": bench_e_shift,
    "E-continuous": bench_e_continuous,
    "E-estimate": bench_e_estimate,
    "B-zhou2025": bench_b_preset,
    "B-continuous": bench_b_continuous,
    "cost": bench_cost,
    "tried": bench_tried,
}
PARTS_OF_OTHERS = ("D-four",)
"""What can be asked for alone, and is run with another part otherwise."""
QUICK = ("C", "A", "A-paper", "B", "lab", "D-weight", "cost")
"""The parts of the subset for every day."""


def main() -> None:
    """Run the benchmark and write its figures after every part."""
    parser = harness.parser(__doc__, "accuracy")
    parser.add_argument("--only", nargs="*", default=[], choices=list(BENCHMARKS), help="parts to run")
    parser.add_argument("--quick", action="store_true", help="the subset for every day: few folds, few epochs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    request = parser.parse_args()
    run, out = Run(request.jobs, quick=request.quick), harness.quick_out(request)
    figures: dict[str, Any] = {"machine": harness.machine(), "quick": request.quick, "benchmarks": {}}
    before = harness.earlier(out)
    if before.get("quick") == request.quick:
        figures |= {"benchmarks": before["benchmarks"], "wall_s": before.get("wall_s", {})}
    for name in request.only or (QUICK if request.quick else [n for n in BENCHMARKS if n not in PARTS_OF_OTHERS]):
        parts, wall_s = harness.attempted(name, partial(BENCHMARKS[name], run))
        parts = {name: parts} if "error" in parts else parts
        figures["benchmarks"].pop(name, None)  # of an earlier run that ended early
        figures["benchmarks"] |= {n: part | {"commit": figures["machine"]["commit"]} for n, part in parts.items()}
        figures["sets"] = sets.cut_at()
        figures.setdefault("wall_s", {})[name] = round(wall_s, 1)
        harness.write(out, figures, markdown(figures))
    print(markdown(figures))
