"""Benchmark E: IMUs on both shoes to three forces, walking: eight people, normal and with an imitated stiff knee.

A method is added in :func:`stance_methods` or :func:`continuous_methods`: it then stands in every part.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from grfkit import Recording, estimate
from grfkit.arrays import Floats
from grfkit.dataset.motion import SIDES
from grfkit.dataset.public import pearl
from grfkit.dataset.public.pearl import PearlSettings
from grfkit.dataset.public.pearl_clock import belt_clocks, belt_times
from grfkit.dataset.public.pearl_trials import RATE_HZ, SHOE, WalkTrial, read_people, read_trial
from grfkit.dataset.resample import linear
from grfkit.evaluation.methods import BaselineMethod, ChosenMethod
from grfkit.evaluation.predictions import Predictions
from grfkit.evaluation.scores import scores
from grfkit.evaluation.wrapped import Balanced
from grfkit.learn.baselines import LaggedRidge
from grfkit.learn.folds import Fold, loso
from grfkit.learn.kernel import KernelMethod
from grfkit.learn.method import FittedMethod, Method
from grfkit.learn.model import GrfModel
from grfkit.learn.train_config import TrainConfig
from grfkit.records.stance_set import StanceSet
from grfkit.stats.curves import group

from ..harness import DATA
from .methods import DEFAULT, MEAN, RIDGE, SPEED, Rows, Run
from .sets import cached
from .tables import apart, limit, with_tables

FOLDER = DATA / "pearl2024_imu_treadmill"
SETTINGS = PearlSettings()
"""How the sets are made; their names in the cache say nothing of it: after a change here, delete E_*.nc."""
NORMAL, STIFF = pearl.CONDITIONS
GOALS = {NORMAL: (0.047, 0.016, 0.014), STIFF: (0.062, 0.026, 0.018)}
"""RMSE (BW), vertical, fore-aft, medial."""
CONTINUOUS_GOAL = 0.075
"""RMSE (BW), vertical, of continuous windows of normal walking."""
WIDE = tuple(range(-40, 41, 5))
"""Samples (10 ms) of a third of a walker's stride to either side."""
ESTIMATED = ("mean curve", "ridge", "kernel ridge")
"""Methods whose answers to whole recordings are looked at."""
INNER = 2
"""People of each fold on whom whatever trains stops; baselines train on them, too."""


def shoes(condition: str, window: str = "stance") -> StanceSet:
    """Return benchmark E: one condition, ``stance`` or ``continuous`` (2 s windows)."""
    data = both_conditions(window)
    return data.where(data.per_stance("condition") == condition)


def both_conditions(window: str = "stance") -> StanceSet:
    """Return the windows of both conditions, which are aligned together: that takes longest."""
    return cached(f"E_{window}", lambda: pearl.load(FOLDER, window=window, settings=SETTINGS))


def by_momentum() -> StanceSet:
    """Return the stances of normal walking with clocks by momentum first, grf-sync where that is refused."""
    settings = replace(SETTINGS, clock="momentum or grf-sync")
    return cached("E_normal_momentum", lambda: pearl.load(FOLDER, conditions=[NORMAL], settings=settings))


@dataclass(frozen=True)
class Lagged:
    """Ridge from each sample's neighbourhood, on windows of any kind."""

    name: str = "ridge with lags"
    lags: tuple[int, ...] = LaggedRidge.lags

    def fit(self, data: StanceSet, fold: Fold) -> LaggedRidge:
        """Return the ridge, fitted on training and inner participants alike."""
        ridge = LaggedRidge(fold.leaks, name=self.name, lags=self.lags)
        ridge.fit(data)
        return ridge


@dataclass(frozen=True)
class GivenConditions:
    """Another method that trains on some conditions only; whoever is tested, it is tested on all."""

    name: str
    member: Method
    conditions: tuple[str, ...]

    def fit(self, data: StanceSet, fold: Fold) -> FittedMethod:
        """Return the method fitted on these conditions."""
        return self.member.fit(data.where(np.isin(data.per_stance("condition"), self.conditions)), fold)


