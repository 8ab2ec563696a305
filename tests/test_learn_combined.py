"""Blends, kernel ridge and wrapped methods: do they answer, choose inside, and stay blind to the tested?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.evaluation.blend import Blend, BlendMethod, chosen_weights
from grfkit.evaluation.methods import BaselineMethod
from grfkit.evaluation.predictions import predict_folds
from grfkit.evaluation.wrapped import Balanced, OnChannels, on_channels
from grfkit.learn.folds import LeakError, leave_one_trial_out, loso
from grfkit.learn.kernel import KernelMethod, spread
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up

RIDGE, MEAN = BaselineMethod("ridge"), BaselineMethod("mean curve")


def test_weights_are_those_of_the_best_member() -> None:
    data = made_up("ab")
    truth = data.arrays()[1].astype(np.float64)
    rng = np.random.default_rng(0)
    found = chosen_weights(np.stack([truth, truth + rng.normal(size=truth.shape)]), data)
    assert found.tolist() == [[1.0, 1.0], [0.0, 0.0]]
    half = chosen_weights(np.stack([truth + 1, truth - 1]), data)
    assert half.tolist() == [[0.5, 0.5], [0.5, 0.5]]


def test_a_blend_is_its_best_member_where_the_other_knows_nothing() -> None:
    data = made_up("abcdef", each=40)
    blend = BlendMethod("blend", (RIDGE, MEAN))
    answers = predict_folds(data, loso(data, inner=2), [RIDGE, MEAN, blend], split="loso")
    errors = [np.sqrt(np.mean((answers.predicted(m) - answers.measured) ** 2)) for m in answers.methods]
    assert errors[2] == pytest.approx(errors[0], rel=0.05)
    assert errors[1] > 5 * errors[0]


def test_a_blend_does_not_feel_what_the_tested_did() -> None:
    data = made_up("abcde")
    fold = loso(data, inner=2)[0]
    blend = BlendMethod("blend", (RIDGE, KernelMethod()))
    one = blend.fit(data.without(fold.test), fold)
    with pytest.raises(LeakError):
        one.predict(data.of(fold.train))
    with pytest.raises(BadInputError, match="inner"):
        blend.fit(data.without(fold.test), replace(fold, inner=()))
    leaky = leave_one_trial_out(data)[0]
    with pytest.raises(BadInputError, match="participants"):
        blend.fit(data.of("abcd"), leaky)


def test_kernel_ridge_bends_where_ridge_cannot() -> None:
    data = made_up("abcdef", each=40)
    bent = data.data.copy(deep=True)
    bent["targets"].values[:] = np.cos(2.5 * bent["targets"].values)
    data = StanceSet(bent)
    answers = predict_folds(data, loso(data)[:2], [RIDGE, KernelMethod(every=1, widths=(1.0, 3.0)), MEAN], split="loso")
    ridge, kernel, mean = (
        np.sqrt(np.mean((answers.predicted(m) - answers.measured)[..., 0] ** 2)) for m in answers.methods
    )
    assert kernel < 0.9 * ridge
    assert ridge < mean
    assert spread(data, 60).size == 60


def test_a_method_sees_the_channels_it_is_shown() -> None:
    data = made_up("abcdef", each=40)
    assert on_channels(data, ("acc_*",)).channels == ("acc_x", "acc_y", "acc_z")
    with pytest.raises(BadInputError, match="no channel"):
        on_channels(data, ("gyro_*",))
    poor = OnChannels("cells only", RIDGE, ("cell_*",))
    answers = predict_folds(data, loso(data), [RIDGE, poor], split="loso")
    errors = [np.sqrt(np.mean((answers.predicted(m) - answers.measured)[..., 0] ** 2)) for m in answers.methods]
    assert errors[1] > 3 * errors[0]


def test_balance_takes_the_load_of_the_others_and_no_force_of_the_tested() -> None:
    data = made_up("abcd", window="continuous")
    lags = BaselineMethod("ridge with lags")
    fold = loso(data)[0]
    one = Balanced("balanced", lags).fit(data.without(fold.test), fold)
    test = data.of(fold.test)
    said = one.predict(test)
    changed = test.data.copy(deep=True)
    changed["targets"].values[:] = 9.0
    assert np.array_equal(said, one.predict(StanceSet(changed)))
    others = data.without(fold.test).arrays()[1][..., 0].mean()
    for trial in np.unique(test.per_stance("trial")):
        assert said[test.per_stance("trial") == trial][..., 0].mean() == pytest.approx(others, rel=0.02)
    with pytest.raises(BadInputError, match="continuous"):
        Balanced("b", RIDGE).fit(made_up("ab"), fold)


def test_what_a_member_does_not_predict_decides_about_no_weight() -> None:
    data = made_up("ab")
    truth = data.arrays()[1].astype(np.float64)
    good, bad = truth.copy(), truth + 1.0
    good[0] = np.nan
    weights = chosen_weights(np.stack([good, bad]), data)
    assert weights.tolist() == [[1.0, 1.0], [0.0, 0.0]], "NaN in one window of the best gave all to the last member"
    assert chosen_weights(np.stack([bad, good]), data).tolist() == [[0.0, 0.0], [1.0, 1.0]]
    good[data.per_stance("participant") == "a"] = np.nan
    assert chosen_weights(np.stack([good, bad]), data).tolist() == [[1.0, 1.0], [0.0, 0.0]], "a whole person unknown"
    with pytest.raises(BadInputError, match="every member of the blend"):
        chosen_weights(np.stack([np.full_like(truth, np.nan), bad]), data)


def test_a_member_of_no_weight_makes_nothing_unknown() -> None:
    data = made_up("ab", each=2)
    truth = data.arrays()[1].astype(np.float64)

    class Fixed:
        """Answers what it was given."""

        def __init__(self, forces: np.ndarray) -> None:
            self.forces = forces

        def predict(self, data: StanceSet) -> np.ndarray:
            return self.forces

    blend = Blend((Fixed(truth), Fixed(np.full_like(truth, np.nan))), np.asarray([[1.0, 1.0], [0.0, 0.0]]))
    np.testing.assert_array_equal(blend.predict(data), truth)
    half = Blend(blend.members, np.asarray([[1.0, 0.5], [0.0, 0.5]])).predict(data)
    np.testing.assert_array_equal(half[:, :, 0], truth[:, :, 0])
    assert np.isnan(half[:, :, 1]).all()


def test_kernel_ridge_does_not_take_an_unknown_force_for_none() -> None:
    data = made_up("abcd", each=30)
    weight = data.data["weight"].copy()
    hidden = np.arange(data.size) % 3 == 0
    weight[hidden, 5:] = 0.0
    targets = data.data["targets"].copy()
    targets[hidden, 5:] = np.nan
    patched = StanceSet(data.data.assign(weight=weight, targets=targets))
    fitted = [KernelMethod(every=1).fit(each.without("d"), loso(data)[3]) for each in (data, patched)]
    complete, partly = (f.predict(data.of("d")) for f in fitted)
    truth = data.of("d").arrays()[1]
    errors = [np.sqrt(np.mean((y - truth)[:, 5:, 0] ** 2)) for y in (complete, partly)]
    assert errors[1] < 2 * errors[0], "a third of the forces taken for 0 BW gave four times the error"
    # the forces known everywhere are predicted as before
    assert abs(float(np.mean(partly[:, 5:, 0] - truth[:, 5:, 0]))) < 0.05
