"""grf-export to CSV, Parquet and MATLAB: the same numbers for another program, and unknown where it is unknown."""

from __future__ import annotations

import json
import shutil
from functools import lru_cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.io import loadmat

from grfkit import BadInputError, Trial, estimate, export_trial, read, simulate_trial
from grfkit.cli.export import main
from grfkit.export.one_clock import between
from grfkit.export.write import FORMATS
from grfkit.formats.matlab import matlab_arrays
from grfkit.runtime.bundle_files import shipped_bundle


@lru_cache(maxsize=1)
def made() -> Trial:
    lab = simulate_trial(seed=1, duration_s=20, wearables=("insole", "imu", "landmarks"))
    trial = lab.on_true_clock(participant="stranger")
    plate = trial.streams["reference/plate_1"]
    for name in ("fx", "fy", "fz", "cop_x", "cop_y"):
        plate[name].values[5000:5200] = np.nan
    return trial


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    made().to_netcdf(folder / "run.nc")
    return folder


def close(got: np.ndarray, true: np.ndarray) -> None:
    """Check that numbers agree to 1e-6 of full scale, and are unknown at the same samples."""
    assert got.shape == true.shape
    np.testing.assert_array_equal(np.isnan(got), np.isnan(true))
    if np.isfinite(true).any():
        np.testing.assert_allclose(got, true, atol=1e-6 * max(np.nanmax(np.abs(true)), 1e-12), rtol=0)


def test_a_folder_of_csv_holds_every_stream_with_its_own_samples(home: Path) -> None:
    export_trial(home / "run.nc", "csv", home / "tables")
    about = json.loads((home / "tables" / "about.json").read_text(encoding="utf-8"))
    assert about["participant"] == "stranger"
    assert about["inputs"][0]["role"] == "trial"
    assert len(about["stances"]) > 40
    assert about["rejected_contacts"]
    for name, stream in made().streams.items():
        facts = next((k, v) for k, v in about["streams"].items() if v["stream"] == name)
        table = pd.read_csv(home / "tables" / f"{facts[0]}.csv")
        close(table["time [s]"].to_numpy(), stream["time"].values)
        if stream.attrs["kind"] == "landmarks":
            for i, point in enumerate(stream["landmark"].values):
                for k, axis in enumerate("xyz"):
                    close(table[f"{point}_{axis} [m]"].to_numpy(), stream["position"].values[:, i, k])
            continue
        prefix = {"force_plate": "plate_1_"}.get(stream.attrs["kind"], f"{stream.attrs['side']}_")
        for channel in stream.data_vars:
            if not str(channel).startswith("time"):
                unit = stream[channel].attrs["units"]
                close(table[f"{prefix}{channel} [{unit}]"].to_numpy(), stream[channel].values)


def test_grfkit_reads_its_own_csv_as_the_streams_they_were(home: Path) -> None:
    shutil.rmtree(home / "again", ignore_errors=True)
    export_trial(home / "run.nc", "csv", home / "again")
    for file, name, kind in (("imu_left", "imu_left", "imu"), ("plate_1", "plate_1", "force_plate")):
        back = read(home / "again" / f"{file}.csv").streams[name]
        true = made().streams[name if kind == "imu" else f"reference/{name}"]
        assert back.attrs["kind"] == kind
        for channel in [str(c) for c in true.data_vars if not str(c).startswith("time")]:
            close(back[channel].values, true[channel].values)
            assert back[channel].attrs["units"] == true[channel].attrs["units"]


def test_one_table_has_the_reference_untouched_and_the_others_between_their_samples(home: Path) -> None:
    made_file = export_trial(home / "run.nc", "csv", home / "wide.csv")
    table = pd.read_csv(home / "wide.csv")
    plate, imu = made().streams["reference/plate_1"], made().streams["imu_left"]
    close(table["time [s]"].to_numpy(), plate["time"].values)
    close(table["plate_1_fz [N]"].to_numpy(), plate["fz"].values)
    assert any("imu_left: known from" in note for note in made_file.notes)
    at, got = table["time [s]"].to_numpy(), table["left_acc_z [m/s^2]"].to_numpy()
    known = np.isfinite(got)
    assert 0.7 < known.mean() < 1
    true = np.interp(at[known], imu["time"].values, imu["acc_z"].values)
    np.testing.assert_allclose(got[known], true, atol=1e-6 * np.abs(true).max())
    first, last = imu["time"].values[[0, -1]]
    assert at[known].min() >= first - 1e-6
    assert at[known].max() <= last + 1e-6


