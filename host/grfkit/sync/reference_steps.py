"""What the reference's own contacts say of it: feet on the wrong belt of a split-belt treadmill."""

from __future__ import annotations

from typing import Any

from ..calibrate.findings import Finding, Severity
from ..gait.contacts import BOTH_BELTS, OTHER_FOOT, UNLIKE, counted, rule_of
from ..gait.plate_force import PlateForce
from ..gait.plate_hits import plate_contacts
from ..records import Recording, Surface

_FORCES = ("fx", "fy", "fz")
_RULE = "20N walking"
"""Contacts on belts are judged by this rule: a walker's limits hold a runner's contacts too."""
_FEW = 2
"""Rejected contacts that are not yet warned of. Chosen by hand: in simulated walks 1 in 450 right ones is rejected."""


def belt_findings(reference: Recording, surface: Surface) -> list[dict[str, Any]]:
    """Return a finding, as a row of the doctor's, on contacts that are not of one foot alone; none where all are.

    Only for treadmills with several plates in newtons; elsewhere a plate is no foot's.
    """
    streams = reference.of_kind("force_plate")
    in_newtons = all(s[c].attrs.get("units") == "N" for s in streams.values() for c in s.data_vars if c in _FORCES)
    if surface != "treadmill" or len(streams) < 2 or not in_newtons:
        return []
    plates = [PlateForce.of(name, stream) for name, stream in streams.items()]
    contacts, rejections = plate_contacts(plates, rule_of(_RULE), mass_kg=float("nan"), treadmill=True)
    counts = {r: n for r, n in counted(rejections).items() if r in (OTHER_FOOT, BOTH_BELTS, UNLIKE)}
    number = sum(counts.values())
    if not number:
        return []
    reasons = ", ".join(f"{n} {reason}" for reason, n in counts.items())
    text = (
        f"{number} of {number + len(contacts)} contacts on the belts are not of one foot alone ({reasons}): stances"
        " leave them out; ask for walking with each foot on its own belt"
    )
    severity: Severity = "warning" if number > _FEW else "info"
    finding = Finding(code="foot_on_other_belt", severity=severity, text=text, value=float(number), unit="1")
    return [{"plate": "all", **finding.model_dump()}]
