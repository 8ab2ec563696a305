"""Augmentation of raw windows: noise, time shifts, missing channels, gains and small rotations, from one generator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor


class Augmentation(BaseModel):
    """How training windows are varied; all zeros vary nothing. Targets are never changed.

    Attributes
    ----------
    noise
        SD of white noise, in SDs (or sizes) of the channel.
    shift_samples
        Inputs move against the force by up to this many samples either way: what alignment leaves.
    missing, missing_channels
        In each window a share drawn from 0 to ``missing`` of the channels that match a pattern is missing (NaN).
    gain
        SD of the logarithm of a factor on each channel, about raw zero.
    rotation_deg
        Greatest angle about a random axis by which triads ``*_x *_y *_z`` are turned, all of a window alike.
    limits_s, copies
        Of ridge, kernel ridge and the start that a network has from them: so many copies of every stance, their ends
        moved by this SD (s), inputs and force together (:mod:`grfkit.learn.moved_limits`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    noise: float = Field(default=0.0, ge=0)
    shift_samples: int = Field(default=0, ge=0)
    missing: float = Field(default=0.0, ge=0, le=1)
    missing_channels: tuple[str, ...] = ("*",)
    gain: float = Field(default=0.0, ge=0, le=1)
    rotation_deg: float = Field(default=0.0, ge=0, le=180)
    limits_s: float = Field(default=0.0, ge=0, le=0.2)
    copies: int = Field(default=0, ge=0, le=20)

    @property
    def active(self) -> bool:
        """Return whether anything is varied in every epoch."""
        return any((self.noise, self.shift_samples, self.missing, self.gain, self.rotation_deg))


def triads(channels: Sequence[str]) -> list[tuple[int, int, int]]:
    """Return the indices of channels that are the x, y and z of one vector, by their names."""
    at = {name: i for i, name in enumerate(channels)}
    stems = [n[:-2] for n in channels if n.endswith("_x")]
    return [(at[f"{s}_x"], at[f"{s}_y"], at[f"{s}_z"]) for s in stems if f"{s}_y" in at and f"{s}_z" in at]


def augmented(
    raw: Tensor, settings: Augmentation, channels: Sequence[str], size: Sequence[float], generator: torch.Generator
) -> Tensor:
    """Return varied inputs.

    Parameters
    ----------
    raw
        Shape (n, time, channels), in the channels' own units; NaN stays NaN.
    size
        SD of each channel.
    generator
        On the processor; its state alone decides what comes out.
    """
    # the order of the draws is part of what a seed means: another order gives other networks
    n, points, width = raw.shape
    out = raw
    if settings.rotation_deg and triads(channels):
        turn = _rotations(n, math.radians(settings.rotation_deg), generator).to(raw)
        out = out.clone()
        for triad in triads(channels):
            # vectors are rows here, so v' = R v reads v' = v R^T
            out[:, :, list(triad)] = raw[:, :, list(triad)] @ turn.transpose(1, 2)
    if settings.gain:
        # log-normal: doubling is as likely as halving, and no factor turns the sign
        out = out * torch.exp(settings.gain * torch.randn(n, 1, width, generator=generator)).to(raw)
    if settings.shift_samples:
        most = settings.shift_samples
        shift = torch.randint(-most, most + 1, (n, 1), generator=generator)
        at = (torch.arange(points)[None, :] + shift).clamp(0, points - 1).to(raw.device)
        out = torch.gather(out, 1, at[:, :, None].expand(-1, -1, width))
    if settings.noise:
        noise = torch.randn(n, points, width, generator=generator).to(raw)
        out = out + settings.noise * noise * raw.new_tensor(list(size))
    if settings.missing:
        may = torch.tensor([any(fnmatchcase(c, p) for p in settings.missing_channels) for c in channels])
        share = settings.missing * torch.rand(n, 1, generator=generator)
        dropped = (torch.rand(n, width, generator=generator) < share) & may
        out = out.masked_fill(dropped[:, None, :].to(raw.device), float("nan"))
    return out


def _rotations(n: int, most_rad: float, generator: torch.Generator) -> Tensor:
    """Return ``n`` rotation matrices about random axes by up to ``most_rad`` (Rodrigues), shape (n, 3, 3)."""
    # a normalised Gaussian vector is uniform on the sphere
    axis = torch.nn.functional.normalize(torch.randn(n, 3, generator=generator), dim=1)
    angle = (most_rad * (2 * torch.rand(n, generator=generator) - 1))[:, None, None]
    cross = torch.zeros(n, 3, 3)
    x, y, z = axis.unbind(1)
    cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 0] = -z, y, z
    cross[:, 1, 2], cross[:, 2, 0], cross[:, 2, 1] = -x, -y, x
    # R = I + sin(a) K + (1 - cos(a)) K^2, with K x = axis cross x
    return torch.eye(3) + torch.sin(angle) * cross + (1 - torch.cos(angle)) * (cross @ cross)
