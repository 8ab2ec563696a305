"""Both signals over each other, before and after, and the whole trial with its gaps and losses."""

from __future__ import annotations

import numpy as np
from markupsafe import Markup

from ..arrays import Floats
from ..records.evidence import StreamEvidence
from .decimate import curve, envelope
from .numbers import DASH, MINUTES_FROM_S, count, duration, seconds
from .panel import LegendKey, Panel, PanelAxis, axis, legend
from .signal_view import SIGNAL_AXIS, SignalView, edges_of, to_reference

Signal = tuple[Floats, Floats]
# Lanes of the picture of the trial: lost samples, gaps, the device after and before, the reference
_LANES = 5
# Columns of a curve over the page's width, chosen by eye
_COLUMNS = 500


def overlay(evidence: StreamEvidence, signals: SignalView) -> Markup:
    """Return the signals as recorded and as aligned, at the start and at the end of the overlap.

    A refused stream shows the best candidate and the runner-up instead.
    """
    name = evidence.stream
    rows: list[tuple[str, Signal]] = [("Before: as recorded, both from zero", signals.recorded)]
    if signals.trusted:
        rows.append(("After: aligned", signals.aligned))
    elif signals.aligned[0].size:
        rows.append((f"If the offset were {seconds(evidence.chosen_lag_s)} (best candidate)", signals.aligned))
    if signals.rival[0].size:
        rows.append((f"If the offset were {seconds(evidence.runner_up_lag_s)} (runner-up)", signals.rival))
    places = ["start", "end"] if len(signals.windows) == 2 else ["whole"]
    parts = []
    for number, (text, signal) in enumerate(rows, start=1):
        label = "reference time (s)" if number == len(rows) else ""
        panels = [
            _window(signals.reference, signal, window, f"{text}, {place}", name, label)
            for place, window in zip(places, signals.windows)
        ]
        parts.append(
            Markup('<h4>{}</h4><div class="pair n{}">{}</div>').format(text, len(panels), Markup("").join(panels))
        )
    keys = legend([LegendKey("ref", "area", evidence.clock_map.target), LegendKey("dev", "line", name)])
    return Markup("{}{}").format(keys, Markup("").join(parts))


def _window(reference: Signal, device: Signal, window: tuple[float, float], text: str, name: str, label: str) -> Markup:
    start, end = window
    panel = Panel(axis(start, end, label, ticks=4), SIGNAL_AXIS, 130)
    x, y = curve(*reference, start=start, end=end)
    panel.area(x, y, 0.0, "ref")
    panel.line(x, y, "refline")
    x, y = curve(*device, start=start, end=end)
    inside = np.isfinite(y) & (x >= start) & (x <= end)
    panel.line(x, y, "dev")
    nothing = "" if inside.any() else f": {name} has no sample here"
    alt = f"{text}: reference and {name} from {seconds(start)} to {seconds(end)} of reference time{nothing}"
    figure = panel.finish(alt)
    if nothing:
        figure += Markup('<p class="none">{} has no sample in this window</p>').format(name)
    return figure


def coverage(evidence: StreamEvidence, signals: SignalView) -> Markup:
    """Return the whole trial in lanes: reference, device before and after, gaps and losses."""
    span = _span(signals)
    if span is None:
        return Markup('<p class="none">No signal to show.</p>')
    start, end = span
    words = ["lost", "gaps", "after" if signals.trusted else "candidate", "before", "reference"]
    lanes = PanelAxis(0.0, _LANES, "", tuple((lane + 0.5, word) for lane, word in enumerate(words)))
    unit, per = (60.0, "min") if end - start > MINUTES_FROM_S else (1.0, "s")
    panel = Panel(axis(start / unit, end / unit, f"reference time ({per})"), lanes, 170, gutter="wide")
    for lane, signal, kind in (
        (4, signals.reference, "ref"),
        (3, signals.recorded, "old"),
        (2, signals.aligned, "dev"),
    ):
        _lane(panel, signal, span, lane, kind, unit)
    _losses(panel, evidence, unit)
    alt = f"Whole trial, {seconds(start)} to {seconds(end)}: {losses_in_words(evidence)}"
    return panel.finish(alt)


