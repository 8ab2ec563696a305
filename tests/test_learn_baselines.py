"""Baselines: each against an answer worked out another way, and blind to whom it is asked about."""

from __future__ import annotations

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.learn.baselines import (
    Baseline,
    KnownSpeedMeanCurve,
    LaggedRidge,
    MeanCurve,
    NearestNeighbours,
    Ridge,
    ScaledPressure,
    baselines,
    mean_curve,
    nearest_mean,
    ridge_answer,
)
from grfkit.learn.folds import LeakError
from grfkit.learn.ridge import ridge_answers
from grfkit.records.stance_set import StanceSet
from grfkit.units import G
from learn_sets import made_up


def fitted(predictor: Baseline, data: StanceSet) -> Baseline:
    predictor.fit(data)
    return predictor


def rmse(predictor: Baseline, test: StanceSet, axis: int = 0) -> float:
    return float(np.sqrt(((predictor.predict(test) - test.arrays()[1]) ** 2)[:, :, axis].mean()))


def test_the_mean_curve_counts_people_and_not_windows() -> None:
    data = made_up("ab", each=6)
    few = data.where(np.arange(12) >= 4)  # two windows of a, six of b
    y = few.arrays()[1].astype(np.float64)
    expected = (y[:2].mean(axis=0) + y[2:].mean(axis=0)) / 2
    np.testing.assert_allclose(mean_curve(few), expected, rtol=1e-6)
    model = fitted(MeanCurve(), few)
    np.testing.assert_allclose(model.predict(made_up("z", each=3)), np.stack([expected] * 3), rtol=1e-6)


def test_what_does_not_count_is_not_in_the_mean_curve() -> None:
    data, clean = made_up("ab", each=4), made_up("ab", each=4)
    data.data["weight"][1, 5:] = 0
    data.data["targets"][1, 5:] = np.nan
    y = clean.arrays()[1].astype(np.float64)
    late = (y[[0, 2, 3]].mean(axis=0) + y[4:].mean(axis=0)) / 2
    np.testing.assert_allclose(mean_curve(data)[5:], late[5:], rtol=1e-6)
    np.testing.assert_allclose(mean_curve(data)[:5], mean_curve(clean)[:5], rtol=1e-9)


def test_the_mean_curve_of_continuous_windows_is_one_number_per_axis() -> None:
    data = made_up("ab", each=4, window="continuous")
    y = data.arrays()[1].astype(np.float64)
    expected = [(y[:4, :, k].mean() + y[4:, :, k].mean()) / 2 for k in (0, 1)]
    curve = mean_curve(data)
    assert curve.shape == (21, 2)
    np.testing.assert_allclose(curve, np.tile(expected, (21, 1)), rtol=1e-6)


def test_the_known_speed_takes_the_nearest_trained_speed_and_else_the_condition() -> None:
    data = made_up("ab", each=6)
    y, odd = data.arrays()[1].astype(np.float64), np.arange(12) % 2 == 1
    model = fitted(KnownSpeedMeanCurve(), data)
    test = made_up("z", each=4)
    column = list(test.data["scalar"].values).index("speed_m_s")
    test.data["scalars"][:, column] = [3.0, 3.9, np.nan, 99.0]
    slow = (y[:6][~odd[:6]].mean(axis=0) + y[6:][~odd[6:]].mean(axis=0)) / 2
    fast = (y[:6][odd[:6]].mean(axis=0) + y[6:][odd[6:]].mean(axis=0)) / 2
    # the third window has no speed: its condition is slow
    np.testing.assert_allclose(model.predict(test), np.stack([slow, fast, slow, fast]), rtol=1e-6)
    test.data["condition"][2] = "unheard of"
    np.testing.assert_allclose(model.predict(test)[2], mean_curve(data), rtol=1e-6)


@pytest.mark.parametrize(("rows", "columns"), [(30, 8), (8, 30)])
def test_ridge_is_least_squares_with_rows_of_penalty(rows: int, columns: int) -> None:
    rng = np.random.default_rng(rows)
    x, y, at = rng.normal(2, 1, (rows, columns)), rng.normal(5, 1, (rows, 3)), rng.normal(2, 1, (4, columns))
    x0, y0 = x.mean(axis=0), y.mean(axis=0)
    taller = np.vstack([x - x0, np.sqrt(7.0) * np.eye(columns)])
    weights = np.linalg.lstsq(taller, np.vstack([y - y0, np.zeros((columns, 3))]), rcond=None)[0]
    np.testing.assert_allclose(ridge_answer(x, y, 7.0, at), (at - x0) @ weights + y0, rtol=1e-9)
    far = ridge_answer(x, y, 1e12, at)
    np.testing.assert_allclose(far, np.tile(y0, (4, 1)), atol=1e-6)


