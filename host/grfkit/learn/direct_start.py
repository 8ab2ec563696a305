"""What a network knows before the first epoch: the linear path of ridge, mean curves, kernel ridge."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from ..arrays import Floats
from ..records.stance_set import StanceSet
from .baseline_base import mean_curve
from .batches import Windows
from .folds import grouped_kfold
from .kernel import distances_of_rows, solve_kernel, spread_rows
from .linear_start import in_its_unit, output_scale, put, stance_rows, start_from_ridge
from .networks import ForceNetwork
from .networks.direct import MOST_STANCES, SPEED, SPEED_STEP_M_S, Kernel, MeanCurves, speeds_of
from .networks.imagenet import SETTLED_BY, ImagenetBody
from .networks.pictures import ComponentsMlp
from .picture_components import start_components
from .scaler import Scaler

WIDTHS, PENALTIES = (3.0, 10.0, 30.0), (1e-4, 1e-3, 1e-2)
"""Tried for kernel ridge: widths as multiples of the median squared distance between stances, and penalties."""
GROUPS = 3
"""Groups of people over which both are chosen: each costs a decomposition for every width and penalty."""


def give_start(network: ForceNetwork, scaler: Scaler, windows: Windows) -> None:
    """Give a new network what it knows before the first epoch; one of random weights alone is left as it is.

    Parameters
    ----------
    windows
        Of training participants only.
    """
    if isinstance(network, MeanCurves):
        _start_curves(network, scaler, windows)
    elif isinstance(network, Kernel):
        _start_kernel(network, scaler, windows)
    # what no gradient finds has no body
    elif isinstance(body := getattr(network, "body", None), ComponentsMlp):
        start_components(body, scaler, windows)
    else:
        if isinstance(body, ImagenetBody):
            body.start()
            body.settle(lambda: _once(network, scaler, windows))
        start_from_ridge(network, scaler, windows)


def _once(network: ForceNetwork, scaler: Scaler, windows: Windows) -> None:
    """Let some windows go through a network together, spread evenly over all."""
    rows = np.unique(np.linspace(0, windows.size - 1, min(SETTLED_BY, windows.size)).round().astype(int))
    batch = windows.read(rows)
    with torch.no_grad():
        network(scaler.inputs(torch.from_numpy(batch.inputs)), scaler.scaled_statics(torch.from_numpy(batch.statics)))


def _start_curves(network: MeanCurves, scaler: Scaler, windows: Windows) -> None:
    data = in_its_unit(scaler, windows.data)
    curves = [mean_curve(data)]
    if len(network.speed):
        known = data.scalar(SPEED)
        speeds = speeds_of(known)
        rounded = np.round(known / SPEED_STEP_M_S)
        of_speed = [mean_curve(data.where(rounded == np.round(v / SPEED_STEP_M_S))) for v in speeds]
        curves = [*of_speed, *curves]
        put(network.speed, (speeds - scaler.static_centre[0]) / scaler.static_size[0])
    centre, size = output_scale(scaler)
    put(network.curves, (np.stack(curves) - centre) / size)


def _start_kernel(network: Kernel, scaler: Scaler, windows: Windows) -> None:
    rows = spread_rows(windows.data, MOST_STANCES)
    kept = Windows(StanceSet(windows.data.data.isel(stance=rows)), windows.channels, windows.statics, windows.axes)
    x, flat = stance_rows(network.features, scaler, kept)
    y = flat.reshape(len(x), kept.points, -1)
    apart = distances_of_rows(x, x)
    median = float(np.median(apart))
    put(network.rows, x)
    _, size = output_scale(scaler)
    for axis, (width, penalty) in enumerate(_kernel_settings(kept.data, apart / max(median, 1e-12), y)):
        solved = solve_kernel(apart, y[:, :, axis], width * median, penalty)
        of_axis = np.broadcast_to(size, y.shape[1:])[:, axis]
        put(network.dual[axis], solved.weights / of_axis)
        put(network.mean[axis], solved.mean / of_axis)
        put(network.width[axis : axis + 1], np.asarray([width * median]))


def _kernel_settings(data: StanceSet, apart: Floats, y: Floats) -> list[tuple[float, float]]:
    """Return width and penalty of least error of people left out, axis by axis; of too few people the middle ones."""
    settings = list(itertools.product(WIDTHS, PENALTIES))
    if len(data.participants) < GROUPS:
        return [settings[len(settings) // 2]] * y.shape[2]
    errors = np.zeros((len(settings), y.shape[2]))
    people = data.per_stance("participant")
    for fold in grouped_kfold(data, k=GROUPS, inner=0):
        out = np.isin(people, fold.test)
        # distances are of inputs alone, so that taking them before the split tells nothing of a force
        near, far = apart[np.ix_(~out, ~out)], apart[np.ix_(out, ~out)]
        for i, (width, penalty) in enumerate(settings):
            solved = solve_kernel(near, y[~out].reshape((~out).sum(), -1), width, penalty)
            said = (np.exp(-far / width) @ solved.weights + solved.mean).reshape(-1, *y.shape[1:])
            errors[i] += ((said - y[out]) ** 2).sum(axis=(0, 1))
    return [settings[int(k)] for k in errors.argmin(axis=0)]


def numbers_in(network: ForceNetwork) -> int:
    """Return how many numbers a network holds: weights, and whatever else is stored with it."""
    return sum(int(t.numel()) for t in network.state_dict().values() if torch.is_floating_point(t))
