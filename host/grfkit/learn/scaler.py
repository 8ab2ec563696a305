"""Scaling of inputs, statics and targets, from training participants only, and who these were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from ..arrays import Floats
from ..errors import BadInputError
from ..units import G
from .batches import Batch, Windows

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["zscore", "minmax", "none"]
Target = Literal["bw", "newton", "zscore", "minmax"]
TINY, RELATIVE = 1e-10, 1e-7
"""A channel moves if its size exceeds ``RELATIVE`` of its centre plus ``TINY`` (its own unit): the rounding of single
precision, in which windows are kept; less is noise that scaling would blow up."""
STILL = 1e12
"""Size of a column that never moved in training: whatever it does later, nothing was learnt from it, so it counts 0."""


class Scaler(BaseModel):
    """Offset and size of every channel, static and axis; ``(value - centre) / size`` enters the network.

    Attributes
    ----------
    participants
        Whose windows these numbers come from; nobody else may be tested without a named leak.
    missing_masks
        Whether a channel of 0 and 1 (1: missing) is added for every input channel.
    target
        What the network gives: ``bw``, ``newton`` (BW x mass x G, Carter), or BW scaled like the inputs.
    target_range, target_ms, target_step_ms
        Per axis, BW: mean over windows of the range; mean square about the mean; mean square of the step from one
        sample to the next. They weigh axes and derivatives in the loss.
    point_centre, point_size, target_point_centre, target_point_size
        With scaling per time point, shapes (time, channels) and (time, axes): they stand in place of ``centre``,
        ``size``, ``target_centre`` and ``target_size`` in what the network is given and gives. Scaled over all points,
        a channel's course within the stance hides what differs between people; per point the mean curve is taken off.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    kind: Kind
    target: Target
    missing_masks: bool
    unique_statics: bool
    channels: tuple[str, ...]
    units: tuple[str, ...]
    statics: tuple[str, ...]
    axes: tuple[str, ...]
    participants: tuple[str, ...]
    centre: tuple[float, ...]
    size: tuple[float, ...]
    static_centre: tuple[float, ...]
    static_size: tuple[float, ...]
    target_centre: tuple[float, ...]
    target_size: tuple[float, ...]
    target_range: tuple[float, ...]
    target_ms: tuple[float, ...]
    target_step_ms: tuple[float, ...]
    point_centre: tuple[tuple[float, ...], ...] = ()
    point_size: tuple[tuple[float, ...], ...] = ()
    target_point_centre: tuple[tuple[float, ...], ...] = ()
    target_point_size: tuple[tuple[float, ...], ...] = ()

    @property
    def per_point(self) -> bool:
        """Return whether every point of the window has a centre and a size of its own."""
        return bool(self.point_centre)

    @property
    def width(self) -> int:
        """Return how many channels enter the network."""
        return len(self.channels) * (2 if self.missing_masks else 1)

    def inputs(self, raw: Tensor) -> Tensor:
        """Return scaled inputs (n, time, width) of raw ones (n, time, channels); what is missing becomes 0."""
        centre, size = (self.point_centre, self.point_size) if self.per_point else (self.centre, self.size)
        scaled = (raw - raw.new_tensor(centre)) / raw.new_tensor(size)
        missing = scaled.isnan()
        scaled = scaled.masked_fill(missing, 0.0)
        if not self.missing_masks:
            return scaled
        import torch

        return torch.cat([scaled, missing.to(scaled.dtype)], dim=2)

    def scaled_statics(self, raw: Tensor) -> Tensor:
        """Return scaled statics (n, statics); what is missing becomes 0, the training mean."""
        scaled = (raw - raw.new_tensor(self.static_centre)) / raw.new_tensor(self.static_size)
        return scaled.masked_fill(scaled.isnan(), 0.0)

    def output(self, raw: Tensor) -> Tensor:
        """Return forces of what the network gave, shape (n, time, axes): BW, or N where the target is newton."""
        # the network's own output is raw here: the inverse of the scaling of targets
        if self.per_point:
            return raw * raw.new_tensor(self.target_point_size) + raw.new_tensor(self.target_point_centre)
        return raw * raw.new_tensor(self.target_size) + raw.new_tensor(self.target_centre)

    def expected(self, targets: Tensor, mass_kg: Tensor) -> Tensor:
        """Return targets (BW) in the unit of :meth:`output`."""
        return targets * (mass_kg * G)[:, None, None] if self.target == "newton" else targets

    def to_bw(self, forces: Tensor, mass_kg: Tensor) -> Tensor:
        """Return forces in BW of forces in the unit of :meth:`output`."""
        return forces / (mass_kg * G)[:, None, None] if self.target == "newton" else forces