@pytest.mark.parametrize(("rows", "columns"), [(40, 12), (12, 40)])
def test_all_penalties_at_once_are_each_of_them_alone(rows: int, columns: int) -> None:
    """The reference solves each penalty's own augmented least squares; columns that repeat leave the Gram singular."""
    rng = np.random.default_rng(columns)
    x, y, at = rng.normal(3, 2, (rows, columns)), rng.normal(-1, 1, (rows, 2)), rng.normal(3, 2, (5, columns))
    x[:, 1], at[:, 1] = x[:, 0], at[:, 0]
    x0, y0 = x.mean(axis=0), y.mean(axis=0)
    alphas = (1e-2, 1.0, 30.0, 1e4)
    for alpha, said in zip(alphas, ridge_answers(x, y, alphas, at), strict=True):
        taller = np.vstack([x - x0, np.sqrt(alpha) * np.eye(columns)])
        weights = np.linalg.lstsq(taller, np.vstack([y - y0, np.zeros((columns, 2))]), rcond=None)[0]
        np.testing.assert_allclose(said, (at - x0) @ weights + y0, rtol=1e-7, atol=1e-9)


def test_ridge_thins_long_windows_and_keeps_short_ones_whole() -> None:
    for points, kept in ((11, 11), (21, 21), (61, 21), (101, 26)):
        data = made_up("ab", each=3, points=points)
        model = Ridge()
        model.fit(data)
        assert model.learn_flat(data).shape == (6, kept * 5)


def test_ridge_finds_a_linear_law_for_a_person_never_seen_and_chooses_little_penalty() -> None:
    data = made_up("abcd", each=60)
    model = Ridge()
    model.fit(data)
    test = made_up("z", each=20, seed=8)
    assert rmse(model, test) < 0.4 * rmse(fitted(MeanCurve(), data), test)
    assert rmse(model, test) < 0.15 * test.arrays()[1][:, :, 0].std()
    noise = made_up("abcd", each=12)
    noise.data["inputs"][:] = np.random.default_rng(0).normal(size=noise.data["inputs"].shape)
    blind = Ridge()
    blind.fit(noise)
    assert blind.alpha == max(blind.alphas) > model.alpha, "inputs that say nothing get the greatest penalty"


def test_ridge_takes_missing_values_as_the_mean_and_constant_channels_as_nothing() -> None:
    data, test = made_up("abc", each=12), made_up("z", each=3)
    data.data["inputs"][:, :, 4] = 2.5
    model = fitted(Ridge(), data)
    plain = model.predict(test)
    test.data["inputs"][:, :, 4] = -1e6
    np.testing.assert_array_equal(model.predict(test), plain)
    test.data["inputs"][0, :, 1] = np.nan
    filled = made_up("z", each=3)
    filled.data["inputs"][0, :, 1] = data.data["inputs"][:, :, 1].values.astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(model.predict(test)[0], model.predict(filled)[0], atol=1e-5)


def test_nearest_neighbours_are_those_of_brute_force() -> None:
    rng = np.random.default_rng(4)
    x, y, at = rng.normal(size=(25, 6)), rng.normal(size=(25, 3)), rng.normal(size=(7, 6))
    for k in (1, 4, 99):
        apart = np.array([[np.linalg.norm(a - b) for b in x] for a in at])
        expected = [y[np.argsort(row)[:k]].mean(axis=0) for row in apart]
        np.testing.assert_allclose(nearest_mean(x, y, k, at), expected, rtol=1e-12)
    data = made_up("abc", each=10)
    twin = StanceSet(data.of("b").data.assign_coords(participant=("stance", np.asarray(["z"] * 10, dtype=object))))
    model = NearestNeighbours(ks=(1,), every=1)
    model.fit(data)
    np.testing.assert_allclose(model.predict(twin), data.of("b").arrays()[1], rtol=1e-6)


def test_lagged_ridge_finds_a_filter_and_its_lags() -> None:
    """The force is half the channel 2 samples ago plus a quarter of it 1 sample ahead: three lags hold the law."""
    data, test = (made_up(p, each=10, window="continuous", points=40, seed=s) for p, s in (("abc", 1), ("z", 2)))
    for one in (data, test):
        x = one.data["inputs"].values[:, :, 0]
        late, soon = np.roll(x, 2, axis=1), np.roll(x, -1, axis=1)
        one.data["targets"][:, :, 0] = 0.5 * late + 0.25 * soon + 1.0
        one.data["weight"][:, :2] = 0
        one.data["weight"][:, -1:] = 0
    model = LaggedRidge(lags=(-2, 0, 1), alphas=(1e-6, 1e6))
    model.fit(data)
    assert model.alpha == 1e-6
    said, truth = model.predict(test)[:, 2:-1, 0], test.arrays()[1][:, 2:-1, 0]
    np.testing.assert_allclose(said, truth, atol=1e-4)
    short = LaggedRidge(lags=(0,), alphas=(1e-6,))
    short.fit(data)
    assert np.abs(short.predict(test)[:, 2:-1, 0] - truth).max() > 0.05


