"""Changes in the course of a training: the learning rate, and in fine-tuning the layers that may move."""

from __future__ import annotations

import math

from .networks import ForceNetwork
from .train_config import Mode

RISE, FIRST, LAST = 0.3, 1 / 25, 1e-4
"""One-cycle: share of all steps in which the rate rises, and its first and last value as a share of the greatest. The
first two are the defaults of ``torch.optim.lr_scheduler.OneCycleLR``; the last is chosen by hand (torch ends lower)."""


def lr_share(schedule: str, share: float) -> float:
    """Return the learning rate at a share (0 to 1) of all steps, as a share of the greatest one."""
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * share))
    low, high, up = (FIRST, 1.0, share / RISE) if share < RISE else (1.0, LAST, (share - RISE) / (1.0 - RISE))
    return low + (high - low) * 0.5 * (1 - math.cos(math.pi * up))


def unfreeze(network: ForceNetwork, mode: Mode, epoch: int, epochs: int) -> None:
    """Let only those groups of layers move whose turn has come; a frozen body also keeps its batch statistics."""
    stages = network.stages()
    count = len(stages)
    if mode == "head":
        count = 1
    elif mode == "gradual":
        count = min(len(stages), 1 + epoch * len(stages) // epochs)
    for i, stage in enumerate(stages):
        for parameter in stage:
            parameter.requires_grad_(i < count)
    if count == 1 and len(stages) > 1:
        # also without dropout: a body that does not learn gives the head the features it will give later
        network.body.eval()
