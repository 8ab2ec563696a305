"""The part of an accuracy report on methods side by side: ranks, error against cost, every pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from .headline import LEVEL, is_better, is_worse, judged
from .numbers import DASH, fixed, p_value
from .panel import Panel, PanelAxis, axis


def compared_sections(evaluation: Mapping[str, Any], names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what the page shows of a comparison, axis by axis; nothing of an evaluation without one.

    Parameters
    ----------
    names
        What axes are called.
    """
    found = evaluation.get("comparison")
    if not found:
        return []
    return [
        {
            "name": names.get(name, name),
            "ranks": [_rank(row, found) for row in part["ranks"]],
            "pairs": [_pair(row) for row in part["pairs"]],
            "figure": _figure(part, found["cost"]),
            "words": _words(part),
        }
        for name, part in found["axes"].items()
    ]


def _rank(row: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, list[str]]:
    cost, seconds = found["cost"].get(row["method"]), found["seconds"].get(row["method"])
    return row["method"], [
        fixed(row["rmse_bw"], 4),
        f"{fixed(row['rank'], 2)} ({fixed(row['low'], 2)} to {fixed(row['high'], 2)})",
        f"{100 * row['least']:.0f} %",
        f"{cost['parameters']:,}" if cost else DASH,
        f"{cost['macs'] / 1e6:.3g}" if cost else DASH,
        DASH if seconds is None else fixed(seconds, 1),
    ]


def _pair(row: Mapping[str, Any]) -> tuple[str, list[str]]:
    return f"{row['first']} minus {row['second']}", [
        judged(row).replace("shown to be", "first shown to be"),
        f"{fixed(row['mean'], 4)} ({fixed(row['low'], 4)} to {fixed(row['high'], 4)})",
        f"{row['better']} of {row['n']}",
        p_value(row["p_holm"]),
    ]


def _words(part: Mapping[str, Any]) -> str:
    tested = [row for row in part["pairs"] if row["p_holm"] is not None]
    apart = sum(is_better(row) or is_worse(row) for row in tested)
    words = f"{apart} of {len(part['pairs'])} pairs are shown to differ (p after Holm under {LEVEL:g})."
    if not tested:
        words = "Too few participants for a p-value; the intervals are in the table of pairs."
    if part["front"]:
        words += f" Networks than which nothing cheaper errs less: {', '.join(part['front'])}."
    if part["partial"]:
        words += f" Not compared, because they answered for some people only: {', '.join(part['partial'])}."
    return words


def _figure(part: Mapping[str, Any], cost: Mapping[str, Mapping[str, int]]) -> Markup:
    """Draw the error of every network, the cheapest at the bottom: those of the front in blue, a line through them."""
    rows = sorted((r for r in part["ranks"] if r["method"] in cost), key=lambda r: cost[r["method"]]["macs"])
    if len(rows) < 2:
        return Markup("")
    errors = np.asarray([row["rmse_bw"] for row in rows])
    places = np.arange(len(rows), dtype=np.float64)
    front = np.asarray([row["method"] in part["front"] for row in rows])
    ticks = tuple((float(k), f"{r['method']}, {cost[r['method']]['macs'] / 1e6:.3g} M") for k, r in enumerate(rows))
    panel = Panel(
        axis(0.0, 1.05 * float(errors.max()), "RMSE, BW"), PanelAxis(-0.6, len(rows) - 0.4, "", ticks),
        height=max(90, 30 * len(rows)), gutter="names",
    )  # fmt: skip
    panel.line(errors[front], places[front], "dev")
    panel.dots(errors[~front], places[~front], "refdot")
    panel.dots(errors[front], places[front], "devdot")
    named = ", ".join(f"{row['method']} {row['rmse_bw']:.4f}" for row in rows)
    return panel.finish(
        named,
        title="Error against cost (millions of multiply-accumulates): nothing cheaper errs less than those in blue",
    )
