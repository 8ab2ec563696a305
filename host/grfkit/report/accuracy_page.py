"""The accuracy report: errors of a network for people it was not trained on, beside every baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..arrays import PathLike
from .comparison_part import compared_sections
from .drawn_part import agreement_figures, contacts_drawn, people_figures
from .feature_part import feature_section
from .headline import CONTACTS_BY, NAMES, SPLITS, axis_words, headline, judged
from .html import page, write_page
from .numbers import DASH, fixed, p_value
from .panel import LegendKey, Panel, PanelAxis, axis, legend

Evaluation = Mapping[str, Any]
MOST_FILES = 3
"""Files named of the source: chosen by eye, one line."""
_WAYS = {"affine": "gain and offset of the answer", "fine-tune": "network trained further"}
_STRATA = {"speed_m_s": "speed, m/s", "slope_percent": "slope, %", "side": "foot"}
_SHORT = {"affine": "gain and offset", "fine-tune": "trained further"}
_MEASURES = (
    ("rmse_bw", "RMSE, BW", 4),
    ("rmse_contact_bw", "RMSE over the contact alone, BW", 4),
    ("rmse_n", "RMSE, N", 1),
    ("mae_percent_bw", "MAE, % BW", 1),
    ("rrmse_percent", "rRMSE, % of the measured range", 1),
    ("rrmse_mean_range_percent", "rRMSE, % of the mean range", 1),
    ("r", "r", 4),
    ("r_samples", "r over all samples of a person", 3),
    ("bias_bw", "bias, BW", 4),
)


def render_accuracy_report(evaluation: Evaluation) -> str:
    """Return the scores of an evaluation as one HTML page that needs nothing else and runs no script."""
    method = evaluation["headline"]
    return page(
        "accuracy.html",
        title=f"{_title_of(evaluation, method)}: errors for people left out of the training",
        headline=headline(evaluation),
        facts=_facts(evaluation),
        sections=[_section(evaluation, name) for name in evaluation["axes"]],
        features=_features(evaluation, method),
        windows=list(evaluation["windows"].items()),
        excluded=sorted(evaluation.get("excluded", {}).items()),
        findings=evaluation.get("findings", []),
        search=_search(evaluation),
        personal=_personal(evaluation),
        compared=compared_sections(evaluation, NAMES),
        agreement=agreement_figures(evaluation),
        contacts_drawn=contacts_drawn(evaluation),
        facts_of_people=feature_section(evaluation),
    )


def _title_of(evaluation: Evaluation, method: str) -> str:
    return "Methods side by side" if evaluation.get("comparison") else method


def write_accuracy_report(path: PathLike, evaluation: Evaluation, *, force: bool = False) -> None:
    """Write the accuracy report, completely or not at all.

    Raises
    ------
    BadInputError
        If ``path`` exists and ``force`` is false, or cannot be written.
    """
    write_page(path, render_accuracy_report(evaluation), force=force)


def _facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    split = str(evaluation["split"])
    stances = f"stances, contacts by {CONTACTS_BY.get(evaluation['cut'], evaluation['cut'])}"
    cut = stances if evaluation["window"] == "stance" else "continuous windows"
    return [
        ("tested", SPLITS.get(split, split)),
        ("participants", str(evaluation["participants"])),
        ("windows", f"{sum(evaluation['windows'].values())} {cut}"),
        ("source", _source(evaluation["source"])),
    ]


def _source(source: str) -> str:
    """Return what was read, of many files the first."""
    files = source.split("+")
    return source if len(files) <= MOST_FILES else f"{', '.join(files[:MOST_FILES])} and {len(files) - MOST_FILES} more"


def _section(evaluation: Evaluation, name: str) -> dict[str, Any]:
    headline = evaluation["headline"]
    group = evaluation["methods"][headline][name]["group"]["rmse_bw"]
    return {
        "name": f"{NAMES.get(name, name)} ({name})",
        "id": name,
        "sentence": axis_words(evaluation, name),
        "worst": f"Worst participant: {group['worst']}, {fixed(group['most'], 3)} BW." if group["worst"] else "",
        "methods": _method_figure(evaluation, name),
        "curves": _curve_figure(evaluation, name),
        "people": _people_figure(evaluation, name),
        "each": people_figures(evaluation, name),
        "spm": _spm_figure(evaluation, name),
        "spm_words": _spm_words(evaluation, name),
        "heads": [label for _, label, _ in _measures(evaluation, name)],
        "rows": [_row(evaluation, method, name) for method in evaluation["methods"]],
        "comparisons": _comparisons(evaluation, name),
        "strata": _strata(evaluation["methods"][headline][name]["strata"]),
        "band": _band_words(evaluation["bands"].get(name, {})),
    }


def _measures(evaluation: Evaluation, name: str) -> list[tuple[str, str, int]]:
    """Return the measures of a table; that of the contact alone only where windows go beyond it."""
    groups = [evaluation["methods"][m][name]["group"] for m in evaluation["methods"]]
    return [m for m in _MEASURES if m[0] != "rmse_contact_bw" or any(m[0] in group for group in groups)]


def _row(evaluation: Evaluation, method: str, name: str) -> tuple[str, list[tuple[str, str]]]:
    group = evaluation["methods"][method][name]["group"]
    cells = []
    for measure, _, digits in _measures(evaluation, name):
        if measure not in group:  # of an earlier grfkit
            cells.append((DASH, ""))
            continue
        summary, interval = group[measure], ""
        if summary["low"] is not None and measure not in ("r", "r_samples"):
            interval = f"{fixed(summary['low'], digits)} to {fixed(summary['high'], digits)}"
        cells.append((fixed(summary["mean"], digits), interval))
    lost = evaluation["methods"][method][name]["unanswered"]
    return f"{method} ({lost} windows not answered)" if lost else method, cells


def _method_figure(evaluation: Evaluation, name: str) -> Markup:
    """Draw RMSE of every method: mean over participants, its interval, and each participant as a dot."""
    methods = list(evaluation["methods"])
    groups = [evaluation["methods"][m][name]["group"]["rmse_bw"] for m in methods]
    people = [evaluation["methods"][m][name]["participants"]["rmse_bw"] for m in methods]
    top = max([v for by_person in people for v in by_person.values() if v is not None] or [1.0])
    n = len(methods)
    ticks = tuple((n - 1 - i, shorten(m, 44, placeholder=" …")) for i, m in enumerate(methods))
    panel = Panel(axis(0.0, 1.05 * top, "RMSE, BW"), PanelAxis(-0.6, n - 0.4, "", ticks), height=34 * n, gutter="names")
    for i, (summary, each) in enumerate(zip(groups, people)):
        row = float(n - 1 - i)
        values = np.asarray([v for v in each.values() if v is not None], dtype=np.float64)
        panel.dots(values, np.full(values.shape, row), "refdot")
        if summary["low"] is not None:
            panel.box(summary["low"], summary["high"], row - 0.16, row + 0.16, "interval")
        if summary["mean"] is not None:
            panel.box(summary["mean"] - 0.002 * top, summary["mean"] + 0.002 * top, row - 0.3, row + 0.3, "bar")
    return panel.finish(f"RMSE of {n} methods; the table below has the figures", title="Error by method")


def _curve_figure(evaluation: Evaluation, name: str) -> Markup:
    if not evaluation.get("curves"):
        return Markup("")
    curves = evaluation["curves"][name]
    mean, sd = _array(curves["measured"]), np.nan_to_num(_array(curves["measured_sd"]))
    predicted = _array(curves["methods"][evaluation["headline"]])
    x = np.linspace(0, 100, len(mean))
    low, high = np.nanmin([mean - sd, predicted]), np.nanmax([mean + sd, predicted])
    panel = Panel(axis(0, 100, "% of stance"), axis(float(low), float(high) * 1.03, "BW"), height=220)
    panel.line(x, mean - sd, "sdline")
    panel.line(x, mean + sd, "sdline")
    panel.line(x, mean, "refbold")
    panel.line(x, predicted, "dev")
    return panel.finish(
        "Measured and predicted mean curve over participants", title="Measured (grey, with SD) and predicted (blue)"
    )


def _people_figure(evaluation: Evaluation, name: str) -> Markup:
    """Draw every participant's error, sorted: the headline method, and ridge or else a mean curve in grey."""
    mine = evaluation["methods"][evaluation["headline"]][name]["participants"]["rmse_bw"]
    order = sorted((k for k, v in mine.items() if v is not None), key=lambda k: mine[k])
    # one baseline, the strongest there is: more would hide the dots
    others = [m for m in ("ridge", "ridge with lags", "mean curve") if m in evaluation["methods"]][:1]
    x = np.arange(len(order), dtype=np.float64)
    tops = [mine[k] for k in order]
    errors = {
        m: _array([evaluation["methods"][m][name]["participants"]["rmse_bw"].get(k) for k in order]) for m in others
    }
    top = max([*tops, *[float(np.nanmax(v)) for v in errors.values() if v.size]], default=1.0)
    step = max(1, -(-len(order) // 6))
    places = tuple((float(i), order[i][:10]) for i in range(0, len(order), step))
    along = PanelAxis(-0.5, len(order) - 0.5, "participants, the least error first", places)
    panel = Panel(along, axis(0, top * 1.05, "RMSE, BW"), height=180)
    for values in errors.values():
        panel.dots(x, values, "refdot")
    panel.dots(x, np.asarray(tops), "devdot")
    words = f" and {others[0]} (grey)" if others else ""
    return panel.finish("Error of each participant", title=f"Every participant: {evaluation['headline']} (blue){words}")


def _spm_figure(evaluation: Evaluation, name: str) -> Markup:
    spm = evaluation.get("spm", {}).get(evaluation["headline"], {}).get(name, {})
    if "t" not in spm:
        return Markup("")
    t = _array(spm["t"])
    u = spm["threshold"]
    reach = float(np.nanmax(np.abs(np.append(t[np.isfinite(t)], u or 0.0)))) * 1.1 or 1.0
    panel = Panel(axis(0, 100, "% of stance"), axis(-reach, reach, "t, predicted minus measured"), height=160)
    panel.level(0.0, "zero")
    if u is not None:
        panel.level(u, "cut")
        panel.level(-u, "cut")
    panel.line(np.linspace(0, 100, len(t)), t, "dev")
    return panel.finish("SPM t along stance", title="Where predicted and measured mean curves differ (SPM)")


def _spm_words(evaluation: Evaluation, name: str) -> str:
    spm = evaluation.get("spm", {}).get(evaluation["headline"], {}).get(name, {})
    if not spm:
        return ""
    if spm.get("note"):
        return str(spm["note"]) + "."
    where = ", ".join(f"{c['first']}-{c['last']}" for c in spm["clusters"])
    differs = f"above the threshold at points {where}" if where else "nowhere above the threshold"
    return (
        f"Two-tailed paired SPM, participants as units, alpha {spm['alpha']:.3f}: {differs};"
        f" permutation of signs p {p_value(spm['permutation_p'])}."
    )


def _comparisons(evaluation: Evaluation, name: str) -> list[tuple[str, list[str]]]:
    rows = []
    for method, comparison in evaluation["comparisons"].get(name, {}).items():
        if not isinstance(comparison, dict):
            continue
        interval = f"{fixed(comparison['mean'], 4)} ({fixed(comparison['low'], 4)} to {fixed(comparison['high'], 4)})"
        rows.append(
            (
                method,
                [
                    judged(comparison),
                    interval,
                    f"{comparison['better']} of {comparison['n']}",
                    p_value(comparison["p_holm"]),
                ],
            )
        )
    return rows


def _strata(strata: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, list[tuple[str, str, str, str]]]]:
    return [
        (
            _STRATA.get(name, name),
            [(kind, str(stratum["n"]), fixed(stratum["mean"], 4), stratum["worst"]) for kind, stratum in kinds.items()],
        )
        for name, kinds in strata.items()
    ]


def _band_words(band: Mapping[str, Any]) -> str:
    if "half_width_bw" not in band:
        return str(band.get("note", ""))
    text = (
        f"±{fixed(band['half_width_bw'], 3)} BW around the prediction holds {100 * band['within']:.0f} % of the samples"
        f" of {100 * band['level']:.0f} % of new participants; leaving each out in turn it held for"
        f" {100 * band['held']:.0f} % of {band['n']} people."
    )
    return text + (f" {band['note']}." if band.get("note") else "")


def _features(evaluation: Evaluation, method: str) -> list[tuple[str, list[str]]]:
    rows = []
    for name, feature in evaluation.get("features", {}).get(method, {}).items():
        if "measured" not in feature:
            rows.append((name, [str(feature.get("note", "")), *[DASH] * 5]))
            continue
        limits, icc, test = feature["bland_altman"], feature.get("icc_2_1"), feature["tost"]
        same = {True: "yes", False: "no", None: DASH}[test["equivalent"]]
        cells = [
            fixed(feature["measured"], 3),
            fixed(feature["predicted"], 3),
            fixed(feature["relative_error_percent"], 1),
            f"{fixed(limits['bias'], 3)} ({fixed(limits['low'], 3)} to {fixed(limits['high'], 3)})",
            DASH if icc is None else f"{fixed(icc['value'], 2)} ({fixed(icc['low'], 2)} to {fixed(icc['high'], 2)})",
            f"{same} (±{fixed(test['margin_percent'], 0)} %)",
        ]
        rows.append((name, cells))
    return rows


def _search(evaluation: Evaluation) -> dict[str, Any]:
    """Return what a nested search chose in every fold, empty where there was none."""
    search = evaluation.get("search")
    if not search:
        return {}
    names = list(search["plan"]["space"])
    rows = [
        (
            ", ".join(fold["tested"]),
            [*[_setting(fold["settings"][n]) for n in names], fixed(fold["score"], 4), str(len(fold["participants"]))],
        )
        for fold in search["folds"].values()
    ]
    heads = [n.replace("network.", "").replace("train.", "") for n in names]
    return {"words": search["words"], "heads": [*heads, "inner error", "people searched on"], "rows": rows}


def _setting(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _personal(evaluation: Evaluation) -> dict[str, Any]:
    """Return error against strides of calibration as sentences, figures and a table, empty where there is none."""
    personal = evaluation.get("personalisation")
    if not personal:
        return {}
    counts = personal["plan"]["counts"]
    axes = list(next(iter(personal["means"].values())))
    rows = [
        (f"{name}, {_SHORT[way]}", _personal_cells(personal["means"][way][name], counts))
        for name in axes
        for way in personal["means"]
    ]
    return {
        "leaks": personal["leaks"],
        "lead": personal["words"][0],
        "words": [text for text in personal["words"] if text.startswith("left out")],
        "legend": legend([LegendKey("devdot", "dot", _WAYS["fine-tune"]), LegendKey("refdot", "dot", _WAYS["affine"])]),
        "figures": [_personal_figure(personal, name) for name in axes],
        "heads": [*[f"{n} {personal['unit']}" for n in counts], f"change with {max(counts)}", "better in"],
        "rows": rows,
    }


def _personal_cells(by_count: Mapping[str, Any], counts: Sequence[int]) -> list[str]:
    cells = []
    for n in counts:
        summary = by_count[str(n)]
        interval = "" if summary["low"] is None else f" ({fixed(summary['low'], 3)} to {fixed(summary['high'], 3)})"
        cells.append(fixed(summary["mean"], 4) + interval)
    change = by_count[str(max(counts))]["change"]
    if change is None:
        return [*cells, DASH, DASH]
    text = f"{fixed(change['mean'], 4)} ({fixed(change['low'], 4)} to {fixed(change['high'], 4)})"
    return [*cells, text, f"{change['better']} of {change['n']}"]


def _personal_figure(personal: Evaluation, name: str) -> Markup:
    """Draw the mean over participants by number of strides for both ways, and its interval."""
    counts, means = personal["plan"]["counts"], personal["means"]
    ends = [v[k] for way in means.values() for v in way[name].values() for k in ("mean", "high") if v[k] is not None]
    top = max(ends, default=1.0)
    places = tuple((float(i), str(n)) for i, n in enumerate(counts))
    panel = Panel(
        PanelAxis(-0.4, len(counts) - 0.6, f"{personal['unit']} of calibration", places),
        axis(0.0, 1.05 * top, "RMSE, BW"),
        height=200,
    )
    for shift, way, line, dot in ((-0.07, "affine", "refbold", "refdot"), (0.07, "fine-tune", "dev", "devdot")):
        values = [means[way][name][str(n)] for n in counts]
        x = np.arange(len(counts), dtype=np.float64) + shift
        mean = _array([v["mean"] for v in values])
        low, high = _array([v["low"] for v in values]), _array([v["high"] for v in values])
        for at, a, b in zip(x, low, high):
            panel.line(np.asarray([at, at]), np.asarray([a, b]), "refline" if way == "affine" else "range")
        panel.line(x, mean, line)
        panel.dots(x, mean, dot)
    force = NAMES.get(name, name)
    alt = f"Error of the {force} force by {personal['unit']} of calibration; the table below has the figures"
    return panel.finish(alt, title=f"{force} ({name})")


def _array(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.asarray([np.nan if v is None else v for v in values], dtype=np.float64)
