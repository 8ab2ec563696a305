"""What alignment may be told, and the figures its verdict rests on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


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
        SD of the residuals.
    contacts
        Matched contacts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    margin: float
    per_contact: float
    inliers: float
    residual_s: float
    contacts: int


class WrongLaw(BaseModel):
    """The law of being wrong: ``p = scale * exp(-margin / nats)``, between ``floor`` and ``ceiling``.

    Fitted on 10,000 event-level bouts (tuning seeds); ``make bench-sync`` prints how it holds on others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    scale: float
    nats: float
    floor: float
    ceiling: float = 0.7

    def __call__(self, margin: float) -> float:
        """Return the chance that an answer with this margin is wrong."""
        import math

        stated = self.scale * math.exp(-max(margin, 0.0) / self.nats)
        return float(min(self.ceiling, max(self.floor, stated)))


class AlignSettings(BaseModel):
    """Settings of :func:`grfkit.sync.align`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    treadmill: Gate = Gate(margin=20.0, per_contact=0.03, inliers=0.6, residual_s=0.015, contacts=18)
    overground: Gate = Gate(margin=20.0, per_contact=1.3, inliers=0.65, residual_s=0.015, contacts=6)
    overground_one_foot: Gate = Gate(margin=20.0, per_contact=0.8, inliers=0.6, residual_s=0.015, contacts=6)
    waveform: Gate = Gate(margin=25.0, per_contact=0.0, inliers=0.0, residual_s=0.06, contacts=3)
    treadmill_wrong: WrongLaw = WrongLaw(scale=1.1, nats=2.9, floor=1e-4)
    overground_wrong: WrongLaw = WrongLaw(scale=1.1, nats=2.9, floor=1e-4)
    shortest_overlap_s: float = Field(default=30.0, ge=5.0, lt=1e5)
    rate_prior_ppm: float = 60.0
    rate_scan: float = 0.015
    long_record_s: float = 900.0
    prior_relaxes_below_steps: float = 0.3
