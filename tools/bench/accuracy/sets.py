"""The sets of the accuracy benchmark, made once and kept under build/accuracy."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from grfkit.dataset.cut import LATERAL, CutRequest
from grfkit.dataset.motion import MotionSettings
from grfkit.dataset.public import bach, gaitpdb, hamner, rbds, schreiber
from grfkit.dataset.resample import stance_times
from grfkit.learn.folds import Fold
from grfkit.learn.recipe import Recipe
from grfkit.learn.ridge import Ridge
from grfkit.learn.window_sources import load_sets
from grfkit.records.stance_set import StanceSet
from grfkit.simulate.folder import LabRequest, PlannedTrial, planned_trials, write_lab
from grfkit.simulate.lab import simulate_world

from ..harness import DATA, ROOT, commit
from .ideal import CELLS, CHANNELS, UNITS, ideal_signals

BUILD = ROOT / "build" / "accuracy"
FOUR_CELLS = (1, 3, 6, 8)
"""Cells of eight that the packaged model of few cells has: heel, arch, ball and toe; benchmark D's ``four``."""
LANDMARKS = MotionSettings(inputs=("position", "velocity", "acceleration"), force_lowpass_hz=20.0)
LAB_SEED, LAB_PEOPLE = 2_600_000, {"treadmill": 20, "overground": 15}


def cached(name: str, make: Callable[[], StanceSet]) -> StanceSet:
    """Return a set from the cache, made on first use."""
    path = BUILD / "sets" / f"{name}.nc"
    if not path.exists():
        print(f"making {name} ...", file=sys.stderr)
        path.parent.mkdir(parents=True, exist_ok=True)
        make().to_netcdf(path)
        path.with_suffix(".commit").write_text(commit(), encoding="utf-8")
    return StanceSet(StanceSet.open(path).data.load())


def cut_at() -> dict[str, str]:
    """Return for every set in the cache the commit it was cut at."""
    return {p.stem: p.read_text(encoding="utf-8") for p in sorted((BUILD / "sets").glob("*.commit"))}


def bach_set(condition: str, window: str) -> StanceSet:
    """Return benchmark A: one condition, ``stance`` or ``continuous`` (2 s windows)."""
    folder = DATA / "bach2022_shank_acc_vgrf"
    return cached(f"A_{condition}_{window}", lambda: bach.load(folder, window=window, conditions=[condition]))


def bach_paper() -> StanceSet:
    """Return benchmark A for the paper's protocols: all 18 trials in half-second windows."""
    folder = DATA / "bach2022_shank_acc_vgrf"
    return cached("A_paper", lambda: bach.load(folder, window="continuous", window_s=2.0))


def runners() -> StanceSet:
    """Return benchmark B."""
    return cached("B", lambda: rbds.load(DATA / "rbds_runners", settings=LANDMARKS))


def runners_continuous() -> StanceSet:
    """Return benchmark B in windows of 2 s of one foot each, 100 Hz, every third of them."""
    settings = replace(LANDMARKS, window_s=2.0, rate_hz=100.0)

    def make() -> StanceSet:
        data = rbds.load(DATA / "rbds_runners", window="continuous", cut="none", settings=settings)
        return StanceSet(data.data.isel(stance=slice(None, None, 3)))

    return cached("B_continuous", make)


def runners_physics() -> StanceSet:
    """Return benchmark B with the physics prior's channels beside the others."""
    settings = replace(LANDMARKS, physics=True)
    return cached("B_physics", lambda: thinned(rbds.load(DATA / "rbds_runners", settings=settings), 120))


def phantom_file() -> Path:
    """Return the file of the phantom's stances, made like benchmark B: 24 simulated runners on a treadmill."""
    from .phantom import phantom_runners

    cached("phantom", lambda: phantom_runners(24, replace(LANDMARKS, physics=True)))
    return BUILD / "sets" / "phantom.nc"


def walkers() -> StanceSet:
    """Return benchmark C."""
    return cached("C", lambda: schreiber.load(DATA / "schreiber2019_walk_overground", settings=LANDMARKS))


def other_lab() -> StanceSet:
    """Return the Hamner runners."""
    return cached("hamner", lambda: hamner.load(DATA / "nimblephysics/data/osim", settings=LANDMARKS))


def insoles(each: int) -> StanceSet:
    """Return benchmark D, at most ``each`` stances of every person and foot."""
    return cached(f"D_{each}", lambda: gaitpdb.load(DATA / "gaitpdb_insole", most_windows=each))


def insoles_cut_by(each: int, cells: Sequence[int]) -> StanceSet:
    """Return stances of the same walks that an insole of these cells cuts by itself."""
    name = f"D_{each}_cut_by_{''.join(map(str, cells))}"
    cut = partial(gaitpdb.load, DATA / "gaitpdb_insole", most_windows=each, cut="insole_causal", seen=cells)
    return cached(name, cut)


def four_cells() -> StanceSet:
    """Return the windows of insoles with all cells but :data:`FOUR_CELLS` left out, cut as such an insole cuts them.

    Cut by a threshold of the whole load, they would begin and end at one load, which no insole's own windows do: a
    model of them is .5 BW off on stances that begin 2 % later.
    """
    masked = gaitpdb.mask_cells(insoles_cut_by(6, FOUR_CELLS), FOUR_CELLS)
    return StanceSet(masked.data.sel(channel=[f"cell_{n}" for n in FOUR_CELLS]))


def lab(each: int, *, quick: bool = False) -> StanceSet:
    """Return the simulated lab: simulated, aligned by grf-sync, cut by the insole; ``each`` stances of every person."""
    return cached(f"{_place(quick)}_{each}", lambda: thinned(_lab(CutRequest(), quick=quick), each))