def _lane(panel: Panel, signal: Signal, span: tuple[float, float], lane: int, kind: str, unit: float) -> None:
    if not signal[0].size:
        return
    # at least two samples a column: slow signals would have holes
    inside = int(np.diff(np.searchsorted(signal[0], span))[0])
    columns = int(np.clip(inside * (span[1] - span[0]) / _length(signal, span) // 2, 1, _COLUMNS))
    extremes = envelope(*signal, start=span[0], end=span[1], columns=columns)
    high = np.clip(extremes.high, 0.04, 1.1) * 0.8
    panel.area(extremes.at / unit, lane + 0.08 + high, lane + 0.08, kind)


def _length(signal: Signal, span: tuple[float, float]) -> float:
    """Return how much (s) of a span a signal covers, a thousandth of the span at the least."""
    covered = min(float(signal[0][-1]), span[1]) - max(float(signal[0][0]), span[0])
    return max(covered, (span[1] - span[0]) / 1e3)


def _losses(panel: Panel, evidence: StreamEvidence, unit: float) -> None:
    # a gap of milliseconds in a trial of an hour stays visible
    thin = (panel.x.high - panel.x.low) * 0.001
    for start, end in _mapped_gaps(evidence):
        middle, half = (start + end) / 2 / unit, max((end - start) / 2 / unit, thin)
        panel.box(middle - half, middle + half, 1.15, 1.85, "gap")
    # where losses were not listed, each new segment begins behind one
    edges = [at for at, _ in evidence.lost] or edges_of(evidence.clock_map.segments)
    places = _on_reference(evidence, np.asarray(edges, dtype=np.float64)) / unit
    for at in places[np.isfinite(places)]:
        panel.box(at - thin, at + thin, 0.15, 0.85, "lost")


def _mapped_gaps(evidence: StreamEvidence) -> list[tuple[float, float]]:
    ends = np.asarray(evidence.gaps, dtype=np.float64).reshape(-1, 2)
    mapped = _on_reference(evidence, ends.ravel()).reshape(-1, 2)
    return [(float(a), float(b)) for a, b in mapped if np.isfinite(a) and np.isfinite(b)]


def _on_reference(evidence: StreamEvidence, times: Floats) -> Floats:
    mapped = to_reference(evidence, times)
    return times if mapped is None else mapped


def _span(signals: SignalView) -> tuple[float, float] | None:
    """Return the reference's time and as much of the device's as half of it on either side."""
    times = [s[0] for s in (signals.reference, signals.aligned, signals.recorded) if s[0].size]
    if not times:
        return None
    first, last = float(times[0][0]), float(times[0][-1])
    # a device may record all day: its hours would shrink the trial to a line
    room = (last - first) / 2 if signals.reference[0].size else 0.0
    start = max(min(float(t[0]) for t in times), first - room)
    end = min(max(float(t[-1]) for t in times), last + room)
    return (start, end) if end > start else (first, first + 1.0)


def losses_in_words(evidence: StreamEvidence) -> str:
    """Return how many gaps and lost samples there are, how long, and where the worst is."""
    gaps = [(end - start, start) for start, end in evidence.gaps]
    text = count(len(gaps), "gap")
    if gaps:
        longest, at = max(gaps)
        text += f", {duration(sum(g for g, _ in gaps))} in all"
        text += f", the longest {duration(longest)} at {seconds(at)} of its own clock" if len(gaps) > 1 else ""
    samples = sum(n for _, n in evidence.lost) or evidence.clock_map.lost_samples
    text += "; " + count(samples, "sample") + " lost without a trace in the stamps"
    places = [f"{n:,} at {seconds(at)}" for at, n in evidence.lost[:5]]
    if places:
        more = len(evidence.lost) - 5
        text += f" ({', '.join(places)}{f' and at {more} more places' if more > 0 else ''})"
    return text if evidence.device_time_s.size else DASH
