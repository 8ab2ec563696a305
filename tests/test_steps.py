"""grf-steps: is every number of a step the true one, and is no doubtful step counted without a word?"""

from __future__ import annotations

import csv
import json
import re
from functools import lru_cache
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import xarray as xr

from grfkit import BadInputError, Trial, estimate, simulate_trial, step_table
from grfkit.cli.steps import main
from grfkit.gait.contacts import BORDER, BOTH_BELTS, OTHER_FOOT, Rejection
from grfkit.runtime.bundle_files import shipped_bundle
from grfkit.simulate.lab import LabTrial
from grfkit.steps.chain import ContactChain, step_times, with_asymmetry
from grfkit.steps.columns import COLUMNS, NAMES
from grfkit.steps.files import check_out, csv_text, write_table
from grfkit.steps.lingering import EARLY, LATE
from grfkit.steps.measured import ACROSS, NEAR_REJECTED, NO_CURVE, UNKNOWN_FOOT
from grfkit.steps.study import study_table
from grfkit.steps.summary import summaries
from grfkit.steps.table import StepTable
from grfkit.units import G


@lru_cache(maxsize=1)
def run() -> LabTrial:
    return simulate_trial(seed=1, duration_s=20, wearables=("insole", "imu"))


def ran(*without: str) -> Trial:
    """Return the run on its true clock, a copy that a test may change, without some of its streams."""
    trial = Trial(run().on_true_clock(participant="stranger").tree.copy(deep=True))
    for name in without:
        del trial.tree[name]
    return trial


def walk_on_belts() -> Trial:
    lab = simulate_trial(seed=2, duration_s=20, gait="walk", split_belt=True, wearables=("insole",))
    return lab.on_true_clock(participant="P02")


def steps_of(table: StepTable, side: str | None = None) -> list[dict[str, object]]:
    return [dict(row) for row in table.steps if side is None or row["side"] == side]


def numbers(rows: list[dict[str, object]], name: str) -> np.ndarray:
    return np.asarray([np.nan if row[name] is None else row[name] for row in rows], dtype=float)


def test_times_peaks_and_impulses_of_a_run_are_the_true_ones() -> None:
    lab = run()
    table = step_table(ran(), name="run", lowpass_hz=0)
    rows, truth = steps_of(table), lab.truth
    weight_n = truth.mass_kg * G
    true_ic = np.asarray(
        [truth.contacts.onset_s[np.abs(truth.contacts.onset_s - row["ic_s"]).argmin()] for row in rows]
    )
    assert len(rows) > 50
    assert {row["gait"] for row in rows} == {"run"}
    clear = [not {EARLY, LATE} & set(str(row["flags"]).split("; ")) for row in rows]
    assert 40 < sum(clear) < len(rows), "the noise of this belt passes 20 N"
    np.testing.assert_allclose(numbers(rows, "ic_s")[clear], true_ic[clear], atol=0.006)
    assert np.abs(numbers(rows, "ic_s") - true_ic).max() > 0.04
    for row in (row for row, good in zip(rows, clear) if good):
        time = np.arange(row["ic_s"], row["to_s"], 1e-4)
        force = truth.force_n(time)
        assert row["vgrf_peak_bw"] == pytest.approx(force[:, 2].max() / weight_n, abs=0.05)
        assert row["vertical_impulse_bw_s"] == pytest.approx(force[:, 2].sum() * 1e-4 / weight_n, rel=0.02)
        assert row["propulsive_impulse_bw_s"] == pytest.approx(
            np.maximum(force[:, 0], 0).sum() * 1e-4 / weight_n, abs=0.004
        )
        assert row["vgrf_peak_n"] == pytest.approx(row["vgrf_peak_bw"] * weight_n)
        assert row["forward_from"] == "force"
        assert row["filter_hz"] is None
    # nobody runs on average on more or less than the own weight
    whole = numbers(rows, "step_s")
    known = np.isfinite(whole)
    carried = numbers(rows, "vertical_impulse_bw_s")[known].sum() / whole[known].sum()
    assert carried == pytest.approx(1.0, abs=0.02)


def test_a_filter_is_named_in_every_row_and_lowers_loading_rates() -> None:
    trial = ran()
    smooth, raw = steps_of(step_table(trial, lowpass_hz=20.0)), steps_of(step_table(trial, lowpass_hz=0))
    assert {row["filter_hz"] for row in smooth} == {20.0}
    assert np.nanmedian(numbers(smooth, "vilr_bw_s")) < np.nanmedian(numbers(raw, "vilr_bw_s"))
    np.testing.assert_array_equal(numbers(smooth, "ic_s"), numbers(raw, "ic_s"))


