"""Command lines as people type them: several values after one option, ``~``, and what was wrong in plain words."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from ..arguments import ArgumentError, refused_field

_IN_PYTHON = re.compile(r" \((?:[^()]|\([^()]*\))*\bin Python\)")
"""What a message says to those who call the function: ``use --force (force=True in Python)``."""
OTHER_NAMES = {
    "--mass": "--mass-kg",
    "--weight": "--mass-kg",
    "--speed": "--speed-m-s",
    "--slope": "--slope-percent",
    "--incline": "--slope-percent",
    "--rate": "--rate-hz",
    "--hz": "--rate-hz",
    "--fs": "--rate-hz",
    "--frequency": "--rate-hz",
    "--output": "--out",
    "-o": "--out",
    "--overwrite": "--force",
    "-f": "--force",
    "--subject": "--participant",
    "--id": "--participant",
    "--foot": "--side",
    "--plate": "--reference",
    "--ref": "--reference",
    "--insole": "--wearable",
    "--imu": "--wearable",
    "--wearables": "--wearable",
    "--columns": "--column-map",
    "--calibrations": "--calibration",
    "--split-by": "--split",
    "--jobs": "--processes",
    "--debug": "GRFKIT_DEBUG=1 in front of the command",
    "--silent": "--quiet",
    "--log": "--log-file",
}
"""Options that people try, and what is meant; those that a command has as its own are never looked up here."""


def for_terminal(text: str) -> str:
    """Return a message without what it says to those who call the function from Python."""
    return _IN_PYTHON.sub("", text)


def as_typed(command: Any, arguments: Sequence[str]) -> list[str]:
    """Return arguments with ``~`` taken for the home folder, and an option in front of each of its values.

    ``--wearable a b`` is ``--wearable a --wearable b`` in commands that take no arguments besides their options; in
    others ``b`` may be such an argument.
    """
    expanded = [_home(word) for word in arguments]
    subcommands = getattr(command, "commands", {})
    params = _options_of(command)
    if not any(_is_repeatable(param) for param in params) or any(p.param_type_name == "argument" for p in params):
        return expanded
    repeatable = {name for param in params if _is_repeatable(param) for name in param.opts}
    typed: list[str] = []
    option, first = "", False
    for number, word in enumerate(expanded):
        if word in subcommands and not first:
            return typed + expanded[number:]
        if word.startswith("-") and not first:
            option = word.split("=")[0] if word.split("=")[0] in repeatable else ""
            first = word in repeatable
        elif option:
            typed += [] if first else [option]
            first = False
        else:
            option = ""
        typed.append(word)
    return typed


def _home(word: str) -> str:
    option, mark, value = word.partition("=")
    if word.startswith("--") and mark and value.startswith("~"):
        return f"{option}={os.path.expanduser(value)}"
    return os.path.expanduser(word) if word.startswith("~") else word


def _options_of(command: Any) -> list[Any]:
    return list(getattr(command, "params", []))


def _is_repeatable(param: Any) -> bool:
    return bool(getattr(param, "multiple", False))


def wrong_argument(error: ArgumentError, command: Any) -> str:
    """Return the refusal of a function's argument with the name of the option that it was given by."""
    name, rest = re.fullmatch(r"(\w*)[ .]?(.*)", error.argument).groups()  # type: ignore[union-attr]
    for each in _with_subcommands(command):
        for param in _options_of(each):
            if param.name == name and param.param_type_name == "option":
                return f"{param.opts[0]}{f' {rest}' if rest else ''} {error.why}"
            if param.name == name:
                return f"{param.name.upper()} {error.why}"
    return str(error)


