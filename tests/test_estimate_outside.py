"""An estimate says when its recording lies outside the model's training, and when it cannot be true."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import grfkit
from grfkit.arrays import Floats
from grfkit.estimation.curves import FootCurve
from grfkit.estimation.estimate import estimate_source
from grfkit.estimation.files import as_tree, summary
from grfkit.estimation.plausible import PULLS, carried, turn_findings, weight_findings
from grfkit.estimation.source import open_source
from grfkit.estimation.types import Estimate, Side, StanceRow
from grfkit.estimation.windows import stance_row
from grfkit.learn.model import GrfModel
from grfkit.learn.spec import read_spec
from grfkit.learn.training_range import UNLIKE
from grfkit.records import Trial


def trial(seed: int) -> Trial:
    lab = grfkit.simulate_trial(seed=seed, duration_s=10, wearables=("insole", "imu"))
    return lab.on_true_clock(participant=f"P{seed}")


def larger(whole: Trial, factor: float) -> Trial:
    """Return the trial with accelerations that are some times too large, which no test of one channel sees."""
    tree = whole.tree.copy(deep=True)
    for node in tree.subtree:
        if "imu" in (node.name or ""):
            data = node.to_dataset()
            node.dataset = data.assign({f"acc_{a}": data[f"acc_{a}"] * factor for a in "xyz"}).assign_coords(
                data.coords
            )
            for a in "xyz":
                node.dataset[f"acc_{a}"].attrs = data[f"acc_{a}"].attrs
    return Trial(tree)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> GrfModel:
    folder = tmp_path_factory.mktemp("outside") / "model"
    sets = [grfkit.cut_windows(trial(seed), kinds=("imu",)) for seed in (1, 2, 3, 4, 5, 7)]
    grfkit.train(sets, network="mlp", epochs=1, out=folder)
    assert read_spec(folder).range is not None
    return GrfModel.load(folder)


def outside(result: Estimate) -> list[str]:
    return [text for text in result.findings if text.startswith("OUTSIDE TRAINING")]


def test_a_stranger_is_inside(model: GrfModel) -> None:
    result = grfkit.estimate(model, trial(9))
    assert outside(result) == []
    assert result.outside == ()
    assert summary(result)["outside_training"] == []
    assert sum(UNLIKE in row.flags for row in result.rows) <= 0.1 * len(result.rows)


def test_accelerations_four_times_too_large_are_told_on_every_level(model: GrfModel) -> None:
    result = grfkit.estimate(model, larger(trial(9), 4.0))
    (finding,) = outside(result)
    assert "its inputs lie" in finding
    assert finding in result.provenance.findings
    assert all(UNLIKE in row.flags for row in result.rows if row.answered)
    listed = summary(result)["outside_training"]
    assert [entry["what"] for entry in listed] == ["input_strength", "inputs"]
    assert all(entry["value"] > entry["high"] > 0 for entry in listed)
    assert json.loads(as_tree(result).attrs["outside_training"]) == listed


def test_a_speed_that_nobody_ran_is_named(model: GrfModel) -> None:
    result = grfkit.estimate(model, trial(9), speed_m_s=14.0)
    (finding,) = outside(result)
    assert finding.startswith("OUTSIDE TRAINING: speed 14 m/s, trained on ")
    assert [d.what for d in result.outside] == ["speed_m_s"]


def test_a_model_of_an_earlier_grfkit_says_nothing(model: GrfModel) -> None:
    old = replace(model, spec=model.spec.model_copy(update={"range": None}))
    result = estimate_source(old, None, open_source(larger(trial(9), 4.0), None, None))
    assert outside(result) == []
    assert result.outside == ()


RATE_HZ = 100.0
TIME = np.arange(1000) / RATE_HZ


def walked(peak_bw: float, *, sides: tuple[Side, ...] = ("left", "right"), shift_s: float = 0.4) -> Estimate:
    """Return an estimate of strides of 0.8 s, in half of which each foot stands on a half sine."""
    feet, rows = {}, []
    for side in sides:
        since = (TIME - (shift_s if side == "right" else 0.0)) % 0.8
        force = np.where(since < 0.4, peak_bw * np.sin(np.pi * since / 0.4), 0.0)
        feet[side] = FootCurve(TIME, force[:, None], RATE_HZ, ("vgrf",))
        starts = np.arange(0.0, 9.2, 0.8) + (shift_s if side == "right" else 0.0)
        rows += [StanceRow(side, s, s + 0.4, 0.4, peak_bw) for s in starts]
    streams: dict[str, xr.Dataset] = {}
    from grfkit.provenance import Provenance

    return Estimate(feet, tuple(rows), ("vgrf",), "P", 70.0, "force", "force", "mlp", (), {}, (), Provenance(), streams)


def held(made: Estimate) -> float:
    weight = carried(made.feet, made.rows)
    assert weight is not None
    return weight.mean_bw


@pytest.mark.parametrize("sides", [("left", "right"), ("left",), ("right",)], ids="-".join)
def test_whole_strides_carry_the_body_weight_of_both_feet_or_of_one_twice(sides: tuple[Side, ...]) -> None:
    # a half sine of half the stride on each foot: mean 2 * peak * (2 / pi) / 2
    assert held(walked(np.pi / 2, sides=sides)) == pytest.approx(1.0, abs=0.01)
    assert held(walked(np.pi / 4, sides=sides)) == pytest.approx(0.5, abs=0.01)


def test_strides_with_unknown_samples_do_not_count_and_few_say_nothing() -> None:
    made = walked(np.pi / 2)
    holed = made.feet["left"].force_bw.copy()
    holed[300:310] = np.nan
    curve = FootCurve(TIME, holed, RATE_HZ, ("vgrf",))
    weight = carried({**made.feet, "left": curve}, made.rows)
    assert weight is not None
    assert weight.strides == 10
    assert weight.mean_bw == pytest.approx(1.0, abs=0.01)
    assert carried(made.feet, made.rows[:4]) is None
    assert carried({}, ()) is None


def test_what_is_not_near_one_body_weight_is_named() -> None:
    assert weight_findings(None) == []
    for peak, named in ((1.0, False), (1.08, False), (0.8, True), (1.3, True)):
        made = walked(peak * np.pi / 2)
        findings = weight_findings(carried(made.feet, made.rows))
        assert bool(findings) == named
        assert not named or f"averages {held(made):.2f} BW" in findings[0]


def test_the_estimate_of_a_trained_model_carries_its_figure(model: GrfModel) -> None:
    result = grfkit.estimate(model, trial(9))
    weight = carried(result.feet, result.rows)
    assert weight is not None
    assert summary(result)["carried_bw"] == pytest.approx(weight.mean_bw)


def test_a_stance_that_pulls_at_the_ground_is_flagged() -> None:
    def flags(force: Floats) -> tuple[str, ...]:
        return stance_row("left", np.asarray([0.0, 0.3]), force[:, None], np.zeros((1, 1)), ("acc_x",)).flags

    assert flags(np.asarray([-0.05, 1.5, 0.0])) == ()
    assert flags(np.asarray([-0.2, 1.5, 0.0])) == (PULLS,)


def test_a_folder_holds_the_range_in_its_one_document(model: GrfModel, tmp_path: Path) -> None:
    model.save(tmp_path / "again")
    files = sorted(p.name for p in (tmp_path / "again").iterdir())
    assert files == [
        "calibration.nc",
        "model.json",
        "model.safetensors",
    ]
    assert read_spec(tmp_path / "again").range == model.spec.range


@pytest.mark.parametrize(
    ("share", "told"), [(0.5, False), (0.35, False), (0.66, False), (0.0, True), (0.12, True), (0.97, True)]
)
def test_feet_that_do_not_step_in_turn_are_told(share: float, told: bool) -> None:
    sides: tuple[tuple[Side, float], ...] = (("left", 0.0), ("right", share))
    rows = [StanceRow(side, s, s + 0.6, 0.6, 1.0) for side, late in sides for s in 1.1 * (np.arange(8) + late)]
    found = turn_findings(rows)
    assert len(found) == told
    assert all(text.startswith("NOT IN TURN: the right foot lands") for text in found)
    assert turn_findings(rows[:8]) == []  # one foot
