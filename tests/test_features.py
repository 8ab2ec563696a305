"""Facts of people as inputs: asked for by name, refused where unknown, and exchanged between people as a control."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit import evaluate, train
from grfkit.dataset.personal import with_people
from grfkit.errors import BadInputError
from grfkit.evaluation.exchanged import ExchangedFeatures
from grfkit.evaluation.methods import NetworkMethod
from grfkit.learn.features import check_known, columns_of, derangement, exchanged, unvarying, values_of
from grfkit.learn.folds import Fold, loso
from grfkit.learn.networks import network_config, network_names
from grfkit.learn.recipe import recipe_from_toml, recipe_of
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.records.person import PERSONAL, Person
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up


def known(names: str = "abcde", **more: int) -> StanceSet:
    """Return windows of people whose knees deviate by their number, and of whom some have an affected side."""
    data = made_up(names, each=4, **more)
    data = StanceSet(data.data.assign_coords(side=("stance", ["left", "right"] * (data.size // 2))))
    people = {
        name: Person(hka_left_deg=float(k), hka_right_deg=-float(k), hka_method="stated", affected=side)
        for k, (name, side) in enumerate(zip(names, ["left", "none", "right"] * len(names)))
    }
    return with_people(data, people)


def test_a_choice_of_features_takes_the_place_of_those_before() -> None:
    assert columns_of("both") == columns_of("shuffled") == PERSONAL
    assert recipe_of("carter2024", features="side").train.statics[-2:] == ("affected_own", "affected_other")
    earlier = recipe_of("carter2024", features="both")
    assert recipe_of(features="none", base=earlier).train.statics == recipe_of("carter2024").train.statics
    with pytest.raises(
        BadInputError, match=r"features is 'knee', expected .*'alignment', 'side', 'both' or 'shuffled'"
    ):
        recipe_of(features="knee")
    with pytest.raises(BadInputError, match="expected one of none, alignment"):
        columns_of("knee")


def test_a_document_asks_for_features_too(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('features = "alignment"\n[network]\nname = "mlp"\nstatics_by = "film"\n', encoding="utf-8")
    recipe = recipe_from_toml(path)
    assert recipe.train.statics == ("hka_own", "hka_other")
    assert recipe.network["statics_by"] == "film"


@pytest.mark.parametrize("by", ["tile", "concat", "film"])
@pytest.mark.parametrize("name", network_names())
def test_every_network_of_signals_takes_features_in_every_way(name: str, by: str) -> None:
    data = known("abc")
    network = network_config(name, hidden=4, statics_by=by)
    config = TrainConfig(epochs=1, patience=0, batch=6, statics=columns_of("both"))
    model = fit(network, config, data, Fold("all", data.participants, (), ()))
    assert model.spec.scaler.statics == PERSONAL
    assert np.isfinite(model.predict(known("f"))).all()


@pytest.mark.parametrize("method", ["ridge", "kernel ridge"])
def test_linear_methods_take_features_as_inputs(method: str, tmp_path: Path) -> None:
    model = train(known(), method=method, features="alignment", out=tmp_path / "model")
    assert model.spec.scaler.statics[-2:] == ("hka_own", "hka_other")
    with pytest.raises(BadInputError, match="ridge over the samples around each one takes no hka_own"):
        train(known(window="continuous"), method="ridge", features="alignment")


def test_what_is_not_known_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadInputError, match=r"hold no facts of people; state them .* grf-sync --person FILE"):
        train(made_up(), network="mlp", epochs=1, features="alignment")
    some = with_people(known(), {"a": Person(affected="left")})
    for work in (train, evaluate):
        with pytest.raises(BadInputError, match="'affected_own' is wanted, but not known of participant b, c, d, e"):
            work(some, network="mlp", epochs=1, features="side")
    # a preset leaves out scalars that no window knows, but never those of people
    with pytest.raises(BadInputError, match="hold no facts of people"):
        train(made_up(), preset="carter2024", epochs=1, features="both")
    with pytest.raises(BadInputError, match=r"features are 'shuffled', those of other people: a control"):
        train(known(), network="mlp", epochs=1, features="shuffled")
    with pytest.raises(BadInputError, match="features_by says how features enter a network"):
        train(known(), features="both", features_by="film")


def test_weights_of_imagenet_are_of_networks_of_images(tmp_path: Path) -> None:
    file = tmp_path / "w.pth"
    assert recipe_of(network="resnet50", imagenet=file).network == {"name": "resnet50", "imagenet": str(file)}
    for asked in ({"network": "mlp"}, {"method": "ridge"}):
        with pytest.raises(BadInputError, match=r"--imagenet .* is of resnet50 and inception3"):
            recipe_of(imagenet=file, **asked)


def test_features_that_all_share_are_told(tmp_path: Path) -> None:
    data = with_people(known(), {p: Person(affected="none") for p in "abcde"})
    assert unvarying(data, columns_of("side")) == ("affected_own", "affected_other")
    model = train(data, network="mlp", epochs=1, features="side", out=tmp_path / "model")
    assert any("'affected_own' is the same for everybody" in text for text in model.summary["findings"])


def test_an_exchange_is_a_derangement_of_whole_people() -> None:
    data = known("abcdefgh")
    values = values_of(data, PERSONAL)
    seen = set()
    for draw in range(20):
        donors = derangement(data.participants, draw)
        assert sorted(donors.values()) == list(data.participants)
        assert all(donor != person for person, donor in donors.items())
        seen.add(tuple(donors.values()))
        assert derangement(list(reversed(data.participants)), draw) == donors
    assert len(seen) > 15
    given = exchanged(data, PERSONAL, donors, values)
    table = np.stack([given.scalar(n) for n in PERSONAL], axis=1)
    for row, (person, side) in enumerate(zip(data.per_stance("participant"), data.per_stance("side"))):
        assert tuple(table[row]) == values[donors[person]][side]
    assert given.scalar("mass_kg").tolist() == data.scalar("mass_kg").tolist()
    np.testing.assert_array_equal(given.data["inputs"].values, data.data["inputs"].values)
    with pytest.raises(BadInputError, match="the set has one; add people"):
        derangement(["a"], 0)


def test_a_side_without_windows_has_the_values_of_the_other_turned() -> None:
    data = known("ab")
    left = data.where((data.per_stance("side") == "left") | (data.per_stance("participant") == "a"))
    assert values_of(left, PERSONAL) == values_of(data, PERSONAL)


def test_one_person_with_two_values_is_refused() -> None:
    data = known("ab")
    data.data["scalars"][0, [str(s) for s in data.data["scalar"].values].index("hka_own")] = 9.0
    with pytest.raises(BadInputError, match="participant 'a' has two values of hka_own, hka_other on the left side"):
        values_of(data, ("hka_own", "hka_other"))


def test_the_control_never_reads_the_features_of_the_tested() -> None:
    data = known("abcde")
    fold = loso(data, inner=0)[2]
    network = NetworkMethod("mlp", network_config("mlp", hidden=4), TrainConfig(epochs=1, patience=0, statics=PERSONAL))
    control = ExchangedFeatures("mlp, others", network, PERSONAL, 1)
    answers = []
    for shift in (0.0, 20.0):
        tested = data.of(fold.test)
        columns = [[str(s) for s in tested.data["scalar"].values].index(n) for n in PERSONAL]
        tested.data["scalars"][:, columns] += shift
        answers.append(control.fit(data.without(fold.test), fold).predict(tested))
    np.testing.assert_array_equal(*answers)
    plain = network.fit(data.without(fold.test), fold).predict(data.of(fold.test))
    assert not np.array_equal(plain, answers[0])


def test_an_evaluation_with_features_of_others_is_in_three_draws(tmp_path: Path) -> None:
    found = evaluate(known("abc"), network="mlp", epochs=1, features="shuffled", out=tmp_path / "out")
    assert found.methods[-3:] == tuple(f"mlp, features of others {k}" for k in (1, 2, 3))
    assert found.scores["recipe"]["features"] == "shuffled"
    with pytest.raises(BadInputError, match="'shuffled' are a control of methods as they are"):
        evaluate(known("abc"), network="mlp", epochs=1, features="shuffled", personalise="0,2")


def test_known_features_pass() -> None:
    check_known(known(), PERSONAL)
