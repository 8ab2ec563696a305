"""Figures of an accuracy report that show people and contacts: curves of every person, and Bland-Altman plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..arrays import Floats
from .numbers import fixed
from .panel import Panel, axis

MOST_PEOPLE = 24
"""People whose curves are drawn: chosen by hand, a page of them. Of more, evenly spaced ones from best to worst."""


def people_figures(evaluation: Mapping[str, Any], name: str) -> tuple[list[Markup], str]:
    """Return a small figure of every person's mean curves on an axis, the best first, and a note on whom it leaves out.

    Nothing of an evaluation without such curves: of continuous windows, or of an earlier grfkit.
    """
    curves = evaluation.get("drawn", {}).get("people", {}).get(name, {})
    errors = evaluation["methods"][evaluation["headline"]][name]["participants"]["rmse_bw"]
    order = sorted((p for p in curves if errors.get(p) is not None), key=lambda p: errors[p])
    taken = [
        order[i] for i in np.unique(np.linspace(0, len(order) - 1, min(len(order), MOST_PEOPLE)).round().astype(int))
    ]
    if not taken:
        return [], ""
    pairs = {p: (_array(curves[p]["measured"]), _array(curves[p]["estimated"])) for p in taken}
    every = np.concatenate([curve for pair in pairs.values() for curve in pair])
    # one scale for all, so that people can be compared
    low, high = (float(f(every)) for f in (np.nanmin, np.nanmax))
    figures = [_person(p, pair, (low, high), errors[p]) for p, pair in pairs.items()]
    left = len(order) - len(taken)
    return (
        figures,
        f"{len(taken)} of {len(order)} people, evenly spaced from the least error to the most." if left else "",
    )


def _person(person: str, pair: tuple[Floats, Floats], reach: tuple[float, float], error: float) -> Markup:
    measured, estimated = pair
    x = np.linspace(0, 100, len(measured))
    margin = 0.03 * (reach[1] - reach[0])
    panel = Panel(axis(0, 100, "", ticks=2), axis(reach[0] - margin, reach[1] + margin, "", ticks=3), height=100)
    panel.line(x, measured, "refbold")
    panel.line(x, estimated, "dev")
    words = f"{person}: mean measured and estimated curve, error {fixed(error, 3)} BW"
    return panel.finish(words, title=f"{person[:18]}: {fixed(error, 3)} BW")


def agreement_figures(evaluation: Mapping[str, Any]) -> list[Markup]:
    """Return a Bland-Altman plot of every loading feature that has values of contacts."""
    contacts = evaluation.get("drawn", {}).get("contacts", {})
    features = evaluation.get("features", {}).get(evaluation["headline"], {})
    return [
        agreement_figure(n, contacts[n], f["bland_altman"]) for n, f in features.items() if _drawable(contacts, n, f)
    ]


def _drawable(contacts: Mapping[str, Any], name: str, feature: Mapping[str, Any]) -> bool:
    return "bland_altman" in feature and len(contacts.get(name, {}).get("measured", ())) > 1


def agreement_figure(name: str, values: Mapping[str, Any], limits: Mapping[str, float]) -> Markup:
    """Return estimated less measured against their mean: contacts in grey, people in blue, bias and limits."""
    measured, estimated = _array(values["measured"]), _array(values["estimated"])
    level, difference = (measured + estimated) / 2, estimated - measured
    people = np.asarray(values["person"])
    each = [people == p for p in sorted(set(values["person"]))]
    feature, unit = name.rsplit(" ", 2)[0] if name.endswith("BW s") else name.rsplit(" ", 1)[0], _unit(name)
    ends = np.concatenate([difference, [limits["low"], limits["high"], 0.0]])
    across = axis(*_with_margin(level), f"mean of both, {unit}")
    panel = Panel(across, axis(*_with_margin(ends), f"estimated less measured, {unit}"), height=180)
    panel.dots(level, difference, "faint")
    panel.dots(_means(level, each), _means(difference, each), "devdot")
    panel.level(0.0, "zero")
    panel.level(limits["bias"], "bias")
    for end in ("low", "high"):
        panel.level(limits[end], "cut")
    bias, first, last = (fixed(limits[k], 1 if unit in ("BW/s", "mm") else 3) for k in ("bias", "low", "high"))
    words = f"{feature}: bias {bias}, limits {first} to {last} {unit}"
    return panel.finish(words, title=words)


def _means(values: Floats, groups: Sequence[NDArray[np.bool_]]) -> Floats:
    return np.asarray([values[rows].mean() for rows in groups], dtype=np.float64)


def _with_margin(values: Floats) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    return low - 0.04 * (high - low), high + 0.04 * (high - low)


def _unit(name: str) -> str:
    return "BW s" if name.endswith("BW s") else name.rsplit(" ", 1)[1]


def contacts_drawn(evaluation: Mapping[str, Any]) -> str:
    """Return of how many contacts the plots show some, empty where they show all."""
    contacts: Sequence[Mapping[str, Any]] = list(evaluation.get("drawn", {}).get("contacts", {}).values())
    most = max((c["of"] for c in contacts), default=0)
    shown = max((len(c["measured"]) for c in contacts), default=0)
    return f"{shown} of {most} contacts are drawn." if most > shown else ""


def _array(values: Sequence[float | None]) -> Floats:
    return np.asarray([np.nan if v is None else v for v in values], dtype=np.float64)
