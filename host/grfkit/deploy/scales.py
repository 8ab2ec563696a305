"""Tensors of an int8 file that must share a scale because kernels copy their bytes, and biases that depend on a scale.

Read off the kernels: these operators move bytes and look at no scale, and an LSTM's output is its next hidden state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from .tflite_file import OperatorInfo, TensorInfo, TfliteFile

COPIES = (
    "REVERSE_V2",
    "RESHAPE",
    "GATHER",
    "STRIDED_SLICE",
    "SLICE",
    "PAD",
    "MAX_POOL_2D",
    "TRANSPOSE",
    "SQUEEZE",
    "EXPAND_DIMS",
)
"""Operators that copy the bytes of their first input."""
LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
LSTM_STATE, LSTM_HIDDEN = 18, 4
"""Place of the hidden state among an LSTM's inputs, and of the hidden scale among its intermediates."""
_BIASED: dict[str, tuple[tuple[int, int], ...]] = {
    "CONV_2D": ((1, 2),),
    "DEPTHWISE_CONV_2D": ((1, 2),),
    "FULLY_CONNECTED": ((1, 2),),
    LSTM: ((1, 12), (2, 13), (3, 14), (4, 15)),
}
"""Places of weights and biases among the inputs."""
TOLERANCE = 1e-6
"""Greatest relative difference of scales that count as equal: they are stored as float32."""


@dataclass(frozen=True)
class Bias:
    """An int32 bias, the input and the weights whose scales' product is its scale."""

    operator: OperatorInfo
    source: TensorInfo
    weight: TensorInfo
    bias: TensorInfo

    def expected_scales(self) -> NDArray[np.float64]:
        """Return the scales that the bias should have, as many as the weights have."""
        return np.asarray(self.source.scale * np.asarray(self.weight.scales), dtype=np.float64)

    def wrong(self) -> float:
        """Return the greatest relative difference of the bias' scales from the expected ones."""
        expected, stored = self.expected_scales(), np.asarray(self.bias.scales, dtype=np.float64)
        if expected.shape != stored.shape or any(self.bias.zero_points):
            return float("inf")
        return float(np.max(np.abs(stored / expected - 1.0)))


def groups(file: TfliteFile) -> list[tuple[TensorInfo, ...]]:
    """Return the groups of two or more quantised tensors that have to share scale and zero point."""
    parent = list(range(len(file.tensors)))

    def root(index: int) -> int:
        """Return the tensor that stands for a group (union-find)."""
        while parent[index] != index:
            index = parent[index]
        return index

    for operator in file.operators:
        first, *others = _copied(operator) or (-1,)
        for other in others:
            parent[root(other)] = root(first)
    members: dict[int, list[TensorInfo]] = {}
    for tensor in file.tensors:
        if tensor.scales:
            members.setdefault(root(tensor.index), []).append(tensor)
    return [tuple(g) for g in members.values() if len(g) > 1]


def _copied(operator: OperatorInfo) -> tuple[int, ...]:
    """Return the tensors between which an operator copies bytes."""
    if operator.name in COPIES:
        return (operator.inputs[0], operator.outputs[0])
    if operator.name == "CONCATENATION":
        return (*operator.inputs, operator.outputs[0])
    if operator.name == LSTM:
        # a slice: an LSTM in float has no intermediates
        hidden = operator.intermediates[LSTM_HIDDEN : LSTM_HIDDEN + 1]
        return (operator.outputs[0], operator.inputs[LSTM_STATE], *hidden)
    return ()


def biases(file: TfliteFile) -> Iterator[Bias]:
    """Yield every int32 bias of a file."""
    for operator in file.operators:
        for weight_at, bias_at in _BIASED.get(operator.name, ()):
            weight, bias = file.tensor(operator, weight_at), file.tensor(operator, bias_at)
            if weight is not None and bias is not None and bias.dtype == "int32":
                yield Bias(operator, file.tensors[operator.inputs[0]], weight, bias)


def differ(group: tuple[TensorInfo, ...]) -> bool:
    """Return whether scales or zero points of a group differ."""
    scales = np.asarray([t.scale for t in group])
    return bool(np.ptp(scales) > TOLERANCE * scales.max() or len({t.zero_point for t in group}) > 1)


def whole_steps(bias: Bias, steps: Floats) -> NDArray[np.int32]:
    """Return a bias in steps of its scales, rounded already, as the 32 bits that hold it.

    Raises
    ------
    BadInputError
        If a step is no number or beyond 32 bits: a cast would answer some other number, without a word.
    """
    # not "abs(steps) >= 2**31", which NaN would pass
    wrong = ~(np.abs(steps) < 2**31)
    if wrong.any():
        channel = int(np.flatnonzero(wrong)[0])
        raise BadInputError(
            f"{bias.operator}: bias '{bias.bias.name}' of channel {channel} is {np.ravel(steps)[channel]:g} steps of"
            f" {bias.expected_scales().min():g}, which 32 bits do not hold; the layer before it is far from 0, or its"
            " weights are no numbers"
        )
    return steps.astype(np.int32)
