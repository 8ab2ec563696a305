"""The review's server and command: what the page asks is answered, decisions are files, and nothing else gets in."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from asgi_client import AsgiClient
from grfkit import BadInputError, Trial, align, assemble
from grfkit.review.desk import Desk
from grfkit.review.server import application
from grfkit.simulate.conditions import Condition
from grfkit.simulate.lab import simulate_trial
from review_trials import a_lab, a_trial

TOKEN = "abcdefgh12345678"
PORT = 8765
HOST = f"127.0.0.1:{PORT}"
HERE = f"http://{HOST}"
AT = datetime(2026, 12, 2, 10, 0, tzinfo=timezone.utc)


def a_desk(tmp_path: Path, surface: str = "treadmill", **about: Any) -> Desk:
    return Desk(a_trial(surface), tmp_path / "t.reviewed.nc", name="t.nc", now=lambda: AT, **about)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return a_desk(tmp_path)


@pytest.fixture
def page(desk: Desk) -> AsgiClient:
    client = AsgiClient(application(desk, port=PORT, token=TOKEN), HOST, origin=HERE)
    assert client.get(f"/?token={TOKEN}").status_code == 200
    return client


def unguarded(desk: Desk, **more: Any) -> AsgiClient:
    return AsgiClient(application(desk, port=PORT, token=None, **more), HOST, origin=HERE)


def asked(page: AsgiClient, what: str, **body: Any) -> dict[str, Any]:
    answer = page.post(f"/api/{what}", {"clock": 0, **body})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_page_and_its_files_are_served_and_need_no_network(page: AsgiClient) -> None:
    text = page.get("/").text
    for name in re.findall(r'(?:href|src)="([^"#]+)"', text):
        assert "//" not in name
        assert page.get(f"/{name}").status_code == 200, name
    assert "connect-src 'self'" in page.get("/").headers["content-security-policy"]
    assert page.get("/../desk.py").status_code == 404


def test_it_says_what_is_reviewed(page: AsgiClient) -> None:
    about = page.get("/api/review").json()
    assert (about["name"], about["participant"], about["verdict"]) == ("t.nc", "P01", "aligned")
    clock = about["clocks"][0]
    assert clock["streams"] == ["insole_left", "insole_right"]
    assert 0.2 < clock["step_s"] < 0.6


def test_signals_of_a_stretch_are_few_points_and_move_with_the_device(page: AsgiClient) -> None:
    there = asked(page, "signals", start_s=20.0, end_s=22.0)
    moved = asked(page, "signals", start_s=20.0, end_s=22.0, shift_s=0.1)
    assert moved["reference"] == there["reference"]
    low, high = there["levels"]
    assert high > low
    first = [row["at_s"] for row in there["contacts"]["device"]]
    later = [row["at_s"] for row in moved["contacts"]["device"]]
    assert any(abs(b - a - 0.1) < 1e-6 for a in first for b in later)
    whole = asked(page, "signals", start_s=0.0, end_s=70.0, columns=200)
    assert len(whole["reference"]["x"]) <= 400
    assert all(len(d["x"]) <= 400 for d in whole["device"].values())


def test_likelihood_is_highest_where_it_was_aligned(page: AsgiClient) -> None:
    here = asked(page, "likelihood")
    off = asked(page, "likelihood", shift_s=0.02)
    assert here["nats"] == pytest.approx(here["best_nats"], abs=0.5)
    assert off["nats"] < here["nats"] - 5
    assert len(here["curve"]["shift_s"]) == len(here["curve"]["nats"])
    assert len(here["places"]) > 2


def test_a_fit_is_shown_and_may_be_accepted(page: AsgiClient, desk: Desk) -> None:
    fit = asked(page, "fit", shift_s=0.02)
    at = asked(page, "likelihood", fitted=fit["fitted"])
    assert abs(at["shift_s"]) < 0.003
    answer = asked(page, "decide", fitted=fit["fitted"], accept=True, who="MK", uncertainty_ms=fit["uncertainty_ms"])
    assert answer["verdict"] == "aligned"
    stored = Trial.from_netcdf(desk.out).clock_maps["insole_left"]
    assert stored.offset_s == fit["fitted"]["offset_s"]
    assert stored.uncertainty_ms == pytest.approx(fit["uncertainty_ms"])


def test_a_decision_is_a_file_at_once_and_the_original_stays(page: AsgiClient, desk: Desk) -> None:
    before = a_trial().tree.attrs["clock_maps"]
    asked(page, "decide", accept=True, who=" MK ", note="seen", shift_s=0.002)
    by_hand = Trial.from_netcdf(desk.out).clock_maps["insole_left"].by_hand
    assert by_hand is not None
    assert (by_hand.who, by_hand.when, by_hand.note) == ("MK", "2026-12-02T10:00:00+00:00", "seen")
    assert by_hand.nats is not None
    assert by_hand.best_nats is not None
    assert by_hand.nats <= by_hand.best_nats
    assert a_trial().tree.attrs["clock_maps"] == before
    # a change of mind replaces the decision, not the trial before it
    asked(page, "decide", accept=False, who="MK", note="no")
    again = Trial.from_netcdf(desk.out)
    assert again.verdict == "refused"
    assert again.clock_maps["insole_left"].by_hand is not None
    assert again.clock_maps["insole_left"].by_hand.before.by_hand is None


def test_what_was_changed_and_not_decided_is_said(page: AsgiClient, desk: Desk) -> None:
    asked(page, "signals", start_s=20.0, end_s=21.0, shift_s=0.012)
    result = desk.result()
    assert result["written"] is None
    assert result["undecided"][0]["shift_s"] == 0.012
    # a page that is loaded again goes on where it was
    assert page.get("/api/review").json()["clocks"][0]["draft"]["shift_s"] == 0.012
    asked(page, "decide", accept=True, who="MK", shift_s=0.012)
    asked(page, "signals", start_s=20.0, end_s=21.0, shift_s=0.012)
    assert desk.result()["undecided"] == []


@pytest.mark.parametrize(
    ("what", "body", "why"),
    [
        ("decide", {"accept": True, "who": "  "}, "who decides"),
        ("decide", {"accept": True}, "who"),
        ("signals", {"start_s": 2.0, "end_s": 1.0}, "is none"),
        ("likelihood", {"clock": 7}, "there is no clock 7"),
        ("likelihood", {"shift_s": 1e9}, "shift_s"),
        ("likelihood", {"edits": [{"on": "device", "was_s": -5.0}]}, "there is no contact"),
        ("fit", {"shift_s": 3000.0}, "contacts"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(page: AsgiClient, what: str, body: dict[str, Any], why: str) -> None:
    answer = page.post(f"/api/{what}", {"clock": 0, **body})
    assert answer.status_code == 400
    assert why in answer.json()["error"]


def test_other_pages_and_people_are_refused(desk: Desk) -> None:
    client = AsgiClient(application(desk, port=PORT, token=TOKEN), HOST)
    assert client.get("/api/review").status_code == 401
    client.get(f"/?token={TOKEN}")
    body = {"clock": 0, "accept": True, "who": "X"}
    assert client.post("/api/decide", body, origin="http://evil.example").status_code == 403
    assert client.post("/api/decide", body).status_code == 403
    assert client.post("/api/finish").status_code == 403
    assert client.get("/api/review", host=f"evil.example:{PORT}").status_code == 421
    assert not desk.out.exists()


def test_finishing_ends_the_review(desk: Desk) -> None:
    finished = asyncio.Event()
    assert unguarded(desk, finished=finished).post("/api/finish").json()["decisions"] == []
    assert finished.is_set()


def test_an_existing_file_is_not_overwritten(desk: Desk) -> None:
    desk.out.write_text("mine")
    verdict = {"clock": 0, "accept": True, "who": "MK"}
    answer = unguarded(desk).post("/api/decide", verdict)
    assert answer.status_code == 400
    assert "--force" in answer.json()["error"]
    assert desk.out.read_text() == "mine"
    assert desk.decisions == {}


def test_a_refused_trial_over_plates_can_be_decided(tmp_path: Path) -> None:
    desk = a_desk(tmp_path, "overground")
    client = unguarded(desk)
    about = client.get("/api/review").json()
    assert about["verdict"] == "refused"
    assert about["clocks"][0]["reasons"]
    places = asked(client, "likelihood")["places"]
    answer = asked(client, "decide", accept=True, who="MK", shift_s=places[1]["shift_s"])
    assert answer["verdict"] == "aligned"
    assert desk.result()["verdict"] == "aligned"


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from grfkit.cli.sync import main; main()", "review", *map(str, arguments)]


def test_the_command_ends_with_ctrl_c_and_says_what_was_left(tmp_path: Path) -> None:
    a_trial().to_netcdf(tmp_path / "t.nc")
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command(tmp_path / "t.nc", "--no-browser", "--json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as running:
        assert running.stderr is not None
        said = running.stderr.readline()
        assert re.search(r"http://127\.0\.0\.1:\d+/\?token=", said), said
        running.send_signal(signal.SIGINT)
        output, trouble = running.communicate(timeout=60)
    assert trouble == ""
    result = json.loads(output)
    assert (result["written"], result["verdict"], result["decisions"]) == (None, "aligned", [])
    assert running.returncode == 0


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--out", "t.nc"), "stays as it is"),
        (("--out", "x.txt"), "netCDF4"),
        ((), "exists"),
    ],
)
def test_the_command_refuses_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], why: str
) -> None:
    from grfkit.cli.review_run import run_review

    monkeypatch.chdir(tmp_path)
    Path("t.nc").write_bytes(b"")
    Path("t.reviewed.nc").write_bytes(b"")
    out = Path(options[1]) if options else None
    with pytest.raises(BadInputError, match=re.escape(why)):
        run_review(Path("t.nc"), out=out, who="", port=0, browser=False, force=False)


def reviewed_run(tmp_path: Path, *options: str, decide: dict[str, Any] | None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run ``grf-sync --review`` on a refused recording, with a person who decides so."""
    from grfkit.cli import review_run
    from grfkit.cli.sync_run import run_trial

    lab = a_lab("overground")

    def serve(desk: Desk, *, port: int, browser: bool) -> None:
        page = unguarded(desk)
        assert page.get("/api/review").json()["verdict"] == "refused"
        if decide is not None:
            asked(page, "decide", who="MK", **decide)

    monkeypatch.setattr(review_run, "_serve", serve)
    monkeypatch.setattr("grfkit.cli.sync_run._check_file", lambda *_: None)
    monkeypatch.setattr(
        "grfkit.cli.sync_run.align", lambda **o: align(lab.reference, lab.wearables["insole"], **without_files(o))
    )
    given = {"reference": Path("a.c3d"), "wearables": (Path("b.csv"),), "surface": "overground"}
    given |= {"synchronised": False, "accept_refused": "--accept-refused" in options, "participant": "P01"}
    return run_trial(given, out=tmp_path / "t.nc", report=tmp_path / "t.html", force=False, review=True, browser=False)


