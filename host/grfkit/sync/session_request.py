"""The document of a session: its trials with their files and options, checked before any file is read."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..arguments import ArgumentError, as_path, refuse_other_ending, refused_field
from ..arrays import PathLike
from ..calibrate.kinds import KINDS
from ..documents import toml_document
from ..errors import BadInputError
from ..records import Recording
from ..records.person import read_person
from .request import SyncRequest, refuse_options
from .start_times import as_start, name_pattern, start_in_name

_SETTINGS = {"min_overlap_s": "shortest_overlap_s", "max_drift_ppm": "max_drift_ppm"}
"""Options that are settings of the alignment, and these."""
_OF_TRIALS = (*(name for name in SyncRequest.model_fields if name != "settings"), *_SETTINGS)
_NOT_IN_SESSIONS = ("synchronised", "offset_s", "offset_sd_s")
"""Options that state a clock: a session estimates it."""
_PATHS = ("reference", "wearables", "column_map", "plates", "calibrations")
_SEVERAL = ("wearables", "calibrations", "side", "correct")
_OTHER_NAMES = {
    "wearable": "wearables",
    "calibration": "calibrations",
    "prior_offset": "prior_offset_s",
    "prior_sd": "prior_sd_s",
    "trials": "trial",
}
"""Names that people write, and the session's own."""
_NAME = re.compile(r"[^/\\\0]+")


class SessionOptions(BaseModel):
    """What holds for a session as a whole.

    Attributes
    ----------
    in_order
        The trials were recorded in the order in which they stand, one after the other.
    starts
        When recordings started, by file name as in the session: date and time, or seconds on any clock.
    start_pattern
        How a file's name states its start (:func:`grfkit.sync.start_times.name_pattern`).
    file_dates
        Take a file's date, less its length, where nothing else is stated.
    start_sd_s
        SD of a start time.
    clocks_sd_s
        SD of the difference between the clocks that stamped references and wearables; None: it is not known at all.
    keep_s
        Device time that a trial keeps before and after its reference; None: the whole recording.
    out_dir
        Folder of the trials.
    report
        Page of the session; None: ``SESSION.html`` beside the document.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    in_order: bool = True
    starts: dict[str, datetime | float] = Field(default_factory=dict)
    start_pattern: str = ""
    file_dates: bool = False
    start_sd_s: float = Field(default=1.0, gt=0.0)
    clocks_sd_s: float | None = Field(default=None, gt=0.0)
    keep_s: float | None = Field(default=5.0, ge=0.0)
    out_dir: Path = Path("aligned")
    report: Path | None = None

    @field_validator("starts", mode="before")
    @classmethod
    def _starts(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        return {str(name): as_start(start, f"starts.{name}") for name, start in value.items()}


class SessionTrial(BaseModel):
    """One trial: its name, its request, where it goes, and when its reference started, where that is stated."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    request: SyncRequest
    out: Path
    start: datetime | float | None = None


class SessionRequest(BaseModel):
    """A session's options and trials; paths are as they are opened.

    Attributes
    ----------
    memory
        Recordings that stand for files, by the path that stands for them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)
    title: str
    options: SessionOptions
    trials: tuple[SessionTrial, ...]
    folder: Path
    memory: dict[Path, Recording] = Field(default_factory=dict, exclude=True)

    def files(self) -> tuple[Path, ...]:
        """Return every file that is read, once."""
        return tuple(dict.fromkeys(path for trial in self.trials for path in trial.request.files()))

    def start_stated(self, path: Path) -> datetime | float | None:
        """Return what the session states of a file's start."""
        for trial in self.trials:
            if trial.request.reference == path and trial.start is not None:
                return trial.start
        for name, start in self.options.starts.items():
            if self.folder / name == path or name == path.name:
                return start
        return None


