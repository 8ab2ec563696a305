"""Hold the adapters against the baseline figures of the recordings: mean curves and ridge, participant by participant.

    python tools/check_adapters.py --data ../shared/data [--only A B C D hamner] [--frame landing] [--alpha 1e-2]

Every fold leaves one participant out of everything. Prints RMSE (BW) and r by axis, contacts of a participant first.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grfkit.dataset.motion import MotionSettings
from grfkit.dataset.public import bach, gaitpdb, hamner, rbds, schreiber
from grfkit.records.stance_set import StanceSet

Floats = NDArray[np.float64]
Fit = Callable[[StanceSet, StanceSet], Floats]

PUBLISHED = {
    "A running": "mean curve .142, ridge .180",
    "A walking": "mean curve .084, ridge .077",
    "A running, continuous": "ridge .217 r .965",
    "A walking, continuous": "ridge .301",
    "B": "mean curve .218/.070/.045, of the known speed .180/.049/.043, ridge .148/.043/.032 (26 runners, 14 markers)",
    "C": "mean curve .092/.031/.016, of the known speed .080/.028/.016, ridge .068/.019/.011 (18 walkers)",
    "B to Hamner": "V: mean curve .287, ridge .270 r .960",
    "D": "one dead cell .033-.073; five cells left .104, four .145, three .180, heel and toe .280 (163 people)",
}


def mean_curve(train: StanceSet, test: StanceSet) -> Floats:
    """Return the mean of the training participants' mean curves."""
    return np.broadcast_to(_mean(train), (test.size, *_mean(train).shape))


def mean_curve_of_speed(train: StanceSet, test: StanceSet) -> Floats:
    """Return the mean curve of the training windows whose condition is the test window's."""
    labels = train.per_stance("condition")
    curves = {c: _mean(train.where(labels == c)) for c in np.unique(labels)}
    whole = _mean(train)
    return np.stack([curves.get(c, whole) for c in test.per_stance("condition")])


def _mean(train: StanceSet) -> Floats:
    y = train.arrays()[1].astype(np.float64)
    people = train.per_stance("participant")
    return np.mean([y[people == p].mean(axis=0) for p in np.unique(people)], axis=0)


def ridge(step: int, alpha: float) -> Fit:
    """Return ridge regression from all channels at every ``step``-th point, with the scalars, to the whole curve."""

    def fit(train: StanceSet, test: StanceSet) -> Floats:
        x, scale = _features(train, step, None)
        z, _ = _features(test, step, scale)
        y = train.arrays()[1].astype(np.float64).reshape(len(x), -1)
        middle = y.mean(axis=0)
        gram = x.T @ x + alpha * len(x) * np.eye(x.shape[1])
        return (z @ np.linalg.solve(gram, x.T @ (y - middle)) + middle).reshape(
            test.size, *train.data["targets"].shape[1:]
        )

    return fit


def _features(some: StanceSet, step: int, scale: tuple[Floats, Floats] | None) -> tuple[Floats, tuple[Floats, Floats]]:
    x = some.arrays()[0].astype(np.float64)[:, ::step]
    x = x[:, :, np.isfinite(x).all(axis=(0, 1))].reshape(some.size, -1)
    extra = np.stack([some.scalar(n) for n in ("mass_kg", "speed_m_s", "contact_s")], axis=1)
    x = np.concatenate([x, np.nan_to_num(extra)], axis=1)
    scale = scale or (x.mean(axis=0), x.std(axis=0) + 1e-6)
    return (x - scale[0]) / scale[1], scale


def lagged_ridge(reach: int, alpha: float) -> Fit:
    """Return ridge regression from each sample and its neighbours up to ``reach`` away, for continuous windows."""

    def rows(some: StanceSet) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        x, y, w = (a.astype(np.float64) for a in some.arrays())
        wide = np.pad(np.nan_to_num(x), ((0, 0), (reach, reach), (0, 0)), mode="edge")
        steps = range(0, 2 * reach + 1, 2)
        lags = np.concatenate([wide[:, k : k + x.shape[1]] for k in steps], axis=2)
        return lags.reshape(-1, lags.shape[2]), y.reshape(-1, y.shape[2]), w.reshape(-1) > 0

    def fit(train: StanceSet, test: StanceSet) -> Floats:
        x, y, w = rows(train)
        middle, spread = x[w].mean(axis=0), x[w].std(axis=0) + 1e-6
        x, centre = (x[w] - middle) / spread, y[w].mean(axis=0)
        weights = np.linalg.solve(x.T @ x + alpha * len(x) * np.eye(x.shape[1]), x.T @ (y[w] - centre))
        z = (rows(test)[0] - middle) / spread
        return (z @ weights + centre).reshape(test.data["targets"].shape)

    return fit


def loso(some: StanceSet, fit: Fit) -> tuple[Floats, Floats]:
    """Return RMSE (BW) and r by participant and axis, every participant left out in turn."""
    pairs = [scores(fit(some.without([p]), some.of([p])), some.of([p])) for p in some.participants]
    return np.stack([a for a, _ in pairs]), np.stack([b for _, b in pairs])


