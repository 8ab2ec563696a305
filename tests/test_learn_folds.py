"""Folds: is everyone tested once, is nobody on both sides, and does a split that leaks say so?"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.learn.folds import Fold, LeakError, grouped_kfold, leave_one_trial_out, loso, stable_seed, within_trial
from learn_sets import made_up


@given(st.integers(2, 9), st.integers(0, 4))
def test_loso_tests_everyone_once_and_nobody_twice(count: int, inner: int) -> None:
    data = made_up("abcdefghi"[:count], each=1, points=3)
    folds = loso(data, inner=inner)
    assert [f.test for f in folds] == [(p,) for p in data.participants]
    for fold in folds:
        assert sorted(fold.train + fold.inner + fold.test) == list(data.participants)
        assert len(fold.inner) == min(inner, count - 2)
        assert fold.leaks == ()


@given(st.integers(2, 9), st.integers(0, 5))
def test_grouped_folds_part_the_participants(k: int, seed: int) -> None:
    data = made_up("abcdefghi", each=1, points=3)
    folds = grouped_kfold(data, k=k, seed=seed)
    assert sorted(p for f in folds for p in f.test) == list(data.participants)
    sizes = [len(f.test) for f in folds]
    assert max(sizes) - min(sizes) <= 1


def test_seeds_are_the_same_in_another_process_and_derive_from_the_person() -> None:
    code = "from grfkit.learn.folds import stable_seed; print(stable_seed(1966, 'participant', 'S01'))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(other.stdout) == stable_seed(1966, "participant", "S01")
    one, two = loso(made_up("abc", each=1, points=3))[:2]
    assert one.seed(1) != two.seed(1)
    assert one.seed(1) == loso(made_up("abcd", each=1, points=3))[0].seed(1), "more people, same person: same seed"


def test_one_participant_is_refused_and_told_what_is_left() -> None:
    with pytest.raises(BadInputError, match=r"holds 1 participant\(s\) \(a\).*leave_one_trial_out"):
        loso(made_up("a"))


def test_a_fold_with_someone_on_both_sides_cannot_be_made() -> None:
    with pytest.raises(BadInputError, match="b is in two of"):
        Fold("x", ("a", "b"), (), ("b",))
    with pytest.raises(BadInputError, match="leaks, but names no leak"):
        Fold("x", ("a/t",), (), ("a/u",), "trial")


def test_data_with_the_tested_or_with_a_stranger_are_refused() -> None:
    data = made_up("abc")
    fold = loso(data, inner=0)[0]
    with pytest.raises(LeakError, match="participant a is to be tested"):
        fold.check(data)
    fold.check(data.without(["a"]))
    with pytest.raises(BadInputError, match="d is in the set but in no part"):
        fold.check(made_up("bd"))
    with pytest.raises(BadInputError, match="nothing of its training part"):
        Fold("x", ("a",), ("b",), ()).check(made_up("b"))


def test_trials_left_out_name_their_leak_and_are_apart() -> None:
    data = made_up("ab", each=6, trials=3)
    folds = leave_one_trial_out(data)
    assert len(folds) == 6
    for fold in folds:
        assert fold.leaks
        assert not set(fold.keys(fold.of(data, "train"))) & set(fold.keys(fold.of(data, "test")))
        assert fold.of(data, "test").size == 2
        with pytest.raises(LeakError, match="trial"):
            fold.check(data)


def test_a_trial_is_cut_in_time_half_a_quarter_and_a_quarter() -> None:
    data = made_up("ab", each=8, trials=1)
    fold = within_trial(data)
    assert fold.leaks
    parts = [fold.of(data, part) for part in ("train", "inner", "test")]
    assert [p.size for p in parts] == [8, 4, 4]
    for person in "ab":
        train, inner, test = (p.of([person]).data["start_s"].values for p in parts)
        assert train.max() < inner.min() <= inner.max() < test.min()
    unknown = made_up("a")
    unknown.data["start_s"][:] = np.nan
    with pytest.raises(BadInputError, match="needs start_s"):
        within_trial(unknown)
