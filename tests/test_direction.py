"""The horizontal force examined: upside down, turned, exchanged; and right recordings that stay without a word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from grfkit.calibrate import CorrectionRequest, correct, decided, examine, vertical_force
from grfkit.io import read
from grfkit.provenance import Provenance
from grfkit.records import Channel, Recording, make_landmarks, make_recording, make_stream
from grfkit.signals.step_direction import push_direction, up_vector
from grfkit.units import G

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RATE, MASS = 500.0, 70.0
DIRECTION_CODES = {"horizontal_sign", "horizontal_axes", "cop_direction", "half_turn", "forward", "plate_order"}
CORNERS = np.asarray([[0.3, 0.25, 0], [-0.3, 0.25, 0], [-0.3, -0.25, 0], [0.3, -0.25, 0]])


def steps(
    times: list[float], *, travel_m: float, seconds: float, middle_m: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return force (samples, 3) and centre of pressure of steps towards +x, z up."""
    time = np.arange(int(seconds * RATE)) / RATE
    force = np.random.default_rng(3).standard_normal((time.size, 3))
    cop = np.tile([middle_m, 0.02, 0.0], (time.size, 1))
    for start in times:
        phase = (time - start) / 0.6
        on = (phase > 0) & (phase < 1)
        force[on, 2] += 1.1 * MASS * G * np.sin(np.pi * phase[on]) ** 0.5
        force[on, 0] -= 0.18 * MASS * G * np.sin(2 * np.pi * phase[on])
        force[on, 1] += 0.04 * MASS * G * np.sin(np.pi * phase[on])
        cop[on, 0] += travel_m * (phase[on] - 0.5)
    return force, cop


def plate(
    force: np.ndarray, cop: np.ndarray, *, middle_m: float = 0.0, corners: np.ndarray | None = None
) -> xr.Dataset:
    """Return a plate whose moment is that of the force acting at the centre of pressure, about the plate's middle."""
    moment = np.cross(cop - [middle_m, 0.0, 0.0], force)
    columns = {f"f{a}": (force[:, k], "N") for k, a in enumerate("xyz")}
    columns |= {f"m{a}": (moment[:, k], "N m") for k, a in enumerate("xyz")}
    loaded = np.abs(force[:, 2]) > 20
    columns |= {f"cop_{a}": (np.where(loaded, cop[:, k], np.nan), "m") for k, a in enumerate("xyz")}
    channels = [Channel(name, values, unit, "global") for name, (values, unit) in columns.items()]
    outline = CORNERS + np.asarray([middle_m, 0.0, 0.0]) if corners is None else corners
    attrs = {"corners_m": outline.ravel().tolist(), "vertical": "+z", "cop_threshold_n": 20.0, "knows_feet": ""}
    return make_stream(channels, np.arange(len(force)) / RATE, kind="force_plate", rate_hz=RATE, attrs=attrs)


def walkway(*, first_m: float = 0.0, second_m: float = 0.65) -> Recording:
    """Return a walk towards +x over two plates, first at 1 s and then at 1.55 s, three times."""
    one = steps([1.0, 6.0, 11.0], travel_m=0.16, seconds=15.0, middle_m=first_m)
    two = steps([1.55, 6.55, 11.55], travel_m=0.16, seconds=15.0, middle_m=second_m)
    return recording({"plate_1": plate(*one, middle_m=first_m), "plate_2": plate(*two, middle_m=second_m)})


def belt() -> Recording:
    return recording({"plate_1": plate(*steps(list(np.arange(0.5, 19.0, 0.9)), travel_m=-0.5, seconds=20.0))})


def recording(streams: dict[str, xr.Dataset]) -> Recording:
    return make_recording(streams, device="test", reader="test", provenance=Provenance())


def changed(
    given: Recording, signs: dict[str, float], *, plates: tuple[str, ...] = ("plate_1", "plate_2")
) -> Recording:
    """Return the recording with channels multiplied; the centre of pressure is that of the changed moments."""
    streams = given.streams
    for name in [n for n in plates if n in streams]:
        stream = streams[name].copy()
        for channel, sign in signs.items():
            stream[channel] = stream[channel].copy(data=sign * stream[channel].values)
        streams[name] = stream
    return given.replaced(streams)


def found(given: Recording, **options) -> dict[str, bool]:
    """Return the codes of the direction's findings, and whether each is corrected."""
    rows = [f for p in decided(examine(given, mass_kg=MASS, **options)) for f in p.findings]
    return {f.code: f.corrected for f in rows if f.code in DIRECTION_CODES}


