"""Real markers and plates on one clock: when landmarks show a landing, against the force.

``python -m tools.bench.sync.real_landmarks`` prints the lags by data set and gait, each recording with ``--all``.
A lag is the time of the landmarks' landing less that of the force's, both as the alignment finds them.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from grfkit.io import read
from grfkit.records import Channel, make_landmarks, make_stream
from grfkit.sync import AlignSettings, align_device
from grfkit.sync.contact_events import device_train, reference_train

from ..harness import DATA

NEAREST_S = 0.2
"""A landing of the landmarks and one of the force are the same within this time (s): half a runner's step and more."""
FALSE_START_S, SEED = 30.0, 20261203
"""Range of the false clocks' offsets (s), and their seed."""
WRONG_MS = 120.0
"""A stream that is off by more is a step wrong, as in the simulated trials."""
SPEEDS = ("T25", "T35", "T45")
"""Trials of a runner: 2.5, 3.5 and 4.5 m/s."""


@dataclass(frozen=True)
class Pair:
    """Markers and force of one recording, on one clock.

    Attributes
    ----------
    plates
        Separate plates rather than belts.
    """

    data: str
    person: str
    name: str
    gait: str
    plates: bool
    marks: dict[str, xr.Dataset]
    force: dict[str, xr.Dataset]


@dataclass(frozen=True)
class Lags:
    """Lag of each landing (ms) of one recording, by foot (0 left, 1 right)."""

    pair: Pair
    of_foot: dict[int, np.ndarray]

    @property
    def mean_ms(self) -> float:
        """Return the mean of the feet's medians."""
        return float(np.mean([np.median(lags) for lags in self.of_foot.values()]))


