"""The condition of one simulated trial, and the families that people come from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..arguments import refusal, refuse_other
from ..errors import BadInputError
from .family import Family, Situation
from .knees import Knees
from .mass_spring import mass_spring_family
from .pressure import PressureFamily
from .settings import Settings, draw
from .splines import SPLINE_FAMILY

FamilyName = Literal["A", "B", "C", "draw"]
Wearable = Literal["insole", "imu", "landmarks"]


class Condition(BaseModel):
    """One trial to simulate; what is left at None is drawn from the settings.

    Attributes
    ----------
    family
        Contact shapes: ``A`` mass-spring, ``B`` splines; ``draw`` takes one of the two with equal chance. ``C``: cells
        loaded as in measured footprints, else ``A`` or ``B``; walking only, and only named: its recordings are fetched.
    insole
        ``adc``: 16 cells in counts; ``adc+force``: a summed force in newtons beside them; ``loadsol``: zones
        in newtons with an IMU in the same recording.
    gaps
        Lose about 1 % of the packets and now and then 0.5-3 s.
    jumps
        That many jumps on the spot, on a plate, early in the overlap.
    step_cv_percent, speed_m_s, slope_percent, mass_kg, insole_rate_hz, imu_rate_hz, insole_bits
        In place of a drawn value.
    duration_s
        Length of the reference recording in place of a drawn one; a treadmill wearable is about as long.
    hits
        Overground: only the first so many plate hits are on plates.
    split_belt
        Treadmill with one plate per foot, which the reference then knows.
    swap_sides
        The device's left and right labels are exchanged.
    inverted
        The reference holds the force on the plate, not the reaction.
    index_stamps
        Stamps are sample number over nominal rate while the true rate is off by up to 1.5 %.
    silent_loss
        That many stretches are lost without a trace in the stamps, or ``(t_device_s, lost_s)`` pairs.
    own_clocks
        Left and right device run on clocks of their own.
    one_foot
        Only this foot wears the device.
    no_overlap
        Reference and device record different minutes.
    standing
        The person stands throughout.
    metronome
        Step time varies by 0.1 % only, and nothing drifts.
    start_stop
        The overlap begins and ends with the person standing.
    overlap_s, drift_ppm
        In place of drawn values.
    person_seed
        Trials with the same one (and family ``A``, ``B`` or ``C``) are of the same person.
    footprints
        Folder of the recordings of family ``C``; None: where ``grfkit.fetch`` leaves them.
    knees
        Knees out of line and an affected leg (:class:`~grfkit.simulate.knees.Knees`); None: nothing about them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    family: FamilyName = "draw"
    surface: Literal["treadmill", "overground"] = "treadmill"
    gait: Literal["run", "walk"] = "run"
    wearables: tuple[Wearable, ...] = ("insole", "imu")
    insole: Literal["adc", "adc+force", "loadsol"] = "adc"
    gaps: bool = False
    jumps: int = Field(default=0, ge=0, le=20)
    step_cv_percent: float | None = Field(default=None, ge=0, le=10)
    speed_m_s: float | None = Field(default=None, gt=0, le=8)
    slope_percent: float | None = Field(default=None, ge=-20, le=20)
    mass_kg: float | None = Field(default=None, gt=10, le=250)
    duration_s: float | None = Field(default=None, ge=5, le=8000)
    insole_rate_hz: float | None = Field(default=None, gt=10, le=2000)
    imu_rate_hz: float | None = Field(default=None, gt=10, le=2000)
    insole_bits: int | None = Field(default=None, ge=6, le=16)
    hits: int | None = Field(default=None, ge=0)
    split_belt: bool = False
    swap_sides: bool = False
    inverted: bool = False
    index_stamps: bool = False
    silent_loss: int | tuple[tuple[float, float], ...] = 0
    own_clocks: bool = False
    one_foot: Literal["left", "right"] | None = None
    no_overlap: bool = False
    standing: bool = False
    metronome: bool = False
    start_stop: bool = False
    overlap_s: float | None = Field(default=None, gt=1)
    drift_ppm: float | None = None
    person_seed: int | None = Field(default=None, ge=0)
    footprints: Path | None = None
    knees: Knees | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Condition:
        if self.surface == "overground" and self.split_belt:
            raise ValueError("split_belt needs surface 'treadmill'")
        if self.surface == "treadmill" and self.hits is not None:
            raise ValueError("hits needs surface 'overground'")
        if not self.wearables or len(set(self.wearables)) != len(self.wearables):
            raise ValueError("wearables names each wearable once, and at least one")
        if self.no_overlap and self.overlap_s is not None:
            raise ValueError("no_overlap and overlap_s exclude each other")
        check_footprints(self.family, self.gait, self.footprints)
        return self


def check_footprints(family: FamilyName, gait: str, footprints: Path | None) -> None:
    """Refuse, by ValueError, measured footprints under runners, and their folder where no family takes it."""
    if family == "C" and gait != "walk":
        raise ValueError("family 'C' holds footprints of walking; it needs gait 'walk'")
    if footprints is not None and family != "C":
        raise ValueError("footprints are of use for family 'C' only")


def condition_with(condition: Condition, options: Mapping[str, Any]) -> Condition:
    """Return a condition with some of its fields replaced, checked anew.

    Raises
    ------
    BadInputError
        If a field is unknown or its value is wrong.
    """
    refuse_other(condition, Condition, "a condition, as grfkit.simulate.conditions.Condition makes it")
    try:
        return Condition.model_validate({**condition.model_dump(), **options})
    except ValidationError as error:
        raise BadInputError(f"the trial cannot be simulated: {refusal(error, Condition)}") from error


def load_family(
    name: FamilyName, rng: np.random.Generator, settings: Settings, *, footprints: Path | None = None
) -> Family:
    """Return a contact-shape family: A mass-spring, B splines, C measured footprints; ``draw`` takes A or B."""
    if name == "C":
        return PressureFamily((mass_spring_family(settings), SPLINE_FAMILY), footprints)
    letter = ("A", "B")[int(rng.integers(2))] if name == "draw" else name
    return mass_spring_family(settings) if letter == "A" else SPLINE_FAMILY


def draw_situation(
    rng: np.random.Generator,
    who_rng: np.random.Generator,
    condition: Condition,
    settings: Settings,
    *,
    duration_s: float,
) -> Situation:
    """Return who moves and how, drawn where the condition leaves it open; the mass from ``who_rng``."""
    who, run = settings.person, condition.gait == "run"
    # drawn even where the condition states it, so that a stated speed changes none of the draws behind it
    speed = draw(rng, who.run_speed_m_s if run else who.walk_speed_m_s)
    slope = draw(rng, who.slope_percent) * (rng.random() >= who.level_share)
    cv = settings.steps.metronome_cv_percent if condition.metronome else draw(rng, settings.steps.cv_percent)
    mass = draw(who_rng, who.mass_kg)
    if condition.surface == "overground" or condition.standing:
        slope = 0.0
    return Situation(
        gait=condition.gait,
        speed_m_s=round(_stated_or(condition.speed_m_s, speed), 2),
        slope_percent=round(_stated_or(condition.slope_percent, float(slope)), 1),
        mass_kg=round(_stated_or(condition.mass_kg, mass), 1),
        step_cv_percent=_stated_or(condition.step_cv_percent, cv),
        duration_s=duration_s,
    )


def _stated_or(stated: float | None, fallback: float) -> float:
    return fallback if stated is None else stated
