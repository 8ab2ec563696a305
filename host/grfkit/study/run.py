"""A study from its table to a page: each part is done once, and again only where what it is made of has changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..arguments import as_path
from ..arrays import PathLike
from ..errors import BadInputError, GrfError
from ..extras import without_extra
from . import parts
from .kept import Kept
from .parts import Made, Work
from .plan import STAGES, StageName, read_plan

PAGE = "index.html"

State = Literal["done", "kept", "left out", "not possible"]
"""What became of a part: done now; kept from an earlier run; left out as asked; refused, or nothing to do it with."""
_NEEDS: dict[StageName, tuple[StageName, ...]] = {
    "align": (), "steps": ("align",), "train": ("align",), "prove": ("align", "train"),
}  # fmt: skip
Progress = Callable[[str, int, int, str], None]
"""Called with the part's name, how much of it is done, of how much (0: unknown), and a text."""


@dataclass(frozen=True)
class PartResult:
    """One part of a study.

    Attributes
    ----------
    lines
        What came of it, or why it was not possible.
    files
        What it wrote, relative to the study.
    doubt
        What keeps it from being good news: ``not every trial``; empty if nothing.
    exit_code
        0, or that of the error that ended it.
    """

    name: StageName
    state: State
    lines: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    doubt: str = ""
    exit_code: int = 0


@dataclass(frozen=True)
class StudyResult:
    """What became of a study: its parts in their order, the rows of its table, and its page."""

    folder: Path
    name: str
    parts: tuple[PartResult, ...]
    rows: list[dict[str, Any]] = field(default_factory=list)
    page: Path = Path(PAGE)

    def to_json(self) -> dict[str, Any]:
        """Return the result as JSON's types; paths are relative to the study."""
        return {
            "study": self.name,
            "parts": [
                {"name": p.name, "state": p.state, "doubt": p.doubt, "lines": list(p.lines), "files": list(p.files)}
                for p in self.parts
            ],
            "trials": self.rows,
            "page": self.page.name,
        }


def run_study(
    folder: PathLike,
    *,
    skip: Sequence[str] = (),
    processes: int | None = None,
    scheduler: str | None = None,
    force: bool = False,
    progress: Progress = lambda *_: None,
) -> StudyResult:
    """Align a study's table, make its table of steps, train a model, prove it on people left out, and write a page.

    A part that was done with the same trials and options is kept; one that cannot be done says why, and those that do
    not need it go on. A stopped study goes on where it was.

    Parameters
    ----------
    folder
        With ``study.toml`` (:func:`~grfkit.study.begin_study` writes one).
    skip
        Parts to leave out, besides those of the document: ``align``, ``steps``, ``train``, ``prove``.
    processes, scheduler
        Local processes, or the address of a dask scheduler; they change no number.
    force
        Do every part anew, and overwrite what other commands wrote where this one writes.

    Raises
    ------
    BadInputError
        If the folder holds no study, or its document or table cannot be used; nothing is written then.
    """
    place = as_path(folder, what="a study's folder")
    plan = read_plan(place)
    if wrong := [name for name in skip if name not in STAGES]:
        raise BadInputError(f"there is no part '{wrong[0]}' of a study; there are {', '.join(STAGES)}")
    work = Work(place, plan, processes=processes, scheduler=scheduler, force=force, progress=progress)
    parts.check(work)
    kept = Kept.read(place)
    results: list[PartResult] = []
    for name in STAGES:
        if name in (*plan.skip, *skip):
            results.append(_trials_as_they_lie(work) if name == "align" else PartResult(name, "left out"))
            continue
        lacking = next((p for p in results if p.name in _NEEDS[name] and p.state == "not possible"), None)
        if lacking is not None:
            # what lies there may be of another table or recipe, or of files that have changed since
            why = f"{lacking.name} was not possible, see above; --skip {lacking.name} takes what lies there as it is"
            results.append(PartResult(name, "not possible", (why,), exit_code=lacking.exit_code))
            continue
        results.append(_one(name, work, kept))
    from ..report.study_page import write_study_page

    title = plan.name or place.resolve().name
    result = StudyResult(place, title, tuple(results), work.rows, place / PAGE)
    write_study_page(result.page, title, [(p.name, p.state, p.doubt, p.lines, p.files) for p in results])
    return result


def _trials_as_they_lie(work: Work) -> PartResult:
    """Return what is said where nothing is aligned: each trial of the table that is not there."""
    gone = [f"{row.name_of(row.out)}: is not there" for row in work.table if not row.out.exists()]
    doubt = f"{len(work.table) - len(gone)} of {len(work.table)} trials are there" if gone else ""
    return PartResult("align", "left out", tuple(gone), doubt=doubt, exit_code=BadInputError.exit_code if gone else 0)


def _one(name: StageName, work: Work, kept: Kept) -> PartResult:
    """Return what becomes of a part; an error concerns this part, and those that need what it makes."""
    try:
        key = parts.key_of(name, work)
        if not work.force and (made := kept.of(name, key)) is not None:
            return PartResult(name, "kept", made.lines, made.files, made.doubt)
        made = parts.do(name, work, known=kept.files(name))
    except (GrfError, ModuleNotFoundError) as error:
        refusal = error if isinstance(error, GrfError) else without_extra(f"'{name}'", error)
        if refusal is None:
            raise
        kept.forget(name)
        return PartResult(name, "not possible", (str(refusal),), exit_code=refusal.exit_code)
    kept.keep(name, key, made)
    return PartResult(name, "done", made.lines, made.files, made.doubt)


__all__ = ["Made", "PartResult", "Progress", "StudyResult", "run_study"]
