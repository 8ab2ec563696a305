"""Several passes of one walker are one walker's; a table of films is one of a batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit import BadInputError, align
from grfkit.sync.batch import read_table
from grfkit.video.passes import passes_of
from grfkit.video.people import Path as Way
from grfkit.video.pose import Region


def way(start_s: float, *, heading: float = 1.0, side: float = 500.0, seconds: float = 3.0) -> Way:
    times = start_s + np.arange(0, seconds, 0.2)
    x = 640 + heading * 400 * (times - times.mean())
    regions = [Region(float(k), 360.0, side, 0.0, 1.0) for k in x]
    return Way(times.tolist(), regions, [np.array([k, 360.0]) for k in x])


def test_passes_the_same_way_of_a_body_as_large_are_one_walker_s() -> None:
    first, second = way(0.0), way(10.0, side=520.0)
    found = passes_of([second, first], second)
    assert found.ways == (first, second)
    assert found.at(1.0) is not None
    assert found.at(6.0) is None
    assert found.at(11.0) is not None


@pytest.mark.parametrize(
    "other", [way(10.0, heading=-1.0), way(10.0, side=650.0), way(1.0)], ids=["another way", "larger", "beside"]
)
def test_another_way_another_size_and_who_walks_beside_are_not(other: Way) -> None:
    first = way(0.0)
    assert passes_of([first, other], first).ways == (first,)


def test_a_pass_beside_somebody_else_may_be_of_either() -> None:
    first, second, third = way(0.0), way(10.0), way(10.5)
    assert passes_of([first, second, third], first).ways == (first,)


def test_a_table_of_films_is_one_of_a_batch(tmp_path: Path) -> None:
    table = tmp_path / "TABLE.csv"
    table.write_text(
        "film,reference,participant,mass_kg,near_side,surface,out,rendered\n"
        "w.mp4,w.c3d,P01,60.0,right,overground,aligned/w.nc,phantom\n",
        encoding="utf-8",
    )
    (row,) = read_table(table, {})
    assert [path.name for path in row.request.wearables] == ["w.mp4"]
    assert row.request.near_side == "right"


def test_a_near_side_is_of_a_film(tmp_path: Path) -> None:
    path, other = tmp_path / "walk.csv", tmp_path / "other.csv"
    for number, file in enumerate((path, other)):
        file.write_text(f"time [s],left_force [N]\n0.00,0\n0.01,350\n0.02,70{number}\n", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"near_side in Python.* is of a film"):
        align(path, other, surface="treadmill", near_side="left")
