"""The layers that are read of a .tflite so far, what each tensor is in their terms, and what the runtime can hold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .c_layers import CLayer, Factor, Graph, NoC, Part, Settings
from .tflite_file import OperatorInfo, TensorInfo, TfliteFile

ROW_LIMIT = 1 << 23
"""A row's sum of products must stay below this for the runtime's paired rows (grf_mac.h)."""
_CLAMPS = {"NONE": (-np.inf, np.inf), "RELU": (0.0, np.inf), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}


@dataclass(frozen=True)
class CValue:
    """A tensor in the runtime's terms: channels of buffers side by side, and rows before and after.

    These are zeros, or with ``hold`` the row at the border.
    """

    parts: tuple[Part, ...]
    scale: float
    zero: int
    reversed: bool = False
    pad: tuple[int, int] = (0, 0)
    hold: bool = False
    once: bool = False


class GraphReader:
    """The layers so far, and what each tensor of the file is in their terms."""

    def __init__(self, file: TfliteFile) -> None:
        self.file = file
        first = file.input
        self.points = self._rows(first)
        self.widths = [first.shape[-1]]
        self.layers: list[CLayer] = []
        self.values = {first.index: CValue((Part(0, 0, first.shape[-1]),), first.scale, first.zero_point)}

    def graph(self) -> Graph:
        """Return all layers; refuse an output that is not one whole layer."""
        out = self.values.get(self.file.output.index)
        if out is None or out.reversed or out.once or len(out.parts) != 1 or out.parts[0].buffer == 0 or any(out.pad):
            raise NoC(f"output tensor '{self.file.output.name}' is not one layer's output in the order of time")
        if not out.parts[0].folded and out.parts[0].width != self.widths[out.parts[0].buffer]:
            raise NoC(f"output tensor '{self.file.output.name}' is only some channels of a layer")
        return Graph(self.points, tuple(self.widths), tuple(self.layers), out.parts[0].buffer)

    def _rows(self, tensor: TensorInfo) -> int:
        if tensor.dtype != "int8" or len(tensor.shape) < 2:
            raise NoC(f"tensor '{tensor.name}' is {tensor.dtype} {tensor.shape}; the C runtime takes int8 rows")
        return math.prod(tensor.shape[:-1])

    def value(self, operator: OperatorInfo, place: int = 0) -> CValue:
        """Return an operator's input at a place."""
        tensor = self.file.tensor(operator, place)
        if tensor is None or tensor.index not in self.values:
            raise NoC(f"{operator} reads '{tensor.name if tensor else 'nothing'}', which no layer made")
        return self.values[tensor.index]

    def in_order(self, operator: OperatorInfo, place: int = 0) -> CValue:
        """Return an operator's input at a place; refuse rows in reverse."""
        value = self.value(operator, place)
        if value.reversed:
            raise NoC(f"{operator} reads rows in reverse; only LSTM layers do so in the C runtime")
        return value

    def every_row(self, operator: OperatorInfo, place: int = 0) -> CValue:
        """Return an operator's input at a place; refuse rows in reverse, padded ones, and a single one."""
        value = self.in_order(operator, place)
        if value.pad != (0, 0) or value.once:
            raise NoC(f"{operator} reads padded rows, or a single one; only convolutions do so in the C runtime")
        return value

    def constant(self, operator: OperatorInfo, place: int) -> tuple[TensorInfo, NDArray[np.int64]]:
        """Return an operator's constant input at a place, and its numbers."""
        tensor = self.file.tensor(operator, place)
        if tensor is None or tensor.data is None:
            raise NoC(f"{operator}: its input {place} is not constant")
        return tensor, tensor.data.astype(np.int64)

    def out(self, operator: OperatorInfo) -> TensorInfo:
        """Return an operator's output; refuse other than a row of int8 for each sample, or a single one."""
        tensor = self.file.tensors[operator.outputs[0]]
        if tensor.dtype != "int8" or self._rows(tensor) not in (self.points, 1):
            raise NoC(
                f"{operator} makes '{tensor.name}', {tensor.dtype} {tensor.shape}; expected int8, {self.points} rows"
                " or one"
            )
        return tensor

    def alias(self, operator: OperatorInfo, value: CValue) -> None:
        """Give the output another name for bytes that exist; they must mean the same."""
        tensor = self.file.tensors[operator.outputs[0]]
        if (tensor.scale, tensor.zero_point) != (value.scale, value.zero):
            raise NoC(
                f"{operator} copies bytes of scale {value.scale:.9g} ({value.zero}) to '{tensor.name}' of"
                f" {tensor.scale:.9g} ({tensor.zero_point}); repair the file first"
            )
        self.values[tensor.index] = value

    def add(self, operator: OperatorInfo, sources: tuple[Part, ...], settings: Settings, **more: Any) -> None:
        """Add a layer that fills a buffer of its own."""
        tensor = self.out(operator)
        if len(sources) > 4:
            raise NoC(f"{operator} reads {len(sources)} tensors side by side; the C runtime takes 4")
        self.widths.append(tensor.shape[-1])
        target = len(self.widths) - 1
        once = self._rows(tensor) != self.points
        self.layers.append(CLayer(f"{operator} '{tensor.name}'", sources, target, settings, once=once, **more))
        part = Part(target, 0, tensor.shape[-1])
        self.values[tensor.index] = CValue(
            (part,), tensor.scale, tensor.zero_point, bool(more.get("reversed")), once=once
        )


