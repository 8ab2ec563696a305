"""Simulated runners as landmark windows, made the way benchmark B is made: something to train on beforehand."""

from __future__ import annotations

import numpy as np

from grfkit.dataset.motion import FootForce, MotionSettings, MotionTrial, Side, motion_set
from grfkit.gait.landing import Travel
from grfkit.gait.landmarks import LANDMARKS as NAMES
from grfkit.gait.landmarks import Points
from grfkit.records.stance_set import StanceSet
from grfkit.simulate.body import LANDMARKS
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial
from grfkit.simulate.world import World, in_contact

SPEEDS_M_S = (2.5, 3.5, 4.5)
"""Those of benchmark B."""
RATE_HZ, FORCE_HZ, SPAN_S = 150.0, 300.0, (2.0, 12.0)
"""Rates of benchmark B's landmarks and forces; ten of the 20 simulated seconds (s), clear of their ends."""
_EDGE_S = 0.1
"""Contacts nearer to the span's ends are left out (s), chosen by hand: force is known on both sides of the others."""
SEED = 2_700_000
"""First seed of these people; no other part of the benchmark draws from it on."""


def phantom_runners(people: int, settings: MotionSettings) -> StanceSet:
    """Return the stances of simulated runners at three speeds on the level, noise-free landmarks and forces.

    Contacts are the simulated ones, where B cuts its stances at 5 % of body weight.
    """
    trials = [_trial(person, speed) for person in range(people) for speed in SPEEDS_M_S]
    return motion_set(trials, window="stance", points=101, cut_name="force", source="phantom", settings=settings)


def _trial(person: int, speed_m_s: float) -> MotionTrial:
    """Return one simulated trial: it heads along X over a belt of known speed."""
    condition = Condition(
        surface="treadmill", wearables=("landmarks",), duration_s=20.0, speed_m_s=speed_m_s, slope_percent=0.0,
        person_seed=SEED + person,
    )  # fmt: skip
    trial = simulate_trial(condition, SEED + 1000 * person + round(10 * speed_m_s))
    points = landmark_points(trial)
    ahead = Travel(0.0, speed_m_s, np.asarray([-speed_m_s, 0.0, 0.0]), np.zeros(3))
    feet: dict[Side, FootForce] = {
        side: foot_force(trial.truth.world, left=side == "left") for side in ("left", "right")
    }
    name = f"phantom{person + 1:02d}"
    return MotionTrial(
        participant=name,
        name=f"{name}_{speed_m_s:g}",
        surface="treadmill",
        condition=f"run {speed_m_s:g} m/s",
        mass_kg=trial.truth.mass_kg,
        speed_m_s=speed_m_s,
        points=points,
        travel=ahead,
        feet=feet,
    )


def landmark_points(trial: LabTrial) -> Points:
    """Return the true landmarks in the order and under the names of :mod:`grfkit.gait.landmarks`."""
    time = np.arange(*SPAN_S, 1 / RATE_HZ)
    where = trial.truth.body(time).landmarks
    # side and part stand the other way round in the simulator's names
    columns = [LANDMARKS.index("_".join(reversed(n.split("_")))) for n in NAMES]
    return Points(time, NAMES, where[:, columns])


def foot_force(world: World, *, left: bool) -> FootForce:
    """Return the true force (N) of one foot and its contacts."""
    time = np.arange(*SPAN_S, 1 / FORCE_HZ)
    steps = np.flatnonzero(world.steps.left == left)
    force = np.zeros((time.size, 3))
    for k, at, phase in in_contact(time, world.steps.onset_s, world.steps.contact_s, steps):
        force[at] += world.force_n(k, phase)
    spans = np.stack([world.steps.onset_s[steps], (world.steps.onset_s + world.steps.contact_s)[steps]], axis=1)
    inside = (spans[:, 0] > SPAN_S[0] + _EDGE_S) & (spans[:, 1] < SPAN_S[1] - _EDGE_S)
    return FootForce(time, force, spans[inside])
