"""Laws that turn a cell's value into a force: linear, power, and one that knows which way the load went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats

LawName = Literal["linear", "power", "hysteresis"]
LAWS: tuple[LawName, ...] = ("linear", "power", "hysteresis")
"""From the simplest to the one with most parameters."""
PLAY_SHARES = (0.05, 0.1, 0.2, 0.4)
"""Half-widths of the play operators, as shares of the cell's range; chosen by hand."""
DEGREE = 3
"""Degree of the hysteresis law's polynomial: a compressed foam stiffens."""
RIDGE = 1e-4
"""Penalty on standardised coefficients, per sample; chosen by hand: features of one cell are nearly collinear."""
EXPONENTS = tuple(np.round(np.arange(0.5, 2.61, 0.05), 2))
"""Exponents that are tried for the power law."""
SHIFTS = tuple(np.round(np.arange(-0.1, 0.21, 0.025), 3))
"""Shares of the range at which a power law may begin: a cell that is pressed together answers late."""


@dataclass(frozen=True)
class FittedLaw:
    """A law of one cell: the force (N) of ``u``, the cell's value above rest, positive under load.

    ``linear`` and ``hysteresis``: a polynomial of u, and for each play operator a gain times what u is ahead of it.
    ``power``: ``gain * (u - start)^exponent``. Below 0 the force is 0.
    """

    law: LawName
    polynomial: tuple[float, ...] = ()
    play_widths: tuple[float, ...] = ()
    play_gains: tuple[float, ...] = ()
    gain: float = 0.0
    start: float = 0.0
    exponent: float = 1.0


@dataclass
class CellRun:
    """What one run says of one cell: features averaged over short stretches, and the force there.

    Attributes
    ----------
    u
        Shape (stretches,): mean value above rest.
    powers
        Shape (stretches, 3): means of u, its square and its cube, sample by sample.
    ahead
        Shape (stretches, plays): means of what u is ahead of each play operator.
    force_n
        Shape (stretches,); NaN where it or the cell is not known.
    """

    u: Floats
    powers: Floats
    ahead: Floats
    force_n: Floats
    known: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.known = np.isfinite(self.u) & np.isfinite(self.force_n) & np.isfinite(self.ahead).all(axis=1)


def ahead_of_play(u: Floats, widths: Floats, state: Floats | None = None) -> Floats:
    """Return what u is ahead of play operators of these half-widths, shape (samples, cells, plays).

    A play operator is a slack link: it follows u only once u has run its half-width ahead. A weighted sum of several is
    the Prandtl-Ishlinskii model of hysteresis, whose inverse has the same form (Kuhnen 2003, Eur. J. Control 9(4)), so
    that force may be fitted as a function of the value. At the start the links are at rest; over NaN they wait.

    Parameters
    ----------
    u
        Shape (samples, cells).
    widths
        Shape (cells, plays).
    state
        Where the links are, shape (cells, plays), moved along; at rest where not given.
    """
    state = np.zeros(widths.shape) if state is None else state
    ahead = np.full((*u.shape, widths.shape[1]), np.nan)
    for k in range(u.shape[0]):
        now = u[k][:, None]
        here = np.isfinite(now)
        state[:] = np.where(here, np.clip(state, now - widths, now + widths), state)
        ahead[k] = np.where(here, now - state, np.nan)
    return ahead


def fit_law(law: LawName, runs: Sequence[CellRun], *, range_: float) -> FittedLaw:
    """Return the law fitted to runs of one cell by least squares.

    Parameters
    ----------
    range_
        The cell's range (in its own unit): what the widths of play and the start of a power law are shares of.
    """
    if law == "power":
        return _fit_power(runs, range_)
    degree = 1 if law == "linear" else DEGREE
    rows = [np.concatenate([r.powers[r.known][:, :degree], r.ahead[r.known]], axis=1) for r in runs]
    design = np.concatenate(rows)
    if law == "linear":
        design = design[:, :1]
    force = np.concatenate([r.force_n[r.known] for r in runs])
    centre, scale = design.mean(axis=0), design.std(axis=0) + 1e-12 * range_
    standard = (design - centre) / scale
    penalty = (0.0 if law == "linear" else RIDGE) * force.size * np.eye(design.shape[1])
    weight = np.linalg.solve(standard.T @ standard + penalty, standard.T @ (force - force.mean())) / scale
    polynomial = (float(force.mean() - centre @ weight), *map(float, weight[:degree]))
    if law == "linear":
        return FittedLaw("linear", polynomial)
    widths = tuple(float(share * range_) for share in PLAY_SHARES)
    return FittedLaw("hysteresis", polynomial, widths, tuple(map(float, weight[degree:])))


def _fit_power(runs: Sequence[CellRun], range_: float) -> FittedLaw:
    u = np.concatenate([r.u[r.known] for r in runs])
    force = np.concatenate([r.force_n[r.known] for r in runs])
    best: tuple[float, FittedLaw] | None = None
    for share in SHIFTS:
        above = np.maximum(u - share * range_, 0.0)
        for exponent in EXPONENTS:
            base = above**exponent
            power = float(base @ base)
            if power <= 0:
                continue
            gain = float(base @ force) / power
            lost = float(((force - gain * base) ** 2).sum())
            if best is None or lost < best[0]:
                best = lost, FittedLaw("power", gain=gain, start=float(share * range_), exponent=float(exponent))
    assert best is not None
    return best[1]


def force_of(law: FittedLaw, powers: Floats, ahead: Floats) -> Floats:
    """Return the force (N, 0 or more) of values above rest, sample by sample.

    Parameters
    ----------
    powers
        Shape (samples, 3): u, its square, its cube.
    ahead
        Shape (samples, plays), as :func:`ahead_of_play` gives for this cell's widths.
    """
    if law.law == "power":
        force = law.gain * np.maximum(powers[:, 0] - law.start, 0.0) ** law.exponent
    else:
        degree = len(law.polynomial) - 1
        force = law.polynomial[0] + powers[:, :degree] @ np.asarray(law.polynomial[1:])
        if law.play_gains:
            force = force + ahead @ np.asarray(law.play_gains)
    return np.asarray(np.maximum(force, 0.0), dtype=np.float64)


def hysteresis_percent(estimate_n: Floats, force_n: Floats, *, bins: int = 20) -> float:
    """Return how far an estimate differs between falling and rising load, in percent of the force's range.

    The mean over levels of the force of |mean estimate while it falls - mean estimate while it rises|; NaN where no
    level was passed both ways. Whether the force rises or falls is seen over five stretches on either side.
    """
    both = np.isfinite(estimate_n) & np.isfinite(force_n)
    if both.sum() < 2 * bins:
        return float("nan")
    estimate, force = estimate_n[both], force_n[both]
    way = np.sign(np.convolve(force, np.r_[np.ones(5), 0, -np.ones(5)], mode="same"))
    low, high = float(force.min()), float(force.max())
    level = np.minimum(((force - low) / max(high - low, 1e-12) * bins).astype(int), bins - 1)
    off = []
    for k in range(bins):
        up, down = estimate[(level == k) & (way > 0)], estimate[(level == k) & (way < 0)]
        if up.size and down.size:
            off.append(abs(float(down.mean() - up.mean())))
    return 100.0 * float(np.mean(off)) / (high - low) if off else float("nan")
