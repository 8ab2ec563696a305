"""Networks with and without facts of people, and with those of others: every method of such a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..arguments import as_choice
from ..errors import BadInputError
from ..learn.features import FEATURES, check_known, columns_of, unvarying, with_features
from ..learn.folds import stable_seed
from ..learn.method import Method
from ..learn.networks import NetworkConfig, imagenet_network_names, network_config, network_names
from ..learn.preset import Preset, load_preset
from ..learn.recipe import Recipe
from ..learn.train_config import TrainConfig
from ..records.stance_set import StanceSet
from .exchanged import ExchangedFeatures
from .imagenet_starts import Weights
from .methods import NetworkMethod
from .recipe_methods import DRAWS

LINEAR = ("ridge", "kernel ridge")
"""Compared whatever is named, with the same inputs; trained once, for no random number is in them."""
FROM_IMAGENET = " (ImageNet)"
"""After the name of a network that starts from a user's own weights of ImageNet."""
FROZEN = "-frozen"
"""After the name of a network of images whose trunk stays at its random weights: cheap, and not the study's."""
EVERY = "all"
"""In place of names: every network of the preset, or of signals."""


@dataclass(frozen=True)
class Cell:
    """One training recipe of the comparison.

    Attributes
    ----------
    features
        Of :data:`~grfkit.learn.features.FEATURES`, none of them ``shuffled``.
    others
        Number of the exchange between people; 0: everybody's own.
    seed
        1 is the recipe's.
    """

    network: str
    features: str = "none"
    others: int = 0
    seed: int = 1

    @property
    def name(self) -> str:
        """Return the name under which its answers are listed."""
        name = self.network if self.features == "none" else f"{self.network} + {self.features}"
        name += f" of others {self.others}" if self.others else ""
        return name + (f" (seed {self.seed})" if self.seed > 1 else "")


@dataclass(frozen=True)
class Plan:
    """Networks, sets of features (none first), trainings from different starts, exchanges, files of weights.

    ``limits`` says what a quick comparison left out.
    """

    networks: tuple[str, ...]
    features: tuple[str, ...]
    seeds: int = 1
    draws: int = DRAWS
    weights: tuple[Weights, ...] = ()
    limits: str = ""

    @property
    def main(self) -> str:
        """Return the set of features that claims are tested with: the last one."""
        return self.features[-1]

    def cells(self) -> tuple[Cell, ...]:
        """Return everything that is trained, the linear methods first."""
        found: list[Cell] = []
        for network in (*LINEAR, *self.networks):
            seeds = 1 if network in LINEAR else self.seeds
            for features in self.features:
                found += [Cell(network, features, 0, seed) for seed in range(1, seeds + 1)]
                if features != "none":
                    # each exchange is learnt from another start, as far as there are several
                    found += [Cell(network, features, k, (k - 1) % seeds + 1) for k in range(1, self.draws + 1)]
        return tuple(found)


def preset_of(recipe: Recipe) -> Preset | None:
    """Return the preset that a recipe came from, None where there was none."""
    words = recipe.preset.split()
    return load_preset(*words[:2]) if words else None


def compares_features(compare: str | Sequence[str], features: str, recipe: Recipe) -> bool:
    """Return whether a comparison is one with features: they, all networks or a preset of several are asked for."""
    preset = preset_of(recipe)
    return bool(features or compare in (EVERY, [EVERY]) or (preset is not None and preset.networks))


