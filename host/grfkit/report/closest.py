"""Half a second about one contact: there a difference of milliseconds is seen."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..arrays import Floats
from ..records.evidence import StreamEvidence
from .decimate import curve
from .numbers import fixed, milliseconds
from .panel import LegendKey, Panel, axis, legend
from .signal_view import SIGNAL_AXIS, SignalView

SPAN_S, BEFORE_S = 0.5, 0.15
"""Length of the stretch, and how much of it lies before the contact (s)."""
FEW = 10
"""Contacts of which the usual one is shown."""
_FARTHEST_S = 0.2
"""Contacts of the two sides farther apart than this (s) are not one contact."""
_JUST_S, _STANCE_S = 0.03, 0.15
"""From how long before a contact to how long after it (s) a signal rises by it; chosen by hand."""


class _Pair(NamedTuple):
    """A contact of the reference and the device's partner of it, both on the reference clock (s)."""

    reference_s: float
    device_s: float


def closest(evidence: StreamEvidence, signals: SignalView) -> Markup:
    """Return half a second about a matched contact at the start and at the end; empty where nothing was matched."""
    pairs = _pairs(evidence)
    if not pairs or not signals.aligned[0].size:
        return Markup("")
    places = ["start", "end"] if len(pairs) == 2 else ["one contact"]
    panels = [_panel(evidence, signals, pair, place) for pair, place in zip(pairs, places)]
    keys = [
        LegendKey("refline", "line", "contact of the reference"),
        LegendKey("mark", "line", "contact of the device, its sensor's lag taken off"),
    ]
    title = Markup("<h4>Half a second about a contact: {}</h4>").format("; ".join(_words(p) for p in pairs))
    both = Markup('<div class="pair n{}">{}</div>').format(len(panels), Markup("").join(panels))
    return title + legend(keys) + both


def _pairs(evidence: StreamEvidence) -> list[_Pair]:
    """Return the usual of the first and of the last ten matched contacts: the one with the middle residual."""
    anchors = evidence.anchors
    used = np.flatnonzero(anchors.kept & np.isfinite(anchors.residual_s) & np.isfinite(anchors.t_reference_s))
    used = used[np.argsort(anchors.t_reference_s[used], kind="stable")]
    if not used.size:
        return []
    # streams of one clock share their contacts: those count that this one's foot made
    used = used[_rises(evidence, evidence.anchors.t_device_s[used])]
    ends = [used[:FEW], used[-FEW:]] if used.size >= 2 * FEW else [used]
    found = []
    for part in ends:
        middle = int(part[np.argsort(anchors.residual_s[part], kind="stable")[part.size // 2]])
        at, residual = float(anchors.t_reference_s[middle]), float(anchors.residual_s[middle])
        if abs(residual) < _FARTHEST_S:
            found.append(_Pair(at, at - residual))
    return found


def _rises(evidence: StreamEvidence, onset_s: Floats) -> NDArray[np.bool_]:
    """Return which contacts raise the stream's own signal by half of what the highest of them does."""
    time_s, signal = evidence.device_time_s, np.nan_to_num(evidence.device_signal)
    if not time_s.size:
        return np.ones(onset_s.size, dtype=bool)
    before = np.clip(np.searchsorted(time_s, onset_s - _JUST_S), 0, time_s.size - 1)
    after = np.clip(np.searchsorted(time_s, onset_s + _STANCE_S), before + 1, time_s.size)
    rise = np.asarray([signal[a:b].max() - signal[a] for a, b in zip(before, after)])
    return np.asarray(rise >= 0.5 * rise.max(), dtype=bool)


def _words(pair: _Pair) -> str:
    off_ms = 1e3 * (pair.device_s - pair.reference_s)
    if abs(off_ms) < 0.05:
        return f"at {fixed(pair.reference_s, 1, 's')} the device's is at the same moment"
    return f"at {fixed(pair.reference_s, 1, 's')} the device's is {milliseconds(abs(off_ms))} {_late(off_ms)}"


def _late(off_ms: float) -> str:
    return "later" if off_ms > 0 else "earlier"


def _panel(evidence: StreamEvidence, signals: SignalView, pair: _Pair, place: str) -> Markup:
    start, end = pair.reference_s - BEFORE_S, pair.reference_s - BEFORE_S + SPAN_S
    panel = Panel(axis(start, end, "reference time (s)", ticks=5), SIGNAL_AXIS, 150)
    x, y = curve(*signals.reference, start=start, end=end)
    panel.area(x, y, 0.0, "ref")
    panel.line(x, y, "refline")
    x, y = curve(*signals.aligned, start=start, end=end)
    panel.line(x, y, "dev")
    panel.upright(pair.reference_s, "refline")
    panel.upright(pair.device_s, "mark")
    return panel.finish(f"Half a second at the {place}: reference and {evidence.stream}, {_words(pair)}")
