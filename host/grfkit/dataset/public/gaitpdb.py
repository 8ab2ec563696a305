"""Benchmark D: eight cells of an insole to the total load of the foot, when cells are dead or missing.

PhysioNet gaitpdb 1.0.0 (doi 10.13026/C24H3N; Yogev 2005, Hausdorff 2007). There is no force plate: the target is the
sum of the eight cells over body weight, which is itself off by a factor of the person (median 1.27).
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from ...arrays import Floats, PathLike
from ...errors import BadInputError
from ...gait.contacts import ContactRule, ContactTimes, contacts_from_force, rule_of
from ...gait.stances import causal_insole
from ...gait.temporal import strides_of_foot
from ...provenance import Provenance, describe_input
from ...records.stance_set import StanceSet, make_stance_set
from ...units import G
from ..resample import check_window, continuous_starts, linear, stance_times
from .tables import table

RATE_HZ = 100.0
"""Rate of every recording, as the data set states it."""
CELLS = 8
"""Cells under each foot."""
_N_PER_COUNT = 0.01
"""The extract holds forces in hundredths of a newton."""
STUDIES = ("Ga", "Ju", "Si")
CHANNELS = tuple(f"cell_{n}" for n in range(1, CELLS + 1))


@dataclass(frozen=True)
class Walk:
    """One walk: ``cells_n`` (samples, 16), left 1 to 8 then right 1 to 8 (heel to toe), N."""

    person: str
    name: str
    study: str
    group: str
    mass_kg: float
    cells_n: Floats


_Part = tuple[Walk, str, Floats, Floats, float]
"""A walk, the foot, times (s) and loads of a window, and its stride time (s)."""


def walks(folder: PathLike, *, studies: Sequence[str] = STUDIES) -> tuple[list[Walk], dict[str, int]]:
    """Return the first usable walk of each person, and how many were left out for which reason.

    Raises
    ------
    BadInputError
        If the folder holds none of the studies, or no table of masses.
    """
    folder = Path(folder)
    paths = {s: folder / f"gaitpdb_{s}_firstwalk.npz" for s in studies}
    archives = {s: p for s, p in paths.items() if p.is_file()}
    if not archives or not (folder / "trials.csv").is_file():
        raise BadInputError(f"{folder}: holds no gaitpdb_*_firstwalk.npz with trials.csv; fetch the recordings first")
    with open(folder / "trials.csv", encoding="utf-8", newline="") as handle:
        about = {row["trial"]: row for row in csv.DictReader(handle)}
    excluded, left_out = table("gaitpdb")["excluded"], Counter[str]()
    selected = []
    for study, path in archives.items():
        with np.load(path, allow_pickle=False) as data:
            for name in sorted(data.files):
                row = about.get(name, {})
                mass = float(row.get("body_mass_kg") or "nan")
                if name in excluded or not np.isfinite(mass):
                    left_out["walk of unclear person" if name in excluded else "no body mass"] += 1
                    continue
                cells = data[name].astype(np.float64) * _N_PER_COUNT
                selected.append(Walk(row["person"], name, study, row["group"], mass, cells))
    return selected, dict(left_out)


def load(
    folder: PathLike,
    *,
    window: str = "stance",
    points: int = 101,
    cut: str = "force",
    rule: ContactRule | str = "5%BW",
    window_s: float = 4.0,
    overlap: float = 0.0,
    studies: Sequence[str] = STUDIES,
    most_windows: int | None = None,
    seen: Sequence[int] = tuple(range(1, CELLS + 1)),
) -> StanceSet:
    """Return windows of one foot each: eight cells in N, and their sum in body weights as ``vgrf``.

    Cells 1 to 8 lie alike in both feet (odd cells medial), so that left and right need no mirroring. ``condition`` is
    the study and ``trial`` the walk.

    Parameters
    ----------
    cut
        ``force``: stances begin and end where the sum of all eight cells passes the rule's threshold.
        ``insole_causal``: where the insole's own detector says so, as on the device.
    seen
        Numbers of the cells (1 to 8) that the insole's detector sees.
    most_windows
        Of each person and foot, evenly spread over the walk; None takes all.

    Raises
    ------
    BadInputError
        As :func:`walks`, or if a window or cut does not exist.
    """
    check_window(window, cut, ("force", "insole_causal"))
    limits = rule_of(rule).walking()
    selected, counts = walks(folder, studies=studies)
    left_out = Counter(counts)
    parts: list[_Part] = []
    for walk in selected:
        for side, cells in (("left", walk.cells_n[:, :CELLS]), ("right", walk.cells_n[:, CELLS:])):
            time = np.arange(len(cells)) / RATE_HZ
            if window == "continuous":
                spans = [(at, float("nan")) for at in _continuous(len(cells), window_s=window_s, overlap=overlap)]
            else:
                contacts = (
                    contacts_from_force(time, cells.sum(axis=1), rule=limits, mass_kg=walk.mass_kg)
                    if cut == "force"
                    else _by_insole(time, cells[:, np.asarray(seen) - 1], limits)
                )
                left_out.update(contacts.rejected)
                strides = strides_of_foot(contacts.ic_s)
                at_contacts = [stance_times(a, b, points) for a, b in zip(contacts.ic_s, contacts.to_s)]
                spans = list(zip(at_contacts, map(float, strides)))
            parts += [(walk, side, at, linear(time, cells, at), stride) for at, stride in _spread(spans, most_windows)]
    return _gathered(parts, window, cut, dict(left_out), Path(folder))


def _by_insole(time: Floats, cells: Floats, rule: ContactRule) -> ContactTimes:
    """Return the contacts that an insole of these cells, shape (samples, cells), finds itself."""
    loads = {f"cell_{k:02d}": ("time", load, {"units": "N"}) for k, load in enumerate(cells.T, 1)}
    return causal_insole(xr.Dataset(loads, {"time": time}, {"rate_hz": RATE_HZ}), rule)


def _continuous(samples: int, *, window_s: float, overlap: float) -> list[Floats]:
    """Return the times (s) of every continuous window, which begin on samples."""
    size = round(window_s * RATE_HZ)
    begins = continuous_starts(0, samples - 1, window_s=size - 1, overlap=overlap)
    return [(np.round(b) + np.arange(size)) / RATE_HZ for b in begins]


def _spread(spans: list[tuple[Floats, float]], most: int | None) -> list[tuple[Floats, float]]:
    """Return so many of the windows, evenly spread over the walk."""
    if most is None or len(spans) <= most:
        return spans
    return [spans[k] for k in np.linspace(0, len(spans) - 1, most).round().astype(int)]


def _gathered(parts: list[_Part], window: str, cut: str, left_out: dict[str, int], folder: Path) -> StanceSet:
    if not parts:
        raise BadInputError(f"{folder}: no window was found; left out: {left_out}")
    x = np.stack([p[3] for p in parts])
    weight = np.asarray(np.isfinite(x).all(axis=2))
    masses = np.asarray([p[0].mass_kg for p in parts])
    total = np.where(weight, x.sum(axis=2), 0.0) / (masses[:, None] * G)
    files = [describe_input(p) for p in [*sorted(folder.glob("gaitpdb_*_firstwalk.npz")), folder / "trials.csv"]]
    return make_stance_set(
        x,
        total[:, :, None],
        weight=weight.astype(np.float32),
        channels=CHANNELS,
        units=["N"] * CELLS,
        labels={
            "participant": [p[0].person for p in parts],
            "trial": [p[0].name for p in parts],
            "surface": ["overground"] * len(parts),
            "side": [p[1] for p in parts],
            "condition": [p[0].study for p in parts],
        },
        scalars={
            "mass_kg": masses.tolist(),
            "slope_percent": [0.0] * len(parts),
            "contact_s": [float(p[2][-1] - p[2][0]) if window == "stance" else float("nan") for p in parts],
            "stride_s": [p[4] for p in parts],
        },
        window=window,
        cut=cut if window == "stance" else "none",
        source="gaitpdb",
        axes=("vgrf",),
        start_s=[float(p[2][0]) for p in parts],
        rate_hz=RATE_HZ if window == "continuous" else float("nan"),
        mirrored=True,
        excluded=left_out,
        provenance=Provenance(
            configuration={"mass_source": "stated", "target": "sum of the eight cells"}, inputs=files
        ),
    )


def mask_cells(cells: StanceSet, keep: Iterable[int]) -> StanceSet:
    """Return the set with all cells but those to ``keep`` (1 to 8) missing (NaN); targets stay.

    Raises
    ------
    BadInputError
        If no cell is kept, or one is not among the channels.
    """
    names = [f"cell_{n}" for n in keep]
    unknown = [n for n in names if n not in cells.channels]
    if unknown or not names:
        raise BadInputError(f"cells to keep are {names}, expected one or more of {', '.join(cells.channels)}")
    dead = np.asarray([c.startswith("cell_") and c not in names for c in cells.channels])
    data = cells.data.copy()
    data["inputs"] = data["inputs"].where(~dead)
    return StanceSet(data)
