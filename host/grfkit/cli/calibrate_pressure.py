"""The work of ``grf-calibrate pressure`` once its options are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from ..arguments import ArgumentError
from ..calibrate.cell_laws import LAWS, LawName
from ..errors import BadInputError
from ..sync.bench_runs import Bench, calibrate_pressure
from .calibrate_common import check_day, check_files, document_name, write_document

_MOST_NAMED = 12
"""Cells out of use that are named with their reason; chosen by eye."""


def run_pressure(
    runs: Sequence[Path],
    benches: Sequence[Path],
    columns: Path | None,
    *,
    out: Path | None,
    report: Path | None,
    name: str,
    stream: str,
    area_mm2: float | None,
    law: str,
    zero_s: float | None,
    made_on: str,
    force: bool,
) -> tuple[dict[str, Any], str]:
    """Return the JSON summary and the words of calibrated cells; document and report are written."""
    if out is None:
        raise BadInputError("--out CELLS.json is missing (see --help)")
    if columns is None:
        raise BadInputError("--columns BENCH.toml is missing: it says where cells and load stand, and in which unit")
    if law not in ("auto", *LAWS):
        raise ArgumentError("law", f"is {law!r}, expected auto, {', '.join(LAWS)}")
    check_day(made_on)
    check_files(out, report, (*runs, *benches, columns), force=force)
    bench = calibrate_pressure(
        runs,
        benches,
        columns,
        name=document_name(name, out),
        stream=stream,
        area_mm2=area_mm2,
        laws=LAWS if law == "auto" else ("linear", *((cast(LawName, law),) if law != "linear" else ())),
        chosen=None if law == "auto" else cast(LawName, law),
        zero_s=zero_s,
        made_on=made_on,
    )
    if report is not None:
        from ..report.pressure_page import write_pressure_report

        write_pressure_report(report, bench.document.model_dump(mode="json"), shown_runs(bench), force=force)
    write_document(out, bench.document, force=force)
    return _summary(bench, out, report), _words(bench, out, report)


def shown_runs(bench: Bench) -> list[dict[str, Any]]:
    """Return what the report draws of each run: the force, and the middle estimate of the cells that hold."""
    from ..sync.bench_runs import middle_estimate

    shown = []
    for run in bench.runs:
        at_s, force_n, estimate_n = middle_estimate(bench.document, run)
        shown.append({"name": run.name, "at_s": at_s, "force_n": force_n, "estimate_n": estimate_n})
    return shown


def _summary(bench: Bench, out: Path, report: Path | None) -> dict[str, Any]:
    document = bench.document
    return {
        "document": str(out),
        "report": str(report) if report is not None else None,
        "name": document.name,
        "law": document.law,
        "residual_n": document.residual_n,
        "hysteresis_percent": document.hysteresis_percent,
        "force_max_n": document.force_max_n,
        "cells": len(document.cells),
        "out_of_use": [c.model_dump(mode="json") for c in document.out_of_use],
        "compared": [s.model_dump(mode="json") for s in document.compared],
        "runs": [r.model_dump(mode="json") for r in document.runs],
    }


def _words(bench: Bench, out: Path, report: Path | None) -> str:
    document = bench.document
    lines = [
        f"{run.name}: {run.cells_used} cells used; bench joined to {1e3 * run.clock_sd_s:.0f} ms (SD;"
        f" {run.margin_nats:.0f} nats), its rate {1e2 * (1 / run.rate - 1):+.1f} % of the stated"
        for run in document.runs
    ]
    lines.append("held-out error of a cell, RMS of half-second means (mean over cells and runs; hysteresis):")
    for score in document.compared:
        zero = "rest of the document" if score.zero == "document" else "rest seen at a run's start"
        percent = "-" if score.hysteresis_percent is None else f"{score.hysteresis_percent:.1f} %"
        lines.append(f"  {score.law}, {zero}: {score.rms_n:.3f} N; {percent}")
    lines.append(
        f"taken: {document.law}, {document.residual_n:.3f} N up to {document.force_max_n:.1f} N a cell;"
        f" {len(document.cells)} cells, {len(document.out_of_use)} out of use"
    )
    for cell in document.out_of_use[:_MOST_NAMED]:
        lines.append(f"  cell {cell.number}: {cell.why.split('; ')[0]}")
    if len(document.out_of_use) > _MOST_NAMED:
        lines.append(f"  and {len(document.out_of_use) - _MOST_NAMED} more, named in the document")
    lines.append(f"written: {out}" + (f", {report}" if report is not None else ""))
    lines.append(f"use it: grf-sync ... --calibration {out}")
    return "\n".join(lines)
