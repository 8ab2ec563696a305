"""What is said first of an evaluation: never "better" where p after Holm does not say so, and alike for all readers."""

from __future__ import annotations

import json
import re
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest

from grfkit import evaluate
from grfkit.cli.learn_words import scores_text
from grfkit.evaluation.scores import comparisons
from grfkit.learn.card import _error
from grfkit.learn.packaged import model_folder
from grfkit.report.accuracy_page import render_accuracy_report
from grfkit.report.headline import axis_words, headline, people_needed
from grfkit.report.numbers import p_value
from learn_sets import made_up

MINE = "network"
PEOPLE = [f"P{k}" for k in range(8)]


def evaluation(errors: dict[str, list[float]], *, leaks: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what the headline reads of an evaluation, compared as ``grf-evaluate`` compares."""
    n = len(errors[MINE])
    table: dict[str, Any] = {}
    for method, values in errors.items():
        by_person = dict(zip(PEOPLE, values))
        worst = max(by_person, key=by_person.__getitem__)
        group = {"mean": sum(values) / n, "worst": worst, "most": by_person[worst]}
        table[method] = {"vgrf": {"group": {"rmse_bw": group}, "participants": {"rmse_bw": by_person}}}
    asked: Any = SimpleNamespace(axes=("vgrf",), methods=tuple(errors))
    return {
        "headline": MINE, "axes": ["vgrf"], "methods": table, "participants": n, "leaks": list(leaks), "split": "loso",
        "windows": dict.fromkeys(PEOPLE[:n], 3), "window": "stance", "comparisons": comparisons(table, asked, MINE),
    }  # fmt: skip


STEPS = [0.010, 0.012, 0.014, 0.016, 0.018, 0.020, 0.022, 0.024]
BASE = [0.20, 0.21, 0.22, 0.23, 0.24, 0.25, 0.26, 0.27]


def test_an_uncorrected_p_does_not_make_it_better() -> None:
    # less error in seven of eight people: p .016 alone, and .078 beside four more baselines of the same size
    mostly = [b + (s if k else -0.001) for k, (b, s) in enumerate(zip(BASE, STEPS))]
    told = evaluation({f"baseline {k}": [v + k * 1e-4 for v in mostly] for k in range(5)} | {MINE: BASE})
    row = told["comparisons"]["vgrf"]["baseline 0"]
    assert row["p"] < 0.05 < row["p_holm"]
    assert row["high"] < 0, "the interval alone would say better"
    found = headline(told)
    assert found.text == "NOT SHOWN to be better than baseline 0: 0.235 against 0.251 BW, 8 people"
    assert found.verdict == "refused"
    assert axis_words(told, "vgrf") == "Vertical: beats no baseline (p after Holm under 0.05)."
    alone = evaluation({"baseline 0": mostly, MINE: BASE})
    assert headline(alone).text.startswith("Better than every baseline, by 0.016 BW or more"), (
        "one test is not corrected"
    )


def test_better_than_every_baseline() -> None:
    far = {name: [b + by + s for b, s in zip(BASE, STEPS)] for name, by in (("ridge", 0.01), ("mean curve", 0.05))}
    found = headline(evaluation({**far, MINE: BASE}))
    assert found.text == "Better than every baseline, by 0.027 BW or more: 0.235 against 0.262 BW (ridge), 8 people"
    assert found.verdict == "aligned"
    assert found.lines[0].endswith("less error in 8 of 8 people; p after Holm 0.0156.")


def test_the_mean_curve_is_named_where_it_is_no_worse() -> None:
    told = evaluation(
        {"mean curve": [b - 0.001 for b in BASE], "kNN": [b - 0.02 - s for b, s in zip(BASE, STEPS)], MINE: BASE}
    )
    assert headline(told).text == "WORSE than the mean curve: 0.235 against 0.234 BW, 8 people"
    assert "WORSE than mean curve, kNN" in axis_words(told, "vgrf")


def test_few_people_are_no_test_and_are_told_how_many_it_takes() -> None:
    few = {"ridge": [0.30, 0.31, 0.32, 0.33], MINE: [0.20, 0.21, 0.22, 0.23]}
    found = headline(evaluation(few))
    assert found.text == "NOT SHOWN to be better than ridge: 0.215 against 0.315 BW, 4 people, too few for a test"
    assert found.verdict == "partial"
    assert "4 people cannot show a difference from 1 method: 6 are needed." in found.lines[2]
    assert people_needed(5) == 8, "2 / 2**8 times 5 is .039, of seven people .078"


def test_what_leaks_is_no_proof() -> None:
    far = {"ridge": [b + 0.1 + s for b, s in zip(BASE, STEPS)], MINE: BASE}
    found = headline(evaluation(far, leaks=("trials of one person on both sides",)))
    assert found.text.startswith("NO PROOF for somebody new")
    assert found.verdict == "refused"


def test_who_did_not_answer_for_everybody_is_not_beaten() -> None:
    told = evaluation({"ridge": [b + 0.1 + s for b, s in zip(BASE, STEPS)], "kNN": BASE, MINE: BASE})
    del told["comparisons"]["vgrf"]["kNN"]
    told["baselines"] = ["ridge", "kNN"]
    assert not headline(told).text.startswith("Better than every baseline")
    assert "not compared with kNN" in axis_words(told, "vgrf")


@pytest.mark.parametrize(("p", "shown"), [(0.0, "under 0.001"), (0.0391, "0.0391"), (1.0, "1"), (None, "—")])
def test_a_p_is_never_shown_as_zero(p: float | None, shown: str) -> None:
    assert p_value(p) == shown


@pytest.mark.parametrize("name", ["load-four-cells", "running-landmarks", "walking-shoe-imus", "walking-side-view"])
def test_the_card_of_a_packaged_model_says_what_its_figures_show(name: str) -> None:
    folder = model_folder(f"grfkit:{name}")
    figures = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    assert f"**{headline(figures).text}.**" in (folder / "CARD.md").read_text(encoding="utf-8")


def test_page_terminal_and_card_say_the_same() -> None:
    scores = evaluate(made_up("abcdef", each=6), method="ridge").scores
    first = headline(scores).text
    page = unescape(render_accuracy_report(scores))
    assert re.search(r'<h2 id="short">(.*?)</h2>', page).group(1) == first  # type: ignore[union-attr]
    assert scores_text(scores).splitlines()[0] == first
    assert f"**{first}.**" in _error(scores)
    assert "6 people" in first
    for person in "abcdef":
        assert f"{person}: mean measured and estimated curve" in page
    assert "active peak: bias" in page, "a Bland-Altman plot"


def test_lines_beneath_the_best_of_several_say_of_whom_they_are() -> None:
    told = evaluation({"baseline 0": [b + s for b, s in zip(BASE, STEPS)], MINE: BASE})
    assert not headline(told).lines[0].startswith("Of ")
    ranks = [{"method": "baseline 0", "rmse_bw": 0.2}, {"method": MINE, "rmse_bw": 0.25}]
    told["comparison"] = {"axes": {"vgrf": {"ranks": ranks, "pairs": []}}}
    found = headline(told)
    assert found.text.startswith("baseline 0 errs least")
    assert found.lines[0].startswith(f"Of {MINE}, the last that was named: ")
