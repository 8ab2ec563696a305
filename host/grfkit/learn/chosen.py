"""The model of a choice: the best candidate, or the weighed mean of several, fitted to everyone of a fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from ..records.stance_set import StanceSet
from .candidates import candidates
from .choice import Choice, Tell, choose, whole
from .folds import Fold
from .linear_start import put
from .model import GrfModel
from .networks import network_config
from .networks.direct import Mix
from .train import fit
from .train_config import TrainConfig


def fit_chosen(
    data: StanceSet,
    fold: Fold,
    *,
    base: TrainConfig | None = None,
    method: str = "best",
    tell: Tell | None = None,
    families: Sequence[str] = (),
) -> tuple[GrfModel, Choice]:
    """Return the model of what is best on people left out within the training part, and the choice.

    Parameters
    ----------
    data
        Windows of the fold's training and inner parts; inner participants are learnt from, too.
    base
        Of :func:`~grfkit.learn.candidates.candidates`.
    method
        One family of candidates, ``best`` of all, or their ``mix``. Of one person, with nobody to compare on, the
        mean curve is taken unless a family was asked for.
    families
        Those that are compared, all by default.

    Raises
    ------
    BadInputError
        If the method cannot be used with such windows.
    """
    fold.check(data)
    fold = whole(fold)
    options = tuple(c for c in candidates(data, base, method) if not families or c.family in families)
    if method not in ("best", "mix"):
        # the mean curve is what any method is held against
        plain = [c for c in candidates(data, base, "mean curve") if c.name == "mean curve"]
        options = tuple(dict.fromkeys((*plain, *options)))
    if len(data.participants) == 1:
        # a fold of two people: nobody to compare on
        option = options[-1] if method not in ("best", "mix") else options[0]
        axes = option.config.axes or data.axes
        model = fit(option.network, option.config, data, fold)
        model.spec.training["method"] = option.name
        return model, Choice((), option.name, {option.name: (1.0,) * len(axes)}, tuple(axes), 1)
    choice = choose(data, options, method=method, tell=tell)
    weights = choice.weights
    if tell is not None:
        tell(0, 1, f"fitting {', '.join(weights)}")
    used = [option for option in options if option.name in weights]
    models = [fit(option.network, option.config, data, fold, lasting=len(used) == 1) for option in used]
    shares = [weights[option.name] for option in used]
    model = models[0] if len(models) == 1 else mixed(models, shares, data, fold, base)
    model.spec.training["method"] = choice.chosen
    return replace(model, spec=model.spec.model_copy(update={"balance": choice.balance})), choice


def mixed(
    models: Sequence[GrfModel],
    weights: Sequence[Sequence[float]],
    data: StanceSet,
    fold: Fold,
    base: TrainConfig | None = None,
) -> GrfModel:
    """Return one model of the weighed mean of several that were fitted to the same windows.

    Parameters
    ----------
    weights
        One for each axis, by model.
    """
    scalers = [model.spec.scaler for model in models]
    assert len({s.per_point for s in scalers}) == 1, "the members of a mix share one scaling"
    channels = [c for c in data.channels if any(c in s.channels for s in scalers)]
    statics = list(dict.fromkeys(s for scaler in scalers for s in scaler.statics))
    settings: dict[str, Any] = {
        "members": tuple(model.spec.network for model in models),
        "columns": tuple(tuple(channels.index(c) for c in s.channels) for s in scalers),
        "statics_columns": tuple(tuple(statics.index(c) for c in s.statics) for s in scalers),
    }
    config = (base or TrainConfig()).model_copy(
        update={"channels": tuple(channels), "statics": tuple(statics), "axes": scalers[0].axes, "epochs": 0,
                "patience": 0, "per_point": scalers[0].per_point}
    )  # fmt: skip
    model = fit(network_config("mix", **settings), config, data, fold)
    network = model.network
    assert isinstance(network, Mix)
    for member, of in zip(network.members, models):
        member.load_state_dict(of.network.state_dict())
    put(network.weights, torch.tensor(weights).numpy())
    return model
