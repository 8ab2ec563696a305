"""One name is one person: could somebody be in training and in test because their name was typed in two ways?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.dataset.set_writer import write_sets
from grfkit.errors import BadInputError
from grfkit.estimation.estimate import allowed_leaks
from grfkit.learn.folds import Fold, LeakError, check_blind
from grfkit.learn.model import predict
from grfkit.learn.networks import network_config
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.learn.transfer import transfer_folds
from grfkit.records.participants import check_names, person_key, seen_among
from grfkit.records.stance_set import StanceSet, join
from learn_sets import made_up, on_surface

SPELT = ["A", "a ", " a", "\uff41"]


def renamed(data: StanceSet, names: dict[str, str]) -> StanceSet:
    people = np.asarray([names.get(str(p), str(p)) for p in data.per_stance("participant")], dtype=object)
    return StanceSet(data.data.assign_coords(participant=("stance", people)))


@pytest.mark.parametrize("other", SPELT)
def test_a_person_spelt_in_two_ways_is_refused_where_sets_meet(other: str, tmp_path: Path) -> None:
    ours, theirs = made_up("ab"), renamed(made_up("ac", seed=1), {"a": other})
    with pytest.raises(BadInputError, match="differ only in case or spaces"):
        join([ours, theirs])
    with pytest.raises(BadInputError, match="differ only in case or spaces"):
        transfer_folds(on_surface(ours, "treadmill"), on_surface(theirs, "overground"))
    out = tmp_path / "set.nc"
    with pytest.raises(BadInputError, match="differ only in case or spaces"):
        write_sets([made_up("b"), ours, theirs], out)
    assert not list(tmp_path.iterdir())


def test_a_file_that_spells_a_person_in_two_ways_is_refused_by_name(tmp_path: Path) -> None:
    renamed(made_up("abc"), {"b": "A"}).to_netcdf(tmp_path / "two.nc")
    with pytest.raises(BadInputError, match=r"two\.nc: participants 'A' and 'a'"):
        StanceSet.open(tmp_path / "two.nc")


def test_composed_and_decomposed_letters_are_one_person_and_neighbours_are_two() -> None:
    assert person_key("Zo\u00eb") == person_key("Zoe\u0308") == person_key("ZO\u00cb ")
    check_names(["P01", "P1", "P10", "P01b", "P01"])
    assert seen_among(["p01", "P02"], ["P01 ", "P03"]) == ["p01"]


def test_a_model_knows_who_trained_it_however_they_are_spelt() -> None:
    data = made_up("abc")
    fold = Fold("f", ("a", "b"), (), ("c",))
    model = fit(network_config("cnn1d", hidden=4), TrainConfig(epochs=1, patience=0), data.without(["c"]), fold)
    stranger = renamed(data.of(["a"]), {"a": "A "})
    with pytest.raises(LeakError, match="was in the training"):
        predict(model, stranger)
    assert predict(model, data.of(["c"])).shape[0] == 12
    assert allowed_leaks(model.spec, "A", "known") == ("known: A was in training",)
    with pytest.raises(LeakError, match="has seen c"):
        check_blind(fold, ["C"], "the scaler")


def test_sets_in_other_units_or_at_other_rates_are_not_joined() -> None:
    ours, theirs = made_up("ab"), made_up("c", seed=1)
    units = np.asarray(["g" if u == "m/s^2" else u for u in theirs.data["unit"].values], dtype=object)
    with pytest.raises(BadInputError, match=r"'acc_x' is in m/s\^2 .* and in g "):
        join([ours, StanceSet(theirs.data.assign_coords(unit=("channel", units)))])
    slow, fast = made_up("ab", window="continuous"), made_up("c", window="continuous", seed=1)
    assert join([slow, fast]).size == slow.size + fast.size
    with pytest.raises(BadInputError, match=r"at 100 Hz .* and at 200 Hz"):
        join([slow, StanceSet(fast.data.assign_attrs(rate_hz=200.0))])
