"""One page over a study: what became of each of its parts, and where the files lie."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from ..arrays import PathLike
from .html import page, write_page

_NAMES = {"align": "Alignment", "steps": "Steps", "train": "Model", "prove": "Proof on people left out"}
_MARKS = {"done": "aligned", "kept": "aligned", "left out": "note", "not possible": "refused"}
_WORDS = {"kept": "done before, of the same trials and options"}
Part = tuple[str, str, str, Sequence[str], Sequence[str]]
"""A part's name, its state, a doubt about it (or none), sentences about it, and its files relative to the page."""


def render_study_page(title: str, parts: Sequence[Part]) -> str:
    """Return the page; it needs nothing else and runs no script."""
    rows = [
        {
            "id": name,
            "name": _NAMES.get(name, name),
            "state": ", ".join(filter(None, (doubt, _WORDS.get(state, state)))),
            "mark": "partial" if doubt else _MARKS.get(state, "note"),
            "lines": list(lines),
            "links": [(quote(file.replace("\\", "/"), safe="/", errors="replace"), file) for file in files],
        }
        for name, state, doubt, lines, files in parts
    ]
    return page("study.html", title=title, parts=rows)


def write_study_page(path: PathLike, title: str, parts: Sequence[Part]) -> None:
    """Write the page over a study, completely or not at all; the one of an earlier run is replaced."""
    write_page(path, render_study_page(title, parts), force=True)
