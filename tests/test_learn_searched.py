"""Nested search and personalisation in an evaluation: who saw whom, what is kept, and what the figures are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student

from grfkit.errors import BadInputError
from grfkit.evaluation.evaluate import evaluate_recipe
from grfkit.evaluation.methods import NetworkMethod
from grfkit.evaluation.nested_search import SearchedMethod, search_folds, spread
from grfkit.evaluation.personal_folds import (
    PersonalPlan,
    means,
    personalise_folds,
    personalise_job,
    plan_of_counts,
    tuning_config,
)
from grfkit.evaluation.personalise import LEAK_PERSONAL, parts_for, personalise
from grfkit.evaluation.predictions import predict_fold
from grfkit.learn import search as search_module
from grfkit.learn.folds import Fold, LeakError, loso, within_trial
from grfkit.learn.networks import network_config, network_names
from grfkit.learn.preset import load_preset
from grfkit.learn.recipe import Recipe, from_preset, parse_recipe
from grfkit.learn.search import SPACES, Span, TrialRow, applied
from grfkit.learn.search_plan import Choice, SearchPlan, default_space, plan_of
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.learn.training_job import train_model
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up

SMALL = network_config("mlp", hidden=6, head=(4,), context=1, layers=1)
QUICK = TrainConfig(epochs=2, batch=16, patience=0)
PLAN = SearchPlan(
    trials=3,
    folds=2,
    space={"train.lr": Span(low=1e-5, high=3e-2, log=True), "network.head.0": Span(choices=(4, 8, 12))},
)


def small() -> StanceSet:
    return made_up("abcd", each=8, points=11)


def corrupted(person: str, *, inputs: bool = False) -> StanceSet:
    """Return the set in which one person's forces (and inputs) are nonsense."""
    data = small()
    own = data.per_stance("participant") == person
    data.data["targets"][own] = 50.0 * np.random.default_rng(9).normal(size=data.data["targets"][own].shape)
    if inputs:
        data.data["inputs"][own] = 1e6
    return data


@pytest.fixture(scope="module")
def chosen() -> dict[str, Choice]:
    return search_folds(small(), loso(small()), SMALL, QUICK, PLAN)


def test_the_search_of_a_fold_has_nothing_of_the_one_it_tests(chosen: dict[str, Choice]) -> None:
    folds = loso(small())
    wild = search_folds(corrupted("a", inputs=True), folds, SMALL, QUICK, PLAN)
    assert wild["loso:a"] == chosen["loso:a"], "a is tested: whatever a has is not seen"
    for other in "bcd":
        assert wild[f"loso:{other}"].trials != chosen[f"loso:{other}"].trials, "a trains there: the corruption is felt"
    for fold in folds:
        one = chosen[fold.name]
        assert set(one.participants) == set("abcd") - set(fold.test)
        assert [row.number for row in one.trials] == [0, 1, 2]
        assert one.score == min(row.score for row in one.trials if row.score is not None)
        assert one.settings == next(row.settings for row in one.trials if row.score == one.score)

    method = SearchedMethod("x", SMALL, QUICK, chosen)
    for data, choice in ((small(), chosen), (corrupted("a"), wild)):
        said, _ = predict_fold(data, folds[0], SearchedMethod("x", SMALL, QUICK, choice))
        np.testing.assert_array_equal(said, predict_fold(small(), folds[0], method)[0])
    network, config = applied(SMALL, QUICK, chosen["loso:a"].settings)
    np.testing.assert_array_equal(
        predict_fold(small(), folds[0], method)[0],
        predict_fold(small(), folds[0], NetworkMethod("y", network, config))[0],
    )


def test_settings_chosen_on_the_tested_are_refused(chosen: dict[str, Choice]) -> None:
    fold = loso(small())[0]
    stolen = SearchedMethod("x", SMALL, QUICK, {fold.name: chosen["loso:b"]})
    with pytest.raises(LeakError, match="search that chose these settings has seen a"):
        predict_fold(small(), fold, stolen)
    with pytest.raises(BadInputError, match="no settings were chosen for fold 'loso:a'"):
        predict_fold(small(), fold, SearchedMethod("x", SMALL, QUICK, {}))


