"""The accuracy benchmark's own formulas: the share of a gap, events in ms, body weight, budgets, nested choice."""

from __future__ import annotations

import importlib
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grfkit.dataset.public.gaitpdb import Walk
from grfkit.records.stance_set import StanceSet, make_stance_set
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import PlannedTrial
from grfkit.simulate.lab import simulate_world
from grfkit.units import G


def tool(name: str) -> ModuleType:
    return importlib.import_module(f"bench.accuracy.{name}")


def test_share_of_the_gap_on_people_worked_out_by_hand() -> None:
    mean, oracle = {"a": 0.3, "b": 0.2, "c": 0.4}, {"a": 0.1, "b": 0.1, "c": 0.1}
    halfway = {k: (mean[k] + oracle[k]) / 2 for k in mean}
    share_closed = tool("lab").share_closed
    assert share_closed(mean, halfway, oracle) == pytest.approx((0.5, 0.5, 0.5))
    assert share_closed(mean, oracle, oracle) == pytest.approx((1.0, 1.0, 1.0))
    share, low, high = share_closed(mean, {"a": 0.1, "b": 0.2, "c": 0.25}, oracle)
    assert share == pytest.approx((0.3 - 0.55 / 3) / 0.2)
    assert low == pytest.approx(0.0)
    assert high == pytest.approx(1.0)


def test_no_share_where_the_oracle_is_no_better_than_the_mean_curve() -> None:
    same = {"a": 0.2, "b": 0.3}
    assert np.isnan(tool("lab").share_closed(same, same, same)).all()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0.05, 0.5), min_size=3, max_size=12), st.floats(0.0, 1.0))
def test_the_share_is_what_everyone_closes_when_all_close_the_same(gaps: list[float], part: float) -> None:
    oracle = {str(i): 0.02 for i in range(len(gaps))}
    mean = {str(i): 0.02 + g for i, g in enumerate(gaps)}
    ours = {k: mean[k] - part * (mean[k] - oracle[k]) for k in mean}
    assert tool("lab").share_closed(mean, ours, oracle, draws=200) == pytest.approx((part,) * 3, abs=1e-9)


def _steps(late_s: float, leave_s: float, *, without: int = -1) -> tuple[np.ndarray, np.ndarray]:
    """Return times and a force (BW) of ten contacts 0.7 s apart, 0.25 s long, moved by so much at each edge."""
    time = np.arange(0, 8, 0.005)
    force = np.zeros_like(time)
    for k in range(10):
        start, end = 0.5 + 0.7 * k + late_s, 0.75 + 0.7 * k + leave_s
        if k != without:
            inside = (time > start) & (time < end)
            force[inside] = 2.5 * np.sin(np.pi * (time[inside] - start) / (end - start))
    return time, force


def test_errors_of_contact_and_toe_off_are_the_shifts_put_in() -> None:
    time, true = _steps(0.0, 0.0)
    contact, off, missed, n = tool("paper").event_errors_ms(time, true, _steps(0.020, -0.035)[1])
    assert (missed, n) == (0, 10)
    assert contact == pytest.approx(20, abs=2.5)
    assert off == pytest.approx(35, abs=2.5)
    contact, off, missed, n = tool("paper").event_errors_ms(time, true, _steps(0.0, 0.0, without=4)[1])
    assert (missed, n) == (1, 10)
    assert contact == pytest.approx(0, abs=1e-6)
    assert off == pytest.approx(0, abs=1e-6)


def test_a_curve_without_contacts_misses_all_and_has_no_error() -> None:
    time, true = _steps(0.0, 0.0)
    contact, off, missed, n = tool("paper").event_errors_ms(time, true, np.zeros_like(true))
    assert (missed, n) == (10, 10)
    assert np.isnan([contact, off]).all()


def _walk(gain: float, *, mass_kg: float = 70.0, drift: float = 0.0) -> Walk:
    """Return a walk whose feet bear body weight between them, told by cells that are off by a gain (and drift)."""
    time = np.arange(0, 60, 0.01)
    turn = 2 * np.pi * time / 1.1
    left = np.clip(0.5 + 0.75 * np.sin(turn), 0, 1)
    share = np.asarray([0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.2])
    per_foot = np.stack([left, 1 - left], axis=1) * mass_kg * G * gain * (1 + drift * time / 60)[:, None]
    cells = (per_foot[:, :, None] * share).reshape(time.size, 16)
    return Walk("p", "p_1", "Ga", "control", mass_kg, cells)


