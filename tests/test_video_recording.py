"""A film read whole: its stamps, the walker of a rendered film and of a real one, and films that are refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from grfkit.errors import BadInputError, RefusedError
from grfkit.provenance import describe_input
from grfkit.records import Recording
from grfkit.video import recording
from grfkit.video.decode import open_film
from grfkit.video.pose import POINTS
from grfkit.video.recording import FilmOptions, read_film

av = pytest.importorskip("av")


def _write(path: Path, pictures: Sequence[np.ndarray], stamps_s: Sequence[float]) -> Path:
    """Write pictures as a film with these stamps."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, 90_000)
        stream.codec_context.thread_count = 1
        stream.options = {"bf": "0", "preset": "veryfast"}
        for picture, stamp in zip(pictures, stamps_s):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(stamp * 90_000), Fraction(1, 90_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _film(path: Path, stamps_s: Sequence[float], size: tuple[int, int] = (64, 48)) -> Path:
    """Write a film of one textured picture with these stamps."""
    texture = np.random.default_rng(5).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return _write(path, [texture] * len(stamps_s), stamps_s)


def test_the_stamps_are_the_container_s_own(tmp_path: Path) -> None:
    stamps = [0.0, 0.016, 0.035, 0.05, 0.12, 0.133]
    film = open_film(_film(tmp_path / "phone.mp4", stamps))
    assert (film.width, film.height) == (64, 48)
    for _ in range(2):  # decoded anew each time
        frames = list(film.frames())
        np.testing.assert_allclose([frame.time_s for frame in frames], stamps, atol=1e-4)
    assert frames[0].image.shape == (48, 64, 3)
    assert film.findings == ()


def test_files_that_are_no_film_are_refused_in_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\x00\x00\x00\x18ftypmp42" + b"\xff" * 300)
    with pytest.raises(BadInputError, match=r"^broken.mp4: is no film that can be decoded \([^\n]*\)$"):
        open_film(broken)
    with pytest.raises(BadInputError, match="cannot be read"):
        open_film(tmp_path / "missing.mp4")
    sound = tmp_path / "sound.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    with pytest.raises(BadInputError, match=r"sound.wav: is a sound file \(WAV\)"):
        open_film(sound)
    whole = _film(tmp_path / "whole.mp4", list(np.arange(60) / 30))
    part = tmp_path / "part.mp4"
    part.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(BadInputError, match=r"part.mp4: "):
        list(open_film(part).frames())


def test_a_film_of_nobody_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"empty.mp4: nobody was found; film one person whole, from the side"):
        read_film(_film(tmp_path / "empty.mp4", list(np.arange(12) / 30), (320, 240)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"near_side": "front"}, "near side 'front' is not left or right"),
        ({"picture": "colour"}, "picture 'colour' is not silhouette, grey, full frame"),
        ({"start_s": 3.0, "end_s": 2.0}, "from 3 s to 2 s has no length"),
    ],
)
def test_wrong_options_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        FilmOptions(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("heading", "bright"), [(1.0, slice(0, 10)), (-1.0, slice(30, 40))])
def test_whole_pictures_are_turned_so_that_every_walker_goes_to_the_right(heading: float, bright: slice) -> None:
    picture = np.zeros((60, 80, 3), dtype=np.uint8)
    picture[:, :20] = 200  # on the left of the film
    film = SimpleNamespace(frames=lambda: iter([SimpleNamespace(time_s=0.0, image=picture)]))
    walker = SimpleNamespace(times=np.zeros(1), points=np.zeros((1, 33, 2)))
    walk = SimpleNamespace(heading=heading)
    images = recording._pictures(film, walker, walk, FilmOptions(picture="full frame"))  # type: ignore[arg-type]
    assert images[0][:, bright].min() > 150
    assert np.delete(images[0], np.arange(40)[bright], axis=1).max() < 120


@pytest.mark.recordings
@pytest.mark.slow
def test_the_walker_of_a_real_film_is_read_without_a_hand(real_file: Callable[[str], Path], tmp_path: Path) -> None:
    path = real_file("sports2d_demo/demo.mp4")
    steps: list[str] = []
    # a second and a half of the film, in which a man jumps on a block while a woman walks to the left
    options = FilmOptions(start_s=2.6, end_s=4.1, progress=lambda step, _: steps.append(step))
    recording = read_film(path, options)
    keypoints, images = recording.streams["keypoints"], recording.streams["images"]
    assert list(keypoints["landmark"].values) == list(POINTS)
    assert keypoints["position"].shape == (45, 33, 2)
    assert images["image"].shape == (45, 40, 40)
    about = keypoints.attrs
    assert about["legs_put_right"] >= 0
    assert (about["heading"], about["near_side"], about["people"]) == (-1.0, "left", 2)
    assert about["leg_px"] == pytest.approx(187, abs=8)
    assert about["floor_px"] == pytest.approx(928, abs=10)
    assert (images.attrs["mirrored"], images.attrs["picture"]) == (1, "silhouette")
    assert recording.provenance.inputs == [describe_input(path)]
    assert recording.provenance.configuration == {"picture": "silhouette", "start_s": 2.6, "end_s": 4.1}
    assert {"searching", "following"} == set(steps)
    # her left heel is farthest ahead (left) at 2.63 s and 3.87 s of the film, her right one at 3.27 s; SOURCE.md
    ahead = {
        s: (keypoints["position"].sel(landmark=f"heel_{s}") - _hips(keypoints)).values[:, 0] for s in ("left", "right")
    }
    times = keypoints["time"].values + float(recording.tree.attrs["first_stamp_s"])
    late = times > 3.4
    assert times[late][np.argmin(ahead["left"][late])] == pytest.approx(3.87, abs=0.05)
    assert times[np.argmin(ahead["right"])] == pytest.approx(3.27, abs=0.05)
    assert 255 * 150 < images["image"].values[20].astype(int).sum() < 255 * 500
    recording.to_netcdf(tmp_path / "film.nc")
    again = Recording.from_netcdf(tmp_path / "film.nc")
    assert again.streams["keypoints"].attrs == keypoints.attrs
    with pytest.raises(RefusedError, match="does not walk"):  # the man on the block
        read_film(path, FilmOptions(start_s=3.0, end_s=4.1, walker=1))
    followed = tmp_path / "followed.mp4"
    with av.open(str(path)) as source:
        pictures = [f.to_ndarray(format="rgb24") for f, _ in zip(source.decode(video=0), range(108))][72:]
    _write(followed, [p[100:900, 600 - 9 * i : 1500 - 9 * i] for i, p in enumerate(pictures)], np.arange(36) / 30)
    with pytest.raises(RefusedError, match=r"the camera moves .* put it on a tripod"):
        read_film(followed)


def _hips(keypoints):  # type: ignore[no-untyped-def]
    return keypoints["position"].sel(landmark=["hip_left", "hip_right"]).mean("landmark")
