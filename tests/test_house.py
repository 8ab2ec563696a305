"""Does the house keep its own rules: no circle, imports that stay small, a front door whose examples run?"""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

import grfkit

PACKAGE = Path(grfkit.__file__).parent
ROOT = Path(__file__).resolve().parents[1]


def module_files() -> dict[str, Path]:
    """Return every module of the package and its file."""
    files = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


FILES = module_files()


def imports(module: str, path: Path) -> set[str]:
    """Return the modules of the package that a module names: at its head, inside functions, and for types only."""
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    targets = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            full = ".".join(part for part in (base, node.module) if part)
            targets |= {f"{full}.{a.name}" if f"{full}.{a.name}" in FILES else full for a in node.names}
    return targets & set(FILES) - {module}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules that reach each other (Tarjan 1972, strongly connected components)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = low[module] = len(order)
        stack.append(module)
        for target in graph[module]:
            if target not in order:
                visit(target)
            if target in stack:
                low[module] = min(low[module], low[target])
        if low[module] == order[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for module in graph:
        if module not in order:
            visit(module)
    return groups


def test_circles_are_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_no_module_imports_in_a_circle_not_even_for_types() -> None:
    assert circles({module: imports(module, path) for module, path in FILES.items()}) == []


def loaded(statement: str) -> set[str]:
    """Return the modules that a statement loads in a new interpreter."""
    code = f"import sys; {statement}; print(*sys.modules, sep='\\n')"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(run.stdout.split())


def test_import_grfkit_loads_nothing_large() -> None:
    modules = loaded("import grfkit")
    assert not modules & {"numpy", "xarray", "scipy", "torch", "pydantic", "pandas"}
    assert {m for m in modules if m.startswith("grfkit.")} <= {"grfkit.errors"}


def test_every_name_of_the_front_door_is_there_and_listed() -> None:
    assert set(grfkit.__all__) <= set(dir(grfkit))
    for name in grfkit.__all__:
        assert getattr(grfkit, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'no_such_name'"):
        grfkit.no_such_name  # noqa: B018


def documented() -> list[str]:
    """Return the names of the front door that are code, in its order."""
    return [name for name in grfkit.__all__ if not name.startswith("__")]


@pytest.mark.parametrize("name", documented())
def test_each_name_of_the_front_door_has_an_example_that_runs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    thing = getattr(grfkit, name)
    examples = [t for t in doctest.DocTestFinder(recurse=False).find(thing, name, globs={}) if t.examples]
    assert examples, f"grfkit.{name} has no example in its docstring"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for example in examples:
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0


def pages() -> list[Path]:
    """Return the project's own Markdown pages; those of bundles are generated, and their links checked by `verify`."""
    folders = [ROOT / name for name in ("docs", "calibration", "host", "tools")]
    return sorted([*ROOT.glob("*.md"), *(path for folder in folders for path in folder.rglob("*.md"))])


@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(compile(block, "README.md", "exec"), {})
    assert printed.getvalue().startswith("aligned\nClockMap insole_left -> reference: aligned, offset ")


@pytest.mark.parametrize("page", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_rows_of_tables_have_the_cells_of_their_head(page: Path) -> None:
    cells = 0
    wrong = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        bars = len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line))) if line.startswith("|") else 0
        if bars and cells and bars != cells:
            wrong.append(number)
        cells = bars if not cells or not bars else cells
    assert wrong == []