class _Moments:
    """Count, mean, sum of squares about it, least and greatest of columns, block by block (Chan et al. 1979)."""

    def __init__(self, columns: int) -> None:
        self.n, self.mean, self.m2 = np.zeros(columns), np.zeros(columns), np.zeros(columns)
        self.low, self.high = np.full(columns, np.inf), np.full(columns, -np.inf)
        self.infinite = np.zeros(columns, dtype=bool)

    def add(self, values: NDArray[Any]) -> None:
        """Take in values (rows, columns); NaN counts nothing."""
        v = np.asarray(values, dtype=np.float64)
        valid = np.isfinite(v)
        self.infinite |= np.isinf(v).any(axis=0)
        n = valid.sum(axis=0)
        safe = np.maximum(n, 1)
        mean = np.where(valid, v, 0.0).sum(axis=0) / safe
        m2 = np.where(valid, (v - mean) ** 2, 0.0).sum(axis=0)
        total = np.maximum(self.n + n, 1)
        # two-pass within a block and merged between blocks: no cancellation, as summed squares would have
        delta = mean - self.mean
        self.m2 += np.where(n > 0, m2 + delta**2 * self.n * n / total, 0.0)
        self.mean += np.where(n > 0, delta * n / total, 0.0)
        self.n += n
        self.low = np.minimum(self.low, np.where(valid, v, np.inf).min(axis=0, initial=np.inf))
        self.high = np.maximum(self.high, np.where(valid, v, -np.inf).max(axis=0, initial=-np.inf))

    def scale(self, kind: Kind) -> tuple[Floats, Floats]:
        """Return centre and size; one that was never known or never changed is so large that the column stays 0."""
        sizes = np.sqrt(self.m2 / np.maximum(self.n, 1)) if kind == "zscore" else self.high - self.low
        centre = self.mean if kind == "zscore" else self.low
        if kind == "none":
            return np.zeros_like(centre), np.ones_like(centre)
        counted = self.n > 0
        # rounding leaves a constant column a tiny spread: told by its size beside the mean, not by zero
        moves = counted & (np.where(counted, sizes, 0.0) > RELATIVE * np.abs(np.where(counted, centre, 0.0)) + TINY)
        return np.where(counted, centre, 0.0), np.where(moves, sizes, STILL)


def fit_scaler(
    windows: Windows,
    *,
    kind: Kind = "zscore",
    target: Target = "bw",
    missing_masks: bool = False,
    unique_statics: bool = False,
    per_point: bool = False,
) -> Scaler:
    """Return the scaler of these windows, whose participants must all be training participants.

    Samples of weight 0 count nothing. Statics: over windows, or with ``unique_statics`` over the unique values
    (Carter 2024, doi 10.7717/peerj.17896; there the contact time stays over windows). Min-max brings to 0..1 (Zhou
    2025, doi 10.16156/j.1004-7220.2025.05.028). With ``per_point`` every point of a stance has a centre and a size of
    its own, as z-scores.

    Raises
    ------
    BadInputError
        If a mass is missing where the target is in newtons, no sample counts, a channel is missing
        throughout or infinite somewhere, or points are to be scaled one by one in continuous windows, which share no
        phase.
    """
    if per_point and (windows.data.data.attrs["window"] != "stance" or kind != "zscore" or target != "bw"):
        raise BadInputError(
            "per_point scales every point of a time-normalised stance by its own mean and SD, and forces in BW; leave"
            " it out with continuous windows, another scaling, or another target"
        )
    inputs, targets = _Moments(len(windows.channels)), _Moments(len(windows.axes))
    steps, ranges = np.zeros((2, len(windows.axes))), []
    for batch in windows.in_order():
        counts = batch.weight > 0
        inputs.add(batch.inputs[counts])
        targets.add(batch.targets[counts])
        # a step counts where both of its samples do
        pairs = counts[:, 1:] & counts[:, :-1]
        steps[0] += (np.diff(batch.targets, axis=1)[pairs].astype(np.float64) ** 2).sum(axis=0)
        steps[1] += pairs.sum()
        ranges.append(_ranges(batch))
    if not targets.n.any():
        raise BadInputError("no sample of the training windows counts: all weights are 0")
    endless = [c for c, some in zip(windows.channels, inputs.infinite) if some]
    if endless:
        raise BadInputError(
            f"channel {', '.join(endless)} holds infinite numbers; write NaN where a sample is missing, or leave the"
            " window out"
        )
    dead = [c for c, n in zip(windows.channels, inputs.n) if n == 0]
    if dead:
        raise BadInputError(f"channel {', '.join(dead)} is missing in every training window; leave it out")
    if target == "newton" and not np.isfinite(windows.data.scalar("mass_kg")).all():
        raise BadInputError("the target is in newtons, but some windows have no mass_kg; give it, or train in BW")
    centre, size = inputs.scale(kind)
    static_centre, static_size = _static_scale(windows, kind, unique=unique_statics)
    t_centre, t_size = targets.scale(target if target in ("zscore", "minmax") else "none")
    # outputs are multiplied by this size: STILL would turn the network's rounding into huge forces
    t_size = np.where(t_size == STILL, 1.0, t_size)
    return Scaler(
        kind=kind,
        target=target,
        missing_masks=missing_masks,
        unique_statics=unique_statics,
        channels=tuple(windows.channels),
        units=units_of(windows),
        statics=tuple(windows.statics),
        axes=tuple(windows.axes),
        participants=windows.data.participants,
        centre=_plain(centre),
        size=_plain(size),
        static_centre=_plain(static_centre),
        static_size=_plain(static_size),
        target_centre=_plain(t_centre),
        target_size=_plain(t_size),
        target_range=_plain(np.nanmean(np.concatenate(ranges), axis=0)),
        target_ms=_plain(targets.m2 / np.maximum(targets.n, 1)),
        target_step_ms=_plain(steps[0] / np.maximum(steps[1], 1)),
        **(_by_point(windows, size, np.sqrt(targets.m2 / np.maximum(targets.n, 1))) if per_point else {}),
    )


