"""One page over a study: what became of each of its parts, and where the files lie."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from ..arrays import PathLike
from .headline import Headline
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
    return page("study.html", title=title, headline=_headline(parts), parts=rows)


def _headline(parts: Sequence[Part]) -> Headline:
    """Return what became of the study: what its proof says first, else what was not possible, else what was done."""
    proof = next((p for p in parts if p[0] == "prove" and p[1] in ("done", "kept") and p[3]), None)
    failed = [p for p in parts if p[1] == "not possible"]
    if failed:
        name, _, _, lines, _ = failed[0]
        text = f"{_NAMES.get(name, name)} was not possible{': ' + lines[0] if lines else ''}"
    elif proof is not None:
        text = str(proof[3][0])
    else:
        done = [_NAMES.get(name, name).lower() for name, state, *_ in parts if state in ("done", "kept")]
        text = f"Done: {', '.join(done)}" if done else "Nothing was done"
    verdict = "refused" if failed else "partial" if any(doubt for _, _, doubt, *_ in parts) else "aligned"
    firsts = [f"{_NAMES.get(p[0], p[0])}: {p[3][0]}." for p in parts if p is not proof and p not in failed and p[3]]
    return Headline(text, verdict, tuple(firsts))


def write_study_page(path: PathLike, title: str, parts: Sequence[Part]) -> None:
    """Write the page over a study, completely or not at all; the one of an earlier run is replaced."""
    write_page(path, render_study_page(title, parts), force=True)
