"""The accuracy report: what a network is worth for people it has not seen, beside every baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from .html import page, write_page
from .numbers import DASH, fixed
from .panel import Axis, Key, Panel, axis, legend

Found = Mapping[str, Any]
NAMES = {"vgrf": "vertical", "apgrf": "antero-posterior", "mlgrf": "medio-lateral"}
_WAYS = {"affine": "gain and offset of the answer", "fine-tune": "network trained further"}
_SHORT = {"affine": "gain and offset", "fine-tune": "trained further"}
_MEASURES = (
    ("rmse_bw", "RMSE, BW", 4),
    ("rmse_n", "RMSE, N", 1),
    ("rrmse_percent", "rRMSE, % of the measured range", 1),
    ("rrmse_mean_range_percent", "rRMSE, % of the mean range", 1),
    ("r", "r", 4),
    ("bias_bw", "bias, BW", 4),
)


def render_accuracy_report(found: Found) -> str:
    """Return the scores of an evaluation as one HTML page that needs nothing else and runs no script."""
    chosen = found["headline"]
    return page(
        "accuracy.html",
        title=f"{chosen} for people it has not seen",
        facts=_facts(found),
        leaks=found["leaks"],
        sections=[_section(found, name) for name in found["axes"]],
        features=_features(found, chosen),
        windows=list(found["windows"].items()),
        excluded=sorted(found.get("excluded", {}).items()),
        findings=found.get("findings", []),
        few=found["participants"] < 6,
        verdict=_verdict(found),
        n=found["participants"],
        search=_search(found),
        personal=_personal(found),
    )


def write_accuracy_report(path: Path, found: Found, *, force: bool = False) -> None:
    """Write the accuracy report, whole or not at all.

    Raises
    ------
    BadInputError
        If ``path`` exists and ``force`` is false, or cannot be written.
    """
    write_page(path, render_accuracy_report(found), force=force)


def _verdict(found: Found) -> str:
    """Return the colour of the summary: good only where every baseline is beaten on every axis, and nothing leaks."""
    if found["leaks"]:
        return "refused"
    highs = [
        one.get("high") for axes in found["comparisons"].values() for one in axes.values() if isinstance(one, dict)
    ]
    beaten = [high is not None and high < 0 for high in highs]
    return "aligned" if beaten and all(beaten) else "partial" if any(beaten) else "refused"


def _facts(found: Found) -> list[tuple[str, str]]:
    cut = f"stances cut by {found['cut']}" if found["window"] == "stance" else "continuous windows"
    return [
        ("split", found["split"]),
        ("participants", str(found["participants"])),
        ("windows", f"{sum(found['windows'].values())} {cut}"),
        ("source", found["source"][:120]),
    ]


def _section(found: Found, name: str) -> dict[str, Any]:
    chosen = found["headline"]
    group = found["methods"][chosen][name]["group"]["rmse_bw"]
    return {
        "name": f"{NAMES.get(name, name)} ({name})",
        "id": name,
        "sentence": _sentence(found, name),
        "worst": f"Worst participant: {group['worst']}, {fixed(group['most'], 3)} BW." if group["worst"] else "",
        "methods": _method_figure(found, name),
        "curves": _curve_figure(found, name),
        "people": _people_figure(found, name),
        "spm": _spm_figure(found, name),
        "spm_words": _spm_words(found, name),
        "heads": [label for _, label, _ in _MEASURES],
        "rows": [_row(found, method, name) for method in found["methods"]],
        "comparisons": _comparisons(found, name),
        "strata": _strata(found["methods"][chosen][name]["strata"]),
        "band": _band_words(found["bands"].get(name, {})),
    }


def _sentence(found: Found, name: str) -> str:
    chosen, others = found["headline"], found["comparisons"].get(name, {})
    if "note" in others:
        return str(others["note"])
    better = [m for m, one in others.items() if one["high"] is not None and one["high"] < 0]
    rest = [m for m in others if m not in better]
    if not better:
        return f"{chosen} beats no baseline."
    text = f"{chosen} is better than {', '.join(better)}"
    return text + (f"; not shown to be better than {', '.join(rest)}." if rest else ", that is than every baseline.")


def _row(found: Found, method: str, name: str) -> tuple[str, list[str]]:
    group = found["methods"][method][name]["group"]
    cells = []
    for measure, _, digits in _MEASURES:
        one = group[measure]
        text = fixed(one["mean"], digits)
        if one["low"] is not None and measure != "r":
            text += f" ({fixed(one['low'], digits)} to {fixed(one['high'], digits)})"
        cells.append(text)
    lost = found["methods"][method][name]["unanswered"]
    return f"{method} ({lost} windows not answered)" if lost else method, cells


def _method_figure(found: Found, name: str) -> Markup:
    """Draw RMSE of every method: mean over participants, its interval, and each participant as a dot."""
    methods = list(found["methods"])
    groups = [found["methods"][m][name]["group"]["rmse_bw"] for m in methods]
    people = [found["methods"][m][name]["participants"]["rmse_bw"] for m in methods]
    top = max([v for one in people for v in one.values() if v is not None] or [1.0])
    n = len(methods)
    ticks = tuple((n - 1 - i, shorten(m, 44, placeholder=" …")) for i, m in enumerate(methods))
    panel = Panel(axis(0.0, 1.05 * top, "RMSE, BW"), _words_axis(n, ticks), height=34 * n, gutter="names")
    for i, (one, each) in enumerate(zip(groups, people)):
        row = float(n - 1 - i)
        values = np.asarray([v for v in each.values() if v is not None], dtype=np.float64)
        panel.dots(values, np.full(values.shape, row), "refdot")
        if one["low"] is not None:
            panel.box(one["low"], one["high"], row - 0.16, row + 0.16, "interval")
        if one["mean"] is not None:
            panel.box(one["mean"] - 0.002 * top, one["mean"] + 0.002 * top, row - 0.3, row + 0.3, "bar")
    return panel.finish(f"RMSE of {n} methods; the table below has the figures", title="Error by method")


def _words_axis(n: int, ticks: tuple[tuple[float, str], ...]) -> Any:
    return Axis(-0.6, n - 0.4, "", ticks)


def _curve_figure(found: Found, name: str) -> Markup:
    if not found.get("curves"):
        return Markup("")
    one = found["curves"][name]
    mean, sd = _array(one["measured"]), np.nan_to_num(_array(one["measured_sd"]))
    said = _array(one["methods"][found["headline"]])
    x = np.linspace(0, 100, len(mean))
    low, high = np.nanmin([mean - sd, said]), np.nanmax([mean + sd, said])
    panel = Panel(axis(0, 100, "% of stance"), axis(float(low), float(high) * 1.03, "BW"), height=220)
    panel.line(x, mean - sd, "sdline")
    panel.line(x, mean + sd, "sdline")
    panel.line(x, mean, "refbold")
    panel.line(x, said, "dev")
    return panel.finish(
        "Measured and predicted mean curve over participants", title="Measured (grey, with SD) and predicted (blue)"
    )


def _people_figure(found: Found, name: str) -> Markup:
    """Draw every participant's error, sorted, the headline method against the known-speed mean curve and ridge."""
    mine = found["methods"][found["headline"]][name]["participants"]["rmse_bw"]
    order = sorted((k for k, v in mine.items() if v is not None), key=lambda k: mine[k])
    others = [m for m in ("ridge", "ridge with lags", "mean curve") if m in found["methods"]][:1]
    x = np.arange(len(order), dtype=np.float64)
    tops = [mine[k] for k in order]
    drawn = {m: _array([found["methods"][m][name]["participants"]["rmse_bw"].get(k) for k in order]) for m in others}
    top = max([*tops, *[float(np.nanmax(v)) for v in drawn.values() if v.size]], default=1.0)
    step = max(1, -(-len(order) // 6))
    places = tuple((float(i), order[i][:10]) for i in range(0, len(order), step))
    panel = Panel(Axis(-0.5, len(order) - 0.5, "", places), axis(0, top * 1.05, "RMSE, BW"), height=180)
    for values in drawn.values():
        panel.dots(x, values, "refdot")
    panel.dots(x, np.asarray(tops), "devdot")
    words = f" and {others[0]} (grey)" if others else ""
    return panel.finish("Error of each participant", title=f"Every participant: {found['headline']} (blue){words}")


def _spm_figure(found: Found, name: str) -> Markup:
    one = found.get("spm", {}).get(found["headline"], {}).get(name, {})
    if "t" not in one:
        return Markup("")
    t = _array(one["t"])
    u = one["threshold"]
    reach = float(np.nanmax(np.abs(np.append(t[np.isfinite(t)], u or 0.0)))) * 1.1 or 1.0
    panel = Panel(axis(0, 100, "% of stance"), axis(-reach, reach, "t, predicted minus measured"), height=160)
    panel.level(0.0, "zero")
    if u is not None:
        panel.level(u, "cut")
        panel.level(-u, "cut")
    panel.line(np.linspace(0, 100, len(t)), t, "dev")
    return panel.finish("SPM t along stance", title="Where predicted and measured mean curves differ (SPM)")


def _spm_words(found: Found, name: str) -> str:
    one = found.get("spm", {}).get(found["headline"], {}).get(name, {})
    if not one:
        return ""
    if one.get("note"):
        return str(one["note"]) + "."
    where = ", ".join(f"{c['first']}-{c['last']}" for c in one["clusters"]) or "nowhere"
    p = one["permutation_p"]
    return (
        f"Two-tailed paired SPM, participants as units, alpha {one['alpha']:.3f}: above the threshold at {where};"
        f" permutation of signs p = {fixed(p, 4)}."
    )


def _comparisons(found: Found, name: str) -> list[tuple[str, list[str]]]:
    rows = []
    for method, one in found["comparisons"].get(name, {}).items():
        if not isinstance(one, dict):
            continue
        p = DASH if one["p_holm"] is None else fixed(one["p_holm"], 4)
        interval = f"{fixed(one['mean'], 4)} ({fixed(one['low'], 4)} to {fixed(one['high'], 4)})"
        note = one["note"] or ("" if not one["excludes_zero"] else "excludes zero")
        rows.append((method, [interval, f"{one['better']} of {one['n']}", p, note]))
    return rows


def _strata(strata: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, list[tuple[str, str, str, str]]]]:
    return [
        (name, [(kind, str(one["n"]), fixed(one["mean"], 4), one["worst"]) for kind, one in kinds.items()])
        for name, kinds in strata.items()
    ]


def _band_words(band: Mapping[str, Any]) -> str:
    if "half_width_bw" not in band:
        return str(band.get("note", ""))
    text = (
        f"±{fixed(band['half_width_bw'], 3)} BW around the prediction holds {100 * band['within']:.0f} % of the samples"
        f" of {100 * band['level']:.0f} % of new participants; leaving each out in turn it held for"
        f" {100 * band['held']:.0f} % of {band['n']}."
    )
    return text + (f" {band['note']}." if band.get("note") else "")


def _features(found: Found, chosen: str) -> list[tuple[str, list[str]]]:
    rows = []
    for name, one in found.get("features", {}).get(chosen, {}).items():
        if "measured" not in one:
            rows.append((name, [str(one.get("note", "")), *[DASH] * 5]))
            continue
        limits, icc, test = one["bland_altman"], one.get("icc_2_1"), one["tost"]
        same = {True: "yes", False: "no", None: DASH}[test["equivalent"]]
        cells = [
            fixed(one["measured"], 3),
            fixed(one["predicted"], 3),
            fixed(one["relative_error_percent"], 1),
            f"{fixed(limits['bias'], 3)} ({fixed(limits['low'], 3)} to {fixed(limits['high'], 3)})",
            DASH if icc is None else f"{fixed(icc['value'], 2)} ({fixed(icc['low'], 2)} to {fixed(icc['high'], 2)})",
            f"{same} (±{fixed(test['margin_percent'], 0)} %)",
        ]
        rows.append((name, cells))
    return rows


def _search(found: Found) -> dict[str, Any]:
    """Return what a nested search chose in every fold, empty where there was none."""
    one = found.get("search")
    if not one:
        return {}
    names = list(one["plan"]["space"])
    rows = [
        (
            ", ".join(fold["tested"]),
            [*[_setting(fold["settings"][n]) for n in names], fixed(fold["score"], 4), str(len(fold["participants"]))],
        )
        for fold in one["folds"].values()
    ]
    heads = [n.replace("network.", "").replace("train.", "") for n in names]
    return {"words": one["words"], "heads": [*heads, "inner error", "people searched on"], "rows": rows}


def _setting(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _personal(found: Found) -> dict[str, Any]:
    """Return error against strides of calibration as words, figures and a table, empty where it was not asked for."""
    one = found.get("personalisation")
    if not one:
        return {}
    counts = one["plan"]["counts"]
    axes = list(next(iter(one["means"].values())))
    rows = [
        (f"{name}, {_SHORT[way]}", _personal_cells(one["means"][way][name], counts))
        for name in axes
        for way in one["means"]
    ]
    return {
        "leaks": one["leaks"],
        "lead": one["words"][0],
        "words": [text for text in one["words"] if text.startswith("left out")],
        "legend": legend([Key("devdot", "dot", _WAYS["fine-tune"]), Key("refdot", "dot", _WAYS["affine"])]),
        "figures": [_personal_figure(one, name) for name in axes],
        "heads": [*[f"{n} {one['unit']}" for n in counts], f"change with {max(counts)}", "better in"],
        "rows": rows,
    }


def _personal_cells(by_count: Mapping[str, Any], counts: Sequence[int]) -> list[str]:
    cells = []
    for n in counts:
        one = by_count[str(n)]
        interval = "" if one["low"] is None else f" ({fixed(one['low'], 3)} to {fixed(one['high'], 3)})"
        cells.append(fixed(one["mean"], 4) + interval)
    change = by_count[str(max(counts))]["change"]
    if change is None:
        return [*cells, DASH, DASH]
    text = f"{fixed(change['mean'], 4)} ({fixed(change['low'], 4)} to {fixed(change['high'], 4)})"
    return [*cells, text, f"{change['better']} of {change['n']}"]


def _personal_figure(one: Found, name: str) -> Markup:
    """Draw the mean over participants by number of strides for both ways, and its interval."""
    counts, means = one["plan"]["counts"], one["means"]
    ends = [v[k] for way in means.values() for v in way[name].values() for k in ("mean", "high") if v[k] is not None]
    top = max(ends, default=1.0)
    places = tuple((float(i), str(n)) for i, n in enumerate(counts))
    panel = Panel(
        Axis(-0.4, len(counts) - 0.6, f"{one['unit']} of calibration", places),
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
    return panel.finish(
        f"Error of the {NAMES.get(name, name)} force by {one['unit']} of calibration; the table below has the figures",
        title=f"{NAMES.get(name, name)} ({name})",
    )


def _array(values: Sequence[float | None]) -> NDArray[np.float64]:
    return np.asarray([np.nan if v is None else v for v in values], dtype=np.float64)
