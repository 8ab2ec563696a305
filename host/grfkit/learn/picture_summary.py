"""Windows of pictures as few numbers, in which films are compared with those of a training.

Pixels one by one tell nothing of a film: many are lit now and then, some by one person alone, and who lights another
one is then as far away as a picture of noise. So pictures are summarised by the mean of blocks, and brought to the same
phases of the stance wherever it is known, so that a walk seen from the other side, or backward, is another one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..dataset.from_pictures import ONSET, of_pictures
from ..records.stance_set import StanceSet, make_stance_set
from .batches import Windows
from .input_strength import InputStrength

BLOCKS = 8
"""Blocks of a picture each way, at most: chosen by hand, 5 px of a silhouette, in which a leg is 16 px long."""
PHASES = 18
"""Moments of a stance that are looked at: chosen by hand, twice the parts into which the distance divides it."""
LEAST_VARIED = 0.05
"""Share of a block's brightness that counts as its least spread: chosen by hand. A block that hardly anybody of the
training lights would else make everybody who does infinitely far from it."""


def summarised(
    data: StanceSet, channels: tuple[str, ...], *, phases: bool | None = None
) -> tuple[StanceSet, tuple[str, ...]]:
    """Return windows of pictures as blocks, and the names of these; windows of anything else stay as they are.

    Parameters
    ----------
    phases
        Whether windows are brought to the phases of the stance within them; None: where every window knows its stance.
    """
    if not of_pictures(channels):
        return data, channels
    inputs = np.concatenate([b.inputs for b in Windows(data, channels, (), (), memory_mb=0).in_order()])
    blocks, names = _blocks(np.asarray(inputs, dtype=np.float64), channels)
    held = {str(s) for s in data.data["scalar"].values}
    limits = [data.scalar(n) if n in held else np.full(data.size, np.nan) for n in (ONSET, "contact_s")]
    known = np.isfinite(limits).all(axis=0)
    stance = bool(known.all()) if phases is None else phases
    if stance:
        blocks = _at_phases(blocks, float(data.data.attrs["rate_hz"]), *limits)
    return _as_set(data, blocks, names, stance=stance), names


def without_rare_blocks(strength: InputStrength) -> InputStrength:
    """Return the strength of a training on pictures, where a dark block has a level and none has to move."""
    level = tuple(max(v, LEAST_VARIED) for v in strength.level)
    return strength.model_copy(update={"level": level, "spread": (0.0,) * len(strength.spread)})


def _blocks(inputs: Floats, channels: tuple[str, ...]) -> tuple[Floats, tuple[str, ...]]:
    """Return means of blocks of pictures (windows, time, pixels), shape (windows, time, blocks), and their names."""
    place = np.asarray([[int(n) for n in name.split("_")[1:]] for name in channels])
    size = np.maximum(-(-(place.max(axis=0) + 1) // BLOCKS), 1)
    names, block = np.unique(place // size, axis=0, return_inverse=True)
    share = np.zeros((len(channels), len(names)))
    share[np.arange(len(channels)), block.reshape(-1)] = 1.0
    # a missing picture is missing as a whole
    return inputs @ (share / share.sum(axis=0)), tuple(f"block_{row}_{column}" for row, column in names)


def _at_phases(blocks: Floats, rate_hz: float, onset_s: Floats, contact_s: Floats) -> Floats:
    """Return blocks at :data:`PHASES` moments of each stance, of the nearest pictures; NaN where it is not known."""
    share = np.linspace(0.0, 1.0, PHASES)
    at = (onset_s[:, None] + contact_s[:, None] * share) * rate_hz
    there = np.isfinite(at) & (at > -1.0) & (at < blocks.shape[1])
    frame: NDArray[np.int64] = np.clip(np.rint(np.where(there, at, 0.0)), 0, blocks.shape[1] - 1).astype(np.int64)
    taken = np.take_along_axis(blocks, frame[:, :, None], axis=1)
    return np.where(there[:, :, None], taken, np.nan)


def _as_set(data: StanceSet, blocks: Floats, names: tuple[str, ...], *, stance: bool) -> StanceSet:
    """Return the blocks as windows with the labels and scalars of the pictures."""
    size, points = blocks.shape[:2]
    labels = ("participant", "trial", "side")
    return make_stance_set(
        blocks,
        np.zeros((size, points, 1)),
        axes=("vgrf",),
        channels=names,
        units=["1"] * len(names),
        labels={n: [str(v) for v in data.per_stance(n)] for n in labels},
        scalars={str(s): data.scalar(str(s)).tolist() for s in data.data["scalar"].values},
        window="stance" if stance else "continuous",
        cut=str(data.data.attrs["cut"]),
        source=data.source,
        rate_hz=float("nan") if stance else float(data.data.attrs["rate_hz"]),
        mirrored=bool(data.data.attrs["mirrored"]),
    )