def feature_plan(
    compare: str | Sequence[str],
    features: str,
    recipe: Recipe,
    data: StanceSet,
    *,
    seeds: int = 1,
    draws: int = DRAWS,
    weights: Sequence[Weights] = (),
) -> Plan:
    """Return what ``--compare``, ``--features`` and ``--imagenet`` ask for.

    Parameters
    ----------
    compare
        Names of networks, or ``all``.
    features
        Names with commas; empty: the richest that is known of everybody and differs between people.
    weights
        Files of weights of ImageNet; their networks are trained from them as well as from random weights.

    Raises
    ------
    BadInputError
        If a name is unknown, a set of features is not known of everybody or the same for all, or a file of weights is
        of a network that is not compared.
    """
    preset = preset_of(recipe)
    listed = tuple(preset.networks_by_name()) if preset and preset.networks else network_names()
    images = imagenet_network_names()
    known = tuple(dict.fromkeys((*listed, *network_names(), *images, *(n + FROZEN for n in images))))
    asked = [part.strip() for part in compare.split(",")] if isinstance(compare, str) else [str(n) for n in compare]
    asked = list(listed) if asked == [EVERY] else [as_choice(n, known) for n in asked if n and n not in LINEAR]
    if (wrong := [n for n in asked if n not in known]) or len(set(asked)) < len(asked) or not asked:
        named = f"'{wrong[0]}'" if wrong else "a network twice, or none"
        raise BadInputError(
            f"--compare (compare in Python) names {named}; with features it takes all, or some of {', '.join(known)}"
        )
    if seeds < 1 or draws < 1:
        raise BadInputError(f"--seeds is {seeds} and --draws {draws} (seeds, draws in Python); expected 1 or more")
    for file in weights:
        if file.network not in asked:
            raise BadInputError(
                f"{file.file}: holds weights of {file.network}, which is not among the networks compared; name it with"
                " --compare, too, or leave out --imagenet (compare, imagenet in Python)"
            )
    asked = [n for name in asked for n in (name, *(w.network + FROM_IMAGENET for w in weights if w.network == name))]
    return Plan(tuple(asked), _feature_sets(features, data), seeds, draws, tuple(weights))


def _feature_sets(features: str, data: StanceSet) -> tuple[str, ...]:
    asked = [as_choice(part.strip(), FEATURES) for part in features.split(",") if part.strip()]
    for name in asked:
        columns_of(name)
    asked = [name for name in dict.fromkeys(asked) if name not in ("none", "shuffled")] or (
        [] if asked == ["none"] else [_richest(data)]
    )
    for name in asked:
        check_known(data, columns_of(name))
        if same := unvarying(data, columns_of(name)):
            raise BadInputError(
                f"{', '.join(same)} of --features {name} is the same for everybody here and tells a model nothing;"
                " leave it out, or add people who differ"
            )
    return ("none", *asked)


def _richest(data: StanceSet) -> str:
    """Return the largest set of features that is known of everybody and differs between people."""
    for name in ("both", "alignment", "side"):
        try:
            check_known(data, columns_of(name))
        except BadInputError:
            continue
        if not unvarying(data, columns_of(name)):
            return name
    raise BadInputError(
        "neither knee alignment nor affected side is known of everybody with a difference between people; state them"
        " (grf-sync --person FILE, or columns of a table), or compare without them: --features none"
    )


def feature_method(cell: Cell, recipe: Recipe, weights: Sequence[Weights] = ()) -> Method:
    """Return the method of a cell; ``weights`` are the files of networks that start from ImageNet."""
    statics = with_features(recipe.train.statics, cell.features)
    if cell.network in LINEAR:
        kept: dict[str, Any] = {"channels": recipe.train.channels, "axes": recipe.train.axes}
        still = TrainConfig(**kept, statics=statics, epochs=0, patience=0, per_point=True)
        network = network_config("linear" if cell.network == "ridge" else "kernel")
        method = NetworkMethod(cell.name, network, still)
    else:
        seed = recipe.train.seed if cell.seed == 1 else stable_seed(recipe.train.seed, "member", cell.seed - 1)
        config = recipe.train.model_copy(update={"statics": statics, "seed": seed})
        method = NetworkMethod(cell.name, _network(cell.network, recipe, weights), config)
    if not cell.others:
        return method
    return ExchangedFeatures(cell.name, method, columns_of(cell.features), cell.others)


def _network(full_name: str, recipe: Recipe, weights: Sequence[Weights]) -> NetworkConfig:
    """Return the preset's or the recipe's settings of a network, or its own defaults."""
    name = full_name.removesuffix(FROM_IMAGENET).removesuffix(FROZEN)
    preset = preset_of(recipe)
    settings = {"name": name} if preset is None else preset.networks_by_name().get(name, {"name": name})
    if recipe.network.get("name") == name:
        settings = dict(recipe.network)
    # how features enter is asked of all networks alike
    if "statics_by" in recipe.network:
        settings = settings | {"statics_by": recipe.network["statics_by"]}
    if full_name.endswith(FROZEN):
        settings = settings | {"trunk": "frozen"}
    if full_name.endswith(FROM_IMAGENET):
        settings = settings | {"imagenet": next(w.file for w in weights if w.network == name)}
    return network_config(**settings)
