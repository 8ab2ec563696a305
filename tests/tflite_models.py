"""Small int8 .tflite files with random weights, written operator by operator: no converter, every scale at will."""

from __future__ import annotations

from typing import Any

import numpy as np


class ModelWriter:
    """Builds one graph over rows ``(1, points, channels)``; tensors are told by their index."""

    def __init__(self, points: int, seed: int) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.points = points
        self.rng = np.random.default_rng(seed)
        self.model = schema.ModelT()
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.version, self.model.operatorCodes, self.model.subgraphs = 3, [], [self.graph]
        self.model.buffers = [schema.BufferT()]
        self.widths: dict[int, int] = {}
        self.scales: dict[int, tuple[float, int]] = {}

    def tensor(
        self,
        shape: tuple[int, ...],
        kind: str = "INT8",
        scale: float | np.ndarray | None = None,
        zero: int = 0,
        data: np.ndarray | None = None,
        variable: bool = False,
    ) -> int:
        tensor = self.schema.TensorT()
        tensor.name, tensor.shape, tensor.isVariable = f"tensor_{len(self.graph.tensors)}", list(shape), variable
        tensor.type = getattr(self.schema.TensorType, kind)
        tensor.buffer = 0
        if scale is not None:
            several = np.atleast_1d(np.asarray(scale, dtype=np.float32))
            tensor.quantization = self.schema.QuantizationParametersT()
            tensor.quantization.scale = several
            tensor.quantization.zeroPoint = np.full(several.size, zero, dtype=np.int64)
        if data is not None:
            buffer = self.schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), dtype=np.uint8)
            self.model.buffers.append(buffer)
            tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        index = len(self.graph.tensors) - 1
        self.widths[index] = shape[-1] if shape else 0
        if isinstance(scale, float):
            self.scales[index] = (float(np.float32(scale)), zero)
        return index

    def rows(self, width: int, scale: float, zero: int) -> int:
        return self.tensor((1, self.points, width), scale=scale, zero=zero)

    def constant(self, values: list[Any] | np.ndarray) -> int:
        data = np.asarray(values, dtype=np.int32)
        return self.tensor(data.shape, "INT32", data=data)

    def weights(self, shape: tuple[int, ...], scale: float | np.ndarray, *, full: bool = False) -> int:
        values = self.rng.integers(-127, 128, shape)
        if full:
            values = np.sign(values + 0.5) * np.ones(shape) * 127
        return self.tensor(shape, scale=scale, data=values.astype(np.int8))

    def bias(self, size: int, scale: float | np.ndarray, spread: int = 3000) -> int:
        values = self.rng.integers(-spread, spread + 1, size).astype(np.int32)
        return self.tensor((size,), "INT32", scale=scale, data=values)

    def operator(self, name: str, inputs: list[int], outputs: list[int], version: int = 1, **options: Any) -> None:
        code = self.schema.OperatorCodeT()
        code.builtinCode = getattr(self.schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = version
        self.model.operatorCodes.append(code)
        one = self.schema.OperatorT()
        one.opcodeIndex, one.inputs, one.outputs = len(self.model.operatorCodes) - 1, inputs, outputs
        of = {
            "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
            "FULLY_CONNECTED": "FullyConnectedOptions",
            "CONV_2D": "Conv2DOptions",
            "ADD": "AddOptions",
            "CONCATENATION": "ConcatenationOptions",
            "REVERSE_V2": "ReverseV2Options",
            "RESHAPE": "ReshapeOptions",
            "PAD": "PadOptions",
            "GATHER": "GatherOptions",
            "STRIDED_SLICE": "StridedSliceOptions",
        }.get(name)
        if of:
            one.builtinOptionsType = getattr(self.schema.BuiltinOptions, of)
            one.builtinOptions = getattr(self.schema, of + "T")()
            for key, value in options.items():
                assert hasattr(one.builtinOptions, key), key
                setattr(one.builtinOptions, key, value)
        if name == "UNIDIRECTIONAL_SEQUENCE_LSTM":
            one.intermediates = []
        self.graph.operators.append(one)

    def reverse(self, source: int) -> int:
        out = self.rows(self.widths[source], *self.scales[source])
        self.operator("REVERSE_V2", [source, self.constant([1])], [out])
        return out

    def lstm(
        self,
        source: int,
        units: int,
        *,
        scale: float,
        zero: int,
        power: int = -11,
        clip: float = 0.0,
        gain: float = 1.0,
    ) -> int:
        width = self.widths[source]
        w_scales = [gain * float(s) for s in self.rng.uniform(0.3, 1.2, 8) / 127]
        w = [self.weights((units, width), s) for s in w_scales[:4]]
        u = [self.weights((units, units), s) for s in w_scales[4:]]
        b = [self.bias(units, s * self.scales[source][0]) for s in w_scales[:4]]
        hidden = self.tensor((1, units), scale=scale, zero=zero, variable=True)
        cell = self.tensor((1, units), "INT16", scale=2.0**power, variable=True)
        out = self.rows(units, scale, zero)
        places = [source, *w, *u, -1, -1, -1, *b, -1, -1, hidden, cell, -1, -1, -1, -1]
        tanh = self.schema.ActivationFunctionType.TANH
        self.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", places, [out], fusedActivationFunction=tanh, cellClip=clip)
        middle = [self.tensor((0,), "FLOAT32") for _ in range(4)] + [self.tensor((0,), scale=scale, zero=zero)]
        self.graph.operators[-1].intermediates = middle
        return out

    def dense(self, source: int, width: int, *, scale: float, zero: int, relu: bool = False, many: bool = True) -> int:
        inner = self.widths[source]
        w_scale = self.rng.uniform(0.2, 1.0, width) / 127 if many else float(self.rng.uniform(0.2, 1.0) / 127)
        w = self.weights((width, inner), w_scale)
        b = self.bias(width, w_scale * self.scales[source][0])
        out = self.rows(width, scale, zero)
        kind = self.schema.ActivationFunctionType.RELU if relu else self.schema.ActivationFunctionType.NONE
        self.operator("FULLY_CONNECTED", [source, w, b], [out], 5, fusedActivationFunction=kind, keepNumDims=True)
        return out

    def image(self, source: int) -> int:
        """The rows as (1, points, 1, channels)."""
        width = self.widths[source]
        scale, zero = self.scales[source]
        out = self.tensor((1, self.points, 1, width), scale=scale, zero=zero)
        self.operator("RESHAPE", [source, self.constant([1, self.points, 1, width])], [out])
        return out

    def flat(self, source: int) -> int:
        """(1, points, 1, channels) as rows."""
        out = self.rows(self.widths[source], *self.scales[source])
        self.operator("RESHAPE", [source, self.constant([1, self.points, self.widths[source]])], [out])
        return out

    def conv(
        self,
        source: int,
        width: int,
        *,
        taps: int,
        dilation: int,
        before: int,
        scale: float,
        zero: int,
        relu: bool = True,
        hold: bool = False,
        rows: int = 0,
        full: bool = False,
    ) -> int:
        """Convolve in time; ``hold``: the row at the border stands beyond it; ``rows``: so many come out, nothing is
        padded; ``full``: weights of 127 and -127 alone.
        """
        inner, after = self.widths[source], (taps - 1) * dilation - before
        own = self.scales[source]
        padded = source if rows else self.tensor((1, self.points + before + after, 1, inner), scale=own[0], zero=own[1])
        if hold:
            seen = np.clip(np.arange(-before, self.points + after), 0, self.points - 1)
            self.operator("GATHER", [source, self.constant(seen)], [padded], axis=1)
        elif not rows:
            self.operator("PAD", [source, self.constant([[0, 0], [before, after], [0, 0], [0, 0]])], [padded])
        w_scale = self.rng.uniform(0.2, 1.0, width) / 127
        w, b = self.weights((width, taps, 1, inner), w_scale, full=full), self.bias(width, w_scale * own[0])
        out = self.tensor((1, rows or self.points, 1, width), scale=scale, zero=zero)
        kind = self.schema.ActivationFunctionType.RELU if relu else self.schema.ActivationFunctionType.NONE
        valid = self.schema.Padding.VALID
        options = {"padding": valid, "strideH": 1, "strideW": 1, "dilationHFactor": dilation, "dilationWFactor": 1}
        self.operator("CONV_2D", [padded, w, b], [out], 3, fusedActivationFunction=kind, **options)
        return out

    def add(self, a: int, b: int, *, scale: float, zero: int, relu: bool = True) -> int:
        shape = tuple(self.graph.tensors[a].shape)
        out = self.tensor(shape, scale=scale, zero=zero)
        kind = self.schema.ActivationFunctionType.RELU if relu else self.schema.ActivationFunctionType.NONE
        self.operator("ADD", [a, b], [out], 2, fusedActivationFunction=kind)
        return out

    def join(self, sources: list[int]) -> int:
        out = self.rows(sum(self.widths[s] for s in sources), *self.scales[sources[0]])
        self.operator("CONCATENATION", sources, [out], 2, axis=2)
        return out

    def slice(self, source: int, start: int, stop: int) -> int:
        out = self.rows(stop - start, *self.scales[source])
        begin, end = self.constant([0, 0, start]), self.constant([0, 0, stop])
        places = [source, begin, end, self.constant([1, 1, 1])]
        self.operator("STRIDED_SLICE", places, [out], 2, beginMask=3, endMask=3)
        return out

    def content(self, source: int, out: int) -> bytes:
        """The file, from one input to one output."""
        import flatbuffers

        self.graph.inputs, self.graph.outputs = [source], [out]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def bilstm(points: int, inputs: int, units: int, seed: int, *, head: int = 0, **more: Any) -> bytes:
    """A bidirectional LSTM, a dense layer if asked for, and three outputs."""
    w = ModelWriter(points, seed)
    x = w.rows(inputs, 0.05, -4)
    back = w.reverse(w.lstm(w.reverse(x), units, scale=0.0078125, zero=0, **more))
    y = w.join([w.lstm(x, units, scale=0.0078125, zero=0, **more), back])
    if head:
        y = w.dense(y, head, scale=0.03, zero=-128, relu=True)
    return w.content(x, w.dense(y, 3, scale=0.02, zero=7))


def lstm(points: int, inputs: int, units: int, seed: int, *, layers: int = 1, **more: Any) -> bytes:
    """A forward LSTM of some layers, and three outputs."""
    w = ModelWriter(points, seed)
    x = y = w.rows(inputs, 0.05, 3)
    for _ in range(layers):
        y = w.lstm(y, units, scale=0.0075, zero=-2, **more)
    return w.content(x, w.dense(y, 3, scale=0.02, zero=7, many=False))


def tcn(
    points: int, inputs: int, units: int, seed: int, *, levels: int = 2, taps: int = 3, causal: bool = True
) -> bytes:
    """A residual convolutional network with dilation, and three outputs."""
    w = ModelWriter(points, seed)
    x = w.rows(inputs, 0.04, 5)
    y = w.image(x)
    for level in range(levels):
        dilation = 2**level
        before = (taps - 1) * dilation if causal else (taps - 1) // 2 * dilation
        more = {"taps": taps, "dilation": dilation, "before": before}
        a = w.conv(w.conv(y, units, scale=0.05, zero=-128, **more), units, scale=0.06, zero=-128, **more)
        around = y if level else w.conv(y, units, taps=1, dilation=1, before=0, scale=0.05, zero=-6, relu=False)
        y = w.add(a, around, scale=0.08, zero=-128)
    return w.content(x, w.dense(w.flat(y), 3, scale=0.05, zero=-1))


def lagged(points: int, inputs: int, units: int, seed: int, *, step: int = 3, causal: bool = True) -> bytes:
    """A forward LSTM, and beside it seven lags of which the row at the border stands for those beyond the window."""
    w = ModelWriter(points, seed)
    x = w.rows(inputs, 0.05, 3)
    before = (6 if causal else 3) * step
    held = {"taps": 7, "dilation": step, "before": before, "hold": True}
    path = w.flat(w.conv(w.image(x), 3, scale=0.09, zero=-4, relu=False, **held))
    head = w.dense(w.lstm(x, units, scale=0.0075, zero=-2), 3, scale=0.02, zero=7)
    return w.content(x, w.add(path, head, scale=0.08, zero=1, relu=False))


def over_the_window(points: int, inputs: int, units: int, seed: int, *, every: int = 4, full: bool = False) -> bytes:
    """A bidirectional LSTM, and beside it every so many-th row to five numbers, and these to the whole curve."""
    w = ModelWriter(points, seed)
    x = w.rows(inputs, 0.05, 0 if full else 3)
    taps = (points - 1) // every + 1
    assert (taps - 1) * every + 1 == points
    once = {"dilation": every, "before": 0, "relu": False, "rows": 1}
    few = w.conv(w.image(x), 5, taps=taps, scale=0.5 if full else 0.1, zero=2, full=full, **once)
    curve = w.conv(few, 3 * points, taps=1, scale=0.4, zero=-4, **once)
    path = w.rows(3, *w.scales[curve])
    w.operator("RESHAPE", [curve, w.constant([1, points, 3])], [path])
    both = [w.lstm(x, units, scale=0.0078125, zero=0), w.lstm(w.reverse(x), units, scale=0.0078125, zero=0)]
    head = w.dense(w.join([both[0], w.reverse(both[1])]), 3, scale=0.02, zero=7)
    return w.content(x, w.add(path, head, scale=0.3, zero=1, relu=False))


def with_statics(points: int, inputs: int, units: int, seed: int) -> bytes:
    """A bidirectional LSTM of the first channels; the last two join its features before the head."""
    w = ModelWriter(points, seed)
    x = w.rows(inputs, 0.0078125, 0)
    signals, statics = w.slice(x, 0, inputs - 2), w.slice(x, inputs - 2, inputs)
    back = w.reverse(w.lstm(w.reverse(signals), units, scale=0.0078125, zero=0))
    y = w.join([w.lstm(signals, units, scale=0.0078125, zero=0), back, statics])
    return w.content(x, w.dense(y, 3, scale=0.02, zero=7))


def activation(name: str, power: int) -> bytes:
    """LOGISTIC or TANH of all 65,536 numbers of 16 bits; the input's last bit is worth ``2**power``."""
    w = ModelWriter(1, 0)
    x, y = (w.tensor((1, 65536), "INT16", scale=s) for s in (2.0**power, 2.0**-15))
    w.operator(name, [x], [y], 3)
    return w.content(x, y)


def windows(count: int, points: int, width: int, seed: int) -> np.ndarray:
    """Random, smooth and saturating int8 windows, in turn."""
    rng = np.random.default_rng(seed)
    shape = (count, points, width)
    wild = rng.integers(-128, 128, shape)
    smooth = np.cumsum(rng.standard_normal(shape), axis=1) * rng.uniform(2, 20, (count, 1, width))
    stuck = np.where(rng.random((count, points // 20 + 1, width)) < 0.5, -128, 127).repeat(20, axis=1)[:, :points]
    kind = np.arange(count)[:, None, None] % 3
    chosen = np.where(kind == 0, wild, np.where(kind == 1, np.clip(np.rint(smooth), -128, 127), stuck))
    return np.asarray(chosen, dtype=np.int8)
