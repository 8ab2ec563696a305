"""A device's alignment, and the one place where its ClockMap is filled in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import Floats
from ..calibrate.lags import Lag
from ..records import Anchors, ClockMap, Segment
from .contact_events import LoadSignal
from .known_device import Shown
from .search import BestLag
from .waveform import WaveformLag


@dataclass(frozen=True)
class DeviceAlignment:
    """A clock map with what a report shows beside it.

    Attributes
    ----------
    lags_s, log_likelihood
        Every lag that was scored, and its score (nats).
    lost
        (device time, samples) of each silent loss.
    reference_loads, device_loads
        The signals that were aligned.
    deciding_prior_sd_s
        A prior on the offset surer than this SD (s) would make an alignment of the refusal; None where it would not.
    as_labelled
        Nats by which feet as labelled fit better, at their best offset, than exchanged ones do at theirs.
    rate_ppm
        The clock's rate by these contacts alone, and its standard error; None where several stretches were fitted, or
        courses of load.
    shown
        What the trial shows of the device; None where it is not contacts on plates that were fitted.
    """

    clock_map: ClockMap
    anchors: Anchors
    lags_s: Floats
    log_likelihood: Floats
    anchor_kind: str = "contacts"
    lost: tuple[tuple[float, int], ...] = ()
    reference_loads: tuple[LoadSignal, ...] = ()
    device_loads: tuple[LoadSignal, ...] = ()
    deciding_prior_sd_s: float | None = None
    as_labelled: float = 0.0
    rate_ppm: tuple[float, float] | None = None
    shown: Shown | None = None


def nothing_to_align(reason: str) -> DeviceAlignment:
    """Return a refusal that no figure could be computed for."""
    empty = np.zeros(0)
    refused = ClockMap(source="", target="", verdict="refused", reasons=[reason], matched_anchors=0)
    return DeviceAlignment(refused, Anchors(empty, empty, empty, np.zeros(0, dtype=bool)), empty, empty)


def clock_map(
    best: BestLag | WaveformLag, segments: Sequence[Segment], lag: Lag, *, reasons: list[str], **figures: Any
) -> ClockMap:
    """Return the map of a search's winner: aligned if there is no reason against it.

    Offset, drift and knots are those of the only segment; with several, each has its own. Source and target are named
    where the streams are known (:func:`grfkit.sync.align_device`).

    Parameters
    ----------
    figures
        Fields of :class:`~grfkit.records.ClockMap` that differ between contacts and courses of load.
    """
    alone = segments[0] if len(segments) == 1 else None
    return ClockMap(
        source="",
        target="",
        verdict="refused" if reasons else "aligned",
        reasons=reasons,
        offset_s=alone.offset_s if alone else None,
        drift_ppm=alone.drift_ppm if alone else None,
        knots=alone.knots if alone else [],
        segments=list(segments),
        margin=best.margin,
        margin_without_prior=best.margin_without_prior,
        runner_up_offset_s=float(best.runner_up_s) if np.isfinite(best.runner_up_s) else None,
        lag_sd_s=lag.sd_s,
        **figures,
    )


def without_map(refused: ClockMap) -> ClockMap:
    """Return a refusal that nobody can apply by mistake."""
    empty: dict[str, object] = {
        "offset_s": None,
        "drift_ppm": None,
        "knots": [],
        "segments": [],
        "uncertainty_ms": None,
    }
    return refused.model_copy(update=empty)
