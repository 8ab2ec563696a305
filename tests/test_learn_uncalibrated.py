"""Cells that are counts are taken relative to their own steps where nobody said otherwise, and it is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from grfkit import simulate_trial
from grfkit.dataset.cut import CutRequest
from grfkit.gait.relative_cells import UNIT
from grfkit.learn.everyone import usable
from grfkit.learn.recipe import Recipe, recipe_of
from grfkit.learn.uncalibrated import cells_in, cut_for_training
from grfkit.learn.window_sources import load_sets
from grfkit.provenance import Provenance
from grfkit.records import Trial
from grfkit.records.stance_set import StanceSet

REQUEST = CutRequest(kinds=("insole",), source="force")


@pytest.fixture(scope="module")
def trial() -> Trial:
    return simulate_trial(seed=0, duration_s=15).on_true_clock(participant="P01")


def units(windows: StanceSet) -> set[str]:
    return {str(u) for c, u in zip(windows.channels, windows.data["unit"].values) if c.startswith("cell_")}


def findings(windows: StanceSet) -> str:
    return " ".join(Provenance.model_validate_json(str(windows.data.attrs["provenance"])).findings)


def test_counts_become_relative_and_the_set_says_so(trial: Trial, tmp_path: Path) -> None:
    windows = cut_for_training([trial], REQUEST, decide=True)
    assert units(windows) == {UNIT}
    assert "relative to their foot's own steps" in findings(windows)
    _, told = usable(windows, Recipe())
    assert any("relative to their foot's own steps" in text for text in told), "grf-train prints it"
    trial.to_netcdf(tmp_path / "trial.nc")
    assert units(load_sets([tmp_path / "trial.nc"], Recipe(cut=REQUEST, decide_cells=True))) == {UNIT}


def test_counts_taken_as_recorded_are_done_so_and_named(trial: Trial) -> None:
    as_recorded = cut_for_training([trial], REQUEST, decide=False)
    assert units(as_recorded) == {"count"}
    (told,) = usable(as_recorded, Recipe())[1]
    assert told.startswith("insole cells are counts, and were taken as recorded, which tells little")
    assert 'cells = "relative" in the [cut] table' in told


def test_too_few_steps_leave_counts_as_they_are_and_the_set_says_so(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grfkit.gait.relative_cells.LEAST_STEPS", 1000)
    windows = cut_for_training([trial], REQUEST, decide=True)
    assert units(windows) == {"count"}
    assert "tells little about other insoles" in findings(windows)
    assert any("tells little about other insoles" in text for text in usable(windows, Recipe())[1])


def test_only_what_grf_train_chooses_without_options_decides_itself(tmp_path: Path) -> None:
    assert recipe_of().decide_cells
    assert not recipe_of(network="bilstm").decide_cells
    (tmp_path / "said.toml").write_text('[cut]\ncells = "as recorded"\n')
    assert not recipe_of(config=tmp_path / "said.toml").decide_cells
    (tmp_path / "else.toml").write_text("[cut]\npoints = 51\n")
    assert recipe_of(config=tmp_path / "else.toml").decide_cells


def test_a_model_remembers_how_its_cells_were_taken() -> None:
    assert cells_in(["relative", "m/s^2"]) == "relative"
    assert cells_in(["N"]) == "as recorded"
