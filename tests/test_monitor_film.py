"""A film or a camera live: stances after they ended, as of the film when it is over; what is skipped or refused."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from film_poses import RATE_HZ, KnownPoses, Pictures, walk_pictures
from film_walks import contacts, film_trial
from grfkit import train
from grfkit.cli.monitor import main
from grfkit.errors import BadInputError
from grfkit.monitor.film import FilmRequest, film_headless, words
from grfkit.monitor.film_answers import open_film_model
from grfkit.monitor.film_hub import FilmHub
from grfkit.monitor.messages import Command, Message, MonitorEvent, Snapshot, StanceShown
from grfkit.monitor.tui import head_text, health_text, is_old, numbers_text, top_text
from grfkit.video.live_source import Camera
from grfkit.video.watch import Watch

LEG_PX = 180.0
"""Hip to ankle along the knee in the trials of ``film_walks``."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("film")
    for k, speed in enumerate((1.1, 1.2, 1.3, 1.4, 1.5)):
        trial = film_trial(participant=f"P{k}", speed_m_s=speed, seed=k)
        # as a film's reader measures them: along the knee, and the floor under the feet
        about = {"leg_px": LEG_PX, "floor_px": 900.0}
        trial.tree["film/keypoints"] = trial.tree["film/keypoints"].to_dataset().assign_attrs(about)
        trial.to_netcdf(folder / f"walk{k}.nc")
    config = folder / "film.toml"
    config.write_text('method = "ridge"\n[cut]\nkinds = ["keypoints"]\nsource = "film"\nrule = "5%BW walking"\n')
    train([folder / f"walk{k}.nc" for k in range(5)], config=config, out=folder / "model")
    return folder / "model"


def watched(model: Path, source: Pictures, **options: object) -> tuple[FilmHub, list[Message]]:
    """Run a hub to the end of a source; return it and its messages."""
    messages: list[Message] = []
    watch = Watch(source.name, model=KnownPoses())  # type: ignore[arg-type]
    hub = FilmHub(source, watch, open_film_model(str(model)), mass_kg=70.0)

    async def run() -> None:
        """Listen to the end."""
        async with hub:
            messages.extend([message async for message in hub.subscribe()])

    asyncio.run(run())
    return hub, messages


def test_stances_are_told_once_each_after_they_ended_and_before_the_pass_is_over(model: Path) -> None:
    hub, messages = watched(model, Pictures(walk_pictures()))
    stances = [m for m in messages if isinstance(m, StanceShown)]
    assert hub.answers.passes
    (done,) = hub.answers.passes
    assert not done.refused, done.refused
    assert len(stances) == len(done.stances) >= 4
    truth = {"left": contacts("left", 3, 1.3), "right": contacts("right", 3, 1.3)}
    for stance in stances:
        side = ("left", "right")[stance.device]
        near = np.abs(truth[side][:, 0] - stance.start_s).min()
        assert near < 0.05, f"{side} foot at {stance.start_s}"
        assert stance.contact_s == pytest.approx(0.68, abs=0.08)
        assert 0.9 < stance.features["peak"] < 1.6
        assert not {"loading_rate", "vilr"} & set(stance.features), "60 pictures a second show none"
    assert len({(s.device, round(s.start_s, 1)) for s in stances}) == len(stances)
    # a page that opens late hears what was said
    opened = hub.subscribe()
    opened.end()

    async def heard() -> list[Message]:
        """Return what a late page gets."""
        return [message async for message in opened]

    assert any(isinstance(m, MonitorEvent) and m.text.startswith("pass 0.0") for m in asyncio.run(heard()))
    snapshots = [m for m in messages if isinstance(m, Snapshot)]
    assert snapshots[-1].film == "walk.mp4"
    assert "vertical" in (snapshots[-1].film_error or "") or "states no error" in (snapshots[-1].film_error or "")
    assert json.loads(snapshots[-1].to_json())["devices"][0]["estimate"]
    # the first was told while the walker still walked
    first = messages.index(stances[0])
    assert any(isinstance(m, MonitorEvent) and m.text.startswith("pass 0.0") for m in messages[first:])


