"""The few kinds of layer a plan consists of, each computed in numpy; channels last, one window at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats

Singles = NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A named value, computed from the values named in ``inputs``."""

    name: str
    inputs: tuple[str, ...]

    kind: ClassVar[str] = ""

    def run(self, values: Sequence[Floats]) -> Floats:
        """Return the layer of values of shape (n, time, ...), in double precision."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """Return the settings that are no arrays, for JSON."""
        return {}

    def arrays(self) -> dict[str, Singles]:
        """Return weights and biases by name."""
        return {k: v for k, v in vars(self).items() if isinstance(v, np.ndarray)}


@dataclass(frozen=True)
class Lstm(Layer):
    """An LSTM of one direction; with ``reverse`` it starts at the last sample, its outputs in the order of time.

    Gates in the order input, forget, cell, output (Hochreiter and Schmidhuber 1997, doi 10.1162/neco.1997.9.8.1735;
    forget gate: Gers et al. 2000): ``kernel`` (inputs, 4 x hidden), ``recurrent`` (hidden, 4 x hidden), ``bias``.
    ``largest_cell`` is the greatest distance of a cell from 0 in the calibration windows, 0 where that is unknown.
    """

    kernel: Singles
    recurrent: Singles
    bias: Singles
    reverse: bool = False
    largest_cell: float = 0.0

    kind: ClassVar[str] = "lstm"

    def run(self, values: Sequence[Floats]) -> Floats:
        """Return (n, time, hidden) of (n, time, inputs)."""
        return self.states(values)[0]

    def states(self, values: Sequence[Floats]) -> tuple[Floats, Floats]:
        """Return outputs and cells, both (n, time, hidden), of (n, time, inputs)."""
        x = values[0][:, ::-1] if self.reverse else values[0]
        drive = x @ self.kernel.astype(np.float64) + self.bias
        hidden = self.recurrent.shape[0]
        h = np.zeros((x.shape[0], hidden))
        c = np.zeros_like(h)
        out, cells = np.empty((2, *x.shape[:2], hidden))
        # gates in the order input, forget, cell candidate, output
        for t in range(x.shape[1]):
            i, f, g, o = np.split(drive[:, t] + h @ self.recurrent.astype(np.float64), 4, axis=1)
            c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
            h = _sigmoid(o) * np.tanh(c)
            out[:, t], cells[:, t] = h, c
        return (out[:, ::-1], cells[:, ::-1]) if self.reverse else (out, cells)

    def settings(self) -> dict[str, Any]:
        """Return the direction, and the greatest distance of a cell from 0."""
        return {"reverse": self.reverse, "largest_cell": self.largest_cell}


@dataclass(frozen=True)
class Dense(Layer):
    """``x @ kernel + bias`` at every instant, perhaps with ReLU; ``kernel`` (inputs, outputs)."""

    kernel: Singles
    bias: Singles
    relu: bool = False

    kind: ClassVar[str] = "dense"

    def run(self, values: Sequence[Floats]) -> Floats:
        """Return (n, time, outputs) of (n, time, inputs)."""
        return _rectified(values[0] @ self.kernel.astype(np.float64) + self.bias, relu=self.relu)

    def settings(self) -> dict[str, Any]:
        """Return whether negative outputs become 0."""
        return {"relu": self.relu}


@dataclass(frozen=True)
class Conv(Layer):
    """A convolution over time and rows: ``kernel`` (time, rows, inputs, outputs), zeros around, perhaps with ReLU.

    ``pad`` is (before, after) in time; ``pad_rows`` is the same on both sides.
    """

    kernel: Singles
    bias: Singles
    dilation: int = 1
    pad: tuple[int, int] = (0, 0)
    pad_rows: int = 0
    relu: bool = False

    kind: ClassVar[str] = "conv"

    def run(self, values: Sequence[Floats]) -> Floats:
        """Return (n, time, rows, outputs) of (n, time, rows, inputs)."""
        rows = (self.pad_rows, self.pad_rows)
        x = np.pad(values[0], ((0, 0), self.pad, rows, (0, 0)))
        taps, across = self.kernel.shape[:2]
        points, height = x.shape[1] - (taps - 1) * self.dilation, x.shape[2] - across + 1
        y = np.zeros((x.shape[0], points, height, self.kernel.shape[3])) + self.bias
        for t in range(taps):
            for r in range(across):
                at = t * self.dilation
                y += x[:, at : at + points, r : r + height] @ self.kernel[t, r].astype(np.float64)
        return _rectified(np.asarray(y, dtype=np.float64), relu=self.relu)

    def settings(self) -> dict[str, Any]:
        """Return dilation, padding, and whether negative outputs become 0."""
        return {"dilation": self.dilation, "pad": list(self.pad), "pad_rows": self.pad_rows, "relu": self.relu}


@dataclass(frozen=True)
class Add(Layer):
    """The sum of two values, then perhaps ReLU."""

    relu: bool = True

    kind: ClassVar[str] = "add"

    def run(self, values: Sequence[Floats]) -> Floats:
        """Return the sum, of the shape of both."""
        return _rectified(values[0] + values[1], relu=self.relu)

    def settings(self) -> dict[str, Any]:
        """Return whether negative sums become 0."""
        return {"relu": self.relu}


@dataclass(frozen=True)
class Hold(Layer):
    """The first row repeated ``pad[0]`` times before all rows, and the last one ``pad[1]`` times after them."""

    pad: tuple[int, int] = (0, 0)

    kind: ClassVar[str] = "hold"

    def run(self, values: Sequence[Floats]) -> Floats:
        """Return (n, time + sum of the padding, ...)."""
        x = values[0]
        return np.asarray(np.take(x, held_rows(x.shape[1], self.pad), axis=1))

    def settings(self) -> dict[str, Any]:
        """Return how many rows are put before and after."""
        return {"pad": list(self.pad)}


def held_rows(points: int, pad: tuple[int, int]) -> NDArray[np.int32]:
    """Return the number of the row that stands at each place of :class:`Hold`."""
    return np.clip(np.arange(-pad[0], points + pad[1]), 0, points - 1).astype(np.int32)


@dataclass(frozen=True)
class Join(Layer):
    """Values beside each other, along the last axis."""

    kind: ClassVar[str] = "join"

    def run(self, values: Sequence[Floats]) -> Floats:
        """Return (n, time, sum of the widths)."""
        return np.concatenate(values, axis=-1)


@dataclass(frozen=True)
class Pool(Layer):
    """The greatest of every ``size`` neighbouring rows; rows that are left over are dropped."""

    size: int = 1

    kind: ClassVar[str] = "pool"

    def run(self, values: Sequence[Floats]) -> Floats:
        """Return (n, time, rows // size, maps) of (n, time, rows, maps)."""
        n, points, rows, maps = values[0].shape
        pools = rows // self.size
        pooled = values[0][:, :, : pools * self.size]
        return np.asarray(pooled.reshape(n, points, pools, self.size, maps).max(axis=3))

    def settings(self) -> dict[str, Any]:
        """Return how many rows become one."""
        return {"size": self.size}


@dataclass(frozen=True)
class Plane(Layer):
    """A convolution over pictures: ``kernel`` (rows, columns, inputs, outputs), zeros around, perhaps with ReLU.

    ``stride`` is that of rows and columns, ``pad`` how many zeros stand before and after them; the frames of a film are
    inputs beside each other.
    """

    kernel: Singles
    bias: Singles
    stride: int = 1
    pad: tuple[int, int] = (0, 0)
    relu: bool = False

    kind: ClassVar[str] = "plane"

    def run(self, values: Sequence[Floats]) -> Floats:
        """Return (n, rows, columns, outputs) of (n, rows, columns, inputs)."""
        x = np.pad(values[0], ((0, 0), self.pad, self.pad, (0, 0)))
        down, across, step = *self.kernel.shape[:2], self.stride
        rows, columns = ((size - taps) // step + 1 for size, taps in zip(x.shape[1:3], (down, across)))
        y = np.zeros((x.shape[0], rows, columns, self.kernel.shape[3])) + self.bias
        for r in range(down):
            for c in range(across):
                part = x[:, r : r + (rows - 1) * step + 1 : step, c : c + (columns - 1) * step + 1 : step]
                y += part @ self.kernel[r, c].astype(np.float64)
        return _rectified(np.asarray(y, dtype=np.float64), relu=self.relu)

    def settings(self) -> dict[str, Any]:
        """Return stride, padding, and whether negative outputs become 0."""
        return {"stride": self.stride, "pad": list(self.pad), "relu": self.relu}


@dataclass(frozen=True)
class PlanePool(Layer):
    """The greatest of every ``size`` (rows, columns) of a picture, ``stride`` apart; what is left over is dropped."""

    size: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)

    kind: ClassVar[str] = "plane_pool"

    def run(self, values: Sequence[Floats]) -> Floats:
        """Return (n, fewer rows, fewer columns, maps) of (n, rows, columns, maps)."""
        pools = np.lib.stride_tricks.sliding_window_view(values[0], self.size, axis=(1, 2))
        return np.asarray(pools[:, :: self.stride[0], :: self.stride[1]].max(axis=(-2, -1)))

    def settings(self) -> dict[str, Any]:
        """Return how many rows and columns become one, and how far apart."""
        return {"size": list(self.size), "stride": list(self.stride)}


@dataclass(frozen=True)
class Reshape(Layer):
    """The same numbers in the same order, in another shape of one window."""

    shape: tuple[int, ...] = ()

    kind: ClassVar[str] = "reshape"

    def run(self, values: Sequence[Floats]) -> Floats:
        """Return (n, *shape)."""
        return values[0].reshape(values[0].shape[0], *self.shape)

    def settings(self) -> dict[str, Any]:
        """Return the shape."""
        return {"shape": list(self.shape)}


KINDS: dict[str, type[Layer]] = {
    k.kind: k for k in (Lstm, Dense, Conv, Add, Hold, Join, Pool, Plane, PlanePool, Reshape)
}


def _sigmoid(x: Floats) -> Floats:
    # equal to 1 / (1 + exp(-x)), without an exp that overflows
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def _rectified(x: Floats, *, relu: bool) -> Floats:
    return np.maximum(x, 0.0) if relu else x
