"""One page over many trials: how many are safe, which are not, and where each report lies."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal
from urllib.parse import quote

from ..arrays import PathLike
from ..records.evidence import DOUBT, NATS, TrialEvidence, as_columns, verdict_in_words
from . import words
from .html import page, write_page
from .numbers import chance, fixed, has_value, milliseconds

BatchVerdict = Literal["aligned", "partial", "refused", "bad input", "internal error"]
_VERDICTS: tuple[BatchVerdict, ...] = ("internal error", "bad input", "refused", "partial", "aligned")


@dataclass(frozen=True)
class BatchRow:
    """One trial of a batch.

    Attributes
    ----------
    verdict
        As the trial's own; ``bad input`` where a file could not be used, ``internal error`` for a fault of grfkit.
    report
        Path of its report relative to the batch page; empty if there is none.
    aligned, streams
        How many of its streams were aligned, and how many there are.
    uncertainty_ms, margin, p_wrong
        The worst of its aligned streams; None where nothing was aligned.
    note
        Why it was refused or failed, in one sentence.
    written
        The trial's file, empty where none was written, None where that is not known.
    """

    trial: str
    verdict: BatchVerdict
    report: str = ""
    aligned: int = 0
    streams: int = 0
    uncertainty_ms: float | None = None
    margin: float | None = None
    p_wrong: float | None = None
    note: str = ""
    written: str | None = None


def batch_row(evidence: TrialEvidence, *, report: str = "") -> BatchRow:
    """Return the trial's row: its verdict, the worst figures of its aligned streams, the first reason."""
    maps = [s.clock_map for s in evidence.streams]
    good = [m for m in maps if words.state_of(m) == "aligned"]
    reasons = [f"{s.stream}: {r}" for s in evidence.streams for r in s.clock_map.reasons]
    return BatchRow(
        trial=evidence.trial,
        verdict=evidence.verdict,
        report=report,
        aligned=len(good),
        streams=len(maps),
        uncertainty_ms=_worst(max, [m.uncertainty_ms for m in good]),
        margin=_worst(min, [m.margin for m in good]),
        p_wrong=_worst(max, [m.p_wrong for m in good]),
        note=as_columns(reasons[0]) if reasons else "",
    )


def summary_row(summary: Mapping[str, Any]) -> BatchRow:
    """Return the row of one entry of a batch's journal, as :func:`grfkit.sync.batch.run_batch` returns it.

    Parameters
    ----------
    summary
        ``out``, ``verdict`` (as of :class:`BatchRow`), ``maps`` (one mapping per stream), ``error``, ``trial`` (the
        file that was written, None for none) and, where a report was written, ``report``.
    """
    maps = summary.get("maps") or []
    good = [m for m in maps if m.get("verdict") == "aligned"]
    reasons = [f"{m.get('stream')}: {reason}" for m in maps for reason in m.get("reasons") or []]
    findings = [str(text) for m in maps for text in m.get("findings") or []]
    doubts = dict.fromkeys(text.removeprefix(DOUBT) for text in findings if text.startswith(DOUBT))
    verdict: BatchVerdict = next((v for v in _VERDICTS if v == summary.get("verdict")), "bad input")
    if verdict in ("aligned", "refused") and 0 < len(good) < len(maps):
        verdict = "partial"  # as journals of earlier versions do not say
    if verdict == "partial":
        text = verdict_in_words("partial", aligned=len(good), allow_partial=bool(summary.get("trial")))
        reasons = [f"{text.removeprefix('partly aligned, ')}; {reason}" for reason in reasons[:1]]
    return BatchRow(
        trial=PurePath(str(summary.get("out") or "")).stem,
        verdict=verdict,
        report=str(summary.get("report") or ""),
        aligned=len(good),
        streams=len(maps),
        uncertainty_ms=_worst(max, [m.get("uncertainty_ms") for m in good]),
        margin=_worst(min, [m.get("margin") for m in good]),
        p_wrong=_worst(max, [m.get("p_wrong") for m in good]),
        note=as_columns(str(summary.get("error") or "; ".join([*reasons[:1], *doubts]))),
        written=str(summary["trial"] or "") if "trial" in summary else None,
    )


def render_batch_report(
    rows: Sequence[BatchRow | Mapping[str, Any]], *, title: str = "Alignment of a batch", notes: Sequence[str] = ()
) -> str:
    """Return one HTML page over many trials, its table in four orders to choose from without a script.

    Parameters
    ----------
    rows
        In any order; entries of a batch's journal are taken as they are (:func:`summary_row`).
    notes
        Sentences about all of them, above the table.
    """
    return _rendered([r if isinstance(r, BatchRow) else summary_row(r) for r in rows], title, notes)


def _rendered(rows: list[BatchRow], title: str, notes: Sequence[str]) -> str:
    orders: list[tuple[str, str, Callable[[BatchRow], Any]]] = [
        ("verdict", "doubtful first", lambda r: (_VERDICTS.index(r.verdict), -_number(r.p_wrong), r.trial)),
        ("name", "name", lambda r: r.trial),
        ("uncertainty", "uncertainty", lambda r: (-_number(r.uncertainty_ms), r.trial)),
        ("wrong", "chance of a wrong step", lambda r: (-_number(r.p_wrong), r.trial)),
    ]
    return page(
        "batch.html",
        title=title,
        nats=NATS,
        notes=list(notes),
        total=len(rows),
        counts=[(v, n) for v in reversed(_VERDICTS) if (n := sum(r.verdict == v for r in rows)) or v == "aligned"],
        written=_written(rows),
        orders=[(key, label, [_cells(r) for r in sorted(rows, key=by)]) for key, label, by in orders],
    )


def write_batch_report(
    path: PathLike,
    rows: Sequence[BatchRow | Mapping[str, Any]],
    force: bool = False,
    *,
    title: str = "Alignment of a batch",
    notes: Sequence[str] = (),
) -> None:
    """Write the page over many trials, completely or not at all.

    Raises
    ------
    BadInputError
        If ``path`` exists and ``force`` is false, or cannot be written.
    """
    write_page(path, render_batch_report(rows, title=title, notes=notes), force=force)


def _written(rows: Sequence[BatchRow]) -> str:
    """Return how many trials were written, empty where that is not known."""
    known = [r for r in rows if r.written is not None]
    return f"Written: {sum(bool(r.written) for r in known)} of {len(rows)} trials." if known else ""


def _worst(pick: Callable[[list[float]], float], values: list[float | None]) -> float | None:
    finite = [v for v in values if v is not None and has_value(v)]
    return pick(finite) if finite else None


def _number(value: float | None) -> float:
    """Return the value to sort by: unknown values count as the worst."""
    return value if value is not None and has_value(value) else float("inf")


def _cells(row: BatchRow) -> dict[str, str]:
    half = f"±{milliseconds(row.uncertainty_ms)}" if has_value(row.uncertainty_ms) else milliseconds(None)
    return {
        "trial": row.trial,
        # quoted, so that a name with a colon is a file and never a scheme; backslashes are Windows folders
        "link": quote(row.report.replace("\\", "/"), safe="/", errors="replace"),
        "verdict": row.verdict,
        "streams": f"{row.aligned} of {row.streams}",
        "uncertainty": half,
        "margin": fixed(row.margin, 1, "nats"),
        "wrong": chance(row.p_wrong),
        "note": row.note,
        "written": "—" if row.written is None else row.written or "nothing",
    }
