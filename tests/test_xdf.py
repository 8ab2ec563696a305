"""XDF: clocks that drift, wander and are set; one odd stream among good ones; files that end too early."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.formats.xdf import parse_xdf
from grfkit.io import read
from grfkit.records import Recording
from grfkit.signals.clock_offsets import clock_offsets
from xdf_files import chunk, markers, stream, xdf

CHANNELS = [("left_force", "N"), ("left_acc_x", "m/s^2")]


def _values(count: int) -> np.ndarray:
    return np.stack([400 + 300 * np.sin(0.06 * np.arange(count)), 9.8 + np.sin(0.2 * np.arange(count))], 1)


def _sole(stamps: np.ndarray, offsets: list[tuple[float, float]] | None = None, **more: object) -> list[bytes]:
    rate = float(more.pop("rate", 10))  # type: ignore[arg-type]
    pairs = offsets or []
    return stream(1, "Insole", CHANNELS, rate, stamps, _values(stamps.size), offsets=pairs, **more)  # type: ignore[arg-type]


def _read(tmp_path: Path, data: bytes) -> Recording:
    path = tmp_path / "a.xdf"
    path.write_bytes(data)
    return read(path)


def _times(recording: Recording, name: str = "insole_left") -> np.ndarray:
    """Return the time of each recorded sample on the recorder's clock."""
    data = recording.streams[name]
    recorded = np.isfinite(data["time_raw"].values)
    return np.asarray(data["time"].values[recorded] + recording.tree.attrs["first_stamp_s"])


# --- clock offsets


def test_a_drift_of_100_ppm_over_an_hour_is_taken_out_and_noted(tmp_path: Path) -> None:
    stamps = 5000 + np.arange(36000) / 10
    at = stamps[::50]
    noise = np.random.default_rng(0).normal(0, 3e-4, at.size)
    got = _read(tmp_path, xdf(_sole(stamps, list(zip(at, 100 + (at - 5000) * 1e-4 + noise)))))
    np.testing.assert_allclose(_times(got), stamps + 100 + (stamps - 5000) * 1e-4, atol=2e-5)
    about = got.streams["insole_left"].attrs
    assert about["clock_drift_ppm"] == pytest.approx(100, abs=0.05)
    assert about["clock_residual_ms"] == pytest.approx(0.3, abs=0.05)
    assert (about["clock_segments"], about["clock_offsets"]) == (1, 720)
    assert any("drifts by 100 ppm against the recorder's, 359.5 ms from end to end" in n for n in got.notes)
    np.testing.assert_array_equal(got.streams["insole_left"]["time_raw"], stamps)


def test_the_same_clock_is_no_drift_to_note(tmp_path: Path) -> None:
    stamps = 5000 + np.arange(6000) / 10
    noise = np.random.default_rng(1).normal(0, 3e-4, 120)
    got = _read(tmp_path, xdf(_sole(stamps, list(zip(stamps[::50], noise)))))
    assert got.notes == ()
    np.testing.assert_allclose(_times(got), stamps, atol=2e-4)


def test_a_clock_that_wanders_is_followed(tmp_path: Path) -> None:
    stamps = 5000 + np.arange(36000) / 10

    def true(t: np.ndarray) -> np.ndarray:
        return 100 + 0.01 * np.sin(2 * np.pi * (t - 5000) / 3600) + (t - 5000) * 2e-5

    noise = np.random.default_rng(2).normal(0, 3e-4, 720)
    got = _read(tmp_path, xdf(_sole(stamps, list(zip(stamps[::50], true(stamps[::50]) + noise)))))
    np.testing.assert_allclose(_times(got), stamps + true(stamps), atol=1.5e-3)
    assert any("wanders by up to" in n for n in got.notes)


def _held_up(offsets: np.ndarray) -> np.ndarray:
    held = np.random.default_rng(3)
    late = offsets.copy()
    late[held.choice(late.size, 72, replace=False)] += held.exponential(0.05, 72)
    return late


