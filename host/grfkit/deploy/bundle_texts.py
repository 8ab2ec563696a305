"""The texts of a bundle that follow from its manifest, its model's document and its golden windows."""

from __future__ import annotations

from collections.abc import Sequence

from ..learn.spec import ModelSpec
from ..runtime.manifest import Manifest
from .bundle_c import c_files
from .bundle_card import bundle_card, readme
from .golden import IN_C, Golden

_IN_C = ("raw", "input_int8", "output_int8", "force")


def bundle_texts(manifest: Manifest, spec: ModelSpec, golden: Golden, runtime: Sequence[str]) -> dict[str, str]:
    """Return card, README and, where there is C, all of its side but model and runtime, by path.

    The texts of a manifest in memory and of the same one read back are equal: nothing depends on the order of a
    table's keys.

    Parameters
    ----------
    runtime
        Names of the runtime's C files.
    """
    told = _as_read(manifest)
    texts = {"README.md": readme(told), "CARD.md": bundle_card(told, spec)}
    if told.c is None:
        return texts
    few = {k: v[:IN_C] if k in _IN_C else v for k, v in golden.items() if k in _IN_C or k.startswith("foot_")}
    return texts | c_files(told, few, runtime)


def _as_read(manifest: Manifest) -> Manifest:
    """Return the manifest as its file has it, the axes of parity in the order of the answers."""
    read = Manifest.model_validate_json(manifest.text())
    rows = read.parity.axes
    first = [a.name for a in read.axes if a.name in rows]
    axes = {name: rows[name] for name in (*first, *(n for n in rows if n not in first))}
    return read.model_copy(update={"parity": read.parity.model_copy(update={"axes": axes})})
