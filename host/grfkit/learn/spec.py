"""The document of a trained model (all but its weights), and the check of windows against it; needs no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..arrays import Floats
from ..errors import BadInputError
from ..provenance import SCHEMA_VERSION, Provenance
from ..records.participants import seen_among
from ..records.stance_set import StanceSet
from .batches import Windows, require
from .folds import LeakError
from .scaler import Scaler, units_of

WEIGHTS, DOCUMENT, CALIBRATION = "model.safetensors", "model.json", "calibration.nc"


class ModelSpec(BaseModel):
    """All of a model but its weights.

    Attributes
    ----------
    participants
        Everyone whose windows were in training, early stopping, or an earlier training of the same weights.
    window, points, rate_hz, cut, mirrored
        Of the windows it was trained on; predictions take windows of the same kind.
    leaks
        What training knew of those to be tested, by design of the split; empty for an honest one.
    history
        Loss and inner loss (None without inner participants) after every epoch.
    excluded
        What was left out of the training set, reason -> count.
    """

    model_config = ConfigDict(extra="forbid")
    artefact: Literal["grf_model"] = "grf_model"
    schema_version: str = SCHEMA_VERSION
    network: dict[str, Any]
    scaler: Scaler
    training: dict[str, Any]
    fold: dict[str, Any]
    participants: tuple[str, ...]
    leaks: tuple[str, ...] = ()
    window: str
    points: int
    rate_hz: float | None
    cut: str
    source: str
    mirrored: bool
    history: tuple[tuple[float, float | None], ...] = ()
    best_epoch: int = 0
    excluded: dict[str, int] = Field(default_factory=dict)
    provenance: Provenance = Field(default_factory=Provenance)
    weights_sha256: str = ""

    @property
    def cut_told(self) -> dict[str, Any]:
        """Return how windows were cut, as far as the model's recipe says."""
        recipe = self.provenance.configuration.get("recipe")
        return dict(recipe.get("cut", {})) if isinstance(recipe, dict) else {}


class ForceModel(Protocol):
    """Anything that predicts the forces of windows: a trained model, or a bundle of one.

    Attributes
    ----------
    files
        Names of the files that make it, in its folder.
    """

    @property
    def spec(self) -> ModelSpec:
        """Return all of the model but its weights."""
        ...

    @property
    def name(self) -> str:
        """Return the network's name."""
        ...

    @property
    def files(self) -> tuple[str, ...]:
        """Return the names of the files that make it."""
        ...

    def predict(self, data: StanceSet, *, leaks: Sequence[str] = ()) -> Floats:
        """Return the forces of every window in BW, shape (stances, time, axes); NaN where no sample is known."""
        ...


def check_unseen(spec: ModelSpec, data: StanceSet, leaks: Sequence[str] = ()) -> None:
    """Refuse windows of people the model has seen, unless the split that leaks is named.

    Raises
    ------
    LeakError
        Naming them.
    """
    overlap = seen_among(data.participants, spec.participants)
    if overlap and not [name for name in leaks if name.strip()]:
        raise LeakError(
            f"participant {', '.join(overlap)} was in the training of this model; estimate others, or name the split"
            " that leaks by design (leaks=..., --allow-leak)"
        )


def check_mass(data: StanceSet, scaler_statics: Sequence[str], target: str) -> None:
    """Refuse windows without mass where the mass is an input or turns newtons to body weights."""
    if target != "newton" and "mass_kg" not in scaler_statics:
        return
    unknown = ~np.isfinite(data.scalar("mass_kg"))
    if unknown.any():
        trial = data.per_stance("trial")[int(np.flatnonzero(unknown)[0])]
        raise BadInputError(
            f"trial '{trial}' has no mass_kg, and {int(unknown.sum())} windows lack it; state the participant's mass,"
            " or train a model that does not take it"
        )


def check_compatible(spec: ModelSpec, data: StanceSet) -> None:
    """Refuse a set whose channels, units or kind of window are not those of training.

    Raises
    ------
    BadInputError
        Naming what differs.
    """
    scaler = spec.scaler
    missing = [c for c in scaler.channels if c not in data.channels]
    if missing:
        raise BadInputError(
            f"the model asks for channels {', '.join(missing)}, which the set does not have; the set has"
            f" {', '.join(data.channels)}, and the model was not trained on others: train one on these channels"
        )
    require([str(s) for s in data.data["scalar"].values], scaler.statics, "static feature")
    windows = Windows(data.where(np.arange(data.size) < 1), scaler.channels, scaler.statics, ())
    for name, have, want in zip(scaler.channels, units_of(windows), scaler.units):
        if have != want:
            raise BadInputError(f"channel '{name}' is in {have}, but the model was trained on {want}; convert it first")
    kind, points = str(data.data.attrs["window"]), int(data.data.sizes["time"])
    if kind != spec.window or (kind == "stance" and points != spec.points):
        raise BadInputError(
            f"windows are {kind} of {points} points, but the model was trained on {spec.window} of {spec.points};"
            " cut them alike"
        )
    rate = rate_of(data)
    # time-normalised stances have no rate; their points are compared above
    # a millionth is rounding of a rate that was computed from times
    if spec.rate_hz is not None and rate is not None and abs(rate - spec.rate_hz) > 1e-6 * spec.rate_hz:
        raise BadInputError(f"windows are at {rate:g} Hz, but the model was trained at {spec.rate_hz:g} Hz; resample")
    check_mass(data, scaler.statics, scaler.target)


def rate_of(data: StanceSet) -> float | None:
    """Return the rate of a continuous set in Hz, None where there is none (time-normalised stances)."""
    rate = float(data.data.attrs["rate_hz"])
    return rate if np.isfinite(rate) else None
