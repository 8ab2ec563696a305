"""Gates and limits of an alignment, and the model of its chance of being a step wrong.

The gates started from the reference design (margin 20 on a treadmill and 25 over plates; inliers 0.6 and 0.8; residual
12 ms; 1.8 nats a contact over plates) and were tuned by hand on simulated trials of seeds that no benchmark uses.
The margin over plates was taken anew when courses and feet became evidence: of 528 bouts without jumps none was wrong
beyond 8.1 nats, of 1,374 event-level ones none beyond 6.5, of 1,000 with gaps nobody told it of none beyond 12.
"""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field

from ..records.evidence import LEAST_CHANCE

STEEPEST_PPM = 250.0
"""Rate (ppm) beyond which no crystal is off: chosen by hand above the +-100 ppm of a data sheet."""
ENOUGH_OVERLAP_S = 30.0
"""Overlap (s) that is enough on a treadmill, however few contacts it holds; the reference design."""
MOST_PPM = 5000.0
"""Largest rate (ppm) that can be allowed: the clocks of phones and of RC oscillators are within 0.5 %."""


class Gate(BaseModel):
    """Absolute gates of one kind of surface, all of which have to be passed.

    Attributes
    ----------
    margin
        Nats to the best other lag.
    per_contact
        Nats a matched contact adds, on average, over chance.
    inliers
        Share of the contacts that could match and did.
    residual_s
        SD of the residuals (s), of gaits whose steps are short.
    residual_share
        The same as a share of the step, where that is more: the slower a foot is set down, the less sharply it lands.
        0.04 by hand: shoes at 100 Hz in real slow walks scatter by up to 23 ms at steps of 0.65 s (Pearl 2024), and
        contacts that have nothing to do with each other by 35 ms within the matching window.
    contacts
        Matched contacts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    margin: float
    per_contact: float
    inliers: float
    residual_s: float
    contacts: int
    residual_share: float = 0.04

    def scatter_s(self, step_s: float) -> float:
        """Return the SD (s) of the residuals that is allowed at a step time."""
        return max(self.residual_s, self.residual_share * step_s)


class WrongStepModel(BaseModel):
    """The chance of a wrong step: ``p = scale * exp(-margin / nats)``, between ``floor`` and ``ceiling``.

    Fitted on 10,000 event-level bouts (tuning seeds), over plates on the 2,900 above, and rounded up;
    ``make bench-sync`` prints how it holds on others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    scale: float
    nats: float
    floor: float
    ceiling: float = 0.7

    def __call__(self, margin: float) -> float:
        """Return the chance that an alignment with this margin is wrong."""
        stated = self.scale * math.exp(-max(margin, 0.0) / self.nats)
        return float(min(self.ceiling, max(self.floor, stated)))


class AlignSettings(BaseModel):
    """Settings of :func:`grfkit.sync.align_device`.

    Attributes
    ----------
    treadmill, overground, overground_one_foot, waveform, body
        Gates by surface; ``waveform`` for people who stand, push or stomp; ``body`` for the acceleration of the body:
        of 259 unrelated real walks the largest margin is 8.1, 0.4 % have more than 6 (Pearl 2024), which the model of
        contacts' chances, taken there too, states as 14 %.
    treadmill_wrong, overground_wrong
        The chance of being a step or more wrong, by margin.
    shortest_overlap_s
        Overlap (s) needed on a treadmill, whatever the gait. None: ``ENOUGH_OVERLAP_S``, or ``short_overlap_contacts``.
    short_overlap_contacts
        Contacts that have to match where the records overlap by less than ``ENOUGH_OVERLAP_S``: contacts tell one step
        from the next, and a run has 80 of them in 30 s where a slow walk has 35. Twice the 16 that a stretch needs to
        show that samples were lost in it, so that every accepted record is asked; measured by the benchmark's part
        ``overlaps``.
    rate_prior_ppm
        SD (ppm) of the prior on a crystal's rate; the reference design.
    rate_scan
        Half-width of the scan of rates where stamps are sample counts: 1.5 %, as an LSM9DS1 is 1.34 % off its nominal
        476 Hz.
    max_drift_ppm
        Rate (ppm) beyond which a device's clock is refused. 250, by hand above the +-100 ppm of a crystal's data sheet;
        where a user allows more, so many are looked for: on a treadmill by the scan, over plates by a wider prior.
    swap_chance
        Chance that left and right of a device were exchanged; by hand, and next to none where a session's other trials
        show that they were not.
    long_record_s
        Records longer than this (s) are followed piece by piece at once: its clock wanders too far for one line.
    prior_relaxes_below_steps
        SD of a prior, in steps, below which it decides between steps; chosen by hand: one step is then 3.3 SDs away.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    treadmill: Gate = Gate(margin=20.0, per_contact=0.03, inliers=0.6, residual_s=0.015, contacts=18)
    overground: Gate = Gate(margin=16.0, per_contact=1.3, inliers=0.65, residual_s=0.015, contacts=6)
    overground_one_foot: Gate = Gate(margin=20.0, per_contact=0.8, inliers=0.6, residual_s=0.015, contacts=6)
    waveform: Gate = Gate(margin=25.0, per_contact=0.0, inliers=0.0, residual_s=0.06, contacts=3)
    body: Gate = Gate(margin=25.0, per_contact=0.0, inliers=0.7, residual_s=0.05, contacts=3)
    treadmill_wrong: WrongStepModel = WrongStepModel(scale=1.1, nats=2.9, floor=LEAST_CHANCE)
    overground_wrong: WrongStepModel = WrongStepModel(scale=1.1, nats=2.9, floor=LEAST_CHANCE)
    shortest_overlap_s: float | None = Field(default=None, ge=5.0, lt=1e5)
    short_overlap_contacts: int = Field(default=32, ge=18)
    rate_prior_ppm: float = 60.0
    rate_scan: float = 0.015
    max_drift_ppm: float = Field(default=STEEPEST_PPM, ge=0.0, le=MOST_PPM)
    swap_chance: float = Field(default=1e-3, gt=0.0, lt=1.0)
    long_record_s: float = 900.0
    prior_relaxes_below_steps: float = 0.3

    @property
    def enough_overlap_s(self) -> float:
        """Return the overlap (s) that is enough on a treadmill, however few contacts it holds."""
        return ENOUGH_OVERLAP_S if self.shortest_overlap_s is None else self.shortest_overlap_s

    def whatever_the_contacts(self) -> AlignSettings:
        """Return the same settings with the overlap asked in seconds: of what was never measured with less."""
        return self.model_copy(update={"shortest_overlap_s": self.enough_overlap_s})
