"""What an alignment rests on: filled by ``sync``, read by ``report``, so that neither imports the other."""

from __future__ import annotations

import re
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
LEAST_CHANCE = 1e-4
"""The least chance of a wrong step that an alignment states: the floor of ``WrongStepModel``, below which
the trials that it was fitted on tell nothing. A chance at it is said to be less."""
DOUBT = "inputs: "
"""How a finding begins that doubts the units of the inputs or what was stated of the trial."""


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
    deciding_prior_sd_s
        A prior on the offset surer than this SD (s) would make an alignment of a refusal; None where it would not.

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
    deciding_prior_sd_s: float | None = None

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


NATS = "nats: natural-log units; 20 is 1 in 500 million odds"
"""What a reader who meets nats for the first time needs: exp(20) is 4.9e8."""


def verdict_in_words(
    verdict: TrialVerdict, *, aligned: int, allow_partial: bool = False, accept_refused: bool = False
) -> str:
    """Return a trial's verdict, and what becomes of the trial: the same words on every page and in every terminal.

    Parameters
    ----------
    aligned
        How many streams are aligned.
    allow_partial, accept_refused
        Whether the user takes the streams that align without the others, or a refused trial as it is.
    """
    if verdict == "aligned":
        return "aligned"
    name = "partly aligned" if verdict == "partial" else "refused"
    if accept_refused:
        return f"{name}, written all the same as asked for; what was refused stays marked as refused"
    if verdict == "refused":
        return f"{name}, nothing written"
    if allow_partial:
        return f"{name}, the {aligned} that {_align(aligned)} written"
    return (
        f"{name}, nothing written; --allow-partial (allow_partial=True in Python) writes the {aligned} that"
        f" {'aligns' if aligned == 1 else 'align'}"
    )


_OPTION = re.compile(
    r"--[a-z-]+ and --[a-z-]+(?P<open> \(|; )(?P<first>\w+) and (?P<second>\w+) in Python(?P<close>\)?)"
    r"|--(?!force\b)[a-z-]+(?: \(|; )(?P<name>\w+)[^()]* in Python(?P<end>\)?)"
)
"""An option, or two, and the argument of the function: ``--side (side in Python)``, ``(--side; side in Python)``."""


def as_columns(text: str) -> str:
    """Return a text on a row of a table: options named in it as the table's columns, which are called as arguments.

    Examples
    --------
    >>> as_columns("use --together (together=True in Python)")
    'use the column together'
    """

    def named(match: re.Match[str]) -> str:
        pair = match["first"] is not None
        words = f"the columns {match['first']} and {match['second']}" if pair else f"the column {match['name']}"
        # a bracket that was open before the option stays to be closed
        inside = "; " in match[0][: match[0].index(match["first"] or match["name"])]
        return words + (")" if inside and match["close" if pair else "end"] else "")

    return _OPTION.sub(named, text)


def _align(count: int) -> str:
    return "aligns is" if count == 1 else "align are"


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
