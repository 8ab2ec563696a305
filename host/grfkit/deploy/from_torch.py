"""A trained torch network -> Plan: batch norms folded, weights in the order of the plan, statics part of the input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from ..learn.batches import Windows
from ..learn.model import GrfModel
from ..records.stance_set import StanceSet
from .from_linear import path_layers
from .layers import Add, Conv, Dense, Join, Layer, Lstm, Pool, Reshape, Singles
from .plan import INPUT, STATICS, Plan


def plan_of(model: GrfModel, points: int | None = None) -> Plan:
    """Return the plan of a model for windows of ``points`` samples (None: as in training).

    Raises
    ------
    BadInputError
        If its network, or the way its statics enter, cannot be quantised.
    """
    scaler, network = model.spec.scaler, model.network
    planned = network_plan(network, model.spec.points if points is None else points)
    if scaler.per_point and planned.points != len(scaler.point_centre):
        raise BadInputError(
            f"the model scales every one of {len(scaler.point_centre)} points of a stance on its own, not of"
            f" {planned.points}; cut stances to that many"
        )
    return replace(
        planned,
        axes=scaler.axes,
        centre=scaler.target_point_centre if scaler.per_point else scaler.target_centre,
        size=scaler.target_point_size if scaler.per_point else scaler.target_size,
        unit="N" if scaler.target == "newton" else "BW",
    )


def network_plan(network: Any, points: int) -> Plan:
    """Return the plan of a :class:`~grfkit.learn.networks.ForceNetwork`, its outputs as they are.

    Raises
    ------
    BadInputError
        If the network, or the way its statics enter, cannot be quantised.
    """
    name, shape = str(network.config.name), network.shape
    if name in _NO_PATH:
        raise BadInputError(
            f"{_NO_PATH[name]} has no path to eight bits; train ridge or a network: grf-train --method ridge, or"
            f" --network bilstm (or {', '.join(n for n in _BODIES if n != 'bilstm')})"
        )
    if name not in (*_BODIES, LINEAR):
        raise BadInputError(
            f"network '{name}' cannot be quantised (its 8-bit conversion fails or is not exact); train one of"
            f" {', '.join(_BODIES)}"
        )
    draft = _Draft(points, shape.channels + shape.statics)
    if network.linear is not None:
        for layer in path_layers(network.linear, points, draft.width, channels=shape.channels):
            draft.add(layer)
    if name != LINEAR:
        _beside(draft, network)
    axes = tuple(f"axis_{i}" for i in range(shape.axes))
    zeros, ones = (0.0,) * shape.axes, (1.0,) * shape.axes
    return Plan(name, points, draft.width, shape.statics, tuple(draft.layers), axes, zeros, ones, "BW")


def _beside(draft: _Draft, network: Any) -> None:
    """Take body and head, whose answer is added to that of the layers before."""
    name, shape = str(network.config.name), network.shape
    straight = draft.layers[-1].name if draft.layers else None
    if network.film is not None:
        raise BadInputError(
            f"network '{name}' takes its statics by FiLM, which cannot be quantised; train it with statics_by 'concat'"
            " or 'tile'"
        )
    tiled = network.config.statics_by == "tile"
    features = _BODIES[name](draft, network.body, shape.channels + (shape.statics if tiled else 0))
    if shape.statics and not tiled:
        # a dense layer of ones and zeros takes the statics out of the input: a slice copies bytes, and would tie the
        # scale of the input to that of the features
        picks = np.zeros((draft.width, shape.statics), dtype=np.float32)
        picks[shape.channels :] = np.eye(shape.statics, dtype=np.float32)
        draft.add(Dense(STATICS, (INPUT,), picks, np.zeros(shape.statics, dtype=np.float32)))
        features = draft.add(Join("features", (*draft.unjoined(features), STATICS)))
    answer = _head(draft, network.head, features)
    if straight is not None:
        draft.add(Add("sum", (straight, answer), relu=False))


def plan_inputs(model: GrfModel, data: StanceSet) -> Singles:
    """Return the scaled inputs (n, points, width) of a plan: channels, masks, then statics repeated over time."""
    import torch

    scaler = model.spec.scaler
    parts = []
    for batch in Windows(data, scaler.channels, scaler.statics, (), memory_mb=0).in_order():
        x = scaler.inputs(torch.from_numpy(batch.inputs)).numpy()
        s = scaler.scaled_statics(torch.from_numpy(batch.statics)).numpy()
        parts.append(np.concatenate([x, np.repeat(s[:, None, :], x.shape[1], axis=1)], axis=2))
    return np.asarray(np.concatenate(parts), dtype=np.float32)


class _Draft:
    """The layers so far."""

    def __init__(self, points: int, width: int) -> None:
        self.points, self.width = points, width
        self.layers: list[Layer] = []
        self.order: NDArray[np.int64] | None = None
        """Torch's place of each input of the next weights, where the plan orders them otherwise; None: as in torch."""

    def add(self, layer: Layer) -> str:
        """Take a layer as the next one; return its name."""
        self.layers.append(layer)
        return layer.name

    def unjoined(self, name: str) -> tuple[str, ...]:
        """Return the parts of a join, which is taken back, or the name of any other layer."""
        layer = next(n for n in self.layers if n.name == name)
        if not isinstance(layer, Join):
            return (name,)
        self.layers.remove(layer)
        return layer.inputs

    def rows(self, kernel: Singles, source: str) -> Singles:
        """Return a kernel (inputs, ...) that takes all of its source; statics that are new to it get weights of 0."""
        if self.order is not None:
            kernel, self.order = kernel[self.order], None
        if source == INPUT and kernel.shape[0] < self.width:
            kernel = np.concatenate([kernel, np.zeros((self.width - len(kernel), *kernel.shape[1:]), np.float32)])
        return np.ascontiguousarray(kernel)


