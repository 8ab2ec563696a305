"""Mean over people, goals and tables of the closed loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import loop_score as score

METHODS = {
    "device": "on the device, over the air",
    "true_clock": "the same by the true clocks, not grf-sync's",
    "mean": "mean curve",
    "cells": "sum of the cells, scaled",
    "host": "same bundle on the host (grf-estimate)",
    "truth": "true force (the plate's noise and zero)",
}


def averaged(people: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the mean over people of each method's RMS by axis (BW), and in how many of them the network is better."""
    complete = [person["methods"] for person in people if "methods" in person]
    figures: dict[str, Any] = {"people": len(complete), "of": len(people)}
    for method in METHODS:
        had = [methods[method] for methods in complete if methods.get(method, {}).get("stances")]
        rms = {a: [figures_of_person["rms_bw"][a] for figures_of_person in had] for a in score.AXES}
        figures[method] = {a: float(np.mean(v)) if v and None not in v else None for a, v in rms.items()}
    figures["better_than_mean"] = {a: sum(_less(methods, a) for methods in complete) for a in score.AXES}
    return figures


def _less(methods: dict[str, Any], axis: str) -> bool:
    mine, mean = (methods[name].get("rms_bw", {}).get(axis) for name in ("device", "mean"))
    return mine is not None and mean is not None and mine < mean


