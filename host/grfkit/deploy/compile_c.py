"""A model's C written into a folder, and compiled for this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from ..arrays import PathLike
from ..embedded.compile import RUNTIME, build_shared
from ..runtime.compiled import SUFFIX, CRuntime
from .emit_c import CModel


def write_model(model: CModel, folder: PathLike) -> Path:
    """Write ``<name>.c`` and ``<name>.h``; return the path of the first."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{model.name}.h").write_text(model.header, encoding="utf-8")
    path = folder / f"{model.name}.c"
    path.write_text(model.source, encoding="utf-8")
    return path


def compile_c(
    model: CModel, folder: PathLike | None = None, *, runtime: Path = RUNTIME, flags: Sequence[str] = ()
) -> CRuntime:
    """Return a model compiled with the runtime for this machine.

    Parameters
    ----------
    folder
        Where sources and library are written; None: into a temporary folder, which the loaded library outlives.
    runtime
        Folder of the runtime's C files.
    flags
        Further flags for the compiler.

    Raises
    ------
    BadInputError
        If there is no compiler, or it refuses.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="grfkit-c-") as temporary:
            return compile_c(model, temporary, runtime=runtime, flags=flags)
    source = write_model(model, folder)
    return CRuntime(build_shared([source], source.with_suffix(SUFFIX), runtime=runtime, flags=flags))
