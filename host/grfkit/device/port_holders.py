"""A serial port kept to one program, and which program has it, as far as the system tells (Linux)."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

__all__ = ["holders_of", "is_device", "keep_to_one", "release"]

_PROCESSES = Path("/proc")


def is_device(url: str) -> bool:
    """Return whether a port is a device of this computer, and no address of pyserial's (``socket://`` ...)."""
    return "://" not in url


def keep_to_one(port: Any) -> None:
    """Have the system open a port to nobody else while it is open here, whether they look for its lock or not."""
    _control(port, "TIOCEXCL")


def release(port: Any) -> None:
    """Let others open a port again: some ports stay open elsewhere, and would stay closed to all."""
    _control(port, "TIOCNXCL")


def _control(port: Any, request: str) -> None:
    # other systems, and ports that are no terminals, have no such request
    with contextlib.suppress(ImportError, OSError, AttributeError, ValueError):
        import fcntl
        import termios

        fcntl.ioctl(port.fileno(), getattr(termios, request))


def holders_of(device: str) -> list[str]:
    """Return the programs that have a device, each as ``name (process 123)``; this process is left out.

    Those that hold its lock; where none is seen, those that have it open. Empty where this user may see none: other
    people's processes are closed to it, and other systems than Linux do not tell.
    """
    try:
        about = os.stat(device)
    except OSError:
        return []
    numbers = _locking(about) or [number for number in _running() if _has_open(number, about.st_rdev)]
    return [f"{_name(number)} (process {number})" for number in numbers if number != os.getpid()]


def _locking(about: os.stat_result) -> list[int]:
    """Return the processes that hold a file's lock, by lines such as ``1: FLOCK ADVISORY WRITE 123 00:06:9 0 EOF``."""
    place = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    try:
        rows = [line.split() for line in (_PROCESSES / "locks").read_text().splitlines()]
    except OSError:
        return []
    return sorted({int(row[4]) for row in rows if len(row) > 5 and row[1] == "FLOCK" and row[5] == place} - {0, -1})


def _running() -> list[int]:
    return sorted(int(entry.name) for entry in _entries(_PROCESSES) if entry.name.isdecimal())


def _has_open(number: int, device: int) -> bool:
    for entry in _entries(_PROCESSES / str(number) / "fd"):
        try:
            if os.readlink(entry).startswith("/dev/") and os.stat(entry).st_rdev == device:
                return True
        except OSError:
            continue
    return False


def _name(number: int) -> str:
    """Return what a process is called: of Python the script or module, ``grf-monitor``; else the program."""
    try:
        words = (_PROCESSES / str(number) / "cmdline").read_bytes().decode(errors="replace").split("\0")
        called = (_PROCESSES / str(number) / "comm").read_text(errors="replace").strip()
    except OSError:
        return "a program"
    script = next((word for word in words[1:] if word and word != "-m"), "")
    is_script = called.startswith("python") and script and not script.startswith("-")
    return Path(script).name if is_script else called or "a program"


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