def check_rows(
    operator: OperatorInfo, weights: NDArray[np.int64], bias: NDArray[np.int64], scales: tuple[Factor, ...]
) -> None:
    """Refuse rows whose sums the runtime would not hold; scales are by the last axis of ``bias``."""
    # the largest sum that any window can make: int8 reaches -128
    sums = np.abs(weights).sum(axis=-1) * 128
    # two rows share 16 bits as 256 * second + first (pack_rows), which -128 and -128 would leave
    if np.abs(weights).max(initial=0) > 127:
        raise NoC(f"{operator} has a weight of -128; expected -127 to 127")
    if sums.max(initial=0) >= ROW_LIMIT or np.abs(bias).max(initial=0) >= 2**31:
        raise NoC(f"{operator} has a row of weights or a bias too large for the C runtime's sums")
    largest = sums + np.abs(bias)
    for k, scale in enumerate(scales):
        check_up(operator, int((largest if len(scales) == 1 else largest[..., k]).max(initial=0)), scale)


def check_up(operator: OperatorInfo, largest: int, scale: Factor) -> None:
    """Refuse a scale that shifts the largest number out of 32 bits: grf_rescale shifts first and multiplies then."""
    if largest << scale.up > 2**31:
        raise NoC(f"{operator}: {largest} times 2^{scale.up} does not fit 32 bits")


def clamps(operator: OperatorInfo, out: TensorInfo) -> tuple[int, int]:
    """Return the least and largest int8 of an operator's activation."""
    name = str(operator.options.get("fused_activation_function", "NONE"))
    if name not in _CLAMPS:
        raise NoC(f"{operator} ends in {name}; the C runtime has {', '.join(_CLAMPS)}")
    low, high = (v if math.isinf(v) else out.zero_point + _half_away(v, out.scale) for v in _CLAMPS[name])
    return int(max(low, -128)), int(min(high, 127))


def _half_away(value: float, scale: float) -> int:
    """Return a value in steps of a scale as TensorFlow Lite's kernels do: divided in single precision, halves away
    from zero (``CalculateActivationRangeQuantized``; Python's ``round`` takes halves to the even number).
    """
    steps = float(np.float32(value) / np.float32(scale))
    return int(math.copysign(math.floor(abs(steps) + 0.5), steps))
