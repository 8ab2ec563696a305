"""Shared by all commands: errors as one line, exit codes, broken pipes, Ctrl-C, messages on stderr."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

from ..arguments import ArgumentError, refusal
from ..errors import GrfError
from ..extras import without_extra
from . import talk
from .command_line import as_typed, for_terminal, wrong_argument, wrong_usage
from .completions import add_completion
from .shared_options import add_shared_options

if TYPE_CHECKING:
    from pydantic import ValidationError
    from typer.core import TyperGroup

EXIT_INTERNAL = 1
"""A defect of the program."""
EXIT_BAD_INPUT = 2
"""Input or options that cannot be used; 2 is also what shells and argument parsers use for misuse."""
EXIT_REFUSED = 3
"""The input can be read, but an answer would be unsafe."""
EXIT_INTERRUPTED = 130
"""After Ctrl-C: 128 and the number of SIGINT, as shells report it."""
EXIT_TERMINATED = 143
"""After SIGTERM, as a scheduler or ``kill`` sends it: 128 and its number."""
EXIT_BROKEN_PIPE = 141
"""Where the reader of stdout went away: 128 and the number of SIGPIPE."""

_OF_THE_DISK = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG, errno.EROFS, errno.EIO)
"""What a disk says that is full or broken; of an open file it gives no name."""

EXIT_CODES = "Exit codes: 0 done, 2 input that cannot be used, 3 refused as unsafe, 1 internal error."
ALLOW_SHORT = "Read a TRC or OpenSim file that is cut off in its last row without that row."


OtherPeople = Annotated[
    str,
    typer.Option(
        "--other-people",
        help="Whose people these are ('our clinic'), where their codes are those of others in the model's training.",
    ),
]
"""The user's statement that a code that the training knows, such as Sub01, is another person's here."""


def make_app(summary: str = "", *, group: type[TyperGroup] | None = None) -> typer.Typer:
    """Return a Typer app with plain help text and no shell-completion options.

    Give its command ``epilog=EXIT_CODES``, and start it with :func:`run`. ``summary`` says what an app of several
    commands does, at the end of its ``--help``; ``group`` finds its commands.
    """
    return typer.Typer(
        cls=group,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        epilog=f"{summary} {EXIT_CODES}".strip(),
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def run(app: typer.Typer, arguments: Sequence[str] | None = None, *, name: str | None = None) -> NoReturn:
    """Run a command and end the process: one line on stderr for whatever went wrong, never a traceback.

    Exit codes: 0 done; 2 for input that cannot be used and for wrong options; 3 for a refusal
    (:class:`~grfkit.errors.RefusedError`); 1 for an internal error; 130 after Ctrl-C; 143 after SIGTERM; 141 where the
    reader of stdout went away. With ``GRFKIT_DEBUG=1`` the traceback is shown before the line.

    Parameters
    ----------
    arguments
        Without the program's name; the process's own arguments if None.
    name
        The program's name in messages; taken from the process if None.
    """
    program = name or os.path.basename(sys.argv[0]) or "grfkit"
    # a terminal that knows ASCII only shows escapes instead of ending the command
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    _tidy_up_when_terminated()
    words = sys.argv[1:] if arguments is None else arguments
    talk.begin(program, words)
    command = add_completion(add_shared_options(typer.main.get_command(app)), program)
    try:
        code = _call(command, as_typed(command, words), program)
        # here, while a broken pipe can still be caught
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        code = EXIT_BROKEN_PIPE
    except _Terminated:
        code = EXIT_TERMINATED
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except Exception as error:
        if os.environ.get("GRFKIT_DEBUG") == "1":
            traceback.print_exc()
        line, code = explain(error, command)
        talk.failed(error)
        say(f"{program}: {line}")
    if code in (EXIT_INTERRUPTED, EXIT_TERMINATED):
        say(f"{program}: {'interrupted' if code == EXIT_INTERRUPTED else 'terminated'}")
    talk.ended(code)
    sys.exit(code)


def explain(error: Exception, command: Any = None) -> tuple[str, int]:
    """Return an error as one line for the user, and the exit code for it.

    Parameters
    ----------
    command
        The command that was run, whose options have the names of the function's arguments.
    """
    if isinstance(error, ArgumentError):
        return one_line(for_terminal(wrong_argument(error, command))), error.exit_code
    if isinstance(error, GrfError):
        return one_line(for_terminal(str(error))), error.exit_code
    if hasattr(error, "format_message"):  # click's own, or Typer's copy of click
        return f"{one_line(wrong_usage(error))} (see --help)", EXIT_BAD_INPUT
    if type(error).__name__ == "ValidationError" and hasattr(error, "errors"):
        why = refusal(cast("ValidationError", error))
        return one_line(f"a document or option cannot be used: {why}"), EXIT_BAD_INPUT
    if isinstance(error, ModuleNotFoundError) and (missing := without_extra("this command", error)) is not None:
        return one_line(for_terminal(str(missing))), missing.exit_code
    if isinstance(error, RecursionError):
        return "a document among the inputs is nested too deeply to be read", EXIT_BAD_INPUT
    if isinstance(error, MemoryError):
        return "not enough memory for this input; cut it into shorter pieces", EXIT_BAD_INPUT
    if isinstance(error, OSError) and error.filename is not None:
        return one_line(f"{error.filename}: {error.strerror or error}"), EXIT_BAD_INPUT
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK:
        return one_line(f"a file could not be written: {error.strerror}"), EXIT_BAD_INPUT
    text = one_line(f"{type(error).__name__}: {error}")
    advice = "please report it with the output of the same command under GRFKIT_DEBUG=1"
    return f"internal error ({text}); {advice}", EXIT_INTERNAL


def one_line(text: str, *, limit: int = 600) -> str:
    """Return ``text`` without line breaks and control characters, cut after ``limit`` characters."""
    tidy = "".join(c if c.isprintable() else " " for c in text)
    tidy = " ".join(tidy.split())
    return tidy if len(tidy) <= limit else tidy[: limit - 3] + "..."


def say(text: str) -> None:
    """Write a line to stderr, if it is open."""
    talk.note(for_terminal(text))
    with contextlib.suppress(OSError, ValueError):
        print(for_terminal(text), file=sys.stderr, flush=True)


def _call(command: Any, args: Sequence[str], program: str) -> int:
    try:
        # not standalone: errors come here instead of ending the process in click's own words
        result = command(args=args, prog_name=program, standalone_mode=False)
    except SystemExit as stop:  # Typer turns a broken pipe into a bare exit
        if isinstance(stop.__context__, BrokenPipeError):
            raise stop.__context__ from None
        raise
    return result if isinstance(result, int) else 0


class _Terminated(BaseException):  # no KeyboardInterrupt, which click makes an Abort of
    """SIGTERM came: what Ctrl-C tidies up is tidied up."""


def _tidy_up_when_terminated() -> None:
    """Let SIGTERM end the command as Ctrl-C does, so that temporary files and processes of its own go with it."""

    def stop(*_: object) -> None:
        raise _Terminated

    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, stop)


def _silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush does not fail a second time."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