def read_session(source: PathLike | Mapping[str, Any]) -> SessionRequest:
    """Return a session's request from its TOML document, or from the same tables in memory.

    Raises
    ------
    BadInputError
        If it cannot be read, a key is unknown, missing or wrong, or two trials write one file.
    """
    if isinstance(source, Mapping):
        memory: dict[Path, Recording] = {}
        tables = {key: _on_paths(value, memory) for key, value in source.items()}
        return _session(tables, Path(), "session", "the session").model_copy(update={"memory": memory})
    path = as_path(source, what="a session (TOML)")
    return _session(toml_document(path), path.parent, path.stem, str(path))


def _on_paths(value: Any, memory: dict[Path, Recording]) -> Any:
    """Return tables with a path in place of each recording, which is put into ``memory`` under it."""
    if isinstance(value, Recording):
        known = [path for path, recording in memory.items() if recording is value]
        path = known[0] if known else Path(f"recording_{len(memory) + 1}")
        memory[path] = value
        return path
    if isinstance(value, Mapping):
        return {key: _on_paths(each, memory) for key, each in value.items()}
    return [_on_paths(each, memory) for each in value] if isinstance(value, list | tuple) else value


def _session(tables: Mapping[str, Any], folder: Path, title: str, what: str) -> SessionRequest:
    named = {_OTHER_NAMES.get(key, key): value for key, value in tables.items()}
    _refuse_unknown(named, (*SessionOptions.model_fields, *_OF_TRIALS, "trial"), what)
    rows = named.pop("trial", None)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) for row in rows):
        raise BadInputError(f"{what}: lists no trial; write a table [[trial]] with its reference for each")
    own = {key: value for key, value in named.items() if key in SessionOptions.model_fields}
    shared = {key: value for key, value in named.items() if key not in own}
    try:
        options = SessionOptions.model_validate(own)
    except ValidationError as error:
        raise BadInputError(f"{what}: {' '.join(refused_field(error, SessionOptions))}") from error
    except ArgumentError as error:
        raise BadInputError(f"{what}: {error}") from error
    options = options.model_copy(
        update={
            "out_dir": folder / options.out_dir,
            "report": None if options.report is None else folder / options.report,
        }
    )
    trials = tuple(_trial(row, number, shared, options, folder, what) for number, row in enumerate(rows, start=1))
    request = SessionRequest(title=title, options=options, trials=trials, folder=folder)
    try:
        _refuse_pattern(request)
    except ArgumentError as error:
        raise BadInputError(f"{what}: {error}") from error
    _refuse_contradictions(request, what)
    return request


