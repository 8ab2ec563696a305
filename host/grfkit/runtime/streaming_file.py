"""A .tflite file of a whole window -> one of a few samples, which goes on where it stopped.

An LSTM keeps its state in the file's variables, so that its tensors only become shorter. A causal convolution looks
back at samples that its padding stands for: the padding becomes a join with those samples, which are an input more, and
what is to be looked back at next is an output more. Weights, scales and the order of operators stay, so that every
answer is the byte of the whole window.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from ..errors import BadInputError

_KEPT = (
    "ADD", "CONCATENATION", "CONV_2D", "DEQUANTIZE", "FULLY_CONNECTED", "PAD", "QUANTIZE", "RESHAPE",
    "UNIDIRECTIONAL_SEQUENCE_LSTM",
)  # fmt: skip
"""Operators that take a sample without knowing the next; convolutions only of what is padded in the past."""
_LEAST_RANK = 3
"""Rank of tensors that have time as their second size; those of less are states and weights."""


@dataclass(frozen=True)
class StepFile:
    """A file of a few samples.

    Attributes
    ----------
    points
        Samples a run.
    padding
        What each input but the first holds before the first sample; the outputs but the first go there after each run.
    """

    content: bytes
    points: int
    padding: tuple[float, ...]


def step_file(content: bytes, points: int) -> StepFile:
    """Return the file for so many samples a run.

    Parameters
    ----------
    content
        A .tflite file of whole windows (1, T, width).

    Raises
    ------
    BadInputError
        If the network looks ahead, an operator needs the whole window, or ``points`` is not 1 to T.
    """
    schema = _schema()
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        return _Cutter(schema, model, points).made()
    except BadInputError:
        raise
    except Exception as error:
        raise BadInputError(f"the file is broken or truncated ({type(error).__name__}: {error})") from error


def _schema() -> ModuleType:
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise BadInputError(
            "streaming a .tflite file needs ai-edge-litert, which can write one; pip install 'grfkit[edge]', or stream"
            " the C library (backend c)"
        ) from error
    module: ModuleType = schema_py_generated
    return module


class _Cutter:
    """Changes an unpacked model in place."""

    def __init__(self, schema: ModuleType, model: Any, points: int) -> None:
        self.schema, self.model, self.points = schema, model, points
        self.graph = model.subgraphs[0]
        names = {int(v): k for k, v in vars(schema.BuiltinOperator).items() if not k.startswith("_")}
        codes = [max(int(c.builtinCode), int(c.deprecatedBuiltinCode)) for c in model.operatorCodes]
        self.names = [names[codes[o.opcodeIndex]] for o in self.graph.operators]
        self.whole = int(self.graph.tensors[self.graph.inputs[0]].shape[1])
        self.padding: list[float] = []
        self.constants: dict[tuple[int, ...], int] = {}

    def made(self) -> StepFile:
        """Return the changed file."""
        if not 1 <= self.points <= self.whole:
            raise BadInputError(f"{self.points} samples a step; expected 1 to the {self.whole} of the file's window")
        self._check()
        shorter = {}
        for index, tensor in enumerate(self.graph.tensors):
            if self._computed(index) and tensor.shape is not None and len(tensor.shape) >= _LEAST_RANK:
                shorter[index] = self._shape(tensor)
        operators: list[Any] = []
        for name, operator in zip(self.names, self.graph.operators):
            operators += self._with_history(operator) if name == "PAD" else [operator]
            if name == "RESHAPE":
                self._reshape(operator)
        self.graph.operators = operators
        for index, shape in shorter.items():
            _sized(self.graph.tensors[index], shape)
        builder = import_module("flatbuffers").Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return StepFile(bytes(builder.Output()), self.points, tuple(self.padding))

    def _computed(self, index: int) -> bool:
        tensor = self.graph.tensors[index]
        return not tensor.isVariable and self._data(index) is None

    def _data(self, index: int) -> Any:
        data = self.model.buffers[self.graph.tensors[index].buffer].data
        return None if data is None or len(data) == 0 else np.asarray(data, dtype=np.uint8)

    def _shape(self, tensor: Any) -> list[int]:
        """Return the tensor's shape with so many samples less as the window is shorter."""
        shape = [int(s) for s in tensor.shape]
        if shape[1] < self.whole:
            raise BadInputError(f"tensor '{_name(tensor)}' of shape {shape} has no time as its second size")
        return [shape[0], shape[1] - self.whole + self.points, *shape[2:]]

    def _check(self) -> None:
        """Refuse what does not run sample by sample."""
        for index, name in enumerate(self.names):
            if name not in _KEPT:
                raise BadInputError(
                    f"operator {index} {name} does not run sample by sample; stream a network of the past only (lstm,"
                    " tcn)"
                )
            if name == "PAD":
                self._before(self.graph.operators[index])
            if name == "CONV_2D":
                self._check_length(index)

    def _check_length(self, index: int) -> None:
        """Refuse a convolution that pads by itself or does not answer every sample."""
        operator = self.graph.operators[index]
        options, kernel = operator.builtinOptions, self.graph.tensors[operator.inputs[1]].shape
        into, out = (int(self.graph.tensors[k].shape[1]) for k in (operator.inputs[0], operator.outputs[0]))
        looked = (int(kernel[1]) - 1) * int(options.dilationHFactor)
        if options.strideH != 1 or out != self.whole or into != out + looked:
            raise BadInputError(f"operator {index} CONV_2D makes {out} samples of {into}; it pads by itself or strides")

    def _before(self, operator: Any) -> int:
        """Return how many samples before the first one a PAD adds; it must add nothing else."""
        sizes = self._data(operator.inputs[1])
        table = None if sizes is None else sizes.view("<i4").reshape(-1, 2).tolist()
        if table is None or any(any(row) for k, row in enumerate(table) if k != 1) or table[1][1]:
            raise BadInputError(
                f"PAD of '{_name(self.graph.tensors[operator.inputs[0]])}' adds {table}; the network looks ahead, or"
                " beside: stream one of the past only (lstm, tcn)"
            )
        return int(table[1][0])

    def _with_history(self, operator: Any) -> list[Any]:
        """Return a join with the samples before, and the cut of those to remember, in place of a PAD."""
        before, source = self._before(operator), self.graph.tensors[operator.inputs[0]]
        if not before:
            return [operator]
        shape = [int(s) for s in source.shape]
        past, kept = (self._like(source, [shape[0], before, *shape[2:]], n) for n in ("past", "kept"))
        self.graph.inputs = np.append(self.graph.inputs, past).astype(np.int32)
        self.graph.outputs = np.append(self.graph.outputs, kept).astype(np.int32)
        scale = source.quantization
        point = None if scale is None or scale.zeroPoint is None else scale.zeroPoint
        self.padding.append(0.0 if point is None else float(point[0]))
        joined = operator.outputs[0]
        rank = len(shape)
        starts, ends = [0, self.points, *[0] * (rank - 2)], [shape[0], self.points + before, *shape[2:]]
        join = self._operator("CONCATENATION", [past, operator.inputs[0]], joined, 2, axis=1)
        cut = [joined, self._constant(starts), self._constant(ends), self._constant([1] * rank)]
        return [join, self._operator("STRIDED_SLICE", cut, kept, 2)]

    def _like(self, tensor: Any, shape: list[int], what: str) -> int:
        """Return a new tensor of the same type and scale."""
        made = self.schema.TensorT()
        made.type, made.quantization, made.buffer = tensor.type, tensor.quantization, 0
        made.name = f"{_name(tensor)}/{what}".encode()
        made.hasRank = getattr(tensor, "hasRank", False)
        made.shape = np.asarray(shape, dtype=np.int32)
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def _constant(self, values: list[int]) -> int:
        key = tuple(values)
        if key not in self.constants:
            buffer, tensor = self.schema.BufferT(), self.schema.TensorT()
            buffer.data = np.frombuffer(np.asarray(values, dtype="<i4").tobytes(), dtype=np.uint8)
            self.model.buffers.append(buffer)
            tensor.type, tensor.shape = self.schema.TensorType.INT32, np.asarray([len(values)], dtype=np.int32)
            tensor.buffer, tensor.name = len(self.model.buffers) - 1, f"step/{len(self.constants)}".encode()
            self.graph.tensors.append(tensor)
            self.constants[key] = len(self.graph.tensors) - 1
        return self.constants[key]

    def _operator(self, name: str, inputs: list[int], output: int, version: int, **options: int) -> Any:
        code = int(getattr(self.schema.BuiltinOperator, name))
        found = [i for i, c in enumerate(self.model.operatorCodes) if c.builtinCode == code and c.version >= version]
        if not found:
            made = self.schema.OperatorCodeT()
            made.builtinCode, made.deprecatedBuiltinCode, made.version = code, min(code, 127), version
            self.model.operatorCodes.append(made)
        one = self.schema.OperatorT()
        one.opcodeIndex = found[0] if found else len(self.model.operatorCodes) - 1
        one.inputs, one.outputs = np.asarray(inputs, dtype=np.int32), np.asarray([output], dtype=np.int32)
        kind = "".join(part.capitalize() for part in name.split("_")) + "Options"
        one.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
        one.builtinOptions = getattr(self.schema, kind + "T")()
        for key, value in options.items():
            setattr(one.builtinOptions, key, value)
        return one

    def _reshape(self, operator: Any) -> None:
        """Let a RESHAPE, whose shape is a constant, make the shorter tensor."""
        made = self._shape(self.graph.tensors[operator.outputs[0]])
        if len(operator.inputs) > 1:
            operator.inputs = np.asarray([operator.inputs[0], self._constant(made)], dtype=np.int32)
        if operator.builtinOptions is not None and operator.builtinOptions.newShape is not None:
            operator.builtinOptions.newShape = np.asarray(made, dtype=np.int32)


def _sized(tensor: Any, shape: list[int]) -> None:
    tensor.shape = np.asarray(shape, dtype=np.int32)
    if tensor.shapeSignature is not None and len(tensor.shapeSignature):
        tensor.shapeSignature = tensor.shape


def _name(tensor: Any) -> str:
    name = tensor.name
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name or "")
