"""Adapters: real recordings as stance sets, with signs, sides, masses and windows that physics and papers state."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from grfkit.dataset.motion import MotionSettings, channel_names, static_points
from grfkit.dataset.public import ADAPTERS, adapter, bach, gaitpdb, hamner, rbds, schreiber
from grfkit.dataset.resample import check_window, continuous_starts, derivatives, linear, resampled, stance_times
from grfkit.errors import BadInputError
from grfkit.gait.contacts import rule_of
from grfkit.gait.landmarks import LANDMARKS, load_mapping
from grfkit.records import Channel, make_landmarks, make_stream
from grfkit.records.stance_set import StanceSet, join
from grfkit.units import G

RealFile = Callable[[str], Path]
ONE = "RBDS002"


@pytest.fixture(scope="module")
def runner(real_file: RealFile) -> StanceSet:
    settings = MotionSettings(force_lowpass_hz=20.0)
    return rbds.load(real_file("rbds_runners"), participants=[ONE], settings=settings)


@pytest.fixture(scope="module")
def walkers(real_file: RealFile) -> StanceSet:
    return schreiber.load(real_file("schreiber2019_walk_overground"))


@pytest.fixture(scope="module")
def shanks(real_file: RealFile) -> StanceSet:
    return bach.load(real_file("bach2022_shank_acc_vgrf"))


# --- windows -----------------------------------------------------------------------------------------------------


def test_a_spline_keeps_a_cubic_and_says_nothing_of_gaps() -> None:
    t = np.arange(100) / 100.0
    values = np.stack([t**3 - t, 2.0 * t], axis=1)
    at = np.linspace(0.2, 0.7, 37)
    np.testing.assert_allclose(resampled(t, values, at), np.stack([at**3 - at, 2 * at], axis=1), atol=1e-6)
    values[40:60, 0] = np.nan
    made = resampled(t, values, at)
    hole = (at > 0.395) & (at < 0.595)
    assert np.isnan(made[hole, 0]).all()
    assert np.isfinite(made[at < 0.385, 0]).all()
    assert np.isfinite(made[:, 1]).all()
    values[50:53, 1] = np.nan  # a gap of 40 ms is bridged
    np.testing.assert_allclose(resampled(t, values, at)[:, 1], 2 * at, atol=1e-9)


def test_nothing_is_made_up_beyond_the_record() -> None:
    t = np.arange(50) / 100.0
    made = resampled(t, np.sin(t)[:, None], np.linspace(-0.1, 0.6, 15))
    assert np.isnan(made[[0, -1]]).all()
    assert np.isnan(resampled(t, np.sin(t)[:, None], np.asarray([5.0, 5.1]))).all()
    assert np.isnan(linear(t, np.sin(t)[:, None], np.asarray([-0.1, 0.7]))).all()


@given(length=st.floats(0.5, 20.0), window=st.floats(0.2, 4.0), overlap=st.floats(0.0, 0.9), start=st.floats(-5.0, 5.0))
def test_continuous_windows_cover_the_record_and_stay_in_it(
    length: float, window: float, overlap: float, start: float
) -> None:
    begins = continuous_starts(start, start + length, window_s=window, overlap=overlap)
    assert begins[0] == start
    assert (np.diff(begins) > 0).all()
    assert (np.diff(begins) <= window * (1 - overlap) + 1e-6).all()
    if length > window:
        assert begins[-1] + window == pytest.approx(start + length, abs=1e-5)
    else:
        assert begins.size == 1


def test_windows_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadInputError, match="overlap"):
        continuous_starts(0, 10, window_s=2, overlap=1.0)
    with pytest.raises(BadInputError, match="101 points"):
        stance_times(1.0, 1.0, 101)
    with pytest.raises(BadInputError, match="stance, continuous"):
        check_window("stride", "force")
    with pytest.raises(BadInputError, match="toe-off"):
        check_window("stance", "imu")
    check_window("continuous", "none")


def test_derivatives_are_those_of_the_curve() -> None:
    t = np.arange(300) / 150.0
    values = np.sin(2 * np.pi * t)[:, None, None]
    speed = derivatives(t, values, order=1, lowpass_hz=None)[5:-5, 0, 0]
    np.testing.assert_allclose(speed, 2 * np.pi * np.cos(2 * np.pi * t[5:-5]), atol=0.01)
    push = derivatives(t, values, order=2, lowpass_hz=20.0)[40:-40, 0, 0]
    np.testing.assert_allclose(push, -4 * np.pi**2 * np.sin(2 * np.pi * t[40:-40]), atol=0.3)


# --- A ---------------------------------------------------------------------------------------------------------------


@given(turn=st.sampled_from([0, 180]), mirror=st.booleans(), tilt=st.floats(-20, 20))
def test_a_shank_sensor_is_oriented_however_it_is_mounted(turn: int, mirror: bool, tilt: float) -> None:
    t = np.arange(1000) / 142.857
    wave = np.sin(2 * np.pi * 1.5 * t)
    body = np.stack([G + 2 * np.cos(2 * np.pi * 3 * t), -3 * wave, 4 * wave], axis=1)
    body[:, 1:] -= body[:, 1:].mean(axis=0)
    raw = Rotation.from_euler("zy", [turn, tilt], degrees=True).inv().apply(body)
    if mirror:
        raw = raw * [1, -1, 1]
    np.testing.assert_allclose(bach.oriented(raw, rate_hz=142.857), body, atol=0.25)


def test_a_sensor_that_shows_no_gravity_is_refused() -> None:
    noise = np.random.default_rng(0).normal(size=(500, 3))
    with pytest.raises(BadInputError, match="where up is"):
        bach.oriented(noise, rate_hz=142.857)
    with pytest.raises(BadInputError, match="forward axis"):
        bach.oriented(noise + np.asarray([0, 0, G]), rate_hz=142.857)


@pytest.mark.recordings
def test_shank_trials_group_by_person_and_load_about_half_of_each_body(real_file: RealFile) -> None:
    found = bach.trials(real_file("bach2022_shank_acc_vgrf"))
    assert len(found) == 18
    assert len({t.participant for t in found}) == 5
    assert len({t.participant for t in found if t.condition == "running"}) == 4
    for trial in found:
        assert trial.acc_m_s2.mean(axis=0)[0] == pytest.approx(G, rel=0.25)
        assert np.abs(trial.acc_m_s2.mean(axis=0)[1:]).max() < 1e-9
        # one foot carries half of the body over whole strides; stated masses leave out clothes and shoes
        assert 2 * trial.vgrf_n.mean() / (trial.mass_kg * G) == pytest.approx(1.0, abs=0.10)
        assert 1.0 < trial.speed_m_s < 2.5


@pytest.mark.recordings
def test_shank_stances_have_the_shape_of_gait(shanks: StanceSet) -> None:
    assert shanks.axes == ("vgrf",)
    assert shanks.channels == bach.CHANNELS
    running = shanks.per_stance("condition") == "running"
    _, y, weight = shanks.arrays()
    assert weight.min() == 1.0
    np.testing.assert_allclose(y[:, [0, -1], 0], 0.05, atol=0.02)
    assert 2.0 < y[running].max(axis=1).mean() < 2.7
    assert 1.0 < y[~running].max(axis=1).mean() < 1.4
    assert 0.25 < shanks.scalar("contact_s")[running].mean() < 0.35
    assert 0.55 < shanks.scalar("contact_s")[~running].mean() < 0.80
    assert set(shanks.data["unit"].values) == {"m/s^2"}


@pytest.mark.recordings
def test_the_side_channel_agrees_between_people(shanks: StanceSet) -> None:
    walking = shanks.where(shanks.per_stance("condition") == "walking")
    x, _, _ = walking.arrays()
    likeness = [np.corrcoef(one[:, 1], one[:, 2])[0, 1] for one in x]
    people = walking.per_stance("participant")
    upside = np.isin(people, ["F65", "M60"])
    assert np.sign(np.median(np.asarray(likeness)[upside])) == np.sign(np.median(np.asarray(likeness)[~upside]))


@pytest.mark.recordings
def test_continuous_shank_windows_are_the_samples_themselves(real_file: RealFile) -> None:
    folder = real_file("bach2022_shank_acc_vgrf")
    made = bach.load(folder, window="continuous", window_s=3.0, overlap=0.5, conditions=["running"])
    first = next(t for t in bach.trials(folder) if t.condition == "running")
    x, y, _ = made.arrays()
    np.testing.assert_allclose(x[0], first.acc_m_s2[: x.shape[1]], atol=1e-4)
    np.testing.assert_allclose(y[0, :, 0], first.vgrf_n[: x.shape[1]] / (first.mass_kg * G), atol=1e-5)
    assert made.data.attrs["cut"] == "none"
    assert made.data.attrs["rate_hz"] == pytest.approx(142.857, abs=0.01)


# --- B ---------------------------------------------------------------------------------------------------------------


@pytest.mark.recordings
def test_a_runner_s_landmarks_make_a_body(real_file: RealFile) -> None:
    folder = real_file("rbds_runners")
    static = static_points(folder / f"{ONE}static.c3d")
    with np.load(folder / f"{ONE}.npz") as table:
        points = rbds.trial_of(table, "T35", static, load_mapping("rbds")).points
    for side in ("left", "right"):
        for above, below, least, most in (
            ("hip", "knee", 0.35, 0.50),
            ("knee", "ankle", 0.35, 0.48),
            ("heel", "toe", 0.15, 0.28),
        ):
            length = np.linalg.norm(points.path(f"{above}_{side}") - points.path(f"{below}_{side}"), axis=1)
            assert least < np.nanmean(length) < most
            assert np.nanstd(length) < 0.015  # soft tissue, not a wrong cluster
        assert np.nanmean(points.path(f"hip_{side}")[:, 2] - points.path(f"knee_{side}")[:, 2]) > 0.3
    assert np.nanmean(points.path("hip_left")[:, 1] - points.path("hip_right")[:, 1]) > 0.1


@pytest.mark.recordings
def test_a_runner_s_forces_point_up_forward_and_inward(runner: StanceSet) -> None:
    _, y, _ = runner.arrays()
    mean = y.mean(axis=0)
    assert 2.2 < mean[:, 0].max() < 2.8
    assert mean[10:40, 1].mean() < -0.15  # brakes first
    assert mean[60:90, 1].mean() > 0.15  # then pushes
    assert abs(mean[:, 1].mean()) < 0.05
    inward = np.asarray([y[runner.per_stance("side") == s, 30:60, 2].mean() for s in ("left", "right")])
    assert (inward > 0.0).all()  # toward the body's midline, for both feet
    assert runner.excluded.get("cut at the border", 0) <= 6


@pytest.mark.recordings
def test_a_runner_s_sides_alternate_and_the_mirrored_left_is_like_the_right(runner: StanceSet) -> None:
    for trial in np.unique(runner.per_stance("trial")):
        one = runner.where(runner.per_stance("trial") == trial)
        order = one.per_stance("side")[np.argsort(one.data["start_s"].values)]
        assert (order[1:] != order[:-1]).mean() > 0.99
    x, y, _ = runner.arrays()
    x = x[:, :, [c.endswith(("_x", "_y", "_z")) for c in runner.channels]]  # m; velocities have scales of their own
    left = runner.per_stance("side") == "left"
    assert np.abs(x[left].mean(axis=0) - x[~left].mean(axis=0)).max() < 0.08
    assert np.abs(y[left].mean(axis=0)[:, :2] - y[~left].mean(axis=0)[:, :2]).max() < 0.25


@pytest.mark.recordings
def test_the_landing_frame_begins_under_the_pelvis_with_the_standing_foot_low(runner: StanceSet) -> None:
    x, _, _ = runner.arrays()
    at = {n: k for k, n in enumerate(runner.channels)}
    assert np.abs(x[:, 0, [at["pelvis_x"], at["pelvis_y"]]]).max() < 1e-6
    assert (x[:, 50, at["heel_right_z"]] < x[:, 50, at["heel_left_z"]]).all()
    assert x[:, 0, at["heel_right_x"]].mean() > 0.05  # lands ahead of the pelvis
    travelled = x[:, -1, at["pelvis_x"]] / runner.scalar("contact_s")
    np.testing.assert_allclose(travelled, runner.scalar("speed_m_s"), rtol=0.08)  # belt taken for a floor


@pytest.mark.recordings
def test_frames_and_derivatives_are_options(real_file: RealFile) -> None:
    folder = real_file("rbds_runners")
    settings = MotionSettings(inputs=("position", "velocity"), frame="travelling", mirror=False)
    made = rbds.load(folder, participants=[ONE], settings=settings, points=51)
    assert made.channels == tuple(channel_names(settings))
    assert len(made.channels) == 66
    x, y, _ = made.arrays()
    at = {n: k for k, n in enumerate(made.channels)}
    assert np.abs(x[:, -1, at["pelvis_x"]]).max() < 0.15
    middle = x[:, 25, at["pelvis_z_velocity"]]
    assert np.abs(middle).mean() < 0.5
    right, left = made.per_stance("side") == "right", made.per_stance("side") == "left"
    assert (x[right, 25, at["heel_right_z"]] < x[right, 25, at["heel_left_z"]]).all()
    assert (x[left, 25, at["heel_left_z"]] < x[left, 25, at["heel_right_z"]]).all()
    assert y[left, 12:30, 2].mean() * y[right, 12:30, 2].mean() > 0


@pytest.mark.recordings
def test_continuous_windows_of_a_runner_add_up_to_the_belt(real_file: RealFile) -> None:
    made = rbds.load(real_file("rbds_runners"), participants=[ONE], window="continuous")
    _, y, weight = made.arrays()
    left, right = (made.per_stance("side") == s for s in ("left", "right"))
    both = weight[left] * weight[right]
    total = (y[left, :, 0] + y[right, :, 0])[both > 0]
    assert total.mean() == pytest.approx(1.0, abs=0.03)  # body weight is the mean load
    assert (np.minimum(y[left, :, 0], y[right, :, 0])[both > 0] < 0.1).all()  # no double support
    assert weight.mean() > 0.95


# --- C, D, cross-lab -------------------------------------------------------------------------------------------------


@pytest.mark.recordings
def test_walkers_have_two_stances_a_trial_and_walk_like_people(walkers: StanceSet) -> None:
    assert len(walkers.participants) == 12
    assert walkers.size == 48
    _, y, _ = walkers.arrays()
    assert 1.0 < y[:, :, 0].max(axis=1).mean() < 1.35
    assert (y[:, 10:25, 1].mean(axis=1) < 0).all()  # whichever way they walked
    assert (y[:, 75:90, 1].mean(axis=1) > 0).all()
    assert (y[:, 30:70, 2].mean(axis=1) > 0).mean() > 0.9  # both feet push inward
    conditions = walkers.per_stance("condition")
    speed = walkers.scalar("speed_m_s")
    assert speed[conditions == "walk fast"].mean() > speed[conditions == "walk self-selected"].mean() + 0.2
    for trial in np.unique(walkers.per_stance("trial")):
        assert set(walkers.per_stance("side")[walkers.per_stance("trial") == trial]) == {"left", "right"}


@pytest.mark.recordings
def test_walkers_and_runners_can_be_joined(walkers: StanceSet, runner: StanceSet) -> None:
    both = join([walkers, runner])
    assert set(both.per_stance("surface")) == {"treadmill", "overground"}
    x, _, _ = walkers.arrays()
    at = {n: k for k, n in enumerate(walkers.channels)}
    travelled = x[:, -1, at["pelvis_x"]] / walkers.scalar("contact_s")
    np.testing.assert_allclose(travelled, walkers.scalar("speed_m_s"), rtol=0.08)


@pytest.mark.recordings
def test_another_laboratory_s_runners_have_the_same_channels_and_signs(real_file: RealFile, runner: StanceSet) -> None:
    made = hamner.load(real_file("nimblephysics/data/osim"))
    assert made.channels == runner.channels
    assert made.participants == ("hamner01", "hamner04")
    assert made.of(["hamner01"]).scalar("mass_kg")[0] == pytest.approx(714 / G, abs=1.0)  # 712-716 N stated
    _, y, _ = made.arrays()
    assert 2.0 < y[:, :, 0].max(axis=1).mean() < 2.6
    assert y[:, 15:40, 1].mean() < -0.05
    assert y[:, 65:90, 1].mean() > 0.05
    assert made.excluded[hamner.LACKING] == 1
    x, _, _ = made.arrays()
    other, _, _ = runner.arrays()
    gap = np.abs(x.mean(axis=0) - other.mean(axis=0))
    z = [k for k, n in enumerate(made.channels) if n.endswith("_z")]
    assert gap[:, z].max() < 0.20  # the same body parts at the same heights


def feet_and_plates(order: tuple[str, str]) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
    """Return heels 0.2 m apart and the plates of both feet, named plate_1 and plate_2 in this order, without feet."""
    time = np.arange(200) / 100
    left = (time % 1.0 > 0.1) & (time % 1.0 < 0.4)
    right = (time % 1.0 > 0.6) & (time % 1.0 < 0.9)
    across = {"left": -0.1, "right": 0.1}
    heels = {s: np.stack([time * 0, time * 0 + 0.05, time * 0 + z], axis=1) for s, z in across.items()}
    marks = make_landmarks(np.stack([heels["left"], heels["right"]], axis=1), ["S:LHEE", "S:RHEE"], time, unit="m")
    plates = {}
    for number, side in enumerate(order, 1):
        fy = np.where(left if side == "left" else right, 700.0, 0.0)
        values = {"fx": fy * 0, "fy": fy, "fz": fy * 0, "cop_x": fy * 0 + 0.1, "cop_y": fy * 0}
        values["cop_z"] = fy * 0 + across[side] + 0.03
        channels = [Channel(n, v, "m" if n.startswith("cop") else "N", "global", n) for n, v in values.items()]
        plates[f"plate_{number}"] = make_stream(channels, time, kind="force_plate", attrs={"knows_feet": ""})
    return marks, plates


@pytest.mark.parametrize("order", [("left", "right"), ("right", "left")])
def test_a_plate_without_a_foot_is_of_the_heel_that_is_nearer(order: tuple[str, str]) -> None:
    marks, plates = feet_and_plates(order)
    assert tuple(hamner.nearest_foot(plate, marks) for plate in plates.values()) == order


def test_a_plate_that_no_heel_was_seen_on_is_refused() -> None:
    marks, plates = feet_and_plates(("left", "right"))
    marks["position"].values[:, 1] = np.nan
    with pytest.raises(BadInputError, match="at no time at which both heels are seen"):
        hamner.nearest_foot(plates["plate_1"], marks)


@pytest.mark.recordings
def test_insole_cells_sum_to_the_target_and_dead_ones_are_masked(real_file: RealFile) -> None:
    made = gaitpdb.load(real_file("gaitpdb_insole"), most_windows=3, studies=["Ga"])
    x, y, _ = made.arrays()
    np.testing.assert_allclose(x.sum(axis=2), y[:, :, 0] * made.scalar("mass_kg")[:, None] * G, rtol=1e-3, atol=0.1)
    masked = gaitpdb.mask_cells(made, [1, 8])
    seen = np.isfinite(masked.arrays()[0]).all(axis=(0, 1))
    assert np.flatnonzero(seen).tolist() == [0, 7]
    np.testing.assert_array_equal(masked.arrays()[1], y)
    assert np.isfinite(made.arrays()[0]).all()  # the set itself is left as it is
    with pytest.raises(BadInputError, match="cell_9"):
        gaitpdb.mask_cells(made, [9])
    assert made.excluded["no body mass"] >= 1
    cut = gaitpdb.load(
        real_file("gaitpdb_insole"), most_windows=3, studies=["Ga"], cut="insole_causal", seen=(1, 3, 6, 8)
    )
    assert cut.data.attrs["cut"] == "insole_causal"
    # a force's threshold begins every stance at one load, the insole's own detector does not
    at_contact = [s.arrays()[1][:, 0, 0] for s in (made, cut)]
    assert np.std(at_contact[1]) > 3 * np.std(at_contact[0])


@pytest.mark.recordings
def test_insole_walks_are_one_of_each_person_and_heavier_than_the_body(real_file: RealFile) -> None:
    walks, left_out = gaitpdb.walks(real_file("gaitpdb_insole"))
    assert len({w.person for w in walks}) == len(walks)
    assert len(walks) + sum(left_out.values()) == 99
    ratio = [w.cells_n.sum(axis=1).mean() / (w.mass_kg * G) for w in walks]
    assert np.median(ratio) == pytest.approx(1.27, abs=0.05)


@pytest.mark.recordings
def test_a_foot_far_from_the_pressure_is_nobody_s(real_file: RealFile) -> None:
    path = real_file("schreiber2019_walk_overground/data/2014001/dynamic/2014001_C4_05.c3d")
    trial = schreiber.read_trial(path, rule_of("5%BW").walking())
    time = np.linspace(0, 1.5, 200)
    away = np.full((200, 3), 5.0)
    assert schreiber.nearest_foot(trial.points, time, away, 0.2, 0.6) is None


def test_what_is_missing_or_unknown_is_refused_by_name(tmp_path: Path) -> None:
    for name in ADAPTERS:
        with pytest.raises(BadInputError, match="fetch"):
            adapter(name).load(tmp_path)
        with pytest.raises(BadInputError, match="toe-off"):
            adapter(name).load(tmp_path, cut="landmarks")
    with pytest.raises(BadInputError, match="bach, rbds"):
        adapter("nobody")
    with pytest.raises(BadInputError, match="inputs are"):
        rbds.load(tmp_path, settings=MotionSettings(inputs=()))


def test_the_landmark_channels_are_eleven_times_three() -> None:
    names = channel_names(MotionSettings(inputs=("position", "acceleration")))
    assert len(names) == 2 * 3 * len(LANDMARKS)
    assert names[0] == "pelvis_x"
    assert names[-1] == "toe_right_z_acceleration"
