"""What a caller gives, checked where it comes in: paths, objects, and documents, refused in a plain sentence."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import BadInputError

if TYPE_CHECKING:
    from pydantic import ValidationError

_LONGEST_SHOWN = 60
"""Characters of a wrong value that a message repeats, chosen by hand: the sentence stays on a line or two."""
_BOUNDS = {
    "greater_than": ("gt", "more than {}"),
    "greater_than_equal": ("ge", "{} or more"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "{} or less"),
    "too_short": ("min_length", "{} or more of them"),
    "too_long": ("max_length", "{} of them or fewer"),
}
"""Kinds of refusal that have a limit: where pydantic keeps it, and how it is said."""
_EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "string": "text",
    "path": "a path",
    "tuple": "a list",
    "list": "a list",
    "dict": "named values",
    "finite": "a finite number",
}
"""What is expected, by how pydantic's names of its refusals begin."""


def as_path(value: object, *, what: str = "a file") -> Path:
    """Return the path of something that a caller named, ``str`` or ``Path``.

    Raises
    ------
    BadInputError
        If it is neither, or cannot be a path.
    """
    if not isinstance(value, str | os.PathLike):
        raise BadInputError(f"expected the path of {what} (str or Path), got {described(value)}")
    text = os.fspath(value)
    if not isinstance(text, str) or "\0" in text:
        raise BadInputError(f"{text!r} is no path; expected that of {what}")
    return Path(text)


def described(value: object) -> str:
    """Return a few words for what a caller gave in place of what was asked for: its value, or its kind."""
    if value is None or isinstance(value, bool | int | float | str | bytes):
        text = repr(value)
        return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."
    if isinstance(value, list | tuple | set | dict) and not value:
        return f"an empty {type(value).__name__}"
    name = type(value).__name__
    return f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def refuse_other(value: object, kinds: type | tuple[type, ...], expected: str) -> None:
    """Refuse an argument that is of none of these types; ``expected`` says what it should be and where to get it.

    Raises
    ------
    BadInputError
        Saying what was expected, and what it is.
    """
    if not isinstance(value, kinds):
        raise BadInputError(f"expected {expected}, got {described(value)}")


def refused_field(error: ValidationError) -> tuple[str, str]:
    """Return the name of the first field of a document that was refused, and why in plain words.

    Name and words make a sentence: ``mass_kg`` and ``is -1, expected more than 2``. The name is empty where fields
    contradict each other; the words are a sentence then.
    """
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    kind, argument, context = first["type"], first.get("input"), first.get("ctx", {})
    if kind == "missing":
        return name, "is missing"
    if kind == "extra_forbidden":
        return name, "is unknown"
    if kind == "value_error":
        why = str(context.get("error", first["msg"]))
        return name, f"cannot be used: {why}" if name else why
    return name, f"is {described(argument)}, expected {_expected(kind, context, first['msg'])}"


def _expected(kind: str, context: dict[str, Any], message: str) -> str:
    """Return what a field should hold; in pydantic's own words where the kind of refusal is a rare one."""
    if kind in _BOUNDS:
        limit, words = _BOUNDS[kind]
        value = context[limit]
        return words.format(f"{value:g}" if isinstance(value, float) else value)
    if kind == "literal_error":
        return str(context["expected"]).replace("''", "nothing")
    beginning = kind.split("_")[0]
    return _EXPECTED.get(beginning, message.removeprefix("Input should be ").removeprefix("Value error, "))
