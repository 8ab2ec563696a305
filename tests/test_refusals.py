"""A document or option that is refused is refused in this package's words: the field, what it is, what is expected."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from grfkit import GrfError, Trial, simulate_trial
from grfkit.arguments import ArgumentError, refusal, refused_field
from grfkit.calibrate import load
from grfkit.formats.c3d_plates_toml import plates_by_hand
from grfkit.io.columns import load_column_map
from grfkit.learn.model import GrfModel
from grfkit.learn.recipe import parse_recipe, spec_of
from grfkit.runtime.bundle_files import MANIFEST, SUMS, read_manifest, read_sums, shipped_bundle, sums_text
from grfkit.simulate.settings import load_settings

FOREIGN = (
    "Input should", "Field required", "Extra inputs", "not permitted", "valid dictionary", "validation error",
    "Value error", "unable to parse", "Invalid JSON", "pydantic", "should have at",
)  # fmt: skip
"""Pieces of pydantic's sentences, which no user is to read."""


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    channel: int | str
    gain: float = 1.0


class Document(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    inner: list[Inner] = Field(default=[], max_length=2)
    mass_kg: float = Field(default=70.0, gt=2.0, lt=400.0)
    surface: Literal["treadmill", "overground"] = "treadmill"
    count: int = Field(default=1, ge=1)
    on: bool = True
    corner: tuple[float, float] = (0.0, 0.0)
    name: str = Field(default="a", min_length=1)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"mass_kg": -1}, "mass_kg is -1, expected more than 2"),
        ({"mass_kg": 400}, "mass_kg is 400, expected less than 400"),
        ({"mass_kg": float("nan")}, "mass_kg is nan, expected a finite number"),
        ({"mass_kg": "heavy"}, "mass_kg is 'heavy', expected a number"),
        ({"mass_kg": "70,5"}, "mass_kg is '70,5', expected a number with a decimal point, as in 70.5"),
        ({"mass_kg": None}, "mass_kg is None, expected a number"),
        ({"surface": "grass"}, "surface is 'grass', expected 'treadmill' or 'overground'"),
        ({"count": 0}, "count is 0, expected 1 or more"),
        ({"count": 1.5}, "count is 1.5, expected a whole number"),
        ({"on": "maybe"}, "on is 'maybe', expected true or false"),
        ({"corner": (1.0,)}, "corner 2 is missing"),
        ({"corner": [1, 2, 3]}, "corner has 3 elements, expected 2 of them or fewer"),
        ({"name": ""}, "name is '', expected 1 or more characters"),
        ({"name": 3}, "name is 3, expected text"),
        ({"inner": 3}, "inner is 3, expected a list"),
        ({"inner": [3]}, "inner 1 is 3, expected named values"),
        ({"inner": [{"channel": 1}, {}]}, "inner 2.channel is missing"),
        ({"inner": [{"channel": [1]}]}, "inner 1.channel is a list, expected a whole number or text"),
        ({"inner": [{"channel": 1, "gian": 2}]}, "inner 1.gian is unknown; known keys are channel, gain"),
        (
            {"masss_kg": 3},
            "masss_kg is unknown; known keys are inner, mass_kg, surface, count, on, corner, name",
        ),
        (3, "the whole is 3, expected named values"),
    ],
)
def test_a_refused_field_is_named_with_what_it_is_and_what_is_expected(given: Any, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Document.model_validate(given)
    assert refusal(caught.value, Document) == words


def test_text_that_is_not_json_says_where() -> None:
    with pytest.raises(ValidationError) as caught:
        Document.model_validate_json('{"mass_kg": 70,\n oh}')
    assert refusal(caught.value, Document) == "is not JSON: it cannot be read on from line 2, column 2"


CONTEXT: dict[str, Any] = {
    "actual_length": 3, "attribute": "a", "class": "Document", "class_name": "Document", "decimal_places": 1,
    "discriminator": "'kind'", "encoding": "utf-8", "encoding_error": "bad", "error": "bad at line 1 column 2",
    "expected": "'a' or 'b'", "expected_schemes": "'http'", "expected_tags": "'a', 'b'", "expected_version": 4,
    "field_type": "List", "ge": 0, "gt": 0.5, "le": 0, "lt": 0.5, "max_digits": 3, "max_length": 3,
    "method_name": "isinstance", "min_length": 3, "multiple_of": 2, "pattern": "[a-z]", "tag": "c", "tz_actual": 1,
    "tz_expected": 0, "whole_digits": 2,
}  # fmt: skip
"""Whatever any kind of refusal says of itself."""


@pytest.mark.parametrize("kind", get_args(core_schema.ErrorType))
def test_no_kind_of_refusal_that_pydantic_has_shows_its_sentence(kind: str) -> None:
    context = CONTEXT | ({"error": ValueError("plain words")} if kind in ("value_error", "assertion_error") else {})
    detail = InitErrorDetails(type=kind, loc=("document", 0, "field"), input="something", ctx=context)
    error = ValidationError.from_exception_data("Document", [detail])
    name, why = refused_field(error)
    assert name.startswith("document 1.field")
    assert not any(piece in why for piece in FOREIGN)
    assert why == "is missing" or why.startswith(("is ", "has ", "cannot be used: plain words"))


def test_a_kind_that_nobody_foresaw_is_plain_too() -> None:
    custom = InitErrorDetails(type=PydanticCustomError("odd", "Input should be odd"), loc=("a",), input=2)
    error = ValidationError.from_exception_data("Document", [custom])
    assert refusal(error).startswith("a is 2, expected ")
    assert "Input" not in refusal(error)


def test_an_argument_error_survives_another_process() -> None:
    error = pickle.loads(pickle.dumps(ArgumentError("mass_kg", "is -1, expected more than 2")))
    assert (error.argument, str(error)) == ("mass_kg", "mass_kg is -1, expected more than 2")


def broken_manifest(folder: Path) -> None:
    """Make a bundle whose manifest holds a wrong value, and whose list of digests knows that."""
    shutil.copytree(shipped_bundle("bilstm_simulated"), folder)
    digests = read_sums(folder)
    document = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps(document | {"force_unit": "lbf"}), encoding="utf-8")
    digests[MANIFEST] = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    (folder / SUMS).write_text(sums_text(digests), encoding="ascii")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def trial_with(attribute: str, text: str) -> Trial:
    trial = simulate_trial(seed=0, duration_s=8, wearables=("insole",)).on_true_clock()
    trial.tree.attrs[attribute] = text
    return trial


