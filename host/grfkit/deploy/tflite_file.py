"""Tensors and operators of a .tflite file; changed in place, so that nothing else in it moves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError

IDENTIFIER = b"TFL3"
_DTYPES = {
    "FLOAT32": "float32",
    "FLOAT16": "float16",
    "INT32": "int32",
    "UINT8": "uint8",
    "INT64": "int64",
    "BOOL": "bool",
    "INT16": "int16",
    "INT8": "int8",
    "FLOAT64": "float64",
    "UINT32": "uint32",
}
_ENUMS = {"fused_activation_function": "ActivationFunctionType", "padding": "Padding"}


@dataclass(frozen=True)
class TensorInfo:
    """One tensor.

    Attributes
    ----------
    shape, signature
        Sizes; the signature has -1 where a size is dynamic, and equals the shape elsewhere.
    dtype
        Of numpy, or the schema's name where numpy has none.
    scales, zero_points
        Empty where the tensor is not quantised; one each, or one for every slice along ``quantized_dimension``.
    data
        What a constant holds, read-only; None for values that are computed.
    variable
        Whether the value is kept from one run to the next (state).
    """

    index: int
    name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    quantized_dimension: int
    data: NDArray[Any] | None
    variable: bool

    @property
    def scale(self) -> float:
        """Return the one scale.

        Raises
        ------
        BadInputError
            If there is none, or one per slice.
        """
        if len(self.scales) != 1:
            raise BadInputError(f"tensor {self.index} '{self.name}' has {len(self.scales)} scales, expected one")
        return self.scales[0]

    @property
    def zero_point(self) -> int:
        """Return the one zero point (0 where none is written)."""
        return self.zero_points[0] if self.zero_points else 0

    def real(self) -> NDArray[np.float64]:
        """Return the values of a constant, ``scale * (stored - zero point)`` where it is quantised.

        Raises
        ------
        BadInputError
            If the tensor is computed, not constant.
        """
        if self.data is None:
            raise BadInputError(f"tensor {self.index} '{self.name}' is computed; it holds no values to read")
        values = self.data.astype(np.float64)
        if not self.scales:
            return values
        shape = [1] * max(values.ndim, 1)
        shape[self.quantized_dimension if len(self.scales) > 1 else 0] = len(self.scales)
        zeros = np.asarray(self.zero_points or [0] * len(self.scales), dtype=np.float64)
        return np.asarray((values - zeros.reshape(shape)) * np.asarray(self.scales).reshape(shape), dtype=np.float64)


@dataclass(frozen=True)
class OperatorInfo:
    """One operator: what it is called, the indices of its tensors (-1: left out), and its options by name."""

    index: int
    name: str
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    intermediates: tuple[int, ...]
    options: Mapping[str, Any]

    def __str__(self) -> str:
        return f"operator {self.index} {self.name}"


@dataclass(frozen=True)
class TfliteFile:
    """The one graph of a file, in the order in which its operators run."""

    content: bytes
    tensors: tuple[TensorInfo, ...]
    operators: tuple[OperatorInfo, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    graphs: int = 1

    @classmethod
    def read(cls, path: Path) -> TfliteFile:
        """Return what a file holds.

        Raises
        ------
        BadInputError
            If it cannot be read or is no .tflite file.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise BadInputError(f"{path}: cannot be read ({error.strerror or error})") from error
        try:
            return cls.of(content)
        except BadInputError as error:
            raise BadInputError(f"{path}: {error}") from error

    @classmethod
    def of(cls, content: bytes) -> TfliteFile:
        """Return what these bytes hold.

        Raises
        ------
        BadInputError
            If they are no .tflite file.
        """
        schema = _schema()
        if content[4:8] != IDENTIFIER:
            raise BadInputError(f"is no .tflite file: bytes 4 to 8 are {content[4:8]!r}, expected {IDENTIFIER!r}")
        try:
            model = schema.ModelT.InitFromPackedBuf(content, 0)
            graph = model.subgraphs[0]
            tensors = tuple(_tensor(i, t, model.buffers, schema) for i, t in enumerate(graph.tensors))
            codes = _names(schema.BuiltinOperator)
            operators = tuple(_operator(i, o, model, codes, schema) for i, o in enumerate(graph.operators))
            inputs, outputs = _indices(graph.inputs), _indices(graph.outputs)
        except BadInputError:
            raise
        except Exception as error:
            raise BadInputError(f"is broken or truncated ({type(error).__name__}: {error})") from error
        return cls(content, tensors, operators, inputs, outputs, graphs=len(model.subgraphs))

    @property
    def input(self) -> TensorInfo:
        """Return the one input tensor."""
        return self.tensors[_single(self.inputs, "input")]

    @property
    def output(self) -> TensorInfo:
        """Return the one output tensor."""
        return self.tensors[_single(self.outputs, "output")]

    def tensor(self, operator: OperatorInfo, place: int) -> TensorInfo | None:
        """Return an operator's input at a place, None where it is left out."""
        index = operator.inputs[place] if place < len(operator.inputs) else -1
        return None if index < 0 else self.tensors[index]

    def with_scales(self, scales: Mapping[int, tuple[float, int]]) -> TfliteFile:
        """Return the file with other scales and zero points, tensor -> (scale, zero point).

        Raises
        ------
        BadInputError
            If a tensor has no scale, or one for every slice.
        """
        content = bytearray(self.content)
        for index, (scale, zero_point) in scales.items():
            _ = self.tensors[index].scale  # refuses a tensor of no scale, or of many
            quantization = _packed_tensor(content, index).Quantization()
            # a view of the content: what is written into it is in the file
            quantization.ScaleAsNumpy()[:] = np.float32(scale)
            points = quantization.ZeroPointAsNumpy()
            if isinstance(points, np.ndarray) and points.size:
                points[:] = zero_point
            elif zero_point:
                raise BadInputError(f"tensor {index} '{self.tensors[index].name}' has no place for a zero point")
        return TfliteFile.of(bytes(content))

    def with_bias(self, index: int, values: NDArray[np.int32], scales: Sequence[float]) -> TfliteFile:
        """Return the file with other values and scales of one constant of as many elements and scales.

        Raises
        ------
        BadInputError
            If the sizes differ.
        """
        content = bytearray(self.content)
        packed = _packed_tensor(content, index)
        place = packed.Quantization().ScaleAsNumpy()
        data = _packed_model(content).Buffers(packed.Buffer()).DataAsNumpy()
        new = np.ascontiguousarray(values).astype("<i4").view(np.uint8).reshape(-1)
        if len(place) != len(scales) or len(data) != new.size:
            raise BadInputError(f"tensor {index} '{self.tensors[index].name}' does not take {len(values)} values")
        place[:] = np.asarray(scales, dtype=np.float32)
        data[:] = new
        return TfliteFile.of(bytes(content))

    def without_cell_clip(self) -> TfliteFile:
        """Return the file with unlimited cell states (the converter writes a limit of 10 that torch has not)."""
        content = bytearray(self.content)
        graph = _packed_model(content).Subgraphs(0)
        schema = _schema()
        for operator in self.operators:
            if operator.name == "UNIDIRECTIONAL_SEQUENCE_LSTM":
                table = graph.Operators(operator.index).BuiltinOptions()
                options = schema.UnidirectionalSequenceLSTMOptions()
                options.Init(table.Bytes, table.Pos)
                place = int(options._tab.Offset(6))  # cell_clip, the second field: 4 + 2 x 1; 0 where it is not written
                if place:
                    at = table.Pos + place
                    content[at : at + 4] = np.float32(0.0).tobytes()
        return TfliteFile.of(bytes(content))


