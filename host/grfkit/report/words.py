"""The verdict in sentences: the alignment and its certainty, what failed, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..records import ClockMap
from ..records.evidence import NATS, StreamEvidence, TrialEvidence, verdict_in_words
from .figures import scored
from .numbers import DASH, HALF_DIGIT_S, chance, count, duration, fixed, has_value, milliseconds, percent, seconds

Group = list[StreamEvidence]

_TOOLS = re.compile(r":? tools/\w+\.py,?")
"""Programs that made a document of lags: of use to whoever changes the document, not to whoever reads a page."""
# Shown without words beside the ppm: below half of the last digit printed
_NO_DRIFT_PPM = 0.05
SEVERITIES = ("error", "warning", "info")


def groups(streams: Sequence[StreamEvidence]) -> list[Group]:
    """Return the streams in groups that were aligned together, on one clock."""
    by_clock: list[Group] = []
    for stream in streams:
        home = next((g for g in by_clock if _one_clock(g[0], stream)), None)
        if home is None:
            by_clock.append([stream])
        else:
            home.append(stream)
    return by_clock


def _one_clock(a: StreamEvidence, b: StreamEvidence) -> bool:
    # two empty pieces of evidence are equal without being of one clock
    if not (a.lag_s.size or a.anchors.t_device_s.size):
        return False
    same = a.clock_map.model_copy(update={"source": b.clock_map.source}) == b.clock_map
    same = same and np.array_equal(a.anchors.t_device_s, b.anchors.t_device_s)
    return same and np.array_equal(a.log_likelihood, b.log_likelihood, equal_nan=True)


def name_of(group: Group) -> str:
    """Return the names of streams on one clock: ``insole_left and insole_right``."""
    names = [stream.stream for stream in group]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def target_of(clock_map: ClockMap) -> str:
    """Return the name of the map's target, as part of a sentence."""
    return "the reference" if clock_map.target in ("", "reference") else clock_map.target


def offset_of(clock_map: ClockMap) -> float | None:
    """Return the offset (s), of a map in pieces the first one's."""
    if clock_map.offset_s is None and clock_map.segments:
        return clock_map.segments[0].offset_s
    return clock_map.offset_s


def drift_of(clock_map: ClockMap) -> float | None:
    """Return the drift (ppm), of a map in pieces the first one's."""
    if clock_map.drift_ppm is None and clock_map.segments:
        return clock_map.segments[0].drift_ppm
    return clock_map.drift_ppm


def state_of(clock_map: ClockMap) -> str:
    """Return ``aligned``, ``refused``, or ``accepted`` for a refused map that the user accepted."""
    if clock_map.verdict == "refused" and clock_map.segments:
        return "accepted"
    return clock_map.verdict


def headline(evidence: TrialEvidence) -> str:
    """Return the trial's verdict as one sentence."""
    states = [state_of(stream.clock_map) for stream in evidence.streams]
    aligned, total = states.count("aligned"), len(states)
    if not total:
        return "No stream was given to align."
    given = any(stream.clock_map.origin != "estimated" for stream in evidence.streams)
    if evidence.verdict == "aligned":
        which = {1: "The stream is", 2: "Both streams are"}.get(total, f"All {total} streams are")
        by_hand = any(stream.clock_map.by_hand is not None for stream in evidence.streams)
        how = ", decided on by hand" if by_hand else ", which was given and not estimated" if given else ""
        return f"{which} on the reference clock{how}."
    if evidence.verdict == "partial":
        be = "is" if aligned == 1 else "are"
        became = verdict_in_words("partial", aligned=aligned, **_choices(evidence)).removeprefix("partly aligned, ")
        return f"{aligned} of {total} streams {be} on the reference clock; do not use the rest. {_sentence(became)}"
    text = "The recordings do not say safely enough which alignment is right"
    if given:
        text = "The clock that was given does not hold"
        return f"{text}; the user insisted on it." if "accepted" in states else f"{text}, so there is no trial."
    if "accepted" in states:
        return f"{text}; the user accepted the best candidate all the same."
    return f"{text}, so none is given."


def _choices(evidence: TrialEvidence) -> dict[str, bool]:
    """Return what the user allows of a trial that is not wholly aligned."""
    return {name: bool(evidence.configuration.get(name)) for name in ("allow_partial", "accept_refused")}


def _sentence(text: str) -> str:
    return f"{_capital(text)}."


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def sentence(group: Group) -> str:
    """Return the verdict on the streams of one clock, as a sentence."""
    clock_map = group[0].clock_map
    state = state_of(clock_map)
    if state == "refused":
        return _refusal(group)
    text = f"{_offset_words(group)}. {_runner_up_words(group[0])}"
    if clock_map.by_hand is not None:
        text = f"{_offset_words(group)}: {clock_map.by_hand.in_words()}."
    elif clock_map.origin != "estimated":
        text = f"{_offset_words(group)}: {'. '.join(_capital(finding) for finding in clock_map.findings[:2])}."
    if state == "accepted":
        text = f"{_be(group, past=True)} refused and taken all the same, at the user's word: {text}"
    return text


