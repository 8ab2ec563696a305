"""The report of a measured lag: blows over each other, every blow's lag, and what the document says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from ..arrays import PathLike
from .html import page, write_page
from .numbers import fixed, size
from .panel import LegendKey, Panel, axis, legend
from .words import without_programs

_MOST_LEFT_OUT = 12
"""Blows left out that are named one by one; chosen by eye."""


def render_lag_report(document: Mapping[str, Any], recordings: Sequence[Mapping[str, Any]]) -> str:
    """Return the report of ``grf-calibrate lag`` as one HTML page that needs nothing else.

    Parameters
    ----------
    document
        The lag document, as it is written: a calibration document of kind ``lag_table``.
    recordings
        One class in one recording each: source, device_class, feature, against, method, rate_hz, mean_s, sd_s, count,
        unseen, left_out, and arrays at_s, lag_s, kept (blows), course_s (times), reference_course, device_course
        (blows, times).
    """
    return page(
        "lag.html",
        document=document,
        sentences=[_sentence(measured, recordings) for measured in document["measured"]],
        absolute=all(r["against"] == "plate" for r in recordings),
        entries=[
            (
                f"{e['device_class']} {e['feature']}",
                e["gait"],
                f"{e['rate_hz_min']:g} to {e['rate_hz_max']:g} Hz",
                fixed(1e3 * e["lag_s"], 1, "ms"),
                fixed(1e3 * e["sd_s"], 1, "ms"),
                without_programs(e["source"]),
            )
            for e in document["entries"]
        ],
        sections=[_section(number, recording) for number, recording in enumerate(recordings)],
        inputs=[(i["name"], i["role"], size(i["size_bytes"]), i["sha256"]) for i in document["inputs"]],
    )


def write_lag_report(
    path: PathLike, document: Mapping[str, Any], recordings: Sequence[Mapping[str, Any]], *, force: bool = False
) -> None:
    """Write the report, completely or not at all; errors as of other reports."""
    write_page(path, render_lag_report(document, recordings), force=force)


def _sentence(measured: Mapping[str, Any], recordings: Sequence[Mapping[str, Any]]) -> str:
    against = {r["against"] for r in recordings if r["device_class"] == measured["device_class"]}
    than = "than the plate" if against == {"plate"} else "than the insole on its clock"
    lag_s, method = measured["lag_s"], measured["method"]
    late = f"{abs(1e3 * lag_s):.1f} ms {'later' if lag_s >= 0 else 'earlier'} {than}"
    between = "how devices differ was not measured (one recording)"
    if measured["device_sd_s"] is not None:
        between = f"{1e3 * measured['device_sd_s']:.1f} ms between {measured['n_recordings']} recordings"
    heights = f"{measured['peak_min']:.0f} to {measured['peak_max']:.0f} {measured['peak_unit']}".rstrip()
    return (
        f"{measured['device_class']}: {measured['n_blows']} {method} are seen {late}; SD"
        f" {1e3 * measured['blow_sd_s']:.1f} ms between {method}, {between}; heights {heights}"
    )


def _section(number: int, recording: Mapping[str, Any]) -> dict[str, Any]:
    against = recording["against"]
    return {
        "id": f"recording-{number}",
        "title": f"{recording['device_class']} of {recording['source']}",
        "facts": [
            ("mean", fixed(1e3 * recording["mean_s"], 2, "ms")),
            (f"SD between {recording['method']}", fixed(1e3 * recording["sd_s"], 2, "ms")),
            (recording["method"], str(recording["count"])),
            ("not seen by the device", str(recording["unseen"])),
            ("rate", fixed(recording["rate_hz"], 0, "Hz")),
        ],
        "left_out": _named(recording["left_out"]),
        "courses": _courses(recording, against),
        "lags": _lags(recording),
    }


def _named(left_out: Sequence[str]) -> str:
    if not left_out:
        return ""
    more = len(left_out) - _MOST_LEFT_OUT
    return ", ".join(left_out[:_MOST_LEFT_OUT]) + (f" and {more} more" if more > 0 else "")


def _courses(recording: Mapping[str, Any], against: str) -> Markup:
    """Return every blow's course over the others, reference and device, with the onset and the mean lag marked."""
    about = 1e3 * np.asarray(recording["course_s"])
    x = axis(float(about[0]), float(about[-1]), f"ms after the {against}'s onset")
    panel = Panel(x, axis(0.0, 1.0, "share of its range", ticks=2), height=200)
    for kind, name in (("refline", "reference_course"), ("dev", "device_course")):
        rows = np.asarray(recording[name])
        if np.isfinite(rows).any():
            # one path for all blows: a missing value parts them
            apart = np.concatenate([rows, np.full((rows.shape[0], 1), np.nan)], axis=1)
            panel.line(np.tile(np.append(about, np.nan), rows.shape[0]), apart.ravel(), kind)
    panel.upright(0.0, "cut")
    panel.upright(1e3 * recording["mean_s"], "win")
    shows = "load" if recording["device_class"] == "insole" else "jerk"
    keys = [
        LegendKey("refline", "line", f"load of the {against}"),
        LegendKey("dev", "line", f"{shows} of the {recording['device_class']}"),
        LegendKey("cut", "line", f"onset on the {against}"),
        LegendKey("win", "line", "mean lag"),
    ]
    alt = (
        f"{np.asarray(recording['reference_course']).shape[0]} {recording['method']} over each other; the"
        f" {recording['device_class']} follows {1e3 * recording['mean_s']:.1f} ms after the {against}"
    )
    return panel.finish(alt, title=f"All {recording['method']} over each other") + legend(keys)


def _lags(recording: Mapping[str, Any]) -> Markup:
    """Return the lag of every blow against time, those left out hollow."""
    at, lag, kept = np.asarray(recording["at_s"]), 1e3 * np.asarray(recording["lag_s"]), recording["kept"]
    mean, sd = 1e3 * recording["mean_s"], 1e3 * recording["sd_s"]
    reach = max(3.5 * sd, float(np.abs(lag[kept] - mean).max(initial=0.0)) * 1.1, 1.0)
    far = np.clip(lag, mean - reach, mean + reach)
    pad = 0.02 * max(float(np.ptp(at)), 1.0)
    y = axis(mean - reach, mean + reach, "lag, ms")
    panel = Panel(axis(float(at[0]) - pad, float(at[-1]) + pad, "s in the recording"), y, height=160)
    panel.box(panel.x.low, panel.x.high, mean - sd, mean + sd, "band")
    panel.level(mean, "win")
    panel.dots(at[kept], lag[kept], "devdot")
    panel.rings(at[~kept], far[~kept], "runring")
    keys = [LegendKey("devdot", "dot", "lag"), LegendKey("win", "line", "mean"), LegendKey("band", "area", "± 1 SD")]
    if (~kept).any():
        keys.append(LegendKey("runring", "ring", "left out (at the border where it lies beyond)"))
    alt = f"{int(kept.sum())} lags about {mean:.1f} ms with an SD of {sd:.1f} ms; {int((~kept).sum())} left out"
    return panel.finish(alt, title="Each one's lag") + legend(keys)
