"""Cells that are counts are taken relative to their own steps where nobody said otherwise, and it is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from grfkit import simulate_trial
from grfkit.dataset.cut import CutRequest
from grfkit.dataset.windows import cut_windows
from grfkit.errors import BadInputError
from grfkit.gait.relative_cells import UNIT
from grfkit.learn.recipe import Recipe, load_sets, recipe_of
from grfkit.learn.uncalibrated import cut_for_training, resolved
from grfkit.provenance import Provenance
from grfkit.records import Trial
from grfkit.records.stance_set import StanceSet

AUTO = CutRequest(cells="auto", kinds=("insole",), source="force")


@pytest.fixture(scope="module")
def trial() -> Trial:
    return simulate_trial(seed=0, duration_s=15).on_true_clock(participant="P01")


def units(windows: StanceSet) -> set[str]:
    return {str(u) for c, u in zip(windows.channels, windows.data["unit"].values) if c.startswith("cell_")}


def findings(windows: StanceSet) -> str:
    return " ".join(Provenance.model_validate_json(str(windows.data.attrs["provenance"])).findings)


def test_counts_become_relative_and_the_set_says_so(trial: Trial, tmp_path: Path) -> None:
    windows = cut_for_training([trial], AUTO)
    assert units(windows) == {UNIT}
    assert "relative to their foot's own steps" in findings(windows)
    trial.to_netcdf(tmp_path / "trial.nc")
    assert units(load_sets([tmp_path / "trial.nc"], Recipe(cut=AUTO))) == {UNIT}


def test_what_was_said_is_done(trial: Trial) -> None:
    as_recorded = cut_for_training([trial], replace(AUTO, cells="as recorded"))
    assert units(as_recorded) == {"count"}
    assert "relative" not in findings(as_recorded)


def test_too_few_steps_leave_counts_as_they_are_and_the_set_says_so(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grfkit.gait.relative_cells.LEAST_STEPS", 1000)
    windows = cut_for_training([trial], AUTO)
    assert units(windows) == {"count"}
    assert "tells little about other insoles" in findings(windows)


def test_only_what_grf_train_chooses_without_options_decides_itself(trial: Trial) -> None:
    assert recipe_of().cut.cells == "auto"
    assert recipe_of(network="bilstm").cut.cells == "as recorded"
    with pytest.raises(BadInputError, match="'as recorded' or 'relative'"):
        cut_windows(trial, AUTO)


def test_a_model_remembers_how_its_cells_were_taken() -> None:
    assert resolved(AUTO, ["relative", "m/s^2"]).cells == "relative"
    assert resolved(AUTO, ["N"]).cells == "as recorded"
    assert resolved(replace(AUTO, cells="relative"), ["N"]).cells == "relative"
