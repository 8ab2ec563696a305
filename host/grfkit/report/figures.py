"""The score against lag, and the residual of every anchor."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ..arrays import Floats
from ..records.evidence import StreamEvidence
from .decimate import envelope
from .numbers import HALF_DIGIT_S, MINUTES_FROM_S, count, fixed, has_value, milliseconds, seconds
from .panel import LegendKey, Panel, PanelAxis, axis, legend
from .signal_view import edges_of, to_reference

# Chosen by eye, on a page of 900 pixels: columns of a curve, and dots and rings before they melt into one another
_COLUMNS, _MOST_DOTS, _MOST_RINGS = 500, 2500, 150
# Columns in which more dots than that are drawn as mean and range
_RANGE_COLUMNS = 300
# The score is shown this far around the winner (s), or 1.5 times as far as the runner-up lies where that is between the
# other two; chosen by eye
_CLOSE_S, _NEAREST_S, _FARTHEST_S = 1.5, 0.3, 5.0
# A closer picture is worth its place up to this share of the whole; chosen by eye
_WORTH_SHARE = 0.6
# Candidates are single offsets where they usually lie further apart than this (s; a contact's flank is shorter), or one
# in twenty further than so many usual steps: a scan is even. Chosen by hand
_SCAN_STEP_S, _UNEVEN = 0.1, 4.0
# Depth of the score's axis (nats): so many times the distance of the runner-up, and at least this; chosen by eye
_DEPTH_TIMES, _LEAST_DEPTH = 5.0, 50.0
# Percentile of the residuals that the axis has to hold: of the used anchors, else of all; chosen by eye, so that a few
# far ones do not flatten the rest
_WIDEST_PERCENT, _WIDEST_PERCENT_OF_ALL = 99.5, 80


class Score(NamedTuple):
    """Candidate offsets in order (s) and how many nats each is below the best (0 or less)."""

    lag_s: Floats
    nats: Floats

    def at(self, lag_s: float | None) -> float | None:
        """Return the score at a candidate (its nearest evaluated neighbour), None if there is none."""
        if lag_s is None or not has_value(lag_s) or not self.lag_s.size:
            return None
        return float(self.nats[np.argmin(np.abs(self.lag_s - lag_s))])

    def apart(self) -> bool:
        """Return whether candidates are single offsets, not an even scan finer than the flank of a contact."""
        steps = np.diff(self.lag_s)
        if not steps.size:
            return True
        usual = float(np.median(steps))
        return usual > _SCAN_STEP_S or float(np.percentile(steps, 95)) > _UNEVEN * usual


def scored(evidence: StreamEvidence) -> Score:
    """Return the evaluated candidates, in order, relative to the best."""
    lag, score = evidence.lag_s, evidence.log_likelihood
    good = np.isfinite(lag) & np.isfinite(score)
    # candidates come in the order of the search, scan and refinements mixed
    order = np.argsort(lag[good], kind="stable")
    lag, score = lag[good][order], score[good][order]
    return Score(lag, score - score.max() if score.size else score)


def likelihood(evidence: StreamEvidence) -> Markup:
    """Return the score against lag, over all lags and around the winner, with winner and runner-up marked."""
    score = scored(evidence)
    if not score.lag_s.size:
        return Markup('<p class="none">No candidate offset was scored.</p>')
    rival = score.at(evidence.runner_up_lag_s)
    floor = _floor(score, rival)
    full_span = (float(score.lag_s[0]), float(score.lag_s[-1]))
    panels = [_score_panel(evidence, score, full_span, floor, "All candidates")]
    close = _close(evidence, full_span)
    if close is not None:
        panels.append(_score_panel(evidence, score, close, floor, "Around the winner"))
    # the winner is drawn over the runner-up, and named first
    keys = [LegendKey("win", "line", f"{_winner(evidence)}: {seconds(evidence.chosen_lag_s)}")]
    if rival is not None:
        how = f"runner-up: {seconds(evidence.runner_up_lag_s)}, {fixed(-rival, 1, 'nats')} worse"
        keys.append(LegendKey("run", "line", how))
    else:
        keys.append(LegendKey("run", "line", "no runner-up"))
    pair = Markup('<div class="pair n{}">{}</div>').format(len(panels), Markup("").join(panels))
    if score.nats.min() < floor:
        note = f"Scores more than {fixed(-floor, 0, 'nats')} below the best are drawn at the lower edge."
        pair += Markup('<p class="note">{}</p>').format(note)
    return legend(keys) + pair


def _winner(evidence: StreamEvidence) -> str:
    """Return what the best candidate is called, with the offset fitted from it where that differs."""
    if evidence.clock_map.origin != "estimated":
        return "best by the contacts, which only check the given clock"
    if not evidence.clock_map.segments:
        return "best candidate"
    fitted, best_lag = evidence.clock_map.offset_s, evidence.chosen_lag_s
    differs = fitted is not None and best_lag is not None and abs(fitted - best_lag) >= HALF_DIGIT_S
    return f"chosen (fitted to {seconds(fitted)})" if differs else "chosen"


def _floor(score: Score, rival: float | None) -> float:
    """Return where the axis ends: deep enough for the runner-up, not so deep that its distance vanishes."""
    deepest = float(score.nats.min())
    return max(deepest, -max(_DEPTH_TIMES * -(rival or 0.0), _LEAST_DEPTH)) * 1.04 or -1.0


def _close(evidence: StreamEvidence, full_span: tuple[float, float]) -> tuple[float, float] | None:
    if evidence.chosen_lag_s is None or not has_value(evidence.chosen_lag_s):
        return None
    centre, half = evidence.chosen_lag_s, _CLOSE_S
    if evidence.runner_up_lag_s is not None and has_value(evidence.runner_up_lag_s):
        distance = 1.5 * abs(evidence.runner_up_lag_s - centre)
        half = distance if _NEAREST_S < distance < _FARTHEST_S else half
    start, end = max(full_span[0], centre - half), min(full_span[1], centre + half)
    worth = end > start and (end - start) < _WORTH_SHARE * (full_span[1] - full_span[0])
    return (start, end) if worth else None


def _score_panel(evidence: StreamEvidence, score: Score, span: tuple[float, float], floor: float, title: str) -> Markup:
    room = (span[1] - span[0]) * 0.02
    across = axis(span[0] - room, span[1] + room, "offset (s)", ticks=4)
    down = axis(floor, -floor * 0.12, "nats below the best", ticks=4)
    down = PanelAxis(down.low, down.high, down.label, tuple(t for t in down.ticks if t[0] <= 0))
    panel = Panel(across, down, 170)
    inside = (score.lag_s >= across.low) & (score.lag_s <= across.high)
    lag, nats = score.lag_s[inside], np.maximum(score.nats[inside], floor)
    panel.upright(evidence.runner_up_lag_s, "run")
    panel.upright(evidence.chosen_lag_s, "win")
    _draw_scores(panel, lag, nats, apart=score.apart())
    for place, mark in ((evidence.runner_up_lag_s, "run"), (evidence.chosen_lag_s, "win")):
        height = score.at(place)
        if place is not None and height is not None:
            at = (np.asarray([place]), np.asarray([max(height, floor)]))
            (panel.rings if mark == "run" else panel.dots)(*at, mark + "dot")
    rival = score.at(evidence.runner_up_lag_s)
    alt = f"{title}: log-likelihood against offset, highest at {seconds(evidence.chosen_lag_s)}"
    if rival is not None:
        alt += f"; the runner-up at {seconds(evidence.runner_up_lag_s)} is {fixed(-rival, 1, 'nats')} lower"
    return panel.finish(alt, title=title)


def _draw_scores(panel: Panel, lag: Floats, nats: Floats, *, apart: bool) -> None:
    """Draw a curve, or stems where candidates are single offsets: nothing is known between them."""
    if lag.size > 2 * _COLUMNS:
        extremes = envelope(lag, nats, start=panel.x.low, end=panel.x.high, columns=_COLUMNS)
        good = np.isfinite(extremes.high)
        lag, low, high = extremes.at[good], extremes.low[good], extremes.high[good]
        both = np.repeat(lag, 2), np.column_stack([low, high]).ravel()
    else:
        high, both = nats, (lag, nats)
    if apart:
        panel.stems(lag, high, "score")
    else:
        panel.line(*both, "score")


class _Residuals(NamedTuple):
    at_s: Floats
    ms: Floats
    used: NDArray[np.bool_]

    def of(self, used: bool) -> tuple[Floats, Floats]:
        """Return time (s) and residual (ms) of the used anchors, or of the excluded ones."""
        rows = self.used if used else ~self.used
        return self.at_s[rows], self.ms[rows]


def residuals(evidence: StreamEvidence) -> Markup:
    """Return the residual of every anchor over time with the map's uncertainty, and their histogram."""
    anchors = evidence.anchors
    good = np.isfinite(anchors.residual_s) & np.isfinite(anchors.t_reference_s)
    data = _Residuals(anchors.t_reference_s[good], anchors.residual_s[good] * 1e3, anchors.kept[good])
    if not data.ms.size:
        return Markup('<p class="none">No {} were matched, there is no residual to show.</p>').format(
            evidence.anchor_kind
        )
    reach = _reach(evidence, data)
    panels = [_residual_panel(evidence, data, reach), _histogram(evidence, data, reach)]
    keys = [
        LegendKey("devdot", "dot", f"used ({int(data.used.sum()):,})"),
        LegendKey("runring", "ring", f"excluded ({int((~data.used).sum()):,})"),
    ]
    if has_value(evidence.clock_map.uncertainty_ms):
        bound = milliseconds(evidence.clock_map.uncertainty_ms)
        keys.append(LegendKey("band", "area", f"±{bound}: how sure the clock is (95 %); single contacts scatter more"))
    if evidence.clock_map.segments[1:]:
        keys.append(LegendKey("cut", "line", "samples lost: a new piece"))
    note = _residual_note(data, reach)
    both = Markup('<div class="pair side">{}</div>').format(Markup("").join(panels))
    return legend(keys) + both + Markup('<p class="note">{}</p>').format(note)


