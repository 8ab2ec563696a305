"""Several methods side by side on the same folds: every pair over people, ranks, and error against cost."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from ..arguments import as_choice
from ..arrays import Floats
from ..errors import BadInputError
from ..learn.batches import Windows, matching_channels
from ..learn.candidates import METHODS
from ..learn.cost import macs
from ..learn.networks import Shape, build, every_network_names, parameter_count
from ..learn.preset import load_preset, preset_names
from ..learn.recipe import Recipe, from_preset
from ..records.stance_set import StanceSet
from ..stats.compare import DRAWS, paired, with_holm
from .methods import ChosenMethod, NetworkMethod
from .personal_folds import TrainedMethod
from .recipe_methods import as_trained

ALWAYS = ("kernel ridge",)
"""Compared whether named or not where windows are stances; mean curves and ridge are among the baselines anyway."""
FEWEST_COMPARED = 2
SAME_DIGITS = 6
"""Decimals of an error (BW) beyond which two methods err alike: a mean curve stored by ``grf-train`` differs from the
baseline's by 1e-9, and would be worse than it for everybody."""


def compared_methods(names: str | Sequence[str], recipe: Recipe, data: StanceSet) -> tuple[TrainedMethod, ...]:
    """Return the methods of a list such as ``lstm, cnn2d_lstm, kernel ridge, zhou2025``.

    Each is a network of the registry, trained as the recipe says; a method of ``grf-train``; or a preset, with its own
    network and training, whose windows are those of the recipe.

    Raises
    ------
    BadInputError
        If a name is unknown or stands twice, there are fewer than two, or a preset cuts other windows.
    """
    asked = [part.strip() for part in names.split(",")] if isinstance(names, str) else [str(n) for n in names]
    known = (*every_network_names(), *(m for m in METHODS if m != "network"), *preset_names())
    asked = [as_choice(name, known) for name in asked if name]
    if unknown := [name for name in asked if name not in known]:
        raise BadInputError(
            f"--compare (compare in Python) names '{unknown[0]}', expected some of {', '.join(known)}, with commas"
        )
    if len(set(asked)) < len(asked) or len(asked) < FEWEST_COMPARED:
        raise BadInputError("--compare (compare in Python) takes two methods or more, each once: lstm,cnn2d_lstm")
    if str(data.data.attrs["window"]) == "stance":
        asked = [*(name for name in ALWAYS if name not in asked), *asked]
    return tuple(_method(name, recipe) for name in asked)


def _method(name: str, recipe: Recipe) -> TrainedMethod:
    if name in METHODS:
        # baselines have a ridge and a mean curve of their own
        return ChosenMethod(as_trained(name), recipe.train, name)
    if name not in preset_names():
        settings = recipe.network if recipe.network.get("name") == name else {"name": name}
        return NetworkMethod(name, Recipe(network=settings).network_config(), recipe.train, recipe.seeds)
    other = from_preset(load_preset(name))
    if other.cut != recipe.cut:
        raise BadInputError(
            f"preset {name} cuts other windows than this evaluation, so that errors could not be compared; name it as"
            f" --preset {name}, too, or evaluate it alone"
        )
    return NetworkMethod(f"preset {name}", other.network_config(), other.train, other.seeds)


def costs(methods: Sequence[TrainedMethod], data: StanceSet) -> dict[str, dict[str, int]]:
    """Return parameters and multiply-accumulates of a window of every network, by the method's name."""
    found = {}
    for method in methods:
        if not isinstance(method, NetworkMethod):
            continue
        config = method.config
        channels = matching_channels(data.channels, config.channels)
        axes = config.axes or data.axes
        windows = Windows(data, channels, config.statics, axes, memory_mb=0.0)
        wide = len(channels) * (2 if config.missing_masks else 1)
        network = build(method.network.for_windows(windows), Shape(wide, len(config.statics), len(axes)), seed=0)
        found[method.name] = {
            "parameters": method.seeds * parameter_count(network),
            "macs": method.seeds * macs(network, windows.points),
        }
    return found


