"""Force as classes of .01 BW (Mochizuki & Shibata 2023): centres, cross-entropy with hard or soft labels, decoding."""

from __future__ import annotations

import torch
from torch import Tensor

CLASSES = 150
"""Classes of an axis, as published for the vertical force."""
STEP_BW = 0.01
"""Width of a class (BW), as published."""
_LOWEST_HORIZONTAL = -75
"""First class of a horizontal axis, in steps: they push both ways, and -.75 to .74 BW holds any walker's."""


def centres(axes: int, like: Tensor) -> Tensor:
    """Return the force (BW) of every class, shape (axes, classes): .01 to 1.50 of the first axis, else -.75 to .74.

    The first axis is the vertical one: a set that has it names it first.
    """
    steps = torch.arange(CLASSES, device=like.device, dtype=like.dtype)
    lowest = torch.tensor([1.0] + [float(_LOWEST_HORIZONTAL)] * (axes - 1), device=like.device, dtype=like.dtype)
    return (lowest[:, None] + steps) * STEP_BW


def class_loss(scores: Tensor, force_bw: Tensor, soft_sd_bw: float) -> Tensor:
    """Return the cross-entropy of scores (frames, axes, classes) with forces (frames, axes), shape (frames, axes).

    Parameters
    ----------
    soft_sd_bw
        SD of the normal curve around the true force that stands for the label; 0 takes the one class nearest to it.
    """
    middle = centres(scores.shape[1], scores)
    shares = torch.log_softmax(scores, dim=2)
    if not soft_sd_bw:
        nearest = (force_bw - middle[:, 0]).div(STEP_BW).round().clamp(0, CLASSES - 1).long()
        return -shares.gather(2, nearest[:, :, None])[:, :, 0]
    away = (force_bw[:, :, None] - middle) / soft_sd_bw
    label = torch.softmax(-0.5 * away**2, dim=2)
    return -(label * shares).sum(dim=2)


def decoded(scores: Tensor, how: str) -> Tensor:
    """Return the force (BW) of scores (frames, axes, classes), shape (frames, axes): ``expected`` or ``argmax``."""
    middle = centres(scores.shape[1], scores)
    if how == "expected":
        return (torch.softmax(scores, dim=2) * middle).sum(dim=2)
    return middle.expand_as(scores).gather(2, scores.argmax(dim=2, keepdim=True))[:, :, 0]
