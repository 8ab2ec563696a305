"""What a careless or hostile user may do to grf-monitor, and what it says: one line each, and never a traceback."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("bumble")
pytest.importorskip("bleak")

from grfkit.device.link import Conversation, LinkClosed
from grfkit.device.recorder import Recorder
from grfkit.errors import BadInputError
from grfkit.formats.grfrec import RecordFile
from grfkit.monitor.connect import replay_links
from grfkit.monitor.server import bind_listener
from grfkit.wire import Get
from monitor_serial import Faults, on_socket

PROGRAM = [sys.executable, "-m", "grfkit.cli.monitor"]
unix = pytest.mark.skipif(sys.platform == "win32", reason="signals are a Unix thing")


def test_remarks_of_libraries_are_left_out_and_errors_are_not() -> None:
    text = """
import logging, os
from grfkit.quiet import quiet_logs, quiet_native
quiet_logs()
with quiet_native():
    os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\\nERROR: it does not fit\\n")
logging.getLogger("bumble.host").warning("!!! no pending response future to set")
logging.getLogger("grfkit.device.ble").warning("ours is seen")
"""
    environment = {k: v for k, v in os.environ.items() if k != "GRFKIT_DEBUG"}
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, env=environment, timeout=100, check=True
    )
    assert done.stderr == "ERROR: it does not fit\nours is seen\n"


def test_a_request_whose_link_ends_while_it_is_written_leaves_no_error_behind() -> None:
    """It raises once, where it was asked; nothing is printed later by whoever collects what nobody awaited."""
    unheard: list[Any] = []

    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, told: unheard.append(told))

        async def write(_: bytes) -> None:
            gone = LinkClosed("link loss", address="a")
            one.end(gone)
            raise gone

        one = Conversation(write, address="a")
        with pytest.raises(LinkClosed, match="link loss"):
            await one.ask(Get())
        gc.collect()

    asyncio.run(work())
    assert not unheard


def listening() -> None:
    """Take SIGINT as a terminal's program does; what a shell starts in the background inherits that it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupted(arguments: list[Any], when: Any, again: Any = None) -> tuple[int, str, str]:
    """Run the program, send SIGINT once ``when()`` is so, and again once ``again()`` is."""
    command = [*PROGRAM, *map(str, arguments)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, preexec_fn=listening, **pipes) as program:
        for due in (when, again):
            deadline = time.monotonic() + 100
            while due is not None and not due() and program.poll() is None:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            if due is not None:
                program.send_signal(signal.SIGINT)
        out, said = program.communicate(timeout=100)
    return program.returncode, out, said


def without_lateness(said: str) -> list[str]:
    """Return the lines of a run but for what is said of a computer that has too much else to do."""
    return [line for line in said.splitlines() if not line.startswith("problem: this computer cannot keep up")]


@unix
def test_ctrl_c_while_it_connects_ends_it_in_one_line(tmp_path: Path) -> None:
    """The line is open, and nobody answers on it."""
    path = tmp_path / "a.grfrec"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        lines: list[socket.socket] = []

        def accepted() -> bool:
            with contextlib.suppress(BlockingIOError):
                lines.append(server.accept()[0])
            return bool(lines)

        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        code, out, said = interrupted(["--serial", url, "--headless", "--record", path], accepted)
        for line in lines:
            line.close()
    assert (code, out) == (130, "")
    assert without_lateness(said) == [f"waiting for an answer of {url}", "grf-monitor: interrupted"]
    assert not path.exists()


