"""Recipe: everything training and evaluation are told, from a preset, a TOML file, or the model that was trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..arguments import ArgumentError, as_choice, as_path, choices_of, refusal, refused_field
from ..arrays import PathLike
from ..dataset.cut import CutRequest
from ..documents import OPTION_TABLES, toml_document
from ..errors import BadInputError
from ..records.stance_set import StanceSet
from .candidates import METHODS, Method
from .features import FEATURES, Features, with_features
from .folds import Fold, grouped_kfold, leave_one_trial_out, loso, within_trial
from .networks import NetworkConfig, every_network_names, network_config
from .options import network_options, without_use
from .preset import Preset, load_preset
from .scaler import Kind
from .spec import ModelSpec, read_spec
from .train_config import TrainConfig

Split = Literal["loso", "grouped_kfold", "leave_one_trial_out", "within_trial"]
Regime = Literal["", "A", "B", "C1", "C2", "C3", "D", "D2", "D3"]
_SOURCES = {"force": "force", "causal": "insole_causal", "imu": "imu", "landmarks": "landmarks"}


class Recipe(BaseModel):
    """Network, training, cutting and proof, in one document.

    Attributes
    ----------
    preset
        Name and kind of the preset it came from, for the record.
    method
        What is trained: a ``network``; or the ``best`` on people left out of mean curves, ridge, kernel ridge, a
        network that starts from ridge, and their mix; or one of these by name. Anything but ``network`` has the
        network of its own and takes channels, axes and seed of ``train``.
    network
        ``name`` and settings of a network of the registry.
    cut
        How windows are cut from trials; not used where a stance set is given.
    split, k, inner
        Of the evaluation: participants apart unless the name says it leaks; how many folds (``grouped_kfold``); how
        many participants decide when to stop.
    decide_cells
        Whether cells that are counts are taken relative to their foot's own steps, whatever ``cut`` says of cells.
    regime
        How treadmill and overground are joined; empty trains on whatever there is.
    features
        Facts of people among the static inputs, in place of those that ``train.statics`` names: knee ``alignment``, the
        affected ``side``, ``both``, ``none``; or ``shuffled``, both of other people. Empty: as ``train.statics`` says.
    seeds
        Trainings whose answers are averaged.
    leaks
        What the protocol itself knows of the tested, such as contact limits from the plate; its rows are no headline.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    preset: str = ""
    method: Method = "network"
    network: dict[str, Any] = Field(default_factory=lambda: {"name": "bilstm"})
    train: TrainConfig = TrainConfig()
    cut: CutRequest = CutRequest()
    decide_cells: bool = False
    split: Split = "loso"
    k: int = Field(default=5, ge=2)
    inner: int = Field(default=1, ge=0)
    regime: Regime = ""
    features: Features = ""
    seeds: int = Field(default=1, ge=1, le=20)
    leaks: tuple[str, ...] = ()

    def network_config(self) -> NetworkConfig:
        """Return the network's settings, checked."""
        return network_config(**self.network)

    def folds(self, data: StanceSet) -> tuple[Fold, ...]:
        """Return the folds of the split."""
        if self.split == "loso":
            return loso(data, inner=self.inner)
        if self.split == "grouped_kfold":
            return grouped_kfold(data, k=min(self.k, len(data.participants)), inner=self.inner)
        if self.split == "leave_one_trial_out":
            return leave_one_trial_out(data, inner=self.inner)
        return (within_trial(data),)


