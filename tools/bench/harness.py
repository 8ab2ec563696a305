"""Shared by all benchmarks: commit and machine, parts that are run and written one by one, tables of Markdown."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

Rows = dict[str, Any]
"""One row of a table by column, or the figures of one part by name."""
ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data"
"""Real recordings; a benchmark whose recordings are not there says so."""
RESULTS = ROOT / "docs" / "results"


def git(*words: str) -> str:
    """Return what git prints in this repository; empty where there is none."""
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def commit() -> str:
    """Return the commit that is checked out, 12 digits."""
    return git("rev-parse", "--short=12", "HEAD")


def machine(*packages: str) -> Rows:
    """Return commit, machine, and the versions of Python and of some packages."""
    about: Rows = {
        "commit": commit(),
        "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
    }
    for package in packages:
        try:
            about[package] = version(package)
        except PackageNotFoundError:
            about[package] = "not installed"
    return about


def versions(about: Rows, *, but: Sequence[str]) -> str:
    """Return what :func:`machine` holds as text, some of it left out, and never whether changes were committed."""
    return ", ".join(f"{name} {about[name]}" for name in about if name not in ("commit", "dirty", *but))


def command(name: str, *words: str) -> list[str]:
    """Return the words that run a benchmark's module in a process of its own."""
    # a folder with __main__.py is run by its path: no installation is needed
    return [sys.executable, str(Path(__file__).parent), name, *words]


def parser(about: str | None, name: str) -> argparse.ArgumentParser:
    """Return a parser with the options that every benchmark has."""
    options = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=RESULTS / name, help="files to write, without suffix")
    return options


def quick_out(request: argparse.Namespace) -> Path:
    """Return where figures go, without suffix: those of ``--quick`` have a file of their own."""
    out: Path = request.out
    return out.with_name(f"{out.name}_quick") if request.quick else out


def earlier(out: Path) -> Rows:
    """Return the figures of an earlier run, none where there was none."""
    path = out.with_suffix(".json")
    figures: Rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return figures


def attempted(name: str, measure: Callable[[], Rows]) -> tuple[Rows, float]:
    """Return the figures of one part, or the error it ended with, and how long it took (s)."""
    print(f"{name} ...", file=sys.stderr)
    start = time.perf_counter()
    try:
        figures = measure()
    # one part that fails costs its own figures, not hours of the others'
    except Exception as error:
        figures = {"error": f"{type(error).__name__}: {error}"}
        print(f"  {figures['error']}", file=sys.stderr)
    return figures, time.perf_counter() - start


def write(out: Path, figures: Rows, markdown: str, *, compact: bool = False) -> None:
    """Write figures as JSON, and their tables beside them; ``compact``: every innermost list and object on one line."""
    out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(figures, indent=1, default=float) + "\n"
    if compact:
        # a line break never stands within a text of JSON, so that only the space between values goes
        text = re.sub(r"\{[^{}\[\]]*\}|\[[^{}\[\]]*\]", lambda found: re.sub(r"\s*\n\s*", " ", found.group()), text)
    out.with_suffix(".json").write_text(text, encoding="utf-8")
    out.with_suffix(".md").write_text(markdown, encoding="utf-8")


def table(rows: Sequence[Rows]) -> list[str]:
    """Return the lines of a table; its columns are those of any row, in order."""
    if not rows:
        return ["(nothing)"]
    heads = list(dict.fromkeys(h for r in rows for h in r))
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    return lines + ["| " + " | ".join(cell(r.get(h)) for h in heads) + " |" for r in rows]


def cell(value: Any) -> str:
    """Return a value as it stands in a table."""
    if value is None or (isinstance(value, float) and value != value):
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
