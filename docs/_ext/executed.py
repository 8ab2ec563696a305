"""``{run}``: code of a page that is run when the site is built, with what it printed, drew and wrote beneath it.

Blocks of a page run in their order in one empty folder (`run_page.py`). What they said is kept under `build/docs/runs`
and taken again while neither the blocks nor the package changed. A block that ends otherwise than it states is a
warning, which `make docs` takes for an error.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import Directive, directives
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[2]
RUNS = ROOT / "build" / "docs" / "runs"
RECORDINGS = (ROOT / "recordings", ROOT.parent / "shared" / "data")
"""Where recordings lie that `grfkit.fetch` has fetched."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
NO_BROWSER = "No picture: Chromium is not installed where this site was built."
_log = logging.getLogger(__name__)


class executed(nodes.General, nodes.Element):
    """A block that has yet to be run."""


class Run(Directive):
    """A block of bash or Python."""

    optional_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "exit": directives.nonnegative_int,
        "shows": directives.unchanged,
        "alt": directives.unchanged,
        "height": directives.positive_int,
        "lines": directives.positive_int,
        "hidden": directives.flag,
        "quiet": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        """Return the block as a node, which :class:`Execute` replaces."""
        node = executed(
            language=self.arguments[0] if self.arguments else "bash",
            code="\n".join(self.content),
            options={name: True if value is None else value for name, value in self.options.items()},
        )
        return [node]


@cache
def package_digest() -> str:
    """Return the SHA-256 of what runs: the package and the runner; of nothing while pages are written (DOCS_KEEP=1)."""
    if os.environ.get("DOCS_KEEP"):
        return ""
    digest = hashlib.sha256()
    files = [p for p in (ROOT / "host").rglob("*") if p.is_file() and "__pycache__" not in p.parts]
    for file in sorted([*files, Path(__file__).with_name("run_page.py")]):
        digest.update(file.relative_to(ROOT).as_posix().encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def answers_of(blocks: list[dict[str, Any]], docname: str) -> dict[str, Any]:
    """Return what the blocks of a page said: kept ones where nothing changed, else run now."""
    folder = RUNS / docname.replace("/", "-")
    key = hashlib.sha256(f"{package_digest()}{json.dumps(blocks, sort_keys=True)}".encode()).hexdigest()
    kept = folder / "answer.json"
    if kept.exists():
        answer: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        if answer["key"] == key and not answer["wrong"]:
            return answer
        kept.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    page = {"blocks": blocks, "key": key, "root": str(ROOT), "browser": any(map(shutil.which, BROWSERS))}
    (folder / "page.json").write_text(json.dumps(page), encoding="utf-8")
    words = [sys.executable, str(Path(__file__).with_name("run_page.py")), str(folder / "page.json")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if not kept.exists():
        return {"answers": [], "wrong": f"the runner ended: {done.stderr[-2000:]}", "lacking": ""}
    return dict(json.loads(kept.read_text(encoding="utf-8")))


class Execute(SphinxTransform):
    """Run a page's blocks and put what they said in their places."""

    default_priority = 50

    def apply(self, **_: Any) -> None:
        """Replace every block of the page."""
        found = list(self.document.findall(executed))
        if not found:
            return
        blocks = []
        for node in found:
            options = node["options"]
            block = {"language": node["language"], "code": node["code"], "exit": options.get("exit", 0)}
            block |= {"shows": options.get("shows", "").split(), "height": options.get("height", 900)}
            if block["language"] == "recordings":
                block["places"] = [str(place / block["code"]) for place in RECORDINGS]
            blocks.append(block)
        answer = answers_of(blocks, self.env.docname)
        if answer["wrong"]:
            _log.warning("%s", answer["wrong"], location=self.env.docname, type="executed")
        for number, node in enumerate(found):
            said = answer["answers"][number] if number < len(answer["answers"]) else None
            node.replace_self(self.made_of(node, said, lacking=answer["lacking"]))

    def made_of(self, node: executed, answer: dict[str, Any] | None, *, lacking: str) -> list[nodes.Node]:
        """Return the code, what it printed, and what it shows."""
        options, made = node["options"], []
        if node["language"] == "recordings":
            if answer is None:
                text = f"Built without the recording {lacking}: what the commands print is not shown."
                made.append(nodes.note("", nodes.paragraph(text, text)))
            return made
        if "hidden" not in options:
            made.append(nodes.literal_block(node["code"], node["code"], language=node["language"]))
        if answer is None:
            return made
        text = _cut(answer["said"], options.get("lines"))
        if text and not {"hidden", "quiet"} & set(options):
            made.append(
                nodes.literal_block(
                    text, text, language="text", classes=["executed-output", f"executed-{node['language']}"]
                )
            )
        for each in answer["shows"]:
            made += self.shown(each, options.get("alt", ""))
        return made

    def shown(self, each: dict[str, str], alt: str) -> list[nodes.Node]:
        """Return a picture, or the picture of a page that leads to it."""
        name = self.env.docname.replace("/", "-")
        if "missing" in each:
            return [nodes.paragraph(NO_BROWSER, "", nodes.emphasis(NO_BROWSER, NO_BROWSER))]
        made: nodes.Node = nodes.emphasis(NO_BROWSER, NO_BROWSER)
        if "picture" in each:
            made = nodes.image(uri=f"/build/docs/runs/{name}/shown/{each['picture']}", alt=alt)
        if "page" not in each:
            return [made]
        uri = f"{'../' * self.env.docname.count('/')}_pages/{name}/{each['page']}"
        words = f"Open the page {each['page']}"
        link = nodes.paragraph("", "", nodes.reference(words, words, refuri=uri, internal=False))
        return [nodes.reference("", "", made, refuri=uri, internal=False, classes=["page-picture"]), link]


def _cut(text: str, lines: int | None) -> str:
    """Return the first lines of a text, and how many were left out."""
    every = text.splitlines()
    if lines is None or len(every) <= lines + 1:
        return text
    return "\n".join([*every[:lines], f"... ({len(every) - lines} more lines)"])


def _copy_pages(app: Sphinx, error: Exception | None) -> None:
    """Put pages that blocks wrote beside the site's own."""
    if error is None and app.builder.name == "html":
        shutil.rmtree(Path(app.outdir, "_pages"), ignore_errors=True)
        for page in RUNS.glob("*/shown/*.html"):
            target = Path(app.outdir, "_pages", page.parents[1].name, page.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page, target)


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the directive."""
    app.add_node(executed)
    app.add_directive("run", Run)
    app.add_transform(Execute)
    app.connect("build-finished", _copy_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
