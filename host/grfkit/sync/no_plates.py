"""Devices of one trial that no force plate saw: their clocks are joined to that of the first of them.

Every clock is aligned to one that is joined already, the likeliest first: a device on the same feet before one on the
other foot. What it was joined to stands in its map's findings, and its uncertainty holds that of the way there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from ..calibrate.documents import LagTable
from ..errors import BadInputError
from ..provenance import Provenance
from ..records import ClockMap, Prior, Recording
from .clock_map import DeviceAlignment
from .device_pair import align_pair
from .documents import Documents
from .inputs import Wearables, WrongRoleError, read_wearables
from .request import Source, SyncRequest, path_of
from .settings import AlignSettings

NO_FORCE = "no force plate was recorded: the trial has no force, only the clocks of its devices are joined"
"""Finding of every trial without a reference."""
_RANK = ("insole", "landmarks", "keypoints", "imu")
"""Kinds of stream, the one whose contacts are the surest first."""


@dataclass(frozen=True)
class _Joined:
    """A clock that is joined: its streams on the first device's clock, and how sure (ms) they are of it."""

    streams: dict[str, xr.Dataset]
    uncertainty_ms: float


def join_devices(
    groups: Sequence[dict[str, xr.Dataset]],
    *,
    prior: Prior | None = None,
    settings: AlignSettings | None = None,
    lags: LagTable | None = None,
    accept_refused: bool = False,
) -> list[DeviceAlignment]:
    """Return the alignment of every group but the first to the clock of the first, in their order.

    Parameters
    ----------
    groups
        Streams that share a clock, by unique names; two groups or more.
    prior
        On the offset of the second group, where there are two.
    """
    joined = [_Joined(groups[0], 0.0)]
    found: dict[int, DeviceAlignment] = {}
    waiting = list(range(1, len(groups)))
    while waiting:
        # the likeliest pair first; a stable sort, so that the order of the files decides between equals
        pairs = sorted(((a, n) for n in waiting for a in joined), key=lambda pair: _distance(pair[0], groups[pair[1]]))
        for anchor, number in pairs:
            alignment = align_pair(
                anchor.streams,
                groups[number],
                prior=prior,
                settings=settings,
                lags=lags,
                accept_refused=accept_refused,
            )
            found.setdefault(number, alignment)
            if alignment.clock_map.verdict == "aligned":
                found[number] = _by_way_of(alignment, anchor)
                joined.append(_on_first_clock(groups[number], found[number]))
                waiting.remove(number)
                break
        else:
            break
    return [found[number] for number in range(1, len(groups))]


def joined_devices(wearables: Wearables, request: SyncRequest, *, lags: LagTable | None) -> list[DeviceAlignment]:
    """Return the alignment of every clock but the first, which is the trial's.

    Raises
    ------
    BadInputError
        If there is one clock only, or a prior for more than two.
    """
    groups, prior = wearables.groups, request.prior()
    if len(groups) < 2:
        raise BadInputError("all streams share one clock already: there is nothing to join; read the file as it is")
    if prior is not None and len(groups) > 2:
        raise BadInputError(
            f"a prior (--prior-offset) is of one offset, and {len(groups)} clocks are to be joined: join two first"
        )
    found = join_devices(
        groups, prior=prior, settings=request.settings, lags=lags, accept_refused=request.accept_refused
    )
    wearables.notes.append(NO_FORCE)
    return found


def _distance(anchor: _Joined, group: Mapping[str, xr.Dataset]) -> tuple[int, int, float]:
    """Return how unlike two groups are: shared feet first, then the kinds, then how sure the anchor is."""
    mine, other = _feet(anchor.streams), _feet(group)
    shared = 0 if mine & other else 1 if not mine or not other else 2
    kinds = sum(min(_RANK.index(k) if k in _RANK else len(_RANK) for k in _kinds(s)) for s in (anchor.streams, group))
    return shared, kinds, anchor.uncertainty_ms


def _feet(streams: Mapping[str, xr.Dataset]) -> set[str]:
    return {str(s.attrs.get("side")) for s in streams.values()} & {"left", "right"}


def _kinds(streams: Mapping[str, xr.Dataset]) -> set[str]:
    return {str(s.attrs.get("kind")) for s in streams.values()}


def _by_way_of(alignment: DeviceAlignment, anchor: _Joined) -> DeviceAlignment:
    """Return an alignment to a clock that was joined itself, with what that adds to its uncertainty."""
    found = alignment.clock_map
    how = f"joined by the contacts of {'+'.join(anchor.streams)}"
    total_ms = float(np.hypot(found.uncertainty_ms or 0.0, anchor.uncertainty_ms))
    update = {"findings": [*found.findings, how], "uncertainty_ms": total_ms}
    return replace(alignment, clock_map=found.model_copy(update=update))


def _on_first_clock(group: Mapping[str, xr.Dataset], alignment: DeviceAlignment) -> _Joined:
    streams = {name: _with_times(stream, alignment.clock_map) for name, stream in group.items()}
    return _Joined(streams, alignment.clock_map.uncertainty_ms or 0.0)


def _with_times(stream: xr.Dataset, clock_map: ClockMap) -> xr.Dataset:
    mapped = clock_map.apply(np.asarray(stream["time"].values, dtype=np.float64))
    placed = np.flatnonzero(np.isfinite(mapped))
    moved: xr.Dataset = stream.isel(time=placed).assign_coords(time=("time", mapped[placed], stream["time"].attrs))
    return moved


def read_devices(sources: tuple[Source, ...], request: SyncRequest, documents: Documents) -> Wearables:
    """Return the devices of a trial without a reference, read and grouped by clock.

    Raises
    ------
    BadInputError
        If one of them cannot be read, shows no contacts, or holds force plates, which are a reference.
    """
    try:
        wearables = read_wearables(sources, request, documents)
    except WrongRoleError as error:
        raise BadInputError(f"{error}; if these are force plates, take the file as --reference") from error
    for recording, source in zip(wearables.recordings, sources):
        if recording.of_kind("force_plate"):
            raise BadInputError(
                f"{path_of(source)}: holds force plates, and no reference is given: take it as --reference (reference"
                " in Python)"
            )
    return wearables


def no_reference() -> Recording:
    """Return the reference of a trial that has none: no stream."""
    tree = xr.DataTree()
    provenance = Provenance().model_dump_json()
    tree.attrs.update(artefact="recording", device="", reader="", first_stamp_s=0.0, provenance=provenance)
    return Recording(tree)


def without_force(reference: Recording) -> bool:
    """Return whether a trial with this reference has no force: there was none, or one without force plates."""
    return not reference.of_kind("force_plate")
