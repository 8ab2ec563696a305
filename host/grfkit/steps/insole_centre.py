"""The centre of pressure of insoles as cells of a step's row."""

from __future__ import annotations

import numpy as np

from ..gait.centre_path import InsoleCentre, insole_centre
from ..records import Trial
from .features import smooth_place
from .table import Cell

LONGEST_GAP_S = 0.05
"""Longest time (s) between two known centres of a contact; over more nobody knows its way. Chosen by hand."""


def insole_centres(trial: Trial) -> dict[str, InsoleCentre]:
    """Return the centre of pressure of each foot whose insole's cells have places, by foot.

    A stream that alignment refused has none: its times may be another step's.
    """
    centres = {}
    for name, stream in trial.streams.items():
        if stream.attrs.get("kind") != "insole" or name in trial.refused_streams or name.startswith("reference/"):
            continue
        centre = insole_centre(stream)
        if centre is not None:
            centres[str(stream.attrs["side"])] = centre
    return centres


def insole_cop_cells(centre: InsoleCentre, gait: str, *, ic_s: float, to_s: float) -> dict[str, Cell]:
    """Return how the centre of pressure of an insole went under the foot in a contact.

    Nothing of a contact that the insole recorded in part. Within what it is known was measured in walking; of other
    gaits nobody knows.
    """
    inside = (centre.time_s >= ic_s) & (centre.time_s <= to_s) & np.isfinite(centre.cop_mm).all(axis=1)
    recorded = np.nanmin(centre.time_s) <= ic_s and np.nanmax(centre.time_s) >= to_s
    if not recorded or np.count_nonzero(inside) < 2 or np.diff(centre.time_s[inside]).max() > LONGEST_GAP_S:
        return {}
    place = smooth_place(centre.time_s[inside], centre.cop_mm[inside] / 1e3)
    cells: dict[str, Cell] = {
        "insole_cop_path_m": float(np.linalg.norm(np.diff(place, axis=0), axis=1).sum()),
        "insole_cop_forward_m": float(place[-1, 0] - place[0, 0]),
        "insole_cop_sideways_m": float(np.ptp(place[:, 1])),
        "insole_cop_cells": centre.cells_left,
    }
    if gait == "walk" and np.isfinite(centre.half_width_mm).all():
        forward, sideways = (mm / 1e3 for mm in centre.half_width_mm)
        cells |= {"insole_cop_within_forward_m": forward, "insole_cop_within_sideways_m": sideways}
    return cells
