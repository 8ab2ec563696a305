"""The work of ``grf-calibrate bodyweight`` once its options are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..arguments import ArgumentError
from ..errors import BadInputError
from ..io.base import ReadOptions
from ..io.columns import load_column_map
from ..sync.body_scale import Method, Scaled, calibrate_bodyweight
from .calibrate_common import check_day, check_files, document_name, write_document

METHODS: dict[str, Method] = {"strides": "strides", "one-foot": "one foot", "stand": "stand"}
"""The method of each word of ``--method``."""


def run_bodyweight(
    recording: Path | None,
    *,
    mass_kg: float | None,
    method: str,
    out: Path | None,
    report: Path | None,
    name: str,
    made_on: str,
    column_map: Path | None,
    rate_hz: float | None,
    force: bool,
) -> tuple[dict[str, Any], str]:
    """Return the JSON summary and the words of a scale; document and report are written."""
    if recording is None:
        raise BadInputError("RECORDING is missing (see --help)")
    if out is None:
        raise BadInputError("--out SCALE.json is missing (see --help)")
    if method not in METHODS:
        raise ArgumentError("method", f"is {method!r}, expected {', '.join(METHODS)}")
    check_day(made_on)
    check_files(out, report, (recording, column_map), force=force)
    options = ReadOptions(rate_hz=rate_hz)
    if column_map is not None:
        options = load_column_map(column_map).options(options, file=recording)
    scaled = calibrate_bodyweight(
        recording,
        mass_kg=mass_kg,
        method=METHODS[method],
        name=document_name(name, out),
        options=options,
        made_on=made_on,
    )
    if report is not None:
        from ..report.scale_page import write_scale_report

        write_scale_report(
            report, scaled.document.model_dump(mode="json"), at_s=scaled.at_s, mean_bw=scaled.mean_bw, force=force
        )
    write_document(out, scaled.document, force=force)
    return _summary(scaled, out, report), _words(scaled, out, report)


def _summary(scaled: Scaled, out: Path, report: Path | None) -> dict[str, Any]:
    document = scaled.document.model_dump(mode="json")
    kept = ("name", "method", "mass_kg", "unit_in", "feet", "n", "residual_percent", "load_max_bw")
    return {
        "document": str(out),
        "report": str(report) if report is not None else None,
        **{key: document[key] for key in kept},
    }


def _words(scaled: Scaled, out: Path, report: Path | None) -> str:
    document = scaled.document
    things = "strides" if document.method == "strides" else "stands of 2 s"
    lines = [
        f"{foot.stream}: 1 {document.unit_in} is {foot.scale:.4g} N (+-{1.96 * foot.error_percent:.1f} %, 95 %)"
        for foot in document.feet
    ]
    lines += [
        f"from {document.n} {things}, which differ by {document.residual_percent:.1f} % (RMS); checked up to"
        f" {document.load_max_bw:.1f} BW a foot",
        f"written: {out}" + (f", {report}" if report is not None else ""),
        f"use it: grf-sync ... --calibration {out}",
    ]
    return "\n".join(lines)
