"""The work of ``grf-calibrate lag`` once its options are read: measure, write, and put the result into words."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import ArgumentError, refuse_other_ending
from ..artefacts import check_file, written_whole
from ..calibrate.documents import LagTable
from ..errors import BadInputError
from ..sync.lag_document import Scope, lag_document
from ..sync.lag_measure import ClassLag, RecordingLag
from ..sync.lag_sources import measure_lags

_DAY = re.compile(r"^\d{4}-\d{2}-\d{2}$")
_NAME = re.compile(r"^[a-z0-9][a-z0-9_.-]*$")


def run_lag(
    options: dict[str, Any],
    *,
    out: Path | None,
    report: Path | None,
    name: str,
    one_device: bool,
    made_on: str,
    force: bool,
) -> tuple[dict[str, Any], str]:
    """Return the JSON summary and the words of measured lags; document and report are written.

    Parameters
    ----------
    options
        Keyword arguments of :func:`grfkit.sync.lag_sources.measure_lags`.
    """
    if out is None:
        raise BadInputError("--out LAG.json is missing (see --help)")
    name = name or re.sub(r"[^a-z0-9_.-]+", "-", out.stem.lower())
    if not _NAME.match(name):
        raise ArgumentError("name", f"is {name!r}, expected small letters, digits, '-', '.' or '_'")
    if made_on and not _is_day(made_on):
        raise ArgumentError("made_on", f"is {made_on!r}, expected a day as 2026-05-31")
    _check_files(options, out, report, force)
    lags, sources = measure_lags(**options)
    inputs = list(dict.fromkeys(file for source in sources for file in source.inputs))
    scope: Scope = "device" if one_device else "class"
    document = lag_document(lags, name=name, inputs=inputs, scope=scope, made_on=made_on)
    if report is not None:
        from ..report.lag_page import write_lag_report

        shown = [_shown(r) for lag in lags for r in lag.recordings]
        write_lag_report(report, document.model_dump(mode="json"), shown, force=force)
    with written_whole(out, force=force) as temporary:
        temporary.write_text(document.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return _summary(document, lags, out, report), _words(document, lags, out, report)


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.match(text)) and date.fromisoformat(text) is not None
    except ValueError:
        return False


def _check_files(options: dict[str, Any], out: Path, report: Path | None, force: bool) -> None:
    """Refuse before the work rather than after it."""
    check_file(out, force=force)
    refuse_other_ending(out, (".json",), "a lag document is written as JSON")
    written = [out]
    if report is not None:
        check_file(report, force=force)
        refuse_other_ending(report, (".html", ".htm"), "a report is written as HTML")
        written.append(report)
    inputs = (*options["references"], *options["wearables"], options["plates"], options["column_map"])
    taken = {path.resolve() for path in inputs if path is not None}
    for path in written:
        if path.resolve() in taken:
            raise BadInputError(f"{path}: is an input of this measurement; name another file to write")


def left_out(recording: RecordingLag) -> list[str]:
    """Return the blows that were left out, each as its time and lag."""
    pairs, off = recording.pairs, ~recording.kept
    return [f"{at:.2f} s ({1e3 * lag:+.1f} ms)" for at, lag in zip(pairs.onset_s[off], pairs.lag_s[off])]


def _summary(document: LagTable, lags: list[ClassLag], out: Path, report: Path | None) -> dict[str, Any]:
    recordings = [
        {
            "source": r.source,
            "device_class": r.device_class,
            "against": r.against,
            "method": r.method,
            "rate_hz": r.rate_hz,
            "lag_s": r.mean_s,
            "blow_sd_s": r.sd_s,
            "n_blows": int(r.lags_s.size),
            "unseen": r.unseen,
            "left_out": [[float(a), float(b)] for a, b in zip(r.pairs.onset_s[~r.kept], r.pairs.lag_s[~r.kept])],
        }
        for lag in lags
        for r in lag.recordings
    ]
    return {
        "document": str(out),
        "report": str(report) if report is not None else None,
        "absolute": all(lag.first.against == "plate" for lag in lags),
        "name": document.name,
        "entries": [e.model_dump(mode="json") for e in document.entries],
        "measured": [m.model_dump(mode="json") for m in document.measured],
        "recordings": recordings,
    }


def _words(document: LagTable, lags: list[ClassLag], out: Path, report: Path | None) -> str:
    lines = []
    for lag, measured in zip(lags, document.measured):
        first = lag.first
        what = "lag" if first.against == "plate" else "lag beyond the insole's"
        between = "" if lag.device_sd_s is None else f", {1e3 * lag.device_sd_s:.1f} ms between recordings"
        lines.append(
            f"{first.device_class} {first.feature} at {first.rate_hz:g} Hz: {what} {1e3 * lag.lag_s:+.1f} ms"
            f" (SD {1e3 * lag.blow_sd_s:.1f} ms between {first.method}{between}; {measured.n_blows} {first.method} of"
            f" {measured.n_recordings} recording{'' if measured.n_recordings == 1 else 's'})"
        )
        if first.against == "insole":
            lines.append(
                "  a difference: a lag that both devices share cannot be seen without a plate on their clock; the"
                " insole's own is the packaged table's"
            )
        for entry in (e for e in document.entries if e.device_class == first.device_class):
            lines.append(
                f"  {entry.gait}: {1e3 * entry.lag_s:+.1f} ms, SD {1e3 * entry.sd_s:.1f} ms, at"
                f" {entry.rate_hz_min:g} to {entry.rate_hz_max:g} Hz"
            )
        for recording in lag.recordings:
            if off := left_out(recording):
                lines.append(f"  {recording.source}: left out, far from the others: {', '.join(off)}")
            if recording.unseen:
                lines.append(f"  {recording.source}: {recording.unseen} {first.method} the device does not show")
        if lag.device_sd_s is None:
            lines.append("  one recording: how devices differ is not measured; the SD assumes it")
    lines.append(f"written: {out}" + (f", {report}" if report is not None else ""))
    lines.append(f"use it: grf-sync ... --calibration {out}")
    return "\n".join(lines)


def _shown(recording: RecordingLag) -> dict[str, Any]:
    """Return what the report shows of one class in one recording."""
    pairs = recording.pairs
    return {
        "source": recording.source,
        "device_class": recording.device_class,
        "feature": recording.feature,
        "against": recording.against,
        "method": recording.method,
        "rate_hz": recording.rate_hz,
        "mean_s": recording.mean_s,
        "sd_s": recording.sd_s,
        "count": int(recording.lags_s.size),
        "unseen": recording.unseen,
        "left_out": left_out(recording),
        "at_s": np.asarray(pairs.onset_s),
        "lag_s": np.asarray(pairs.lag_s),
        "kept": np.asarray(recording.kept),
        "course_s": recording.course_s,
        "reference_course": recording.reference_course,
        "device_course": recording.device_course,
    }
