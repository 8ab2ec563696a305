"""Balance by momentum: what is known of a gait from the times of its contacts, without any force."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from grfkit import simulate_trial
from grfkit.dataset.cut import CutRequest
from grfkit.dataset.windows import cut_windows
from grfkit.errors import BadInputError
from grfkit.estimation.plausible import Carried, before_balance, weight_findings
from grfkit.gait.temporal import strides_of_foot
from grfkit.learn.balance import LEAST_STANCES, Balance, BalanceChange, fit_balance, steady_trials
from grfkit.learn.candidates import candidates
from grfkit.learn.card import card
from grfkit.learn.choice import BALANCED, choose
from grfkit.learn.chosen import fit_chosen
from grfkit.learn.comparison_windows import MOST_WINDOWS, comparison_windows
from grfkit.learn.everyone import whole_fold
from grfkit.learn.folds import LeakError
from grfkit.learn.kernel import spread
from grfkit.learn.model import GrfModel
from grfkit.learn.train_config import TrainConfig
from grfkit.records.stance_set import StanceSet, join, make_stance_set

AXES = ("vgrf", "apgrf", "mlgrf")


def steady(people: Sequence[str] = "abcdef", *, each: int = 24, slope: float = 0.0, seed: int = 0) -> StanceSet:
    """Return stances of steady gait: the contact time of everybody differs, and with it the mean force.

    The only channel tells the shape of the curve and nothing of its size.
    """
    rng, n, points = np.random.default_rng(seed), len(people) * each, 21
    contact = np.repeat(rng.uniform(0.2, 0.4, len(people)), each)
    phase = np.linspace(0, np.pi, points)
    # over both feet the contacts of a stride carry its time: mean force = stride / (2 contact)
    mean = 0.7 / (2 * contact)
    curve = np.sin(phase) / np.sin(phase).mean()
    v = mean[:, None] * curve
    forward = 0.1 * np.cos(phase) + np.zeros((n, 1))
    return make_stance_set(
        curve[None, :, None] + 0.05 * rng.normal(size=(n, points, 1)),
        np.stack([v, forward, 0.0 * v], axis=2),
        channels=["acc_x"],
        units=["m/s^2"],
        axes=AXES,
        labels={
            "participant": [p for p in people for _ in range(each)],
            "trial": ["run"] * n,
            "side": ["left" if k % 2 else "right" for k in range(n)],
        },
        scalars={"contact_s": contact, "stride_s": np.full(n, 0.7), "slope_percent": np.full(n, slope)},
        start_s=[0.35 * (k % each) for k in range(n)],
        window="stance",
        cut="force",
        source="made up",
    )


def targets(data: StanceSet) -> np.ndarray:
    return np.asarray(data.data["targets"].values, dtype=np.float64)


def test_steady_gait_carries_body_weight_and_pushes_as_much_as_it_brakes() -> None:
    found = fit_balance(steady(), AXES)
    assert found is not None
    assert found.vertical == pytest.approx(1.0, abs=1e-6)
    assert found.forward == pytest.approx(0.0, abs=1e-6)


def test_a_wrong_size_and_a_tilt_are_taken_off_by_trial() -> None:
    data = steady("ab")
    true, balance = targets(data), Balance(vertical=1.0, forward=0.0)
    wrong = true.copy()
    wrong[:, :, 0] *= np.where(data.per_stance("participant") == "a", 1.2, 0.9)[:, None]
    wrong[:, :, 1] += 0.05 * wrong[:, :, 0]
    right, changes = balance.applied(wrong, data, AXES)
    np.testing.assert_allclose(right, true, atol=1e-6)
    assert changes["a, run"].factor == pytest.approx(1 / 1.2)
    # 0.05 of what was 0.9 of the true force
    assert changes["b, run"].tilt == pytest.approx(-0.045, abs=1e-6)
    assert wrong[0, 10, 0] != right[0, 10, 0], "what was given stays as it was"


def test_one_foot_may_carry_more_than_the_other() -> None:
    data = steady("a")
    limping = targets(data)
    limping[:, :, 0] *= np.where(data.per_stance("side") == "left", 1.3, 0.7)[:, None]
    kept, _ = Balance(vertical=1.0).applied(0.8 * limping, data, AXES)
    np.testing.assert_allclose(kept[:, :, 0], limping[:, :, 0], atol=1e-6)


@pytest.mark.parametrize("reason", ["few stances", "no strides", "absurd size", "nothing known"])
def test_what_cannot_be_balanced_is_left_as_it_is(reason: str) -> None:
    data = steady("a", each=LEAST_STANCES - 1 if reason == "few stances" else 24)
    forces = 0.8 * targets(data)
    if reason == "no strides":
        data.data["scalars"].loc[{"scalar": "stride_s"}] = np.nan
    if reason == "absurd size":
        forces *= 0.1
    if reason == "nothing known":
        forces[:] = np.nan
    same, changes = Balance(vertical=1.0, forward=0.0).applied(forces, data, AXES)
    np.testing.assert_array_equal(same, forces)
    assert not changes


def test_a_window_without_an_answer_does_not_touch_the_others() -> None:
    data = steady("a")
    forces = targets(data) * np.asarray([0.8, 1.0, 1.0])
    forces[3] = np.nan
    right, _ = Balance(vertical=1.0, forward=0.0).applied(forces, data, AXES)
    assert np.isnan(right[3]).all()
    np.testing.assert_allclose(np.delete(right, 3, 0), np.delete(targets(data), 3, 0), atol=1e-6)


def test_on_a_slope_the_forward_force_stays() -> None:
    data = steady("a", slope=5.0)
    forces = 0.8 * targets(data) + np.asarray([0.0, 0.03, 0.0])
    right, changes = Balance(vertical=1.0, forward=0.0).applied(forces, data, AXES)
    np.testing.assert_array_equal(right[:, :, 1], forces[:, :, 1])
    assert changes["a, run"].tilt == 0


def test_without_steady_trials_nothing_is_learnt() -> None:
    assert fit_balance(steady("ab"), AXES) is None
    assert fit_balance(steady("abcd", each=4), AXES) is None
    assert fit_balance(steady(), ("apgrf",)) is None


def test_the_forward_force_of_level_trials_only_is_learnt_though_short_trials_stand_between() -> None:
    short, uphill, level = steady("ab", each=4), steady("cde", slope=8.0), steady("fgh", seed=1)
    uphill.data["targets"].values[:, :, 1] += 0.1
    found = fit_balance(join([short, uphill, level]), AXES)
    assert found is not None
    assert found.forward == pytest.approx(0.0, abs=1e-6)


def test_a_set_of_an_earlier_version_knows_no_strides_and_is_joined_with_new_ones() -> None:
    new, earlier = steady("abc"), steady("def")
    earlier = StanceSet(earlier.data.sel(scalar=[n for n in earlier.data["scalar"].values if n != "stride_s"]))
    assert fit_balance(earlier, AXES) is None
    for sets in ([new, earlier], [earlier, new]):
        together = join(sets)
        assert fit_balance(together, AXES) == fit_balance(new, AXES)
        np.testing.assert_array_equal(together.of("def").scalar("contact_s"), earlier.scalar("contact_s"))
        assert np.isnan(together.of("def").scalar("stride_s")).all()


@pytest.mark.parametrize("missed", ["of one foot", "of both feet"])
def test_strides_that_span_missed_contacts_balance_nothing(missed: str) -> None:
    data = steady("a")
    rows = data.per_stance("side") == "left" if missed == "of one foot" else np.ones(data.size, dtype=bool)
    table = data.data["scalars"].values
    table[rows, [str(n) for n in data.data["scalar"].values].index("stride_s")] *= 2
    same, changes = Balance(vertical=0.98, forward=0.0).applied(targets(data), data, AXES)
    np.testing.assert_array_equal(same, targets(data))
    assert not changes


def test_the_choice_balances_where_that_is_better_and_the_model_keeps_it(tmp_path: Path) -> None:
    data = steady()
    rest, near = data.without(["a"]), data.of(["a"])
    fold = whole_fold(rest, 0)
    # the contact time alone tells the size, and is kept from all methods here: strides have to tell it
    rest.data["scalars"].loc[{"scalar": "speed_m_s"}] = np.nan
    base = TrainConfig(channels=("acc_x",))
    options = [c for c in candidates(rest, base) if c.name == "mean curve"]
    choice = choose(rest, options)
    assert choice.chosen == "mean curve" + BALANCED
    assert choice.method == "mean curve"
    assert choice.balance is not None
    assert choice.balance.vertical == pytest.approx(1.0, abs=1e-6)
    plain, balanced = (next(r.score for r in choice.rows if r.name == n) for n in ("mean curve", choice.chosen))
    assert balanced < 0.2 * plain
    model, _ = fit_chosen(rest, fold, base=base, method="mean curve")
    model.save(tmp_path / "model")
    again = GrfModel.load(tmp_path / "model")
    np.testing.assert_allclose(again.predict(near), targets(near), atol=0.01)
    raw = again.predict(near, balanced=False)
    assert np.abs(raw - targets(near))[:, :, 0].max() > 0.05
    with pytest.raises(LeakError):
        again.predict(rest)
    assert "averages 1.000 BW, the forward one" in card(again.spec, None)


@pytest.mark.parametrize("pays", [True, False])
def test_a_method_that_was_asked_for_is_balanced_where_that_is_better_though_another_is_best(pays: bool) -> None:
    data = steady()
    table, names = data.data["scalars"].values, [str(n) for n in data.data["scalar"].values]
    contact, stride = names.index("contact_s"), names.index("stride_s")
    # contact times alike, so that a method that takes them learns from noise; strides tell the size, or somebody else's
    table[:, stride] *= 0.3 / table[:, contact]
    table[:, contact] = 0.3
    if not pays:
        table[:, stride] = np.roll(table[:, stride], 3 * 24)
    model, choice = fit_chosen(data, whole_fold(data, 0), base=TrainConfig(channels=("acc_x",)), method="ridge")
    scores = {row.name: row.score for row in choice.rows}
    assert choice.asked
    assert choice.method == "ridge"
    assert scores["mean curve"] < scores["ridge"]
    assert (scores["ridge" + BALANCED] < scores["ridge"]) is pays
    assert choice.chosen == "ridge" + (BALANCED if pays else "")
    assert (choice.balance is not None) is pays
    assert model.spec.balance == choice.balance
    assert choice.weights == {"ridge": (1.0, 1.0, 1.0)}


def test_of_many_people_whole_runs_are_compared_so_that_they_can_be_balanced() -> None:
    data = steady([f"P{k:03}" for k in range(160)])
    assert data.size > MOST_WINDOWS
    few = comparison_windows(data)
    # evenly spread, everybody would keep nine
    assert (few.size, len(few.participants)) == (MOST_WINDOWS, MOST_WINDOWS // LEAST_STANCES)
    assert {few.participants[0], few.participants[-1]} == {"P000", "P159"}
    starts = np.asarray(few.data["start_s"].values)
    assert all(np.ptp(starts[few.per_stance("participant") == p]) < 0.36 * LEAST_STANCES for p in few.participants)
    choice = choose(data, [c for c in candidates(data, TrainConfig(channels=("acc_x",))) if c.name == "mean curve"])
    assert choice.chosen == "mean curve" + BALANCED
    assert choice.people == 150


def test_a_channel_that_none_of_the_compared_knows_is_named_as_such() -> None:
    data = steady([f"P{k:03}" for k in range(160)])
    left_out = sorted(set(data.participants) - set(comparison_windows(data).participants))[0]
    data.data["inputs"][data.per_stance("participant") != left_out] = np.nan
    with pytest.raises(BadInputError, match=r"missing in every window by which methods are compared \(1500 of 3840\)"):
        choose(data, candidates(data, TrainConfig(channels=("acc_x",)), "mean curve"))


def test_of_many_trials_of_each_some_are_compared_whole_and_short_ones_among_them() -> None:
    people, trials = "abcdefghijklmnopqrst", 12
    data = steady(people, each=12 * trials)
    number = np.arange(data.size) % (12 * trials) // 12
    # every fourth trial is a walk over two plates
    number[(number % 4 == 3) & (np.arange(data.size) % 12 > 1)] = -1
    data = StanceSet(data.data.assign_coords(trial=("stance", np.asarray([f"run {k}" for k in number], dtype=object))))
    data = data.where(number >= 0)
    kept = comparison_windows(data)
    assert kept.size <= MOST_WINDOWS
    assert kept.participants == tuple(people)
    whole = steady_trials(kept)
    assert len(whole) >= 4 * len(people)
    assert all(len(rows) == LEAST_STANCES for rows in whole.values())
    assert len(steady_trials(spread(data, MOST_WINDOWS))) == 0
    assert any(f"a, run {k}" not in whole for k in range(trials) if f"run {k}" in kept.of("a").per_stance("trial"))


def test_windows_are_evenly_spread_where_that_is_enough_or_nothing_can_be_balanced() -> None:
    enough, many = steady([f"P{k:03}" for k in range(100)]), steady([f"P{k:03}" for k in range(160)])
    many.data["scalars"].loc[{"scalar": "stride_s"}] = np.nan
    for data in (enough, many):
        np.testing.assert_array_equal(
            comparison_windows(data).data["inputs"], spread(data, MOST_WINDOWS).data["inputs"]
        )
    assert comparison_windows(steady()).size == steady().size


def test_strides_end_at_the_next_contact_of_the_foot_and_none_spans_a_missed_one() -> None:
    strides = strides_of_foot(np.asarray([0.0, 1.0, 2.1, 4.1, 5.1]))
    np.testing.assert_allclose(strides, [1.0, 1.1, np.nan, 1.0, np.nan], equal_nan=True)
    assert np.isnan(strides_of_foot(np.asarray([3.0]))).all()
    assert np.isnan(strides_of_foot(np.asarray([0.0, 30.0]))).all()


def test_windows_know_their_strides() -> None:
    trial = simulate_trial(seed=0, duration_s=20).on_true_clock(participant="P01")
    windows = cut_windows(trial, CutRequest(source="force", kinds=("insole",)))
    starts, strides = np.asarray(windows.data["start_s"].values), windows.scalar("stride_s")
    for side in ("left", "right"):
        of = windows.per_stance("side") == side
        order = np.argsort(starts[of])
        apart, known = np.diff(starts[of][order]), strides[of][order][:-1]
        both = np.isfinite(known)
        assert both.sum() > 5
        np.testing.assert_allclose(known[both], apart[both], atol=1e-9)


def test_an_estimate_says_how_it_was_balanced_and_what_it_carried_before() -> None:
    fine = weight_findings(Carried(1.0, 20), BalanceChange(1.02, -0.004))
    assert len(fine) == 1
    assert "multiplied by 1.020" in fine[0]
    assert "-0.004" in fine[0]
    beyond = weight_findings(Carried(1.0, 20), BalanceChange(1.3, 0.0))
    assert len(beyond) == 2
    assert "BODY WEIGHT" in beyond[1]
    assert "0.77 BW before it was balanced" in beyond[1]
    assert before_balance(Carried(1.0, 20), BalanceChange(1.3, 0.0)) == pytest.approx(1 / 1.3)
    assert before_balance(Carried(0.9, 20), None) == 0.9
    assert weight_findings(None) == []
    assert "forward" not in weight_findings(None, BalanceChange(1.02, 0.0))[0], "on a slope it is left as it is"
    assert "the other was taken to carry as much" in weight_findings(None, BalanceChange(1.02, 0.0), feet=1)[0]
