"""The loss of training and its weights over axes and samples."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .batches import Batch, Windows
from .networks import ForceNetwork
from .networks.pictures import PictureNetwork
from .scaler import Scaler


class LossConfig(Protocol):
    """The part of the training configuration that the loss depends on."""

    @property
    def balance(self) -> str:
        """Return what errors of an axis are divided by: ``none``, ``range`` or ``sd``."""

    @property
    def derivative(self) -> float:
        """Return the weight of errors in steps."""

    @property
    def device(self) -> str:
        """Return where torch computes."""


def batch_loss(
    scaler: Scaler, config: LossConfig, network: ForceNetwork, batch: Batch, raw: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the weighted sum of squared errors, mean over axes, and the sum of weights it is of.

    Errors are in BW (newtons where the target is), divided by the axis's range or SD where the configuration balances
    axes. Networks of pictures have errors of their own (:class:`~grfkit.learn.networks.pictures.PictureConfig`).
    Elsewhere, steps between samples add ``derivative`` times the squared error of the step, in units of the mean
    square of true steps and of the curve, where both samples count.
    """
    device = config.device
    mass = torch.from_numpy(batch.mass_kg).to(device)
    statics = scaler.scaled_statics(torch.from_numpy(batch.statics).to(device))
    weight = torch.from_numpy(batch.weight).to(device)[:, :, None]
    targets = torch.from_numpy(batch.targets).to(device)
    truth, inputs = scaler.expected(targets, mass), scaler.inputs(raw.to(device))
    sizes = truth.new_tensor(axis_sizes(scaler, config.balance))
    if isinstance(network, PictureNetwork):
        return network.own_loss(scaler, inputs, statics, targets, truth, weight[:, :, 0], sizes), weight.sum()
    error = scaler.output(network(inputs, statics)) - truth
    # where, not a product: an error that is NaN or infinite would survive a weight of 0
    error = torch.where(weight > 0, error / sizes, 0.0)
    total = (weight * error**2).mean(dim=2).sum()
    if config.derivative:
        # steps are far smaller than forces: in these units `derivative` of 1 makes both parts alike
        ratio = [m / s if s > 0 else 0.0 for m, s in zip(scaler.target_ms, scaler.target_step_ms)]
        both = weight[:, 1:] * weight[:, :-1]
        steps = both * (error[:, 1:] - error[:, :-1]) ** 2 * error.new_tensor(ratio)
        total = total + config.derivative * steps.mean(dim=2).sum()
    return total, weight.sum()


def axis_sizes(scaler: Scaler, balance: str) -> list[float]:
    """Return what errors of each axis are divided by; an axis that never moves is left as it is."""
    sizes = {"none": [1.0] * len(scaler.axes), "range": list(scaler.target_range)}
    by_axis = sizes.get(balance) or [math.sqrt(v) for v in scaler.target_ms]
    # BW: less is the rounding of a constant, and dividing by it would let this axis rule the loss
    return [s if s > 1e-6 else 1.0 for s in by_axis]


def evaluate_loss(scaler: Scaler, config: LossConfig, network: ForceNetwork, windows: Windows) -> float:
    """Return the loss over all windows, without dropout or augmentation."""
    network.eval()
    sums = np.zeros(2)
    with torch.no_grad():
        for batch in windows.in_order():
            total, weight = batch_loss(scaler, config, network, batch, torch.from_numpy(batch.inputs))
            sums += (float(total), float(weight))
    return float(sums[0] / max(sums[1], 1e-12))
