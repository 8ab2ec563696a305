"""Can every page be read on a desktop and a phone, in light and dark?"""

from __future__ import annotations

import re
from importlib.resources import files

import numpy as np
import pytest

from grfkit.report.panel import Panel, axis
from grfkit.report.plates_page import render_plates_report

TEMPLATES = files("grfkit") / "report" / "templates"
MONITOR = files("grfkit") / "monitor" / "static"
WHOLE = {
    "reports": (TEMPLATES / "base.html", TEMPLATES / "style.css"),
    # the review page has the monitor's style beside its own
    "review": (files("grfkit") / "review" / "static" / "index.html", MONITOR / "style.css"),
    "monitor": (MONITOR / "index.html", MONITOR / "style.css"),
}
CONTRAST = 4.5
"""WCAG 2.1, success criterion 1.4.3, of text of usual size."""


@pytest.mark.parametrize("name", WHOLE)
def test_a_page_fits_a_phone_and_follows_light_and_dark(name: str) -> None:
    page, style = (part.read_text(encoding="utf-8") for part in WHOLE[name])
    assert re.search(r'<html lang="en"', page)
    assert re.search(r'<meta name="viewport" content="width=device-width', page)
    schemes = "".join(re.findall(r"(?<!prefers-)color-scheme: ([a-z ]+);", style))
    assert "light" in schemes
    assert "dark" in schemes
    assert "prefers-color-scheme: dark" in style


def test_a_report_is_built_on_the_page_that_has_them() -> None:
    parts = {"base.html", "inputs.html", "marks.html"}
    pages = [p for p in TEMPLATES.iterdir() if p.name.endswith(".html") and p.name not in parts]
    assert len(pages) >= 10
    assert [p.name for p in pages if '{% extends "base.html" %}' not in p.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("name", [p.name for p in TEMPLATES.iterdir() if p.name.endswith(".html")])
def test_a_wide_table_scrolls_in_its_own_box(name: str) -> None:
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    boxed = re.findall(r'<div class="scroll"[^>]*>\s*<table', text)
    assert len(boxed) == len(re.findall("<table", text))


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rgb`` or ``#rrggbb``."""
    digits = colour.lstrip("#")
    digits = "".join(2 * c for c in digits) if len(digits) == 3 else digits
    parts = np.asarray([int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)])
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("text", ["text", "soft", "link", "good", "bad", "warn"])
@pytest.mark.parametrize("ground", ["page", "raised"])
def test_text_stands_out(scheme: int, text: str, ground: str) -> None:
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--(\w+): (#\w+)", re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)[scheme]))
    light, dark = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= CONTRAST


@pytest.mark.parametrize(("low", "high"), [(2.15, 2.95), (0.193, 0.207), (0.31, 0.49), (-0.3, 0.7)])
def test_an_axis_has_more_than_one_number(low: float, high: float) -> None:
    assert len(axis(low, high, ticks=4).ticks) >= 2


def test_a_plate_read_upside_down_is_not_held_against_one_sign() -> None:
    check = {
        "plate": "plate_1", "load_n": -701.2, "expected_n": 701.2, "horizontal_n": 0.1, "cop_m": None, "error_m": None,
        "failures": [], "mass_kg": 71.5, "seconds": 9.0, "zeroed": True,
    }  # fmt: skip
    document = {"name": "p", "check": check, "plates": [], "inputs": [], "made_on": None, "remarks": []}
    page = render_plates_report(document)
    assert "701.2 N up or down" in page


def test_a_panel_says_what_both_axes_are() -> None:
    panel = Panel(axis(0, 1, "time, s"), axis(0, 2, "force, BW"))
    html = str(panel.finish("a force"))
    assert '<p class="xname" aria-hidden="true">time, s</p>' in html
    assert '<p class="yname" aria-hidden="true">force, BW</p>' in html
