"""A search as a recipe asks for it, and what it chose."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..arguments import refusal, refused_field
from ..errors import BadInputError
from .networks import NetworkConfig, network_config
from .preset import load_preset
from .recipe import Recipe, from_preset
from .search import SPACES, SearchResult, Space, Span, TrialRow, Value
from .spec import ModelSpec
from .train_config import TrainConfig


class SearchPlan(BaseModel):
    """How settings are searched: in which space, how often, and over how many inner folds by participant."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    trials: int = Field(ge=1)
    folds: int = Field(default=5, ge=2)
    seed: int = 1966
    space: dict[str, Span]


class Choice(BaseModel):
    """The result of a search: the best settings, their score, everything tried, and on whom.

    Attributes
    ----------
    score
        Of :class:`~grfkit.learn.search.SearchResult`: RMSE over the axis's mean range, of people left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    settings: dict[str, Value]
    score: float
    participants: tuple[str, ...]
    trials: tuple[TrialRow, ...]

    @classmethod
    def of(cls, result: SearchResult) -> Choice:
        """Return the choice that a search made."""
        return cls(settings=result.settings, score=result.score, participants=result.participants, trials=result.trials)

    def document(self) -> dict[str, Any]:
        """Return JSON values; a trial that diverged has the score None."""
        rows = [row._asdict() for row in self.trials]
        return {
            "settings": self.settings,
            "score": self.score,
            "participants": list(self.participants),
            "trials": rows,
        }


def default_space(network: NetworkConfig) -> Space:
    """Return a modest space for any network: learning rate, batch, decay, width, depth by one, dropout."""
    space: dict[str, Span] = {
        "train.lr": Span(low=3e-4, high=1e-2, log=True),
        "train.batch": Span(choices=(16, 32, 64)),
        "train.weight_decay": Span(low=1e-6, high=1e-2, log=True),
        "network.dropout": Span(low=0.0, high=0.5),
    }
    fields = type(network).model_fields
    if "hidden" in fields:
        space["network.hidden"] = Span(choices=(32, 64, 128))
    if "layers" in fields:
        usual = int(fields["layers"].default)
        space["network.layers"] = Span(low=max(1, usual - 1), high=usual + 1, whole=True)
    return space


def plan_of(recipe: Recipe, trials: int) -> SearchPlan:
    """Return the search of a recipe: of the preset's space, or the network's, without what was set by hand.

    A setting counts as set by hand where it is not the preset's, or not the default where there is no preset. A network
    other than the preset's is searched in :func:`default_space`.

    Raises
    ------
    BadInputError
        If the recipe joins surfaces by a regime, splits in a way that leaks, or leaves nothing to search.
    """
    if recipe.regime:
        raise BadInputError(f"a search is of a network alone, not of regime {recipe.regime}; leave out one of them")
    if recipe.split not in ("loso", "grouped_kfold"):
        raise BadInputError(
            f"split is {recipe.split}, which leaks; a search is nested by participant: loso or grouped_kfold"
        )
    base_network, base_train, space = _base(recipe)
    network = recipe.network_config()
    by_hand = {f"network.{n}" for n, v in network.model_dump().items() if v != base_network.model_dump().get(n)}
    by_hand |= {f"train.{n}" for n, v in recipe.train.model_dump().items() if v != base_train.model_dump()[n]}
    # `network.head.0` is set by hand where `network.head` is: two parts of the name decide
    left = {n: s for n, s in space.items() if ".".join(n.split(".")[:2]) not in by_hand}
    if not left:
        raise BadInputError(f"nothing is left to search: {', '.join(space)} were all set by hand; leave out some")
    try:
        return SearchPlan(trials=trials, space=left)
    except ValidationError as error:
        raise BadInputError(f"the number of trials of a search {refused_field(error)[1]}") from error


def _base(recipe: Recipe) -> tuple[NetworkConfig, TrainConfig, Space]:
    """Return what a recipe starts from, and the space that belongs to it."""
    network = recipe.network_config()
    usual = network_config(network.name)
    if not recipe.preset:
        return usual, TrainConfig(), default_space(network)
    name, kind = recipe.preset.split()[:2]
    preset = from_preset(load_preset(name, kind))
    preset_network = preset.network_config()
    if preset_network.name == network.name and name in SPACES:
        return preset_network, preset.train, SPACES[name]
    return usual, preset.train, default_space(network)


def search_of_model(spec: ModelSpec) -> SearchPlan | None:
    """Return the search that a model's settings were found by, None where there was none.

    Such a model is proven by the same search nested in every fold: its settings have been chosen on everybody.
    """
    document = spec.provenance.configuration.get("search")
    try:
        return None if document is None else SearchPlan.model_validate(document["plan"])
    except ValidationError as error:
        raise BadInputError(f"the model's search cannot be used: {refusal(error, SearchPlan)}") from error
