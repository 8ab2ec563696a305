"""Facts of a participant's body that a model may use: knee alignment, the affected side, size."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..arguments import refusal
from ..arrays import PathLike
from ..documents import toml_document
from ..errors import BadInputError
from ..limits import MASS_KG
from .participants import check_names

Affected = Literal["none", "left", "right", "both", "unknown"]
HkaMethod = Literal["radiograph", "static markers", "stated"]

LARGEST_HKA_DEG = 25.0
"""Deviation (degrees) beyond which a knee's alignment is no knee's: the worst before surgery have about 20."""
ABSOLUTE_HKA_DEG = (150.0, 210.0)
"""Angles (degrees) in which the hip-knee-ankle angle itself lies, where its deviation from 180 is asked."""
PERSONAL = ("hka_own", "hka_other", "affected_own", "affected_other")
"""Scalars of windows that come from a person: of the window's own leg and of the other one, since windows of left feet
are turned into right ones. ``hka`` in degrees, varus positive; ``affected`` 0 or 1."""


class Person(BaseModel):
    """What is known of a participant's body; everything may be left out.

    Attributes
    ----------
    hka_left_deg, hka_right_deg
        Deviation of the hip-knee-ankle axis from 180 degrees, varus (bow-legged) positive.
    hka_method
        How it was measured; one person's and one study's angles are of one method.
    hka_sd_deg
        SD of the angles.
    affected
        The side with the complaint; ``none`` of a healthy person, ``unknown`` where nobody stated it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_strip_whitespace=True)
    hka_left_deg: float | None = None
    hka_right_deg: float | None = None
    hka_method: HkaMethod | None = None
    hka_sd_deg: float | None = Field(default=None, gt=0.0, le=LARGEST_HKA_DEG)
    affected: Affected = "unknown"
    mass_kg: float | None = Field(default=None, ge=MASS_KG[0], le=MASS_KG[1])
    height_m: float | None = Field(default=None, ge=0.5, le=2.6)
    sex: Literal["female", "male", "other"] | None = None
    insole_size: str | None = None

    @field_validator("hka_left_deg", "hka_right_deg")
    @classmethod
    def _is_a_deviation(cls, value: float | None) -> float | None:
        if value is not None and ABSOLUTE_HKA_DEG[0] <= abs(value) <= ABSOLUTE_HKA_DEG[1]:
            raise ValueError(
                f"is {value:g}, the angle itself; expected its deviation from 180 degrees, varus positive (a bow-legged"
                " knee of 175 degrees is 5)"
            )
        if value is not None and abs(value) > LARGEST_HKA_DEG:
            raise ValueError(f"is {value:g} degrees, expected -{LARGEST_HKA_DEG:g} to {LARGEST_HKA_DEG:g}")
        return value

    @model_validator(mode="after")
    def _has_a_method(self) -> Person:
        if (self.hka_left_deg is not None or self.hka_right_deg is not None) and self.hka_method is None:
            raise ValueError("states a knee's angle without hka_method: radiograph, static markers, or stated")
        return self

    def scalars(self, side: str) -> dict[str, float]:
        """Return :data:`PERSONAL` of windows of a foot, ``left`` or ``right``; NaN where unknown, as of other sides."""
        if side not in ("left", "right"):
            return dict.fromkeys(PERSONAL, float("nan"))
        own, other = (side, "right" if side == "left" else "left")
        angles = {"left": self.hka_left_deg, "right": self.hka_right_deg}
        values: list[float | None] = [angles[own], angles[other], self._is_affected(own), self._is_affected(other)]
        return {name: float("nan") if value is None else float(value) for name, value in zip(PERSONAL, values)}

    def _is_affected(self, side: str) -> float | None:
        return None if self.affected == "unknown" else float(self.affected in (side, "both"))

    def stated(self) -> dict[str, Any]:
        """Return what is stated, by name: attributes of a trial."""
        return {name: value for name, value in self.model_dump(exclude_none=True).items() if value != "unknown"}


def make_person(facts: Mapping[str, Any], *, what: str) -> Person:
    """Return a person of stated facts.

    Raises
    ------
    BadInputError
        If a fact is unknown or cannot be; the message begins with ``what``.
    """
    try:
        return Person.model_validate(dict(facts))
    except ValidationError as error:
        raise BadInputError(f"{what}: {refusal(error, Person)}") from error


def read_person(path: PathLike) -> Person:
    """Return the person in a TOML document of :class:`Person`'s fields.

    Raises
    ------
    BadInputError
        If it cannot be read, or as :func:`make_person`; or it is a choice of a film's walker.
    """
    if str(path) in ("left", "right") or str(path).isdigit():
        raise BadInputError(
            f"--person {path} (person in Python) is a TOML file with facts of the person's body; who is read of several"
            f" people in a film is said by --walker {path}"
        )
    return make_person(toml_document(Path(path)), what=str(path))


def as_person(value: object) -> object:
    """Return the person in a document where a path is given; everything else as it is.

    Raises
    ------
    BadInputError
        As :func:`read_person`.
    """
    return read_person(value) if isinstance(value, str | os.PathLike) and str(value) else value


def person_of(attrs: Mapping[Any, Any]) -> Person:
    """Return the person that a trial's attributes state, empty where they state nothing."""
    names = [name for name in Person.model_fields if name not in ("mass_kg", "insole_size")]
    return Person.model_validate({name: attrs[name] for name in names if name in attrs})


def check_people(people: Iterable[tuple[str, Person]]) -> None:
    """Refuse people whose facts do not go together.

    Raises
    ------
    BadInputError
        If one participant has two values of one fact, or angles were measured by several methods.
    """
    known: dict[str, Person] = {}
    methods: dict[str, str] = {}
    for name, person in people:
        earlier = known.setdefault(name, person)
        for fact in Person.model_fields:
            one, other = getattr(earlier, fact), getattr(person, fact)
            if one != other and None not in (one, other) and "unknown" not in (one, other):
                raise BadInputError(
                    f"participant '{name}' has two values of {fact}, {one} and {other}; correct one of them"
                )
        if person.hka_method is not None:
            methods.setdefault(person.hka_method, name)
    check_names(known)
    if len(methods) > 1:
        (one, first), (other, second) = list(methods.items())[:2]
        raise BadInputError(
            f"knees were measured by {one} ('{first}') and by {other} ('{second}'), which differ by degrees; give all"
            " of them by one method"
        )
