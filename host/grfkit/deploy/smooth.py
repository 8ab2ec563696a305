"""A plan whose channels fill their ranges alike, and an int8 file whose outputs have no mean error.

Neither changes the outputs of the network: a factor on a channel is divided out by its readers, since ReLU passes
positive factors (Nagel et al. 2019, doi 10.1109/ICCV.2019.00141; the balance of activations and weights is that
of Xiao et al. 2023, arXiv:2211.10438), and the mean error on training windows is subtracted in the last bias.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from ..runtime import available, from_int8, load, to_int8
from .layers import Add, Conv, Dense, Layer, Lstm, Pool, Reshape
from .plan import INPUT, STATICS, Plan
from .repair import in_plan
from .scales import Bias, biases, whole_steps
from .tflite_file import TfliteFile

MOST = 16.0
"""Greatest factor on a channel: one that hardly moves needs no finer steps. Chosen by hand."""
_LEAST, _LEAST_SHARE, _TINY = 1e-6, 1e-3, 1e-12
"""Least weight and range of a channel, least share of the greatest range, and what keeps a division finite. Chosen by
hand: factors beyond :data:`MOST` are cut off anyway."""


def equalised(plan: Plan, inputs: NDArray[Any]) -> Plan:
    """Return the plan with the channels of convolutions and hidden dense layers scaled against each other.

    Parameters
    ----------
    inputs
        Scaled inputs (n, points, width) of training windows.
    """
    values = plan.values(inputs)
    kin = _kin(plan)
    factors: dict[str, Floats] = {}
    for name in dict.fromkeys(kin.values()):
        members = [n for n, k in kin.items() if k == name]
        factors |= dict.fromkeys(members, _factor(plan, members, values))
    across = {INPUT: np.ones(plan.width)}
    layers: list[Layer] = []
    for layer in plan.layers:
        layers.append(_scaled(layer, across, factors.get(layer.name)))
        across[layer.name] = _after(layer, across, factors.get(layer.name), values[layer.name].shape[-1])
    return replace(plan, layers=tuple(layers))


def _kin(plan: Plan) -> dict[str, str]:
    """Return the layers whose channels must have one factor, name -> name of their family; the others have none."""
    family: dict[str, str] = {}
    # not the last layers: their axes have ranges of their own, from calibrated
    last = {end.name for end in plan.ends}
    for layer in plan.layers[:-1]:
        if isinstance(layer, (Conv, Dense)) and layer.name != STATICS and layer.name not in last:
            family[layer.name] = layer.name
        elif isinstance(layer, Add):
            # a sum and its summands need one factor: with several of them, none could be divided out after the sum
            old = {family[n] for n in layer.inputs if n in family}
            fixed = any(n not in family for n in layer.inputs)
            family |= {n: layer.name for n, k in family.items() if k in old}
            family[layer.name] = layer.name
            if fixed:  # a residual around a layer that keeps its channels as they are
                family = {n: k for n, k in family.items() if k != layer.name}
        elif isinstance(layer, Pool) and layer.inputs[0] in family:
            family[layer.name] = family[layer.inputs[0]]
        elif isinstance(layer, Reshape) and layer.shape[-1] == 1:  # channels become rows, which share their weights
            family.pop(layer.inputs[0], None)
    return family


def _factor(plan: Plan, members: list[str], values: dict[str, Floats]) -> Floats:
    """Return the factor of each channel of a family: the root of its readers' weights over its own range."""
    moves = np.max([np.abs(values[n]).max(axis=tuple(range(values[n].ndim - 1))) for n in members], axis=0)
    weights = np.zeros_like(moves)
    readers = [n for n in plan.layers if isinstance(n, (Conv, Dense, Lstm)) and n.inputs[0] in members]
    for reader in readers:
        kernel = np.abs(reader.kernel.astype(np.float64))
        weights = np.maximum(weights, kernel.max(axis=tuple(i for i in range(kernel.ndim) if i != kernel.ndim - 2)))
    # no reader whose weights count: the channels are only brought to one range
    if not readers or not moves.max() or not weights.max():
        weights, moves = np.ones_like(moves), np.maximum(moves, _LEAST_SHARE * moves.max() + _TINY)
    # SmoothQuant with alpha = 1/2: weights and activations share what eight bits cost
    factor = np.sqrt(np.maximum(weights, _LEAST) / np.maximum(moves, _LEAST))
    # geometric mean 1, so that the clip cuts both ways alike
    factor /= np.exp(np.mean(np.log(factor)))
    return np.asarray(np.clip(factor, 1.0 / MOST, MOST))


