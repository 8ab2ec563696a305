"""Values that are no person's or sensor's in the unit that a file states are doubted aloud, and kept as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit import inspect, read, simulate_trial
from grfkit.io.doubts import doubts, shows_steps
from grfkit.provenance import Provenance
from grfkit.records import Channel, Recording, make_landmarks, make_recording, make_stream
from grfkit.units import G, to_si

RATE_HZ = 100.0
TIME_S = np.arange(800) / RATE_HZ


def recording(**streams: object) -> Recording:
    return make_recording(streams, device="test", reader="none", provenance=Provenance())  # type: ignore[arg-type]


def walking_foot(scale_acc: float = 1.0, scale_gyro: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Acceleration (m/s^2) and rate (rad/s) of a walking foot, shape (samples, 3)."""
    swing = np.clip(np.sin(2 * np.pi * TIME_S), 0, None)
    acc = np.stack([12 * swing * np.cos(9 * TIME_S), 1.5 * swing, G + 15 * swing * np.sin(14 * TIME_S)], axis=1)
    gyro = np.stack([0.4 * swing, 6 * swing * np.sin(5 * TIME_S), 0.3 * swing], axis=1)
    noise = np.random.default_rng(0).normal(size=(2, *acc.shape))
    return scale_acc * (acc + 0.05 * noise[0]), scale_gyro * (gyro + 0.01 * noise[1])


def imu(acc: np.ndarray, gyro: np.ndarray | None, acc_unit: str, gyro_unit: str = "rad/s") -> Recording:
    channels = [Channel(f"acc_{a}", acc[:, k], acc_unit) for k, a in enumerate("xyz"[: acc.shape[1]])]
    if gyro is not None:
        channels += [Channel(f"gyro_{a}", gyro[:, k], gyro_unit) for k, a in enumerate("xyz")]
    return recording(imu_left=make_stream(channels, TIME_S[: len(acc)], kind="imu", side="left"))


@pytest.mark.parametrize(
    ("acc_unit", "gyro_unit", "acc_scale", "gyro_scale", "text"),
    [
        ("m/s^2", "rad/s", 1.0, 1.0, ""),
        ("g", "deg/s", 1 / G, 180 / np.pi, ""),
        ("mg", "mdeg/s", 1000 / G, 180e3 / np.pi, ""),
        ("m/s^2", "rad/s", 1 / G, 1.0, "in the median, where gravity alone is 9.8"),
        ("g", "rad/s", 1.0, 1.0, "in the median, where gravity is 9.8 and a runner's foot stays below 60"),
        ("mm/s^2", "rad/s", 1.0, 1.0, "where gravity alone is 9.8"),
        ("m/s^2", "rad/s", 1000.0, 1.0, "where gravity is 9.8 and a runner's"),
        ("m/s^2", "rad/s", 1.0, 180 / np.pi, "deg/s), which no sensor of gait measures"),
        ("m/s^2", "deg/s", 1.0, 1.0, "deg/s) at the most while its acceleration varies by"),
        ("count", "count", 2000.0, 900.0, ""),
    ],
)
def test_the_unit_of_a_walking_sensor(
    acc_unit: str, gyro_unit: str, acc_scale: float, gyro_scale: float, text: str
) -> None:
    acc, gyro = walking_foot(acc_scale, gyro_scale)
    told = doubts(imu(acc, gyro, acc_unit, gyro_unit))
    assert len(told) == bool(text)
    if text:
        assert told[0].startswith("imu_left: ")
        assert told[0].endswith(": is the unit right?")
        assert text in told[0]


def test_a_sensor_at_rest_shows_its_units_too() -> None:
    noise = np.random.default_rng(1).normal(size=(2, 40, 3))
    still = np.asarray([0.2, 0.1, G]) + 0.02 * noise[0]
    drifting = np.asarray([1.0, -2.0, 0.5])  # deg/s, as a gyroscope at rest shows
    assert doubts(imu(still, np.deg2rad(drifting + 0.1 * noise[1]), "m/s^2")) == []
    assert "lies still" in doubts(imu(still, drifting + 0.1 * noise[1], "m/s^2"))[0]
    assert "is 1 m/s^2" in doubts(imu(still / G, None, "m/s^2"))[0]
    assert doubts(imu(still[:10] / G, None, "m/s^2")) == [], "a tenth of a second says nothing"
    assert doubts(imu(0 * still, None, "m/s^2")) == [], "a dead sensor is no wrong unit"


