"""An estimate from a recording that is calibrated as it is read: the same as from one calibrated before."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import grfkit
from grfkit import BadInputError, Trial, simulate_trial
from grfkit.calibrate import apply, load
from grfkit.calibrate.documents import PressureCalibration
from grfkit.estimation.source import open_source
from grfkit.simulate.lab import LabTrial

MODEL = "grfkit:load-four-cells"


@lru_cache(maxsize=1)
def lab() -> LabTrial:
    return simulate_trial(seed=3, duration_s=12)


@pytest.fixture
def document(tmp_path: Path) -> Path:
    made = PressureCalibration(
        name="gain", source="made for a test", stream="insole_left", gain=2.0, valid_min=0, valid_max=1e9, residual_n=0
    )
    path = tmp_path / "gain.json"
    path.write_text(made.model_dump_json(), encoding="utf-8")
    return path


def test_documents_are_applied_to_a_recording_and_its_file(document: Path, tmp_path: Path) -> None:
    recording = next(iter(lab().wearables.values()))
    expected = apply(recording, [load(document)]).streams["insole_left"]
    recording.to_netcdf(tmp_path / "insole.nc")
    for given in (recording, tmp_path / "insole.nc"):
        stream = open_source(given, None, None, [document]).trial.streams["insole_left"]
        assert stream["cell_01"].attrs["units"] == "N"
        np.testing.assert_array_equal(stream["cell_01"].values, expected["cell_01"].values)


def test_what_no_document_is_for_is_refused(document: Path) -> None:
    recording = next(iter(lab().wearables.values()))
    trial = lab().on_true_clock(participant="P1")
    plates_alone = Trial(trial.tree.filter(lambda node: node.name != "insole_left"))
    with pytest.raises(BadInputError, match="no calibration fits trial 'trial'"):
        open_source(plates_alone, None, None, [document])
    with pytest.raises(BadInputError, match="a lag table is for grf-sync"):
        open_source(recording, None, None, ["lags/default"])
    with pytest.raises(BadInputError, match="join several by grf-sync"):
        grfkit.estimate(MODEL, [recording, recording], calibrations=[document])
