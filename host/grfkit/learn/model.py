"""GrfModel: a trained network with its scaler and everyone it has seen; a folder of safetensors and JSON."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from ..errors import BadInputError
from ..provenance import SCHEMA_VERSION, Provenance
from .batches import Windows, require
from .folds import LeakError
from .networks import ForceNetwork, Shape, build, network_config
from .people import seen_among
from .scaler import Scaler, units_of
from .stance_set import StanceSet

Floats = NDArray[np.float64]
WEIGHTS, DOCUMENT, CALIBRATION = "model.safetensors", "model.json", "calibration.nc"
CALIBRATION_WINDOWS = 256


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


@dataclass
class GrfModel:
    """A network, what it expects, and windows of its training participants for quantisation."""

    spec: ModelSpec
    network: ForceNetwork
    calibration: StanceSet | None = None

    @property
    def name(self) -> str:
        """Return the network's name."""
        return str(self.spec.network["name"])

    @property
    def participants(self) -> tuple[str, ...]:
        """Return everyone the model has seen."""
        return self.spec.participants

    def save(self, folder: Path, *, force: bool = False) -> None:
        """Write the folder ``model.safetensors``, ``model.json`` and ``calibration.nc``, whole or not at all.

        Raises
        ------
        BadInputError
            If the folder exists and ``force`` is false, holds anything but a model, or cannot be written.
        """
        folder = Path(folder)
        _check_replaceable(folder, force=force)
        weights = save_tensors({k: v.detach().cpu().contiguous() for k, v in self.network.state_dict().items()})
        spec = self.spec.model_copy(update={"weights_sha256": hashlib.sha256(weights).hexdigest()})
        try:
            beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        except OSError as error:
            raise BadInputError(f"{folder}: cannot be written ({error.strerror or error})") from error
        try:
            (beside / WEIGHTS).write_bytes(weights)
            text = json.dumps(spec.model_dump(mode="json"), indent=1, sort_keys=True, allow_nan=False)
            (beside / DOCUMENT).write_text(text + "\n", encoding="utf-8")
            if self.calibration is not None:
                self.calibration.to_netcdf(beside / CALIBRATION)
            beside.chmod(0o755)
            if folder.exists():
                shutil.rmtree(folder)
            beside.rename(folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    @classmethod
    def load(cls, folder: Path) -> GrfModel:
        """Return the model in a folder.

        Raises
        ------
        BadInputError
            If a file is missing or broken, or the weights are not those the document names.
        """
        folder = Path(folder)
        try:
            spec = ModelSpec.model_validate_json((folder / DOCUMENT).read_text(encoding="utf-8"))
            weights = (folder / WEIGHTS).read_bytes()
        except (OSError, UnicodeDecodeError) as error:
            raise BadInputError(f"{folder}: is no grfkit model ({error})") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(p) for p in first["loc"])
            raise BadInputError(f"{folder / DOCUMENT}: {where}: {first['msg']}") from error
        if hashlib.sha256(weights).hexdigest() != spec.weights_sha256:
            raise BadInputError(f"{folder / WEIGHTS}: is not the file model.json was written with; copy both again")
        network = new_network(spec.network, spec.scaler, seed=0)
        try:
            network.load_state_dict(load_tensors(weights))
        except (SafetensorError, RuntimeError) as error:
            raise BadInputError(f"{folder / WEIGHTS}: does not fit the network of model.json ({error})") from error
        network.eval()
        nearby = folder / CALIBRATION
        return cls(spec, network, StanceSet.open(nearby) if nearby.exists() else None)


def _check_replaceable(folder: Path, *, force: bool) -> None:
    if not folder.exists():
        return
    if not force:
        raise BadInputError(f"{folder}: exists; use --force to overwrite it")
    names = {p.name for p in folder.iterdir()} if folder.is_dir() else {folder.name}
    if names and DOCUMENT not in names:
        raise BadInputError(f"{folder}: exists and is no grfkit model; name another folder")


def new_network(settings: dict[str, Any], scaler: Scaler, *, seed: int) -> ForceNetwork:
    """Return the untrained network of these settings for the channels, statics and axes of a scaler."""
    shape = Shape(scaler.width, len(scaler.statics), len(scaler.axes))
    return build(network_config(**settings), shape, seed=seed)


def calibration_windows(data: StanceSet, most: int = CALIBRATION_WINDOWS) -> StanceSet:
    """Return up to ``most`` windows in memory, as many of each participant, evenly spread over theirs."""
    people = data.per_stance("participant")
    each = max(1, most // len(data.participants))
    rows: list[int] = []
    for person in data.participants:
        own = np.flatnonzero(people == person)
        rows += [int(i) for i in own[np.unique(np.linspace(0, len(own) - 1, min(each, len(own))).round().astype(int))]]
    return StanceSet(data.data.isel(stance=sorted(rows)[:most]).load())


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
    if spec.rate_hz is not None and rate is not None and abs(rate - spec.rate_hz) > 1e-6 * spec.rate_hz:
        raise BadInputError(f"windows are at {rate:g} Hz, but the model was trained at {spec.rate_hz:g} Hz; resample")
    check_mass(data, scaler.statics, scaler.target)


def rate_of(data: StanceSet) -> float | None:
    """Return the rate of a continuous set in Hz, None where there is none (time-normalised stances)."""
    rate = float(data.data.attrs["rate_hz"])
    return rate if np.isfinite(rate) else None


def predict(model: GrfModel, data: StanceSet, *, leaks: Sequence[str] = (), batch: int = 512) -> Floats:
    """Return the forces of every window in BW, shape (stances, time, axes of the model).

    A window without one known input sample gives NaN.

    Parameters
    ----------
    leaks
        The named split under which windows of participants seen in training may be answered; goes into every row.

    Raises
    ------
    LeakError
        If a participant was seen in training and no leak is named.
    BadInputError
        If channels, units, window or mass do not fit the model.
    """
    known = seen_among(data.participants, model.participants)
    if known and not [name for name in leaks if name.strip()]:
        raise LeakError(
            f"participant {', '.join(known)} was in the training of this model; estimate others, or name the split"
            " that leaks by design (leaks=..., --allow-leak)"
        )
    check_compatible(model.spec, data)
    scaler = model.spec.scaler
    windows = Windows(data, scaler.channels, scaler.statics, (), memory_mb=0)
    device = next(model.network.parameters()).device
    model.network.eval()
    parts = []
    with torch.no_grad():
        for one in windows.in_order(batch):
            x = scaler.inputs(torch.from_numpy(one.inputs).to(device))
            raw = model.network(x, scaler.scaled_statics(torch.from_numpy(one.statics).to(device)))
            force = scaler.to_bw(scaler.output(raw), torch.from_numpy(one.mass_kg).to(device))
            values = force.cpu().numpy().astype(np.float64)
            values[np.isnan(one.inputs).all(axis=(1, 2))] = np.nan
            parts.append(values)
    return np.concatenate(parts)
