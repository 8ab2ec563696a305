"""How one clock becomes another: the ClockMap document and its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..arrays import Floats
from ..errors import BadInputError
from ..provenance import SCHEMA_VERSION

MapOrigin = Literal["estimated", "synchronised", "offset", "by hand"]
"""Where a map is from: the signals; or what the user states: that the clocks are one, or the offset between them; or a
person who looked at the signals and decided (:class:`ByHand`)."""
ClockCheck = Literal["", "agrees", "unclear", "doubtful", "contradicts"]
"""What the contacts say of a stated clock; empty where it was estimated. ``unclear``: too little to check it by."""

# A time at a segment's very end may leave it by so many roundings of a double on its way there and back
_ROUNDINGS = 8


class Knot(BaseModel):
    """Where the clock wanders: ``extra_s`` is added to the affine map at ``t_device_s`` (linear between)."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    t_device_s: float
    extra_s: float


class Segment(BaseModel):
    """One stretch of device time ``[start_s, end_s)`` with its own offset, drift and knots."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    start_s: float
    end_s: float
    offset_s: float
    drift_ppm: float
    knots: list[Knot] = Field(default_factory=list)

    def apply(self, t_device_s: Floats) -> Floats:
        """Return reference time (s) of device times (s), extended beyond the segment's ends."""
        t = np.asarray(t_device_s, dtype=np.float64)
        mapped = self.offset_s + (1.0 + self.drift_ppm * 1e-6) * t
        if self.knots:
            at = np.asarray([k.t_device_s for k in self.knots])
            mapped = mapped + np.interp(t, at, np.asarray([k.extra_s for k in self.knots]))
        return np.asarray(mapped, dtype=np.float64)

    def inverse(self, t_target_s: Floats) -> Floats:
        """Return device time (s) of reference times (s), extended as :meth:`apply` is."""
        t = np.asarray(t_target_s, dtype=np.float64)
        rate = 1.0 + self.drift_ppm * 1e-6
        if not self.knots:
            return np.asarray((t - self.offset_s) / rate, dtype=np.float64)
        at = np.asarray([k.t_device_s for k in self.knots])
        extra = np.asarray([k.extra_s for k in self.knots])
        # straight between knots, and beyond the outer ones as if their extra went on
        mapped = self.offset_s + rate * at + extra
        inside = np.interp(t, mapped, at)
        before = (t - self.offset_s - extra[0]) / rate
        after = (t - self.offset_s - extra[-1]) / rate
        return np.asarray(np.where(t < mapped[0], before, np.where(t > mapped[-1], after, inside)), dtype=np.float64)


class Prior(BaseModel):
    """What the user knows of the offset beforehand: a Gaussian log-prior on ``offset_s``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    offset_s: float
    sd_s: float = Field(gt=0)


class ByHand(BaseModel):
    """Who decided on a clock by eye, when, and what it was before.

    Attributes
    ----------
    who, when
        Name or code of the person; the moment, ISO 8601, UTC.
    accepted
        Whether the clock was accepted, or refused.
    moved_s
        Reference time (s) by which the device was moved from where it was, in the middle of what both recorded.
    nats, best_nats
        Log-likelihood (nats) of the contacts at the place that was decided on, and at the best of the places that were
        searched; None where no contacts could be compared.
    events_changed
        Contacts that were moved, added or deleted; they stand in the trial under ``/sync/STREAM/by_hand``.
    before
        The map as it was; of a second review the first one's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    who: str = Field(min_length=1)
    when: str
    note: str = ""
    accepted: bool
    moved_s: float = 0.0
    nats: float | None = None
    best_nats: float | None = None
    events_changed: int = 0
    before: ClockMap

    def stored(self) -> dict[str, Any]:
        """Return the decision as files hold it."""
        return self.model_dump(mode="json", exclude={"before"}) | {"before": self.before.stored()}

    def in_words(self) -> str:
        """Return who decided what and when, as a clause."""
        what = "accepted" if self.accepted else "refused"
        moved = f", moved by {1e3 * self.moved_s:+.0f} ms" if self.moved_s and self.accepted else ""
        events = f", {self.events_changed} contacts changed" if self.events_changed else ""
        note = f": {self.note}" if self.note else ""
        return f"{what} by hand by {self.who} on {self.when[:10]}{moved}{events}{note}"


