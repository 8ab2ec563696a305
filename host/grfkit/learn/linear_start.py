"""The start of a linear path: ridge regression in the network's own scaled inputs, its penalty chosen over people."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from ..arrays import Floats
from ..records.stance_set import StanceSet
from ..units import G
from .baseline_base import MOST_GROUPS
from .batches import Windows
from .networks import ForceNetwork
from .networks.linear import LaggedLinear, WindowLinear
from .ridge import ALPHAS, LaggedRidge, ridge_answers, ridge_weights
from .scaler import STILL, Scaler


def start_from_ridge(network: ForceNetwork, scaler: Scaler, windows: Windows) -> None:
    """Give a network's linear path the weights of ridge regression on these windows; without a path do nothing.

    Parameters
    ----------
    windows
        Of training participants only; the penalty of each axis is chosen over groups of them.
    """
    if isinstance(network.linear, WindowLinear):
        _start_window(network.linear, scaler, windows)
    elif isinstance(network.linear, LaggedLinear):
        _start_lags(network.linear, scaler, windows)


def _start_window(path: WindowLinear, scaler: Scaler, windows: Windows) -> None:
    x, y = stance_rows(path.features, scaler, windows)
    offset, mean = x.mean(axis=0), y.mean(axis=0)
    x, y = x - offset, y - mean
    weights = ridge_by_axis(x, y, windows.data.per_stance("participant"), len(scaler.axes))
    sizes = np.broadcast_to(output_scale(scaler)[1], (path.points, len(scaler.axes))).reshape(-1)
    # in sizes of the axes: those of each point would let the ends of a stance, where all are small, choose the rank
    down, up = reduced_rank(weights, x, np.tile(_axis_sizes(scaler), path.points), path.down.out_features)
    bias = (mean - offset @ down @ up) / sizes
    put(path.down.weight, down.T)
    put(path.up.weight, (up / sizes).T)
    put(path.up.bias, bias)


def stance_rows(
    features: Callable[[Tensor, Tensor], Tensor], scaler: Scaler, windows: Windows
) -> tuple[Floats, Floats]:
    """Return features (n, p) of scaled windows, and forces less the scaler's centre (n, time x axes), in BW.

    A sample that does not count takes the centre: it draws the line nowhere.
    """
    rows, targets = [], []
    centre, _ = output_scale(scaler)
    for batch in windows.in_order():
        inputs = scaler.inputs(torch.from_numpy(batch.inputs))
        statics = scaler.scaled_statics(torch.from_numpy(batch.statics))
        expected = scaler.expected(torch.from_numpy(batch.targets), torch.from_numpy(batch.mass_kg))
        rows.append(features(inputs, statics).numpy().astype(np.float64))
        counts = batch.weight[:, :, None] > 0
        targets.append(np.where(counts, expected.numpy().astype(np.float64) - centre, 0.0).reshape(len(counts), -1))
    return np.concatenate(rows), np.concatenate(targets)


def output_scale(scaler: Scaler) -> tuple[Floats, Floats]:
    """Return what a network's output 0 means and the unit of it, shapes (time, axes) or (axes,)."""
    if scaler.per_point:
        return np.asarray(scaler.target_point_centre), np.asarray(scaler.target_point_size)
    return np.asarray(scaler.target_centre), np.asarray(scaler.target_size)


def _axis_sizes(scaler: Scaler) -> Floats:
    """Return the SD of each axis, 1 where it never moves."""
    return np.asarray([v**0.5 if v > 1e-12 else 1.0 for v in scaler.target_ms])


