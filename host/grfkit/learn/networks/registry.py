"""The networks by name, and how one is built; what all of them share is in ``base.py``."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from ...arguments import refused_field
from ...errors import BadInputError
from .base import ForceNetwork, NetworkConfig, Shape


def _configs() -> dict[str, type[NetworkConfig]]:
    from . import convolutional, hybrid, recurrent

    configs: tuple[type[NetworkConfig], ...] = (
        recurrent.BilstmConfig,
        recurrent.LstmConfig,
        recurrent.GruConfig,
        convolutional.TcnConfig,
        convolutional.Cnn1dConfig,
        convolutional.Cnn2dConfig,
        hybrid.Cnn1dLstmConfig,
        hybrid.Cnn2dLstmConfig,
        hybrid.MlpConfig,
    )
    return {str(c.model_fields["name"].default): c for c in configs}


def _picture_configs() -> dict[str, type[NetworkConfig]]:
    """Return the networks of a film's pictures."""
    from . import pictures

    configs: tuple[type[NetworkConfig], ...] = (
        pictures.FilmCnn2dConfig,
        pictures.FilmCnn3dConfig,
        pictures.FilmCnn2dGruConfig,
        pictures.FilmMlpConfig,
    )
    return {str(c.model_fields["name"].default): c for c in configs}


def _imagenet_configs() -> dict[str, type[NetworkConfig]]:
    """Return the networks of images over signals."""
    from . import inception3, resnet50

    configs: tuple[type[NetworkConfig], ...] = (resnet50.Resnet50Config, inception3.Inception3Config)
    return {str(c.model_fields["name"].default): c for c in configs}


def _direct_configs() -> dict[str, type[NetworkConfig]]:
    """Return those of the answers that no gradient finds: they are asked for by method, not as a network."""
    from . import direct

    configs = (direct.LinearConfig, direct.MeanCurveConfig, direct.KernelConfig, direct.MixConfig)
    return {str(c.model_fields["name"].default): c for c in configs}


def network_names() -> tuple[str, ...]:
    """Return the names of the networks of signals; the first one is the default."""
    return tuple(_configs())


def picture_network_names() -> tuple[str, ...]:
    """Return the names of the networks of a film's pictures."""
    return tuple(_picture_configs())


def imagenet_network_names() -> tuple[str, ...]:
    """Return the names of the networks of images that take signals for a picture."""
    return tuple(_imagenet_configs())


def every_network_names() -> tuple[str, ...]:
    """Return the names of all networks that can be asked for by name."""
    return (*network_names(), *imagenet_network_names(), *picture_network_names())


def network_config(name: str = "bilstm", **settings: Any) -> NetworkConfig:
    """Return the checked configuration of one network.

    Raises
    ------
    BadInputError
        If there is no such network, or a setting is unknown or out of range.
    """
    asked_for = _configs() | _imagenet_configs() | _picture_configs()
    configs = asked_for | _direct_configs()
    if name not in configs:
        there = ", ".join(asked_for)
        raise BadInputError(f"there is no network '{name}'; there are {there}")
    if "members" in settings and name == "mix":
        members = [m if isinstance(m, NetworkConfig) else network_config(**m) for m in settings["members"]]
        settings = settings | {"members": tuple(members)}
    try:
        return configs[name].model_validate({"name": name, **settings})
    except ValidationError as error:
        where, why = refused_field(error)
        allowed = ", ".join(configs[name].model_fields)
        raise BadInputError(f"network '{name}', {f'{where} {why}'.strip()}; its settings are {allowed}") from error


def build(config: NetworkConfig, shape: Shape, *, seed: int) -> ForceNetwork:
    """Return an untrained network; the same seed gives the same weights, and nobody else's random numbers move."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return config.module(shape)


def parameter_count(network: nn.Module) -> int:
    """Return how many numbers training may change."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
