"""Runs of a bench to laws of its cells: each law judged on runs that it has not seen, the best one fitted to all."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from .cell_faults import ExaminedCells
from .cell_laws import (
    LAWS,
    PLAY_SHARES,
    CellRun,
    FittedLaw,
    LawName,
    ahead_of_play,
    fit_law,
    force_of,
    hysteresis_percent,
)

STRETCH_S = 0.5
"""Length (s) of the stretches whose means laws are fitted to: whole counts average out, steps of a bench do not."""
RESTING_SHARE = 0.03
"""Share of the bench's largest load below which the cells are unloaded; chosen by hand: chambers rest at 1 %."""
LEAST_REST_S = 1.0
"""Unloaded time (s) that a run needs for its cells' rest."""
LEAST_RANGE = 3.0
"""Range of a cell (in its own unit) below which it does not answer: whole counts leave no curve in less."""
SIMPLER_SHARE = 0.02
"""Share of the error by which a law with more parameters must be better to be taken; chosen by hand."""

Zero = Literal["document", "start"]


@dataclass(frozen=True)
class JoinedRun:
    """One run of the bench on the cells' clock.

    Attributes
    ----------
    force_n
        Shape (samples,): force on each cell; NaN where the bench did not record.
    """

    name: str
    time_s: Floats
    cells: Floats
    force_n: Floats
    examined: ExaminedCells


@dataclass(frozen=True)
class Score:
    """Held-out figures of one law: arrays over (run, cell) pairs, newtons and percent."""

    law: LawName
    zero: Zero
    rms_n: Floats
    hysteresis_percent: Floats
    run: Floats
    cell: Floats

    @property
    def mean_n(self) -> float:
        """Return the mean RMS error over cells and runs."""
        return float(self.rms_n.mean())


@dataclass(frozen=True)
class CellFit:
    """Laws of all cells that could be calibrated.

    Attributes
    ----------
    laws, rest, sign, valid_max_u, noise_n
        By the cells' numbers from 0; ``laws`` is None where there is none.
    """

    law: LawName
    scores: tuple[Score, ...]
    laws: tuple[FittedLaw | None, ...]
    rest: Floats
    sign: Floats
    valid_max_u: Floats
    noise_n: Floats
    residual_n: Floats


def fit_cells(
    runs: Sequence[JoinedRun], *, laws: Sequence[LawName] = LAWS, zero: Zero = "document", take: LawName | None = None
) -> CellFit:
    """Return the law of each cell, chosen by its error on runs held out one by one.

    Parameters
    ----------
    zero
        ``start`` where every recording begins unloaded, so that its cells' rest is seen in it.
    take
        The law to take, whatever the others' errors.

    Raises
    ------
    BadInputError
        If there are fewer than two runs, a run shows no rest, or no cell works in two runs.
    """
    if len(runs) < 2:
        raise BadInputError(
            "1 run of the bench; two or more are needed, so that a law can be judged on one it has not seen"
        )
    sign = _signs(runs)
    rests = np.stack([run_rest(run) for run in runs])
    range_ = _ranges(runs, rests, sign)
    usable = np.stack([run.examined.usable & np.isfinite(r) for run, r in zip(runs, rests)])
    usable &= range_ >= LEAST_RANGE
    cells = np.flatnonzero(usable.sum(axis=0) >= 2)
    if not cells.size:
        raise BadInputError("no cell works in two runs of the bench; nothing can be judged")
    widths = range_[:, None] * np.asarray(PLAY_SHARES)
    scores = []
    for kind in ("document", "start"):
        prepared = [_prepared(run, rests, k, kind, sign, widths, usable) for k, run in enumerate(runs)]
        scores += [_held_out(law, kind, prepared, cells, usable, range_) for law in laws]
        if kind == zero:
            kept = prepared
    chosen = _chosen([s for s in scores if s.zero == zero and take in (None, s.law)])
    return _final(chosen, tuple(scores), kept, cells, usable, rests, sign, range_)


def _chosen(scores: Sequence[Score]) -> Score:
    best = scores[0]
    for score in scores[1:]:
        if score.mean_n < (1 - SIMPLER_SHARE) * best.mean_n:
            best = score
    return best


def _signs(runs: Sequence[JoinedRun]) -> Floats:
    """Return 1 for cells that rise under load, -1 for those that fall; all of an insole alike, by most of them."""
    votes = 0.0
    for run in runs:
        known = np.isfinite(run.force_n)
        heavy = known & (run.force_n > np.nanmedian(run.force_n))
        for j in np.flatnonzero(run.examined.usable):
            good = run.examined.good[:, j]
            if (good & heavy).any() and (good & known & ~heavy).any():
                votes += np.sign(run.cells[good & heavy, j].mean() - run.cells[good & known & ~heavy, j].mean())
    return np.full(runs[0].cells.shape[1], 1.0 if votes >= 0 else -1.0)


