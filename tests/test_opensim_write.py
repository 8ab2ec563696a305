"""OpenSim files: does what was written stand in the file under the names, axes and bodies that OpenSim looks for?"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.formats.opensim import FootLoad, external_loads_text, mot_text, opensim_axes
from grfkit.io import read

N = 7
TIME = np.arange(N) / 100 + 3.0
FORCE = np.arange(3.0 * N).reshape(N, 3) - 4.25
POINT = np.linspace(0.0, 0.25, 3 * N).reshape(N, 3)


def both() -> list[FootLoad]:
    return [FootLoad("left", FORCE, POINT), FootLoad("right", -2 * FORCE, POINT / 2)]


def columns(text: str) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Return header and columns, read with nothing of the package."""
    head, _, body = text.partition("endheader\n")
    keys = dict(line.split("=") for line in head.splitlines() if "=" in line)
    lines = body.splitlines()
    table = np.asarray([[float(c) for c in line.split("\t")] for line in lines[1:]])
    return keys, {label: table[:, i] for i, label in enumerate(lines[0].split("\t"))}


def test_every_number_stands_under_its_name() -> None:
    keys, found = columns(mot_text(TIME, both(), name="grf", notes=["estimated"]))
    assert keys == {"version": "1", "nRows": str(N), "nColumns": "19", "inDegrees": "yes"}
    assert len(found) == 19
    np.testing.assert_allclose(found["time"], TIME, atol=1e-9)
    for tag, sign, half in (("l", 1, 1), ("r", -2, 2)):
        for i, axis in enumerate("xyz"):
            np.testing.assert_allclose(found[f"ground_force_{tag}_v{axis}"], sign * FORCE[:, i], atol=1e-6)
            np.testing.assert_allclose(found[f"ground_force_{tag}_p{axis}"], POINT[:, i] / half, atol=1e-6)
            assert not found[f"ground_torque_{tag}_{axis}"].any()


def test_our_reader_takes_it_back_as_plates_of_their_feet(tmp_path: Path) -> None:
    path = tmp_path / "grf.mot"
    path.write_text(mot_text(TIME, both(), name="grf", notes=["a = b", "endheader"]))
    streams = read(path).streams
    assert [s.attrs["knows_feet"] for s in streams.values()] == ["left", "right"]
    for stream, sign in zip(streams.values(), (1, -2)):
        assert stream.attrs["vertical"] == "+y"
        for i, axis in enumerate("xyz"):
            np.testing.assert_allclose(stream[f"f{axis}"].values, sign * FORCE[:, i], atol=1e-6)


def test_axes_turn_right_handed() -> None:
    forward, left, up = np.eye(3)
    made = opensim_axes(forward, left, up)
    np.testing.assert_array_equal(made, [[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    assert np.linalg.det(made) == pytest.approx(1.0)  # a rotation: no mirrored person


def test_loads_name_bodies_frames_and_columns_of_the_file() -> None:
    root = ElementTree.fromstring(external_loads_text("a & b.mot", ["left", "right"]).encode())
    assert root.tag == "OpenSimDocument"
    loads = root.find("ExternalLoads")
    assert loads is not None
    assert loads.findtext("datafile") == "a & b.mot"
    labels = columns(mot_text(TIME, both(), name="grf"))[1]
    forces = loads.findall("objects/ExternalForce")
    assert [f.findtext("applied_to_body") for f in forces] == ["calcn_l", "calcn_r"]
    for force in forces:
        assert force.findtext("force_expressed_in_body") == "ground"
        assert force.findtext("point_expressed_in_body") == force.findtext("applied_to_body")
        for what in ("force", "point", "torque"):
            assert all(f"{force.findtext(what + '_identifier')}{axis}" in labels for axis in "xyz")


@pytest.mark.parametrize(
    ("time", "feet", "what"),
    [
        (TIME, [], "feet are none"),
        (TIME, [both()[0], both()[0]], "each once"),
        (TIME[::-1], both(), "does not increase"),
        (TIME[:0], both(), "does not increase"),
        (TIME[:-1], both(), "has shape"),
        (TIME, [FootLoad("left", np.where(FORCE > 9, np.nan, FORCE), POINT)], "force of the left foot is missing"),
        (TIME, [FootLoad("right", FORCE, np.full((N, 3), np.inf))], "point of force of the right foot"),
    ],
)
def test_what_opensim_could_not_read_is_refused(time: np.ndarray, feet: list[FootLoad], what: str) -> None:
    with pytest.raises(BadInputError, match=what):
        mot_text(time, feet, name="grf")


@given(st.lists(st.floats(-5000, 5000), min_size=3, max_size=3), st.text(max_size=30))
def test_any_force_and_any_name_come_back(force: list[float], name: str) -> None:
    from grfkit.formats.opensim import parse_storage
    from grfkit.formats.opensim_columns import plate_columns

    row = np.tile(np.asarray(force), (2, 1))
    parsed = parse_storage(mot_text(np.asarray([0.0, 0.01]), [FootLoad("left", row, row / 1e4)], name=name))
    (plate,) = plate_columns(parsed.labels)
    assert plate.foot == "left"
    np.testing.assert_allclose(parsed.table[:, [plate.force[a] for a in "xyz"]], row, atol=1e-6)
