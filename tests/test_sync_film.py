"""A film as a device of alignment: aligned where contacts decide, else refused, its pictures taken along."""

from __future__ import annotations

import importlib
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from tools.bench.images.side_film import phantom_film
from typer.testing import CliRunner

from grfkit import align, assemble, simulate_trial
from grfkit.errors import BadInputError, RefusedError
from grfkit.gait.stances import find_stances
from grfkit.provenance import Provenance
from grfkit.records import Recording, make_images, make_recording
from grfkit.simulate.lab import LabTrial
from grfkit.sync.request import SyncRequest, read_source
from grfkit.sync.table_sessions import read_table
from grfkit.video.recording import FilmOptions

SEED, OFFSET_S = 512, 11.3
PHANTOM_MS = 30.0
"""A phantom's feet come to rest later than real ones do, seen from the side."""


@lru_cache(maxsize=3)
def lab(surface: str, seed: int = SEED, hits: int | None = None) -> LabTrial:
    """Return a walk of a minute over plates or on two belts."""
    options = {"split_belt": True} if surface == "treadmill" else {"hits": hits}
    return simulate_trial(seed=seed, surface=surface, gait="walk", wearables=("landmarks",), duration_s=75, **options)  # type: ignore[arg-type]


def film(trial: LabTrial, *, start_s: float = 1.0, end_s: float = 74.0, **options: float) -> Recording:
    """Return its film on a clock of its own, with pictures."""
    stream = phantom_film(
        trial.truth, start_s=start_s, end_s=end_s, offset_s=OFFSET_S, seed=SEED, **options  # type: ignore[arg-type]
    )  # fmt: skip
    time = stream["time"].values
    pictures = np.zeros((time.size, 4, 4), dtype=np.uint8)
    pictures[:, 0, 0] = np.arange(time.size) % 256
    streams = {"keypoints": stream, "images": make_images(pictures, time, picture="silhouette")}
    return make_recording(streams, device="film", reader="film", provenance=Provenance())


def error_ms(alignment: object, recording: Recording) -> float:
    """Return how far the film's clock map is off, ms; a recording's clock shows 0 at its first stamp."""
    clock_map = alignment.maps["keypoints"]  # type: ignore[attr-defined]
    at = recording.streams["keypoints"]["time"].values[::100]
    true = at + recording.tree.attrs.get("first_stamp_s", 0.0) + OFFSET_S
    return 1e3 * float(np.nanmean(clock_map.apply(at) - true))


@pytest.mark.parametrize("surface", ["treadmill", "overground"])
def test_a_film_aligns_and_its_pictures_come_along(surface: str, tmp_path: Path) -> None:
    trial, recording = lab(surface), film(lab(surface))
    recording.to_netcdf(tmp_path / "film.nc")
    alignment = align(trial.reference, tmp_path / "film.nc", surface=surface)  # type: ignore[arg-type]
    assert alignment.verdict == "aligned", alignment.messages
    clock_map = alignment.maps["keypoints"]
    assert abs(error_ms(alignment, recording)) < PHANTOM_MS
    assert clock_map.uncertainty_ms is not None
    assert clock_map.uncertainty_ms > 20.0
    made = assemble(alignment)
    assert {"keypoints", "images"} <= set(made.streams)
    np.testing.assert_array_equal(made.streams["images"]["time"], made.streams["keypoints"]["time"])
    np.testing.assert_array_equal(made.streams["images"]["image"], recording.streams["images"]["image"])
    stances = find_stances(made, source="film").stances
    table, foot = trial.truth.contacts, [s.side == "left" for s in stances]
    late = [np.abs(table.onset_s[table.left == left] - s.ic_s).min() for s, left in zip(stances, foot)]
    assert len(stances) > 10
    assert max(late) < 0.06


def test_another_person_s_film_is_refused() -> None:
    alignment = align(lab("treadmill").reference, film(lab("treadmill", SEED + 1)), surface="treadmill")
    assert alignment.verdict == "refused"


def one_pass(crossing_s: float) -> tuple[Recording, Recording, float]:
    """Return plates and film of one pass, and the true offset."""
    trial = lab("overground")
    cut = {
        name: stream.isel(time=np.flatnonzero(np.abs(stream["time"].values - crossing_s) < 1.5))
        for name, stream in trial.reference.streams.items()
    }
    plates = make_recording(cut, device="plates", reader="virtual", provenance=Provenance())
    filmed = film(trial, start_s=crossing_s - 2.0, end_s=crossing_s + 2.0)
    first = float(filmed.tree.attrs["first_stamp_s"]) + OFFSET_S
    return plates, filmed, first - float(plates.tree.attrs["first_stamp_s"])


