"""Insoles for who has none: virtual ones in another process, which run a bundle."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import BadInputError
from ..runtime.bundle import is_bundle
from ..runtime.bundle_files import shipped_bundle
from ..runtime.interpreters import AUTO, available

_READY_S = 60.0
"""How long the other process may take to start; chosen by hand: it simulates a run and loads a network."""
_END_S = 10.0
"""How long it may take to end; its truth, if it is wanted, is written then."""
_SHIPPED = "bilstm_simulated"
_APART: dict[str, Any] = {"process_group": 0} if sys.platform != "win32" and sys.version_info >= (3, 11) else {}
"""Ctrl-C is then the monitor's alone: it disconnects before the virtual insoles end."""


def _bundle(model: Path | None, say: Callable[[str], None]) -> Path | None:
    """Return the bundle that the insoles run; where there is none although no model was named, say why."""
    if model is not None:
        return model if is_bundle(model) else None
    if not set(AUTO) & set(available()):
        lacks = f"nothing here runs .tflite files ({' or '.join(AUTO)}); pip install 'grfkit[edge]'"
    else:
        try:
            return shipped_bundle(_SHIPPED)
        except BadInputError as error:
            lacks = f"{error}; name one with --model"
    say(f"the demo shows cells only: {lacks}")
    return None


@asynccontextmanager
async def insoles(model: Path | None, options: Sequence[str], say: Callable[[str], None]) -> AsyncIterator[str]:
    """Give the adapter of virtual insoles in another process.

    Parameters
    ----------
    model
        If it is a bundle, the insoles run it; None: the one that comes with grfkit.
    options
        More words for ``grf-simulate insole``.
    say
        Is given the reason where no bundle runs although none was named.

    Raises
    ------
    BadInputError
        If they do not start.
    """
    with socket.socket() as probe:
        # a free port is taken and given back: the other process binds it a moment later
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "grfkit.cli.simulate", "insole", "--json", "--hci", f"tcp-server:127.0.0.1:{port}"]
    bundle = _bundle(model, say)
    if bundle is not None:
        command += ["--on-device", str(bundle)]
    with tempfile.TemporaryFile() as stderr:  # a pipe that nobody reads would hold the insoles up once it is full
        process = await asyncio.create_subprocess_exec(
            *command,
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            **_APART,
        )
        try:
            ready = await _first_line(process)
            if not ready:
                stderr.seek(0)
                lines = stderr.read().decode(errors="replace").strip().splitlines()
                raise BadInputError(f"the virtual insoles could not be started: {lines[-1] if lines else 'no word'}")
            yield f"bumble:tcp-client:127.0.0.1:{port}"
        finally:
            await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process: by itself, or by force where that takes too long."""
    with suppress(ProcessLookupError):
        process.terminate()
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(process.communicate(), _END_S)
    if process.returncode is None:
        process.kill()
        await process.wait()


async def _first_line(process: asyncio.subprocess.Process) -> bytes:
    """Return what it says when it is ready; nothing where it ends or takes too long."""
    if process.stdout is None:
        return b""
    with suppress(asyncio.TimeoutError):
        return await asyncio.wait_for(process.stdout.readline(), _READY_S)
    return b""
