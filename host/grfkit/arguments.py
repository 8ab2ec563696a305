"""What a caller gives, checked where it comes in: paths, objects, and documents, refused in a plain sentence."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from .errors import BadInputError

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

_LONGEST_SHOWN = 60
"""Characters of a wrong value that a message repeats, chosen by hand: the sentence stays on a line or two."""
_BOUNDS = {
    "greater_than": ("gt", "more than {}"),
    "greater_than_equal": ("ge", "{} or more"),
    "less_than": ("lt", "less than {}"),
    "less_than_equal": ("le", "{} or less"),
    "multiple_of": ("multiple_of", "a multiple of {}"),
    "too_short": ("min_length", "{} or more of them"),
    "too_long": ("max_length", "{} of them or fewer"),
    "string_too_short": ("min_length", "{} or more characters"),
    "string_too_long": ("max_length", "{} characters or fewer"),
    "bytes_too_short": ("min_length", "{} or more bytes"),
    "bytes_too_long": ("max_length", "{} bytes or fewer"),
    "string_pattern_mismatch": ("pattern", "text of the pattern {}"),
    "literal_error": ("expected", "{}"),
    "enum": ("expected", "{}"),
    "union_tag_invalid": ("expected_tags", "one of {}"),
    "is_instance_of": ("class", "a {}"),
}
"""Kinds of refusal that have a limit: where pydantic keeps it, and how it is said."""
_EXPECTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "finite": "a finite number",
    "complex": "a number",
    "fraction": "a number",
    "string": "text",
    "bytes": "bytes",
    "path": "a path",
    "tuple": "a list",
    "list": "a list",
    "set": "a list",
    "iterable": "a list",
    "dict": "named values",
    "model": "named values",
    "mapping": "named values",
    "dataclass": "named values",
    "date": "a date",
    "datetime": "a date and time",
    "time": "a time of day",
    "none": "nothing",
    "json": "JSON",
}
"""What is expected, by how pydantic's names of its refusals begin."""
_UNFORESEEN = "something else (see the documentation of this field)"
"""What is expected where pydantic's kind of refusal is none that the fields of this package can meet today."""
_BRANCH = re.compile(r"(bool|int|float|str|bytes|none|date|datetime)$|(list|tuple|set|dict|function|lax)\b")
"""Parts of pydantic's paths that name a branch of a union, not a field."""
_PLACE = re.compile(r"line (\d+),? column (\d+)")


class ArgumentError(BadInputError):
    """An argument of a function that cannot be used; a command says it with its option's name.

    Attributes
    ----------
    argument
        The argument's name, with the path within it where it is a document: ``mass_kg``, ``train.epochs``.
    why
        What it is and what is expected: ``is -1, expected more than 2``.
    """

    def __init__(self, argument: str, why: str) -> None:
        super().__init__(f"{argument} {why}".strip())
        self.argument, self.why = argument, why

    def __reduce__(self) -> tuple[type[ArgumentError], tuple[str, str]]:
        """Return what makes the error again in another process."""
        return type(self), (self.argument, self.why)


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


def as_choice(value: object, choices: Iterable[str]) -> Any:
    """Return the one of the choices that a text is in any case, with any blanks around it; anything else as it is."""
    if not isinstance(value, str):
        return value
    return next((choice for choice in choices if choice.lower() == value.strip().lower()), value)


def choices_of(kind: Any) -> tuple[str, ...]:
    """Return the texts that a ``Literal`` allows, or a union of them with others."""
    parts = [choices_of(part) if get_args(part) else (part,) for part in get_args(kind)]
    return tuple(text for part in parts for text in part if isinstance(text, str))


def refuse_other_ending(path: Path, endings: Sequence[str], what: str) -> None:
    """Refuse a name whose ending says another format than the one that is written.

    Raises
    ------
    BadInputError
        With the name as it could be; ``what`` says which format is written.
    """
    if path.suffix.lower() not in endings:
        better = path.with_suffix(endings[0]) if path.name and path.suffix else path.with_name(path.name + endings[0])
        raise BadInputError(f"{path}: {what}, so its name ends in {' or '.join(endings)}; take {better}")


_FILE_ENDINGS = (
    ".bin", ".c", ".c3d", ".csv", ".h5", ".html", ".json", ".nc", ".onnx", ".pt", ".pth", ".safetensors", ".tflite",
    ".toml", ".txt", ".xlsx", ".zip",
)  # fmt: skip
"""Endings of files: a folder that is named so would be taken for one."""


