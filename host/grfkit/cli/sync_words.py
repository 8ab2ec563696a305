"""Texts of ``grf-sync``: the result of a trial and of a table as a person reads them, and their exit codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..records.evidence import as_columns, verdict_in_words
from ..sync import Alignment
from ..sync.summary import doubts_in
from .command_line import for_terminal
from .common import EXIT_BAD_INPUT, EXIT_INTERNAL, EXIT_REFUSED


def words(alignment: Alignment, out: Path, report: Path | None) -> str:
    """Return the result as a person reads it."""
    lines = [f"verdict: {alignment.verdict_words}", *(f"  {text}" for text in alignment.messages)]
    by_eye = " (to decide by eye: the same command with --review)"
    lines.append(f"trial: {out}" if alignment.accepted else f"no trial was written{by_eye}")
    if not alignment.accepted:
        lines += earlier_trial(out)
    if report is not None:
        lines.append(f"report: {report}")
    return for_terminal("\n".join(lines))


def earlier_trial(out: Path) -> list[str]:
    """Return that a trial of an earlier run stands where nothing was written now, as a line; none without."""
    left = f"warning: {out} is of an earlier run and stays as it was; delete it if nothing should be made of it"
    return [left] if out.exists() else []


def table_code(entries: Sequence[Mapping[str, Any]]) -> int:
    """Return the exit code of a table: that of its gravest row."""
    verdicts = {str(entry["verdict"]) for entry in entries}
    if "internal error" in verdicts:
        return EXIT_INTERNAL
    if "bad input" in verdicts:
        return EXIT_BAD_INPUT
    unsafe = any(e["verdict"] == "refused" or (e["verdict"] == "partial" and not e["trial"]) for e in entries)
    return EXIT_REFUSED if unsafe else 0


def table_words(counts: Mapping[str, int], entries: Sequence[Mapping[str, Any]]) -> str:
    """Return how many rows ended how, a line for each that is not aligned, and each doubt."""
    names = {"partial": "partly aligned"}
    lines = [f"{number} {names.get(verdict, verdict)}" for verdict, number in counts.items() if number]
    for entry in entries:
        if entry["verdict"] != "aligned":
            why = entry["error"] or "; ".join([*_partial(entry), *_reasons(entry)]) or "refused"
            lines.append(f"  row {entry['row']} ({entry['out']}): {why}")
        lines += [f"  row {entry['row']} ({entry['out']}): warning: {doubt}" for doubt in doubts_in(entry["maps"])]
    return for_terminal(as_columns("\n".join(lines)))


def _partial(entry: Mapping[str, Any]) -> list[str]:
    """Return what became of a row of which a part is aligned."""
    if entry["verdict"] != "partial":
        return []
    aligned = sum(row["verdict"] == "aligned" for row in entry["maps"])
    return [verdict_in_words("partial", aligned=aligned, allow_partial=bool(entry["trial"]))]


def _reasons(entry: Mapping[str, Any]) -> list[str]:
    """Return the first reason of every stream; streams that share it stand together."""
    streams: dict[str, list[str]] = {}
    for row in entry["maps"]:
        if row["reasons"]:
            streams.setdefault(row["reasons"][0], []).append(row["stream"])
    return [f"{', '.join(names)}: {reason}" for reason, names in streams.items()]
