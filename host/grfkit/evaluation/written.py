"""The files of an evaluation."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from ..artefacts import written_together, written_whole
from .comparison import comparison_csv
from .feature_comparison import features_csv, people_csv
from .predictions import Predictions


def write_evaluation(folder: Path, predictions: Predictions) -> None:
    """Write predictions and scores, and the tables of comparisons, into a folder; what lies there is overwritten."""
    scores = predictions.scores
    folder.mkdir(exist_ok=True)
    with written_together((folder / "answers.nc", folder / "evaluation.json"), force=True) as (answers, document):
        predictions.write_to(answers)
        document.write_text(as_text(scores), encoding="utf-8")
    tables = {}
    if pairs := scores.get("comparison"):
        tables["comparison.csv"] = comparison_csv(pairs)
    if compared := scores.get("feature_comparison"):
        tables |= {"features.csv": features_csv(compared), "features_people.csv": people_csv(compared)}
    for name, text in tables.items():
        with written_whole(folder / name, force=True) as file:
            file.write_text(text, encoding="utf-8")


def as_text(table: dict[str, Any]) -> str:
    """Return scores as JSON text."""
    return json.dumps(table, indent=1, allow_nan=False, default=_default) + "\n"


def _default(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    raise TypeError(type(value).__name__)
