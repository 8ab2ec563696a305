"""Pearl 2022: clocks by momentum and by grf-sync, axes of a shoe found by its walk, windows of real and made walks."""

from __future__ import annotations

import csv
import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from grfkit.dataset.public import adapter, pearl
from grfkit.dataset.public.pearl import PearlSettings
from grfkit.dataset.public.pearl_clock import alignment_of, belt_clocks, belt_times, momentum_clocks, sensor_times
from grfkit.dataset.public.pearl_trials import SENSORS, Person, WalkTrial, read_people, read_trial
from grfkit.errors import BadInputError
from grfkit.evaluation.methods import BaselineMethod
from grfkit.gait.shoe_axes import shoe_axes
from grfkit.learn.folds import Fold
from grfkit.units import G

RealFile = Callable[[str], Path]
FOLDER = "pearl2024_imu_treadmill"
MASS = 70.0
MOMENTUM = PearlSettings(clock="momentum", imu_lowpass_hz=0.0)
SIDES = ("left", "right")


def phases(seconds: float, seed: int) -> np.ndarray:
    """Return the phase of the stride at 100 Hz, strides of 1.1 to 1.4 s at random."""
    ends = np.cumsum(np.random.default_rng(seed).uniform(1.1, 1.4, size=int(seconds)))
    time = np.arange(round(seconds * 100)) / 100
    return np.interp(time, np.concatenate([[0.0], ends]), np.arange(len(ends) + 1))


def walk(
    seconds: float = 40.0, *, lags_s: tuple[float, float] = (0.0, 0.0), seed: int = 1, noise: float = 0.1
) -> WalkTrial:
    """Return a walk whose sensors run ``lags_s`` after the belts; x of shoes backward, y to the right, z up."""
    phase = phases(seconds, seed)
    time = np.arange(len(phase)) / 100
    rng = np.random.default_rng(seed)
    force, acc = np.zeros((len(phase), 2, 3)), rng.normal(scale=noise, size=(len(phase), 8, 3))
    gyro = rng.normal(scale=0.02, size=acc.shape)
    total = np.zeros(len(phase))
    for k, ahead in enumerate((0.0, 0.5)):
        at = (phase + ahead) % 1.0
        share = np.clip(at / 0.62, 0.0, 1.0)
        up = np.where(at < 0.62, np.sin(np.pi * share) + 0.25 * np.sin(3 * np.pi * share), 0.0) * MASS * G
        body = np.stack([-0.15 * up * np.cos(np.pi * share), up, (1 - 2 * k) * 0.05 * up], axis=1)
        total += up
        # the belt's clock: what the sensors show now, the belt showed a lag before
        force[:, k] = np.stack([np.interp(time + lags_s[k], time, c, right=0.0) for c in body.T], axis=1)
        shoe = SENSORS.index(f"toes_{SIDES[k][0]}")
        fast = np.where((at > 0.5) & (at < 0.65), 5.0, np.where((at > 0.68) & (at < 0.95), -3.0, 0.0))
        gyro[:, shoe, 1] -= fast  # toe down is a turn to the left, and y is to the right
        acc[:, shoe] += [-0.3 * G, 0.0, np.sqrt(0.91) * G]
        acc[:, shoe, 0] += np.abs(fast)
    acc[:, :2, 0] += (total / MASS)[:, None]
    acc[:, 2:6, 0] += G
    return WalkTrial("P1", "P1_CSBaseline", "normal", MASS, 0.75, acc, gyro, force)