LEAST_SHARE = 0.1
"""Least size of a channel or axis at one point, as a share of its size over all points. Where nothing differs between
people (the load at a contact that a threshold of the load cut, a landmark that is the origin at landing) less would
blow up the noise of the next recording, and a contact found a little later. ``python tools/bench accuracy.share``:
on the contacts given kernel ridge errs at .1 as at .01 (to 1 %) or less, and less on contacts 2 % later; at .3 less
still on shoe IMUs and insoles, but more forward on walkers."""


def _by_point(windows: Windows, size: Floats, target_size: Floats) -> dict[str, tuple[tuple[float, ...], ...]]:
    """Return centre and size of every channel and axis at every point, as fields of the scaler."""
    points, channels, axes = int(windows.data.data.sizes["time"]), len(windows.channels), len(windows.axes)
    inputs, targets = _Moments(points * channels), _Moments(points * axes)
    for batch in windows.in_order():
        counts = (batch.weight > 0)[:, :, None]
        inputs.add(np.where(counts, batch.inputs, np.nan).reshape(len(batch.inputs), -1))
        targets.add(np.where(counts, batch.targets, np.nan).reshape(len(batch.targets), -1))
    centre, sizes = (part.reshape(points, channels) for part in inputs.scale("zscore"))
    t_centre, t_sizes = (part.reshape(points, axes) for part in targets.scale("zscore"))
    # a channel that never moved as a whole counts 0 at every point, too
    sizes = np.where((size == STILL) | (sizes == STILL), STILL, np.maximum(sizes, LEAST_SHARE * size))
    t_sizes = np.maximum(np.where(t_sizes == STILL, 0.0, t_sizes), LEAST_SHARE * np.maximum(target_size, TINY))
    return {
        "point_centre": _rows(centre), "point_size": _rows(sizes),
        "target_point_centre": _rows(t_centre), "target_point_size": _rows(t_sizes),
    }  # fmt: skip


def _rows(values: Floats) -> tuple[tuple[float, ...], ...]:
    # seven digits: what single precision holds, in which windows are kept and the network computes
    return tuple(tuple(float(f"{v:.7g}") for v in row) for row in values)


def units_of(windows: Windows) -> tuple[str, ...]:
    """Return the unit of each chosen channel."""
    unit_of = dict(zip(windows.data.channels, (str(u) for u in windows.data.data["unit"].values)))
    return tuple(unit_of[c] for c in windows.channels)


def _ranges(batch: Batch) -> Floats:
    """Return the range of each axis in each window that counts anywhere, shape (windows, axes)."""
    counts = (batch.weight > 0)[:, :, None]
    high = np.where(counts, batch.targets, -np.inf).max(axis=1)
    low = np.where(counts, batch.targets, np.inf).min(axis=1)
    counted = counts[:, :, 0].any(axis=1)
    return np.asarray(high[counted] - low[counted], dtype=np.float64)


def _static_scale(windows: Windows, kind: Kind, *, unique: bool) -> tuple[Floats, Floats]:
    centres, sizes = [], []
    for name in windows.statics:
        values = windows.data.scalar(name)
        values = values[np.isfinite(values)]
        moments = _Moments(1)
        # Carter's public code scales statics by their distinct values, but the contact time by all of them
        moments.add((np.unique(values) if unique and name != "contact_s" else values)[:, None])
        centre, size = moments.scale(kind)
        centres.append(centre[0])
        sizes.append(size[0])
    return np.asarray(centres), np.asarray(sizes)


def _plain(values: Sequence[float] | Floats) -> tuple[float, ...]:
    return tuple(float(v) for v in values)
