"""Figures of the alignment benchmark: summaries, bounds, and the Markdown they are printed as."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import known, overlaps, pairs, sessions
from .chances import reliability, upper_bound

_SMALL = 0.1
"""Figures below it are printed with significant digits, others with decimals."""


def percentile(values: list[float | None], q: float) -> float | None:
    """Return a percentile of the known values, None if there is none."""
    finite = [v for v in values if v is not None and np.isfinite(v)]
    return float(np.percentile(finite, q)) if finite else None


def group(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the figures of one condition and wearable."""
    accepted = [r for r in rows if r["accepted"]]
    right = [r for r in accepted if not r["wrong"]]
    wrong = len(accepted) - len(right)
    covered = [abs(worst_end(r)) <= r["uncertainty_ms"] for r in right]
    figures = {
        "trials": len(rows),
        "accepted": len(accepted),
        "wrong": wrong,
        "upper_95": upper_bound(wrong, len(accepted)),
        "drift_type_p95_ms": percentile([r["drift_type_p95_ms"] for r in right], 95),
        "drift_type_median_ms": percentile([r["drift_type_p95_ms"] for r in right], 50),
        "absolute_p95_ms": percentile([r["absolute_p95_ms"] for r in right], 95),
        "absolute_median_ms": percentile([r["absolute_p95_ms"] for r in right], 50),
        "covered": float(np.mean(covered)) if covered else None,
        "uncertainty_median_ms": percentile([r["uncertainty_ms"] for r in right], 50),
        "margin_p5": percentile([r["margin"] for r in rows], 5),
        "margin_median": percentile([r["margin"] for r in rows], 50),
        "cpu_median_s": percentile([r["cpu_s"] for r in rows], 50),
    }
    slips = [r["baselines"] for r in rows if "baselines" in r]
    for name in ("raw cross-correlation", "GCC-PHAT", "nearest advocate"):
        tried = [b[name]["slip"] for b in slips if name in b]
        if tried:
            figures[f"slip: {name}"] = {"slips": int(sum(tried)), "trials": len(tried)}
    return figures


def worst_end(row: dict[str, Any]) -> float:
    """Return the error (ms) at the end of the overlap where it is larger: the worst instant of a clock map."""
    return max(row["ends_ms"], key=abs)


