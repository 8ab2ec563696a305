"""Virtual accelerometers: do they show gravity at rest, a known motion, and the same in a mirror?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from grfkit import estimate, train
from grfkit.dataset.cut import CutRequest
from grfkit.dataset.windows import cut_windows
from grfkit.gait.landing import mirrored
from grfkit.gait.landmarks import LANDMARKS, Points
from grfkit.gait.virtual_accelerometers import CHANNELS, SENSORS, mirrored_sensors, virtual_accelerometers
from grfkit.simulate.body import LANDMARKS as SIMULATED
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial
from grfkit.units import G

STANDING = {
    "pelvis": (0.0, 0.0, 1.0), "hip": (0.0, 0.09, 0.95), "knee": (0.02, 0.1, 0.5), "ankle": (0.0, 0.1, 0.1),
    "heel": (-0.05, 0.1, 0.03), "toe": (0.15, 0.12, 0.03),
}  # fmt: skip


def standing(time_s: NDArray[np.float64]) -> Points:
    """Return a person who stands with the toes ahead, slightly bent knees."""
    posture = []
    for name in LANDMARKS:
        part, _, side = name.partition("_")
        x, y, z = STANDING[part]
        posture.append((x, -y if side == "right" else y, z))
    return Points(time_s, LANDMARKS, np.tile(np.asarray(posture), (len(time_s), 1, 1)))


def walker() -> Points:
    trial = simulate_trial(Condition(family="A", gait="walk", duration_s=10.0, split_belt=True), 3)
    time = np.arange(2.0, 5.0, 0.01)
    names = [n if n == "pelvis" else f"{n.split('_')[1]}_{n.split('_')[0]}" for n in LANDMARKS]
    return Points(time, LANDMARKS, trial.truth.body(time).landmarks[:, [SIMULATED.index(n) for n in names]])


def test_at_rest_they_show_gravity_along_the_segments_axes() -> None:
    shown = virtual_accelerometers(standing(np.arange(100) / 100.0), lowpass_hz=20.0)
    np.testing.assert_allclose(np.linalg.norm(shown, axis=2), G, rtol=1e-9)
    np.testing.assert_allclose(shown[:, SENSORS.index("pelvis")], [[0, 0, G]] * 100, atol=1e-9)
    # the knee lies 20 mm in front of hip and ankle: ahead of the thigh is a little upwards, of the shank downwards
    assert shown[50, SENSORS.index("thigh_left"), 0] > 0.3
    assert shown[50, SENSORS.index("shank_left"), 0] < -0.3


def test_a_known_acceleration_is_shown_and_gravity_turns_with_the_body() -> None:
    time = np.arange(200) / 100.0
    still = standing(time)
    up = replace(still, position=still.position + (0.5 * 3.0 * time**2)[:, None, None] * np.asarray([0.0, 0.0, 1.0]))
    shown = virtual_accelerometers(up, lowpass_hz=None)
    np.testing.assert_allclose(shown[5:-5, SENSORS.index("pelvis"), 2], G + 3.0, rtol=1e-6)
    heading = Rotation.from_euler("z", 70, degrees=True).as_matrix()
    turned = replace(up, position=up.position @ heading.T)
    np.testing.assert_allclose(virtual_accelerometers(turned, lowpass_hz=None), shown, atol=1e-8)


def test_a_mirrored_body_shows_mirrored_sensors() -> None:
    points = walker()
    seen = virtual_accelerometers(replace(points, position=mirrored(points.position)), lowpass_hz=20.0)
    np.testing.assert_allclose(seen, mirrored_sensors(virtual_accelerometers(points, lowpass_hz=20.0)), atol=1e-8)


def test_a_belt_of_constant_speed_changes_nothing_and_a_gap_stays_a_gap() -> None:
    points = walker()
    belt = replace(points, position=points.position + (1.3 * points.time_s)[:, None, None] * np.asarray([1.0, 0, 0]))
    shown = virtual_accelerometers(points, lowpass_hz=None)
    np.testing.assert_allclose(virtual_accelerometers(belt, lowpass_hz=None), shown, atol=1e-6)
    hidden = points.position.copy()
    hidden[100, LANDMARKS.index("ankle_left")] = np.nan
    gap = virtual_accelerometers(replace(points, position=hidden), lowpass_hz=None)
    assert np.isnan(gap[100, SENSORS.index("shank_left")]).all()
    np.testing.assert_array_equal(gap[:, SENSORS.index("shank_right")], shown[:, SENSORS.index("shank_right")])


@pytest.mark.parametrize("inputs", [("accelerometer",), ("position", "accelerometer")])
def test_windows_hold_them_labelled_as_virtual(inputs: tuple[str, ...]) -> None:
    lab = simulate_trial(
        Condition(family="A", gait="walk", duration_s=12.0, split_belt=True, wearables=("landmarks",)), 3
    )
    request = CutRequest(
        kinds=("landmarks",), mapping="landmarks", source="force", rule="20N walking", landmark_inputs=inputs
    )  # type: ignore[arg-type]
    windows = cut_windows(lab.on_true_clock(), request)
    assert windows.channels[-len(CHANNELS) :] == CHANNELS
    assert len(windows.channels) == len(CHANNELS) + (33 if "position" in inputs else 0)
    assert set(windows.data["unit"].values[-len(CHANNELS) :]) == {"m/s^2"}
    found = str(windows.data.attrs["provenance"])
    assert "virtual" in found
    assert "20 Hz" in found
    # windows of the left foot are turned: in both the own shank stands (y is the simulator's noise alone)
    sides = windows.per_stance("side")
    for axis in "xz":
        own = windows.data["inputs"].sel(channel=f"virtual_shank_right_acc_{axis}").values
        assert np.corrcoef(own[sides == "left"].mean(axis=0), own[sides == "right"].mean(axis=0))[0, 1] > 0.5


def test_a_model_of_them_answers_for_a_recording_of_landmarks(tmp_path: Path) -> None:
    walk = Condition(family="A", gait="walk", duration_s=12.0, split_belt=True, wearables=("landmarks",), mass_kg=70.0)
    labs = [simulate_trial(walk, seed) for seed in (3, 4, 5)]
    recipe = tmp_path / "accelerometers.toml"
    cut = 'kinds = ["landmarks"]\nmapping = "landmarks"\nsource = "force"\nrule = "20N walking"\n'
    recipe.write_text(f'method = "ridge"\n[cut]\n{cut}landmark_inputs = ["accelerometer"]\n', encoding="utf-8")
    known = [lab.on_true_clock(participant=f"P{k}") for k, lab in enumerate(labs[:2])]
    train(known, config=recipe, out=tmp_path / "model")
    answer = estimate(tmp_path / "model", labs[2].wearables["landmarks"], participant="P9", mass_kg=70.0)
    peaks = [row.peak_bw for row in answer.rows if row.answered]
    assert len(peaks) > 8
    assert 0.8 < float(np.median(peaks)) < 1.4
