"""Files to recordings: :func:`read` takes any file grfkit knows, :func:`sniff` says which reader takes it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import xarray as xr

from ..arguments import as_path, refuse_other
from ..arrays import PathLike
from ..errors import BadInputError
from ..provenance import Provenance, describe_input
from ..records import Recording
from .base import Reader, ReadOptions
from .doubts import doubts
from .empty_channels import empty_channels
from .pauses import pauses
from .sniff import Sniffed, all_readers, sniff

_LOG = logging.getLogger(__name__)

__all__ = [
    "ReadOptions",
    "Reader",
    "Sniffed",
    "all_readers",
    "is_of_unknown_foot",
    "read",
    "read_with",
    "refuse_unused",
    "sniff",
    "with_side",
]


def read(path: PathLike, options: ReadOptions | None = None) -> Recording:
    """Return what a file holds, in SI units, on its own clock.

    The reader is found by the file's content (:func:`sniff`), never by its name alone. Without options the file is
    read as ``grf-inspect`` and ``grf-sync`` read it.

    Parameters
    ----------
    path
        The file, ``str`` or ``Path``.
    options
        What the file itself does not say: a column map, a rate, the foot (``extra["side"]``).

    Raises
    ------
    BadInputError
        With one line that starts with the path, for whatever is wrong with the file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import grfkit
    >>> path = Path(tempfile.mkdtemp()) / "walk.csv"
    >>> _ = path.write_text("time [s],left_force [N],left_acc_x [g]\\n0.00,0,0.1\\n0.01,350,1.2\\n0.02,700,2.0\\n")
    >>> recording = grfkit.read(path)
    >>> recording
    Recording of csv, 2 streams
      stream       kind    side  rate Hz  from s  to s  samples  missing  channels
      insole_left  insole  left  100      0.00    0.02  3        0        force
      imu_left     imu     left  100      0.00    0.02  3        0        acc_x
    >>> recording.streams["imu_left"]["acc_x"].values.round(2)
    array([ 0.98, 11.77, 19.61])
    """
    path = as_path(path, what="a recording")
    check_options(options)
    return read_with(sniff(path).reader, path, options)


def check_options(options: object) -> None:
    """Refuse what is no :class:`ReadOptions`.

    Raises
    ------
    BadInputError
        Saying how to make one.
    """
    if options is not None:
        refuse_other(options, ReadOptions, "options as grfkit.io.ReadOptions(rate_hz=...) makes them")


def read_with(reader: Reader, path: PathLike, options: ReadOptions | None = None) -> Recording:
    """Return what a file holds, read by a reader of the caller's choice.

    Raises
    ------
    BadInputError
        As :func:`read`. An exception that a reader did not foresee is reported the same way.
    """
    path, options = Path(path), options or ReadOptions()
    extra = dict(options.extra)
    side = extra.pop("side", None)
    try:
        recording = reader.read(path, replace(options, extra=extra))
        if side is not None:
            recording = with_side(recording, str(side))
    except BadInputError as error:
        text = str(error)
        raise BadInputError(text if text.startswith(f"{path}:") else f"{path}: {text}") from error
    except MemoryError as error:
        raise BadInputError(f"{path}: does not fit into memory; cut it into shorter files") from error
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise BadInputError(
            f"{path}: is broken in a way that the {reader.name} reader did not expect ({what})"
        ) from error
    # a note, no refusal: one set of options may be meant for many files
    notes = [
        *_unused(reader, options), *_ending_note(reader, path), *empty_channels(recording), *doubts(recording),
        *pauses(recording),
    ]  # fmt: skip
    held = ", ".join(f"{name} ({stream.sizes.get('time', 0)})" for name, stream in recording.streams.items())
    _LOG.info("%s: read by %s: %s", path, reader.name, held)
    return _with_input(_with_notes(recording, notes), path)


def refuse_unused(reader: Reader, options: ReadOptions) -> None:
    """Refuse a rate or a column map given for one file of a format that has no use for it.

    Raises
    ------
    BadInputError
        With the option's name.
    """
    if unused := _unused(reader, options):
        raise BadInputError(f"{unused[0]}; leave it out")


def _unused(reader: Reader, options: ReadOptions) -> list[str]:
    is_stated = {
        "rate_hz": options.rate_hz is not None,
        "column_map": bool(options.column_map),
        "allow_short": options.allow_short,
    }
    why = {"allow_short": "it is of TRC and OpenSim files"}
    return [
        f"the option {name} (--{name.replace('_', '-')}) is of no use:"
        f" {why.get(name, f'{reader.title} files state this themselves')}"
        for name, is_given in is_stated.items()
        if is_given and name not in reader.uses
    ]


def _ending_note(reader: Reader, path: Path) -> list[str]:
    """Return a note where the file's ending is that of other formats and not of the one that it holds."""
    ending = path.suffix.lower()
    others = [other.title for other in all_readers() if ending and ending in other.suffixes]
    if not others or ending in reader.suffixes:
        return []
    usual = others[0] if len(others) == 1 else f"{len(others)} other formats"
    return [f"the file's name ends in {ending}, as of {usual}, but it holds {reader.title}: read as that"]


def _with_notes(recording: Recording, notes: list[str]) -> Recording:
    if not notes:
        return recording
    annotated = recording.replaced(recording.streams, findings=notes)
    return replace(annotated, notes=(*recording.notes, *notes))


def _with_input(recording: Recording, path: Path) -> Recording:
    """Name the file in the recording's provenance where the reader did not."""
    if recording.provenance.inputs:
        return recording
    provenance = recording.provenance.merged(Provenance(inputs=[describe_input(path)]))
    tree = recording.tree.copy()
    tree.attrs["provenance"] = provenance.model_dump_json()
    return replace(recording, tree=tree)


def is_of_unknown_foot(recording: Recording) -> bool:
    """Return whether a recording has an insole or IMU stream of which it does not say the foot."""
    return any(_is_open(stream) for stream in recording.streams.values())


def _is_open(stream: xr.Dataset) -> bool:
    return stream.attrs["kind"] in ("insole", "imu") and stream.attrs["side"] == "unknown"


def with_side(recording: Recording, side: str) -> Recording:
    """Return the recording with the foot stated by the user in every insole and IMU stream that states none.

    Raises
    ------
    BadInputError
        If there is no such stream, or its name with the foot is taken.
    """
    if side not in ("left", "right"):
        raise BadInputError(f"side is '{side}', expected left or right")
    streams, changed = {}, False
    for name, data in recording.streams.items():
        if _is_open(data):
            data.attrs["side"] = side
            name = f"{name}_{side}"
            changed = True
        if name in streams:
            raise BadInputError(f"has two streams that would be '{name}'; leave the side out")
        streams[name] = data
    if not changed:
        raise BadInputError("holds no insole or IMU stream of unknown foot; leave the side out")
    return recording.replaced(streams, findings=[f"worn on the {side} foot, as stated by the user"])
