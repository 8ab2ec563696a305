"""The table of steps: rows by name, as records, as a pandas table, and joined."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import BadInputError
from ..provenance import InputFile
from .columns import COLUMNS, NAMES

if TYPE_CHECKING:
    import pandas as pd

Cell: TypeAlias = "str | float | int | None"
"""A value of a row; None is unknown."""


@dataclass(frozen=True)
class TrialSteps:
    """What a table says of one trial besides its rows.

    Attributes
    ----------
    accepted, rejected
        Number of steps by kind of force, and of rejected contacts by reason.
    notes
        What limits the trial, one sentence each.
    findings
        What was noticed when it was made, as its file says.
    """

    trial: str
    participant: str
    accepted: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    inputs: tuple[InputFile, ...] = ()


@dataclass(frozen=True)
class StepTable:
    """One row per step and foot, in the columns of :data:`~grfkit.steps.columns.COLUMNS`; unknown is None.

    Attributes
    ----------
    left_out
        Files that gave no rows, each with the reason.
    """

    rows: tuple[Mapping[str, Cell], ...]
    trials: tuple[TrialSteps, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        """Return how many steps of whom there are."""
        steps, rejected = len(self.steps), len(self.rows) - len(self.steps)
        people = sorted({str(row["participant"] or "nobody named") for row in self.rows})
        trials = len(self.trials)
        return (
            f"StepTable({steps} steps, {rejected} rejected contacts, {trials} trial{'' if trials == 1 else 's'} of"
            f" {', '.join(people[:6])}{' ...' if len(people) > 6 else ''})"
        )

    def __len__(self) -> int:
        """Return the number of rows, rejected contacts among them."""
        return len(self.rows)

    def __iter__(self) -> Iterator[Mapping[str, Cell]]:
        """Give the rows."""
        return iter(self.rows)

    @property
    def steps(self) -> tuple[Mapping[str, Cell], ...]:
        """Return the rows of steps, without rejected contacts."""
        return tuple(row for row in self.rows if row["status"] == "step")

    def values(self, column: str) -> list[Cell]:
        """Return a column.

        Raises
        ------
        BadInputError
            If there is no column of this name.
        """
        if column not in NAMES:
            raise BadInputError(f"there is no column '{column}'; there are {', '.join(NAMES)}")
        return [row[column] for row in self.rows]

    def to_pandas(self) -> pd.DataFrame:
        """Return the table: numbers as floats (NaN unknown), counts as ``Int64``, texts as they are (empty unknown)."""
        import pandas as pd

        kinds = {"number": "float64", "count": "Int64", "text": "object"}
        data = {
            c.name: pd.Series([_blank(row[c.name], c.kind) for row in self.rows], dtype=kinds[c.kind]) for c in COLUMNS
        }
        return pd.DataFrame(data)

    def to_json(self) -> dict[str, Any]:
        """Return the table for machines: columns with what they hold, rows with null for unknown, trials."""
        return {
            "columns": {column.name: column.meaning for column in COLUMNS},
            "rows": [dict(row) for row in self.rows],
            "trials": [
                {
                    "trial": t.trial,
                    "participant": t.participant,
                    "accepted": dict(t.accepted),
                    "rejected": dict(t.rejected),
                    "notes": list(t.notes),
                    "findings": list(t.findings),
                    "inputs": [i.model_dump() for i in t.inputs],
                }
                for t in self.trials
            ],
            "left_out": [{"file": name, "reason": reason} for name, reason in self.left_out],
        }


def _blank(value: Cell, kind: str) -> Any:
    if value is None:
        return "" if kind == "text" else None
    return value


def completed(cells: Mapping[str, Cell]) -> dict[str, Cell]:
    """Return a row with every column in order: what is not given, NaN or an empty text is None.

    Raises
    ------
    KeyError
        If a cell is of no column.
    """
    unknown = set(cells) - set(NAMES)
    if unknown:
        raise KeyError(f"no column of the table of steps: {', '.join(sorted(unknown))}")
    return {name: _known(cells.get(name)) for name in NAMES}


def _known(value: Cell) -> Cell:
    if value is None or value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return None
    # adding 0.0 makes 0.0 of -0.0
    return float(value) + 0.0 if isinstance(value, float) else value


def joined(tables: Iterable[StepTable]) -> StepTable:
    """Return several tables as one, in order."""
    several = list(tables)
    return StepTable(
        tuple(row for t in several for row in t.rows),
        tuple(trial for t in several for trial in t.trials),
        tuple(item for t in several for item in t.left_out),
    )
