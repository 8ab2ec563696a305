"""Aligned or refused: the margin, the absolute gates, and the words a user gets."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..records import Prior
from .search import BestLag
from .settings import AlignSettings, Gate, WrongStepModel

METRONOME_S = 0.0012
"""SD (s) of steps' unpredictable part below which a treadmill's steps are taken for a metronome's: a simulated one
varies by 0.1 %, runners by 0.5 % (2 ms) and more."""
CONTRADICTED = 3.0
"""Nats by which the contacts have to prefer another alignment to overrule a prior: odds of twenty to one."""
FEWEST_WITH_PRIOR = 3
"""Contacts that have to match where a prior decides between steps: a third of the gate's number, but never fewer."""
ADVICE = "record three jumps or stomps on the plate, more hits, or give a prior better than +-0.15 s"


@dataclass(frozen=True)
class Decision:
    """Whether to align, why not, and the stated chance of being a step or more wrong."""

    reasons: tuple[str, ...]
    p_wrong: float


def gate_for(best: BestLag, settings: AlignSettings, *, plates: bool) -> tuple[Gate, WrongStepModel]:
    """Return the gates that hold for a search, and the model of its chance of a wrong step."""
    if not plates:
        return settings.treadmill, settings.treadmill_wrong
    gate = settings.overground_one_foot if best.beat.feet == 1 else settings.overground
    return gate, settings.overground_wrong


def decide(
    best: BestLag,
    *,
    plates: bool,
    overlap_s: float,
    prior: Prior | None,
    settings: AlignSettings,
) -> Decision:
    """Return the decision on a search by contacts."""
    gate, chance_wrong = gate_for(best, settings, plates=plates)
    tight = prior is not None and prior.sd_s < settings.prior_relaxes_below_steps * best.beat.step_s
    # a broad prior cannot tell one step from the next: it may cost an alignment its margin, but not lend it one
    margin = best.margin if tight else min(best.margin, best.margin_without_prior)
    reasons = [*_margin_reasons(best, gate, margin, tight, plates), *_match_reasons(best, gate, tight)]
    if not plates and overlap_s < settings.shortest_overlap_s and not tight:
        reasons.append(f"the records overlap by {overlap_s:.1f} s only ({settings.shortest_overlap_s:.0f} s needed)")
    return Decision(tuple(reasons), chance_wrong(margin))


def _margin_reasons(best: BestLag, gate: Gate, margin: float, tight: bool, plates: bool) -> list[str]:
    """Return why another alignment may be the right one."""
    reasons = []
    if tight and best.margin_without_prior < -CONTRADICTED:
        reasons.append(
            f"the contacts contradict the prior: without it another alignment is {-best.margin_without_prior:.1f} nats"
            " better; check the prior, or leave it out"
        )
    if margin <= 0:
        reasons.append(f"no alignment explains the contacts better than chance does: {ADVICE}")
    elif margin < gate.margin:
        where = f", offset {best.runner_up_s:+.3f} s," if math.isfinite(best.runner_up_s) else ""
        reasons.append(
            f"the next best alignment{where} is only {margin:.1f} nats worse ({gate.margin:.0f} needed): {ADVICE}"
        )
    if not plates and best.beat.reference_s < METRONOME_S and not tight:
        reasons.append(
            f"the steps are as even as a metronome's (they vary by {1e3 * best.beat.reference_s:.1f} ms): every step"
            f" fits as well as the next; {ADVICE}"
        )
    return reasons


def _match_reasons(best: BestLag, gate: Gate, tight: bool) -> list[str]:
    """Return why these may not be two records of the same steps."""
    reasons = []
    if best.log_likelihood_ratio <= 0 or best.per_contact < gate.per_contact:
        reasons.append(
            f"the contacts agree no better than two unrelated people's would ({best.per_contact:.2f} nats a contact,"
            f" {gate.per_contact:g} needed): are these two files of the same trial?"
        )
    if best.inliers < gate.inliers:
        reasons.append(
            f"only {100 * best.inliers:.0f} % of the contacts match ({100 * gate.inliers:.0f} % needed):"
            " check that both files are of the same trial and surface"
        )
    if best.residual_sd_s > gate.residual_s:
        reasons.append(
            f"matched contacts scatter by {1e3 * best.residual_sd_s:.1f} ms ({1e3 * gate.residual_s:.0f} ms allowed)"
        )
    if best.matched < (max(FEWEST_WITH_PRIOR, gate.contacts // 3) if tight else gate.contacts):
        reasons.append(f"only {best.matched} contacts match ({gate.contacts} needed): {ADVICE}")
    return reasons