def test_shocks_of_running_and_a_single_axis_are_believed() -> None:
    rng = np.random.default_rng(2)
    acc = np.asarray([0.0, 0.0, 14.0]) + 10 * rng.normal(size=(800, 3))
    acc[::35] += [300.0, 100.0, 1900.0]  # an insole of 200 g
    assert doubts(imu(acc, None, "m/s^2")) == []
    tibia = acc[:, 2:]
    assert doubts(imu(tibia, None, "m/s^2")) == []
    assert doubts(imu(tibia - np.median(tibia), None, "m/s^2")) == [], "one axis need not see gravity"
    assert len(doubts(imu(tibia, None, "g"))) == 1
    free = [Channel(f"free_acc_{a}", 0.5 * rng.normal(size=800), "m/s^2") for a in "xyz"]
    assert doubts(recording(imu=make_stream(free, TIME_S, kind="imu"))) == [], "gravity was taken off"


def test_accelerations_among_analog_channels_are_judged_sensor_by_sensor() -> None:
    acc, _ = walking_foot()
    right = [Channel(f"ACCX{k}".replace("X", a), acc[:, i], "m/s^2") for k in (1, 2) for i, a in enumerate("XYZ")]
    wrong = [Channel(f"EMG3:ACC.{a}", 1e3 * acc[:, i], "m/s^2") for i, a in enumerate("XYZ")]
    told = doubts(recording(analog=make_stream([*right, *wrong], TIME_S, kind="analog")))
    assert len(told) == 1
    assert "EMG3:ACC.X, EMG3:ACC.Y, EMG3:ACC.Z" in told[0]


def steps(peak: float, *, stance_s: float = 0.65, step_s: float = 1.1, noise: float = 0.002) -> np.ndarray:
    phase = (TIME_S % step_s) / stance_s
    load = np.where(phase < 1, np.sin(np.pi * np.clip(phase, 0, 1)) ** 0.5, 0.0)
    return np.asarray(peak * (load + noise * np.random.default_rng(3).normal(size=load.size)))


def plate(values: np.ndarray, unit: str, name: str = "fz") -> Recording:
    stream = make_stream([Channel(name, values, unit)], TIME_S, kind="force_plate")
    return recording(plate_1=stream)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("peak", "unit", "doubted"),
    [
        (750.0, "N", False), (0.75, "kN", False), (1.1, "BW", False), (10.8, "N/kg", False),
        (110.0, "N", False), (2.4, "BW", False),  # a toddler; a run
        (0.75, "N", True), (1.1, "N", True), (10.8, "N", True), (750.0, "kN", True),
        (750.0, "BW", True), (110.0, "BW", True), (10.8, "BW", True), (750.0, "N/kg", True), (1.1, "N/kg", True),
    ],
)  # fmt: skip
def test_the_unit_of_a_plates_force(peak: float, unit: str, doubted: bool, sign: float) -> None:
    told = doubts(plate(sign * steps(peak), unit))
    assert len(told) == doubted
    if doubted:
        assert told[0].startswith("plate_1: ")
        assert "is the unit right" in told[0]


def test_plates_that_nobody_steps_on_are_no_wrong_unit() -> None:
    rng = np.random.default_rng(4)
    for quiet in (rng.normal(size=800), np.cumsum(rng.normal(size=800)) * 0.1, np.zeros(800), np.full(800, np.nan)):
        assert doubts(plate(quiet, "N")) == []
    drift = 5.0 * np.sin(2 * np.pi * TIME_S / 8.0) + 0.1 * rng.normal(size=800)
    ringing = 3.0 * np.exp(-(TIME_S % 1.1) / 0.1) * np.sin(60 * TIME_S) + 0.1 * rng.normal(size=800)
    assert doubts(plate(drift, "N")) == []
    assert doubts(plate(ringing, "N")) == []
    beside = make_stream([Channel("fz", steps(2.0), "N")], TIME_S, kind="force_plate")
    loaded = make_stream([Channel("fz", steps(800.0), "N")], TIME_S, kind="force_plate")
    assert doubts(recording(plate_1=loaded, plate_2=beside)) == [], "a neighbour's 2 N are those of its neighbour"