def wrong_usage(error: Any) -> str:
    """Return what is wrong with a command line, of an exception of click or of Typer's copy of it."""
    kind, command = type(error).__name__, getattr(getattr(error, "ctx", None), "command", None)
    if kind == "NoSuchOption":
        return _unknown_option(error.option_name, error)
    if kind == "MissingParameter" and error.param is not None:
        help_text = (getattr(error.param, "help", "") or "").rstrip(".")
        return f"{_name_of(error.param)} is missing{f': {help_text}' if help_text else ''}"
    if kind == "BadParameter" and error.param is not None:
        return f"{_name_of(error.param)} {_why(error)}"
    text = str(error.format_message()).rstrip(".")
    if choice := re.fullmatch(r"(--\S+) ('.*?') is not one of (.*)", text):
        return f"{choice[1]} is {choice[2]}, expected one of {choice[3]}"
    if "extra argument" in text:
        found = re.search(r"\(([^()]*)\)$|argument (.*)$", text)
        extra = next((part for part in (found.groups() if found else ()) if part), "")
        options = [p.opts[0] for p in _options_of(command) if _is_repeatable(p)]
        hint = f"; to give an option several values, repeat it: {options[0]} A {options[0]} B" if options else ""
        return f"{extra or 'the last word'} is one word too many{hint}; quote names with spaces"
    if text.startswith("Missing command"):
        return f"say what to do: {' or '.join(sorted(_names_of_commands(command)))}"
    if text.startswith("No such command"):
        return _unknown_command(text, command)
    return text


def _why(error: Any) -> str:
    from pydantic import ValidationError

    cause, text = error.__cause__, str(error.message).rstrip(".")
    if wrong := re.fullmatch(r"(?:Value )?('.*?') is not one of (.*)", text):
        return f"is {wrong[1]}, expected one of {wrong[2]}"
    if isinstance(cause, ValidationError):
        why = refused_field(cause)[1].removeprefix("the whole ")
        wrong = re.fullmatch(r"(?:Value )?('.*?') is not one of (.*?)\.?", why)
        return f"is {wrong[1]}, expected one of {wrong[2]}" if wrong else why
    # older versions of Typer check numbers and choices by click
    return f"cannot be used: {text}"


def _name_of(param: Any) -> str:
    return str(param.opts[0]) if param.param_type_name == "option" else str(param.name).upper()


def _unknown_option(name: str, error: Any) -> str:
    context = error.ctx
    command = getattr(context, "command", None)
    here = {option for param in _options_of(command) for option in (*param.opts, *param.secondary_opts)}
    text = f"there is no option {name}"
    other = OTHER_NAMES.get(name, "")
    if other in here or other.startswith("GRFKIT"):
        return f"{text}; did you mean {other}?"
    near = difflib.get_close_matches(name, sorted(here), n=2, cutoff=0.6)
    longer = sorted(option for option in here if option.startswith(name) and option not in near)
    if meant := [*longer, *near]:
        return f"{text}; did you mean {' or '.join(meant[:2])}?"
    parent = getattr(context, "parent", None)
    if command is not None and parent is not None and name in {o for p in _options_of(parent.command) for o in p.opts}:
        return f"{text} in '{command.name}': it is one of the command without '{command.name}'"
    return text


def _names_of_commands(command: Any) -> list[str]:
    """Return the commands of a group, also those that it has not imported yet (``grf``)."""
    return list(command.list_commands(None)) if hasattr(command, "list_commands") else []


def _unknown_command(text: str, command: Any) -> str:
    word = re.search(r"'(.*?)'", text)
    names = sorted(_names_of_commands(command))
    given = word[1] if word else ""
    near = difflib.get_close_matches(given.lower(), names, n=1)
    if near:
        return f"there is no command '{given}'; did you mean '{near[0]}'?"
    options = [p.opts[0] for p in _options_of(command) if _is_repeatable(p)]
    hint = f", or name it with an option, as in {options[0]} {given}" if options else ""
    return f"'{given}' is no command; expected {' or '.join(names)}{hint}"


def _with_subcommands(command: Any) -> Iterator[Any]:
    yield command
    yield from getattr(command, "commands", {}).values()
