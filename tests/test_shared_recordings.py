"""One recording under two participants is refused as a leak; a copy that was cut, renamed or resampled is doubted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import grfkit
from grfkit.dataset.near_copies import near_copies
from grfkit.errors import BadInputError
from grfkit.learn.everyone import usable
from grfkit.learn.recipe import Recipe
from grfkit.provenance import InputFile, Provenance
from grfkit.records import Trial
from grfkit.records.participants import check_recordings
from grfkit.records.stance_set import StanceSet, join
from grfkit.sync.batch import read_table, run_batch
from learn_sets import made_up


def trial(participant: str, *digests: str, seed: int = 1, role: str = "wearable") -> Trial:
    """Return a simulated trial that says which files it was made of."""
    whole = grfkit.simulate_trial(seed=seed, duration_s=12, wearables=("insole",)).on_true_clock(
        participant=participant
    )
    tree = whole.tree.copy()
    files = [InputFile(name=f"{d}.csv", sha256=d * 32, size_bytes=9, role=role) for d in digests]
    tree.attrs["provenance"] = Provenance(inputs=files).model_dump_json()
    return Trial(tree)


def test_trials_of_one_recording_under_two_participants_are_refused_in_memory_and_on_disk(tmp_path: Path) -> None:
    trials = [trial("P1", "ab"), trial("P3", "cd", seed=2), trial("P2", "ab")]
    sets = [grfkit.cut_windows(each) for each in trials]
    message = r"one recording, ab\.csv \(SHA-256 abababababab\.\.\.\), stands under participants 'P1' and 'P2'"
    with pytest.raises(BadInputError, match=message):
        grfkit.cut_windows(trials)
    with pytest.raises(BadInputError, match=message):
        grfkit.cut_windows(trials, out=tmp_path / "set.nc")
    assert not (tmp_path / "set.nc").exists()
    for use in (grfkit.train, grfkit.evaluate):
        with pytest.raises(BadInputError, match="leak from training into the test"):
            use(sets, network="mlp", epochs=1)
    together = join([sets[0], sets[1]])
    assert json.loads(together.data.attrs["recordings"]) == {
        "P1": {"ab" * 32: "ab.csv"},
        "P3": {"cd" * 32: "cd.csv"},
    }


def test_a_set_on_disk_remembers_its_recordings(tmp_path: Path) -> None:
    grfkit.cut_windows([trial("P1", "ab"), trial("P2", "cd", seed=2)], out=tmp_path / "one.nc")
    first = StanceSet.open(tmp_path / "one.nc")
    other = grfkit.cut_windows(trial("P7", "cd"))
    with pytest.raises(BadInputError, match="participants 'P2' and 'P7'"):
        join([first, other])
    # with the one left out, the other may stand
    assert join([first.without(["P2"]), other]).participants == ("P1", "P7")


def test_one_person_may_have_several_trials_of_one_recording_and_people_may_share_plates() -> None:
    grfkit.cut_windows([trial("P1", "ab"), trial("P1", "ab")])
    grfkit.cut_windows([trial("P1", "ab", role="reference"), trial("P2", "ab", role="reference", seed=2)])
    check_recordings({"P1": ["x"], "p1 ": ["x"]})
    with pytest.raises(BadInputError, match="a file"):
        check_recordings({"P1": ["x"], "P2": ["y", "x"]})


@pytest.mark.parametrize("copied", [False, True])
def test_a_table_that_gives_one_wearable_to_two_participants_is_refused(tmp_path: Path, copied: bool) -> None:
    for name in ("plates", "insole"):
        (tmp_path / f"{name}.csv").write_text("time [s],x [N]\n0,1\n1,2\n")
    second = "insole.csv"
    if copied:
        second = "other.csv"
        shutil.copy(tmp_path / "insole.csv", tmp_path / second)
    (tmp_path / "different.csv").write_text("time [s],x [N]\n0,1\n1,3\n")

    def table(*people: str) -> list[object]:
        rows = [f"plates.csv,{f},treadmill,{p},{k}.nc" for k, (f, p) in enumerate(zip(("insole.csv", second), people))]
        rows.append("plates.csv,different.csv,treadmill,P9,different.nc")
        path = tmp_path / "table.csv"
        path.write_text("\n".join(["reference,wearable,surface,participant,out", *rows]) + "\n")
        return list(read_table(path, {}))

    def run(rows: list[object]) -> list[object]:
        worker = lambda row: {"row": row.number, "key": row.key(), "verdict": "refused", "trial": None, "maps": []}  # noqa: E731
        return list(run_batch(rows, journal=tmp_path / "journal", worker=worker, processes=1, force=True))  # type: ignore[arg-type]

    with pytest.raises(BadInputError, match=r"rows 1 and 2 give one recording, insole.csv.*'P1' and 'P2'"):
        run(table("P1", "P2"))
    assert not (tmp_path / "journal").exists()
    assert len(run(table("P1", "p1"))) == 3
    assert len(run(table("P1", ""))) == 3


def under(data: StanceSet, name: str) -> StanceSet:
    names = np.asarray([name] * data.size, dtype=object)
    return StanceSet(data.data.assign_coords(participant=("stance", names)))


@pytest.mark.parametrize("part", [slice(None), slice(0, 20), slice(7, 40, 2)])
def test_a_copy_that_was_cut_is_doubted(part: slice) -> None:
    data = made_up("abcd", each=40)
    copy = under(StanceSet(data.of("b").data.isel(stance=part)), "z")
    (doubt,) = near_copies(join([data, copy]))
    assert doubt.startswith("participants 'b' and 'z' share ")
    assert usable(join([data, copy]), Recipe())[1] == (doubt,)


def test_a_copy_that_was_resampled_is_doubted_and_people_are_not() -> None:
    data = made_up("abcd", each=40)
    assert near_copies(data) == []
    assert usable(data, Recipe())[1] == ()
    noise = 0.01 * data.data["inputs"].std().item() * np.random.default_rng(0).normal(size=data.data["inputs"].shape)
    resampled = StanceSet(data.data.assign(inputs=data.data["inputs"] + noise.astype(np.float32)))
    assert len(near_copies(join([data, under(resampled.of("c"), "z")]))) == 1
    assert near_copies(join([data.of("a")])) == []
    # one window alike in forty is chance
    one = under(StanceSet(data.of("d").data.isel(stance=slice(0, 1))), "e")
    assert near_copies(join([data, StanceSet(one.data), under(made_up("x", each=39, seed=3), "e")])) == []
