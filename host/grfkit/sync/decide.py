"""Aligned or refused: the margin, the absolute gates, and the words a user gets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..records import Prior
from .search import Found
from .settings import AlignSettings, Gate, WrongLaw

_METRONOME_S = 0.0012
_CONTRADICTED = 3.0
ADVICE = "record three jumps or stomps on the plate, more hits, or give a prior better than +-0.15 s"


@dataclass(frozen=True)
class Decision:
    """Whether to align, why not, and the stated chance of being a step or more wrong."""

    reasons: tuple[str, ...]
    p_wrong: float

    @property
    def aligned(self) -> bool:
        """Return whether every gate was passed."""
        return not self.reasons


def gate_for(found: Found, settings: AlignSettings, *, plates: bool) -> tuple[Gate, WrongLaw]:
    """Return the gates and the law that hold for a search."""
    if not plates:
        return settings.treadmill, settings.treadmill_wrong
    gate = settings.overground_one_foot if found.beat.feet == 1 else settings.overground
    return gate, settings.overground_wrong


def _where(offset_s: float) -> str:
    return f", offset {offset_s:+.3f} s," if math.isfinite(offset_s) else ""


def decide(
    found: Found,
    *,
    plates: bool,
    overlap_s: float,
    prior: Prior | None,
    settings: AlignSettings,
) -> Decision:
    """Return the decision on a search by contacts."""
    gate, law = gate_for(found, settings, plates=plates)
    tight = prior is not None and prior.sd_s < settings.prior_relaxes_below_steps * found.beat.step_s
    margin = found.margin if tight else min(found.margin, found.margin_without_prior)
    reasons = []
    if tight and found.margin_without_prior < -_CONTRADICTED:
        reasons.append(
            f"the contacts contradict the prior: without it another alignment is {-found.margin_without_prior:.1f} nats"
            " better; check the prior, or leave it out"
        )
    if margin <= 0:
        reasons.append(f"no alignment explains the contacts better than chance does: {ADVICE}")
    elif margin < gate.margin:
        reasons.append(
            f"the next best alignment{_where(found.runner_up_s)} is only {margin:.1f} nats worse"
            f" ({gate.margin:.0f} needed): {ADVICE}"
        )
    if not plates and found.beat.reference_s < _METRONOME_S and not tight:
        reasons.append(
            f"the steps are as even as a metronome's (they vary by {1e3 * found.beat.reference_s:.1f} ms): every step"
            f" fits as well as the next; {ADVICE}"
        )
    if found.log_likelihood_ratio <= 0 or found.per_contact < gate.per_contact:
        reasons.append(
            f"the contacts agree no better than two unrelated people's would ({found.per_contact:.2f} nats a contact,"
            f" {gate.per_contact:g} needed): are these two files of the same trial?"
        )
    if found.inliers < gate.inliers:
        reasons.append(
            f"only {100 * found.inliers:.0f} % of the contacts match ({100 * gate.inliers:.0f} % needed):"
            " check that both files are of the same trial and surface"
        )
    if found.residual_sd_s > gate.residual_s:
        reasons.append(
            f"matched contacts scatter by {1e3 * found.residual_sd_s:.1f} ms ({1e3 * gate.residual_s:.0f} ms allowed)"
        )
    if found.matched < (max(3, gate.contacts // 3) if tight else gate.contacts):
        reasons.append(f"only {found.matched} contacts match ({gate.contacts} needed): {ADVICE}")
    if not plates and overlap_s < settings.shortest_overlap_s and not tight:
        reasons.append(f"the records overlap by {overlap_s:.1f} s only ({settings.shortest_overlap_s:.0f} s needed)")
    return Decision(tuple(reasons), law(margin))
