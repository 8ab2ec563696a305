"""Markdown of the accuracy benchmark: methods, goals, loading features, curves, intervals."""

from __future__ import annotations

from collections.abc import Sequence

from grfkit.learn.card import table_text

from ..harness import Rows, table


def markdown(figures: Rows) -> str:
    """Return all tables."""
    about = figures["machine"]
    dirty = " (with uncommitted changes)" if about["dirty"] else ""
    lines = [
        "# Accuracy benchmark",
        "",
        f"`make bench-accuracy{'-quick` (the subset for every day)' if figures['quick'] else '`'}, last written at"
        f" commit {about['commit'][:12]}{dirty}, Python {about['python']}, {about['cores']} cores; every part names the"
        " commit it was run at. Mean over participants and its 95 % interval; every participant tested by a method that"
        " had not seen them unless the row says it leaks. Folds that were finished before are taken from the disk. Sets"
        f" were cut at commits: {', '.join(f'{n} {c}' for n, c in figures.get('sets', {}).items()) or 'not known'}.",
    ]
    for name, figures_of_part in figures["benchmarks"].items():
        lines += ["", f"## {name}", "", f"Run at commit {figures_of_part['commit'][:12]}.", ""]
        if "error" in figures_of_part:
            lines.append(f"Not run: {figures_of_part['error']}")
        elif "rows" in figures_of_part:
            lines += [*table(figures_of_part["rows"]), "", figures_of_part["note"]]
        else:
            lines += part(figures_of_part)
        for title, rows in figures_of_part.get("tables", {}).items():
            lines += ["", f"**{title}**", "", *table(rows)]
    return "\n".join(lines) + "\n"


def part(figures: Rows) -> list[str]:
    """Return the lines of one benchmark: participants, the table of methods, paired differences."""
    windows, note = sum(figures["windows"].values()), f" {figures['note'].rstrip('.')}." if "note" in figures else ""
    head = f"{figures['participants']} participants, {windows} windows, split {figures['split']}, cut {figures['cut']}."
    lines = [head + note]
    lines += [f"LEAKS by design: {leak}." for leak in figures["leaks"]]
    lines += ["", table_text(figures)]
    for axis, others in figures["comparisons"].items():
        parts = [
            f"{m} {v['mean']:+.4f} ({v['low']:+.4f} to {v['high']:+.4f}; p {_p(v['p_holm'])})"
            for m, v in others.items()
            if isinstance(v, dict)
        ]
        if parts:
            lines += ["", f"{axis}, {figures['headline']} minus: " + "; ".join(parts) + "."]
    return lines


def _p(value: float | None) -> str:
    return "not given, fewer than 6 people" if value is None else f"{value:.3g}"


def limit(part: Rows, axis: str, measure: str, bound: float, *, method: str = "") -> Rows:
    """Return the row of a goal: a measure below a bound (``r``: above it), with its interval over participants."""
    name = method or part["headline"]
    got = part["methods"][name][axis]["group"][measure]
    more = measure == "r"
    met = got["mean"] is not None and (got["mean"] > bound if more else got["mean"] < bound)
    return {
        "goal": f"{axis} {measure} {'>' if more else '<'} {bound:g}", "method": name, "measured": got["mean"],
        "low": got["low"], "high": got["high"], "verdict": "met" if met else "not met",
    }  # fmt: skip


def below(part: Rows, axis: str, other: str, share: float, *, method: str = "") -> Rows:
    """Return the row of a goal: RMSE at most ``share`` of another method's on the same folds."""
    name = method or part["headline"]
    ours, theirs = (part["methods"][m][axis]["group"]["rmse_bw"]["mean"] for m in (name, other))
    row = limit(part, axis, "rmse_bw", share * theirs, method=name)
    return row | {"goal": f"{axis} RMSE <= {share:g} x {other} = {share * theirs:.4f}", "ratio": ours / theirs}


def apart(part: Rows, axis: str, other: str) -> Rows:
    """Return the row of a goal: the paired interval against another method lies below zero."""
    paired = part["comparisons"][axis].get(other)
    if not isinstance(paired, dict):
        return {"goal": f"{axis} below {other}, interval excludes 0", "method": part["headline"], "verdict": "-"}
    return {
        "goal": f"{axis} below {other}, interval excludes 0", "method": part["headline"], "measured": paired["mean"],
        "low": paired["low"], "high": paired["high"], "verdict": "met" if paired["high"] < 0 else "not met",
    }  # fmt: skip


def feature_rows(part: Rows, methods: Sequence[str]) -> list[Rows]:
    """Return loading features, measured against estimated: bias, limits of agreement, ICC(2,1), equivalence."""
    rows = []
    for method in methods:
        for name, feature in part["features"].get(method, {}).items():
            if "bland_altman" not in feature:
                continue
            limits, icc = feature["bland_altman"], feature.get("icc_2_1", {})
            rows.append({
                "method": method, "feature": name, "measured": feature["measured"], "estimated": feature["predicted"],
                "error %": feature["relative_error_percent"], "bias": limits["bias"], "limit low": limits["low"],
                "limit high": limits["high"], "ICC(2,1)": icc.get("value"), "ICC low": icc.get("low"),
                "ICC high": icc.get("high"), "TOST p": feature["tost"]["p"],
                "margin %": feature["tost"]["margin_percent"], "equivalent": feature["tost"]["equivalent"],
            })  # fmt: skip
    return rows


def spm_rows(part: Rows, methods: Sequence[str]) -> list[Rows]:
    """Return the share of the stance in which estimated and measured mean curves differ, by SPM and permutation."""
    rows = []
    for method in methods:
        for axis, test in part["spm"].get(method, {}).items():
            if "t" not in test:
                rows.append({"method": method, "axis": axis, "note": test["note"]})
                continue
            where = ", ".join(f"{c['first']}-{c['last']}" for c in test["clusters"])
            rows.append({
                "method": method, "axis": axis, "people": test["n"], "alpha": test["alpha"],
                "t threshold": test["threshold"], "differs in % of stance": 100 * (test["share_above"] or 0.0),
                "where (points)": where or "nowhere", "permutation p": test["permutation_p"],
            })  # fmt: skip
    return rows


def band_rows(part: Rows) -> list[Rows]:
    """Return how often conformal bands, calibrated on the others, held for the person left out."""
    return [
        {"axis": axis, "method": part["headline"]}
        | {k: band.get(k) for k in ("n", "level", "within", "held", "samples", "half_width_bw", "note")}
        for axis, band in part["bands"].items()
    ]


def with_tables(part: Rows, goals: Sequence[Rows], methods: Sequence[str] = (), *, force_filter: str = "") -> Rows:
    """Return a part with its goals; of stances also features, curves and intervals of some methods.

    Parameters
    ----------
    force_filter
        What the measured force went through, printed beside loading rates.
    """
    tables: dict[str, list[Rows]] = {"Goals": list(goals)} if goals else {}
    if methods:
        tables |= {
            "Loading features, measured against estimated (participants; limits of agreement of contacts), rates of"
            f" force {force_filter}": feature_rows(part, methods),
            "Estimated against measured mean curves: SPM{t}, Bonferroni over axes": spm_rows(part, methods),
            "Conformal bands, calibrated on the others": band_rows(part),
        }  # fmt: skip
    return part | {"tables": tables}
