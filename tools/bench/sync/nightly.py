"""The nightly part of the alignment benchmark: event-level trials by the thousand."""

from __future__ import annotations

import itertools
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from grfkit.calibrate.lags import Lag
from grfkit.signals.contacts import Contacts
from grfkit.simulate.conditions import Condition
from grfkit.sync.contact_alignment import ContactPair, align_contacts
from grfkit.sync.contact_events import DeviceTrain
from grfkit.sync.settings import AlignSettings

from .chances import reliability, upper_bound
from .event_courses import draw_courses, labelled, measured
from .events import EventStream, EventTrial, contacts, simulate_events
from .trials import WRONG_S

_SETTINGS = AlignSettings()
LAPS = "overground, no jumps"
"""Name of the surface on which nothing but laps over plates tells the lag."""


def trains(trial: EventTrial, seed: int, wearable: str, *, plates: bool) -> tuple[Contacts, Contacts]:
    """Return the contacts of the reference and of a wearable; over plates with their courses and the plates' feet."""
    stream: EventStream = trial.wearables[wearable]
    reference = contacts(trial.reference, trial.reference_s)
    last = float(stream.events.onset_s.max()) if stream.events.onset_s.size else 0.0
    device = contacts(stream.events, last)
    if plates:
        courses = draw_courses(seed, wearable, trial.steps.onset_s.size)
        reference = measured(reference, trial.reference, courses.plates)
        reference = labelled(seed, reference, trial.reference, trial.steps.left)
        device = measured(device, stream.events, courses.device)
    return reference, device


def one(job: tuple[dict[str, Any], int, str]) -> dict[str, Any]:
    """Return margin, verdict and whether the winner was wrong, of one event-level trial."""
    condition, seed, wearable = job
    trial = simulate_events(Condition(**condition), seed)
    stream = trial.wearables[wearable]
    reference, device = trains(trial, seed, wearable, plates=condition["surface"] == "overground")
    last = float(device.covered_s[-1, 1])
    kind = ("insole", "onset") if wearable == "insole" else ("imu", "jerk")
    polarity = 1.0 if wearable == "imu" else float("nan")  # events are landings: there is no push-off to take them for
    train = DeviceTrain(device, *kind, 200.0, (), (wearable,), "crystal", 0.0, last, polarity)
    plates = condition["surface"] == "overground"
    pair = ContactPair(reference, train, plates, None, _SETTINGS, Lag(0.0, 0.002, ""))
    clock_map = align_contacts(pair).clock_map
    start, end = stream.overlap_s
    # a map without segments, or of records that do not overlap, is wrong whatever it says
    wrong = True
    if clock_map.segments and end > start:
        t = np.linspace(start, end, 50)
        wrong = bool(np.median(np.abs(clock_map.apply(t) - stream.clock.t_reference(t))) > WRONG_S)
    accepted = clock_map.verdict == "aligned"
    return {"seed": seed, "accepted": accepted, "wrong": wrong, "margin": clock_map.margin, "wearable": wearable,
            "p_wrong": clock_map.p_wrong}  # fmt: skip


def rows(condition: dict[str, Any], seeds: range, wearable: str, jobs: int) -> list[dict[str, Any]]:
    """Return one row per seed."""
    todo = [(condition, seed, wearable) for seed in seeds]
    with ProcessPoolExecutor(jobs) as pool:
        return list(pool.map(one, todo, chunksize=25))


def nightly(accepted_least: int, first_seed: int, jobs: int) -> dict[str, Any]:
    """Return wrong and accepted by surface, going on until ``accepted_least`` distinct trials were accepted.

    Over plates with three jumps, and without any. Where events were lost in a gap is not told to the estimator, as
    recordings tell it: without jumps too few hits are left for that, and those bouts have no gaps.
    """
    figures = {}
    surfaces = {"treadmill": ("treadmill", 0), "overground": ("overground", 3), LAPS: ("overground", 0)}
    for (name, (surface, jumps)), wearable in itertools.product(surfaces.items(), ("insole", "imu")):
        condition: dict[str, Any] = {"surface": surface, "gaps": name != LAPS, "wearables": (wearable,)}
        condition["jumps"] = jumps
        trials: list[dict[str, Any]] = []
        # people of their own: rows of one person would not be distinct trials
        seed = first_seed if wearable == "insole" else first_seed + 500_000
        while sum(r["accepted"] for r in trials) < accepted_least and len(trials) < 20 * accepted_least:
            trials += rows(condition, range(seed + len(trials), seed + len(trials) + 500), wearable, jobs)
        accepted = [r for r in trials if r["accepted"]]
        wrong = sum(r["wrong"] for r in accepted)
        figures[f"{name}, {wearable}"] = {
            "trials": len(trials),
            "accepted": len(accepted),
            "wrong": wrong,
            "upper_95": upper_bound(wrong, len(accepted)),
            "reliability": reliability(trials),
            "first_seed": seed,
        }
    return figures