def stance_methods(run: Run) -> list[Method]:
    """Return the methods for stances; the last one is the headline."""
    methods: list[Method] = [MEAN, SPEED, BaselineMethod("kNN"), Lagged(), RIDGE, KernelMethod()]
    return methods if run.quick else [*methods, DEFAULT]


def continuous_methods(run: Run) -> list[Method]:
    """Return the methods for continuous windows; the last one is the headline."""
    del run
    wide = Lagged("ridge with lags, 0.4 s", WIDE)
    return [MEAN, BaselineMethod("ridge with lags"), wide, Balanced("ridge with lags, 0.4 s, balanced", wide)]


def bench_e(run: Run) -> Rows:
    """E: stances of each condition, by person; and with the other clocks."""
    parts: Rows = {}
    methods = stance_methods(run)
    for condition in pearl.CONDITIONS:
        data = shoes(condition)
        part = run.scored(data, _folds(run, data), methods, headline=methods[-1].name)
        goals = [limit(part, axis, "rmse_bw", goal) for axis, goal in zip(data.axes, GOALS[condition])]
        goals += [apart(part, axis, other) for axis in data.axes for other in (MEAN.name, RIDGE.name)]
        parts[f"E {condition}, stances"] = with_tables(part | {"note": _left_out(data)}, goals, [methods[-1].name])
    data = by_momentum()
    part = run.scored(data, _folds(run, data), [MEAN, RIDGE, KernelMethod()], headline="kernel ridge")
    parts["E normal, stances, momentum before grf-sync"] = part | {"note": _left_out(data)}
    return parts


def bench_e_shift(run: Run) -> Rows:
    """E, shift: from normal walking to stiff knees, and from the healthy to a person with a knee replacement."""
    data = both_conditions()
    stiff = data.where(data.per_stance("condition") == STIFF).participants
    folds = [f for f in _folds(run, data) if f.test[0] in stiff]
    methods: list[Method] = [GivenConditions(m.name, m, (NORMAL,)) for m in stance_methods(run)]
    headline = methods[-1].name
    methods += [GivenConditions(f"{m.name}, given stiff knees, too", m, pearl.CONDITIONS) for m in (MEAN, RIDGE)]
    answers = of_condition(run.answers(data, folds, methods, split="loso"), STIFF)
    parts: Rows = {"E, normal to stiff knee": scores(answers, headline=headline)}
    normal, replaced = shoes(NORMAL), pearl.knee_replacements(FOLDER)
    fold = next(f for f in loso(normal, inner=INNER) if f.test == replaced)
    part = run.scored(normal, [fold], stance_methods(run), headline=headline)
    part["note"] = (
        f"one person, who walks at {normal.of(replaced).scalar('speed_m_s')[0]:.2f} m/s, the others at .72-.78"
    )
    return parts | {"E, healthy to knee replacement": part}


def bench_e_continuous(run: Run) -> Rows:
    """E, continuous: windows of 2 s of each foot, no contact known beforehand."""
    parts: Rows = {}
    methods = continuous_methods(run)
    for condition in pearl.CONDITIONS:
        data = shoes(condition, "continuous")
        part = run.scored(data, _folds(run, data), methods, headline=methods[-1].name)
        goals = [limit(part, "vgrf", "rmse_bw", CONTINUOUS_GOAL)] if condition == NORMAL else []
        goals += [apart(part, axis, "ridge with lags") for axis in data.axes]
        parts[f"E {condition}, continuous"] = with_tables(part | {"note": _left_out(data)}, goals)
    return parts