def written(folder: Path, trials: dict[str, WalkTrial]) -> Path:
    (folder / "trials").mkdir()
    rows = ["person,age_years,height_m,mass_kg,sex,speed_m_per_s,knee_replacement"]
    rows += [
        f"{p},30,1.7,{MASS},F,0.75,{'yes' if p == 'P2' else 'no'}" for p in sorted({n.split("_")[0] for n in trials})
    ]
    (folder / "participants.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for name, trial in trials.items():
        np.savez(
            folder / "trials" / f"{name}.npz",
            acceleration_5mm_s2=np.round(trial.acc_m_s2 / 0.005).astype(np.int16),
            angular_velocity_mrad_s=np.round(trial.gyro_rad_s / 0.001).astype(np.int16),
            force_n=trial.force_n,
            sensors=np.asarray(SENSORS),
            rate_hz=100.0,
        )
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    trials = {
        "P1_CSBaseline": walk(lags_s=(0.3, -0.05)),
        "P1_CSStiffKnee": walk(lags_s=(-1.0, -1.1), seed=2),
        "P2_CSBaseline": walk(seed=3),
    }
    return written(tmp_path_factory.mktemp("pearl"), trials)


# --- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lags_s", [(0.0, 0.0), (0.3, -0.1), (-4.48, -4.4), (1.02, 1.32)])
def test_momentum_finds_the_lag_of_each_belt(lags_s: tuple[float, float]) -> None:
    clocks = momentum_clocks(walk(60.0, lags_s=lags_s))
    for side, lag in zip(SIDES, lags_s):
        clock = clocks[side]
        assert clock is not None
        assert clock.offset_s == pytest.approx(-lag, abs=0.011)


def test_a_break_inside_a_walk_is_left_out_of_the_map() -> None:
    trial = walk(60.0)
    trial.acc_m_s2[4000:] = np.roll(trial.acc_m_s2[4000:], 17, axis=0)
    clock = momentum_clocks(trial)["left"]
    assert clock is not None
    assert [(s.start_s, s.end_s) for s in clock.segments] == [(0.0, 40.0)]
    assert np.isfinite(belt_times(clock, np.asarray([0.0, 39.0]))).all()
    assert np.isnan(belt_times(clock, np.asarray([41.0, 59.0]))).all()
    assert np.isfinite(sensor_times(clock, np.asarray([38.0, 39.0]))).all()
    assert np.isnan(sensor_times(clock, np.asarray([39.5, 40.5]))).all()


def test_another_walk_s_force_has_no_clock() -> None:
    trial = walk(seed=1).with_force(walk(seed=2).force_n)
    assert momentum_clocks(trial) == {"left": None, "right": None}
    torso_of_another = walk(seed=1)
    torso_of_another.acc_m_s2[:, 0] = np.roll(torso_of_another.acc_m_s2[:, 0], 10, axis=0)
    assert momentum_clocks(torso_of_another) == {"left": None, "right": None}


@pytest.fixture(scope="module")
def real(real_file: RealFile) -> Path:
    return real_file(FOLDER)


def reference_ms(folder: Path) -> dict[tuple[str, str], float]:
    with open(folder / "reference_lags.csv", encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {(r["trial"], side): float(r[f"{side}_imu_minus_force_ms"]) for r in rows for side in SIDES}


def test_momentum_agrees_with_the_reference_lags_or_refuses(real: Path) -> None:
    expected, people = reference_ms(real), read_people(real)
    refused = set()
    paths = [*(real / "trials").glob("*_CSBaseline.npz"), *(real / "trials").glob("Sub06_*Stiff*.npz")]
    assert len(paths) == 10
    for path in paths:
        for side, clock in momentum_clocks(read_trial(path, people)).items():
            if clock is None:
                refused.add(path.stem)
            else:
                assert clock.offset_s is not None
                assert 1e3 * clock.offset_s == pytest.approx(-expected[path.stem, side], abs=15), (path.stem, side)
    assert refused == {"Sub10_CSBaseline"}


def test_the_real_break_is_left_out(real: Path) -> None:
    clock = momentum_clocks(read_trial(real / "trials" / "Sub06_CSStiffKnee.npz", read_people(real)))["left"]
    assert clock is not None
    assert clock.segments[-1].end_s <= 52.0


def test_grf_sync_aligns_real_belts_each_by_its_own_shoe(real: Path) -> None:
    trial = read_trial(real / "trials" / "Sub05_CSStiffKnee.npz", read_people(real))
    found = alignment_of(trial, "right")
    assert found.verdict == "aligned"
    assert found.uncertainty_ms is not None
    lag_ms = reference_ms(real)[trial.name, "right"]
    # the reference itself is good to 15 ms
    assert 1e3 * found.apply(np.asarray([50.0]))[0] - 5e4 == pytest.approx(-lag_ms, abs=found.uncertainty_ms + 15)


def test_momentum_steps_in_for_a_real_belt_that_grf_sync_refuses(real: Path) -> None:
    people = read_people(real)
    trial = read_trial(real / "trials" / "Sub08_CSBaseline.npz", people)
    other = read_trial(real / "trials" / "Sub02_CSBaseline.npz", people)
    acc, gyro = trial.acc_m_s2.copy(), trial.gyro_rad_s.copy()
    for sensor in ("toes_l", "toes_r"):  # the shoes of another walk, which no belt of this one follows
        column = trial.sensors.index(sensor)
        acc[:, column], gyro[:, column] = (values[: len(acc)] for values in other.of(sensor))
    trial = replace(trial, acc_m_s2=acc, gyro_rad_s=gyro)
    assert belt_clocks(trial, "grf-sync") == {"left": None, "right": None}
    assert belt_clocks(trial, "grf-sync or momentum") == momentum_clocks(trial)


# --- axes ------------------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(tilt=st.floats(-25, 25), roll=st.floats(-25, 25), heading=st.floats(-180, 180), gain=st.floats(0.8, 1.3))
def test_axes_of_a_walk_do_not_depend_on_the_mounting(tilt: float, roll: float, heading: float, gain: float) -> None:
    acc, gyro = walk(12.0, noise=0.0).of("toes_r")
    turn = Rotation.from_euler("zyx", [heading, tilt, roll], degrees=True)
    as_mounted = shoe_axes(acc, gyro, rate_hz=100, axes="walking")
    turned = shoe_axes(gain * turn.apply(acc), turn.apply(gyro), rate_hz=100, axes="walking")
    np.testing.assert_allclose(turned[0], as_mounted[0], atol=1e-6)
    np.testing.assert_allclose(turned[1], as_mounted[1], atol=1e-6)


def test_axes_are_forward_left_and_up() -> None:
    acc, gyro = walk(12.0, noise=0.0).of("toes_r")
    for axes in ("level", "walking"):
        a, w = shoe_axes(acc, gyro, rate_hz=100, axes=axes)  # type: ignore[arg-type]
        np.testing.assert_allclose(np.median(a, axis=0), [0.0, 0.0, G], atol=0.05)
        assert w[:, 1].max() == pytest.approx(5.0, abs=0.2), axes  # heel rise: toe down about the left
        assert w[:, 1].min() == pytest.approx(-3.0, abs=0.2), axes
        np.testing.assert_allclose(np.linalg.norm(a, axis=1), np.linalg.norm(acc, axis=1), rtol=1e-3)
    assert shoe_axes(acc, gyro, rate_hz=100, axes="sensor")[0] is acc


def test_axes_that_are_not_certain_are_refused() -> None:
    acc, gyro = walk(12.0).of("toes_r")
    with pytest.raises(BadInputError, match=r"at rest is 1\.0"):
        shoe_axes(acc / G, gyro, rate_hz=100, axes="walking")
    with pytest.raises(BadInputError, match="upright"):
        shoe_axes(acc, gyro[:, [0, 2, 1]], rate_hz=100, axes="walking")


# --- windows ---------------------------------------------------------------------------------------------------------


def test_stances_of_made_walks(made: Path) -> None:
    data = adapter("pearl").load(made, settings=MOMENTUM)
    assert data.participants == ("P1", "P2")
    assert data.channels[:3] == ("acc_x", "acc_y", "acc_z")
    assert data.channels[6:7] == ("other_toes_acc_x",)
    assert set(zip(data.per_stance("trial"), data.per_stance("condition"))) == {
        ("P1_CSBaseline", "normal"), ("P1_CSStiffKnee", "stiff knee"), ("P2_CSBaseline", "normal"),
    }  # fmt: skip
    x, y, w = data.arrays()
    assert x.shape[1:] == (101, 12)
    assert (w == 1).all()
    # what the sensors saw at contact and at mid-stance is the same, whatever the lag was
    at = {name: i for i, name in enumerate(data.channels)}
    np.testing.assert_allclose(np.median(x[:, 20:70, at["acc_z"]]), G, atol=0.1)
    np.testing.assert_allclose(x[:, 85:, at["gyro_y"]].max(axis=1), 5.0, atol=0.6)
    assert np.abs(x[:, 10:75, at["gyro_y"]]).max() < 0.5
    # the force: body weight, backward then forward, medial of either foot
    up, forward, medial = np.moveaxis(y, 2, 0)
    assert (forward[:, :40].mean(axis=1) < 0).all()
    assert (forward[:, 60:].mean(axis=1) > 0).all()
    np.testing.assert_allclose(medial, 0.05 * up, atol=1e-5)
    assert 0.6 < np.median(data.scalar("contact_s")) < 0.9
    assert (data.scalar("speed_m_s") == 0.75).all()
    assert pearl.knee_replacements(made) == ("P2",)


def test_left_feet_are_mirrored(made: Path) -> None:
    plain = pearl.load(made, settings=replace(MOMENTUM, mirror=False, axes="sensor"), participants=["P2"])
    turned = pearl.load(made, settings=replace(MOMENTUM, axes="sensor"), participants=["P2"])
    left = plain.per_stance("side") == "left"
    sign = np.tile([1, -1, 1, -1, 1, -1], 2)
    np.testing.assert_allclose(turned.arrays()[0][left], plain.arrays()[0][left] * sign)
    np.testing.assert_allclose(turned.arrays()[0][~left], plain.arrays()[0][~left])


def test_continuous_windows_hold_what_the_stances_hold(made: Path) -> None:
    options = replace(MOMENTUM, axes="sensor", sites=("toes", "pelvis"))
    data = pearl.load(made, window="continuous", settings=options, participants=["P1"], conditions=["normal"])
    x, y, w = data.arrays()
    assert data.data.attrs["rate_hz"] == 100.0
    assert x.shape[1:] == (200, 12)
    trial = read_trial(made / "trials" / "P1_CSBaseline.npz", read_people(made))
    row = int(np.flatnonzero(data.per_stance("side") == "right")[1])
    begin = round(100 * float(data.data["start_s"][row]))
    np.testing.assert_allclose(x[row, :, :3], trial.of("toes_r")[0][begin : begin + 200], rtol=1e-5)
    np.testing.assert_allclose(x[row, :, 6:9], trial.of("pelvis")[0][begin : begin + 200], rtol=1e-5)
    # the right belt's force lies .05 s later on its clock than on the sensors'
    expected = trial.force_n[begin + 5 : begin + 205, 1, 1] / (MASS * G)
    np.testing.assert_allclose(y[row, :, 0], expected, atol=0.02)
    assert w.mean() > 0.95


def test_stances_of_a_refused_clock_are_counted(tmp_path: Path) -> None:
    lost = walk(seed=1).with_force(walk(seed=2).force_n)
    folder = written(tmp_path, {"P1_CSBaseline": lost, "P2_CSBaseline": walk(seed=3)})
    data = pearl.load(folder, settings=MOMENTUM)
    assert data.participants == ("P2",)
    assert data.excluded["clock of the belt refused"] > 50


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"participants": ["Q9"]}, "holds no Q9"),
        ({"conditions": ["running"]}, "condition is 'running'"),
        ({"cut": "imu"}, "toe-off"),
        ({"window": "stride"}, "stance, continuous"),
    ],
    ids=["participant", "condition", "cut", "window"],
)
def test_requests_that_cannot_be_met_are_refused(made: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        pearl.load(made, settings=MOMENTUM, **options)


@pytest.mark.parametrize("field", ["sites", "axes", "clock"])
def test_settings_that_do_not_exist_are_refused(field: str) -> None:
    with pytest.raises(BadInputError, match="'wrist', expected one of"):
        PearlSettings(**{field: ("wrist",) if field == "sites" else "wrist"})  # type: ignore[arg-type]


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"participants\.csv: is missing"):
        pearl.load(tmp_path)
    (tmp_path / "participants.csv").write_text("person,mass\nP1,70\n", encoding="utf-8")
    with pytest.raises(BadInputError, match="expected columns"):
        pearl.load(tmp_path)
    people = {"P1": Person("P1", MASS, 0.75, False)}
    np.savez(tmp_path / "P1_CSBaseline.npz", force_n=np.zeros((3, 2, 3)))
    with pytest.raises(BadInputError, match="no trial of this data set"):
        read_trial(tmp_path / "P1_CSBaseline.npz", people)
    with pytest.raises(BadInputError, match="nobody knows the mass"):
        read_trial(tmp_path / "P7_CSBaseline.npz", people)


