"""An estimate: the force of both feet and a row for every stance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import xarray as xr

from ..learn.balance import BalanceChange
from ..learn.training_range import Departure
from ..provenance import Provenance
from .curves import FootCurve
from .stated_error import StatedError

Side = Literal["left", "right"]
SIDES: tuple[Side, Side] = ("left", "right")


@dataclass(frozen=True)
class StanceRow:
    """One stance; its peak is NaN where nothing was predicted, and ``flags`` say what limits it."""

    side: Side
    start_s: float
    end_s: float
    contact_s: float
    peak_bw: float
    flags: tuple[str, ...] = ()
    answered: bool = True


@dataclass(frozen=True)
class Estimate:
    """The estimated force of both feet.

    Attributes
    ----------
    feet
        Curve of each foot that the recording holds.
    rows
        Every stance in order of contact, predicted (``answered``) or not.
    axes
        Of the curves' columns.
    cut, cut_of_training
        Detector of the stances here and in training.
    leaks
        What the model knew of this person by design; empty for an honest estimate.
    rejected
        Contacts the detector turned down, reason -> count.
    files
        Files it was written to.
    outside
        In what the recording lies outside the model's training; empty where nothing is, or the model does not know.
    carried_bw
        Mean vertical force of both feet over whole strides, which is 1 for a body in steady motion, before it was
        balanced to be so; NaN where fewer than five strides are known.
    balance
        By how much it was balanced over its strides: ``factor`` of the vertical force, and ``tilt``, the share of it
        that was added to the forward force; None where it was not.
    clocks
        How the clocks of several recordings were joined, a sentence each; empty where there was one.
    stated_error
        Of the model, by the evaluation beside it; None where there is none.
    """

    feet: Mapping[Side, FootCurve]
    rows: tuple[StanceRow, ...]
    axes: tuple[str, ...]
    participant: str
    mass_kg: float
    cut: str
    cut_of_training: str
    network: str
    leaks: tuple[str, ...]
    rejected: Mapping[str, int]
    findings: tuple[str, ...]
    provenance: Provenance
    streams: Mapping[str, xr.Dataset] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    outside: tuple[Departure, ...] = ()
    carried_bw: float = float("nan")
    balance: BalanceChange | None = None
    clocks: tuple[str, ...] = ()
    stated_error: StatedError | None = None

    def __repr__(self) -> str:
        """Return a line for the whole and a line a foot."""
        lines = [f"Estimate of {self.participant} by {self.network}: {', '.join(self.axes)}"]
        for side, curve in self.feet.items():
            stances = [r for r in self.rows if r.side == side]
            percent = 100 * float(np.isfinite(curve.force_bw).all(axis=1).mean())
            lines.append(f"{side}: {len(stances)} stances, {percent:.0f} % of {curve.time_s.size} samples known")
        return "\n  ".join(lines)