def with_markers(given: Recording, towards: float) -> Recording:
    """Return the recording with markers that go along x at 1.2 m/s."""
    time = np.arange(0.0, 15.0, 0.01)
    x = towards * 1.2 * (time % 5.0)
    position = np.stack([np.column_stack([x + k, 0 * x, 0 * x + 1.0]) for k in (0.0, 0.1, 0.2)], axis=1)
    marks = make_landmarks(position, ["A", "B", "C"], time, unit="m")
    return given.replaced({**given.streams, "markers": marks})


def test_right_recordings_are_left_without_a_word() -> None:
    assert found(walkway(), surface="overground", forward="+x") == {}
    assert found(walkway()) == {}
    assert found(belt(), surface="treadmill", forward="+x") == {}
    assert found(belt(), surface="treadmill", forward="x") == {}
    assert found(with_markers(walkway(), 1.0), surface="overground") == {}


@pytest.mark.parametrize("surface", ["overground", "treadmill"])
def test_a_horizontal_force_upside_down_is_told_and_turned_where_asked(surface) -> None:
    right = walkway() if surface == "overground" else belt()
    given = changed(right, {"fx": -1.0})
    assert found(given, surface=surface) == {"horizontal_sign": False}
    findings = examine(given, surface=surface, mass_kg=MASS)
    text = findings[-1].get("horizontal_sign").text
    assert "propels before it brakes" in text
    assert "--correct horizontal" in text
    asked = CorrectionRequest.of(["horizontal"])
    fixed = correct(given, findings, ask=asked)
    np.testing.assert_allclose(fixed.streams["plate_1"]["fx"].values, right.streams["plate_1"]["fx"].values, atol=2.0)
    assert "fx and fy were turned, as asked" in decided(findings, asked)[-1].get("horizontal_sign").text
    assert found(fixed, surface=surface) == {}


def test_moments_upside_down_are_told_apart_from_the_force_by_a_witness() -> None:
    given = changed(walkway(), {"mx": -1.0, "my": -1.0, "cop_x": -1.0, "cop_y": -1.0}, plates=("plate_1",))
    given = recording({"plate_1": given.streams["plate_1"]})
    assert found(given, surface="overground") == {"horizontal_sign": False}
    assert found(given, surface="overground", forward="+x") == {"cop_direction": False}


def test_a_walk_against_the_stated_forward_is_told() -> None:
    for given, surface in ((walkway(), "overground"), (belt(), "treadmill")):
        assert found(given, surface=surface, forward="-x") == {"forward": False}
        (text,) = [f.text for f in examine(given, surface=surface, forward="-x")[-1].findings if f.code == "forward"]
        assert "state --forward=+x" in text
    assert found(belt(), surface="treadmill", forward="+y") == {"horizontal_axes": False}


def test_fz_alone_upside_down_contradicts_the_stated_forward() -> None:
    right = belt()
    given = changed(right, {"fz": -1.0, "cop_x": -1.0, "cop_y": -1.0})
    assert found(given, surface="treadmill", forward="+x") == {"forward": False}
    findings = examine(given, surface="treadmill", mass_kg=MASS, forward="+x")
    assert "only the file's fz is upside down" in findings[-1].get("forward").text
    fixed = correct(given, findings, ask=CorrectionRequest.of(["horizontal"])).streams["plate_1"]
    for name in ("fx", "fy", "fz", "mx", "my"):
        np.testing.assert_allclose(fixed[name].values, right.streams["plate_1"][name].values, atol=2.0)
    loaded = vertical_force(fixed) > 200
    np.testing.assert_allclose(
        fixed["cop_x"].values[loaded], right.streams["plate_1"]["cop_x"].values[loaded], atol=0.01
    )


def test_plates_turned_half_round_against_the_markers_are_turned_back() -> None:
    right = walkway()
    turned = changed(right, dict.fromkeys(("fx", "fy", "mx", "my", "cop_y"), -1.0)).streams
    for name, middle in (("plate_1", 0.0), ("plate_2", 0.65)):
        mirrored = 2 * middle - right.streams[name]["cop_x"].values
        turned[name]["cop_x"] = turned[name]["cop_x"].copy(data=mirrored)
    given = with_markers(recording(turned), 1.0)
    assert found(given, surface="overground") == {"half_turn": True}
    fixed = correct(given, examine(given, surface="overground", mass_kg=MASS))
    for name in ("plate_1", "plate_2"):
        for channel in ("fx", "fy", "fz", "mx", "my"):
            np.testing.assert_allclose(
                fixed.streams[name][channel].values, right.streams[name][channel].values, atol=1e-9
            )
    assert found(fixed, surface="overground") == {}


def test_exchanged_axes_are_at_a_right_angle() -> None:
    right = belt()
    original = right.streams["plate_1"]
    stream = original.copy()
    stream["fx"] = original["fx"].copy(data=original["fy"].values)
    stream["fy"] = original["fy"].copy(data=original["fx"].values)
    assert found(right.replaced({"plate_1": stream}), surface="treadmill") == {"horizontal_axes": False}