def comparison(scores: Mapping[str, Any], cost: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Return pairs, ranks and the Pareto front of an evaluation's methods, by axis, as JSON values.

    Parameters
    ----------
    scores
        Of :func:`~grfkit.evaluation.scores.scores`.
    cost
        Of :func:`costs`.

    Returns
    -------
    dict
        By axis: ``pairs`` (first minus second, RMSE in BW: interval over people, p after Holm over all pairs of the
        axis), ``ranks`` (mean rank over people, 1 is best; its 95 % interval and the share of draws in which the method
        has the least mean error, by bootstrap over people) and ``front`` (methods that nothing cheaper betters, by
        multiply-accumulates). ``cost`` and ``seconds`` by method. Methods that did not answer for everybody are left
        out of pairs and ranks, under ``partial``.
    """
    by_axis = {}
    for axis in scores["axes"]:
        errors = {m: table[axis]["participants"]["rmse_bw"] for m, table in scores["methods"].items()}
        known = {m: v for m, v in errors.items() if all(e is not None for e in v.values())}
        whole = {m: {p: round(e, SAME_DIGITS) for p, e in v.items()} for m, v in known.items()}
        by_axis[axis] = {
            "pairs": _pairs(whole),
            "ranks": _ranks(whole),
            "front": _front(whole, cost),
            "partial": [m for m in errors if m not in whole],
        }
    return {"axes": by_axis, "cost": {m: dict(c) for m, c in cost.items()}, "seconds": dict(scores["seconds"])}


def _pairs(errors: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    people = len(next(iter(errors.values()), {}))
    if people < FEWEST_COMPARED:
        return []
    family = {f"{a}|{b}": paired(errors[a], errors[b]) for a, b in combinations(errors, 2)}
    rows = []
    for (a, b), found in zip(combinations(errors, 2), with_holm(family).values()):
        rows.append(
            {"first": a, "second": b, "mean": found.mean, "low": found.low, "high": found.high, "better": found.better,
             "n": found.n, "p": found.p, "p_holm": found.p_holm, "excludes_zero": found.excludes_zero}
        )  # fmt: skip
    return rows


def _ranks(errors: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Return the methods by mean rank over people, the best first."""
    from scipy.stats import rankdata

    methods = list(errors)
    if not methods:
        return []
    people = list(errors[methods[0]])
    table: Floats = np.asarray([[errors[m][p] for p in people] for m in methods])
    ranks = rankdata(table, axis=0)
    drawn = np.random.default_rng(0).integers(0, len(people), (DRAWS, len(people)))
    of_draws = ranks[:, drawn].mean(axis=2)
    low, high = np.quantile(of_draws, [0.025, 0.975], axis=1)
    errors_of_draws = table[:, drawn].mean(axis=2)
    first = errors_of_draws < errors_of_draws.min(axis=0) + 0.1**SAME_DIGITS / 2
    # who errs alike shares a draw
    least = (first / first.sum(axis=0)).mean(axis=1)
    rows = [
        {"method": m, "rmse_bw": float(table[i].mean()), "rank": float(ranks[i].mean()), "low": float(low[i]),
         "high": float(high[i]), "least": float(least[i])}
        for i, m in enumerate(methods)
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (row["rank"], row["method"]))


def _front(errors: Mapping[str, Mapping[str, float]], cost: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return the methods of known cost that none of less or the same cost betters, the cheapest first."""
    mean = {m: float(np.mean(list(v.values()))) for m, v in errors.items() if m in cost}
    front: list[str] = []
    for method in sorted(mean, key=lambda m: (cost[m]["macs"], mean[m])):
        if not front or mean[method] < mean[front[-1]]:
            front.append(method)
    return front


def comparison_csv(found: Mapping[str, Any]) -> str:
    """Return the pairs of all axes as CSV."""
    out = io.StringIO()
    columns = ("axis", "first", "second", "mean", "low", "high", "better", "n", "p", "p_holm")
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for axis, part in found["axes"].items():
        writer.writerows({"axis": axis} | row for row in part["pairs"])
    return out.getvalue()


def comparison_words(found: Mapping[str, Any]) -> list[str]:
    """Return ranks and cost of every method as lines of text, axis by axis."""
    lines: list[str] = []
    for axis, part in found["axes"].items():
        width = max((len(row["method"]) for row in part["ranks"]), default=6)
        head = f"{axis}: {'method':<{width}}  RMSE BW  mean rank (95 %)     least in  million MAC  seconds"
        lines += [head]
        for row in part["ranks"]:
            cost = found["cost"].get(row["method"])
            mac = f"{cost['macs'] / 1e6:11.3g}" if cost else f"{'-':>11}"
            lines.append(
                f"{'':{len(axis) + 2}}{row['method']:<{width}}  {row['rmse_bw']:7.4f}  {row['rank']:5.2f}"
                f" ({row['low']:.2f} to {row['high']:.2f})  {100 * row['least']:7.0f} %  {mac}"
                f"  {found['seconds'].get(row['method'], float('nan')):7.1f}"
            )
        apart = [row for row in part["pairs"] if row["p_holm"] is not None and row["p_holm"] < 0.05]
        tested = any(row["p_holm"] is not None for row in part["pairs"])
        lines.append(
            f"  {len(apart)} of {len(part['pairs'])} pairs differ (p after Holm < .05)"
            if tested
            else "  too few participants for a p-value, and for ranks to be sure of"
        )
        lines += [
            f"  {row['first']} {'errs less' if row['mean'] < 0 else 'errs more'} than {row['second']}:"
            f" {row['mean']:+.4f} BW ({row['low']:+.4f} to {row['high']:+.4f}), p {row['p_holm']:.3g}"
            for row in sorted(apart, key=lambda r: r["p_holm"])[:MOST_TOLD]
        ]
        if part["front"]:
            lines.append(
                f"  error against cost: {', '.join(part['front'])} (of the networks, nothing cheaper errs less)"
            )
        if part["partial"]:
            lines.append(f"  not compared, for they answered for some people only: {', '.join(part['partial'])}")
    return lines


MOST_TOLD = 8
"""Pairs told in a terminal: chosen by hand; all are in the files."""
