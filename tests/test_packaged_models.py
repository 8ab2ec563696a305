"""Can what comes with grfkit be used on the first day, and is it what was packaged?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import grfkit
from grfkit import BadInputError
from grfkit.learn import packaged
from grfkit.learn.compact import compacted
from grfkit.learn.outputs import ABOUT
from grfkit.learn.packaged import BUNDLES, FOLDER, line_of, model_folder, packaged_names
from grfkit.learn.spec import DOCUMENT, WEIGHTS
from grfkit.records.stance_set import StanceSet
from grfkit.runtime.bundle_files import check_digest, read_sums

OWN = tuple(name for name in packaged_names() if name not in BUNDLES)
MOST_BYTES = 10_000_000


@pytest.mark.parametrize("name", packaged_names())
def test_each_model_is_opened_by_either_name_and_says_what_it_is_for(name: str) -> None:
    model = grfkit.load_model(name)
    assert model.spec.participants == grfkit.load_model(f"grfkit:{name}").spec.participants
    assert line_of(name)
    card = (model_folder(f"grfkit:{name}") / "CARD.md").read_text(encoding="utf-8")
    assert "## Data" in card


@pytest.mark.parametrize("name", OWN)
def test_the_files_of_a_model_are_those_that_were_packaged_with_licence_and_figures(name: str) -> None:
    folder = model_folder(f"grfkit:{name}")
    sums = read_sums(folder)
    assert {p.name for p in folder.iterdir()} == {*sums, "SHA256SUMS"}
    for file in sums:
        check_digest(folder, file, sums)
    card = (folder / "CARD.md").read_text(encoding="utf-8")
    for part in ("## Licence and attribution", "| mean curve |", "| ridge |", "Not for diagnosis", "Trained on"):
        assert part in card
    assert grfkit.load_model(name).spec.range is not None


def test_all_models_together_are_small() -> None:
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) < MOST_BYTES


def test_a_model_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(BadInputError, match=r"no model 'walking' comes with this grfkit.*grfkit:insole-simulated"):
        grfkit.load_model("grfkit:walking")
    with pytest.raises(BadInputError, match="no model '' comes"):
        grfkit.estimate("grfkit:", "walk.csv")


@pytest.mark.parametrize("file", [DOCUMENT, WEIGHTS, ABOUT])
def test_a_damaged_model_is_refused(file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not OWN:
        pytest.skip("no model of its own is packaged")
    shutil.copytree(FOLDER / OWN[0], tmp_path / OWN[0])
    content = bytearray((tmp_path / OWN[0] / file).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / OWN[0] / file).write_bytes(content)
    monkeypatch.setattr(packaged, "FOLDER", tmp_path)
    with pytest.raises(BadInputError, match=r"damaged|was not written with|is not the file"):
        grfkit.load_model(OWN[0])


def test_a_compacted_kernel_answers_as_the_whole_one() -> None:
    trials = [grfkit.simulate_trial(seed=k, duration_s=12).on_true_clock(participant=f"P{k}") for k in (1, 2)]
    data: StanceSet = grfkit.cut_windows(trials)
    model = grfkit.train(data, method="kernel ridge")
    small, change = compacted(model, data)
    assert small.spec.network["curve_rank"] > 0
    assert change.rms_bw <= change.largest_bw <= 0.01
