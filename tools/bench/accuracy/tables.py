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
    for name, one in figures["benchmarks"].items():
        lines += ["", f"## {name}", "", f"Run at commit {one['commit'][:12]}.", ""]
        if "error" in one:
            lines.append(f"Not run: {one['error']}")
        elif "rows" in one:
            lines += [*table(one["rows"]), "", one["note"]]
        else:
            lines += part(one)
        for title, rows in one.get("tables", {}).items():
            lines += ["", f"**{title}**", "", *table(rows)]
    return "\n".join(lines) + "\n"


def part(one: Rows) -> list[str]:
    """Return what is told of one benchmark: who, the table of methods, paired differences."""
    lines = [f"{one['participants']} participants, {sum(one['windows'].values())} windows, split {one['split']},"
             f" cut {one['cut']}." + (f" {one['note']}." if "note" in one else "")]  # fmt: skip
    lines += [f"LEAKS by design: {leak}." for leak in one["leaks"]]
    lines += ["", table_text(one)]
    for axis, others in one["comparisons"].items():
        parts = [
            f"{m} {v['mean']:+.4f} ({v['low']:+.4f} to {v['high']:+.4f}; p {_p(v['p_holm'])})"
            for m, v in others.items()
            if isinstance(v, dict)
        ]
        if parts:
            lines += ["", f"{axis}, {one['headline']} minus: " + "; ".join(parts) + "."]
    return lines


def _p(value: float | None) -> str:
    return "not given, fewer than 6 people" if value is None else f"{value:.3g}"


def limit(one: Rows, axis: str, measure: str, bound: float, *, method: str = "") -> Rows:
    """Return the row of a goal: a measure below a bound (``r``: above it), with its interval over participants."""
    name = method or one["headline"]
    got = one["methods"][name][axis]["group"][measure]
    more = measure == "r"
    met = got["mean"] is not None and (got["mean"] > bound if more else got["mean"] < bound)
    return {
        "goal": f"{axis} {measure} {'>' if more else '<'} {bound:g}", "method": name, "measured": got["mean"],
        "low": got["low"], "high": got["high"], "verdict": "met" if met else "not met",
    }  # fmt: skip


def below(one: Rows, axis: str, other: str, share: float, *, method: str = "") -> Rows:
    """Return the row of a goal: RMSE at most ``share`` of another method's on the same folds."""
    name = method or one["headline"]
    ours, theirs = (one["methods"][m][axis]["group"]["rmse_bw"]["mean"] for m in (name, other))
    row = limit(one, axis, "rmse_bw", share * theirs, method=name)
    return row | {"goal": f"{axis} RMSE <= {share:g} x {other} = {share * theirs:.4f}", "ratio": ours / theirs}


def apart(one: Rows, axis: str, other: str) -> Rows:
    """Return the row of a goal: the paired interval against another method lies below zero."""
    found = one["comparisons"][axis].get(other)
    if not isinstance(found, dict):
        return {"goal": f"{axis} below {other}, interval excludes 0", "method": one["headline"], "verdict": "-"}
    return {
        "goal": f"{axis} below {other}, interval excludes 0", "method": one["headline"], "measured": found["mean"],
        "low": found["low"], "high": found["high"], "verdict": "met" if found["high"] < 0 else "not met",
    }  # fmt: skip


def feature_rows(one: Rows, methods: Sequence[str]) -> list[Rows]:
    """Return loading features, measured against estimated: bias, limits of agreement, ICC(2,1), equivalence."""
    rows = []
    for method in methods:
        for name, found in one["features"].get(method, {}).items():
            if "bland_altman" not in found:
                continue
            limits, icc = found["bland_altman"], found.get("icc_2_1", {})
            rows.append({
                "method": method, "feature": name, "measured": found["measured"], "estimated": found["predicted"],
                "error %": found["relative_error_percent"], "bias": limits["bias"], "limit low": limits["low"],
                "limit high": limits["high"], "ICC(2,1)": icc.get("value"), "ICC low": icc.get("low"),
                "ICC high": icc.get("high"), "TOST p": found["tost"]["p"],
                "margin %": found["tost"]["margin_percent"], "equivalent": found["tost"]["equivalent"],
            })  # fmt: skip
    return rows


def spm_rows(one: Rows, methods: Sequence[str]) -> list[Rows]:
    """Return the share of the stance in which estimated and measured mean curves differ, by SPM and permutation."""
    rows = []
    for method in methods:
        for axis, found in one["spm"].get(method, {}).items():
            if "t" not in found:
                rows.append({"method": method, "axis": axis, "note": found["note"]})
                continue
            where = ", ".join(f"{c['first']}-{c['last']}" for c in found["clusters"])
            rows.append({
                "method": method, "axis": axis, "people": found["n"], "alpha": found["alpha"],
                "t threshold": found["threshold"], "differs in % of stance": 100 * (found["share_above"] or 0.0),
                "where (points)": where or "nowhere", "permutation p": found["permutation_p"],
            })  # fmt: skip
    return rows


def band_rows(one: Rows) -> list[Rows]:
    """Return how often conformal bands, calibrated on the others, held for the person left out."""
    return [
        {"axis": axis, "method": one["headline"]}
        | {k: found.get(k) for k in ("n", "level", "within", "held", "samples", "half_width_bw", "note")}
        for axis, found in one["bands"].items()
    ]


def with_tables(one: Rows, goals: Sequence[Rows], methods: Sequence[str] = (), *, force_filter: str = "") -> Rows:
    """Return a part with its goals; of stances also features, curves and intervals of some methods.

    Parameters
    ----------
    force_filter
        What the measured force went through, told beside loading rates.
    """
    tables: dict[str, list[Rows]] = {"Goals": list(goals)} if goals else {}
    if methods:
        tables |= {
            "Loading features, measured against estimated (participants; limits of agreement of contacts), rates of"
            f" force {force_filter}": feature_rows(one, methods),
            "Estimated against measured mean curves: SPM{t}, Bonferroni over axes": spm_rows(one, methods),
            "Conformal bands, calibrated on the others": band_rows(one),
        }  # fmt: skip
    return one | {"tables": tables}
