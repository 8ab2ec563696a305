"""Curves compared sample by sample: SPM{t} by random field theory and a permutation of signs, subjects as units."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError

FEWEST = 6
"""Below this many participants no p-value is given; see :func:`smallest_p`."""
_EULER = np.sqrt(4.0 * np.log(2.0))
"""FWHM of a smooth field of unit variance times the SD of its derivative: crossings are counted per resel by it."""


def smallest_p(n: int) -> float:
    """Return the smallest two-sided p-value that ``n`` paired differences can give by their signs: 2 / 2**n."""
    return min(1.0, 2.0 ** (1 - n))


def paired_t(differences: Floats) -> Floats:
    """Return t at every sample of paired differences.

    Parameters
    ----------
    differences
        Shape (participants, samples): one mean curve per participant.

    Returns
    -------
    array
        Shape (samples,), ``n - 1`` degrees of freedom; 0 where the differences have no spread beyond rounding (a
        billionth of the largest difference): nothing can be tested there.
    """
    n = len(differences)
    mean, sd = differences.mean(axis=0), differences.std(axis=0, ddof=1)
    still = sd <= 1e-9 * np.abs(differences).max(initial=0.0)
    return np.asarray(np.where(still, 0.0, mean / (np.where(still, 1.0, sd) / np.sqrt(n))))


def smoothness_fwhm(residuals: Floats) -> float:
    """Return the smoothness of curves in samples (full width at half maximum of the kernel).

    FWHM = 1 / mean over samples of sqrt(sum (dr/dq)^2 / sum r^2 / (4 ln 2)), residuals ``r`` of shape (curves,
    samples), derivative by central differences (Kiebel et al. 1999, doi 10.1006/nimg.1999.0508; one dimension).
    """
    size = (residuals**2).sum(axis=0)
    slope = (np.gradient(residuals, axis=1) ** 2).sum(axis=0)
    varying = size > 0
    if not varying.any():
        return float("inf")
    resels = np.sqrt(slope[varying] / size[varying] / (4.0 * np.log(2.0)))
    return float(1.0 / resels.mean()) if resels.mean() > 0 else float("inf")


def t_exceedance(u: float, *, nu: float, resels: float) -> float:
    """Return the chance that the maximum of a smooth t field of ``resels`` lies above ``u`` (Euler characteristic).

    1 - exp(-(P(t > u) + R sqrt(4 ln 2)/(2 pi) (1 + u^2/nu)^(-(nu - 1)/2))); Worsley et al. 1996, doi
    10.1002/(SICI)1097-0193(1996)4:1<58::AID-HBM4>3.0.CO;2-O.
    """
    from scipy.stats import t

    tail = float(t.sf(u, nu))
    slope = resels * _EULER / (2.0 * np.pi) * (1.0 + u * u / nu) ** (-(nu - 1.0) / 2.0)
    return float(1.0 - np.exp(-(tail + slope)))


def t_threshold(
    *, nu: float, fwhm: float, samples: int, alpha: float = 0.05, two_tailed: bool = True, bonferroni: bool = True
) -> float:
    """Return the critical t of a curve of ``samples`` samples and smoothness ``fwhm``.

    R = (samples - 1) / fwhm resels; two-tailed takes alpha / 2. With ``bonferroni`` the threshold of ``samples``
    independent samples stands where it is lower (rough curves, few participants).
    """
    from scipy.optimize import brentq
    from scipy.stats import t

    level = alpha / 2 if two_tailed else alpha
    resels = (samples - 1) / fwhm
    # random field theory is for smooth curves: of rough ones it asks for more than as many independent tests would
    field_u = brentq(lambda u: t_exceedance(u, nu=nu, resels=resels) - level, 0.0, 1e6, xtol=1e-10)
    return float(min(field_u, t.isf(level / samples, nu)) if bonferroni else field_u)


@dataclass(frozen=True)
class Cluster:
    """Neighbouring samples above the threshold: ``first`` to ``last`` (inclusive, interpolated edges in ``extent``)."""

    first: int
    last: int
    extent_fwhm: float
    p: float
    sign: int


@dataclass(frozen=True)
class Spm:
    """A paired SPM{t}.

    Attributes
    ----------
    t
        Shape (samples,).
    threshold, p
        NaN where there are fewer than six participants: then ``note`` says so, and with the smallest p attainable.
    """

    n: int
    t: Floats
    fwhm: float
    threshold: float
    clusters: tuple[Cluster, ...] = ()
    note: str = ""
    alpha: float = 0.05
    share_above: float = field(default=0.0)


def spm_paired(a: Floats, b: Floats, *, alpha: float = 0.05, family: int = 1) -> Spm:
    """Return the two-tailed paired SPM{t} of mean curves per participant.

    Parameters
    ----------
    a, b
        Shape (participants, samples).
    family
        How many such tests are made: alpha is divided by it (Bonferroni).

    Raises
    ------
    BadInputError
        If the shapes differ, a value is missing, or there are fewer than two participants.
    """
    if a.shape != b.shape or a.ndim != 2 or len(a) < 2:
        raise BadInputError(
            f"curves have shapes {a.shape} and {b.shape}; expected (participants, samples), two or more"
        )
    d = a - b
    if not np.isfinite(d).all():
        raise BadInputError("a mean curve holds a missing sample; leave the participant out")
    n, samples = d.shape
    t = paired_t(d)
    fwhm = smoothness_fwhm(d - d.mean(axis=0))
    if n < FEWEST:
        note = (
            f"{n} participants: no test below {FEWEST}; the smallest two-sided p by signs would be {smallest_p(n):.3g}"
        )
        return Spm(n, t, fwhm, float("nan"), (), note, alpha)
    level = alpha / family
    threshold = t_threshold(nu=n - 1, fwhm=fwhm, samples=samples, alpha=level)
    excursions = clusters(t, threshold, nu=n - 1, fwhm=fwhm)
    return Spm(n, t, fwhm, threshold, excursions, "", level, float((np.abs(t) > threshold).mean()))


def clusters(t: Floats, threshold: float, *, nu: float, fwhm: float) -> tuple[Cluster, ...]:
    """Return the runs of samples whose ``|t|`` is above the threshold, each with its p.

    The p of an extent of k resels: 1 - exp(-m exp(-b k^2)), m the expected number of runs in one tail (crossings c and
    one that begins above), b = (Gamma(3/2) c / E)^2 with E the expected resels above the threshold (Friston et al.
    1994, doi 10.1002/hbm.460010306). Two tails: doubled, at most 1.
    """
    from scipy.special import gamma
    from scipy.stats import t as student

    resels = (t.size - 1) / fwhm
    tail = float(student.sf(threshold, nu))
    crossings = resels * _EULER / (2 * np.pi) * (1 + threshold**2 / nu) ** (-(nu - 1) / 2)
    # the floor keeps a threshold that nothing exceeds by chance from dividing by zero
    beta = (gamma(1.5) * crossings / max(resels * tail, 1e-300)) ** 2
    excursions = []
    for sign in (1, -1):
        for first, last in _runs(sign * t > threshold):
            extent = _extent(sign * t, threshold, first, last) / fwhm
            p = 1.0 - np.exp(-(crossings + tail) * np.exp(-beta * extent**2))
            excursions.append(Cluster(first, last, float(extent), float(min(1.0, 2 * p)), sign))
    return tuple(sorted(excursions, key=lambda c: c.first))


def _runs(above: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.diff(np.concatenate([[0], above.astype(int), [0]]))
    return [(int(a), int(b) - 1) for a, b in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1))]


def _extent(t: Floats, threshold: float, first: int, last: int) -> float:
    """Return the width in samples between the two crossings of the threshold, by straight lines."""
    low, high = float(first), float(last)
    if first > 0:
        low -= (t[first] - threshold) / (t[first] - t[first - 1])
    if last < t.size - 1:
        high += (t[last] - threshold) / (t[last] - t[last + 1])
    return high - low


@dataclass(frozen=True)
class MaxT:
    """A permutation test of the largest ``|t|`` of a curve: the threshold at alpha, and p of what was observed."""

    n: int
    t: Floats
    threshold: float
    p: float
    permutations: int
    exact: bool
    note: str = ""


def permutation_max_t(a: Floats, b: Floats, *, alpha: float = 0.05, most: int = 10_000, seed: int = 0) -> MaxT:
    """Return the permutation test of paired mean curves: signs of whole participants are turned.

    All 2**n signs where there are at most ``most``, else as many drawn ones (the observed one among them). Nichols and
    Holmes 2002, doi 10.1002/hbm.1058.

    Raises
    ------
    BadInputError
        As :func:`spm_paired`.
    """
    if a.shape != b.shape or a.ndim != 2 or len(a) < 2 or not np.isfinite(a - b).all():
        raise BadInputError("permutation needs whole mean curves of two or more participants, alike in both")
    d = a - b
    n = len(d)
    t = paired_t(d)
    if n < FEWEST:
        note = f"{n} participants: no test below {FEWEST}; the smallest two-sided p would be {smallest_p(n):.3g}"
        return MaxT(n, t, float("nan"), float("nan"), 0, False, note)
    exact = 2**n <= most
    if exact:
        # the bits of 0 to 2**n - 1: row 0 is what was observed
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        signs = np.random.default_rng(seed).choice([-1.0, 1.0], size=(most, n))
        signs[0] = 1.0  # what was observed is one of the draws, or else p could be 0
    tops = np.concatenate([_max_t(d, part) for part in np.array_split(signs, max(1, len(signs) // 1000))])
    rank = int(np.ceil((1 - alpha) * len(tops))) - 1
    observed = float(np.abs(t).max())
    # the observed sum is computed in another order than its own permutation: equal up to rounding
    p = float((tops >= observed * (1 - 1e-12)).mean())
    return MaxT(n, t, float(np.sort(tops)[rank]), p, len(tops), exact)


def _max_t(d: Floats, signs: Floats) -> Floats:
    """Return the largest ``|t|`` under each row of signs."""
    n = len(d)
    mean = signs @ d / n
    # signs do not change the squares: their sum is the same for every row
    var = ((d**2).sum(axis=0) - n * mean**2) / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(mean) / np.sqrt(np.maximum(var, 0.0) / n)
    return np.asarray(np.nan_to_num(t, nan=0.0, posinf=np.inf).max(axis=1))
