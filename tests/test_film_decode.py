"""Is a film's time the container's own, is each picture upright, and is what is no film refused in a line?"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.video.containers import is_film
from grfkit.video.decode import CAPTURE_TAG, LARGEST_PX, open_film

av = pytest.importorskip("av")

CONTAINERS = ("mp4", "mov", "mkv", "avi", "3gp", "ts", "m2ts")


def write(
    path: Path,
    stamps_s: Sequence[float],
    size: tuple[int, int] = (96, 64),
    *,
    codec: str = "libx264",
    b_frames: int = 0,
    rate: int = 60,
) -> Path:
    """Write a film whose upper left corner is white, with these stamps."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        ticks = rate if path.suffix == ".avi" else 90_000
        stream.codec_context.time_base, stream.codec_context.thread_count = Fraction(1, ticks), 1
        stream.options = {"bf": str(b_frames), "preset": "ultrafast"} if codec == "libx264" else {}
        for stamp in stamps_s:
            image = np.full((size[1], size[0], 3), 20, dtype=np.uint8)
            image[: size[1] // 2, : size[0] // 2] = 250
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(stamp * ticks), Fraction(1, ticks)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def turned(path: Path, degrees: int) -> Path:
    """Return a copy of an MP4 film whose container says that it is shown turned clockwise."""
    one = 0x10000
    matrix = {0: (one, 0, 0, one), 90: (0, one, -one, 0), 180: (-one, 0, 0, -one), 270: (0, -one, one, 0)}[degrees]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    a, b, c, d = matrix
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    copy = path.with_name(f"turned_{degrees}.mp4")
    copy.write_bytes(data)
    return copy


def test_stamps_of_variable_rate_with_dropped_pictures_are_right_to_a_millisecond(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    stamps = np.arange(120) / 60 + rng.uniform(-0.002, 0.002, 120) + 0.5
    kept = np.delete(stamps, [30, 31, 32, 33, 80])
    film = open_film(write(tmp_path / "phone.mp4", kept, b_frames=2))
    times = np.array([frame.time_s for frame in film.frames()])
    np.testing.assert_allclose(times - times[0], kept - kept[0], atol=1e-3)
    index_over_rate = np.arange(len(kept)) / 60
    assert np.abs(index_over_rate - (kept - kept[0])).max() > 0.05


@pytest.mark.parametrize("ending", CONTAINERS)
def test_containers_of_phones_and_cameras_are_read_whatever_they_are_called(ending: str, tmp_path: Path) -> None:
    stamps = np.arange(12) / 60
    film = write(tmp_path / f"walk.{ending}", stamps).rename(tmp_path / "walk.csv")
    assert is_film(film)
    opened = open_film(film)
    times = np.array([frame.time_s for frame in opened.frames()])
    np.testing.assert_allclose(times - times[0], stamps, atol=1e-3)
    assert len(times) == 12


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_pictures_are_turned_upright(degrees: int, tmp_path: Path) -> None:
    film = open_film(turned(write(tmp_path / "walk.mp4", np.arange(4) / 60), degrees))
    image = next(film.frames()).image
    assert (film.width, film.height) == ((64, 96) if degrees in (90, 270) else (96, 64))
    rows, columns = image.shape[:2]
    corners = {
        "upper left": image[4, 4],
        "upper right": image[4, columns - 5],
        "lower right": image[rows - 5, columns - 5],
        "lower left": image[rows - 5, 4],
    }
    brightest = max(corners, key=lambda name: int(corners[name].sum()))
    assert brightest == ["upper left", "upper right", "lower right", "lower left"][degrees // 90]
    assert film.stored_px == (96, 64)


def test_pictures_of_8k_are_scaled_while_they_are_decoded(tmp_path: Path) -> None:
    film = open_film(write(tmp_path / "large.mp4", [0.0, 1 / 60], (7680, 4320)))
    assert film.stored_px == (7680, 4320)
    assert (film.width, film.height) == (LARGEST_PX, 1080)
    assert [frame.image.shape for frame in film.frames()] == [(1080, LARGEST_PX, 3)] * 2


def test_what_is_no_film_is_refused_in_one_line(tmp_path: Path) -> None:
    good = write(tmp_path / "walk.mp4", np.arange(30) / 60)
    cases = {
        "empty.mp4": (b"", r"is empty \(0 bytes\)"),
        "text.mp4": (b"ffconcat version 1.0\nfile walk.mp4\n", "is of no format of films"),
        "picture.mp4": (b"\x89PNG\r\n\x1a\n" + bytes(200), r"is a picture \(PNG\); give an MP4"),
        "photo.mp4": (b"\0\0\0\x18ftypheic" + bytes(200), "is a photograph"),
        "truncated.mp4": (good.read_bytes()[:400], "is no film that can be decoded"),
        "noise.mp4": (b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 4, "is no film that can be decoded"),
    }
    for name, (data, expected) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(BadInputError, match=expected) as refusal:
            open_film(tmp_path / name)
        assert "\n" not in str(refusal.value)
    with pytest.raises(BadInputError, match="is a folder"):
        open_film(tmp_path)
    with pytest.raises(BadInputError, match=r"no\.mp4: cannot be read"):
        open_film(tmp_path / "no.mp4")
    with pytest.raises(BadInputError, match="holds a single picture"):
        open_film(write(tmp_path / "one.mp4", [0.0]))
    with pytest.raises(BadInputError, match="has pictures of 1 x 1 px"):
        open_film(write(tmp_path / "dot.avi", [0.0, 1 / 60], (1, 1), codec="mjpeg"))


def test_a_film_without_pictures_and_one_of_sound_alone_are_refused(tmp_path: Path) -> None:
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(BadInputError, match=r"sound\.mp4: holds no film \(only audio\)"):
        open_film(sound)


def test_a_film_cut_off_in_transfer_says_where_it_breaks_off_or_that_it_is_short(tmp_path: Path) -> None:
    whole = write(tmp_path / "walk.mkv", np.arange(240) / 60)
    film = open_film(whole)
    assert sum(1 for _ in film.frames()) == 240
    assert not film.findings
    part = tmp_path / "part.mkv"
    data = whole.read_bytes()
    part.write_bytes(data[: len(data) // 2])
    try:
        film = open_film(part)
        count = sum(1 for _ in film.frames())
    except BadInputError as error:
        assert "breaks off" in str(error)  # noqa: PT017
    else:
        assert 2 <= count < 240
        assert "cut short" in film.findings[0]


@pytest.mark.parametrize(("stated", "rate"), [("240.000000", 240.0), ("", np.nan), ("fast", np.nan), ("-1", np.nan)])
def test_the_rate_that_a_phone_s_camera_states_is_read(tmp_path: Path, stated: str, rate: float) -> None:
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        if stated:
            container.metadata[CAPTURE_TAG] = stated
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height = 64, 48
        for k in range(4):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * k, dtype=np.uint8), format="rgb24")
            frame.pts = k
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    np.testing.assert_equal(open_film(path).captured_hz, rate)
