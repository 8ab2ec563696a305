"""Answers that no gradient finds, as networks: the mean curve, ridge, kernel ridge, and the weighed mean of several.

As modules they are saved, checked, estimated with and evaluated like any network; :mod:`grfkit.learn.direct_start`
gives them their numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from pydantic import Field, SerializeAsAny
from torch import Tensor, nn

from ...arrays import Floats
from ...errors import BadInputError
from ..kernel import spread_rows
from .base import ForceNetwork, NetworkConfig, Shape
from .linear import LinearPath, feature_count, feature_step, stance_features

if TYPE_CHECKING:
    from ..batches import Windows

SPEED = "speed_m_s"
SPEED_STEP_M_S = 0.1
"""Speeds that round to the same multiple of this count as one."""
MOST_STANCES = 2500
"""Stances that kernel ridge keeps at most, evenly spread over each participant's."""


def speeds_of(values: Floats) -> Floats:
    """Return the distinct speeds among these that are known, rounded, m/s."""
    known = np.round(values[np.isfinite(values)] / SPEED_STEP_M_S)
    return np.asarray(np.unique(known) * SPEED_STEP_M_S, dtype=np.float64)


class DirectNetwork(ForceNetwork):
    """The base of networks without a body and a head."""

    def __init__(self, config: NetworkConfig, shape: Shape) -> None:
        nn.Module.__init__(self)
        self.config, self.shape, self.linear = config, shape, None

    def forward(self, inputs: Tensor, statics: Tensor | None = None) -> Tensor:
        """Return outputs (batch, time, axes) of inputs (batch, time, channels) and statics (batch, statics)."""
        self.check(inputs, statics)
        return self.answer(inputs, inputs.new_zeros(len(inputs), 0) if statics is None else statics)

    def answer(self, inputs: Tensor, statics: Tensor) -> Tensor:
        """Return outputs of inputs whose sizes were checked."""
        raise NotImplementedError

    def stages(self) -> list[list[nn.Parameter]]:
        """Return the parameters in one group, if there are any."""
        return [list(self.parameters())]


class LinearConfig(NetworkConfig):
    """The linear path alone: ridge regression, through a few numbers."""

    name: Literal["linear"] = "linear"
    linear: LinearPath | None = LinearPath()

    def module(self, shape: Shape) -> ForceNetwork:
        """Return the path without weights."""
        return Linear(self, shape)


