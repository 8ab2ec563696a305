"""What cannot end well is refused before anything is trained: reports, folders, devices, and figures for a card."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from grfkit.cli.learn_words import scores_text
from grfkit.errors import BadInputError
from grfkit.evaluation import evaluate as evaluation
from grfkit.learn.recipe import Recipe, parse_recipe, recipe_of
from grfkit.learn.training_job import train
from grfkit.records.stance_set import StanceSet, join
from learn_sets import made_up, on_surface

TINY = {"network": {"name": "cnn1d", "hidden": 4}, "train": {"epochs": 1, "patience": 0, "batch": 64}}


def evaluated(paths: list[Path], recipe: Recipe, **how: Any) -> dict[str, Any]:
    return evaluation.evaluate(paths, config=recipe, **how).scores


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("something was trained for nothing")

    monkeypatch.setattr(evaluation, "evaluate_recipe", never)


@pytest.fixture
def belt_and_floor(tmp_path: Path) -> Path:
    """Seven on the treadmill, four of them overground, too."""
    both = [on_surface(made_up("abcdefg", each=4), "treadmill"), on_surface(made_up("abcd", each=4), "overground")]
    join(both).to_netcdf(tmp_path / "set.nc")
    return tmp_path / "set.nc"


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("report", "said"), [("no/such/r.html", "folder does not exist"), ("folder", "is a folder"), ("old.html", "exists")]
)
def test_a_report_that_cannot_be_written_is_refused_before_the_evaluation(
    tmp_path: Path, report: str, said: str
) -> None:
    made_up("abc").to_netcdf(tmp_path / "set.nc")
    (tmp_path / "folder").mkdir()
    (tmp_path / "old.html").write_text("old", encoding="utf-8")
    with pytest.raises(BadInputError, match=said):
        evaluated([tmp_path / "set.nc"], parse_recipe(TINY), out=tmp_path / "proof", report=tmp_path / report)
    assert not (tmp_path / "proof").exists()
    assert (tmp_path / "old.html").read_text(encoding="utf-8") == "old"


def test_a_model_without_a_folder_is_refused_before_the_trials_are_read(tmp_path: Path) -> None:
    began = time.perf_counter()
    with pytest.raises(BadInputError, match="folder does not exist"):
        train([tmp_path / "none.nc"], config=Recipe(), out=tmp_path / "no" / "model")
    assert time.perf_counter() - began < 5.0


@pytest.mark.parametrize("device", ["cuda:99", "abacus"])
def test_a_device_that_is_not_there_is_refused(tmp_path: Path, device: str) -> None:
    made_up("abc").to_netcdf(tmp_path / "set.nc")
    recipe = recipe_of("", "fixed", None, network="cnn1d", epochs=1, device=device)
    with pytest.raises(BadInputError, match=f"device '{device}' cannot be used"):
        train([tmp_path / "set.nc"], config=recipe, out=tmp_path / "model")
    with pytest.raises(BadInputError, match=f"device '{device}' cannot be used"):
        evaluated([tmp_path / "set.nc"], recipe)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set.nc"]


def test_a_model_of_two_surfaces_is_proven_though_some_walked_on_one_only(belt_and_floor: Path) -> None:
    model, recipe = belt_and_floor.parent / "model", parse_recipe(TINY | {"regime": "D2"})
    train([belt_and_floor], config=recipe, out=model)
    found = evaluated([belt_and_floor], recipe, model=model)
    assert sorted(found["windows"]) == list("abcd")
    assert found["people"] == list("abcdefg")
    card = (model / "CARD.md").read_text(encoding="utf-8")
    for person, error in found["methods"][found["headline"]]["vgrf"]["participants"]["rmse_bw"].items():
        assert f"| {person} | 4 | {error:.4f}" in card


@pytest.mark.parametrize(("regimes", "said"), [("D2,A", "'A', would be the headline"), ("B", "regime 'D2'")])
def test_another_regime_than_the_models_gets_on_no_card(
    belt_and_floor: Path, regimes: str, said: str, request: pytest.FixtureRequest
) -> None:
    model, recipe = belt_and_floor.parent / "model", parse_recipe(TINY | {"regime": "D2"})
    train([belt_and_floor], config=recipe, out=model)
    before = (model / "CARD.md").read_bytes()
    request.getfixturevalue("untrained")
    with pytest.raises(BadInputError, match=said):
        evaluated([belt_and_floor], recipe, model=model, regimes=regimes)
    assert (model / "CARD.md").read_bytes() == before


def test_what_could_not_stand_on_a_card_is_refused_before_the_evaluation(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made_up("abc").to_netcdf(tmp_path / "set.nc")
    made_up("abd").to_netcdf(tmp_path / "others.nc")
    told = parse_recipe(TINY)
    leaky = parse_recipe(TINY | {"leaks": ["contact limits from the force plate"]})
    train([tmp_path / "set.nc"], config=told, out=tmp_path / "model")
    train([tmp_path / "set.nc"], config=leaky, out=tmp_path / "leaky")
    request.getfixturevalue("untrained")
    with pytest.raises(BadInputError, match=r"other participants than these trials have \(c, d\)"):
        evaluated([tmp_path / "others.nc"], told, model=tmp_path / "model")
    with pytest.raises(BadInputError, match="its recipe leaks"):
        evaluated([tmp_path / "set.nc"], leaky, model=tmp_path / "leaky")


def test_where_it_is_computed_is_no_other_recipe(tmp_path: Path) -> None:
    made_up("abc").to_netcdf(tmp_path / "set.nc")
    told = parse_recipe(TINY)
    train([tmp_path / "set.nc"], config=told, out=tmp_path / "model")
    found = evaluated(
        [tmp_path / "set.nc"], parse_recipe({"train": {"memory_mb": 1.0}}, told), model=tmp_path / "model"
    )
    assert np.isfinite(found["methods"]["cnn1d"]["vgrf"]["group"]["rmse_bw"]["mean"])
    beside = json.loads((tmp_path / "model" / "evaluation.json").read_text(encoding="utf-8"))
    assert beside["people"] == list("abc")
    assert StanceSet.open(tmp_path / "set.nc").participants == ("a", "b", "c")


def test_windows_without_an_answer_are_counted_in_table_report_and_band(tmp_path: Path) -> None:
    """Dead sensors in half of one person's windows end no evaluation, and are no better score either."""
    data = made_up("abcd", each=8)
    rows = np.flatnonzero(data.per_stance("participant") == "d")
    data.data["inputs"][rows[:4]] = np.nan
    data.to_netcdf(tmp_path / "half.nc")
    found = evaluated([tmp_path / "half.nc"], parse_recipe(TINY), report=tmp_path / "r.html")
    text = scores_text(found)
    assert found["methods"]["cnn1d"]["vgrf"]["unanswered"] == 4
    assert "cnn1d (4 windows not answered)" in text
    assert "cnn1d (4 windows not answered)" in (tmp_path / "r.html").read_text(encoding="utf-8")
    data.data["inputs"][rows] = np.nan
    data.to_netcdf(tmp_path / "none.nc")
    found = evaluated([tmp_path / "none.nc"], parse_recipe(TINY))
    assert "d has no window with a force and an answer" in found["bands"]["vgrf"]["note"]
    assert found["methods"]["cnn1d"]["vgrf"]["group"]["rmse_bw"]["n"] == 3


def test_a_set_whose_targets_are_newtons_is_refused(tmp_path: Path) -> None:
    data = made_up("abc")
    data.data["targets"][:] *= 70.0 * 9.80665
    data.to_netcdf(tmp_path / "newton.nc")
    with pytest.raises(BadInputError, match="look like newtons"):
        evaluated([tmp_path / "newton.nc"], parse_recipe(TINY))
