"""The work of ``grf-calibrate plates`` once its options are read."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ..arguments import ArgumentError
from ..calibrate import apply
from ..calibrate.library import Loaded
from ..calibrate.plate_check import NOT_DECIDED, check_load, verdict
from ..calibrate.plate_documents import ForcePlates, LoadCheck
from ..calibrate.plate_sheet import plates_like, plates_of_sheet
from ..errors import BadInputError
from ..io import read
from ..io.base import ReadOptions
from ..io.columns import load_column_map
from ..provenance import describe_input
from .calibrate_common import check_day, check_files, document_name, write_document
from .common import EXIT_REFUSED


def run_plates(
    sheet: Path | None,
    like: Path | None,
    *,
    out: Path | None,
    check: Path | None,
    mass_kg: float | None,
    point: str,
    name: str,
    made_on: str,
    report: Path | None,
    column_map: Path | None,
    rate_hz: float | None,
    force: bool,
) -> tuple[dict[str, Any], str, int]:
    """Return JSON summary, words and exit code of plates described; document and report are written."""
    source = sheet or like
    if source is None or (sheet and like):
        raise BadInputError("give one of SHEET (a TOML of the maker's sheet) and --like OTHER.c3d (see --help)")
    if out is None:
        raise BadInputError("--out PLATES.json is missing (see --help)")
    if (check is None) != (mass_kg is None) or (check is None and point):
        raise BadInputError("--check RECORDING and --mass-kg belong together, --point goes with them")
    place = _point(point)
    check_day(made_on)
    check_files(out, report, (sheet, like, check, column_map), force=force)
    plates, remarks = plates_of_sheet(source) if sheet else plates_like(source)
    document = ForcePlates(
        name=document_name(name, out),
        source=f"grf-calibrate plates: {'the maker says so' if sheet else 'described'} in {source.name}",
        made_on=made_on,
        plates=tuple(plates),
        remarks=tuple(remarks),
        inputs=(describe_input(source, role="sheet" if sheet else "like"),),
    )
    if check is not None and mass_kg is not None:
        options = ReadOptions(rate_hz=rate_hz)
        options = options if column_map is None else load_column_map(column_map).options(options, file=check)
        document = _checked(document, check, options, mass_kg, place)
    if report is not None:
        from ..report.plates_page import write_plates_report

        write_plates_report(report, document.model_dump(mode="json"), force=force)
    write_document(out, document, force=force)
    code = EXIT_REFUSED if document.check is not None and document.check.failures else 0
    return _summary(document, out, report), _words(document, out, report), code


def _point(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        x, y = (float(v) for v in text.split(","))
    except ValueError as error:
        raise ArgumentError("point", f"is {text!r}, expected two numbers in m as 0.2,0.3") from error
    return x, y


def _checked(
    document: ForcePlates, check: Path, options: ReadOptions, mass_kg: float, place: tuple[float, float] | None
) -> ForcePlates:
    data = document.model_dump_json().encode()
    loaded: Loaded[Any] = Loaded(document, hashlib.sha256(data).hexdigest(), document.name, len(data))
    try:
        found = check_load(apply(read(check, options), [loaded]), mass_kg=mass_kg, point_m=place)
    except BadInputError as error:
        raise BadInputError(str(error) if str(check) in str(error) else f"{check}: {error}") from error
    inputs = (*document.inputs, describe_input(check, role="check"))
    return document.model_copy(update={"check": found, "inputs": inputs})


def _summary(document: ForcePlates, out: Path, report: Path | None) -> dict[str, Any]:
    dumped = document.model_dump(mode="json")
    return {
        "document": str(out),
        "report": str(report) if report is not None else None,
        **{key: dumped[key] for key in ("name", "plates", "remarks", "check")},
        "verdict": None if document.check is None else verdict(document.check),
    }


def _words(document: ForcePlates, out: Path, report: Path | None) -> str:
    lines = [
        f"plate_{p.number}: type {p.plate_type}, channels {', '.join(p.channels)} in"
        f" {' and '.join(dict.fromkeys(p.units_in))}"
        for p in document.plates
    ]
    lines += document.remarks
    lines += ["not checked: --check with a known mass shows whether it weighs what it should"]
    if document.check is not None:
        lines[-1:] = _check_words(document.check)
    lines.append(f"written: {out}" + (f", {report}" if report is not None else ""))
    lines.append(f"use it: grf-sync ... --calibration {out}")
    return "\n".join(lines)


def _check_words(check: LoadCheck) -> list[str]:
    lines = [
        f"check on {check.plate}, {check.seconds:g} s: {check.load_n:.1f} N of {check.expected_n:.1f} N"
        f" ({100 * (abs(check.load_n) / check.expected_n - 1):+.2f} %), horizontal {check.horizontal_n:.1f} N"
    ]
    if check.error_m is not None:
        lines.append(f"centre of pressure {1e3 * check.error_m:.1f} mm from the stated point")
    if not check.zeroed:
        lines.append("never seen unloaded: a zero that is not 0 is in these figures")
    lines += [
        failure if failure.startswith(NOT_DECIDED) else f"beyond tolerance: {failure}" for failure in check.failures
    ]
    return [*lines, f"VERDICT: {_verdict_words(check)}"]


def _verdict_words(check: LoadCheck) -> str:
    found = verdict(check)
    if found == "fault":
        return "FAULT. The document is written; do not use it before what is beyond tolerance is mended"
    if found == "not decided":
        return "NOT DECIDED. The document is written; do not use it before the check is repeated with --point"
    if check.load_n < 0:
        return (
            "PASSED, with the plate's Z pointing down: the load is negative because the file holds the force on the"
            " plate. grf-sync turns the whole force round; whoever takes the document's forces as they are has to"
        )
    if check.error_m is None:
        return "PASSED for the size of the load; where it acts, and so the sign of Fz, was not checked: --point X,Y"
    return "PASSED"