def test_a_pass_that_is_refused_in_the_end_takes_its_stances_back(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grfkit.errors import RefusedError
    from grfkit.monitor import film_answers

    real = film_answers.FilmAnswers._estimate

    def late(self: object, watch: Watch) -> object:
        """Refuse the pass once it is over."""
        if watch.over:
            raise RefusedError("walk.mp4: the camera moves")
        return real(self, watch)  # type: ignore[arg-type]

    monkeypatch.setattr(film_answers.FilmAnswers, "_estimate", late)
    hub, messages = watched(model, Pictures(walk_pictures()))
    assert any(isinstance(m, StanceShown) for m in messages)
    (event,) = [m for m in messages if isinstance(m, MonitorEvent) and m.kind == "problem"]
    assert "the camera moves; its" in event.text
    assert "do not hold" in event.text
    assert [m.kind for m in messages if isinstance(m, MonitorEvent)][-1] == "clear"
    assert not hub.log.last()
    assert hub.answers.passes[0].to_json()["stances"] == []


def test_pictures_that_are_skipped_or_late_are_told(model: Path) -> None:
    hub, messages = watched(model, Pictures(walk_pictures(1, empty_s=0.1), late=4.0, skipped=20))
    problems = [m.text for m in messages if isinstance(m, MonitorEvent) and m.kind == "problem"]
    assert problems[0].startswith("this computer cannot keep up: 4.0 s behind, ")
    assert len([p for p in problems if "keep up" in p]) == 1, "said once"
    assert hub.snapshot().devices[0].samples_lost == 20


def test_a_hole_in_time_is_told_and_is_no_pass(model: Path) -> None:
    pictures = walk_pictures(1, empty_s=0.5)

    class Holed(Pictures):
        """No picture comes for 1.2 s, before it was known who walks."""

        def pictures(self) -> Iterator[tuple[float, np.ndarray]]:
            for time_s, picture in super().pictures():
                yield time_s + (1.2 if time_s > 0.65 else 0.0), picture if time_s < 0.65 else pictures[-1]

    hub, messages = watched(model, Holed(pictures))
    assert hub.answers.passes == []
    problems = [m.text for m in messages if isinstance(m, MonitorEvent) and m.kind == "problem"]
    assert any("no picture came for a second or more" in p for p in problems)


def test_the_terminal_shows_feet_of_a_film_and_no_insoles(model: Path) -> None:
    hub, _ = watched(model, Pictures(walk_pictures(), late=0.5))
    snapshot = hub.snapshot()
    foot = replace(snapshot.devices[0], state="streaming")
    assert top_text(snapshot).startswith("FILM: walk.mp4, stances appear after they ended")
    assert head_text(foot, float("nan"), None).endswith("pictures are looked at")
    assert not is_old(foot, None)
    assert re.fullmatch(r"contact 7\d\d ms  peak 1.\d\d BW", numbers_text(foot, ""))
    assert health_text(foot) == f"0 of 366 pictures skipped  stances {foot.stances}, told 0.5/0.5 s after they ended"


def test_commands_of_insoles_are_refused(model: Path) -> None:
    hub = FilmHub(Pictures([]), None, open_film_model(str(model)), mass_kg=70.0)  # type: ignore[arg-type]
    answer = asyncio.run(hub.command(Command(1, "tare")))
    assert answer["error"] == "'tare' is for insoles; this is a film"
    assert asyncio.run(hub.command(Command(2, "clear")))["ok"]


def test_nobody_and_a_source_without_pictures(model: Path) -> None:
    empty = Pictures([p for p in walk_pictures(1, empty_s=0.5) if not p[0, 0].any()])
    assert watched(model, empty)[0].answers.passes == []
    request = FilmRequest(film="0", model=str(model), mass_kg=70.0)
    with pytest.raises(BadInputError, match="gave no picture"):
        asyncio.run(film_headless(request, source=Pictures([])))
    with pytest.raises(BadInputError, match="state --mass KG"):
        asyncio.run(film_headless(FilmRequest(film="0")))
    summary = asyncio.run(film_headless(request, source=Pictures(walk_pictures(1, empty_s=0.1)[-6:])))
    assert "nobody walked through the picture" in words(summary)
    assert json.loads(json.dumps(summary, allow_nan=False))["skipped"] == 0


class Slow:
    """A camera of OpenCV that gives so many pictures at once."""

    def __init__(self, count: int) -> None:
        self.left, self.released, self.go = count, False, threading.Event()

    def read(self) -> tuple[bool, np.ndarray]:
        self.left -= 1
        picture = np.zeros((48, 64, 3), dtype=np.uint8)
        picture[..., 0] = 200  # blue, in OpenCV's order
        return self.left >= 0, picture

    def release(self) -> None:
        self.released = True


def test_a_camera_skips_what_does_not_fit_and_counts_it() -> None:
    one = 48 * 64 * 3
    capture = Slow(10)
    camera = Camera(0, capture=capture, waiting_bytes=4 * one)
    deadline = time.monotonic() + 5.0
    while not capture.released and time.monotonic() < deadline:
        time.sleep(0.01)
    given = list(camera.pictures())
    assert (len(given), camera.came, camera.skipped) == (4, 10, 6)
    assert given[0][0] == 0.0
    assert np.all(np.diff([t for t, _ in given]) >= 0.0)
    assert given[0][1][0, 0].tolist() == [0, 0, 200], "RGB"
    assert camera.late_s(0.0) > 0.0
    camera.close()


@pytest.mark.parametrize(
    ("words_", "told"),
    [
        (("--film", "none.mp4", "--mass", "70"), "none.mp4: cannot be read"),
        (("--film", "none.mp4", "--mass", "70", "--record", "x.grfrec"), "--record is of insoles and would do nothing"),
        (("--film", "none.mp4", "--mass", "70", "--serial", "/dev/x"), "--serial is of insoles"),
        (("--film", "none.mp4"), "state --mass KG"),
        (("--film", "none.mp4", "--mass", "70", "--near-side", "up"), "near side 'up' is not left or right"),
        (("--film", "91", "--mass", "70"), "no camera 91 answers"),
        (("--near-side", "left"), "name the film with --film"),
        (("--film", "none.mp4", "--mass", "70", "--model", "grfkit:running-landmarks"), "is no model of films"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_one_line(
    words_: tuple[str, ...],
    told: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with patch.object(sys, "argv", ["grf-monitor", *words_, "--headless"]), pytest.raises(SystemExit) as stop:
        main()
    err = capsys.readouterr().err
    assert stop.value.code == 2
    assert told in " ".join(err.split())
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_pass_is_over_when_the_walker_has_left_and_the_next_begins_anew() -> None:
    watch = Watch("walk.mp4", model=KnownPoses())  # type: ignore[arg-type]
    over_at = None
    for k, picture in enumerate(walk_pictures()):
        watch.look(k / RATE_HZ, picture)
        if watch.over:
            over_at = k / RATE_HZ
            break
    assert over_at is not None
    assert over_at == pytest.approx(0.35 + 3.85 + 0.4 + 1.0, abs=0.3), "a second after the last sighting"
    recording = watch.recording()
    assert recording.streams["keypoints"].attrs["near_side"] == "right"
    assert recording.streams["images"].attrs["picture"] == "silhouette"
    watch.restart()
    assert not watch.walker_seen
    with pytest.raises(BadInputError, match="nobody walks in it"):
        watch.recording()
