"""``grf``: every command under one name (``grf sync``, ``grf train``, ...), and whole studies: ``init`` and ``run``."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from . import common, study
from .command_names import COMMANDS
from .shared_options import add_shared_options


class _Commands(TyperGroup):
    """The commands of this module, and those of :data:`COMMANDS`, whose modules are imported when one is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order in which a lab needs them."""
        return [*super().list_commands(ctx), *COMMANDS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command by its name; None if there is none."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        command = typer.main.get_command(importlib.import_module(f"grfkit.cli.{cmd_name}").app)
        command.name, command.short_help = cmd_name, COMMANDS[cmd_name]
        return add_shared_options(command, subcommand=True)


app = common.make_app("Each is also a command of its own: grf-sync, grf-train, ...", group=_Commands)
app.command("init", epilog=common.EXIT_CODES)(study.init)
app.command("run", epilog=common.EXIT_CODES)(study.run)


@app.callback()
def grf() -> None:
    """The force between a foot and the ground without a force plate.

    A whole study: `grf init STUDY`, fill in its table, `grf run STUDY`. Single steps: the commands below.
    """


def main() -> None:
    """Run ``grf``; a command of :data:`COMMANDS` runs exactly as it does under its own name."""
    words = sys.argv[1:]
    if words and words[0] in COMMANDS:
        common.run(importlib.import_module(f"grfkit.cli.{words[0]}").app, words[1:], name=f"grf {words[0]}")
    common.run(app, name="grf")


if __name__ == "__main__":
    main()
