"""The free moment of a plate: known of a made wrench, on either sign, and in the table of steps."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from grfkit import simulate_trial, step_table
from grfkit.gait.free_moment import free_moment
from grfkit.gait.plate_force import PlateForce
from grfkit.records import Channel, make_stream
from grfkit.signals.plates import COP_THRESHOLD_N

UP = np.asarray([0.0, 0.0, 1.0])
CORNERS = np.asarray([[1.3, 0.6, 0.0], [0.7, 0.6, 0.0], [0.7, 0.2, 0.0], [1.3, 0.2, 0.0]])


def plate(free_n_m: np.ndarray, *, sign: float = 1.0, moments: bool = True) -> tuple[xr.Dataset, PlateForce]:
    """A plate of the lab under a foot that walks over it; ``sign`` -1 records what the foot does to it."""
    time_s = np.arange(free_n_m.size) / 1000.0
    share = np.linspace(0, 1, free_n_m.size)
    force = np.stack([80 * np.cos(np.pi * share), 30 + 0 * share, 700 * np.sin(np.pi * share)], axis=1)
    place = np.stack([0.9 + 0.2 * share, 0.35 + 0.02 * share, 0 * share], axis=1)
    moment = np.cross(place - CORNERS.mean(axis=0), force) + free_n_m[:, None] * UP
    place[force[:, 2] < COP_THRESHOLD_N] = np.nan
    channels = [Channel(f"f{a}", sign * force[:, k], "N", "lab") for k, a in enumerate("xyz")]
    channels += [Channel(f"cop_{a}", place[:, k], "m", "lab") for k, a in enumerate("xyz")]
    if moments:
        channels += [Channel(f"m{a}", sign * moment[:, k], "N m", "lab") for k, a in enumerate("xyz")]
    attrs = {"corners_m": CORNERS.ravel(), "vertical": "+z"}
    stream = make_stream(channels, time_s, kind="force_plate", rate_hz=1000.0, attrs=attrs)
    return stream, PlateForce.of("plate_1", stream)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_free_moment_of_a_known_wrench_comes_back(sign: float) -> None:
    truth = 4 * np.sin(np.linspace(0, 2 * np.pi, 700))
    found = free_moment(*plate(truth, sign=sign), UP)
    loaded = np.isfinite(found)
    assert 0.9 < loaded.mean() < 1
    np.testing.assert_allclose(found[loaded], truth[loaded], atol=1e-9)


def test_without_moments_nothing_is_said() -> None:
    assert np.isnan(free_moment(*plate(np.ones(700), moments=False), UP)).all()


def test_steps_on_one_plate_have_it() -> None:
    """The simulator turns every foot by 3 N m, to the left and then to the right; its plates err by a newton metre."""
    lab = simulate_trial(seed=2, duration_s=20, gait="walk", split_belt=True, wearables=("insole",))
    rows = [r for r in step_table(lab.on_true_clock(participant="P02")).steps if r["plates"].count("plate") == 1]
    assert len(rows) > 20
    left = np.asarray([r["free_moment_left_n_m"] for r in rows], dtype=float)
    right = np.asarray([r["free_moment_right_n_m"] for r in rows], dtype=float)
    np.testing.assert_allclose(left, 3, atol=1.5)
    np.testing.assert_allclose(right, -3, atol=1.5)
