"""Agreement of two ways to measure the same thing: Bland-Altman for repeated contacts, ICC, equivalence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError

LIMIT_SDS = 1.96
"""SDs from the bias to a limit of agreement: 95 % of normal differences lie between the two."""
UPPER, LOWER = 0.975, 0.025
"""Quantiles of a two-sided 95 % interval."""


@dataclass(frozen=True)
class BlandAltman:
    """Limits of agreement of repeated measurements, predicted minus measured.

    Attributes
    ----------
    bias, sd
        Mean difference, and the SD of one difference: between and within participants together.
    low, high
        ``bias -+ 1.96 sd``; ``low_ci`` and ``high_ci`` are 95 % intervals of these limits, ``bias_ci`` of the bias.
    sd_between, sd_within
        The two parts of ``sd``.
    slope
        Of participant mean differences on participant means: proportional bias, with its two-sided p (NaN below 3).
    """

    n_participants: int
    n: int
    bias: float
    bias_ci: tuple[float, float]
    sd: float
    sd_between: float
    sd_within: float
    low: float
    high: float
    low_ci: tuple[float, float]
    high_ci: tuple[float, float]
    slope: float
    slope_p: float


def bland_altman(predicted: Floats, measured: Floats, participants: Sequence[str]) -> BlandAltman:
    """Return limits of agreement where each participant has several contacts whose true value varies.

    One-way analysis of variance of the differences on participants: within variance MSW; between (MSB - MSW) / m0, not
    below 0, with m0 = ((sum m)^2 - sum m^2) / ((k - 1) sum m) for unequal numbers m of contacts (Bland and Altman 2007,
    doi 10.1080/10543400701329422, section 3). The variance of a limit is taken from the k participant means and the MSW
    (delta method: var(bias) + 1.96^2 var(sd)).

    Parameters
    ----------
    predicted, measured
        Shape (contacts,). Pairs with NaN do not count.

    Raises
    ------
    BadInputError
        If fewer than two participants have a pair.
    """
    from scipy.stats import t

    complete = np.isfinite(predicted) & np.isfinite(measured)
    people = np.asarray([str(p) for p in participants])[complete]
    d, level = (predicted - measured)[complete], ((predicted + measured) / 2)[complete]
    names, index, m = np.unique(people, return_inverse=True, return_counts=True)
    k, n = len(names), d.size
    if k < 2:
        raise BadInputError(f"{k} participant(s) have measured and predicted values; limits of agreement need two")
    means = np.bincount(index, d) / m
    msb = float((m * (means - d.mean()) ** 2).sum() / (k - 1))
    msw = float(((d - means[index]) ** 2).sum() / (n - k)) if n > k else 0.0
    m0 = (n**2 - (m**2).sum()) / ((k - 1) * n)
    # one contact each: within and between cannot be told apart, and all of it counts as between
    between = max((msb - msw) / m0, 0.0) if n > k else msb
    sd = float(np.sqrt(between + msw))
    bias = float(d.mean())
    var_bias = _variance_of_mean(m, between, msw)
    var_sd = _variance_of_sd(msb, msw, k, n, float(m0), sd)
    # k - 1 and not n - 1: contacts of one person are no independent differences
    q = float(t.ppf(UPPER, k - 1))
    half, limit = q * np.sqrt(var_bias), q * np.sqrt(var_bias + LIMIT_SDS**2 * var_sd)
    slope, slope_p = _proportional(np.bincount(index, level) / m, means)
    low, high = bias - LIMIT_SDS * sd, bias + LIMIT_SDS * sd
    return BlandAltman(
        k, n, bias, (bias - half, bias + half), sd, float(np.sqrt(between)), float(np.sqrt(msw)), low, high,
        (low - limit, low + limit), (high - limit, high + limit), slope, slope_p,
    )  # fmt: skip


def _variance_of_mean(m: NDArray[np.int64], between: float, within: float) -> float:
    """Return the variance of the mean over all contacts, given how many each participant has."""
    n = m.sum()
    return float((m**2).sum() / n**2 * between + within / n)


def _variance_of_sd(msb: float, msw: float, k: int, n: int, m0: float, sd: float) -> float:
    """Return the variance of the total SD by the delta method: total = MSB / m0 + (1 - 1/m0) MSW."""
    # a mean square of f degrees of freedom has the variance 2 MS^2 / f, a root 1 / (4 sd^2) of that of its square
    parts = 2 * (msb / m0) ** 2 / (k - 1)
    if n > k:
        parts += 2 * ((1 - 1 / m0) * msw) ** 2 / (n - k)
    return float(parts / (4 * sd**2)) if sd > 0 else 0.0


def _proportional(level: Floats, difference: Floats) -> tuple[float, float]:
    from scipy.stats import linregress

    if len(level) < 3 or np.ptp(level) == 0:
        return float("nan"), float("nan")
    fitted = linregress(level, difference)
    return float(fitted.slope), float(fitted.pvalue)


@dataclass(frozen=True)
class Icc:
    """An intraclass correlation with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int
    k: int
    kind: str


