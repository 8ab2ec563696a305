"""A .tflite as layers of the C runtime: integer settings only, with every zero point folded into a bias.

The factors are those of TensorFlow Lite for Microcontrollers: scales multiplied in double precision, a multiplier of
31 bits and a power of two (Jacob et al. 2018, doi:10.1109/CVPR.2018.00286).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .c_layers import CAdd, CConv, CLstm, Factor, Graph, NoC, Part, factor
from .c_reader import CValue, GraphReader, check_rows, check_up, clamps
from .tflite_file import OperatorInfo, TensorInfo, TfliteFile

_GATE_SCALE, _GATE_INPUT_SCALE = 2.0**-15, 2.0**-12
"""Scales of an LSTM's gates in TensorFlow Lite's integer kernel: out of sigmoid and tanh, and into them."""


def read_graph(file: TfliteFile) -> Graph:
    """Return a file's layers.

    Raises
    ------
    NoC
        If the runtime lacks an operator or form of it; the operator and tensor are named.
    """
    reader = GraphReader(file)
    for operator in file.operators:
        handle = _HANDLERS.get(operator.name)
        if handle is None:
            raise NoC(f"{operator} is not in the C runtime; it has {', '.join(sorted(_HANDLERS))}")
        handle(reader, operator)
    return reader.graph()


def _reverse(reader: GraphReader, operator: OperatorInfo) -> None:
    _, axis = reader.constant(operator, 1)
    value = reader.value(operator)
    shape = reader.file.tensors[operator.inputs[0]].shape
    if axis.tolist() not in ([1], [1 - len(shape)]) or math.prod(shape[:-1]) != shape[1]:
        raise NoC(f"{operator} reverses axis {axis.tolist()} of {shape}; only time is reversed")
    reader.alias(operator, replace(value, reversed=not value.reversed))


def _reshape(reader: GraphReader, operator: OperatorInfo) -> None:
    value = reader.value(operator)
    shape = reader.file.tensors[operator.outputs[0]].shape
    width, rows = sum(p.width for p in value.parts), 1 if value.once else reader.points + sum(value.pad)
    whole = len(value.parts) == 1 and width == reader.widths[value.parts[0].buffer]
    if value.once and math.prod(shape) == width == reader.points * shape[-1] and whole:
        folded = Part(value.parts[0].buffer, 0, shape[-1], folded=True)
        reader.alias(operator, replace(value, parts=(folded,), once=False))
        return
    if shape[-1] != width or math.prod(shape) != width * rows:
        raise NoC(f"{operator} makes {shape}; the C runtime keeps rows of {width} channels")
    reader.alias(operator, value)


def _pad(reader: GraphReader, operator: OperatorInfo) -> None:
    value = reader.in_order(operator)
    shape = reader.file.tensors[operator.inputs[0]].shape
    _, sizes = reader.constant(operator, 1)
    time = [k for k, n in enumerate(shape) if n == reader.points and k < len(shape) - 1]
    others = [k for k in range(len(shape)) if k != (time[0] if time else -1) and sizes[k].any()]
    if not time or others:
        raise NoC(f"{operator} pads {sizes.tolist()} of {shape}; only time is padded")
    before, after = (int(v) for v in sizes[time[0]])
    if value.hold or value.once:
        raise NoC(f"{operator} pads rows that are padded already, or a single one")
    # no layer: the convolution that reads these rows takes the padding as rows before and after its window
    reader.alias(operator, replace(value, pad=(value.pad[0] + before, value.pad[1] + after)))


def _gather(reader: GraphReader, operator: OperatorInfo) -> None:
    value = reader.in_order(operator)
    shape = reader.file.tensors[operator.inputs[0]].shape
    _, rows = reader.constant(operator, 1)
    axis = int(operator.options.get("axis", 0)) % len(shape)
    before, after = int((rows == 0).sum()) - 1, int((rows == reader.points - 1).sum()) - 1
    held = rows.shape == (reader.points + before + after,) and before >= 0 <= after
    if not held or shape[axis] != reader.points or value.pad != (0, 0) or value.once:
        raise NoC(f"{operator} takes rows {rows.tolist()[:8]} ... of {shape}; only the rows at both ends are repeated")
    if rows.tolist() != np.clip(np.arange(-before, reader.points + after), 0, reader.points - 1).tolist():
        raise NoC(f"{operator} takes rows {rows.tolist()[:8]} ... in another order than that of time")
    reader.alias(operator, replace(value, pad=(before, after), hold=True))


def _slice(reader: GraphReader, operator: OperatorInfo) -> None:
    value = reader.value(operator)
    source, target = (reader.file.tensors[k] for k in (operator.inputs[0], operator.outputs[0]))
    begin, stride = reader.constant(operator, 1)[1], reader.constant(operator, 3)[1]
    # a set bit of begin_mask means "from the start", whatever begin says
    masked = int(operator.options.get("begin_mask", 0)) >> (len(source.shape) - 1) & 1
    whole = len(value.parts) == 1 and value.pad == (0, 0) and not value.parts[0].folded
    if source.shape[:-1] != target.shape[:-1] or stride[-1] != 1 or not whole:
        raise NoC(f"{operator} cuts {source.shape} to {target.shape}; only neighbouring channels are cut out")
    part, start = value.parts[0], 0 if masked else int(begin[-1]) % source.shape[-1]
    reader.alias(operator, replace(value, parts=(Part(part.buffer, part.start + start, target.shape[-1]),)))


def _join(reader: GraphReader, operator: OperatorInfo) -> None:
    values = [reader.value(operator, k) for k in range(len(operator.inputs))]
    rank = len(reader.file.tensors[operator.outputs[0]].shape)
    first = values[0]
    if int(operator.options["axis"]) not in (rank - 1, -1) or any(v.pad != (0, 0) or v.once for v in values):
        raise NoC(f"{operator} joins along axis {operator.options['axis']}; only channels are joined")
    for value in values:
        if (value.scale, value.zero, value.reversed) != (first.scale, first.zero, first.reversed):
            raise NoC(f"{operator} joins tensors of scales {first.scale:.9g} and {value.scale:.9g}; repair the file")
    reader.alias(operator, replace(first, parts=tuple(p for v in values for p in v.parts)))


def _lstm(reader: GraphReader, operator: OperatorInfo) -> None:
    value = reader.value(operator)
    # inputs of TensorFlow Lite's LSTM: 1-8 weights, 9-11 peepholes, 12-15 biases, 16-17 projection, 18 hidden state,
    # 19 cell state, 20-23 layer norms
    left_out = [k for k in (*range(9, 12), *range(16, 18), *range(20, 24)) if reader.file.tensor(operator, k)]
    gates = [reader.constant(operator, k) for k in range(1, 5)]
    hidden, cell = reader.file.tensor(operator, 18), reader.file.tensor(operator, 19)
    options = operator.options
    if left_out or value.pad != (0, 0) or value.once or options.get("time_major") or options.get("proj_clip"):
        raise NoC(f"{operator} has peepholes, a projection or a norm (inputs {left_out}), time major or padding")
    if hidden is None or cell is None or gates[0][0].dtype != "int8" or cell.dtype != "int16":
        raise NoC(f"{operator} is not of int8 weights and an int16 cell")
    reader.add(
        operator,
        value.parts,
        _lstm_settings(reader, operator, value, hidden, cell),
        reversed=value.reversed,
    )


def _lstm_settings(
    reader: GraphReader, operator: OperatorInfo, value: CValue, hidden: TensorInfo, cell: TensorInfo
) -> CLstm:
    inputs = [reader.constant(operator, k) for k in range(1, 5)]
    recurrent = [reader.constant(operator, k) for k in range(5, 9)]
    biases = np.stack([reader.constant(operator, k)[1] for k in range(12, 16)], axis=1)
    w, u = (np.stack([g[1] for g in gates], axis=1) for gates in (inputs, recurrent))
    # kernels and runtime scale the int16 cell by shifts alone
    power = round(math.log2(cell.scale))
    if 2.0**power != cell.scale or not -31 <= power <= 0:
        raise NoC(f"{operator}: cell state '{cell.name}' has the scale {cell.scale:.9g}, expected a power of two")
    out = reader.file.tensors[operator.outputs[0]]
    if (out.scale, out.zero_point) != (hidden.scale, hidden.zero_point):
        raise NoC(f"{operator}: hidden state '{hidden.name}' and output '{out.name}' differ in scale; repair the file")
    clip = float(operator.options.get("cell_clip") or 0.0)
    # products and quotients as TensorFlow Lite Micro forms them, so that every factor is rounded as there
    settings = CLstm(
        input_weights=w,
        recurrent_weights=u,
        input_bias=biases - value.zero * w.sum(axis=2),
        recurrent_bias=-hidden.zero_point * u.sum(axis=2),
        input_scale=tuple(factor(value.scale * g[0].scale / _GATE_INPUT_SCALE) for g in inputs),
        recurrent_scale=tuple(factor(hidden.scale * g[0].scale / _GATE_INPUT_SCALE) for g in recurrent),
        forget=factor(_GATE_SCALE * cell.scale / cell.scale),
        update=factor(_GATE_SCALE * _GATE_SCALE / cell.scale),
        output=factor(_GATE_SCALE * _GATE_SCALE / hidden.scale),
        cell_power=power,
        clip=int(min(clip / cell.scale, 32767.0)) if clip > 0 else 0,
        zero=hidden.zero_point,
    )
    # each of them is applied to a product of two 16-bit numbers, 2^30 at most
    for scale in (settings.forget, settings.update, settings.output):
        check_up(operator, 2**30, scale)
    check_rows(operator, w, settings.input_bias, settings.input_scale)
    check_rows(operator, u, settings.recurrent_bias, settings.recurrent_scale)
    return settings


def _products(weights: TensorInfo, value: CValue, out: TensorInfo, *, single: bool) -> tuple[Factor, ...]:
    """Return the factors of the outputs; a tensor of one scale multiplies in single precision, as TFLM does."""
    if single and len(weights.scales) == 1:
        product = float(np.float32(value.scale) * np.float32(weights.scale))
        return (factor(product / out.scale),)
    return tuple(factor(value.scale * s / out.scale) for s in weights.scales)


def _rows_of(
    reader: GraphReader,
    operator: OperatorInfo,
    value: CValue,
    weights: TensorInfo,
    rows: NDArray[np.int64],
    **more: Any,
) -> None:
    """Add a convolution of weights ``(outputs, taps, channels)``."""
    out = reader.out(operator)
    bias = np.zeros(len(rows), dtype=np.int64)
    if reader.file.tensor(operator, 2) is not None:
        bias = reader.constant(operator, 2)[1]
    flat = rows.reshape(len(rows), -1)
    low, high = clamps(operator, out)
    scale = _products(weights, value, out, single=operator.name == "FULLY_CONNECTED")
    if rows.shape[2] != sum(p.width for p in value.parts) or (weights.scales and weights.zero_point):
        raise NoC(f"{operator}: weights '{weights.name}' {weights.shape} do not fit its input, or have a zero point")
    # sum of w (x - zero) = sum of w x, minus zero times the sum of w: the second part is constant
    folded = bias - value.zero * flat.sum(axis=1)
    check_rows(operator, flat, folded, scale)
    common: dict[str, Any] = {"pad": value.zero, "zero": out.zero_point, "low": low, "high": high}
    reader.add(operator, value.parts, CConv(flat, folded, scale, rows.shape[1], **more, **common))


def _dense(reader: GraphReader, operator: OperatorInfo) -> None:
    value = reader.in_order(operator)
    weights, values = reader.constant(operator, 1)
    if value.pad != (0, 0) or weights.dtype != "int8":
        raise NoC(f"{operator} reads padded rows or weights of {weights.dtype}")
    _rows_of(reader, operator, value, weights, values[:, None, :], dilation=1, before=0, after=0)


def _conv(reader: GraphReader, operator: OperatorInfo) -> None:
    value = reader.in_order(operator)
    weights, values = reader.constant(operator, 1)
    shape = reader.file.tensors[operator.inputs[0]].shape
    # time is the image axis that is not 1 long; nothing is filtered along the other
    tall = shape[1] != 1
    across, along = ("w", "h") if tall else ("h", "w")
    taps, other = (values.shape[1], values.shape[2]) if tall else (values.shape[2], values.shape[1])
    if other != 1 or shape[2 if tall else 1] != 1 or {operator.options[f"stride_{a}"] for a in "hw"} != {1}:
        raise NoC(f"{operator} filters {weights.shape} over {shape} along {along} and {across}; only time is filtered")
    dilation = int(operator.options.get(f"dilation_{along}_factor", 1))
    span = (taps - 1) * dilation
    before, after = value.pad
    # TensorFlow puts the odd row of SAME after the window
    if operator.options["padding"] == "SAME":
        before, after = before + span // 2, after + span - span // 2
    # a row out for each row in, or one in all
    rows = (1 if value.once else reader.points) + before + after - span
    if rows not in (1, reader.points) or (rows == 1 and before) or (value.once and rows != 1):
        raise NoC(f"{operator} pads {before} + {after} rows for a filter that spans {span}: the window would change")
    more: dict[str, Any] = {"dilation": dilation, "before": before, "after": span - before, "hold": value.hold}
    _rows_of(reader, operator, value, weights, values.reshape(len(values), taps, -1), **more)


def _add(reader: GraphReader, operator: OperatorInfo) -> None:
    first, second = reader.every_row(operator, 0), reader.every_row(operator, 1)
    out = reader.out(operator)
    parts = (*first.parts, *second.parts)
    if len(parts) != 2 or {p.width for p in parts} != {out.shape[-1]}:
        raise NoC(f"{operator} adds tensors of {[p.width for p in parts]} channels, expected two of {out.shape[-1]}")
    # as TensorFlow Lite's ADD: both inputs brought to twice the larger scale, with 20 bits of headroom
    twice = 2.0 * max(first.scale, second.scale)
    low, high = clamps(operator, out)
    settings = CAdd(
        first_zero=first.zero,
        second_zero=second.zero,
        zero=out.zero_point,
        low=low,
        high=high,
        first=factor(first.scale / twice),
        second=factor(second.scale / twice),
        sum=factor(twice / (2.0**20 * out.scale)),
    )
    # two differences of int8 (below 2^8 each), shifted up by 20 bits
    check_up(operator, 2**29, settings.sum)
    reader.add(operator, parts, settings)


_HANDLERS: dict[str, Callable[[GraphReader, OperatorInfo], None]] = {
    "REVERSE_V2": _reverse,
    "RESHAPE": _reshape,
    "EXPAND_DIMS": _reshape,
    "SQUEEZE": _reshape,
    "PAD": _pad,
    "GATHER": _gather,
    "STRIDED_SLICE": _slice,
    "CONCATENATION": _join,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
    "FULLY_CONNECTED": _dense,
    "CONV_2D": _conv,
    "ADD": _add,
}
