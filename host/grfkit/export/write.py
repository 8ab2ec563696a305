"""Trials and estimates written in the formats of other programs, whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..arguments import ArgumentError, as_path
from ..arrays import PathLike
from ..artefacts import FolderKind, check_file, check_folder, written_folder, written_together, written_whole
from ..errors import BadInputError
from ..records.target_units import COP_ESTIMATE
from .bids import DESCRIPTION, check_task, files_of, write_bids
from .centres import check_cop_frame, with_centres
from .source import ExportSource, open_source
from .stretches import check_unknown
from .tables import ABOUT, tables_folder, wide_table

FORMATS = ("csv", "parquet", "mat", "opensim", "c3d", "bids", "xdf")
_SUFFIXES = {"opensim": ".mot"}
"""Endings that differ from the format's name."""
_TABLES = ("csv", "parquet")


def _files(folder: Path) -> frozenset[str]:
    """Return the files of an exported folder: tables by the names in its ``about.json``."""
    import json

    try:
        about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
        names = [*about["streams"]]
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset({ABOUT})
    return frozenset({ABOUT, *(f"{name}.{kind}" for name in names for kind in _TABLES)})


TABLES = FolderKind("folder of tables that grf-export wrote", ABOUT, _files)
DATA_SET = FolderKind("BIDS data set", DESCRIPTION, files_of)


@dataclass(frozen=True)
class Exported:
    """What was written, and what a user should know about it."""

    files: tuple[Path, ...]
    notes: tuple[str, ...] = field(default=())


def export_trial(
    trial: PathLike | Sequence[PathLike],
    to: str,
    out: PathLike,
    *,
    streams: Sequence[str] = (),
    rate_hz: float | None = None,
    forward: str = "",
    unknown: str = "refuse",
    task: str = "gait",
    cop_frame: str = "",
    markers: PathLike | None = None,
    force: bool = False,
) -> Exported:
    """Write a trial of ``grf-sync`` or an estimate of ``grf-estimate`` in a format of another program.

    Parameters
    ----------
    trial
        A file; several for ``bids``.
    to
        One of :data:`FORMATS`: ``csv`` and ``parquet`` (a file: one table on one time base; a folder: a table for each
        stream with its own samples, and ``about.json``), ``mat`` (version 5), ``opensim`` (a ``.mot`` of the plates'
        forces, ExternalLoads and, where there are markers, a ``.trc`` beside it), ``c3d`` (plates of type 2, markers,
        events; wearables that are named in ``streams`` as analog channels), ``bids`` (a folder: a Motion-BIDS data set
        of one or several trials), ``xdf`` (Lab Streaming Layer).
    out
        The file or folder to write.
    streams
        Streams to take; all where none is named.
    rate_hz
        Of a table on one time base; the fastest reference stream's own times where None.
    forward
        Axis of the plates along which people walk (``+x``, ``-y`` ...), for ``opensim``.
    unknown
        Where a format can hold no unknown value: ``refuse``, or ``cut`` to the longest known stretch.
    task
        Name of what people did, letters and digits, for ``bids``.
    cop_frame
        Of ``csv``, ``parquet`` and ``mat``: also the centre of pressure of each foot, in the ``lab`` frame, or in the
        ``foot`` frame, which heel and toe markers show (:func:`~grfkit.export.centres.with_centres`).
    markers
        Trial with the markers, where an estimated centre of pressure is to be in the foot's frame.

    Raises
    ------
    BadInputError
        If the trial, an option or the place to write cannot be used. Nothing is written then.

    Examples
    --------
    >>> from grfkit import export_trial, simulate_trial
    >>> simulate_trial(seed=0, duration_s=20).on_true_clock(participant="P01").to_netcdf("walk.nc", force=True)
    >>> [path.name for path in export_trial("walk.nc", "csv", "walk.csv").files]
    ['walk.csv']
    """
    if to not in FORMATS:
        raise ArgumentError("to", f"is '{to}', expected one of {', '.join(FORMATS)}")
    place = as_path(out, what="a file or folder to write")
    folder = _check_place(place, to, force=force)
    check_unknown(unknown)
    check_task(task)
    if forward and to != "opensim":
        raise ArgumentError("forward", f"is for opensim; in {to} the axes stay those of the trial")
    if unknown != "refuse" and to not in ("opensim", "c3d"):
        raise ArgumentError("unknown", f"is for opensim and c3d; in {to} what is unknown stays so")
    if task != "gait" and to != "bids":
        raise ArgumentError("task", f"is for bids; {to} holds no name of what people did")
    if rate_hz is not None and (folder or to not in _TABLES):
        raise ArgumentError("rate_hz", "is for one table on one time base; here every stream keeps its own samples")
    if to == "parquet":
        from ..formats.parquet import need_parquet

        need_parquet()
    check_cop_frame(cop_frame, markers, tables=to in (*_TABLES, "mat"), to=to)
    sources = _sources(trial, to, streams)
    if cop_frame:
        path = as_path(trial[0] if isinstance(trial, list | tuple) else trial, what="a trial")
        seen = None if markers is None else as_path(markers, what="the trial with the markers")
        sources = [with_centres(sources[0], path, cop_frame, seen)]
    if to == "bids":
        with written_folder(place, DATA_SET, force=force) as temporary:
            notes = write_bids(temporary, sources, task=task)
        return Exported((place,), (*(note for source in sources for note in source.notes), *notes))
    source = sources[0]
    if to == "opensim":
        return _opensim(source, place, forward=forward, unknown=unknown, force=force)
    if to == "c3d":
        from .c3d import write_trial_c3d

        with written_whole(place, force=force) as temporary:
            notes = write_trial_c3d(temporary, source, named=bool(streams), unknown=unknown)
    elif folder:
        with written_folder(place, TABLES, force=force) as temporary:
            notes = tables_folder(temporary, source, kind=to)
    else:
        with written_whole(place, force=force) as temporary:
            if to == "mat":
                from .mat import write_mat

                notes = write_mat(temporary, source)
            elif to == "xdf":
                from .xdf import write_xdf

                notes = write_xdf(temporary, source)
            else:
                notes = wide_table(temporary, source, kind=to, rate_hz=rate_hz)
    return Exported((place,), (*source.notes, *notes))


