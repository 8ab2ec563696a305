"""Comparisons with features that are quick, and how long any will take: said beforehand, and on the page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grfkit import evaluate
from grfkit.errors import BadInputError
from grfkit.evaluation import duration
from grfkit.evaluation.duration import advice, forecast, seconds_of_fits, watched
from grfkit.evaluation.feature_comparison import feature_words
from grfkit.evaluation.feature_methods import Plan, feature_plan
from grfkit.evaluation.quick import EACH, few_stances, quick_plan, quick_recipe
from grfkit.learn.everyone import usable
from grfkit.learn.parallel import JobReport
from grfkit.learn.recipe import recipe_of
from test_features import known

SIX = ("lstm", "bilstm", "gru", "cnn1d", "mlp", "cnn1d_lstm")


def test_how_long_it_takes_is_the_sum_of_its_trainings() -> None:
    plan = Plan(("mlp", "resnet50"), ("none", "both"), 1, 3)
    # (1 without, 1 with, 3 of others) x 5 folds of each
    total, words = forecast(plan, {"ridge": 0.5, "kernel ridge": 0.5, "mlp": 2.0, "resnet50": 1000.0}, 5, 1)
    assert total == 5 * 5 * 1003
    assert words.startswith("2 networks, 100 trainings: about 7.0 h on this computer, as busy as it is now, in one")
    assert words.endswith("(most of it: resnet50 6.9 h, mlp 1 min)")
    assert forecast(plan, {"mlp": 2.0, "resnet50": 1000.0}, 5, 4)[0] == pytest.approx(total / 4, rel=1e-3)
    told = advice(kept=False, workers=0, quick=False, long_s=total)
    assert told == (
        "; --quick takes about ten minutes, --workers N shares it among N processes, with --out FOLDER a stopped run"
        " goes on"
    )
    assert advice(kept=True, workers=2, quick=True, long_s=total) == advice(
        kept=False, workers=0, quick=False, long_s=9
    )


def test_a_fit_is_forecast_from_the_time_of_a_step_by_windows_and_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    # a step takes as long as the network has parameters: what a clock says differs from run to run
    stepped: set[int] = set()

    def step(network: Any, optimizer: Any, windows: int, points: int) -> float:
        really = timed(network, optimizer, windows, points)
        assert really > 0
        parameters = sum(p.numel() for p in network.parameters())
        stepped.add(parameters)
        return float(windows * parameters)

    timed = duration._step
    monkeypatch.setattr(duration, "_step", step)
    data = known("abcd")
    recipe, _ = usable(data, recipe_of("sugiarto2025", epochs=1000))
    folds = recipe.folds(data)
    seconds = seconds_of_fits(Plan(("mlp", "cnn2d_lstm"), ("none", "both")), recipe, data, folds)
    assert set(seconds) == {"ridge", "kernel ridge", "mlp", "cnn2d_lstm"}
    people = data.per_stance("participant")
    windows = np.mean([np.isin(people, fold.train).sum() for fold in folds])
    assert len(stepped) == 2
    expected = sorted(duration.AROUND_S + windows * 1000 * parameters for parameters in stepped)
    assert sorted(seconds[name] for name in ("mlp", "cnn2d_lstm")) == pytest.approx(expected)


def test_what_is_left_is_said_every_few_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("grfkit.evaluation.duration.time.monotonic", lambda: clock[0])
    plan, said, jobs = Plan(("mlp",), ("none",)), [], []
    # ridge, kernel ridge, mlp on two folds
    report = watched(plan, {"ridge": 0.0, "kernel ridge": 0.0, "mlp": 100.0}, said.append, jobs.append)
    report(JobReport("fold 1 | ridge", 1, 6, 1.0, None, False))
    clock[0] = 600.0
    report(JobReport("fold 1 | mlp", 3, 6, 600.0, None, False))
    report(JobReport("fold 2 | ridge", 4, 6, 1.0, None, False))
    # six times as slow as it was timed, and one more to go
    assert said == ["3 of 6 trainings are done, about 10 min left"]
    assert len(jobs) == 3


def test_a_quick_comparison_takes_the_networks_that_fit_and_says_what_it_left_out() -> None:
    data = known("abcdef")
    recipe = quick_recipe(usable(data, recipe_of("sugiarto2025"))[0])
    folds = recipe.folds(data)
    assert len(folds) == 4
    plan = feature_plan("all", "", recipe, data)
    quick = quick_plan(plan, recipe, data, folds, whole=900, everyone=True)
    assert not {"resnet50", "inception3"} & set(quick.networks)
    assert set(SIX) <= set(quick.networks)
    assert (quick.seeds, quick.draws) == (1, 1)
    assert f"{data.size} of 900 stances (at most {EACH} of each person)" in quick.limits
    assert "left out: resnet50, inception3, and claims about them are open" in quick.limits
    # who names a network gets it
    named = quick_plan(feature_plan("resnet50", "", recipe, data), recipe, data, folds, whole=data.size, everyone=False)
    assert named.networks == ("resnet50",)
    assert "left out" not in named.limits
    few = few_stances(data, 2)
    people = few.per_stance("participant")
    assert {p: int(np.sum(people == p)) for p in few.participants} == dict.fromkeys("abcdef", 2)


def test_the_result_says_that_it_was_quick_and_the_wait_is_told_first() -> None:
    said: list[str] = []
    scores = evaluate(
        known("abcdef"), preset="sugiarto2025", compare="mlp", epochs=1, quick=True, notice=said.append
    ).scores
    assert said[0].startswith("1 network, 36 trainings: about 1 min on this computer")
    found = scores["feature_comparison"]
    assert found["draws"] == 1
    assert found["notes"][0].startswith("quick: 4 groups of people, one training of each network, one exchange")
    assert any(line.startswith("note: quick: 4 groups of people") for line in feature_words(found))
    with pytest.raises(BadInputError, match=r"--quick .* is of comparisons with features"):
        evaluate(known("abc"), compare="mlp,lstm", quick=True)
