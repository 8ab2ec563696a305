"""Draw docs/aligned.svg from the demo's overground trial: ``make picture`` (after ``make demo``).

The signals before and after alignment, and how likely each offset is. Written as SVG by hand, since the picture in
the README has to be one small file in which nothing moves.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from grfkit.arrays import Floats
from grfkit.records.evidence import StreamEvidence
from grfkit.sync import align

WIDTH, LEFT, ROW, GAP = 900, 12, 96, 34
REFERENCE, DEVICE, TEXT = "#7a8896", "#c2410c", "#333333"
SHOWN_S = 14.0
"""Length of the signals drawn: what can be told apart in a picture 900 units wide."""


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
    options.picture.write_text(drawn(alignment.evidence.streams[0]), encoding="utf-8")
    return 0


def drawn(evidence: StreamEvidence) -> str:
    """Return the picture as SVG text."""
    start = first_contacts_s(evidence)
    window = (start, start + SHOWN_S)
    mapped = evidence.clock_map.apply(evidence.device_time_s)
    rows = [
        ("Before: each file on its own clock, both from zero", evidence.device_time_s),
        ("After: the insole on the plates' clock", mapped),
    ]
    parts = []
    for number, (title, time) in enumerate(rows):
        top = GAP + number * (ROW + GAP)
        parts += [heading(title, top), frame(top)]
        parts.append(curve(evidence.reference_time_s, evidence.reference_signal, window, top, REFERENCE, filled=True))
        parts.append(curve(time, evidence.device_signal, window, top, DEVICE, filled=False))
    parts += scores(evidence, GAP + 2 * (ROW + GAP))
    height = GAP + 3 * (ROW + GAP) - 8
    label = "Force plates and insole before and after alignment, and the log-likelihood of every offset"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}" '
        f'font-family="sans-serif" font-size="14" fill="{TEXT}">'
    )
    return "\n".join([head, f'<rect width="{WIDTH}" height="{height}" fill="white"/>', *parts, "</svg>"]) + "\n"


def first_contacts_s(evidence: StreamEvidence) -> float:
    """Return where to begin: half a second before the first matched contact, on the reference clock."""
    matched = evidence.anchors.t_reference_s[evidence.anchors.kept]
    return float(np.min(matched)) - 0.5


def heading(text: str, top: float) -> str:
    """Return a line of text above a panel."""
    return f'<text x="{LEFT}" y="{top - 9}">{text}</text>'


def frame(top: float) -> str:
    """Return a panel's border."""
    width = WIDTH - 2 * LEFT
    return f'<rect x="{LEFT}" y="{top}" width="{width}" height="{ROW}" fill="none" stroke="#cccccc"/>'


def curve(time: Floats, value: Floats, window: tuple[float, float], top: float, colour: str, *, filled: bool) -> str:
    """Return the curve within a window: one path, broken where samples are missing."""
    inside = (time >= window[0]) & (time <= window[1])
    t, v = time[inside], value[inside]
    step = max(1, t.size // 1400)
    x = LEFT + (t[::step] - window[0]) / (window[1] - window[0]) * (WIDTH - 2 * LEFT)
    y = top + ROW * (1.15 - np.clip(v[::step], -0.1, 1.15)) / 1.3
    points, pen = [], "M"
    for a, b in zip(x, y):
        if not np.isfinite(a + b):
            pen = "M"
            continue
        points.append(f"{pen}{a:.1f} {b:.1f}")
        pen = "L"
    width = 3.2 if filled else 1.3
    opacity = 0.65 if filled else 1
    style = f'stroke="{colour}" stroke-width="{width}" stroke-opacity="{opacity}" stroke-linejoin="round"'
    return f'<path d="{"".join(points)}" fill="none" {style}/>'


def scores(evidence: StreamEvidence, top: float) -> list[str]:
    """Return the panel of log-likelihoods: a stem per offset that was scored, the winner in colour."""
    scored = np.isfinite(evidence.log_likelihood)
    lags, nats = evidence.lag_s[scored], evidence.log_likelihood[scored]
    best, low = int(np.argmax(nats)), float(np.max(nats)) - 120.0
    margin = evidence.clock_map.margin or float("nan")
    text = f"Offsets that were looked at: {lags[best]:+.2f} s beats every other by {margin:.0f} nats"
    span = float(np.ptp(lags)) or 1.0
    x = LEFT + 8 + (lags - lags.min()) / span * (WIDTH - 2 * LEFT - 16)
    high = np.clip((nats - low) / 120.0, 0.01, 1.0) * (ROW - 8)
    parts = [heading(text, top), frame(top)]
    for i in np.argsort(nats):
        colour, width = (DEVICE, 3) if i == best else (REFERENCE, 1)
        foot = top + ROW
        parts.append(f'<path d="M{x[i]:.1f} {foot}V{foot - high[i]:.1f}" stroke="{colour}" stroke-width="{width}"/>')
    return parts


if __name__ == "__main__":
    sys.exit(main())
