"""C compiled on this machine: the runtime and a model as a shared library."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ..arrays import PathLike
from ..errors import BadInputError

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED, _SOURCE = _PACKAGE / "_firmware" / "runtime", _PACKAGE.parents[1] / "firmware_models" / "runtime"
RUNTIME = _INSTALLED if _INSTALLED.is_dir() else _SOURCE
"""Folder of the C runtime: in an installed package, or in a checkout."""
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-pedantic", "-O2")


def compiler() -> str | None:
    """Return the C compiler of this machine (``CC``, cc, gcc or clang), or None."""
    preferred = os.environ.get("CC")
    return next((path for name in (preferred, "cc", "gcc", "clang") if name and (path := shutil.which(name))), None)


def runtime_sources(runtime: PathLike = RUNTIME) -> list[Path]:
    """Return the runtime's C files.

    Raises
    ------
    BadInputError
        If the folder holds none.
    """
    sources = sorted(Path(runtime).glob("grf_*.c"))
    if not sources:
        raise BadInputError(f"{runtime} holds no grf_*.c; expected the C runtime of firmware_models")
    return sources


def build_shared(
    sources: Sequence[PathLike],
    output: PathLike,
    *,
    runtime: PathLike = RUNTIME,
    flags: Sequence[str] = (),
    timeout_s: float = 120.0,
) -> Path:
    """Compile C files and the runtime into a shared library; return its path.

    Raises
    ------
    BadInputError
        If there is no compiler, or it fails; the message holds its first error.
    """
    cc = compiler()
    if cc is None:
        raise BadInputError("no C compiler was found (cc, gcc, clang); install one or name it in CC")
    files = [str(p) for p in (*sources, *runtime_sources(runtime))]
    run_tool(
        [
            cc,
            *FLAGS,
            *flags,
            "-shared",
            "-fPIC",
            f"-I{runtime}",
            f"-I{Path(sources[0]).parent}",
            *files,
            "-o",
            str(output),
        ],
        timeout_s=timeout_s,
    )
    return Path(output)


def run_tool(command: Sequence[str], *, timeout_s: float) -> subprocess.CompletedProcess[str]:
    """Run a compiler or emulator; return what it printed.

    Raises
    ------
    BadInputError
        If it fails or takes too long.
    """
    try:
        completed = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BadInputError(f"{command[0]} did not run to its end: {error}") from error
    if completed.returncode:
        lines = [
            line for line in completed.stderr.splitlines() if "error" in line.lower()
        ] or completed.stderr.splitlines()
        raise BadInputError(f"{command[0]} ended with {completed.returncode}: {(lines or ['no message'])[0]}")
    return completed
