"""The force between a foot and the ground without a force plate: read, align, learn, prove, quantise, run, watch.

Every command's work is a function here, with the command's defaults: paths may be ``str`` or ``Path``, and what one
function gives the next takes. Names are loaded when they are first used, so that ``import grfkit`` costs nothing.

===================  =================================================================================
files to recordings  :func:`read`, :func:`read_film`, :func:`inspect`, :class:`Recording`, :func:`fetch`,
                     :func:`simulate_trial`
one clock            :func:`align`, :func:`align_session`, :func:`assemble`, :class:`ClockMap`, :class:`Trial`
stances              :func:`find_stances`, :func:`step_table`, :func:`cut_windows`, :class:`StanceSet`
other programs       :func:`export_trial`
models               :func:`train`, :func:`evaluate`, :func:`estimate`, :class:`GrfModel`, :func:`load_model`
on the insole        :func:`export_bundle`, :func:`verify_bundle`, :func:`load_bundle`, :class:`Bundle`, :func:`connect`
errors               :class:`GrfError` and below it :class:`BadInputError`, :class:`UnitError`, :class:`RefusedError`
===================  =================================================================================
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any

from .errors import BadInputError, GrfError, RefusedError, UnitError

if TYPE_CHECKING:
    from .dataset.public.fetching import fetch
    from .dataset.windows import cut_windows
    from .deploy.bundle import export_bundle
    from .deploy.verify import verify_bundle
    from .estimation.estimate import estimate
    from .estimation.open_model import load_model
    from .evaluation.evaluate import evaluate
    from .export.write import export_trial
    from .gait.stances import find_stances
    from .io import read
    from .io.inspect import inspect
    from .learn.model import GrfModel
    from .learn.training_job import train
    from .monitor.connect import connect
    from .records import ClockMap, Recording, Trial
    from .records.stance_set import StanceSet
    from .runtime.bundle import Bundle, load_bundle
    from .simulate.lab import simulate_trial
    from .steps.build import step_table
    from .sync.align import align
    from .sync.assemble import assemble
    from .sync.session import align_session
    from .video.recording import read_film

_HOMES = {
    "Bundle": "runtime.bundle",
    "ClockMap": "records",
    "GrfModel": "learn.model",
    "Recording": "records",
    "StanceSet": "records.stance_set",
    "Trial": "records",
    "align": "sync.align",
    "align_session": "sync.session",
    "assemble": "sync.assemble",
    "connect": "monitor.connect",
    "cut_windows": "dataset.windows",
    "estimate": "estimation.estimate",
    "evaluate": "evaluation.evaluate",
    "export_bundle": "deploy.bundle",
    "fetch": "dataset.public.fetching",
    "find_stances": "gait.stances",
    "inspect": "io.inspect",
    "load_bundle": "runtime.bundle",
    "load_model": "estimation.open_model",
    "read": "io",
    "read_film": "video.recording",
    "simulate_trial": "simulate.lab",
    "export_trial": "export.write",
    "step_table": "steps.build",
    "train": "learn.training_job",
    "verify_bundle": "deploy.verify",
}
"""The module that each lazy name is loaded from."""
_LOADING = RLock()
"""Held while a name is loaded: several threads that import parts of the package at once would meet halves of it."""

__all__ = [
    "BadInputError",
    "Bundle",
    "ClockMap",
    "GrfError",
    "GrfModel",
    "Recording",
    "RefusedError",
    "StanceSet",
    "Trial",
    "UnitError",
    "align",
    "align_session",
    "assemble",
    "connect",
    "cut_windows",
    "estimate",
    "evaluate",
    "export_bundle",
    "export_trial",
    "fetch",
    "find_stances",
    "inspect",
    "load_bundle",
    "load_model",
    "read",
    "read_film",
    "simulate_trial",
    "step_table",
    "train",
    "verify_bundle",
]


def __getattr__(name: str) -> Any:
    """Return a name of the front door, loaded now, or the version."""
    if name == "__version__":
        from .provenance import tool_version

        return tool_version()
    if name not in _HOMES:
        raise AttributeError(f"module 'grfkit' has no attribute '{name}'")
    from importlib import import_module

    with _LOADING:
        try:
            value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        except ModuleNotFoundError as error:
            from .extras import without_extra

            refusal = without_extra(f"grfkit.{name}", error)
            if refusal is None:
                raise
            raise refusal from error
        globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the front door's names, and the modules and dunder names that a module has."""
    internal = {"Any", "RLock", "TYPE_CHECKING", "annotations"}
    public = {name for name in globals() if name.startswith("__") or not name.startswith("_")} - internal
    return sorted({*public, *__all__, "__version__"})
