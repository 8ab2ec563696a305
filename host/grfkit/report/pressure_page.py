"""The report of an insole's calibrated cells: each run's load and estimate, the laws compared, the cells out of use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from ..arrays import PathLike
from .html import page, write_page
from .numbers import fixed, size
from .panel import LegendKey, Panel, axis, legend


def render_pressure_report(document: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> str:
    """Return the report of ``grf-calibrate pressure`` as one HTML page that needs nothing else.

    Parameters
    ----------
    document
        A calibration document of kind ``cell_calibration``.
    runs
        name, and arrays at_s, force_n, estimate_n of each run.
    """
    return page(
        "pressure.html",
        document=document,
        sentence=_sentence(document),
        laws=[
            (
                s["law"] + (" (taken)" if _is_taken(document, s) else ""),
                "at its start" if s["zero"] == "start" else "in the document",
                *(fixed(s[k], 3, "N") for k in ("rms_n", "median_rms_n", "p95_rms_n")),
                fixed(s["hysteresis_percent"], 1, "%"),
            )
            for s in document["compared"]
        ],
        runs=[
            (
                r["name"],
                fixed(r["duration_s"], 0, "s"),
                fixed(r["force_max_n"], 2, "N"),
                str(r["cells_used"]),
                fixed(r["offset_s"], 2, "s"),
                fixed(1e2 * (1 / r["rate"] - 1), 2, "%"),
                fixed(1e3 * r["clock_sd_s"], 0, "ms"),
            )
            for r in document["runs"]
        ],
        panels=[(r["name"], _panel(r)) for r in runs],
        cells=_cells(document),
        out=_out(document),
        inputs=[(i["name"], i["role"], size(i["size_bytes"]), i["sha256"]) for i in document["inputs"]],
    )


def write_pressure_report(
    path: PathLike, document: Mapping[str, Any], runs: Sequence[Mapping[str, Any]], *, force: bool = False
) -> None:
    """Write the report, completely or not at all; errors as of other reports."""
    write_page(path, render_pressure_report(document, runs), force=force)


def _is_taken(document: Mapping[str, Any], score: Mapping[str, Any]) -> bool:
    zero = "document" if document["zero_s"] is None else "start"
    return bool(score["law"] == document["law"] and score["zero"] == zero)


def _sentence(document: Mapping[str, Any]) -> str:
    percent = 100 * document["residual_n"] / document["force_max_n"]
    return (
        f"{len(document['cells'])} cells are calibrated, {len(document['out_of_use'])} are out of use. On runs that its"
        f" law has not seen a cell is off by {document['residual_n']:.2f} N ({percent:.1f} % of"
        f" {document['force_max_n']:.1f} N; RMS of half-second means, mean over cells)."
    )


def _out(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the cells out of use, neighbours with one fault together, and what is wrong with them in which run."""
    rows: list[tuple[list[int], str, list[str]]] = []
    for cell in document["out_of_use"]:
        parts = [part.split(": ", 1) for part in cell["why"].split("; ")]
        kinds = [part[-1].split(",")[0] for part in parts]
        why = ", ".join(dict.fromkeys(kinds)) if all(len(part) == 2 for part in parts) else cell["why"]
        files = list(dict.fromkeys(part[0] for part in parts if len(part) == 2))
        if rows and rows[-1][1:] == (why, files) and rows[-1][0][-1] == cell["number"] - 1:
            rows[-1][0].append(cell["number"])
        else:
            rows.append(([cell["number"]], why, files))
    return [
        (f"{n[0]}" if len(n) == 1 else f"{n[0]} to {n[-1]}", why + (f" ({', '.join(files)})" if files else ""))
        for n, why, files in rows
    ]


def _panel(run: Mapping[str, Any]) -> Markup:
    at, force, estimate = (np.asarray(run[k]) for k in ("at_s", "force_n", "estimate_n"))
    top = 1.05 * float(np.nanmax(np.concatenate([force, estimate])))
    panel = Panel(axis(float(at[0]), float(at[-1]), "s on the cells' clock"), axis(0.0, top, "N a cell"), height=180)
    panel.line(at, force, "refline")
    panel.line(at, estimate, "dev")
    keys = [LegendKey("refline", "line", "bench"), LegendKey("dev", "line", "cells, middle of up to 40")]
    return panel.finish(f"Force on a cell in {run['name']}: the bench's, and what the cells say") + legend(keys)


def _cells(document: Mapping[str, Any]) -> Markup:
    """Return each cell's error on unseen runs by its number."""
    number = np.asarray([c["number"] for c in document["cells"]], dtype=np.float64)
    error = np.asarray([c["residual_n"] for c in document["cells"]])
    last = max([number.max(), *(c["number"] for c in document["out_of_use"])])
    panel = Panel(axis(0.0, float(last) + 1, "cell"), axis(0.0, 1.1 * float(error.max()), "N"), height=160)
    for cell in document["out_of_use"]:
        panel.upright(float(cell["number"]), "cut")
    panel.dots(number, error, "devdot")
    keys = [LegendKey("devdot", "dot", "error on unseen runs"), LegendKey("cut", "line", "out of use")]
    return panel.finish(f"RMS error of {number.size} cells", title="Each cell's error") + legend(keys)
