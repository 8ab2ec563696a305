"""A bundle that was changed in any way is refused, and the refusal names what was changed."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from bundle_models import Small, need_compiler, need_tensorflow, small
from grfkit.deploy.manifest import CREEP_SETTINGS, _as_written
from grfkit.deploy.render import _in_comment as in_comment
from grfkit.deploy.tflite_file import TfliteFile
from grfkit.deploy.verify import verify_bundle
from grfkit.deploy.verify_c import arrays_that_differ
from grfkit.deploy.verify_files import check_files
from grfkit.errors import BadInputError, RefusedError
from grfkit.gait.causal import causal_settings
from grfkit.runtime.bundle import load_bundle
from grfkit.runtime.bundle_files import read_sums, sums_text
from grfkit.runtime.manifest import Detector

verify = partial(verify_bundle, boards=None)


@pytest.fixture(scope="module")
def made() -> Small:
    need_tensorflow()
    return small()


@pytest.fixture
def copy(made: Small, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.bundle, tmp_path / "small_net"))


def flip(path: Path, rng: np.random.Generator) -> None:
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    path.write_bytes(bytes(content))


def sign_again(folder: Path, change: Callable[[dict], None] | None = None) -> None:
    """Write manifest and SHA256SUMS for files that were changed, as somebody would who wants to be believed."""
    path = folder / "manifest.json"
    told = json.loads(path.read_text())
    if change is not None:
        change(told)
    for entry in told["files"]:
        content = (folder / entry["path"]).read_bytes()
        entry["sha256"], entry["bytes"] = hashlib.sha256(content).hexdigest(), len(content)
    path.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    digests = {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file() and p.name != "SHA256SUMS"
    }
    (folder / "SHA256SUMS").write_text(sums_text(digests))


def test_a_bundle_as_written_is_proven_throughout(made: Small) -> None:
    found = verify(made.bundle)
    need_compiler()
    assert found.missing == ()
    assert [p.name for p in found.proofs] == [
        "files", "manifest", "gate", "counts and forces", "TFLite Micro", "LiteRT", "trained model", "texts", "C",
    ]  # fmt: skip
    assert found.files == len([p for p in made.bundle.rglob("*") if p.is_file()]) - 1


def test_one_flipped_bit_in_any_file_is_refused_by_that_file_s_name(made: Small, copy: Path) -> None:
    rng = np.random.default_rng(20261121)
    files = sorted(p.relative_to(made.bundle) for p in made.bundle.rglob("*") if p.is_file())
    assert {"manifest.json", "SHA256SUMS", "CARD.md", "README.md", "golden.npz", "model.tflite"} <= {
        str(f) for f in files
    }
    for name in files:
        for _ in range(8):
            flip(copy / name, rng)
            with pytest.raises(RefusedError, match=f"{re.escape(str(copy / name))}: "):
                verify(copy)
            shutil.copyfile(made.bundle / name, copy / name)
    check_files(copy)


CLAIMS = {
    "figure '.*' is missing": lambda told: told["parity"].update(figures=[]),
    "P1 was in training": lambda told: told["parity"].update(participants=["P1"]),
    "calibrated_on names P9": lambda told: told.update(calibrated_on=["P9"]),
    "c_windows is 999": lambda told: told["parity"].update(c_windows=999),
    "c is null, though": lambda told: told.update(c=None),
    "expected symbol='grf_small_net'": lambda told: told["c"].update(symbol="system"),
    "names /etc/passwd": lambda told: told["c"].update(source="/etc/passwd"),
    "not those of sizes.json": lambda told: told["sizes"].update(scratch_bytes=4),
}


@pytest.mark.parametrize("said", CLAIMS)
def test_claims_that_cannot_be_so_are_refused_though_every_digest_fits(copy: Path, said: str) -> None:
    sign_again(copy, CLAIMS[said])
    with pytest.raises(RefusedError, match=said):
        verify(copy)


@pytest.mark.parametrize("name", ["raw", "statics", "mass_kg", "force_bw", "output_int8"])
def test_golden_arrays_that_are_missing_cut_or_not_to_the_scale_are_refused(copy: Path, name: str) -> None:
    with np.load(copy / "golden.npz") as stored:
        golden = dict(stored)
    for wrong in (None, golden[name][:-1], golden[name][..., None], golden["force_bw"] * 1.001):
        kept = {key: value for key, value in golden.items() if key != name}
        np.savez(copy / "golden.npz", **kept, **({} if wrong is None else {name: wrong}))
        sign_again(copy)
        with pytest.raises(RefusedError, match=r"golden\.npz: (has no|holds no|'|force_bw)"):
            verify(copy)


def test_a_float16_file_of_other_weights_is_refused(copy: Path) -> None:
    path = copy / "model_float16.tflite"
    content = np.frombuffer(path.read_bytes(), dtype=np.uint8).copy()
    halves = [t.data for t in TfliteFile.read(path).tensors if t.dtype == "float16" and t.data is not None]
    weights = max(halves, key=lambda data: data.size).tobytes()
    at = content.tobytes().find(weights)
    assert at > 0
    nearly = (np.frombuffer(weights, dtype=np.float16) * np.float16(0.9)).tobytes()
    content[at : at + len(weights)] = np.frombuffer(nearly, dtype=np.uint8)
    path.write_bytes(content.tobytes())
    sign_again(copy)
    with pytest.raises(RefusedError, match=r"model_float16\.tflite: is .* BW from torch"):
        verify(copy)


def test_a_changed_digest_file_is_told_from_a_changed_manifest(made: Small, copy: Path) -> None:
    sums = copy / "SHA256SUMS"
    text = sums.read_text()
    line = next(one for one in text.splitlines() if one.endswith("  manifest.json"))
    wrong = ("0" if line[0] != "0" else "1") + line[1:]
    for changed in (text.replace(line, wrong), text.replace(line + "\n", ""), text + "\n", text[:-1], "", "\n" + text):
        sums.write_text(changed)
        with pytest.raises(RefusedError, match="SHA256SUMS: is not as it was written"):
            verify(copy)
    sums.write_bytes(text.encode()[:-3] + b"\xff\xfe\n")
    with pytest.raises(RefusedError, match="SHA256SUMS: has bytes that are no text"):
        verify(copy)


def test_files_too_many_too_few_or_links_are_refused_by_name(made: Small, copy: Path) -> None:
    (copy / "c" / "extra.c").write_text("int x;")
    with pytest.raises(RefusedError, match=r"c/extra\.c: is no file of the bundle"):
        verify(copy)
    (copy / "c" / "extra.c").unlink()
    (copy / "CARD.md").rename(copy.parent / "CARD.md")
    with pytest.raises(RefusedError, match=r"CARD\.md: is missing"):
        verify(copy)
    (copy / "CARD.md").symlink_to(copy.parent / "CARD.md")
    with pytest.raises(RefusedError, match=r"CARD\.md: is missing, a link"):
        verify(copy)
    with pytest.raises(BadInputError, match="is no bundle"):
        verify(copy.parent)
    with pytest.raises(BadInputError, match="is no bundle"):
        verify(made.model)


def change_scale(told: dict) -> None:
    told["output"]["scale"] *= 1.01


def change_column(told: dict) -> None:
    told["columns"][3]["multiplier"] += 1


def change_axis(told: dict) -> None:
    told["axes"][0]["name"] = "apgrf"


def change_bound(told: dict) -> None:
    figure = next(f for f in told["parity"]["figures"] if "RMS, vgrf" in f["name"])
    figure["bound"] = 0.5


def change_participants(told: dict) -> None:
    told["trained_on"] = ["P1"]


def change_figure(told: dict) -> None:
    told["parity"]["figures"][0]["bound"] = 0.0


def change_centre(told: dict) -> None:
    told["axes"][0]["centre"] += 0.01


def change_greatest(told: dict) -> None:
    for figure in told["parity"]["figures"]:
        if "greatest, vgrf" in figure["name"]:
            figure["value"] = 1e-5


def change_filter(told: dict) -> None:
    told["imu_lowpass_hz"] = 20.0


def change_detector(told: dict) -> None:
    told["detector"]["contacts"]["on_q8"] = 30


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_scale, "output differ"),
        (change_column, "columns differ"),
        (change_axis, "axes differ"),
        (change_bound, "has to keep 0.02, not 0.5"),
        (change_participants, "trained_on differ"),
        (change_figure, "figure '.*' is beyond its bound"),
        (change_centre, "force is not what the manifest's axes make"),
        (change_greatest, "vgrf is .* BW from torch"),
        (change_detector, "detector differ"),
        (change_filter, "imu_lowpass_hz differ"),
    ],
)
def test_a_manifest_that_lies_is_refused_though_every_digest_fits(
    copy: Path, change: Callable[[dict], None], said: str
) -> None:
    sign_again(copy, change)
    check_files(copy)
    with pytest.raises(RefusedError, match=said):
        verify(copy)


def test_unknown_fields_and_other_versions_are_refused_by_the_schema(copy: Path) -> None:
    for change in ({"colour": "red"}, {"format_version": "2"}, {"model": "other.tflite"}):
        manifest = (copy / "manifest.json").read_bytes()
        sign_again(copy, lambda told, change=change: told.update(change))
        with pytest.raises(RefusedError, match=f"manifest.json: {next(iter(change))}"):
            verify(copy)
        (copy / "manifest.json").write_bytes(manifest)


def test_weights_that_are_not_the_tflite_s_are_refused_though_every_digest_fits(made: Small, copy: Path) -> None:
    source = copy / "c" / "small_net.c"
    text = source.read_text()
    source.write_text(re.sub(r"(static const int16_t \w+\[\d+\] GRF_ALIGNED = \{\s*)-?\d+", r"\g<1>77", text, count=1))
    assert source.read_text() != text
    sign_again(copy)
    with pytest.raises(RefusedError, match=r"small_net\.c: \w*weights_\d is not what model\.tflite holds"):
        verify(copy)


def of_another_version(folder: Path) -> None:
    sign_again(folder, lambda document: document.update(grfkit="0.0.1"))


def never_compiled(*arguments: object, **more: object) -> None:
    raise AssertionError("foreign C was compiled")


@pytest.fixture
def no_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grfkit.deploy.verify_c.compile_c", never_compiled)
    monkeypatch.setattr("grfkit.deploy.verify_c._make_test", never_compiled)
    monkeypatch.setattr("grfkit.deploy.verify_c.boards_again", never_compiled)


@pytest.mark.parametrize(
    "name", ["runtime/grf_math.c", "runtime/grf_model.h", "runtime/stdint.h", "runtime/sys/types.h"]
)
def test_an_altered_runtime_of_this_version_is_refused_unrun_though_every_digest_fits(
    copy: Path, no_compiling: None, name: str
) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    with (copy / name).open("a") as file:
        file.write("/* and a line that was not there */\n")
    document = json.loads((copy / "manifest.json").read_text())
    if name not in [entry["path"] for entry in document["files"]]:
        entry = {"path": name, "sha256": "0" * 64, "bytes": 0}
        sign_again(copy, lambda d: d.update(files=sorted([*d["files"], entry], key=lambda e: e["path"])))
    else:
        sign_again(copy)
    for run in (None, True, False):
        with pytest.raises(RefusedError, match=f"{re.escape(name)}: is not the runtime of grfkit"):
            verify(copy, run=run)


@pytest.mark.parametrize("name", ["runtime/grf_math.c", "c/small_net.c", "c/small_net_golden.c", "Makefile"])
def test_foreign_c_of_another_version_is_neither_compiled_nor_run_unless_asked(
    copy: Path, no_compiling: None, name: str
) -> None:
    with (copy / name).open("a") as file:
        file.write("\n")
    of_another_version(copy)
    verified = verify_bundle(copy, boards=("mps2-an386",))
    (proof,) = [p for p in verified.proofs if p.name == "C"]
    assert not proof.proven
    assert f"{name} is not what this grfkit" in proof.said
    assert any(text.startswith("boards: ") and "nothing was compiled or run" in text for text in verified.missing) or (
        json.loads((copy / "sizes.json").read_text())["boards"] is None
    )


def test_nothing_is_run_where_nothing_shall_be(made: Small, no_compiling: None) -> None:
    assert verify(made.bundle, run=False).missing == ("C: arrays are those of the .tflite; it was not run, as asked",)


def test_names_that_would_become_code_are_refused(copy: Path) -> None:
    for change in (
        lambda d: d.update(name='x"\n#include "/etc/passwd'),
        lambda d: d["axes"][0].update(name="*/ int main(void) { return 0; } /*"),
    ):
        before = (copy / "manifest.json").read_bytes()
        sign_again(copy, change)
        with pytest.raises(RefusedError, match=r"manifest\.json: (name|axes 1\.name) is "):
            verify(copy)
        (copy / "manifest.json").write_bytes(before)


def test_no_text_ends_the_comment_it_stands_in() -> None:
    for text in ("*/", "**//", "*/*/", "/**/", "*" * 5 + "/" * 5):
        assert "*/" not in in_comment(text)
        assert "/*" not in in_comment(text)


def test_a_bundle_of_an_older_runtime_is_held_to_what_it_answers(copy: Path) -> None:
    need_compiler()
    source, runtime = copy / "c" / "small_net.c", copy / "runtime" / "grf_math.c"
    source.write_text(source.read_text().replace("weights_0", "old_weights_0"))
    runtime.write_text("/* as it was a year ago */\n" + runtime.read_text())
    of_another_version(copy)
    (proof,) = [p for p in verify(copy, run=True).proofs if p.name == "C"]
    assert "of another grfkit" in proof.said
    assert proof.proven


def test_another_runtime_is_refused_by_what_it_answers(copy: Path) -> None:
    need_compiler()
    source = copy / "runtime" / "grf_lstm.c"
    text = source.read_text()
    assert "+=" in text or "->zero" in text
    source.write_text(text.replace("->zero", "->zero + 1", 1) if "->zero" in text else text.replace("+=", "-=", 1))
    of_another_version(copy)
    with pytest.raises((RefusedError, BadInputError)):
        verify(copy, run=True)


def test_golden_answers_that_are_not_the_model_s_are_refused(copy: Path) -> None:
    with np.load(copy / "golden.npz") as stored:
        golden = dict(stored)
    golden["output_int8"][0, 5, 0] ^= 1
    told = json.loads((copy / "manifest.json").read_text())
    real = (golden["output_int8"].astype(float) - told["output"]["zero_point"]) * told["output"]["scale"]
    golden["force_bw"] = golden["force"] = real * [a["size"] for a in told["axes"]] + [
        a["centre"] for a in told["axes"]
    ]
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **golden)
    (copy / "golden.npz").write_bytes(buffer.getvalue())
    sign_again(copy)
    with pytest.raises(RefusedError, match="1 LSB from the golden windows"):
        verify(copy)


def test_a_tflite_of_another_model_is_refused(made: Small, copy: Path) -> None:
    shutil.copyfile(copy / "model_float32.tflite", copy / "model.tflite")
    with pytest.raises(RefusedError, match=r"model\.tflite: was changed"):
        load_bundle(copy)
    sign_again(copy)
    with pytest.raises(RefusedError, match="CRC-32"):
        load_bundle(copy)
    with pytest.raises((RefusedError, BadInputError)):
        verify(copy)


def test_running_a_bundle_refuses_a_changed_manifest_and_tflite(made: Small, copy: Path) -> None:
    rng = np.random.default_rng(5)
    for name in ("manifest.json", "model.tflite", "SHA256SUMS"):
        flip(copy / name, rng)
        with pytest.raises(RefusedError, match=f"{name}: "):
            load_bundle(copy)
        shutil.copyfile(made.bundle / name, copy / name)
    load_bundle(copy)


def test_verify_needs_neither_torch_nor_tensorflow(made: Small) -> None:
    code = (
        "import sys; from pathlib import Path; from grfkit.deploy.verify import verify_bundle; "
        f"verify_bundle(Path({str(made.bundle)!r}), boards=None); "
        "print([m for m in ('torch', 'tensorflow', 'tf_keras') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("[]")


def test_sums_are_read_back_and_arrays_compared_by_name_and_value() -> None:
    one = "static const int16_t a[2] GRF_ALIGNED = {\n    1, 2,\n};\n"
    assert arrays_that_differ(one, one.replace("\n    1, 2,", " 1,\n 2,")) == []
    assert arrays_that_differ(one, one.replace("2,", "3,")) == ["a"]
    assert arrays_that_differ(one, one.replace(" a[", " b[")) == ["a", "b"]
    assert arrays_that_differ(one, one.replace("int16_t", "int32_t")) == ["a"]


def test_digest_lines_take_plain_paths_only(tmp_path: Path) -> None:
    digest = "0" * 64
    (tmp_path / "SHA256SUMS").write_text(sums_text({"a/b.c": digest, "c.md": digest}))
    assert read_sums(tmp_path) == {"a/b.c": digest, "c.md": digest}
    for path in ("/etc/passwd", "a b", "../x\n"):
        (tmp_path / "SHA256SUMS").write_text(sums_text({path: digest}))
        with pytest.raises(RefusedError):
            read_sums(tmp_path)


def test_the_bundle_s_own_test_refuses_it_by_name(copy: Path) -> None:
    need_compiler()
    header = copy / "c" / "small_net.h"
    text = header.read_text()
    header.write_text(re.sub(r"(_OUTPUT_SCALE )([0-9.e-]+)", r"\g<1>1.5f * \g<2>", text))
    assert header.read_text() != text
    sign_again(copy)
    with pytest.raises(RefusedError, match=r"small_net\.h: is not what grfkit .* makes of model\.tflite"):
        verify(copy)
    of_another_version(copy)
    with pytest.raises(RefusedError, match=r"small_net/Makefile: its test ended with 2 and says '.*force differs'"):
        verify(copy, run=True)


def test_a_path_with_spaces_hinders_neither_the_test_nor_verify(
    made: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_compiler()
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    folder = Path(shutil.copytree(made.bundle, tmp_path / "it's b 2" / "small_net"))
    room = tmp_path / "room for files"
    room.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    monkeypatch.setenv("TMPDIR", str(room))
    assert verify(folder).missing == ()
    assert list(room.iterdir()) == []
    done = subprocess.run(["make", "-s", "-C", str(folder), "test"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "golden windows, every byte equal" in done.stdout
    elsewhere = f"BUILD={tmp_path / 'elsewhere'}"
    done = subprocess.run(["make", "-s", "-C", str(folder), elsewhere, "test"], capture_output=True, check=False)
    assert (done.returncode, (tmp_path / "elsewhere" / "test_golden").is_file()) == (0, True)


@pytest.mark.parametrize(
    "name",
    [
        "CARD.md", "README.md", "Makefile", "CMakeLists.txt", "c/small_net_golden.c", "c/small_net_golden.h",
        "c/small_net_config.c",
        "c/small_net_config.h", "zephyr/Kconfig", "examples/arduino/small_net/small_net.ino",
    ],
)  # fmt: skip
def test_texts_that_the_manifest_does_not_make_are_refused_by_name(copy: Path, name: str) -> None:
    text = (copy / name).read_text()
    (copy / name).write_text(text + "\n")
    sign_again(copy)
    with pytest.raises(RefusedError, match=f"{re.escape(name)}: is not what manifest.json"):
        verify(copy)


def test_texts_of_another_grfkit_are_told_not_to_be_proven(copy: Path) -> None:
    (copy / "CARD.md").write_text("# As it was worded a year ago\n")
    sign_again(copy, lambda told: told.update(grfkit="0.0.1"))
    need_compiler()
    texts, *others = verify(copy).missing
    assert texts.startswith("texts: are of grfkit 0.0.1")
    assert others == []


def change_kept(told: dict) -> None:
    told["parity"]["figures"][0]["kept"] = False


def change_kept_of_a_report(told: dict) -> None:
    next(f for f in told["parity"]["figures"] if f["bound"] is None)["kept"] = False


def change_added(told: dict) -> None:
    next(f for f in told["parity"]["figures"] if f["name"].endswith("rRMSE added, vgrf"))["value"] -= 0.001


def change_share_of_torch(told: dict) -> None:
    told["parity"]["axes"]["vgrf"]["rrmse_percent torch"] += 0.5


def leave_torch_out(told: dict) -> None:
    del told["parity"]["axes"]["vgrf"]["rrmse_percent torch"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_kept, "figure 'torch to float32 TFLite, greatest' says kept: false"),
        (change_kept_of_a_report, "figure '.*' says kept: false"),
        (change_added, "rRMSE added, vgrf' is .*, though parity.axes make"),
        (change_share_of_torch, "rRMSE added, vgrf' is .*, though parity.axes make"),
        (leave_torch_out, "parity.axes of vgrf have no 'rrmse_percent torch'"),
    ],
)
def test_figures_that_contradict_each_other_are_refused(copy: Path, change: Callable[[dict], None], said: str) -> None:
    sign_again(copy, change)
    with pytest.raises(RefusedError, match=said):
        verify(copy)


def test_a_bundle_from_before_creeping_cells_states_nothing_of_them_or_all() -> None:
    contacts = asdict(causal_settings(100.0))
    today = Detector(rate_hz=100.0, source="insole", contacts=contacts, buffer={})
    before = {name: value for name, value in contacts.items() if name not in CREEP_SETTINGS}
    assert len(before) == len(contacts) - len(CREEP_SETTINGS)
    old = today.model_copy(update={"contacts": before})
    assert _as_written(today, old) == old
    part = today.model_copy(update={"contacts": before | {"slack_q6": 24}})
    other = today.model_copy(update={"contacts": before | {"firm_q8": 60}})
    for stated in (part, other):
        assert _as_written(today, stated) != stated
