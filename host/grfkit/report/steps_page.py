"""The page of a table of steps: each person's means by trial and foot, every step over time, and what limits them."""

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

_HEADROOM = 0.08
"""Share of the range of values left free above and below the dots; chosen by eye."""

_SIDE_ROOM = 0.02
"""Share of the time left free beside the first and the last step; chosen by eye."""


@dataclass(frozen=True)
class FootDots:
    """Steps of one foot (``left``, ``right``, or ``""``: not known): when, and a value of each; NaN where unknown."""

    side: str
    at_s: Floats
    value: Floats


@dataclass(frozen=True)
class StepFigure:
    """One quantity of a trial's steps over time; ``rejected_s`` are the times of rejected contacts."""

    title: str
    y_name: str
    feet: Sequence[FootDots]
    rejected_s: Floats


@dataclass(frozen=True)
class PersonSteps:
    """What the page shows of one person; ``findings`` are what was noticed when the trials were made."""

    name: str
    facts: Sequence[tuple[str, str]]
    table: Sequence[Sequence[str]]
    asymmetry: Sequence[Sequence[str]]
    figures: Sequence[StepFigure]
    limits: Sequence[str]
    findings: Sequence[str]


@dataclass(frozen=True)
class StepsReport:
    """What the page shows.

    Attributes
    ----------
    heads, asymmetry_heads
        Of each person's tables.
    methods
        How the numbers were taken, a sentence each.
    left_out
        Files without rows, each with the reason.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    heads: Sequence[str]
    asymmetry_heads: Sequence[str]
    people: Sequence[PersonSteps]
    methods: Sequence[str]
    left_out: Sequence[str]
    inputs: Sequence[InputFile]


def render_steps_report(report: StepsReport) -> str:
    """Return the page as HTML that needs nothing else and runs no script."""
    people = [(person, [(f.title, _figure(f)) for f in person.figures]) for person in report.people]
    inputs = [(i.name, i.role, size(i.size_bytes), i.sha256) for i in report.inputs]
    return page("steps.html", report=report, people=people, inputs=inputs)


def write_steps_report(path: PathLike, report: StepsReport, *, force: bool = False) -> None:
    """Write the page, completely or not at all.

    Raises
    ------
    BadInputError
        If ``path`` exists and ``force`` is false, or cannot be written.
    """
    write_page(path, render_steps_report(report), force=force)


def _figure(figure: StepFigure) -> Markup:
    values = np.concatenate([foot.value for foot in figure.feet])
    times = np.concatenate([foot.at_s for foot in figure.feet])
    known = np.isfinite(values)
    if not known.any():
        return Markup('<p class="none">Nothing is known here.</p>')
    low, high = float(values[known].min()), float(values[known].max())
    room = _HEADROOM * max(high - low, 1e-3 * max(abs(high), abs(low)))
    start, end = float(times.min()), float(times.max())
    margin = _SIDE_ROOM * max(end - start, 1e-3)
    panel = Panel(
        axis(start - margin, end + margin, "initial contact, s"),
        axis(low - room, high + room, figure.y_name, ticks=4),
        height=150,
    )
    for at in figure.rejected_s:
        panel.upright(float(at), "mark")
    keys = []
    for foot in figure.feet:
        if foot.side == "right":
            panel.rings(foot.at_s, foot.value, "runring")
            keys.append(LegendKey("runring", "ring", "right"))
        else:
            kind = "devdot" if foot.side == "left" else "refdot"
            panel.dots(foot.at_s, foot.value, kind)
            keys.append(LegendKey(kind, "dot", foot.side or "foot not known"))
    if figure.rejected_s.size:
        keys.append(LegendKey("mark", "line", "rejected contact"))
    count = int(known.sum())
    return legend(keys) + panel.finish(f"{figure.title}: {figure.y_name} of {count} steps, {low:.3g} to {high:.3g}")