def test_plates_whose_corners_are_exchanged_are_stepped_on_backward() -> None:
    assert found(walkway(first_m=0.65, second_m=0.0), surface="overground") == {"plate_order": False}


def test_people_who_turn_round_contradict_nothing() -> None:
    there, back = steps([1.0, 4.0], travel_m=0.16, seconds=12.0), steps([7.0, 10.0], travel_m=-0.16, seconds=12.0)
    back[0][:, 0] *= -1.0
    force, cop = there[0] + back[0], there[1] + back[1] - [0.0, 0.02, 0.0]
    given = recording({"plate_1": plate(force, cop)})
    assert found(given, surface="overground", forward="+x") == {}
    assert found(given, surface="overground", forward="-x") == {}


def test_jumps_squats_and_stops_show_no_direction() -> None:
    up = up_vector("+z")
    phase = np.linspace(0, 1, 300)
    load = 700.0 * np.sin(np.pi * phase) ** 0.5
    only_braking = np.column_stack([-150.0 * np.sin(np.pi * phase), 0 * phase, load])
    nothing = np.column_stack([5.0 * np.sin(40 * phase), 0 * phase, load])
    assert push_direction(only_braking, up) is None
    assert push_direction(nothing, up) is None
    assert push_direction(np.full((300, 3), np.nan), up) is None
    assert push_direction(only_braking[:5], up) is None
    step = np.column_stack([-150.0 * np.sin(2 * np.pi * phase), 0 * phase, load])
    np.testing.assert_allclose(
        push_direction(step, up) / np.linalg.norm(push_direction(step, up)), [1, 0, 0], atol=1e-9
    )


def test_up_vector_reads_signs() -> None:
    np.testing.assert_array_equal(up_vector("-y"), [0, -1, 0])
    assert up_vector("") is None
    assert up_vector("z") is None


@pytest.mark.recordings
@pytest.mark.parametrize(
    ("path", "surface"),
    [
        ("schreiber2019_walk_overground/data/2014001/dynamic/2014001_C4_05.c3d", "overground"),
        ("opensim_core/OpenSim/Tests/shared/walking2.c3d", "overground"),
        ("bmclab_bmc/data/walk1.forces", "overground"),
        ("rbds_fukuchi/RBDS001runT35.c3d", "treadmill"),
        ("nimblephysics/data/osim/HamnerSubject04/subject04/trials/run300/grf.mot", "treadmill"),
    ],
)
def test_recordings_have_their_horizontal_force_right_and_planted_faults_are_found(path: str, surface) -> None:
    if not (DATA / path).exists():
        pytest.skip(f"no recording at ../shared/data/{path}")
    given = read(DATA / path)
    assert found(given, surface=surface) == {}
    streams = {}
    for name, stream in given.streams.items():
        if stream.attrs["kind"] == "force_plate":
            level = [f"f{a}" for a in "xyz" if a != stream.attrs["vertical"][1]]
            stream = stream.assign({c: stream[c].copy(data=-stream[c].values) for c in level})
        streams[name] = stream
    assert found(given.replaced(streams), surface=surface) == {"horizontal_sign": False}


@pytest.mark.parametrize(("name", "other"), [("plate_1", "plate_2"), ("plate_2", "plate_1")])
@pytest.mark.parametrize("surface", ["overground", None])
def test_one_plate_upside_down_beside_others_is_named(surface: str | None, name: str, other: str) -> None:
    given = changed(walkway(), {"fx": -1.0}, plates=(name,))
    rows = [f for p in examine(given, mass_kg=MASS, surface=surface) for f in p.findings if f.code in DIRECTION_CODES]
    assert [f.code for f in rows] == ["horizontal_sign"]
    assert f"3 steps on {name} the horizontal force propels before it brakes" in rows[0].text
    assert f"on {other} it brakes first" in rows[0].text
    corrected = correct(given, examine(given, mass_kg=MASS, surface=surface))
    assert np.array_equal(corrected.streams[name]["fx"].values, given.streams[name]["fx"].values)


@pytest.mark.parametrize(("forward", "code"), [("-x", "forward"), ("+y", "horizontal_axes"), ("-y", "horizontal_axes")])
def test_a_stated_forward_is_held_against_force_and_markers_together(forward: str, code: str) -> None:
    given = with_markers(walkway(), 1.0)
    rows = [f for p in examine(given, mass_kg=MASS, surface="overground", forward=forward) for f in p.findings]
    rows = [f for f in rows if f.code in DIRECTION_CODES]
    assert [f.code for f in rows] == [code]
    assert "state --forward=+x" in rows[0].text
    assert found(given, surface="overground", forward="+x") == {}
