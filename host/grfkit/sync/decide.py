"""Aligned or refused: the margin, the absolute gates, and the words a user gets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..records import Prior
from .advice import deciding_prior_sd_s
from .search import SAME_LAG, BestLag
from .settings import AlignSettings, Gate, WrongStepModel

METRONOME_S = 0.0012
"""SD (s) of steps' unpredictable part below which a treadmill's steps are taken for a metronome's: a simulated one
varies by 0.1 %, runners by 0.5 % (2 ms) and more."""
CONTRADICTED = 3.0
"""Nats by which the contacts have to prefer another alignment to overrule a prior: odds of twenty to one."""
FEWEST_WITH_PRIOR = 3
"""Contacts that have to match where a prior decides between steps: a third of the gate's number, but never fewer."""
ADVICE = "record three jumps or stomps on the plate, or more hits"


@dataclass(frozen=True)
class Decision:
    """Whether to align, why not, and the stated chance of being a step or more wrong.

    Attributes
    ----------
    deciding_prior_sd_s
        A prior on the offset surer than this SD (s) would make an alignment of the refusal; None where it would not.
    """

    reasons: tuple[str, ...]
    p_wrong: float
    deciding_prior_sd_s: float | None = None


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
    tight = decides(prior, best, settings)
    # a broad prior cannot tell one step from the next: it may cost an alignment its margin, but not lend it one
    margin = best.margin if tight else min(best.margin, best.margin_without_prior)
    mismatched = _match_reasons(best, gate)
    reasons = [*_margin_reasons(best, gate, margin, tight, plates), *mismatched, *_too_few(best, gate, tight)]
    if reasons and not mismatched:
        reasons[-1] += f": {ADVICE}"
    if not plates and not tight:
        reasons += _too_short(best, overlap_s, settings)
    return Decision(tuple(reasons), chance_wrong(margin), _deciding_prior_sd_s(best, gate, prior, settings))


def _too_short(best: BestLag, overlap_s: float, settings: AlignSettings) -> list[str]:
    """Return a reason where the records share too little time, and too few contacts in it."""
    if overlap_s >= settings.enough_overlap_s:
        return []
    needed, only = f"{settings.enough_overlap_s:.0f} s needed", ""
    if settings.shortest_overlap_s is None:
        if best.matched >= settings.short_overlap_contacts:
            return []
        needed += f", or {settings.short_overlap_contacts} contacts"
        only = f", in which {best.matched} contacts match"
    return [
        f"the records overlap by {_floored(overlap_s)} s only{only} ({needed}): record longer, or ask for less with"
        " --min-overlap-s (min_overlap_s in Python)"
    ]


def preferred_elsewhere(best: BestLag, anywhere: BestLag | None, prior: Prior) -> list[str]:
    """Return a reason where the contacts alone prefer an alignment beyond a sure prior's reach to the one near it.

    A search by a prior sees nothing farther than its reach, where a few hits fit any offset by chance.

    Parameters
    ----------
    anywhere
        The best of a search without the prior.
    """
    if anywhere is None or abs(anywhere.offset_s - best.offset_s) < SAME_LAG * best.beat.step_s:
        return []
    plain = best.log_likelihood + 0.5 * ((best.lags_s - prior.offset_s) / prior.sd_s) ** 2
    at = int(np.argmin(np.abs(best.lags_s - best.offset_s)))
    return contradiction("contacts", float(anywhere.log_likelihood.max() - plain[at]))


def decides(prior: Prior | None, best: BestLag, settings: AlignSettings) -> bool:
    """Return whether a prior is sure enough to tell one step from the next."""
    return prior is not None and prior.sd_s < settings.prior_relaxes_below_steps * best.beat.step_s


def _floored(seconds: float) -> str:
    """Return seconds rounded down, so that what is too short does not read like what is needed."""
    return f"{math.floor(100.0 * seconds) / 100.0:.2f}" if seconds % 1.0 > 0.94 else f"{seconds:.1f}"


def _deciding_prior_sd_s(best: BestLag, gate: Gate, prior: Prior | None, settings: AlignSettings) -> float | None:
    """Return how sure a prior would have to be to lift the refusal, None where the contacts themselves do not match."""
    if _match_reasons(best, gate) or _too_few(best, gate, tight=True):
        return None
    return deciding_prior_sd_s(
        best.lags_s,
        best.log_likelihood,
        offset_s=best.offset_s,
        gate=gate.margin,
        same_s=SAME_LAG * best.beat.step_s,
        largest_s=settings.prior_relaxes_below_steps * best.beat.step_s,
        range_s=best.range_s,
        prior=prior,
    )


def too_close(what: str, margin: float, runner_up_s: float, needed: float) -> str:
    """Return the reason of a margin that is too small: to another offset, or to none at all."""
    if not math.isfinite(runner_up_s):
        return f"the best {what} is only {margin:.1f} nats better than none at all ({needed:.0f} needed)"
    return f"the next best {what}, offset {runner_up_s:+.3f} s, is only {margin:.1f} nats worse ({needed:.0f} needed)"


def contradiction(what: str, nats: float) -> list[str]:
    """Return a reason where contacts, or loads, alone prefer another alignment to that near the prior by many nats."""
    if nats <= CONTRADICTED:
        return []
    return [
        f"the {what} contradict the prior: without it another alignment is {nats:.1f} nats"
        " better; check the prior, or leave it out"
    ]


def _margin_reasons(best: BestLag, gate: Gate, margin: float, tight: bool, plates: bool) -> list[str]:
    """Return why another alignment may be the right one."""
    reasons = contradiction("contacts", -best.margin_without_prior) if tight else []
    if margin <= 0:
        reasons.append("no alignment explains the contacts better than chance does")
    elif margin < gate.margin:
        reasons.append(too_close("alignment", margin, best.runner_up_s, gate.margin))
    if not plates and best.beat.reference_s < METRONOME_S and not tight:
        reasons.append(
            f"the steps are as even as a metronome's (they vary by {1e3 * best.beat.reference_s:.1f} ms): every step"
            " fits as well as the next"
        )
    return reasons


def _match_reasons(best: BestLag, gate: Gate) -> list[str]:
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
    allowed_s = gate.scatter_s(best.beat.step_s)
    if best.residual_sd_s > allowed_s:
        reasons.append(
            f"matched contacts scatter by {1e3 * best.residual_sd_s:.1f} ms ({1e3 * allowed_s:.0f} ms allowed at steps"
            f" of {best.beat.step_s:.2f} s)"
        )
    return reasons


def _too_few(best: BestLag, gate: Gate, tight: bool) -> list[str]:
    """Return a reason where too few contacts match, of whoever they are."""
    fewest = max(FEWEST_WITH_PRIOR, gate.contacts // 3) if tight else gate.contacts
    return [f"only {best.matched} contacts match ({fewest} needed)"] if best.matched < fewest else []
