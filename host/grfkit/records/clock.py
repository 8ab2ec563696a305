"""How one clock becomes another: the ClockMap document and its parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ..arrays import Floats
from ..errors import BadInputError
from ..provenance import SCHEMA_VERSION


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


class Prior(BaseModel):
    """What the user knows of the offset beforehand: a Gaussian log-prior on ``offset_s``."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    offset_s: float
    sd_s: float = Field(gt=0)


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

    def __repr__(self) -> str:
        """Return the map, or the refusal, in a line."""
        text = f"ClockMap {self.source} -> {self.target}: {self.verdict}"
        if self.offset_s is not None and self.drift_ppm is not None:
            text += f", offset {self.offset_s:.4f} s, drift {self.drift_ppm:.1f} ppm"
        if self.uncertainty_ms is not None:
            text += f", +-{self.uncertainty_ms:.1f} ms (95 %)"
        return f"{text}; {'; '.join(self.reasons)}" if self.reasons else text

    __str__ = __repr__

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
        """Return device time (s) of reference times (s); NaN inside a stretch of lost samples.

        Raises
        ------
        BadInputError
            If the map was refused and not accepted by the user.
        """
        self._check()
        t = np.asarray(t_target_s, dtype=np.float64)
        device = np.full(t.shape, np.nan)
        for segment in self.segments:
            # by iteration: what the knots add changes by some ppm, and by that factor each round shrinks the error
            guess = (t - segment.offset_s) / (1.0 + segment.drift_ppm * 1e-6)
            for _ in range(3 if segment.knots else 0):
                guess = guess + (t - segment.apply(guess)) / (1.0 + segment.drift_ppm * 1e-6)
            alone = len(self.segments) == 1
            inside = np.full(t.shape, True) if alone else (guess >= segment.start_s) & (guess < segment.end_s)
            device[inside] = guess[inside]
        return device


@dataclass(frozen=True)
class Anchors:
    """The matched contacts behind a map: device and reference time, residual (s), whether it counted."""

    t_device_s: Floats
    t_reference_s: Floats
    residual_s: Floats
    kept: NDArray[np.bool_]
