"""What a trial states that would turn its forces into wrong body weights: refused by its value."""

from __future__ import annotations

import numpy as np

from ..errors import BadInputError
from ..records import Trial

LIGHTEST_KG, HEAVIEST_KG = 10.0, 300.0


def check_mass_kg(stated: object, name: str) -> None:
    """Refuse a body mass that is not stated, no number, or nobody's in kilograms.

    Raises
    ------
    BadInputError
        Naming the trial and the mass.
    """
    try:
        mass_kg = float("nan" if stated is None else stated)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise BadInputError(f"trial '{name}' has the mass {stated!r}, which is no number of kilograms") from None
    if not np.isfinite(mass_kg):
        raise BadInputError(f"trial '{name}' states no body mass; align it again with --mass-kg M")
    if not LIGHTEST_KG <= mass_kg <= HEAVIEST_KG:
        raise BadInputError(
            f"trial '{name}' has the mass {mass_kg:g}, expected kilograms ({LIGHTEST_KG:g} to {HEAVIEST_KG:g}); align"
            " it again with --mass-kg M"
        )


def check_newtons(trial: Trial, name: str) -> None:
    """Refuse plates whose forces are not in newtons: body weights would be wrong by that factor.

    Raises
    ------
    BadInputError
        Naming plate, axis and unit.
    """
    for plate, stream in trial.streams.items():
        if stream.attrs.get("kind") != "force_plate":
            continue
        for axis in ("fx", "fy", "fz"):
            unit = str(stream[axis].attrs.get("units", "N")) if axis in stream else "N"
            if unit != "N":
                raise BadInputError(f"trial '{name}': {axis} of {plate} is in {unit}, expected N; convert it first")
