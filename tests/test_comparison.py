"""Methods side by side: pairs, ranks and fronts of known errors, what is refused, the command and its files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from film_walks import film_trial
from grfkit import evaluate
from grfkit.errors import BadInputError
from grfkit.evaluation.comparison import compared_methods, comparison, comparison_csv, comparison_words, costs
from grfkit.learn.recipe import recipe_of
from grfkit.report.accuracy_page import render_accuracy_report
from grfkit.report.comparison_part import compared_sections
from test_learn_chosen import made_up

PEOPLE = "abcdefgh"


def known_errors() -> dict[str, Any]:
    """Return scores in which b is always .01 better than a, c equals a but for noise, and d lacks somebody."""
    rng = np.random.default_rng(4)
    a = {p: 0.2 + 0.01 * i for i, p in enumerate(PEOPLE)}
    errors: dict[str, dict[str, float | None]] = {
        "a": dict(a),
        "b": {p: v - 0.01 for p, v in a.items()},
        "c": {p: v + float(rng.normal(0, 0.02)) for p, v in a.items()},
        "d": {p: None if p == "a" else 0.01 for p in PEOPLE},
    }
    methods = {m: {"vgrf": {"participants": {"rmse_bw": v}}} for m, v in errors.items()}
    return {"axes": ["vgrf"], "methods": methods, "seconds": dict.fromkeys(methods, 1.0)}


def test_pairs_ranks_and_front_of_known_errors() -> None:
    cost = {
        "a": {"parameters": 10, "macs": 100},
        "b": {"parameters": 10, "macs": 1000},
        "c": {"parameters": 1, "macs": 2000},
    }
    found = comparison(known_errors(), cost)
    part = found["axes"]["vgrf"]
    assert part["partial"] == ["d"], "who did not answer for everybody is compared with nobody"
    pairs = {(row["first"], row["second"]): row for row in part["pairs"]}
    assert set(pairs) == {("a", "b"), ("a", "c"), ("b", "c")}
    assert pairs["a", "b"]["mean"] == pytest.approx(0.01)
    assert pairs["a", "b"]["better"] == 0
    # 8 people, all the same way: p 2/256, three pairs
    assert pairs["a", "b"]["p_holm"] == pytest.approx(3 * 2 / 256)
    assert not pairs["a", "c"]["excludes_zero"]
    ranks = {row["method"]: row for row in part["ranks"]}
    assert ranks["b"]["rank"] < ranks["a"]["rank"]
    assert all(row["low"] <= row["rank"] <= row["high"] for row in part["ranks"])
    assert sum(row["least"] for row in part["ranks"]) == pytest.approx(1.0)
    assert ranks["a"]["least"] == 0.0, "b is better than a for everybody, in every draw"
    # the cheapest, and the dearer one that errs less; c is dearer than b and errs more
    assert part["front"] == ["a", "b"]
    rows = list(csv.DictReader(comparison_csv(found).splitlines()))
    assert [row["axis"] for row in rows] == ["vgrf"] * 3
    assert any("b errs less" in line or "a errs more than b" in line for line in comparison_words(found))
    section = compared_sections({"comparison": found}, {"vgrf": "vertical"})[0]
    assert "d" in section["words"]
    assert "<svg" in section["figure"]
    assert compared_sections({}, {}) == []


def test_methods_that_differ_by_rounding_err_alike_and_too_few_people_are_said() -> None:
    scores = known_errors()
    a = scores["methods"]["a"]["vgrf"]["participants"]["rmse_bw"]
    same = {"vgrf": {"participants": {"rmse_bw": {p: e + 2e-9 for p, e in a.items()}}}}
    scores["methods"] = {"a": scores["methods"]["a"], "same": same, "d": scores["methods"]["d"]}
    found = comparison(scores, {})
    rows = {row["method"]: row for row in found["axes"]["vgrf"]["ranks"]}
    assert (rows["a"]["rank"], rows["a"]["least"]) == (rows["same"]["rank"], rows["same"]["least"]) == (1.5, 0.5)
    pair = found["axes"]["vgrf"]["pairs"][0]
    assert not pair["excludes_zero"]
    assert pair["p_holm"] is None or pair["p_holm"] > 0.5
    assert any("answered for some people only: d" in line for line in comparison_words(found))
    for part in (scores["methods"]["a"], same):
        part["vgrf"]["participants"]["rmse_bw"] = {p: part["vgrf"]["participants"]["rmse_bw"][p] for p in "abc"}
    del scores["methods"]["d"]
    words = comparison_words(comparison(scores, {}))
    assert any("too few participants for a p-value" in line for line in words)
    assert not any("pairs differ" in line for line in words)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("lstm", "takes two methods or more"),
        ("lstm,lstm", "each once"),
        ("lstm,transformer", "names 'transformer', expected some of bilstm"),
        ("lstm,zhou2025", "cuts other windows than this evaluation"),
    ],
)
def test_lists_that_cannot_be_compared_are_refused(names: str, says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        compared_methods(names, recipe_of(), made_up("abc", each=2))


def test_other_choices_of_a_method_are_refused_beside_a_comparison() -> None:
    with pytest.raises(BadInputError, match=r"--compare .* names all methods; leave out"):
        evaluate(made_up("abc", each=2), compare="lstm,mlp", network="gru")


def test_how_windows_are_cut_does_not_hang_on_how_the_compared_networks_train(tmp_path: Path) -> None:
    config = tmp_path / "short.toml"
    for text, decided in (("[train]\nepochs = 1\n", True), ('[cut]\ncells = "as recorded"\n', False)):
        config.write_text(text, encoding="utf-8")
        assert recipe_of(config=config, epochs=1, compared=True).decide_cells is decided
    assert recipe_of(epochs=1, compared=True).decide_cells
    assert not recipe_of(epochs=1).decide_cells
    assert not recipe_of("carter2024", compared=True).decide_cells
    films = [film_trial(participant=f"P{k}", speed_m_s=1.1 + 0.2 * k, seed=k) for k in range(2)]
    found = evaluate(films, compare="ridge,mlp", epochs=1)
    assert found.methods[-2:] == ("grf-train: ridge", "mlp")


def test_costs_are_those_of_the_networks_that_are_trained() -> None:
    data = made_up("abc", each=2)
    methods = compared_methods("lstm,cnn2d,ridge", recipe_of(), data)
    assert [m.name for m in methods] == [
        "grf-train: kernel ridge", "lstm", "cnn2d", "grf-train: ridge",
    ]  # fmt: skip
    found = costs(methods, data)
    assert set(found) == {"lstm", "cnn2d"}
    assert all(c["macs"] > c["parameters"] > 0 for c in found.values())


def test_a_comparison_runs_from_the_front_door_and_is_in_every_output(tmp_path: Path) -> None:
    data = made_up("abcd", each=4)
    config = tmp_path / "short.toml"
    config.write_text('method = "network"\nsplit = "grouped_kfold"\nk = 2\n[train]\nepochs = 1\n', encoding="utf-8")
    page = tmp_path / "page.html"
    found = evaluate(data, compare="mlp,lstm", config=config, out=tmp_path / "out", report=page)
    assert found.methods[-3:] == ("grf-train: kernel ridge", "mlp", "lstm")
    stored = json.loads((tmp_path / "out" / "evaluation.json").read_text(encoding="utf-8"))
    methods = [row["method"] for row in stored["comparison"]["axes"]["vgrf"]["ranks"]]
    assert {"mean curve", "ridge", "grf-train: kernel ridge", "mlp", "lstm"} <= set(methods)
    assert (tmp_path / "out" / "comparison.csv").read_text(encoding="utf-8").startswith("axis,first,second,mean")
    text = page.read_text(encoding="utf-8")
    assert "Side by side" in text
    assert "Too few participants for a p-value" in text
    assert "Side by side" not in render_accuracy_report({k: v for k, v in stored.items() if k != "comparison"})
