"""The document of a trained model (all but its weights), and the check of windows against it; needs no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..arguments import refusal
from ..arrays import Floats
from ..artefacts import recovered
from ..documents import document_bytes
from ..errors import BadInputError
from ..provenance import SCHEMA_VERSION, Provenance
from ..records.participants import seen_among
from ..records.stance_set import StanceSet, in_words
from ..records.target_units import Targets, check_targets
from ..runtime.manifest import MOST_POINTS
from .balance import Balance
from .batches import Windows, require
from .film_limits import FilmLimits
from .folds import LeakError
from .scaler import Scaler, units_of
from .training_range import TrainingRange

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
    calibrated
        Kind of wearable -> how it was calibrated in the training; empty where it is not known.
    balance
        By what the predictions of a trial are balanced over its strides; None leaves them as the network says.
    limits
        By what the contacts of a film are put right before the force is predicted; None takes them as found.
    range
        Speeds, contact times, masses and inputs it was trained on; None of models that an earlier grfkit trained.
    document_sha256
        Of the document without this line, as :func:`spec_text` writes it.
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
    points: int = Field(ge=1, le=MOST_POINTS)
    rate_hz: float | None
    cut: str
    source: str
    mirrored: bool
    history: tuple[tuple[float, float | None], ...] = ()
    best_epoch: int = 0
    excluded: dict[str, int] = Field(default_factory=dict)
    calibrated: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    range: TrainingRange | None = None
    balance: Balance | None = None
    limits: FilmLimits | None = None
    provenance: Provenance = Field(default_factory=Provenance)
    weights_sha256: str = ""
    document_sha256: str = ""

    @property
    def cut_told(self) -> dict[str, Any]:
        """Return how windows were cut, as far as the model's recipe says."""
        recipe = self.provenance.configuration.get("recipe")
        return dict(recipe.get("cut", {})) if isinstance(recipe, dict) else {}


def spec_text(spec: ModelSpec) -> str:
    """Return the text of ``model.json``, with its own digest."""
    document = spec.model_dump(mode="json")
    return (
        json.dumps(document | {"document_sha256": _digest(document)}, indent=1, sort_keys=True, allow_nan=False) + "\n"
    )


def _digest(document: dict[str, Any]) -> str:
    """Return the SHA-256 of a document without its digest; blanks and order are nothing of its content."""
    content = {key: value for key, value in document.items() if key != "document_sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_spec(folder: Path, *, targets: Targets = "force") -> ModelSpec:
    """Return what the model in a folder says of itself; that it carries no checksum is noted in its provenance.

    Parameters
    ----------
    targets
        What the caller can use: a model of anything else is refused.

    Raises
    ------
    BadInputError
        If the folder holds no model, one of other targets, or its document is broken, of another version, or not as it
        was written.
    """
    if not (recovered(folder) / DOCUMENT).exists():
        raise BadInputError(f"{folder}: is no grfkit model ({DOCUMENT}: No such file or directory)")
    spec = parse_spec(folder / DOCUMENT, targets=targets)
    if not spec.document_sha256:
        spec.provenance.findings.append(
            f"{DOCUMENT} of '{folder.name}' carries no checksum (an earlier grfkit wrote it), so that damage would not"
            " be noticed"
        )
    return spec


def parse_spec(path: Path, *, targets: Targets = "force") -> ModelSpec:
    """Return the document of a model in a file.

    Raises
    ------
    BadInputError
        As :func:`read_spec`.
    """
    content = document_bytes(path)
    try:
        spec = ModelSpec.model_validate_json(content)
        document = json.loads(content)
    except ValidationError as error:
        raise BadInputError(f"{path}: {refusal(error, ModelSpec)}") from error
    except (ValueError, RecursionError) as error:
        raise BadInputError(f"{path}: is no document of a model ({error})") from error
    if spec.document_sha256 and spec.document_sha256 != _digest(document):
        raise BadInputError(
            f"{path}: is not what grfkit wrote (its checksum does not fit): it was damaged on a disk or on the way, or"
            " edited; copy the model again"
        )
    check_targets(spec.scaler.axes, targets, str(path.parent))
    return spec


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

    def predict(self, data: StanceSet, *, leaks: Sequence[str] = (), balanced: bool = True) -> Floats:
        """Return the forces of every window in BW, shape (stances, time, axes); NaN where no sample is known.

        ``balanced`` is whether ``spec.balance``, if there is one, is applied to each trial's windows in ``data``.
        """
        ...


OTHERS = (
    "say whose people they are with --other-people WHO (other_people=WHO in Python) if they only have the same code"
)
"""What ends the refusal of somebody of the training: codes such as Sub01 are given in many laboratories."""


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
            f"participant {', '.join(overlap)} was in the training of this model; estimate others, name the split that"
            f" leaks by design: --allow-leak NAME (allow_leak=NAME in Python), or {OTHERS}"
        )


def check_mass(data: StanceSet, scaler_statics: Sequence[str], target: str) -> None:
    """Refuse windows without mass where the mass is an input or turns newtons to body weights."""
    if target != "newton" and "mass_kg" not in scaler_statics:
        return
    unknown = ~np.isfinite(data.scalar("mass_kg"))
    if unknown.any():
        trial = data.per_stance("trial")[int(np.flatnonzero(unknown)[0])]
        raise BadInputError(
            f"trial '{trial}' has no mass_kg, and {int(unknown.sum())} windows lack it; state the participant's mass"
            " (--mass-kg; mass_kg in Python), or train a model that does not take it"
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
            f"the model asks for channels {in_words(missing)}, which the set does not have; the set has"
            f" {in_words(data.channels)}, and the model was not trained on others: train one on these channels"
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
