"""The centre of pressure in place of force: ``--targets cop`` of ``grf-train`` and ``grf-evaluate``, and estimates."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import BadInputError


class TargetsOption(str, Enum):
    """What is learnt."""

    FORCE = "force"
    COP = "cop"


TargetsChoice = Annotated[
    TargetsOption,
    typer.Option(
        "--targets",
        help="force (BW), or cop: the centre of pressure under the foot (mm), by mean path, ridge, kernel ridge,"
        " or with --method network a BiLSTM that starts from ridge.",
        case_sensitive=False,
    ),
]


def refuse_of_force(taker: str, **given: object) -> None:
    """Refuse options that are of models of force alone, by their names on the command line.

    Raises
    ------
    BadInputError
        Naming the first that was given.
    """
    for name, value in given.items():
        if value:
            raise BadInputError(
                f"--{name.replace('_', '-')} is of force, and {taker} of the centre of pressure; leave it out"
            )


def is_cop_model(folder: Path) -> bool:
    """Return whether a folder holds a model of the centre of pressure; whatever else it holds is not judged here."""
    from ..documents import document_bytes
    from ..records.target_units import COP_AXES

    path = Path(folder) / "model.json"
    if not path.is_file():
        return False
    try:
        axes = json.loads(document_bytes(path)).get("scaler", {}).get("axes", [])
    except (ValueError, AttributeError, BadInputError):
        return False
    return list(axes) == list(COP_AXES)


def train_text(summary: dict[str, Any]) -> str:
    """Return what people read of a model of the centre of pressure."""
    choice = summary["choice"]
    lines = [
        f"{summary['model']}: centre of pressure (mm) by {choice['chosen'].replace('mean curve', 'mean path')},"
        f" {len(summary['participants'])} participants, {summary['windows']} stances cut by {summary['cut']}",
        f"  {choice['words']}",
    ]
    width = max((len(row["method"]) for row in choice["table"]), default=0) + 2
    lines += [f"    {'RMSE in mm':<{width}}   along  across"] if choice["table"] else []
    for row in choice["table"]:
        name = row["method"].replace("mean curve", "mean path")
        lines.append(f"    {name:<{width}}" + "".join(f"  {v:6.1f}" for v in row["rmse_mm"].values()))
    lines += [f"  left out: {n} x {why}" for why, n in summary["excluded"].items()]
    lines += [f"  note: {text}" for text in summary["findings"]]
    return "\n".join([*lines, f"  how far off it is for somebody new: grf-evaluate TRIALS --model {summary['model']}"])


def train(
    trials: Sequence[Path], *, out: Path, config: Path | None, method: str, calibrations: Sequence[Path], force: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Train a model of the centre of pressure and print what it is."""
    from ..learn.cop_job import train_cop
    from .learn_words import progress_bar, say_left_out

    with progress_bar("training") as progress:
        model = train_cop(
            trials, out=out, config=config, method=method, calibrations=calibrations, force=force, progress=progress
        )
    say_left_out(model.summary["findings"])
    print(json.dumps(model.summary, indent=2) if as_json else train_text(model.summary))


def evaluate(
    trials: Sequence[Path], *, model: Path | None, config: Path | None, method: str, out: Path | None,
    report: Path | None, workers: int, scheduler: str | None, calibrations: Sequence[Path], force: bool, as_json: bool,
) -> None:  # fmt: skip
    """Measure how far off the centre of pressure is for people left out, and print it."""
    from ..cluster import exposure
    from ..evaluation.cop import cop_text, evaluate_cop
    from .common import say
    from .learn_words import progress_bar, say_left_out

    if warning := exposure(scheduler):
        say(warning)
    with progress_bar("evaluating") as progress:
        predictions = evaluate_cop(
            trials, model=model, config=config, method=method, out=out, report=report, workers=workers,
            scheduler=scheduler, calibrations=calibrations, force=force, progress=progress,
        )  # fmt: skip
    say_left_out(predictions.scores["findings"])
    scores = {k: v for k, v in predictions.scores.items() if k != "drawn"}
    print(json.dumps(scores, indent=2) if as_json else cop_text(scores))


def estimate(model: Path, recording: Sequence[Path], out: Path, *, as_json: bool, **how: Any) -> None:
    """Estimate the centre of pressure of one recording, and print what was written."""
    from ..estimation.cop import estimate_cop, summary, words
    from .common import say

    if len(recording) > 1:
        raise BadInputError(
            "a model of the centre of pressure takes one recording or trial; join several with grf-sync first"
        )
    values = summary(estimate_cop(model, recording[0], out=out, tell=say, **how))
    print(json.dumps(values, indent=2, allow_nan=False) if as_json else words(values))
