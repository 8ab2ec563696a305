"""The work of ``grf-calibrate imu`` once its options are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..calibrate.imu_documents import ImuCalibration
from ..errors import BadInputError
from ..io.base import ReadOptions
from ..io.columns import load_column_map
from ..sync.imu_bench import calibrate_imu
from .calibrate_common import check_day, check_files, document_name, write_document


def run_imu(
    static: Path | None,
    *,
    walk: Path | None,
    out: Path | None,
    report: Path | None,
    name: str,
    stream: str,
    device: str,
    made_on: str,
    column_map: Path | None,
    rate_hz: float | None,
    force: bool,
) -> tuple[dict[str, Any], str]:
    """Return the JSON summary and the words of a calibrated sensor; document and report are written."""
    if static is None:
        raise BadInputError("STATIC is missing: a recording of the sensor on its six sides (see --help)")
    if out is None:
        raise BadInputError("--out IMU.json is missing (see --help)")
    check_day(made_on)
    check_files(out, report, (static, walk, column_map), force=force)
    document = calibrate_imu(
        static,
        walk,
        name=document_name(name, out),
        stream=stream,
        device=device,
        options=(_options(static, column_map, rate_hz), _options(walk or static, column_map, rate_hz)),
        made_on=made_on,
    )
    if report is not None:
        from ..report.imu_page import write_imu_report

        write_imu_report(report, document.model_dump(mode="json"), force=force)
    write_document(out, document, force=force)
    return _summary(document, out, report), _words(document, out, report)


def _options(path: Path, column_map: Path | None, rate_hz: float | None) -> ReadOptions:
    options = ReadOptions(rate_hz=rate_hz)
    return options if column_map is None else load_column_map(column_map).options(options, file=path)


def _summary(document: ImuCalibration, out: Path, report: Path | None) -> dict[str, Any]:
    dumped = document.model_dump(mode="json")
    kept = ("name", "stream", "acc_scale", "acc_bias_m_s2", "gyro_bias_rad_s", "turn", "axes", "residual_m_s2")
    return {
        "document": str(out),
        "report": str(report) if report is not None else None,
        **{key: dumped[key] for key in kept},
        "positions": len(document.positions),
    }


def _words(document: ImuCalibration, out: Path, report: Path | None) -> str:
    axes = list(zip("xyz", document.acc_scale, document.acc_bias_m_s2))
    lines = [
        f"{document.stream}: {len(document.positions)} positions at rest; "
        + ", ".join(f"{a} times {scale:.4f} after {-bias:+.3f} m/s^2" for a, scale, bias in axes)
    ]
    if document.gyro_bias_rad_s is not None:
        rates = ", ".join(f"{np.rad2deg(b):+.2f}" for b in document.gyro_bias_rad_s)
        lines.append(f"gyro at rest: {rates} deg/s (its scale is not measured)")
    if document.residual_m_s2 is None:
        lines.append(
            "not judged: six positions are just enough for six parameters; add some, also of sides seen before"
        )
    else:
        lines.append(
            f"gravity in positions that the fit had not seen is off by {document.residual_m_s2:.3f} m/s^2 (RMS)"
        )
    if document.axes == "walking":
        lines.append(
            "turned to the shoe: " + "; ".join(_axis(w, r) for w, r in zip(("forward", "left", "up"), document.turn))
        )
    lines.append(f"written: {out}" + (f", {report}" if report is not None else ""))
    lines.append(f"use it: grf-sync ... --calibration {out}")
    return "\n".join(lines)


def _axis(what: str, row: tuple[float, float, float]) -> str:
    k = int(np.argmax(np.abs(row)))
    angle = float(np.rad2deg(np.arccos(min(abs(row[k]), 1.0))))
    return f"{what} is {'+' if row[k] > 0 else '-'}{'xyz'[k]} within {angle:.0f} degrees"