def _array(tensor: Any) -> Singles:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float32)


def _lstms(draft: _Draft, cell: Any, source: str) -> str:
    for layer in range(cell.num_layers):
        directions = [
            _lstm(draft, cell, layer, source, reverse=r) for r in ((False, True) if cell.bidirectional else (False,))
        ]
        for direction in directions:
            draft.add(direction)
        source = directions[0].name
        if len(directions) == 2:
            source = draft.add(Join(f"both_{layer}", (directions[0].name, directions[1].name)))
        draft.order = None
    return source


def _lstm(draft: _Draft, cell: Any, layer: int, source: str, *, reverse: bool) -> Lstm:
    """Return one direction of one layer; torch's gates i, f, g, o are the plan's input, forget, cell, output."""
    end = f"_l{layer}" + ("_reverse" if reverse else "")
    order = draft.order
    kernel = draft.rows(_array(getattr(cell, f"weight_ih{end}")).T, source)
    # rows() spends the order, but both directions of a layer read the same source
    draft.order = order
    recurrent = np.ascontiguousarray(_array(getattr(cell, f"weight_hh{end}")).T)
    # torch has two biases, Keras one; added in double precision, to be rounded once
    bias = _array(getattr(cell, f"bias_ih{end}").double() + getattr(cell, f"bias_hh{end}").double())
    return Lstm(f"{'backward' if reverse else 'forward'}_{layer}", (source,), kernel, recurrent, bias, reverse)


def _folded(conv: Any, norm: Any) -> tuple[Singles, Singles]:
    """Return weight and bias of a convolution with its batch norm in them, in torch's order."""
    weight, bias = conv.weight.detach().double(), conv.bias.detach().double()
    if norm is not None:
        # a batch norm at inference is a factor and an offset for each channel: double precision, to be rounded once
        factor = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
        bias = (bias - norm.running_mean.double()) * factor + norm.bias.detach().double()
    return _array(weight), _array(bias)


def _conv1d(draft: _Draft, name: str, source: str, conv: Any, norm: Any, *, pad: tuple[int, int], relu: bool) -> str:
    weight, bias = _folded(conv, norm)
    if source == INPUT:
        source = _rows_of(draft, INPUT, 1)
    kernel = draft.rows(weight.transpose(1, 2, 0), INPUT if source == "rows" else source).transpose(1, 0, 2)[:, None]
    return draft.add(Conv(name, (source,), np.ascontiguousarray(kernel), bias, conv.dilation[0], pad, 0, relu))