def without_files(options: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in options.items() if k not in ("reference", "wearables")}


def test_a_refused_alignment_is_decided_before_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decide = {"accept": True, "note": "film"}
    summary, text, code = reviewed_run(tmp_path, decide=decide, monkeypatch=monkeypatch)
    trial = Trial.from_netcdf(tmp_path / "t.nc")
    assert (code, summary["verdict"], trial.verdict) == (0, "aligned", "aligned")
    assert summary["maps"][0]["by_hand"]["note"] == "film"
    assert "accepted by hand by MK: film" in text
    # the page kept the refused place; the user did not ask for refused trials
    assert trial.provenance.configuration["accept_refused"] is False
    assert "accepted by hand by MK" in (tmp_path / "t.html").read_text(encoding="utf-8")


def test_a_refused_alignment_that_nobody_decides_stays_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    summary, text, code = reviewed_run(tmp_path, decide=None, monkeypatch=monkeypatch)
    assert (code, summary["trial"], summary["verdict"]) == (3, None, "refused")
    assert not (tmp_path / "t.nc").exists()
    assert "nothing was decided, no trial was written" in text
    assert summary["maps"][0]["segments"] == []


def test_devices_without_plates_are_compared_with_the_first(tmp_path: Path) -> None:
    lab = simulate_trial(
        Condition(
            family="A", surface="treadmill", gait="run", duration_s=60.0, wearables=("insole", "imu"), gaps=False
        ),
        35_000_002,
    )
    trial = assemble(
        align(None, [lab.wearables["insole"], lab.wearables["imu"]], surface="treadmill", accept_refused=True)
    )
    desk = Desk(trial, tmp_path / "x.nc")
    client = unguarded(desk)
    clock = client.get("/api/review").json()["clocks"][0]
    assert clock["streams"] == ["imu_left", "imu_right"]
    assert clock["reference"].startswith("signal of insole_left")
    shown = asked(client, "signals", start_s=clock["look_s"], end_s=clock["look_s"] + 1.0)
    assert len(shown["reference"]["x"]) > 50
    likely = asked(client, "likelihood")
    assert likely["places"][0]["nats"] > 50
    assert abs(likely["places"][0]["shift_s"]) < 0.02


