"""The published network of pictures on a computer without a GPU: fewer maps, and a sentence that says so."""

from __future__ import annotations

import torch

from .networks import Shape
from .networks.pictures import FilmCnn3dConfig
from .recipe import Recipe

MOST_CPU_MAPS = 64
"""Maps of convolutions over whole pictures that a CPU can train at all: 32 took 24 minutes an epoch of 8,250 frames."""
CPU_MAPS = 8
"""Maps taken instead: an epoch of 8,250 frames in 3 minutes."""


def affordable(recipe: Recipe) -> tuple[Recipe, tuple[str, ...]]:
    """Return the recipe with a network of pictures that the CPU can train, and a sentence if it was made narrower.

    Only 3D convolutions over whole pictures (stride 1) are concerned, and only without a GPU.
    """
    network = recipe.network_config() if recipe.method == "network" else None
    full_size = isinstance(network, FilmCnn3dConfig) and network.stride == 1 and network.pool_stride == 1
    if not isinstance(network, FilmCnn3dConfig) or not full_size or recipe.train.device != "cpu":
        return recipe, ()
    if network.hidden <= MOST_CPU_MAPS:
        return recipe, ()
    narrow = recipe.model_copy(update={"network": recipe.network | {"hidden": CPU_MAPS}})
    millions = parameters_of(network) / 1e6
    return narrow, (
        f"the network is {CPU_MAPS} maps wide, not {network.hidden}: that one has {millions:.1f} million parameters and"
        " is for a GPU (--device cuda); a TOML file for --config with [network] hidden = 16 takes twice as many",
    )


def parameters_of(config: FilmCnn3dConfig) -> int:
    """Return how many numbers a network of pictures has, without making them."""
    with torch.device("meta"):
        network = config.module(Shape(config.rows * config.columns, 0, 1))
    return sum(p.numel() for p in network.parameters())