def runners(folder: Path) -> Iterator[Pair]:
    """Return 20 people who run on a belt at three speeds (RBDS), 30 s each at 150 Hz."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as archive:
            for speed in SPEEDS:
                marks, force = _measured(archive[f"{speed}_mk"], 1e-4), _measured(archive[f"{speed}_F"], 0.1)
                rate_hz, force_hz = (float(r) for r in archive[f"{speed}_rates"])
                names = [str(n) for n in archive[f"{speed}_markers"]]
                stream = make_landmarks(marks, names, np.arange(len(marks)) / rate_hz, unit="m", rate_hz=rate_hz)
                channels = [Channel(n, force[:, k], "N", "global") for k, n in enumerate(("fx", "fy", "fz"))]
                plate = make_stream(
                    channels, np.arange(len(force)) / force_hz, kind="force_plate", rate_hz=force_hz,
                    attrs={"vertical": "+y"},
                )  # fmt: skip
                yield Pair("RBDS", path.stem, speed, "running", False, {"landmarks": stream}, {"plate_1": plate})


def _measured(counts: np.ndarray, unit: float) -> np.ndarray:
    values = counts.astype(np.float64)
    values[counts == np.iinfo(np.int16).min] = np.nan
    return values * unit


def short_runs(folder: Path) -> Iterator[Pair]:
    """Return the runs of Hamner & Delp 2013: two people, 2 s each at 100 Hz."""
    of_one = [(f"run{s}", f"HamnerSubject04/subject04/trials/run{s}/{{}}", "04") for s in (200, 300, 400, 500)]
    of_two = [(f"run{s}", f"HamnerMultipleTrials/run{s}{{}}", "01") for s in (200, 300)]
    for name, form, person in of_one + of_two:
        files = ("markers.trc", "grf.mot") if "{}" in form and form.endswith("/{}") else (".trc", "_grf.mot")
        yield _files("Hamner", person, name, "running", False, *(folder / form.format(f) for f in files))


def walks(folder: Path) -> Iterator[Pair]:
    """Return the walks over plates of Schreiber & Moissenet 2019."""
    for path in sorted(folder.glob("*/dynamic/*.c3d")):
        yield _files("Schreiber", path.parts[-3], path.stem, "walking", True, path, path)


def short_walks(folder: Path) -> Iterator[Pair]:
    """Return walks of one person over plates at 100 Hz (OpenCap's validation)."""
    for path in sorted((folder / "MarkerData").glob("walking*.trc")):
        yield _files("OpenCap", "4", path.stem, "walking", True, path, folder / "ID" / f"{path.stem}_grf.mot")


def _files(data: str, person: str, name: str, gait: str, plates: bool, marks: Path, force: Path) -> Pair:
    streams, forces = read(marks).streams, read(force).streams
    return Pair(data, person, name, gait, plates, _of_kind(streams, "landmarks"), _of_kind(forces, "force_plate"))


def _of_kind(streams: Mapping[str, xr.Dataset], kind: str) -> dict[str, xr.Dataset]:
    return {name: stream for name, stream in streams.items() if stream.attrs["kind"] == kind}


def pairs() -> Iterator[Pair]:
    """Return every recording of the data sets that are there."""
    sources = (
        (runners, "rbds_runners"),
        (short_runs, "nimblephysics/data/osim"),
        (walks, "schreiber2019_walk_overground/data"),
        (short_walks, "nimblephysics/data/grf/Subject4"),
    )
    for source, folder in sources:
        if (DATA / folder).is_dir():
            yield from source(DATA / folder)


def lags_of(pair: Pair) -> Lags | None:
    """Return the lags of a recording's landings, None where the plates saw none of them."""
    force, _ = reference_train(pair.force, plates=pair.plates)
    marks = device_train(pair.marks, plates=pair.plates).contacts
    if not force.size or not marks.size:
        return None
    # of each landing of the force the nearest one of the landmarks: plates see few of them
    nearest = np.argmin(np.abs(force.onset_s[:, None] - marks.onset_s[None, :]), axis=1)
    lag_s = marks.onset_s[nearest] - force.onset_s
    same = np.abs(lag_s) < NEAREST_S
    feet = marks.foot[nearest]
    of_foot = {int(f): 1e3 * lag_s[same & (feet == f)] for f in np.unique(feet[same])}
    return Lags(pair, of_foot) if of_foot else None


def left_out(lags: list[Lags]) -> np.ndarray:
    """Return each recording's lag less the median of the other people's, ms."""
    return np.asarray([one.mean_ms - np.median([o.mean_ms for o in lags if o.pair.person != one.pair.person])
                       for one in lags])  # fmt: skip


def aligned(found: list[Lags]) -> tuple[int, np.ndarray, np.ndarray]:
    """Return how many recordings align on false clocks, the errors (ms) of these, and their stated half-widths (ms)."""
    settings = AlignSettings(shortest_overlap_s=20.0)
    rng, errors, widths = np.random.default_rng(SEED), [], []
    for lags in found:
        offset = float(rng.uniform(-1, 1) * FALSE_START_S)
        marks = {n: s.assign_coords(time=s["time"] - offset) for n, s in lags.pair.marks.items()}
        surface = "overground" if lags.pair.plates else "treadmill"
        clock_map = align_device(lags.pair.force, marks, surface=surface, settings=settings).clock_map
        if clock_map.verdict == "aligned" and clock_map.uncertainty_ms is not None:
            start = float(next(iter(marks.values()))["time"][0])
            length_s = float(next(iter(marks.values()))["time"][-1]) - start
            at = start + np.linspace(0.0, length_s, 50)
            errors.append(1e3 * float(np.nanmean(clock_map.apply(at) - (at + offset))))
            widths.append(clock_map.uncertainty_ms)
    return len(errors), np.asarray(errors), np.asarray(widths)


def table(found: list[Lags]) -> list[dict[str, str]]:
    """Return the rows of lags by data set, and what the alignment of the runners makes of them."""
    groups: dict[tuple[str, str], list[Lags]] = defaultdict(list)
    for lags in found:
        groups[(lags.pair.data, lags.pair.gait)].append(lags)
    rows = []
    for (data, gait), group in groups.items():
        means = np.asarray([lags.mean_ms for lags in group])
        spreads = [v - np.median(v) for g in group for v in g.of_foot.values() if v.size > 2]
        people = len({g.pair.person for g in group})
        text = (
            f"{len(group)} recordings of {people} people: lag {np.median(means):+.1f} ms, from {means.min():+.0f} to"
            f" {means.max():+.0f}, SD {means.std():.1f} ms"
        )
        if spreads:
            text += f"; within a foot SD {1.4826 * np.median(np.abs(np.concatenate(spreads))):.1f} ms"
        if people > 2:
            text += f"; each person by the others: SD {left_out(group).std():.1f} ms"
        rows.append({"what": f"markers' landings less the force's, {data}, {gait}", "result": text})
    return rows


def rows() -> list[dict[str, str]]:
    """Return the benchmark's rows."""
    found = [lags for pair in pairs() if (lags := lags_of(pair)) is not None]
    long = [lags for lags in found if lags.pair.data == "RBDS"]
    if not long:
        return table(found)
    number, errors, widths = aligned(long)
    off_ms = np.abs(errors)
    text = (
        f"accepted {number} of {len(long)}, wrong {int((off_ms > WRONG_MS).sum())}, median {np.median(errors):+.1f} ms,"
        f" SD {errors.std():.1f}, 95 % within {np.percentile(off_ms, 95):.1f};"
        f" in the stated half-width {100 * np.mean(off_ms <= widths):.0f} %"
    )
    return [*table(found), {"what": "RBDS markers against the belt on false clocks, 30 s", "result": text}]


def main() -> None:
    """Print the table; with ``--all`` each recording."""
    if "--all" in sys.argv[1:]:
        for pair in pairs():
            lags = lags_of(pair)
            feet = {} if lags is None else lags.of_foot
            each = [
                f"{'LR'[f]} {np.median(v):+6.1f} +- {v.std():4.1f} ms (n {v.size})" for f, v in feet.items() if f >= 0
            ]
            print(
                f"{pair.data:10} {pair.person:8} {pair.name:16} {pair.gait:8}",
                "; ".join(each) or "no landing on a plate",
            )
    for row in rows():
        print(f"{row['what']}: {row['result']}")


if __name__ == "__main__":
    main()