@pytest.mark.parametrize("gain", [0.8, 1.0, 1.5])
@pytest.mark.parametrize("cells", [(1, 2, 3, 4, 5, 6, 7, 8), (1, 8), (1, 3, 6, 8)])
def test_a_constant_gain_is_taken_out_whatever_cells_are_left(gain: float, cells: tuple[int, ...]) -> None:
    found = tool("weight").walk_errors(_walk(gain), cells)
    kept = {1: 0.2, 8: 0.2}
    share = sum(kept.get(c, 0.1) for c in cells)
    assert found["stated"] == pytest.approx(100 * (gain * share - 1), abs=0.5)
    assert found["scale"] == pytest.approx(0, abs=0.5)
    assert found["foot"] == pytest.approx(0, abs=0.5)
    assert found["rmse_bw"] < 0.01


def test_a_gain_that_drifts_shows_in_the_half_that_did_not_calibrate() -> None:
    found = tool("weight").walk_errors(_walk(1.0, drift=0.2), (1, 2, 3, 4, 5, 6, 7, 8))
    assert found["scale"] == pytest.approx(100 * (1.15 / 1.05 - 1), abs=1.0)
    assert tool("weight").strides_error(_walk(1.0, drift=0.2), 1) == pytest.approx(15, abs=1.5)


def test_the_budget_of_theirs_is_never_below_five_times_ours() -> None:
    cost = tool("cost")
    assert cost.budget_epochs(100.0, 10.0) == 3
    assert cost.budget_epochs(100.0, 200.0) == 10
    assert cost.budget_epochs(1e4, 1.0) == 1


def _cost_row(name: str, seconds: float, rmse: float) -> dict[str, object]:
    return {
        "name": name, "stances": 300, "epochs": 1, "s_per_epoch": seconds, "s_per_fold": seconds, "peak_mb": 100.0,
        "rmse_bw_vertical": rmse,
    }  # fmt: skip


def test_a_faster_training_with_a_larger_error_does_not_meet_the_goal() -> None:
    cost = tool("cost")
    for seconds, rmse, verdict in (
        (60.0, 0.2, "met"),
        (60.0, 0.05, "not met"),
        (40.0, 0.2, "open"),
        (40.0, 0.05, "not met"),
    ):
        rows = [_cost_row(cost.OURS, 10.0, 0.1), _cost_row("theirs", seconds, rmse)]
        (found,) = cost.ratio_rows(rows)
        assert found["verdict"].startswith(verdict)
        assert found["per participant-fold"] == pytest.approx(seconds / 10)


def test_windows_stretched_to_more_points_keep_their_ends_and_straight_lines() -> None:
    ramp = np.linspace(0, 1, 101)
    targets = np.stack([ramp, ramp**2], axis=0)[:, :, None]
    data = make_stance_set(
        targets, targets, channels=["a"], units=["m"], axes=("vgrf",), window="stance", cut="force", source="x",
        labels={"participant": ["p", "q"], "trial": ["1", "2"]}, scalars={},
    )  # fmt: skip
    made = tool("cost").stretched(data, 400)
    inputs, found, weight = made.arrays()
    assert found.shape == (2, 400, 1)
    assert made.data.attrs["points"] == 400
    np.testing.assert_allclose(found[0, :, 0], np.linspace(0, 1, 400), atol=1e-6)
    np.testing.assert_allclose(inputs[1, :, 0], np.linspace(0, 1, 400) ** 2, atol=1e-4)
    assert (weight == 1).all()
    assert made.participants == data.participants