def _mean_squares(table: Floats) -> tuple[float, float, float]:
    n, k = table.shape
    grand = table.mean()
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    msr = k * ((rows - grand) ** 2).sum() / (n - 1)
    msc = n * ((columns - grand) ** 2).sum() / (k - 1)
    error = ((table - rows[:, None] - columns[None, :] + grand) ** 2).sum() / ((n - 1) * (k - 1))
    return float(msr), float(msc), float(error)


def _check_table(table: Floats) -> None:
    if table.ndim != 2 or table.shape[0] < 3 or table.shape[1] < 2 or not np.isfinite(table).all():
        raise BadInputError(
            f"an ICC takes a whole table of 3 or more targets by 2 or more methods; this one has shape {table.shape}"
        )
    if np.ptp(table) == 0:
        raise BadInputError(
            f"all {table.size} values of the table are {table.flat[0]:g}; an ICC needs targets that differ"
        )


def icc_2_1(table: Floats) -> Icc:
    """Return ICC(2,1), absolute agreement of single measurements.

    Shrout and Fleiss 1979 (doi 10.1037/0033-2909.86.2.420). Interval by
    McGraw and Wong 1996 (doi 10.1037/1082-989X.1.1.30), ICC(A,1).

    Parameters
    ----------
    table
        Shape (targets, methods): one value per participant and method, never time points of a curve.

    Raises
    ------
    BadInputError
        If there are fewer than three targets or two methods, a value is missing, or all values are equal.
    """
    from scipy.stats import f

    _check_table(table)
    n, k = table.shape
    msr, msc, mse = _mean_squares(table)
    value = (msr - mse) / (msr + (k - 1) * mse + k * (msc - mse) / n)
    # equal columns: the interval's degrees of freedom below would divide by zero
    if value == 1.0:
        return Icc(1.0, 1.0, 1.0, n, k, "ICC(2,1)")
    a, b = k * value / (n * (1 - value)), 1 + k * value * (n - 1) / (n * (1 - value))
    v = (a * msc + b * mse) ** 2 / ((a * msc) ** 2 / (k - 1) + (b * mse) ** 2 / ((n - 1) * (k - 1)))
    # v are Satterthwaite's degrees of freedom of a weighted sum of two mean squares.
    # 1 / F(0.975; n - 1, v) as a quantile of the other tail: where v is near 0 it is 0, and F itself infinite
    upper_inverse, lower = f.ppf(LOWER, v, n - 1), f.ppf(UPPER, v, n - 1)
    rest = k * msc + (k * n - k - n) * mse
    low = n * (upper_inverse * msr - mse) / (rest + upper_inverse * n * msr)
    high = n * (lower * msr - mse) / (rest + n * lower * msr)
    return Icc(float(value), float(low), float(high), n, k, "ICC(2,1)")


def icc_3_1(table: Floats) -> Icc:
    """Return ICC(3,1), consistency of single measurements (Shrout and Fleiss 1979); blind to a constant offset.

    Raises
    ------
    BadInputError
        As :func:`icc_2_1`.
    """
    from scipy.stats import f

    _check_table(table)
    n, k = table.shape
    msr, _, mse = _mean_squares(table)
    ratio = msr / mse if mse > 0 else np.inf
    low_f = ratio / f.ppf(UPPER, n - 1, (n - 1) * (k - 1))
    high_f = ratio * f.ppf(UPPER, (n - 1) * (k - 1), n - 1)
    value = (ratio - 1) / (ratio + k - 1) if np.isfinite(ratio) else 1.0
    low, high = ((x - 1) / (x + k - 1) if np.isfinite(x) else 1.0 for x in (low_f, high_f))
    return Icc(float(value), float(low), float(high), n, k, "ICC(3,1)")


@dataclass(frozen=True)
class Tost:
    """Two one-sided tests: is the mean difference within ``-margin`` and ``margin``?

    ``low`` and ``high`` are the 90 % interval; equivalent where it lies within the margins (p below 0.05).
    """

    n: int
    mean: float
    low: float
    high: float
    margin: float
    p: float | None
    equivalent: bool | None
    note: str = ""


def tost(differences: Floats, *, margin: float, alpha: float = 0.05) -> Tost:
    """Return the equivalence test of one difference per participant (Schuirmann 1987, doi 10.1007/BF01068419).

    Parameters
    ----------
    margin
        In the unit of the differences, stated before they were seen.

    Raises
    ------
    BadInputError
        If the margin is not above 0 or fewer than two differences are known.
    """
    from scipy.stats import t

    from .spm import FEWEST

    d = differences[np.isfinite(differences)]
    n = d.size
    if not margin > 0 or n < 2:
        raise BadInputError(f"equivalence needs a margin above 0 and two participants; got {margin} and {n}")
    mean, error = float(d.mean()), float(d.std(ddof=1) / np.sqrt(n))
    # 1 - 2 alpha, as each of the two tests is one-sided
    half = float(t.ppf(1 - alpha, n - 1)) * error
    if n < FEWEST:
        return Tost(n, mean, mean - half, mean + half, margin, None, None, f"{n} participants: no test below {FEWEST}")
    if error == 0:
        p = 0.0 if abs(mean) < margin else 1.0
    else:
        p = float(max(t.sf((mean + margin) / error, n - 1), t.cdf((mean - margin) / error, n - 1)))
    return Tost(n, mean, mean - half, mean + half, margin, p, bool(p < alpha))
