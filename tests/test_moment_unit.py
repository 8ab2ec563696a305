"""Moments in a wrong unit: the centre of pressure frozen in the middle of the plate, or far beside it."""

from __future__ import annotations

import numpy as np
import pytest

from grfkit.io.doubts import doubts
from grfkit.provenance import Provenance
from grfkit.records import Channel, make_recording, make_stream
from grfkit.signals.moment_unit import moment_doubt

CORNERS = np.asarray([[0.3, -0.25, 0], [-0.3, -0.25, 0], [-0.3, 0.25, 0], [0.3, 0.25, 0]])
DEPTH = np.asarray([0.0, 0.0, -0.045])


def step(
    *, scale: np.ndarray | float = 1.0, depth: np.ndarray | None = None, y_m: float = 0.03
) -> tuple[np.ndarray, ...]:
    """Return force and moment about the surface of three steps from heel to toe, the recorded moment scaled."""
    phase = np.tile(np.concatenate([np.zeros(200), np.linspace(0, 1, 600), np.zeros(200)]), 3)
    up = 800.0 * np.sin(np.pi * phase) ** 0.5
    force = np.column_stack([-0.2 * 800.0 * np.sin(2 * np.pi * phase), 0.05 * up, up])
    place = np.column_stack([-0.12 + 0.25 * phase, np.full(phase.size, y_m), 0 * phase])
    shift = np.cross(force, np.zeros(3) if depth is None else depth)
    # plate axes: x as the lab's, y and z turned round
    recorded = np.cross(place, force) - (shift if depth is None else np.cross(force, [depth[0], -depth[1], -depth[2]]))
    recorded = recorded * scale
    return force, recorded + (0.0 if depth is None else np.cross(force, [depth[0], -depth[1], -depth[2]]))


def doubt(force: np.ndarray, moment: np.ndarray, origin: np.ndarray | None = None) -> str:
    return moment_doubt(
        force, moment, corners_m=CORNERS, origin_m=np.zeros(3) if origin is None else origin, vertical="+z"
    )


@pytest.mark.parametrize("depth", [None, DEPTH])
def test_moments_a_thousand_times_too_small_are_doubted_whatever_the_depth_of_the_sensor(depth) -> None:
    assert doubt(*step(depth=depth), depth) == ""
    text = doubt(*step(depth=depth, scale=1e-3), depth)
    assert "along its x and y under 800 N" in text
    assert "N m that are stated as N mm" in text


def test_one_axis_alone_is_named() -> None:
    assert "along its x under" in doubt(*step(scale=np.asarray([1.0, 1e-3, 1.0]), y_m=0.08))
    assert "along its y under" in doubt(*step(scale=np.asarray([1e-3, 1.0, 1.0]), y_m=0.08))


def test_an_axis_that_was_not_measured_and_an_empty_plate_are_no_doubt() -> None:
    force, moment = step()
    assert doubt(force, moment * [0.0, 1.0, 1.0]) == ""
    assert doubt(force, moment * 0.0) == ""
    assert doubt(force * 0.01, moment * 1e-5) == ""
    assert doubt(force * np.nan, moment) == ""


def test_reading_and_inspecting_carry_the_doubt() -> None:
    force, moment = step(scale=1e-3)
    channels = [Channel(f"f{a}", force[:, k], "N", "global") for k, a in enumerate("xyz")]
    channels += [Channel(f"m{a}", moment[:, k], "N m", "global") for k, a in enumerate("xyz")]
    attrs = {"corners_m": CORNERS.ravel().tolist(), "vertical": "+z", "plate_type": 2, "origin_m": [0.0, 0.0, 0.0]}
    time = np.arange(len(force)) / 1000.0
    stream = make_stream(channels, time, kind="force_plate", rate_hz=1000.0, attrs=attrs)
    recording = make_recording({"plate_1": stream}, device="test", reader="test", provenance=Provenance())
    (note,) = doubts(recording)
    assert note.startswith("plate_1: the centre of pressure stays within 0.")