def refuse_file_ending(path: Path, what: str) -> None:
    """Refuse the name of a folder to write that ends as that of a file does; ``what`` is written into the folder.

    Raises
    ------
    BadInputError
        With the name as it could be.
    """
    if path.suffix.lower() in _FILE_ENDINGS and not path.exists():
        raise BadInputError(f"{path}: {what} is a folder, and this is the name of a file; take {path.with_suffix('')}")


def refused_field(error: ValidationError, document: type[BaseModel] | None = None) -> tuple[str, str]:
    """Return the name of the first field of a document that was refused, and why in plain words.

    Name and words make a sentence: ``mass_kg`` and ``is -1, expected more than 2``. Elements of lists are counted
    from 1: ``plate 2.corners 4``. The name is empty where fields contradict each other, or the whole is no document;
    the words are a sentence then.

    Parameters
    ----------
    document
        The type of the document: an unknown field is then told beside those that there are.
    """
    errors = _without_tag(error.errors(), document)
    first = errors[0]
    name, kind, context = _field_path(first["loc"]), first["type"], first.get("ctx", {})
    if kind in ("missing", "union_tag_not_found"):
        tag = str(context.get("discriminator", "")).strip("'")
        return ".".join(part for part in (name, tag) if part), "is missing"
    if kind == "extra_forbidden":
        return name, f"is unknown{_alternatives(first['loc'], document)}"
    if kind in ("value_error", "assertion_error"):
        why = str(context.get("error", "")) or "contradicts the rest"
        return name, f"cannot be used: {why}" if name else why
    if kind == "json_invalid":
        place = _PLACE.search(str(context.get("error", "")))
        where = f": it cannot be read on from line {place[1]}, column {place[2]}" if place else ""
        return name, f"is not JSON{where}"
    # a field that may be of several kinds is refused once for each of them
    same = [each for each in errors if _field_path(each["loc"]) == name]
    expected = [_expected(each["type"], each.get("ctx", {}), first.get("input")) for each in same]
    what = f"is {described(first.get('input'))}"
    if kind in ("too_short", "too_long") and context.get("actual_length") is not None:
        what = f"has {context['actual_length']} elements"
    words = f"{what}, expected {' or '.join(dict.fromkeys(expected))}"
    return name, words if name else f"the whole {words}"


def refusal(error: ValidationError, document: type[BaseModel] | None = None) -> str:
    """Return why a document was refused, in plain words: the field's path, what it is, and what is expected."""
    return " ".join(refused_field(error, document)).strip()


def _without_tag(errors: Sequence[Mapping[str, Any]], document: type[BaseModel] | None) -> list[Mapping[str, Any]]:
    """Return the errors of a document without its kind, which stands before the field where several were possible."""
    tag = errors[0]["loc"][0] if len(errors[0]["loc"]) > 1 else None
    if document is None or tag is None or "kind" not in document.model_fields:
        return list(errors)
    if document.model_fields["kind"].default != tag:
        return list(errors)
    return [{**each, "loc": each["loc"][1:]} for each in errors if each["loc"][0] == tag]


def _field_path(parts: Sequence[int | str]) -> str:
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f" {part + 1}"
        elif not _BRANCH.match(part):
            text += f".{part}" if text else part
    return text.strip()


def _alternatives(parts: Sequence[int | str], document: type[BaseModel] | None) -> str:
    """Return the fields that stand where an unknown one does; nothing where that cannot be found out."""
    fields: Mapping[str, Any] = document.model_fields if document is not None else {}
    for part in parts[:-1]:
        if isinstance(part, int):
            continue
        inner = _document_in(fields[part].annotation) if part in fields else None
        fields = inner.model_fields if inner is not None else {}
    return f"; known keys are {', '.join(fields)}" if fields else ""


def _document_in(annotation: Any) -> type[BaseModel] | None:
    """Return the document that a type holds, such as that of a list's elements."""
    if hasattr(annotation, "model_fields"):
        return cast("type[BaseModel]", annotation)
    return next((found for each in get_args(annotation) if (found := _document_in(each))), None)


def _expected(kind: str, context: Mapping[str, Any], value: object) -> str:
    """Return what a field should hold."""
    if kind in _BOUNDS:
        limit, words = _BOUNDS[kind]
        bound = context[limit]
        return words.format(f"{bound:g}" if isinstance(bound, float) else bound).replace("''", "nothing")
    number = value.strip().replace(",", ".") if isinstance(value, str) and value.count(",") == 1 else ""
    if kind == "float_parsing" and number.replace(".", "", 1).lstrip("+-").isdigit():
        return f"a number with a decimal point, as in {number}"
    return _EXPECTED.get(kind.split("_")[0], _UNFORESEEN)
