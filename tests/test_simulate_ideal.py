"""Signals of sensors without faults: is the load the true force, the motion the true motion, the world the same?"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.accuracy.ideal import CHANNELS, UNITS, ideal_signals
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import LabRequest, planned_trials, write_lab
from grfkit.simulate.lab import simulate_trial, simulate_world
from grfkit.simulate.settings import Settings, default_settings

FAMILIES = ("A", "B")


def _condition(family: str, **asked: object) -> Condition:
    return Condition.model_validate({"family": family, "duration_s": 20.0} | asked)


def _no_faults() -> Settings:
    """Return settings of an IMU without faults, as far as settings can: its axes' signs stay random."""
    known = default_settings()
    imu = known.imu.model_copy(
        update={
            "acc_noise_m_s2": 0.0,
            "gyro_noise_rad_s": 0.0,
            "acc_bias_m_s2": 0.0,
            "gyro_bias_rad_s": 0.0,
            "mount_tilt_deg": 0.0,
            "onset_jitter_ms": (0.0, 0.0),
            "range_g": 1000.0,
            "gyro_range_deg_s": 1e5,
            "stamp_jitter_share": 0.0,
        }
    )
    return known.model_copy(update={"imu": imu})


@pytest.mark.parametrize("family", FAMILIES)
def test_the_world_alone_is_the_world_of_the_trial(family: str) -> None:
    condition = _condition(family, surface="overground", jumps=2)
    trial, world = simulate_trial(condition, 5), simulate_world(condition, 5)
    np.testing.assert_array_equal(world.steps.onset_s, trial.truth.world.steps.onset_s)
    np.testing.assert_array_equal(world.balance.impulse_bw_s, trial.truth.world.balance.impulse_bw_s)
    assert world.situation == trial.truth.world.situation
    assert not np.array_equal(simulate_world(condition, 6).steps.onset_s[:20], world.steps.onset_s[:20])


def test_the_world_does_not_hang_on_what_a_lab_folder_sets_about_stamps(tmp_path: Path) -> None:
    """Labs are written with stamps that both feet share: their truth is found again from condition and seed alone."""
    import json

    request = LabRequest(surface="treadmill", insole="adc", people=1, duration_s=20.0, seed=9)
    list(write_lab(tmp_path / "lab", request))
    (planned,) = planned_trials(request)
    told = json.loads((tmp_path / "lab" / "truth" / f"{planned.name}.truth.json").read_text(encoding="utf-8"))
    steps = simulate_world(planned.condition, planned.seed).steps
    inside = (steps.onset_s >= told["reference_s"][0]) & (steps.onset_s < told["reference_s"][1])
    np.testing.assert_allclose(steps.onset_s[inside], told["contacts"]["onset_s"], atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("gait", ["run", "walk"])
def test_cells_sum_to_the_true_vertical_force(family: str, gait: str) -> None:
    trial = simulate_trial(_condition(family, gait=gait), 3)
    time = np.arange(2.0, 12.0, 0.001)
    feet = [ideal_signals(trial.truth.world, time, left=left) for left in (True, False)]
    assert feet[0].shape == (time.size, len(CHANNELS)) == (time.size, len(UNITS))
    both = feet[0][:, :16].sum(axis=1) + feet[1][:, :16].sum(axis=1)
    np.testing.assert_allclose(both, trial.truth.force_n(time)[:, 2], atol=1e-6)
    assert both.max() > 0.9 * trial.truth.mass_kg * 9.80665
    for foot in feet:
        assert (foot[:, :16] >= -1e-9).all()
        assert (foot[:, :16].sum(axis=1) == 0).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_motion_is_what_a_sensor_without_faults_records(family: str) -> None:
    """Sample by sample at the instants a faultless device showed, but for the signs of its axes."""
    trial = simulate_trial(_condition(family, imu_rate_hz=200.0), 4, _no_faults())
    for side in ("left", "right"):
        stream, truth = trial.wearables["imu"].streams[f"imu_{side}"], trial.truth.streams["imu", f"imu_{side}"]
        shown_s = truth.t_reference(stream["time"].values) - truth.device_lag_s
        inside = np.flatnonzero((shown_s > 1.0) & (shown_s < 18.0))
        ideal = ideal_signals(trial.truth.world, shown_s, left=side == "left")[inside, 16:]
        for column, name in enumerate(CHANNELS[16:]):
            sensed, true = stream[name].values[inside], ideal[:, column]
            off = min(np.abs(sensed - true).max(), np.abs(sensed + true).max())
            assert off < 0.03 * np.abs(true).max(), name


def test_the_same_instants_give_the_same_values_however_they_are_asked_for() -> None:
    world = simulate_world(_condition("B"), 8)
    time = np.arange(3.0, 6.0, 0.004)
    whole = ideal_signals(world, time, left=False)
    parts = [ideal_signals(world, time[at], left=False) for at in np.array_split(np.arange(time.size), 3)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-9)