def test_step_stride_flight_and_duty_factor_hold_together() -> None:
    rows = steps_of(step_table(ran()))
    step, contact, stride = (numbers(rows, n) for n in ("step_s", "contact_s", "stride_s"))
    np.testing.assert_allclose(numbers(rows, "flight_s"), step - contact, equal_nan=True)
    np.testing.assert_allclose(numbers(rows, "duty_factor_1"), contact / stride, equal_nan=True)
    np.testing.assert_allclose(numbers(rows, "cadence_steps_min"), 60 / step, equal_nan=True)
    whole = np.isfinite(step[:-1]) & np.isfinite(step[1:]) & np.isfinite(stride[:-1])
    np.testing.assert_allclose(stride[:-1][whole], (step[:-1] + step[1:])[whole], atol=1e-9)
    assert rows[-1]["step_s"] is None
    assert rows[-1]["flight_s"] is None


def test_nothing_follows_for_certain_on_plates_in_the_floor_or_over_a_rejected_contact() -> None:
    times = np.asarray([0.0, 0.35, 0.70, 2.0])
    feet = np.asarray([-1, -1, -1, -1])
    chain = ContactChain(times, times + 0.25, feet)
    rejected = [Rejection(0.45, 0.5, "too short")]
    belt = step_times(chain, rejected, on_floor=False)
    np.testing.assert_allclose(belt.step_s, [0.35, np.nan, np.nan, np.nan])
    apart = ContactChain(times, times + 0.05, feet)
    assert np.isnan(step_times(apart, (), on_floor=True).step_s).all()


def test_asymmetry_is_of_neighbours_of_known_feet_only() -> None:
    left = {"side": "left", "step_s": 0.3, "contact_s": 0.22, "vgrf_peak_bw": 2.2}
    right = {"side": "right", "step_s": 0.3, "contact_s": 0.18, "vgrf_peak_bw": 2.2}
    first, second, third = with_asymmetry([left, right, right | {"side": None}])
    assert first["asymmetry_contact_percent"] == pytest.approx(100 * 0.04 / 0.2)
    assert first["asymmetry_peak_percent"] == 0
    assert "asymmetry_contact_percent" not in second
    assert "asymmetry_contact_percent" not in third


def test_a_toe_on_the_other_belt_is_rejected_and_its_neighbours_say_so() -> None:
    trial = walk_on_belts()
    before = step_table(trial)
    right = steps_of(before, "right")[4:9]
    one, other = (
        trial.streams[f"reference/{row}"] for row in (right[0]["plates"], steps_of(before, "left")[0]["plates"])
    )
    time = one["time"].values
    for row in right:
        end = (time > row["ic_s"] + 0.7 * row["contact_s"]) & (time < row["to_s"])
        for axis in ("fx", "fy", "fz"):
            moved = 0.3 * one[axis].values[end]
            other[axis].values[end] += moved
            one[axis].values[end] -= moved
    after = step_table(trial)
    true_ic = numbers(steps_of(before), "ic_s")
    off = [r for r in after.steps if np.abs(true_ic - r["ic_s"]).min() > 0.03]
    assert off == []
    reasons = {row["reasons"] for row in after.rows if row["status"] == "rejected"}
    assert reasons & {OTHER_FOOT, BOTH_BELTS}
    assert any(str(row["flags"]).startswith(NEAR_REJECTED) for row in after.steps)


def test_an_unknown_stretch_and_the_trials_edge_give_no_step_that_looks_whole() -> None:
    trial = ran()
    before = step_table(trial)
    plate = trial.streams["reference/plate_1"]
    hit = steps_of(before)[20]
    time = plate["time"].values
    hole = (time > hit["ic_s"] + 0.05) & (time < hit["ic_s"] + 0.12)
    for name in ("fx", "fy", "fz", "mx", "my", "mz", "cop_x", "cop_y"):
        plate[name].values[hole] = np.nan
    after = step_table(trial)
    near = [row for row in after.rows if abs(row["ic_s"] - hit["ic_s"]) < 0.2]
    assert near
    assert all(row["vgrf_peak_bw"] is None or row["ic_s"] > hit["to_s"] for row in near)
    assert all(
        row["status"] == "rejected" or NO_CURVE in str(row["flags"]) for row in near if row["ic_s"] < hit["to_s"]
    )
    before_hit = max((r for r in after.steps if r["ic_s"] < hit["ic_s"]), key=lambda r: r["ic_s"])
    assert before_hit["step_s"] is None
    assert BORDER in {row["reasons"] for row in after.rows}
    assert all(row["vgrf_peak_bw"] is None and row["contact_s"] is None for row in after.rows if row["reasons"])


