"""Run the blocks of one page in their order, in one folder: `python run_page.py PAGE.json`, the answer beside it.

A block of bash is a process of its own; blocks of Python share one namespace, and show the value of their last
line, which may be a figure. The first block that ends with another exit code than it states ends the page.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

LONGEST_S = 1200
"""A block that runs longer hangs: it is ended, and the page is wrong. Chosen by hand: tutorials take seconds to two
minutes on an idle machine, several times as long beside the suite on a busy one."""
COLUMNS = 96
"""Width of what commands print."""
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_REDRAWN = re.compile(r"[^\n]*\r(?!\n)")


def said(text: str, folder: Path) -> str:
    """Return what a block printed as a terminal shows it at its end, with paths relative to the page's folder."""
    text = _REDRAWN.sub("", _COLOURS.sub("", text).replace("\r\n", "\n"))
    text = text.replace(f"{folder}/", "").replace(str(folder), ".")
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def programs(folder: Path, pyproject: Path) -> None:
    """Write the package's commands into a folder, so that pages run this source and no other installation."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = re.search(r"\[project\.scripts\]\n(.*?)\n\n", pyproject.read_text(encoding="utf-8"), re.DOTALL)
    for name, module in re.findall(r'^([\w-]+) = "([\w.]+):main"$', listed.group(1) if listed else "", re.MULTILINE):
        file = folder / name
        file.write_text(
            f"#!{sys.executable}\nimport sys\nfrom {module} import main\nsys.exit(main())\n", encoding="utf-8"
        )
        file.chmod(0o755)
    picture = folder / "page-picture"
    picture.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} --picture "$@"\n', encoding="utf-8")
    picture.chmod(0o755)


def picture_of(page: str, out: Path, *, width: int = 1280, height: int = 900, wait_s: float = 1) -> bool:
    """Draw a page in headless Chromium, so long after it was loaded; return whether there is a browser."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
    from bench.live import page as live_page

    if live_page.found() is None:
        return False
    address = page if "://" in page else Path(page).resolve(strict=True).as_uri()

    async def draw() -> None:
        async with live_page.browser(width=width, height=height) as tab:
            await tab.open(address)
            await asyncio.sleep(wait_s)
            await tab.picture(out)

    asyncio.run(draw())
    return True


def in_bash(block: dict[str, Any], folder: Path) -> tuple[int, str]:
    """Return the exit code of a block of commands, and what it printed."""
    words = ["bash", "-e", "-o", "pipefail", "-c", block["code"]]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(words, cwd=folder, timeout=LONGEST_S, check=False, **streams)
    return done.returncode, done.stdout.decode("utf-8", "replace")


def in_python(block: dict[str, Any], names: dict[str, Any]) -> tuple[int, str]:
    """Return 0 and what a block of Python printed, or 1 and the traceback; figures are saved in the folder."""
    printed = io.StringIO()
    tree = ast.parse(block["code"])
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            exec(compile(tree, "<page>", "exec"), names)
            value = eval(compile(ast.Expression(last.value), "<page>", "eval"), names) if last else None
        except Exception:
            traceback.print_exc()
            return 1, printed.getvalue()
    if hasattr(value, "savefig"):
        value.savefig(block["figure"], dpi=110, bbox_inches="tight", facecolor="white")
        block["shows"] = [*block["shows"], block["figure"]]
    elif value is not None:
        print(repr(value), file=printed)
    return 0, printed.getvalue()


def shown(block: dict[str, Any], folder: Path, kept: Path) -> list[dict[str, str]]:
    """Return what a block shows: pictures, and pages with a picture of each; copied to where the site looks."""
    found = []
    for name in block["shows"]:
        source = folder / name
        if not source.exists():
            found.append({"missing": name})
            continue
        target = kept / name.replace("/", "-")
        shutil.copyfile(source, target)
        entry = {"page" if target.suffix == ".html" else "picture": target.name}
        if target.suffix == ".html":
            drawn = target.with_suffix(".png")
            if picture_of(str(target), drawn, height=block["height"]):
                entry["picture"] = drawn.name
        found.append(entry)
    return found


def run(page: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return what each block said and shows; ``wrong`` says in a sentence why the page ended early."""
    work, kept = folder / "work", folder / "shown"
    for each in (work, kept):
        shutil.rmtree(each, ignore_errors=True)
        each.mkdir(parents=True)
    os.chdir(work)
    names: dict[str, Any] = {"__name__": "__main__"}
    answers: list[dict[str, Any]] = []
    for number, block in enumerate(page["blocks"]):
        if block["language"] == "recordings":
            source = next((Path(p) for p in block["places"] if Path(p).is_dir()), None)
            if source is None:
                return {"answers": answers, "wrong": "", "lacking": block["code"]}
            Path("recordings").mkdir(exist_ok=True)
            Path("recordings", block["code"]).symlink_to(source)
            answers.append({"said": "", "shows": []})
            continue
        block["figure"] = f"figure-{number}.png"
        begun = time.monotonic()
        code, text = in_python(block, names) if block["language"] == "python" else in_bash(block, work)
        text = said(text, work)
        answers.append({"said": text, "shows": shown(block, work, kept), "took_s": time.monotonic() - begun})
        if code != block["exit"]:
            wrong = f"block {number + 1} ended with {code}, expected {block['exit']}: {block['code']}\n{text[-3000:]}"
            return {"answers": answers, "wrong": wrong, "lacking": ""}
        unmade = [each["missing"] for each in answers[-1]["shows"] if "missing" in each]
        if unmade and (page["browser"] or not unmade[0].endswith(".png")):
            wrong = f"block {number + 1} did not write {', '.join(unmade)}: {block['code']}\n{text[-3000:]}"
            return {"answers": answers, "wrong": wrong, "lacking": ""}
        if page["root"] in text:
            wrong = f"block {number + 1} prints a path of this machine: {block['code']}\n{text[-3000:]}"
            return {"answers": answers, "wrong": wrong, "lacking": ""}
    return {"answers": answers, "wrong": "", "lacking": ""}


def main() -> None:
    """Run the page that the first argument names, or draw one (--picture ADDRESS OUT SECONDS)."""
    if sys.argv[1] == "--picture":
        picture_of(sys.argv[2], Path(sys.argv[3]), wait_s=float(sys.argv[4]))
        return
    file = Path(sys.argv[1]).resolve()
    page = json.loads(file.read_text(encoding="utf-8"))
    root = Path(page["root"])
    programs(file.parent / "bin", root / "pyproject.toml")
    os.environ |= {
        "PATH": f"{file.parent / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(root / "host"), os.environ.get("PYTHONPATH", "")])),
        "COLUMNS": str(COLUMNS),
        "NO_COLOR": "1",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    sys.path[0] = str(root / "host")
    answer = run(page, file.parent)
    file.with_name("answer.json").write_text(json.dumps(answer | {"key": page["key"]}), encoding="utf-8")


if __name__ == "__main__":
    main()
