"""Networks with and without facts of people on the same folds: contrasts, the control, ranks, claims."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from ..learn.folds import Fold
from ..learn.parallel import JobReport
from ..learn.recipe import Recipe
from ..records.stance_set import StanceSet
from .claims import claims
from .comparison import comparison, costs
from .duration import Notice, advice, forecast, seconds_of_fits, watched
from .feature_errors import OVERALL, Table, helped, ranks, tables
from .feature_methods import LINEAR, Cell, Plan, feature_method, preset_of
from .methods import NetworkMethod, baseline_methods
from .predictions import Predictions, predict_folds
from .scores import method_scores, scores

_REPLACED = ("ridge", "kNN")
"""Baselines that are not shown: ridge is there with each set of features, by the name."""


def compare_features(
    data: StanceSet,
    recipe: Recipe,
    plan: Plan,
    folds: Sequence[Fold],
    *,
    shared: Any = None,
    notice: Notice | None = None,
    **how: Any,
) -> Predictions:
    """Return the predictions of every cell beside mean curves, with scores of the first seeds and the comparison.

    Parameters
    ----------
    notice
        Called with how long it will take, and then with what is left.
    shared, how
        File of the set for other processes; of :func:`~grfkit.evaluation.predictions.predict_folds`.
    """
    cells = plan.cells()
    methods = {cell: feature_method(cell, recipe, plan.weights) for cell in cells}
    plain = baseline_methods(data, but=_REPLACED)
    configuration = {"recipe": recipe.model_dump(mode="json"), "plan": asdict(plan)}
    if notice is not None:
        how["progress"] = _announced(plan, recipe, data, folds, notice, how)
    every = predict_folds(
        shared or data, folds, (*plain, *methods.values()), split=recipe.split, leaks=recipe.leaks,
        configuration=configuration, **how,
    )  # fmt: skip
    scored = {name: method_scores(every, name) for name in every.methods}
    firsts = {c: m for c, m in methods.items() if c.seed == 1 and c.network not in LINEAR}
    networks = [m for m in firsts.values() if isinstance(m, NetworkMethod)]
    cost = costs(networks, data)
    found = feature_document(plan, scored, every, recipe, cost)
    shown = [*(m.name for m in plain), *(c.name for c in cells if c.seed == 1 and c.others <= 1)]
    few = Predictions(every.data.isel(method=[i for i, m in enumerate(every.methods) if m in shown]))
    table = scores(few, headline=Cell(plan.networks[-1], plan.main).name)
    # of a page's first lines: the headline against what is no network
    simple = {m.name for m in plain} | {Cell(n, f).name for n in LINEAR for f in ("none", plan.main)}
    table["comparisons"] = {
        axis: {m: c for m, c in found_on_axis.items() if m in simple}
        for axis, found_on_axis in table["comparisons"].items()
    }
    table["comparison"] = comparison(_together(cells, scored, few, table), cost)
    return replace(every, scores=table | {"feature_comparison": found})


def _announced(
    plan: Plan, recipe: Recipe, data: StanceSet, folds: Sequence[Fold], notice: Notice, how: Mapping[str, Any]
) -> Callable[[JobReport], None]:
    """Say how long it will take, and return the report that says later on what is left."""
    workers = how.get("workers", 0)
    count = workers if isinstance(workers, int) else 1
    seconds = seconds_of_fits(plan, recipe, data, folds)
    total, words = forecast(plan, seconds, len(folds), count)
    notice(words + advice(kept=how.get("results") is not None, workers=count, quick=bool(plan.limits), long_s=total))
    return watched(plan, seconds, notice, how.get("progress"))


def _together(
    cells: Sequence[Cell], scored: Mapping[str, Any], few: Predictions, table: Mapping[str, Any]
) -> dict[str, Any]:
    """Return errors by method as the comparison takes them: means over seeds and over exchanges."""
    methods: dict[str, Any] = {
        m: {a: {"participants": {"rmse_bw": scored[m][a]["participants"]["rmse_bw"]}} for a in few.axes}
        for m in few.methods
        if m not in {c.name for c in cells}
    }
    for axis, of_axis in tables(cells, scored, few.axes).items():
        if axis == OVERALL:
            continue
        for first in (c for c in cells if c.seed == 1 and c.others <= 1):
            mean = of_axis.mean(first.network, first.features, others=bool(first.others))
            if mean is not None:
                name = first.name.replace(" of others 1", " of others")
                methods.setdefault(name, {})[axis] = {"participants": {"rmse_bw": mean}}
    whole = {m: v for m, v in methods.items() if set(v) == set(few.axes)}
    return {"axes": list(few.axes), "methods": whole, "seconds": table["seconds"]}


def feature_document(
    plan: Plan, scored: Mapping[str, Any], predictions: Predictions, recipe: Recipe, cost: Mapping[str, Any]
) -> dict[str, Any]:
    """Return errors, what features do for each network, ranks and claims.

    Parameters
    ----------
    scored
        Of :func:`~grfkit.evaluation.scores.method_scores`, by method.
    cost
        Of :func:`~grfkit.evaluation.comparison.costs`.
    """
    by_axis = tables(plan.cells(), scored, predictions.axes)
    overall, preset = by_axis[OVERALL], preset_of(recipe)
    names = (*LINEAR, *plan.networks)
    help_rows = {
        (axis, features): helped(table, names, features)
        for axis, table in by_axis.items()
        for features in plan.features
        if features != "none"
    }
    macs = {n: int(cost[Cell(n).name]["macs"]) for n in plan.networks if Cell(n).name in cost}
    of_study = claims(overall, plan.networks, plan.main, macs) if preset is not None and preset.networks else []
    return {
        "preset": recipe.preset,
        "networks": list(plan.networks),
        "features": list(plan.features),
        "seeds": plan.seeds,
        "draws": plan.draws,
        "people": len(overall.people),
        "linear_path": recipe.network_config().linear is not None,
        "statics_by": recipe.network_config().statics_by,
        "weights": [asdict(file) for file in plan.weights],
        "notes": [*_notes(plan, recipe), *behind_ridge(overall, plan.networks)],
        "measure": f"{OVERALL}: mean over axes of RMSE in % of the measured range; by axis: RMSE in BW",
        "errors": {axis: _errors(table, names, plan) for axis, table in by_axis.items()},
        "help": [
            {"axis": axis, "features": features} | asdict(row)
            for (axis, features), rows in help_rows.items()
            for row in rows
        ],
        "ranks": ranks(overall, plan.networks, plan.main),
        "claims": [asdict(claim) for claim in of_study],
        "unanswered": sorted({c.network for c in plan.cells()} - {c.network for c in overall.errors}),
    }


def _notes(plan: Plan, recipe: Recipe) -> list[str]:
    """Return what a reader has to know before the verdicts."""
    notes, preset = [plan.limits] if plan.limits else [], preset_of(recipe)
    if recipe.network_config().linear is not None:
        notes.append(
            "every network starts from ridge, which published ones do not: --kind faithful compares them alone"
        )
    if preset is not None and recipe.train.epochs < preset.train.epochs:
        notes.append(
            f"trained for {recipe.train.epochs} of the preset's {preset.train.epochs} epochs: a trial run, whose"
            " verdicts are of networks trained too little"
        )
    if preset is not None and plan.main in ("alignment", "side"):
        notes.append(
            f"the study's claims are of knee alignment and affected side; here networks have {plan.main} alone"
        )
    if plan.seeds == 1:
        notes.append(
            "one training of each network: differences of trainings from other starts are not in the intervals"
        )
    return notes


FAR_BEHIND = 1.25
"""Times ridge's error from which on a network is said to know less than ridge does: chosen by hand."""


