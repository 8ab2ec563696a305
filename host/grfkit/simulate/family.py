"""The interface of a contact-shape family: a person's steps, forces, loads and shoe motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats


@dataclass(frozen=True)
class Situation:
    """A person's task: gait, speed, slope, mass, CV of step time, and the trial's length."""

    gait: Literal["run", "walk"]
    speed_m_s: float
    slope_percent: float
    mass_kg: float
    step_cv_percent: float
    duration_s: float


@dataclass(frozen=True)
class Steps:
    """The contacts of a trial in order of onset.

    Attributes
    ----------
    onset_s
        Shape (steps,), increasing: true initial contact, trial time.
    contact_s
        Shape (steps,): contact time. Running: shorter than the step; walking: longer (double support).
    left
        Shape (steps,), bool; alternates except where a person stumbles or stands.
    variation
        Shape (steps, k): whatever else varies from step to step; its meaning is the family's own.
    """

    onset_s: Floats
    contact_s: Floats
    left: NDArray[np.bool_]
    variation: Floats


class Person(Protocol):
    """One person in one situation, drawn once; all randomness comes from the generators that are passed in."""

    def steps(self, rng: np.random.Generator) -> Steps:
        """Return the contacts over the situation's whole duration."""

    def force_bw(self, steps: Steps, index: int, phase: Floats) -> Floats:
        """Return force on the person in body weights, shape (phases, 3): X forward, Y left, Z up.

        ``phase`` in [0, 1] is time since onset over contact time; outside it the force is zero.
        """

    def load_share(self, steps: Steps, index: int, phase: Floats) -> Floats:
        """Return each of 16 cells' share of the vertical force, shape (phases, 16), rows sum to 1.

        Cell positions (size M, mm; x lateral positive on either foot, y from the heel) are in :data:`CELL_X_MM`,
        :data:`CELL_Y_MM`.
        """

    def shoe_motion(self, steps: Steps, left: bool, time_s: Floats) -> tuple[Floats, Floats]:
        """Return an ideal shoe IMU's specific force (m/s^2) and angular rate (rad/s), (n, 3) each.

        Sensor axes X forward along the shoe, Y left, Z up when flat; gravity included (+9.81 on Z at rest),
        impact transients and their ringing included; no noise, no clipping, no range limit.
        """


class Family(Protocol):
    """A way to draw people; ``name`` goes into the truth file."""

    name: str

    def person(self, rng: np.random.Generator, situation: Situation) -> Person:
        """Return a person drawn from this family."""


CELL_RIGHT_MM = (-12.0, 12, 12, 12, 12, 29.5, 24, 11.5, 11.5, -2.5, -6.5, -12.5, -24.5, -12, -12, -12)
"""Published places of the 16 cells on a left insole of size M, to the right seen from above: medial on a left foot.

As in the document ``fsr16_m``; a test keeps the two equal.
"""
CELL_X_MM = tuple(-x for x in CELL_RIGHT_MM)
"""The same places as families take them: lateral positive, on either foot."""
CELL_Y_MM = (20.0, 20, 55, 94, 129, 174, 216, 185, 231, 222, 183, 207, 171, 129, 94, 55)
