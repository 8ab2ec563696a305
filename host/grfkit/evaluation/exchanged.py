"""The control of features: a method that is given those of other people, so that they are there and say nothing."""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import Floats
from ..learn.features import Values, derangement, exchanged, values_of
from ..learn.folds import Fold, stable_seed
from ..learn.method import FittedMethod, Method
from ..records.stance_set import StanceSet


@dataclass(frozen=True)
class ExchangedFeatures:
    """A method that learns from everybody with another's features.

    Within a fold the people it learns from are given each other's, nobody their own; somebody tested is given those of
    one of them, so that no value of the tested is in the training and none of theirs is read.

    Attributes
    ----------
    names
        Scalars that are exchanged.
    draw
        Number of the exchange: another one is another exchange.
    """

    name: str
    method: Method
    names: tuple[str, ...]
    draw: int

    def fit(self, data: StanceSet, fold: Fold) -> FittedMethod:
        """Return what is learnt from people with others' features, which answers for people with others' features."""
        values = values_of(data, self.names)
        donors = derangement(data.participants, self.draw)
        fitted = self.method.fit(exchanged(data, self.names, donors, values), fold)
        return _Exchanged(fitted, self.names, self.draw, donors, values)


@dataclass(frozen=True)
class _Exchanged:
    fitted: FittedMethod
    names: tuple[str, ...]
    draw: int
    donors: dict[str, str]
    values: Values

    def predict(self, data: StanceSet) -> Floats:
        """Return forces in BW, shape (stances, time, axes)."""
        donors = {person: self.donors.get(person) or self._donor(person) for person in data.participants}
        return self.fitted.predict(exchanged(data, self.names, donors, self.values))

    def _donor(self, person: str) -> str:
        people = sorted(self.values)
        return people[stable_seed("donor", self.draw, person) % len(people)]