@pytest.mark.parametrize(
    ("channels", "doubted"),
    [
        ({"force": (1.2, "N")}, True),
        ({"force": (1.2, "BW")}, False),
        ({"force": (820.0, "N")}, False),
        ({"cell_01": (250.0, "kPa"), "cell_02": (180.0, "kPa")}, False),
        ({"cell_01": (25.0, "N/cm^2"), "cell_02": (18.0, "N/cm^2")}, False),
        ({"cell_01": (36.0, "psi")}, False),
        ({"cell_01": (250.0, "Pa")}, True),
        ({"cell_01": (250.0, "MPa")}, True),
        ({"cell_01": (400.0, "N/cm^2")}, True),
        ({"cell_01": (15.0, "kPa"), "cell_02": (12.0, "kPa")}, True),
        ({"cell_01": (3000.0, "count")}, False),
    ],
)
def test_the_unit_of_an_insole(channels: dict[str, tuple[float, str]], doubted: bool) -> None:
    stream = make_stream(
        [Channel(n, steps(p), u) for n, (p, u) in channels.items()], TIME_S, kind="insole", side="left"
    )
    told = doubts(recording(insole_left=stream))
    assert len(told) == doubted
    assert all(line.startswith("insole_left: ") for line in told)


def test_each_insole_is_judged_and_its_zones_are() -> None:
    def sole(side: str, **channels: float) -> object:
        parts = [Channel(n, steps(p), "N") for n, p in channels.items()]
        return make_stream(parts, TIME_S, kind="insole", side=side)  # type: ignore[arg-type]

    right = sole("right", force=800.0)
    assert doubts(recording(insole_left=sole("left", force=750.0), insole_right=right)) == []
    (doubt,) = doubts(recording(insole_left=sole("left", force=1.1), insole_right=right))
    assert doubt.startswith("insole_left: steps can be seen, but no load is above 1.1")
    assert doubts(recording(insole_left=sole("left", zone_heel=300.0, zone_toes=20.0))) == []
    (doubt,) = doubts(recording(insole_left=sole("left", zone_heel=0.4, zone_mid=0.3, zone_toes=0.3)))
    assert "no load is above 1" in doubt


@pytest.mark.parametrize(
    ("rate_hz", "doubted"), [(0.1, True), (4.0, True), (8.0, False), (2000.0, False), (20e3, False), (1e5, True)]
)
@pytest.mark.parametrize("kind", ["force_plate", "insole", "imu"])
def test_rates_that_no_sensor_has(kind: str, rate_hz: float, doubted: bool) -> None:
    channel = Channel("mag_x" if kind == "imu" else "fz", np.zeros(200), "1" if kind == "imu" else "N")
    stream = make_stream([channel], np.arange(200) / rate_hz, kind=kind)  # type: ignore[arg-type]
    told = doubts(recording(a=stream))
    assert len(told) == doubted
    assert all("is the unit of its time right (s, ms)?" in line for line in told)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, ""),
        ({"cop_x": 1e3}, "centre of pressure is"),
        ({"cop_x": 1e-3, "cop_y": 1e-3}, "mm in a step, where a foot's travels 30"),
        ({"free_moment": 1e3}, "free moment is"),
        ({"cop_x": 0.0, "cop_y": 0.0}, ""),  # a place holder
    ],
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_centre_of_pressure_and_free_moment(changed: dict[str, float], says: str, sign: float) -> None:
    force = steps(750.0)
    loaded = force > 10.0
    phase = np.clip((TIME_S % 1.1) / 0.65, 0.0, 1.0)
    right = {
        "cop_x": np.where(loaded, 0.3 + 0.2 * phase, np.nan),
        "cop_y": np.where(loaded, 0.1 + 0.02 * phase, np.nan),
        "free_moment": 0.01 * force * np.sin(6.0 * phase),
    }
    channels = [Channel("fz", sign * force, "N")]
    for name, values in right.items():
        channels.append(Channel(name, values * changed.get(name, 1.0), "N m" if name == "free_moment" else "m"))
    told = doubts(recording(plate_1=make_stream(channels, TIME_S, kind="force_plate")))
    assert len(told) == bool(says)
    assert all(says in line and line.endswith("is the unit right?") for line in told)


def landmarks(positions: np.ndarray, unit: str, names: list[str] | None = None) -> Recording:
    names = names or [f"M{k}" for k in range(positions.shape[1])]
    time = np.arange(len(positions)) / RATE_HZ
    return recording(landmarks=make_landmarks(positions, names, time, unit=unit))


