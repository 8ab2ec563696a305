"""An int8 file whose scales disagree, repaired so that all kernels mean the same numbers, and a list of the changes.

The converter calibrates every tensor by itself, though some kernels copy bytes from one to the next without looking at
scales: the file then means different forces to different interpreters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from .layers import Layer, Lstm
from .plan import Plan
from .scales import LSTM, TOLERANCE, Bias, biases, differ, groups, whole_steps
from .tflite_file import TensorInfo, TfliteFile

OUTPUT_MARGIN = 1.1
"""Range of the output over the range that the converter saw: new people may press harder. Chosen by hand."""
CELL_MARGIN = 1.1
"""The same for the cells of LSTMs, whose range is then rounded up to a power of two."""
CELL, LARGEST_POWER = 19, -9
"""Place of the cell among an LSTM's inputs, and the power of two of the largest scale that kernels take."""

_ROUNDED = 0.51
"""Greatest difference of a bias from the plan's number that it was rounded from, steps: a half, and a little for scales
in single precision."""
_SINGLE = 2.0**-23
"""The same as a share of the number: it was single, and divided as one. Of 2**23 steps and more this is what counts."""


@dataclass(frozen=True)
class ScaleChange:
    """A tensor whose scale or zero point was changed."""

    tensor: int
    name: str
    scale_before: float
    zero_point_before: int
    scale_after: float
    zero_point_after: int
    reason: str


@dataclass(frozen=True)
class BiasChange:
    """A bias that was quantised again, from the plan's numbers; scales: the first of each."""

    tensor: int
    name: str
    operator: str
    scale_before: float
    scale_after: float
    worst_step: int