def test_a_foot_across_plates_in_the_floor_is_flagged() -> None:
    trial = simulate_trial(seed=0, surface="overground", wearables=("insole",)).on_true_clock(participant="P03")
    before = steps_of(step_table(trial))
    hit = next(row for row in before if row["plates"] == "plate_1")
    one, two = (trial.streams[f"reference/plate_{n}"] for n in (1, 2))
    foot = (one["time"].values >= hit["ic_s"] - 0.01) & (one["time"].values <= hit["to_s"] + 0.01)
    for axis in ("cop_x", "cop_y", "cop_z"):
        two[axis].values[foot] = one[axis].values[foot]
    for axis in ("fx", "fy", "fz", "mx", "my", "mz"):
        two[axis].values[foot] = 0.4 * one[axis].values[foot]
        one[axis].values[foot] *= 0.6
    rows = steps_of(step_table(trial))
    across = [row for row in rows if ACROSS in str(row["flags"])]
    assert len(rows) == len(before)
    assert [row["plates"] for row in across] == ["plate_1 + plate_2"]
    assert across[0]["vgrf_peak_n"] == pytest.approx(hit["vgrf_peak_n"], rel=0.02)


def test_a_belt_whose_foot_nobody_knows_gives_steps_that_say_so() -> None:
    trial = ran("insole_left", "insole_right", "imu_left", "imu_right")
    rows = steps_of(step_table(trial))
    assert rows
    assert all(row["side"] is None and UNKNOWN_FOOT in str(row["flags"]) for row in rows)
    assert all(row["medial_peak_bw"] is None and row["asymmetry_peak_percent"] is None for row in rows)


def test_measured_and_estimated_steps_stand_side_by_side(tmp_path: Path) -> None:
    trial = ran()
    trial.to_netcdf(tmp_path / "run.nc")
    estimate(shipped_bundle("bilstm_simulated"), tmp_path / "run.nc", out=tmp_path / "estimate.nc")
    table = study_table(tmp_path)
    made = [row for row in table.rows if row["force"] == "estimated"]
    measured = {row["step"]: row for row in table.rows if row["force"] == "measured"}
    assert made
    assert {row["trial"] for row in table.rows} == {"run"}
    pairs = [(row, measured[row["measured_step"]]) for row in made if row["measured_step"] is not None]
    assert len(pairs) > 0.6 * len(made)
    for mine, theirs in pairs:
        assert theirs["status"] == "step"
        assert theirs["side"] in (None, mine["side"])
        assert abs(mine["ic_s"] - theirs["ic_s"]) < 0.06
    assert {row["filter_hz"] for row in made} == {None}
    assert {row["force"] for row in study_table(tmp_path, which="measured").rows} == {"measured"}
    assert {row["force"] for row in study_table(tmp_path, which="estimated").rows} == {"estimated"}


def test_csv_and_json_hold_the_table_and_leave_unknown_empty(tmp_path: Path) -> None:
    table = step_table(ran())
    write_table(table, tmp_path / "t.csv")
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        back = list(csv.DictReader(file))
    assert [*back[0]] == [*NAMES]
    assert len(back) == len(table)
    for row, text in zip(table.rows, back):
        for column in COLUMNS:
            value = row[column.name]
            if value is None:
                assert text[column.name] == ""
            elif column.kind == "number":
                assert float(text[column.name]) == pytest.approx(float(value), rel=1e-8)
            else:
                assert text[column.name] == str(value)
    write_table(table, tmp_path / "t.json")
    assert json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["rows"] == [dict(row) for row in table.rows]
    with pytest.raises(BadInputError, match="exists"):
        write_table(table, tmp_path / "t.csv")
    frame = table.to_pandas()
    assert frame["vgrf_peak_bw"].isna().sum() == csv_text(table).count("rejected")


def test_the_page_of_the_columns_is_that_of_the_code() -> None:
    page = (Path(__file__).parents[1] / "docs" / "steps.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| (.*) \|$", page, flags=re.MULTILINE)
    assert listed == [(column.name, column.meaning) for column in COLUMNS]


