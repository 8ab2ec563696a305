"""Whether a .tflite file means the same to every interpreter; a refusal names tensor and operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..errors import RefusedError
from .scales import TOLERANCE, biases, differ, groups
from .tflite_file import OperatorInfo, TensorInfo, TfliteFile

Target = Literal["micro", "float"]
MICRO = (
    "ADD", "CONCATENATION", "CONV_2D", "FULLY_CONNECTED", "GATHER", "MAX_POOL_2D", "PAD", "QUANTIZE", "RESHAPE",
    "REVERSE_V2", "STRIDED_SLICE", "UNIDIRECTIONAL_SEQUENCE_LSTM",
)  # fmt: skip
"""Operators of an int8 file whose arithmetic is checked by tests."""
FLOAT = (*MICRO, "DEQUANTIZE", "RELU")
"""Of a float file too: weights stored as float16 are dequantised."""
_NAMED = 5
"""Faults that a refusal names one by one, chosen by hand; the rest is counted."""
WEIGHTED = ("CONV_2D", "FULLY_CONNECTED", "UNIDIRECTIONAL_SEQUENCE_LSTM")


@dataclass(frozen=True)
class Passed:
    """Contents of a file that passed."""

    target: str
    operators: dict[str, int]
    groups: int
    biases: int
    windows: int


def passed(file: TfliteFile, target: Target = "micro", *, windows: int = 8, seed: int = 0) -> Passed:
    """Return the contents of a file, if it is fit for its target.

    Parameters
    ----------
    target
        ``micro``: int8 from input to output, as TFLite Micro and a microcontroller run it; ``float``: float32 input and
        output, where weights may be stored as float16.
    windows
        How many random windows are run through it, so that an output that is no number or never moves is seen; 0 runs
        nothing.

    Raises
    ------
    RefusedError
        With everything that is wrong, each with its tensor and operator.
    """
    wrong = [*_structure(file, target), *(_eight_bits(file) if target == "micro" else _floats(file))]
    # only a sound file is run: kernels do not check what is refused above
    if not wrong and windows:
        wrong = list(_outputs(file, windows, seed))
    if wrong:
        more = f" (and {len(wrong) - _NAMED} more)" if len(wrong) > _NAMED else ""
        raise RefusedError(f"the file is not fit for {target}: {'; '.join(wrong[:_NAMED])}{more}")
    count = Counter(o.name for o in file.operators)
    return Passed(target, dict(sorted(count.items())), len(groups(file)), len(list(biases(file))), windows)


def _name(tensor: TensorInfo) -> str:
    return f"tensor {tensor.index} '{tensor.name}'"


def _structure(file: TfliteFile, target: Target) -> Iterator[str]:
    """Yield what is wrong with graph, operators and shapes."""
    if file.graphs != 1:
        yield f"it has {file.graphs} graphs (loops or branches), expected 1"
    for what, ends in (("input", file.inputs), ("output", file.outputs)):
        if len(ends) != 1:
            yield f"it has {len(ends)} {what} tensors, expected 1"
    supported = MICRO if target == "micro" else FLOAT
    for operator in file.operators:
        if operator.name not in supported:
            output = _name(file.tensors[operator.outputs[0]]) if operator.outputs else "nothing"
            yield f"{operator}, which makes {output}, is none of {', '.join(supported)}"
        for tensor in _computed(file, operator):
            if any(s < 0 for s in tensor.signature) or any(s < 1 for s in tensor.shape):
                yield f"{_name(tensor)} of {operator} has the dynamic or empty shape {list(tensor.signature)}"


def _computed(file: TfliteFile, operator: OperatorInfo) -> Iterator[TensorInfo]:
    """Yield the tensors that an operator reads or makes and that are no constants."""
    for index in (*operator.inputs, *operator.outputs):
        if index >= 0 and file.tensors[index].data is None:
            yield file.tensors[index]


def _eight_bits(file: TfliteFile) -> Iterator[str]:
    """Yield what is wrong with types and scales of an int8 file."""
    for operator in file.operators:
        for tensor in _computed(file, operator):
            if tensor.dtype not in ("int8", "int16"):
                yield f"{_name(tensor)} of {operator} is {tensor.dtype}, expected int8 throughout"
            elif len(tensor.scales) != 1 or not 0 < tensor.scales[0] < np.inf:
                yield f"{_name(tensor)} of {operator} has the scales {list(tensor.scales)}, expected one above 0"
            elif not -128 <= tensor.zero_point <= 127:
                yield f"{_name(tensor)} of {operator} has the zero point {tensor.zero_point}"
    for group in groups(file):
        if any(len(t.scales) != 1 for t in group):
            yield f"{_name(group[0])} is copied byte for byte, but has a scale for each slice"
        elif differ(group):
            low, *_, high = sorted(group, key=lambda t: (t.scale, t.zero_point))
            yield (
                f"{_name(low)} (scale {low.scale:.9g}, zero point {low.zero_point}) and {_name(high)} (scale"
                f" {high.scale:.9g}, zero point {high.zero_point}) hold the same bytes by {_between(file, low, high)}"
            )
    yield from _biases(file)


def _between(file: TfliteFile, *pair: TensorInfo) -> str:
    """Return the operators that touch both or either of two tensors, as text."""
    indices = [t.index for t in pair]
    touching = [o for o in file.operators if any(i in indices for i in (*o.inputs, *o.outputs, *o.intermediates))]
    return ", ".join(str(o) for o in touching)


def _biases(file: TfliteFile) -> Iterator[str]:
    for operator in file.operators:
        weight = file.tensor(operator, 1) if operator.name in WEIGHTED else None
        if weight is not None and (weight.dtype != "int8" or any(weight.zero_points)):
            yield f"{_name(weight)}, weight of {operator}, is {weight.dtype} with zero points, expected symmetric int8"
            return
    for bias in biases(file):
        if bias.wrong() > TOLERANCE:
            yield (
                f"{_name(bias.bias)}, bias of {bias.operator}, has scale {bias.bias.scales[0]:.9g}, but"
                f" {_name(bias.source)} and {_name(bias.weight)} make it {bias.expected_scales().flat[0]:.9g}"
            )


def _floats(file: TfliteFile) -> Iterator[str]:
    """Yield what is wrong with a float file: with 8-bit weights TFLite Micro answers NaN, without an error."""
    for tensor in (file.tensors[i] for i in (*file.inputs, *file.outputs)):
        if tensor.dtype != "float32":
            yield f"{_name(tensor)} is {tensor.dtype}, expected float32"
    for operator in file.operators:
        weight = file.tensor(operator, 1) if operator.name in WEIGHTED else None
        if weight is not None and weight.dtype == "int8":
            yield (
                f"{operator} has 8-bit weights ({_name(weight)}) under float activations (a dynamic-range file), which"
                " TFLite Micro answers with NaN; convert to int8 or float"
            )
        if operator.name.endswith("LSTM") and operator.options.get("cell_clip"):
            yield f"{operator} limits its cells to {operator.options['cell_clip']:g}, which torch does not"


def _outputs(file: TfliteFile, windows: int, seed: int) -> Iterator[str]:
    """Yield what is wrong with the outputs for random windows."""
    from ..runtime import load

    engine = load(file.content, "litert", resolver="reference")
    rng = np.random.default_rng(seed)
    shape = (windows, *engine.input.shape[1:])
    eight = engine.input.dtype == "int8"
    inputs = rng.integers(-128, 128, shape).astype(np.int8) if eight else rng.normal(size=shape).astype(np.float32)
    outputs = engine.run(inputs)
    if not np.isfinite(outputs).all():
        yield f"{_name(file.output)} is no number in {int((~np.isfinite(outputs)).sum())} of {outputs.size} answers"
    elif np.ptp(outputs) == 0:
        yield f"{_name(file.output)} is {outputs.flat[0]} whatever the window"
