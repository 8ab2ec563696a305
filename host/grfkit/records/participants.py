"""Names of participants: one name is one person, and two spellings of one name are refused."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping

from ..errors import BadInputError


def person_key(name: str) -> str:
    """Return a name without what people spell differently: case, spaces, and how Unicode composes its letters."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def check_names(names: Iterable[str]) -> None:
    """Refuse names that differ in nothing but case, spaces or composition of letters.

    Kept apart, one person would be in training under the one name and in the test under the other.

    Raises
    ------
    BadInputError
        Naming the two.
    """
    spelt: dict[str, str] = {}
    for name in sorted(set(names)):
        other = spelt.setdefault(person_key(name), name)
        if other != name:
            raise BadInputError(
                f"participants '{other}' and '{name}' differ only in case or spaces, and one person must not be in"
                " training and in test; name them alike if they are one, or apart if they are two"
            )


def check_recordings(digests: Mapping[str, Iterable[str]], names: Mapping[str, str] | None = None) -> None:
    """Refuse one recording under the names of two people: it would be in training under one and in the test as another.

    Parameters
    ----------
    digests
        SHA-256 of the recordings by participant.
    names
        Names of the recordings by SHA-256, for the message.

    Raises
    ------
    BadInputError
        Naming the recording and the two.
    """
    owner: dict[str, str] = {}
    for participant in sorted(digests):
        for digest in digests[participant]:
            other = owner.setdefault(digest, participant)
            if person_key(other) != person_key(participant):
                recording = (names or {}).get(digest, "a file") + f" (SHA-256 {digest[:12]}...)"
                raise BadInputError(
                    f"one recording, {recording}, stands under participants '{other}' and '{participant}': it would"
                    " leak from training into the test; give it to one of them, and leave the other's trial out"
                )


def seen_among(names: Iterable[str], others: Iterable[str]) -> list[str]:
    """Return those of the names that are among the seen, however they are spelt, sorted."""
    keys = {person_key(other) for other in others}
    return sorted({name for name in names if person_key(name) in keys})