def scores(guess: Floats, test: StanceSet) -> tuple[Floats, Floats]:
    """Return the mean over windows of RMSE and r, by axis, where the weight counts."""
    _, y, w = test.arrays()
    errors, likeness = [], []
    for k in range(test.size):
        on = w[k] > 0
        errors.append(np.sqrt(np.mean((guess[k][on] - y[k][on]) ** 2, axis=0)))
        with np.errstate(invalid="ignore"):
            likeness.append([np.corrcoef(guess[k][on, a], y[k][on, a])[0, 1] for a in range(y.shape[2])])
    return np.mean(errors, axis=0), np.nanmean(likeness, axis=0)


def told(title: str, some: StanceSet, fits: dict[str, Fit]) -> None:
    """Print one table."""
    people = len(some.participants)
    print(f"\n{title}: {people} people, {some.size} windows, left out {some.excluded}")
    print(f"  published: {PUBLISHED.get(title, '-')}")
    for name, fit in fits.items():
        begin = time.perf_counter()
        rmse, r = loso(some, fit)
        _line(name, rmse, r, some, time.perf_counter() - begin)


def _line(name: str, rmse: Floats, r: Floats, some: StanceSet, seconds: float) -> None:
    shown = "  ".join(f"{a} {e:.3f}/{c:.3f}" for a, e, c in zip(some.axes, rmse.mean(axis=0), r.mean(axis=0)))
    worst = some.participants[int(np.argmax(rmse[:, 0]))] if len(rmse) == len(some.participants) else "-"
    print(f"  {name:22s} RMSE BW/r  {shown}   worst {worst} {rmse[:, 0].max():.3f}  ({seconds:.1f} s)")


def benchmark_a(data: Path, asked: argparse.Namespace) -> None:
    """Print benchmark A."""
    folder = data / "bach2022_shank_acc_vgrf"
    for orient in ("gravity", "nearest"):
        for condition in ("running", "walking"):
            some = bach.load(folder, conditions=[condition], orient=orient)
            rows = {"mean curve": mean_curve, f"ridge, {orient}": ridge(2, asked.alpha)}
            told(f"A {condition}", some, rows)
            some = bach.load(folder, window="continuous", conditions=[condition], orient=orient, window_s=4.0)
            told(f"A {condition}, continuous", some, {f"ridge, {orient}": lagged_ridge(60, 0.1)})


def benchmark_b(data: Path, asked: argparse.Namespace) -> None:
    """Print benchmark B and the cross-lab rows."""
    settings = MotionSettings(frame=asked.frame, force_lowpass_hz=20.0)
    some = rbds.load(data / "rbds_runners", settings=settings)
    fits = {"mean curve": mean_curve, "mean curve of speed": mean_curve_of_speed, "ridge": ridge(5, asked.alpha)}
    told("B", some, fits)
    other = hamner.load(data / "nimblephysics/data/osim", settings=settings)
    print(f"\nB to Hamner: {other.size} windows, {other.excluded}\n  published: {PUBLISHED['B to Hamner']}")
    for name, fit in fits.items():
        people = [scores(fit(some, other.of([p])), other.of([p])) for p in other.participants]
        _line(name, np.stack([a for a, _ in people]), np.stack([b for _, b in people]), other, 0.0)


def benchmark_c(data: Path, asked: argparse.Namespace) -> None:
    """Print benchmark C."""
    some = schreiber.load(data / "schreiber2019_walk_overground", settings=MotionSettings(frame=asked.frame))
    fits = {"mean curve": mean_curve, "mean curve of speed": mean_curve_of_speed, "ridge": ridge(5, asked.alpha)}
    told("C", some, fits)


def benchmark_d(data: Path, asked: argparse.Namespace) -> None:
    """Print benchmark D with fewer and fewer cells."""
    whole = gaitpdb.load(data / "gaitpdb_insole", most_windows=20)
    print(f"\nD: load over body weight {_mean_load(data):.2f} in the mean of people; published 1.27 (163 people)")
    for keep in _kept():
        some = gaitpdb.mask_cells(whole, keep)
        told("D", some, {f"ridge, cells {''.join(map(str, keep))}": ridge(5, asked.alpha)})


def _kept() -> Iterator[list[int]]:
    for dead in range(1, 9):
        yield [n for n in range(1, 9) if n != dead]
    yield from ([1, 3, 5, 7, 8], [1, 4, 5, 8], [1, 5, 8], [1, 8])


def _mean_load(data: Path) -> float:
    walks, _ = gaitpdb.walks(data / "gaitpdb_insole")
    return float(np.median([w.cells_n.sum(axis=1).mean() / (w.mass_kg * 9.80665) for w in walks]))


BENCHMARKS: dict[str, Callable[[Path, Any], None]] = {
    "A": benchmark_a,
    "B": benchmark_b,
    "C": benchmark_c,
    "D": benchmark_d,
}


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", choices=sorted(BENCHMARKS), default=sorted(BENCHMARKS))
    parser.add_argument("--frame", choices=("landing", "travelling", "lab"), default="landing")
    parser.add_argument("--alpha", type=float, default=0.3, help="ridge penalty per window")
    asked = parser.parse_args()
    for name in asked.only:
        BENCHMARKS[name](asked.data, asked)


if __name__ == "__main__":
    main()