def from_preset(preset: Preset) -> Recipe:
    """Return the recipe of a preset."""
    train, pictures = preset.train, preset.kinds == ("images",)
    scaling: Kind = "minmax" if preset.name == "zhou2025" and preset.kind == "faithful" else "zscore"
    config = TrainConfig(
        channels=preset.channels,
        statics=preset.statics,
        axes=preset.axes,
        epochs=train.epochs,
        patience=train.patience,
        batch=train.batch,
        lr=train.lr,
        weight_decay=train.weight_decay,
        optimizer="adam" if preset.kind == "faithful" else "adamw",
        schedule=train.schedule,
        clip=train.clip,
        seed=train.seed,
        seed_from_fold=preset.kind == "fixed",
        target=preset.target,
        # pictures are 0 to 1 as they come; scaled pixel by pixel, one that is seldom lit would rule
        scaling="none" if pictures else scaling,
        unique_statics=train.unique_statics,
        balance="none" if preset.kind == "faithful" else "range",
        stops_on=train.stops_on,
        balance_force=train.balance_force,
    )
    return Recipe(
        preset=preset.full_name,
        network=preset.networks_by_name()[preset.network.name],
        train=config,
        cut=CutRequest(
            points=preset.points,
            source=_SOURCES[preset.cut],  # type: ignore[arg-type]
            rule=f"{preset.threshold_n:g}N" + (" walking" if preset.walking else ""),
            kinds=preset.kinds,
            force_lowpass_hz=preset.force_lowpass_hz,
            imu_lowpass_hz=preset.imu_lowpass_hz,
            landmark_inputs=preset.landmark_inputs,
            lowpass_corrected=preset.lowpass_corrected,
            window_s=preset.window_s,
            rate_hz=preset.rate_hz,
            picture=preset.picture,
        ),
        split=preset.split,
        inner=1 if train.patience and train.stops_on == "inner" else 0,
        leaks=preset.leaks,
    )


def recipe_of(
    preset: str = "",
    kind: str = "fixed",
    config: PathLike | Recipe | None = None,
    *,
    network: str = "",
    split: str = "",
    regime: str = "",
    epochs: int | None = None,
    device: str = "",
    method: str = "",
    features: str = "",
    features_by: str = "",
    imagenet: PathLike | None = None,
    base: Recipe | None = None,
    compared: bool = False,
) -> Recipe:
    """Return the recipe that options ask for: a preset's or another one, a TOML file over it, single options last.

    Parameters
    ----------
    config
        A TOML file of some of the fields of :class:`Recipe`; or a recipe, in place of everything before it.
    method
        Of :class:`Recipe`; empty: the best of all, unless anything else asks for a network (a preset, a network, a
        regime, epochs, or a TOML file with a network or its training).
    features
        Of :class:`Recipe`.
    features_by, imagenet
        How static inputs enter a network (``tile``, ``concat``, ``film``), and a file of its weights of ImageNet.
    base
        What is started from without a preset: a model's recipe, or the defaults.
    compared
        Whether several methods are compared on the recipe's windows, which training of networks then says nothing of:
        cells in counts, and films, are cut as without any option.

    Raises
    ------
    BadInputError
        If an option does not exist, or options contradict each other.
    """
    if kind != "fixed" and not preset:
        raise BadInputError("--kind (kind in Python) says how to take a --preset; name one (preset in Python)")
    asked = bool(preset or network or regime or epochs is not None)
    if isinstance(config, Recipe):
        if preset:
            raise BadInputError("a recipe is given as a whole; leave out the preset")
        recipe = config
    else:
        start = base or (Recipe() if asked and not compared else Recipe(method="best", decide_cells=True))
        recipe = from_preset(load_preset(preset, kind)) if preset else start
        recipe = recipe if config is None else recipe_from_toml(config, recipe, compared=compared)
    method = as_choice(method, METHODS)
    if asked and method not in ("", "network"):
        raise BadInputError(
            f"--method {method} (method in Python) is no network; leave out --preset, --network, --regime and --epochs"
            " (preset, network, regime, epochs in Python), or take --method network"
        )
    train: dict[str, Any] = {} if epochs is None else {"epochs": epochs}
    train |= {"device": device.strip().lower()} if device else {}
    options = {
        "network": network_options(preset, kind, as_choice(network, every_network_names()), features_by, imagenet),
        "method": method or ("network" if asked and recipe.method != "network" else ""),
        "split": as_choice(split, choices_of(Recipe.model_fields["split"].annotation)),
        "regime": as_choice(regime, choices_of(Recipe.model_fields["regime"].annotation)),
        "features": as_choice(features, FEATURES),
        "train": train,
    }
    given = {name: value for name, value in options.items() if value}
    taken = {"method": recipe.method, "network": recipe.network} | given
    without_use(taken["method"], recipe.network | taken["network"], features_by=features_by, imagenet=imagenet)
    try:
        made = parse_recipe(given, recipe, where="options")
        if not made.train.epochs and made.method == "network" and made.network_config().linear is None:
            raise ArgumentError("epochs", "is 0, expected 1 or more (0 is of a network with a linear path, from ridge)")
        return made
    except BadInputError as error:
        if not isinstance(error.__cause__, ValidationError):
            raise
        # single options are named as they were given: train.epochs is --epochs
        name, why = refused_field(error.__cause__, Recipe)
        raise ArgumentError(name.removeprefix("train."), why) from error