def test_contacts_are_put_only_where_something_was_recorded(page: AsgiClient) -> None:
    for side in ("device", "reference"):
        for now_s in (1e30, 1e8, -50.0):
            edit = {"on": side, "was_s": None, "now_s": now_s}
            answer = page.post("/api/likelihood", {"clock": 0, "edits": [edit]})
            assert answer.status_code == 400
            assert "recorded nothing at" in answer.json()["error"]
    asked(page, "likelihood", edits=[{"on": "device", "was_s": None, "now_s": 30.0}])


def test_a_clock_without_a_common_moment_or_of_no_clock_is_not_accepted(page: AsgiClient, desk: Desk) -> None:
    fitted = asked(page, "fit")["fitted"]
    for changed in ({"offset_s": 1e9}, {"drift_ppm": -2e6}, {"drift_ppm": 1e9}):
        answer = page.post("/api/decide", {"clock": 0, "accept": True, "who": "MK", "fitted": fitted | changed})
        assert answer.status_code == 400, answer.text
    answer = page.post("/api/decide", {"clock": 0, "accept": True, "who": "MK", "shift_s": 3000.0})
    assert "no moment in common" in answer.json()["error"]
    assert not desk.out.exists()
    asked(page, "decide", accept=False, who="MK", shift_s=3000.0)
