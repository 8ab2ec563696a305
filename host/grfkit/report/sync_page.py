"""The alignment report: one page that says whether a trial can be trusted, and shows why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from ..arrays import PathLike
from ..records.evidence import NATS, StreamEvidence, TrialEvidence, as_columns
from . import words
from .closest import closest
from .figures import likelihood, residuals
from .html import page, write_page
from .numbers import DASH, fixed, size
from .overlay import coverage, losses_in_words, overlay
from .signal_view import prepare


def render_sync_report(evidence: TrialEvidence, *, of_table: bool = False) -> str:
    """Return the alignment report as one HTML page that needs nothing else.

    The page holds its styles and figures, runs no script and fetches nothing; it follows the reader's light
    or dark scheme. The same evidence gives the same text. None, NaN and infinity show as a dash.

    Parameters
    ----------
    of_table
        Whether the trial is a row of a table: what to do is then said of the table's columns, not of options.
    """
    groups = words.groups(evidence.streams)
    return page(
        "sync.html",
        reword=_for_row if of_table else None,
        trial=evidence,
        facts=_facts(evidence),
        headline=words.headline(evidence),
        sentences=_explained([_verdict(group) for group in groups]),
        advice=words.advice(evidence),
        doubtful=_doubtful(groups),
        doctor_mark=_worst(evidence),
        doctor_words=words.doctor_in_words(evidence.doctor),
        names=[words.name_of(group) for group in groups],
        states=[words.state_of(group[0].clock_map) for group in groups],
        rows=words.table_rows(groups),
        sections=[_section(group) for group in groups],
        lead=_lead(groups),
        doctor=_doctor(evidence),
        notes=_notes(evidence),
        inputs=[(i.name, i.role, size(i.size_bytes), i.sha256) for i in evidence.inputs],
        inspections=[_pairs(i) for i in evidence.inspections],
        configuration=json.dumps(
            dict(evidence.configuration), indent=2, sort_keys=True, default=str, ensure_ascii=False
        ),
    )


def _for_row(text: str) -> str:
    """Return a page with what to do said of a table's columns."""
    return as_columns(text.replace(words.BY_EYE, words.BY_EYE_OF_ROW))


def write_sync_report(path: PathLike, evidence: TrialEvidence, force: bool = False, *, of_table: bool = False) -> None:
    """Write the alignment report, completely or not at all; ``of_table`` of :func:`render_sync_report`.

    Raises
    ------
    BadInputError
        If ``path`` exists and ``force`` is false, or cannot be written.
    """
    write_page(path, render_sync_report(evidence, of_table=of_table), force=force)


def _facts(evidence: TrialEvidence) -> list[tuple[str, str]]:
    reference = evidence.configuration.get("reference")
    wearables = evidence.configuration.get("wearables") or []
    files = [("reference", str(reference))] if reference else []
    files += [("device" if len(wearables) == 1 else "devices", ", ".join(map(str, wearables)))] if wearables else []
    return [
        *files,
        ("participant", evidence.participant or DASH),
        ("mass", fixed(evidence.mass_kg, 1, "kg")),
        ("surface", evidence.surface),
        ("speed", fixed(evidence.speed_m_s, 2, "m/s")),
    ]


def _doubtful(groups: list[words.Group]) -> str:
    doubted = [s for group in groups for s in group if words.state_of(s.clock_map) != "aligned"]
    total = sum(len(group) for group in groups)
    return words.name_of(doubted) if 0 < len(doubted) < total else ""


def _lead(groups: list[words.Group]) -> str:
    """Return the stream whose overlay stands first: of the first clock that is not aligned, else of the first."""
    doubtful = [group for group in groups if words.state_of(group[0].clock_map) != "aligned"]
    return next((group[0].stream for group in [*doubtful, *groups]), "")


def _worst(evidence: TrialEvidence) -> str:
    # what was corrected is listed, but colours nothing
    standing = {words.severity_of(f) for f in evidence.doctor if not f.get("corrected")}
    return next((s for s in words.SEVERITIES if s in standing), "info")


def _verdict(group: words.Group) -> dict[str, Any]:
    clock_map = group[0].clock_map
    return {
        "name": words.name_of(group),
        "state": words.state_of(clock_map),
        "text": words.sentence(group),
        "reasons": clock_map.reasons,
    }


def _explained(verdicts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the verdicts with nats explained behind the first sentence that has some."""
    for verdict in verdicts:
        if "nats" in verdict["text"]:
            verdict["text"] += f" ({NATS}.)"
            return verdicts
        for number, reason in enumerate(verdict["reasons"]):
            if " nats" in reason:
                changed = [*verdict["reasons"]]
                changed[number] = f"{reason} ({NATS})"
                verdict["reasons"] = changed
                return verdicts
    return verdicts


def _section(group: words.Group) -> dict[str, Any]:
    first = group[0]
    return {
        "name": words.name_of(group),
        "state": words.state_of(first.clock_map),
        "kind": first.anchor_kind,
        "remarks": words.remarks(first.clock_map),
        "streams": [_figures(stream) for stream in group],
        # streams of one clock were scored together: the first one's picture is that of all
        "likelihood": likelihood(first),
        "residuals": residuals(first),
    }


def _figures(stream: StreamEvidence) -> dict[str, Any]:
    signals = prepare(stream)
    figures: dict[str, Any] = {"name": stream.stream, "losses": losses_in_words(stream)}
    figures["overlay"] = overlay(stream, signals) if signals.windows else Markup('<p class="none">No signal.</p>')
    return figures | {"closest": closest(stream, signals), "coverage": coverage(stream, signals)}


def _notes(evidence: TrialEvidence) -> list[str]:
    """Return the notes that do not stand in the table of the plates already."""
    told = tuple(f"{f.get('plate')}: {f.get('text')}" for f in evidence.doctor)
    return [note for note in evidence.notes if not (told and note.startswith(told))]


def _doctor(evidence: TrialEvidence) -> list[dict[str, str]]:
    rank = {severity: place for place, severity in enumerate(words.SEVERITIES)}
    ordered = sorted(evidence.doctor, key=lambda f: rank.get(words.severity_of(f), len(rank)))
    return [_finding(finding) for finding in ordered]


def _finding(finding: Mapping[str, Any]) -> dict[str, str]:
    corrected = finding.get("corrected")
    cells = {key: str(finding.get(key) or DASH) for key in ("plate", "code", "text")}
    cells["corrected"] = DASH if corrected is None else "yes" if corrected else "no"
    return cells | {"severity": words.severity_of(finding)}


def _pairs(inspection: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(str(key), _plain(value)) for key, value in inspection.items()]


def _plain(value: Any) -> str:
    if value is None or value == "":
        return DASH
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(v)}" for key, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(v) for v in value) or DASH
    return DASH if isinstance(value, float) and value != value else str(value)