def recipe_from_toml(path: PathLike, base: Recipe | None = None, *, compared: bool = False) -> Recipe:
    """Return the recipe of a TOML file; what it leaves out is that of ``base`` or the default.

    Parameters
    ----------
    compared
        Of :func:`recipe_of`.

    Raises
    ------
    BadInputError
        If the file cannot be read, or a key is unknown or holds what it cannot.
    """
    path = as_path(path, what="a TOML file")
    document = {key: value for key, value in toml_document(path).items() if not OPTION_TABLES.match(key)}
    # who writes down a network or its training asks for that network
    if "method" not in document and ("network" in document or "train" in document or document.get("regime")):
        document = document | {"method": "network"}
    _refuse_unused(path, document)
    cut = document.get("cut", {})
    networks = document.get("method") == "network" and not compared
    if networks or (isinstance(cut, dict) and "cells" in cut):
        document = {"decide_cells": False} | document
    return parse_recipe(document, base, where=str(path))


_OF_EVERY_METHOD = ("channels", "axes", "seed", "seed_from_fold", "threads", "memory_mb", "device")
"""Settings of ``train`` that a method without a network of the user's own takes, too."""


def _refuse_unused(path: Path, document: dict[str, Any]) -> None:
    """Refuse settings of a network beside a method that has no use for them: they would be ignored without a word."""
    method, train = document.get("method", "network"), document.get("train", {})
    unused = ["network"] if "network" in document else []
    unused += [f"train.{key}" for key in train if key not in _OF_EVERY_METHOD] if isinstance(train, dict) else []
    if method != "network" and unused:
        raise BadInputError(
            f"{path}: method is '{method}', which takes no {', '.join(unused)}; leave them out, or set method ="
            ' "network"'
        )


def parse_recipe(document: dict[str, Any], base: Recipe | None = None, *, where: str = "recipe") -> Recipe:
    """Return a recipe from a document laid over another one, table by table; a network's name starts it anew."""
    settings = (base or Recipe()).model_dump()
    for key, value in document.items():
        # settings of one network mean nothing to another: they are not carried over
        fresh = key == "network" and isinstance(value, dict) and "name" in value
        before = settings.get(key)
        settings[key] = before | value if isinstance(before, dict) and isinstance(value, dict) and not fresh else value
    try:
        recipe = Recipe.model_validate(settings)
        recipe.network_config()
    except ValidationError as error:
        raise BadInputError(f"{where}: {refusal(error, Recipe)}") from error
    except TypeError as error:
        raise BadInputError(f"{where}: network: {error}") from error
    if not recipe.features:
        return recipe
    statics = with_features(recipe.train.statics, recipe.features)
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"statics": statics})})


def recipe_of_model(model: PathLike | ModelSpec) -> Recipe:
    """Return the recipe a model was trained by, of its folder or of what it says of itself.

    Raises
    ------
    BadInputError
        If the folder holds no model, or one that names no recipe.
    """
    spec = model if isinstance(model, ModelSpec) else spec_of(Path(model))
    recipe = spec.provenance.configuration.get("recipe")
    if recipe is None:
        where = "the model" if isinstance(model, ModelSpec) else str(model)
        raise BadInputError(
            f"{where}: names no recipe; give the settings it was trained by, --preset or --config (preset or config"
            " in Python)"
        )
    try:
        return Recipe.model_validate(recipe)
    except ValidationError as error:
        where = "the model" if isinstance(model, ModelSpec) else str(model)
        raise BadInputError(f"{where}: its recipe cannot be used: {refusal(error, Recipe)}") from error


def spec_of(folder: Path) -> ModelSpec:
    """Return what the model in a folder says of itself.

    Raises
    ------
    BadInputError
        If the folder holds no model, or one of another version.
    """
    return read_spec(folder)
