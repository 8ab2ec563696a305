"""A command's options as a commented TOML file: written by ``--print-config``, read by ``--config``.

Each command has a table of its name (``[grf-sync]``, ``[grf-sync.batch]``, ``[grf.run]``), so that one file may hold
those of several. ``grf-train`` and ``grf-evaluate`` read their recipe from the same file: all that stands outside of
such tables.
"""

from __future__ import annotations

import difflib
import json
import os
import textwrap
from collections.abc import Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, get_args

from ..documents import OPTION_TABLES, toml_document
from ..errors import BadInputError
from .command_names import COMMANDS

_ASKED, _NEEDED, _FILE = "grfkit.print_config", "grfkit.needed", "grfkit.config"
_NEVER = ("force", "config")
"""Options that no file states: what overwrites is said each time, and a file names no other."""
_KINDS = {
    "int": "whole number", "integer": "whole number", "float": "number", "str": "text", "text": "text", "Path": "path",
    "path": "path", "bool": "true or false",
}  # fmt: skip
"""What is expected, by the names of Python's types, or of click's in older versions of Typer."""
_WIDTH = 100
"""Characters of a line of comments, chosen by hand: it is read in an editor."""


def prepare(context: Any) -> None:
    """Ask nothing of an invocation whose options are only printed."""
    context.meta[_ASKED] = context.command
    context.meta[_NEEDED] = [param.name for param in context.command.params if param.required]
    for param in context.command.params:
        param.required = False


def is_asked(context: Any) -> bool:
    """Return whether the options of this context's command are to be printed."""
    return context.meta.get(_ASKED) is context.command


def table_name(context: Any) -> tuple[str, ...]:
    """Return the table of a command: ``grf sync batch`` and ``grf-sync batch`` are ``grf-sync``, ``batch``."""
    first, *rest = context.command_path.split()
    if first == "grf" and rest and rest[0] in COMMANDS:
        return (f"grf-{rest[0]}", *rest[1:])
    return (first, *rest)


def load_options(context: Any, path: Path | None, *, with_recipe: bool = False) -> None:
    """Take a file's options for those that the command line does not state.

    Parameters
    ----------
    with_recipe
        Whether the rest of the file is the command's, too.

    Raises
    ------
    BadInputError
        If the file is no TOML, holds nothing for this command, or holds what no command has.
    """
    if path is None:
        return
    document, name = toml_document(path), table_name(context)
    context.meta[_FILE] = path
    foreign = [key for key in document if not OPTION_TABLES.match(key)]
    if foreign and not with_recipe:
        raise BadInputError(f"{path}: '{foreign[0]}' belongs to no command; options stand below [{'.'.join(name)}]")
    table: Any = document
    for part in name:
        table = table.get(part) if isinstance(table, dict) else None
    if table is None and with_recipe:
        return
    if not isinstance(table, dict):
        held = ", ".join(f"[{key}]" for key in document if OPTION_TABLES.match(key)) or "nothing for a command"
        raise BadInputError(f"{path}: has no table [{'.'.join(name)}]; it holds {held}")
    values = dict(_values(context.command, table, f"{path}: [{'.'.join(name)}]"))
    context.default_map = {**(context.default_map or {}), **values}