def _scaled(layer: Layer, across: dict[str, Floats], factor: Floats | None) -> Layer:
    """Return a layer that divides out the factors of its inputs and applies its own to its outputs."""
    if not isinstance(layer, (Conv, Dense, Lstm)):
        return layer
    kernel = layer.kernel / across[layer.inputs[0]][:, None]
    if factor is None or isinstance(layer, Lstm):
        return replace(layer, kernel=kernel.astype(np.float32))
    return replace(layer, kernel=(kernel * factor).astype(np.float32), bias=(layer.bias * factor).astype(np.float32))


def _after(layer: Layer, across: dict[str, Floats], factor: Floats | None, width: int) -> Floats:
    """Return the factors of a layer's output channels."""
    if factor is not None:
        return factor
    if isinstance(layer, (Conv, Dense, Lstm)):
        return np.ones(width)
    if isinstance(layer, Reshape):
        before = across[layer.inputs[0]]
        return np.ones(width) if width < before.size else np.tile(before, width // before.size)
    return np.concatenate([across[n] for n in layer.inputs]) if layer.kind == "join" else across[layer.inputs[0]]


def centred(file: TfliteFile, plan: Plan, inputs: NDArray[Any]) -> tuple[TfliteFile, tuple[float, ...]]:
    """Return an int8 file whose mean error on training windows is taken out, and that error in standardised units.

    Parameters
    ----------
    inputs
        Scaled inputs (n, points, width) of training windows.

    Raises
    ------
    BadInputError
        If the last operator has no bias, the corrected bias does not fit 32 bits, or no interpreter is installed.
    """
    bias, layer = _last_bias(file, plan)
    # the mean error is that of the device's arithmetic, where that can be run here
    engine = load(file.content, "tflm" if "tflm" in available() else "auto", resolver="reference")
    stored = to_int8(inputs, scale=engine.input.scale, zero_point=engine.input.zero_point).values
    outputs = from_int8(engine.run(stored), scale=engine.output.scale, zero_point=engine.output.zero_point)
    off = outputs - plan.run(inputs)
    error = off.mean(axis=(0, 1))
    # a path over the whole window has a bias for each point and axis
    taken = error if layer.bias.size == error.size else off.mean(axis=0).reshape(-1)
    # from the plan's own bias, not the stored one: rounding once, not twice
    steps = np.rint(layer.bias.astype(np.float64) / bias.expected_scales() - taken / bias.expected_scales())
    return file.with_bias(bias.bias.index, whole_steps(bias, steps), bias.expected_scales().tolist()), tuple(
        error.tolist()
    )


def _last_bias(file: TfliteFile, plan: Plan) -> tuple[Bias, Dense | Conv]:
    """Return the bias of the first of the layers whose sum is the output, and that layer."""
    ends = {file.outputs[0]}
    for operator in reversed(file.operators):
        if operator.name in ("RESHAPE", "ADD") and operator.outputs[0] in ends:
            ends |= set(operator.inputs)
    found = [bias for bias in biases(file) if bias.operator.outputs[0] in ends]
    for bias in found:
        # of one alone there is nothing to tell apart
        if len(found) == 1 or in_plan(bias, plan)[0].name == plan.ends[0].name:
            return bias, plan.ends[0]
    raise BadInputError(f"{file.operators[-1]} has no bias that could take back a mean error")
