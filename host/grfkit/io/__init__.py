"""Files to recordings: :func:`read` takes any file grfkit knows, :func:`sniff` says which reader takes it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import BadInputError
from ..provenance import Provenance, describe_input
from ..records import Recording
from .base import Reader, ReadOptions
from .sniff import Sniffed, readers, sniff

__all__ = ["ReadOptions", "Reader", "Sniffed", "read", "read_with", "readers", "sniff"]


def read(path: str | Path, options: ReadOptions | None = None) -> Recording:
    """Return what a file holds, in SI units, on its own clock.

    The reader is found by the file's content (:func:`sniff`), never by its name alone.

    Parameters
    ----------
    options
        What the file itself does not say: a column map, a rate, the foot it was worn on.

    Raises
    ------
    BadInputError
        With one line that starts with the path, for whatever is wrong with the file.
    """
    found = sniff(Path(path))
    return read_with(found.reader, path, options)


def read_with(reader: Reader, path: str | Path, options: ReadOptions | None = None) -> Recording:
    """Return what a file holds, read by a reader of the caller's choice.

    Raises
    ------
    BadInputError
        As :func:`read`. What a reader did not foresee (a broken file can surprise) is told the same way.
    """
    path = Path(path)
    try:
        recording = reader.read(path, options or ReadOptions())
    except BadInputError as error:
        text = str(error)
        raise BadInputError(text if text.startswith(f"{path}:") else f"{path}: {text}") from error
    except MemoryError as error:
        raise BadInputError(f"{path}: does not fit into memory; cut it into shorter files") from error
    except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise BadInputError(
            f"{path}: is broken in a way its reader ({reader.name}) did not expect ({what})"
        ) from error
    return _with_input(recording, path)


def _with_input(recording: Recording, path: Path) -> Recording:
    """Name the file in the recording's provenance where the reader did not."""
    if recording.provenance.inputs:
        return recording
    kept = recording.provenance.merged(Provenance(inputs=[describe_input(path)]))
    tree = recording.tree.copy()
    tree.attrs["provenance"] = kept.model_dump_json()
    return replace(recording, tree=tree)
