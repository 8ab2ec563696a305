"""Knee alignment from static trials: angles that were put in come out, and what cannot be measured is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from grfkit.cli.inspect import app
from grfkit.errors import BadInputError
from grfkit.gait.joint_centres import harrington_hips
from grfkit.gait.knee_alignment import KneeAlignment, deviation_deg, knee_alignment
from grfkit.gait.landmarks import Points, load_mapping
from grfkit.io import read

MAPPING = load_mapping("schreiber")
PELVIS = {
    "L_IAS": (0.0, 0.12, 1.0),
    "R_IAS": (0.0, -0.12, 1.0),
    "L_IPS": (-0.16, 0.05, 1.02),
    "R_IPS": (-0.16, -0.05, 1.02),
}


def body(left_mm: float, right_mm: float, *, flexion_mm: float = 0.0, width_m: float = 0.1) -> Points:
    """Return one frame of a body whose knees lie so many mm outside the lines from hips to ankles."""
    hips = harrington_hips(*(np.array(PELVIS[n]) for n in ("L_IAS", "R_IAS")), np.array([-0.16, 0.0, 1.02]))
    marks = {name: np.array(place) for name, place in PELVIS.items()}
    for side, hip, shift, outward in (("L", hips[0], left_mm, 1.0), ("R", hips[1], right_mm, -1.0)):
        ankle = hip - np.array([0.0, 0.0, 0.8])
        out = np.array([0.0, outward, 0.0])
        knee = (hip + ankle) / 2 + 1e-3 * shift * out + np.array([1e-3 * flexion_mm, 0.0, 0.0])
        marks |= {f"{side}_FLE": knee + out * width_m / 2, f"{side}_FME": knee - out * width_m / 2}
        marks |= {f"{side}_FAL": ankle + out * 0.035, f"{side}_TAM": ankle - out * 0.035}
    return Points(np.zeros(1), tuple(marks), np.stack(list(marks.values()))[None])


@given(st.floats(-60, 60), st.floats(-60, 60), st.floats(0, 60))
def test_the_angle_that_was_put_in_comes_out_whatever_the_flexion(left: float, right: float, flexion: float) -> None:
    found = knee_alignment(body(left, right, flexion_mm=flexion), MAPPING)
    for side, shift in (("left", left), ("right", right)):
        # thigh and shank of 0.4 m, each turned by the same angle
        assert found[side].deviation_deg == pytest.approx(2 * np.degrees(np.arctan2(1e-3 * shift, 0.4)), abs=1e-6)  # type: ignore[index]
        assert found[side].sd_deg >= 1.5  # type: ignore[index]


def test_bow_legs_are_positive_on_both_sides() -> None:
    found = knee_alignment(body(20, 20), MAPPING)
    assert min(leg.deviation_deg for leg in found.values()) > 5


def test_noise_between_frames_is_in_the_sd() -> None:
    one = body(10, 10)
    noise = np.random.default_rng(0).normal(0, 0.005, (200, *one.position.shape[1:]))
    found = knee_alignment(Points(np.arange(200) / 100, one.names, one.position + noise), MAPPING)
    assert found["left"].frames == 200
    assert found["left"].sd_deg > 1.7
    assert found["left"].deviation_deg == pytest.approx(2.86, abs=0.4)


def without(points: Points, name: str) -> Points:
    keep = [k for k, n in enumerate(points.names) if n != name]
    return Points(points.time_s, tuple(points.names[k] for k in keep), points.position[:, keep])


def exchanged(points: Points, one: str, other: str) -> Points:
    names = [{one: other, other: one}.get(n, n) for n in points.names]
    return Points(points.time_s, tuple(names), points.position)


@pytest.mark.parametrize(
    ("static", "words"),
    [
        (without(body(0, 0), "L_FME"), "lacks L_FME"),
        (exchanged(body(0, 0), "L_FME", "L_FLE"), "lies to the inside"),
        (body(0, 0, width_m=0.02), "20 mm apart"),
        (body(120, 0), r"left knee deviates by \+33"),
    ],
)
def test_what_does_not_show_the_alignment_is_refused(static: Points, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        knee_alignment(static, MAPPING)


def test_a_mapping_without_medial_markers_is_refused() -> None:
    with pytest.raises(BadInputError, match="names no medial and lateral markers"):
        knee_alignment(body(0, 0), load_mapping("pose2sim"))


def test_an_axis_along_the_leg_has_no_outward_part() -> None:
    up = np.array([[0.0, 0.0, 1.0]])
    angle = deviation_deg(up, 0.5 * up, 0 * up, np.array([[0.0, 1.0, 0.3]]))
    assert angle == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("mapping", "pattern", "legs", "mean", "sd"),
    [
        ("schreiber", "schreiber2019_walk_overground/data/*/static/*.c3d", 24, -1.06, 3.65),
        ("rbds", "rbds_runners/*static.c3d", 40, 1.27, 3.06),
    ],
)
def test_real_people_spread_as_radiographs_of_healthy_adults_do(
    real_file: Callable[[str], Path], mapping: str, pattern: str, legs: int, mean: float, sd: float
) -> None:
    folder = real_file(pattern.split("/")[0])
    found: list[KneeAlignment] = []
    for path in sorted(folder.parent.glob(pattern)):
        marks = read(path).streams["landmarks"]
        points = Points(marks["time"].values, tuple(str(n) for n in marks["landmark"].values), marks["position"].values)
        found += knee_alignment(points, load_mapping(mapping)).values()
    angles = [leg.deviation_deg for leg in found]
    assert len(angles) == legs
    assert (np.mean(angles), np.std(angles, ddof=1)) == (pytest.approx(mean, abs=0.01), pytest.approx(sd, abs=0.01))


def test_the_command_shows_both_knees(real_file: Callable[[str], Path]) -> None:
    static = real_file("schreiber2019_walk_overground/data/2014001/static/2014001_ST.c3d")
    shown = CliRunner().invoke(app, ["--static", str(static)])
    assert shown.exit_code == 0, shown.output
    assert re.search(r"left knee: [+-]\d\.\d degrees \((varus|valgus)\), SD 1\.\d, from \d+ frame", shown.stdout)
    document = json.loads(CliRunner().invoke(app, ["--static", str(static), "--json"]).stdout)
    assert document["hka_method"] == "static markers"
    assert abs(document["hka_left_deg"]) < 8


def test_the_command_refuses_what_is_no_static_trial(tmp_path: Path) -> None:
    path = tmp_path / "insole.csv"
    path.write_text("time [s],left_force [N]\n0.00,0\n0.01,350\n0.02,700\n", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"insole\.csv: holds 0 streams of landmarks"):
        CliRunner().invoke(app, ["--static", str(path)], catch_exceptions=False)
