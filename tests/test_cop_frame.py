"""The centre of pressure in the foot's own frame: turned as the foot stands, carried back, refused without markers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import grfkit
from grfkit import BadInputError, Trial, step_table
from grfkit.gait.foot_frame import FootFrames, FootMarkers, MarkersMissingError, foot_frames
from grfkit.steps.measured import NOT_SEEN
from grfkit.steps.study import study_table
from grfkit.sync.frames import into_lab, lab_rotation

OUT = np.radians(20.0)
LEVEL = np.eye(3)[:, :2]


@pytest.fixture(scope="module")
def straight() -> Trial:
    """Give a runner on a treadmill with markers, in lab axes, whose feet point straight ahead."""
    lab = grfkit.simulate_trial(seed=4, duration_s=8, surface="treadmill", wearables=("insole", "landmarks"))
    trial = lab.on_true_clock(participant="P4")
    for name, stream in trial.streams.items():
        if stream.attrs.get("kind") in ("force_plate", "landmarks"):
            trial.tree[name] = xr.DataTree(into_lab(stream, lab_rotation("+x", "+z")))
    return trial


def turned_out(trial: Trial) -> Trial:
    """Return a copy whose toes point 20 degrees outward of their heels."""
    copy = Trial(trial.tree.copy(deep=True))
    stream = copy.streams["landmarks"]
    names, position = [str(n) for n in stream["landmark"].values], np.array(stream["position"].values)
    for side, angle in (("left", OUT), ("right", -OUT)):
        heel, toe = position[:, names.index(f"{side}_heel")], position[:, names.index(f"{side}_toe")]
        line, (c, s) = (toe - heel)[:, :2], (np.cos(angle), np.sin(angle))
        toe[:, :2] = heel[:, :2] + line @ np.asarray([[c, s], [-s, c]])
    copy.tree["landmarks"] = xr.DataTree(stream.assign(position=stream["position"].copy(data=position)))
    return copy


def numbers(trial: Trial, frame: str, name: str) -> np.ndarray:
    table = step_table(trial, cop_frame=frame)  # type: ignore[arg-type]
    return np.asarray([np.nan if row[name] is None else row[name] for row in table.steps], dtype=float)


def test_a_place_goes_to_the_foot_and_back_whatever_the_belt_does() -> None:
    time = np.linspace(1.0, 1.8, 81)
    belt, angle = 1.2, np.radians(-12.0)
    ahead = np.asarray([np.cos(angle), np.sin(angle)])
    heel = np.asarray([0.4, -0.1]) - np.outer(belt * (time - 1.0), [1.0, 0.0])
    points = [np.c_[p, np.full(81, 0.03)] for p in (heel, heel + 0.2 * ahead)]
    # after mid-stance the heel rises and goes ahead: that does not move the standing foot
    points[0][50:] += [0.1, 0.05, 0.1]
    foot = FootFrames({"right": FootMarkers(time, *points, "lab")}).of("right", 1.0, 1.8, LEVEL, belt_m_s=belt)
    assert foot is not None
    assert foot.axes[:, 0] == pytest.approx(ahead)
    own = np.stack([np.linspace(0.02, 0.2, 81), np.linspace(0.0, 0.02, 81)], axis=1)
    lab = foot.to_lab(own, time)
    np.testing.assert_allclose(foot.to_foot(lab, time), own, atol=1e-12)
    # .05 m in front of the heel marker, at contact, is there in the lab
    assert foot.to_lab(np.asarray([[0.05, 0.0]]), time[:1])[0] == pytest.approx([0.4, -0.1] + 0.05 * ahead)
    np.testing.assert_allclose(foot.turned_back(foot.turned(own)), own, atol=1e-12)
    points[1][:] = np.nan
    unseen = FootFrames({"right": FootMarkers(time, *points, "lab")})
    assert unseen.of("right", 1.0, 1.8, LEVEL) is None
    assert unseen.of("left", 1.0, 1.8, LEVEL) is None


def test_of_feet_that_point_outward_the_centre_runs_to_the_inner_side(straight: Trial) -> None:
    out = turned_out(straight)
    lab, foot = (numbers(out, frame, "cop_forward_m") for frame in ("lab", "foot"))
    np.testing.assert_array_equal(lab, numbers(straight, "lab", "cop_forward_m"))
    known = np.isfinite(foot)
    assert known.sum() > 10
    assert np.median(foot[known] / lab[known]) == pytest.approx(np.cos(OUT), abs=0.02)
    along, inner = (numbers(straight, "foot", f"cop_heel_{n}_m") for n in ("forward", "medial"))
    assert 0.05 < np.nanmedian(along) < 0.2
    turned = numbers(out, "foot", "cop_heel_medial_m")
    # of either foot: the centre lies where it was, ahead of the heel, and the foot's line has turned away from it
    np.testing.assert_allclose(turned[known], (along * np.sin(OUT) + inner * np.cos(OUT))[known], atol=0.004)
    frames = {row["cop_frame"] for row in step_table(out, cop_frame="foot").steps if row["cop_from"]}
    assert frames == {"foot"}


def test_steps_whose_markers_are_not_seen_have_no_centre_in_the_foots_frame(straight: Trial) -> None:
    hidden = Trial(straight.tree.copy(deep=True))
    stream = hidden.streams["landmarks"]
    position = np.array(stream["position"].values)
    position[:, [str(n) for n in stream["landmark"].values].index("left_toe")] = np.nan
    hidden.tree["landmarks"] = xr.DataTree(stream.assign(position=stream["position"].copy(data=position)))
    for row in step_table(hidden, cop_frame="foot").steps:
        if row["side"] == "left" and row["vgrf_peak_bw"] is not None:
            assert row["cop_from"] is None
            assert NOT_SEEN in str(row["flags"])


def test_without_markers_it_is_refused_by_name(straight: Trial, tmp_path: Path) -> None:
    bare = Trial(straight.tree.copy(deep=True))
    del bare.tree["landmarks"]
    bare.to_netcdf(tmp_path / "bare.nc")
    for refused in (
        lambda: step_table(tmp_path / "bare.nc", cop_frame="foot"),
        lambda: study_table([tmp_path / "bare.nc"], cop_frame="foot"),
        lambda: grfkit.export_trial(tmp_path / "bare.nc", "csv", tmp_path / "t.csv", cop_frame="foot"),
    ):
        with pytest.raises(MarkersMissingError, match=r"bare.*--cop-frame foot.*it has no markers"):
            refused()
    assert not (tmp_path / "t.csv").exists()
    stream = straight.streams["landmarks"]
    kept = [n for n in stream["landmark"].values if n != "right_heel"]
    bare.tree["landmarks"] = xr.DataTree(stream.sel(landmark=kept))
    with pytest.raises(MarkersMissingError, match=r"^T: .*show none of the right foot"):
        foot_frames(bare, "T")
    with pytest.raises(BadInputError, match="expected one of lab, foot"):
        step_table(straight, cop_frame="shoe")  # type: ignore[arg-type]


def test_tables_hold_the_centre_of_each_foot_in_either_frame(straight: Trial, tmp_path: Path) -> None:
    path = tmp_path / "run.nc"
    straight.to_netcdf(path)
    tables = {}
    for frame in ("lab", "foot"):
        grfkit.export_trial(path, "csv", tmp_path / f"{frame}.csv", cop_frame=frame)
        tables[frame] = np.genfromtxt(tmp_path / f"{frame}.csv", delimiter=",", names=True, deletechars="", dtype=float)
    lab, foot = tables["lab"], tables["foot"]
    assert {"left_cop_x_[m]", "right_cop_y_[m]"} <= set(lab.dtype.names or ())
    known = np.isfinite(foot["left_cop_forward_[m]"])
    assert 0.1 < known.mean() < 0.5
    assert not (known & np.isfinite(foot["right_cop_forward_[m]"])).any()
    np.testing.assert_array_equal(lab["left_cop_x_[m]"][known], lab["plate_1_cop_x_[m]"][known])
    # in the lab the belt carries the centre of a contact far back, under the foot it stays within its length
    assert np.ptp(lab["left_cop_x_[m]"][known]) > 0.5
    assert -0.1 < np.percentile(foot["left_cop_forward_[m]"][known], 5) < 0.1
    assert np.percentile(foot["left_cop_forward_[m]"][known], 95) < 0.3
    with pytest.raises(BadInputError, match="for csv, parquet and mat"):
        grfkit.export_trial(path, "xdf", tmp_path / "t.xdf", cop_frame="lab")
    with pytest.raises(BadInputError, match="go with --cop-frame foot"):
        grfkit.export_trial(path, "csv", tmp_path / "t.csv", markers=path)
