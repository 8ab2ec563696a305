"""The parts of an alignment: sources read and examined, and one clock of them aligned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from ..records import Prior, Recording
from .clock_map import DeviceAlignment
from .device import align_device
from .documents import Documents, load_documents
from .inputs import (
    Wearables,
    WrongRoleError,
    apart_from_plates,
    examined_reference,
    explain_wrong_role,
    read_wearables,
    refuse_exchanged,
)
from .known_device import KnownDevice
from .lag_difference import refuse_unused_lags
from .no_plates import no_reference, read_devices
from .request import Source, SyncRequest, refuse_unusable


@dataclass(frozen=True)
class Prepared:
    """What an alignment reads: the reference examined, the wearables grouped by clock, before anything is aligned.

    Where there was no reference its recording has no streams.
    """

    request: SyncRequest
    sources: tuple[Source, ...]
    documents: Documents
    reference: Recording
    doctor: list[dict[str, Any]]
    wearables: Wearables


def prepare(request: SyncRequest, sources: tuple[Source, ...]) -> Prepared:
    """Return sources read and examined, the reference first where there is one."""
    # options that contradict one another are refused before a file is read
    request.prior()
    refuse_unusable(request, sources)
    documents = load_documents(request.calibrations)
    if request.reference is None:
        wearables = read_devices(sources, request, documents)
        refuse_unused_lags(documents.lags, wearables.streams.values())
        return Prepared(request, sources, documents, no_reference(), [], wearables)
    try:
        reference, doctor = examined_reference(sources[0], request, documents)
        reference, own = apart_from_plates(reference) if request.synchronised else (reference, None)
        beside = None if own is None else (sources[0], own)
        wearables = read_wearables(sources[1:], request, documents, beside=beside)
    except WrongRoleError as error:
        raise explain_wrong_role(error, sources, request) from error
    refuse_exchanged(reference, wearables.recordings, sources)
    refuse_unused_lags(documents.lags, wearables.streams.values())
    return Prepared(request, sources, documents, reference, doctor, wearables)


def align_clock(
    ready: Prepared,
    group: Mapping[str, xr.Dataset],
    *,
    prior: Prior | None,
    swap_chance: float | None = None,
    clock_rate_ppm: tuple[float, float] | None = None,
    known: KnownDevice | None = None,
) -> DeviceAlignment:
    """Return the alignment of the streams of one clock, by the settings of the request.

    Parameters
    ----------
    swap_chance
        In place of the settings' chance that left and right were exchanged.
    clock_rate_ppm
        Mean and SD of the clock's rate, where it is known.
    known
        What other trials say of the device.
    """
    settings = ready.request.settings
    if swap_chance is not None:
        settings = settings.model_copy(update={"swap_chance": swap_chance})
    return align_device(
        ready.reference,
        group,
        surface=ready.request.surface,
        prior=prior,
        settings=settings,
        lags=ready.documents.lags,
        accept_refused=ready.request.accept_refused,
        clock_rate_ppm=clock_rate_ppm,
        known=known,
    )