def behind_ridge(table: Table, networks: Sequence[str]) -> list[str]:
    """Return a note on the networks that err far more than ridge from the same inputs; none where there are none."""
    ridge = table.mean("ridge", "none")
    found = {n: errors for n in networks if (errors := table.mean(n, "none")) is not None}
    if ridge is None:
        return []
    times = {n: float(np.mean(list(e.values())) / np.mean(list(ridge.values()))) for n, e in found.items()}
    far = [f"{n} ({share:.2f} times)" for n, share in times.items() if share > FAR_BEHIND]
    if not far:
        return []
    return [
        f"without features these err over {FAR_BEHIND} times as much as ridge with the same inputs: {', '.join(far)};"
        " too few stances, or too little training, for a verdict on what such networks can do"
    ]


def _errors(table: Table, names: Sequence[str], plan: Plan) -> list[dict[str, Any]]:
    """Return each network's mean error over people without, with, and with others' features."""
    rows = []
    for network in names:
        for features in plan.features:
            for others in (False, True) if features != "none" else (False,):
                mean = table.mean(network, features, others=others)
                if mean is not None:
                    rows.append(
                        {"network": network, "features": features, "of_others": others,
                         "mean": float(np.mean(list(mean.values()))), "participants": mean}
                    )  # fmt: skip
    return rows


