"""GrfModel: a trained network with its scaler and everyone it has seen; a folder of safetensors and JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from ..arguments import as_path, refuse_other
from ..arrays import Floats, PathLike
from ..artefacts import FolderKind, recovered, written_folder
from ..errors import BadInputError
from ..provenance import require_regular
from ..records.stance_set import StanceSet
from ..records.target_units import Targets
from .batches import Windows
from .film_limits import laid_back
from .networks import ForceNetwork, Shape, build, network_config
from .outputs import CARD, EVALUATION, SEARCH
from .packaged import model_folder
from .scaler import Scaler
from .spec import CALIBRATION, DOCUMENT, WEIGHTS, ModelSpec, check_compatible, check_unseen, read_spec, spec_text

CALIBRATION_WINDOWS = 256
"""Windows kept beside a model for the ranges of quantisation: chosen by hand, some of everybody and a small file."""
FEWEST_HALVED = 1024
"""Numbers from which on it pays to write them in 16 bits."""
_FILES = frozenset({DOCUMENT, WEIGHTS, CALIBRATION, CARD, EVALUATION, SEARCH})
MODEL_FOLDER = FolderKind("grfkit model", DOCUMENT, lambda _: _FILES)
"""What a model's folder holds; whatever else is in it was put there by somebody, and is never removed."""


@dataclass
class GrfModel:
    """A network, what it expects, and windows of its training participants for quantisation.

    Attributes
    ----------
    summary
        How its training went, as ``grf-train --json`` prints it; empty for a model read from a folder.

    Examples
    --------
    >>> import grfkit
    >>> trials = [grfkit.simulate_trial(seed=k, duration_s=12).on_true_clock(participant=f"P{k}") for k in (1, 2)]
    >>> _ = grfkit.train(trials, network="mlp", epochs=2, out="model")
    >>> model = grfkit.GrfModel.load("model")
    >>> model
    GrfModel mlp: 22 channels to vgrf, stance windows of 101 samples, 2 participants seen
    >>> model.predict(grfkit.cut_windows(trials[0]))  # somebody whom it has seen
    Traceback (most recent call last):
    grfkit.learn.folds.LeakError: ...
    """

    spec: ModelSpec
    network: ForceNetwork
    calibration: StanceSet | None = None
    summary: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def name(self) -> str:
        """Return the network's name."""
        return str(self.spec.network["name"])

    def __repr__(self) -> str:
        """Return the network, what it takes and gives, and how many people it has seen, in a line."""
        scaler = self.spec.scaler
        return (
            f"GrfModel {self.name}: {len(scaler.channels)} channels to {', '.join(scaler.axes)}, {self.spec.window}"
            f" windows of {self.spec.points} samples, {len(self.participants)} participants seen"
        )

    @property
    def participants(self) -> tuple[str, ...]:
        """Return everyone the model has seen."""
        return self.spec.participants

    @property
    def files(self) -> tuple[str, ...]:
        """Return the names of the files that make the model, in its folder."""
        return (DOCUMENT, WEIGHTS)

    def predict(self, data: StanceSet, *, leaks: Sequence[str] = (), balanced: bool = True) -> Floats:
        """Return the forces of every window in BW; see :func:`predict`."""
        return predict(self, data, leaks=leaks, balanced=balanced)

    def save(self, folder: PathLike, *, force: bool = False) -> None:
        """Write the folder ``model.safetensors``, ``model.json`` and ``calibration.nc``, whole or not at all.

        Raises
        ------
        BadInputError
            If the folder exists and ``force`` is false, holds anything but a model, or cannot be written.
        """
        with written_folder(as_path(folder, what="the folder to write"), MODEL_FOLDER, force=force) as temporary:
            self.write_into(temporary)

    def write_into(self, folder: Path) -> None:
        """Write the model's files into a folder that is there."""
        weights = save_tensors({k: _stored(v) for k, v in self.network.state_dict().items()})
        spec = self.spec.model_copy(update={"weights_sha256": hashlib.sha256(weights).hexdigest()})
        (folder / WEIGHTS).write_bytes(weights)
        (folder / DOCUMENT).write_text(spec_text(spec), encoding="utf-8")
        if self.calibration is not None:
            self.calibration.to_netcdf(folder / CALIBRATION)

    @classmethod
    def load(cls, folder: PathLike, *, targets: Targets = "force") -> GrfModel:
        """Return the model in a folder.

        Parameters
        ----------
        folder
            Its folder, or ``grfkit:NAME``.
        targets
            ``cop`` for a model of the centre of pressure (mm), which is refused where force is expected.

        Raises
        ------
        BadInputError
            If a file is missing or broken, the weights are not those the document names, or it is of other targets.
        """
        folder = recovered(model_folder(folder))
        spec = read_spec(folder, targets=targets)
        require_regular(folder / WEIGHTS)
        try:
            weights = (folder / WEIGHTS).read_bytes()
        except OSError as error:
            raise BadInputError(f"{folder}: is no grfkit model ({WEIGHTS}: {error.strerror or error})") from error
        if hashlib.sha256(weights).hexdigest() != spec.weights_sha256:
            raise BadInputError(f"{folder / WEIGHTS}: is not the file model.json was written with; copy both again")
        # any seed: every weight is replaced below
        network = new_network(spec.network, spec.scaler, seed=0)
        try:
            network.load_state_dict(load_tensors(weights))
        except (SafetensorError, RuntimeError) as error:
            raise BadInputError(f"{folder / WEIGHTS}: does not fit the network of model.json ({error})") from error
        network.eval()
        nearby = folder / CALIBRATION
        return cls(spec, network, StanceSet.open(nearby) if nearby.exists() else None)