def _values(command: Any, table: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each parameter that a table states."""
    inner, params = getattr(command, "commands", {}), _params(command)
    spelt = {spelling: param for param in params for spelling in _spellings(param)}
    for key, value in table.items():
        if key in inner and isinstance(value, dict):
            continue
        param = spelt.get(key.replace("_", "-"))
        if param is None:
            raise BadInputError(f"{where} {_unknown(key, [_key(each) for each in params])}")
        yield param.name, _value(param, value, f"{where} {key}")


def _unknown(key: str, keys: list[str]) -> str:
    if key in _NEVER:
        return f"cannot state '{key}'; give --{key} on the command line"
    near = difflib.get_close_matches(key, keys, n=2, cutoff=0.6)
    return f"has no option '{key}'; " + (f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(keys)}")


def _value(param: Any, value: Any, where: str) -> Any:
    several = _is_several(param)
    if isinstance(value, dict) or (isinstance(value, list) and not several):
        raise BadInputError(f"{where} is a {'table' if isinstance(value, dict) else 'list'}, expected {_kind(param)}")
    if bool(getattr(param, "is_flag", False)) != isinstance(value, bool):
        raise BadInputError(f"{where} is {json.dumps(value, default=str)}, expected {_kind(param)}")
    values = [_typed(one) for one in (value if isinstance(value, list) else [value])]
    return values if several else values[0]


def _typed(value: Any) -> Any:
    """Return a value as a command line would hold it."""
    if isinstance(value, date | time):
        return value.isoformat()
    return os.path.expanduser(value) if isinstance(value, str) and value.startswith("~") else value


def printed(context: Any) -> str:
    """Return the options of an invocation as TOML; what has its default is commented out."""
    name = ".".join(table_name(context))
    lines = [
        f"[{name}]",
        f"# Options of {context.command_path}, read by --config FILE. What begins with '#' has its default.",
        "# Paths are taken from where the command is run. The command line wins over this file.",
    ]
    for param in _params(context.command):
        if not getattr(param, "hidden", False):
            lines += ["", *_lines(context, param)]
    return "\n".join([*_recipe(context), *lines, ""])


def _recipe(context: Any) -> list[str]:
    """Return the lines of the recipe that the command was given, as its file has them, without options of commands."""
    path = context.meta.get(_FILE)
    if path is None or "config" not in context.params:
        return []
    kept, ours = [], False
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        if line.lstrip().startswith("["):
            ours = bool(OPTION_TABLES.match(line.strip().lstrip("[ \"'")))
        if not ours:
            kept.append(line)
    while kept and not kept[-1].strip():
        kept.pop()
    return [*kept, ""] if kept else []


def _lines(context: Any, param: Any) -> list[str]:
    value, default = context.params.get(param.name), param.get_default(context)
    stated = context.get_parameter_source(param.name).name != "DEFAULT"
    needed = param.name in context.meta.get(_NEEDED, ())
    about = " ".join((getattr(param, "help", None) or "").split())
    words = f"{about} [{_kind(param)}{', needed' if needed else ''}]".strip()
    comment = textwrap.wrap(words, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    if stated and value is not None:
        return [*comment, f"{_key(param)} = {_toml(value)}"]
    nothing = default is None or default in ((), [], "")
    return [*comment, f"# {_key(param)} = {'...' if nothing else _toml(default)}"]


def _toml(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml(one) for one in value)}]"
    value = getattr(value, "value", value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(os.fspath(value) if isinstance(value, os.PathLike) else str(value), ensure_ascii=False)


def _params(command: Any) -> list[Any]:
    return [param for param in command.params if param.expose_value and param.name not in _NEVER]


def _key(param: Any) -> str:
    long = [name for name in param.opts if name.startswith("--")]
    return long[0].removeprefix("--") if long else str(param.name).replace("_", "-")


def _spellings(param: Any) -> set[str]:
    return {name.lstrip("-").replace("_", "-") for name in (*param.opts, str(param.name))}


def _is_several(param: Any) -> bool:
    return bool(getattr(param, "multiple", False)) or param.nargs == -1


def _kind(param: Any) -> str:
    if getattr(param, "is_flag", False):
        return _KINDS["bool"]
    kind, choices = _type(param)
    word = " or ".join(choices) or _KINDS.get(kind, kind)
    return f"list of {word}s" if _is_several(param) else word


def _type(param: Any) -> tuple[str, list[str]]:
    """Return the name of an option's type, and its choices if there are any."""
    if hasattr(param, "type_descriptor"):
        annotation = param.type_descriptor.annotation
        kind = next(iter(get_args(annotation)), annotation)
        members = getattr(kind, "__members__", {})
        return str(getattr(kind, "__name__", kind)), [str(member.value) for member in members.values()]
    # older versions of Typer have click's types
    return str(param.type.name), [str(choice) for choice in getattr(param.type, "choices", ())]
