"""The choice of what to train: every candidate is fitted without some people, and the error on those decides."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..records.stance_set import StanceSet
from .balance import Balance, fit_balance
from .candidates import Candidate
from .comparison_windows import comparison_windows
from .folds import Fold, grouped_kfold
from .train import fit

GROUPS = 4
"""Groups of people left out in turn, at most: chosen by hand, as many fits of every candidate."""
STEPS = 4
"""Weights of a mix are tried in quarters: few people cannot tell finer ones apart."""
MIXED = 4
"""Candidates that are mixed at most, the best ones."""
FEW = 4
"""People below whom nothing but a mean curve or ridge is tried: an error of three people orders nothing."""
_LEAVE_OUT = 'leave it out (method = "best" and [train] channels in a TOML file for --config)'
Tell = Callable[[int, int, str], None]


BALANCED = ", balanced by momentum"
"""What is added to the name of a method whose predictions are balanced over strides."""


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
    asked
        Whether the method was asked for, whatever is best.
    balance
        By which predictions are balanced; None where that was not better.
    """

    rows: tuple[Row, ...]
    chosen: str
    weights: dict[str, tuple[float, ...]]
    axes: tuple[str, ...]
    people: int
    asked: bool = False
    balance: Balance | None = None

    @property
    def method(self) -> str:
        """Return the name of what was chosen, balanced or not."""
        return self.chosen.removesuffix(BALANCED)

    def document(self) -> dict[str, Any]:
        """Return the choice as JSON values."""
        table = [
            {
                "method": row.name,
                "rmse_bw": {a: round(float(v), 5) for a, v in zip(self.axes, np.nanmean(row.errors, axis=0))},
                "score": round(row.score, 5),
            }
            for row in sorted(self.rows, key=lambda r: r.score)
        ]
        return {
            "chosen": self.chosen,
            "method": self.method,
            "weights": self.weights,
            "people": self.people,
            "table": table,
        }

    def words(self) -> str:
        """Return what was chosen and by how much, in a sentence."""
        if not self.rows:
            return f"{self.chosen}, not compared: there is one person only"
        by_name = {row.name: row for row in self.rows}
        best, plain = by_name[self.chosen], by_name["mean curve"]
        others = [row for row in self.rows if row.name != self.chosen]
        against = min(others, key=lambda r: r.score, default=None)
        how = "asked for, compared" if self.asked else "chosen"
        text = f"{how} on {self.people} people left out: {self.chosen}"
        if best is not plain:
            text += f", {_apart(best.score, plain.score, '.0f')} the mean curve"
        if against is not None and against is not plain:
            text += f"; next is {against.name}, {_apart(against.score, best.score, '.1f')} it"
        return text


def _apart(score: float, other: float, digits: str) -> str:
    """Return how far a score lies above or below another one, in words."""
    if not other > 0:
        return "as good as" if score == other else "above"
    share = 100 * (score / other - 1)
    return f"{abs(share):{digits}} % {'below' if share < 0 else 'above'}"


