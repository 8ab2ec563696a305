"""Errors of a comparison with and without features: by person, contrasts of each network, ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Floats
from ..learn.batches import Indices
from ..stats.compare import DRAWS, Paired, holm, paired
from ..stats.spm import FEWEST, smallest_p
from .feature_methods import Cell

OVERALL = "overall"
"""Mean over axes of RMSE as a share of the measured range (%), beside the axes (RMSE, BW): claims are tested on it."""
LEAST_GAIN = 0.02
"""Share of its error without features by which a network has to err less to count as helped: chosen by hand, less than
two trainings of one network differ by."""
ALPHA = 0.05
POWER = 0.8
"""Usual level and power of a test, by which the smallest gain that would be seen is said."""

Errors = dict[str, float]
"""By participant."""


@dataclass(frozen=True)
class Table:
    """Errors of every cell by participant, on one axis or overall; cells that did not answer for everybody are out."""

    errors: Mapping[Cell, Errors]
    people: tuple[str, ...]

    def of(self, network: str, features: str, *, others: bool = False) -> list[Errors]:
        """Return the errors of each seed, or with ``others`` of each exchange."""
        wanted = [c for c in self.errors if c.network == network and c.features == features]
        return [self.errors[c] for c in wanted if bool(c.others) == others]

    def mean(self, network: str, features: str, *, others: bool = False) -> Errors | None:
        """Return each participant's mean over seeds or exchanges; None where there is none."""
        found = self.of(network, features, others=others)
        return {p: float(np.mean([e[p] for e in found])) for p in self.people} if found else None


def tables(cells: Sequence[Cell], scored: Mapping[str, Any], axes: Sequence[str]) -> dict[str, Table]:
    """Return a table for every axis (RMSE, BW) and :data:`OVERALL`.

    Parameters
    ----------
    scored
        Of :func:`~grfkit.evaluation.scores.method_scores`, by the cell's name.
    """
    found: dict[str, Table] = {}
    for axis in (*axes, OVERALL):
        values = {c: _errors(scored[c.name], axis, axes) for c in cells}
        people = tuple(next(iter(values.values())))
        found[axis] = Table({c: e for c, e in values.items() if np.isfinite(list(e.values())).all()}, people)
    return found


def _errors(scores: Mapping[str, Any], axis: str, axes: Sequence[str]) -> Errors:
    if axis != OVERALL:
        return {p: float("nan") if v is None else v for p, v in scores[axis]["participants"]["rmse_bw"].items()}
    parts = [scores[a]["participants"]["rrmse_percent"] for a in axes]
    return {p: float(np.mean([np.nan if part[p] is None else part[p] for part in parts])) for p in parts[0]}


@dataclass(frozen=True)
class Help:
    """What features do for one network.

    Attributes
    ----------
    given
        Error with features less error without.
    true
        Error with features less error with those of others: what their truth does.
    presence
        Error with the features of others less error without: what their mere presence does.
    word
        ``helped`` (``given`` and ``true`` below 0, p after Holm under .05); ``harmed`` (both above 0: what costs as
        much with the features of others is the cost of more inputs, no harm by what they say); ``not helped`` (a gain
        of :data:`LEAST_GAIN` over none, or over those of others, is excluded at a level shared among the networks); or
        ``undecided``.
    excluded
        Whether a gain of :data:`LEAST_GAIN` is excluded both over none and over those of others, in a network that does
        not err more for having features at all.
    least
        A gain of :data:`LEAST_GAIN`, in the error's unit.
    seen
        The smallest gain that would be shown in this network, over none and over those of others, with a power of .8
        and at the level shared among the networks; None where so few people can show none.
    """

    network: str
    features: str
    without: float
    given: Paired
    true: Paired
    presence: Paired
    p_holm: float | None
    word: str
    least: float
    seen: float | None
    excluded: bool

    @property
    def costs_inputs(self) -> bool:
        """Return whether the error rises with features, and is not shown to be above that with those of others."""
        return self.given.low > 0 and self.word != "harmed"