def _offset_words(group: Group) -> str:
    clock_map = group[0].clock_map
    offset, target = offset_of(clock_map), target_of(clock_map)
    verb = "start" if len(group) > 1 else "starts"
    if offset is None or not has_value(offset):
        text = f"{verb} at an unknown time"
    elif abs(offset) < HALF_DIGIT_S:
        text = f"{verb} with {target}"
    else:
        text = f"{verb} {seconds(abs(offset))} {'after' if offset > 0 else 'before'} {target}"
    if has_value(clock_map.uncertainty_ms):
        text += f", ±{milliseconds(clock_map.uncertainty_ms)} (95\u202f%)"
    if len(clock_map.segments) > 1:
        lost = count(clock_map.lost_samples, "sample") + " lost between them"
        text += f", in {len(clock_map.segments)} pieces with {lost}"
    return text


def _runner_up_words(stream: StreamEvidence) -> str:
    clock_map = stream.clock_map
    margin, risk = clock_map.margin, clock_map.p_wrong
    parts = []
    if margin is not None and has_value(margin):
        rival = stream.runner_up_lag_s
        where = f" ({seconds(rival)})" if has_value(rival) else ""
        parts.append(f"the next best alignment{where} is {fixed(margin, 0 if margin >= 10 else 1, 'nats')} worse")
    if has_value(risk):
        parts.append(f"chance of being a step or more off: {chance(risk)}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _refusal(group: Group) -> str:
    stream = group[0]
    if stream.clock_map.by_hand is not None:
        return f"{_be(group, past=True)} {stream.clock_map.by_hand.in_words()}."
    if stream.clock_map.origin != "estimated":
        return f"{_be(group)} refused: the clock was given, not estimated, and does not hold."
    best, rival = stream.chosen_lag_s, stream.runner_up_lag_s
    if best is None or not has_value(best):
        return f"{_be(group)} refused: no candidate alignment was found."
    text = f"{_be(group)} refused: the best candidate is an offset of {seconds(best)}"
    if rival is None or not has_value(rival):
        return text + "; there is no second one to tell it from."
    text += f", the runner-up {seconds(rival)}, {seconds(abs(rival - best))} away"
    margin = stream.clock_map.margin
    if margin is None or not has_value(margin):
        score = scored(stream)
        height = score.at(rival)
        margin = None if height is None else -height
    return text + (f" and only {fixed(margin, 1, 'nats')} worse." if margin is not None else ".")


def _be(group: Group, *, past: bool = False) -> str:
    singular, many = ("was", "were") if past else ("is", "are")
    return singular if len(group) == 1 else many


BY_EYE = "By eye: the same command with --review"
BY_EYE_OF_ROW = "By eye: grf-sync of this trial alone with --review"
"""A table has no page for every row."""


def advice(evidence: TrialEvidence) -> list[str]:
    """Return what to do about refused streams, the surest remedy first; empty if none was refused."""
    refused = [s for s in evidence.streams if state_of(s.clock_map) != "aligned" and s.clock_map.by_hand is None]
    if not refused:
        return []
    if all(s.clock_map.origin != "estimated" for s in refused):
        return [
            "Correct what was stated of the clock (--synchronised or --offset; synchronised or offset_s in Python).",
            "Or leave it out: the contacts then say themselves where the recordings belong.",
            f"Check that both files are of this trial and of this person, and that the surface is {evidence.surface}.",
        ]
    hits = (
        "More hits: more contacts on the plates, spread over the whole trial, leave less room for chance."
        if evidence.surface == "overground"
        else "More hits: a longer stretch that both recorded, with a start, a stop or a change of pace in it."
    )
    steps = [
        "Jumps: record three jumps or stomps on the plate at the start, and again at the end."
        " Running repeats itself, jumps do not.",
        hits,
    ]
    decided = [s.deciding_prior_sd_s for s in refused if s.deciding_prior_sd_s is not None]
    if decided:
        steps.append(_prior_words(refused, min(decided)))
    return [
        *steps,
        f"{BY_EYE} opens a page on which the device is moved, with the likelihood beside it; what you accept stays"
        " marked as done by hand.",
        f"Check that both files are of this trial and of this person, and that the surface is {evidence.surface}.",
    ]


def _prior_words(refused: Sequence[StreamEvidence], sd_s: float) -> str:
    """Return how a prior would decide; its SD is rounded down, so that what is printed is enough."""
    rivals = [s for s in refused if has_value(s.chosen_lag_s) and has_value(s.runner_up_lag_s)]
    text = (
        f"A prior: where the offset is known from elsewhere with an SD of {np.floor(1e3 * sd_s):.0f} ms or less, state"
        " both (--prior-offset and --prior-sd; prior_offset_s and prior_sd_s in Python)."
    )
    if rivals:
        both = f"{seconds(rivals[0].chosen_lag_s)} and {seconds(rivals[0].runner_up_lag_s)}"
        text += f" It would tell {both} apart; the overlays below may help."
    return text


def rate_in_words(drift_ppm: float | None) -> str:
    """Return how fast or slow the device's clock is per hour, shown beside its drift in ppm."""
    if drift_ppm is None or not has_value(drift_ppm) or abs(drift_ppm) < _NO_DRIFT_PPM:
        return ""
    # one ppm of an hour's 3600 s is 3.6 ms
    per_hour = abs(drift_ppm) * 3.6
    text = milliseconds(per_hour) if per_hour < 1e3 else fixed(per_hour / 1e3, 1, "s")
    return f"{text}/h {'slow' if drift_ppm > 0 else 'fast'}"


def table_rows(groups: Sequence[Group]) -> list[tuple[str, str, list[str]]]:
    """Return (label, explanation, value of each group) for the table of all streams."""
    maps = [group[0].clock_map for group in groups]
    lags = [f"{milliseconds(m.lag_s, from_s=True)} ± {milliseconds(m.lag_sd_s, from_s=True)}" for m in maps]
    rows = [
        ("Offset", "added to the device's time", [seconds(offset_of(m)) for m in maps]),
        ("Drift", "of its clock", [_drift(m) for m in maps]),
        ("Uncertainty", "95\u202f%, worst instant", [_half_width(m) for m in maps]),
        ("Margin", f"to the runner-up; {NATS}", [fixed(m.margin, 1, "nats") for m in maps]),
        ("Margin without prior", "", [fixed(m.margin_without_prior, 1, "nats") for m in maps]),
        ("Chance of a wrong step", "", [chance(m.p_wrong) for m in maps]),
        ("Inliers", "matched of what could be", [percent(m.inliers) for m in maps]),
        ("Matched", "", [f"{m.matched_anchors:,} {g[0].anchor_kind}" for m, g in zip(maps, groups)]),
        ("Residual", "scatter of the matched", [milliseconds(m.residual_ms) for m in maps]),
        ("Overlap", "", [duration(m.overlap_s) for m in maps]),
        ("Lost samples", "without a trace", [f"{m.lost_samples:,}" for m in maps]),
        ("Pieces", "", [f"{len(m.segments):,}" for m in maps]),
        ("Sensor lag", "taken off, with its SD", lags),
    ]
    same = all(m.margin == m.margin_without_prior or m.margin_without_prior is None for m in maps)
    undivided = all(len(m.segments) < 2 for m in maps)
    # rows that would say the same as another, or nothing, are left out
    idle = {"Margin without prior": same, "Pieces": undivided}
    if all(m.origin != "estimated" for m in maps):
        idle |= {label: True for label, _, values in rows if set(values) <= {DASH}}
        idle |= {"Sensor lag": not any(m.lag_source for m in maps), "Matched": not any(m.matched_anchors for m in maps)}
    return [row for row in rows if not idle.get(row[0], False)]


def _drift(clock_map: ClockMap) -> str:
    drift = drift_of(clock_map)
    words = rate_in_words(drift)
    return fixed(drift, 1, "ppm") + (f" ({words})" if words else "")


def _half_width(clock_map: ClockMap) -> str:
    return f"±{milliseconds(clock_map.uncertainty_ms)}" if has_value(clock_map.uncertainty_ms) else "—"


def severity_of(finding: Mapping[str, Any]) -> str:
    """Return the finding's severity in lower case, a dash where it states none."""
    return str(finding.get("severity") or "—").lower()


def doctor_in_words(findings: Sequence[Mapping[str, Any]]) -> str:
    """Return how many of the doctor's errors and warnings still stand, and how many were corrected."""
    standing = [severity_of(f) for f in findings if not f.get("corrected")]
    sentences = [f"{count(standing.count(s), s)} not corrected" for s in ("error", "warning") if s in standing]
    mended = sum(bool(f.get("corrected")) for f in findings)
    if mended:
        sentences.append(f"{count(mended, 'finding')} corrected")
    return ", ".join(sentences)


def without_programs(source: str) -> str:
    """Return where a lag came from, without the programs of the repository that took it from there."""
    return _TOOLS.sub("", source)


def remarks(clock_map: ClockMap) -> list[str]:
    """Return the map's own remarks: swapped feet, a turned sign, findings, the source of the lag."""
    sentences = []
    if clock_map.swapped_sides:
        sentences.append("The contacts fit better with left and right exchanged: check which device was worn where.")
    if clock_map.inverted:
        sentences.append("The signal's sign was turned to fit.")
    sentences += clock_map.findings
    if clock_map.lag_source:
        sentences.append(f"Sensor lag: {without_programs(clock_map.lag_source)}")
    return sentences
