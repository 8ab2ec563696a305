"""Stance sets: does a window keep its participant, and is a set that could leak or mislead refused?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.dataset.set_writer import write_sets
from grfkit.errors import BadInputError
from grfkit.records.stance_set import StanceSet, join, make_stance_set


def small(people: str = "aabbb", *, channels: int = 2, cut: str = "force") -> StanceSet:
    rng = np.random.default_rng(1)
    n = len(people)
    return make_stance_set(
        rng.normal(size=(n, 11, channels)),
        rng.normal(size=(n, 11, 3)),
        channels=[f"c{i}" for i in range(channels)],
        units=["m/s^2"] * channels,
        labels={"participant": list(people), "trial": [f"t{p}" for p in people]},
        scalars={"mass_kg": [70.0] * n},
        window="stance",
        cut=cut,
        source=f"made up {people}",
        excluded={"too short": 1},
    )


def test_a_set_is_split_by_participant_without_overlap() -> None:
    whole = small()
    kept, rest = whole.of(["a"]), whole.without(["a"])
    assert (kept.size, rest.size, whole.size) == (2, 3, 5)
    assert not set(kept.participants) & set(rest.participants)
    assert np.isnan(whole.scalar("speed_m_s")).all()
    np.testing.assert_array_equal(whole.scalar("mass_kg"), 70.0)


def test_a_set_survives_the_disk_bit_for_bit_and_is_lazy(tmp_path: Path) -> None:
    whole = small()
    whole.to_netcdf(tmp_path / "a.nc")
    whole.to_netcdf(tmp_path / "b.nc")
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()
    back = StanceSet.open(tmp_path / "a.nc")
    assert not back.data["inputs"].variable._in_memory
    for one, other in zip(back.arrays(), whole.arrays()):
        np.testing.assert_array_equal(one, other)
    assert back.of(["b"]).participants == ("b",)
    assert back.channels == whole.channels


def test_joined_sets_keep_everyone_and_all_exclusions() -> None:
    both = join([small("aab"), small("cc")])
    assert both.participants == ("a", "b", "c")
    assert both.excluded == {"too short": 2}


def test_parts_of_one_set_joined_again_leave_out_no_more_than_it_did() -> None:
    whole = small()
    assert join([whole.of("a"), whole.of("b")]).excluded == whole.excluded


def test_a_part_names_the_trials_that_are_in_it() -> None:
    of_trials = StanceSet(small().data.assign_attrs(source="ta+tb"))
    assert of_trials.of("a").source == "ta"
    assert small().of("a").source == "made up aabbb"


@pytest.mark.parametrize(
    ("other", "what"), [(small("c", channels=3), "channels"), (small("c", cut="causal"), "differ in cut")]
)
def test_unlike_sets_are_not_joined(other: StanceSet, what: str) -> None:
    with pytest.raises(BadInputError, match=what):
        join([small(), other])


def test_a_window_without_participant_is_refused() -> None:
    with pytest.raises(BadInputError, match="names no participant"):
        small("a b")


def test_no_window_is_refused() -> None:
    with pytest.raises(BadInputError, match="at least one window"):
        make_stance_set(
            np.zeros((0, 5, 1)), np.zeros((0, 5, 3)), channels=["c"], units=["N"], labels={}, scalars={},
            window="stance", cut="force", source="x",
        )  # fmt: skip


def test_a_missing_target_that_counts_is_refused() -> None:
    data = small()
    x, y, w = data.arrays()
    y[0, 3, 0] = np.nan
    common = {
        "channels": ["c0", "c1"], "units": ["N", "N"], "labels": {"participant": ["a"] * 5, "trial": ["t"] * 5},
        "scalars": {}, "window": "stance", "cut": "force", "source": "x",
    }  # fmt: skip
    with pytest.raises(BadInputError, match="target is missing"):
        make_stance_set(x, y, **common)
    w[0, 3] = 0
    assert make_stance_set(x, y, weight=w, **common).size == 5


def test_longer_names_that_join_names_from_a_file_are_kept_whole(tmp_path: Path) -> None:
    for people, name in (("ab", "a.nc"), ("cd", "b.nc")):
        made = small(people)
        longer = [f"{p}{'x' if people == 'ab' else 'xxxxx'}" for p in made.per_stance("participant")]
        made.data["participant"] = ("stance", np.asarray([f"{n}{i}" for i, n in enumerate(longer)], dtype=object))
        made.to_netcdf(tmp_path / name)
    both = join([StanceSet.open(tmp_path / "a.nc"), StanceSet.open(tmp_path / "b.nc")])
    both.to_netcdf(tmp_path / "both.nc")
    assert StanceSet.open(tmp_path / "both.nc").participants == ("ax0", "bx1", "cxxxxx0", "dxxxxx1")
    write_sets([StanceSet.open(tmp_path / "a.nc"), StanceSet.open(tmp_path / "b.nc")], tmp_path / "lazy.nc")
    assert StanceSet.open(tmp_path / "lazy.nc").participants == ("ax0", "bx1", "cxxxxx0", "dxxxxx1")
