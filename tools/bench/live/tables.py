"""Markdown of the live benchmark: every goal met or NOT met first, then part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..harness import Rows, versions

Goal = tuple[str, str, bool]
"""A goal, the figure that was measured, whether it is met."""
ON = "Simulated link; Windows, macOS, boards: untested."


@dataclass(frozen=True)
class Part:
    """One part of the benchmark: what it measures, its goals, and its tables."""

    title: str
    measure: Callable[..., Rows]
    goals: Callable[[Rows], list[Goal]]
    table: Callable[[Rows], list[str]]


def goals_of(parts: Mapping[str, Part], figures: Rows) -> list[tuple[str, str, str, bool]]:
    """Return ``(part, wanted, measured, met)`` of every part; one that failed or was never run meets nothing."""
    rows: list[tuple[str, str, str, bool]] = []
    for name, part in parts.items():
        figures_of_part = figures["parts"].get(name, {"error": "not run"})
        if "error" in figures_of_part:
            rows.append((name, "the part runs to its end", figures_of_part["error"], False))
            continue
        try:
            rows += [(name, *goal) for goal in part.goals(figures_of_part)]
        except (KeyError, TypeError, ValueError, IndexError) as error:
            rows.append((name, "figures that this version can judge", f"{type(error).__name__}: {error}", False))
    return rows


def markdown(parts: Mapping[str, Part], figures: Rows) -> str:
    """Return all tables."""
    about, quick = figures["machine"], figures["quick"]
    lines = [
        "# Live benchmark",
        "",
        f"`make bench-live{' ARGS=--quick' * quick}`, commit {about['commit']}, {versions(about, but=())}."
        f"{' QUICK: short and few, no figure here is final.' * quick}",
        "",
        f"{ON} Insoles, monitor and browser are processes of one machine. `loop` is a fixed loop of Python (two million"
        " additions, s) before and after the part: where it differs the machine was busy or slower.",
        "",
        "## Goals",
        "",
        "| part | goal | measured (simulated link) | met | loop s |",
        "|---|---|---|---|---|",
    ]
    for name, goal, measured, met in goals_of(parts, figures):
        row = [name, goal, measured, "yes" if met else "**NOT met**", _loop(figures["parts"].get(name, {}))]
        lines.append("| " + " | ".join(_cell(text) for text in row) + " |")
    for name, part in parts.items():
        if name in figures["parts"]:
            lines += ["", f"## {part.title}", "", *_section(part, figures["parts"][name])]
    return "\n".join(lines) + "\n"


def _section(part: Part, figures: Rows) -> list[str]:
    head = f"{ON} Commit {figures['commit']}, {figures['wall_s']:.0f} s, loop {_loop(figures)} s."
    if "error" in figures:
        return [head, "", f"Failed: {figures['error']}"]
    try:
        return [head, "", *part.table(figures)]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        return [head, "", f"Figures of another version: {type(error).__name__}: {error}"]


def _loop(figures: Rows) -> str:
    loop = figures.get("calibration_s")
    return f"{loop['before']:.3f}, {loop['after']:.3f}" if loop else "-"


def _cell(text: str) -> str:
    return text.replace("|", "/").replace("\n", " ")
