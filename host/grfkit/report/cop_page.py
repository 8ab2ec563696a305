"""The page of a proof of the centre of pressure: errors in mm for people left out, beside the sensor-blind paths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

import numpy as np
from markupsafe import Markup

from ..arrays import Floats, PathLike
from .drawn_part import agreement_figure, contacts_drawn
from .headline import CONTACTS_BY, SPLITS, Headline, is_better, is_worse, judged, people_needed
from .html import page, write_page
from .numbers import DASH, count, fixed, p_value
from .panel import LegendKey, Panel, PanelAxis, axis, legend

Scores = Mapping[str, Any]
MOST_FILES = 3
"""Files named of the source: chosen by eye, one line."""
DIRECTIONS = {"along": "Along the direction of walking", "across": "Across, towards the medial side",
              "distance": "Distance in the plane"}  # fmt: skip
_MOST_PEOPLE = 24
"""People whose paths are drawn: a page of them, chosen by hand. Of more, evenly spaced ones from best to worst."""
_KINDS = ("devdot", "refdot", "runring")


def render_cop_report(scores: Scores) -> str:
    """Return the scores of :func:`~grfkit.evaluation.cop.evaluate_cop` as one HTML page that runs no script."""
    main = scores["headline"]
    return page(
        "cop.html",
        title=f"Centre of pressure, {_path(main)}, for people it has not seen",
        headline=cop_headline(scores),
        facts=[
            ("tested", SPLITS.get(scores["split"], scores["split"])),
            ("participants", str(scores["participants"])),
            ("stances", f"{scores['windows']}, contacts by {CONTACTS_BY.get(scores['cut'], scores['cut'])}"),
            ("source", _source(scores["source"])),
        ],
        words=scores["words"],
        legend=_legend(scores),
        people=[_people_figure(scores, d) for d in DIRECTIONS],
        person_heads=[f"{_path(m)}, {d}" for d in DIRECTIONS for m in _shown(scores)],
        person_rows=[(p, _person_cells(scores, p)) for p in _order(scores)],
        method_rows=[(_path(m), _cells(v["mean"])) for m, v in scores["methods"].items()],
        condition_rows=[
            (f"{kind}: {_path(m)}", _cells(mean)) for kind, of in scores["conditions"].items() for m, mean in of.items()
        ],
        comparisons=[(_path(blind), _comparison(found)) for blind, found in scores["against"].items()],
        paths=_path_figures(scores),
        agreement=[
            agreement_figure(name, scores["drawn"]["contacts"][name], found)
            for name, found in scores["agreement"].items()
        ],
        contacts_drawn=contacts_drawn(scores),
        excluded=sorted(scores["excluded"].items()),
        left_out=scores.get("left_out", []),
        findings=scores["findings"],
    )


def write_cop_report(path: PathLike, scores: Scores, *, force: bool = False) -> None:
    """Write the page, completely or not at all.

    Raises
    ------
    BadInputError
        If ``path`` exists and ``force`` is false, or cannot be written.
    """
    write_page(path, render_cop_report(scores), force=force)


def cop_headline(scores: Scores) -> Headline:
    """Return what is said first: whether the method is closer than both sensor-blind paths, by the worse of the two."""
    main, against = scores["headline"], scores["against"]
    mine = _median(scores, main)
    people = count(scores["participants"], "person", "people")
    tested = {b: f for b, f in against.items() if "mean" in f}
    if not tested:
        blind = next(iter(against))
        text = f"Nothing is compared: {fixed(mine, 1)} against {fixed(_median(scores, blind), 1)} mm, {people}"
        return Headline(text, "partial", tuple(scores["words"]))
    worse = [b for b, f in tested.items() if is_worse(f)]
    open_ = [b for b, f in tested.items() if not is_better(f) and not is_worse(f)]
    among = worse or open_ or list(tested)
    named = min(among, key=lambda b: _median(scores, b))
    unlike = "NOT SHOWN to be better than" if mine < _median(scores, named) else "NOT better than"
    word = "WORSE than" if worse else unlike if open_ else "Better than"
    text = (
        f"{word} the {_path(named)}: {fixed(mine, 1)} against {fixed(_median(scores, named), 1)} mm (median distance),"
        f" {people}"
    )
    verdict = "aligned" if not worse and not open_ else "refused"
    if all(f["p_holm"] is None for f in tested.values()):
        verdict = "partial"
    return Headline(text, verdict, (*scores["words"], _too_few(scores)))


def _too_few(scores: Scores) -> str:
    needed = people_needed(len(scores["against"]))
    if scores["participants"] >= needed:
        return ""
    return f"{count(scores['participants'], 'person', 'people')} cannot show a difference: {needed} are needed."


def _median(scores: Scores, method: str) -> float:
    return float(scores["methods"][method]["mean"]["distance"]["median"])


def _path(method: str) -> str:
    return method.replace("mean curve", "mean path")


def _source(source: str) -> str:
    files = source.split("+")
    return source if len(files) <= MOST_FILES else f"{', '.join(files[:MOST_FILES])} and {len(files) - MOST_FILES} more"


def _shown(scores: Scores) -> list[str]:
    """Return the methods that are drawn: the one that is proven and the sensor-blind paths."""
    return [scores["headline"], *scores["against"]]


def _order(scores: Scores) -> list[str]:
    mine = scores["methods"][scores["headline"]]["participants"]
    return sorted(mine, key=lambda p: mine[p]["distance"]["median"])


def _legend(scores: Scores) -> Markup:
    return legend(
        [
            LegendKey(kind, "ring" if kind == "runring" else "dot", _path(method))
            for kind, method in zip(_KINDS, _shown(scores))
        ]
    )


def _people_figure(scores: Scores, direction: str) -> Markup:
    """Draw every person's median error in a direction: the method, and both sensor-blind paths."""
    order = _order(scores)
    values = {
        m: np.asarray([scores["methods"][m]["participants"][p][direction]["median"] for p in order])
        for m in _shown(scores)
    }
    top = 1.05 * float(np.max(list(values.values())))
    step = max(1, -(-len(order) // 6))
    places = tuple((float(i), order[i][:10]) for i in range(0, len(order), step))
    along = PanelAxis(-0.5, len(order) - 0.5, "people, the least distance first", places)
    panel = Panel(along, axis(0.0, top, "median error, mm"), height=180)
    x = np.arange(len(order), dtype=np.float64)
    for kind, method in reversed(list(zip(_KINDS, _shown(scores)))):
        if kind == "runring":
            panel.rings(x, values[method], kind)
        else:
            panel.dots(x, values[method], kind)
    words = f"{DIRECTIONS[direction]}: median error of each of {len(order)} people; the table below has the figures"
    return panel.finish(words, title=DIRECTIONS[direction])


def _cells(mean: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(fixed(mean[d]["median"], 1), f"p95 {fixed(mean[d]['p95'], 1)}") for d in DIRECTIONS]


def _person_cells(scores: Scores, person: str) -> list[tuple[str, str]]:
    of = [scores["methods"][m]["participants"][person] for m in _shown(scores)]
    return [(fixed(v[d]["median"], 1), f"p95 {fixed(v[d]['p95'], 1)}") for d in DIRECTIONS for v in of]


def _comparison(found: Mapping[str, Any]) -> list[str]:
    if "mean" not in found:
        return [f"untested: {found['note']}", DASH, DASH, DASH]
    return [
        judged(found),
        f"{fixed(found['mean'], 1)} ({fixed(found['low'], 1)} to {fixed(found['high'], 1)})",
        f"{found['better']} of {found['n']}",
        p_value(found["p_holm"]),
    ]


def _path_figures(scores: Scores) -> list[Markup]:
    """Draw each person's mean path along and across over stance: measured, and by the method."""
    people = scores["drawn"]["people"]
    order = [p for p in _order(scores) if p in people]
    taken = [order[i] for i in np.unique(np.linspace(0, len(order) - 1, min(len(order), _MOST_PEOPLE)).round()
                                         .astype(int))] if order else []  # fmt: skip
    every = [_array(people[p][k][d]) for p in taken for k in ("measured", "estimated") for d in ("along", "across")]
    if not every:
        return []
    low, high = float(np.nanmin(np.concatenate(every))), float(np.nanmax(np.concatenate(every)))
    margin = 0.03 * (high - low)
    return [_person(p, people[p], (low - margin, high + margin), _distance(scores, p)) for p in taken]


def _distance(scores: Scores, person: str) -> float:
    return float(scores["methods"][scores["headline"]]["participants"][person]["distance"]["median"])


def _person(person: str, paths: Mapping[str, Any], reach: tuple[float, float], error: float) -> Markup:
    panel = Panel(axis(0, 100, "", ticks=2), axis(*reach, "", ticks=3), height=120)
    for kind, key in (("refbold", "measured"), ("dev", "estimated")):
        for direction in ("along", "across"):
            values = _array(paths[key][direction])
            panel.line(np.linspace(0, 100, values.size), values, kind)
    words = f"{person}: mean path measured and estimated, along and across, median distance {fixed(error, 1)} mm"
    return panel.finish(words, title=shorten(f"{person}: {fixed(error, 1)} mm", 28, placeholder="…"))


def _array(values: Sequence[float | None]) -> Floats:
    return np.asarray([np.nan if v is None else v for v in values], dtype=np.float64)
