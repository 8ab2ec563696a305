"""A model that comes with grfkit on somebody's own people: as it is, beside baselines trained on those people."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BadInputError
from ..learn.folds import Fold, LeakError, loso
from ..learn.model import FittedModel, GrfModel
from ..learn.other_people import names_of_others, statement
from ..learn.packaged import BUNDLES, PREFIX, model_folder, packaged_name
from ..learn.recipe import Recipe
from ..learn.spec import OTHERS, check_compatible, read_spec
from ..provenance import Provenance
from ..records.by_hand import told_by
from ..records.participants import seen_among
from ..records.stance_set import StanceSet
from .drawn import drawn
from .methods import baseline_methods
from .predictions import Predictions, predict_folds
from .scores import scores


@dataclass(frozen=True)
class GivenModel:
    """A packaged model as a method, ``grfkit:NAME``: nothing is learnt from a fold."""

    name: str

    def fit(self, data: StanceSet, fold: Fold) -> FittedModel:  # noqa: ARG002
        """Return the model as it is."""
        return FittedModel(GrfModel.load(self.name))


def packaged_model(model: object) -> str:
    """Return ``grfkit:NAME`` where a packaged model is asked for, an empty text elsewhere.

    Raises
    ------
    BadInputError
        If there is none of this name, or it is a bundle, whose proof is its own.
    """
    name = packaged_name(model) if isinstance(model, str | os.PathLike) else ""
    if not name:
        return ""
    if name in BUNDLES:
        raise BadInputError(
            f"{PREFIX}{name}: is a bundle in 8 bits, proven by grf-quantize verify {model_folder(f'{PREFIX}{name}')}"
        )
    model_folder(f"{PREFIX}{name}")
    return f"{PREFIX}{name}"


def _unseen(asked: str, data: StanceSet, who: str) -> tuple[StanceSet, dict[str, str]]:
    """Return the axes of a set that a model gives, of people whom it does not know, and who was stated so."""
    spec = read_spec(model_folder(asked))
    made_of = Provenance.model_validate_json(data.data.attrs["provenance"]).inputs
    others = names_of_others(data.participants, who, spec, made_of, str(data.data.attrs["source"]))
    if others:
        people = np.asarray([others.get(p, p) for p in data.per_stance("participant")], dtype=object)
        data = StanceSet(data.data.assign_coords(participant=("stance", people)))
    seen = seen_among(data.participants, spec.participants)
    if seen:
        raise LeakError(
            f"{asked}: {', '.join(seen)} {'was' if len(seen) == 1 else 'were'} in its training, so that nothing would"
            " be proven; its card has the errors of people left out (grf-estimate MODEL --card);"
            f" {OTHERS}"
        )
    check_compatible(spec, data)
    axes = spec.scaler.axes
    if tuple(data.axes) != axes:
        lacking = [axis for axis in axes if axis not in data.axes]
        if lacking:
            raise BadInputError(f"{asked} gives {', '.join(axes)}, and the windows hold no {', '.join(lacking)}")
        data = StanceSet(data.data.sel(axis=list(axes)))
    if len(data.participants) < 2:
        raise BadInputError("windows of one person only: the baselines learn from the others; give two people or more")
    return data, others


def evaluate_given(asked: str, data: StanceSet, recipe: Recipe, *, other_people: str = "", **how: Any) -> Predictions:
    """Return the predictions of a packaged model, with their scores, beside baselines that know the others' forces.

    Parameters
    ----------
    asked
        ``grfkit:NAME``.
    other_people
        Of :func:`~grfkit.evaluation.evaluate.evaluate`.
    how
        Of :func:`~grfkit.evaluation.predictions.predict_folds`.

    Raises
    ------
    LeakError
        If somebody was in the training of the model.
    BadInputError
        If windows do not fit the model, hold other axes, or are of one person only.
    """
    data, others = _unseen(asked, data, other_people)
    method = GivenModel(asked)
    predictions = predict_folds(
        data, loso(data, inner=0), (*baseline_methods(data), method), split="loso", leaks=(), configuration={}, **how
    )
    table = scores(predictions, headline=method.name) | {
        "recipe": recipe.model_dump(mode="json"),
        "people": list(data.participants),
        "headline_regime": "",
        "excluded": data.excluded,
        "baselines": [m.name for m in baseline_methods(data)],
        "drawn": drawn(predictions, method.name),
        "findings": [
            "baselines are trained on the other people given here; the packaged model knows none of them",
            *statement(others),
            *told_by(data.data.attrs),
        ],
    }
    return Predictions(predictions.data, table)