def manifest_of(folder: Path) -> Any:
    broken_manifest(folder / "bundle")
    return read_manifest(folder / "bundle")


def model_folder(folder: Path) -> Path:
    write(folder / "model.json", '{"schema_version": "1"}')
    (folder / "weights.safetensors").write_bytes(b"")
    return folder


PLATE = '[[plate]]\ntype = 9\nchannels = ["Fx"]\ncorners = [[0,0,0],[0,0,0],[0,0,0],[0,0,0]]\n'
DOCUMENTS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "manifest": (manifest_of, "force_unit is 'lbf', expected 'BW' or 'N'"),
    "settings": (lambda f: load_settings(write(f / "s.toml", "a = 1\n")), "is missing"),
    "calibration": (
        lambda f: load(
            write(f / "c.json", '{"kind": "lag_table", "name": "x", "source": "made for a test", "entries": 3}')
        ),
        "expected a list",
    ),
    "calibration of no kind": (lambda f: load(write(f / "c.json", '{"name": "x"}')), "kind is missing"),
    "calibration of another kind": (lambda f: load(write(f / "c.json", '{"kind": "x"}')), "expected one of 'insole_"),
    "calibration, torn": (lambda f: load(write(f / "c.json", '{"kind": ')), "is not JSON"),
    "plates": (lambda f: plates_by_hand(write(f / "p.toml", PLATE)), "plate 1.type is 9, expected 7 or less"),
    "plates, none": (lambda f: plates_by_hand(write(f / "p.toml", "")), "plate is missing"),
    "plates, misspelt": (
        lambda f: plates_by_hand(write(f / "p.toml", PLATE.replace("type = 9", "type = 2") + "orign = [0, 0, 0]\n")),
        "plate 1.orign is unknown; known keys are type, channels, corners, origin",
    ),
    "column map": (
        lambda f: load_column_map(write(f / "m.toml", 'tiem = "x"\n')),
        "tiem is unknown; known keys are time",
    ),
    "recipe": (
        lambda _: parse_recipe({"train": {"epochs": "many"}}),
        "train.epochs is 'many', expected a whole number",
    ),
    "recipe, misspelt": (lambda _: parse_recipe({"train": {"epoch": 3}}), "train.epoch is unknown; known keys are"),
    "model": (lambda f: GrfModel.load(model_folder(f)), "is missing"),
    "model's document": (lambda f: spec_of(model_folder(f)), "is missing"),
    "provenance": (lambda _: trial_with("provenance", '{"tool": 3}').provenance, "tool is 3, expected text"),
    "clock maps": (
        lambda _: trial_with("clock_maps", '{"insole_left": {}}').clock_maps,
        "insole_left.source is missing",
    ),
}


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_documents_of_every_kind_are_refused_in_plain_words(name: str, tmp_path: Path) -> None:
    attempt, words = DOCUMENTS[name]
    with pytest.raises(GrfError) as caught:
        attempt(tmp_path)
    text = str(caught.value)
    assert words in text
    assert "\n" not in text
    assert not any(piece in text for piece in FOREIGN)
