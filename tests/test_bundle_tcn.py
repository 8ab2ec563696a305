"""A TCN from training to an emulated M4F, cold: every bound kept, every byte the host's, cheaper than the BiLSTM."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bundle_models import STRANGER, TCN, Small, need_compiler, need_tensorflow, small, trained
from grfkit.deploy import qemu
from grfkit.deploy.bounds import BOUNDS, bound_of
from grfkit.deploy.bundle_texts import bundle_texts
from grfkit.deploy.emit_c import c_model
from grfkit.deploy.golden import read_npz
from grfkit.deploy.tflite_file import TfliteFile
from grfkit.deploy.verify import verify_bundle
from grfkit.deploy.verify_files import Proof
from grfkit.errors import BadInputError, RefusedError
from grfkit.estimation.open_model import read_spec
from grfkit.runtime.bundle_files import read_manifest
from grfkit.runtime.manifest import DOCUMENT, Manifest
from test_bundle_verify import sign_again


@pytest.fixture(scope="module")
def made() -> Small:
    need_tensorflow()
    need_compiler()
    if qemu.missing():
        pytest.skip(str(qemu.missing()))
    return trained(TCN, "tcn", epochs=12)


@pytest.fixture(scope="module")
def manifest(made: Small) -> Manifest:
    return made.export(made.folder / "small_tcn", thorough=True, boards=("mps2-an386",))


@pytest.fixture
def copy(manifest: Manifest, made: Small, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.folder / manifest.name, tmp_path / manifest.name))


def boards_of(folder: Path, *asked: str) -> list[Proof]:
    return [p for p in verify_bundle(folder, boards=asked).proofs if p.name == "boards"]


def change_sizes(folder: Path, change: Callable[[dict], None]) -> None:
    """Change what a bundle says its boards counted, with all texts and digests made to fit."""
    sizes = json.loads((folder / "sizes.json").read_text())
    change(sizes)
    (folder / "sizes.json").write_text(json.dumps(sizes))
    sign_again(folder, lambda told: told.update(sizes=sizes))
    golden = read_npz((folder / "golden.npz").read_bytes())
    runtime = [path.name for path in sorted((folder / "runtime").glob("*.c"))]
    for path, text in bundle_texts(read_manifest(folder), read_spec(folder / DOCUMENT), golden, runtime).items():
        (folder / path).write_text(text)
    sign_again(folder)


def test_every_bound_is_kept_on_somebody_new(manifest: Manifest) -> None:
    figures = {f.name: f for f in manifest.parity.figures}
    bounded = {name: bound_of(name) for name in figures if bound_of(name) is not None}
    assert all(figures[name].value <= bound for name, bound in bounded.items() if bound is not None)
    assert {BOUNDS.float_bw, BOUNDS.rrmse_points, BOUNDS.rms_bw, BOUNDS.p999_bw, 2.0, 0.0} <= set(bounded.values())
    assert (manifest.parity.on, manifest.parity.participants) == ("held-out people", (STRANGER,))
    assert manifest.parity.c_windows >= 1000
    assert {"CONV_2D", "ADD"} <= set(manifest.operators)
    assert not {"UNIDIRECTIONAL_SEQUENCE_LSTM", "DEQUANTIZE"} & set(manifest.operators)


def test_the_board_answers_the_host_s_bytes_and_asks_less_of_it_than_the_bilstm(
    made: Small, manifest: Manifest
) -> None:
    assert manifest.sizes.boards is not None
    (board,) = manifest.sizes.boards.values()
    assert (board.core, board.same_bytes_as_host) == ("M4F", True)
    (said,) = [f for f in manifest.parity.figures if "mps2-an386" in f.name]
    assert (said.value, said.bound) == (0.0, 0.0)
    lstm = small().bundle
    windows = read_npz((lstm / "golden.npz").read_bytes())
    run = qemu.run_on_board(c_model(TfliteFile.read(lstm / "model.tflite"), "small_net"), windows["input_int8"][:1])
    assert (run.outputs == windows["output_int8"][:1]).all()
    assert 1e5 < board.instructions < run.instructions < 3.5e6, "a BiLSTM-32 of 101 points takes 3.5 M"


def test_verify_runs_the_board_again_and_names_those_it_left_out(copy: Path) -> None:
    (again,) = boards_of(copy, "mps2-an386")
    assert again.proven
    assert "mps2-an386 2 windows byte for byte" in again.said
    assert "flash and RAM as it says" in again.said
    (left,) = boards_of(copy)
    assert not left.proven
    assert "mps2-an386 not run" in left.said
    with pytest.raises(BadInputError, match="board 'uno' is unknown"):
        verify_bundle(copy, boards=("uno",))


def test_counts_that_the_same_compiler_cannot_give_are_refused_and_those_of_another_named(copy: Path) -> None:
    change_sizes(copy, lambda sizes: sizes["boards"]["mps2-an386"].update(instructions=1000))
    with pytest.raises(RefusedError, match=r"instructions \d+, it says 1000, by the same arm-none-eabi-gcc"):
        verify_bundle(copy, boards=("mps2-an386",))
    for other in ("arm-none-eabi-gcc 4.9.3", None):
        change_sizes(copy, lambda sizes, other=other: sizes.update(boards_compiler=other))
        (named,) = boards_of(copy, "mps2-an386")
        assert named.proven
        assert f"{other or 'a compiler it does not state'} there: instructions" in named.said
