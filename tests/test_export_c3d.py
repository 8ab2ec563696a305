"""grf-export to C3D: ezc3d's own plates, points and events, and our reader, give what the trial holds."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import ezc3d
import numpy as np
import pytest

from grfkit import BadInputError, Trial, export_trial, read, simulate_trial
from grfkit.records import make_landmarks
from grfkit.steps.measured import stances_of

FLOAT32 = 1e-6
START_S = 11.0


@lru_cache(maxsize=1)
def lab() -> Trial:
    made = simulate_trial(
        seed=4, surface="overground", gait="walk", duration_s=20, wearables=("insole", "imu", "landmarks")
    )
    trial = made.on_true_clock(participant="P04")
    # the seconds in which the plates are trodden on
    for name in [n for n in trial.streams if n.startswith("reference/")]:
        trial.tree[name].dataset = trial.streams[name].isel(time=slice(11_000, 19_000))
    imu = trial.streams["imu_left"]
    trial.tree["imu_left"].dataset = imu.isel(time=imu["time"].values > 13.0)
    return trial


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("c3d")
    lab().to_netcdf(folder / "walk.nc")
    export_trial(folder / "walk.nc", "c3d", folder / "walk.c3d")
    return folder


def changed() -> Trial:
    return Trial(lab().tree.copy(deep=True))


def close(got: np.ndarray, true: np.ndarray, share: float = FLOAT32) -> None:
    np.testing.assert_allclose(got, true, atol=share * np.nanmax(np.abs(true)), rtol=0, equal_nan=True)


def test_ezc3d_computes_the_same_force_moment_and_centre_of_pressure(home: Path) -> None:
    platforms = ezc3d.c3d(str(home / "walk.c3d"), extract_forceplat_data=True)["data"]["platform"]
    names = [n for n in lab().streams if n.startswith("reference/plate")]
    assert len(platforms) == len(names) == 4
    checked = 0
    for platform, name in zip(platforms, names):
        plate = lab().streams[name]
        force = np.stack([plate[f"f{a}"].values for a in "xyz"])
        moment = np.stack([plate[f"m{a}"].values for a in "xyz"])
        close(platform["force"], force)
        # ezc3d gives moments in N mm about the middle of the surface
        np.testing.assert_allclose(platform["moment"] / 1e3, moment, atol=2e-6 * np.abs(force).max())
        loaded = force[2] > 100
        cop = np.stack([plate[f"cop_{a}"].values for a in "xyz"])
        np.testing.assert_allclose(platform["center_of_pressure"][:, loaded] / 1e3, cop[:, loaded], atol=1e-5)
        np.testing.assert_allclose(platform["corners"].T.ravel() / 1e3, plate.attrs["corners_m"], atol=1e-6)
        checked += int(loaded.sum())
    assert checked > 2000


def test_our_reader_gets_plates_and_points_again(home: Path) -> None:
    back = read(home / "walk.c3d")
    for name in [n for n in lab().streams if n.startswith("reference/plate")]:
        true, got = lab().streams[name], back.streams[name.removeprefix("reference/")]
        for channel in ("fx", "fy", "fz", "mx", "my", "mz"):
            close(got[channel].values, true[channel].values)
        assert got.attrs["vertical"] == true.attrs["vertical"]
        assert got.attrs["rate_hz"] == 1000.0
    true, got = lab().streams["landmarks"], back.streams["landmarks"]
    assert list(got["landmark"].values) == list(true["landmark"].values)
    at, time = START_S + got["time"].values, true["time"].values
    hip = got["position"].sel(landmark="left_hip").values
    path = true["position"].sel(landmark="left_hip").values
    inside = (at > time[0]) & (at < time[-1])
    seen = np.isfinite(hip).all(axis=1)
    assert seen.sum() > 50
    assert not seen[~inside].any()
    for k in range(3):
        wanted = np.interp(at[seen], time[np.isfinite(path[:, k])], path[np.isfinite(path[:, k]), k])
        np.testing.assert_allclose(hip[seen, k], wanted, atol=1e-6 * np.nanmax(np.abs(path)))


def test_events_are_the_contacts_of_each_foot(home: Path) -> None:
    group = ezc3d.c3d(str(home / "walk.c3d"))["parameters"]["EVENT"]
    times = START_S + 60 * group["TIMES"]["value"][0] + group["TIMES"]["value"][1]
    events = sorted(zip(times.tolist(), group["LABELS"]["value"], group["CONTEXTS"]["value"]))
    context = {"left": "Left", "right": "Right", "unknown": "General"}
    wanted = sorted(
        (t, label, context[s.side])
        for s in stances_of(lab()).stances
        for t, label in ((s.ic_s, "Foot Strike"), (s.to_s, "Foot Off"))
    )
    assert len(events) == len(wanted) > 4
    assert [e[1:] for e in events] == [w[1:] for w in wanted]
    np.testing.assert_allclose([e[0] for e in events], [w[0] for w in wanted], atol=1e-5)
    ours = json.loads(read(home / "walk.c3d").tree.attrs["events"])
    assert len(ours) == len(wanted)


def test_wearables_are_written_where_asked_for_and_only_where_they_are_known(home: Path) -> None:
    made = export_trial(home / "walk.nc", "c3d", home / "plates.c3d")
    assert any(n.startswith("left out: insole_left") for n in made.notes)
    streams = ["plate_1", "imu_left"]
    with pytest.raises(BadInputError, match=r"every analog channel is known from .*--unknown cut"):
        export_trial(home / "walk.nc", "c3d", home / "imu.c3d", streams=streams)
    assert not (home / "imu.c3d").exists()
    export_trial(home / "walk.nc", "c3d", home / "imu.c3d", streams=streams, unknown="cut")
    file = ezc3d.c3d(str(home / "imu.c3d"))
    labels = file["parameters"]["ANALOG"]["LABELS"]["value"]
    units = file["parameters"]["ANALOG"]["UNITS"]["value"]
    at = labels.index("left_acc_z")
    assert units[at] == "m/s^2"
    start = float(file["parameters"]["GRFKIT"]["START_S"]["value"][0])
    values = file["data"]["analogs"][0, at]
    time = start + np.arange(values.size) / 1000.0
    imu = lab().streams["imu_left"]
    assert time[0] >= imu["time"].values[0] - 1e-6
    wanted = np.interp(time, imu["time"].values, imu["acc_z"].values)
    np.testing.assert_allclose(values, wanted, atol=2e-6 * np.abs(wanted).max())


def test_unknown_force_is_refused_or_cut(home: Path) -> None:
    trial = changed()
    for channel in ("fx", "fz", "my"):
        trial.streams["reference/plate_2"][channel].values[2000:2100] = np.nan
    trial.to_netcdf(home / "hole.nc")
    with pytest.raises(BadInputError, match="every analog channel"):
        export_trial(home / "hole.nc", "c3d", home / "hole.c3d")
    export_trial(home / "hole.nc", "c3d", home / "hole.c3d", unknown="cut")
    file = ezc3d.c3d(str(home / "hole.c3d"))
    assert float(file["parameters"]["GRFKIT"]["START_S"]["value"][0]) == pytest.approx(13.1)
    assert np.isfinite(file["data"]["analogs"]).all()


def test_force_on_the_plate_is_turned_to_that_on_the_foot(home: Path) -> None:
    trial = changed()
    for name in [n for n in trial.streams if n.startswith("reference/plate")]:
        for channel in ("fx", "fy", "fz", "mx", "my", "mz"):
            trial.streams[name][channel].values[:] *= -1
    trial.to_netcdf(home / "action.nc")
    export_trial(home / "action.nc", "c3d", home / "action.c3d")
    back, true = read(home / "action.c3d").streams["plate_1"], lab().streams["reference/plate_1"]
    close(back["fz"].values, true["fz"].values)
    close(back["mx"].values, true["mx"].values)


def test_a_long_trial_has_slower_frames_that_every_reader_counts(home: Path) -> None:
    trial = changed()
    source = trial.streams["reference/plate_1"]
    long = source.isel(time=np.arange(70_000) % source.sizes["time"]).assign_coords(time=np.arange(70_000) / 100.0)
    long.attrs["rate_hz"] = 100.0
    trial.tree["reference/plate_1"].dataset = long
    trial.to_netcdf(home / "long.nc")
    made = export_trial(home / "long.nc", "c3d", home / "long.c3d", streams=["plate_1"])
    assert made.files == (home / "long.c3d",)
    close(read(home / "long.c3d").streams["plate_1"]["fz"].values, long["fz"].values)
    assert ezc3d.c3d(str(home / "long.c3d"))["data"]["analogs"].shape[2] == 70_000
    assert ezc3d.c3d(str(home / "long.c3d"))["parameters"]["POINT"]["RATE"]["value"][0] == 50.0


def test_markers_of_another_rate_are_taken_to_frames_that_the_plates_divide(home: Path) -> None:
    trial = changed()
    true = trial.streams["landmarks"]
    time = np.arange(0.0, 19.9, 1 / 120)
    names = [str(n) for n in true["landmark"].values]
    points = np.stack(
        [np.stack([np.interp(time, true["time"].values, np.nan_to_num(true["position"].values[:, i, k]))
                   for k in range(3)], axis=1) for i in range(len(names))], axis=1
    )  # fmt: skip
    trial.tree["landmarks"].dataset = make_landmarks(points, names, time, unit="m", rate_hz=120.0)
    trial.to_netcdf(home / "rate.nc")
    made = export_trial(home / "rate.nc", "c3d", home / "rate.c3d")
    if any(n.startswith("no markers") for n in made.notes):
        pytest.fail(str(made.notes))
    file = ezc3d.c3d(str(home / "rate.c3d"))
    rate, analog = (file["parameters"][g]["RATE"]["value"][0] for g in ("POINT", "ANALOG"))
    assert analog % rate == 0
    assert rate >= 120


def test_a_plate_without_corners_is_refused_with_another_way(home: Path) -> None:
    trial = changed()
    for name in [n for n in trial.streams if n.startswith("reference/plate")]:
        del trial.tree[name].attrs["corners_m"]
    trial.to_netcdf(home / "bare.nc")
    with pytest.raises(BadInputError, match="has no corners, and a C3D plate needs that; --to opensim"):
        export_trial(home / "bare.nc", "c3d", home / "bare.c3d")


def test_counts_are_never_written_as_newtons(home: Path) -> None:
    trial = changed()
    trial.tree["reference/plate_1"]["fz"].attrs["units"] = "count"
    trial.to_netcdf(home / "counts.nc")
    for to, name in (("c3d", "counts.c3d"), ("opensim", "counts.mot")):
        with pytest.raises(BadInputError, match="'plate_1_fz' is in count, expected N"):
            export_trial(home / "counts.nc", to, home / name)
    made = export_trial(home / "counts.nc", "csv", home / "counts.csv")
    assert "plate_1_fz [count]" in (home / "counts.csv").read_text().splitlines()[0]
    assert any(note.startswith("no contacts: 'fz' of plate_1 is in count") for note in made.notes)
