"""Scaling and batches: statistics of the right people, missing values, and the same windows from disk as in memory."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.learn.augment import Augmentation, augmented, triads
from grfkit.learn.batches import Windows, epoch_order
from grfkit.learn.scaler import STILL, fit_scaler
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up


def windows(data: StanceSet, *statics: str, memory_mb: float = 100) -> Windows:
    return Windows(data, data.channels, statics, data.axes, memory_mb)


def test_the_scaler_is_numpys_mean_and_sd_of_known_counting_samples() -> None:
    data = made_up()
    data.data["inputs"][3, :, 1] = np.nan
    data.data["inputs"][5, :4] = 1e6
    data.data["weight"][5, :4] = 0
    x, _, w = data.arrays()
    counted = x.astype(np.float64)[w > 0]
    scaler = fit_scaler(windows(data))
    np.testing.assert_allclose(scaler.centre, np.nanmean(counted, axis=0), rtol=1e-9)
    np.testing.assert_allclose(scaler.size, np.nanstd(counted, axis=0), rtol=1e-9)
    assert scaler.participants == data.participants
    scaled = scaler.inputs(torch.from_numpy(x))
    assert torch.isfinite(scaled).all()
    assert (scaled[3, :, 1] == 0).all()


def test_masks_say_where_a_value_is_missing() -> None:
    data = made_up()
    data.data["inputs"][3, 2, 1] = np.nan
    scaler = fit_scaler(windows(data), missing_masks=True)
    out = scaler.inputs(torch.from_numpy(data.arrays()[0]))
    assert out.shape[2] == scaler.width == 10
    assert out[:, :, 5:].sum() == 1
    assert out[3, 2, 6] == 1


def test_unique_statics_count_each_mass_once_but_the_contact_time_per_window() -> None:
    data = made_up("ab", each=10)
    mass = np.where(np.arange(20) < 17, 60.0, 90.0)
    contact = np.where(np.arange(20) < 15, 0.2, 0.3)
    names = list(data.data["scalar"].values)
    data.data["scalars"][:, names.index("mass_kg")] = mass
    data.data["scalars"][:, names.index("contact_s")] = contact
    scaler = fit_scaler(windows(data, "mass_kg", "contact_s", "slope_percent"), unique_statics=True)
    np.testing.assert_allclose(scaler.static_centre, [75.0, contact.mean(), 0.0], rtol=1e-9)
    np.testing.assert_allclose(scaler.static_size, [15.0, contact.std(), STILL], rtol=1e-9)
    unknown = scaler.scaled_statics(torch.tensor([[60.0, 0.2, float("nan")]]))
    np.testing.assert_allclose(unknown[0, [0, 2]], [-1.0, 0.0])
    assert fit_scaler(windows(data, "mass_kg")).static_centre[0] == pytest.approx(mass.mean())


def test_minmax_brings_training_values_to_zero_and_one_and_targets_back() -> None:
    data = made_up()
    x, y, _ = data.arrays()
    scaler = fit_scaler(windows(data), kind="minmax", target="minmax")
    out = scaler.inputs(torch.from_numpy(x)).reshape(-1, 5)
    np.testing.assert_allclose(out.min(dim=0).values, 0, atol=1e-6)
    np.testing.assert_allclose(out.max(dim=0).values, 1, atol=1e-6)
    ends = scaler.output(torch.tensor([[[0.0, 0.0], [1.0, 1.0]]]))[0].numpy()
    np.testing.assert_allclose(ends, [y.min(axis=(0, 1)), y.max(axis=(0, 1))], rtol=1e-6)


def test_newtons_are_mass_times_g_and_back() -> None:
    scaler = fit_scaler(windows(made_up()), target="newton")
    bw, mass = torch.tensor([[[2.0, 0.1]]]), torch.tensor([80.0])
    newton = scaler.expected(bw, mass)
    assert float(newton[0, 0, 0]) == pytest.approx(2.0 * 80.0 * 9.80665, rel=1e-6)
    torch.testing.assert_close(scaler.to_bw(newton, mass), bw)
    with pytest.raises(BadInputError, match="no mass_kg"):
        fit_scaler(windows(made_up(mass_kg=float("nan"))), target="newton")


def test_a_constant_channel_does_not_blow_up() -> None:
    data = made_up()
    data.data["inputs"][:, :, 4] = 0.1
    scaler = fit_scaler(windows(data))
    assert scaler.inputs(torch.from_numpy(data.arrays()[0]))[:, :, 4].abs().max() < 1e-6
    alive = torch.full((1, 3, 5), 900.0)
    assert scaler.inputs(alive)[:, :, 4].abs().max() < 1e-6  # nothing was learnt from it, so it says nothing


@given(st.integers(1, 5000), st.integers(0, 3))
def test_an_epoch_holds_every_window_once(size: int, seed: int) -> None:
    order = epoch_order(size, seed)
    assert Counter(order.tolist()) == Counter(range(size))
    if size > 20:
        assert not np.array_equal(order, epoch_order(size, seed + 1))


def test_balanced_batches_hold_as_many_of_each_surface() -> None:
    data = made_up(each=40)
    labels = data.per_stance("surface")
    assert Counter(labels.tolist())["overground"] == len(labels) // 4
    order = epoch_order(data.size, 3, labels.tolist())
    for start in range(0, len(order), 20):
        drawn = labels[order[start : start + 20]]
        assert (drawn == "overground").sum() == (drawn == "treadmill").sum()
    assert set(order[labels[order] == "overground"]) == set(np.flatnonzero(labels == "overground"))


def test_batches_from_disk_are_those_from_memory(tmp_path: Path) -> None:
    data = made_up(each=40)
    data.to_netcdf(tmp_path / "set.nc")
    lazy = StanceSet.open(tmp_path / "set.nc").without(["c"])
    held, read = windows(data.without(["c"]), "mass_kg"), windows(lazy, "mass_kg", memory_mb=0)
    pairs = list(zip(held.shuffled(32, 7), read.shuffled(32, 7)))
    assert len(pairs) == held.batches(32) == 5
    for one, other in pairs:
        for a, b in zip(one, other):
            np.testing.assert_array_equal(a, b)
    assert read._held is None


def test_rotation_keeps_lengths_and_leaves_other_channels_alone() -> None:
    names = ("acc_x", "acc_y", "acc_z", "cell_1")
    assert triads(names) == [(0, 1, 2)]
    raw = torch.randn(6, 9, 4, generator=torch.Generator().manual_seed(0))
    out = augmented(raw, Augmentation(rotation_deg=20), names, [1.0] * 4, torch.Generator().manual_seed(1))
    torch.testing.assert_close(out[:, :, :3].norm(dim=2), raw[:, :, :3].norm(dim=2))
    angle = torch.rad2deg(torch.arccos((out * raw)[:, :, :3].sum(2) / raw[:, :, :3].norm(dim=2) ** 2))
    assert 2 < angle.max() <= 20.01
    assert torch.equal(out[:, :, 3], raw[:, :, 3])


def test_only_the_named_channels_go_missing_and_shifts_keep_values() -> None:
    names = ("acc_x", "cell_1", "cell_2", "cell_3")
    raw = torch.arange(30.0)[None, :, None].expand(200, 30, 4)
    settings = Augmentation(missing=0.6, missing_channels=("cell_*",), shift_samples=3)
    out = augmented(raw, settings, names, [1.0] * 4, torch.Generator().manual_seed(1))
    gone = torch.isnan(out).any(dim=1)
    assert not gone[:, 0].any()
    assert 0.2 < gone[:, 1:].float().mean() < 0.4, "a share drawn from 0 to .6 is .3 on average"
    moved = out[:, 10, 0] - raw[:, 10, 0]
    assert set(moved.tolist()) == {-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0}


def test_gains_act_about_raw_zero_and_noise_in_sds() -> None:
    raw = torch.zeros(400, 10, 2)
    assert torch.equal(augmented(raw, Augmentation(gain=0.3), "ab", [1.0, 1.0], torch.Generator()), raw)
    noisy = augmented(raw, Augmentation(noise=0.5), "ab", [1.0, 10.0], torch.Generator().manual_seed(0))
    np.testing.assert_allclose(noisy.std(dim=(0, 1)), [0.5, 5.0], rtol=0.05)
