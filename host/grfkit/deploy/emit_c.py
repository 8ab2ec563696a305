"""An int8 .tflite as C: const arrays and tables of layers for the runtime in firmware_models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..embedded.compile import RUNTIME
from ..errors import BadInputError
from .c_graph import read_graph
from .c_layers import CAdd, CConv, CLayer, CLstm, Factor, Part
from .c_layout import Layout, lay_out
from .render import braced, render
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
    layers = [_c_layer(k, layer, layout) for k, layer in enumerate(layout.layers)]
    content = {
        "name": name, "upper": name.upper(), "layout": layout, "file": file, "runtime_number": _runtime_number()
    }  # fmt: skip
    return CModel(
        name=name,
        source=render("c/NAME.c", layers=layers, **_tables(layout, layers), **content),
        header=render("c/NAME.h", **content),
        scratch_bytes=layout.scratch_bytes,
        const_bytes=sum(array.item_bytes * len(array.values) for layer in layers for array in layer.arrays),
        points=layout.points,
        inputs=layout.buffers[0].width,
        outputs=file.output.shape[-1],
        stream=layout.stream,
    )


def _runtime_number() -> int:
    """Return the number of the runtime's structures, which a model's C has to be compiled against."""
    number = re.search(
        r"^#define GRF_RUNTIME (\d+)$", (RUNTIME / "grf_model.h").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert number is not None
    return int(number[1])


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
    count, width = (-(-n // 4) * 4 for n in rows.shape)  # rounded up
    padded = np.zeros((count, width), dtype=np.int64)
    padded[: rows.shape[0], : rows.shape[1]] = rows
    pairs = 256 * padded[1::2] + padded[0::2]
    # for four inputs come four numbers of the first pair of rows, then four of the second
    blocks = pairs.reshape(count // 4, 2, width // 4, 4).transpose(0, 2, 1, 3)
    return np.asarray(blocks.reshape(-1), dtype=np.int16)


@dataclass(frozen=True)
class _Array:
    """A const array: its type in C, its name, and what an item takes in flash."""

    type: str
    name: str
    item_bytes: int
    values: Sequence[object]


@dataclass(frozen=True)
class _LayerText:
    """A layer as C: its const arrays, and the fields of its settings in rows; no fields where it has no settings."""

    name: str
    kind: str
    arrays: tuple[_Array, ...] = ()
    fields: tuple[tuple[object, ...], ...] = ()


def _scale(factor: Factor) -> str:
    return braced((factor.multiplier, factor.up, factor.right))


def _c_layer(k: int, layer: CLayer, layout: Layout) -> _LayerText:
    settings = layer.settings
    if isinstance(settings, CLstm):
        arrays, fields = _lstm(k, settings, layout.states[k])
    elif isinstance(settings, CConv):
        arrays, fields = _conv(k, settings, layout.states.get(k, (0, 0))[0])
    elif isinstance(settings, CAdd):
        arrays, fields = (), _add(settings)
    else:
        arrays, fields = (), ()
    return _LayerText(layer.name, settings.kind, arrays, fields)


def _lstm(k: int, layer: CLstm, state: tuple[int, int]) -> tuple[tuple[_Array, ...], tuple[tuple[object, ...], ...]]:
    """Return arrays and fields of ``grf_lstm_t``; ``state`` are the offsets of hidden and cell state."""
    units, _, width = layer.input_weights.shape
    both = (layer.input_weights, layer.recurrent_weights)
    weights = np.concatenate([pack_rows(w.reshape(4 * units, -1)).reshape(units, -1) for w in both], axis=1)
    bias = np.concatenate([layer.input_bias, layer.recurrent_bias], axis=1)
    # biases go out doubled, because grf_mac4 leaves its sums doubled for grf_rescale; a clip of 32768 is none
    # tanh takes its input in thirds of 2^-12, so that the cell is multiplied by 3 * 2^shift
    shift = 12 + layer.cell_power
    tanh = (3 << shift, 0, 0) if shift >= 0 else (3, 1 << (-shift - 1), -shift)
    return (
        (
            _Array("int16_t", f"weights_{k}", 2, weights.reshape(-1).tolist()),
            _Array("int32_t", f"bias_{k}", 4, (2 * bias.reshape(-1)).tolist()),
        ),
        (
            (units, -(-width // 4), -(-units // 4), layer.clip or 32768, layer.zero, *state),
            (f"weights_{k}", f"bias_{k}"),
            (braced(map(_scale, layer.input_scale)),),
            (braced(map(_scale, layer.recurrent_scale)),),
            (*map(_scale, (layer.forget, layer.update, layer.output)), braced(tanh)),
        ),
    )


def _conv(k: int, layer: CConv, sums: int) -> tuple[tuple[_Array, ...], tuple[tuple[object, ...], ...]]:
    """Return arrays and fields of ``grf_conv_t``; ``sums`` is the offset of a partial one's int32 sums."""
    arrays = [_Array("int16_t", f"weights_{k}", 2, pack_rows(layer.weights).tolist())]
    bias = scale = "0"
    # sums that are taken up have the bias in them already
    if layer.partial != 2:
        bias = f"bias_{k}"
        padded = np.zeros(-(-len(layer.bias) // 4) * 4, dtype=np.int64)
        padded[: len(layer.bias)] = 2 * layer.bias
        arrays.append(_Array("int32_t", bias, 4, padded.tolist()))
    if layer.partial != 1:
        scale = f"scale_{k}"
        arrays.append(_Array("grf_scale_t", scale, 8, list(map(_scale, layer.scale))))
    many = int(len(layer.scale) > 1)
    width = -(-layer.weights.shape[1] // 4)
    return tuple(arrays), (
        (len(layer.weights), layer.taps, layer.dilation, layer.before, width),
        (layer.pad, layer.zero, layer.low, layer.high, many, layer.partial, int(layer.hold), sums),
        (f"weights_{k}", bias, scale),
    )


def _add(layer: CAdd) -> tuple[tuple[object, ...], ...]:
    """Return the fields of ``grf_add_t``."""
    return (
        (layer.first_zero, layer.second_zero, layer.zero, layer.low, layer.high),
        tuple(map(_scale, (layer.first, layer.second, layer.sum))),
    )


def _tables(layout: Layout, layers: Sequence[_LayerText]) -> dict[str, list[tuple[object, ...]]]:
    """Return views, layers in the order in which they run, and groups; each row as the runtime's struct has it."""
    parts: dict[Part, int] = {}
    rows: list[tuple[object, ...]] = []
    groups: list[tuple[object, ...]] = []
    for members, backwards in layout.groups:
        groups.append((len(rows), len(members), int(backwards), int(layout.layers[members[0]].once)))
        for k in members:
            layer = layout.layers[k]
            sources = [parts.setdefault(part, len(parts)) for part in layer.sources]
            target = Part(layer.target, 0, layout.buffers[layer.target].width)
            pointer = f"&layer_{k}" if layers[k].fields else "0"
            kind = f"GRF_{layers[k].kind.upper()}"
            rows.append((kind, len(sources), braced(sources), parts.setdefault(target, len(parts)), pointer))
    views: list[tuple[object, ...]] = []
    for part in parts:
        buffer = layout.buffers[part.buffer]
        stride = part.width if part.folded else buffer.width
        rows_kept = buffer.rows * buffer.width // stride
        views.append((buffer.offset + part.start, stride, rows_kept, part.width, _PLACES[buffer.place]))
    return {"views": views, "rows": rows, "groups": groups}
