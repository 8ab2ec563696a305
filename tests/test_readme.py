"""Does the README keep its word: its lines run as they stand, its figures are those of docs/results, it stays short?"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?|(?<![\w.])\.\d+")


def test_it_is_short() -> None:
    assert len(README.splitlines()) < 120
    assert len(README.split()) < 900


def test_its_prose_is_wrapped_and_its_tables_have_no_empty_cell() -> None:
    tables = [line for line in README.splitlines() if line.startswith("|")]
    assert [line for line in tables if "" in [cell.strip() for cell in line.strip("|").split("|")]] == []
    assert [line for line in README.splitlines() if len(line) > 130 and not line.startswith("|")] == []


def test_its_lines_chain_as_they_are_printed(tmp_path: Path) -> None:
    block = re.search(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    assert block is not None
    assert len(block[1].splitlines()) == 4
    grf = tmp_path / "bin" / "grf"
    grf.parent.mkdir()
    grf.write_text(f"#!{sys.executable}\nfrom grfkit.cli.grf import main\nmain()\n", encoding="utf-8")
    grf.chmod(0o755)
    work = tmp_path / "work"
    work.mkdir()
    place = os.environ | {"PATH": f"{grf.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-e", "-c", block[1]], cwd=work, env=place, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 aligned" in done.stdout
    assert "P05" in done.stdout
    assert re.search(r"left: \d+ of \d+ stances", done.stdout)
    assert (work / "grf.csv").stat().st_size > 10_000
    page = (work / "grf.html").read_text(encoding="utf-8")
    assert "measured" in page


def rows() -> list[tuple[str, str]]:
    """Return each row of the table of results, and the link that stands in it or in the row above."""
    table = README.split("## What was measured")[1].split("## ")[0]
    found, link = [], ""
    for line in table.splitlines():
        if line.startswith("| ") and not line.startswith("| what"):
            link = match[1] if (match := re.search(r"\]\((docs/results/[^)]+)\)", line)) else link
            found.append((re.sub(r"\]\([^)]*\)", "]", line), link))
    return found


def section(link: str) -> str:
    """Return the text under the heading that a link leads to, up to the next heading of its level or above."""
    file, _, anchor = link.partition("#")
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    for start, line in enumerate(lines):
        if (head := re.match(r"(#+) (.*)", line)) and slug(head[2]) == anchor:
            below = lines[start + 1 :]
            stop = next((i for i, t in enumerate(below) if re.match(rf"#{{1,{len(head[1])}}} ", t)), len(below))
            return "\n".join(below[:stop])
    raise AssertionError(f"{link}: there is no such heading")


def slug(heading: str) -> str:
    """Return the anchor of a heading as Markdown viewers make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def stands_in(figure: str, text: str) -> bool:
    """Return whether a text has a number that is this figure at the figure's decimals."""
    decimals = len(figure.partition(".")[2])
    wanted = float(figure.replace(",", ""))
    for other in NUMBER.findall(text):
        theirs = float(other.replace(",", ""))
        if len(other.partition(".")[2]) >= decimals and round(theirs, decimals) == wanted:
            return True
    return False


@pytest.mark.parametrize(("row", "link"), rows(), ids=[str(k) for k in range(len(rows()))])
def test_its_figures_stand_in_the_results_that_each_row_links_to(row: str, link: str) -> None:
    # "11 landmarks" is no result, but a name of what was measured
    cells = row.split("|")[2:]
    figures = NUMBER.findall(re.sub(r"11 landmarks", "", "|".join(cells)))
    assert figures
    text = section(link)
    assert [figure for figure in figures if not stands_in(figure, text)] == []


def test_a_figure_of_no_result_is_found_out() -> None:
    text = section("docs/results/accuracy.md#b-five-groups")
    assert stands_in(".049", text)
    assert not stands_in(".0492", text)
    assert not stands_in(".012345", text)
