"""What ``grf-sync`` says: the result of a trial and of a table as a person reads them, and their exit codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..records import ClockMap
from ..sync.job import SyncResult
from .common import EXIT_REFUSED


def exit_code(verdict: str) -> int:
    """Return the exit code of a verdict."""
    return {"aligned": 0, "bad input": 2}.get(verdict, EXIT_REFUSED)


def words(result: SyncResult, out: Path, report: Path | None) -> str:
    """Return the result as a person reads it."""
    lines = [f"verdict: {result.verdict}"]
    for answer, names in _answers(result.maps).items():
        lines.append(f"  {', '.join(names)}: {answer}")
    lines += [f"  warning: {text}" for text in result.warnings()]
    if result.trial is not None:
        lines.append(f"trial: {out}")
    else:
        lines.append("no trial was written")
    if report is not None:
        lines.append(f"report: {report}")
    return "\n".join(lines)


def _answers(maps: Mapping[str, ClockMap]) -> dict[str, list[str]]:
    """Return the streams by what is said of them: those of one clock have one answer."""
    streams: dict[str, list[str]] = {}
    for name, found in maps.items():
        streams.setdefault(_answer(found), []).append(name)
    return streams


def _answer(found: ClockMap) -> str:
    if found.verdict != "aligned":
        return "\n    - ".join(["REFUSED", *found.reasons])
    where = _where(found.offset_s, found.drift_ppm, len(found.segments))
    return (
        f"{where}, +-{found.uncertainty_ms:.1f} ms (95 %), margin {found.margin:.0f} nats,"
        f" chance of a wrong step {found.p_wrong:.1g}"
    )


def _where(offset_s: float | None, drift_ppm: float | None, segments: int) -> str:
    if offset_s is None or drift_ppm is None:
        return f"{segments} segments (samples were lost in between)"
    return f"offset {offset_s:+.4f} s, drift {drift_ppm:+.1f} ppm"


def table_words(counts: Mapping[str, int], done: Sequence[dict[str, Any]]) -> str:
    """Return how many rows ended how, and a line for each that is not aligned."""
    lines = [f"{number} {verdict}" for verdict, number in counts.items() if number]
    for entry in done:
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
