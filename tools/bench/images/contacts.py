"""Contacts of films against plates: how late landing and toe-off are, and what is missed or extra.

``python -m tools.bench.images.contacts`` sees true points of rendered films of 12 walkers over plates (24 walks from
each side, 48 near-side stances), with and without a pose model's noise, at 60 and 30 frames a second. ``--read N`` has
the pose model read every Nth film. Clocks are the renderer's own. ``--all`` prints each person.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from grfkit.gait.contacts import rule_of
from grfkit.gait.stances import find_stances
from grfkit.records import Recording
from grfkit.signals.film_stream import side_view_of

from ..harness import ROOT
from .render import film_file
from .schreiber import FilmedTrial, walkers
from .side_film import pose_noise

NEAREST_S = 0.25
"""A film's landing and a plate's are of one stance within this time (s): a third of a walker's stance."""
SIDES = ("left", "right")
SEED = 16
READ = ROOT / "build" / "images" / "read"
"""Where recordings of rendered films are kept: a film takes the pose model ten seconds."""


@dataclass(frozen=True)
class Found:
    """What a film shows of one foot's contacts on plates, ms late; NaN where it misses one."""

    person: str
    name: str
    near: bool
    onset_ms: np.ndarray
    off_ms: np.ndarray
    extra: int


def found_in(filmed: FilmedTrial, stream: xr.Dataset) -> list[Found]:
    """Return, for the near and the far foot, how late a film's contacts are, by the renderer's clock."""
    seen = side_view_of(stream).stances
    plates = find_stances(filmed.trial(), source="force", rule=rule_of("20N").walking())
    found = []
    for foot, side in enumerate(SIDES):
        mine = [s for s in seen if s.foot == foot]
        rate, stamps = 1.0 + 1e-6 * filmed.stamps.drift_ppm, filmed.stamps
        ic, to = (stamps.offset_s + rate * np.asarray([getattr(s, n) for s in mine]) for n in ("ic_s", "to_s"))
        true = [s for s in plates.stances if s.side == side]
        rows = [(_late(ic, s.ic_s), _late(to, s.to_s)) for s in true]
        extra = sum(bool(((ic > s.ic_s + NEAREST_S) & (ic < s.to_s)).any()) for s in true)
        values = 1e3 * np.asarray(rows, dtype=np.float64).reshape(-1, 2)
        near = side == filmed.near_side
        found.append(Found(filmed.participant, filmed.name, near, values[:, 0], values[:, 1], extra))
    return found


def _late(times: np.ndarray, true_s: float) -> float:
    """Return how late (s) the nearest of the times is, NaN where none is near."""
    times = times[np.isfinite(times)]
    if not times.size:
        return float("nan")
    late = float(times[np.argmin(np.abs(times - true_s))] - true_s)
    return late if abs(late) < NEAREST_S else float("nan")


def noisy(stream: xr.Dataset, near: str, scale: float) -> xr.Dataset:
    """Return a stream of true points with a pose model's noise, which is in metres of a leg of 0.85 m."""
    names = [str(n) for n in stream.landmark.values]
    rng = np.random.default_rng(SEED)
    noise = pose_noise(rng, names, stream.sizes["time"], near=near, rate_hz=float(stream.attrs["rate_hz"]), scale=scale)
    return stream.assign(position=stream["position"] + noise * stream.attrs["leg_px"] / 0.85)


def table(what: str, found: Iterable[Found]) -> list[dict[str, str]]:
    """Return a row for the near and one for the far foot."""
    rows = []
    found = list(found)
    for near, foot in ((True, "near"), (False, "far")):
        mine = [f for f in found if f.near == near]
        ic, to = (np.concatenate([getattr(f, n) for f in mine]) for n in ("onset_ms", "off_ms"))
        rows.append({
            "what": f"{what}, {foot} foot",
            "result": f"{ic.size} stances: landing {_spread(ic)}, {np.isnan(ic).sum()} missed; toe-off {_spread(to)},"
            f" {np.isnan(to).sum()} missed; {sum(f.extra for f in mine)} extra",
        })  # fmt: skip
    return rows


def _spread(late_ms: np.ndarray) -> str:
    late = late_ms[np.isfinite(late_ms)]
    if not late.size:
        return "none"
    return f"{late.mean():+.1f} +- {late.std():.1f} ms (95 % within {np.percentile(np.abs(late), 95):.0f})"


def by_person(found: Iterable[Found]) -> list[str]:
    """Return a line for each person: mean errors of the near foot."""
    people: dict[str, list[Found]] = {}
    for one in found:
        if one.near:
            people.setdefault(one.person, []).append(one)
    return [
        f"{person}: landing {np.nanmean(np.concatenate([f.onset_ms for f in mine])):+.0f} ms, toe-off"
        f" {np.nanmean(np.concatenate([f.off_ms for f in mine])):+.0f} ms ({len(mine)} films)"
        for person, mine in people.items()
    ]


def left_out_ms(found: Iterable[Found]) -> tuple[float, float]:
    """Return the SD of each person's near-side landing and toe-off less the other people's mean, ms."""
    found = [f for f in found if f.near]
    spreads = []
    for name in ("onset_ms", "off_ms"):
        means = {p: np.nanmean(np.concatenate([getattr(f, name) for f in found if f.person == p]))
                 for p in {f.person for f in found}}  # fmt: skip
        rest = [m - np.mean([o for q, o in means.items() if q != p]) for p, m in means.items()]
        spreads.append(float(np.std(rest)))
    return spreads[0], spreads[1]


def read_again(filmed: FilmedTrial) -> xr.Dataset:
    """Return the keypoints that the pose model finds in a film's file; read films are kept in ``build``."""
    from grfkit.video.recording import read_film

    path = READ / filmed.laboratory / f"{filmed.name}.nc"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        read_film(film_file(filmed)).to_netcdf(path)
    return Recording.from_netcdf(path).streams["keypoints"]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="print each person")
    parser.add_argument("--read", type=int, default=0, metavar="N", help="read the film of every Nth walk")
    asked = parser.parse_args()
    rows: list[dict[str, str]] = []
    for rate_hz in (60.0, 30.0):
        films = walkers(rate_hz=rate_hz)
        for what, scale in (("true points", 0.0), ("with a pose model's noise", 1.0)):
            found = [f for filmed in films for f in found_in(
                filmed, noisy(filmed.film.streams["keypoints"], filmed.near_side, scale))]  # fmt: skip
            rows += table(f"rendered, {rate_hz:.0f} Hz, {what}", found)
            if scale == 0.0 and rate_hz == 60.0:
                onset, off = left_out_ms(found)
                rows.append({"what": "near foot, each person by the others", "result":
                             f"SD {onset:.1f} ms of landing, {off:.1f} ms of toe-off"})  # fmt: skip
            if asked.all:
                print(f"{rate_hz:.0f} Hz, {what}", *by_person(found), sep="\n  ")
        if asked.read and rate_hz == 60.0:
            found = [f for filmed in films[:: asked.read] for f in found_in(filmed, read_again(filmed))]
            rows += table("rendered, 60 Hz, read by the pose model", found)
            if asked.all:
                print("read", *by_person(found), sep="\n  ")
    for row in rows:
        print(f"{row['what']}: {row['result']}")


if __name__ == "__main__":
    main()
