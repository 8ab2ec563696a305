"""Copies of stances with moved ends: the force stays on its clock, whole stances stay as they are."""

from __future__ import annotations

import numpy as np

from grfkit.learn.moved_limits import with_moved_limits
from grfkit.records.stance_set import StanceSet, make_stance_set

POINTS, CONTACT_S = 101, 0.6


def stances() -> StanceSet:
    share = np.linspace(0.0, 1.0, POINTS)
    inputs = np.repeat(np.stack([share * CONTACT_S, share * CONTACT_S], axis=1)[None], 4, axis=0)
    targets = np.repeat(np.sin(np.pi * share)[None, :, None], 4, axis=0)
    return make_stance_set(
        inputs, targets, channels=("clock", "other"), units=("s", "s"), axes=("vgrf",), window="stance", cut="film",
        labels={"participant": ["a", "a", "b", "b"], "trial": ["1"] * 4}, scalars={"contact_s": [CONTACT_S] * 4},
        source="test",
    )  # fmt: skip


def test_the_force_of_a_copy_is_the_one_at_its_own_times() -> None:
    data = stances()
    varied = with_moved_limits(data, sd_s=0.02, copies=3, seed=1)
    assert varied.size == 16
    x, y, _ = varied.arrays()
    np.testing.assert_array_equal(x[:4], data.arrays()[0])
    # the first channel is the time since the true contact, continued beyond the ends
    true = np.where((x[:, :, 0] >= 0) & (x[:, :, 0] <= CONTACT_S), np.sin(np.pi * x[:, :, 0] / CONTACT_S), 0.0)
    np.testing.assert_allclose(y[:, :, 0], true, atol=2e-3)
    np.testing.assert_allclose(varied.scalar("contact_s"), x[:, -1, 0] - x[:, 0, 0], atol=1e-5)
    assert 0.01 < np.std(x[4:, 0, 0]) < 0.04


def test_a_window_that_goes_beyond_its_contact_is_moved_by_its_own_length() -> None:
    data = stances()
    scalars = {"contact_s": [CONTACT_S - 0.2] * 4, "window_s": [CONTACT_S] * 4}
    columns = np.asarray(list(scalars.values())).T
    longer = data.data.drop_vars(["scalars", "scalar"]).assign(scalars=(("stance", "scalar"), columns))
    varied = with_moved_limits(StanceSet(longer.assign_coords(scalar=list(scalars))), sd_s=0.02, copies=1, seed=1)
    clock = varied.arrays()[0][:, :, 0]
    np.testing.assert_allclose(varied.scalar("window_s"), clock[:, -1] - clock[:, 0], atol=1e-5)
    np.testing.assert_allclose(varied.scalar("window_s") - varied.scalar("contact_s"), 0.2, atol=1e-6)


def test_nothing_moves_unless_it_is_asked_for_and_the_same_seed_moves_alike() -> None:
    data = stances()
    assert with_moved_limits(data, sd_s=0.0, copies=3, seed=1) is data
    assert with_moved_limits(data, sd_s=0.01, copies=0, seed=1) is data
    first, again = (with_moved_limits(data, sd_s=0.01, copies=1, seed=5).arrays()[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