def test_a_lower_rate_is_filtered_first_and_says_so(home: Path) -> None:
    made_file = export_trial(home / "run.nc", "csv", home / "slow.csv", rate_hz=100, streams=["plate_1"])
    table = pd.read_csv(home / "slow.csv")
    assert np.allclose(np.diff(table["time [s]"]), 0.01)
    assert len(table) == 2000
    assert made_file.notes == ("reference/plate_1: low-passed at 40 Hz before it was taken from 1000 Hz",)
    assert table["plate_1_fz [N]"].isna().sum() == 20
    with pytest.raises(BadInputError, match="rate_hz"):
        export_trial(home / "run.nc", "csv", home / "none.csv", rate_hz=-1)


def test_nothing_is_known_between_samples_that_are_no_neighbours() -> None:
    time = np.asarray([0.0, 0.1, 0.2, 0.6, 0.7, 0.8])
    values = np.asarray([0.0, 1.0, np.nan, 3.0, 4.0, 5.0])[:, None]
    got = between(time, values, np.asarray([-0.1, 0.05, 0.1, 0.15, 0.4, 0.6, 0.65, 0.8, 0.9]))[:, 0]
    np.testing.assert_allclose(got, [np.nan, 0.5, 1.0, np.nan, np.nan, 3.0, 3.5, 5.0, np.nan])


def test_matlab_holds_the_same_numbers_by_scipy_and_by_our_reader(home: Path) -> None:
    export_trial(home / "run.nc", "mat", home / "run.mat")
    trial = loadmat(home / "run.mat", squeeze_me=True, struct_as_record=False)["trial"]
    assert trial.participant == "stranger"
    assert trial.surface == "treadmill"
    ours = matlab_arrays(home / "run.mat")
    for name, stream in made().streams.items():
        node = getattr(trial.streams, name.replace("reference/", ""))
        close(node.time, stream["time"].values)
        if stream.attrs["kind"] == "landmarks":
            close(node.left_hip_z, stream["position"].sel(landmark="left_hip").values[:, 2])
            continue
        prefix = {"force_plate": "plate_1_"}.get(stream.attrs["kind"], f"{stream.attrs['side']}_")
        for channel in [str(c) for c in stream.data_vars if not str(c).startswith("time")]:
            close(getattr(node, f"{prefix}{channel}"), stream[channel].values)
            assert getattr(node.units, f"{prefix}{channel}") == stream[channel].attrs["units"]
            path = f"trial.streams.{name.replace('reference/', '')}.{prefix}{channel}"
            close(ours[path].ravel(), stream[channel].values)
    assert len(trial.stances.ic_s) == len(trial.stances.side) > 40
    first = (home / "run.mat").read_bytes()
    export_trial(home / "run.nc", "mat", home / "run.mat", force=True)
    assert (home / "run.mat").read_bytes() == first


def test_parquet_holds_the_same_numbers(home: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="extra 'parquet' is not installed")
    export_trial(home / "run.nc", "parquet", home / "wide.parquet")
    table = parquet.read_table(home / "wide.parquet")
    fz = made().streams["reference/plate_1"]["fz"].values
    got = table.column("plate_1_fz").to_pylist()
    assert got == [None if np.isnan(v) else v for v in fz.tolist()]
    assert table.schema.field("plate_1_fz").metadata[b"meaning"] == b"unit: N; frame: global"
    assert json.loads(table.schema.metadata[b"grfkit"])["participant"] == "stranger"


def test_an_estimate_is_exported_as_a_trial_is(home: Path) -> None:
    estimate(shipped_bundle("bilstm_simulated"), home / "run.nc", out=home / "estimate.nc", force=True)
    export_trial(home / "estimate.nc", "csv", home / "estimated.csv")
    table = pd.read_csv(home / "estimated.csv")
    assert {"left_vgrf_n [N]", "right_vgrf_bw [BW]"} <= set(table.columns)
    assert table["left_vgrf_n [N]"].isna().any()
    assert table["left_vgrf_n [N]"].notna().any()


