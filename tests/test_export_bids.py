"""grf-export to Motion-BIDS: files, columns and keys as the standard asks for them, and the trial's numbers in them."""

from __future__ import annotations

import json
import re
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grfkit import BadInputError, Trial, estimate, export_trial, simulate_trial
from grfkit.runtime.bundle_files import shipped_bundle
from grfkit.steps.measured import stances_of

NAME = re.compile(r"sub-([A-Za-z0-9]+)_task-[A-Za-z0-9]+_tracksys-[A-Za-z0-9]+(_run-\d+)?_(motion|channels|events)")
TYPES = {"ACCEL", "ANGACCEL", "GYRO", "JNTANG", "LATENCY", "MAGN", "MISC", "ORNT", "POS", "VEL"}


@lru_cache(maxsize=1)
def lab() -> Trial:
    made = simulate_trial(seed=1, duration_s=20, wearables=("insole", "imu", "landmarks"))
    return made.on_true_clock(participant="S-1")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bids")
    lab().to_netcdf(folder / "a.nc")
    export_trial(folder / "a.nc", "bids", folder / "one", task="treadmillrun")
    return folder


def stems(folder: Path) -> list[Path]:
    return [p.with_name(p.name.removesuffix("_motion.tsv")) for p in sorted(folder.rglob("*_motion.tsv"))]


def beside(stem: Path, ending: str) -> Path:
    return stem.with_name(stem.name + ending)


def test_every_file_is_named_and_described_as_motion_bids_asks(home: Path) -> None:
    root = home / "one"
    about = json.loads((root / "dataset_description.json").read_text(encoding="utf-8"))
    assert {"Name", "BIDSVersion", "DatasetType"} <= set(about)
    people = pd.read_csv(root / "participants.tsv", sep="\t")
    assert list(people["participant_id"]) == ["sub-S1"]
    assert list(people["code"]) == ["S-1"]
    assert people["weight"][0] == pytest.approx(lab().tree.attrs["mass_kg"])
    names = {p.name for p in (root / "sub-S1" / "motion").iterdir()}
    assert all(NAME.fullmatch(name.rsplit(".", 1)[0]) for name in names)
    assert len(stems(root)) == len(lab().streams)
    for stem in stems(root):
        sidecar = json.loads(beside(stem, "_motion.json").read_text(encoding="utf-8"))
        channels = pd.read_csv(beside(stem, "_channels.tsv"), sep="\t", keep_default_na=False)
        assert list(channels.columns[:5]) == ["name", "component", "type", "tracked_point", "units"]
        assert set(channels["type"]) <= TYPES
        assert channels["name"].is_unique
        assert set(channels["component"]) <= {"x", "y", "z", "n/a"}
        frames = json.loads(beside(stem, "_channels.json").read_text(encoding="utf-8"))["reference_frame"]["Levels"]
        assert set(channels["reference_frame"]) - {"n/a"} <= set(frames)
        assert sidecar["TaskName"] == "treadmillrun"
        assert sidecar["MotionChannelCount"] == len(channels)
        for kind, count in channels["type"].value_counts().items():
            assert sidecar[f"{kind}ChannelCount"] == count
        table = pd.read_csv(beside(stem, "_motion.tsv"), sep="\t", header=None, na_values="n/a")
        assert table.shape[1] == len(channels)


def test_numbers_and_times_are_the_trials_and_unknown_is_n_a(home: Path) -> None:
    root = home / "one" / "sub-S1"
    scans = pd.read_csv(root / "sub-S1_scans.tsv", sep="\t", keep_default_na=False)
    assert all((root / name).is_file() for name in scans["filename"])
    start = {
        n: datetime.fromisoformat(t) - datetime(1900, 1, 1, 12) for n, t in zip(scans["filename"], scans["acq_time"])
    }
    for system, name, first in (
        ("plate1", "reference/plate_1", "plate_1_fx"),
        ("imuleft", "imu_left", "left_acc_x"),
        ("landmarks", "landmarks", ""),
    ):
        stem = next(s for s in stems(home / "one") if f"tracksys-{system}" in s.name)
        channels = pd.read_csv(beside(stem, "_channels.tsv"), sep="\t", keep_default_na=False)
        table = pd.read_csv(
            beside(stem, "_motion.tsv"), sep="\t", header=None, na_values="n/a", names=list(channels["name"])
        )
        stream = lab().streams[name]
        time = start[f"motion/{stem.name}_motion.tsv"].total_seconds() + table["latency"].to_numpy()
        np.testing.assert_allclose(time, stream["time"].values, atol=2e-6)
        if system == "landmarks":
            true = stream["position"].sel(landmark="left_hip").values[:, 1]
            assert np.isnan(true).any()
            np.testing.assert_allclose(table["left_hip_y"], true, atol=1e-8, equal_nan=True)
            continue
        true = stream[first.removeprefix("plate_1_").removeprefix("left_")]
        np.testing.assert_allclose(table[first], true.values, atol=1e-6 * np.abs(true.values).max())
        assert channels.set_index("name")["units"][first] == true.attrs["units"]
    plate = next(s for s in stems(home / "one") if "tracksys-plate1" in s.name)
    text = beside(plate, "_motion.tsv").read_text(encoding="utf-8")
    assert text.count("n/a") == sum(int(lab().streams["reference/plate_1"][f"cop_{a}"].isnull().sum()) for a in "xyz")


