"""Texts from ``templates/``, whose files lie as those of a bundle do, ``NAME`` in a path standing for the model's name.

A template holds the text itself; it is given numbers and names, and computes nothing but how they are written.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from jinja2 import Environment

LINE = 116
"""Characters of a line of numbers before the next number opens another one; C files keep to 120."""


def render(template: str, **content: Any) -> str:
    """Return a template filled in; a name that it is not given is an error."""
    return _environment().get_template(f"{template}.j2").render(content)


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("grfkit.deploy"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(braced=braced, c_float=c_float, fields=_fields, in_comment=_in_comment, wrapped=_wrapped)
    return environment


def c_float(value: float) -> str:
    """Return a number as a C float, rounded once to single precision."""
    # nine digits give every number of single precision back exactly
    text = f"{float(np.float32(value)):.9g}"
    return f"{text if any(c in text for c in '.en') else text + '.0'}f"


def braced(values: Iterable[object]) -> str:
    """Return a C initialiser of some values."""
    return f"{{{', '.join(map(str, values))}}}"


def _fields(settings: Mapping[str, int]) -> str:
    """Return the inside of a C initialiser that names its fields."""
    return ", ".join(f".{key} = {value}" for key, value in settings.items())


def _in_comment(text: str) -> str:
    """Return a text that cannot end the C comment around it."""
    return text.replace("*/", "* /").replace("/*", "/ *")


def _wrapped(values: Iterable[object], *, indent: int, longest: int = LINE) -> str:
    """Return numbers with commas after them, in lines of at most ``longest`` characters and a comma."""
    lines, line = [], " " * indent
    for text in map(str, values):
        if len(line) + len(text) > longest:
            lines.append(line)
            line = " " * indent
        line += f" {text},"
    return "\n".join([*lines, line])