@unix
def test_ctrl_c_stops_the_insole_and_says_what_came(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    with on_socket() as (url, insole):
        code, out, said = interrupted(
            ["--serial", url, "--headless", "--json", "--record", path], lambda: insole.sent > 40
        )
        assert insole.requests[-1] == 2
    assert code == 0
    assert without_lateness(said) == [
        f"waiting for an answer of {url}",
        "streaming: left",
        f"recording to {path}",
    ]
    assert '"packets"' in out
    assert RecordFile(path).unread == 0


@unix
def test_a_second_ctrl_c_does_not_wait_for_an_insole_that_does_not_answer(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    with on_socket(faults=Faults(deaf_to=frozenset({2}))) as (url, insole):
        asked = lambda: 2 in insole.requests  # noqa: E731
        code, out, said = interrupted(
            ["--serial", url, "--headless", "--json", "--record", path], lambda: insole.sent > 40, asked
        )
    assert (code, out) == (130, "")
    assert said.splitlines()[-1] == "grf-monitor: interrupted"
    assert "Traceback" not in said
    file = RecordFile(path)
    assert sum(1 for _ in file) > 40
    assert file.unread == 0


@pytest.mark.parametrize(
    ("port", "token", "said"),
    [(99999, None, "no port 99999"), (-1, None, "no port -1"), (0, "", "token"), (0, "a b c d e f", "token")],
)
def test_a_page_that_cannot_be_or_protects_nothing_is_refused(port: int, token: str | None, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        bind_listener("127.0.0.1", port, token)


def test_nothing_but_a_file_is_written_over(tmp_path: Path) -> None:
    """With --force a device or a folder of that name would have been replaced."""
    (tmp_path / "folder").mkdir()
    places = [tmp_path / "folder"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        places.append(tmp_path / "pipe")
    for place in places:
        with pytest.raises(BadInputError, match="no ordinary file"):
            Recorder(place, force=True)
        assert not place.is_file()


def test_options_in_front_of_replay_are_refused_and_a_torn_end_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.grfrec"
    with on_socket() as (url, _):
        first = run("--serial", url, "--headless", "--seconds", "1", "--record", path)
    assert first.returncode == 0, first.stderr
    early = run("--headless", "replay", path)
    assert early.returncode == 2
    assert "--headless in front of 'replay' would do nothing" in early.stderr
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    torn = run("replay", path, "--speed", "inf", "--headless")
    assert torn.returncode == 0
    reading, told = without_lateness(torn.stderr)
    assert reading == f"reading {path}"
    assert told.startswith(f"{path}: its last ")
    assert told.endswith(" bytes are torn, and left out")
    path.write_bytes(content[:9])
    empty = run("replay", path, "--speed", "inf", "--headless")
    assert empty.returncode == 2
    reading, told = without_lateness(empty.stderr)
    assert reading == f"reading {path}"
    assert "holds no insole" in told


def run(*arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--record", "a.csv"], "a.csv: a recording is no .csv file; name it a.grfrec"),
        (["--record", "none/a.grfrec"], "none/a.grfrec: its folder does not exist; make it first"),
        (["--serial", "socket://insole"], "--serial socket://insole: names no host and port; write socket://HOST:PORT"),
        (["--serial", "RFC2217://a:x"], "--serial RFC2217://a:x: names no host and port; write rfc2217://HOST:PORT"),
        (["--serial", ""], "--serial : is empty; name a port, for example /dev/ttyACM0 or COM3"),
        (
            ["--address", "/dev/ttyACM0"],
            "--address /dev/ttyACM0 is no Bluetooth address; expected AA:BB:CC:DD:EE:FF, or a UUID on macOS; a serial"
            " port is named with --serial",
        ),
        (["--mass-kg", "700"], "--mass-kg is 700.0, expected 250 or less"),
        (["--feet", "0"], "--feet is 0, expected 1 or more"),
        (
            ["--serial", "/dev/a", "--demo"],
            "--demo and --serial are different places to find insoles; name one of them",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_any_connection(
    options: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, by the name that the option has; no recording is left."""
    from grfkit.cli import monitor as command
    from grfkit.monitor import headless

    async def reached(*_: object, **__: object) -> None:
        raise AssertionError("insoles were looked for")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(headless, "headless", reached)
    monkeypatch.setattr(sys, "argv", ["grf-monitor", "--headless", *options])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"grf-monitor: {said}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spec", ["BUMBLE:tcp-client:127.0.0.1:1", "Bumble:tcp-client:127.0.0.1:1"])
def test_the_kind_of_adapter_may_be_in_capitals(spec: str) -> None:
    """It is looked for, and not there: nobody listens on that port."""
    from grfkit.device.adapter import Adapter

    with pytest.raises(BadInputError, match="no Bluetooth controller at tcp-client"):
        asyncio.run(Adapter.open(spec))
    with pytest.raises(BadInputError, match="is unknown"):
        asyncio.run(Adapter.open("bumbl:x"))


def test_a_pipe_is_not_played(tmp_path: Path) -> None:
    """A read of one may never end."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("Windows has no such pipes")
    os.mkfifo(tmp_path / "pipe.grfrec")
    with pytest.raises(BadInputError, match=r"pipe\.grfrec: is no regular file"):
        replay_links(tmp_path / "pipe.grfrec", 1.0)
