"""Texts of ``grf-sync``: the result of a trial and of a table as a person reads them, and their exit codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..sync import Alignment
from .common import EXIT_REFUSED


def exit_code(verdict: str) -> int:
    """Return the exit code of a verdict."""
    return {"aligned": 0, "bad input": 2}.get(verdict, EXIT_REFUSED)


def words(alignment: Alignment, out: Path, report: Path | None) -> str:
    """Return the result as a person reads it."""
    lines = [f"verdict: {alignment.outcome}", *(f"  {text}" for text in alignment.messages)]
    lines.append(f"trial: {out}" if alignment.accepted else "no trial was written")
    if report is not None:
        lines.append(f"report: {report}")
    return "\n".join(lines)


def table_words(counts: Mapping[str, int], entries: Sequence[dict[str, Any]]) -> str:
    """Return how many rows ended how, and a line for each that is not aligned."""
    lines = [f"{number} {verdict}" for verdict, number in counts.items() if number]
    for entry in entries:
        if entry["verdict"] != "aligned":
            why = entry["error"] or "; ".join(_reasons(entry)) or "refused"
            lines.append(f"  row {entry['row']} ({entry['out']}): {why}")
    return "\n".join(lines)


def _reasons(entry: Mapping[str, Any]) -> list[str]:
    """Return the first reason of every stream; streams that share it stand together."""
    streams: dict[str, list[str]] = {}
    for row in entry["maps"]:
        if row["reasons"]:
            streams.setdefault(row["reasons"][0], []).append(row["stream"])
    return [f"{', '.join(names)}: {reason}" for reason, names in streams.items()]
