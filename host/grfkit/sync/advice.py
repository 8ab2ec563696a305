"""What would lift a refusal: a prior on the offset, where it would, and how sure it has to be."""

from __future__ import annotations

import numpy as np

from ..arrays import Floats
from ..records import Prior

LEAST_PRIOR_SD_S = 0.01
"""A prior that would have to be surer than this (s) is not suggested: nobody reads an offset off a film or a hammer
blow better; chosen by hand."""
_BELOW = 0.99
"""The largest SD itself does not decide: a hundredth below it does."""


def deciding_prior_sd_s(
    lags_s: Floats,
    log_likelihood: Floats,
    *,
    offset_s: float,
    gate: float,
    same_s: float,
    largest_s: float,
    range_s: float,
    prior: Prior | None,
) -> float | None:
    """Return the SD (s) below which a prior at the best lag would give it the margin it lacks; None where none would.

    A prior of SD s takes ``(distance / s)**2 / 2`` nats from every other lag, and from "no alignment at all", which
    scores zero, what it saves of the search (:func:`~grfkit.sync.candidates.surprise_nats`).

    Parameters
    ----------
    lags_s, log_likelihood
        Every lag that was scored, and its score (nats), the prior of the request in it.
    gate
        Margin (nats) that is needed.
    same_s
        Lags nearer to the best than this are the same alignment.
    largest_s
        A broader prior (s) does not decide between steps, whatever the margin.
    range_s
        Range (s) of the offsets at which the records share a moment.
    """
    if not log_likelihood.size or (prior is not None and prior.sd_s <= largest_s):
        return None
    plain = log_likelihood
    if prior is not None:
        plain = log_likelihood + 0.5 * ((lags_s - prior.offset_s) / prior.sd_s) ** 2
    distance = np.abs(lags_s - offset_s)
    top = float(plain[int(np.argmin(distance))])
    # how much a prior has to take from each other lag
    needed = plain - top + gate
    rivals = (distance > same_s) & np.isfinite(needed) & (needed > 0)
    against_none_s = range_s / np.sqrt(2.0 * np.pi) * float(np.exp(min(top - gate, 0.0)))
    sd_s = min([_BELOW * largest_s, against_none_s, *(distance[rivals] / np.sqrt(2.0 * needed[rivals]))])
    return float(sd_s) if sd_s >= LEAST_PRIOR_SD_S else None


def prior_advice(deciding_sd_s: float) -> str:
    """Return how a prior is stated that would lift a refusal."""
    return (
        f"if the offset is known from elsewhere with an SD of {_floored(deciding_sd_s)} s or less, state it with"
        " --prior-offset and --prior-sd (prior_offset_s and prior_sd_s in Python)"
    )


def _floored(seconds: float) -> str:
    """Return seconds with two digits, rounded down: what is printed has to be enough."""
    unit = 10.0 ** (np.floor(np.log10(seconds)) - 1)
    return f"{np.floor(seconds / unit * (1 + 1e-9)) * unit:.2g}"
