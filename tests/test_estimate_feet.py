"""A foot that cannot be used is left out and named; the other one is answered all the same."""

from __future__ import annotations

import pytest

from grfkit.dataset.cut import CutRequest
from grfkit.errors import BadInputError
from grfkit.estimation.feet import feet_of, wearables_of
from grfkit.estimation.source import EstimateSource
from grfkit.io import read
from grfkit.simulate.conditions import Condition
from grfkit.simulate.folder import csv_file
from grfkit.simulate.lab import simulate_trial


@pytest.fixture(scope="module")
def feet(tmp_path_factory: pytest.TempPathFactory) -> tuple[EstimateSource, dict]:
    """A person whose right insole was never switched on: its cells all say the same."""
    asked = Condition(family="A", duration_s=20.0, wearables=("insole",), gaps=False, insole_bits=12)
    path = tmp_path_factory.mktemp("feet") / "insole.csv"
    path.write_text(csv_file(simulate_trial(asked, 41).wearables["insole"]))
    source = EstimateSource.of_recording(read(path), path)
    streams = source.trial.streams
    streams["insole_right"] = streams["insole_right"].map(lambda one: one * 0 + 40.0 if one.dims == ("time",) else one)
    streams["insole_right"].attrs = streams["insole_left"].attrs | {"side": "right"}
    return source, {side: {f"insole_{side}": streams[f"insole_{side}"]} for side in ("left", "right")}


def test_the_foot_that_shows_no_steps_is_left_out_by_name(feet: tuple[EstimateSource, dict]) -> None:
    source, worn = feet
    asked = CutRequest(cells="relative", kinds=("insole",))
    used, lost = feet_of(worn, source, asked, "insole_causal")
    assert [foot.side for foot in used] == ["left"]
    assert len(used[0].stances) > 10
    assert list(lost) == ["right"]
    assert "0 steps" in lost["right"]


def test_where_no_foot_is_left_the_first_reason_is_the_refusal(feet: tuple[EstimateSource, dict]) -> None:
    source, worn = feet
    with pytest.raises(BadInputError, match="insole_right' shows 0 steps"):
        feet_of({"right": worn["right"]}, source, CutRequest(cells="relative", kinds=("insole",)), "insole_causal")


def test_a_recording_without_samples_says_what_it_holds(feet: tuple[EstimateSource, dict]) -> None:
    _, worn = feet
    told = worn["left"]["insole_left"].assign_attrs(kind="events")

    class Spec:
        class scaler:
            channels = ("cell_01",)
            units = ("count",)

    with pytest.raises(BadInputError, match="it holds stances_left"):
        wearables_of({"stances_left": told}, Spec)  # type: ignore[arg-type]