def helped(table: Table, networks: Sequence[str], features: str) -> list[Help]:
    """Return what features do for each network that answered for everybody in all three ways."""
    rows: list[tuple[str, Errors, Errors, Errors]] = []
    for network in networks:
        none, own = table.mean(network, "none"), table.mean(network, features)
        other = table.mean(network, features, others=True)
        if none is not None and own is not None and other is not None:
            rows.append((network, none, own, other))
    # a gain has to be shown twice, over none and over others': the larger p counts
    ps = [_larger(paired(own, none).p, paired(own, other).p) for _, none, own, other in rows]
    raised = iter(holm([p for p in ps if p is not None]))
    return [_help(*row, features, None if p is None else next(raised), len(rows)) for row, p in zip(rows, ps)]


def _larger(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)


def _help(network: str, none: Errors, own: Errors, other: Errors, features: str, p: float | None, family: int) -> Help:
    given, true = paired(own, none), paired(own, other)
    without = float(np.mean(list(none.values())))
    least = LEAST_GAIN * without
    strict = [paired(own, base, level=1 - ALPHA / family).low > -least for base in (none, other)]
    tested = given.p is not None
    word = "undecided"
    if p is not None and p < ALPHA and given.high < 0 and true.high < 0:
        word = "helped"
    elif all(part.p is not None and part.p * family < ALPHA and part.low > 0 for part in (given, true)):
        word = "harmed"
    elif tested and any(strict):
        word = "not helped"
    seen = [detectable(own, base, family=family) for base in (none, other)]
    most = None if None in seen else max(part for part in seen if part is not None)
    excluded = tested and all(strict) and given.low <= 0
    return Help(network, features, without, given, true, paired(other, none), p, word, least, most, excluded)


def detectable(one: Errors, other: Errors, *, family: int = 1) -> float | None:
    """Return the smallest mean difference that these people would show with a power of .8.

    Of a paired t-test at a level of .05 shared among the family; None where the signed-rank test, which decides,
    attains no p below that level with so few.
    """
    from scipy.stats import t

    d = np.asarray([one[p] - other[p] for p in one])
    if not shows(len(d), family):
        return None
    amount = t.ppf(1 - ALPHA / family / 2, len(d) - 1) + t.ppf(POWER, len(d) - 1)
    return float(amount * d.std(ddof=1) / np.sqrt(len(d)))


def shows(people: int, family: int = 1) -> bool:
    """Return whether so many people can show any difference in a family of comparisons."""
    return people >= FEWEST and smallest_p(people) * family < ALPHA


def ranks(table: Table, networks: Sequence[str], features: str) -> list[dict[str, Any]]:
    """Return the networks by error with features, the least first, with a bootstrap over people and seeds.

    In each draw people are drawn anew for all networks together, and seeds for each.
    """
    from scipy.stats import rankdata

    found = {n: table.of(n, features) for n in networks}
    found = {n: e for n, e in found.items() if e}
    if not found:
        return []
    rng = np.random.default_rng(0)
    people = rng.integers(0, len(table.people), (DRAWS, len(table.people)))
    means = []
    for of_seeds in found.values():
        errors: Floats = np.asarray([[e[p] for p in table.people] for e in of_seeds])
        seeds = rng.integers(0, len(errors), (DRAWS, len(errors)))
        means.append(errors.mean(axis=0)[people].mean(axis=1) if len(errors) == 1 else _drawn(errors, seeds, people))
    drawn = rankdata(np.asarray(means), axis=0)
    low, high = np.quantile(drawn, [0.025, 0.975], axis=1)
    plain = [float(np.mean([list(e.values()) for e in of_seeds])) for of_seeds in found.values()]
    spread = [float(np.std([np.mean(list(e.values())) for e in of_seeds])) for of_seeds in found.values()]
    rows = [
        {"network": n, "error": plain[i], "low": float(low[i]), "high": float(high[i]),
         "first": float((drawn[i] == 1).mean()), "seed_sd": spread[i]}
        for i, n in enumerate(found)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: float(str(row["error"])))


def _drawn(errors: Floats, seeds: Indices, people: Indices) -> Floats:
    """Return the mean error of each draw of seeds (draws, seeds) and people (draws, people)."""
    return np.asarray([errors[np.ix_(s, p)].mean() for s, p in zip(seeds, people)])
