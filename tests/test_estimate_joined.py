"""Estimates from several recordings: joined first, said how, refused where that is not safe; and the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from grfkit.cli.estimate import app
from grfkit.errors import BadInputError, RefusedError
from grfkit.estimation.estimate import estimate
from grfkit.estimation.joined import joined_source
from grfkit.report.estimate_page import CurveOverMeasured, EstimateReport, render_estimate_report
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import LabTrial
from sync_helpers import made

RUN = Condition(surface="treadmill", gait="run", duration_s=90, overlap_s=75, imu_rate_hz=200, insole_rate_hz=200)
SEED = 34_500_001
MODEL = "grfkit:insole-simulated"


@pytest.fixture(scope="module")
def lab() -> LabTrial:
    return made(RUN, SEED)


@pytest.fixture(scope="module")
def files(lab: LabTrial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    for name in ("insole", "imu"):
        lab.wearables[name].to_netcdf(folder / f"{name}.nc")
    lab.reference.to_netcdf(folder / "plates.nc")
    return folder


def test_insole_and_imu_in_two_files_are_joined_and_estimated(files: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "force.csv", tmp_path / "force.html"
    words = [
        MODEL,
        str(files / "insole.nc"),
        str(files / "imu.nc"),
        "--out",
        str(out),
        "--report",
        str(report),
        "--json",
    ]
    run = CliRunner().invoke(app, words)
    assert run.exit_code == 0, run.output
    values = json.loads(run.stdout)
    assert values["clocks"][0] == "the clock is that of insole.nc"
    assert "imu_left, imu_right: offset" in values["clocks"][1]
    assert "drift" in values["clocks"][1]
    assert "margin" in values["clocks"][1]
    assert values["feet"]["left"]["answered"] > 50
    page = report.read_text(encoding="utf-8")
    assert "How the recordings were joined" in page
    assert "Mean stance, left foot" in page
    assert "imu.nc" in page
    assert "measured" not in page.split("Mean stance, left foot")[1].split("</figure>")[0]


def test_what_cannot_be_joined_is_refused_and_nothing_is_written(files: Path, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.nc"
    made(RUN, SEED + 1).wearables["imu"].to_netcdf(stranger)
    out = tmp_path / "force.csv"
    run = CliRunner().invoke(app, [MODEL, str(files / "insole.nc"), str(stranger), "--out", str(out)])
    assert isinstance(run.exception, RefusedError), run.output  # the command makes exit code 3 of it
    assert not out.exists()
    with pytest.raises(RefusedError, match="cannot be joined safely"):
        estimate(MODEL, [files / "insole.nc", stranger])


def test_plates_among_the_recordings_need_a_surface(files: Path, lab: LabTrial) -> None:
    with pytest.raises(BadInputError, match="state --surface"):
        joined_source([files / "plates.nc", files / "insole.nc"], None, None)
    with pytest.raises(BadInputError, match="two of the recordings hold force plates"):
        joined_source([lab.reference, lab.reference], None, None, surface="treadmill")
    joined = joined_source([files / "insole.nc", files / "plates.nc"], None, None, surface="treadmill")
    assert joined.clocks[0] == "the clock is that of the force plates"


def test_the_report_draws_estimated_over_measured(tmp_path: Path) -> None:
    trial = made(RUN.model_copy(update={"duration_s": 40, "overlap_s": 32, "mass_kg": 70}), SEED).on_true_clock(
        participant="PX"
    )
    report = tmp_path / "force.html"
    found = estimate(MODEL, trial, participant="PX", report=report)
    assert found.clocks == ()
    page = report.read_text(encoding="utf-8")
    assert "Over all that is known the estimate is off by" in page
    assert "Measured where the other foot is estimated to be in the air" in page
    assert "How the recordings were joined" not in page


def test_a_report_is_never_written_over_an_input_or_the_estimate(files: Path, tmp_path: Path) -> None:
    pair = [files / "insole.nc", files / "imu.nc"]
    with pytest.raises(BadInputError, match="HTML"):
        estimate(MODEL, pair, report=tmp_path / "force.pdf")
    with pytest.raises(BadInputError, match="is an input"):
        estimate(MODEL, pair, out=files / "imu.nc", force=True)


def test_a_page_of_nothing_known_says_so() -> None:
    nothing = np.full(3, np.nan)
    figure = CurveOverMeasured("Both feet", np.arange(3.0), nothing, nothing, "s", "BW")
    page = render_estimate_report(
        EstimateReport("<x>", "<off>", "refused", [], ["LEAK: y"], [], [figure], ["foot"], [["left"]], [])
    )
    assert "Nothing is known here." in page
    assert "&lt;x&gt;" in page
