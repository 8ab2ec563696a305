"""Do stances from landmarks or from a shoe's turning lie where the foot stood?"""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import grfkit
from grfkit import Recording
from grfkit.estimation.landmark_feet import eleven_landmarks
from grfkit.gait.contacts import GAP, rule_of
from grfkit.gait.landing import heading_aligned, travel
from grfkit.gait.landmark_stances import stances_of_landmarks
from grfkit.gait.landmarks import LANDMARKS, Points
from grfkit.gait.shoe_stances import SWING_END_TO_IC_S, TO_TO_SWING_S, stances_of_shoe
from grfkit.units import G

RULE = rule_of("5%BW walking")


def test_contacts_of_a_simulated_runner_lie_beside_those_of_the_belt() -> None:
    trial = grfkit.simulate_trial(seed=3, duration_s=10, wearables=("landmarks",), speed_m_s=3.0).on_true_clock()
    points, mapping = eleven_landmarks(trial.streams["landmarks"], "", None)
    assert mapping.name == "landmarks"
    ahead, _ = heading_aligned(points, travel(points))
    measured = grfkit.find_stances(trial).to_pandas()
    off = []
    for side in ("left", "right"):
        spans = stances_of_landmarks(ahead, side, rule_of("5%BW")).spans
        assert len(spans) >= 12
        known = measured[measured["side"] == side]
        off += [spans[np.abs(spans[:, 0] - ic).argmin(), 0] - ic for ic in known["ic_s"]]
    # three standard deviations of what people differ by; the simulated toe leaves the ground as no real one does
    assert abs(np.median(off)) < 0.02


def test_a_walker_s_stances_reach_from_heel_ahead_to_toe_behind() -> None:
    time = np.arange(600) / 100.0
    swing = np.cos(2 * np.pi * time / 1.2)
    points = eleven_of(time, swing)
    found = stances_of_landmarks(points, "right", RULE).spans
    assert len(found) == 4
    np.testing.assert_allclose(found[:, 0] % 1.2, 0.0, atol=0.01)
    np.testing.assert_allclose(found[:, 1] - found[:, 0], 0.6, atol=0.01)


def eleven_of(time: np.ndarray, swing: np.ndarray) -> Points:
    """Return landmarks that all stand but for the feet, which swing ahead and back."""
    position = np.zeros((time.size, len(LANDMARKS), 3))
    for k, name in enumerate(LANDMARKS):
        if name.startswith(("heel", "toe", "ankle")):
            position[:, k, 0] = 0.3 * swing
    return Points(time, LANDMARKS, position)


def walked(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return times and turning of a shoe, toe up for the last 40 % of every stride and toe down at either end of it."""
    time = np.arange(count) / 100.0
    phase = (time % 1.2) / 1.2
    pitch = np.where(phase > 0.6, -4.0 * np.sin(np.pi * (phase - 0.6) / 0.4), 0.0)
    pitch += 2.0 * np.exp(-(((phase - 0.03) / 0.02) ** 2)) + 3.0 * np.exp(-(((phase - 0.56) / 0.02) ** 2))
    return time, pitch


def test_a_shoe_that_turns_toe_up_in_swing_stands_between_two_swings() -> None:
    time, pitch = walked(1200)
    spans = stances_of_shoe(time, pitch, RULE).spans
    assert len(spans) == 8
    assert np.median(spans[:, 0] % 1.2) == pytest.approx(SWING_END_TO_IC_S, abs=0.02)
    assert np.median(spans[:, 1] % 1.2) == pytest.approx(0.6 * 1.2 - TO_TO_SWING_S, abs=0.02)
    assert len(stances_of_shoe(time, np.full(time.size, np.nan), RULE).spans) == 0


@pytest.mark.parametrize(("first", "last"), [(3.35, 3.65), (3.5, 3.62), (3.9, 4.2)])
def test_a_gap_at_a_swing_or_wide_enough_for_one_ends_no_stance(first: float, last: float) -> None:
    time, pitch = walked(1200)
    whole = stances_of_shoe(time, pitch, RULE).spans
    lost = np.where((time > first) & (time < last), np.nan, pitch)
    found = stances_of_shoe(time, lost, RULE)
    assert 6 <= len(found.spans) < len(whole)
    assert {r.reason for r in found.rejections} == {GAP}
    # every stance that is left is one of those that were seen without the gap
    assert all(np.abs(whole - span).sum(axis=1).min() < 0.02 for span in found.spans)


def test_missing_samples_of_a_shoe_are_no_samples_beside_each_other() -> None:
    time, pitch = walked(3000)
    still = np.zeros_like(pitch)
    values = {"acc_x": still, "acc_y": still, "acc_z": still + G, "gyro_x": still, "gyro_y": pitch, "gyro_z": still}
    units = {"acc": "m/s^2", "gyro": "rad/s"}
    shoe = xr.Dataset(
        {n: ("time", v, {"units": units[n[:-2]]}) for n, v in values.items()},
        {"time": time},
        {"kind": "imu", "rate_hz": 100.0},
    )
    kept = ~((time > 8.3) & (time < 8.6))
    trees = {
        name: Recording(
            xr.DataTree.from_dict(
                {f"/{s}": part.assign_attrs(side=s) for s, part in (("left", shoe), ("right", right))}
            )
        )
        for name, right in (("whole", shoe), ("holed", shoe.isel(time=kept)))
    }
    rows = {
        n: grfkit.estimate("grfkit:walking-shoe-imus", r, participant="P", accept_beyond=True).rows
        for n, r in trees.items()
    }
    starts = {n: np.asarray([r.start_s for r in of if r.side == "right"]) for n, of in rows.items()}
    lasted = {n: np.asarray([r.contact_s for r in of if r.side == "right"]) for n, of in rows.items()}
    assert len(starts["whole"]) - 2 <= len(starts["holed"]) < len(starts["whole"])
    for start, contact in zip(starts["holed"], lasted["holed"]):
        same = int(np.abs(starts["whole"] - start).argmin())
        assert (start, contact) == pytest.approx((starts["whole"][same], lasted["whole"][same]), abs=0.01)
