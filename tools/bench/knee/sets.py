"""The sets of the knee benchmark: real people with the alignment of their static trials, and the phantom's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from grfkit.dataset.motion import FootForce, MotionTrial, Side, motion_set
from grfkit.dataset.personal import with_people
from grfkit.dataset.public import rbds, schreiber
from grfkit.gait.knee_alignment import knee_alignment_of
from grfkit.gait.landing import Travel
from grfkit.io import read
from grfkit.records.person import Person
from grfkit.records.stance_set import StanceSet
from grfkit.simulate.conditions import Condition
from grfkit.simulate.knees import Knees, draw_legs
from grfkit.simulate.lab import LabTrial, simulate_trial

from ..accuracy import sets as accuracy
from ..accuracy.phantom import foot_force, landmark_points
from ..harness import DATA, ROOT

BUILD = ROOT / "build" / "bench" / "knee"
INPUTS = {"joint centres": accuracy.LANDMARKS.inputs, "accelerometers": ("accelerometer",)}
"""What networks are given: joint centres with their derivatives, or virtual accelerometers alone. Joint centres already
hold the alignment, so that both are shown."""
WALK_M_S = (1.1, 1.4)
SEED = 2_900_000
"""First seed of the phantom's people; no other benchmark draws from it on."""
SPREAD_MM = 5.0
"""Shift (SD, mm) of a person's markers from where they belong, each landmark and axis: 5 mm, as placed by hand."""


def cached(name: str, make: Callable[[], StanceSet]) -> StanceSet:
    """Return a set from this benchmark's cache, made on first use."""
    path = BUILD / "sets" / f"{name}.nc"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        make().to_netcdf(path)
    return StanceSet(StanceSet.open(path).data.load())


def walkers(given: str) -> StanceSet:
    """Return benchmark C's twelve healthy walkers with the alignment of their static trials."""
    folder = DATA / "schreiber2019_walk_overground"
    settings = replace(accuracy.LANDMARKS, inputs=INPUTS[given])
    data = (
        accuracy.walkers()
        if given == "joint centres"
        else cached("C_accelerometers", lambda: schreiber.load(folder, settings=settings))
    )
    statics = {person: folder / "data" / person / "static" / f"{person}_ST.c3d" for person in data.participants}
    return with_people(data, {person: healthy(path) for person, path in statics.items()})


def runners(given: str, each: int) -> StanceSet:
    """Return at most ``each`` stances of each of benchmark B's healthy runners, with the alignment of static trials."""
    folder = DATA / "rbds_runners"
    settings = replace(accuracy.LANDMARKS, inputs=INPUTS[given])

    def make() -> StanceSet:
        data = accuracy.runners() if given == "joint centres" else rbds.load(folder, settings=settings)
        return thinned(data, each)

    data = cached(f"B_{given.replace(' ', '_')}_{each}", make)
    return with_people(data, {person: healthy(folder / f"{person}static.c3d") for person in data.participants})


def healthy(static: Path) -> Person:
    """Return a healthy person whose knees a static trial shows."""
    legs = knee_alignment_of(read(static))
    return Person(
        hka_left_deg=legs["left"].deviation_deg,
        hka_right_deg=legs["right"].deviation_deg,
        hka_method="static markers",
        hka_sd_deg=max(leg.sd_deg for leg in legs.values()),
        affected="none",
    )


def thinned(data: StanceSet, each: int) -> StanceSet:
    """Return at most ``each`` stances of every person, evenly over theirs."""
    people = data.per_stance("participant")
    kept = []
    for person in data.participants:
        own = np.flatnonzero(people == person)
        kept.append(own[np.unique(np.linspace(0, own.size - 1, min(each, own.size)).round().astype(int))])
    return StanceSet(data.data.isel(stance=np.sort(np.concatenate(kept))))


def phantom(given: str, *, people: int, gain: float, each: int) -> StanceSet:
    """Return stances of simulated walkers whose knees and affected leg change the force by a known gain."""
    settings = replace(accuracy.LANDMARKS, inputs=INPUTS[given])
    name = f"phantom_{given.replace(' ', '_')}_{people}_gain{gain:g}_{each}"
    walks = [(person, speed) for person in range(people) for speed in WALK_M_S]

    def make() -> StanceSet:
        trials = [_walk(person, speed, gain) for person, speed in walks]
        data = motion_set(trials, window="stance", points=101, cut_name="force", source="phantom", settings=settings)
        return thinned(data, each)

    facts = {_name(person): draw_legs(SEED + person, Knees(gain=gain)) for person in range(people)}
    return with_people(cached(name, make), {name: legs.person() for name, legs in facts.items()})


def _simulated(person: int, speed_m_s: float, gain: float) -> LabTrial:
    condition = Condition(
        surface="treadmill", gait="walk", split_belt=True, wearables=("landmarks",), duration_s=20.0,
        speed_m_s=speed_m_s, slope_percent=0.0, person_seed=SEED + person, knees=Knees(gain=gain),
    )  # fmt: skip
    return simulate_trial(condition, SEED + 1000 * person + round(10 * speed_m_s))


def _walk(person: int, speed_m_s: float, gain: float) -> MotionTrial:
    trial = _simulated(person, speed_m_s, gain)
    points = landmark_points(trial)
    # markers of one person are put on once: both walks have the same shifts
    rng = np.random.default_rng(np.random.SeedSequence(SEED + person, spawn_key=(101,)))
    shift = rng.normal(0.0, SPREAD_MM * 1e-3, (1, *points.position.shape[1:]))
    feet: dict[Side, FootForce] = {
        side: foot_force(trial.truth.world, left=side == "left") for side in ("left", "right")
    }
    name = _name(person)
    return MotionTrial(
        participant=name, name=f"{name}_{speed_m_s:g}", surface="treadmill", condition=f"walk {speed_m_s:g} m/s",
        mass_kg=trial.truth.mass_kg, speed_m_s=speed_m_s, points=replace(points, position=points.position + shift),
        travel=Travel(0.0, speed_m_s, np.asarray([-speed_m_s, 0.0, 0.0]), np.zeros(3)), feet=feet,
    )  # fmt: skip


def _name(person: int) -> str:
    return f"phantom{person + 1:02d}"


def dosed(data: StanceSet, bw_per_deg: float) -> StanceSet:
    """Return stances with a known effect of alignment in the medial force: dose x alignment x half-sine of stance."""
    targets = data.data["targets"].values.copy()
    axis = data.axes.index("mlgrf")
    half_sine = np.sin(np.pi * np.linspace(0.0, 1.0, targets.shape[1]))
    added = bw_per_deg * data.scalar("hka_own")[:, None] * half_sine[None, :]
    targets[:, :, axis] += added.astype(targets.dtype)
    return StanceSet(data.data.assign(targets=(data.data["targets"].dims, targets)))
