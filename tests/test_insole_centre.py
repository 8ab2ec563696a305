"""Centre of pressure from cells of known place: corrected, its half-width, dead cells left out, the foot's own axes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from grfkit import Trial, simulate_trial, step_table
from grfkit.calibrate import apply, load
from grfkit.calibrate.documents import PressureCalibration
from grfkit.cli.inspect_trial import trial_document, trial_words
from grfkit.gait.centre_path import _layouts, insole_centre
from grfkit.provenance import Provenance
from grfkit.records import Channel, Recording, make_recording, make_stream
from grfkit.steps.insole_centre import insole_cop_cells

RATE_HZ, CONTACT_S = 100.0, 0.6


def insole(side: str = "left", *, size: str = "m", dead: tuple[int, ...] = (), medial_only: bool = False) -> xr.Dataset:
    """Steps of 0.6 s whose load rolls from the heel's cells to the toes'."""
    geometry = load(f"insoles/fsr16_{size}")
    cells = geometry.document.cells
    extent = geometry.document.extent_mm
    at = np.arange(0, 10, 1 / RATE_HZ)
    phase = (at % 1.0) / CONTACT_S
    channels = []
    for cell in cells:
        near = np.exp(-(((cell.y_mm / extent - phase) / 0.2) ** 2)) * np.sin(np.pi * np.clip(phase, 0, 1))
        load_n = 50 * near * (phase < 1) * (cell.x_mm > 0 if medial_only else 1.0)
        values = np.full(at.size, np.nan) if cell.number in dead else load_n + 7.0
        channels.append(Channel(f"cell_{cell.number:02d}", values, "N"))
    stream = make_stream(channels, at, kind="insole", side=side, rate_hz=RATE_HZ)
    made = make_recording({f"insole_{side}": stream}, device="t", reader="t", provenance=Provenance())
    return apply(made, [geometry]).streams[f"insole_{side}"]


def test_the_centre_goes_from_heel_to_toes_and_is_nowhere_in_the_air():
    centre = insole_centre(insole())
    assert centre is not None
    at, known = centre.time_s % 1.0, np.isfinite(centre.cop_mm).all(axis=1)
    assert not known[at > CONTACT_S].any()
    assert known[(at > 0.1) & (at < 0.5)].all()
    assert 80 < centre.cop_mm[355, 0] - centre.cop_mm[305, 0] < 231
    assert centre.corrected
    assert 10 < centre.half_width_mm[1] < centre.half_width_mm[0] < 35
    assert centre.words.startswith("centre of pressure of 16 cells, corrected by other people; 95 % within ")
    assert "Pataky 2008" in centre.words
    assert "cells of one gain" in centre.words


def test_a_right_foot_is_a_left_one_in_a_mirror_and_medial_is_medial():
    left, right = insole_centre(insole("left", medial_only=True)), insole_centre(insole("right", medial_only=True))
    assert left is not None
    assert right is not None
    np.testing.assert_allclose(right.cop_mm[:, 0], left.cop_mm[:, 0], atol=1e-6)
    np.testing.assert_allclose(right.cop_mm[:, 1], -left.cop_mm[:, 1], atol=1e-6)
    # the medial side of a left foot is its right
    assert np.nanmedian(left.cop_mm[:, 1]) < -5


def test_sizes_are_one_layout_and_half_widths_grow_with_the_foot():
    small, large = insole_centre(insole(size="s")), insole_centre(insole(size="xl"))
    assert small is not None
    assert large is not None
    assert large.half_width_mm[0] / small.half_width_mm[0] == pytest.approx(264 / 220, rel=0.01)
    slow, any_ = insole_centre(insole(), speed="slow"), insole_centre(insole())
    assert slow is not None
    assert any_ is not None
    assert slow.half_width_mm[0] <= any_.half_width_mm[0]


def test_dead_cells_are_left_out_and_cost_certainty_or_all_of_it():
    whole = insole_centre(insole())
    one, three = insole_centre(insole(dead=(6,))), insole_centre(insole(dead=(1, 8, 13)))
    assert whole is not None
    assert one is not None
    assert three is not None
    assert (one.cells_left, one.cells_dead, one.corrected) == (15, ("cell_06",), True)
    assert "15 cells (cell_06 left out)" in one.words
    difference = np.abs(one.cop_mm - whole.cop_mm)
    assert np.nanmax(difference) < 40, "it is not drawn to where the dead cell is not"
    assert not three.corrected
    assert np.isnan(three.half_width_mm).all()
    assert three.words.endswith("weighted plainly; nothing is known of its error with these cells left out")


def test_a_cell_that_is_missing_for_a_moment_makes_the_centre_unknown():
    stream = insole()
    values = stream["cell_05"].values.copy()
    values[120:130] = np.nan
    stream["cell_05"] = (stream["cell_05"].dims, values, stream["cell_05"].attrs)
    centre = insole_centre(stream)
    assert centre is not None
    assert np.isnan(centre.cop_mm[120:130]).all()
    assert np.isfinite(centre.cop_mm[131:140]).all()


def test_another_layout_is_not_corrected_and_without_places_there_is_no_centre():
    stream = insole()
    moved = dict(stream["cell_06"].attrs) | {"y_m": 0.12}
    stream["cell_06"] = (stream["cell_06"].dims, stream["cell_06"].values, moved)
    centre = insole_centre(stream)
    assert centre is not None
    assert not centre.corrected
    assert centre.words.endswith("nothing is known of its error of this layout")
    for name in map(str, stream.data_vars):
        stream[name].attrs.pop("x_m", None)
    assert insole_centre(stream) is None


def test_every_correction_states_its_widths_and_more_cells_are_no_worse():
    (layout,) = _layouts()
    assert len(layout.corrections) == 1 + 16 + 120
    widths = {n: [] for n in (0, 1, 2)}
    for dead, row in layout.corrections.items():
        assert np.asarray(row["weights"]).shape == (2, 5)
        assert set(row["half_width"]) == {"slow", "normal", "fast", "any"}
        widths[len(dead)].append(row["half_width"]["any"])
    means = [np.mean(widths[n], axis=0) for n in (0, 1, 2)]
    assert (means[0] < means[1]).all()
    assert (means[1] < means[2]).all()


def test_steps_have_the_centre_of_their_insole_and_say_how_sure_it_is():
    lab = simulate_trial(seed=2, duration_s=20, gait="walk", split_belt=True, wearables=("insole",))
    trial = lab.on_true_clock(participant="P02")
    assert all(row["insole_cop_path_m"] is None for row in step_table(trial).rows)
    placed = Trial(apply(Recording(trial.tree), [load("insoles/fsr16_m")]).tree)
    table = step_table(placed)
    rows = [row for row in table.steps if row["insole_cop_path_m"] is not None]
    # the insole begins at 8 s; a contact before, or across, has no way
    assert [row["step"] for row in rows] == [row["step"] for row in table.steps if row["ic_s"] > 8]
    for row in rows:
        assert row["insole_cop_cells"] == 16
        assert 0.05 < float(row["insole_cop_forward_m"]) <= float(row["insole_cop_path_m"]) < 0.4
        known = row["gait"] == "walk"
        assert (row["insole_cop_within_forward_m"] is not None) == known
    assert any(row["gait"] == "walk" for row in rows)
    notes = [note for note in table.trials[0].notes if "centre of pressure" in note]
    assert [note.split(":")[0] for note in notes] == ["left insole", "right insole"]
    # another gait was never measured
    assert "insole_cop_within_forward_m" not in insole_cop_cells(insole_centre(insole()), "run", ic_s=3.0, to_s=3.6)


def test_plainly_weighted_it_states_the_wider_width_of_that():
    plain, corrected = insole_centre(insole(), correct=False), insole_centre(insole())
    assert plain is not None
    assert corrected is not None
    assert not plain.corrected
    assert plain.half_width_mm[0] > corrected.half_width_mm[0]
    assert "16 cells, weighted plainly; 95 % within 29 mm forward and 13 mm sideways" in plain.words
    np.testing.assert_array_equal(np.isfinite(plain.cop_mm), np.isfinite(corrected.cop_mm))


def test_grf_inspect_says_what_calibrated_an_insole_and_where_its_force_acts(tmp_path: Path):
    trial = simulate_trial(seed=1, duration_s=12).on_true_clock(participant="P1")
    gain = PressureCalibration(
        name="gain", source="made for a test", stream="insole_left", gain=2.0, valid_min=0, valid_max=1e9, residual_n=0
    )
    (tmp_path / "gain.json").write_text(gain.model_dump_json(), encoding="utf-8")
    placed = Trial(apply(Recording(trial.tree), [load("insoles/fsr16_m"), load(tmp_path / "gain.json")]).tree)
    text = trial_words(placed)
    assert "insole_left: calibrated by pressure_calibration\n" in text
    assert "insole_right: calibrated" not in text
    assert "insole_right: centre of pressure of 16 cells, corrected by other people" in text
    assert [row["name"] for row in trial_document(placed, tmp_path)["insoles"]] == ["insole_left", "insole_right"]
    assert "centre of pressure" not in trial_words(trial)