@pytest.mark.parametrize(
    "spoilt",
    [
        _held_up,
        lambda offsets: np.r_[offsets[:-1], 1e5],
        lambda offsets: np.r_[-7.0, offsets[1:]],
        lambda offsets: offsets + 2.0 * ((np.arange(720) >= 300) & (np.arange(720) < 303)),
        lambda offsets: np.where(np.arange(720) % 50 == 9, np.nan, offsets),
    ],
    ids=["a tenth held up", "last one garbage", "first one garbage", "three held up by 2 s", "some are no numbers"],
)
def test_offsets_that_are_off_move_nothing(spoilt: object) -> None:
    stamps = 5000 + np.arange(36000) / 10
    true = 100 + (stamps - 5000) * 1e-4
    placed = clock_offsets(stamps, stamps[::50], spoilt(true[::50]))  # type: ignore[operator]
    np.testing.assert_allclose(placed.shift_s, true, atol=2e-4)
    assert len(placed.lines) == 1


def test_without_offsets_time_stays_and_beside_measured_streams_this_is_noted(tmp_path: Path) -> None:
    stamps = 5000 + np.arange(100) / 10
    alone = _read(tmp_path, xdf(_sole(stamps)))
    np.testing.assert_array_equal(_times(alone), stamps)
    assert not [n for n in alone.notes if "clock offsets" in n]
    other = stream(2, "Shank", [("right_acc_x", "g")], 10, stamps, np.ones((100, 1)), offsets=[(5000.0, 3.0)])
    both = _read(tmp_path, xdf(_sole(stamps), other))
    assert any("'Insole' holds no clock offsets" in n for n in both.notes)
    np.testing.assert_allclose(_times(both, "imu_right"), stamps + 3.0)


def test_few_offsets_give_a_level_and_a_long_recording_beyond_them_is_noted(tmp_path: Path) -> None:
    stamps = 5000 + np.arange(1200) / 10
    one = _read(tmp_path, xdf(_sole(stamps, [(5000.0, 7.0)])))
    np.testing.assert_allclose(_times(one), stamps + 7.0)
    assert any("clock offsets (1) cover 0 of 119.9 s" in n for n in one.notes)
    # the second exchange was held up by 60 ms: no clock drifts by 12,000 ppm
    two = _read(tmp_path, xdf(_sole(stamps, [(5000.0, 7.0), (5005.0, 7.06)])))
    np.testing.assert_allclose(_times(two), stamps + 7.03)
    # three over the whole recording show its drift
    three = _read(tmp_path, xdf(_sole(stamps, [(t, 7 + (t - 5000) * 5e-4) for t in (5000.0, 5060.0, 5119.0)])))
    np.testing.assert_allclose(_times(three), stamps + 7 + (stamps - 5000) * 5e-4, atol=1e-3)


_BEFORE = 5000 + np.arange(1000) / 10
_RECORDER = np.concatenate([_BEFORE + 100, _BEFORE[-1] + 100 + 20 + np.arange(1000) / 10])


@pytest.mark.parametrize("later", [_BEFORE[-1] + 300, 10.0], ids=["set forward", "started anew"])
@pytest.mark.parametrize("every", [50, 500], ids=["many offsets", "two offsets a side"])
def test_a_clock_that_was_set_leaves_the_pause_that_there_was(tmp_path: Path, later: float, every: int) -> None:
    pyxdf = pytest.importorskip("pyxdf")
    stamps = np.concatenate([_BEFORE, later + np.arange(1000) / 10])
    offsets = list(zip(stamps[::every], (_RECORDER - stamps)[::every]))
    got = _read(tmp_path, xdf(_sole(stamps, offsets)))
    np.testing.assert_allclose(_times(got), _RECORDER, atol=1e-6)
    about = got.streams["insole_left"].attrs
    assert (about["clock_segments"], about["missing_samples"]) == (2, 199)
    moved = later - _BEFORE[-1] - 20
    assert any(f"set by {moved:.6g} s at sample 1001" in n and "leaves 20 s between" in n for n in got.notes)
    np.testing.assert_array_equal(got.streams["insole_left"]["time_raw"].dropna("time"), stamps)
    theirs = pyxdf.load_xdf(str(tmp_path / "a.xdf"), dejitter_timestamps=False)[0][0]["time_stamps"]
    np.testing.assert_allclose(_times(got), theirs, atol=1e-6)


