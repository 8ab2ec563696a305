"""The errors grfkit raises on purpose, each with the exit code a command ends with."""

from __future__ import annotations


class GrfError(Exception):
    """An error a user can act on; its text is one line and is shown without a traceback.

    Attributes
    ----------
    exit_code : int
        What a command exits with: 2 for input that cannot be used, 3 for a refusal.

    Examples
    --------
    >>> from grfkit import GrfError, read
    >>> try:
    ...     read("no_such_file.c3d")
    ... except GrfError as error:
    ...     print(error.exit_code, error)
    2 no_such_file.c3d: cannot be read (No such file or directory)
    """

    exit_code = 2


class BadInputError(GrfError):
    """A file or argument that cannot be used: broken, truncated, empty, mislabelled, of unknown format.

    Examples
    --------
    >>> from grfkit import BadInputError, read
    >>> try:
    ...     read("no_such_file.c3d")
    ... except BadInputError as error:
    ...     print("cannot be used:", error)
    cannot be used: no_such_file.c3d: cannot be read (No such file or directory)
    """


class UnitError(BadInputError):
    """A unit that is unknown, or that is not of the quantity asked for.

    Examples
    --------
    >>> from grfkit import UnitError
    >>> from grfkit.units import require
    >>> try:
    ...     require("count", "N", what="channel 'cell_01'")
    ... except UnitError as error:
    ...     print(error)
    channel 'cell_01' is in count, expected N; calibrate the recording first
    """


class NothingLeftError(BadInputError):
    """A trial of which no window is left: nothing is wrong with its file, and others can be used without it.

    Attributes
    ----------
    trial
        Path of the trial's file as it was given; empty for one in memory.
    """

    def __init__(self, message: str, trial: str = "") -> None:
        super().__init__(message)
        self.trial = trial


class RefusedError(GrfError):
    """An answer exists but is not safe to give; nothing was written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from grfkit import RefusedError
    >>> from grfkit.runtime.bundle_files import read_sums
    >>> _ = Path("SHA256SUMS").write_text("a bundle's list of digests that somebody edited")
    >>> try:
    ...     read_sums(Path("."))
    ... except RefusedError as error:
    ...     print(error.exit_code)
    3
    """

    exit_code = 3
