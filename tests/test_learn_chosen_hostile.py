"""Sets that a choice of methods must survive: forces, channels or people missing, curves without error."""

from __future__ import annotations

import json

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.evaluation.evaluate import evaluate
from grfkit.learn.candidates import candidates
from grfkit.learn.choice import choose
from grfkit.learn.chosen import fit_chosen
from grfkit.learn.everyone import whole_fold
from grfkit.learn.folds import Fold
from grfkit.learn.training_job import train
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up


def of_person(data: StanceSet, person: str) -> np.ndarray:
    return np.asarray(data.per_stance("participant") == person)


@pytest.mark.parametrize("how", ["weight", "targets", "one axis"])
def test_people_without_forces_do_not_choose(how: str) -> None:
    data = made_up("abcde", each=6)
    rows = of_person(data, "a")
    if how == "weight":
        data.data["weight"][rows] = 0.0
    else:
        data.data["targets"][rows, :, slice(1 if how == "one axis" else 0, None)] = np.nan
    found = choose(data, candidates(data, method="ridge") + candidates(data, method="mean curve"), method="ridge")
    without = choose(
        data.without(["a"]), candidates(data, method="ridge") + candidates(data, method="mean curve"), method="ridge"
    )
    assert found.document() == without.document()
    assert found.chosen == "ridge"
    json.dumps(found.document(), allow_nan=False)


def test_forces_of_one_person_are_refused() -> None:
    data = made_up("abc", each=6)
    data.data["weight"][~of_person(data, "b")] = 0.0
    with pytest.raises(BadInputError, match="forces are known of b only"):
        train(data)


def test_a_channel_of_one_group_is_named() -> None:
    data = made_up("abcde", each=6)
    data.data["inputs"][~of_person(data, "a"), :, 0] = np.nan
    with pytest.raises(BadInputError, match="channel acc_x is known of a only, of 5 participants"):
        train(data)


@pytest.mark.parametrize("method", ["best", "network"])
def test_infinite_inputs_are_refused(method: str) -> None:
    data = made_up("abcde", each=3)
    data.data["inputs"][3, 4, 1] = np.inf
    with np.errstate(all="ignore"), pytest.raises(BadInputError, match="channel acc_y holds infinite numbers"):
        fit_chosen(data, whole_fold(data, 0), method=method)


def test_curves_without_error_have_words() -> None:
    data = made_up("abcd", each=4)
    data.data["targets"][:] = data.data["targets"].values[:1]
    found = choose(data, candidates(data, method="mean curve"), method="mean curve")
    assert found.words().endswith("as good as it")


def test_a_family_asked_for_is_what_is_trained_and_said() -> None:
    data = made_up("ab", each=6)
    model, choice = fit_chosen(data, whole_fold(data, 0), method="kernel ridge")
    assert model.spec.training["method"] == choice.chosen == "kernel ridge"
    data.data["inputs"][:] = np.random.default_rng(3).normal(size=data.data["inputs"].shape)
    model, choice = fit_chosen(data, whole_fold(data, 0), method="ridge")
    assert model.spec.training["method"] == choice.document()["chosen"] == "ridge"
    assert choice.words().startswith("asked for, compared on 2 people left out: ridge, ")
    assert " above the mean curve" in choice.words()


def test_two_people_are_evaluated_without_naming_a_method() -> None:
    data = made_up("ab", each=4)
    found = evaluate(data)
    assert len(found.methods) > 1
    model, _ = fit_chosen(data.of(["a"]), Fold("loso:b", ("a",), (), ("b",)))
    assert model.spec.training["method"] == "mean curve"
