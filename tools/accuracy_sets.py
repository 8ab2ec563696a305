"""The sets of the accuracy benchmark, made once and kept under build/accuracy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grfkit.learn.adapters import bach, gaitpdb, hamner, rbds, schreiber
from grfkit.learn.adapters.motion import MotionSettings
from grfkit.learn.folds import Fold
from grfkit.learn.recipe import Recipe, load_sets
from grfkit.learn.ridge import Ridge
from grfkit.learn.stance_set import StanceSet
from grfkit.learn.trials import CutRequest

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
BUILD = ROOT / "build" / "accuracy"
LANDMARKS = MotionSettings(inputs=("position", "velocity", "acceleration"), force_lowpass_hz=20.0)
LAB_SEED, LAB_PEOPLE = 2_600_000, {"treadmill": 20, "overground": 15}


def kept(name: str, make: Callable[[], StanceSet]) -> StanceSet:
    """Return a set from the cache, made on first use."""
    path = BUILD / "sets" / f"{name}.nc"
    if not path.exists():
        print(f"making {name} ...", file=sys.stderr)
        path.parent.mkdir(parents=True, exist_ok=True)
        make().to_netcdf(path)
    return StanceSet(StanceSet.open(path).data.load())


def bach_set(condition: str, window: str) -> StanceSet:
    """Return benchmark A: one condition, ``stance`` or ``continuous`` (2 s windows)."""
    folder = DATA / "bach2022_shank_acc_vgrf"
    return kept(f"A_{condition}_{window}", lambda: bach.load(folder, window=window, conditions=[condition]))


def bach_paper() -> StanceSet:
    """Return benchmark A for the paper's protocols: all 18 trials in half-second windows."""
    folder = DATA / "bach2022_shank_acc_vgrf"
    return kept("A_paper", lambda: bach.load(folder, window="continuous", window_s=2.0))


def runners() -> StanceSet:
    """Return benchmark B."""
    return kept("B", lambda: rbds.load(DATA / "rbds_runners", settings=LANDMARKS))


def walkers() -> StanceSet:
    """Return benchmark C."""
    return kept("C", lambda: schreiber.load(DATA / "schreiber2019_walk_overground", settings=LANDMARKS))


def other_lab() -> StanceSet:
    """Return the Hamner runners."""
    return kept("hamner", lambda: hamner.load(DATA / "nimblephysics/data/osim", settings=LANDMARKS))


def insoles(each: int) -> StanceSet:
    """Return benchmark D, so many stances of each person and foot."""
    return kept(f"D_{each}", lambda: gaitpdb.load(DATA / "gaitpdb_insole", most_windows=each))


def lab(each: int) -> StanceSet:
    """Return the simulated lab: simulated, aligned by grf-sync, cut by the insole; so many stances of each person."""
    return kept(f"lab_{each}", lambda: _thinned(_lab(), each))


def _thinned(whole: StanceSet, each: int) -> StanceSet:
    """Return at most so many stances of each person and surface."""
    rows: list[int] = []
    keys = np.asarray([f"{p}/{s}" for p, s in zip(whole.per_stance("participant"), whole.per_stance("surface"))])
    for key in np.unique(keys):
        own = np.flatnonzero(keys == key)
        rows += own[np.unique(np.linspace(0, len(own) - 1, min(each, len(own))).round().astype(int))].tolist()
    return StanceSet(whole.data.isel(stance=sorted(rows)))


def _lab() -> StanceSet:
    folder = BUILD / "lab"
    programs = Path(sys.executable).parent
    for surface, people in LAB_PEOPLE.items():
        place = folder / surface
        if not (place / "TABLE.csv").exists():
            extra = ["--jumps", "3", "--trials", "3"] if surface == "overground" else ["--duration-s", "120"]
            words = ["lab", str(place), "--surface", surface, "--people", str(people), "--insole", "adc"]
            subprocess.run([programs / "grf-simulate", *words, "--seed", str(LAB_SEED), *extra], check=True)
        _without_landmarks(place / "TABLE.csv")
        done = subprocess.run([programs / "grf-sync", "batch", place / "TABLE.csv", "--processes", "2"], check=False)
        if done.returncode not in (0, 3):
            raise SystemExit(f"grf-sync ended with {done.returncode}")
    aligned = [place / surface / "aligned" for surface in LAB_PEOPLE for place in [folder]]
    return load_sets([p for p in aligned if any(p.glob("*.nc"))], Recipe(cut=CutRequest()))


def _without_landmarks(table: Path) -> None:
    """Leave the landmarks out of a table: the lab of this benchmark wears insoles and IMUs."""
    text = table.read_text(encoding="utf-8")
    table.write_text("\n".join(_no_trc(line) for line in text.splitlines()) + "\n", encoding="utf-8")


def _no_trc(line: str) -> str:
    cells = line.split(",")
    return ",".join(";".join(p for p in cell.split(";") if not p.endswith(".trc")) for cell in cells)


@dataclass(frozen=True)
class EveryPoint:
    """Ridge regression on every point of the window, not on a quarter of them: whether the quarter costs anything."""

    name: str = "ridge, every point"

    def predictor(self, data: StanceSet, fold: Fold) -> Ridge:
        """Return the unfitted ridge."""
        del data, fold
        return Ridge(self.name, every=1)