def bench_e_estimate(run: Run) -> Rows:
    """E, as ``grf-estimate`` answers: contacts by the shoes alone, force at every moment, people left out."""
    data = both_conditions()
    people = read_people(FOLDER)
    folds = _folds(run, data)
    errors: dict[tuple[str, str, str], list[tuple[Floats, float]]] = {}
    for name in ESTIMATED:
        method = ChosenMethod(name, TrainConfig(), name)
        for fold in folds:
            model = method.train(data.without(fold.test), fold)
            for path in sorted((FOLDER / "trials").glob(f"{fold.test[0]}_*.npz")):
                walk = read_trial(path, people)
                errors.setdefault((walk.condition, name, fold.test[0]), []).extend(_estimated(model, walk))
            print(f"  {fold.name} | {name}, estimated", file=sys.stderr)
    rows = []
    for condition in pearl.CONDITIONS:
        for name in ESTIMATED:
            found = {p: v for (c, m, p), v in errors.items() if (c, m) == (condition, name) and v}
            each = {p: np.sqrt(np.mean([squares for squares, _ in v], axis=0)) for p, v in found.items()}
            row: Rows = {"condition": condition, "method": name, "people": len(each)}
            for i, axis in enumerate(data.axes):
                over = group({p: float(values[i]) for p, values in each.items()})
                row |= {f"{axis} RMSE BW": over.mean, f"{axis} low": over.low, f"{axis} high": over.high}
            shares = [np.mean([share for _, share in v]) for v in found.values()]
            rows.append(row | {"answered, %": 100 * float(np.mean(shares))})
    note = (
        f"One fit of each method for both conditions, stances of training cut by force; goal {CONTINUOUS_GOAL:g} BW"
        " vertically in normal walking. Errors over all moments, swing too, at which force and answer are known, of"
        " both feet; `answered`: share of the moments with a known force that have an answer. Belts whose clock was"
        " refused have no known force."
    )
    return {"E, continuous, as grf-estimate answers": {"rows": rows, "note": note}}


def _estimated(model: GrfModel, walk: WalkTrial) -> list[tuple[Floats, float]]:
    """Return of each foot whose force is known the mean square error of each axis, and the share that is answered."""
    found: list[tuple[Floats, float]] = []
    clocks = belt_clocks(walk, SETTINGS.clock)
    answer = estimate(model, shoes_of(walk), participant=walk.participant, mass_kg=walk.mass_kg)
    for side, clock in clocks.items():
        if clock is None or side not in answer.feet:
            continue
        curve = answer.feet[side]
        force = linear(walk.time_s, pearl.foot_force(walk, side), belt_times(clock, curve.time_s))
        known = np.isfinite(force).all(axis=1)
        both = known & np.isfinite(curve.force_bw).all(axis=1)
        if both.any():
            squares = np.mean((curve.force_bw[both] - force[both]) ** 2, axis=0)
            found.append((squares, float(both.sum() / known.sum())))
    return found


def shoes_of(walk: WalkTrial) -> Recording:
    """Return what the sensors of both shoes recorded, in their own axes."""
    streams = {}
    for side in SIDES:
        acc, gyro = walk.of(f"{SHOE}_{side[0]}")
        values = {
            f"{kind}_{axis}": ("time", table[:, i], {"units": unit})
            for kind, table, unit in (("acc", acc, "m/s^2"), ("gyro", gyro, "rad/s"))
            for i, axis in enumerate("xyz")
        }
        about = {"kind": "imu", "side": side, "rate_hz": RATE_HZ}
        streams[f"/imu_{side}"] = xr.Dataset(values, {"time": np.arange(len(acc)) / RATE_HZ}, about)
    return Recording(xr.DataTree.from_dict(streams))


def of_condition(predictions: Predictions, condition: str) -> Predictions:
    """Return the predictions of one condition."""
    rows = predictions.per_stance("condition") == condition
    return Predictions(predictions.data.isel(stance=rows.nonzero()[0]))


def _folds(run: Run, data: StanceSet) -> tuple[Fold, ...]:
    folds = loso(data, inner=INNER)
    return folds[::3] if run.quick else folds


def _left_out(data: StanceSet) -> str:
    counts = ", ".join(f"{n} {reason}" for reason, n in data.excluded.items()) or "nothing"
    return f"axes: {SETTINGS.axes}; left out of both conditions: {counts}"
