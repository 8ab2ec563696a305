"""What a training chooses among: mean curves, ridge, kernel ridge, and a network that starts from ridge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, get_args

import numpy as np

from ..dataset.keypoint_inputs import SPEED_LEGS
from ..errors import BadInputError
from ..records.stance_set import StanceSet
from .augment import Augmentation
from .features import facts_of
from .film_limits import of_film_contacts
from .networks import NetworkConfig, network_config
from .networks.direct import SPEED
from .networks.linear import LinearPath
from .train_config import TrainConfig

Method = Literal["network", "best", "mean curve", "ridge", "kernel ridge", "mix"]
METHODS: tuple[str, ...] = get_args(Method)
KEPT = ("channels", "axes", "seed", "seed_from_fold", "threads", "memory_mb", "device")
"""Settings of training that every candidate takes from the recipe."""
MOTION = ("*_velocity", "*_acceleration")
"""Channels of landmarks that say how they move, not where they are; whether the latter is of use differs from axis to
axis (`docs/results/accuracy.md`, B), so that both are tried."""
EPOCHS, LR, BATCH, HIDDEN = 12, 2e-3, 32, 32
"""Of the network among the candidates. It is trained for all of them: people who decide when to stop are people who
are not learnt from, and its start is already ridge."""

VARIED = Augmentation(noise=0.6, gain=0.3, shift_samples=2)
VARIED_EPOCHS, VARIED_LR, VARIED_BATCH = 20, 5e-3, 16
"""Of the network where an insole has cells and an IMU: the recipe of the bundles that ship (``tools/make_bundles.py``).
What cells show differs from insole to insole, and a network that has seen few takes that for the person."""


FILM_LIMITS = Augmentation(limits_s=0.02, copies=4)
"""Of what takes a film's contacts as found (a network's start, the mean of several methods): these are 12 to 23 ms (SD)
off the plates'. Chosen on 12 rendered walkers left out in turn: .4 % BW better than none."""
LIMITS_LEFT = Augmentation(limits_s=0.008, copies=4)
"""Of ridge where contacts are those of a film, put right as far as the joints tell (:mod:`.film_limits`). Chosen on 12
rendered walkers left out in turn: .1 % BW better than none; kernel ridge is .2 % BW worse with it
(``tools/bench/images/keypoints.py``)."""


@dataclass(frozen=True)
class Candidate:
    """Something that can be fitted: a network (or what no gradient finds, as one) and how it is trained.

    Attributes
    ----------
    name
        As tables print it.
    family
        What ``--method`` calls it.
    """

    name: str
    family: str
    network: NetworkConfig
    config: TrainConfig


def candidates(data: StanceSet, base: TrainConfig | None = None, method: str = "best") -> tuple[Candidate, ...]:
    """Return what can be fitted to a set, the simplest first.

    Parameters
    ----------
    base
        Channels, axes, seed, threads, device, and facts of people among the statics are taken from it.
    method
        ``best`` or ``mix``: all; else those of one family.

    Raises
    ------
    BadInputError
        If the method cannot be used with such windows.
    """
    base, stances = base or TrainConfig(), data.data.attrs["window"] == "stance"
    kept = {k: getattr(base, k) for k in KEPT}
    still = TrainConfig(**kept, epochs=0, patience=0, per_point=stances)
    found = [Candidate("mean curve", "mean curve", network_config("mean_curve"), still)]
    if _known(data, SPEED) and stances:
        of_speed = still.model_copy(update={"statics": (SPEED,)})
        found.append(Candidate("mean curve of the known speed", "mean curve", network_config("mean_curve"), of_speed))
    facts = facts_of(base.statics)
    if facts and not stances and method == "ridge":
        raise BadInputError(
            f"ridge over the samples around each one takes no {', '.join(facts)}; cut stances, take a network"
            " (--method network, method in Python), or leave out --features (features in Python)"
        )
    statics = (*default_statics(data), *facts)
    groups = _channel_groups(data, base.channels)
    if stances and str(data.data.attrs["cut"]) == "film":
        still = still.model_copy(update={"augmentation": FILM_LIMITS})
    ridge, kernel = _limits_put_right(still, data, method)
    for words, channels in groups:
        config = ridge.model_copy(update={"channels": channels, "statics": statics if stances else ()})
        found.append(Candidate(f"ridge{words}", "ridge", network_config("linear"), config))
    for words, channels in groups if stances else []:
        config = kernel.model_copy(update={"channels": channels, "statics": statics})
        found.append(Candidate(f"kernel ridge{words}", "kernel ridge", network_config("kernel"), config))
    words, channels = groups[-1]
    found.append(_network(data, words, still.model_copy(update={"channels": channels, "statics": statics})))
    if method in ("best", "mix"):
        return tuple(found)
    of_family = tuple(c for c in found if c.family == method)
    if not of_family:
        raise BadInputError(
            f"--method {method} (method in Python) cannot be used with {data.data.attrs['window']} windows; there are"
            f" {', '.join(dict.fromkeys(c.family for c in found))}"
        )
    return of_family


