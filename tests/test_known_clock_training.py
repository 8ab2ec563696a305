"""From a laboratory's own files of one clock to a trained model, by commands alone."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from grfkit.cli import evaluate, sync, train
from grfkit.errors import BadInputError
from grfkit.io import ReadOptions, read
from grfkit.records import Trial
from known_clock_files import write_belts_and_shoes

SHOES = """[columns]
"toes_l_imu" = "left_acc [m/s^2]"
"toes_r_imu" = "right_acc [m/s^2]"
"""
WALK = '[cut]\nkinds = ["imu"]\nsource = "force"\nrule = "5%BW walking"\n'


def ran(main: Callable[[], None], *words: str | Path) -> str:
    """Return what a command prints, which has to end well."""
    out, err = io.StringIO(), io.StringIO()
    argv = [main.__module__, *map(str, words)]
    with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code, out.getvalue() + err.getvalue()
    return out.getvalue()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two people's belts (MOT) and shoes (TRC), a column map and a cut."""
    folder = tmp_path_factory.mktemp("walks")
    masses = {name: write_belts_and_shoes(folder, name, seed) for name, seed in (("S1", 11), ("S2", 12))}
    (folder / "shoes.toml").write_text(SHOES, encoding="utf-8")
    (folder / "walk.toml").write_text(WALK, encoding="utf-8")
    rows = [f"{n}.mot,{n}.trc,treadmill,{n}.nc,true,{m},{n},+x,shoes.toml" for n, m in masses.items()]
    head = "reference,wearable,surface,out,synchronised,mass_kg,participant,forward,column_map"
    (folder / "TABLE.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return folder


def test_belts_and_shoes_of_one_clock_become_a_model_by_commands(lab: Path, tmp_path: Path) -> None:
    made = json.loads(ran(sync.main, "batch", lab / "TABLE.csv", "--processes", "1", "--json"))
    assert made["counts"]["aligned"] == 2
    assert {row["origin"] for trial in made["trials"] for row in trial["maps"]} == {"synchronised"}
    trials = [lab / "S1.nc", lab / "S2.nc"]
    model = tmp_path / "model"
    words = ["--config", lab / "walk.toml", "--method", "ridge", "--out", model, "--json"]
    assert json.loads(ran(train.main, *trials, *words))["windows"] > 40
    assert (model / "model.json").exists()
    assert "ridge" in ran(evaluate.main, *trials, "--model", model, "--out", tmp_path / "folds")


def test_the_shoes_of_the_trial_are_those_of_the_file(lab: Path, tmp_path: Path) -> None:
    words = ["--reference", lab / "S1.mot", "--wearable", lab / "S1.trc", "--column-map", lab / "shoes.toml"]
    ran(sync.main, *words, "--synchronised", "--surface", "treadmill", "--out", tmp_path / "t.nc")
    shoe = Trial.from_netcdf(tmp_path / "t.nc").streams["imu_right"]
    file = read(lab / "S1.trc", _map()).streams["imu_right"]
    np.testing.assert_array_equal(shoe["acc_z"].values, file["acc_z"].values)
    np.testing.assert_array_equal(shoe["time"].values, file["time"].values)


def _map(**columns: str) -> ReadOptions:
    return ReadOptions(column_map=columns or {"toes_r_imu": "right_acc [m/s^2]"})


def test_a_trc_of_sensors_is_read_by_a_column_map(lab: Path) -> None:
    markers = read(lab / "S1.trc").streams["landmarks"]
    recording = read(lab / "S1.trc", _map())
    assert list(recording.streams) == ["imu_right"]
    shoe = recording.streams["imu_right"]
    assert (shoe.attrs["kind"], shoe.attrs["side"], shoe["acc_y"].attrs["units"]) == ("imu", "right", "m/s^2")
    # the header says mm, which markers are converted from; a sensor's values stay as they are written
    np.testing.assert_allclose(shoe["acc_y"].values, 1e3 * markers["position"].values[:, 1, 1], atol=1e-9)
    assert any("left out: toes_l_imu" in note for note in recording.notes)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("right_acc", "states no unit for 'toes_r_imu'"),
        ("right_acc [m]", "measured in"),
        ("right_force [N]", "expected acc, gyro or mag"),
        ("right_acc_x [m/s^2]", "expected acc, gyro or mag"),
    ],
)
def test_a_column_map_that_makes_no_sensor_of_a_trc_is_refused(lab: Path, text: str, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        read(lab / "S1.trc", _map(toes_r_imu=text))


def test_a_column_map_of_another_file_leaves_markers_markers(lab: Path) -> None:
    recording = read(lab / "S1.trc", _map(weight="left_force [N]"))
    assert list(recording.streams) == ["landmarks"]
    assert any("read as markers" in note for note in recording.notes)
