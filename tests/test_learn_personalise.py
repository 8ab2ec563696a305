"""Personalisation: the same test windows at every count, never those that calibrated, and a gain where there is one."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.evaluation.personalise import COUNTS, LEAK_PERSONAL, Way, fit_affine, in_time, parts_for, personalise
from grfkit.learn.folds import LeakError, loso
from grfkit.learn.model import GrfModel, predict
from grfkit.learn.networks import network_config
from grfkit.learn.train import fit
from grfkit.learn.train_config import TrainConfig
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up, on_surface

SMALL = network_config("mlp", hidden=24, head=(24,), context=1, layers=1, dropout=0.0)


@pytest.fixture(scope="module")
def model() -> GrfModel:
    """Return a model of b, c and d."""
    data = made_up("abcd", each=24)
    fold = loso(data)[0]
    config = TrainConfig(epochs=40, batch=8, patience=0, lr=1e-2)
    return fit(SMALL, config, data.without(fold.test), fold)


def own(offset: float = 0.4) -> StanceSet:
    """Return 24 windows of a, whose force is larger by an offset than the model can know."""
    return on_surface(made_up("a", each=24, seed=5), "treadmill", offset=offset)


@pytest.mark.parametrize("method", ["affine", "fine-tune"])
def test_more_strides_less_error_on_the_same_windows(model: GrfModel, method: Way) -> None:
    config = TrainConfig(epochs=30, patience=0, batch=4, lr=1e-2, schedule="constant")
    rows = personalise(model, own(), method=method, config=config, lr_factor=1.0)
    assert [r.windows for r in rows] == list(COUNTS)
    assert {r.test_windows for r in rows} == {8}
    assert [r.leaks for r in rows] == [(), *[(LEAK_PERSONAL,)] * 4]
    errors = [r.rmse_bw["vgrf"] for r in rows]
    assert errors[0] == pytest.approx(0.4, abs=0.08), "the offset nobody told"
    assert errors[-1] < 0.35 * errors[0]
    if method == "affine":
        assert all(b < a + 0.01 for a, b in pairwise(errors)), errors
    late = in_time(own()).where(np.arange(24) >= 16)
    truth = late.arrays()[1]
    for row in rows:
        each = np.sqrt(((row.forces_bw - truth) ** 2).mean(axis=1))
        assert row.rmse_bw == pytest.approx({"vgrf": each[:, 0].mean(), "apgrf": each[:, 1].mean()})
    assert rows[2].row()["leaks"] == [LEAK_PERSONAL]
    assert rows[2].row()["participant"] == "a"


@pytest.mark.parametrize("method", ["affine", "fine-tune"])
def test_tested_windows_do_not_calibrate_and_the_model_stays(model: GrfModel, method: Way) -> None:
    config = TrainConfig(epochs=2, patience=0, batch=4, schedule="constant")
    before = {k: v.clone() for k, v in model.network.state_dict().items()}
    plain = personalise(model, own(), method=method, config=config)
    assert all(bool((before[k] == v).all()) for k, v in model.network.state_dict().items())
    wild = in_time(own())
    wild.data["targets"][16:] = 9.0
    for one, other in zip(plain, personalise(model, wild, method=method, config=config)):
        np.testing.assert_array_equal(one.forces_bw, other.forces_bw)
    later = in_time(own())
    later.data["targets"][4:] = 9.0
    for one, other in zip(plain[:3], personalise(model, later, method=method, config=config)):
        np.testing.assert_array_equal(one.forces_bw, other.forces_bw)
    np.testing.assert_array_equal(plain[0].forces_bw, predict(model, in_time(own()).where(np.arange(24) >= 16)))


def test_windows_are_taken_in_time_whatever_their_order() -> None:
    data = made_up("a", each=10, trials=2)
    mixed = StanceSet(data.data.isel(stance=np.random.default_rng(3).permutation(10)))
    early, late = parts_for(mixed, (0, 4))
    assert early.data["start_s"].values.tolist() == [0, 1, 2, 3]
    assert late.data["start_s"].values.tolist() == [4, 5, 6, 7, 8, 9]
    assert late.per_stance("trial").tolist() == ["t0"] + ["t1"] * 5


def test_a_person_the_model_knows_is_refused(model: GrfModel) -> None:
    for known in "bcd":
        with pytest.raises(LeakError, match=f"participant {known} was in the training of the model to be personalised"):
            personalise(model, made_up("abcd", each=24).of(known))


def test_what_cannot_be_personalised_is_refused_in_words(model: GrfModel) -> None:
    with pytest.raises(BadInputError, match="one participant is calibrated at a time, not a, e"):
        personalise(model, made_up("ae", each=24))
    with pytest.raises(BadInputError, match="has 16 windows; calibration on 16 leaves none"):
        personalise(model, made_up("a", each=16))
    for counts in ((), (-1, 2), (2, 2)):
        with pytest.raises(BadInputError, match="expected different numbers"):
            personalise(model, own(), counts=counts)
    unknown = made_up("a", each=24)
    unknown.data["start_s"][:] = np.nan
    with pytest.raises(BadInputError, match="needs start_s"):
        personalise(model, unknown)


@given(st.floats(0.5, 2.0), st.floats(-0.5, 0.5), st.integers(0, 100))
def test_an_affine_error_is_undone_exactly_without_the_prior(gain: float, offset: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    said, weight = rng.normal(1.0, 0.5, (3, 9, 2)), rng.uniform(0.1, 1.0, (3, 9))
    truth = said * [gain, 1.0] + [offset, 0.0]
    weight[1, 4:] = 0.0
    truth[1, 4:] = np.nan
    found = fit_affine(said, truth, weight, prior_windows=0.0)
    np.testing.assert_allclose(found.gain, [gain, 1.0], atol=1e-9)
    np.testing.assert_allclose(found.offset_bw, [offset, 0.0], atol=1e-9)


def test_the_prior_draws_to_the_identity_as_the_formula_says() -> None:
    said, truth, weight = np.full((4, 5, 1), 1.0), np.full((4, 5, 1), 1.3), np.ones((4, 5))
    found = fit_affine(said, truth, weight, prior_windows=2.0)
    # constant curves: g' and o split the residual r = .3 alike, 20 (g' + o - r) + 10 g' = 0, so g' = o = .3 * 20 / 50
    np.testing.assert_allclose([found.gain[0] - 1.0, found.offset_bw[0]], [0.12, 0.12], rtol=1e-9)
    nearly = fit_affine(said, truth, weight, prior_windows=1e9)
    np.testing.assert_allclose([nearly.gain[0], nearly.offset_bw[0]], [1.0, 0.0], atol=1e-6)
    nothing = fit_affine(said, truth, np.zeros((4, 5)))
    assert (nothing.gain[0], nothing.offset_bw[0]) == (1.0, 0.0)