def test_events_are_the_steps_after_the_first_sample_of_each_system(home: Path) -> None:
    found = stances_of(lab())
    for system, first in (("plate1", 0.0), ("imuright", lab().streams["imu_right"]["time"].values[0])):
        stem = next(s for s in stems(home / "one") if f"tracksys-{system}" in s.name)
        events = pd.read_csv(beside(stem, "_events.tsv"), sep="\t", keep_default_na=False)
        assert list(events.columns[:2]) == ["onset", "duration"]
        assert events["onset"].is_monotonic_increasing
        steps = events[events["trial_type"] == "stance"]
        wanted = [s for s in found.stances if s.ic_s >= first]
        np.testing.assert_allclose(steps["onset"].astype(float), [s.ic_s - first for s in wanted], atol=1e-6)
        assert list(steps["side"]) == [s.side for s in wanted]
        assert any(kind.startswith("rejected: ") for kind in events["trial_type"])


def test_several_trials_are_runs_of_their_people_and_codes_are_not_mixed_up(home: Path) -> None:
    for name, code in (("b", "S-1"), ("c", "S2"), ("d", "S1")):
        trial = Trial(lab().tree.copy(deep=True))
        trial.tree.attrs["participant"] = code
        trial.to_netcdf(home / f"{name}.nc")
    export_trial([home / f"{n}.nc" for n in "abc"], "bids", home / "three", streams=["plate_1"])
    got = sorted(p.name for p in (home / "three").rglob("*_motion.tsv"))
    assert got == [
        "sub-S1_task-gait_tracksys-plate1_run-1_motion.tsv",
        "sub-S1_task-gait_tracksys-plate1_run-2_motion.tsv",
        "sub-S2_task-gait_tracksys-plate1_motion.tsv",
    ]
    with pytest.raises(BadInputError, match="'S-1' and 'S1' would both be sub-S1"):
        export_trial([home / "a.nc", home / "d.nc"], "bids", home / "mixed")
    with pytest.raises(BadInputError, match="2 trials; --to csv takes one"):
        export_trial([home / "a.nc", home / "d.nc"], "csv", home / "two.csv")


def test_what_does_not_belong_in_raw_data_is_refused(home: Path) -> None:
    nobody = Trial(lab().tree.copy(deep=True))
    nobody.tree.attrs["participant"] = ""
    nobody.to_netcdf(home / "nobody.nc")
    with pytest.raises(BadInputError, match="names no participant"):
        export_trial(home / "nobody.nc", "bids", home / "none")
    with pytest.raises(BadInputError, match="task is 'run 1', expected letters and digits"):
        export_trial(home / "a.nc", "bids", home / "none", task="run 1")
    estimate(shipped_bundle("bilstm_simulated"), home / "a.nc", out=home / "e.nc")
    with pytest.raises(BadInputError, match="is an estimate, no recording"):
        export_trial(home / "e.nc", "bids", home / "none")
    assert not (home / "none").exists()


def test_a_data_set_is_replaced_only_where_nothing_of_others_is_lost(home: Path) -> None:
    export_trial(home / "a.nc", "bids", home / "kept", streams=["plate_1"])
    first = {p: p.read_bytes() for p in (home / "kept").rglob("*") if p.is_file()}
    with pytest.raises(BadInputError, match="exists; use --force"):
        export_trial(home / "a.nc", "bids", home / "kept", streams=["plate_1"])
    export_trial(home / "a.nc", "bids", home / "kept", streams=["plate_1"], force=True)
    assert {p: p.read_bytes() for p in (home / "kept").rglob("*") if p.is_file()} == first
    (home / "kept" / "CHANGES").write_text("mine")
    with pytest.raises(BadInputError, match="holds CHANGES, not written by grfkit"):
        export_trial(home / "a.nc", "bids", home / "kept", streams=["plate_1"], force=True)


def test_a_trial_given_twice_is_refused_by_name(home: Path) -> None:
    with pytest.raises(BadInputError, match=r"a\.nc: was given twice"):
        export_trial([home / "a.nc", home / "." / "a.nc"], "bids", home / "twice")
    assert not (home / "twice").exists()
