"""An int8 .tflite as C: const arrays and tables of layers for the runtime in firmware_models."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from .c_graph import read_graph
from .c_layers import Add, Conv, Copy, Factor, Layer, Lstm, Part
from .c_layout import Layout, lay_out
from .tflite_file import TfliteFile

_PLACES = {"input": "GRF_INPUT", "output": "GRF_OUTPUT", "scratch": "GRF_SCRATCH"}


@dataclass(frozen=True)
class CModel:
    """A model in C.

    Attributes
    ----------
    source, header
        Texts of ``<name>.c`` and ``<name>.h``.
    scratch_bytes
        What the caller hands over for a window; weights and tables are const and stay in flash.
    const_bytes
        Bytes of the const arrays of weights, biases and factors (the layer tables come on top).
    stream
        Whether rows may come one by one (``grf_model_step``).
    """

    name: str
    source: str
    header: str
    scratch_bytes: int
    const_bytes: int
    points: int
    inputs: int
    outputs: int
    stream: bool


def c_model(file: TfliteFile, name: str) -> CModel:
    """Return the model in C.

    Parameters
    ----------
    name
        Of the files and symbols: ``grf_<name>`` and macros ``GRF_<NAME>_...``.

    Raises
    ------
    NoC
        If the runtime lacks an operator of the file, or a form of it; operator and tensor are named.
    BadInputError
        If the name is no C identifier.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise BadInputError(f"'{name}' is no name for C files; expected small letters, digits and underscores")
    layout = lay_out(read_graph(file))
    text = _Text()
    text.line(f'#include "{name}.h"\n')
    settings = [_layer(text, k, layer, layout) for k, layer in enumerate(layout.layers)]
    _tables(text, name, layout, settings)
    return CModel(
        name=name,
        source="\n".join(text.lines) + "\n",
        header=_header(name, layout, file),
        scratch_bytes=layout.scratch_bytes,
        const_bytes=text.bytes,
        points=layout.points,
        inputs=layout.buffers[0].width,
        outputs=file.output.shape[-1],
        stream=layout.stream,
    )