def run_rest(run: JoinedRun) -> Floats:
    """Return each cell's mean while the bench is unloaded before its first load, NaN where it is not seen."""
    low = run.force_n <= RESTING_SHARE * np.nanmax(run.force_n)
    known = np.flatnonzero(np.isfinite(run.force_n))
    loaded = np.flatnonzero(~low & np.isfinite(run.force_n))
    end = loaded[0] if loaded.size else known[-1]
    # before the bench's own first row it was not loaded either
    quiet = np.arange(run.force_n.size) < end
    if quiet.sum() * float(np.median(np.diff(run.time_s))) < LEAST_REST_S:
        raise BadInputError(
            f"{run.name}: begins under load (less than {LEAST_REST_S:g} s below {100 * RESTING_SHARE:.0f} % of the"
            " largest); begin each run with the bench unloaded"
        )
    return _nanmean(np.where(run.examined.good[quiet], run.cells[quiet], np.nan))


def _nanmean(values: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a cell without a good sample has no mean
        return np.asarray(np.nanmean(values, axis=0), dtype=np.float64)


def _ranges(runs: Sequence[JoinedRun], rests: Floats, sign: Floats) -> Floats:
    """Return each cell's range under the bench's load: the 99th percentile of its value above rest, largest of runs."""
    largest = np.zeros(sign.size)
    for run, rest in zip(runs, rests):
        for j in np.flatnonzero(run.examined.usable & np.isfinite(rest)):
            good = run.examined.good[:, j]
            largest[j] = max(largest[j], float(np.percentile(sign[j] * (run.cells[good, j] - rest[j]), 99)))
    return largest


def _prepared(
    run: JoinedRun, rests: Floats, index: int, zero: Zero, sign: Floats, widths: Floats, usable: np.ndarray
) -> list[CellRun | None]:
    """Return what this run says of each cell, its rest taken from itself or from the other runs."""
    if zero == "start":
        rest = rests[index]
    else:
        rest = _nanmean(np.where(usable, rests, np.nan)[[k for k in range(len(rests)) if k != index]])
    u = np.where(run.examined.good, sign * (run.cells - rest), np.nan)
    ahead = ahead_of_play(u, widths)
    step = max(1, round(STRETCH_S / float(np.median(np.diff(run.time_s)))))
    count = u.shape[0] // step
    means = [_means(part, step, count) for part in (u, u**2, u**3)]
    of_play = _means(ahead, step, count)
    force = _means(run.force_n[:, None], step, count)[:, 0]
    return [
        CellRun(means[0][:, j], np.stack([m[:, j] for m in means], axis=1), of_play[:, j], force)
        if usable[index, j]
        else None
        for j in range(u.shape[1])
    ]


def _means(values: Floats, step: int, count: int) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a stretch without a good sample has no mean
        return np.asarray(np.nanmean(values[: count * step].reshape(count, step, *values.shape[1:]), axis=1))


def _held_out(
    law: LawName,
    zero: Zero,
    prepared: Sequence[Sequence[CellRun | None]],
    cells: np.ndarray,
    usable: np.ndarray,
    range_: Floats,
) -> Score:
    rms, hysteresis, of_run, of_cell = [], [], [], []
    for j in cells:
        for k in map(int, np.flatnonzero(usable[:, j])):
            others = [r for r in (run[j] for m, run in enumerate(prepared) if m != k) if r is not None]
            held = prepared[k][j]
            if not others or held is None or not any(r.known.any() for r in others) or not held.known.any():
                continue
            estimate = force_of(fit_law(law, others, range_=float(range_[j])), held.powers, held.ahead)
            error = (estimate - held.force_n)[held.known]
            rms.append(float(np.sqrt(np.mean(error**2))))
            hysteresis.append(hysteresis_percent(estimate, held.force_n))
            of_run.append(k)
            of_cell.append(j)
    return Score(law, zero, np.asarray(rms), np.asarray(hysteresis), np.asarray(of_run), np.asarray(of_cell))


def _final(
    chosen: Score,
    scores: tuple[Score, ...],
    prepared: Sequence[Sequence[CellRun | None]],
    cells: np.ndarray,
    usable: np.ndarray,
    rests: Floats,
    sign: Floats,
    range_: Floats,
) -> CellFit:
    count = sign.size
    laws: list[FittedLaw | None] = [None] * count
    valid, noise, residual = np.zeros(count), np.zeros(count), np.zeros(count)
    for j in cells:
        seen = [r for r in (p[j] for p in prepared) if r is not None and r.known.any()]
        own = chosen.rms_n[chosen.cell == j]
        if not seen or not own.size:
            continue
        law = fit_law(chosen.law, seen, range_=float(range_[j]))
        laws[j] = law
        valid[j] = max(float(np.max(r.u[r.known])) for r in seen)
        residual[j] = float(np.sqrt(np.mean(own**2)))
        noise[j] = float(np.median([_noise_n(r, law) for r in seen]))
    rest = _nanmean(np.where(usable, rests, np.nan))
    return CellFit(chosen.law, scores, tuple(laws), rest, sign, valid, noise, residual)


def _noise_n(run: CellRun, law: FittedLaw) -> float:
    """Return the SD (N) of a single sample: that of u within its stretches, times the law's slope in the middle."""
    spread = np.sqrt(np.maximum(run.powers[run.known, 1] - run.u[run.known] ** 2, 0.0))
    at = float(np.median(run.u[run.known]))
    step = 0.05 * max(float(np.ptp(run.u[run.known])), 1e-9)
    ends = np.asarray([[v, v**2, v**3] for v in (at - step, at + step)])
    none = np.zeros((2, len(law.play_gains)))
    forces = force_of(law, ends, none)
    return float(np.median(spread) * abs(forces[1] - forces[0]) / (2 * step))
