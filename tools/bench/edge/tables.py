"""Markdown of the edge benchmark."""

from __future__ import annotations

from grfkit.learn.card import table_text

from ..harness import table, versions
from .boards import CHIPS, CYCLES
from .models import BILSTM, TCN, Rows
from .parity import BOUND_TEXT


def markdown(figures: Rows) -> str:
    """Return all tables."""
    about = figures["machine"]
    packages = versions(about, but=("cores",))
    lines = [
        "# Edge benchmark",
        "",
        f"`make bench-edge{' ARGS=--quick' * figures['quick']}`, commit {about['commit']}, {packages}, {about['cores']}"
        f" cores.{' QUICK: few stances, epochs and folds, no figure here is final.' * figures['quick']} All models are"
        " trained; whoever is tested was in no training and no calibration. The TCN's shape, noise and dropout were"
        " chosen once for all folds, on inner people, who are tested in other folds: `python tools/bench edge.choice`.",
        "",
        *table([{"set": k} | v for k, v in figures["benches"].items()]),
        "",
        "## Goals",
        "",
        *_goals(figures["parts"]),
    ]
    for name, write in _WRITERS.items():
        part = figures["parts"].get(name)
        if part is not None:
            lines += [
                "",
                f"## {name.capitalize()}",
                "",
                f"Run at commit {part['commit']}, {figures['wall_s'][name]:.0f} s.",
                "",
            ]
            lines += [f"Not run: {part['error']}"] if "error" in part else write(part)
    return "\n".join(lines) + "\n"


def _goals(parts: Rows) -> list[str]:
    """Return every goal of the benchmark in one table."""
    rows: list[Rows] = []
    for row in parts.get("latency", {}).get("ratios", []):
        if row.get("goal"):
            rows.append({"goal": f"{row['ratio']} {row['goal']}", "measured": f"{row['median']:.1f} x"} | _verdict(row))
    rows += [row for name, part in parts.get("accuracy", {}).items() for row in _behind(name, part)]
    for row in parts.get("boards", {}).get("prototype", []):
        if "goal" in row:
            text = f"{row['M']:.2f} M, {row['RAM KB']:.1f} KB"
            rows.append(
                {"goal": f"{row['model']} on M4F, 101 x 12 -> 3: {row['goal']}", "measured": text} | _verdict(row)
            )
    repaired = [r for r in parts.get("parity", {}).get("rows", []) if r["file"].startswith("int8 (")]
    if repaired:
        broken = [f"{r['bench']} {r['model']}: {r['bounds']}" for r in repaired if r["bounds"] != "kept"]
        verdict = {"verdict": "NOT MET" if broken else "met"}
        rows.append(
            {
                "goal": "every repaired file keeps the bounds of parity",
                "measured": "; ".join(broken) or f"{len(repaired)} files",
            }
            | verdict
        )
    return table(rows)


def _behind(name: str, part: Rows | str) -> list[Rows]:
    """Return how far the TCN is behind the BiLSTM on a bench, by axis."""
    goals = part.get("tables", {}).get("Goals", []) if isinstance(part, dict) else []
    return [
        {"goal": f"{name}, {row['axis']}: {row['goal']}", "measured": f"{row['points']:+.2f} points"} | _verdict(row)
        for row in goals
        if row["goal"].startswith(TCN) and BILSTM in row["goal"]
    ]


def _verdict(row: Rows) -> Rows:
    return {"verdict": row["verdict"]}


def _latency(part: Rows) -> list[str]:
    clock, cpu = (part["loop_ms"][k] for k in ("clock", "processor"))
    return [
        "One window at a time, of B, or of the lab where it says so; one thread, all resident,"
        f" {part['rounds']} rounds in turn, a block of calls of about 30 ms each."
        " Median, 10th and 90th percentile, least of the blocks: on the clock, and as processor"
        " time (CPU), which others on the machine hardly lengthen. Ratios are of processor time, round by round;"
        " those of the clock stand beside them. `loop` is a fixed loop of Python before each block: on the clock"
        f" {clock['median']:.2f} ms (10-90 % {clock['p10']:.2f}-{clock['p90']:.2f}), of the processor"
        f" {cpu['median']:.2f} ms ({cpu['p10']:.2f}-{cpu['p90']:.2f}). Where the two differ the machine was busy, and"
        " milliseconds on the clock are not to be quoted. State is reset for each window; scaling of inputs is not"
        " counted; int8 files take and give int8. The C runtime is written for Cortex-M.",
        "",
        *table(part["ratios"]),
        "",
        *table(part["rows"]),
    ]


def _accuracy(part: Rows) -> list[str]:
    lines: list[str] = []
    for name, scores in part.items():
        if name == "commit":
            continue
        lines += [f"### {name}: {scores['note']}", "",
                  f"{scores['participants']} participants tested, {sum(scores['windows'].values())} windows.", "",
                  table_text(scores)]  # fmt: skip
        for title, rows in scores["tables"].items():
            lines += ["", f"**{title}**", "", *_split(rows)]
        lines.append("")
    return lines


def _split(rows: list[Rows]) -> list[str]:
    """Return rows of different columns as tables of their own."""
    lines: list[str] = []
    kinds: dict[tuple[str, ...], list[Rows]] = {}
    for row in rows:
        kinds.setdefault(tuple(row), []).append(row)
    for some in kinds.values():
        lines += [*table(some), ""]
    return lines[:-1]


def _parity(part: Rows) -> list[str]:
    return [
        "On people the model has not seen (the first fold's). " + BOUND_TEXT + " An rRMSE that falls is an error that"
        " happens to point the other way.",
        "",
        *table(part["rows"]),
    ]


def _boards(part: Rows) -> list[str]:
    chips = ", ".join(f"{chip} at {mhz:g} MHz" for chip, mhz in CHIPS.values())
    return [
        "Instructions (QEMU, SysTick under -icount), not cycles. gcc -O3. RAM is scratch and stack (high water); input"
        " and answer of a window are the caller's. `estimated ms` is an ESTIMATE, measured on no chip: instructions x"
        f" {CYCLES[0]:g} to {CYCLES[1]:g} assumed cycles each, {chips}.",
        "",
        *table(part["prototype"]),
        "",
        *table(part["rows"]),
        "",
        "By how it is compiled, and on a core without the DSP instructions:",
        "",
        *table(part["builds"]),
        "",
        "The bundles that ship, on the M4F: from an insole's samples to int8 and through the model, the most of each"
        " kind, on a made-up foot whose every byte is known:",
        "",
        *table(part["walks"]),
    ]


_WRITERS = {"latency": _latency, "accuracy": _accuracy, "parity": _parity, "boards": _boards}