def _refuse_unknown(keys: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
    unknown = sorted(key for key in keys if key not in known)
    if unknown:
        near = difflib.get_close_matches(unknown[0], known, n=1)
        meant = f" (did you mean '{near[0]}'?)" if near else f"; known are {', '.join(known)}"
        raise BadInputError(f"{what}: '{unknown[0]}' is unknown{meant}")


def _trial(
    row: Mapping[str, Any], number: int, shared: Mapping[str, Any], options: SessionOptions, folder: Path, what: str
) -> SessionTrial:
    named = {_OTHER_NAMES.get(key, key): value for key, value in row.items()}
    name = named.pop("name", None)
    place = f"{what}: trial {number}" if name is None else f"{what}: trial '{name}'"
    _refuse_unknown(named, ("name", "out", "start", *_OF_TRIALS), place)
    start = named.pop("start", None)
    filled: dict[str, Any] = {**shared, **named}
    out = filled.pop("out", None)
    for key in _NOT_IN_SESSIONS:
        if key in filled:
            raise BadInputError(
                f"{place}: {key} states a clock, which a session estimates; align that trial alone, or state when the"
                " files started ([starts])"
            )
    for key in _SEVERAL:
        if isinstance(filled.get(key), str | Path):
            filled[key] = [filled[key]]
    for key in _PATHS:
        if key in filled:
            value = filled[key]
            filled[key] = [_there(folder, v) for v in value] if isinstance(value, list) else _there(folder, value)
    if isinstance(filled.get("person"), str | Path):
        filled["person"] = read_person(_there(folder, filled["person"]))
    settings = {field: filled.pop(key) for key, field in _SETTINGS.items() if key in filled}
    for key in ("reference", "wearables", "surface"):
        if not filled.get(key):
            raise BadInputError(f"{place}: has no '{key}'; state it there, or above the trials for all of them")
    try:
        start = None if start is None else as_start(start, "start")
        request = SyncRequest.model_validate(filled | ({"settings": settings} if settings else {}))
        request.prior()
        refuse_options(request)
    except ValidationError as error:
        field, why = refused_field(error)
        field = next((key for key, f in _SETTINGS.items() if field == f"settings.{f}"), field)
        raise BadInputError(f"{place}, {field} {why}") from error
    except BadInputError as error:
        raise BadInputError(f"{place}: {error}") from error
    name = request.reference_file.stem if name is None else name
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in (".", ".."):
        raise BadInputError(f"{place}: its name is no file's name; it may hold no slash")
    written = options.out_dir / f"{name}.nc" if out is None else folder / str(out)
    try:
        refuse_other_ending(written, (".nc",), "a trial is written as netCDF4")
    except BadInputError as error:
        raise BadInputError(f"{place}: {error}") from error
    return SessionTrial(name=name, request=request, out=written, start=start)


def _there(folder: Path, text: object) -> Path:
    """Return a path relative to the document; the name of a calibration that comes with grfkit stays."""
    path = Path(str(text)).expanduser()
    there = folder / path
    packaged = path.suffix == "" and path.parts[:1] and path.parts[0] in KINDS and not there.exists()
    return path if packaged else there


def _refuse_pattern(request: SessionRequest) -> None:
    """Refuse a pattern that finds no start, or what is none, in the names of the session's files."""
    text = request.options.start_pattern
    if text:
        pattern = name_pattern(text)
        found = [start_in_name(path, pattern) for path in request.files()]
        if all(start is None for start in found):
            raise ArgumentError("start_pattern", f"is {text!r}, which fits the name of none of the session's files")


def _refuse_contradictions(request: SessionRequest, what: str) -> None:
    """Refuse names that stand twice, files written twice or over an input, and starts of files that nobody reads."""
    names = [trial.name for trial in request.trials]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadInputError(f"{what}: two trials are named '{twice[0]}'; give each a name of its own (name = ...)")
    pairs = [(trial.request.reference, trial.request.wearables) for trial in request.trials]
    for number, pair in enumerate(pairs):
        if pair in pairs[:number]:
            first = request.trials[pairs.index(pair)].name
            raise BadInputError(f"{what}: trials '{first}' and '{names[number]}' are of the same files; leave one out")
    inputs = {path.resolve() for path in request.files()}
    written: dict[Path, str] = {}
    report = [request.options.report] if request.options.report is not None else []
    for path, who in [*((t.out, t.name) for t in request.trials), *((path, "report") for path in report)]:
        real = path.resolve()
        if real in inputs:
            raise BadInputError(f"{what}: '{who}' would write over {path}, which is an input; name another file")
        if real in written:
            raise BadInputError(f"{what}: '{written[real]}' and '{who}' both write {path}; name another file")
        written[real] = who
    if report:
        refuse_other_ending(report[0], (".html", ".htm"), "a report is written as HTML")
    known = {path.name for path in request.files()} | {str(path) for path in request.files()}
    for name in request.options.starts:
        if name not in known and str(request.folder / name) not in known:
            raise BadInputError(f"{what}: [starts] names {name}, which no trial reads")
    stated: dict[Path, SessionTrial] = {}
    for each in request.trials:
        earlier = stated.setdefault(each.request.reference_file, each)
        if earlier.start is not None and each.start is not None and earlier.start != each.start:
            raise BadInputError(
                f"{what}: trials '{earlier.name}' and '{each.name}' state two starts of {each.request.reference_file}"
            )
