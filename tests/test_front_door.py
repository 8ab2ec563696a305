"""Is the front door kind to a stranger: wrong things named in a sentence, short reprs, threads, missing extras?"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import grfkit
from grfkit import BadInputError, Recording, StanceSet, Trial
from grfkit.provenance import Provenance
from grfkit.records import Channel, make_recording, make_stream
from grfkit.runtime.bundle_files import shipped_bundle
from grfkit.simulate.lab import LabTrial

WRONG: dict[str, Any] = {
    "None": None,
    "a number": 3,
    "bytes": b"walk.csv",
    "a list": ["walk.csv", 3],
    "an object": object(),
    "no path": "walk\0.csv",
}


@lru_cache(maxsize=1)
def lab() -> LabTrial:
    return grfkit.simulate_trial(seed=0, duration_s=8, wearables=("insole",))


@lru_cache(maxsize=1)
def trial() -> Trial:
    return lab().on_true_clock()


def sentence(refusal: pytest.ExceptionInfo[grfkit.GrfError]) -> str:
    """Return the text of a refusal, which is one line in words of grfkit's own."""
    text = str(refusal.value)
    assert "\n" not in text
    for foreign in ("Input should", "validation error", "not permitted", "os.PathLike", "NoneType", "Errno"):
        assert foreign not in text
    return text


PATHS: dict[str, Callable[[Any], Any]] = {
    "read": grfkit.read,
    "read_film": grfkit.read_film,
    "inspect": grfkit.inspect,
    "align, reference": lambda path: grfkit.align(path, [lab().reference], surface="treadmill"),
    "align, wearable": lambda path: grfkit.align(lab().reference, path, surface="treadmill"),
    "find_stances": grfkit.find_stances,
    "step_table": grfkit.step_table,
    "export_trial": lambda path: grfkit.export_trial(path, "csv", "a.csv"),
    "cut_windows": grfkit.cut_windows,
    "train": lambda path: grfkit.train(path, network="mlp", epochs=1),
    "evaluate": lambda path: grfkit.evaluate(path, network="mlp", epochs=1),
    "estimate, model": lambda path: grfkit.estimate(path, trial()),
    "estimate, recording": lambda path: grfkit.estimate(shipped_bundle("bilstm_simulated"), path),
    "export_bundle": lambda path: grfkit.export_bundle(path, "bundle"),
    "verify_bundle": grfkit.verify_bundle,
    "load_bundle": grfkit.load_bundle,
    "Trial.from_netcdf": Trial.from_netcdf,
    "Recording.from_netcdf": Recording.from_netcdf,
    "StanceSet.open": StanceSet.open,
    "GrfModel.load": grfkit.GrfModel.load,
    "Trial": Trial,
    "Recording": Recording,
    "StanceSet": StanceSet,
    "assemble": grfkit.assemble,
}


