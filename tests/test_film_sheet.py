"""The contact sheet of a film: contacts are drawn where the film shows them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from film_walks import contacts, film_recording
from grfkit.video.decode import Frame

cv2 = pytest.importorskip("cv2")


class _Grey:
    """A film of grey pictures, one a sixtieth of a second."""

    def frames(self) -> list[Frame]:
        return [Frame(i, i / 60, np.full((1080, 1920, 3), 90, dtype=np.uint8)) for i in range(330)]


def test_a_foot_that_stands_has_a_line_under_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from grfkit.video import sheet

    monkeypatch.setattr(sheet, "open_film", lambda _: _Grey())
    recording = film_recording()
    points = recording.streams["keypoints"]
    stands = sheet._stands(points)
    for side in ("left", "right"):
        begun = contacts(side, 4, 1.3)[:, 0]
        assert len(stands[side]) >= 2
        assert max(float(np.abs(begun - a).min()) for a, _ in stands[side]) < 0.06
    points = points.assign(time_raw=("time", points["time"].values))
    recording = recording.replaced({"keypoints": points})
    lined = cv2.imdecode(np.frombuffer(sheet.contact_sheet(Path("a.mp4"), recording), np.uint8), cv2.IMREAD_COLOR)
    monkeypatch.setattr(sheet, "_stands", lambda _: {"left": [], "right": []})
    plain = cv2.imdecode(np.frombuffer(sheet.contact_sheet(Path("a.mp4"), recording), np.uint8), cv2.IMREAD_COLOR)
    assert lined.shape == plain.shape
    changed = np.abs(lined.astype(int) - plain).max(axis=2) > 40
    rows = np.flatnonzero(changed[: sheet.TILE_PX[1]].any(axis=1))
    assert rows.max() > 0.8 * sheet.TILE_PX[1]  # under the feet, and beside the time
    assert rows.min() < 30


def test_the_first_picture_says_which_side_has_which_colour_and_unknown_contacts_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from grfkit.video import sheet

    monkeypatch.setattr(sheet, "open_film", lambda _: _Grey())
    written: list[str] = []
    monkeypatch.setattr(sheet, "_label", lambda *given: written.append(str(given[1])))
    recording = film_recording()
    points = recording.streams["keypoints"]
    points = points.assign(time_raw=("time", points["time"].values))
    monkeypatch.setattr(sheet, "_stands", lambda _: {"left": [(1.0, 2.0)], "right": [(2.2, 3.0)]})
    sheet.contact_sheet(Path("a.mp4"), recording.replaced({"keypoints": points}))
    near = points.attrs["near_side"]
    assert [f"orange: {near} side, near the camera", f"blue: {'right' if near == 'left' else 'left'} side"] == [
        text for text in written if text.startswith(("orange", "blue"))
    ]
    times = {float(text.split(" s")[0]): text for text in written if text[0].isdigit()}
    assert all(("not known" in text) == (not 1.0 <= at <= 3.0) for at, text in times.items())