def choose(data: StanceSet, options: Sequence[Candidate], *, method: str = "best", tell: Tell | None = None) -> Choice:
    """Return which candidate, or which weighed mean of them, is best on people left out in groups.

    Parameters
    ----------
    data
        Training windows only; of many, some are taken (:func:`~grfkit.learn.comparison_windows.comparison_windows`).
    method
        ``best`` or ``mix``: the weighed mean of the best may be chosen, too. Its error is of weights that the other
        groups chose. A family of candidates: its best one is taken, whatever is best of all.

    Raises
    ------
    BadInputError
        If forces are known of fewer than two people, or a channel of so few that somebody's group knows it alone.

    Notes
    -----
    The score is the mean over people and axes of the RMSE over that of the mean curve. Each candidate sees each group
    once, fitted without it, and nothing is chosen within: so the order is not that of whoever tried most. What is
    taken, whether it was the best or asked for, is balanced where it errs less so.
    """
    everybody = _counted(data)
    data = comparison_windows(everybody)
    people = data.participants
    folds = grouped_kfold(data, k=min(GROUPS, len(people)), inner=0)
    _check_channels(data, options, folds, everybody)
    mix = method in ("best", "mix") and len(people) >= FEW
    if method in ("best", "mix") and not mix:
        options = [o for o in options if o.family in ("mean curve", "ridge")]
    axes = tuple(options[0].config.axes or data.axes)
    said = _said(data, options, folds, axes, tell)
    errors = {name: rmse_by_person(data, forces, axes) for name, forces in said.items()}
    least = np.maximum(np.nanmean(errors["mean curve"], axis=0), 1e-9)
    rows = sorted((_row(name, e, least) for name, e in errors.items()), key=lambda r: r.score)
    weights: dict[str, tuple[float, ...]] = {}
    if mix and len(rows) > 1:
        # the members of a mix share one scaling of the inputs: those scaled as the best one is
        scaled = {o.name: o.config.per_point for o in options}
        names = [row.name for row in rows if scaled[row.name] == scaled[rows[0].name]][:MIXED]
        parts = np.stack([said[name] for name in names])
        said["mix"] = _mixed_honestly(data, folds, parts, axes)
        mixed = _row("mix", rmse_by_person(data, said["mix"], axes), least)
        if mixed.score < rows[0].score:
            table = mixing_weights(data, parts, axes)
            weights = {n: tuple(map(float, w)) for n, w in zip(names, table) if w.any()}
        rows = sorted([*rows, mixed], key=lambda r: r.score)
    best = rows[0].name if len(people) >= FEW else _beyond_doubt(rows)
    family = {o.name for o in options if o.family == method}
    # the best of a family that was asked for, where another one is the best of all
    chosen = best if best in family or not family else next(row.name for row in rows if row.name in family)
    if chosen != "mix":
        weights = {chosen: (1.0,) * len(axes)}
    choice = Choice(tuple(rows), chosen, weights, axes, len(people), asked=chosen != best)
    return choice if len(people) < FEW else _where_better(choice, data, folds, said[chosen], least)


def _said(
    data: StanceSet, options: Sequence[Candidate], folds: Sequence[Fold], axes: Sequence[str], tell: Tell | None
) -> dict[str, Floats]:
    """Return what every candidate predicts of each group, fitted without it, (windows, time, axes)."""
    said = {o.name: np.full((data.size, int(data.data.sizes["time"]), len(axes)), np.nan) for o in options}
    of_person = data.per_stance("participant")
    total = len(folds) * len(options)
    for i, (fold, option) in enumerate(itertools.product(folds, options)):
        if tell is not None:
            tell(i, total, f"choosing: {option.name}")
        model = fit(option.network, option.config, data.without(fold.test), fold, lasting=False)
        said[option.name][np.isin(of_person, fold.test)] = model.predict(data.of(fold.test))
    return said


def _where_better(choice: Choice, data: StanceSet, folds: Sequence[Fold], forces: Floats, least: Floats) -> Choice:
    """Return the choice with its predictions balanced, if they err less so; as it was where nothing can be balanced."""
    balanced = _balanced_honestly(data, folds, forces, choice.axes)
    if balanced is None:
        return choice
    plain = next(r for r in choice.rows if r.name == choice.chosen)
    row = _row(choice.chosen + BALANCED, rmse_by_person(data, balanced, choice.axes), least)
    choice = replace(choice, rows=tuple(sorted([*choice.rows, row], key=lambda r: r.score)))
    better = row.score < plain.score
    return replace(choice, chosen=row.name, balance=fit_balance(data, choice.axes)) if better else choice


def _row(name: str, errors: Floats, least: Floats) -> Row:
    return Row(name, errors, float(np.nanmean(errors / least)))


def _mixed_honestly(data: StanceSet, folds: Sequence[Fold], parts: Floats, axes: Sequence[str]) -> Floats:
    """Return the weighed mean of each group's predictions, its weights chosen by the other groups."""
    mixed, of_person = np.zeros_like(parts[0]), data.per_stance("participant")
    for fold in folds:
        out = np.isin(of_person, fold.test)
        of_others = mixing_weights(data.without(fold.test), parts[:, ~out], axes)
        mixed[out] = np.einsum("ka,knta->nta", of_others, parts[:, out])
    return np.asarray(mixed)


def _balanced_honestly(data: StanceSet, folds: Sequence[Fold], forces: Floats, axes: Sequence[str]) -> Floats | None:
    """Return predictions balanced by what the other groups' contacts carry; None where nothing can be balanced."""
    balanced, of_person, changed = forces.copy(), data.per_stance("participant"), False
    for fold in folds:
        out = np.isin(of_person, fold.test)
        balance = fit_balance(data.without(fold.test), tuple(axes))
        if balance is not None:
            balanced[out], changes = balance.applied(forces[out], data.of(fold.test), tuple(axes))
            changed |= bool(changes)
    return balanced if changed else None


