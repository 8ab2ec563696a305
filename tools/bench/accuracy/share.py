"""How small a channel's size at one point may be: ``python tools/bench accuracy.share``.

Ridge and kernel ridge with :data:`grfkit.learn.scaler.LEAST_SHARE` at several values, people left out, on the contacts
given and on windows that begin later, as another detector would cut them. Prints a table; writes nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from grfkit.learn import scaler
from grfkit.learn.candidates import candidates
from grfkit.learn.choice import rmse_by_person
from grfkit.learn.folds import Fold, grouped_kfold, loso
from grfkit.learn.kernel import spread
from grfkit.learn.train import fit
from grfkit.records.stance_set import StanceSet

from ..harness import Rows, table
from . import sets, shoes

SHARES = (0.01, 0.05, 0.1, 0.3)
LATER = 0.02
"""Share of the stance by which windows begin later."""
MOST = 1500


def later(data: StanceSet) -> StanceSet:
    """Return the windows without their first :data:`LATER`, on as many points."""
    moved = data.data.copy(deep=True)
    points = int(moved.sizes["time"])
    at = LATER * (points - 1) + (1 - LATER) * np.arange(points)
    low = np.minimum(at.astype(int), points - 2)
    part = (at - low)[None, :, None]
    for name in ("inputs", "targets"):
        values = np.asarray(moved[name].values)
        moved[name].values[:] = values[:, low] * (1 - part) + values[:, low + 1] * part
    return StanceSet(moved)


def rows(name: str, data: StanceSet, folds: tuple[Fold, ...]) -> list[Rows]:
    """Return the errors of ridge and kernel ridge on one set, a row for each share."""
    found, moved, people = [], later(data), data.per_stance("participant")
    options = [c for c in candidates(data) if c.family in ("ridge", "kernel ridge")]
    for share in SHARES:
        scaler.LEAST_SHARE = share
        for option in options:
            said = np.full((2, *data.arrays()[1].shape), np.nan)
            for fold in folds:
                model = fit(option.network, option.config, data.without(fold.test), fold, lasting=False)
                out = np.isin(people, fold.test)
                said[:, out] = model.predict(data.of(fold.test)), model.predict(moved.of(fold.test))
            row: Rows = {"set": name, "method": option.name, "share": share}
            for words, measured, forces in (("", data, said[0]), (f", {LATER:.0%} later", moved, said[1])):
                means = np.nanmean(rmse_by_person(measured, forces, data.axes), axis=0)
                row |= {f"{a} RMSE BW{words}": round(float(v), 4) for a, v in zip(data.axes, means)}
            found.append(row)
    return found


SETS: dict[str, tuple[Callable[[], StanceSet], Callable[[StanceSet], tuple[Fold, ...]]]] = {
    "E, shoe IMUs": (shoes.both_conditions, lambda data: loso(data, inner=0)),
    "C, walkers": (sets.walkers, lambda data: loso(data, inner=0)),
    "D, four cells": (sets.four_cells, lambda data: grouped_kfold(data, k=4, inner=0)),
    "B, runners": (sets.runners, lambda data: grouped_kfold(data, k=5, inner=0)),
}


def main() -> int:
    """Print the errors on every set."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for name, (load, folds) in SETS.items():
        data = spread(load(), MOST)
        print("\n".join([*table(rows(name, data, folds(data))), ""]), flush=True)
    return 0
