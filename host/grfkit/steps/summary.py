"""Means of steps by person, trial, kind of force and foot."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .cop_estimated import COP_FLAGS
from .measured import UNKNOWN_FOOT
from .table import Cell, StepTable

SHOWN: tuple[tuple[str, str, int], ...] = (
    ("contact_s", "contact, s", 3),
    ("flight_s", "flight, s", 3),
    ("stride_s", "stride, s", 3),
    ("cadence_steps_min", "cadence, steps/min", 1),
    ("duty_factor_1", "duty factor", 3),
    ("vgrf_peak_bw", "peak, BW", 2),
    ("vertical_impulse_bw_s", "impulse, BW s", 3),
    ("valr_b_force_bw_s", "VALR (B, force), BW/s", 1),
    ("cop_forward_m", "CoP forward, m", 3),
)
"""Columns whose means are shown: name, head, digits."""


@dataclass(frozen=True)
class FootSummary:
    """Steps of one foot in one trial: how many, how many of them are in the means, and mean and SD of what is known.

    Means are of steps without a flag (:func:`counts`).
    """

    participant: str
    trial: str
    force: str
    side: str
    steps: int
    counted: int
    values: Mapping[str, tuple[float, float, int]]


def counts(row: Mapping[str, Cell]) -> bool:
    """Return whether a step is in the means: it has no flag, but that its foot or a centre of pressure is not known."""
    flags = set(str(row["flags"]).split("; ")) if row["flags"] else set()
    return flags <= {UNKNOWN_FOOT, *COP_FLAGS}


def summaries(table: StepTable) -> list[FootSummary]:
    """Return the means of a table, in its order; the SD is that of the sample, NaN of a single step."""
    groups: dict[tuple[str, str, str, str], list[Mapping[str, Cell]]] = {}
    for row in table.steps:
        key = (str(row["participant"] or ""), str(row["trial"] or ""), str(row["force"]), str(row["side"] or ""))
        groups.setdefault(key, []).append(row)
    order = {"left": 0, "right": 1, "": 2}
    sorted_groups = sorted(groups.items(), key=lambda g: (g[0][0], g[0][1], g[0][2] != "measured", order[g[0][3]]))
    return [
        FootSummary(*key, len(rows), sum(counts(row) for row in rows), _values(rows)) for key, rows in sorted_groups
    ]


ASYMMETRIES: tuple[tuple[str, str], ...] = (
    ("asymmetry_contact_percent", "contact, %"),
    ("asymmetry_step_percent", "step, %"),
    ("asymmetry_peak_percent", "peak, %"),
    ("asymmetry_impulse_percent", "impulse, %"),
)
"""Columns of left minus right whose means are shown: name, head."""


@dataclass(frozen=True)
class TrialAsymmetry:
    """Left minus right in one trial: pairs of neighbouring steps, and mean, SD and number of each difference."""

    participant: str
    trial: str
    force: str
    values: Mapping[str, tuple[float, float, int]]


def asymmetries(table: StepTable) -> list[TrialAsymmetry]:
    """Return the differences of left and right of each trial that has pairs of steps with both feet known."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Cell]]] = {}
    for row in table.steps:
        groups.setdefault((str(row["participant"] or ""), str(row["trial"] or ""), str(row["force"])), []).append(row)
    made = []
    for key, rows in sorted(groups.items()):
        clear = [row for row in rows if counts(row)]
        values = {name: mean_sd([row[name] for row in clear]) for name, _ in ASYMMETRIES}
        if any(count for _, _, count in values.values()):
            made.append(TrialAsymmetry(*key, values))
    return made


def _values(rows: Iterable[Mapping[str, Cell]]) -> dict[str, tuple[float, float, int]]:
    several = [row for row in rows if counts(row)]
    names = [name for name, _, _ in SHOWN]
    return {name: mean_sd([row[name] for row in several]) for name in names}


def mean_sd(values: Iterable[Cell]) -> tuple[float, float, int]:
    """Return mean, SD of the sample and number of the values that are known."""
    known = [float(v) for v in values if isinstance(v, float | int)]
    if not known:
        return math.nan, math.nan, 0
    mean = math.fsum(known) / len(known)
    if len(known) == 1:
        return mean, math.nan, 1
    return mean, math.sqrt(math.fsum((v - mean) ** 2 for v in known) / (len(known) - 1)), len(known)


def summary_json(table: StepTable) -> list[dict[str, Any]]:
    """Return the means for machines; no NaN in it."""
    return [
        {
            "participant": s.participant or None,
            "trial": s.trial,
            "force": s.force,
            "side": s.side or None,
            "steps": s.steps,
            "counted": s.counted,
            "means": {
                name: {"mean": _none(mean), "sd": _none(sd), "steps": count}
                for name, (mean, sd, count) in s.values.items()
            },
        }
        for s in summaries(table)
    ]


def _none(value: float) -> float | None:
    return value if math.isfinite(value) else None
