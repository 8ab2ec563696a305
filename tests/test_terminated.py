"""A command that is terminated leaves neither processes nor temporary files behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are a Unix thing")
COMMAND = """
import sys, tempfile, time
from grfkit.cli import common

app = common.make_app()

@app.command()
def work(folder: str) -> None:
    with tempfile.TemporaryDirectory(dir=folder):
        print("working", flush=True)
        time.sleep(60)

common.run(app, [sys.argv[1]], name="grf-work")
"""


@pytest.mark.parametrize(
    ("signum", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_signal_ends_a_command_that_tidies_up(tmp_path: Path, signum: int, code: int, word: str) -> None:
    command = [sys.executable, "-c", COMMAND, str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # as from a terminal
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(signum)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (code, f"grf-work: {word}\n")
    assert list(tmp_path.iterdir()) == []


def test_the_converter_ends_with_its_asker_and_takes_people_s_windows_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "grfkit-convert-x"
    folder.mkdir()
    (folder / "windows.npy").write_bytes(b"somebody's")
    os.mkfifo(folder / "request.json")  # the worker waits here, as it would in TensorFlow
    asker = (
        "import subprocess, sys, time; "
        "p = subprocess.Popen([sys.executable, '-m', 'grfkit.deploy.convert_worker', sys.argv[1]],"
        " stdin=subprocess.PIPE); print(p.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", asker, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline())
        opened = os.open(folder / "request.json", os.O_WRONLY)  # returns once the worker reads
        process.kill()
        # the worker holds the asker's stdout too: it closes when both have ended
        assert process.stdout.read() == ""
    os.close(opened)
    assert list(tmp_path.iterdir()) == []
