"""Films as files: taken by content, timed by their own stamps, and refused in one line where they are broken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from film_walks import film_recording
from grfkit import BadInputError, read
from grfkit.cli.inspect import app
from grfkit.io import sniff
from grfkit.records import Recording
from grfkit.video.containers import container_of, is_film
from grfkit.video.decode import open_film
from grfkit.video.recording import FilmOptions

STEP_S = 1 / 60
CLOCK = Fraction(1, 90000)


def write_film(path: Path, times_s: Sequence[float], *, size: tuple[int, int] = (64, 48)) -> Path:
    """Write a film whose pictures brighten from one to the next, each with its own stamp."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4" if path.suffix == ".avi" else "libx264", rate=60)
        stream.width, stream.height = size
        stream.pix_fmt, stream.time_base = "yuv420p", CLOCK
        stream.codec_context.time_base = CLOCK
        for number, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 10 + 4 * number, dtype=np.uint8), "rgb24")
            frame.pts, frame.time_base = round(time_s / CLOCK), CLOCK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_stamps_of_a_film_of_variable_rate_with_dropped_pictures_are_right_to_a_millisecond(
    tmp_path: Path, ending: str
) -> None:
    rng = np.random.default_rng(1)
    times = np.arange(40) * STEP_S + rng.uniform(0, 0.008, 40)
    times = np.delete(times, [7, 8, 9, 25])
    times -= times[0]
    frames = list(open_film(write_film(tmp_path / f"film{ending}", times)).frames())
    assert len(frames) == len(times)
    stamps = np.asarray([frame.time_s for frame in frames])
    np.testing.assert_allclose(stamps - stamps[0], times, atol=1e-3)
    brightness = [float(frame.image.mean()) for frame in frames]
    assert np.all(np.diff(brightness) > 1)


def test_a_film_is_told_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", np.arange(5) * STEP_S)
    renamed = film.rename(tmp_path / "film.csv")
    assert is_film(renamed)
    assert sniff(renamed).reader.name == "film"
    text = tmp_path / "walk.mp4"
    text.write_text("time [s],left_force [N]\n0.00,0\n0.01,350\n0.02,700\n", encoding="utf-8")
    assert not is_film(text)
    assert sniff(text).reader.name == "csv"
    assert not is_film(tmp_path / "none.mp4")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypisom", "MP4"),
        (b"\0\0\0\x14ftypqt  ", "QuickTime (MOV)"),
        (b"\0\0\0\x18ftypheic", ""),
        (b"\0\0\0\x18ftypM4A ", ""),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0", "Matroska or WebM"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"RIFF\0\0\0\0WAVEfmt ", ""),
        (b"", ""),
    ],
)
def test_containers_are_told_by_their_first_bytes(head: bytes, name: str) -> None:
    assert container_of(head) == name


def truncated(folder: Path) -> Path:
    film = write_film(folder / "film.mp4", np.arange(30) * STEP_S)
    film.write_bytes(film.read_bytes()[:600])
    return film


def broken_in_the_middle(folder: Path) -> Path:
    film = write_film(folder / "film.mkv", np.arange(30) * STEP_S)
    content = film.read_bytes()
    film.write_bytes(content[:200] + bytes(300) + content[500:900])
    return film


def sound_alone(folder: Path) -> Path:
    path = folder / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tiny(folder: Path) -> Path:
    return write_film(folder / "tiny.mp4", np.arange(10) * STEP_S, size=(2, 2))


def one_picture(folder: Path) -> Path:
    return write_film(folder / "one.mp4", [0.0])


def still(folder: Path) -> Path:
    path = folder / "still.mp4"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    return path


def only_a_head(folder: Path) -> Path:
    path = folder / "head.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom\0\0\0\0isomiso2")
    return path


HOSTILE = (truncated, broken_in_the_middle, sound_alone, tiny, one_picture, still, only_a_head)


@pytest.mark.parametrize("make", HOSTILE)
def test_a_film_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    with pytest.raises(BadInputError) as refusal:
        read(path)
    text = str(refusal.value)
    assert text.startswith(f"{path}: ")
    assert text.count(path.name) == 1
    assert "\n" not in text
    assert "did not expect" not in text


def test_options_of_films_are_refused_of_other_files(tmp_path: Path) -> None:
    path = tmp_path / "walk.csv"
    path.write_text("time [s],left_force [N]\n0.00,0\n0.01,350\n0.02,700\n", encoding="utf-8")
    with pytest.raises(BadInputError, match="is no film; leave out --near-side, --sheet"):
        CliRunner().invoke(
            app, [str(path), "--near-side", "left", "--sheet", str(tmp_path / "s.png")], catch_exceptions=False
        )


def test_a_real_film_is_described_with_a_contact_sheet(real_file: Callable[[str], Path], tmp_path: Path) -> None:
    film = real_file("sports2d_demo/demo.mp4")
    sheet = tmp_path / "sheet.png"
    shown = CliRunner().invoke(app, [str(film), "--sheet", str(sheet)])
    assert shown.exit_code == 0, shown.output
    text = " ".join(shown.stdout.split())
    assert "30.0 a second, 30.0 usually; for a force at least 50 are needed" in text
    assert "the walker goes to the left of the picture, the left side is near" in text
    assert sheet.read_bytes().startswith(b"\x89PNG")
    again = CliRunner().invoke(app, [str(film), "--sheet", str(sheet)])
    assert isinstance(again.exception, BadInputError)


def test_a_films_pictures_are_those_that_an_alignment_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from grfkit.sync.request import SyncRequest, read_source
    from grfkit.video import recording

    taken: list[FilmOptions] = []

    def reading(_: Path, options: FilmOptions) -> Recording:
        taken.append(options)
        return film_recording()

    monkeypatch.setattr(recording, "read_film", reading)
    film = tmp_path / "walk.mp4"
    film.write_bytes(b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + bytes(64))
    for asked, given in ((None, "silhouette"), ("Full frame", "full frame")):
        request = SyncRequest(reference=film, wearables=(film,), surface="overground", picture=asked)
        read_source(film, request)
        assert taken[-1].picture == given
    # trials that state no more than before are the same bytes as before
    assert "picture" not in SyncRequest(reference=film, wearables=(film,), surface="overground").configuration()
