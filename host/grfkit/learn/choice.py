"""The choice of what to train: every candidate is fitted without some people, and the error on those decides."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Floats
from ..records.stance_set import StanceSet
from .candidates import Candidate
from .folds import Fold, grouped_kfold
from .kernel import spread
from .train import fit

GROUPS = 4
"""Groups of people left out in turn, at most: chosen by hand, as many fits of every candidate."""
MOST_WINDOWS = 1500
"""Windows by which is chosen, evenly spread over people: more of the same people hardly move the order of methods."""
STEPS = 4
"""Weights of a mix are tried in quarters: few people cannot tell finer ones apart."""
MIXED = 4
"""Candidates that are mixed at most, the best ones."""
FEW = 4
"""People below whom nothing but a mean curve or ridge is tried: an error of three people orders nothing."""
Tell = Callable[[int, int, str], None]


class Row(NamedTuple):
    """A candidate's error on people left out: RMSE (people, axes) in BW, and what it is chosen by."""

    name: str
    errors: Floats
    score: float


@dataclass(frozen=True)
class Choice:
    """What was chosen, and by how much.

    Attributes
    ----------
    rows
        Of all candidates, and of their mix where one was tried.
    chosen
        The name of the row that was chosen.
    weights
        By candidate, one for each axis; of the mix, or 1 for the only one.
    axes
        Names of the axes.
    people
        How many were left out in turn.
    """

    rows: tuple[Row, ...]
    chosen: str
    weights: dict[str, tuple[float, ...]]
    axes: tuple[str, ...]
    people: int

    def document(self) -> dict[str, Any]:
        """Return the choice as JSON values."""
        table = [
            {
                "method": row.name,
                "rmse_bw": {a: round(float(v), 5) for a, v in zip(self.axes, row.errors.mean(axis=0))},
                "score": round(row.score, 5),
            }
            for row in sorted(self.rows, key=lambda r: r.score)
        ]
        return {"chosen": self.chosen, "weights": self.weights, "people": self.people, "table": table}

    def words(self) -> str:
        """Return what was chosen and by how much, in a sentence."""
        by_name = {row.name: row for row in self.rows}
        best, plain = by_name[self.chosen], by_name["mean curve"]
        others = [row for row in self.rows if row.name != self.chosen]
        against = min(others, key=lambda r: r.score, default=None)
        text = f"chosen on {self.people} people left out: {self.chosen}"
        if best is not plain:
            text += f", {100 * (1 - best.score / plain.score):.0f} % below the mean curve"
        if against is not None and against is not plain:
            text += f"; next is {against.name}, {100 * (against.score / best.score - 1):.1f} % above"
        return text