class ClockMap(BaseModel):
    """How a device clock becomes the reference clock, and how surely.

    ``t_target = offset_s + (1 + drift_ppm * 1e-6) * t_source`` plus the knots. Times refer to each
    recording's first stamp. A refused map carries no offset, drift, knots or segments, unless the user
    accepted the refusal; ``verdict`` says ``refused`` all the same.

    Attributes
    ----------
    uncertainty_ms
        95 % half-width of the error of the map at the worst instant of the overlap, sensor-lag SD included.
    margin, margin_without_prior
        Log-likelihood (nats) by which the chosen lag beats every other, with and without the prior.
    p_wrong
        Stated probability that the map is a step or more wrong.
    inliers
        Share of the device's contacts that could match and did.
    lag_s, lag_sd_s
        Sensor lag subtracted, its SD and where it came from.
    origin
        ``estimated`` from the signals, or stated by the user: ``synchronised`` or ``offset``; or decided on ``by
        hand``. A map that is not estimated has no margin and no ``p_wrong``, and an ``uncertainty_ms`` only where the
        user gave one, or accepted an estimate where it was.
    check
        What the contacts say of a stated map.
    by_hand
        Who decided by eye, and what was before; None where nobody did.

    Examples
    --------
    >>> import numpy as np
    >>> from grfkit import ClockMap
    >>> from grfkit.records import Segment
    >>> whole = Segment(start_s=0.0, end_s=60.0, offset_s=2.5, drift_ppm=100.0)
    >>> clock_map = ClockMap(
    ...     source="insole_left", target="plates", verdict="aligned", offset_s=2.5, drift_ppm=100.0, segments=[whole],
    ...     uncertainty_ms=8.0,
    ... )
    >>> clock_map
    ClockMap insole_left -> plates: aligned, offset 2.5000 s, drift 100.0 ppm, +-8.0 ms (95 %)
    >>> clock_map.apply(np.array([0.0, 10.0]))
    array([ 2.5  , 12.501])
    >>> clock_map.inverse(clock_map.apply(np.array([10.0])))
    array([10.])
    """

    model_config = ConfigDict(extra="forbid")
    schema_version: str = SCHEMA_VERSION
    source: str
    target: str
    verdict: Literal["aligned", "refused"]
    reasons: list[str] = Field(default_factory=list)
    offset_s: float | None = None
    drift_ppm: float | None = None
    knots: list[Knot] = Field(default_factory=list)
    segments: list[Segment] = Field(default_factory=list)
    uncertainty_ms: float | None = None
    residual_ms: float | None = None
    margin: float | None = None
    margin_without_prior: float | None = None
    p_wrong: float | None = None
    inliers: float | None = None
    matched_anchors: int = 0
    overlap_s: float | None = None
    runner_up_offset_s: float | None = None
    lost_samples: int = 0
    lag_s: float = 0.0
    lag_sd_s: float = 0.0
    lag_source: str = ""
    findings: list[str] = Field(default_factory=list)
    swapped_sides: bool | None = None
    inverted: bool = False
    origin: MapOrigin = "estimated"
    check: ClockCheck = ""
    by_hand: ByHand | None = None

    def __repr__(self) -> str:
        """Return the map, or the refusal, in a line."""
        text = f"ClockMap {self.source} -> {self.target}: {self.verdict}"
        if self.offset_s is not None and self.drift_ppm is not None:
            text += f", offset {self.offset_s:.4f} s, drift {self.drift_ppm:.1f} ppm"
        if self.uncertainty_ms is not None:
            text += f", +-{self.uncertainty_ms:.1f} ms (95 %)"
        if self.by_hand is not None:
            text += f", {self.by_hand.in_words()}"
        elif self.origin != "estimated":
            text += f", stated by the user ({self.origin}), not estimated"
        return f"{text}; {'; '.join(self.reasons)}" if self.reasons else text

    __str__ = __repr__

    def stored(self) -> dict[str, Any]:
        """Return the map as files hold it: what only stated clocks or clocks by hand have is left out of others."""
        idle = {"origin", "check"} if self.origin == "estimated" else set()
        if self.by_hand is None:
            return self.model_dump(mode="json", exclude=idle | {"by_hand"})
        return self.model_dump(mode="json") | {"by_hand": self.by_hand.stored()}

    def apply(self, t_source_s: Floats) -> Floats:
        """Return reference time (s) of device times (s), NaN where the device lies between two segments.

        Raises
        ------
        BadInputError
            If the map was refused and not accepted by the user.
        """
        self._check()
        t = np.asarray(t_source_s, dtype=np.float64)
        if len(self.segments) == 1:
            return self.segments[0].apply(t)
        mapped = np.full(t.shape, np.nan)
        last = len(self.segments) - 1
        # the first and the last one reach on, as a device may have recorded longer than the reference
        for index, segment in enumerate(self.segments):
            inside = t >= (-np.inf if index == 0 else segment.start_s)
            inside &= t < (np.inf if index == last else segment.end_s)
            mapped[inside] = segment.apply(t[inside])
        return mapped

    def _check(self) -> None:
        if not self.segments:
            raise BadInputError(f"{self.source}: alignment was refused, there is no map to apply")

    def inverse(self, t_target_s: Floats) -> Floats:
        """Return device time (s) of reference times (s): the inverse of :meth:`apply` wherever that is defined.

        NaN inside a stretch of lost samples. Before the first segment and after the last one both reach on. Where two
        segments map to the same reference time (the device's clock was set back), the later one answers.

        Raises
        ------
        BadInputError
            If the map was refused and not accepted by the user.
        """
        self._check()
        t = np.asarray(t_target_s, dtype=np.float64)
        device = np.full(t.shape, np.nan)
        last = len(self.segments) - 1
        for index, segment in enumerate(self.segments):
            # the first and the last one reach on, as in apply
            low = -np.inf if index == 0 else segment.start_s
            high = np.inf if index == last else segment.end_s
            at = segment.inverse(t)
            slack = _ROUNDINGS * np.finfo(np.float64).eps * (np.abs(t) + np.abs(at) + abs(segment.offset_s))
            inside = (at >= low - slack) & (at < high + slack)
            # apply maps an end to the next segment, or to nothing
            device[inside] = np.clip(at[inside], low, np.nextafter(high, -np.inf))
        return device


ByHand.model_rebuild()


@dataclass(frozen=True)
class Anchors:
    """The matched contacts behind a map: device and reference time, residual (s), whether it counted."""

    t_device_s: Floats
    t_reference_s: Floats
    residual_s: Floats
    kept: NDArray[np.bool_]