def crossings() -> list[float]:
    crossing = lab("overground").truth.ground.crossing_s
    return [float(c) for c in crossing[crossing > 6.0]]


def test_one_pass_with_a_contact_on_each_plate_is_refused_and_aligned_where_the_offset_is_stated() -> None:
    plates, filmed, offset_s = one_pass(crossings()[0])
    refused = align(plates, filmed, surface="overground")
    assert refused.verdict == "refused"
    assert refused.maps["keypoints"].offset_s is None
    stated = align(plates, filmed, surface="overground", offset_s=offset_s)
    assert stated.verdict == "aligned", stated.messages
    assert stated.maps["keypoints"].check == "unclear"
    assert {"keypoints", "images"} <= set(assemble(stated).streams)


def test_a_stated_offset_is_held_against_the_few_contacts_of_one_pass() -> None:
    plates, filmed, offset_s = one_pass(crossings()[1])  # two hits
    told = {}
    for off_s in (0.0, 3.2, 0.26):
        clock_map = align(plates, filmed, surface="overground", offset_s=offset_s + off_s).maps["keypoints"]
        told[off_s] = clock_map.check, " ".join([*clock_map.findings, *clock_map.reasons]), clock_map.verdict
    assert told[0.0][0] == "unclear"
    assert told[3.2][::2] == ("doubtful", "aligned")
    assert "more than a stance" in told[3.2][1]
    assert told[0.26][::2] == ("contradicts", "refused")
    assert "2 of 2 contacts on the plates have no landing" in told[0.26][1]


def test_pictures_without_keypoints_are_nothing_to_align() -> None:
    whole = film(lab("treadmill"))
    alone = whole.replaced({"images": whole.streams["images"]})
    with pytest.raises(Exception, match="keypoints stream to align"):
        align(lab("treadmill").reference, alone, surface="treadmill")


def test_plates_tell_their_feet_by_the_film() -> None:
    trial = lab("overground")
    made = assemble(align(trial.reference, film(trial), surface="overground"))
    found = find_stances(made, source="force", rule="20N walking")
    assert sum(s.side != "unknown" for s in found.stances) >= 0.8 * len(found.stances) > 3
    table = trial.truth.contacts
    for stance in found.stances:
        true = "left" if table.left[np.argmin(np.abs(table.onset_s - stance.ic_s))] else "right"
        assert stance.side in (true, "unknown")


def test_the_walker_of_a_film_is_chosen_by_one_option_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "two.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom a film")
    asked: list[FilmOptions] = []

    def two(_: object, options: FilmOptions) -> Recording:
        asked.append(options)
        raise RefusedError("two.mp4: 2 people walk through the picture; say whose with --walker left")

    monkeypatch.setattr("grfkit.video.recording.read_film", two)
    with pytest.raises(RefusedError, match="--walker left"):
        read_source(path, SyncRequest(wearables=(path,), surface="treadmill", walker="Right"))
    table = tmp_path / "table.csv"
    table.write_text("film,reference,surface,out,walker\ntwo.mp4,plates.c3d,overground,t.nc,1\n", encoding="utf-8")
    (row,) = read_table(table, {})
    with pytest.raises(RefusedError, match="--walker left"):
        read_source(path, row.request)
    film_app = [("estimate", ["grfkit:walking-side-view", str(path), "--out", str(tmp_path / "o.csv")])]
    film_app += [("inspect", [str(path)])]
    for name, arguments in film_app:
        command = importlib.import_module(f"grfkit.cli.{name}")
        with pytest.raises(RefusedError):
            CliRunner().invoke(command.app, [*arguments, "--walker", "left"], catch_exceptions=False)
    assert [options.walker for options in asked] == ["right", "1", "left", "left"]


def test_a_walker_is_of_a_film_and_left_right_or_a_number(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("time [s],left_force [N]\n0.00,0\n0.01,350\n0.02,700\n", encoding="utf-8")
    other = tmp_path / "b.csv"
    other.write_text("time [s],right_force [N]\n0.00,0\n0.01,350\n0.02,700\n", encoding="utf-8")
    with pytest.raises(BadInputError, match=r"walker in Python.* is of a film"):
        align(path, other, surface="treadmill", walker=0)
    with pytest.raises(BadInputError, match="walker"):
        align(path, other, surface="treadmill", walker="middle")
    with pytest.raises(BadInputError, match="said by --walker left"):
        align(path, other, surface="treadmill", person="left")