def choose(data: StanceSet, options: Sequence[Candidate], *, mix: bool = True, tell: Tell | None = None) -> Choice:
    """Return which candidate, or which weighed mean of them, is best on people left out in groups.

    Parameters
    ----------
    data
        Training windows only; of many, some of everybody are taken.
    mix
        Whether the weighed mean of the best may be chosen. Its error is of weights that the other groups chose.

    Notes
    -----
    The score is the mean over people and axes of the RMSE over that of the mean curve. Each candidate sees each group
    once, fitted without it, and nothing is chosen within: so the order is not that of whoever tried most.
    """
    data = spread(data, MOST_WINDOWS)
    people = data.participants
    folds = grouped_kfold(data, k=min(GROUPS, len(people)), inner=0)
    if len(people) < FEW:
        options = [o for o in options if o.family in ("mean curve", "ridge")]
    axes = options[0].config.axes or data.axes
    said = {o.name: np.full((data.size, int(data.data.sizes["time"]), len(axes)), np.nan) for o in options}
    of_person = data.per_stance("participant")
    total = len(folds) * len(options)
    for i, (fold, option) in enumerate(itertools.product(folds, options)):
        if tell is not None:
            tell(i, total, f"choosing: {option.name}")
        model = fit(option.network, option.config, data.without(fold.test), fold, lasting=False)
        said[option.name][np.isin(of_person, fold.test)] = model.predict(data.of(fold.test))
    errors = {name: rmse_by_person(data, forces, axes) for name, forces in said.items()}
    least = np.maximum(errors["mean curve"].mean(axis=0), 1e-9)
    rows = [Row(name, e, float((e / least).mean())) for name, e in errors.items()]
    rows.sort(key=lambda r: r.score)
    weights = {rows[0].name: (1.0,) * len(axes)}
    if mix and len(people) >= FEW and len(rows) > 1:
        names = [row.name for row in rows[:MIXED]]
        parts = np.stack([said[name] for name in names])
        honest = np.zeros_like(parts[0])
        for fold in folds:
            out = np.isin(of_person, fold.test)
            of_others = mixing_weights(data.without(fold.test), parts[:, ~out], axes)
            honest[out] = np.einsum("ka,knta->nta", of_others, parts[:, out])
        mixed_errors = rmse_by_person(data, honest, axes)
        mixed = Row("mix", mixed_errors, float((mixed_errors / least).mean()))
        if mixed.score < rows[0].score:
            table = mixing_weights(data, parts, axes)
            weights = {n: tuple(map(float, w)) for n, w in zip(names, table) if w.any()}
        rows = sorted([*rows, mixed], key=lambda r: r.score)
    chosen = rows[0].name
    if len(people) < FEW:
        chosen = _beyond_doubt(rows)
        weights = {chosen: (1.0,) * len(axes)}
    return Choice(tuple(rows), chosen, weights, tuple(axes), len(people))


def _beyond_doubt(rows: Sequence[Row]) -> str:
    """Return the best of few people's rows if it is better for everyone of them, else the mean curve."""
    plain = next(row for row in rows if row.name == "mean curve")
    better = bool((rows[0].errors.mean(axis=1) < plain.errors.mean(axis=1)).all())
    return rows[0].name if better else plain.name


def rmse_by_person(data: StanceSet, forces: Floats, axes: Sequence[str]) -> Floats:
    """Return the mean RMSE of each participant's windows in BW, shape (people, axes); NaN counts nothing."""
    y, counts = _truth(data, axes)
    counts = counts & np.isfinite(forces)
    size = counts.sum(axis=1)
    rmse = np.sqrt(np.where(counts, (np.nan_to_num(forces) - y) ** 2, 0.0).sum(axis=1) / np.maximum(size, 1))
    rmse[size == 0] = np.nan
    people = data.per_stance("participant")
    return np.stack([np.nanmean(rmse[people == person], axis=0) for person in data.participants])


def mixing_weights(data: StanceSet, parts: Floats, axes: Sequence[str]) -> Floats:
    """Return weights (members, axes) of 0 or more that sum to 1, in quarters, of least mean RMSE over people.

    Parameters
    ----------
    parts
        What each member says, shape (members, windows, time, axes).
    """
    grid = [g for g in itertools.product(range(STEPS + 1), repeat=len(parts)) if sum(g) == STEPS]
    tables = np.asarray(grid) / STEPS
    scores = np.stack([rmse_by_person(data, np.tensordot(w, parts, axes=1), axes).mean(axis=0) for w in tables])
    return np.asarray(tables[scores.argmin(axis=0)].T)


def _truth(data: StanceSet, axes: Sequence[str]) -> tuple[Floats, Any]:
    _, y, w = data.arrays()
    y = y[:, :, [data.axes.index(a) for a in axes]]
    counts = (w > 0)[:, :, None] & np.isfinite(y)
    return np.where(counts, y, 0.0).astype(np.float64), counts


def whole(fold: Fold) -> Fold:
    """Return a fold whose inner people are trained on, too: nothing here is stopped by them."""
    return Fold(fold.name, tuple(sorted((*fold.train, *fold.inner))), (), fold.test, fold.unit, fold.leaks)
