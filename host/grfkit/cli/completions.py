"""Completion by the shell: what may follow an option, taken from where the command takes it too.

Files are completed by the shell itself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from typer.main import get_install_completion_arguments

_SIMULATED = {
    "lab": "simulate.folder:LabRequest",
    "session": "simulate.session_folder:SimulatedSessionRequest",
    "film": "simulate.film.folder:FilmRequest",
    "insole": "virtual.run:InsoleRequest",
}
_LEARNT = {
    "preset": "learn.preset:preset_names",
    "method": "learn.candidates:METHODS",
    "network": "learn.networks:every_network_names",
    "regime": "learn.recipe:Regime",
    "split": "learn.recipe:Split",
    "features": "learn.features:FEATURES",
    "features_by": "learn.networks.base:Statics",
    "model": "learn.packaged:packaged_names",
}
_SIDES, _SURFACES = "calibrate.documents:SideName", "records.streams:Surface"
CHOICES: dict[tuple[str, ...], dict[str, str]] = {
    ("sync",): {"surface": _SURFACES, "side": _SIDES, "near_side": _SIDES, "walker": _SIDES},
    ("inspect",): {"near_side": _SIDES, "walker": _SIDES},
    ("estimate",): {"model": _LEARNT["model"], "near_side": _SIDES, "walker": _SIDES},
    ("train",): _LEARNT,
    ("evaluate",): _LEARNT,
    ("export",): {"to": "export.write:FORMATS"},
    ("steps",): {"which": "steps.study:WHICH"},
    ("monitor",): {"model": _LEARNT["model"], "near_side": _SIDES},
    ("calibrate", "lag"): {"side": _SIDES, "device_class": "calibrate.documents:DeviceClass"},
    ("calibrate", "pressure"): {"law": "calibrate.cell_documents:Law"},
    **{("simulate", name): {"*": request} for name, request in _SIMULATED.items()},
    ("run",): {"skip": "study.plan:STAGES"},
}
"""The command, its parameter, and what names the choices; ``*``: every field of a request."""


def add_completion(command: Any, program: str) -> Any:
    """Return a program with the options that install its completion, and completed as the shell asks for it."""
    if " " in program:  # ``grf sync``: the shell knows ``grf``
        return command
    command.params.extend(get_install_completion_arguments())
    if f"_{program.replace('-', '_').upper()}_COMPLETE" in os.environ:
        _complete(command, () if program == "grf" else (program.removeprefix("grf-"),))
    return command


def _complete(command: Any, path: tuple[str, ...]) -> None:
    """Give the parameters of a command, and of those in it, their choices."""
    known = CHOICES.get(path, {})
    for param in command.params:
        if place := known.get(param.name, known.get("*", "")):
            param._custom_shell_complete = _completer(place, param.name)
    if hasattr(command, "list_commands"):
        find = command.get_command
        command.get_command = lambda context, name: _inner(find(context, name), (*path, name))


def _inner(command: Any, path: tuple[str, ...]) -> Any:
    if command is not None:
        _complete(command, path)
    return command


def _completer(place: str, name: str) -> Callable[[Any, Any, str], list[str]]:
    def matching(_: Any, __: Any, incomplete: str) -> list[str]:
        # whatever is wrong here is said by the command, where it can be read
        with contextlib.suppress(Exception):
            return [choice for choice in choices_at(place, name) if choice and choice.startswith(incomplete)]
        return []

    return matching


def choices_at(place: str, name: str) -> Iterable[str]:
    """Return the choices that a ``module:name`` is: a ``Literal``, names, or those of a function or request field."""
    from ..arguments import choices_of

    module, _, attribute = place.partition(":")
    held = getattr(import_module(f"grfkit.{module}"), attribute)
    if hasattr(held, "model_fields"):
        fields = held.model_fields
        return choices_of(fields[name].annotation) if name in fields else ()
    if callable(held) and not hasattr(held, "__args__"):
        names = tuple(held())
        return tuple(f"grfkit:{each}" for each in names) if attribute == "packaged_names" else names
    return held if isinstance(held, tuple) else choices_of(held)
