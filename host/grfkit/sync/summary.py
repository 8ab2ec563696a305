"""An alignment put into words and into JSON rows: what ``grf-sync`` prints, and ``Alignment.messages`` gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..records import ClockMap
from ..records.evidence import DOUBT, LEAST_CHANCE, NATS, TrialVerdict

_ROW = (
    "verdict",
    "offset_s",
    "drift_ppm",
    "uncertainty_ms",
    "margin",
    "margin_without_prior",
    "p_wrong",
    "inliers",
    "residual_ms",
    "overlap_s",
    "runner_up_offset_s",
    "lost_samples",
    "lag_s",
    "lag_sd_s",
    "lag_source",
    "origin",
    "check",
    "reasons",
    "findings",
)


def joint_verdict(maps: Mapping[str, ClockMap]) -> TrialVerdict:
    """Return ``aligned`` if every map is, ``refused`` if none is, ``partial`` between."""
    verdicts = {m.verdict for m in maps.values()}
    return "aligned" if verdicts == {"aligned"} else "partial" if "aligned" in verdicts else "refused"


def explained(lines: Sequence[str]) -> list[str]:
    """Return the lines with nats explained at the end of the first that has some."""
    first = next((number for number, line in enumerate(lines) if " nats" in line), None)
    if first is None:
        return list(lines)
    parts = lines[first].split("\n")
    at = next(number for number, part in enumerate(parts) if " nats" in part)
    parts[at] += f" ({NATS})"
    return [*lines[:first], "\n".join(parts), *lines[first + 1 :]]


def map_row(name: str, clock_map: ClockMap, warnings: Sequence[str], doubts: Sequence[str] = ()) -> dict[str, Any]:
    """Return a stream's row of the machine-readable summary."""
    plain = clock_map.model_dump(mode="json")
    plain["findings"] += [f"reference: {text}" for text in warnings] + [f"{DOUBT}{text}" for text in doubts]
    row = {"stream": name, **{key: plain[key] for key in _ROW}, "segments": plain["segments"]}
    return row if clock_map.by_hand is None else row | {"by_hand": clock_map.by_hand.stored()}


def doubts_in(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the doubts in the rows of a summary, each once."""
    found = [text for row in rows for text in row.get("findings") or [] if text.startswith(DOUBT)]
    return list(dict.fromkeys(text.removeprefix(DOUBT) for text in found))


def map_lines(maps: Mapping[str, ClockMap]) -> list[str]:
    """Return a line (with the reasons below it, where refused) for every clock; its streams are named together."""
    streams: dict[str, list[str]] = {}
    for name, clock_map in maps.items():
        streams.setdefault(_line(clock_map), []).append(name)
    return [f"{', '.join(names)}: {line}" for line, names in streams.items()]


def _line(clock_map: ClockMap) -> str:
    if clock_map.verdict != "aligned":
        return "\n    - ".join(["REFUSED", *clock_map.reasons])
    if clock_map.by_hand is not None:
        sure = f" +-{clock_map.uncertainty_ms:.1f} ms (95 %)" if clock_map.uncertainty_ms is not None else ""
        where = f"{len(clock_map.segments)} segments" if clock_map.offset_s is None else f"{clock_map.offset_s:+.4f} s"
        return f"offset {where}{sure}; clock by hand, not estimated: {clock_map.by_hand.in_words()}"
    if clock_map.origin != "estimated":
        # what is doubtful stands among the warnings
        findings = clock_map.findings[: 1 if clock_map.check == "doubtful" else 2]
        return "; ".join([f"offset {clock_map.offset_s:+.4f} s", *findings])
    if clock_map.offset_s is None or clock_map.drift_ppm is None:
        where = f"{len(clock_map.segments)} segments (samples were lost in between)"
    else:
        where = f"offset {clock_map.offset_s:+.4f} s, drift {clock_map.drift_ppm:+.1f} ppm"
    return (
        f"{where}, +-{clock_map.uncertainty_ms:.1f} ms (95 %), margin {clock_map.margin:.0f} nats,"
        f" chance of a wrong step {_chance(clock_map.p_wrong)}"
    )


def _chance(p_wrong: float | None) -> str:
    """Return the stated chance; at the least that is stated, that it may be less."""
    least = p_wrong is not None and abs(p_wrong - LEAST_CHANCE) < 1e-9
    return f"{'below ' if least else ''}{p_wrong:.1g}"