def features_csv(found: Mapping[str, Any]) -> str:
    """Return what features do for each network, axis by axis, as CSV."""
    out = io.StringIO()
    parts = ("given", "true", "presence")
    columns = ["axis", "features", "network", "without", "word", "p_holm", "least", "seen"]
    columns += [f"{part}_{what}" for part in parts for what in ("mean", "low", "high", "p")]
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in found["help"]:
        flat = {f"{part}_{what}": row[part][what] for part in parts for what in ("mean", "low", "high", "p")}
        writer.writerow(row | flat)
    return out.getvalue()


def people_csv(found: Mapping[str, Any]) -> str:
    """Return the error of every participant without, with, and with others' features, as CSV."""
    out = io.StringIO()
    columns = ("axis", "features", "network", "participant", "without", "with", "with_those_of_others")
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for axis, rows in found["errors"].items():
        by_cell = {(r["network"], r["features"], r["of_others"]): r["participants"] for r in rows}
        for (network, features, of_others), with_own in by_cell.items():
            none, others = by_cell.get((network, "none", False)), by_cell.get((network, features, True))
            if of_others or features == "none" or none is None or others is None:
                continue
            writer.writerows(
                {"axis": axis, "features": features, "network": network, "participant": p, "without": none[p],
                 "with": with_own[p], "with_those_of_others": others[p]}
                for p in none
            )  # fmt: skip
    return out.getvalue()


def feature_words(found: Mapping[str, Any]) -> list[str]:
    """Return errors, contrasts and claims as lines of text."""
    lines = [
        f"{found['preset'] or 'without a preset'}: {found['people']} people, seeds: {found['seeds']}, "
        f"{found['draws']} exchange{'s' * (found['draws'] > 1)} of features, features by {found['statics_by']}",
        *(f"note: {note}" for note in found["notes"]),
        "error: mean over axes of RMSE in % of the measured range",
    ]
    for features in found["features"][1:]:
        rows = [r for r in found["help"] if r["axis"] == OVERALL and r["features"] == features]
        lines += ["", *_help_lines(rows, features)]
    if found["ranks"]:
        lines += ["", "networks by that error, with " + found["features"][-1] + " (rank: 95 % over people and seeds)"]
        lines += [
            f"  {row['network']:<12} {row['error']:6.2f}  rank {row['low']:.0f} to {row['high']:.0f}, first in"
            f" {100 * row['first']:.0f} %"
            for row in found["ranks"]
        ]
    if found["claims"]:
        lines += ["", "claims of the study (a reconstruction, not replication; of these people, not of its patients)"]
        for c in found["claims"]:
            lines.append(f"  {c['number']}. {c['claim']}: {c['verdict'].upper()}. {c['why']}")
            lines += [f"     {c['power']}"] if c["power"] else []
    if found["unanswered"]:
        lines.append(f"not compared, for they did not answer for everybody: {', '.join(found['unanswered'])}")
    return lines


def _help_lines(rows: Sequence[Mapping[str, Any]], features: str) -> list[str]:
    wide = max(len(name) for name in (features, *(row["network"] for row in rows)))
    head = f"{features:<{wide}} {'without':>7}  {'with less without':<30} {'with less those of others':<30} "
    head += f"{'those of others less without':<30} gain seen"
    return [head, *(_help_line(row, wide) for row in rows), *_LEGEND]


_LEGEND = (
    "mean over people (95 %), lower in so many of them; helped: less than without and less than with those of others",
    "(the control), p after Holm under .05; harmed: more than both; not helped: a gain of 2 % of the error is excluded",
    "(where those of others cost as much, more inputs or too little training do it, not what the features say);",
    "gain seen: what these people would show with a power of .8, % of the error",
)


def _help_line(row: Mapping[str, Any], wide: int) -> str:
    seen = "none" if row["seen"] is None else f"{100 * row['seen'] / row['without']:.1f} %"
    pairs = " ".join(f"{_interval(row[part]):<30}" for part in ("given", "true", "presence"))
    return f"{row['network']:<{wide}} {row['without']:7.2f}  {pairs} {seen:>9}  {row['word']}"


def _interval(pair: Mapping[str, Any]) -> str:
    return f"{pair['mean']:+.2f} ({pair['low']:+.2f} to {pair['high']:+.2f}) {pair['better']}/{pair['n']}"
