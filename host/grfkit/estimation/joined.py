"""Several recordings of one person, joined to one clock before anything is estimated from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..arguments import as_path
from ..arrays import PathLike
from ..errors import BadInputError, RefusedError
from ..io import ReadOptions, read
from ..records import Recording, Surface, Trial
from ..sync import align, assemble
from .source import EstimateSource

Tell = Callable[[str], None] | None


@dataclass(frozen=True)
class JoinedSource:
    """A source of recordings that were joined, and how, a sentence for each clock."""

    source: EstimateSource
    clocks: tuple[str, ...]


def joined_source(
    recordings: Sequence[PathLike | Recording],
    options: ReadOptions | None,
    tell: Tell,
    *,
    surface: Surface | None = None,
) -> JoinedSource:
    """Return the recordings on the clock of the first, or of the force plates where one holds some.

    Parameters
    ----------
    surface
        Where force plates are among them: ``treadmill`` or ``overground``; not used without.

    Raises
    ------
    RefusedError
        If they cannot be joined safely.
    BadInputError
        If one of them cannot be read, is a trial, or shows no contacts.
    """
    opened = [_opened(recording, options, tell) for recording in recordings]
    plates = [k for k, recording in enumerate(opened) if recording.of_kind("force_plate")]
    if len(plates) > 1:
        raise BadInputError("two of the recordings hold force plates; join them by grf-sync, which takes one reference")
    if plates and surface is None:
        raise BadInputError(
            "one of the recordings holds force plates: state --surface treadmill or overground (surface in Python)"
        )
    reference = opened.pop(plates[0]) if plates else None
    alignment = align(reference, opened, surface=surface or "overground")
    if alignment.verdict != "aligned":
        why = "; ".join(line.replace("\n    - ", "; ") for line in alignment.messages)
        raise RefusedError(
            f"the recordings cannot be joined safely, so nothing is estimated: {why} (grf-sync --report FILE.html shows"
            " why; a trial that it writes is taken here)"
        )
    target = "the force plates" if reference is not None else _files(opened[0]) or opened[0].device
    clocks = [f"the clock is that of {target}", *alignment.messages]
    return JoinedSource(_source(assemble(alignment)), tuple(clocks))


def _opened(recording: PathLike | Recording, options: ReadOptions | None, tell: Tell) -> Recording:
    if isinstance(recording, Recording):
        return recording
    if isinstance(recording, Trial):
        raise BadInputError("a trial is on one clock already: estimate from it alone")
    path = as_path(recording, what="a recording")
    opened = read(path, options)
    for note in opened.notes:
        if tell is not None:
            tell(f"{path.name}: {note}")
    return opened


def _files(recording: Recording) -> str:
    return ", ".join(file.name for file in recording.provenance.inputs)


def _source(trial: Trial) -> EstimateSource:
    """Return a trial as a source: nobody is named in it, as in the recordings."""
    return EstimateSource(trial, "the recordings", False, None, joined=tuple(trial.provenance.inputs))
