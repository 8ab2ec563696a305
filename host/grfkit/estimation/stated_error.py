"""The error that a model's own evaluation states, for every answer of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..documents import document_bytes
from ..learn.outputs import EVALUATION

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
    """

    people: int
    split: str
    rmse_bw: Mapping[str, tuple[float, float, float]]

    def __str__(self) -> str:
        """Return it as a sentence."""
        axes = ", ".join(
            f"{_DIRECTIONS.get(axis, axis)} {mean:.3f} ({low:.3f}-{high:.3f})"
            for axis, (mean, low, high) in self.rmse_bw.items()
        )
        return f"stated error, BW: {axes}; RMSE of {self.people} people left out of training, 95 % interval of the mean"

    def told(self, beyond_s: float = 0.0) -> str:
        """Return it as a sentence that says by how much (s) its windows are longer than the contacts, if they are."""
        if not beyond_s:
            return str(self)
        return (
            f"{self}, over windows {beyond_s:.2f} s longer than the contact, with no force there: over the contact"
            " alone it is larger, by a tenth to a sixth"
        )

    def to_json(self) -> dict[str, object]:
        """Return it for machines."""
        axes = {axis: dict(zip(("mean", "low", "high"), values)) for axis, values in self.rmse_bw.items()}
        return {"people": self.people, "split": self.split, "rmse_bw": axes}


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
        rmse = {axis: scores[axis]["group"]["rmse_bw"] for axis in document["axes"]}
        values = {axis: (float(r["mean"]), float(r["low"]), float(r["high"])) for axis, r in rmse.items()}
        return StatedError(int(document["participants"]), str(document["split"]), values)
    except (KeyError, TypeError, ValueError):
        return None
