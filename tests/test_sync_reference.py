"""The reference as alignment takes it: turned to the lab frame, and its belts judged."""

from __future__ import annotations

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.provenance import Provenance
from grfkit.records import Channel, Recording, make_recording, make_stream
from grfkit.sync import align
from grfkit.sync.inputs import examined_reference
from grfkit.sync.reference_steps import belt_findings
from grfkit.sync.request import SyncRequest

RATE = 200.0
TIME = np.arange(0.0, 20.0, 1 / RATE)


def steps(stride_s: float, contact_s: float, top_n: float, *, first_s: float = 0.5) -> np.ndarray:
    phase = (TIME - first_s) % stride_s / contact_s
    return np.where((phase < 1) & (first_s < TIME), top_n * np.sin(np.pi * np.clip(phase, 0, 1)) ** 0.5, 0.0)


def reference(force: dict[str, np.ndarray], *, vertical: str, corners_m: list[float] | None = None) -> Recording:
    """Return a recording of one plate whose force on the foot is given by file axis."""
    channels = [Channel(f"f{a}", force.get(a, np.zeros_like(TIME)), "N", "global") for a in "xyz"]
    attrs: dict[str, object] = {"vertical": vertical, "knows_feet": ""}
    if corners_m:
        attrs["corners_m"] = corners_m
    stream = make_stream(channels, TIME, kind="force_plate", rate_hz=RATE, attrs=attrs)
    return make_recording({"plate_1": stream}, device="test", reader="test", provenance=Provenance())


def turned(recording: Recording, forward: str) -> dict[str, np.ndarray]:
    request = SyncRequest(reference="a.c3d", wearables=("b.csv",), surface="treadmill", forward=forward)
    stream = examined_reference(recording, request)[0].streams["plate_1"]
    assert stream.attrs["vertical"] == "+z"
    return {a: stream[f"f{a}"].values for a in "xyz"}


@pytest.mark.parametrize(
    ("vertical", "forward", "left"),
    [("-z", "+x", "-y"), ("-z", "-y", "-x"), ("+z", "-x", "-y"), ("-y", "+x", "+z"), ("+y", "+x", "-z")],
)
def test_a_plate_stays_upright_whichever_axis_points_up(vertical: str, forward: str, left: str) -> None:
    up, ahead, side = steps(0.36, 0.24, 700.0), steps(0.36, 0.12, 90.0), steps(0.36, 0.24, 30.0)
    given = {}
    for axis, course in ((vertical, up), (forward, ahead), (left, side)):
        given[axis[1]] = course if axis[0] == "+" else -course
    lab = turned(reference(given, vertical=vertical), forward)
    np.testing.assert_allclose(lab["z"], up, atol=1e-9)
    np.testing.assert_allclose(lab["x"], ahead, atol=1e-9)
    np.testing.assert_allclose(lab["y"], side, atol=1e-9)


def test_forward_along_the_vertical_axis_is_refused_either_way_up() -> None:
    recording = reference({"z": -steps(0.36, 0.24, 700.0)}, vertical="-z")
    with pytest.raises(BadInputError, match="is the vertical axis '-z'"):
        turned(recording, "+z")


def belts(crossed: bool) -> Recording:
    rng = np.random.default_rng(4)
    left, right = steps(1.1, 0.68, 720.0), steps(1.1, 0.68, 720.0, first_s=1.05)
    if crossed:
        for on in np.arange(3.25, 12.0, 1.1):
            toe = (on + 0.46 < TIME) & (on + 0.68 > TIME)
            left, right = left + np.where(toe, 0.3 * right, 0.0), np.where(toe, 0.7 * right, right)
    streams = {}
    for name, up in (("plate_1", left), ("plate_2", right)):
        noise = rng.standard_normal((3, TIME.size))
        channels = [Channel(f"f{a}", noise[k] + (up if a == "z" else 0.0), "N", "global") for k, a in enumerate("xyz")]
        streams[name] = make_stream(
            channels, TIME, kind="force_plate", rate_hz=RATE, attrs={"vertical": "+z", "knows_feet": ""}
        )
    return make_recording(streams, device="test", reader="test", provenance=Provenance())


def test_feet_on_the_wrong_belt_are_counted_and_warned_of() -> None:
    (row,) = belt_findings(belts(True), "treadmill")
    assert (row["code"], row["severity"], row["plate"]) == ("foot_on_other_belt", "warning", "all")
    # 8 toes: as many contacts of the other foot, and 8 that lack the toe
    assert row["value"] == 16.0
    assert "8 other foot on the belt" in row["text"]
    assert "8 foot on both belts" in row["text"]
    assert belt_findings(belts(False), "treadmill") == []
    assert belt_findings(belts(True), "overground") == []


def test_an_alignment_reports_feet_on_the_wrong_belt() -> None:
    load = belts(False).streams["plate_1"]["fz"].values
    insole = make_stream([Channel("force", load, "N")], TIME + 0.25, kind="insole", rate_hz=RATE, side="left")
    worn = make_recording({"insole_left": insole}, device="test", reader="test", provenance=Provenance())
    alignment = align(belts(True), worn, surface="treadmill")
    assert any("contacts on the belts are not of one foot alone" in text for text in alignment.warnings)