def _sources(trial: PathLike | Sequence[PathLike], to: str, streams: Sequence[str]) -> list[ExportSource]:
    paths: list[Any] = list(trial) if isinstance(trial, list | tuple) else [trial]
    if not paths:
        raise BadInputError("no trial is named")
    places = [as_path(path, what="a trial").resolve() for path in paths]
    if twice := sorted({str(place) for place in places if places.count(place) > 1}):
        raise BadInputError(f"{twice[0]}: was given twice; name each trial once")
    if len(paths) != 1 and to != "bids":
        raise BadInputError(f"{len(paths)} trials; --to {to} takes one at a time, --to bids several")
    sources = [open_source(path, streams=streams) for path in paths]
    for path, source in zip(paths, sources):
        if source.artefact == COP_ESTIMATE and to not in (*_TABLES, "mat"):
            raise BadInputError(
                f"{path}: is an estimated centre of pressure (mm) without force, which {to} cannot hold; take csv,"
                " parquet or mat"
            )
        if not source.streams:
            raise BadInputError(f"{path}: holds no signal that could be exported")
    return sources


def _check_place(place: Path, to: str, *, force: bool) -> bool:
    """Return whether a folder is to be written; refuse a place that cannot be, before the work."""
    suffix = place.suffix.lower()
    if suffix == "" and (to in _TABLES or to == "bids"):
        check_folder(place, DATA_SET if to == "bids" else TABLES, force=force)
        return True
    if to == "bids":
        raise BadInputError(f"{place}: ends in '{suffix}', expected a folder without an ending")
    ending = _SUFFIXES.get(to, f".{to}")
    if suffix != ending:
        either = ", or a folder without an ending" if to in _TABLES else ""
        raise BadInputError(f"{place}: ends in '{suffix}', expected {ending}{either}")
    check_file(place, force=force)
    return False


def _opensim(source: ExportSource, place: Path, *, forward: str, unknown: str, force: bool) -> Exported:
    from .opensim import opensim_texts

    files, notes = opensim_texts(source, place, forward=forward, unknown=unknown)
    with written_together(list(files), force=force) as temporaries:
        for temporary, text in zip(temporaries, files.values()):
            temporary.write_text(text, encoding="utf-8", newline="")
    return Exported(tuple(files), (*source.notes, *notes))
