"""What an evaluation shows, in a sentence that is read in ten seconds and three lines; one judgement for all readers.

The page, the terminal, the model's card and a study take their words from here, so that none of them calls better what
another does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..stats.spm import FEWEST, smallest_p
from .numbers import count, fixed, p_value

Evaluation = Mapping[str, Any]
NAMES = {"vgrf": "vertical", "apgrf": "antero-posterior", "mlgrf": "medio-lateral"}
CONTACTS_BY = {
    "force": "the measured force",
    "insole": "the insole, whole record",
    "insole_causal": "the insole as it would find them live",
    "imu": "the shoes' IMUs",
    "film": "the film",
}
"""What finds contacts (:mod:`grfkit.gait.stances`), for somebody who has read no configuration."""
SPLITS = {"loso": "each participant left out in turn", "grouped_kfold": "groups of participants left out in turn"}
"""How people were left out, for somebody who has read no configuration."""
LEVEL = 0.05
"""Of p after Holm under which two methods are said to differ: the usual one."""
_ENOUGH_DIGITS = 6
"""Digits up to which two errors are told apart; more alike they are printed alike."""


@dataclass(frozen=True)
class Headline:
    """What is said first.

    Attributes
    ----------
    verdict
        Colour of the page's summary: ``aligned`` where every baseline is beaten on every axis, ``partial`` where some
        are or nothing could be tested, else ``refused``.
    lines
        Three: the axes, who is worst and what to expect of somebody new, how it was tested.
    """

    text: str
    verdict: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Standing:
    """How the evaluated method stands against the baselines on one axis.

    Attributes
    ----------
    better, worse, open
        Baselines that it is shown to be better than, or worse than, and those with neither shown.
    apart
        Baselines without a comparison, because they did not answer for everybody.
    tested
        Whether there are people enough for a p-value.
    errors
        RMSE of the method (under ``""``) and of every baseline, BW.
    """

    better: tuple[str, ...]
    worse: tuple[str, ...]
    open: tuple[str, ...]
    apart: tuple[str, ...]
    tested: bool
    errors: Mapping[str, float]

    @property
    def beats_all(self) -> bool:
        """Return whether it is shown to be better than every baseline."""
        return bool(self.better) and not (self.worse or self.open or self.apart)

    def lower_than(self, baseline: str) -> bool:
        """Return whether the method's error is lower than a baseline's, shown or not."""
        return self.errors.get("", float("inf")) < self.errors.get(baseline, float("-inf"))

    @property
    def foremost(self) -> str:
        """Return the baseline to be named: the mean curve where it is no worse, else the best of those not beaten."""
        unbeaten = [m for m in (*self.worse, *self.open) if m in self.errors]
        mine = self.errors.get("", float("nan"))
        if "mean curve" in unbeaten and self.errors["mean curve"] <= mine:
            return "mean curve"
        among = unbeaten or [m for m in self.better if m in self.errors]
        return min(among, key=lambda m: self.errors[m], default="")


def is_better(comparison: Mapping[str, Any]) -> bool:
    """Return whether the first of two methods is shown to err less: p after Holm, and the interval below 0."""
    p, high = comparison["p_holm"], comparison["high"]
    return p is not None and p < LEVEL and high is not None and high < 0


def is_worse(comparison: Mapping[str, Any]) -> bool:
    """Return whether the first of two methods is shown to err more: p after Holm, and the interval above 0."""
    p, low = comparison["p_holm"], comparison["low"]
    return p is not None and p < LEVEL and low is not None and low > 0


def judged(comparison: Mapping[str, Any]) -> str:
    """Return what a comparison shows; an interval without 0 whose p after Holm is not small shows nothing."""
    if comparison["p_holm"] is None:
        return "untested, too few people"
    if is_better(comparison) or is_worse(comparison):
        return "shown to be better" if is_better(comparison) else "shown to be WORSE"
    apart = comparison["low"] > 0 or comparison["high"] < 0
    return f"not shown: p after Holm is not under {LEVEL:g}" if apart else "not shown"


def standing(evaluation: Evaluation, axis: str) -> Standing:
    """Return how the evaluated method stands against every baseline on an axis."""
    others = {m: c for m, c in evaluation["comparisons"].get(axis, {}).items() if isinstance(c, Mapping)}
    names = baselines_of(evaluation)
    compared = [m for m in names if m in others]
    errors = {m: _error(evaluation, m, axis) for m in (*names, evaluation["headline"])}
    known = {("" if m == evaluation["headline"] else m): v for m, v in errors.items() if v is not None}
    better, worse = ([m for m in compared if test(others[m])] for test in (is_better, is_worse))
    return Standing(
        tuple(better),
        tuple(worse),
        tuple(m for m in compared if m not in better and m not in worse),
        tuple(m for m in names if m not in others),
        any(others[m]["p_holm"] is not None for m in compared),
        known,
    )


def baselines_of(evaluation: Evaluation) -> list[str]:
    """Return the baselines of an evaluation; all methods compared with where it does not name them (earlier grfkit)."""
    compared = {method for others in evaluation["comparisons"].values() for method in others}
    others = [m for m in evaluation["methods"] if m != evaluation["headline"]]
    return [m for m in others if m in evaluation.get("baselines", compared)] or others


def headline(evaluation: Evaluation) -> Headline:
    """Return what is said first of an evaluation: of the vertical force where there is one, else of its first axis."""
    if evaluation.get("feature_comparison"):
        return _of_facts(evaluation)
    axes = list(evaluation["axes"])
    main = "vgrf" if "vgrf" in axes else axes[0]
    by_axis = {name: standing(evaluation, name) for name in axes}
    text = _of_several(evaluation, main, axes) or _text(evaluation, main, by_axis)
    # the first words may name the best of several methods, while the lines and the figures are of the last one
    of = f"Of {evaluation['headline']}, the last that was named: " if _of_several(evaluation, main, axes) else ""
    # of several axes the other ones, of a single one the figures behind the headline
    rest = [axis_words(evaluation, name) for name in axes if name != main] or [_figures(evaluation, main)]
    return Headline(
        text, _verdict(evaluation, by_axis), (of + " ".join(rest), _people(evaluation, main), _how(evaluation))
    )


def _of_facts(evaluation: Evaluation) -> Headline:
    """Return what is said first where facts of people are compared as inputs: whether they help."""
    axes = list(evaluation["axes"])
    found = evaluation["feature_comparison"]
    rows = [r for r in found["help"] if (r["axis"], r["features"]) == ("overall", found["features"][-1])]
    words = dict.fromkeys(r["word"] for r in rows)
    by_word = {word: [r["network"] for r in rows if r["word"] == word] for word in words}
    helped = by_word.pop("helped", [])
    others = "; ".join(f"{word}: {', '.join(names)}" for word, names in by_word.items())
    text = f"Facts of people ({found['features'][-1]}) helped {', '.join(helped) or f'none of {len(rows)} methods'}"
    text += f", {count(found['people'], 'person', 'people')}{'. ' if others else ''}{others[:1].upper()}{others[1:]}"
    sure = {"not helped", "harmed"} >= set(by_word) and bool(by_word)
    verdict = "aligned" if helped and not by_word else "refused" if sure and not helped else "partial"
    claims = [c["verdict"] for c in found["claims"]]
    told = ", ".join(f"{claims.count(v)} {v}" for v in dict.fromkeys(claims))
    several = _of_several(evaluation, "vgrf" if "vgrf" in axes else axes[0], axes)
    lines = (f"Claims of the study: {told}." if told else "", f"{several}." if several else "", _how(evaluation))
    return Headline(text, verdict, tuple(line for line in lines if line))


def axis_words(evaluation: Evaluation, axis: str) -> str:
    """Return one sentence on an axis: which baselines the method is shown to be better than, and which not."""
    name = NAMES.get(axis, axis).capitalize()
    note = evaluation["comparisons"].get(axis, {}).get("note")
    if isinstance(note, str):
        return f"{name}: {note}."
    found = standing(evaluation, axis)
    if not found.tested:
        lower = [m for m in found.open if found.lower_than(m)]
        return f"{name}: untested; error lower than that of {', '.join(lower) or 'no baseline'}."
    parts = [f"better than {', '.join(found.better)}" if found.better else "beats no baseline"]
    parts += [f"not shown to be better than {', '.join(found.open)}"] if found.open and found.better else []
    parts += [f"WORSE than {', '.join(found.worse)}"] if found.worse else []
    parts += [f"not compared with {', '.join(found.apart)}, without an answer for everybody"] if found.apart else []
    return f"{name}: {'; '.join(parts)} (p after Holm under {LEVEL:g})."


def _text(evaluation: Evaluation, axis: str, by_axis: Mapping[str, Standing]) -> str:
    found, people = by_axis[axis], f"{evaluation['participants']} people"
    which = f"{NAMES.get(axis, axis)} force " if len(by_axis) > 1 else ""
    if evaluation["participants"] < 2:
        return f"NO PROOF: one person alone, {which}{fixed(found.errors.get(''), 3)} BW"
    if evaluation["leaks"]:
        return f"NO PROOF for somebody new, the split leaks: {which}{_pair(found)} ({found.foremost}), {people}"
    if found.beats_all:
        where = " on every axis" if len(by_axis) > 1 and all(s.beats_all for s in by_axis.values()) else ""
        gain = found.errors[found.foremost] - found.errors[""]
        text = f"Better than every baseline{where}, by {fixed(gain, 3)} BW or more"
        return f"{text}: {which}{_pair(found)} ({found.foremost}), {people}"
    word = "NOT SHOWN to be better" if found.lower_than(found.foremost) else "NOT better"
    word = "WORSE" if found.foremost in found.worse else word
    few = "" if found.tested else ", too few for a test"
    return f"{word} than {_named(found.foremost)}: {which}{_pair(found)}, {people}{few}"


def _of_several(evaluation: Evaluation, axis: str, axes: Sequence[str]) -> str:
    """Return which of methods side by side errs least, and whether that is shown; empty of any other evaluation."""
    part = evaluation.get("comparison", {}).get("axes", {}).get(axis)
    if not part or len(part["ranks"]) < 2 or evaluation["leaks"]:
        return ""
    first, second = sorted(part["ranks"], key=lambda row: row["rmse_bw"])[:2]
    pairs = [p for p in part["pairs"] if first["method"] in (p["first"], p["second"])]
    apart = [p for p in pairs if is_better(p) or is_worse(p)]
    which = f"{NAMES.get(axis, axis)} force " if len(axes) > 1 else ""
    text = f"{first['method']} errs least, {which}{fixed(first['rmse_bw'], 3)} BW"
    if pairs and len(apart) == len(pairs):
        return f"{text}, and is shown to be better than every other: {evaluation['participants']} people"
    than = f"{second['method']}, {fixed(second['rmse_bw'], 3)} BW"
    shown = any(p in apart for p in pairs if second["method"] in (p["first"], p["second"]))
    if shown:  # somebody with a larger mean error, but too unlike from person to person
        return f"{text}; shown to be better than {len(apart)} of {len(pairs)}: {evaluation['participants']} people"
    return f"{text}; NOT SHOWN to be better than {than}, {evaluation['participants']} people"


def _pair(found: Standing) -> str:
    """Return both errors with as many digits as tell them apart."""
    mine, other = found.errors.get(""), found.errors.get(found.foremost)
    if mine is None or other is None:
        return f"{fixed(mine, 3)} BW"
    digits = next((d for d in range(3, _ENOUGH_DIGITS) if fixed(mine, d) != fixed(other, d)), 3)
    return f"{fixed(mine, digits)} against {fixed(other, digits)} BW"


def _named(baseline: str) -> str:
    return f"the {baseline}" if baseline.startswith("mean curve") else baseline


def _verdict(evaluation: Evaluation, by_axis: Mapping[str, Standing]) -> str:
    if evaluation["leaks"]:
        return "refused"
    if all(s.beats_all for s in by_axis.values()):
        return "aligned"
    untested = evaluation["participants"] > 1 and not any(s.tested for s in by_axis.values())
    return "partial" if untested or any(s.better for s in by_axis.values()) else "refused"


def _figures(evaluation: Evaluation, axis: str) -> str:
    """Return the paired difference behind the headline, where there is one."""
    found = standing(evaluation, axis)
    row = evaluation["comparisons"].get(axis, {}).get(found.foremost)
    if not isinstance(row, Mapping):
        return axis_words(evaluation, axis)
    p = "" if row["p_holm"] is None else f"; p after Holm {p_value(row['p_holm'])}"
    return (
        f"Against {_named(found.foremost)}: {fixed(row['mean'], 3)} BW (95 % interval {fixed(row['low'], 3)} to"
        f" {fixed(row['high'], 3)}), less error in {row['better']} of {row['n']} people{p}."
    )


def _people(evaluation: Evaluation, axis: str) -> str:
    group = evaluation["methods"][evaluation["headline"]][axis]["group"]["rmse_bw"]
    worst = f"Worst person: {group['worst']}, {fixed(group['most'], 3)} BW." if group["worst"] else ""
    band = evaluation.get("bands", {}).get(axis, {})
    if "half_width_bw" not in band:
        return worst
    expected = (
        f"Somebody new: within {fixed(band['half_width_bw'], 3)} BW of the estimate in {100 * band['within']:.0f} % of"
        f" samples, for {100 * band['level']:.0f} % of people."
    )
    return f"{worst} {expected}".strip()


def _how(evaluation: Evaluation) -> str:
    windows = f"{sum(evaluation['windows'].values())} {'stances' if evaluation['window'] == 'stance' else 'windows'}"
    split = str(evaluation["split"])
    if evaluation["leaks"]:
        return f"{windows}, split {split}: {'; '.join(map(str, evaluation['leaks']))}."
    tested = f"Each person was estimated by a model trained without them ({SPLITS.get(split, split)}); {windows}."
    return f"{tested} {_too_few(evaluation)}".strip()


def _too_few(evaluation: Evaluation) -> str:
    """Return that so few people could show nothing, however the methods differ; empty where they could."""
    people, needed = evaluation["participants"], people_needed(len(evaluation["methods"]) - 1)
    if people >= needed:
        return ""
    others = count(len(evaluation["methods"]) - 1, "method")
    return f"{count(people, 'person', 'people')} cannot show a difference from {others}: {needed} are needed."


def people_needed(methods: int) -> int:
    """Return the fewest people who can show a method to be better than one of several, with p after Holm."""
    # the smallest p of n paired signs is 2 / 2**n, which Holm multiplies by the number of methods
    return next(n for n in range(FEWEST, 64) if smallest_p(n) * max(methods, 1) < LEVEL)


def _error(evaluation: Evaluation, method: str, axis: str) -> float | None:
    value = evaluation["methods"][method][axis]["group"]["rmse_bw"]["mean"]
    return None if value is None else float(value)


__all__ = [
    "Headline", "Standing", "axis_words", "baselines_of", "headline", "is_better", "is_worse", "judged", "standing",
]  # fmt: skip
