"""Pictures that repeat the one before, and holes in a film's time."""

from __future__ import annotations

import numpy as np
import pytest

from grfkit.video.stamps import Repeats, about_time


def _share(kept: list[int], noise: float) -> float:
    """Return the repeated share of a bar that goes through the picture, some of whose pictures are shown again."""
    rng = np.random.default_rng(3)
    pictures = np.full((60, 90, 160, 3), 90, dtype=np.int16)
    for k, picture in enumerate(pictures):
        picture[20:80, 10 + 2 * k : 22 + 2 * k] = 200
    pictures = (pictures + rng.normal(0.0, noise, pictures.shape)).clip(0, 255).astype(np.uint8)
    repeats = Repeats()
    passed = list(repeats.watch((k / 60, pictures[source]) for k, source in enumerate(kept)))
    assert len(passed) == len(kept)
    return repeats.share(0, len(kept))


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_pictures_shown_again_are_counted(noise: float) -> None:
    assert _share(list(range(60)), noise) == 0.0
    assert _share([k // 2 * 2 for k in range(60)], noise) == pytest.approx(0.5, abs=0.02)
    assert _share([k * 2 // 5 for k in range(60)], noise) == pytest.approx(0.6, abs=0.03)  # 24 Hz shown at 60


def test_a_still_picture_and_a_single_one_say_nothing() -> None:
    assert _share([0] * 20, 0.0) == 0.0
    assert _share([0], 0.0) == 0.0


def test_holes_and_repeated_pictures_are_told() -> None:
    times = np.arange(60) / 60
    assert about_time(times, 0.0) == []
    uneven = times + np.random.default_rng(1).uniform(-0.005, 0.005, 60)
    assert about_time(uneven, 0.01) == []
    (hole,) = about_time(np.delete(times, range(30, 36)), 0.0)
    assert hole == "6 pictures of the walk seem to be missing; the longest hole is 0.12 s at 0.48 s"
    (again,) = about_time(times, 0.5)
    assert again == (
        "50 % of the walk's pictures repeat the one before: the film has about 30 pictures a second of its own, not 60"
    )
