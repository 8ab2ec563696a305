"""The report of an insole scaled by its wearer's weight: every stride's or stand's mean load, and the factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from ..arrays import Floats, PathLike
from .html import page, write_page
from .numbers import fixed, size
from .panel import LegendKey, Panel, axis, legend


def render_scale_report(document: Mapping[str, Any], *, at_s: Floats, mean_bw: Floats) -> str:
    """Return the report of ``grf-calibrate bodyweight`` as one HTML page that needs nothing else.

    Parameters
    ----------
    document
        A calibration document of kind ``load_scale``.
    at_s, mean_bw
        Shape (strides or stands,): when each was, and its mean load after scaling.
    """
    return page(
        "scale.html",
        document=document,
        things="strides" if document["method"] == "strides" else "stands of 2 s",
        feet=[
            (f["stream"], f"{f['scale']:.5g} N", fixed(1.96 * f["error_percent"], 1, "%"), _rests(f["rest"]))
            for f in document["feet"]
        ],
        panel=_panel(at_s, mean_bw),
        residual=fixed(document["residual_percent"], 1, "%"),
        largest=fixed(document["load_max_bw"], 1, "BW"),
        inputs=[(i["name"], i["role"], size(i["size_bytes"]), i["sha256"]) for i in document["inputs"]],
    )


def write_scale_report(
    path: PathLike, document: Mapping[str, Any], *, at_s: Floats, mean_bw: Floats, force: bool = False
) -> None:
    """Write the report, completely or not at all; errors as of other reports."""
    write_page(path, render_scale_report(document, at_s=at_s, mean_bw=mean_bw), force=force)


def _rests(rest: Mapping[str, float]) -> str:
    return ", ".join(f"{channel} {value:.4g}" for channel, value in rest.items())


def _panel(at_s: Floats, mean_bw: Floats) -> Markup:
    reach = max(0.05, 1.2 * float(np.abs(mean_bw - 1).max()))
    pad = 0.02 * max(float(np.ptp(at_s)), 1.0)
    panel = Panel(
        axis(float(at_s.min()) - pad, float(at_s.max()) + pad, "s in the recording"),
        axis(1 - reach, 1 + reach, "mean load, BW"),
        height=180,
    )
    panel.level(1.0, "win")
    panel.dots(at_s, mean_bw, "devdot")
    keys = [LegendKey("devdot", "dot", "mean load"), LegendKey("win", "line", "body weight")]
    return panel.finish(f"Mean load of {at_s.size} stretches about one body weight") + legend(keys)