def test_real_stances_are_walking_of_the_true_mass(real: Path) -> None:
    data = pearl.load(real, settings=MOMENTUM, participants=["Sub01", "Sub08"], conditions=["normal"])
    _, y, _ = data.arrays()
    assert data.size > 300
    peak = y[:, :, 0].max(axis=1)
    assert 0.95 < np.median(peak) < 1.2
    assert 0.6 < np.median(data.scalar("contact_s")) < 1.1
    up, forward, medial = y.mean(axis=0).T
    assert forward[10:35].mean() < -0.03
    assert forward[70:90].mean() > 0.03
    assert medial[20:80].min() > 0.02
    assert up[0] == pytest.approx(0.05, abs=0.01)


def test_sensors_are_low_passed_before_anything_is_cut(made: Path) -> None:
    def of(cutoff_hz: float) -> np.ndarray:
        options = replace(MOMENTUM, axes="sensor", imu_lowpass_hz=cutoff_hz)
        return pearl.load(made, settings=options, participants=["P2"], window="continuous").arrays()[0]

    rough, smooth = of(0.0), of(5.0)
    # white noise of the y axis: a tenth of the band is left
    assert 0.15 < np.nanstd(smooth[:, :, 1]) / np.nanstd(rough[:, :, 1]) < 0.45
    np.testing.assert_allclose(np.nanmean(smooth[:, :, 2]), np.nanmean(rough[:, :, 2]), rtol=1e-3)


def test_methods_of_the_shift_train_on_one_condition_alone(made: Path) -> None:
    shoes = importlib.import_module("bench.accuracy.shoes")
    data = pearl.load(made, settings=MOMENTUM)
    fold = Fold("P2", ("P1",), (), ("P2",))
    train = fold.of(data, "train")
    normal = train.where(train.per_stance("condition") == "normal")
    method = BaselineMethod("mean curve")
    shifted = shoes.GivenConditions("mean curve", method, ("normal",)).fit(train, fold)
    tested = fold.of(data, "test")
    np.testing.assert_array_equal(shifted.predict(tested), method.fit(normal, fold).predict(tested))
    assert not np.array_equal(shifted.predict(tested), method.fit(train, fold).predict(tested))
    lagged = shoes.Lagged("wide", (-5, 0, 5)).fit(train, fold)
    assert (lagged.name, lagged.lags) == ("wide", (-5, 0, 5))
    assert np.sqrt(np.mean((lagged.predict(tested) - tested.arrays()[1]) ** 2)) < 0.2
