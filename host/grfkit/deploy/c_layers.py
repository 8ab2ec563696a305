"""The layers of the C runtime, and a model as a graph of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError


class NoC(BadInputError):
    """The C runtime cannot run the file; the operator or tensor is named."""


@dataclass(frozen=True)
class Factor:
    """A real factor as the runtime has it: ``multiplier / 2**31 * 2**(up - 1) / 2**right``."""

    multiplier: int
    up: int
    right: int


@dataclass(frozen=True)
class Part:
    """Channels ``[start, start + width)`` of a buffer; ``folded``: its only row, as rows of ``width`` channels."""

    buffer: int
    start: int
    width: int
    folded: bool = False


@dataclass(frozen=True)
class CLstm:
    """One direction; weights ``(units, 4, inputs)`` and biases ``(units, 4)`` by unit, gates i, f, c, o."""

    kind: ClassVar[str] = "lstm"

    input_weights: NDArray[np.int64]
    recurrent_weights: NDArray[np.int64]
    input_bias: NDArray[np.int64]
    recurrent_bias: NDArray[np.int64]
    input_scale: tuple[Factor, ...]
    recurrent_scale: tuple[Factor, ...]
    forget: Factor
    update: Factor
    output: Factor
    cell_power: int
    clip: int
    zero: int


@dataclass(frozen=True)
class CConv:
    """A convolution over time, weights ``(outputs, taps * channels)``; a dense layer has one tap.

    ``partial`` is 1 where int32 sums are left behind, 2 where they are taken up; ``hold``: beyond the window the row at
    its border is seen, not ``pad``.
    """

    kind: ClassVar[str] = "conv"

    weights: NDArray[np.int64]
    bias: NDArray[np.int64]
    scale: tuple[Factor, ...]
    taps: int
    dilation: int
    before: int
    after: int
    pad: int
    zero: int
    low: int
    high: int
    partial: int = 0
    hold: bool = False


@dataclass(frozen=True)
class CAdd:
    """Two tensors added."""

    kind: ClassVar[str] = "add"

    first_zero: int
    second_zero: int
    zero: int
    low: int
    high: int
    first: Factor
    second: Factor
    sum: Factor


@dataclass(frozen=True)
class CCopy:
    """Rows moved as they are."""

    kind: ClassVar[str] = "copy"


Settings = CLstm | CConv | CAdd | CCopy


@dataclass(frozen=True)
class CLayer:
    """One layer: what it reads side by side, the buffer it fills, its settings and direction (None: either).

    ``once``: it makes one row in all, not one for each of the window.
    """

    name: str
    sources: tuple[Part, ...]
    target: int
    settings: Settings
    reversed: bool | None = None
    once: bool = False

    @property
    def back(self) -> int:
        """Return how many rows it looks back."""
        return self.settings.before if isinstance(self.settings, CConv) else 0

    @property
    def causal(self) -> bool:
        """Whether it sees no row after its own."""
        return not isinstance(self.settings, CConv) or self.settings.after == 0


@dataclass(frozen=True)
class Graph:
    """Layers in the order of the file; buffer 0 is the input, ``widths`` its and the others' channels.

    ``once`` are the buffers of one row.
    """

    points: int
    widths: tuple[int, ...]
    layers: tuple[CLayer, ...]
    output: int

    @property
    def once(self) -> frozenset[int]:
        """Return the buffers that hold one row in all."""
        return frozenset(layer.target for layer in self.layers if layer.once)


def factor(real: float) -> Factor:
    """Return a factor of the runtime's kind.

    Raises
    ------
    NoC
        If it is not positive and finite, or too large.
    """
    if not math.isfinite(real) or real <= 0:
        raise NoC(f"a scale of {real:g} has no factor; expected a positive number")
    # as QuantizeMultiplier of TensorFlow Lite: 31 bits, halves rounded up; a share just below 1 may round up to 2^31,
    # which int32 does not hold
    share, power = math.frexp(real)
    multiplier = math.floor(share * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, power = multiplier // 2, power + 1
    # also as there: below the last bit of any sum
    if power < -31:
        return Factor(0, 1, 0)
    if power > 8:
        raise NoC(f"a factor of {real:g} between two layers is too large for 32 bits")
    # grf_rescale is given 2 x, so that up counts one shift more
    return Factor(multiplier, 1 + max(power, 0), max(-power, 0))
