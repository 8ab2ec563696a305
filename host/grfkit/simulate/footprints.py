"""Measured footprints laid under the insole: each cell's share of the load in steps of real people.

Pataky et al. 2008 (doi 10.1016/j.jbiomech.2008.03.034): barefoot walking of ten people over a pressure plate, 60 steps
each, 500 Hz. The recordings are under the GPL and do not come with grfkit: ``grfkit.fetch(DATA_SET)`` fetches them.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, PathLike
from ..errors import BadInputError
from ..provenance import InputFile, describe_input
from .family import CELL_X_MM, CELL_Y_MM

DATA_SET = "pataky2008_plantar_pressure"
DEFAULT_DIR = Path("recordings") / DATA_SET
"""Where ``grfkit.fetch`` leaves the recordings."""
PEOPLE = 10
NODES = 101
"""Instants of a contact at which shares are held: each per cent."""
_RATE_HZ = 500.0
_PRINT_MM = 242.0
"""Length of a footprint on an insole of size M: heads of the metatarsals and big toe, 73 and 91 % of a print's length
from its rear edge (medians of the pressure's peaks), then lie under the cells of these places. Chosen by hand."""
_HEEL_SHARE, _FOREFOOT_SHARE = 0.2, (0.6, 0.8)
"""Parts of a print's length whose middles its axis goes through. Chosen by hand."""
_CELL_RADIUS_MM = 9.0
"""Radius of a cell: the published insole's sensors are 18 mm wide discs (assumed; its places are all that is known)."""
_FAR_SHARE, _FAR_MM = 1e-3, 40.0
"""Weight of the load beside a cell, and how far it reaches: a sole spreads a little, and at the first touch no cell
would bear anything. Chosen by hand."""


@dataclass(frozen=True)
class FootprintSteps:
    """The steps of one person.

    Attributes
    ----------
    share
        Shape (steps, NODES, 16): of the load on the cells, in the order of ``CELL_X_MM``; each instant sums to 1.
    contact_s
        Shape (steps,).
    recording
        The file that they come from.
    """

    share: Floats
    contact_s: Floats
    recording: InputFile


def footprint_steps(folder: PathLike | None, person: int) -> FootprintSteps:
    """Return the steps of one of the people, counted from 0.

    Parameters
    ----------
    folder
        Holds ``subj000.h5`` and so on as published, or ``person00.npz`` with the same ``pressure``; if left out,
        :data:`DEFAULT_DIR`.

    Raises
    ------
    BadInputError
        If the person's recording is not there or not readable.
    """
    folder = DEFAULT_DIR if folder is None else Path(folder)
    for name in (f"subj{person:03d}.h5", f"person{person:02d}.npz"):
        if (folder / name).is_file():
            return _steps(folder / name)
    raise BadInputError(
        f"{folder}: has no subj{person:03d}.h5; family 'C' loads the cells as measured footprints do, and these come"
        f" under the GPL, not with grfkit: grfkit.fetch('{DATA_SET}') fetches them into recordings/; elsewhere, name"
        " their folder (--footprints)"
    )


@lru_cache(maxsize=PEOPLE)
def _steps(path: Path) -> FootprintSteps:
    """Return the steps of a file: it is decompressed once, which takes seconds."""
    recording = describe_input(path, role="footprints")
    try:
        pressure = _published(path) if path.suffix == ".h5" else _repacked(path)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise BadInputError(f"{path}: holds no pressures of steps as '{DATA_SET}' has them ({error})") from error
    steps = [cell_shares(field) for field in pressure]
    return FootprintSteps(np.asarray([s for s, _ in steps]), np.asarray([t for _, t in steps]), recording)


def _published(path: Path) -> list[Floats]:
    with h5py.File(path, "r") as file:
        return [np.asarray(file[name]) for name in sorted(file) if name.startswith("img")]


def _repacked(path: Path) -> list[Floats]:
    with np.load(path, allow_pickle=False) as archive:
        return list(archive["pressure"])


def cell_shares(pressure: Floats) -> tuple[Floats, float]:
    """Return one step's share of each cell, shape (NODES, 16), and its contact time (s).

    Parameters
    ----------
    pressure
        Shape (rows, columns, frames) at 500 Hz, any unit, no load before and after: rows from the heel to the toes,
        columns from medial to lateral, square pixels.

    Raises
    ------
    ValueError
        If nothing is loaded.
    """
    if pressure.ndim != 3 or not pressure.any():
        raise ValueError("a step is not rows x columns x frames of pressure")
    frames = np.flatnonzero(pressure.any(axis=(0, 1)))
    loaded = pressure[:, :, frames[0] : frames[-1] + 1]
    x, y = _insole_places_mm(np.asarray(loaded.any(axis=2)))
    apart = np.hypot(x - np.asarray(CELL_X_MM)[:, None], y - np.asarray(CELL_Y_MM)[:, None])
    weight = (apart <= _CELL_RADIUS_MM).astype(np.float64)
    weight = weight / np.maximum(weight.sum(axis=1, keepdims=True), 1) + _FAR_SHARE * np.exp(-((apart / _FAR_MM) ** 2))
    load = (weight @ loaded.reshape(x.size, -1).astype(np.float64)).T
    # the first and last frames of a step can have none between two that have
    some = load.sum(axis=1) > 0
    share = load[some] / load[some].sum(axis=1, keepdims=True)
    at, phase = np.linspace(0, 1, load.shape[0])[some], np.linspace(0, 1, NODES)
    nodes = np.stack([np.interp(phase, at, share[:, cell]) for cell in range(share.shape[1])], axis=1)
    return nodes, loaded.shape[2] / _RATE_HZ


def _insole_places_mm(touched: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return where each pixel lies on the insole, lateral and forward of the heel (mm), flat in the order of pixels.

    The axis of the foot goes through the middle of the heel and that of the forefoot, as the insole's does; the whole
    print is as long as :data:`_PRINT_MM`.
    """
    row, column = np.indices(touched.shape).reshape(2, -1).astype(np.float64)
    r, c = row[touched.ravel()], column[touched.ravel()]
    along = (r - r.min()) / max(np.ptp(r), 1.0)
    heel, (low, high) = along <= _HEEL_SHARE, _FOREFOOT_SHARE
    ball = (along >= low) & (along <= high) if ((along >= low) & (along <= high)).any() else along >= 0
    start = np.asarray([r[heel].mean(), c[heel].mean()])
    towards = np.asarray([r[ball].mean(), (c[ball].min() + c[ball].max()) / 2]) - start
    ahead = towards / max(float(np.hypot(*towards)), 1e-9)
    forward = (row - start[0]) * ahead[0] + (column - start[1]) * ahead[1]
    lateral = (column - start[1]) * ahead[0] - (row - start[0]) * ahead[1]
    rear = forward[touched.ravel()].min()
    scale = _PRINT_MM / max(float(np.ptp(forward[touched.ravel()])), 1.0)
    return lateral * scale, (forward - rear) * scale
