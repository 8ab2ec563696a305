"""Trials for the tests of reviews by eye, made once a session (not a test module)."""

from __future__ import annotations

from functools import lru_cache

from grfkit import align, assemble
from grfkit.records import Trial
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial, simulate_trial


@lru_cache(maxsize=4)
def a_lab(surface: str = "treadmill") -> LabTrial:
    """Return a simulated person with insoles, running for a minute."""
    condition = Condition(
        family="A",
        surface="treadmill" if surface == "treadmill" else "overground",
        gait="run",
        duration_s=60.0,
        wearables=("insole",),
        gaps=False,
    )
    return simulate_trial(condition, 35_000_001)


@lru_cache(maxsize=4)
def a_trial(surface: str = "treadmill") -> Trial:
    """Return that trial, refused ones written all the same."""
    lab = a_lab(surface)
    mass_kg = lab.truth.mass_kg
    return assemble(
        align(
            lab.reference,
            lab.wearables["insole"],
            surface="treadmill" if surface == "treadmill" else "overground",
            participant="P01",
            mass_kg=mass_kg,
            accept_refused=True,
        )
    )
