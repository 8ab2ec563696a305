"""Pipes, deep or endless documents, missing extras, open schedulers: refused in a sentence that can be followed."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.faults.writers import read_model, trained, write_bundle, write_model, write_recording
from grfkit.calibrate.library import load
from grfkit.cli.common import explain
from grfkit.cluster import exposure
from grfkit.dataset.cut import CutRequest
from grfkit.dataset.windows import request_with
from grfkit.documents import LARGEST_DOCUMENT_BYTES, toml_document
from grfkit.errors import BadInputError, GrfError
from grfkit.extras import EXTRAS, without_extra
from grfkit.gait.landmarks import load_mapping
from grfkit.io.columns import load_column_map
from grfkit.learn.checkpoint import restore_if_there
from grfkit.learn.model import GrfModel
from grfkit.learn.recipe import recipe_from_toml, spec_of
from grfkit.learn.spec import ModelSpec, parse_spec
from grfkit.monitor.live_model import half_widths
from grfkit.monitor.messages import Command
from grfkit.records.stance_set import StanceSet
from grfkit.runtime.bundle import load_bundle
from grfkit.runtime.bundle_files import read_manifest, sums_text
from grfkit.simulate.settings import load_settings
from grfkit.sync.batch import run_batch

ROOT = Path(__file__).resolve().parents[1]
READERS: dict[str, Callable[[Path], Any]] = {
    "recipe": recipe_from_toml,
    "columns": load_column_map,
    "mapping": load_mapping,
    "settings": load_settings,
    "calibration": lambda path: load(path),
}
"""What reads a document that a person writes."""
by_reader = pytest.mark.parametrize("reader", READERS.values(), ids=READERS)


@by_reader
def test_a_pipe_as_a_document_is_refused_at_once(tmp_path: Path, reader: Callable[[Path], Any]) -> None:
    pipe = tmp_path / "settings.json"
    os.mkfifo(pipe)
    with pytest.raises(BadInputError, match="is no regular file"):
        reader(pipe)
    (tmp_path / "link.json").symlink_to(pipe)
    with pytest.raises(BadInputError, match="is no regular file"):
        reader(tmp_path / "link.json")
    with pytest.raises(BadInputError, match="is no regular file"):
        reader(Path("/dev/zero")) if reader is not READERS["calibration"] else reader(pipe)


@by_reader
@pytest.mark.parametrize("deep", ["[" * 100_000, "x = " + "[" * 100_000, "x = " + "{a=" * 50_000, '{"a":' * 100_000])
def test_a_document_nested_too_deeply_is_refused(tmp_path: Path, reader: Callable[[Path], Any], deep: str) -> None:
    path = tmp_path / "settings.json"
    path.write_text(deep)
    with pytest.raises(BadInputError, match=r"settings\.json|landmark mapping"):
        reader(path)


def test_a_document_longer_than_any_is_refused_without_reading_it_all(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    with open(path, "wb") as handle:
        handle.truncate(LARGEST_DOCUMENT_BYTES * 1000)
    with pytest.raises(BadInputError, match="is larger than any document"):
        toml_document(path)


@pytest.mark.parametrize("name", ["model.json", "model.safetensors", "calibration.nc"])
def test_a_pipe_in_a_model_is_refused_at_once(tmp_path: Path, name: str) -> None:
    write_model(tmp_path / "model", 1)
    (tmp_path / "model" / name).unlink()
    os.mkfifo(tmp_path / "model" / name)
    with pytest.raises(BadInputError, match="is no regular file"):
        GrfModel.load(tmp_path / "model")


@pytest.mark.parametrize("name", ["SHA256SUMS", "manifest.json", "model.tflite"])
def test_a_pipe_in_a_bundle_is_refused_at_once(tmp_path: Path, name: str) -> None:
    write_bundle(tmp_path / "bundle", 1)
    (tmp_path / "bundle" / name).unlink()
    os.mkfifo(tmp_path / "bundle" / name)
    with pytest.raises(GrfError, match="no regular file"):
        load_bundle(tmp_path / "bundle")


def test_pipes_in_the_place_of_sets_states_and_journals_are_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for use in (
        lambda: StanceSet.open(pipe),
        lambda: restore_if_there(pipe, None, ""),  # type: ignore[arg-type]
        lambda: run_batch([], journal=pipe, worker=lambda _: {}),
    ):
        with pytest.raises(BadInputError, match="is no regular file"):
            use()
    os.mkfifo(tmp_path / "evaluation.json")
    assert half_widths(tmp_path) == {}


def test_a_deep_model_or_command_is_refused(tmp_path: Path) -> None:
    write_model(tmp_path / "model", 1)
    document = tmp_path / "model" / "model.json"
    whole = document.read_text()
    document.write_text(whole.replace('"excluded": {}', '"excluded": ' + '{"a":' * 50_000, 1))
    assert document.read_text() != whole
    for read in (GrfModel.load, spec_of):
        with pytest.raises(BadInputError, match=r"model\.json"):
            read(tmp_path / "model")
    with pytest.raises(BadInputError, match="is no command"):
        Command.from_json("[" * 100_000)


@pytest.mark.parametrize("points", [0, -1, 65_536, 10**9, 10**30])
def test_samples_of_a_window_have_bounds(tmp_path: Path, points: int) -> None:
    with pytest.raises(BadInputError, match="points is"):
        request_with(None, {"points": points})
    (tmp_path / "a.toml").write_text(f"[cut]\npoints = {points}\n")
    with pytest.raises(BadInputError, match="points"):
        recipe_from_toml(tmp_path / "a.toml")
    write_model(tmp_path / "model", 1)
    document = json.loads((tmp_path / "model" / "model.json").read_text()) | {"points": points, "document_sha256": ""}
    (tmp_path / "model" / "model.json").write_text(json.dumps(document))
    with pytest.raises(BadInputError, match=r"model\.json: points"):
        GrfModel.load(tmp_path / "model")
    write_bundle(tmp_path / "bundle", 1)
    import hashlib

    from grfkit.runtime.bundle_files import read_sums

    manifest = tmp_path / "bundle" / "manifest.json"
    digests = read_sums(tmp_path / "bundle")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"points": points}))
    digests["manifest.json"] = hashlib.sha256(manifest.read_bytes()).hexdigest()
    (tmp_path / "bundle" / "SHA256SUMS").write_text(sums_text(digests))
    with pytest.raises(GrfError, match="points"):
        read_manifest(tmp_path / "bundle")


def test_points_within_the_bounds_are_taken() -> None:
    for points in (2, 101, 65_535):
        assert request_with(None, {"points": points}) == CutRequest(points=points)


def test_a_model_s_document_is_read_as_it_was_written_or_not(tmp_path: Path) -> None:
    write_model(tmp_path / "model", 7)
    document = tmp_path / "model" / "model.json"
    whole = document.read_text()
    assert read_model(tmp_path / "model") == 7
    assert GrfModel.load(tmp_path / "model").spec.provenance.findings == trained().spec.provenance.findings
    # the least that a bit can do: one digit of a scaler's mean
    at = re.search(r'"centres?": \[\s*-?\d+\.(\d)', whole) or re.search(r"\d\.(\d)", whole)
    assert at is not None
    other = whole[: at.start(1)] + ("1" if at[1] != "1" else "2") + whole[at.end(1) :]
    document.write_text(other)
    with pytest.raises(BadInputError, match="checksum does not fit"):
        GrfModel.load(tmp_path / "model")
    # blanks and order of keys are no content
    document.write_text(json.dumps(json.loads(whole)))
    assert read_model(tmp_path / "model") == 7
    old = json.loads(whole)
    del old["document_sha256"]
    document.write_text(json.dumps(old))
    assert GrfModel.load(tmp_path / "model").spec.provenance.findings[-1] == (
        "model.json of 'model' carries no checksum (an earlier grfkit wrote it), so that damage would not be noticed"
    )
    shipped = ROOT / "firmware_models" / "bilstm_simulated" / "model.json"
    assert isinstance(parse_spec(shipped), ModelSpec)


@pytest.mark.parametrize(("package", "extra"), [
    ("torch", "train"), ("optuna", "train"), ("bleak", "ble"), ("bumble.device", "ble"), ("tensorflow", "quantize"),
    ("matplotlib.figure", "plot"), ("textual", "tui"), ("pylsl", "lsl"),
])  # fmt: skip
def test_a_package_that_is_not_installed_is_named_with_what_brings_it(package: str, extra: str) -> None:
    line, code = explain(ModuleNotFoundError(f"No module named '{package}'", name=package))
    assert code == 2
    assert line == f"this command needs {package.split('.')[0]}; pip install 'grfkit[{extra}]'"
    line, code = explain(ModuleNotFoundError("No module named 'grfkit.lerarn'", name="grfkit.lerarn"))
    assert code == 1


def test_every_extra_of_the_table_brings_its_package() -> None:
    extras = toml_document(ROOT / "pyproject.toml")["project"]["optional-dependencies"]
    for package, extra in EXTRAS.items():
        refusal = without_extra("it", ModuleNotFoundError(name=package))
        named = re.search(r"needs (\S+);", str(refusal))
        assert named is not None
        assert any(line.startswith(named[1]) for line in extras[extra]), (package, extra)


def test_the_front_door_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import grfkit

    def missing(name: str, *_more: object) -> object:
        raise ModuleNotFoundError("No module named 'bleak'", name="bleak")

    monkeypatch.delitem(vars(grfkit), "connect", raising=False)
    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(BadInputError, match=r"grfkit\.connect needs bleak; pip install 'grfkit\[ble\]'"):
        grfkit.connect  # noqa: B018


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EROFS])
def test_a_full_disk_is_never_an_internal_error(number: int) -> None:
    line, code = explain(OSError(number, os.strerror(number)))
    assert (line, code) == (f"a file could not be written: {os.strerror(number)}", 2)


def test_too_deep_is_never_an_internal_error() -> None:
    assert explain(RecursionError("maximum recursion depth exceeded"))[1] == 2


@pytest.mark.parametrize("address", ["tcp://10.0.0.7:8786", "127.0.0.1:8786", "ws://host:1"])
def test_an_open_scheduler_is_warned_of(address: str) -> None:
    assert exposure(address) == (
        f"warning: {address} is a dask scheduler without certificates: it and its workers run code for whoever reaches"
        " it; use one on a network that you trust, or tls://"
    )


def test_of_certificates_and_clusters_nothing_is_said() -> None:
    assert exposure("tls://10.0.0.7:8786") == exposure(None) == exposure(object()) == ""


def test_the_warning_is_printed_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from grfkit.cli.sync import main

    write_recording(tmp_path / "a.nc", 1)
    (tmp_path / "t.csv").write_text("reference,wearable,surface,out\na.nc,b.csv,treadmill,c.nc\n")
    monkeypatch.setattr("grfkit.cli.sync_run.run_with_reports", lambda *_, **__: [])
    monkeypatch.setattr("sys.argv", ["grf-sync", "batch", str(tmp_path / "t.csv"), "--scheduler", "tcp://10.0.0.7:1"])
    with pytest.raises(SystemExit):
        main()
    assert "run code for whoever reaches it" in capsys.readouterr().err
