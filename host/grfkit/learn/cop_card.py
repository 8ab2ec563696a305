"""The card of a model of the centre of pressure: what it gives, in millimetres, and how far off it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..artefacts import written_together, written_whole
from ..documents import document_bytes
from ..errors import BadInputError
from .card import check_people
from .outputs import CARD, EVALUATION
from .spec import ModelSpec, read_spec


def write_cop_card(folder: Path) -> None:
    """Write ``CARD.md`` of the model in a folder, with the evaluation that lies beside it."""
    nearby = folder / EVALUATION
    evaluation = json.loads(document_bytes(nearby)) if nearby.exists() else None
    with written_whole(folder / CARD, force=True) as temporary:
        temporary.write_text(cop_card(read_spec(folder, targets="cop"), evaluation), encoding="utf-8")


def add_cop_evaluation(folder: Path, evaluation: dict[str, Any]) -> None:
    """Put an evaluation beside a model, if it is of the same recipe and people, and write the card anew.

    Raises
    ------
    BadInputError
        If the folder holds no such model, or the evaluation is of other settings or other participants.
    """
    spec = read_spec(folder, targets="cop")
    check_people(folder, spec.participants, evaluation["people"])
    if evaluation["recipe"] != spec.provenance.configuration.get("recipe"):
        raise BadInputError(f"{folder}: was trained by another recipe than this evaluation; give --model alone")
    with written_together((folder / EVALUATION, folder / CARD), force=True) as (document, page):
        document.write_text(json.dumps(evaluation, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        page.write_text(cop_card(spec, evaluation), encoding="utf-8")


def cop_card(spec: ModelSpec, evaluation: dict[str, Any] | None) -> str:
    """Return the card as Markdown."""
    scaler, method = spec.scaler, str(spec.training.get("method", spec.network["name"]))
    lines = [
        f"# Model card: centre of pressure by {method.replace('mean curve', 'mean path')}",
        "",
        "Generated from `model.json`" + (f" and `{EVALUATION}`." if evaluation else ". No evaluation lies beside it."),
        "",
        "## What it gives",
        "",
        "* The path of the centre of pressure under one foot, in millimetres: `cop_along` the direction of walking,"
        " `cop_across` towards the medial side of that foot.",
        "* From the path's own mean (weighed by force), on the ground under the foot: where the heel lies it does not"
        " say. Not known where the foot bears less than .3 BW.",
        f"* From {len(scaler.channels)} channels ({', '.join(scaler.channels[:6])}"
        + (" ...)" if len(scaler.channels) > 6 else ")")
        + f", stances of {spec.points} points cut by `{spec.cut}`"
        + (", left mirrored onto right." if spec.mirrored else "."),
        f"* Trained on {len(spec.participants)} people: {', '.join(spec.participants)}.",
        "* Nothing that takes a model of force takes it: no bundle, no live view, no OpenSim file.",
    ]
    lines += [f"* Left out: {n} x {why}." for why, n in spec.excluded.items()]
    lines += [f"* {text}." for text in spec.provenance.findings]
    lines += ["", "## How far off it is", ""]
    if evaluation is None:
        return "\n".join([*lines, "Not measured: `grf-evaluate TRIALS --model FOLDER` measures it."]) + "\n"
    return "\n".join([*lines, *evaluation["table"], "", *evaluation["words"]]) + "\n"
