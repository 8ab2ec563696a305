"""What a set of windows or a model gives: force in body weights, or the centre of pressure in millimetres."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..errors import BadInputError

Targets = Literal["force", "cop"]
COP_AXES = ("cop_along", "cop_across")
"""Centre of pressure (mm) along the direction of walking, and towards the medial side of that foot."""
COP_ESTIMATE = "cop_estimate"
"""Artefact of an estimated centre of pressure: no force in it."""
_OF_FORCE = "--targets cop (targets='cop' in Python)"


def targets_of(axes: Sequence[str]) -> Targets:
    """Return what axes are of.

    Raises
    ------
    BadInputError
        If force and centre of pressure are mixed: they have no unit in common.
    """
    cop = [axis for axis in axes if axis in COP_AXES]
    if cop and len(cop) < len(axes):
        raise BadInputError(f"axes {', '.join(axes)} mix force (BW) and centre of pressure (mm); take one of them")
    return "cop" if cop else "force"


def unit_of(axes: Sequence[str]) -> str:
    """Return the unit of axes: BW of forces, mm of the centre of pressure."""
    return "mm" if targets_of(axes) == "cop" else "BW"


def check_targets(axes: Sequence[str], asked: Targets, what: str) -> None:
    """Refuse windows or a model of the other kind, so that millimetres are never taken for body weights.

    Parameters
    ----------
    what
        The set or model, as the message names it.

    Raises
    ------
    BadInputError
        Naming it and what takes it.
    """
    have = targets_of(axes)
    if have == asked:
        return
    if have == "cop":
        raise BadInputError(
            f"{what}: is of the centre of pressure (mm), not of force (BW); grf-train and grf-evaluate take such"
            f" windows with {_OF_FORCE}, grf-estimate such a model; nothing else does"
        )
    raise BadInputError(
        f"{what}: is of force ({', '.join(axes)}), not of the centre of pressure; leave out {_OF_FORCE}"
    )
