"""One sensor's accelerations and turning rates in two files: one device, under one column map for both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.io import read
from grfkit.io.columns import ColumnMap
from grfkit.records import Recording
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial
from grfkit.sync import align, assemble
from grfkit.sync.joined_files import joined_files

MAP = """
time = "t"
time_unit = "s"
[files."*_acc.csv"]
"x" = "left_acc_x [m/s^2]"
"y" = "left_acc_y [m/s^2]"
"z" = "left_acc_z [m/s^2]"
[files."*_Gyro.csv"]
"x" = "left_gyro_x [rad/s]"
"y" = "left_gyro_y [rad/s]"
"z" = "left_gyro_z [rad/s]"
"""


def _written(path: Path, recording: Recording, quantity: str, part: slice = slice(None)) -> Path:
    stream = recording.streams["imu_left"]
    columns = [stream["time"].values, *(stream[f"{quantity}_{axis}"].values for axis in "xyz")]
    rows = "\n".join(",".join(f"{value:.6f}" for value in row) for row in np.stack(columns, axis=1)[part])
    path.write_text(f"t,x,y,z\n{rows}\n")
    return path


@pytest.fixture(scope="module")
def lab() -> tuple[Recording, Recording]:
    trial = simulate_trial(Condition(surface="treadmill", duration_s=60.0, wearables=("imu",), gaps=False), seed=3)
    return trial.reference, trial.wearables["imu"]


def test_a_gyroscope_in_a_file_of_its_own_joins_its_accelerometer(
    lab: tuple[Recording, Recording], tmp_path: Path
) -> None:
    reference, imu = lab
    files = [_written(tmp_path / f"run_{q}.csv", imu, q) for q in ("acc", "gyro")]
    (toml := tmp_path / "map.toml").write_text(MAP)
    result = align(reference, files, surface="treadmill", column_map=toml, accept_refused=True)
    assert list(result.maps) == ["imu_left"]
    trial = assemble(result)
    assert {"acc_x", "acc_z", "gyro_x", "gyro_z"} <= {str(n) for n in trial.streams["imu_left"].data_vars}
    true = imu.streams["imu_left"]["gyro_y"].values
    np.testing.assert_allclose(trial.streams["imu_left"]["gyro_y"].values, true, atol=1e-5)
    assert any("run_acc.csv and run_gyro.csv were put together" in note for note in trial.provenance.findings)
    assert {file.name for file in result.inputs} >= {"run_acc.csv", "run_gyro.csv"}


def test_other_times_and_the_same_signals_stay_two_devices(lab: tuple[Recording, Recording], tmp_path: Path) -> None:
    _, imu = lab
    columns = ColumnMap.model_validate(
        {"time": "t", "time_unit": "s", "files": {f"*{q}.csv": {a: f"left_{q}_{a} [{u}]" for a in "xyz"} for q, u in
         (("acc", "m/s^2"), ("gyro", "rad/s"))}}
    )  # fmt: skip

    def taken(name: str, quantity: str, part: slice = slice(None)) -> Recording:
        path = _written(tmp_path / f"{name}_{quantity}.csv", imu, quantity, part)
        return read(path, columns.options(file=path))

    acceleration = taken("a", "acc")
    for other in (taken("b", "acc"), taken("b", "gyro", slice(1, None)), taken("c", "gyro", slice(0, -1))):
        whole, sources = joined_files([acceleration, other], [Path("a.csv"), Path("b.csv")])
        assert len(whole) == len(sources) == 2


def test_a_column_map_refuses_two_patterns_for_one_file() -> None:
    columns = ColumnMap(files={"*.csv": {"a": "left_force [N]"}, "walk*": {"b": "left_force [N]"}})
    assert columns.options(file="run.CSV").column_map == {"a": "left_force [N]"}
    assert columns.options(file="other.txt").column_map == {}
    with pytest.raises(BadInputError, match=r"two patterns for walk\.csv: '\*\.csv' and 'walk\*'"):
        columns.options(file="walk.csv")


def test_files_of_two_recordings_are_doubted_by_their_names(lab: tuple[Recording, Recording], tmp_path: Path) -> None:
    reference, imu = lab
    (toml := tmp_path / "map.toml").write_text(MAP)
    acc, gyro = _written(tmp_path / "P02_run_acc.csv", imu, "acc"), _written(tmp_path / "P02_run_gyro.csv", imu, "gyro")
    for name, doubted in (("P02_run", False), ("P06_run", True), ("P02_walk", True)):
        other = gyro.with_name(f"{name}_gyro.csv")
        other.write_bytes(gyro.read_bytes())
        result = align(reference, [acc, other], surface="treadmill", column_map=toml, accept_refused=True)
        assert any("are both of one recording?" in text for text in result.warnings) is doubted, name