def summary(rows: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return the figures of all conditions, decoys, coverage and reliability."""
    figures: dict[str, Any] = {"conditions": {}, "decoys": {}, "errors": [], "strata": {}}
    everything: list[dict[str, Any]] = []
    for name, trials in rows.items():
        figures["errors"] += [{"condition": name, **r} for r in trials if "error" in r]
        good = [r for r in trials if "error" not in r]
        for wearable in sorted({r["wearable"] for r in good}):
            part = [r for r in good if r["wearable"] == wearable]
            if name.startswith("decoy: "):
                accepted = sum(r["accepted"] for r in part)
                figures["decoys"][f"{name[7:]}, {wearable}"] = {"trials": len(part), "accepted": accepted}
                continue
            figures["conditions"][f"{name}, {wearable}"] = group(part)
            everything += part
    figures["coverage"] = coverage(everything)
    figures["reliability"] = reliability(everything)
    figures["strata"] = strata(everything)
    figures["wrong_accepted"] = [
        {k: r.get(k) for k in ("seed", "wearable", "margin", "mean_ms", "contacts", "family")}
        for r in everything
        if r["accepted"] and r["wrong"]
    ]
    figures["refused"] = [
        {"seed": r["seed"], "wearable": r["wearable"], "margin": r["margin"], "reasons": r["reasons"]}
        for r in everything
        if not r["accepted"]
    ]
    return figures


def coverage(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how often the stated 95 % half-width held, over all accepted and right trials."""
    right = [r for r in rows if r["accepted"] and not r["wrong"]]
    figures = {}
    for wearable in sorted({r["wearable"] for r in right}):
        part = [abs(worst_end(r)) <= r["uncertainty_ms"] for r in right if r["wearable"] == wearable]
        figures[wearable] = {"covered": float(np.mean(part)), "trials": len(part)}
    part = [abs(worst_end(r)) <= r["uncertainty_ms"] for r in right]
    figures["all"] = {"covered": float(np.mean(part)) if part else None, "trials": len(part)}
    return figures


def strata(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return wrong / accepted / trials by the runner's step variability."""
    figures: dict[str, Any] = {}
    for low, high in ((0.0, 1.2), (1.2, 1.8), (1.8, 2.4), (2.4, 9.0)):
        part = [r for r in rows if r.get("step_cv_percent") is not None and low <= r["step_cv_percent"] < high]
        for surface in ("treadmill", "overground"):
            of = [r for r in part if r.get("surface") == surface]
            if of:
                accepted = [r for r in of if r["accepted"]]
                figures[f"{surface}, step CV {low:g}-{high:g} %"] = {
                    "trials": len(of),
                    "accepted": len(accepted),
                    "wrong": sum(bool(r["wrong"]) for r in accepted),
                }
    return figures


def number(value: Any, digits: int = 2) -> str:
    """Return a figure for a table, a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:.{digits}g}" if abs(value) < _SMALL else f"{value:.{digits}f}"


def markdown(figures: dict[str, Any]) -> str:
    """Return the whole benchmark as Markdown."""
    about = figures["machine"]
    processor = about.get("machine") or about["processor"]  # as older files name it
    state = " (with uncommitted changes)" if about["dirty"] else ""
    lines = [
        "# Alignment benchmark",
        "",
        f"`make bench-sync`, commit {about['commit'][:12]}{state}, Python {about['python']}, {processor},"
        f" {about['cores']} cores. Simulated unless a row says otherwise. Seeds: {figures['seeds']}.",
        "",
    ]
    for part, of in figures.get("joined", {}).items():
        run = f"`python tools/bench sync --trials {of['trials']} --decoys {of['decoys']}`"
        lines += [f"Part *{part}*: {run} at commit {of['commit'][:12]}.", ""]
    if "trials" in figures:
        lines += _trials(figures["trials"])
    if "nightly" in figures:
        lines += _nightly(figures["nightly"])
    if "speed" in figures:
        lines += _speed(figures["speed"])
    if "real" in figures:
        lines += _real(figures["real"])
    if "known" in figures:
        lines += known.markdown(figures["known"])
    if "pairs" in figures:
        lines += pairs.markdown(figures["pairs"])
    if "sessions" in figures:
        lines += sessions.markdown(figures["sessions"], upper_bound)
    if "overlaps" in figures:
        lines += overlaps.markdown(figures["overlaps"])
    return "\n".join(lines) + "\n"


def _trials(figures: dict[str, Any]) -> list[str]:
    lines = ["## Simulated trials", ""]
    lines += [
        "| condition | trials | accepted | wrong / accepted (95 % upper) | drift-type 95 % ms | absolute 95 % ms |"
        " covered |"
        " xcorr slips | PHAT slips | nearest advocate slips |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, f in figures["conditions"].items():
        slips = [f.get(f"slip: {b}") for b in ("raw cross-correlation", "GCC-PHAT", "nearest advocate")]
        cells = [f"{s['slips']}/{s['trials']}" if s else "-" for s in slips]
        lines.append(
            f"| {name} | {f['trials']} | {100 * f['accepted'] / f['trials']:.1f} % |"
            f" {f['wrong']} / {f['accepted']} ({number(f['upper_95'])}) | {number(f['drift_type_p95_ms'])} |"
            f" {number(f['absolute_p95_ms'])} | {number(f['covered'])} | {' | '.join(cells)} |"
        )
    lines += [
        "",
        "Slips are errors above 0.12 s before any refusal. Covered: the error at the worse end of the overlap",
    ]
    lines += ["lies within `uncertainty_ms`.", "", "| decoy | trials | accepted |", "|---|---|---|"]
    lines += [f"| {n} | {d['trials']} | {d['accepted']} |" for n, d in figures["decoys"].items()]
    lines += ["", "| stratum | trials | accepted | wrong |", "|---|---|---|---|"]
    lines += [f"| {n} | {s['trials']} | {s['accepted']} | {s['wrong']} |" for n, s in figures["strata"].items()]
    covered = {n: c for n, c in figures["coverage"].items() if c["covered"] is not None}
    shares = ", ".join(f"{n} {100 * c['covered']:.1f} % of {c['trials']}" for n, c in covered.items())
    lines += ["", f"Coverage of `uncertainty_ms`: {shares}.", ""]
    return [*lines, *_reliability("all simulated trials", figures["reliability"])]


def _reliability(title: str, table: list[dict[str, Any]]) -> list[str]:
    lines = [f"`p_wrong`, {title} (accepted or not):", "", "| stated | observed | trials |", "|---|---|---|"]
    lines += [
        f"| {r['stated']:.1e} | {r['wrong']}/{r['trials']} = {r['observed']:.1e} | {r['trials']} |" for r in table
    ]
    return [*lines, ""]


def _nightly(figures: dict[str, Any]) -> list[str]:
    lines = [
        "## Nightly: event-level trials",
        "",
        "| condition | trials | wrong / accepted | 95 % upper |",
        "|---|---|---|---|",
    ]
    for name, f in figures.items():
        lines.append(f"| {name} | {f['trials']} | {f['wrong']} / {f['accepted']} | {number(f['upper_95'])} |")
    lines.append("")
    for name, f in figures.items():
        lines += _reliability(name, f["reliability"])
    return lines


def _speed(figures: dict[str, Any]) -> list[str]:
    lines = ["## Cost of align() on arrays in memory", ""]
    lines += [
        f"Calibration loop (fixed work, same run): {figures['calibration_cpu_s']:.3f} CPU-s.",
        "",
        "| record at 1000 Hz, both feet | CPU-s | of the calibration loop | memory above inputs, MB |",
        "|---|---|---|---|",
    ]
    for row in figures["rows"]:
        lines.append(f"| {row['name']} | {row['cpu_s']:.2f} | {row['ratio']:.1f} | {row['memory_mb']:.0f} |")
    return [*lines, "", f"`grf-sync --help`: {figures['help_s']:.2f} s.", ""]


def _real(figures: dict[str, Any]) -> list[str]:
    lines = ["## Real recordings", ""]
    lines += ["| what | result |", "|---|---|"]
    lines += [f"| {row['what']} | {row['result']} |" for row in figures["rows"]]
    return [*lines, ""]
