"""The bundles in firmware_models: proven here as they lie, by the wheels of this environment and an emulated M4F.

Their golden windows are the parity vectors that a newer LiteRT, TFLite Micro, compiler or runtime has to answer as the
ones did that the manifest names; a parity that is lost fails by the name of whatever lost it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware_c import need, need_compiler
from grfkit.deploy import qemu
from grfkit.deploy.compile_c import compile_c
from grfkit.deploy.emit_c import c_model
from grfkit.deploy.golden import read_npz
from grfkit.deploy.tflite_file import TfliteFile
from grfkit.deploy.verify import verify_bundle
from grfkit.runtime.bundle_files import read_manifest

FOLDER = Path(__file__).resolve().parents[1] / "firmware_models"
SHIPPED = sorted(p.parent for p in FOLDER.glob("*/manifest.json"))
each = pytest.mark.parametrize("folder", SHIPPED, ids=lambda p: p.name)


def test_a_recurrent_and_a_convolutional_bundle_ship() -> None:
    assert {"bilstm", "tcn"} <= {read_manifest(p).trained.network["name"] for p in SHIPPED}


@each
def test_a_shipped_bundle_is_proven_throughout(folder: Path) -> None:
    need("ai_edge_litert", "tflite_micro", "flatbuffers")
    need_compiler()
    assert verify_bundle(folder, boards=None).missing == ()


@each
def test_it_was_measured_on_nobody_it_was_trained_or_calibrated_on(folder: Path) -> None:
    told = read_manifest(folder)
    assert told.parity.on == "held-out people"
    assert len(told.parity.participants) >= 4
    assert not set(told.parity.participants) & ({*told.trained_on} | {*told.calibrated_on})
    assert (told.leaks, told.c is None, told.sizes.boards is None) == ((), False, False)
    assert set(told.sizes.boards or ()) == {qemu.BOARDS[b].machine for b in qemu.BOARDS}


@each
def test_the_runtime_of_today_answers_every_golden_window(folder: Path, tmp_path: Path) -> None:
    need("flatbuffers")
    need_compiler()
    golden = read_npz((folder / "golden.npz").read_bytes())
    library = compile_c(c_model(TfliteFile.read(folder / "model.tflite"), folder.name), tmp_path)
    np.testing.assert_array_equal(library.run(golden["input_int8"]), golden["output_int8"])


@each
def test_an_emulated_m4f_answers_the_golden_windows(folder: Path) -> None:
    need("flatbuffers")
    need_compiler()
    if qemu.missing():
        pytest.skip(str(qemu.missing()))
    golden = read_npz((folder / "golden.npz").read_bytes())
    model = c_model(TfliteFile.read(folder / "model.tflite"), folder.name)
    found = qemu.run_on_board(model, golden["input_int8"][:4], "m4f")
    np.testing.assert_array_equal(found.outputs, golden["output_int8"][:4])
    told = (read_manifest(folder).sizes.boards or {})["mps2-an386"]
    assert found.instructions == pytest.approx(told.instructions, rel=0.25), "another compiler may count a little else"


@each
def test_an_insole_takes_it(folder: Path) -> None:
    need("ai_edge_litert")
    from grfkit.virtual.stance import OnDeviceModel

    assert OnDeviceModel(folder).model_id == read_manifest(folder).model_id