def test_two_resets_make_three_stretches(tmp_path: Path) -> None:
    recorder = np.concatenate([_RECORDER, _RECORDER[-1] + 5 + np.arange(500) / 10])
    stamps = np.concatenate([_BEFORE, 10 + np.arange(1000) / 10, 7000 + np.arange(500) / 10])
    got = _read(tmp_path, xdf(_sole(stamps, list(zip(stamps[::50], (recorder - stamps)[::50])))))
    np.testing.assert_allclose(_times(got), recorder, atol=1e-6)
    assert got.streams["insole_left"].attrs["clock_segments"] == 3


def test_a_recorder_that_was_set_does_not_move_the_sender(tmp_path: Path) -> None:
    stamps = 5000 + np.arange(2000) / 10
    got = _read(tmp_path, xdf(_sole(stamps, [(t, 100.0 if t < 5100 else 400.0) for t in stamps[::50]])))
    np.testing.assert_allclose(_times(got), stamps + 100, atol=1e-6)
    assert any("recorder's clock was set by 300 s" in n for n in got.notes)


def test_a_pause_is_no_reset(tmp_path: Path) -> None:
    stamps = 5000 + np.arange(2000) / 10 + 50.0 * (np.arange(2000) >= 700)
    got = _read(tmp_path, xdf(_sole(stamps, [(t, 100.0) for t in stamps[::50]])))
    np.testing.assert_allclose(_times(got), stamps + 100)
    assert got.streams["insole_left"].attrs["clock_segments"] == 1


@given(st.floats(-300, 300), st.floats(-1e3, 1e6), st.integers(6, 400), st.integers(0, 2**32))
def test_any_drift_is_found_within_what_the_offsets_scatter(ppm: float, offset: float, count: int, seed: int) -> None:
    at = 1000 + 5.0 * np.arange(count)
    true = offset + (at - 1000) * ppm * 1e-6
    placed = clock_offsets(at, at, true + np.random.default_rng(seed).normal(0, 2e-4, count))
    np.testing.assert_allclose(placed.shift_s, true, atol=2.5e-3)
    assert (len(placed.lines), placed.recorder_set_s) == (1, [])


# --- the same samples as pyxdf


@pytest.mark.parametrize("fmt", ["double64", "float32", "int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("stamp_every", [1, 7, 50, 1000])
def test_samples_are_those_of_pyxdf(tmp_path: Path, fmt: str, stamp_every: int) -> None:
    pyxdf = pytest.importorskip("pyxdf")
    stamps = 5000 + np.arange(333) / 100
    values = np.random.default_rng(4).integers(-100, 100, (333, 2))
    path = tmp_path / "a.xdf"
    rows = stream(1, "Sole", CHANNELS, 100, stamps, values, fmt=fmt, stamp_every=stamp_every)
    path.write_bytes(xdf(rows, markers(2, "Marks", [(5000.0, "a"), (5001.5, "b"), (5002.0, "ä\t")])))
    theirs = pyxdf.load_xdf(str(path), synchronize_clocks=False, dejitter_timestamps=False)[0]
    ours = parse_xdf(path.read_bytes()).streams
    np.testing.assert_array_equal(ours[0].values, theirs[0]["time_series"])
    np.testing.assert_allclose(ours[0].stamps_s, theirs[0]["time_stamps"], atol=1e-9)
    assert ours[1].values == theirs[1]["time_series"]
    np.testing.assert_array_equal(ours[1].stamps_s, theirs[1]["time_stamps"])


# --- one odd stream among good ones

GOOD = 5000 + np.arange(300) / 100
MISC = [("a", ""), ("b", "")]


def _misc(channels: list[tuple[str, str]], stamps: np.ndarray = GOOD) -> list[bytes]:
    return stream(2, "Other", channels, 100, stamps, _values(stamps.size))


def _damaged_header() -> list[bytes]:
    return [chunk(2, struct.pack("<I", 2) + b"<info><name>Other</name><channel_count>2"), *_misc(MISC)[1:]]


def _damaged_chunk() -> list[bytes]:
    head, first, *rest = _misc(MISC)
    return [head, first[:16] + b"\x05" + first[17:], *rest]


def _back() -> np.ndarray:
    return GOOD - 0.02 * (np.arange(300) >= 150)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (_misc(MISC, _back()), "left out: time of the analog stream goes back by 0.01 s at row 151"),
        (_damaged_header(), "left out: its header is damaged"),
        (_damaged_chunk(), "left out: its chunk at byte"),
        (_misc([("left_force", "m"), ("b", "")]), "left out: column 'left_force' is in m"),
        (_misc([("right_force", "N"), ("right_force", "N")]), "left out: channel 'force' stands twice"),
        (_misc(MISC, np.r_[np.nan, GOOD[1:]]), "left out: time stamp 1 is none"),
        (_misc(MISC, GOOD * 1e12), "left out: time is"),
        (stream(2, "Other", MISC, 1e9, GOOD, _values(300)), "left out: it states 2 channels at"),
        ([*_misc(MISC), *_misc(MISC)], "left out: its number, 2, stands on two streams"),
        (_misc([("Temp [F]", ""), ("Rate", "")]), "channel 'Temp [F]': the unit in brackets is not known"),
        (_misc([("x", "uV"), ("x", "uV")]), "two channels 'x'; the later one is 'x_2'"),
        (markers(2, "Other", [(5001.0, "a"), (5003.0, "b"), (5002.9995, "c")]), "out of order (1, by up to 0.5 ms)"),
    ],
    ids=lambda v: v[:40] if isinstance(v, str) else "",
)
def test_an_odd_stream_costs_no_other_and_is_named(tmp_path: Path, other: list[bytes], says: str) -> None:
    for data in (xdf(_sole(GOOD, rate=100), other), xdf(other, _sole(GOOD, rate=100))):
        got = _read(tmp_path, data)
        np.testing.assert_array_equal(got.streams["insole_left"]["force"], _values(300)[:, 0])
        assert any("'Other'" in n and says in n for n in got.notes) or any("stream 2" in n for n in got.notes)
        assert any(says in n for n in got.notes)