@pytest.mark.parametrize("name", PATHS)
def test_what_is_no_path_and_nothing_that_a_function_takes_is_refused_in_a_sentence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for kind, wrong in WRONG.items():
        with pytest.raises(BadInputError) as refusal:
            PATHS[name](wrong)
        assert sentence(refusal), kind
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["find_stances", "cut_windows", "Trial.from_netcdf", "StanceSet.open"])
def test_a_folder_and_a_missing_file_are_refused_without_the_words_of_the_netcdf_library(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match="is a folder; name one file in it") as refusal:
        PATHS[name](tmp_path)
    sentence(refusal)
    for path in (tmp_path / "no.nc", str(tmp_path / "no.nc")):
        with pytest.raises(BadInputError, match=r"no\.nc: cannot be read \(No such file or directory\)") as refusal:
            PATHS[name](path)
        sentence(refusal)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"surface": "moon"}, "surface is 'moon', expected 'treadmill' or 'overground'"),
        ({"mass_kg": "heavy"}, "mass_kg is 'heavy', expected a number"),
        ({"mass_kg": -1}, "mass_kg is -1, expected 10 or more"),
        ({"participant": 3}, "participant is 3, expected text"),
        ({"min_overlap_s": 1}, "min_overlap_s is 1, expected 5 or more"),
        ({"correct": "fly"}, "correction 'fly' is not known"),
        ({"calibrations": "no.json"}, "no.json: cannot be read"),
    ],
)
def test_options_of_align_are_refused_in_plain_words(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        grfkit.align(lab().reference, lab().wearables["insole"], **({"surface": "treadmill"} | options))
    assert expected in sentence(refusal)


def test_no_wearable_is_refused() -> None:
    with pytest.raises(BadInputError, match="there is no wearable to align; name one or more recordings"):
        grfkit.align(lab().reference, [], surface="treadmill")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"seed": -1}, "seed is -1, expected a whole number from 0 on"),
        ({"seed": None}, "seed is None"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"condition": "walk"}, "expected a condition"),
        ({"settings": "lab.toml"}, "expected settings"),
        ({"duration_s": 1}, "duration_s is 1, expected 5 or more"),
        ({"wearables": ("shoe",)}, "wearables 1 is 'shoe', expected 'insole', 'imu' or 'landmarks'"),
        ({"wearables": ()}, "wearables names each wearable once, and at least one"),
        ({"durations": 3}, "durations is unknown"),
    ],
)
def test_options_of_simulate_trial_are_refused_in_plain_words(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        grfkit.simulate_trial(**options)
    assert expected in sentence(refusal)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"cells": "realtive"}, "cells is 'realtive', expected 'as recorded' or 'relative'"),
        ({"kinds": "insole"}, "kinds is 'insole', expected a list"),
        ({"points": "many"}, "points is 'many', expected a whole number"),
        ({"request": "force"}, "expected a request"),
        ({"mirrored": True}, "without an option 'mirrored'"),
    ],
)
def test_options_of_cut_windows_are_refused_in_plain_words(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        grfkit.cut_windows(trial(), **options)
    assert expected in sentence(refusal)


def test_a_trial_or_set_given_twice_is_refused_as_a_file_is() -> None:
    with pytest.raises(BadInputError, match="trial 2 was given twice"):
        grfkit.cut_windows([trial(), trial()])
    windows = grfkit.cut_windows(trial())
    with pytest.raises(BadInputError, match="given twice"):
        grfkit.train([windows, windows], network="mlp", epochs=1)


def test_training_never_passes_over_what_it_cannot_use() -> None:
    windows = grfkit.cut_windows(trial())
    for stranger in (lab().reference, None, lab()):
        with pytest.raises(BadInputError, match="expected trials or stance sets, or paths of their files"):
            grfkit.train([windows, stranger], network="mlp", epochs=1)  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"epochs": 0}, "epochs is 0, expected 1 or more"),
        ({"epochs": "ten"}, "epochs is 'ten', expected a whole number"),
        ({"search": 0}, "the number of trials of a search is 0, expected 1 or more"),
        ({"config": 3}, "expected the path of a TOML file"),
        ({"out": 3}, "expected the path of the folder to write"),
        ({"teacher": 3}, "expected the path of a model's folder"),
    ],
)
def test_options_of_train_are_refused_in_plain_words(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(BadInputError) as refusal:
        grfkit.train(trial(), **({"network": "mlp"} | options))
    assert expected in sentence(refusal)


@pytest.mark.parametrize(
    "options",
    [{"out": 3}, {"report": 3}, {"personalise": 0}, {"regimes": 3}, {"search": 0}, {"workers": "a"}, {"scheduler": 3}],
)
def test_options_of_evaluate_are_refused_in_a_sentence(options: dict[str, Any]) -> None:
    with pytest.raises(BadInputError) as refusal:
        grfkit.evaluate(trial(), **({"network": "mlp"} | options))
    sentence(refusal)


@pytest.mark.parametrize("options", [{"licence": 3}, {"rate_hz": "fast"}, {"bounds": 3}, {"keep_failed": 3}])
def test_options_of_export_bundle_are_refused_before_anything_is_done(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(BadInputError) as refusal:
        grfkit.export_bundle("no_model", tmp_path / "bundle", **options)
    assert "no_model" not in sentence(refusal)


def test_boards_that_are_no_list_of_names_are_refused() -> None:
    for boards in (3, "mps2-an386"):
        with pytest.raises(BadInputError, match="expected a list of QEMU's names"):
            grfkit.verify_bundle(shipped_bundle("bilstm_simulated"), boards=boards)  # type: ignore[arg-type]


def test_a_recording_is_no_trial_and_a_trial_no_recording(tmp_path: Path) -> None:
    lab().reference.to_netcdf(tmp_path / "recording.nc")
    trial().to_netcdf(str(tmp_path / "trial.nc"))
    with pytest.raises(BadInputError, match=r"is not a grfkit trial \(artefact 'recording'\)"):
        Trial.from_netcdf(tmp_path / "recording.nc")
    with pytest.raises(BadInputError, match=r"is not a grfkit recording \(artefact 'trial'\)"):
        Recording.from_netcdf(tmp_path / "trial.nc")


@pytest.mark.parametrize(
    "options",
    [
        {"rate_hz": -1},
        {"rate_hz": "fast"},
        {"mass_kg": -1},
        {"mass_kg": float("nan")},
        {"speed": 0},
        {"slope_percent": "up"},
    ],
)
def test_options_of_connect_are_refused_before_a_link_is_opened(options: dict[str, Any]) -> None:
    name, value = next(iter(options.items()))
    with pytest.raises(BadInputError, match=f"{name} is {value!r}, expected a number") as refusal:
        asyncio.run(entered("virtual", **options))
    sentence(refusal)


def test_connect_names_the_file_that_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    path.write_text("time [s],left_force [N]\n")
    with pytest.raises(BadInputError, match=r"walk\.csv: starts with"):
        asyncio.run(entered(path))
    with pytest.raises(BadInputError, match="expected the path of a recording, an address or a port"):
        asyncio.run(entered(None))


async def entered(address: Any, **options: Any) -> None:
    async with grfkit.connect(address, **options):
        pass


def test_reprs_fit_a_terminal() -> None:
    truth = lab().truth
    assert repr(lab()) == (
        "LabTrial of seed 0: treadmill run, 8 s, 60.4 kg\n  reference: plate_1\n  insole: insole_left, insole_right"
    )
    assert repr(truth).startswith("Truth of seed 0: treadmill run, 8 s, 60.4 kg, ")
    for value in (lab(), truth, truth.world, trial(), lab().reference, grfkit.find_stances(trial())):
        lines = repr(value).splitlines()
        assert len(lines) < 8, type(value)
        assert max(map(len, lines)) <= 160, type(value)


def test_the_views_of_streams_without_samples_or_with_nan_alone() -> None:
    nothing = make_stream([Channel("force", np.full(4, np.nan), "N")], np.arange(4) / 100, kind="insole", side="left")
    recording = make_recording(
        {"<b>left": nothing, "right": nothing}, device="<script>", reader="none", provenance=Provenance()
    )
    empty = recording.replaced({"empty": nothing.isel(time=slice(0, 0))})
    page = recording._repr_html_()
    assert "<script>" not in page
    assert "<b>" not in page
    assert "0  " in repr(empty)
    assert len(empty.to_pandas()) == 0
    assert recording.to_pandas("right")["force"].isna().all()
    many = make_stream(
        [Channel(f"cell_{k:02}", np.full(4, np.nan), "N") for k in range(1, 17)], np.arange(4) / 100, kind="insole"
    )
    cells = recording.replaced({"cells": many, "empty": many.isel(time=slice(0, 0))})
    for view in (recording, empty, cells):
        figure = view.plot()
        figure.canvas.draw()
        assert figure.axes


def in_a_new_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_many_threads_may_load_names_at_once() -> None:
    code = (
        "import threading, grfkit\n"
        "wrong, names = [], ['align', 'assemble', 'Trial', 'read', 'estimate', 'simulate_trial', 'cut_windows'] * 3\n"
        "def load(name):\n"
        "    try: getattr(grfkit, name)\n"
        "    except BaseException as error: wrong.append(f'{name}: {error}')\n"
        "threads = [threading.Thread(target=load, args=(name,)) for name in names]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "print(wrong)"
    )
    assert in_a_new_process(code) == "[]"


def test_a_missing_extra_is_named() -> None:
    code = (
        "import sys, json\n"
        "class NoTorch:\n"
        "    def find_spec(name, path=None, target=None):\n"
        "        if name == 'torch': raise ModuleNotFoundError('no torch', name='torch')\n"
        "sys.meta_path.insert(0, NoTorch)\n"
        "import grfkit\n"
        "said = {}\n"
        "for name in ('train', 'evaluate', 'GrfModel', 'export_bundle'):\n"
        "    try: getattr(grfkit, name)\n"
        "    except grfkit.GrfError as error: said[name] = str(error)\n"
        "print(json.dumps(said))"
    )
    said = json.loads(in_a_new_process(code))
    for name in ("train", "evaluate", "GrfModel", "export_bundle"):
        assert said[name] == f"grfkit.{name} needs torch; pip install 'grfkit[train]'"


def test_rooms_loaded_before_a_function_of_a_like_name_do_not_hide_it() -> None:
    code = (
        "import grfkit.evaluation, grfkit.io.inspect, grfkit.sync.align, grfkit.sync.assemble, grfkit\n"
        "print([callable(getattr(grfkit, name)) for name in ('inspect', 'align', 'assemble', 'read')])"
    )
    assert in_a_new_process(code) == "[True, True, True, True]"
    assert not {"Any", "RLock", "TYPE_CHECKING", "_HOMES"} & set(dir(grfkit))
