"""The error that a model's own evaluation states, for every answer of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..documents import document_bytes
from ..learn.outputs import EVALUATION

_ByAxis = Mapping[str, tuple[float, float, float]]
_DIRECTIONS = {"vgrf": "vertical", "apgrf": "forward", "mlgrf": "medial"}


@dataclass(frozen=True)
class StatedError:
    """RMSE (BW) by axis on people who were left out of training: mean over people and its 95 % interval.

    Attributes
    ----------
    people, split
        How many people, and how they were left out (``loso``, ``grouped_kfold``).
    rmse_bw
        By axis: mean, low, high.
    contact_bw
        Of a film, whose windows go beyond the contact, the same over the contact alone; empty where not known.
    """

    people: int
    split: str
    rmse_bw: _ByAxis
    contact_bw: _ByAxis = field(default_factory=dict)

    def __str__(self) -> str:
        """Return it as a sentence."""
        return (
            f"stated error, BW: {_words(self.rmse_bw)}; RMSE of {self.people} people left out of training, 95 %"
            " interval of the mean"
        )

    def told(self, beyond_s: float = 0.0) -> str:
        """Return it as a sentence that says by how much (s) its windows are longer than the contacts, if they are."""
        if not beyond_s:
            return str(self)
        if self.contact_bw:
            return (
                f"{self}, over windows {beyond_s:.2f} s longer than the contact, with no force there; over the contact"
                f" alone: {_words(self.contact_bw)}"
            )
        return (
            f"{self}, over windows {beyond_s:.2f} s longer than the contact, with no force there: over the contact"
            " alone it is larger, by a tenth to a sixth"
        )

    def to_json(self) -> dict[str, object]:
        """Return it for machines."""
        both = {"rmse_bw": self.rmse_bw} | ({"rmse_contact_bw": self.contact_bw} if self.contact_bw else {})
        by_axis = {n: {a: dict(zip(("mean", "low", "high"), v)) for a, v in axes.items()} for n, axes in both.items()}
        return {"people": self.people, "split": self.split, **by_axis}


def _words(rmse_bw: _ByAxis) -> str:
    return ", ".join(
        f"{_DIRECTIONS.get(axis, axis)} {mean:.3f} ({low:.3f}-{high:.3f})"
        for axis, (mean, low, high) in rmse_bw.items()
    )


def stated_error(folder: Path | None) -> StatedError | None:
    """Return what the evaluation beside a model states; None where there is none, or it is of another form.

    Parameters
    ----------
    folder
        The model's; None: only in memory.
    """
    if folder is None or not (folder / EVALUATION).is_file():
        return None
    try:
        document = json.loads(document_bytes(folder / EVALUATION))
        scores = document["methods"][document["headline"]]
        groups = {axis: scores[axis]["group"] for axis in document["axes"]}
        alone = all("rmse_contact_bw" in group for group in groups.values())
        return StatedError(
            int(document["participants"]),
            str(document["split"]),
            _by_axis(groups, "rmse_bw"),
            _by_axis(groups, "rmse_contact_bw") if alone else {},
        )
    except (KeyError, TypeError, ValueError):
        return None


def _by_axis(groups: Mapping[str, Mapping[str, Mapping[str, float]]], measure: str) -> _ByAxis:
    figures = ("mean", "low", "high")
    mean, low, high = ({a: float(g[measure][n]) for a, g in groups.items()} for n in figures)
    return {axis: (mean[axis], low[axis], high[axis]) for axis in groups}
