"""What an alignment rests on: filled by ``sync``, read by ``report``, so that neither imports the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from ..arrays import Floats
from ..errors import BadInputError
from ..provenance import InputFile
from .clock import Anchors, ClockMap
from .streams import Surface

TrialVerdict = Literal["aligned", "partial", "refused"]


@dataclass(frozen=True)
class StreamEvidence:
    """Everything a person needs to judge the alignment of one device stream.

    Arrays of one pair have one length; an empty array says that there is nothing to show.

    Attributes
    ----------
    stream
        Name of the stream, e.g. ``insole_left``.
    clock_map
        The answer, or the refusal, with its figures.
    reference_time_s, reference_signal
        Shape (samples,): the reference's signal on its own clock (s), scaled so that a usual contact peaks
        near 1; NaN where missing.
    device_time_s, device_signal
        Shape (samples,): the same of the device, on the device clock (s), as recorded.
    anchors
        The events behind the map, in any order; residuals in s, reference minus mapped device time.
    anchor_kind
        What the events are, in the plural: ``"contacts"``, ``"jumps"``, ...
    lag_s, log_likelihood
        Shape (candidates,): candidate values of ``offset_s`` and the score (nats) of each, NaN where a
        candidate was not evaluated. Any order.
    chosen_lag_s
        The best candidate, also of a refused stream; None if no candidate was found at all.
    runner_up_lag_s
        The best candidate that is another alignment, and not merely beside the chosen one.
    gaps
        ``(start_s, end_s)`` of stretches the device did not record, on the device clock.
    lost
        ``(at_device_s, samples)`` where samples were lost without a trace in the stamps.

    Raises
    ------
    BadInputError
        If two arrays of a pair differ in length.
    """

    stream: str
    clock_map: ClockMap
    reference_time_s: Floats
    reference_signal: Floats
    device_time_s: Floats
    device_signal: Floats
    anchors: Anchors
    anchor_kind: str
    lag_s: Floats
    log_likelihood: Floats
    chosen_lag_s: float | None = None
    runner_up_lag_s: float | None = None
    gaps: Sequence[tuple[float, float]] = ()
    lost: Sequence[tuple[float, int]] = ()

    def __post_init__(self) -> None:
        """Check that arrays of one pair have one length."""
        pairs = {
            "reference_signal": (self.reference_time_s, self.reference_signal),
            "device_signal": (self.device_time_s, self.device_signal),
            "log_likelihood": (self.lag_s, self.log_likelihood),
            "anchors.t_reference_s": (self.anchors.t_device_s, self.anchors.t_reference_s),
            "anchors.residual_s": (self.anchors.t_device_s, self.anchors.residual_s),
            "anchors.kept": (self.anchors.t_device_s, self.anchors.kept),
        }
        for name, (along, values) in pairs.items():
            if np.ndim(values) != 1 or np.shape(along) != np.shape(values):
                raise BadInputError(f"{self.stream}: {name} has shape {np.shape(values)}, expected {np.shape(along)}")


@dataclass(frozen=True)
class TrialEvidence:
    """Everything a person needs to judge one trial.

    Attributes
    ----------
    trial
        Name of the trial, the report's title.
    verdict
        ``aligned`` if every stream is, ``refused`` if none is, ``partial`` between.
    doctor
        What the plates' doctor found, each with ``plate``, ``code``, ``severity`` (``info``, ``warning``,
        ``error``), ``text`` and ``corrected`` (bool); a missing key shows as a dash.
    inputs
        Every file with its SHA-256.
    configuration
        The whole configuration of the run.
    notes
        Sentences to show as they stand.
    inspections
        One mapping per file (``name``, ``reader``, ``streams``, ...), as ``grf-inspect`` tells it.
    """

    trial: str
    surface: Surface
    verdict: TrialVerdict
    streams: Sequence[StreamEvidence] = ()
    participant: str | None = None
    mass_kg: float | None = None
    speed_m_s: float | None = None
    doctor: Sequence[Mapping[str, Any]] = ()
    inputs: Sequence[InputFile] = ()
    configuration: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    inspections: Sequence[Mapping[str, Any]] = ()
