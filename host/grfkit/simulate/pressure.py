"""The family of measured footprints (``C``): cells loaded as in steps of ten real people, all else of family A or B."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .family import Family, Person, Situation, Steps
from .footprints import NODES, PEOPLE, FootprintSteps, footprint_steps

_NEAR = 10
"""Measured steps, of a person's 60, that a simulated one is drawn from: nearest in contact time. Chosen by hand: half
of those at one of the three speeds."""


@dataclass(frozen=True)
class PressurePerson:
    """One person: ``mover`` steps, pushes and swings; ``prints`` says which cells bear the force.

    Attributes
    ----------
    turn
        Shape (n,): which of the nearest measured steps a contact takes, in the order of contacts.
    """

    mover: Person
    prints: FootprintSteps
    turn: NDArray[np.int64]

    def steps(self, rng: np.random.Generator) -> Steps:
        """Return the contacts over the situation's whole duration."""
        return self.mover.steps(rng)

    def force_bw(self, steps: Steps, index: int, phase: Floats) -> Floats:
        """Return force on the person in body weights, shape (phases, 3)."""
        return self.mover.force_bw(steps, index, phase)

    def load_share(self, steps: Steps, index: int, phase: Floats) -> Floats:
        """Return each of 16 cells' share of the vertical force, shape (phases, 16), rows sum to 1."""
        apart = np.abs(self.prints.contact_s - steps.contact_s[index])
        near = np.argsort(apart, kind="stable")[:_NEAR]
        share = self.prints.share[near[self.turn[index % self.turn.size] % near.size]]
        at = np.clip(np.asarray(phase, dtype=np.float64), 0, 1) * (NODES - 1)
        low = np.minimum(at.astype(np.int64), NODES - 2)
        part = (at - low)[:, None]
        return np.asarray((1 - part) * share[low] + part * share[low + 1])

    def shoe_motion(self, steps: Steps, left: bool, time_s: Floats) -> tuple[Floats, Floats]:
        """Return specific force (m/s^2) and angular rate (rad/s) of an ideal shoe IMU, (n, 3) each."""
        return self.mover.shoe_motion(steps, left, time_s)


@dataclass
class PressureFamily:
    """People who move as those of one of the ``movers`` do, and whose cells are loaded as one of ten real people's."""

    movers: tuple[Family, Family]
    folder: Path | None
    name: str = "C"

    def person(self, rng: np.random.Generator, situation: Situation) -> PressurePerson:
        """Return a person; errors as :func:`~grfkit.simulate.footprints.footprint_steps`."""
        prints = footprint_steps(self.folder, int(rng.integers(PEOPLE)))
        mover = self.movers[int(rng.integers(len(self.movers)))]
        return PressurePerson(mover.person(rng, situation), prints, rng.integers(0, _NEAR, 997))
