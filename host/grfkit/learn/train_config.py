"""How a network is trained, as a document; and what is reported after every epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from .augment import Augmentation
from .scaler import Kind, Target

Mode = Literal["all", "head", "gradual"]
"""Which weights a fine-tuning moves: all; the head; or the head first and then one group of layers after the other."""


class TrainConfig(BaseModel):
    """How a network is trained.

    Attributes
    ----------
    channels, statics, axes
        Patterns of input channels; names of scalars; names of axes, empty for all of the set.
    epochs, patience
        At most so many (0: the start as it is); training stops ``patience`` epochs after the best inner loss (0: never
        early), and the best weights are kept. Without inner participants all epochs are trained.
    schedule
        Of the learning rate over all steps: ``constant``, ``cosine`` to 0, or ``one-cycle`` (Smith and Topin 2018,
        arXiv:1708.07120: cosine up from lr/25 over the first 30 %, down to lr/10000).
    clip
        Greatest norm of the gradient; 0 clips nothing.
    seed, seed_from_fold
        The seed, or with ``seed_from_fold`` one derived from it and the names of those tested.
    target, scaling, missing_masks, unique_statics, per_point
        Of :func:`~grfkit.learn.scaler.fit_scaler`.
    balance
        Errors of an axis are divided by nothing, by its mean range, or by its SD, so that the small axes count.
    derivative
        Weight of errors in the steps between samples, relative to the size of true steps; 0 leaves them out.
    balance_batches
        A label (``surface``, ``participant``, ...) of which every batch holds equally many of each; empty: none.
    threads
        Threads of torch, 0 leaves their number as it is; with another number, sums may round differently.
    memory_mb
        Sets larger than this are read from disk batch by batch.
    stops_on
        What ``patience`` and the best weights go by: the loss of ``inner`` participants, or that of the ``training``
        itself, as published networks do: it falls as long as people are learnt by heart.
    balance_force
        Share (0 to 1) to which samples are weighed against how often their vertical force (the set's first axis)
        occurs among those of training: 1 lets every tenth of a body weight count alike.
    film_limits
        Whether landing and toe-off of windows that a film cut are put right first, as far as the joints tell by how
        much they are off (:mod:`grfkit.learn.film_limits`).
    chosen_on
        Participants on whom these settings were chosen, by a search: nobody of them may be tested.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    channels: tuple[str, ...] = ("*",)
    statics: tuple[str, ...] = ()
    axes: tuple[str, ...] = ()
    epochs: int = Field(default=40, ge=0)
    patience: int = Field(default=6, ge=0)
    batch: int = Field(default=64, ge=1)
    lr: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=1e-4, ge=0)
    optimizer: Literal["adam", "adamw"] = "adamw"
    schedule: Literal["constant", "one-cycle", "cosine"] = "one-cycle"
    clip: float = Field(default=1.0, ge=0)
    seed: int = 1966
    seed_from_fold: bool = True
    target: Target = "bw"
    scaling: Kind = "zscore"
    missing_masks: bool = False
    unique_statics: bool = False
    per_point: bool = False
    balance: Literal["none", "range", "sd"] = "range"
    derivative: float = Field(default=0.0, ge=0)
    augmentation: Augmentation = Augmentation()
    balance_batches: Literal["", "participant", "trial", "surface", "side", "condition"] = ""
    threads: int = Field(default=0, ge=0)
    memory_mb: float = Field(default=2000.0, ge=0)
    device: str = "cpu"
    chosen_on: tuple[str, ...] = ()
    stops_on: Literal["inner", "training"] = "inner"
    balance_force: float = Field(default=0.0, ge=0, le=1)
    film_limits: bool = False


class EpochReport(NamedTuple):
    """Losses and duration of one epoch; ``inner_loss`` is None without inner participants."""

    epoch: int
    epochs: int
    loss: float
    inner_loss: float | None
    seconds: float


Progress = Callable[[EpochReport], None]