def test_labels_without_a_letter_and_reserved_names_keep_their_values(tmp_path: Path) -> None:
    got = _read(tmp_path, xdf(_misc([("-", "uV"), ("time", "")])))
    other = got.streams["analog_other"]
    np.testing.assert_allclose(other["channel_01"], _values(300)[:, 0] * 1e-6)
    np.testing.assert_array_equal(other["time_2"], _values(300)[:, 1])


def test_markers_out_of_order_keep_their_labels(tmp_path: Path) -> None:
    marks = markers(2, "Marks", [(5001.0, "a"), (5003.0, "b"), (5002.0, "c"), (5004.0, "a")])
    events = _read(tmp_path, xdf(marks)).streams["events_marks"]
    assert [events.attrs["labels"][int(c)] for c in events["code"]] == ["a", "c", "b", "a"]
    np.testing.assert_array_equal(events["time_raw"], [5001, 5002, 5003, 5004])


def test_stamps_back_by_less_than_a_sample_stand(tmp_path: Path) -> None:
    stamps = GOOD.copy()
    stamps[100] -= 0.0105
    got = _read(tmp_path, xdf(_sole(stamps, rate=100)))
    data = got.streams["insole_left"]
    assert (data.sizes["time"], data.attrs["missing_samples"]) == (300, 0)
    assert any("go back by less than a sample (1, by up to 0.5 ms)" in n for n in got.notes)


def test_streams_of_one_name_are_two_clocks(tmp_path: Path) -> None:
    right = stream(2, "Insole", [("right_force", "N")], 100, GOOD, np.ones((300, 1)))
    got = _read(tmp_path, xdf(_sole(GOOD, rate=100), right))
    assert {s.attrs["clock"] for s in got.streams.values()} == {"insole", "insole_2"}


def test_where_every_stream_is_odd_the_file_is_refused_with_the_reasons(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=r"no stream that can be read; stream 'Other' is left out: .*goes back"):
        _read(tmp_path, xdf(_misc(MISC, _back())))


@pytest.mark.parametrize("scale", [0.5, 2.0, 1e3])
def test_stamps_that_contradict_the_nominal_rate_are_noted(tmp_path: Path, scale: float) -> None:
    got = _read(tmp_path, xdf(_sole(5000 + np.arange(300) / 100 * scale, rate=100)))
    assert any(f"states 100 Hz, but its stamps are {scale / 100:.3g} s apart" in n for n in got.notes)
    paused = 5000 + np.arange(300) / 100 + 30 * (np.arange(300) > 150)
    assert not [n for n in _read(tmp_path, xdf(_sole(paused, rate=100))).notes if "states" in n]


