"""Options that every command has: how much it says, a log, and its options as a file, written and read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import BadInputError
from . import talk


def _show_version(asked: bool) -> None:
    if asked:
        # here and not above: --help must not wait for pydantic
        from ..provenance import tool_version

        print(f"grfkit {tool_version()}")
        raise typer.Exit


def _load(context: typer.Context, path: Path | None) -> None:
    from .options_file import load_options

    load_options(context, path)


def _prepare(context: typer.Context, asked: bool) -> None:
    if asked:
        from .options_file import prepare

        prepare(context)


_Version = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Print the version and end.")
]
_Verbose = Annotated[
    int,
    typer.Option(
        "-v", "--verbose", count=True, is_eager=True, callback=talk.say_more, metavar="", show_default=False,
        help="Say what is done, on stderr; -vv: every step.",
    ),
]  # fmt: skip
_Quiet = Annotated[
    bool,
    typer.Option(
        "-q", "--quiet", is_eager=True, callback=talk.say_less, help="No progress; results and warnings stay."
    ),
]
_Log = Annotated[
    Path | None,
    typer.Option("--log-file", is_eager=True, callback=talk.keep_log, help="Append every step, with its time."),
]
_Config = Annotated[
    Path | None,
    typer.Option("--config", is_eager=True, callback=_load, help="TOML of options, as --print-config writes it."),
]
_Print = Annotated[
    bool,
    typer.Option(
        "--print-config", is_eager=True, callback=_prepare, help="Print the options as commented TOML and end."
    ),
]


def _of_all(verbose: _Verbose = 0, quiet: _Quiet = False, log_file: _Log = None) -> None:
    """Hold what every command and group has; what a question about one should name."""


def _of_some(config: _Config = None, print_config: _Print = False) -> None:
    """Hold what commands with options of their own have."""


def _of_programs(version: _Version = False) -> None:
    """Hold what a program has, and none of its subcommands."""


def add_shared_options(command: Any, *, subcommand: bool = False) -> Any:
    """Return a command, and its subcommands, with the options of all commands at the end of its own."""
    own = [param for param in command.params if param.expose_value]
    shared = [] if subcommand else _made_of(_of_programs)
    shared += _made_of(_of_all)
    if own:
        shared += _with_files(command, own)
    command.params.extend(shared)
    _refuse_second_values(command)
    for inner in getattr(command, "commands", {}).values():
        add_shared_options(inner, subcommand=True)
    return command


def _refuse_second_values(command: Any) -> None:
    """Make a command refuse an option of one value that is given twice: the last would be taken without a word."""
    make = command.make_parser

    def make_parser(context: Any) -> Any:
        parser = make(context)
        parse = parser.parse_args

        def parse_args(args: list[str]) -> Any:
            values, rest, given = parse(args)
            # a line that is being completed is not finished
            for param in () if context.resilient_parsing else given:
                one = param.param_type_name == "option" and not (param.multiple or param.is_flag or param.count)
                if one and given.count(param) > 1:
                    in_turn = " (grf-sync --side takes one for each wearable)" if param.name == "side" else ""
                    raise BadInputError(
                        f"{param.opts[0]} is given {given.count(param)} times, and the last would hold for all files: "
                        f"say it once, and give files that differ in it one at a time{in_turn}"
                    )
            return values, rest, given

        parser.parse_args = parse_args
        return parser

    command.make_parser = make_parser


def _with_files(command: Any, own: list[Any]) -> list[Any]:
    """Return the options that write and read options; a command's own ``--config`` reads its recipe as well."""
    from_file, to_print = _made_of(_of_some)
    recipe = next((param for param in own if param.name == "config"), None)
    if recipe is not None:
        recipe.is_eager = True
        recipe.callback = _load_beside_recipe
    run = command.invoke

    def invoke(context: Any) -> Any:
        from .options_file import is_asked, printed

        if is_asked(context):
            print(printed(context), end="")
            return 0
        return run(context)

    command.invoke = invoke
    return [to_print] if recipe is not None else [from_file, to_print]


def _load_beside_recipe(context: Any, _: Any, path: Any) -> Any:
    from .options_file import load_options

    load_options(context, None if path is None else Path(path), with_recipe=True)
    return path


def _made_of(function: Any) -> list[Any]:
    """Return options, made by Typer from a command of its own: its class of options differs between versions."""
    holder = typer.Typer(add_completion=False)
    holder.command()(function)
    options = list(typer.main.get_command(holder).params)
    for option in options:
        option.expose_value = False
    return options