def loop_goals(part: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return each goal: what, the figure, whether it is met."""
    if "skipped" in part:
        return [("the loop closed", part["skipped"], False)]
    people, mean = part["people"], part["mean"]
    sides = [side for person in people for side in person.get("alignment", {}).values()]
    inside = all(side["worst_ms"] <= side["stated_ms"] for side in sides) and mean["people"] == mean["of"]
    worst = max((side["worst_ms"] for side in sides), default=float("nan"))
    stances = [person["stances"] for person in people if "stances" in person]
    answers, matched = sum(s["answers"] for s in stances), sum(s["matched"] - s["wrong_foot"] for s in stances)
    sent = [person["over_the_air"] for person in people]
    same, expected = (sum(report["LiteRT"][name] for report in sent) for name in ("same_bytes", "due"))
    goals = [
        ("loop: alignment within its stated interval of the truth", f"{worst:.1f} ms off at most", inside),
        ("loop: recorded stances are plate contacts of that foot", f"{matched} of {answers}", matched == answers > 0),
        ("loop: stances arrive with the insole's bytes", f"{same} of {expected}", same == expected > 0),
    ]
    for axis in score.AXES:
        mine, curve = mean["device"][axis], mean["mean"][axis]
        if mine is not None and curve is not None:
            goals.append((f"loop: {axis} better than the mean curve", f"{mine:.3f} / {curve:.3f} BW", mine < curve))
    return goals


def loop_table(part: dict[str, Any]) -> list[str]:
    """Return the figures as lines of Markdown."""
    if "skipped" in part:
        return [f"Not run: {part['skipped']}."]
    mean = part["mean"]
    lines = [
        f"SIMULATED. {mean['of']} people of no training, {part['seconds']:g} s each, {part['bundle']} in the insoles;"
        f" {mean['people']} aligned. Mean curve of {part['mean_curve_of']}. RMS over all points of all stances that the"
        " plate saw, mean over people; a stance is where the insole says, on the plate's clock by grf-sync, so that"
        " timing counts.",
        "",
        "| method | vertical BW | forward BW | medial BW |",
        "|---|---|---|---|",
    ]
    lines += [f"| {METHODS[m]} | " + " | ".join(_bw(mean[m][a]) for a in score.AXES) + " |" for m in METHODS]
    lines += ["", _verdict(mean), ""]
    return [*lines, *_people_table(part["people"]), "", *_link_table(part["people"]), "", _more(part["more"])]


def _more(more: dict[str, Any]) -> str:
    """Return in words what more people come to, without a link."""
    people, mean = more["people"], more["mean"]
    if not people:
        return "No more people were asked."
    answered = sum(person["methods"]["device"]["stances"] for person in people)
    contacts = sum(person["contacts"] for person in people)
    figures = " / ".join(f"{_bw(mean['device'][a])} ({_bw(mean['mean'][a])})" for a in score.AXES)
    better = " / ".join(str(mean["better_than_mean"][a]) for a in score.AXES)
    none = sum(not person["methods"]["device"]["stances"] for person in people)
    return (
        f"{len(people)} more people without a link, on true clocks, against the true force: {answered} of {contacts}"
        f" contacts answered, {none} people without any; vertical / forward / medial {figures} BW (mean curve), the"
        f" network better in {better} people."
    )


def _verdict(mean: dict[str, Any]) -> str:
    words = {"vgrf": "vertical", "apgrf": "forward", "mlgrf": "medial"}
    sentences = []
    for axis, word in words.items():
        mine, curve = mean["device"][axis], mean["mean"][axis]
        if mine is not None and curve is not None:
            how = "better than" if mine < curve else "NOT better than"
            count = f"{mean['better_than_mean'][axis]} of {mean['people']} people"
            sentences.append(f"{word}: the network is {how} the mean curve ({count})")
    return "; ".join(sentences) + "."


_HEADS = (
    "person", "aligned off ms (worst / stated)", "of it: placed on the host's clock", "stances matched", "unmatched",
    "contacts unanswered", "IC ms (plate)", "TO ms (plate)", "IC ms (truth)", "TO ms (truth)", "v / ap / ml BW",
    "mean curve v / ap / ml BW", "peak BW (mean abs, bias)",
)  # fmt: skip
_BELOW = """IC and TO: median (SD) of the insole's less the plate's (20 N) or the truth's. Placed: how far the
recording's times are off at most before any alignment, left / right; the stated interval is without it."""


def _people_table(people: Sequence[dict[str, Any]]) -> list[str]:
    lines = [f"| {' | '.join(_HEADS)} |", "|" + "---|" * len(_HEADS)]
    for person in people:
        who = f"{person['seed']} (family {person['family']}, {person['mass_kg']:g} kg, {person['speed_m_s']:g} m/s)"
        if "stances" not in person:
            reasons = "; ".join(person["sync"]["reasons"])
            lines.append(f"| {who} | REFUSED: {reasons} |" + " |" * (len(_HEADS) - 2))
            continue
        sides = list(person["alignment"].values())
        worst, stated = max(s["worst_ms"] for s in sides), max(s["stated_ms"] for s in sides)
        met, methods = person["stances"], person["methods"]
        placement = " / ".join(f"{s['placed_ms']:.1f}" for s in sides)
        cells = [who, f"{worst:.1f} / {stated:.1f}", placement, str(met["matched"] - met["wrong_foot"])]
        cells += [str(met["answers_unmatched"] + met["wrong_foot"]), str(met["contacts_unanswered"])]
        cells += [_ms(met[f"{name}_ms"]) for name in ("ic_plate", "to_plate", "ic_truth", "to_truth")]
        cells += [" / ".join(_bw(methods[m]["rms_bw"][a]) for a in score.AXES) for m in ("device", "mean")]
        cells.append(f"{_bw(methods['device']['peak_bw'])}, {methods['device']['peak_bias_bw']:+.3f}")
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", _BELOW]


def _link_table(people: Sequence[dict[str, Any]]) -> list[str]:
    lines = ["| person | packets lost | stances due | arrived | LiteRT: same bytes | C runtime: same bytes, most LSB |"]
    lines.append("|---|---|---|---|---|---|")
    for person in people:
        air = person["over_the_air"]
        lost = sum(device["packets_lost"] for device in person["monitor"])
        in_c, lite = air.get("C runtime"), air["LiteRT"]
        in_c_text = f"{in_c['same_bytes']} of {in_c['came']}, {in_c['most_lsb']}" if in_c else "no compiler"
        figures = f"{lost} | {lite['due']} | {air['arrived']} | {lite['same_bytes']} of {lite['came']} | {in_c_text}"
        lines.append(f"| {person['seed']} | {figures} |")
    return lines


def _bw(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"


def _ms(spread: dict[str, float]) -> str:
    return f"{spread['median']:+.1f} ({spread['sd']:.1f})"