# --- a torn end


@pytest.mark.parametrize("packed", [False, True])
def test_a_torn_file_is_read_up_to_the_tear(tmp_path: Path, packed: bool) -> None:
    whole = xdf(_sole(GOOD, rate=100, per_chunk=300))
    for share in (0.3, 0.6, 0.9):
        cut = gzip.compress(whole, 0)[: int(share * len(whole))] if packed else whole[: int(share * len(whole))]
        path = tmp_path / ("a.xdfz" if packed else "a.xdf")
        path.write_bytes(cut)
        got = read(path)
        force = got.streams["insole_left"]["force"].values
        np.testing.assert_array_equal(force, _values(300)[: force.size, 0])
        assert abs(force.size - share * 300) < 30
        assert any("cut off or damaged at byte" in n and "whole samples of 'Insole'" in n for n in got.notes)
        assert not packed or any("packed file (gzip) is cut off" in n for n in got.notes)


def test_every_cut_gives_a_part_and_says_so_or_is_refused(tmp_path: Path) -> None:
    marks = markers(2, "Marks", [(5000.1, "a"), (5000.2, "bb"), (5000.3, "c")])
    whole = xdf(_sole(GOOD[:30], rate=100, per_chunk=8, stamp_every=3), marks)
    complete = parse_xdf(whole).streams
    for length in range(len(whole)):
        try:
            part = parse_xdf(whole[:length])
        except BadInputError:
            assert length < 4
            continue
        for got, true in zip(part.streams, complete):
            count = got.stamps_s.size
            np.testing.assert_array_equal(got.stamps_s, true.stamps_s[:count])
            assert np.asarray(got.values).tolist() == np.asarray(true.values).tolist()[:count]
        is_short = [s.stamps_s.size for s in part.streams] != [s.stamps_s.size for s in complete]
        at_chunk = not part.notes
        # between two chunks nothing is torn, but footers and samples are absent
        assert not is_short or not at_chunk or not all(s.has_footer for s in part.streams) or len(part.streams) < 2


def test_absent_samples_that_a_footer_counts_are_noted(tmp_path: Path) -> None:
    head, *chunks = _sole(GOOD, rate=100)
    got = _read(tmp_path, xdf([head, *chunks[1:]]))
    assert any("50 of the 300 samples of its footer are absent" in n for n in got.notes)
    assert not [n for n in _read(tmp_path, xdf(_sole(GOOD, rate=100))).notes if "footer" in n]


# --- channels without a unit, clocks measured before a header


def test_a_channel_named_as_an_insoles_without_a_unit_is_noted(tmp_path: Path) -> None:
    stamps = 5000 + np.arange(100) / 10
    bare = stream(1, "Sole", [("left_force", ""), ("left_acc_x", "m/s^2")], 10, stamps, _values(100))
    got = _read(tmp_path, xdf(bare))
    assert list(got.streams) == ["analog_sole", "imu_left"]
    (note,) = [n for n in got.notes if "unit" in n]
    assert note.startswith("stream 'Sole': left_force without a unit that is known: analog channels")
    other = stream(1, "Sole", [("left_force", "N"), ("temperature", "")], 10, stamps, _values(100))
    assert not [n for n in _read(tmp_path, xdf(other)).notes if "without a unit" in n]


def test_clock_offsets_that_stand_before_their_streams_header_count(tmp_path: Path) -> None:
    stamps = 5000 + np.arange(100) / 10
    early = [chunk(4, struct.pack("<Idd", 1, 5000.0, 2.0)), chunk(4, struct.pack("<Idd", 7, 5000.0, 9.0))]
    got = _read(tmp_path, xdf([*early, *_sole(stamps)]))
    np.testing.assert_allclose(_times(got), stamps + 2.0, atol=1e-6)
    assert "1 chunks of unknown kind, or of no stream, are left out" in got.notes
    got = _read(tmp_path, xdf([*early[:1], *_sole(stamps, [(5003.0, 2.0), (5006.0, 2.0)])]))
    np.testing.assert_allclose(_times(got), stamps + 2.0, atol=1e-6)
    assert got.streams["insole_left"].attrs["clock_offsets"] == 3
