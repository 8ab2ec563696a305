"""Knees out of line and an affected leg of a simulated person, with stated gains to force: does a model find them?"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..arrays import Floats
from ..records.person import LARGEST_HKA_DEG, Affected, Person
from .balance import Balance, Bout
from .family import CELL_X_MM, Steps

KNEE_M_PER_DEG = 3.6e-3
"""The knee's way to the outside (m) per degree of varus: two links of 0.42 m turn by half a degree each."""
_KEY = 100
"""Spawn key of the generator these facts are drawn from; no other part draws from it."""


class Knees(BaseModel):
    """Ranges and gains of knee alignment and of an affected leg; all chosen by hand.

    Attributes
    ----------
    gain
        Factor on every effect on force and time below: 0 gives people whose knees are out of line, markers that show
        it, and the forces that they would have without.
    sd_deg
        SD of each leg's deviation from 180 degrees, drawn about 0; varus is positive.
    medial_bw_per_deg
        Peak (body weights) of a half-sine over stance that a degree of varus adds to the medial force.
    cop_mm_per_deg
        Shift (mm) of the load under the foot to the medial side per degree.
    affected_share
        Share of people with an affected leg, left or right.
    shorter, weaker
        Shares by which contact time and vertical impulse of the affected leg are smaller; the other leg's impulse is as
        much larger, so that the body is held up.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    gain: float = Field(default=1.0, ge=0.0, le=10.0)
    sd_deg: float = Field(default=3.0, ge=0.0, le=6.0)
    medial_bw_per_deg: float = Field(default=0.004, ge=0.0, le=0.02)
    cop_mm_per_deg: float = Field(default=0.5, ge=0.0, le=1.0)
    affected_share: float = Field(default=0.5, ge=0.0, le=1.0)
    shorter: float = Field(default=0.04, ge=0.0, le=0.1)
    weaker: float = Field(default=0.06, ge=0.0, le=0.2)


@dataclass(frozen=True)
class LegFacts:
    """What is true of one person's legs: deviations (degrees, left and right), the affected side, and the gains."""

    deviation_deg: tuple[float, float]
    affected: Affected
    knees: Knees

    def person(self) -> Person:
        """Return the facts as a user states them, whole hundredths of a degree."""
        left, right = (round(value, 2) for value in self.deviation_deg)
        return Person(hka_left_deg=left, hka_right_deg=right, hka_method="stated", affected=self.affected)

    def knee_m(self, *, left: bool) -> float:
        """Return how far a knee lies to the outside of the leg's plane (m)."""
        return KNEE_M_PER_DEG * self._own(left=left)

    def medial_bw(self, phase: Floats, *, left: bool) -> Floats:
        """Return what is added to the medial force (body weights) at phases of stance in [0, 1]."""
        peak = self.knees.gain * self.knees.medial_bw_per_deg * self._own(left=left)
        return np.asarray(peak * np.sin(np.pi * np.clip(phase, 0, 1)))

    def loads(self, share: Floats, *, left: bool) -> Floats:
        """Return shares of the load per cell (n, 16) whose centre is shifted to the medial side, rows sum to 1."""
        shift_mm = self.knees.gain * self.knees.cop_mm_per_deg * self._own(left=left)
        if not shift_mm:
            return share
        lateral = np.asarray(CELL_X_MM, dtype=np.float64)
        centre = share @ lateral
        away = lateral[None, :] - centre[:, None]
        spread = np.maximum((share * away**2).sum(axis=1), 1.0)
        # a tilt of the loads: its slope is what moves their centre by the shift, cells are never pulled
        tilted = np.maximum(share * (1 - shift_mm / spread[:, None] * away), 0.0)
        return np.asarray(tilted / np.maximum(tilted.sum(axis=1, keepdims=True), 1e-12) * share.sum(axis=1)[:, None])

    def shortened(self, steps: Steps) -> Steps:
        """Return steps whose contacts of the affected leg are shorter."""
        less = self.knees.gain * self.knees.shorter
        weak = self._weak(steps)
        if not less or not weak.any():
            return steps
        return replace(steps, contact_s=np.where(weak, steps.contact_s * (1 - less), steps.contact_s))

    def unloaded(self, balance: Balance, steps: Steps, bouts: tuple[Bout, ...]) -> Balance:
        """Return corrections that take load from the affected leg's contacts and give it to the other's."""
        less = self.knees.gain * self.knees.weaker
        weak = self._weak(steps)
        if not less or not weak.any():
            return balance
        factor = np.ones(weak.size)
        for bout in bouts:
            span = slice(bout.first, bout.end)
            ill, impulse = weak[span], balance.impulse_bw_s[span]
            if ill.all() or not ill.any():
                continue
            factor[span] = np.where(ill, 1 - less, 1 + less * impulse[ill].sum() / impulse[~ill].sum())
        return replace(balance, scale=balance.scale * factor, impulse_bw_s=balance.impulse_bw_s * factor)

    def _own(self, *, left: bool) -> float:
        return self.deviation_deg[0 if left else 1]

    def _weak(self, steps: Steps) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        if self.affected not in ("left", "right"):
            return np.zeros(steps.left.size, dtype=bool)
        return np.asarray(steps.left == (self.affected == "left"))


def draw_legs(person_seed: int, knees: Knees) -> LegFacts:
    """Return the legs of the person of a seed: the same person has the same in every trial and under every gain."""
    rng = np.random.default_rng(np.random.SeedSequence(person_seed, spawn_key=(_KEY,)))
    left, right = np.clip(rng.normal(0.0, 1.0, 2) * knees.sd_deg, -LARGEST_HKA_DEG, LARGEST_HKA_DEG)
    ill, side = rng.random(2)
    affected: Affected = "none" if ill >= knees.affected_share else "left" if side < 0.5 else "right"
    return LegFacts((float(left), float(right)), affected, knees)