def ridge_by_axis(x: Floats, y: Floats, people: NDArray[np.str_], axes: int) -> Floats:
    """Return ridge weights (p, q) of centred rows ``x`` (n, p) and ``y`` (n, q), the penalty of each axis by people.

    The columns of ``y`` run over time, then axes. With one person there is nobody to choose by: the middle penalty
    stands.
    """
    columns = np.arange(y.shape[1]) % axes
    chosen = [ALPHAS[len(ALPHAS) // 2]] * axes
    names = np.unique(people)
    if len(names) > 1:
        count = min(MOST_GROUPS, len(names))
        errors = np.zeros((len(ALPHAS), axes))
        for group in (names[k::count] for k in range(count)):
            out = np.isin(people, group)
            for i, said in enumerate(ridge_answers(x[~out], y[~out], ALPHAS, x[out])):
                off = ((said - y[out]) ** 2).sum(axis=0)
                errors[i] += [off[columns == axis].sum() for axis in range(axes)]
        chosen = [ALPHAS[int(k)] for k in errors.argmin(axis=0)]
    weights = np.zeros((x.shape[1], y.shape[1]))
    for alpha in sorted(set(chosen)):
        of_alpha = np.isin(columns, [axis for axis in range(axes) if chosen[axis] == alpha])
        weights[:, of_alpha] = next(ridge_weights(x, y[:, of_alpha], (alpha,)))
    return weights


def reduced_rank(weights: Floats, x: Floats, sizes: Floats, rank: int) -> tuple[Floats, Floats]:
    """Return maps (p, rank) and (rank, q) whose product is nearest to the weights in what they fit.

    Reduced-rank regression (Izenman 1975, doi 10.1016/0047-259X(75)90042-1): the fitted curves, in sizes of their
    axes, projected on their first principal components.
    """
    scaled = weights / sizes
    fitted = x @ scaled
    _, vectors = np.linalg.eigh(fitted.T @ fitted)
    first = vectors[:, ::-1][:, :rank]
    down, up = scaled @ first, first.T * sizes
    # fewer outputs than the rank: the rest stays 0
    short = rank - down.shape[1]
    return np.pad(down, ((0, 0), (0, short))), np.pad(up, ((0, short), (0, 0)))


def _start_lags(path: LaggedLinear, scaler: Scaler, windows: Windows) -> None:
    ridge = LaggedRidge(name="ridge with lags", lags=path.offsets)
    ridge.fit(_of_samples(scaler, windows))
    weights, channels = ridge.by_lag(), len(scaler.channels)
    # from the scale of the regression to that of the scaler, in which the regression is where points have their own
    own, centre, size, zero = (
        np.asarray(v) for v in (scaler.size, scaler.centre, scaler.target_size, scaler.target_centre)
    )
    if scaler.per_point:
        own, centre, size, zero = np.ones_like(own), np.zeros_like(centre), _axis_sizes(scaler), np.zeros_like(zero)
    moves = np.isfinite(ridge.size)
    ratio = np.where(moves & (own < STILL), own / ridge.size, 0.0)
    shift = np.where(moves, (centre - ridge.centre) / ridge.size, 0.0)
    bias = ridge.constant + np.einsum("lca,c->a", weights, shift)
    full = torch.zeros_like(path.conv.weight).numpy()
    full[:, :channels] = (weights * ratio[None, :, None] / size).transpose(2, 1, 0)
    put(path.conv.weight, full)
    put(path.conv.bias, (bias - zero) / size)


def _of_samples(scaler: Scaler, windows: Windows) -> StanceSet:
    """Return the windows with forces in the unit of the network's answer; scaled where points have their own scales.

    Scaled forces are in SDs of their point times that of the axis, so that each axis weighs what it weighs in BW.
    """
    data = in_its_unit(scaler, windows.data).data.sel(channel=list(scaler.channels))
    if not scaler.per_point:
        return StanceSet(data)
    # without masks of what is missing, which come after the channels
    inputs = [
        scaler.inputs(torch.from_numpy(batch.inputs)).numpy()[:, :, : len(scaler.channels)]
        for batch in windows.in_order()
    ]
    centre, size = output_scale(scaler)
    targets = (data["targets"].values - centre) / size * _axis_sizes(scaler)
    scaled = {"inputs": np.concatenate(inputs), "targets": targets.astype(np.float32)}
    return StanceSet(data.assign({name: (data[name].dims, values) for name, values in scaled.items()}))


def in_its_unit(scaler: Scaler, data: StanceSet) -> StanceSet:
    """Return the axes of a scaler, with forces in the unit of its network's answer: N where the target is newton."""
    chosen = data.data.sel(axis=list(scaler.axes))
    if scaler.target == "newton":
        weight_n = data.scalar("mass_kg") * G
        chosen = chosen.assign(targets=chosen["targets"] * xr.DataArray(weight_n, dims="stance"))
    return StanceSet(chosen)


def put(parameter: Tensor, values: Floats) -> None:
    """Give a parameter or buffer its numbers, in place."""
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)))