def pack_rows(rows: NDArray[np.int64]) -> NDArray[np.int16]:
    """Return weights as ``grf_mac4`` reads them: rows in fours, two rows in one number of 16 bits.

    Parameters
    ----------
    rows
        Shape (rows, inputs), -127 to 127.

    Returns
    -------
    array
        Shape (rows / 4 * inputs / 4 * 8,), both rounded up.
    """
    count, width = (-(-n // 4) * 4 for n in rows.shape)
    padded = np.zeros((count, width), dtype=np.int64)
    padded[: rows.shape[0], : rows.shape[1]] = rows
    pairs = 256 * padded[1::2] + padded[0::2]
    blocks = pairs.reshape(count // 4, 2, width // 4, 4).transpose(0, 2, 1, 3)
    return np.asarray(blocks.reshape(-1), dtype=np.int16)


class _Text:
    """Lines of C, and how many bytes their arrays take."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.bytes = 0

    def line(self, text: str) -> None:
        self.lines.append(text)

    def array(self, kind: str, name: str, values: Iterable[object], size: int) -> None:
        items = [str(v) for v in values]
        self.bytes += size * len(items)
        self.line(f"static const {kind} {name}[{len(items)}] GRF_ALIGNED = {{")
        row = "   "
        for item in items:
            if len(row) + len(item) > 115:
                self.line(row)
                row = "   "
            row += f" {item},"
        self.line(row + "\n};\n")


def _scale(one: Factor) -> str:
    return f"{{{one.multiplier}, {one.up}, {one.right}}}"


def _layer(text: _Text, k: int, layer: Layer, layout: Layout) -> str:
    """Write a layer's arrays and settings; return the pointer to them."""
    text.line(f"/* {layer.name.replace('*/', '')} */")
    if isinstance(layer.settings, Lstm):
        _lstm(text, k, layer.settings, layout.states[k])
    elif isinstance(layer.settings, Conv):
        _conv(text, k, layer.settings, layout.states.get(k, (0, 0))[0])
    elif isinstance(layer.settings, Add):
        _add(text, k, layer.settings)
    return "0" if isinstance(layer.settings, Copy) else f"&layer_{k}"


def _lstm(text: _Text, k: int, one: Lstm, state: tuple[int, int]) -> None:
    units, _, width = one.input_weights.shape
    rows = [pack_rows(w.reshape(4 * units, -1)).reshape(units, -1) for w in (one.input_weights, one.recurrent_weights)]
    text.array("int16_t", f"weights_{k}", np.concatenate(rows, axis=1).reshape(-1), 2)
    bias = np.concatenate([one.input_bias, one.recurrent_bias], axis=1)
    text.array("int32_t", f"bias_{k}", 2 * bias.reshape(-1), 4)
    shift = 12 + one.cell_power
    tanh = f"{{{3 << shift}, 0, 0}}" if shift >= 0 else f"{{3, {1 << (-shift - 1)}, {-shift}}}"
    text.line(f"static const grf_lstm_t layer_{k} = {{")
    text.line(
        f"    {units}, {-(-width // 4)}, {-(-units // 4)}, {one.clip or 32768}, {one.zero}, {state[0]}, {state[1]},"
    )
    text.line(f"    weights_{k}, bias_{k},")
    for scales in (one.input_scale, one.recurrent_scale):
        text.line(f"    {{{', '.join(_scale(s) for s in scales)}}},")
    text.line(f"    {_scale(one.forget)}, {_scale(one.update)}, {_scale(one.output)}, {tanh}}};\n")


def _conv(text: _Text, k: int, one: Conv, sums: int) -> None:
    text.array("int16_t", f"weights_{k}", pack_rows(one.weights), 2)
    if one.partial != 2:
        padded = np.zeros(-(-len(one.bias) // 4) * 4, dtype=np.int64)
        padded[: len(one.bias)] = 2 * one.bias
        text.array("int32_t", f"bias_{k}", padded, 4)
    if one.partial != 1:
        text.array("grf_scale_t", f"scale_{k}", map(_scale, one.scale), 8)
    bias = "0" if one.partial == 2 else f"bias_{k}"
    scale = "0" if one.partial == 1 else f"scale_{k}"
    text.line(f"static const grf_conv_t layer_{k} = {{")
    text.line(f"    {len(one.weights)}, {one.taps}, {one.dilation}, {one.before}, {-(-one.weights.shape[1] // 4)},")
    text.line(f"    {one.pad}, {one.zero}, {one.low}, {one.high}, {int(len(one.scale) > 1)}, {one.partial}, {sums},")
    text.line(f"    weights_{k}, {bias}, {scale}}};\n")


def _add(text: _Text, k: int, one: Add) -> None:
    text.line(f"static const grf_add_t layer_{k} = {{")
    text.line(f"    {one.first_zero}, {one.second_zero}, {one.zero}, {one.low}, {one.high},")
    text.line(f"    {_scale(one.first)}, {_scale(one.second)}, {_scale(one.sum)}}};\n")


def _tables(text: _Text, name: str, layout: Layout, settings: list[str]) -> None:
    views: list[Part] = []

    def view(part: Part) -> int:
        if part not in views:
            views.append(part)
        return views.index(part)

    rows, groups, first = [], [], 0
    for members, backwards in layout.groups:
        groups.append(f"{{{first}, {len(members)}, {int(backwards)}}}")
        first += len(members)
        for k in members:
            one = layout.layers[k]
            sources = ", ".join(str(view(p)) for p in one.sources)
            target = view(Part(one.target, 0, layout.buffers[one.target].width))
            kind = f"GRF_{type(one.settings).__name__.upper()}"
            rows.append(f"    {{{kind}, {len(one.sources)}, {{{sources}}}, {target}, {settings[k]}}},")
    text.line("static const grf_view_t views[] = {")
    for part in views:
        buffer = layout.buffers[part.buffer]
        place = f"{buffer.offset + part.start}, {buffer.width}, {buffer.rows}, {part.width}"
        text.line(f"    {{{place}, {_PLACES[buffer.place]}}},")
    text.line("};\n\nstatic const grf_layer_t layers[] = {")
    text.lines.extend(rows)
    text.line(f"}};\n\nstatic const grf_group_t groups[] = {{{', '.join(groups)}}};\n")
    prefix = f"GRF_{name.upper()}_"
    text.line(f"const grf_model_t grf_{name} = {{")
    text.line(f"    {prefix}POINTS, {prefix}INPUTS, {prefix}OUTPUTS, {len(groups)}, {prefix}STREAM,")
    text.line(f"    {prefix}SCRATCH_BYTES, groups, layers, views}};")


def _header(name: str, layout: Layout, file: TfliteFile) -> str:
    prefix = f"GRF_{name.upper()}_"
    macros = {
        "POINTS": layout.points,
        "INPUTS": layout.buffers[0].width,
        "OUTPUTS": file.output.shape[-1],
        "STREAM": int(layout.stream),
        "SCRATCH_BYTES": f"{layout.scratch_bytes}u",
        "SCRATCH_WORDS": f"({prefix}SCRATCH_BYTES / 4u)",
        "INPUT_SCALE": f"{file.input.scale:.9g}f",
        "INPUT_ZERO": file.input.zero_point,
        "OUTPUT_SCALE": f"{file.output.scale:.9g}f",
        "OUTPUT_ZERO": file.output.zero_point,
    }
    lines = [
        f"/* The model {name}: give grf_model_run an array uint32_t scratch[{prefix}SCRATCH_WORDS]. */",
        f"#ifndef GRF_DATA_{name.upper()}_H",
        f"#define GRF_DATA_{name.upper()}_H",
        "",
        '#include "grf_model.h"',
        "",
        *(f"#define {prefix}{key} {value}" for key, value in macros.items()),
        "",
        f"extern const grf_model_t grf_{name};",
        "",
        "#endif",
    ]
    return "\n".join(lines) + "\n"
