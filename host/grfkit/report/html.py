"""Templates, and pages written completely or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arrays import PathLike
from ..artefacts import written_whole
from ..provenance import tool_version

if TYPE_CHECKING:
    from jinja2 import Environment

# control characters, and halves of a surrogate pair (from a file name that is no UTF-8): HTML holds neither
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


# a tag, or a part whose text is no prose; whatever lies between is text of the page. Every value is escaped, so that
# no tag holds another ">"
_NO_PROSE = re.compile(r"(<(title|style|pre)\b.*?</\2>|<[^>]*>)", re.DOTALL)
# an option of a command, which a browser would break behind its first hyphens
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
_HALF_WIDTH = re.compile(r"\+-(?=\d)")


def page(template: str, *, reword: Callable[[str], str] | None = None, **content: Any) -> str:
    """Return a template filled in; every value is escaped, a name that is not given is an error.

    In the text options of commands stay in one line, and half-widths (``+-`` in the terminal) have their sign.

    Parameters
    ----------
    reword
        Applied to the page before that: what it looks for is whole.
    """
    text = _environment().get_template(template).render(version=tool_version(), **content)
    text = reword(text) if reword else text
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", _as_prose(text))


def _as_prose(html: str) -> str:
    """Return a page whose text, and no tag or block of code, is set as a reader expects it."""
    parts, end = [], 0
    for tag in _NO_PROSE.finditer(html):
        parts += [_prose(html[end : tag.start()]), tag.group()]
        end = tag.end()
    return "".join([*parts, _prose(html[end:])])


def _prose(text: str) -> str:
    text = _HALF_WIDTH.sub("±", text)
    return _OPTION.sub(lambda option: f'<span class="nobreak">{option.group()}</span>', text)


def write_page(path: PathLike, text: str, *, force: bool) -> None:
    """Write a page as UTF-8 with ``\\n`` line ends, completely or not at all.

    Raises
    ------
    BadInputError
        If ``path`` exists and ``force`` is false, or cannot be written.
    """
    with written_whole(Path(path), force=force) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
