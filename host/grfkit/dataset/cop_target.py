"""The centre of pressure as what a model learns: from the plates that bore a stance, on the ground under the foot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from ..arrays import Floats
from ..errors import BadInputError
from ..gait.cop import combined_cop
from ..gait.cop_path import cop_path
from ..gait.stances import Stance
from ..records import Trial
from .cut import CutRequest
from .foot_force import PlateColumns
from .resample import linear


@dataclass(frozen=True)
class PlateCentres:
    """Where the centre of pressure of each plate lies in the lab, and how fast the ground runs backward.

    Attributes
    ----------
    by_plate
        Name of a plate -> its times and the centre forward and left (samples, 2), m.
    """

    by_plate: Mapping[str, tuple[Floats, Floats]]
    belt_m_s: float

    def path(self, plates: Sequence[PlateColumns], stance: Stance, at_s: Floats, weight_n: float) -> Floats | str:
        """Return the path (mm) of a stance, shape (times, 2), NaN where unloaded; or why it has none."""
        bore = [p for p in plates if p.bore(stance)]
        forces = [p.at(at_s)[:, 0] for p in bore]
        flat = [linear(*self.by_plate[p.name], at_s) for p in bore]
        # on the floor: the height is nobody's question
        places = [np.concatenate([place, np.zeros((len(place), 1))], axis=1) for place in flat]
        lab = combined_cop(forces, places)[:, :2]
        side = 1.0 if stance.side == "right" else -1.0
        force_bw = np.asarray(np.sum(forces, axis=0)) / weight_n
        return cop_path(lab, force_bw, at_s, belt_m_s=self.belt_m_s, medial_sign=side)


def target_window(path: Floats, counts: Floats) -> tuple[Floats, Floats]:
    """Return targets (mm) and weight of a stance's path: samples without a centre, and those of no weight, are 0."""
    known = np.asarray(np.isfinite(path).all(axis=1), dtype=bool)
    return np.where(known[:, None], path, 0.0), np.where(known, counts, 0.0)


def plate_centres(trial: Trial, plates: Mapping[str, xr.Dataset], request: CutRequest, name: str) -> PlateCentres:
    """Return the centres of a trial's plates.

    Raises
    ------
    BadInputError
        If a plate has no centre of pressure or is not in the lab frame, a treadmill's speed is not stated, or the
        request is of windows that are no stances.
    """
    if request.window != "stance":
        raise BadInputError("the centre of pressure is learnt of stances; leave out window='continuous'")
    found = {}
    for plate, stream in plates.items():
        if any(f"cop_{a}" not in stream for a in "xy"):
            raise BadInputError(
                f"trial '{name}': {plate} has no centre of pressure (it has {', '.join(map(str, stream.data_vars))});"
                " nothing can be learnt of it: align the trial with a file that holds moments or the centre"
            )
        frames = {str(stream[f"cop_{a}"].attrs.get("frame", "")) for a in "xy"}
        if frames != {"lab"}:
            raise BadInputError(
                f"trial '{name}': the centre of pressure of {plate} is in the {', '.join(sorted(frames))} frame, and"
                " nobody knows which way the person walked; align it again by grf-sync with --forward"
                " (forward in Python)"
            )
        time = np.asarray(stream["time"].values, dtype=np.float64)
        columns = [np.asarray(stream[f"cop_{a}"].values, dtype=np.float64) for a in "xy"]
        found[plate] = (time, np.stack(columns, axis=1))
    return PlateCentres(found, belt_m_s(trial, name))


def belt_m_s(trial: Trial, name: str) -> float:
    """Return how fast the ground runs backward (m/s, horizontal): 0 over a floor.

    Raises
    ------
    BadInputError
        If the trial is of a treadmill whose speed is not stated.
    """
    attrs = trial.tree.attrs
    if str(attrs.get("surface", "")) != "treadmill":
        return 0.0
    speed, slope = (float(attrs.get(n, default)) for n, default in (("speed_m_s", np.nan), ("slope_percent", 0.0)))
    if not np.isfinite(speed):
        raise BadInputError(
            f"trial '{name}' is of a treadmill and states no speed, so that nobody knows where the belt carried the"
            " foot; align it again by grf-sync with --speed-m-s V (speed_m_s=V in Python)"
        )
    return speed / float(np.hypot(1.0, (slope if np.isfinite(slope) else 0.0) / 100.0))
