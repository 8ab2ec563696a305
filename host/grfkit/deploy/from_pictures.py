"""A trained network of pictures -> Plan of one answer: the frames of a voxel as channels, 3D convolutions as 2D ones.

TFLite has no 3D pooling, and leaves 3D convolutions in floating point. A convolution over frames, rows and columns is
one over rows and columns alone, if all frames are channels and each map of a frame reads those of the frames that the
3D kernel reaches; zeros stand where it does not. The greatest of neighbouring frames is a pool over them as columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from ..learn.batches import Windows
from ..learn.model import GrfModel
from ..learn.networks.classes import CLASSES
from ..records.stance_set import StanceSet
from .from_torch import _array, _dense, _Draft, _folded, _head
from .layers import Dense, Plane, PlanePool, Reshape, Singles
from .plan import INPUT, Plan

if TYPE_CHECKING:
    from ..learn.networks.pictures import PictureConfig

PLANES = ("film_cnn2d", "film_cnn3d")
COMPONENTS = "film_mlp"
NETWORKS = (*PLANES, COMPONENTS)
"""Networks of pictures that can be quantised."""


def picture_plan(model: GrfModel) -> Plan:
    """Return the plan of one answer: a voxel in, and what the head says of it, scores of classes or a force.

    Its input is (rows, columns x frames), of ``film_mlp`` (frames, pixels), scaled as in training; its axes are those
    of the model, of a network of classes ``AXIS_CLASS``.

    Raises
    ------
    BadInputError
        If the network is no network of pictures that can be quantised, or takes statics.
    """
    network, scaler = model.network, model.spec.scaler
    config: Any = network.config
    if config.name not in NETWORKS:
        raise BadInputError(
            f"network '{config.name}' of pictures cannot be quantised (recurrent units over the clip have no path to"
            f" eight bits); train one of {', '.join(NETWORKS)}"
        )
    if network.shape.statics:
        raise BadInputError(
            f"network '{config.name}' takes statics beside its pictures, which are not quantised; train without"
        )
    if config.name == COMPONENTS:
        draft = _Draft(config.frames, config.rows * config.columns)
        source = _components(draft, network.body)
    else:
        draft = _Draft(config.rows, config.columns * config.frames)
        source = _planes(draft, network.body)
    _head(draft, network.head, source)
    axes, centre, size = scaler.axes, scaler.target_centre, scaler.target_size
    if config.scored:
        axes = tuple(f"{axis}_{k}" for axis in axes for k in range(CLASSES))
        centre, size = (0.0,) * len(axes), (1.0,) * len(axes)
    unit = "N" if scaler.target == "newton" else "BW"
    return Plan(config.name, draft.points, draft.width, 0, tuple(draft.layers), axes, centre, size, unit)


def voxel_inputs(model: GrfModel, data: StanceSet, *, counted: bool = True) -> Singles:
    """Return the inputs of the plan, one of each frame of some windows (of those that count), scaled as in training."""
    import torch

    from ..learn.networks.pictures import voxels

    scaler, config = model.spec.scaler, cast("PictureConfig", model.network.config)
    parts = []
    for batch in Windows(data, scaler.channels, scaler.statics, (), memory_mb=0).in_order():
        x = voxels(
            scaler.inputs(torch.from_numpy(batch.inputs)), config.rows, config.columns, config.before, config.after
        )
        chosen = x[torch.from_numpy(batch.weight > 0)] if counted else x.flatten(0, 1)
        # frames stand last in pictures, where they are channels, and first among components
        flat = chosen.flatten(2) if config.name == COMPONENTS else chosen.permute(0, 2, 3, 1).flatten(2)
        parts.append(flat.numpy())
    return np.asarray(np.concatenate(parts), dtype=np.float32)


def _components(draft: _Draft, body: Any) -> str:
    """Take the main components of each frame, those of all side by side, and the first dense layer."""
    basis, mean, size = (_array(part).astype(np.float64) for part in (body.basis, body.mean, body.size))
    kernel, bias = (basis / size).astype(np.float32), (-(mean @ basis) / size).astype(np.float32)
    source = draft.add(Dense("components", (INPUT,), kernel, bias))
    source = draft.add(Reshape("flat", (source,), (1, bias.size * draft.points)))
    return _dense(draft, "dense", source, body.dense, relu=True)


def _planes(draft: _Draft, body: Any) -> str:
    """Take the blocks of convolutions and pools, the frames of 3D ones as channels."""
    config, depth = body.config, body.depth
    frames, maps = (config.frames, 1) if depth else (1, config.frames)
    size = (config.rows, config.columns)
    source = draft.add(Reshape("pictures", (INPUT,), (*size, config.frames)))
    for b, block in enumerate(body.blocks):
        convolutions = [m for m in block if hasattr(m, "weight") and m.weight.ndim > 1]
        norms = [m for m in block if hasattr(m, "running_var")] or [None] * len(convolutions)
        for k, (convolution, norm) in enumerate(zip(convolutions, norms)):
            weight, bias = _folded(convolution, norm)
            maps, stride, taps = weight.shape[0], convolution.stride[-1], weight.shape[-1]
            kernel = _over_frames(weight if depth else weight[:, :, None], frames)
            pad = ((taps - 1) // 2, taps // 2)
            plane = Plane(f"plane_{b}_{k}", (source,), kernel, np.tile(bias, frames), stride, pad, relu=True)
            source = draft.add(plane)
            size = tuple(-(-s // stride) for s in size)
        if config.pool > 1:
            square, step = (config.pool,) * 2, (config.pool_stride,) * 2
            source = draft.add(PlanePool(f"pool_{b}", (source,), square, step))
            size = tuple((s - config.pool) // config.pool_stride + 1 for s in size)
            if depth > 1:
                source, frames = _pooled_frames(draft, source, b, size, frames, maps, depth)
    # torch flattens maps before frames, rows and columns, the plan maps last
    count = maps * frames * size[0] * size[1]
    draft.order = np.arange(count).reshape(maps, frames, *size).transpose(2, 3, 1, 0).reshape(-1)
    return draft.add(Reshape("flat", (source,), (1, count)))


def _over_frames(weight: NDArray[np.float32], frames: int) -> Singles:
    """Return the 2D kernel (rows, columns, frames x maps, frames x maps) of a 3D one in torch's order."""
    outputs, inputs, depth, *taps = weight.shape
    kernel = np.zeros((*taps, frames, inputs, frames, outputs), dtype=np.float32)
    before = (depth - 1) // 2
    for answered in range(frames):
        for k in range(depth):
            # frames before the first and after the last are zeros
            if 0 <= (read := answered - before + k) < frames:
                kernel[:, :, read, :, answered] = weight[:, :, k].transpose(2, 3, 1, 0)
    return np.ascontiguousarray(kernel.reshape(*taps, frames * inputs, frames * outputs))


def _pooled_frames(
    draft: _Draft, source: str, block: int, size: tuple[int, int], frames: int, maps: int, depth: int
) -> tuple[str, int]:
    """Take the greatest of neighbouring frames, which are columns for it; return its name and the frames left."""
    left = frames - depth + 1
    rows = draft.add(Reshape(f"frames_{block}", (source,), (size[0] * size[1], frames, maps)))
    pooled = draft.add(PlanePool(f"pool_frames_{block}", (rows,), (1, depth), (1, 1)))
    return draft.add(Reshape(f"pooled_{block}", (pooled,), (*size, left * maps))), left
