"""Search and personalisation through the installed commands: what is written, kept, said and refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from grfkit.cli.learn_words import model_text
from grfkit.errors import BadInputError
from grfkit.evaluation.evaluate import evaluate
from grfkit.learn.recipe import recipe_of
from grfkit.learn.search_plan import plan_of
from grfkit.learn.training_job import train
from learn_sets import made_up

BIN = Path(sys.executable).parent
SMALL = """\
[network]
name = "mlp"
hidden = 6
head = [6]
context = 1
layers = 1
[train]
epochs = 2
batch = 8
patience = 0
"""


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / str(words[0])), *[str(w) for w in words[1:]]]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("search")
    made_up("abc", each=16, points=11).to_netcdf(folder / "set.nc")
    (folder / "small.toml").write_text(SMALL, encoding="utf-8")
    return folder


def test_a_searched_model_keeps_its_table_and_is_proven_by_a_nested_search(place: Path) -> None:
    words = ("--config", "small.toml", "--search", 3, "--study", "kept.db", "--json")
    made = run("grf-train", "set.nc", *words, "--out", "model", folder=place)
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    table = json.loads((place / "model" / "search.json").read_text(encoding="utf-8"))
    assert table == told["search"]
    assert [row["number"] for row in table["trials"]] == [0, 1, 2]
    assert set(table["settings"]) == {"train.lr", "train.weight_decay", "network.dropout"}, "the rest was set by hand"
    best = min(table["trials"], key=lambda row: row["score"])
    assert (table["score"], table["settings"]) == (best["score"], best["settings"])
    assert table["participants"] == list("abc")
    document = json.loads((place / "model" / "model.json").read_text(encoding="utf-8"))
    assert document["training"]["lr"] == best["settings"]["train.lr"]
    card = (place / "model" / "CARD.md").read_text(encoding="utf-8")
    for said in ("search of 3 trials", f"train.lr {best['settings']['train.lr']:.3g}", "The search saw a, b, c:"):
        assert said in card
    assert (place / "kept.db").exists()

    proof = ("--model", "model", "--out", "proof", "--personalise", "2,4", "--report", "report.html")
    done = run("grf-evaluate", "set.nc", *proof, folder=place)
    assert done.returncode == 0, done.stderr
    assert "mlp, searched (3 trials): in each of 3 folds" in done.stdout
    assert "Their own force was seen: no headline." in done.stdout
    found = json.loads((place / "proof" / "evaluation.json").read_text(encoding="utf-8"))
    assert found["headline"] == "mlp, searched (3 trials)"
    assert [one["tested"] for one in found["search"]["folds"].values()] == [["a"], ["b"], ["c"]]
    assert {row["strides"] for row in found["personalisation"]["rows"]} == {0, 2, 4}
    page = (place / "report.html").read_text(encoding="utf-8")
    assert "Settings, searched anew in every fold" in page
    assert "<b>No headline:</b> personalisation" in page
    assert "<script" not in page
    beside = json.loads((place / "model" / "evaluation.json").read_text(encoding="utf-8"))
    assert beside["headline"] == found["headline"]
    assert "personalisation" not in beside, "no figure of a card"
    card = (place / "model" / "CARD.md").read_text(encoding="utf-8")
    assert f"| a | 16 | {found['methods'][found['headline']]['vgrf']['participants']['rmse_bw']['a']:.4f}" in card


def options(place: Path, **more: Any) -> Any:
    return recipe_of("", "fixed", place / "small.toml", **more)


def test_a_study_goes_on_and_another_one_is_refused(place: Path, tmp_path: Path) -> None:
    recipe, study = options(place), tmp_path / "study.db"
    data = place / "set.nc"
    first = train(data, config=recipe, out=tmp_path / "a", search=1, study=study).summary
    second = train(data, config=recipe, out=tmp_path / "b", search=2, study=study).summary
    assert second["search"]["trials"][:1] == first["search"]["trials"]
    assert "search: best of 2 trials" in model_text(second)
    whole = train(data, config=recipe, out=tmp_path / "c", search=2).summary
    assert whole["search"] == second["search"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "c", "study.db"]
    other = options(place, epochs=1)
    with pytest.raises(BadInputError, match="is the state of another search"):
        train(data, config=other, out=tmp_path / "d", search=1, study=study)
    assert not (tmp_path / "d").exists()


def test_what_cannot_be_searched_or_personalised_is_refused_before_anything_is_trained(
    place: Path, tmp_path: Path
) -> None:
    recipe = options(place)
    out = tmp_path / "out"
    for study, says in (
        (out / "s.db", "is the folder of the model"),
        (tmp_path / "no" / "s.db", "its folder does not exist"),
    ):
        with pytest.raises(BadInputError, match=says):
            train([place / "set.nc"], config=recipe, search=2, study=study, out=out)
    with pytest.raises(BadInputError, match="ask for one with --search"):
        train([place / "set.nc"], config=recipe, study=tmp_path / "s.db", out=out)
    for more, says in (({"regime": "D2"}, "not of regime D2"), ({"split": "within_trial"}, "which leaks")):
        with pytest.raises(BadInputError, match=says):
            plan_of(options(place, **more), 2)
    with pytest.raises(BadInputError, match="leave out --search"):
        evaluate([place / "set.nc"], search=2, model=tmp_path)
    for counts, split, says in (
        ("2,x", "loso", "expected different whole numbers"),
        ("16", "loso", "has 16 windows; calibration on 16 leaves none"),
        ("2", "leave_one_trial_out", "has not seen the person"),
    ):
        with pytest.raises(BadInputError, match=says):
            evaluate([place / "set.nc"], config=options(place, split=split), personalise=counts, out=out)
    assert not list(tmp_path.iterdir())