def test_the_nested_choice_answers_with_what_inner_people_chose() -> None:
    tried = tool("tried")
    tested = {tried.PLAIN: {"a": 0.2, "b": 0.2, "c": 0.2}, "other": {"a": 0.1, "b": 0.4, "c": 0.1}}
    inner = {tried.PLAIN: [0.3, 0.1, 0.3], "other": [0.2, 0.2, 0.2]}
    row = tried.choice_row("vgrf", tested, inner, [("a",), ("b",), ("c",)])
    assert row["RMSE BW, chosen"] == pytest.approx((0.1 + 0.2 + 0.1) / 3)
    assert row["chosen"].startswith("2 x other")
    assert row["minus"] == pytest.approx(-0.2 / 3)


def _truth_set() -> tuple[StanceSet, dict[str, PlannedTrial]]:
    """Return stances of a simulated trial cut at its true contacts, targets its true vertical force."""
    condition = Condition(family="A", duration_s=20.0)
    planned = PlannedTrial(name="P01_treadmill_1", participant="P01", seed=3, condition=condition)
    world = simulate_world(condition, 3)
    rows = [k for k in range(len(world.steps.left)) if 2 < world.steps.onset_s[k] < 8]
    targets = np.stack([world.force_n(k, np.linspace(0, 1, 101))[:, 2:] / world.weight_n for k in rows])
    data = make_stance_set(
        np.zeros((len(rows), 101, 1)), targets, channels=["nothing"], units=["1"], axes=("vgrf",), window="stance",
        cut="insole_causal", source="x", mirrored=True, start_s=world.steps.onset_s[rows],
        labels={
            "participant": ["P01"] * len(rows), "trial": [planned.name] * len(rows),
            "side": ["left" if world.steps.left[k] else "right" for k in rows],
        },
        scalars={"contact_s": world.steps.contact_s[rows]},
    )  # fmt: skip
    return data, {planned.name: planned}


def test_the_oracle_sees_the_load_of_the_very_window_and_nobody_elses_foot() -> None:
    data, worlds = _truth_set()
    made = tool("sets").ideal_inputs(data, worlds)
    cells = [c for c in made.channels if c.startswith("cell_")]
    total = made.data["inputs"].sel(channel=cells).sum("channel").values
    # the last sample of a contact may be one rounding beyond it, where the load is zero, as it nearly is within
    np.testing.assert_allclose(total[:, :-1], data.arrays()[1][:, :-1, 0], atol=2e-3)
    assert {u for c, u in zip(made.channels, made.data["unit"].values) if c.startswith("cell_")} == {"BW"}
    assert made.per_stance("side").tolist() == data.per_stance("side").tolist()


def test_left_feet_of_the_oracle_are_mirrored_like_those_of_the_set() -> None:
    data, worlds = _truth_set()
    plain = StanceSet(data.data.assign_attrs(mirrored=0))
    sets = tool("sets")
    a, b = (sets.ideal_inputs(one, worlds).data["inputs"] for one in (data, plain))
    left = data.per_stance("side") == "left"
    for channel in ("acc_y", "gyro_x", "gyro_z"):
        np.testing.assert_array_equal(a.sel(channel=channel).values[left], -b.sel(channel=channel).values[left])
    same = [c for c in sets.CHANNELS if c not in ("acc_y", "gyro_x", "gyro_z")]
    np.testing.assert_array_equal(a.sel(channel=same).values, b.sel(channel=same).values)
    np.testing.assert_array_equal(a.values[~left], b.values[~left])


def test_a_goal_on_correlation_is_met_above_its_bound_and_one_on_error_below() -> None:
    tables = tool("tables")
    one = {"headline": "m", "methods": {"m": {"vgrf": {"group": {
        "r": {"mean": 0.99, "low": 0.98, "high": 1.0}, "rmse_bw": {"mean": 0.10, "low": 0.09, "high": 0.11},
    }}}}}  # fmt: skip
    assert tables.limit(one, "vgrf", "r", 0.98)["verdict"] == "met"
    assert tables.limit(one, "vgrf", "r", 0.995)["verdict"] == "not met"
    assert tables.limit(one, "vgrf", "rmse_bw", 0.11)["verdict"] == "met"
    assert tables.limit(one, "vgrf", "rmse_bw", 0.09)["verdict"] == "not met"
    assert tables.table([{"a": 1.0}, {"b": None}])[0] == "| a | b |"