def test_lagged_ridge_is_weighted_ridge_on_z_scores() -> None:
    data = made_up("ab", each=5, window="continuous", points=9)
    data.data["weight"][:] = np.random.default_rng(2).uniform(0.1, 1.0, (10, 9))
    model = LaggedRidge(lags=(0,), alphas=(3.0,))
    model.fit(data)
    x, y, w = (v.astype(np.float64) for v in data.arrays())
    flat = x.reshape(-1, 5)
    z = np.column_stack([(flat - flat.mean(axis=0)) / flat.std(axis=0), np.ones(90)])
    root = np.sqrt(w.reshape(-1, 1))
    taller = np.vstack([root * z, np.sqrt(3.0) * np.eye(6)[:5]])
    weights = np.linalg.lstsq(taller, np.vstack([root * y.reshape(-1, 2), np.zeros((5, 2))]), rcond=None)[0]
    test = made_up("z", each=3, window="continuous", points=9)
    at = (test.arrays()[0].astype(np.float64).reshape(-1, 5) - flat.mean(axis=0)) / flat.std(axis=0)
    expected = np.column_stack([at, np.ones(27)]) @ weights
    np.testing.assert_allclose(model.predict(test).reshape(-1, 2), expected, rtol=1e-5, atol=1e-6)


def test_scaled_pressure_is_one_gain_times_the_cells_over_body_weight() -> None:
    data, test = made_up("ab", each=6, mass_kg=60.0), made_up("z", each=3, mass_kg=80.0)
    for one, mass in ((data, 60.0), (test, 80.0)):
        cells = one.data["inputs"].values[:, :, 3:5].sum(axis=2)
        one.data["targets"][:, :, 0] = 1.7 * cells / (mass * G)
    model = ScaledPressure()
    model.fit(data)
    assert model.gain == pytest.approx(1.7, rel=1e-5)
    np.testing.assert_allclose(model.predict(test)[:, :, 0], test.arrays()[1][:, :, 0], rtol=1e-5)
    np.testing.assert_allclose(model.predict(test)[0, :, 1], mean_curve(data)[:, 1], rtol=1e-9)
    dead = made_up("z", each=3, mass_kg=80.0)
    dead.data["inputs"][:, :, 4] = np.nan
    left = 1.7 * dead.data["inputs"].values[:, :, 3] / (80.0 * G)
    np.testing.assert_allclose(model.predict(dead)[:, :, 0], left, rtol=1e-5)
    with pytest.raises(BadInputError, match="needs mass_kg of every window"):
        model.predict(made_up("z", mass_kg=float("nan")))
    unloaded = made_up("ab")
    unloaded.data["inputs"][:, :, 3:] = 0
    with pytest.raises(BadInputError, match="all unloaded or missing"):
        fitted(ScaledPressure(), unloaded)
    with pytest.raises(BadInputError, match=r"needs channels cell_\*"):
        fitted(ScaledPressure(), made_up("ab", channels=("acc_x", "acc_y", "acc_z")))


@pytest.mark.parametrize("window", ["stance", "continuous"])
def test_every_baseline_refuses_those_it_has_seen_and_what_it_was_not_fitted_on(window: str) -> None:
    data, test = made_up("abc", window=window), made_up("z", each=3, window=window)
    found = baselines(data)
    names = {"stance": ["ridge", "kNN"], "continuous": ["ridge with lags"]}[window]
    expected = ["mean curve", "mean curve of the known speed", *names, "scaled pressure sum"]
    assert [p.name for p in found] == expected
    for one in found:
        with pytest.raises(BadInputError, match="has not been fitted"):
            one.predict(test)
        one.fit(data)
        with pytest.raises(LeakError, match=f"participant a was in the fit of {one.name}"):
            one.predict(data.of("a"))
        assert one.predict(test).shape == (3, 21, 2)
        assert np.isfinite(one.predict(test)).all()
        with pytest.raises(BadInputError, match="windows have 11 points"):
            one.predict(made_up("z", points=11, window=window))
    for one in baselines(data, leaks=("within trial",)):
        one.fit(data)
        assert one.predict(data.of("a")).shape == (12, 21, 2)


def test_channels_in_another_order_give_the_same_answer_and_a_missing_one_is_named() -> None:
    data, test = made_up("abc"), made_up("z", each=3)
    turned = StanceSet(test.data.isel(channel=[4, 3, 2, 1, 0]))
    fewer = StanceSet(test.data.isel(channel=[0, 1, 2, 3]))
    for one in (Ridge(), NearestNeighbours(), LaggedRidge()):
        one.fit(data)
        np.testing.assert_array_equal(one.predict(turned), one.predict(test))
        with pytest.raises(BadInputError, match="channel cell_2 is wanted"):
            one.predict(fewer)
    with pytest.raises(BadInputError, match="takes time-normalised stances"):
        fitted(Ridge(), made_up("abc", window="continuous"))


def test_the_cells_are_few_where_only_they_tell() -> None:
    alone = made_up("abc", channels=("cell_1", "cell_2", "cell_3"))
    assert "scaled pressure sum" in [p.name for p in baselines(alone)]
    assert "scaled pressure sum" not in [p.name for p in baselines(made_up("ab", channels=("acc_x", "acc_y", "acc_z")))]
