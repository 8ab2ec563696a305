"""Draw docs/aligned.svg from the demo's overground trial: ``make picture`` (after ``make demo``).

The signals before and after alignment, half a second of them, and how likely each offset is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grfkit.arrays import Floats
from grfkit.records.evidence import StreamEvidence
from grfkit.sync import align

REFERENCE, DEVICE, OTHERS = "#7a8896", "#c2410c", "#7a8896"
SHOWN_S = 14.0
"""Length of the signals drawn: what can be told apart over the width of a page."""
ZOOM_S = 0.5
STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "grfkit",
}
"""Text stays text, and the same trial gives the same bytes."""


def main() -> int:
    """Write the picture and return the exit code."""
    parser = argparse.ArgumentParser(description="Draw what alignment did to one trial of the demo.")
    parser.add_argument("folder", type=Path, help="the demo's folder")
    parser.add_argument("picture", type=Path, help="SVG to write")
    options = parser.parse_args()
    trial = options.folder / "overground" / "P02_overground_1"
    insole = trial.with_name(f"{trial.name}_insole.csv")
    alignment = align(trial.with_suffix(".c3d"), insole, surface="overground")
    if not alignment.accepted:
        print(f"{trial}: was refused, there is nothing to draw", file=sys.stderr)
        return 1
    with plt.rc_context(STYLE):
        figure = drawn(alignment.evidence.streams[0])
        figure.savefig(options.picture, format="svg", metadata={"Date": None, "Creator": "grfkit"})
    # matplotlib ends lines of its metadata with blanks
    lines = options.picture.read_text(encoding="utf-8").splitlines()
    options.picture.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")
    return 0


def drawn(evidence: StreamEvidence) -> Figure:
    """Return the figure: before, after with half a second enlarged, and the likelihood of each offset."""
    start = first_contacts_s(evidence)
    figure = plt.figure(figsize=(9.0, 5.6), layout="constrained")
    grid = figure.add_gridspec(3, 2, width_ratios=(3.2, 1.0))
    before, after = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, 0])
    zoom, likelihood = figure.add_subplot(grid[1, 1]), figure.add_subplot(grid[2, :])
    mapped = evidence.clock_map.apply(evidence.device_time_s)
    signals(before, evidence, evidence.device_time_s, (start, start + SHOWN_S))
    before.set_title("Before: each file on its own clock, both from zero")
    before.legend(loc="upper right", ncols=2, frameon=False, bbox_to_anchor=(1.0, 1.28))
    signals(after, evidence, mapped, (start, start + SHOWN_S))
    after.set_title("After: the insole on the plates' clock")
    middle = plain_contact_s(evidence, (start, start + SHOWN_S)) + 0.12
    signals(zoom, evidence, mapped, (middle - ZOOM_S / 2, middle + ZOOM_S / 2))
    zoom.set(title="the same, half a second", ylabel="")
    scores(likelihood, evidence)
    return figure


def first_contacts_s(evidence: StreamEvidence) -> float:
    """Return where to begin: half a second before the first matched contact, on the reference clock."""
    matched = evidence.anchors.t_reference_s[evidence.anchors.kept]
    return float(np.min(matched)) - 0.5


def plain_contact_s(evidence: StreamEvidence, window_s: tuple[float, float]) -> float:
    """Return the matched contact, on the reference clock, after which both signals rise the most."""
    matched = evidence.anchors.t_reference_s[evidence.anchors.kept]
    matched = matched[(matched > window_s[0]) & (matched < window_s[1] - ZOOM_S)]
    mapped = evidence.clock_map.apply(evidence.device_time_s)
    rises = [
        min(
            rise(evidence.reference_time_s, evidence.reference_signal, contact),
            rise(mapped, evidence.device_signal, contact),
        )
        for contact in matched
    ]
    return float(matched[int(np.argmax(rises))])


def rise(time_s: Floats, value: Floats, contact_s: float) -> float:
    """Return how much more a signal shows in the 0.1 s after a contact than in the 0.1 s before it."""
    after = value[(time_s > contact_s) & (time_s < contact_s + 0.1)]
    before = value[(time_s > contact_s - 0.1) & (time_s < contact_s)]
    return float(np.nanmax(after) - np.nanmax(before)) if after.size and before.size else -np.inf


def signals(axes: Axes, evidence: StreamEvidence, device_time_s: Floats, window_s: tuple[float, float]) -> None:
    """Draw both signals within a window of time."""
    for time, value, label, colour, width in (
        (evidence.reference_time_s, evidence.reference_signal, "force plates", REFERENCE, 3.0),
        (device_time_s, evidence.device_signal, "insole", DEVICE, 1.2),
    ):
        inside = (time >= window_s[0]) & (time <= window_s[1])
        step = max(1, int(np.count_nonzero(inside)) // 600)
        axes.plot(time[inside][::step], value[inside][::step], color=colour, linewidth=width, label=label)
    axes.set(xlim=window_s, ylim=(-0.15, 2.2), xlabel="time, s", ylabel="load, of a\nusual peak")


def scores(axes: Axes, evidence: StreamEvidence) -> None:
    """Draw the log-likelihood of every offset that was scored, the winner in colour."""
    scored = np.isfinite(evidence.log_likelihood)
    lags, nats = evidence.lag_s[scored], evidence.log_likelihood[scored]
    best = int(np.argmax(nats))
    margin = evidence.clock_map.margin or float("nan")
    below = np.maximum(nats - nats[best], -120.0)
    axes.vlines(lags, -120.0, below, color=OTHERS, linewidth=0.8, label="other offsets")
    axes.vlines(lags[best], -120.0, 0.0, color=DEVICE, linewidth=2.5, label=f"the offset chosen, {lags[best]:+.2f} s")
    axes.set(ylim=(-120.0, 12.0), xlabel="offset, s", ylabel="log-likelihood\nbelow the best, nats")
    axes.set_title(f"Offsets that were looked at: the best beats every other by {margin:.0f} nats")
    axes.legend(loc="upper center", frameon=False)


if __name__ == "__main__":
    sys.exit(main())