class Linear(DirectNetwork):
    """A linear path and nothing beside it."""

    def __init__(self, config: LinearConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.linear = (config.linear or LinearPath()).module(*shape, causal=config.causal)

    def answer(self, inputs: Tensor, statics: Tensor) -> Tensor:
        """Return the path's answer."""
        return self.linear(inputs, statics)


class MeanCurveConfig(NetworkConfig):
    """The mean curve of people, at the training speed nearest to the window's where ``speeds`` are known.

    Attributes
    ----------
    points
        Samples of the curve.
    speeds
        How many speeds have a curve of their own.
    """

    name: Literal["mean_curve"] = "mean_curve"
    points: int = Field(default=0, ge=0)
    speeds: int = Field(default=0, ge=0)

    def for_windows(self, windows: Windows) -> NetworkConfig:
        """Return the settings with the samples of the curve and the number of speeds known."""
        speeds = len(speeds_of(windows.data.scalar(SPEED))) if SPEED in windows.statics else 0
        return self.model_copy(update={"points": windows.points, "speeds": speeds})

    def module(self, shape: Shape) -> ForceNetwork:
        """Return curves of 0."""
        return MeanCurves(self, shape)


class MeanCurves(DirectNetwork):
    """Curves (speeds + 1, time, axes); speeds in the unit of the scaled static, the only one.

    The last curve is of all people at all speeds, which is answered where training knew no speed. A window without a
    speed, whose scaled static is 0, gets the curve nearest to the mean speed.
    """

    def __init__(self, config: MeanCurveConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.register_buffer("speed", torch.zeros(config.speeds))
        self.register_buffer("curves", torch.zeros(config.speeds + 1, config.points, shape.axes))

    def answer(self, inputs: Tensor, statics: Tensor) -> Tensor:
        """Return the curve of the nearest speed, whatever the inputs are."""
        if not len(self.speed):
            return self.curves[-1].expand(len(inputs), -1, -1)
        return self.curves[(statics[:, :1] - self.speed).abs().argmin(dim=1)]


class KernelConfig(NetworkConfig):
    """Kernel ridge regression with a Gaussian kernel of a width of its own for every axis.

    Attributes
    ----------
    stances, points
        How many stances of training are kept, and the samples of each.
    row_rank, curve_rank
        Of a compacted model (:mod:`grfkit.learn.compact`): stances and curves are sums of so many shapes; 0 keeps
        them whole.
    """

    name: Literal["kernel"] = "kernel"
    stances: int = Field(default=0, ge=0)
    points: int = Field(default=0, ge=0)
    row_rank: int = Field(default=0, ge=0)
    curve_rank: int = Field(default=0, ge=0)

    def for_windows(self, windows: Windows) -> NetworkConfig:
        """Return the settings with the number of stances to keep.

        Raises
        ------
        BadInputError
            If windows are continuous.
        """
        if windows.kind != "stance":
            raise BadInputError("kernel ridge takes time-normalised stances, not continuous windows")
        stances = len(spread_rows(windows.data, MOST_STANCES))
        return self.model_copy(update={"points": windows.points, "stances": stances})

    def module(self, shape: Shape) -> ForceNetwork:
        """Return a kernel without stances."""
        return Kernel(self, shape)


class Kernel(DirectNetwork):
    """Stances (stances, features), their dual weights (axes, stances, time), means (axes, time) and widths (axes,).

    Compacted, ``rows`` are amounts of the shapes in ``basis`` (row_rank, features), and ``dual`` is of those in
    ``curves`` (axes, curve_rank, time).
    """

    def __init__(self, config: KernelConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.every = feature_step(config.points)
        features = feature_count(config.points, shape.channels, shape.statics)
        self.register_buffer("rows", torch.zeros(config.stances, config.row_rank or features))
        self.register_buffer("dual", torch.zeros(shape.axes, config.stances, config.curve_rank or config.points))
        # None where they are whole: a buffer that is None is not saved
        self.register_buffer("basis", torch.zeros(config.row_rank, features) if config.row_rank else None)
        shapes = (shape.axes, config.curve_rank, config.points)
        self.register_buffer("curves", torch.zeros(shapes) if config.curve_rank else None)
        self.register_buffer("mean", torch.zeros(shape.axes, config.points))
        self.register_buffer("width", torch.ones(shape.axes))

    def features(self, inputs: Tensor, statics: Tensor) -> Tensor:
        """Return one row of features for every window, shape (batch, features)."""
        return stance_features(inputs, statics, self.every)

    def answer(self, inputs: Tensor, statics: Tensor) -> Tensor:
        """Return the kernel-weighted sum; far from every stance it falls back to the mean."""
        # double: dual weights of either sign nearly cancel, and single precision would leave noise
        x, rows = self.features(inputs, statics).double(), self.rows.double()
        if self.basis is not None:
            rows = rows @ self.basis.double()
        apart = ((x**2).sum(1)[:, None] + (rows**2).sum(1) - 2 * x @ rows.T).clamp(min=0.0)
        of_axis = []
        for axis, (width, dual, mean) in enumerate(zip(self.width, self.dual, self.mean)):
            amounts = torch.exp(-apart / width) @ dual.double()
            of_axis.append((amounts if self.curves is None else amounts @ self.curves[axis].double()) + mean)
        return torch.stack(of_axis, dim=2).to(inputs.dtype)


class MixConfig(NetworkConfig):
    """The weighed mean of other networks, axis by axis.

    Attributes
    ----------
    members
        Settings of each network (:func:`~grfkit.learn.networks.network_config` makes them of plain tables).
    columns, statics_columns
        Which channels and statics each of them sees, by number.
    """

    name: Literal["mix"] = "mix"
    members: tuple[SerializeAsAny[NetworkConfig], ...] = ()
    columns: tuple[tuple[int, ...], ...] = ()
    statics_columns: tuple[tuple[int, ...], ...] = ()

    def module(self, shape: Shape) -> ForceNetwork:
        """Return the members, each of weight 0."""
        return Mix(self, shape)


class Mix(DirectNetwork):
    """Networks, and their weights (members, axes)."""

    def __init__(self, config: MixConfig, shape: Shape) -> None:
        super().__init__(config, shape)
        self.columns, self.statics_columns = config.columns, config.statics_columns
        self.members = nn.ModuleList(
            member.module(Shape(len(columns), len(statics), shape.axes))
            for member, columns, statics in zip(config.members, config.columns, config.statics_columns)
        )
        self.register_buffer("weights", torch.zeros(len(config.members), shape.axes))

    def answer(self, inputs: Tensor, statics: Tensor) -> Tensor:
        """Return the weighed mean of the members' answers."""
        seen = zip(self.members, self.columns, self.statics_columns, self.weights)
        return sum(w * member(inputs[:, :, list(c)], statics[:, list(s)]) for member, c, s, w in seen)