def test_processes_choose_the_same(chosen: dict[str, Choice], tmp_path: Path) -> None:
    small().to_netcdf(tmp_path / "set.nc")
    one = PLAN.model_copy(update={"trials": 1})
    found = search_folds(small(), loso(small())[:2], SMALL, QUICK, one, shared=tmp_path / "set.nc", workers=2)
    assert {n: c.trials for n, c in found.items()} == {n: chosen[n].trials[:1] for n in ("loso:a", "loso:b")}


def test_a_nested_search_that_was_killed_goes_on_at_its_next_trial(
    chosen: dict[str, Choice], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true_score, calls, told = search_module._score, [0], list[tuple[int, int]]()

    def counted(*given: Any) -> float | None:
        calls[0] += 1
        if calls[0] == dies_at:
            raise KeyboardInterrupt
        return true_score(*given)

    monkeypatch.setattr(search_module, "_score", counted)
    dies_at = 6
    given = (small(), loso(small()), SMALL, QUICK)
    with pytest.raises(KeyboardInterrupt):
        search_folds(*given, PLAN, results=tmp_path)
    calls[0], dies_at = 0, -1
    found = search_folds(*given, PLAN, results=tmp_path, progress=lambda r: told.append((r.done, r.total)))
    assert calls[0] == 12 - 5, "five trials were done, one and two folds of four"
    assert found == chosen
    assert told[-1] == (12, 12)
    assert [a for a, _ in told] == sorted(a for a, _ in told)
    calls[0] = 0
    assert search_folds(*given, PLAN, results=tmp_path) == chosen
    assert calls[0] == 0
    more = search_folds(*given, PLAN.model_copy(update={"trials": 4}), results=tmp_path)
    assert calls[0] == 4, "one more trial in each fold"
    assert all(more[name].trials[:3] == chosen[name].trials for name in chosen)


def test_the_final_model_has_the_best_settings_and_remembers_everyone() -> None:
    recipe = parse_recipe({"network": SMALL.model_dump(), "train": QUICK.model_dump(exclude={"chosen_on"})})
    rows: list[TrialRow] = []
    made = train_model(small(), recipe, plan=PLAN, tried=rows.append)
    assert made.choice is not None
    assert tuple(rows) == made.choice.trials
    spec = made.model.spec
    assert spec.training["lr"] == made.choice.settings["train.lr"]
    assert spec.network["head"] == [made.choice.settings["network.head.0"]]
    assert spec.training["chosen_on"] == list("abcd")
    assert spec.provenance.configuration["recipe"]["train"]["chosen_on"] == [], "the recipe is the one asked for"
    assert spec.provenance.configuration["search"]["plan"] == PLAN.model_dump(mode="json")
    json.dumps(spec.model_dump(mode="json"), allow_nan=False)


@pytest.mark.parametrize("name", network_names())
def test_both_ends_of_every_networks_space_are_settings_of_it(name: str) -> None:
    network = network_config(name)
    space = default_space(network)
    for end in (0, -1):
        drawn: dict[str, Any] = {
            n: s.choices[end] if s.choices else (int if s.whole else float)((s.low or 0) if end == 0 else s.high or 0)
            for n, s in space.items()
        }
        new, config = applied(network, TrainConfig(), drawn)
        assert new.name == name
        assert config.lr == drawn["train.lr"]


def test_what_was_set_by_hand_is_not_searched() -> None:
    plain = plan_of(Recipe(), 4)
    assert {"train.lr", "train.batch", "network.hidden", "network.layers"} <= set(plain.space)
    assert plain.trials == 4
    by_hand = parse_recipe({"network": {"name": "gru", "hidden": 8}, "train": {"lr": 1e-4}})
    assert set(plain.space) - set(plan_of(by_hand, 4).space) == {"network.hidden", "train.lr"}
    preset = from_preset(load_preset("carter2024", "fixed"))
    assert plan_of(preset, 1).space == dict(SPACES["carter2024"])
    short = parse_recipe({"train": {"epochs": 2}}, preset)
    assert set(SPACES["carter2024"]) - set(plan_of(short, 1).space) == {"train.epochs"}
    other = parse_recipe({"network": {"name": "tcn"}}, preset)
    assert plan_of(other, 1).space == dict(default_space(network_config("tcn")))
    for told, says in (
        ({"regime": "D2"}, "not of regime D2"),
        ({"split": "within_trial"}, "split is within_trial, which leaks"),
    ):
        with pytest.raises(BadInputError, match=says):
            plan_of(parse_recipe(told), 2)
    everything = {
        "network": {"name": "mlp", "hidden": 5, "layers": 1, "dropout": 0.1},
        "train": {"lr": 1e-4, "batch": 5, "weight_decay": 0.0},
    }
    with pytest.raises(BadInputError, match="nothing is left to search"):
        plan_of(parse_recipe(everything), 2)


def test_chosen_values_in_words() -> None:
    assert spread([0.001, 0.02, 0.02]) == "0.001 to 0.02"
    assert spread([64, 64]) == "64"
    assert spread(["lstm", "bilstm", "lstm"]) == "lstm (2), bilstm (1)"


def test_an_evaluation_lists_the_searched_network_and_what_was_chosen() -> None:
    recipe = parse_recipe({"network": SMALL.model_dump(), "train": QUICK.model_dump(exclude={"chosen_on"})})
    plan = PersonalPlan(counts=(0, 2, 4), epochs=2)
    found = evaluate_recipe(small(), recipe, search=PLAN, personal=plan).scores
    assert list(found["methods"])[-2:] == ["mlp", "mlp, searched (3 trials)"]
    assert (
        found["headline"]
        == found["search"]["method"]
        == found["personalisation"]["method"]
        == list(found["methods"])[-1]
    )
    assert found["leaks"] == []
    for one in found["search"]["folds"].values():
        assert not set(one["tested"]) & set(one["participants"])
        assert len(one["trials"]) == 3
    text = json.dumps(found, allow_nan=False)
    assert "in each of 4 folds 3 settings were tried" in text
    personal = found["personalisation"]
    assert personal["headline_allowed"] is False
    assert personal["leaks"] == [LEAK_PERSONAL]
    assert LEAK_PERSONAL not in json.dumps({k: v for k, v in found.items() if k != "personalisation"})
    with pytest.raises(BadInputError, match="not of a regime"):
        evaluate_recipe(small(), recipe, search=PLAN, regimes=("A",))


def offset_of_a() -> StanceSet:
    """Return a set in which a's vertical force is 0.4 BW more than anybody could know."""
    data = made_up("abcd", each=16, points=11)
    data.data["targets"][data.per_stance("participant") == "a", :, 0] += 0.4
    return data


def test_every_loso_model_is_personalised_as_if_by_hand() -> None:
    data, plan = offset_of_a(), PersonalPlan(counts=(0, 2, 4, 8), epochs=3)
    folds = loso(data)
    config = TrainConfig(epochs=4, batch=8, patience=0, lr=1e-2, threads=1)
    method = NetworkMethod("mlp", SMALL, config)
    found = personalise_folds(data, folds[:2], method, plan, leaks=("limits from the plate",))
    assert len(found["rows"]) == 2 * 4 * 2
    for row in found["rows"]:
        assert row["test_windows"] == 8
        assert row["leaks"] == ["limits from the plate", *([LEAK_PERSONAL] if row["strides"] else [])]
    model = fit(SMALL, config, data.without("a"), folds[0])
    tuned = tuning_config(model, plan)
    assert (tuned.epochs, tuned.patience, tuned.schedule, tuned.lr) == (3, 0, "constant", 1e-2)
    for way in ("affine", "fine-tune"):
        own = [r["rmse_bw"] for r in found["rows"] if r["participant"] == "a" and r["method"] == way]
        by_hand = personalise(model, data.of("a"), counts=plan.counts, method=way, config=tuned)
        assert own == [r.rmse_bw for r in by_hand]
    a = {
        r["strides"]: r["rmse_bw"]["vgrf"] for r in found["rows"] if (r["participant"], r["method"]) == ("a", "affine")
    }
    assert a[8] < a[0] - 0.1, "the offset is learnt from eight strides"


def test_the_late_strides_do_not_reach_the_model_or_its_calibration() -> None:
    plan = PersonalPlan(counts=(0, 4), epochs=2)
    data, fold, method = offset_of_a(), loso(offset_of_a())[0], NetworkMethod("mlp", SMALL, QUICK)
    plain = personalise_job(data, fold, method, plan)["rows"]
    wild = offset_of_a()
    late = (wild.per_stance("participant") == "a") & (wild.data["start_s"].values >= 4)
    wild.data["targets"][late, :, 1] = 9.0
    for one, other in zip(plain, personalise_job(wild, fold, method, plan)["rows"]):
        assert other["rmse_bw"]["vgrf"] == one["rmse_bw"]["vgrf"], "what is said does not depend on the late force"
        assert other["rmse_bw"]["apgrf"] > 8.0


def test_a_stride_has_a_window_of_each_foot() -> None:
    data = offset_of_a()
    sides = np.asarray(["left" if i % 2 else "right" for i in range(data.size)], dtype=object)
    both = StanceSet(data.data.assign_coords(side=("stance", sides)))
    rows = personalise_job(both, loso(both)[0], NetworkMethod("mlp", SMALL, QUICK), PersonalPlan(counts=(0, 2, 4)))[
        "rows"
    ]
    assert [(r["strides"], r["windows"], r["test_windows"]) for r in rows[:3]] == [(0, 0, 8), (2, 4, 8), (4, 8, 8)]


def test_means_are_over_participants_and_the_change_is_paired() -> None:
    errors = {"a": (0.3, 0.2), "b": (0.5, 0.45), "c": (0.4, 0.1)}
    rows = [
        {"participant": p, "method": way, "strides": n, "rmse_bw": {"vgrf": v[i]}}
        for p, v in errors.items()
        for way in ("affine", "fine-tune")
        for i, n in enumerate((0, 8))
    ]
    one = means(rows, (0, 8))["affine"]["vgrf"]
    after, d = np.array([0.2, 0.45, 0.1]), np.array([-0.1, -0.05, -0.3])
    half = student.ppf(0.975, 2) / np.sqrt(3)
    assert one["8"]["mean"] == pytest.approx(0.25)
    assert one["8"]["low"] == pytest.approx(0.25 - half * after.std(ddof=1))
    assert one["8"]["worst"] == "b"
    assert one["0"]["change"] is None
    assert one["8"]["change"]["mean"] == pytest.approx(-0.15)
    assert one["8"]["change"]["high"] == pytest.approx(-0.15 + half * d.std(ddof=1))
    assert (one["8"]["change"]["better"], one["8"]["change"]["n"]) == (3, 3)
    alone = means([r for r in rows if r["participant"] == "a"], (0, 8))["affine"]["vgrf"]["8"]
    assert (alone["mean"], alone["low"], alone["change"]) == (0.2, None, None)


def test_who_has_too_few_strides_is_named_and_a_split_that_leaks_is_refused() -> None:
    data = offset_of_a()
    keep = (data.per_stance("participant") != "c") | (data.data["start_s"].values < 6)
    fewer = data.where(np.asarray(keep))
    method = NetworkMethod("mlp", SMALL, QUICK)
    found = personalise_folds(fewer, loso(fewer), method, PersonalPlan(counts=(0, 8), epochs=1))
    assert list(found["left_out"]) == ["c"]
    assert {r["participant"] for r in found["rows"]} == set("abd")
    assert any(text.startswith("left out: participant c has 6 windows") for text in found["words"])
    with pytest.raises(BadInputError, match="nobody can be personalised; participant a has 16 windows"):
        personalise_folds(data, loso(data), method, PersonalPlan(counts=(0, 16)))
    with pytest.raises(BadInputError, match="has not seen the person"):
        personalise_folds(data, [within_trial(data)], method, PersonalPlan(counts=(0, 2)))


def test_continuous_windows_that_overlap_the_calibration_are_not_tested() -> None:
    data = made_up("a", each=12, points=250, window="continuous", trials=1)  # 2.5 s long, a second apart
    early, late = parts_for(data, (0, 3))
    assert early.data["start_s"].values.tolist() == [0, 1, 2]
    assert late.data["start_s"].values.tolist() == [5, 6, 7, 8, 9, 10, 11]
    with pytest.raises(BadInputError, match="no window begins after the 10 of calibration"):
        parts_for(data, (10,))


def test_counts_are_read_or_refused() -> None:
    assert plan_of_counts("2, 4,16").counts == (0, 2, 4, 16)
    for wrong in ("a", "2,2", "0", "-1,2", "1.5", " "):
        with pytest.raises(BadInputError, match="personalise is"):
            plan_of_counts(wrong)


def test_a_fold_of_several_tested_people_personalises_each() -> None:
    data = offset_of_a()
    fold = Fold("two", ("c", "d"), (), ("a", "b"))
    rows = personalise_job(data, fold, NetworkMethod("mlp", SMALL, QUICK, seeds=2), PersonalPlan(counts=(0, 2)))["rows"]
    assert {r["participant"] for r in rows} == {"a", "b"}
