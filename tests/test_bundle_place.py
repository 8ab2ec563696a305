"""Where a bundle goes: names that are safe in C, and what was there before while the new one takes its place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from grfkit.deploy.bundle_folder import write_folder
from grfkit.deploy.manifest import name_of
from grfkit.embedded.compile import RUNTIME


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("b32", "b32"), ("My Model (2)", "my_model_2"), ("9 lives", "m_9_lives"), ("größe", "gr_e"), ("模型", "m"),
        ("string", "m_string"), ("golden", "m_golden"), ("test_golden", "m_test_golden"), ("insole", "m_insole"),
        ("grf_model", "m_grf_model"), ("model_run", "m_model_run"), ("walk_insole", "m_walk_insole"),
        ("walk_golden", "m_walk_golden"), ("size", "size"), ("insoles", "insoles"),
        ("lstm_32", "lstm_32"), ("x" * 80, "x" * 40),
    ],
)  # fmt: skip
def test_a_folder_s_name_becomes_one_that_c_can_have(folder: str, name: str) -> None:
    assert name_of(Path("a") / folder) == name


def test_no_name_gives_a_header_or_symbol_that_is_there_already() -> None:
    headers = sorted(RUNTIME.glob("grf_*.h"))
    taken = {word.lower() for p in headers for word in re.findall(r"\bgrf_\w+", p.read_text(), re.IGNORECASE)}
    included = {n for p in headers for n in re.findall(r"#include [<\"](\w+)\.h", p.read_text())}
    assert {"stdint", "grf_model"} <= included
    for one in {word.removeprefix("grf_") for word in taken} | included:
        name = name_of(Path(one))
        assert f"grf_{name}" not in taken
        assert name not in included


def test_templates_are_read_only_when_a_text_is_rendered() -> None:
    code = (
        "import sys, grfkit.deploy.bundle, grfkit.deploy.verify; assert 'jinja2' not in sys.modules;"
        "from grfkit.deploy.render import render;"
        "print(render('zephyr/Kconfig', name='foot', upper='FOOT', untested='-'), 'jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == '# -\nconfig GRF_FOOT\n\tbool "Ground reaction force model foot"\n True\n'


def test_what_was_there_comes_back_when_a_replacement_is_interrupted(tmp_path: Path) -> None:
    out = tmp_path / "b"
    write_folder(out, {"manifest.json": b"old"})
    honest = Path.rename

    def interrupted(path: Path, target: Path) -> Path:
        if path.name != "b" and target == out and not path.name.endswith("old"):
            raise KeyboardInterrupt
        return honest(path, target)

    # as on a system that cannot exchange two names in one step
    with patch("grfkit.renames.exchange", return_value=False):
        with patch.object(Path, "rename", interrupted), pytest.raises(KeyboardInterrupt):
            write_folder(out, {"manifest.json": b"new"}, force=True)
        assert (out / "manifest.json").read_bytes() == b"old"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["b"]
        write_folder(out, {"manifest.json": b"new"}, force=True)
    assert (out / "manifest.json").read_bytes() == b"new"
    assert [p.name for p in tmp_path.iterdir()] == ["b"]