def _limits_put_right(still: TrainConfig, data: StanceSet, method: str) -> tuple[TrainConfig, TrainConfig]:
    """Return the settings of ridge and of kernel ridge: a film's contacts are put right before either is asked.

    A mix has members whose windows are as found, and so has all of them.
    """
    if not of_film_contacts(data) or method == "mix":
        return still, still
    right = still.model_copy(update={"film_limits": True})
    settings = (LIMITS_LEFT, Augmentation())
    ridge, kernel = (right.model_copy(update={"augmentation": varied}) for varied in settings)
    return ridge, kernel


def _network(data: StanceSet, words: str, still: TrainConfig) -> Candidate:
    """Return the network that starts from ridge; its inputs are varied where an insole has cells and an IMU."""
    if data.data.attrs["window"] == "stance" and _cells_and_motion(data):
        varied: dict[str, object] = {"epochs": VARIED_EPOCHS, "lr": VARIED_LR, "batch": VARIED_BATCH}
        config = still.model_copy(update=varied | {"per_point": False, "augmentation": VARIED})
        network = network_config("bilstm", hidden=24, head=(32,), dropout=0.1, linear=LinearPath(rank=16))
        return Candidate(f"BiLSTM from ridge, inputs varied{words}", "network", network, config)
    config = still.model_copy(update={"epochs": EPOCHS, "lr": LR, "batch": BATCH})
    network = network_config("bilstm", hidden=HIDDEN, linear=LinearPath())
    return Candidate(f"BiLSTM from ridge{words}", "network", network, config)


def _cells_and_motion(data: StanceSet) -> bool:
    """Return whether the channels are cells of an insole and an IMU's."""
    names = data.channels
    return any(n.startswith("cell_") for n in names) and any(n.startswith("acc_") for n in names)


def default_statics(data: StanceSet) -> tuple[str, ...]:
    """Return the scalars that are inputs: times of stances, speeds in films, and the mass where channels are loads."""
    names = ["contact_s", SPEED_LEGS] if data.data.attrs["window"] == "stance" else []
    units = [str(u) for u in data.data["unit"].values]
    # a load in newtons over an unknown weight says nothing of body weights
    names += ["mass_kg"] if any(u in ("N", "count", "V") for u in units) else []
    return tuple(name for name in names if _known(data, name))


def _known(data: StanceSet, name: str) -> bool:
    return name in [str(s) for s in data.data["scalar"].values] and bool(np.isfinite(data.scalar(name)).all())


def _channel_groups(data: StanceSet, patterns: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Return words and patterns of the channels to try: all; and of landmarks those that tell their motion."""
    chosen = [c for c in data.channels if any(fnmatchcase(c, p) for p in patterns)]
    motion = [c for c in chosen if any(fnmatchcase(c, p) for p in MOTION)]
    groups = [("", tuple(patterns))]
    if motion and len(motion) < len(chosen):
        groups.append((", velocities and accelerations", tuple(motion)))
    return groups