@dataclass(frozen=True)
class RepairReport:
    """Changes of a repair.

    Attributes
    ----------
    worst_scale_percent, worst_zero_point
        How far apart scales (greatest over least) and zero points of one group were before.
    """

    groups: int
    worst_scale_percent: float
    worst_zero_point: int
    scales: tuple[ScaleChange, ...]
    biases: tuple[BiasChange, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def repaired(file: TfliteFile, plan: Plan, *, output_margin: float = OUTPUT_MARGIN) -> tuple[TfliteFile, RepairReport]:
    """Return the file with equal scales where bytes are copied and biases that fit them, and what was changed.

    A group takes the scale of the tensor that feeds an operator with an int32 bias, since that bias was quantised with
    it. Where several such tensors disagree the widest range wins, and the others' biases are quantised again from the
    plan's numbers. The output, which no operator reads, is given a margin.

    The converter has seen the cells of an LSTM only as they are after the last sample, so that cells which go further
    within a window would saturate; they take the power of two that holds what they reach in the plan.

    Raises
    ------
    BadInputError
        If a bias is none of the plan's: the file was not made from it.
    """
    before = groups(file)
    changes = [c for group in before for c in _equalised(file, group)]
    changes += [*_widened(file, output_margin, before), *_cells(file, plan)]
    edited = file.with_scales({c.tensor: (c.scale_after, c.zero_point_after) for c in changes})
    redone = []
    for bias in list(biases(edited)):
        # every bias is looked up, the right ones too: a file of another model is refused
        _, values = in_plan(bias, plan)
        if bias.wrong() > TOLERANCE:
            edited, change = _requantised(edited, bias, values)
            redone.append(change)
    spread = [_spread(g) for g in before] or [(0.0, 0)]
    report = RepairReport(
        groups=len(before),
        worst_scale_percent=max(s for s, _ in spread),
        worst_zero_point=max(z for _, z in spread),
        scales=tuple(changes),
        biases=tuple(redone),
    )
    return edited, report


def _spread(group: tuple[TensorInfo, ...]) -> tuple[float, int]:
    scales, points = [t.scale for t in group], [t.zero_point for t in group]
    return 100.0 * (max(scales) / min(scales) - 1.0), max(points) - min(points)


def _equalised(file: TfliteFile, group: tuple[TensorInfo, ...]) -> Iterator[ScaleChange]:
    """Yield the changes that make a group agree with the consumer that its scale was made for."""
    if not differ(group):
        return
    fed = {b.source.index for b in biases(file)}
    widest = max([t for t in group if t.index in fed] or group, key=lambda t: t.scale)
    for tensor in group:
        if (tensor.scale, tensor.zero_point) != (widest.scale, widest.zero_point):
            reason = f"bytes are copied to or from tensor {widest.index} '{widest.name}'"
            yield _change(tensor, widest.scale, widest.zero_point, reason)


def _cells(file: TfliteFile, plan: Plan) -> Iterator[ScaleChange]:
    """Yield the scales of LSTM cells that do not hold what the cells reach."""
    for bias in biases(file):
        # of an LSTM's four biases the first stands for the layer: its cell is looked at once
        if bias.operator.name != LSTM or bias.bias.index != bias.operator.inputs[12]:
            continue
        layer, _ = in_plan(bias, plan)
        cell = file.tensors[bias.operator.inputs[CELL]]
        if isinstance(layer, Lstm) and layer.largest_cell:
            power = int(np.ceil(np.log2(layer.largest_cell * CELL_MARGIN / 2**15)))
            scale = 2.0 ** min(power, LARGEST_POWER)
            if scale != cell.scale:
                yield _change(cell, scale, 0, f"cells of {bias.operator} reach {layer.largest_cell:.3g}")


def _widened(file: TfliteFile, margin: float, before: list[tuple[TensorInfo, ...]]) -> list[ScaleChange]:
    """Return the changes that give the output and all tensors of its bytes the margin; none where others read them."""
    output = file.output
    group = next((g for g in before if output in g), (output,))
    fed = {b.source.index for b in biases(file)}
    if margin == 1.0 or any(t.index in fed for t in group):
        return []
    # the zero point shrinks as the scale grows, so that the middle of the range stays where it was
    scale, point = float(np.float32(output.scale * margin)), round(np.clip(output.zero_point / margin, -128, 127))
    return [_change(tensor, scale, point, f"margin of {margin:g}") for tensor in group]


def _change(tensor: TensorInfo, scale: float, point: int, reason: str) -> ScaleChange:
    return ScaleChange(tensor.index, tensor.name, tensor.scale, tensor.zero_point, scale, point, reason)


def _requantised(file: TfliteFile, bias: Bias, values: Floats) -> tuple[TfliteFile, BiasChange]:
    scales = bias.expected_scales()
    steps = np.rint(values / scales)
    stored = whole_steps(bias, steps)
    worst = int(np.abs(stored.astype(np.int64) - np.asarray(bias.bias.data, dtype=np.int64)).max())
    change = BiasChange(
        bias.bias.index, bias.bias.name, str(bias.operator), bias.bias.scales[0], float(scales.flat[0]), worst
    )
    return file.with_bias(bias.bias.index, stored, scales.tolist()), change


def in_plan(bias: Bias, plan: Plan) -> tuple[Layer, Floats]:
    """Return the plan's layer that a bias belongs to, and the numbers that it was rounded from: the nearest ones."""
    stored, step = bias.bias.real(), np.asarray(bias.bias.scales)
    matches = []
    for layer, values in _plan_biases(plan):
        if values.shape != stored.shape:
            continue
        if (np.abs(values - stored) <= _ROUNDED * step + _SINGLE * np.abs(values)).all():
            matches.append((layer, values, float(np.abs(values - stored).max())))
    if not matches:
        raise BadInputError(
            f"{bias.operator}: bias {bias.bias.index} '{bias.bias.name}' is none of the plan's; the file was made from"
            " another model, or is broken: convert it again"
        )
    # two layers may have biases within a step of each other
    layer, values, _ = min(matches, key=lambda match: match[2])
    return layer, values


def _plan_biases(plan: Plan) -> Iterator[tuple[Layer, Floats]]:
    for layer in plan.layers:
        bias = layer.arrays().get("bias")
        if bias is not None:
            values = bias.astype(np.float64)
            for part in np.split(values, 4) if isinstance(layer, Lstm) else (values,):
                yield layer, part
