"""What the force doctor says: findings per plate, and what a user asks to have corrected."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import BadInputError
from ..signals.belt_breaks import BeltPart

Severity = Literal["info", "warning", "error"]
Choice = Literal["auto", "always", "never"]
Code = Literal[
    "vertical_axis",
    "sign",
    "zero_offset",
    "constant_load",
    "wandering_zero",
    "no_baseline",
    "unloaded",
    "noise",
    "saturation",
    "drift",
    "mass",
    "no_force",
    "not_newtons",
    "foot_on_other_belt",
    "zero_shift",
    "level_shift",
    "horizontal_sign",
    "horizontal_axes",
    "cop_direction",
    "half_turn",
    "forward",
    "plate_order",
    "belt_clock",
    "belt_break",
    "belt_break_unsized",
]

CORRECTABLE: dict[str, str] = {
    "vertical_axis": "vertical",
    "sign": "sign",
    "zero_offset": "zero",
    "constant_load": "zero",
    "wandering_zero": "zero",
    "drift": "drift",
    "zero_shift": "drift",
    "horizontal_sign": "horizontal",
    "half_turn": "horizontal",
    "forward": "horizontal",
    "belt_clock": "belts",
    "belt_break": "belts",
}
"""The field of :class:`CorrectionRequest` that decides about each correctable finding."""


class CorrectionRequest(BaseModel):
    """What to correct: ``auto`` only where unambiguous, ``always`` where found, ``never``.

    Attributes
    ----------
    zero
        Subtract the unloaded level of every force and moment channel.
    sign
        Turn forces and moments round where the file holds the force applied to the plate.
    vertical
        Take the axis that carries the load as vertical.
    drift
        Subtract the baseline through the flight phases (in place of one constant zero).
    horizontal
        Turn the horizontal force round; with the moments, so that the centre of pressure turns too, where that
        contradicts the direction of walking as well.
    belts
        Move the force of one belt onto the clock of the other, in whole samples; where its clock breaks, each part by
        its own shift, and what lies about the break becomes unknown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    zero: Choice = "auto"
    sign: Choice = "auto"
    vertical: Choice = "auto"
    drift: Choice = "auto"
    horizontal: Choice = "auto"
    belts: Choice = "auto"

    @classmethod
    def of(cls, always: Iterable[str] = (), *, never: Iterable[str] = ()) -> CorrectionRequest:
        """Return a request by field names, e.g. ``of(["zero", "drift"])``; the rest stays ``auto``.

        Raises
        ------
        BadInputError
            If a name is no field, or stands under both.
        """
        choices: dict[str, str] = {}
        for choice, names in (("always", always), ("never", never)):
            for name in names:
                if name not in cls.model_fields:
                    fields = ", ".join(cls.model_fields)
                    raise BadInputError(f"correction '{name}' is not known; expected one of {fields}")
                if choices.setdefault(name, choice) != choice:
                    raise BadInputError(f"correction '{name}' is asked for and forbidden; say one of the two")
        return cls.model_validate(choices)


class Finding(BaseModel):
    """One thing noticed.

    Attributes
    ----------
    text
        One sentence with numbers: what it is, what was expected, what to do; once it is corrected, what was done.
    done
        The sentence for when it is corrected; empty where nothing can be.
    value, unit
        The number behind it.
    certain
        Unambiguous: corrected unless the user says never.
    corrected
        Whether it was (or, before :func:`grfkit.calibrate.decided`, is going to be) corrected.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    code: Code
    severity: Severity
    text: str
    done: str = Field(default="", exclude=True, repr=False)
    value: float | None = None
    unit: str = "N"
    certain: bool = False
    corrected: bool = False


class PlateFindings(BaseModel):
    """What the doctor found at one plate (``plate`` is ``"all"`` for the sum of the plates).

    Attributes
    ----------
    vertical
        The axis found to be up, as the attribute of the stream.
    sign
        -1 where the file holds the force applied to the plate.
    zero
        Unloaded level of each force and moment channel as recorded, empty where none was seen.
    body_weight_n
        The body weight that thresholds were scaled by.
    belt_parts
        Stretches between which this belt's clock breaks against the other belt's, empty where it does not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    plate: str
    findings: list[Finding] = Field(default_factory=list)
    vertical: str = ""
    sign: Literal[1, -1] = 1
    zero: dict[str, float] = Field(default_factory=dict)
    body_weight_n: float = 0.0
    belt_parts: list[BeltPart] = Field(default_factory=list)

    def get(self, code: str) -> Finding | None:
        """Return the finding with this code, None where there is none."""
        return next((finding for finding in self.findings if finding.code == code), None)


def decided(findings: list[PlateFindings], ask: CorrectionRequest | None = None) -> list[PlateFindings]:
    """Return the findings with ``corrected`` set as :func:`grfkit.calibrate.correct` treats them."""
    request = ask or CorrectionRequest()
    return [plate.model_copy(update={"findings": [_decide(f, request) for f in plate.findings]}) for plate in findings]


def _decide(finding: Finding, ask: CorrectionRequest) -> Finding:
    field = CORRECTABLE.get(finding.code)
    if field is None:
        return finding
    choice: Choice = getattr(ask, field)
    corrected = choice == "always" or (choice == "auto" and finding.certain)
    text = finding.done if corrected and finding.done else finding.text
    return finding.model_copy(update={"corrected": corrected, "text": text})
