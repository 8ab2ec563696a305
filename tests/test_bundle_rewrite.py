"""A bundle written again around the same weights, and what a whole insole takes on a board."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from firmware_c import need, need_compiler
from grfkit.deploy import bundle_rewrite, qemu, verify_c
from grfkit.deploy.bundle_rewrite import KEPT, rewrite_bundle
from grfkit.deploy.insole_size import PARTS, insole_sizes
from grfkit.deploy.verify_files import check_files, open_bundle
from grfkit.embedded.compile import RUNTIME
from grfkit.errors import RefusedError
from grfkit.runtime.bundle_files import sums_text

SHIPPED = RUNTIME.parent / "tcn_simulated"


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped TCN; boards are not counted again."""
    need("ai_edge_litert", "flatbuffers")
    need_compiler()
    monkeypatch.setattr(bundle_rewrite, "missing", lambda: "no board in this test")
    return Path(shutil.copytree(SHIPPED, tmp_path / SHIPPED.name))


def signed(folder: Path, path: str, content: bytes) -> None:
    """Put a file into a bundle as an export would have: its digest in manifest and sums."""
    (folder / path).write_bytes(content)
    told = json.loads((folder / "manifest.json").read_text())
    told["files"] = [f for f in told["files"] if f["path"] != path]
    entry = {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    told["files"] = sorted([*told["files"], entry], key=lambda f: str(f["path"]))
    (folder / "manifest.json").write_text(json.dumps(told))
    names = [*(f["path"] for f in told["files"]), "manifest.json"]
    sums = {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in names}
    (folder / "SHA256SUMS").write_text(sums_text(sums))


def test_texts_and_runtime_become_todays_and_nothing_else_changes(copy: Path) -> None:
    """Also a file that today's bundles no longer have goes; weights and golden windows keep their bytes."""
    before = {p: (copy / p).read_bytes() for p in KEPT}
    signed(copy, "CARD.md", b"# As it was worded a year ago\n")
    signed(copy, "runtime/grf_clock.h", b"/* of last year */\n")
    signed(copy, "c/golden.h", b"/* a name of last year */\n")
    changed = rewrite_bundle(copy)
    assert set(changed) >= {"CARD.md", "runtime/grf_clock.h", "c/golden.h"}
    assert not set(changed) & set(KEPT)
    assert {p: (copy / p).read_bytes() for p in KEPT} == before
    assert not (copy / "c" / "golden.h").exists()
    check_files(copy)
    if qemu.missing() is None:
        same = {p.relative_to(SHIPPED): p.read_bytes() for p in SHIPPED.rglob("*") if p.is_file()}
        assert {p.relative_to(copy): p.read_bytes() for p in copy.rglob("*") if p.is_file()} == same


def test_a_bundle_that_was_changed_is_not_written_again(copy: Path) -> None:
    (copy / "model.json").write_text((copy / "model.json").read_text() + " ")
    with pytest.raises(RefusedError, match=r"model\.json"):
        rewrite_bundle(copy)


def test_a_whole_insole_takes_more_than_its_model_and_the_bundle_says_how_much() -> None:
    lacking = qemu.missing()
    if lacking:
        pytest.skip(lacking)
    bundle = open_bundle(SHIPPED)
    files = {p.relative_to(SHIPPED).as_posix(): p.read_bytes() for p in SHIPPED.rglob("*.[ch]")}
    found = insole_sizes(files, SHIPPED.name)
    assert found is not None
    assert tuple(found) == PARTS
    window, reports, air = (found[part] for part in PARTS)
    sizes = bundle.manifest.sizes
    stated = sizes.scratch_bytes + bundle.manifest.points * (len(bundle.manifest.columns) + len(bundle.manifest.axes))
    assert window.ram_bytes == pytest.approx(stated, abs=64), "scratch, input and answer"
    assert window.flash_bytes < reports.flash_bytes < air.flash_bytes < 64 * 1024
    assert air.ram_bytes - reports.ram_bytes > 16 * 244, "16 packets"
    if sizes.boards_compiler == qemu.compiler_version():
        assert sizes.insole == found
    card = (SHIPPED / "CARD.md").read_text()
    assert "The model alone on M4F" in card
    assert f"{sizes.insole['reports'].ram_bytes / 1024:.1f} KB" in card


def test_verify_refuses_an_insole_of_another_size(monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = qemu.missing()
    if lacking:
        pytest.skip(lacking)
    bundle = open_bundle(SHIPPED)
    sizes = bundle.manifest.sizes
    monkeypatch.setattr(verify_c, "compiler_version", lambda: sizes.boards_compiler)
    stated = {part: size.model_copy(update={"ram_bytes": size.ram_bytes - 4096}) for part, size in sizes.insole.items()}
    monkeypatch.setattr(verify_c, "insole_sizes", lambda *_: sizes.insole)
    assert verify_c._insole_that_differs(bundle) == []
    bundle.manifest.__dict__["sizes"] = sizes.model_copy(update={"insole": stated})
    wrong = verify_c._insole_that_differs(bundle)
    assert len(wrong) == 3
    assert "insole, reports" in wrong[1]
