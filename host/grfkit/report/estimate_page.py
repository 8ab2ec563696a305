"""The estimate's report: the force of both feet over the measured one where there is any, clocks, and limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from ..arrays import Floats, PathLike
from ..provenance import InputFile
from .html import page, write_page
from .numbers import size
from .panel import LegendKey, Panel, axis, legend


@dataclass(frozen=True)
class CurveOverMeasured:
    """One figure: an estimated course, and the measured one where there is any (empty where not).

    Attributes
    ----------
    x, estimated, measured
        Shape (points,); NaN where unknown.
    note
        What a reader has to know of it.
    """

    title: str
    x: Floats
    estimated: Floats
    measured: Floats
    x_name: str
    y_name: str
    note: str = ""


@dataclass(frozen=True)
class KeyPicture:
    """A picture of a film at one moment: its caption, and the picture as a ``data:`` address."""

    caption: str
    address: str


@dataclass(frozen=True)
class EstimateReport:
    """What the page shows.

    Attributes
    ----------
    headline
        How far off the estimate is for somebody new, or that nobody knows: what is said first.
    verdict
        Colour of what is said first: ``refused`` of a leak, else ``partial`` (nothing was measured here).
    limits
        Findings that a reader has to know before any figure.
    clocks
        How the inputs were joined, a sentence each; empty where they were one file.
    table
        Heads and rows of the feet's figures.
    pictures
        Of a film: one stance, from landing to leaving.
    """

    title: str
    headline: str
    verdict: str
    facts: Sequence[tuple[str, str]]
    limits: Sequence[str]
    clocks: Sequence[str]
    figures: Sequence[CurveOverMeasured]
    heads: Sequence[str]
    table: Sequence[Sequence[str]]
    inputs: Sequence[InputFile]
    pictures: Sequence[KeyPicture] = ()


def render_estimate_report(report: EstimateReport) -> str:
    """Return the report of an estimate as one HTML page that needs nothing else and runs no script."""
    return page(
        "estimate.html",
        report=report,
        figures=[(figure.title, figure.note, _figure(figure)) for figure in report.figures],
        inputs=[(i.name, i.role, size(i.size_bytes), i.sha256) for i in report.inputs],
    )


def write_estimate_report(path: PathLike, report: EstimateReport, *, force: bool = False) -> None:
    """Write the report of an estimate, completely or not at all.

    Raises
    ------
    BadInputError
        If ``path`` exists and ``force`` is false, or cannot be written.
    """
    write_page(path, render_estimate_report(report), force=force)


def _figure(figure: CurveOverMeasured) -> Markup:
    values = np.concatenate([figure.estimated, figure.measured])
    values = values[np.isfinite(values)]
    if not values.size or figure.x.size < 2:
        return Markup('<p class="none">Nothing is known here.</p>')
    low, high = float(min(values.min(), 0.0)), float(values.max())
    panel = Panel(
        axis(float(figure.x[0]), float(figure.x[-1]), figure.x_name), axis(low, 1.05 * high, figure.y_name), height=220
    )
    keys = [LegendKey("dev", "line", "estimated")]
    if np.isfinite(figure.measured).any():
        panel.line(figure.x, figure.measured, "refbold")
        keys.append(LegendKey("refbold", "line", "measured"))
    panel.line(figure.x, figure.estimated, "dev")
    return legend(keys) + panel.finish(f"{figure.title}: {' and '.join(key.text for key in keys)} force")
