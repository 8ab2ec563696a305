"""Plan: a trained network as one graph of few layers in numpy; torch and the converted files are compared with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import BadInputError
from .layers import KINDS, Add, Conv, Dense, Join, Layer, Lstm, Reshape, Singles

INPUT, STATICS = "input", "statics"
STATICS_ROOM, STATICS_LEAST = 2.0, 5.0
"""Range of a static: so many times the greatest in the calibration windows, and so many standard deviations at least.
Chosen by hand: somebody new is beyond those trained on in mass or contact time more often than in a signal."""
_LEAST_HALF_RANGE = 1e-6
"""Least half of an axis' range in standardised units: an output that never moves is not divided by 0."""
BEYOND = 1.3
"""The converter sees each window once more, so many times as far from the mean: somebody new goes further than all who
were in training, and a signal or a layer that saturates costs far more than the coarser steps. Chosen by hand; the
README of this room has what was measured with and without."""

BEYOND_POINTS = 3.0
"""The same where every point has a scale of its own: a centre and size of few people at one point, which somebody new
leaves by far more than those of a whole stance. Steps are fine enough there: three times as many SDs are still 8 bits
of a curve's spread between people, not of the curve. Chosen by hand."""


@dataclass(frozen=True)
class Plan:
    """A network from its scaled inputs to its standardised outputs.

    Attributes
    ----------
    network
        Its name in the registry.
    points, width, statics
        Of the input (points, width): ``width - statics`` channels (with missing masks), then the statics, each
        repeated over time. All are scaled as in training.
    layers
        In the order in which they run; the last one is the output.
    axes, centre, size, unit
        ``output * size + centre`` is the force of each axis, in ``BW``, or in ``N`` where the network gives newtons.
        Centre and size are of each axis, or of each point and axis where the model was scaled point by point.
    middle, half
        Of the range of each axis' forces in the calibration windows, where centre and size differ from point to point;
        else empty.
    """

    network: str
    points: int
    width: int
    statics: int
    layers: tuple[Layer, ...]
    axes: tuple[str, ...]
    centre: tuple[float, ...] | tuple[tuple[float, ...], ...]
    size: tuple[float, ...] | tuple[tuple[float, ...], ...]
    unit: str
    middle: tuple[float, ...] = ()
    half: tuple[float, ...] = ()

    @property
    def per_point(self) -> bool:
        """Return whether every point has a centre and a size of its own."""
        return np.asarray(self.centre).ndim == 2

    @property
    def beyond(self) -> float:
        """Return how many times as far from the mean the converter sees each window once more."""
        return BEYOND_POINTS if self.per_point else BEYOND

    @property
    def ends(self) -> tuple[Dense | Conv, ...]:
        """Return the layers whose sum is the output: one, or a linear path and then the head.

        Raises
        ------
        BadInputError
            If the plan ends otherwise.
        """
        layers, ends, open_ = {layer.name: layer for layer in self.layers}, [], [self.layers[-1]]
        while open_:
            layer = open_.pop(0)
            if isinstance(layer, Reshape) or (isinstance(layer, Add) and not layer.relu):
                open_ += [layers[n] for n in layer.inputs if n in layers]
            elif isinstance(layer, Dense | Conv) and not layer.relu:
                ends.append(layer)
            else:
                raise BadInputError(
                    f"plan of '{self.network}' ends with {layer.kind} '{layer.name}', expected a dense layer"
                )
        return tuple(ends)

    def values(self, inputs: NDArray[Any]) -> dict[str, Floats]:
        """Return every layer's output for inputs (n, points, width), by name.

        Raises
        ------
        BadInputError
            If the inputs have another shape.
        """
        if inputs.ndim != 3 or inputs.shape[1:] != (self.points, self.width):
            raise BadInputError(f"inputs have shape {inputs.shape}, the plan takes (n, {self.points}, {self.width})")
        values: dict[str, Floats] = {INPUT: np.asarray(inputs, dtype=np.float64)}
        for layer in self.layers:
            values[layer.name] = layer.run([values[n] for n in layer.inputs])
        return values

    def run(self, inputs: NDArray[Any]) -> Floats:
        """Return standardised outputs (n, points, axes) of scaled inputs (n, points, width), in double precision."""
        return np.asarray(self.values(inputs)[self.layers[-1].name])

    def forces(self, outputs: NDArray[Any]) -> Floats:
        """Return forces (n, points, axes) in :attr:`unit` of standardised outputs."""
        forces = np.asarray(outputs, dtype=np.float64) * np.asarray(self.size) + np.asarray(self.centre)
        return np.asarray(forces, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write ``plan.json`` and ``plan.npz`` into a folder that exists."""
        arrays: dict[str, Any] = {f"{layer.name}/{k}": v for layer in self.layers for k, v in layer.arrays().items()}
        np.savez(Path(folder) / "plan.npz", **arrays)
        document = {k: v for k, v in vars(self).items() if k != "layers"}
        document["layers"] = [
            {"kind": n.kind, "name": n.name, "inputs": list(n.inputs), "settings": n.settings()} for n in self.layers
        ]
        (Path(folder) / "plan.json").write_text(json.dumps(document, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Plan:
        """Return the plan that :meth:`save` wrote into a folder."""
        document = json.loads((Path(folder) / "plan.json").read_text(encoding="utf-8"))
        with np.load(Path(folder) / "plan.npz", allow_pickle=False) as stored:
            arrays = dict(stored)
        document["layers"] = tuple(_layer(entry, arrays) for entry in document["layers"])
        settings: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in document.items()}
        return cls(**settings)


def _layer(entry: dict[str, Any], arrays: dict[str, Singles]) -> Layer:
    weights = {k.rsplit("/", 1)[1]: v for k, v in arrays.items() if k.rsplit("/", 1)[0] == entry["name"]}
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in entry["settings"].items()}
    return KINDS[entry["kind"]](entry["name"], tuple(entry["inputs"]), **weights, **settings)


def calibrated(plan: Plan, inputs: NDArray[Any], *, beyond: float = 1.0) -> Plan:
    """Return the plan with statics and outputs brought to the ranges that eight bits hold best.

    Joined tensors share one scale, so statics that enter before the head are made to span what the features span;
    each axis of the output is brought to -1..1, so that one tensor costs every axis the same share of its own range.
    The greatest cell of each LSTM is recorded. The network's outputs do not change: dense layers take up the factors.

    Parameters
    ----------
    inputs
        Scaled inputs (n, points, width) of training windows.
    beyond
        Cells are recorded for inputs so many times as far from the mean as well.
    """
    values = plan.values(inputs)
    further = plan.values(beyond * np.asarray(inputs, dtype=np.float64)) if beyond > 1.0 else values
    layers = {layer.name: layer for layer in plan.layers}
    for layer in plan.layers:
        if isinstance(layer, Join) and layer.inputs[-1] == STATICS:
            _span(layers, layer, values)
        if isinstance(layer, Lstm):
            cells = [layer.states([outputs[n] for n in layer.inputs])[1] for outputs in (values, further)]
            layers[layer.name] = replace(layer, largest_cell=float(np.abs(cells).max()))
    output = values[plan.layers[-1].name]
    middle, half = _range(output)
    # the output over these windows becomes -1..1; centre and size below take the change back
    for k, end in enumerate(plan.ends):
        # a path over the whole window has an output for each point and axis; the first end alone takes up the middle
        of_axis, shift = (np.tile(v, end.bias.size // len(half)) for v in (half, middle * (k == 0)))
        last: Any = layers[end.name]
        layers[end.name] = replace(
            last, kernel=_single(last.kernel / of_axis), bias=_single((last.bias - shift) / of_axis)
        )
    size = np.asarray(plan.size)
    made = replace(
        plan,
        layers=tuple(layers[n.name] for n in plan.layers),
        centre=_plain(np.asarray(plan.centre) + middle * size),
        size=_plain(half * size),
    )
    if not plan.per_point:
        return made
    # of the weights as they are now: they were rounded to single precision, and the range has to hold what they answer
    return replace(made, **dict(zip(("middle", "half"), map(_plain, _range(made.forces(made.run(inputs)))))))


def _range(values: Floats) -> tuple[Floats, Floats]:
    """Return middle and half of the range of each axis of values (n, points, axes)."""
    high, low = values.max(axis=(0, 1)), values.min(axis=(0, 1))
    return (high + low) / 2, np.maximum((high - low) / 2, _LEAST_HALF_RANGE)


def _plain(values: Floats) -> Any:
    """Return an array as tuples of plain numbers."""
    return tuple(map(tuple, values.tolist())) if values.ndim == 2 else tuple(values.tolist())


def _span(layers: dict[str, Layer], join: Join, values: dict[str, Floats]) -> None:
    """Let the statics of a join span what its features span, and the dense layer after it undo that.

    The range is :data:`STATICS_ROOM` times what the windows hold, and :data:`STATICS_LEAST` at least.
    """
    features = max(float(np.abs(values[n]).max()) for n in join.inputs[:-1])
    factor = features / np.maximum(STATICS_ROOM * np.abs(values[STATICS]).max(axis=(0, 1)), STATICS_LEAST)
    picks, after = layers[STATICS], next(x for x in layers.values() if join.name in x.inputs)
    if not isinstance(picks, Dense) or not isinstance(after, Dense):
        raise BadInputError(f"statics of a plan go through dense layers, not through {picks.kind} and {after.kind}")
    layers[STATICS] = replace(picks, kernel=_single(picks.kernel * factor))
    kernel = after.kernel.astype(np.float64)
    # the statics stand last in the join
    kernel[-len(factor) :] /= factor[:, None]
    layers[after.name] = replace(after, kernel=_single(kernel))


def _single(values: Sequence[float] | NDArray[Any]) -> Singles:
    return np.asarray(values, dtype=np.float32)