def test_parquet_gives_the_same_numbers_and_nulls(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="extra 'parquet' is not installed")
    table = step_table(ran())
    write_table(table, tmp_path / "t.parquet")
    back = parquet.read_table(tmp_path / "t.parquet")
    for column in COLUMNS:
        assert back.column(column.name).to_pylist() == table.values(column.name)
        assert back.schema.field(column.name).metadata[b"meaning"].decode() == column.meaning


def test_parquet_without_its_package_is_refused_before_the_work(tmp_path: Path) -> None:
    with patch.dict("sys.modules", {"pyarrow": None}), pytest.raises(BadInputError, match=r"grfkit\[parquet\]"):
        check_out(tmp_path / "t.parquet")
    with pytest.raises(BadInputError, match="expected one of"):
        check_out(tmp_path / "t.xlsx")


def test_the_command_writes_table_and_page_and_passes_over_other_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    ran().to_netcdf(folder / "a.nc")
    (folder / "notes.nc").write_text("not one of grfkit's")
    out, page = tmp_path / "t.csv", tmp_path / "t.html"
    words = ["grf-steps", str(folder), "--out", str(out), "--report", str(page), "--json"]
    for _ in range(2):
        with patch("sys.argv", words), pytest.raises(SystemExit) as stop:
            main()
        told = capsys.readouterr()
        if stop.value.code:
            break
        table = json.loads(told.out)
        assert len(table["rows"]) == len(out.read_text().splitlines()) - 1
    assert stop.value.code == 2
    assert "exists" in told.err
    text = page.read_text(encoding="utf-8")
    assert "Left minus right" in text
    assert "Steps of stranger" in text
    assert "How the numbers were taken" in text
    assert "<script" not in text


def test_counts_are_never_taken_for_newtons_and_what_limits_a_trial_is_told() -> None:
    trial = ran()
    trial.tree.attrs["mass_kg"] = np.nan
    table = step_table(trial)
    assert any("body mass is not stated" in note for note in table.trials[0].notes)
    assert {row["vgrf_peak_bw"] for row in table.rows} == {None}
    assert all(row["vgrf_peak_n"] > 500 for row in table.steps)
    trial.tree["reference/plate_1"]["fz"].attrs["units"] = "count"
    with pytest.raises(BadInputError, match="'fz' of plate_1 is in count, expected N"):
        step_table(trial)


def test_a_copy_of_a_trial_is_counted_once_and_named(tmp_path: Path) -> None:
    ran().to_netcdf(tmp_path / "a.nc")
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "b.nc").write_bytes((tmp_path / "a.nc").read_bytes())
    table = study_table(tmp_path)
    assert {row["trial"] for row in table.rows} == {"a"}
    assert table.left_out == ((str(tmp_path / "backup" / "b.nc"), f"is a copy of {tmp_path / 'a.nc'}"),)


def test_means_are_of_steps_without_a_flag_and_say_how_many() -> None:
    table = step_table(ran())
    feet = summaries(table)
    for foot in feet:
        rows = [row for row in table.steps if (row["side"] or "") == foot.side]
        clear = [row["contact_s"] for row in rows if row["flags"] in (None, UNKNOWN_FOOT)]
        assert foot.steps == len(rows)
        assert foot.counted == len(clear)
        assert foot.values["contact_s"][0] == pytest.approx(np.mean(clear))
    assert sum(foot.counted for foot in feet) < len(table.steps)


def test_landmarks_without_samples_name_no_feet_and_do_no_harm() -> None:
    trial = simulate_trial(seed=1, duration_s=20, wearables=("landmarks",)).on_true_clock(participant="P01")
    with_feet = step_table(trial)
    trial.tree["landmarks"].dataset = trial.streams["landmarks"].isel(time=slice(0, 0))
    without = step_table(trial)
    assert len(without.steps) == len(with_feet.steps)
    assert {row["side"] for row in without.steps} == {None}


def test_a_cut_off_beyond_the_plates_is_refused_and_the_usual_one_told() -> None:
    trial = ran()
    with pytest.raises(BadInputError, match="lowpass_hz is 600, and plates of 1000 Hz hold nothing from 500 Hz on"):
        step_table(trial, lowpass_hz=600)
    slow = Trial(trial.tree.copy(deep=True))
    for name, stream in slow.streams.items():
        if stream.attrs.get("kind") == "force_plate":
            slow.tree[name] = xr.DataTree(stream.isel(time=slice(None, None, 10)).assign_attrs(rate_hz=100.0))
    (about,) = step_table(slow).trials
    assert any("not filtered: plates of 100 Hz hold nothing from 50 Hz on" in note for note in about.notes)
    assert not any("not filtered" in note for note in step_table(trial).trials[0].notes)
