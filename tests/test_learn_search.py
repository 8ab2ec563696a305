"""Search: nested by person, seeded, resumed as if never stopped, the same in any number of processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.learn.folds import Fold, LeakError, loso
from grfkit.learn.model import predict
from grfkit.learn.networks import network_config
from grfkit.learn.parallel import local_processes
from grfkit.learn.search import SPACES, SearchResult, Span, TrialRow, applied, fold_errors, search, space_of
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up

SMALL = network_config("mlp", hidden=6, head=(4,), context=1, layers=1)
QUICK = TrainConfig(epochs=2, batch=16, patience=0)
SPACE = {
    "train.lr": Span(low=1e-6, high=3e-2, log=True),
    "network.head.0": Span(choices=(4, 8)),
    "network.layers": Span(low=1, high=2, whole=True),
}


def searched(data: StanceSet | None = None, **more: object) -> SearchResult:
    whole = made_up("abcd", each=8, points=11) if data is None else data
    fold = loso(whole)[0]
    settings = {"trials": 5, "folds": 2} | more
    return search(SPACE, SMALL, QUICK, whole.without(fold.test), fold, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole() -> SearchResult:
    """Return the search nobody stopped."""
    return searched()


def test_the_best_of_the_table_is_given_with_those_it_was_chosen_on(whole: SearchResult) -> None:
    assert [t.number for t in whole.trials] == list(range(5))
    assert len({t.settings["train.lr"] for t in whole.trials}) == 5
    best = min(whole.trials, key=lambda t: t.score or 9)
    assert whole.score == best.score
    assert whole.config.lr == best.settings["train.lr"]
    assert whole.network.head == (best.settings["network.head.0"],)
    assert whole.participants == whole.config.chosen_on == ("b", "c", "d")
    for trial in whole.trials:
        assert 1e-6 <= float(trial.settings["train.lr"]) <= 3e-2
        assert trial.settings["network.layers"] in (1, 2)


def test_the_score_is_the_error_of_people_left_out(whole: SearchResult) -> None:
    data = made_up("abcd", each=8, points=11)
    inner = [Fold("x", ("c",), ("d",), ("b",)), Fold("y", ("b",), (), ("c", "d"))]
    errors = [fold_errors(SMALL, QUICK, data.without("a"), f) for f in inner]
    assert [sorted(e or {}) for e in errors] == [["b"], ["c", "d"]]
    model = fit(SMALL, QUICK, data.of("cd"), inner[0])
    y = data.of("b").arrays()[1]
    rmse = np.sqrt(((predict(model, data.of("b")) - y) ** 2).mean(axis=(0, 1)))
    spans = np.ptp(data.of("c").arrays()[1], axis=1).mean(axis=0)
    assert (errors[0] or {})["b"] == pytest.approx((rmse / spans).mean(), rel=1e-5)


def test_the_tested_person_is_refused_and_leaves_no_trace(whole: SearchResult) -> None:
    data = made_up("abcd", each=8, points=11)
    with pytest.raises(LeakError, match="participant a is to be tested"):
        search(SPACE, SMALL, QUICK, data, loso(data)[0])
    data.data["inputs"][data.per_stance("participant") == "a"] = 1e6
    assert searched(data).trials == whole.trials
    chosen = QUICK.model_copy(update={"chosen_on": ("a",)})
    with pytest.raises(LeakError, match=r"earlier search .* has seen a"):
        search(SPACE, SMALL, chosen, data.without("a"), loso(data)[0])
    other = loso(data)[1]
    with pytest.raises(LeakError, match="search that chose these settings has seen b"):
        fit(whole.network, whole.config, data.without("b"), other)


@pytest.mark.parametrize("stop_after", [0, 2])
def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(
    tmp_path: Path, stop_after: int, whole: SearchResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grfkit.learn import search as module

    storage, true_score = tmp_path / "search.db", module._score

    def dies(*given: object) -> float | None:
        if len(told) == stop_after:
            raise KeyboardInterrupt
        return true_score(*given)  # type: ignore[arg-type]

    told: list[TrialRow] = []
    monkeypatch.setattr(module, "_score", dies)
    with pytest.raises(KeyboardInterrupt):
        searched(storage=storage, progress=told.append)
    monkeypatch.setattr(module, "_score", true_score)
    rest: list[TrialRow] = []
    resumed = searched(storage=storage, progress=rest.append)
    assert [t.number for t in rest] == list(range(stop_after, 5))
    assert resumed == whole
    assert searched(storage=storage, progress=rest.append) == whole
    assert len(rest) == 5 - stop_after, "what is done is not done again"
    with pytest.raises(BadInputError, match="is the state of another search"):
        searched(storage=storage, seed=3)


def test_the_sampler_learns_and_a_kill_changes_nothing_past_its_random_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from grfkit.learn import search as module

    told: list[TrialRow] = []

    def bowl(_: object, config: TrainConfig, *__: object) -> float:
        if len(told) == 13 and storage is not None:
            raise KeyboardInterrupt
        return abs(np.log10(config.lr) + 3.0)

    monkeypatch.setattr(module, "_score", bowl)
    space = {"train.lr": Span(low=1e-6, high=1.0, log=True)}
    data = made_up("abc", each=2, points=11)
    given = (space, SMALL, QUICK, data.without("a"), loso(data)[0])
    storage = None
    whole = search(*given, trials=30)
    late = [t.score for t in whole.trials[15:]]
    assert np.median(late) < 0.5 * np.median([t.score for t in whole.trials[:10]]), "TPE goes where it is good"
    storage = tmp_path / "bowl.db"
    with pytest.raises(KeyboardInterrupt):
        search(*given, trials=30, storage=storage, progress=told.append)
    told.append(told[-1])
    assert search(*given, trials=30, storage=storage) == whole


def test_processes_give_the_same_table(whole: SearchResult) -> None:
    with local_processes(2) as pool:
        assert searched(workers=pool, trials=3).trials == whole.trials[:3]


def test_another_seed_tries_other_settings(whole: SearchResult) -> None:
    assert searched(seed=7, trials=1).trials[0].settings != whole.trials[0].settings


def test_settings_under_which_training_diverges_are_the_worst_not_the_end() -> None:
    data = made_up("abc", each=8, points=11)
    fold = loso(data)[0]
    config = TrainConfig(epochs=2, batch=4, clip=0.0, schedule="constant", patience=0)
    space = {"train.lr": Span(choices=(1e30, 1e-3))}
    found = search(space, SMALL, config, data.without("a"), fold, trials=6, folds=2)
    for trial in found.trials:
        assert (trial.score is None) == (trial.settings["train.lr"] == 1e30)
    assert found.config.lr == 1e-3
    assert any(t.score is None for t in found.trials)
    with pytest.raises(BadInputError, match="training diverged in all 2 trials"):
        search({"train.lr": Span(choices=(1e30,))}, SMALL, config, data.without("a"), fold, trials=2)


def test_bad_spaces_and_storages_are_refused_by_name(tmp_path: Path) -> None:
    data = made_up("abc", each=4, points=11)
    fold = loso(data)[0]
    kept = data.without("a")
    for name, says in (
        ("network.hiden", "hiden is unknown"),
        ("train.speed", "no setting 'train.speed'"),
        ("lr", "no setting 'lr'"),
        ("network.head.3", "number 4 of 1"),
    ):
        with pytest.raises(BadInputError, match=says):
            search({name: Span(choices=(4,))}, SMALL, QUICK, kept, fold)
    with pytest.raises(BadInputError, match=r"lr is -1\.0, expected more than 0"):
        search({"train.lr": Span(choices=(-1.0,))}, SMALL, QUICK, kept, fold)
    with pytest.raises(BadInputError, match="0 settings"):
        search({}, SMALL, QUICK, kept, fold)
    with pytest.raises(BadInputError, match="two participants or more"):
        search(SPACE, SMALL, QUICK, data.of("b"), Fold("x", ("b",), (), ("a",)))
    broken = tmp_path / "broken.db"
    broken.write_text("no data base " * 100)
    with pytest.raises(BadInputError, match="is no state of a search"):
        search(SPACE, SMALL, QUICK, kept, fold, storage=broken)
    for wrong in ({}, {"choices": (1,), "low": 0.0, "high": 1.0}, {"low": 2.0, "high": 1.0}, {"low": 1.0}):
        with pytest.raises(ValueError, match=r"give either choices|low has to be"):
            Span(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", sorted(SPACES))
def test_every_setting_of_a_presets_space_exists(preset: str) -> None:
    network = network_config("bilstm", head=(8, 8))
    for end in (0, -1):
        drawn = {
            n: s.choices[end] if s.choices else (int if s.whole else float)((s.low or 0.0) if end == 0 else s.high or 0)
            for n, s in space_of(preset).items()
        }
        new_network, new_config = applied(network, TrainConfig(), drawn)
        assert new_config.lr == drawn["train.lr"]
        assert new_network.model_dump()["hidden"] == drawn["network.hidden"]
    with pytest.raises(BadInputError, match="'x' has no space"):
        space_of("x")
