"""What a model's own evaluation states goes with every answer of it; whose force it is heads the report."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from grfkit.estimation.files import summary
from grfkit.estimation.report_page import estimate_report
from grfkit.estimation.source import NOT_STATED
from grfkit.estimation.stated_error import StatedError, stated_error
from grfkit.estimation.types import Estimate
from grfkit.learn.packaged import model_folder
from grfkit.learn.training_range import Departure
from grfkit.provenance import InputFile, Provenance


def _estimate(folder: Path | None, participant: str = "P1") -> Estimate:
    files = [
        InputFile(name=n, sha256="0" * 64, size_bytes=1, role=r) for n, r in (("a.mp4", "recording"), ("m", "model"))
    ]
    return Estimate(
        {}, (), ("vgrf",), participant, 70.0, "film", "film", "linear", (), {}, (), Provenance(inputs=files),
        stated_error=stated_error(folder),
    )  # fmt: skip


def test_the_packaged_model_of_films_states_its_error() -> None:
    folder = model_folder("grfkit:walking-side-view")
    error = stated_error(folder)
    assert error is not None
    document = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    group = document["methods"][document["headline"]]["vgrf"]["group"]["rmse_bw"]
    assert error.rmse_bw["vgrf"] == (group["mean"], group["low"], group["high"])
    assert str(error).startswith(f"stated error, BW: vertical {group['mean']:.3f} ({group['low']:.3f}-")
    assert str(error).endswith("RMSE of 12 people left out of training, 95 % interval of the mean")
    assert error.told() == str(error)
    assert "over windows 0.16 s longer than the contact" in error.told(0.16)
    told = summary(_estimate(folder))["stated_error"]
    assert told["rmse_bw"]["mlgrf"]["mean"] == error.rmse_bw["mlgrf"][0]
    json.dumps(told, allow_nan=False)


def test_windows_beyond_the_contact_have_a_second_error_of_the_contact_alone(tmp_path: Path) -> None:
    document = json.loads((model_folder("grfkit:walking-side-view") / "evaluation.json").read_text(encoding="utf-8"))
    for axis in document["axes"]:
        group = document["methods"][document["headline"]][axis]["group"]
        group["rmse_contact_bw"] = {"mean": 0.25, "low": 0.2, "high": 0.3}
    (tmp_path / "evaluation.json").write_text(json.dumps(document), encoding="utf-8")
    error = stated_error(tmp_path)
    assert error is not None
    assert "over the contact alone: vertical 0.250 (0.200-0.300), forward" in error.told(0.16)
    assert "0.250" not in error.told()
    assert error.to_json()["rmse_contact_bw"]["vgrf"] == {"mean": 0.25, "low": 0.2, "high": 0.3}


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"headline": "x", "methods": {}}', "no json"])
def test_no_evaluation_or_another_form_states_none(tmp_path: Path, text: str) -> None:
    assert stated_error(None) is None
    assert stated_error(tmp_path) is None
    (tmp_path / "evaluation.json").write_text(text, encoding="utf-8")
    assert stated_error(tmp_path) is None
    assert summary(_estimate(tmp_path))["stated_error"] is None


def test_a_report_of_nobody_is_headed_by_the_file() -> None:
    made = _estimate(None)
    assert estimate_report(made, None, ()).title == "Ground reaction force of P1"
    nobody = replace(made, participant=NOT_STATED)
    assert estimate_report(nobody, None, ()).title == "Ground reaction force in a.mp4"
    in_memory = replace(nobody, provenance=Provenance())
    assert estimate_report(in_memory, None, ()).title == "Ground reaction force"


def test_the_first_words_of_a_report_are_the_error_that_was_measured_and_on_what() -> None:
    stated = StatedError(12, "loso", {"vgrf": (0.08, 0.068, 0.093)})
    made = replace(_estimate(None), stated_error=stated)
    measured = "On 12 people left out of its training the model was off by 0.080 BW, vertical (RMSE; 95 % interval"
    assert estimate_report(made, None, ()).headline == f"{measured} 0.068 to 0.093)"
    drawn = estimate_report(replace(made, findings=("trained on RENDERED films",)), None, ()).headline
    assert drawn.endswith("all on rendered films: how far off it is on a real one nobody knows")
    assert "nobody knows" in estimate_report(_estimate(None), None, ()).headline
    beyond = (Departure("speed_m_s", 9.0, 2.0, 4.0, "faster than anybody in training"),)
    unlike = estimate_report(replace(made, outside=beyond), None, ()).headline
    assert unlike == f"OUTSIDE TRAINING, so that its error here is not known. {measured} 0.068 to 0.093)"
    leak = estimate_report(replace(made, leaks=("training: a",)), None, ())
    assert (leak.verdict, leak.headline.split(":")[0]) == ("refused", "Do not use it to judge the model")
