"""What grf-train takes without being told: every method fitted without some people, and the best of them on those."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from grfkit.cli.learn_words import choice_lines
from grfkit.deploy.from_torch import plan_of
from grfkit.errors import BadInputError
from grfkit.evaluation.evaluate import evaluate
from grfkit.learn import chosen
from grfkit.learn.augment import Augmentation
from grfkit.learn.baselines import Ridge
from grfkit.learn.candidates import candidates, default_statics
from grfkit.learn.card import card, mix_weights
from grfkit.learn.choice import BALANCED, Choice, Row, choose, mixing_weights, rmse_by_person
from grfkit.learn.chosen import fit_chosen
from grfkit.learn.everyone import whole_fold
from grfkit.learn.folds import Fold, LeakError, loso
from grfkit.learn.kernel import KernelMethod
from grfkit.learn.linear_start import reduced_rank
from grfkit.learn.model import GrfModel
from grfkit.learn.networks import network_config, network_names
from grfkit.learn.recipe import recipe_of
from grfkit.learn.ridge import LaggedRidge
from grfkit.learn.train import fine_tune, fit
from grfkit.learn.train_config import TrainConfig
from grfkit.learn.training_job import train
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up

STILL = TrainConfig(epochs=0, patience=0, per_point=True)


def noise() -> StanceSet:
    """Return windows whose force has nothing to do with the channels."""
    data = made_up("abcdef", each=8)
    rng = np.random.default_rng(3)
    data.data["inputs"][:] = rng.normal(size=data.data["inputs"].shape)
    return data


def fold_of(data: StanceSet, tested: str) -> tuple[StanceSet, StanceSet, Fold]:
    fold = Fold(f"loso:{tested}", tuple(p for p in data.participants if p != tested), (), (tested,))
    return data.without([tested]), data.of([tested]), fold


@pytest.mark.parametrize("name", network_names())
def test_an_untrained_network_with_a_linear_path_answers_as_ridge_does(name: str) -> None:
    rest, near, fold = fold_of(made_up("abcd", each=10), "a")
    alone = fit(network_config("linear"), STILL, rest, fold).predict(near)
    started = fit(network_config(name, linear={}), STILL, rest, fold).predict(near)
    np.testing.assert_allclose(started, alone, atol=1e-6)


def test_the_linear_path_is_ridge_with_a_penalty_for_every_axis() -> None:
    rest, near, fold = fold_of(made_up("abcd", each=10), "a")
    ridge = Ridge()
    ridge.fit(rest)
    found = fit(network_config("linear", linear={"rank": 42}), STILL, rest, fold).predict(near)
    truth = near.arrays()[1]
    plain = rmse_by_person(near, ridge.predict(near), near.axes)
    ours = rmse_by_person(near, found, near.axes)
    assert (ours < 1.05 * plain).all()
    # the same map but for the penalty of the small axis, and a rank of all that varies
    np.testing.assert_allclose(found[:, :, 0], ridge.predict(near)[:, :, 0], atol=0.02 * np.ptp(truth[:, :, 0]))


def test_the_lagged_path_is_ridge_with_lags() -> None:
    rest, near, fold = fold_of(made_up("abcd", each=10, window="continuous"), "a")
    ridge = LaggedRidge(lags=tuple(range(-20, 21, 4)))
    ridge.fit(rest)
    still = STILL.model_copy(update={"per_point": False})
    found = fit(network_config("linear"), still, rest, fold).predict(near)
    np.testing.assert_allclose(found, ridge.predict(near), atol=1e-4)
    causal = network_config("tcn", hidden=4, layers=1, linear={"lags": 2, "step": 1})
    model = fit(causal, still, rest, fold)
    later = near.data.copy(deep=True)
    later["inputs"][:, 12:] += 100.0
    changed = model.predict(StanceSet(later))
    np.testing.assert_array_equal(changed[:, :12], model.predict(near)[:, :12])
    assert np.abs(changed[:, 12:] - model.predict(near)[:, 12:]).max() > 0.1


def test_the_lagged_path_starts_from_ridge_in_newtons_and_where_points_have_their_own_scales() -> None:
    rest, near, fold = fold_of(made_up("abcd", each=10), "a")
    ridge, path = LaggedRidge(lags=(-6, -3, 0, 3, 6)), {"kind": "lags", "lags": 2, "step": 3}
    ridge.fit(rest)
    network = network_config("linear", linear=path)
    found = fit(network, TrainConfig(epochs=0, target="newton"), rest, fold).predict(near)
    np.testing.assert_allclose(found, ridge.predict(near), atol=1e-4)
    found = fit(network, STILL, rest, fold).predict(near)
    mean = np.broadcast_to(rest.arrays()[1].mean(axis=0), found.shape)
    errors, of_mean = (rmse_by_person(near, said, near.axes) for said in (found, mean))
    assert (errors < 0.2 * of_mean).all(), "the law of a point's neighbours is linear, that of its z-scores nearly"


@pytest.mark.parametrize("statics", [(), ("speed_m_s",)])
def test_mean_curves_in_newtons_are_those_in_body_weights_where_all_weigh_the_same(statics: tuple[str, ...]) -> None:
    rest, near, fold = fold_of(made_up("abcd", each=10), "a")
    for data in (rest, near):
        data.data["scalars"].loc[{"scalar": "mass_kg"}] = 70.0
    still = TrainConfig(epochs=0, patience=0, statics=statics)
    due, found = (
        fit(network_config("mean_curve"), still.model_copy(update={"target": target}), rest, fold).predict(near)
        for target in ("bw", "newton")
    )
    np.testing.assert_allclose(found, due, atol=1e-5)


def test_a_channel_that_moves_only_where_nothing_counts_gets_no_weight() -> None:
    """Its scaled values would be 1e-12, and its weight so large that eight bits held no other."""
    rest, _, fold = fold_of(made_up("abcd", each=10, window="continuous"), "a")
    inputs, _, weight = rest.arrays()
    inputs[:, :, 0], weight[:, -3:] = 5.0, 0.0
    inputs[:, -3:, 0] = 0.0
    ended = {name: (rest.data[name].dims, v) for name, v in (("inputs", inputs), ("weight", weight))}
    still = STILL.model_copy(update={"per_point": False})
    model = fit(network_config("linear"), still, StanceSet(rest.data.assign(ended)), fold)
    weights = model.network.linear.conv.weight.detach().numpy()
    assert (weights[:, 0] == 0).all()
    assert 0 < np.abs(weights).max() < 100


def test_a_path_over_the_window_is_refused_where_windows_share_no_phase() -> None:
    rest, _, fold = fold_of(made_up("abc", window="continuous"), "a")
    with pytest.raises(BadInputError, match=r"these windows are continuous; set linear\.kind"):
        fit(network_config("bilstm", linear={"kind": "window"}), TrainConfig(epochs=0), rest, fold)
    with pytest.raises(BadInputError, match="per_point scales every point of a time-normalised stance"):
        fit(network_config("linear"), STILL, rest, fold)


def test_training_from_ridge_keeps_the_start_where_no_epoch_is_better() -> None:
    data = made_up("abcd", each=10)
    fold = loso(data, inner=1)[0]
    rest = data.without(fold.test)
    wild = TrainConfig(epochs=2, lr=10.0, clip=0.0, per_point=True)
    model = fit(network_config("mlp", hidden=4, linear={}), wild, rest, fold)
    start = fit(network_config("mlp", hidden=4, linear={}), wild.model_copy(update={"epochs": 0}), rest, fold)
    assert model.spec.best_epoch == 0
    np.testing.assert_array_equal(model.predict(data.of(fold.test)), start.predict(data.of(fold.test)))


def test_every_point_is_scaled_by_its_own_mean_and_what_never_moves_counts_nothing() -> None:
    data = made_up("abcd", each=10)
    data.data["inputs"][:, 5, 1] = 7.0
    data.data["inputs"][:, :, 3] = 2.0
    data.data["inputs"][:, 6, 1] = 7.0 + 1e-3 * np.random.default_rng(0).normal(size=data.size)
    model = fit(network_config("linear"), STILL, data, whole_fold(data, 0))
    scaler = model.spec.scaler
    raw = torch.from_numpy(data.arrays()[0])
    scaled = scaler.inputs(raw).numpy()
    moving = np.ones(scaled.shape[1:], dtype=bool)
    moving[5:7, 1], moving[:, 3] = False, False
    np.testing.assert_allclose(scaled.mean(axis=0)[moving], 0.0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(axis=0)[moving], 1.0, atol=1e-3)
    np.testing.assert_allclose(scaled[:, :, 3], 0.0, atol=1e-6)
    np.testing.assert_allclose(scaled[:, 5, 1], 0.0, atol=1e-6)
    # where hardly anything differed the size is held at a tenth of the channel's, so that later noise stays small
    np.testing.assert_allclose(scaler.point_size[6][1], 0.1 * scaler.size[1], rtol=1e-5)
    raw[0, 3, 0] = torch.nan
    assert scaler.inputs(raw)[0, 3, 0] == 0.0


def test_kernel_ridge_as_a_network_is_kernel_ridge(tmp_path: Path) -> None:
    rest, near, fold = fold_of(made_up("abcde", each=10), "a")
    model = fit(network_config("kernel"), STILL, rest, fold)
    # 21 points: every one is a feature in both
    widths, penalties = (3.0, 10.0, 30.0), (1e-4, 1e-3, 1e-2)
    method = KernelMethod(every=1, widths=widths, penalties=penalties)
    np.testing.assert_allclose(model.predict(near), method.fit(rest, fold).predict(near), atol=2e-3)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(GrfModel.load(tmp_path / "model").predict(near), model.predict(near))
    with pytest.raises(BadInputError, match="has no weights that training could move"):
        fine_tune(model, TrainConfig(epochs=1), rest, fold)
    data = made_up("abc", window="continuous")
    with pytest.raises(BadInputError, match="not continuous windows"):
        fit(network_config("kernel"), TrainConfig(epochs=0), data, whole_fold(data, 0))


def test_kernel_ridge_keeps_the_copies_with_moved_ends_of_a_small_set() -> None:
    rest, near, fold = fold_of(made_up("abcde", each=3), "a")
    moved = STILL.model_copy(update={"augmentation": Augmentation(limits_s=0.02, copies=4)})
    model = fit(network_config("kernel"), moved, rest, fold)
    assert model.network.rows.shape[0] == 5 * rest.size
    assert np.isfinite(model.predict(near)).all()


def test_the_mean_curve_of_the_nearest_speed_is_what_it_says() -> None:
    data = made_up("abcd", each=10)
    fast = data.scalar("speed_m_s") > 3.5
    data.data["targets"][fast, :, 0] += 1.0
    rest, near, fold = fold_of(data, "a")
    config = STILL.model_copy(update={"statics": ("speed_m_s",)})
    found = fit(network_config("mean_curve"), config, rest, fold).predict(near)
    of_near = near.scalar("speed_m_s") > 3.5
    truth = rest.arrays()[1]
    of_rest = rest.scalar("speed_m_s") > 3.5
    np.testing.assert_allclose(found[of_near][0], truth[of_rest].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(found[~of_near][0], truth[~of_rest].mean(axis=0), atol=1e-5)


def test_reduced_rank_of_all_is_the_map_itself() -> None:
    rng = np.random.default_rng(1)
    x, weights, sizes = rng.normal(size=(30, 6)), rng.normal(size=(6, 4)), np.array([1.0, 10.0, 0.1, 1.0])
    down, up = reduced_rank(weights, x, sizes, 4)
    np.testing.assert_allclose(down @ up, weights, atol=1e-10)
    down, up = reduced_rank(weights, x, sizes, 9)
    assert down.shape == (6, 9)
    np.testing.assert_allclose(down @ up, weights, atol=1e-10)


def test_what_is_linear_is_found_far_below_the_mean_curve_and_noise_is_not() -> None:
    data = made_up("abcdef", each=8)
    model, choice = fit_chosen(data, whole_fold(data, 0))
    assert choice.chosen != "mean curve"
    by_name = {row.name: row for row in choice.rows}
    assert by_name[choice.chosen].score == min(row.score for row in choice.rows) < 0.6
    assert "below the mean curve" in choice.words()
    assert set(model.participants) == set("abcdef")
    _, nothing = fit_chosen(noise(), whole_fold(noise(), 0))
    rows = {row.name: row.score for row in nothing.rows}
    assert rows[nothing.chosen] <= rows["mean curve"]
    assert nothing.chosen in ("mean curve", "mean curve of the known speed", "mix")


def test_nobody_who_decides_was_in_the_fit_that_he_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[set[str], set[str]]] = []
    real = chosen.fit

    def spied(network, config, data, fold, **more):  # type: ignore[no-untyped-def]
        seen.append((set(data.participants), set(fold.test)))
        return real(network, config, data, fold, **more)

    monkeypatch.setattr("grfkit.learn.choice.fit", spied)
    data = made_up("abcdef", each=4)
    rest, _, fold = fold_of(data, "a")
    options = candidates(rest)
    choose(rest, options[:2])
    assert len(seen) == 2 * 4
    assert all(not learnt & judged and "a" not in learnt | judged for learnt, judged in seen)
    assert set.union(*(judged for _, judged in seen)) == set("bcdef")
    with pytest.raises(LeakError, match="is to be tested"):
        fit_chosen(data, fold)


def test_a_mix_is_the_weighed_mean_of_its_members(tmp_path: Path) -> None:
    data = made_up("abcde", each=8)
    rest, near, fold = fold_of(data, "a")
    some = STILL.model_copy(update={"channels": ("acc_*",), "statics": ("contact_s",)})
    members = [fit(network_config("linear"), some, rest, fold), fit(network_config("kernel"), STILL, rest, fold)]
    model = chosen.mixed(members, [(0.25, 1.0), (0.75, 0.0)], rest, fold)
    expected = members[0].predict(near) * (0.25, 1.0) + members[1].predict(near) * (0.75, 0.0)
    np.testing.assert_allclose(model.predict(near), expected, atol=1e-5)
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(GrfModel.load(tmp_path / "model").predict(near), model.predict(near))


def test_card_and_terminal_tell_alike_what_a_mix_is_made_of() -> None:
    rows = tuple(Row(name, np.zeros((4, 2)), 0.5) for name in ("mix", "ridge", "kernel ridge"))
    weights = {"ridge": (0.25, 1.0), "kernel ridge": (0.75, 0.0)}
    document = Choice(rows, "mix" + BALANCED, weights, ("vgrf", "apgrf"), 4).document() | {"words": "chosen"}
    told = "ridge 0.25 / 1; kernel ridge 0.75 / 0"
    assert mix_weights(document) == told
    assert choice_lines(document)[-1] == f"    the mix, by axis: {told}"
    # models of an earlier grfkit name no method beside what was chosen
    earlier = {k: v for k, v in document.items() if k != "method"}
    assert mix_weights(earlier | {"chosen": "mix"}) == told
    assert mix_weights(earlier | {"chosen": "ridge"}) == ""
    data = made_up("abcd", each=4)
    spec = fit(network_config("linear"), STILL, data, whole_fold(data, 0)).spec
    spec.provenance.configuration["choice"] = document
    assert f"\nWeights of the mix, by axis: {told}.\n" in card(spec, None)


def test_weights_of_a_mix_are_those_of_least_error() -> None:
    data = made_up("abcd", each=4)
    truth = data.arrays()[1].astype(float)
    rng = np.random.default_rng(0)
    noisy = truth + rng.normal(0, 0.1, truth.shape)
    parts = np.stack([noisy, 2 * truth - noisy, np.zeros_like(truth)])
    np.testing.assert_array_equal(mixing_weights(data, parts, data.axes), [[0.5, 0.5], [0.5, 0.5], [0.0, 0.0]])


def test_few_people_get_the_mean_curve_and_are_told(tmp_path: Path) -> None:
    data = noise().of(["a", "b", "c"])
    model = train(data, out=tmp_path / "model")
    assert model.summary["method"] == "mean curve"
    assert any("3 people tell little about somebody new" in text for text in model.summary["findings"])
    assert {row["method"] for row in model.summary["choice"]["table"]} <= {
        "mean curve", "mean curve of the known speed", "ridge",
    }  # fmt: skip


def test_one_method_may_be_asked_for_and_is_held_against_the_mean_curve(tmp_path: Path) -> None:
    data = made_up("abcdef", each=6)
    model = train(data, method="Ridge", out=tmp_path / "model")
    assert model.summary["method"] == "ridge"
    assert model.name == "linear"
    assert {row["method"] for row in model.summary["choice"]["table"]} == {"mean curve", "ridge"}
    card = (tmp_path / "model" / "CARD.md").read_text(encoding="utf-8")
    assert "* Method: ridge." in card
    assert "| ridge (chosen) |" in card
    with pytest.raises(BadInputError, match="cannot be used with continuous windows"):
        train(made_up("abcd", window="continuous"), method="kernel ridge")
    with pytest.raises(BadInputError, match="method is 'ridges', expected"):
        train(data, method="ridges")
    with pytest.raises(BadInputError, match="is no network; leave out"):
        train(data, method="ridge", network="mlp")
    with pytest.raises(BadInputError, match="are of networks; leave them out"):
        train(data, method="ridge", search=2)


def test_who_asks_for_a_network_gets_it(tmp_path: Path) -> None:
    path = tmp_path / "some.toml"
    assert recipe_of().method == "best"
    assert recipe_of(network="mlp").method == "network"
    assert recipe_of(epochs=2).method == "network"
    assert recipe_of("carter2024").method == "network"
    path.write_text("[train]\nlr = 1e-3\n", encoding="utf-8")
    assert recipe_of(config=path).method == "network"
    path.write_text("inner = 0\n[cut]\npoints = 51\n", encoding="utf-8")
    assert recipe_of(config=path).method == "best"
    path.write_text('method = "ridge"\n[network]\nname = "mlp"\n[train]\nlr = 1e-3\nseed = 1\n', encoding="utf-8")
    with pytest.raises(BadInputError, match=r"method is 'ridge', which takes no network, train\.lr; leave them out"):
        recipe_of(config=path)
    path.write_text('method = "mix"\n[train]\naxes = ["vgrf"]\n', encoding="utf-8")
    assert recipe_of(config=path).method == "mix"
    assert recipe_of(config=path).train.axes == ("vgrf",)


def test_the_choice_is_proven_by_choosing_anew_in_every_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grfkit.learn.candidates.EPOCHS", 1)
    data = made_up("abcde", each=6)
    data.to_netcdf(tmp_path / "set.nc")
    train(tmp_path / "set.nc", out=tmp_path / "model", method="best")
    proof = evaluate(tmp_path / "set.nc", model=tmp_path / "model")
    name = "the best of them, chosen within each fold"
    assert proof.methods[-1] == name
    errors = {m: proof.scores["methods"][m]["vgrf"]["group"]["rmse_bw"]["mean"] for m in proof.methods}
    assert errors[name] < 0.7 * errors["mean curve"]
    assert proof.scores["leaks"] == []
    card = (tmp_path / "model" / "CARD.md").read_text(encoding="utf-8")
    assert name in card
    with pytest.raises(BadInputError, match="trains a network further, and the method is 'best'"):
        evaluate(tmp_path / "set.nc", model=tmp_path / "model", personalise="0,2")
    json.dumps(proof.scores, allow_nan=False)


def test_loads_need_the_mass_and_landmarks_do_not() -> None:
    assert default_statics(made_up("ab")) == ("contact_s", "mass_kg")
    assert default_statics(made_up("ab", channels=("acc_x", "acc_y", "acc_z"))) == ("contact_s",)
    unknown = made_up("ab", mass_kg=float("nan"))
    assert default_statics(unknown) == ("contact_s",)
    named = [c.name for c in candidates(made_up("abcd", channels=("heel_left_x", "heel_left_x_velocity", "toe_y")))]
    assert "ridge, velocities and accelerations" in named
    assert "kernel ridge, velocities and accelerations" in named


def test_what_has_no_path_to_eight_bits_is_refused_by_name() -> None:
    data = made_up("abcd", each=6)
    for network, words in (("kernel", "kernel ridge"), ("mean_curve", "a mean curve")):
        model = fit(network_config(network), STILL, data, whole_fold(data, 0))
        with pytest.raises(BadInputError, match=f"^{words} has no path to eight bits; train ridge or a network"):
            plan_of(model)
    ridge = fit(network_config("linear"), STILL, data, whole_fold(data, 0))
    with pytest.raises(BadInputError, match=r"points of a stance on its own, not of|over windows of"):
        plan_of(ridge, 7)
