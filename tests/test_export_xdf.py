"""grf-export to XDF: pyxdf and our reader get every stream's samples, stamps and units, and the contacts."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyxdf

from grfkit import Trial, export_trial, read, simulate_trial
from grfkit.steps.measured import stances_of


@lru_cache(maxsize=1)
def lab() -> Trial:
    made = simulate_trial(seed=1, duration_s=20, wearables=("insole", "imu", "landmarks"))
    return made.on_true_clock(participant="P01")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("xdf")
    lab().to_netcdf(folder / "run.nc")
    export_trial(folder / "run.nc", "xdf", folder / "run.xdf")
    return folder


def streams(path: Path, **options: Any) -> dict[str, Any]:
    found, _ = pyxdf.load_xdf(str(path), **options)
    return {stream["info"]["name"][0]: stream for stream in found}


def test_pyxdf_gets_the_same_numbers_stamps_and_units(home: Path) -> None:
    for dejitter in (False, True):
        found = streams(home / "run.xdf", dejitter_timestamps=dejitter)
        assert set(found) == {
            "insole_left",
            "insole_right",
            "imu_left",
            "imu_right",
            "landmarks",
            "plate_1",
            "contacts",
        }
        for name, stream in lab().streams.items():
            got = found[name.removeprefix("reference/")]
            np.testing.assert_allclose(got["time_stamps"], stream["time"].values, atol=2e-5 if dejitter else 1e-9)
            labels = [c["label"][0] for c in got["info"]["desc"][0]["channels"][0]["channel"]]
            units = [c["unit"][0] for c in got["info"]["desc"][0]["channels"][0]["channel"]]
            if name == "landmarks":
                at = labels.index("left_hip_z")
                true = stream["position"].sel(landmark="left_hip").values[:, 2]
                assert np.isnan(true).any()
                np.testing.assert_array_equal(got["time_series"][:, at], true)
                continue
            prefix = "plate_1_" if name.startswith("reference") else f"{stream.attrs['side']}_"
            for channel in [str(c) for c in stream.data_vars if not str(c).startswith("time")]:
                at = labels.index(f"{prefix}{channel}")
                np.testing.assert_array_equal(got["time_series"][:, at], stream[channel].values)
                assert units[at] == stream[channel].attrs["units"]


def test_contacts_are_markers(home: Path) -> None:
    got = streams(home / "run.xdf")["contacts"]
    stances = stances_of(lab()).stances
    wanted = sorted([(s.ic_s, f"{s.side} contact") for s in stances] + [(s.to_s, f"{s.side} toe-off") for s in stances])
    np.testing.assert_allclose(got["time_stamps"], [t for t, _ in wanted])
    assert [text for (text,) in got["time_series"]] == [text for _, text in wanted]


def test_our_reader_gets_the_streams_again(home: Path) -> None:
    back = read(home / "run.xdf").streams
    plate = next(s for s in back.values() if s.attrs["kind"] == "force_plate")
    true = lab().streams["reference/plate_1"]
    np.testing.assert_array_equal(plate["fz"].values, true["fz"].values)
    assert plate["fz"].attrs["units"] == "N"
    imu = next(s for s in back.values() if s.attrs["kind"] == "imu" and s.attrs["side"] == "left")
    np.testing.assert_array_equal(imu["acc_x"].values, lab().streams["imu_left"]["acc_x"].values)


def test_two_exports_give_the_same_bytes(home: Path) -> None:
    first = (home / "run.xdf").read_bytes()
    export_trial(home / "run.nc", "xdf", home / "run.xdf", force=True)
    assert (home / "run.xdf").read_bytes() == first