def _every(excluded: int) -> int:
    """Return n, where every n-th excluded anchor is drawn, so that rings do not merge."""
    return max(1, -(-excluded // _MOST_RINGS))


def _residual_note(data: _Residuals, reach: float) -> str:
    beyond, step = int((np.abs(data.ms) > reach).sum()), _every(int((~data.used).sum()))
    sentences = [f"{count(beyond, 'anchor lies', 'anchors lie')} beyond the axis, drawn at its edge."] if beyond else []
    if data.of(True)[1].size > _MOST_DOTS:
        sentences.append("Dots are means and bars the range of what is used in each column.")
    if step > 1:
        sentences.append(f"One in {step} of the excluded is drawn.")
    return " ".join(sentences)


def _reach(evidence: StreamEvidence, data: _Residuals) -> float:
    """Return the half-width of the axis (ms): the used anchors, the band, and no further."""
    sizes = np.abs(data.of(True)[1])
    widest = (
        float(np.percentile(sizes, _WIDEST_PERCENT))
        if sizes.size
        else float(np.percentile(np.abs(data.ms), _WIDEST_PERCENT_OF_ALL))
    )
    bound = evidence.clock_map.uncertainty_ms
    return 1.25 * max(widest, bound if bound is not None and has_value(bound) else 0.0, 0.5)


def _residual_panel(evidence: StreamEvidence, data: _Residuals, reach: float) -> Markup:
    start, end = float(data.at_s.min()), float(data.at_s.max())
    unit, per = (60.0, "min") if end - start > MINUTES_FROM_S else (1.0, "s")
    room = max((end - start) * 0.02, 0.1)
    across = axis((start - room) / unit, (end + room) / unit, f"reference time ({per})")
    panel = Panel(across, axis(-reach, reach, "residual (ms)"), 190)
    bound = evidence.clock_map.uncertainty_ms
    if bound is not None and has_value(bound):
        panel.box(across.low, across.high, -bound, bound, "band")
    panel.level(0.0, "zero")
    edges = to_reference(evidence, np.asarray(edges_of(evidence.clock_map.segments)))
    for edge in edges if edges is not None else []:
        panel.upright(float(edge) / unit, "cut")
    # inside the frame, so that a dot at the edge is drawn whole
    rim = 0.96 * reach
    at, ms = data.of(True)
    if at.size > _MOST_DOTS:
        _many(panel, at / unit, ms)
    else:
        panel.dots(at / unit, np.clip(ms, -rim, rim), "devdot")
    at, ms = data.of(False)
    step = _every(at.size)
    panel.rings(at[::step] / unit, np.clip(ms[::step], -rim, rim), "runring")
    return panel.finish(_residual_words(evidence, data))


def _many(panel: Panel, at: Floats, ms: Floats) -> None:
    """Draw anchors that are too many for dots as the range and the mean of each column."""
    order = np.argsort(at, kind="stable")
    at, ms = at[order], ms[order]
    low, high = panel.x.low, panel.x.high
    extremes = envelope(at, ms, start=low, end=high, columns=_RANGE_COLUMNS)
    # as envelope cuts its columns, so that the mean lies in its own range
    column = np.clip(((at - low) / (high - low) * _RANGE_COLUMNS).astype(int), 0, _RANGE_COLUMNS - 1)
    number = np.bincount(column, minlength=_RANGE_COLUMNS)
    mean = np.bincount(column, weights=ms, minlength=_RANGE_COLUMNS) / np.maximum(number, 1)
    x = np.repeat(extremes.at, 3)
    panel.line(x, np.column_stack([extremes.low, extremes.high, np.full(_RANGE_COLUMNS, np.nan)]).ravel(), "range")
    panel.dots(extremes.at[number > 0], mean[number > 0], "devdot")


def _residual_words(evidence: StreamEvidence, data: _Residuals) -> str:
    residual_ms = data.of(True)[1]
    text = f"Residuals of {residual_ms.size:,} {evidence.anchor_kind} over time"
    if residual_ms.size:
        mean, spread = fixed(float(residual_ms.mean()), 1, "ms"), fixed(float(residual_ms.std()), 1, "ms")
        text += f": mean {mean}, standard deviation {spread}"
    return f"{text}; {data.ms.size - residual_ms.size:,} excluded"


def _histogram(evidence: StreamEvidence, data: _Residuals, reach: float) -> Markup:
    residual_ms = data.of(True)[1]
    edges = np.linspace(-reach, reach, 26)
    number, _ = np.histogram(residual_ms, bins=edges)
    most = max(int(number.max()), 1)
    across = PanelAxis(0.0, most * 1.05, evidence.anchor_kind, ((0.0, "0"), (float(most), f"{most:,}")))
    panel = Panel(across, axis(-reach, reach, "residual (ms)"), 190)
    for height, low, high in zip(number, edges[:-1], edges[1:]):
        if height:
            panel.box(0.0, float(height), float(low), float(high), "bar")
    panel.level(0.0, "zero")
    words = f", half of them within ±{milliseconds(float(np.median(np.abs(residual_ms))))}" if residual_ms.size else ""
    return panel.finish(f"Histogram of the residuals of {residual_ms.size:,} {evidence.anchor_kind}{words}")
