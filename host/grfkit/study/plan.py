"""``study.toml``: what a study is called, where its table lies, and how its model is trained and proven."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..arguments import refusal
from ..documents import toml_document
from ..errors import BadInputError
from ..records.target_units import Targets

PLAN = "study.toml"
"""Name of the document in a study's folder."""

StageName = Literal["align", "steps", "train", "prove"]
STAGES: tuple[StageName, ...] = get_args(StageName)
"""The parts of a study in their order; the page is written after each run, whatever became of them."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AlignPart(_Part):
    """How the table is aligned: ``reports`` writes a page beside every trial."""

    reports: bool = True


class TrainPart(_Part):
    """Options of ``grf-train``; ``config`` is relative to the study. Empty: its defaults.

    ``targets`` is ``force``, or ``cop``, the centre of pressure, which takes ``method`` and ``config`` alone.
    """

    targets: Targets = "force"
    method: str = ""
    preset: str = ""
    kind: str = "fixed"
    network: str = ""
    epochs: int | None = Field(default=None, ge=1)
    config: Path | None = None

    @model_validator(mode="after")
    def _of_cop(self) -> TrainPart:
        of_force = {"preset": self.preset, "kind": self.kind != "fixed", "network": self.network, "epochs": self.epochs}
        given = next((name for name, value in of_force.items() if value), None)
        if self.targets == "cop" and given is not None:
            raise ValueError(f"{given} is of models of force, and targets is 'cop'; leave it out")
        return self


class StudyPlan(_Part):
    """The document: ``name``, ``table`` (relative to the study), ``skip`` and the parts' options."""

    name: str = ""
    table: Path = Path("trials.csv")
    skip: tuple[StageName, ...] = ()
    align: AlignPart = AlignPart()
    train: TrainPart = TrainPart()


def read_plan(folder: Path) -> StudyPlan:
    """Return the plan of a study's folder.

    Raises
    ------
    BadInputError
        If there is none, or it cannot be used.
    """
    path = folder / PLAN
    if not path.is_file():
        raise BadInputError(f"{folder}: holds no {PLAN}; grf init {shlex.quote(str(folder))} writes one")
    try:
        return StudyPlan.model_validate(toml_document(path))
    except ValidationError as error:
        raise BadInputError(f"{path}: {refusal(error)}") from error
