"""Templates, and pages written completely or not at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..arrays import PathLike
from ..artefacts import written_whole
from ..provenance import tool_version

if TYPE_CHECKING:
    from jinja2 import Environment

# control characters, and halves of a surrogate pair (from a file name that is no UTF-8): HTML holds neither
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def page(template: str, **content: Any) -> str:
    """Return a template filled in; every value is escaped, a name that is not given is an error."""
    text = _environment().get_template(template).render(version=tool_version(), **content)
    return _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", text)


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
