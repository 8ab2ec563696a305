"""Knees out of line in the simulator: their effect is what was stated, and gain 0 leaves the forces as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from grfkit import simulate_trial
from grfkit.gait.knee_alignment import deviation_deg
from grfkit.simulate.body import LANDMARKS, total_force_n
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import LabRequest, write_lab
from grfkit.simulate.knees import Knees, LegFacts, draw_legs
from grfkit.simulate.lab import LabTrial, simulate_world
from grfkit.simulate.new_folder import rows_of
from grfkit.sync.table import read_rows

WALK = Condition(gait="walk", family="A", split_belt=True, wearables=("insole", "landmarks"), duration_s=20.0)
LEFT, RIGHT = (4.0, -2.0)


def _walk(knees: Knees | None, seed: int = 3) -> LabTrial:
    return simulate_trial(WALK, seed, knees=knees)


def _seed(affected: str) -> int:
    return next(seed for seed in range(99) if draw_legs(seed, Knees()).affected == affected)


def test_gain_0_gives_the_bytes_of_today_of_all_but_the_knees_markers() -> None:
    plain, null = _walk(None), _walk(Knees(gain=0.0))
    assert plain.truth.world.legs is None
    assert null.truth.world.legs is not None
    for name, stream in plain.reference.streams.items():
        for channel in stream.data_vars:
            assert_array_equal(stream[channel].values, null.reference.streams[name][channel].values)
    for name, stream in plain.wearables["insole"].streams.items():
        for channel in stream.data_vars:
            assert_array_equal(stream[channel].values, null.wearables["insole"].streams[name][channel].values)
    at = np.arange(5.0, 6.0, 0.01)
    shift = null.truth.body(at).landmarks - plain.truth.body(at).landmarks
    knees = [LANDMARKS.index(name) for name in ("left_knee", "right_knee")]
    assert_array_equal(np.delete(shift, knees, axis=1), 0.0)
    left, right = null.truth.world.legs.deviation_deg
    assert_allclose(shift[:, knees[0]], np.tile([0.0, 3.6e-3 * left, 0.0], (at.size, 1)), atol=1e-12)
    assert_allclose(shift[:, knees[1]], np.tile([0.0, -3.6e-3 * right, 0.0], (at.size, 1)), atol=1e-12)


def test_truth_without_knees_has_no_word_of_them() -> None:
    assert "knees" not in _walk(None).truth.to_json()
    assert '"legs"' in _walk(Knees()).truth.to_json()


def test_medial_force_grows_as_stated_on_either_foot() -> None:
    knees = Knees(affected_share=0.0)
    plain, bent = simulate_world(WALK, 3), simulate_world(WALK.model_copy(update={"knees": knees}), 3)
    assert bent.legs is not None
    phase = np.linspace(0, 1, 11)
    for step in (4, 5):
        left = bool(bent.steps.left[step])
        extra = (bent.force_n(step, phase) - plain.force_n(step, phase)) / bent.weight_n
        medial = extra[:, 1] * (-1 if left else 1)
        deviation = bent.legs.deviation_deg[0 if left else 1]
        assert_allclose(medial, 0.004 * deviation * np.sin(np.pi * phase), atol=1e-12)
        assert_array_equal(extra[:, [0, 2]], 0.0)


def test_load_under_the_foot_moves_to_the_medial_side_by_the_stated_way() -> None:
    knees = Knees(affected_share=0.0)
    plain, bent = simulate_world(WALK, 3), simulate_world(WALK.model_copy(update={"knees": knees}), 3)
    assert bent.legs is not None
    for step in (4, 5):
        left = bool(bent.steps.left[step])
        shift = bent.cop_m(step)[1][:, 1] - plain.cop_m(step)[1][:, 1]
        medial = -shift if left else shift
        # where all load lies in a line of cells there is nothing to shift to: the middle of stance
        assert np.median(medial) == pytest.approx(0.5e-3 * bent.legs.deviation_deg[0 if left else 1], rel=0.05)


def test_the_affected_leg_stands_shorter_and_weaker_and_the_body_is_held_up() -> None:
    seed = _seed("right")
    plain, bent = simulate_world(WALK, seed), simulate_world(WALK.model_copy(update={"knees": Knees()}), seed)
    ill = ~plain.steps.left
    assert_allclose(bent.steps.contact_s[ill], 0.96 * plain.steps.contact_s[ill])
    assert_array_equal(bent.steps.contact_s[~ill], plain.steps.contact_s[~ill])
    impulse = bent.balance.impulse_bw_s
    assert impulse[ill].mean() / impulse[~ill].mean() == pytest.approx(0.94 / 1.06, abs=0.03)
    at = np.arange(bent.start_s + 2, bent.end_s - 2, 1e-3)
    assert total_force_n(bent, at)[:, 2].mean() / bent.weight_n == pytest.approx(1.0, abs=0.01)


def test_alignment_seen_in_the_markers_is_that_of_the_person() -> None:
    trial = _walk(Knees(gain=0.0))
    legs, at = trial.truth.world.legs, np.arange(5.0, 9.0, 0.01)
    assert legs is not None
    points = trial.truth.body(at).landmarks
    for side, outward, true in (("left", 1.0, legs.deviation_deg[0]), ("right", -1.0, legs.deviation_deg[1])):
        hip, knee, ankle = (points[:, LANDMARKS.index(f"{side}_{part}")] for part in ("hip", "knee", "ankle"))
        seen = deviation_deg(hip, knee, ankle, np.tile([0.0, outward, 0.0], (at.size, 1)))
        # people are 1.5 to 2 m tall, and 3.6 mm a degree are those of one of 1.71 m
        assert np.median(seen) == pytest.approx(true, rel=0.2, abs=0.05)


def test_one_person_has_the_same_legs_in_every_trial_and_under_every_gain() -> None:
    first, null = draw_legs(7, Knees()), draw_legs(7, Knees(gain=0.0))
    assert (first.deviation_deg, first.affected) == (null.deviation_deg, null.affected)
    people = [draw_legs(seed, Knees()) for seed in range(400)]
    assert np.std([p.deviation_deg for p in people]) == pytest.approx(3.0, rel=0.1)
    assert np.mean([p.affected != "none" for p in people]) == pytest.approx(0.5, abs=0.08)
    both = LegFacts((LEFT, RIGHT), "none", Knees()).person()
    assert (both.hka_left_deg, both.hka_right_deg, both.hka_method) == (LEFT, RIGHT, "stated")


def test_a_labs_table_states_the_legs_and_is_read_by_grf_sync(tmp_path: Path) -> None:
    request = LabRequest(surface="treadmill", gait="walk", people=1, duration_s=20.0, knee_gain=1.0)
    list(write_lab(tmp_path / "lab", request))
    (row,) = rows_of(tmp_path / "lab" / "TABLE.csv")
    legs = draw_legs(1000, Knees())
    assert float(row["hka_left_deg"]) == pytest.approx(legs.deviation_deg[0], abs=0.006)
    assert row["affected"] == legs.affected
    person = read_rows(tmp_path / "lab" / "TABLE.csv", {})[0].request.person
    assert person is not None
    assert person.hka_method == "stated"
