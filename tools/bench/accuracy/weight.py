"""Benchmark D: how far the load scale of an insole is off when the walk itself, by physics alone, calibrates it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from grfkit.arrays import Floats
from grfkit.dataset.public.gaitpdb import CELLS, RATE_HZ, Walk, walks
from grfkit.gait.contacts import contacts_from_force, rule_of
from grfkit.stats.curves import group
from grfkit.units import G

from ..harness import Rows
from . import sets
from .methods import Run

LEFT = {
    "all eight": (1, 2, 3, 4, 5, 6, 7, 8),
    "one dead (4)": (1, 2, 3, 5, 6, 7, 8),
    "five": (1, 2, 4, 6, 8),
    "four": (1, 3, 6, 8),
    "three": (1, 5, 8),
    "two (heel, toe)": (1, 8),
}
"""Cells that are left, heel 1 to toe 8, in both feet."""
STRIDES = (1, 2, 5, 10, 20)
FEWEST = 6
"""Strides on each half of a walk below which it has no figure, chosen by hand."""


def feet(walk: Walk, cells: Sequence[int]) -> Floats:
    """Return the sum (N) of these cells of each foot, shape (samples, 2): left, right."""
    columns = np.asarray(cells) - 1
    return np.stack([walk.cells_n[:, columns + low].sum(axis=1) for low in (0, CELLS)], axis=1)


def stride_starts(walk: Walk, load_n: Floats) -> NDArray[np.int64]:
    """Return the samples at which the left foot's strides begin, found in this load (N) alone, shape (strides + 1,)."""
    time = np.arange(len(load_n)) / RATE_HZ
    contacts = contacts_from_force(time, load_n, rule=rule_of("5%BW").walking(), mass_kg=walk.mass_kg)
    return np.rint(contacts.ic_s * RATE_HZ).astype(np.int64)


def load_scale(total_n: Floats, start: int, end: int, weight_n: float) -> float:
    """Return the factor that makes the mean load over whole strides one body weight.

    Over whole strides at a steady pace the vertical momentum does not change, so that the mean force of both feet is
    body weight (Newton); ``start`` and ``end`` are the samples between which these strides lie.
    """
    return float(weight_n / np.mean(total_n[start:end]))


def walk_errors(walk: Walk, cells: Sequence[int]) -> dict[str, float]:
    """Return the errors of one walk in percent (``rmse_bw`` in BW), calibrated on its first half, of its second.

    ``stated``: mean total as delivered, over body weight, less 1; ``scale``: the same after calibration;
    ``foot``: size of the error of each foot's mean load (mean of both), and ``rmse_bw`` of each foot's load over the
    second half, against all eight cells calibrated on that half. NaN where too few strides are seen.
    """
    nan = dict.fromkeys(("stated", "scale", "foot", "rmse_bw"), float("nan"))
    weight = walk.mass_kg * G
    load, every_cell = feet(walk, cells), feet(walk, LEFT["all eight"])
    marks = stride_starts(walk, load[:, 0])
    # both halves are to hold whole strides
    if marks.size < 2 * FEWEST:
        return nan
    start, middle, end = (int(marks[k]) for k in (0, marks.size // 2, -1))
    total = load.sum(axis=1)
    scale = load_scale(total, start, middle, weight)
    # calibrated on the half that is scored: the best that these cells can say of it
    truth = every_cell[middle:end] * load_scale(every_cell.sum(axis=1), middle, end, weight) / weight
    estimate = load[middle:end] * scale / weight
    per_foot = np.abs(estimate.mean(axis=0) / truth.mean(axis=0) - 1)
    return {
        "stated": 100 * float(total[start:end].mean() / weight - 1),
        "scale": 100 * float(estimate.sum(axis=1).mean() - 1),
        "foot": 100 * float(per_foot.mean()),
        "rmse_bw": float(np.sqrt(((estimate - truth) ** 2).mean())),
    }


def strides_error(walk: Walk, count: int) -> float:
    """Return the size of the scale's error (percent) where the first ``count`` strides calibrate, NaN if too few."""
    weight, load = walk.mass_kg * G, feet(walk, LEFT["all eight"])
    marks, total = stride_starts(walk, load[:, 0]), load.sum(axis=1)
    half = marks.size // 2
    if half < max(FEWEST, count):
        return float("nan")
    scale = load_scale(total, int(marks[0]), int(marks[count]), weight)
    return 100 * abs(scale * float(total[int(marks[half]) : int(marks[-1])].mean()) / weight - 1)


def _summary(values: dict[str, float]) -> dict[str, float]:
    summary = group(values)
    return {"mean": summary.mean, "low": summary.low, "high": summary.high}


def bench_weight(run: Run) -> Rows:
    """D: error of the load scale after calibration by body weight from the walk itself, by cells left and strides."""
    del run
    people, left_out = walks(sets.DATA / "gaitpdb_insole")
    rows, strides = [], []
    for name, cells in LEFT.items():
        errors = {w.person: walk_errors(w, cells) for w in people}
        finite = [e for e in errors.values() if np.isfinite(e["scale"])]
        sizes = {p: abs(e["scale"]) for p, e in errors.items()}
        off = _summary(sizes)
        rows.append({
            "cells left": name, "people": len(finite),
            "total over body weight, %, as delivered": float(np.mean([100 + e["stated"] for e in finite])),
            "size of its error, %": float(np.mean([abs(e["stated"]) for e in finite])),
            "size of the scale's error, calibrated, %": off["mean"], "low": off["low"], "high": off["high"],
            "95 % of people below": float(np.quantile([abs(e["scale"]) for e in finite], 0.95)),
            "bias, %": float(np.mean([e["scale"] for e in finite])),
            "error of a foot's mean load, %": float(np.mean([e["foot"] for e in finite])),
            "RMSE of a foot's load, BW": float(np.mean([e["rmse_bw"] for e in finite])),
        })  # fmt: skip
    for count in STRIDES:
        values = {w.person: strides_error(w, count) for w in people}
        sizes_of = [v for v in values.values() if np.isfinite(v)]
        summary = _summary(values)
        strides.append({
            "strides": count, "people": len(sizes_of), "size of the scale's error, %": summary["mean"],
            "low": summary["low"], "high": summary["high"], "95 % of people below": float(np.quantile(sizes_of, 0.95)),
        })  # fmt: skip
    counts = ", ".join(f"{n} {why}" for why, n in left_out.items()) or "nobody"
    note = (
        "Mean load of both feet over whole strides is body weight: that alone calibrates, on the first half of a walk;"
        " the figures are of its second half. Strides are told by the cells that are left. What a foot bears is held"
        " against all eight cells, calibrated; without a force plate an error common to all cells is not seen."
        f" Left out: {counts}. A walk with fewer than {2 * FEWEST} strides has no figure."
    )
    tables = {"All eight cells, by strides that calibrate": strides}
    return {"D, body weight from the walk": {"rows": rows, "note": note, "tables": tables}}