def _stored(tensor: Tensor) -> Tensor:
    """Return numbers as they are written: in 16 bits where that changes none of them, as in a compacted model."""
    tensor = tensor.detach().cpu().contiguous()
    halved = tensor.half() if tensor.dtype == torch.float32 and tensor.numel() >= FEWEST_HALVED else tensor
    return halved if torch.equal(halved.to(tensor.dtype), tensor) else tensor


@dataclass(frozen=True)
class FittedModel:
    """A model trained for a fold, on whose test part it predicts.

    Attributes
    ----------
    leaks
        What the fold's split leaks by design; without one, participants seen in training are refused.
    """

    model: GrfModel
    leaks: tuple[str, ...] = ()

    def predict(self, data: StanceSet) -> Floats:
        """Return forces in BW, shape (stances, time, axes)."""
        return predict(self.model, data, leaks=self.leaks)


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
        windows = np.flatnonzero(people == person)
        rows += [
            int(i)
            for i in windows[np.unique(np.linspace(0, len(windows) - 1, min(each, len(windows))).round().astype(int))]
        ]
    return StanceSet(data.data.isel(stance=sorted(rows)[:most]).load())


def predict(
    model: GrfModel, data: StanceSet, *, leaks: Sequence[str] = (), batch: int = 512, balanced: bool = True
) -> Floats:
    """Return the forces of every window in BW, shape (stances, time, axes of the model).

    A window without one known input sample gives NaN.

    Parameters
    ----------
    leaks
        The named split under which windows of participants seen in training may be answered; goes into every row.
    balanced
        Whether the windows of each trial are balanced by momentum, where the model does that: put all of them in.

    Raises
    ------
    LeakError
        If a participant was seen in training and no leak is named.
    BadInputError
        If channels, units, window or mass do not fit the model.
    """
    refuse_other(data, StanceSet, "a stance set, as grfkit.cut_windows returns it")
    check_unseen(model.spec, data, leaks)
    check_compatible(model.spec, data)
    scaler = model.spec.scaler
    limits = model.spec.limits
    put_right, shift = (data, None) if limits is None else limits.put_right(data)
    windows = Windows(put_right, scaler.channels, scaler.statics, (), memory_mb=0)
    # not of its parameters: kernel ridge and mean curves have none
    device = next(iter(model.network.state_dict().values())).device
    model.network.eval()
    parts = []
    with torch.no_grad():
        for raw_batch in windows.in_order(batch):
            x = scaler.inputs(torch.from_numpy(raw_batch.inputs).to(device))
            raw = model.network(x, scaler.scaled_statics(torch.from_numpy(raw_batch.statics).to(device)))
            force = scaler.to_bw(scaler.output(raw), torch.from_numpy(raw_batch.mass_kg).to(device))
            values = force.cpu().numpy().astype(np.float64)
            # the scaler turns what is missing into the mean; a window of nothing else would get a mean curve
            values[np.isnan(raw_batch.inputs).all(axis=(1, 2))] = np.nan
            parts.append(values)
    forces = np.concatenate(parts)
    if shift is not None and shift.any():
        forces = laid_back(forces, data, shift)
    if balanced and model.spec.balance is not None:
        forces, _ = model.spec.balance.applied(forces, data, scaler.axes)
    return forces
