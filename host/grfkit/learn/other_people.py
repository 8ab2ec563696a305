"""People whose codes are those of others in a model's training: the user's statement, which the result repeats."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..provenance import InputFile
from ..records.participants import seen_among
from .folds import LeakError
from .spec import ModelSpec


def names_of_others(
    names: Iterable[str], who: str, spec: ModelSpec, made_of: Iterable[InputFile], source: str = ""
) -> dict[str, str]:
    """Return a name of its own for everyone whose code somebody of the training has; nothing where nobody states it.

    A code as short as ``Sub01`` is given in many laboratories, and nothing in a set tells two people of one code apart.
    So the user states whose people these are, and the name and a finding repeat that wherever the result goes. Where
    the files show that they are the people of the training, no statement helps.

    Parameters
    ----------
    who
        Whose people these are, in the user's words; empty states nothing.
    made_of
        Files of the recordings.
    source
        Where a set's windows come from, joined by ``+``.

    Raises
    ------
    LeakError
        If a file, or the set's source, is that of the training.
    """
    seen = seen_among(names, spec.participants)
    if not (seen and who.strip()):
        return {}
    trained = {file.sha256 for file in spec.provenance.inputs}
    same = [file.name for file in made_of if file.sha256 in trained]
    same += [spec.source] if spec.source in source.split("+") else []
    if same:
        raise LeakError(
            f"{', '.join(seen)}: no other people than in the training of this model, which was on '{same[0]}', too;"
            " leave out --other-people (other_people in Python), and give people whom it has not seen"
        )
    return {name: f"{name} of {' '.join(who.split())}" for name in seen}


def statement(others: Mapping[str, str]) -> list[str]:
    """Return what the user stated of these people, as a finding; nothing where nothing was stated."""
    if not others:
        return []
    named = ", ".join(others.values())
    return [
        f"stated, and not known: {named} {'is' if len(others) == 1 else 'are'} not who has the code in the training"
    ]
