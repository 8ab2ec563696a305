"""What Sphinx does not check of the pages: links as a code host shows them, options, pages nobody reaches, the site.

    python tools/site_checks.py [BUILT_SITE]

Prints what is wrong, a line each, and ends with 1 if anything is. Nothing here needs Sphinx or a network.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parents[1]
_FENCE = re.compile(r"^( *)(```+|~~~+)(.*?)^\1\2[ \t]*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_TOCTREE = re.compile(r"```\{toctree\}(.*?)```", re.DOTALL)
_COMMAND = re.compile(r"(?<![\w./-])grf(?:-([a-z]+)\b|[ ]([a-z]+)\b)([^\n|`]*)")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_EVERYWHERE = {"--help", "--version"}


@cache
def markdown() -> tuple[Path, ...]:
    """Return every Markdown file of the repository that git knows or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        return tuple(sorted({ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}))
    unseen = {".venv", "build", "demo", "dist"}
    return tuple(p for p in sorted(ROOT.rglob("*.md")) if not unseen & set(p.relative_to(ROOT).parts))


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def prose(text: str) -> str:
    """Return a page without its fenced blocks and code."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", text))


def slugs(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    found: dict[str, int] = {}
    anchors = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", _FENCE.sub("", text), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = found.get(slug, 0)
        anchors.add(slug if not count else f"{slug}-{count}")
        found[slug] = count + 1
    return anchors


def broken_links() -> Iterator[str]:
    """Give each link of a Markdown file to a file or heading that is not there."""
    for page in markdown():
        for target in _LINK.findall(prose(page.read_text(encoding="utf-8"))):
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = page if not parts.path else (page.parent / unquote(parts.path)).resolve()
            if not file.exists():
                yield f"{_name(page)}: {target} is not there"
            elif parts.fragment and file.suffix == ".md" and parts.fragment not in slugs(file.read_text("utf-8")):
                yield f"{_name(page)}: {target} has no such heading"
            elif not file.is_relative_to(ROOT):
                yield f"{_name(page)}: {target} leaves the repository"


def _tree(page: Path, seen: set[Path]) -> None:
    if page in seen or not page.exists():
        return
    seen.add(page)
    for body in _TOCTREE.findall(page.read_text(encoding="utf-8")):
        for line in body.strip().splitlines():
            if line and not line.startswith(":"):
                named = re.sub(r"^.*<(.+)>$", r"\1", line.strip())
                _tree((page.parent / f"{named}.md").resolve(), seen)


def unreachable() -> Iterator[str]:
    """Give each page of ``docs/``, and README of a room, that no table of contents from the index on leads to."""
    seen: set[Path] = set()
    _tree(ROOT / "docs" / "index.md", seen)
    for page in markdown():
        of_the_site = _name(page).startswith(("docs/", "host/grfkit/"))
        if of_the_site and page not in seen:
            yield f"{_name(page)}: no table of contents leads to it"


@cache
def options(command: str) -> frozenset[str] | None:
    """Return every option of a command and its subcommands; None if there is no such command."""
    from typer.main import get_command

    from grfkit.cli.shared_options import add_shared_options

    try:
        module = importlib.import_module(f"grfkit.cli.{command}")
    except ModuleNotFoundError:
        return None

    def of(node: object) -> set[str]:
        found = {word for p in getattr(node, "params", []) for word in [*p.opts, *getattr(p, "secondary_opts", [])]}
        for child in getattr(node, "commands", {}).values():
            found |= of(child)
        return found

    return frozenset(of(add_shared_options(get_command(module.app))))


@cache
def command_names() -> frozenset[str]:
    """Return the names under which ``grf-NAME`` exists, from pyproject.toml."""
    return frozenset(
        re.findall(r"^grf-([a-z]+) = ", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    )


def _spans(text: str) -> Iterator[str]:
    """Give each piece of code of a page: fenced or indented lines (continued ones joined), and what backticks hold."""
    joined = re.sub(r"\\\n\s*", " ", text)
    yield from (body for _, _, body in _FENCE.findall(joined))
    yield from re.findall(r"^ {4}\S.*$", joined, re.MULTILINE)
    yield from re.findall(r"`([^`\n]+)`", _FENCE.sub("", joined))


def unknown_options() -> Iterator[str]:
    """Give each option that a page writes after a command which does not have it, and commands that do not exist."""
    for page in markdown():
        if page.name == "CHANGELOG.md" or "results" in page.parts:
            continue  # what was true of another version
        for span in _spans(page.read_text(encoding="utf-8")):
            for dashed, spaced, rest in _COMMAND.findall(span):
                name = dashed or spaced
                if name in ("init", "run", "help"):
                    known: frozenset[str] | None = options("grf")
                elif name not in command_names():
                    if dashed:
                        yield f"{_name(page)}: there is no command grf-{name}"
                    continue
                else:
                    known = options(name)
                for word in _OPTION.findall(re.split(r"\s(?:&&|\||#)\s", rest)[0]):
                    if word not in (known or frozenset()) | _EVERYWHERE:
                        yield f"{_name(page)}: grf-{name} has no option {word}"


class _Page(HTMLParser):
    """What a page of the built site loads and links to."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names."""
        named = {key: value for key, value in attrs if value}
        if tag in ("script", "img", "iframe", "source") and "src" in named:
            self.loads.append(named["src"])
        if tag == "link" and named.get("rel") in ("stylesheet", "preload", "icon", "modulepreload"):
            self.loads.append(named.get("href", ""))
        if tag == "a" and "href" in named:
            self.links.append(named["href"])


def built_site(folder: Path) -> Iterator[str]:
    """Give what a built site would fetch from elsewhere, and its links to pages that it does not have."""
    for file in sorted(folder.rglob("*.html")):
        if "_static" in file.relative_to(folder).parts:
            continue  # the theme's own templates
        page = _Page()
        page.feed(file.read_text(encoding="utf-8", errors="replace"))
        shown = file.relative_to(folder).as_posix()
        for address in page.loads:
            if urlsplit(address).scheme in ("http", "https") or address.startswith("//"):
                yield f"{shown}: loads {address}"
        for address in [*page.loads, *page.links]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or not parts.path:
                continue
            if not (file.parent / unquote(parts.path)).exists():
                yield f"{shown}: {address} is not in the site"


def main() -> int:
    """Print what is wrong; return 1 if anything is."""
    wrong = [*broken_links(), *unreachable(), *unknown_options()]
    for folder in sys.argv[1:]:
        wrong += built_site(Path(folder))
    print(*sorted(set(wrong)), sep="\n", end="\n" if wrong else "")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