def test_what_cannot_be_exported_is_refused_before_anything_is_written(home: Path) -> None:
    for to, out, words in (
        ("xls", "a.xls", "expected one of csv"),
        ("csv", "a.mat", "expected .csv, or a folder"),
        ("mat", "a", "expected .mat"),
        ("csv", "run.nc", "expected .csv"),
    ):
        with pytest.raises(BadInputError, match=words):
            export_trial(home / "run.nc", to, home / out)
    with pytest.raises(BadInputError, match="has no stream 'plate_9'; it has"):
        export_trial(home / "run.nc", "csv", home / "b.csv", streams=["plate_9"])
    (home / "mine").mkdir()
    (home / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(BadInputError, match="is no folder of tables"):
        export_trial(home / "run.nc", "csv", home / "mine", force=True)
    with patch.dict("sys.modules", {"pyarrow": None}), pytest.raises(BadInputError, match=r"grfkit\[parquet\]"):
        export_trial(home / "run.nc", "parquet", home / "c.parquet")
    assert not [p for p in home.iterdir() if p.name in ("a", "a.xls", "a.mat", "b.csv", "c.parquet")]


def test_the_command_names_every_format_and_says_what_it_wrote(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with patch("sys.argv", ["grf-export", "--help"]), pytest.raises(SystemExit):
        main()
    told = capsys.readouterr().out
    assert all(name in told for name in FORMATS)
    line = [
        "grf-export",
        str(home / "run.nc"),
        "--to",
        "csv",
        "--out",
        str(home / "x.csv"),
        "--stream",
        "plate_1",
        "--json",
    ]
    with patch("sys.argv", line), pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    assert json.loads(capsys.readouterr().out)["files"] == [str(home / "x.csv")]


def test_two_streams_of_one_name_and_two_points_of_one_name_stay_apart(home: Path) -> None:
    trial = Trial(made().tree.copy(deep=True))
    marks = trial.streams["landmarks"]
    names = [str(n) for n in marks["landmark"].values]
    twice = marks.isel(landmark=[0, 1]).assign_coords(landmark=["L.ASI", "l-asi"])
    trial.tree["reference/landmarks"] = xr.DataTree(twice)
    trial.to_netcdf(home / "twice.nc")
    export_trial(home / "twice.nc", "csv", home / "twice")
    both = {p.name for p in (home / "twice").glob("*landmarks*")}
    assert both == {"landmarks.csv", "reference_landmarks.csv"}
    table = pd.read_csv(home / "twice" / "reference_landmarks.csv")
    close(table["L_ASI_z [m]"].to_numpy(), marks["position"].values[:, 0, 2])
    close(table["l_asi_z_2 [m]"].to_numpy(), marks["position"].values[:, 1, 2])
    assert f"{names[0]}_x [m]" in pd.read_csv(home / "twice" / "landmarks.csv").columns
    export_trial(home / "twice.nc", "bids", home / "twice_bids")
    systems = {p.name.split("tracksys-")[1].split("_")[0] for p in (home / "twice_bids").rglob("*_motion.tsv")}
    assert {"landmarks", "referencelandmarks"} <= systems


def test_a_stream_of_no_samples_is_left_out_and_named(home: Path) -> None:
    trial = Trial(made().tree.copy(deep=True))
    trial.tree["reference/plate_1"].dataset = trial.streams["reference/plate_1"].isel(time=slice(0, 0))
    trial.to_netcdf(home / "empty.nc")
    written = export_trial(home / "empty.nc", "csv", home / "empty.csv")
    assert "reference/plate_1: has fewer than 2 samples: left out" in written.notes
    for to, name in (("c3d", "empty.c3d"), ("opensim", "empty.mot")):
        with pytest.raises(BadInputError, match="holds no force plate"):
            export_trial(home / "empty.nc", to, home / name)


@pytest.mark.parametrize(
    ("to", "forward", "unknown", "task", "words"),
    [
        ("csv", "+x", "refuse", "gait", "is for opensim"),
        ("mat", "", "cut", "gait", "is for opensim and c3d"),
        ("csv", "", "refuse", "walk", "is for bids"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    to: str, forward: str, unknown: str, task: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match=words):
        export_trial(tmp_path / "t.nc", to, tmp_path / f"t.{to}", forward=forward, unknown=unknown, task=task)


def test_matlab_says_unknown_where_nobody_knows_the_foot(home: Path) -> None:
    trial = made()
    alone = {name: stream for name, stream in trial.streams.items() if stream.attrs["kind"] == "force_plate"}
    bare = xr.DataTree.from_dict({f"/{name}": stream for name, stream in alone.items()})
    bare.attrs.update(trial.tree.attrs)
    Trial(bare).to_netcdf(home / "bare.nc", force=True)
    export_trial(home / "bare.nc", "mat", home / "bare.mat", force=True)
    loaded = loadmat(home / "bare.mat", squeeze_me=True, struct_as_record=False)["trial"]
    assert set(loaded.stances.side) == {"unknown"}