def _schema() -> ModuleType:
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError as error:
        raise BadInputError("reading .tflite files needs ai-edge-litert; pip install 'grfkit[quantize]'") from error
    module: ModuleType = schema_py_generated
    return module


def _packed_model(content: bytes | bytearray) -> Any:
    return _schema().Model.GetRootAs(content, 0)


def _packed_tensor(content: bytearray, index: int) -> Any:
    return _packed_model(content).Subgraphs(0).Tensors(index)


def _names(enum: Any) -> dict[int, str]:
    return {int(v): k for k, v in vars(enum).items() if not k.startswith("_")}


def _indices(values: Any) -> tuple[int, ...]:
    return () if values is None else tuple(int(v) for v in values)


def _single(indices: tuple[int, ...], what: str) -> int:
    if len(indices) != 1:
        raise BadInputError(f"the file has {len(indices)} {what} tensors, expected one")
    return indices[0]


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")


def _tensor(index: int, tensor: Any, buffers: Sequence[Any], schema: ModuleType) -> TensorInfo:
    kind = _names(schema.TensorType)[int(tensor.type)]
    shape = _indices(tensor.shape)
    quantization = tensor.quantization
    scales = () if quantization is None or quantization.scale is None else tuple(float(s) for s in quantization.scale)
    return TensorInfo(
        index=index,
        name=_text(tensor.name),
        shape=shape,
        signature=_indices(tensor.shapeSignature) or shape,
        dtype=_DTYPES.get(kind, kind.lower()),
        scales=scales,
        zero_points=() if quantization is None or not scales else _indices(quantization.zeroPoint),
        quantized_dimension=0 if quantization is None else int(quantization.quantizedDimension),
        data=_constant(buffers[tensor.buffer].data, _DTYPES.get(kind), shape),
        variable=bool(tensor.isVariable),
    )


def _constant(data: Any, dtype: str | None, shape: tuple[int, ...]) -> NDArray[Any] | None:
    if data is None or len(data) == 0 or dtype is None:
        return None
    values = np.frombuffer(np.asarray(data, dtype=np.uint8).tobytes(), dtype=np.dtype(dtype).newbyteorder("<"))
    return values.astype(dtype, copy=False).reshape(shape)


def _operator(index: int, operator: Any, model: Any, codes: dict[int, str], schema: ModuleType) -> OperatorInfo:
    code = model.operatorCodes[operator.opcodeIndex]
    # older files have the 8-bit code alone; newer ones have both, and hold the 8-bit one at 127
    number = max(int(code.builtinCode), int(code.deprecatedBuiltinCode))
    name = codes[number]
    if name == "CUSTOM":
        name = f"CUSTOM:{_text(code.customCode)}"
    return OperatorInfo(
        index=index,
        name=name,
        version=int(code.version),
        inputs=_indices(operator.inputs),
        outputs=_indices(operator.outputs),
        intermediates=_indices(operator.intermediates),
        options=_options(operator.builtinOptions, schema),
    )


def _options(options: Any, schema: ModuleType) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for key, value in vars(options).items() if options is not None else ():
        name = re.sub(r"([A-Z])", lambda m: "_" + m[1].lower(), key)
        enum = _ENUMS.get(name)
        fields[name] = _names(getattr(schema, enum)).get(int(value), value) if enum else value
        if isinstance(value, np.ndarray):
            fields[name] = tuple(value.tolist())
    return fields
