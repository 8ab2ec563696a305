"""Can every page be read on a desktop and a phone, in light and dark?"""

from __future__ import annotations

import re
from importlib.resources import files

import numpy as np
import pytest

from grfkit.report.batch import render_batch_report
from grfkit.report.comparison_part import compared_sections
from grfkit.report.headline import headline, judged
from grfkit.report.panel import Panel, axis
from grfkit.report.plates_page import render_plates_report
from grfkit.report.study_page import render_study_page

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


def test_options_stay_in_one_line_and_half_widths_have_their_sign() -> None:
    hostile = 'a"--b>--force +-3'
    parts = [("align", "not possible", "", ["--skip align takes <--force>, +-8.3 ms"], [hostile])]
    html = render_study_page("--title +-1", parts)
    whole = '<span class="nobreak">'
    assert f"{whole}--skip</span> align takes &lt;{whole}--force</span>&gt;, ±8.3 ms" in html
    # nothing is set within a tag or the title
    assert "<title>Study: --title +-1</title>" in html
    assert 'href="a%22--b%3E--force%20%2B-3"' in html


DONE = ("align", "done", "", ["3 aligned"], [])


@pytest.mark.parametrize(
    ("parts", "text", "verdict"),
    [
        ([DONE, ("prove", "done", "doubt", ["NOT better: .4"], [])], "NOT better: .4", "partial"),
        ([DONE, ("prove", "kept", "", ["Better: .2"], [])], "Better: .2", "aligned"),
        ([("align", "not possible", "", ["no table"], [])], "Alignment was not possible: no table", "refused"),
        ([DONE, ("prove", "left out", "", [], [])], "Done: alignment", "aligned"),
    ],
)  # fmt: skip
def test_a_study_says_first_what_its_proof_says(parts: list[tuple], text: str, verdict: str) -> None:  # type: ignore[type-arg]
    html = render_study_page("S", parts)
    assert f'<section class="verdict {verdict}" aria-labelledby="short">\n<h2 id="short">{text}</h2>' in html
    assert html.index(text) < html.index("part-align")


@pytest.mark.parametrize("name", ["accuracy.html", "cop.html"])
def test_the_verdict_stands_first_where_a_phone_shows_it(name: str) -> None:
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    heads = [re.findall(r'<th scope="col">([^<]*)</th>', row) for row in re.findall(r"<thead>(.*?)</thead>", text)]
    of_pairs = [row for row in heads if row and row[0] != "Feature" and "p, Holm" in row]
    assert len(of_pairs) == {"accuracy.html": 3, "cop.html": 1}[name]
    assert {row[1] for row in of_pairs} == {"Verdict"}


def pair(low: float, high: float, p_holm: float | None) -> dict[str, object]:
    mean = (low + high) / 2
    return {
        "first": "a", "second": "b", "n": 9, "better": 8, "p_holm": p_holm, "mean": mean, "low": low, "high": high,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "said", "apart"),
    [
        (pair(-0.2, -0.1, 0.01), "shown to be better", 1),
        (pair(0.1, 0.2, 0.01), "shown to be WORSE", 1),
        (pair(-0.2, -0.1, 0.06), "not shown: p after Holm is not under 0.05", 0),
        # p by signs and the interval of the mean need not agree: better is said where both say it
        (pair(-0.2, 0.1, 0.01), "not shown", 0),
        (pair(-0.2, -0.1, None), "untested, too few people", 0),
    ],
)
def test_a_pair_is_judged_as_the_headline_judges(row: dict[str, object], said: str, apart: int) -> None:
    assert judged(row) == said
    ranks = [
        {"method": m, "rmse_bw": 0.1 + k, "rank": 1.0, "low": 1.0, "high": 1.0, "least": 1.0}
        for k, m in enumerate("ab")
    ]
    part = {"ranks": ranks, "pairs": [row], "front": [], "partial": []}
    comparison = {"axes": {"vgrf": part}, "cost": {}, "seconds": {}}
    (shown,) = compared_sections({"comparison": comparison}, {})
    assert shown["pairs"][0][1][0].endswith(said)
    if row["p_holm"] is not None:
        assert f"{apart} of 1 pairs are shown to differ" in shown["words"]


def test_a_comparison_of_facts_of_people_says_first_whether_they_help() -> None:
    rows = [
        {"axis": "overall", "features": "both", "network": name, "word": word}
        for name, word in (("ridge", "not helped"), ("mlp", "undecided"))
    ]
    evaluation = {
        "axes": ["vgrf"], "split": "loso", "leaks": [], "windows": {"a": 3}, "window": "stance", "participants": 12,
        "methods": {"ridge": {}, "mlp": {}},
        "feature_comparison": {"features": ["none", "both"], "help": rows, "people": 12, "claims": []},
    }  # fmt: skip
    said = headline(evaluation)
    assert said.text == "Facts of people (both) helped none of 2 methods, 12 people. Not helped: ridge; undecided: mlp"
    assert said.verdict == "partial"
    rows[0]["word"] = rows[1]["word"] = "helped"
    assert headline(evaluation).verdict == "aligned"
    assert headline(evaluation).text == "Facts of people (both) helped ridge, mlp, 12 people"


def test_a_table_of_trials_says_what_its_margin_is() -> None:
    assert "20 is 1 in 500 million odds" in render_batch_report([{"verdict": "aligned", "out": "a.nc", "maps": []}])
