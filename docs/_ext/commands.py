"""``{command-help} grf-sync``: what ``--help`` of a command and its subcommands says, from the program itself."""

from __future__ import annotations

import contextlib
import importlib
import io
from typing import Any, ClassVar

import typer
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx

WIDTH = 84
"""Columns of the help text: what fits between a page's two margins at 1280 px."""


def app_of(name: str) -> Any:
    """Return the command object behind ``grf-sync``, ``grf-steps``, ... or ``grf``."""
    module = importlib.import_module(f"grfkit.cli.{name.removeprefix('grf-')}")
    return typer.main.get_command(module.app)


def helps(command: Any, name: str, *, deeper: bool = True) -> list[tuple[str, str]]:
    """Return the help text of a command and of all its subcommands, each with its name as typed."""
    heard = io.StringIO()
    with contextlib.redirect_stdout(heard):
        command.main(["--help"], prog_name=name, standalone_mode=False, terminal_width=WIDTH)
    pages = [(name, heard.getvalue().rstrip())]
    for word, child in (getattr(command, "commands", {}) if deeper else {}).items():
        pages += helps(child, f"{name} {word}")
    return pages


class CommandHelp(Directive):
    """The help of one command; a section for each subcommand."""

    required_arguments = 1
    has_content = False
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Return a literal block, and a section for each subcommand."""
        made: list[nodes.Node] = []
        name = self.arguments[0]
        for title, text in helps(app_of(name), name):
            block = nodes.literal_block(text, text, language="text")
            if title == name:
                made.append(block)
                continue
            section = nodes.section(ids=[title.replace(" ", "-")], names=[title])
            section += nodes.title(title, title)
            section += block
            made.append(section)
        return made


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
