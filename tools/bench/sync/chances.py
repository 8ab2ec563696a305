"""What counts of wrong answers say: the upper bound of a rate, and stated against observed chances."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from scipy import stats


def upper_bound(wrong: int, accepted: int) -> float | None:
    """Return the one-sided 95 % upper bound of a rate (Clopper-Pearson); None without trials."""
    if accepted == 0:
        return None
    # beta(k + 1, n - k): the rate at which k or fewer wrong of n have a chance of 5 %
    return 1.0 if wrong >= accepted else float(stats.beta.ppf(0.95, wrong + 1, accepted - wrong))


def reliability(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return stated against observed chance of being wrong, by stated chance, of accepted and refused alike."""
    edges = [0.0, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.01]
    judged = [r for r in rows if r.get("p_wrong") is not None and r.get("wrong") is not None]
    table = []
    for low, high in itertools.pairwise(edges):
        part = [r for r in judged if low <= r["p_wrong"] < high]
        if part:
            wrong = sum(bool(r["wrong"]) for r in part)
            stated = float(np.mean([r["p_wrong"] for r in part]))
            table.append({"stated": stated, "observed": wrong / len(part), "trials": len(part), "wrong": wrong})
    return table
