"""The report of described force plates: channels, matrix, corners, and what a known mass showed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..arrays import PathLike
from .html import page, write_page
from .numbers import fixed, size


def render_plates_report(document: Mapping[str, Any]) -> str:
    """Return the report of ``grf-calibrate plates`` as one HTML page that needs nothing else.

    Parameters
    ----------
    document
        A calibration document of kind ``force_plates``.
    """
    check = document["check"]
    return page(
        "plates.html",
        document=document,
        plates=[
            (
                f"plate_{p['number']}",
                str(p["plate_type"]),
                ", ".join(p["channels"]),
                " and ".join(dict.fromkeys(p["units_in"])),
                "; ".join(_place(c) for c in p["corners_m"]),
                _place(p["origin_m"]),
                "not stated" if p["force_max_n"] is None else fixed(p["force_max_n"], 0, "N"),
            )
            for p in document["plates"]
        ],
        matrices=[
            (f"plate_{p['number']}", [[f"{v:.5g}".replace("-", "−") for v in row] for row in p["matrix"]])
            for p in document["plates"]
            if p["matrix"]
        ],
        rows=[] if check is None else _rows(check),
        inputs=[(i["name"], i["role"], size(i["size_bytes"]), i["sha256"]) for i in document["inputs"]],
    )


def write_plates_report(path: PathLike, document: Mapping[str, Any], *, force: bool = False) -> None:
    """Write the report, completely or not at all; errors as of other reports."""
    write_page(path, render_plates_report(document), force=force)


def _place(values: list[float]) -> str:
    return " ".join(f"{1e3 * v:.1f}".replace("-", "−") for v in values)


def _rows(check: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    rows = [
        ("mean vertical force", fixed(check["load_n"], 1, "N"), f"{fixed(check['expected_n'], 1, 'N')} up or down"),
        ("mean horizontal force", fixed(check["horizontal_n"], 1, "N"), fixed(0.0, 0, "N")),
    ]
    if check["cop_m"] is not None:
        rows.append(("centre of pressure", _place(check["cop_m"]) + " mm", "on the plate"))
    if check["error_m"] is not None:
        rows.append(("distance from the stated point", fixed(1e3 * check["error_m"], 1, "mm"), fixed(0.0, 0, "mm")))
    return rows
