"""Does the benchmark of facts of people ask what it says it asks?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.knee import sets
from bench.knee.page import markdown
from bench.knee.run import Budget, Part, compared, file_name, parts
from bench.knee.sets import dosed
from grfkit.dataset.personal import with_people
from grfkit.records.person import Person
from grfkit.records.stance_set import StanceSet
from learn_sets import made_up
from test_features import known


def test_a_dose_is_in_the_medial_force_of_the_own_leg_alone() -> None:
    degrees = dict(zip("abcde", (-3.0, -1.0, 0.0, 1.0, 2.0)))
    people = {
        name: Person(hka_left_deg=angle, hka_right_deg=angle, hka_method="stated", affected="none")
        for name, angle in degrees.items()
    }
    made = made_up("abcde").data.assign_coords(axis=["vgrf", "mlgrf"])
    feet = made.assign(side=("stance", ["right"] * made.sizes["stance"]))
    data = with_people(StanceSet(feet), people)
    own = np.asarray([degrees[name] for name in data.per_stance("participant")])
    added = dosed(data, 0.01).data["targets"].values - data.data["targets"].values
    np.testing.assert_allclose(added[:, 10, 1], 0.01 * own, atol=1e-6)  # the middle of 21 points
    np.testing.assert_allclose(added[:, [0, -1], 1], 0.0, atol=1e-6)
    assert not np.any(added[:, :, 0])
    assert not np.any(dosed(data, 0.0).data["targets"].values - data.data["targets"].values)


def test_every_comparison_has_a_name_of_its_own_and_both_controls_are_among_them() -> None:
    for quick in (True, False):
        plan = parts(quick=quick)
        assert len({file_name(part) for part in plan}) == len(plan)
        assert {"positive control", "negative control", "power"} <= {part.asks for part in plan}


def test_networks_are_added_one_by_one_and_the_page_says_what_was_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "BUILD", tmp_path)
    part = Part("6 walkers, made up", lambda: known("abcdef"), ("mlp", "gru"), "both", "do facts help?",
                Budget("fixed", 1, folds=3))  # fmt: skip
    first = compared(part, ("mlp",), 1)
    journal = next(tmp_path.glob("runs/*/folds/journal.jsonl"))
    before = journal.read_text(encoding="utf-8")
    second = compared(part, part.networks, 1)
    added = journal.read_text(encoding="utf-8")[len(before) :]
    # the first network's fits, and the linear ones, are read, not trained anew
    assert "gru" in added
    assert "mlp" not in added
    assert "ridge" not in added
    assert (first["lacking"], second["lacking"]) == (["gru"], [])
    assert second["seconds_a_fit"]["mlp"] == first["seconds_a_fit"]["mlp"]
    assert "gru" in second["seconds_a_fit"]
    figures: dict[str, Any] = {"machine": {"commit": "x", "python": "3", "machine": "m"}, "parts": {part.name: first}}
    page = markdown(figures, [part])
    assert "**Not run:**" in page
    assert "* 6 walkers, made up: gru" in page
    assert "without: times ridge's" in page
    assert "Trainings of each network (seeds): 1" in page
    assert "**Not run:**" not in markdown(figures | {"parts": {part.name: second}}, [part])
