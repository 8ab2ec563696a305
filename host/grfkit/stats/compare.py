"""Two methods compared over the same participants: paired differences, their interval, p-values with Holm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from .spm import FEWEST, smallest_p

DRAWS = 10_000
"""Draws of the bootstrap: its 95 % limits then vary by some hundredths of a standard error from seed to seed."""
MOST_EXACT = 25
"""Participants up to which Wilcoxon's p is exact: beyond, the normal approximation is as good; chosen by hand."""


@dataclass(frozen=True)
class Paired:
    """A paired comparison over participants, ``a`` minus ``b``.

    Attributes
    ----------
    mean, low, high
        Mean difference and its interval at ``level`` (Student's t over participants).
    boot_low, boot_high
        The same by bootstrap over participants (percentiles of ``DRAWS`` draws).
    better
        How many participants have the smaller value under ``a``.
    p, p_holm
        Two-sided Wilcoxon signed-rank p, and after Holm over the family; None below six participants.
    smallest_p
        What so many participants could give at best.
    """

    n: int
    mean: float
    low: float
    high: float
    boot_low: float
    boot_high: float
    better: int
    p: float | None
    smallest_p: float
    p_holm: float | None = None
    level: float = 0.95
    note: str = ""

    @property
    def excludes_zero(self) -> bool:
        """Return whether the interval of the mean difference excludes zero."""
        return bool(self.low > 0 or self.high < 0)


def paired(a: Mapping[str, float], b: Mapping[str, float], *, level: float = 0.95, seed: int = 0) -> Paired:
    """Return the paired comparison of one value per participant under two methods.

    Raises
    ------
    BadInputError
        If the participants differ, or fewer than two have both values.
    """
    from scipy.stats import t, wilcoxon

    if set(a) != set(b):
        lacking = sorted(set(a) ^ set(b))
        raise BadInputError(f"participant {', '.join(lacking[:3])} is in one of the two only; compare the same people")
    names = sorted(k for k in a if np.isfinite(a[k]) and np.isfinite(b[k]))
    n = len(names)
    if n < 2:
        raise BadInputError(f"{n} participants have both values; a paired comparison needs two")
    d = np.asarray([a[k] - b[k] for k in names])
    mean, half = float(d.mean()), float(t.ppf(0.5 + level / 2, n - 1) * d.std(ddof=1) / np.sqrt(n))
    draws = np.random.default_rng(seed).integers(0, n, (DRAWS, n))
    boot = np.quantile(d[draws].mean(axis=1), [0.5 - level / 2, 0.5 + level / 2])
    # Pratt: differences of 0 are ranked before they are dropped, which is the more conservative way
    p, note = None, ""
    if n < FEWEST:
        note = f"{n} participants: no p-value below {FEWEST}; the smallest attainable is {smallest_p(n):.3g}"
    elif not d.any():
        p = 1.0
    else:
        p = float(wilcoxon(d, zero_method="pratt", method="exact" if n <= MOST_EXACT and _plain(d) else "auto").pvalue)
    return Paired(
        n, mean, mean - half, mean + half, float(boot[0]), float(boot[1]), int((d < 0).sum()), p, smallest_p(n), None,
        level, note,
    )  # fmt: skip


def _plain(d: Floats) -> bool:
    """Return whether no difference is 0 and no two are equal in size, as the exact distribution asks."""
    return bool((d != 0).all() and len(np.unique(np.abs(d))) == d.size)


def holm(p: Sequence[float]) -> list[float]:
    """Return p-values after Holm (1979): the k-th smallest of m times m - k + 1, never falling, at most 1."""
    values = np.asarray(p, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values))))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(raised, 1.0)
    return [float(v) for v in adjusted]


def with_holm(family: Mapping[str, Paired]) -> dict[str, Paired]:
    """Return the comparisons of one family with ``p_holm``; those without a p do not count in it."""
    tested = {k: v.p for k, v in family.items() if v.p is not None}
    raised = dict(zip(tested, holm(list(tested.values())))) if tested else {}
    return {k: replace(v, p_holm=raised.get(k)) for k, v in family.items()}
