"""Do the site's sources hold: every page reached, no dead link, no option that no command has, the whole front door?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import grfkit
import site_checks

ROOT = Path(__file__).resolve().parents[1]


def test_every_link_leads_somewhere() -> None:
    assert not list(site_checks.broken_links())


def test_every_page_is_in_a_table_of_contents() -> None:
    assert not list(site_checks.unreachable())


def test_every_option_of_a_page_is_one_of_its_command() -> None:
    assert not list(site_checks.unknown_options())


def test_the_reference_has_the_front_door_and_every_command() -> None:
    api = (ROOT / "docs/reference/api.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"auto\w+:: grfkit\.(\w+)", api)) == sorted(grfkit.__all__)
    commands = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\{command-help\} grf-(\w+)", commands))
    assert named == site_checks.command_names()


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("[a](gone.md) `[b](code.md)`", ["docs/p.md: gone.md is not there"]),
        ("# One two\n[a](#one-two) [b](#three)", ["docs/p.md: #three has no such heading"]),
        ("[a](../../x/y)", ["docs/p.md: ../../x/y is not there"]),
        ("    grf-sync --reference a \\\n      --nonsense b", ["docs/p.md: grf-sync has no option --nonsense"]),
        ("`grf steps --out x`, `grf-nothing`", ["docs/p.md: there is no command grf-nothing"]),
        ("`grf-sync batch t.csv --reports`; `grf run S --skip align`", []),
    ],
)
def test_what_is_wrong_is_found(
    page: str, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/p.md").write_text(page, encoding="utf-8")
    names = site_checks.command_names()
    monkeypatch.setattr(site_checks, "ROOT", tmp_path)
    monkeypatch.setattr(site_checks, "markdown", lambda: (tmp_path / "docs/p.md",))
    monkeypatch.setattr(site_checks, "command_names", lambda: names)
    assert [*site_checks.broken_links(), *site_checks.unknown_options()] == expected


def test_what_a_built_page_loads_from_elsewhere_or_lacks_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<link rel="stylesheet" href="https://example.org/a.css"><img src="b.png"><a href="c.html#d">c</a>'
        '<a href="https://example.org">out</a>',
        encoding="utf-8",
    )
    assert list(site_checks.built_site(tmp_path)) == [
        "a.html: loads https://example.org/a.css",
        "a.html: b.png is not in the site",
        "a.html: c.html#d is not in the site",
    ]
