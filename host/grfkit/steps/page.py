"""What the page of a table of steps shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from ..arrays import PathLike
from ..report.headline import CONTACTS_BY
from ..report.numbers import DASH, count, fixed
from ..report.steps_page import FootDots, PersonSteps, StepFigure, StepsReport, write_steps_report
from .summary import ASYMMETRIES, SHOWN, FootSummary, TrialAsymmetry, asymmetries, summaries
from .table import Cell, StepTable, TrialSteps

NOT_NAMED = "Person not named"
FEWEST_DOTS = 6
"""Steps of a trial from which on they are drawn over time: fewer stand in the table. Chosen by hand."""
_DRAWN = (("contact_s", "contact, s"), ("vgrf_peak_bw", "vertical peak, BW"))
_HEADS = ("Trial", "Foot", "Force", "Steps", "In means", *(head for _, head, _ in SHOWN))


def write_steps_page(path: PathLike, table: StepTable, *, force: bool = False) -> None:
    """Write the page of a table: each person's steps.

    Raises
    ------
    BadInputError
        If ``path`` exists and ``force`` is false, or cannot be written.
    """
    write_steps_report(path, steps_report(table), force=force)


def steps_report(table: StepTable) -> StepsReport:
    """Return what the page shows."""
    people = sorted({_person(row) for row in table.rows})
    return StepsReport(
        title="Steps" if len(people) != 1 or people == [NOT_NAMED] else f"Steps of {people[0]}",
        facts=[
            ("people", str(len(people))),
            ("trials", str(len({row["trial"] for row in table.rows}))),
            ("steps", f"{len(table.steps):,}"),
            ("rejected contacts", f"{len(table.rows) - len(table.steps):,}"),
        ],
        heads=_HEADS,
        asymmetry_heads=("Trial", "Force", "Pairs", *(head for _, head in ASYMMETRIES)),
        people=[_of(person, table) for person in people],
        methods=_methods(table),
        left_out=[why if why.startswith(name) else f"{name}: {why}" for name, why in table.left_out],
        inputs=[i for trial in table.trials for i in trial.inputs],
    )


def _person(row: Mapping[str, Cell]) -> str:
    return str(row["participant"] or NOT_NAMED)


def _of(person: str, table: StepTable) -> PersonSteps:
    rows = [row for row in table.rows if _person(row) == person]
    feet = [s for s in summaries(table) if (s.participant or NOT_NAMED) == person]
    trials = [t for t in table.trials if (t.participant or NOT_NAMED) == person]
    masses = sorted({row["mass_kg"] for row in rows if isinstance(row["mass_kg"], float)})
    return PersonSteps(
        name=person,
        facts=[
            ("mass", " and ".join(fixed(m, 1, "kg") for m in masses) or DASH),
            ("surface", ", ".join(sorted({str(r["surface"]) for r in rows if r["surface"]})) or DASH),
            ("gait", ", ".join(sorted({str(r["gait"]) for r in rows if r["gait"]})) or DASH),
        ],
        table=[_cells(foot) for foot in feet],
        asymmetry=[_asymmetry_cells(a) for a in asymmetries(table) if (a.participant or NOT_NAMED) == person],
        figures=_figures(rows),
        limits=_limits(rows, trials),
        findings=[f"{t.trial}: {finding}" for t in trials for finding in t.findings],
    )


def _cells(foot: FootSummary) -> list[str]:
    values = []
    for name, _, digits in SHOWN:
        mean, sd, _ = foot.values[name]
        spread = f" ({fixed(sd, digits)})" if np.isfinite(sd) else ""
        values.append(fixed(mean, digits) + spread)
    return [foot.trial, foot.side or "not known", foot.force, str(foot.steps), str(foot.counted), *values]


def _asymmetry_cells(trial: TrialAsymmetry) -> list[str]:
    cells = []
    for name, _ in ASYMMETRIES:
        mean, sd, _ = trial.values[name]
        cells.append(fixed(mean, 1) + (f" ({fixed(sd, 1)})" if np.isfinite(sd) else ""))
    pairs = max(count for _, _, count in trial.values.values())
    return [trial.trial, trial.force, str(pairs), *cells]


def _figures(rows: Sequence[Mapping[str, Cell]]) -> list[StepFigure]:
    figures = []
    for trial, force in dict.fromkeys((row["trial"], row["force"]) for row in rows):
        own = [row for row in rows if row["trial"] == trial and row["force"] == force]
        steps = [row for row in own if row["status"] == "step"]
        if len(steps) < FEWEST_DOTS:
            continue
        rejected = np.asarray([_number(row["ic_s"]) for row in own if row["status"] != "step"])
        for name, label in _DRAWN:
            feet = [_dots(side, steps, name) for side in ("left", "right", None)]
            shown = [foot for foot in feet if foot.at_s.size]
            if any(np.isfinite(foot.value).any() for foot in shown):
                figures.append(StepFigure(f"{trial}, {force}: {label}", label, shown, rejected))
    return figures


def _dots(side: str | None, steps: Sequence[Mapping[str, Cell]], name: str) -> FootDots:
    own = [row for row in steps if row["side"] == side]
    at, value = ([_number(row[column]) for row in own] for column in ("ic_s", name))
    return FootDots(side or "", np.asarray(at), np.asarray(value))


def _number(value: Cell) -> float:
    return float(value) if isinstance(value, float | int) else float("nan")


def _limits(rows: Sequence[Mapping[str, Cell]], trials: Sequence[TrialSteps]) -> list[str]:
    lines = []
    flags = Counter(flag for row in rows for flag in str(row["flags"] or "").split("; ") if flag)
    for flag, number in sorted(flags.items(), key=lambda item: (-item[1], item[0])):
        lines.append(f"{count(number, 'step')}: {flag}")
    for trial in trials:
        lines += [f"{trial.trial}: {count(n, 'contact')} rejected: {why}" for why, n in trial.rejected.items()]
        lines += [f"{trial.trial}: {note}" for note in trial.notes]
    return lines


def _rule(rule: str) -> str:
    """Return a rule of contacts in words: a force that is passed, or what finds contacts."""
    newtons = rule[:-1]
    return f"a force of {newtons} N" if rule.endswith("N") and newtons.isdigit() else CONTACTS_BY.get(rule, rule)


def _methods(table: StepTable) -> list[str]:
    rules = sorted({str(row["contact_rule"]) for row in table.steps if row["contact_rule"]})
    named = [_rule(rule) for rule in rules]
    cutoffs = sorted({row["filter_hz"] for row in table.steps if isinstance(row["filter_hz"], float)})
    unfiltered = any(row["filter_hz"] is None for row in table.steps)
    filters = [f"a zero-lag low-pass of {cutoff:g} Hz" for cutoff in cutoffs] + (["no filter"] if unfiltered else [])
    return [
        f"Contact and toe-off by {' and by '.join(named)}, on the unfiltered force (column contact_rule).",
        f"Peaks, impulses and loading rates after {' or '.join(filters)}; the column filter_hz says it of every step.",
        "Means are of steps without a flag (but that the foot is not known), with their SD; a dash: none is known.",
        "Negative flight is double support. VALR (B, force): mean slope from 20 to 80 % of the impact peak's force, or"
        " of the force at 13 % of the contact where there is no such peak (column loading_peak).",
        "Left minus right: 100 (L - R) over the mean of both, of each step and the next one of the other foot.",
        "Dashed lines are contacts that were rejected; they are no steps and in no mean.",
    ]