def lab_relative(each: int, *, quick: bool = False) -> StanceSet:
    """Return the simulated lab with cells against the foot's own steps."""
    request = CutRequest(cells="relative")
    return cached(f"{_place(quick)}_relative_{each}", lambda: thinned(_lab(request, quick=quick), each))


def lab_oracle(each: int, *, quick: bool = False) -> StanceSet:
    """Return the windows of :func:`lab_relative` with inputs of sensors without faults."""
    name = f"{_place(quick)}_oracle_{each}"
    return cached(name, lambda: ideal_inputs(lab_relative(each, quick=quick), _worlds(quick=quick)))


def ideal_inputs(data: StanceSet, worlds: Mapping[str, PlannedTrial]) -> StanceSet:
    """Return the same windows, instant by instant, with what sensors without faults show there.

    Cells are over body weight, so that the mass need not be learnt; left is mirrored as in the set.
    """
    inputs = np.zeros((data.size, int(data.data.sizes["time"]), len(CHANNELS)), dtype=np.float32)
    trials, sides = data.per_stance("trial"), data.per_stance("side")
    start, span = np.asarray(data.data["start_s"].values, dtype=np.float64), data.scalar("contact_s")
    flipped = np.where(np.isin(CHANNELS, LATERAL), -1.0, 1.0)
    for trial in np.unique(trials):
        world = simulate_world(worlds[trial].condition, worlds[trial].seed)
        scale = np.where(np.isin(CHANNELS, CELLS), 1.0 / world.weight_n, 1.0)
        for row in np.flatnonzero(trials == trial):
            at = stance_times(float(start[row]), float(start[row] + span[row]), inputs.shape[1])
            left = bool(sides[row] == "left")
            # the same turn as in the set it is compared with
            sign = flipped if left and data.data.attrs["mirrored"] else 1.0
            inputs[row] = ideal_signals(world, at, left=left) * scale * sign
    windows = data.data.drop_vars(["inputs", "channel", "unit"])
    windows = windows.assign_coords(channel=np.asarray(CHANNELS, dtype=object))
    units = ["BW" if c in CELLS else u for c, u in zip(CHANNELS, UNITS)]
    windows = windows.assign_coords(unit=("channel", np.asarray(units, dtype=object)))
    windows["inputs"] = (("stance", "time", "channel"), inputs)
    return StanceSet(windows)


def _place(quick: bool) -> str:
    return "lab_small" if quick else "lab"


def _requests(*, quick: bool) -> dict[str, LabRequest]:
    """Return what the lab consists of, by surface."""
    small = {"treadmill": 5, "overground": 5}
    people = small if quick else LAB_PEOPLE
    common: dict[str, Any] = {"insole": "adc", "seed": LAB_SEED}
    belt = LabRequest(surface="treadmill", people=people["treadmill"], duration_s=60 if quick else 120, **common)
    floor = LabRequest(
        surface="overground", people=people["overground"], trials=1 if quick else 3, jumps=3, **common
    )  # fmt: skip
    return {"treadmill": belt, "overground": floor}


def _worlds(*, quick: bool) -> dict[str, PlannedTrial]:
    """Return condition and seed of every trial of the lab, by name."""
    return {p.name: p for request in _requests(quick=quick).values() for p in planned_trials(request)}


def thinned(data: StanceSet, each: int) -> StanceSet:
    """Return at most ``each`` stances of every person and surface."""
    rows: list[int] = []
    keys = np.asarray([f"{p}/{s}" for p, s in zip(data.per_stance("participant"), data.per_stance("surface"))])
    for key in np.unique(keys):
        rows_of_key = np.flatnonzero(keys == key)
        rows += rows_of_key[
            # spread over all of them in time: a runner's steps change within a trial
            np.unique(np.linspace(0, len(rows_of_key) - 1, min(each, len(rows_of_key))).round().astype(int))
        ].tolist()
    return StanceSet(data.data.isel(stance=sorted(rows)))


def _lab(cut: CutRequest, *, quick: bool) -> StanceSet:
    folder = BUILD / _place(quick)
    for surface, request in _requests(quick=quick).items():
        place = folder / surface
        if not (place / "TABLE.csv").exists():
            list(write_lab(place, request))
        _without_landmarks(place / "TABLE.csv")
        if not any((place / "aligned").glob("*.nc")):
            _align(place / "TABLE.csv")
    aligned = [folder / surface / "aligned" for surface in LAB_PEOPLE]
    return load_sets([p for p in aligned if any(p.glob("*.nc"))], Recipe(cut=cut))


def _align(table: Path) -> None:
    """Align the trials of a table; those that are refused as uncertain stay out."""
    program = Path(sys.executable).parent / "grf-sync"
    ended = subprocess.run([program, "batch", table, "--processes", "2"], check=False)
    # 3: some trials were refused, which stay out of the set
    if ended.returncode not in (0, 3):
        raise SystemExit(f"grf-sync ended with {ended.returncode}")


def _without_landmarks(table: Path) -> None:
    """Leave the landmarks, which come last, out of a table: the lab of this benchmark wears insoles and IMUs."""
    table.write_text(re.sub(r";[^;,\n]*\.trc", "", table.read_text(encoding="utf-8")), encoding="utf-8")


@dataclass(frozen=True)
class EveryPoint:
    """Ridge regression on every point of the window, not on a quarter of them: whether the quarter costs anything."""

    name: str = "ridge, every point"

    def fit(self, data: StanceSet, fold: Fold) -> Ridge:
        """Return the ridge, fitted on training and inner participants alike."""
        ridge = Ridge(fold.leaks, name=self.name, every=1)
        ridge.fit(data)
        return ridge