def _rows_of(draft: _Draft, source: str, rows: int) -> str:
    """Return the name of the input as (points, rows, width / rows), made once."""
    if not any(layer.name == "rows" for layer in draft.layers):
        draft.add(Reshape("rows", (source,), (draft.points, rows, draft.width // rows)))
    return "rows"


def _flat(draft: _Draft, source: str, width: int) -> str:
    return draft.add(Reshape("flat", (source,), (draft.points, width)))


def _tcn(draft: _Draft, body: Any, channels: int) -> str:
    source = INPUT
    for k, block in enumerate(body.blocks):
        pad = block.pad
        first = _conv1d(draft, f"first_{k}", source, block.first, block.norm_first, pad=pad, relu=True)
        second = first
        if block.second is not None:
            second = _conv1d(draft, f"second_{k}", first, block.second, block.norm_second, pad=pad, relu=True)
        around = "rows" if source == INPUT else source
        if hasattr(block.around, "weight"):
            around = _conv1d(draft, f"around_{k}", source, block.around, None, pad=(0, 0), relu=False)
        elif source == INPUT and channels < draft.width:
            # torch adds the channels alone around its first block; the plan's input has the statics beside them
            picks = np.eye(draft.width, channels, dtype=np.float32)[None, None]
            around = draft.add(Conv(f"around_{k}", ("rows",), picks, np.zeros(channels, dtype=np.float32)))
        source = draft.add(Add(f"block_{k}", (second, around)))
    return _flat(draft, source, body.features)


def _cnn1d(draft: _Draft, body: Any, channels: int) -> str:
    del channels
    source = INPUT
    for k, (conv, norm, _) in enumerate(body.blocks):
        pad = (conv.padding[0], conv.padding[0])
        source = _conv1d(draft, f"conv_{k}", source, conv, norm, pad=pad, relu=True)
    return _flat(draft, source, body.features)


def _cnn2d(draft: _Draft, body: Any, channels: int) -> str:
    """Return rows = channels; statics that are not among them are left out by a dense layer, not by a slice."""
    source = INPUT
    if channels < draft.width:
        picks = np.eye(draft.width, channels, dtype=np.float32)
        source = draft.add(Dense("channels", (INPUT,), picks, np.zeros(channels, dtype=np.float32)))
    source = draft.add(Reshape("rows", (source,), (draft.points, channels, 1)))
    for k, (conv, norm) in enumerate((body.first, body.second)):
        weight, bias = _folded(conv, norm)
        kernel = np.ascontiguousarray(weight.transpose(3, 2, 1, 0))
        across, along = conv.padding
        source = draft.add(Conv(f"conv_{k}", (source,), kernel, bias, 1, (along, along), across, True))
        if k == 0 and body.pool > 1:
            source = draft.add(Pool("pool", (source,), body.pool))
    rows, maps = channels // body.pool, bias.shape[0]
    # torch flattens maps before rows, the plan (channels last) rows before maps
    draft.order = np.arange(maps * rows).reshape(maps, rows).T.reshape(-1)
    source = _flat(draft, source, maps * rows)
    if body.dense is None:
        return source
    return _dense(draft, "dense", source, body.dense, relu=True)


def _dense(draft: _Draft, name: str, source: str, linear: Any, *, relu: bool) -> str:
    kernel = draft.rows(_array(linear.weight).T, source)
    return draft.add(Dense(name, (source,), kernel, _array(linear.bias), relu))


def _cnn1d_lstm(draft: _Draft, body: Any, channels: int) -> str:
    return _lstms(draft, body.lstm, _cnn1d(draft, body.before, channels))


def _cnn2d_lstm(draft: _Draft, body: Any, channels: int) -> str:
    return _lstms(draft, body.lstm, _cnn2d(draft, body.before, channels))


def _recurrent(draft: _Draft, body: Any, channels: int) -> str:
    del channels
    return _lstms(draft, body.cell, INPUT)


def _mlp(draft: _Draft, body: Any, channels: int) -> str:
    del channels
    pad = (body.first.padding[0], body.first.padding[0])
    source = _flat(draft, _conv1d(draft, "wide", INPUT, body.first, None, pad=pad, relu=True), body.features)
    for k, linear in enumerate(body.rest):
        source = _dense(draft, f"dense_{k}", source, linear, relu=True)
    return source


def _head(draft: _Draft, head: Any, source: str) -> str:
    linears = [m for m in head if hasattr(m, "weight")]
    for k, linear in enumerate(linears):
        last = k == len(linears) - 1
        source = _dense(draft, "output" if last else f"head_{k}", source, linear, relu=not last)
    return source


LINEAR = "linear"
_NO_PATH = {"mean_curve": "a mean curve", "kernel": "kernel ridge", "mix": "a mix of methods"}
_BODIES: dict[str, Callable[[_Draft, Any, int], str]] = {
    "bilstm": _recurrent,
    "lstm": _recurrent,
    "tcn": _tcn,
    "cnn1d": _cnn1d,
    "cnn2d": _cnn2d,
    "cnn1d_lstm": _cnn1d_lstm,
    "cnn2d_lstm": _cnn2d_lstm,
    "mlp": _mlp,
}
