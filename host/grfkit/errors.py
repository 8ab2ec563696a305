"""The errors grfkit raises on purpose, each with the exit code a command ends with."""

from __future__ import annotations


class GrfError(Exception):
    """An error a user can act on; its text is one line and is shown without a traceback.

    Attributes
    ----------
    exit_code : int
        What a command exits with: 2 for input that cannot be used, 3 for a refusal.
    """

    exit_code = 2


class BadInputError(GrfError):
    """A file or argument that cannot be used: broken, truncated, empty, mislabelled, of unknown format."""


class UnitError(BadInputError):
    """A unit that is unknown, or that is not of the quantity asked for."""


class RefusedError(GrfError):
    """An answer exists but is not safe to give; nothing was written."""

    exit_code = 3