def feet(seed: int = 0) -> np.ndarray:
    """Heel and toe of both feet, m, in place: shape (samples, 4, 3)."""
    at = np.asarray([[0.0, 0.1, 0.03], [0.18, 0.1, 0.02], [0.0, -0.1, 0.03], [0.18, -0.1, 0.02]])
    sway = 0.05 * np.sin(2 * np.pi * TIME_S[:200])[:, None, None]
    return np.asarray(at + sway + 0.0002 * np.random.default_rng(seed).normal(size=(200, 4, 3)) + [1.0, 0.5, 0.0])


NAMES = ["LHEE", "LTOE", "RHEE", "RTOE"]


@pytest.mark.parametrize(
    ("scale", "unit", "count", "text"),
    [
        (1.0, "m", 4, ""), (1e3, "mm", 4, ""), (100.0, "cm", 2, ""), (1e3, "mm", 1, ""),
        (1.0, "mm", 4, "lie within"), (1.0, "mm", 2, "lie within"), (1.0, "mm", 1, "lie within"),
        (1e3, "m", 4, "reach over"), (100.0, "mm", 2, "a foot is 0.018 m long"), (1.0, "cm", 2, "lie within"),
        (1e3, "cm", 2, "a foot is 1.8 m long"), (1e3, "cm", 4, "a foot is 1.8 m long"),
    ],
)  # fmt: skip
def test_the_unit_of_a_few_landmarks(scale: float, unit: str, count: int, text: str) -> None:
    told = doubts(landmarks(scale * feet()[:, :count], unit, NAMES[:count]))
    assert [text in line for line in told] == ([True] if text else [])


def test_accelerations_taken_for_places() -> None:
    rng = np.random.default_rng(5)
    moving = np.asarray([0.5, 1.0, 9.5]) + rng.normal(size=(800, 3, 3))  # sensors of trunk and thighs
    assert "accelerations taken for places" in doubts(landmarks(moving, "m"))[0]
    still = np.asarray([[0.1, 0.2, 9.8], [9.7, 0.1, 1.2]]) + 0.001 * rng.normal(size=(100, 2, 3))
    assert "9.8 m from the origin" in doubts(landmarks(still, "m"))[0]
    sprint = feet() + np.asarray([9.0, 0.0, 0.0]) * TIME_S[:200, None, None]
    assert doubts(landmarks(sprint, "m", NAMES)) == []


def test_a_doubt_stands_in_the_notes_the_provenance_and_what_grf_inspect_shows(tmp_path: Path) -> None:
    acc, gyro = walking_foot(1 / G)
    header = [f"left_acc_{a} [m/s^2]" for a in "xyz"] + [f"left_gyro_{a} [rad/s]" for a in "xyz"]
    path = tmp_path / "imu.csv"
    table = np.column_stack([TIME_S, acc, gyro])
    np.savetxt(path, table, delimiter=",", header=",".join(["time [s]", *header]), comments="", fmt="%.6f")
    taken = read(path)
    doubt = next(note for note in taken.notes if "is the unit right?" in note)
    assert doubt in taken.provenance.findings
    assert doubt in inspect(path).notes
    # nothing is corrected
    np.testing.assert_allclose(taken.streams["imu_left"]["acc_z"].values, np.round(acc[:, 2], 6))


def test_simulated_recordings_are_not_doubted() -> None:
    for seed in range(3):
        lab = simulate_trial(seed=seed)
        for each in (lab.reference, *lab.wearables.values()):
            assert doubts(each) == []


def test_a_quiet_signal_shows_no_steps() -> None:
    assert shows_steps(steps(1.0), rate_hz=RATE_HZ)
    assert shows_steps(-steps(1e-3), rate_hz=RATE_HZ)
    once = np.where((TIME_S > 3) & (TIME_S < 3.7), steps(1.0, step_s=10.0, stance_s=9.0), 0.0)
    assert shows_steps(once, rate_hz=RATE_HZ), "one step on one plate"
    assert not shows_steps(np.full(800, 700.0) + np.random.default_rng(6).normal(size=800), rate_hz=RATE_HZ)
    assert not shows_steps(np.zeros(800), rate_hz=RATE_HZ)
    assert not shows_steps(steps(1.0), rate_hz=0.0)
    assert np.all(to_si(np.asarray([1.0]), "kN") == 1000.0)