def _counted(data: StanceSet) -> StanceSet:
    """Return the windows whose force is known in some sample; the others have no error to choose by."""
    y, w = (np.asarray(data.data[name].values) for name in ("targets", "weight"))
    counts = ((w > 0) & np.isfinite(y).all(axis=2)).any(axis=1)
    known = sorted({str(p) for p in data.per_stance("participant")[counts]})
    if len(known) < 2:
        raise BadInputError(
            f"forces are known of {', '.join(known) or 'nobody'} only (of {len(data.participants)} participants); a"
            " model of one person tells nothing about another: add participants"
        )
    return data if counts.all() else data.where(counts)


def _check_channels(data: StanceSet, options: Sequence[Candidate], folds: Sequence[Fold], everybody: StanceSet) -> None:
    """Refuse a channel that only one group of people knows: nobody is left to learn it from, or to test it on."""
    people = data.per_stance("participant")
    patterns = {pattern for option in options for pattern in option.config.channels}
    known = np.isfinite(np.asarray(data.data["inputs"].values)).any(axis=1)
    for channel, column in zip(data.channels, known.T):
        if any(fnmatchcase(channel, pattern) for pattern in patterns):
            having = sorted({str(p) for p in people[column]})
            if not having:
                anywhere = np.isfinite(everybody.data["inputs"].sel(channel=channel).values).any()
                where = f"window by which methods are compared ({data.size} of {everybody.size})"
                raise BadInputError(
                    f"channel {channel} is missing in every {where if anywhere else 'training window'}; {_LEAVE_OUT}"
                )
            if any(set(having) <= set(fold.test) for fold in folds):
                raise BadInputError(
                    f"channel {channel} is known of {', '.join(having)} only, of {len(data.participants)} participants:"
                    f" whether it helps with somebody else cannot be measured; {_LEAVE_OUT}, or take --method network"
                    ' (method="network" in Python)'
                )


def _beyond_doubt(rows: Sequence[Row]) -> str:
    """Return the best of few people's rows if it is better for everyone of them, else the mean curve."""
    plain = next(row for row in rows if row.name == "mean curve")
    better = bool((np.nanmean(rows[0].errors, axis=1) < np.nanmean(plain.errors, axis=1)).all())
    return rows[0].name if better else plain.name


def rmse_by_person(data: StanceSet, forces: Floats, axes: Sequence[str]) -> Floats:
    """Return the mean RMSE of each participant's windows in BW, shape (people, axes); NaN where none is known."""
    y, counts = _truth(data, axes)
    counts = counts & np.isfinite(forces)
    size = counts.sum(axis=1)
    rmse = np.sqrt(np.where(counts, (np.nan_to_num(forces) - y) ** 2, 0.0).sum(axis=1) / np.maximum(size, 1))
    rmse[size == 0] = np.nan
    people = data.per_stance("participant")
    known = np.isfinite(rmse)
    rmse = np.where(known, rmse, 0.0)
    totals, sizes = (np.stack([t[people == p].sum(axis=0) for p in data.participants]) for t in (rmse, known))
    return np.asarray(np.where(sizes > 0, totals / np.maximum(sizes, 1), np.nan))


def mixing_weights(data: StanceSet, parts: Floats, axes: Sequence[str]) -> Floats:
    """Return weights (members, axes) of 0 or more that sum to 1, in quarters, of least mean RMSE over people.

    Parameters
    ----------
    parts
        What each member says, shape (members, windows, time, axes).
    """
    grid = [g for g in itertools.product(range(STEPS + 1), repeat=len(parts)) if sum(g) == STEPS]
    tables = np.asarray(grid) / STEPS
    scores = np.stack([np.nanmean(rmse_by_person(data, np.tensordot(w, parts, axes=1), axes), axis=0) for w in tables])
    return np.asarray(tables[scores.argmin(axis=0)].T)


def _truth(data: StanceSet, axes: Sequence[str]) -> tuple[Floats, Any]:
    _, y, w = data.arrays()
    y = y[:, :, [data.axes.index(a) for a in axes]]
    counts = (w > 0)[:, :, None] & np.isfinite(y)
    return np.where(counts, y, 0.0).astype(np.float64), counts


def whole(fold: Fold) -> Fold:
    """Return a fold whose inner people are trained on, too: nothing here is stopped by them."""
    return Fold(fold.name, tuple(sorted((*fold.train, *fold.inner))), (), fold.test, fold.unit, fold.leaks)
