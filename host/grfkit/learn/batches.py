"""Windows of a set in batches, read in contiguous runs, so that a set larger than memory can be trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import BadInputError
from ..records.person import PERSONAL
from ..records.stance_set import StanceSet, in_words

Singles = NDArray[np.float32]
Indices = NDArray[np.int64]
BLOCK = 64
"""Windows that lie side by side on disk and are read as one run: chosen by hand, the chunk size of a set's file."""
BUFFER = 2048
"""Windows among which the order of training is mixed: chosen by hand, 32 blocks; the memory of one epoch's reading."""


class Batch(NamedTuple):
    """Raw windows: inputs (n, time, channels; NaN missing), statics (n, statics), targets (BW), weight (n, time)."""

    inputs: Singles
    statics: Singles
    targets: Singles
    weight: Singles
    mass_kg: Singles


@dataclass
class Windows:
    """A set seen as batches of chosen channels, statics and axes.

    Parameters
    ----------
    data
        May lie on disk.
    channels, statics, axes
        Names, in the order the network takes them.
    memory_mb
        A set whose arrays are smaller than this is read once and kept.
    """

    data: StanceSet
    channels: Sequence[str]
    statics: Sequence[str]
    axes: Sequence[str]
    memory_mb: float = 2000.0

    def __post_init__(self) -> None:
        require(self.data.channels, self.channels, "channel")
        require([str(s) for s in self.data.data["scalar"].values], self.statics, "static feature")
        require_personal(self.data, self.statics)
        require(self.data.axes, self.axes, "axis")
        # columns are chosen in memory: the file reader cannot select none of them
        place = {channel: i for i, channel in enumerate(self.data.channels)}
        self._columns = [place[c] for c in self.channels]
        self._targets = [self.data.axes.index(a) for a in self.axes]
        scalars = [str(s) for s in self.data.data["scalar"].values]
        table = np.asarray(self.data.data["scalars"].values, dtype=np.float64)
        self._statics = table[:, [scalars.index(s) for s in self.statics]].astype(np.float32)
        self._mass = table[:, scalars.index("mass_kg")].astype(np.float32)
        # 1 for the weight; 4 bytes a number, below
        per_window = (len(self.channels) + len(self.axes) + 1) * int(self.data.data.sizes["time"])
        self._held: Batch | None = None
        if per_window * self.size * 4 / 1e6 <= memory_mb_or_zero(self.memory_mb):
            self._held = self._from_disk(slice(0, self.size))

    @property
    def size(self) -> int:
        """Return the number of windows."""
        return self.data.size

    @property
    def kind(self) -> str:
        """Return ``stance`` or ``continuous``."""
        return str(self.data.data.attrs["window"])

    @property
    def points(self) -> int:
        """Return the samples of a window."""
        return int(self.data.data.sizes["time"])

    def _from_disk(self, rows: slice) -> Batch:
        part = self.data.data.isel(stance=rows)
        x, w = (np.asarray(part[n].values, dtype=np.float32) for n in ("inputs", "weight"))
        y = np.zeros((*w.shape, 0), dtype=np.float32)
        if self._targets:
            y = np.asarray(part["targets"].values, dtype=np.float32)[:, :, self._targets]
        x = x[:, :, self._columns]
        # NaN times weight 0 would still be NaN in the loss: such targets become 0 and lose their weight
        weight = np.where(np.isfinite(y).all(axis=2), w, 0.0).astype(np.float32)
        return Batch(
            x, self._statics[rows], np.nan_to_num(y, nan=0.0, posinf=0.0, neginf=0.0), weight, self._mass[rows]
        )

    def read(self, indices: Indices) -> Batch:
        """Return these windows in this order (repeats allowed), read as contiguous runs in rising order."""
        if self._held is not None:
            return Batch(*(part[indices] for part in self._held))
        # repeats are read once, and every stretch of neighbours at once; `back` restores order and repeats
        rows, back = np.unique(indices, return_inverse=True)
        runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
        parts = [self._from_disk(slice(int(r[0]), int(r[-1]) + 1)) for r in runs]
        return Batch(*(np.concatenate(p)[back] for p in zip(*parts)))

    def in_order(self, size: int = 512) -> Iterator[Batch]:
        """Yield all windows as they come, ``size`` at a time."""
        for start in range(0, self.size, size):
            rows = slice(start, min(start + size, self.size))
            in_memory = self._held
            yield self._from_disk(rows) if in_memory is None else Batch(*(part[rows] for part in in_memory))

    def shuffled(self, size: int, seed: int, groups: Sequence[str] | None = None) -> Iterator[Batch]:
        """Yield one epoch in batches of ``size``, in an order that depends on the seed alone."""
        order = epoch_order(self.size, seed, groups)
        for start in range(0, len(order), BUFFER):
            chunk = order[start : start + BUFFER]
            buffered = self.read(chunk) if self._held is None else None
            for low in range(0, len(chunk), size):
                rows = np.arange(low, min(low + size, len(chunk)))
                yield self.read(chunk[rows]) if buffered is None else Batch(*(part[rows] for part in buffered))

    def batches(self, size: int, groups: Sequence[str] | None = None) -> int:
        """Return how many batches an epoch has."""
        length = len(epoch_order(self.size, 0, groups))
        # a batch never spans two buffers (see shuffled), so each buffer may end in a smaller one
        full, rest = divmod(length, BUFFER)
        return full * -(-BUFFER // size) + -(-rest // size)


def memory_mb_or_zero(value: float) -> float:
    """Return the limit in MB, or refuse a negative one."""
    if value < 0:
        raise BadInputError(f"memory_mb is {value}; expected 0 (always from disk) or more")
    # below the size of any set, even an empty one
    return value if value > 0 else -1.0


def require(have: Sequence[str], names: Sequence[str], what: str) -> None:
    """Refuse names that are not there.

    Raises
    ------
    BadInputError
        If anything is missing.
    """
    missing = [name for name in names if name not in have]
    if missing:
        raise BadInputError(
            f"{what} {in_words(missing)} is wanted but not in the set, which has {in_words(have) or 'none'}; give"
            " signals with the same names as in training, or train without it"
        )


def require_personal(data: StanceSet, statics: Sequence[str]) -> None:
    """Refuse facts of people that are unknown of somebody: filled with a mean they would pass for measured.

    Raises
    ------
    BadInputError
        Naming the fact and the participants.
    """
    for name in (s for s in statics if s in PERSONAL):
        unknown = sorted(set(data.per_stance("participant")[~np.isfinite(data.scalar(name))]))
        if unknown:
            fact = "hka_left_deg, hka_right_deg, hka_method" if name.startswith("hka") else "affected"
            raise BadInputError(
                f"'{name}' is wanted, but not known of participant {', '.join(unknown[:8])}"
                f"{' ...' if len(unknown) > 8 else ''}; state it ({fact}: grf-sync --person, or columns of a table),"
                " leave them out, or train without it"
            )


def epoch_order(size: int, seed: int, groups: Sequence[str] | None = None) -> Indices:
    """Return the order of one epoch: blocks of windows permuted, then windows within a buffer of blocks.

    With ``groups`` (one label per window) the groups take turns, so that each batch holds equally many of each; a
    small group is gone through again, in a new order each time. The epoch stays about as long.
    """
    # blocks, because a fully random order would read a large file one window at a time
    rng = np.random.default_rng(seed)
    if groups is None:
        return _blocks(np.arange(size), rng)
    labels = np.asarray(list(groups))
    names = np.unique(labels)
    # the mean size of a group: a larger one shows a part of its windows each epoch, a smaller one repeats them
    each = -(-size // len(names))
    streams = []
    for name in names:
        rows = np.flatnonzero(labels == name)
        times = -(-each // len(rows))
        streams.append(np.concatenate([_blocks(rows, rng) for _ in range(times)])[:each])
    return np.stack(streams, axis=1).reshape(-1)


def _blocks(rows: Indices, rng: np.random.Generator) -> Indices:
    blocks = np.split(rows, np.arange(BLOCK, len(rows), BLOCK))
    mixed = np.concatenate([blocks[i] for i in rng.permutation(len(blocks))])
    parts = [rng.permutation(mixed[i : i + BUFFER]) for i in range(0, len(mixed), BUFFER)]
    return np.concatenate(parts).astype(np.int64)


def matching_channels(have: Sequence[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """Return the channels that match a pattern, in the set's order; refuses a pattern that matches nothing."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in have):
            raise BadInputError(f"no channel matches '{pattern}'; the set has {in_words(have)}")
    return tuple(name for name in have if any(fnmatchcase(name, p) for p in patterns))
