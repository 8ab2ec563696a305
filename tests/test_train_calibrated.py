"""Trials calibrated before windows are cut, and models that know how their training was calibrated."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

import grfkit
from grfkit import BadInputError, Trial, simulate_trial
from grfkit.calibrate.documents import PressureCalibration
from grfkit.calibrate.scale_documents import FootScale, LoadScale
from grfkit.dataset.calibrated_trials import TrialCalibration
from grfkit.provenance import InputFile
from grfkit.records.calibrated import ways_in
from grfkit.records.stance_set import StanceSet, join

CUT = {"source": "force", "kinds": ("insole",)}


@lru_cache(maxsize=4)
def trial(seed: int) -> Trial:
    return simulate_trial(seed=seed, duration_s=12).on_true_clock(participant=f"P{seed}")


def gain(folder: Path, side: str, factor: float = 0.25, unit: str = "count") -> Path:
    made = PressureCalibration(
        name=f"gain-{side}-{factor:g}", source="made for a test", stream=f"insole_{side}", gain=factor, unit_in=unit,
        valid_min=0, valid_max=1e9, residual_n=0,
    )  # fmt: skip
    path = folder / f"{made.name}.json"
    path.write_text(made.model_dump_json(), encoding="utf-8")
    return path


def scale(folder: Path, name: str, recording: str) -> Path:
    cells = [c for c in trial(1).streams["insole_left"].data_vars if str(c).startswith("cell_")]
    feet = tuple(
        FootScale(stream=f"insole_{side}", scale=0.5, rest=dict.fromkeys(map(str, cells), 0.0), error_percent=1.0)
        for side in ("left", "right")
    )
    made = LoadScale(
        name=name, source="made for a test", unit_in="count", mass_kg=70, method="strides", feet=feet, n=9,
        residual_percent=1, load_max_bw=2, inputs=(InputFile(name="r", sha256=recording, size_bytes=1),),
    )  # fmt: skip
    path = folder / f"{name}.json"
    path.write_text(made.model_dump_json(), encoding="utf-8")
    return path


@pytest.fixture
def gains(tmp_path: Path) -> list[Path]:
    return [gain(tmp_path, side) for side in ("left", "right")]


def windows(*seeds: int, documents: list[Path] | None = None) -> StanceSet:
    return join([grfkit.cut_windows({f"T{s}": trial(s)}, calibrations=documents or (), **CUT) for s in seeds])


def test_windows_are_cut_from_calibrated_trials(gains: list[Path]) -> None:
    plain, calibrated = windows(1), windows(1, documents=gains)
    assert {str(u) for u in plain.data["unit"].values} == {"count"}
    assert {str(u) for u in calibrated.data["unit"].values} == {"N"}
    np.testing.assert_allclose(calibrated.data["inputs"], 0.25 * plain.data["inputs"], rtol=1e-5, atol=1e-4)
    assert ways_in(calibrated.data.attrs) == {"insole": ("pressure_calibration",)}
    assert ways_in(plain.data.attrs) == {"insole": ("as recorded",)}


def test_one_foot_calibrated_and_the_other_not_is_refused(gains: list[Path]) -> None:
    with pytest.raises(BadInputError, match="in N on one foot and in count on the other"):
        windows(1, documents=gains[:1])


def test_documents_that_fit_no_trial_or_are_for_alignment_are_refused(tmp_path: Path, gains: list[Path]) -> None:
    with pytest.raises(BadInputError, match=r"no calibration fits trial 'T1': .* is in count"):
        windows(1, documents=[gain(tmp_path, "left", 0.5, unit="bar")])
    with pytest.raises(BadInputError, match="fits no trial; leave it out"):
        windows(1, documents=[*gains, gain(tmp_path, "middle")])
    with pytest.raises(BadInputError, match="a lag table: plates and lags are for grf-sync"):
        windows(1, documents=[Path("lags/default")])
    with pytest.raises(BadInputError, match="is cut already, and cannot be calibrated"):
        grfkit.train(windows(1), calibrations=gains)


def test_of_two_scales_the_one_of_the_trials_own_recording_is_taken(tmp_path: Path) -> None:
    one, other = scale(tmp_path, "one", "a" * 64), scale(tmp_path, "other", "b" * 64)
    with pytest.raises(BadInputError, match="'one', 'other' all fit trial 'T', and none was measured"):
        TrialCalibration([one, other]).applied(trial(1), "T")
    own = Trial(trial(1).tree.copy())
    provenance = own.provenance.model_copy(update={"inputs": [InputFile(name="r", sha256="b" * 64, size_bytes=1)]})
    own.tree.attrs["provenance"] = provenance.model_dump_json()
    calibrated = TrialCalibration([one, other]).applied(own, "T")
    assert [f.name for f in calibrated.provenance.inputs if f.role == "calibration"] == ["other.json"]
    # what alignment applied already stays as it is
    again = TrialCalibration([other]).applied(calibrated, "T")
    assert again.streams["insole_left"].identical(calibrated.streams["insole_left"])


def test_a_model_tells_recordings_that_were_calibrated_otherwise(tmp_path: Path, gains: list[Path]) -> None:
    model = grfkit.train(windows(1, 2, documents=gains), method="mean curve")
    assert model.spec.calibrated == {"insole": ("pressure_calibration",)}
    same = grfkit.estimate(model, trial(3), calibrations=gains)
    assert not [f for f in same.findings if f.startswith("CALIBRATION")]
    with pytest.raises(BadInputError, match="is in count, but the model was trained on N"):
        grfkit.estimate(model, trial(3))
    # newtons that no document made: the unit is the same, and nothing else would tell
    claimed = Trial(trial(3).tree.copy())
    for side in ("left", "right"):
        for channel in claimed.tree[f"insole_{side}"].data_vars.values():
            if channel.attrs.get("units") == "count":
                channel.attrs["units"] = "N"
    told = grfkit.estimate(model, claimed, accept_beyond=True).findings
    expected = "insole signals are as recorded here, the model was trained on insole signals calibrated by"
    assert [f for f in told if f.startswith(f"CALIBRATION: {expected} pressure_calibration")]


def test_a_set_of_calibrated_and_uncalibrated_trials_is_told(gains: list[Path]) -> None:
    plain = windows(2)
    claimed = StanceSet(plain.data.assign_coords(unit=("channel", np.full(plain.data.sizes["channel"], "N", object))))
    model = grfkit.train([windows(1, documents=gains), claimed], method="mean curve")
    told = [f for f in model.summary["findings"] if f.startswith("CALIBRATION")]
    assert told == [
        "CALIBRATION: insole signals are not calibrated alike: 1 trial as recorded (T2); 1 trial pressure_calibration"
        " (T1); the model cannot tell one from the other: calibrate all, or none"
    ]
