"""Recording, ClockMap and Trial: are gaps kept, bytes the same, maps inverted, refusals empty, origins told?"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from grfkit.artefacts import written_whole
from grfkit.errors import BadInputError, UnitError
from grfkit.provenance import InputFile, Provenance, describe_input
from grfkit.records import (
    Channel,
    ClockMap,
    Knot,
    Prior,
    Recording,
    Segment,
    Trial,
    make_landmarks,
    make_recording,
    make_stream,
    read_tree,
)


def _stream(values: np.ndarray, time: np.ndarray, **more: object) -> xr.Dataset:
    return make_stream([Channel("force", values, "N")], time, kind="insole", **more)  # type: ignore[arg-type]


def _recording(seed: int = 1) -> Recording:
    rng = np.random.default_rng(seed)
    time = np.delete(np.arange(400) / 100.0, [50, 51, 200])
    streams = {
        side: make_stream(
            [Channel("force", rng.normal(size=time.size), "N"), Channel("acc_x", rng.normal(size=time.size), "g")],
            time,
            kind="insole",
            side=side,  # type: ignore[arg-type]
        )
        for side in ("left", "right")
    }
    made = Provenance(command="test", inputs=[InputFile(name="a.txt", sha256="0" * 64, size_bytes=3)])
    return make_recording(
        {f"insole_{k}": v for k, v in streams.items()}, device="test", reader="none", provenance=made, notes=["a note"]
    )


# --- make_stream


@given(st.sets(st.integers(1, 198), max_size=17), st.floats(10, 1000))
def test_every_missing_sample_gets_a_row_of_nan(lost: set[int], rate_hz: float) -> None:
    whole = np.arange(200) / rate_hz
    keep = np.asarray([k not in lost for k in range(200)])
    stream = _stream(np.arange(200.0)[keep], whole[keep])
    assert stream.sizes["time"] == 200
    np.testing.assert_allclose(stream["time"].values, whole, atol=1e-9)
    np.testing.assert_array_equal(np.isnan(stream["force"].values), ~keep)
    np.testing.assert_array_equal(stream["force"].values[keep], np.arange(200.0)[keep])
    np.testing.assert_array_equal(np.isnan(stream["time_raw"].values), ~keep)
    np.testing.assert_array_equal(stream["time_raw"].values[keep], whole[keep])
    holes = int(np.count_nonzero(np.diff(np.flatnonzero(keep)) > 1))
    assert (stream.attrs["missing_samples"], stream.attrs["gaps"]) == (len(lost), holes)
    assert stream.attrs["rate_hz"] == pytest.approx(rate_hz, rel=1e-6)


def test_a_hole_of_more_than_ten_seconds_gets_one_row() -> None:
    time = np.concatenate([np.arange(500), np.arange(2000, 2500)]) / 100.0
    stream = _stream(np.ones(1000), time)
    assert stream.sizes["time"] == 1001
    assert np.isnan(stream["force"].values[500])
    assert stream.attrs["missing_samples"] == 1500
    assert time[499] < stream["time"].values[500] < time[500]


def test_irregular_stamps_are_left_as_they_are() -> None:
    time = np.repeat(np.arange(50) * 0.08, 4)  # bursts of four
    stream = _stream(np.ones(200), time, stamp_source="host")
    assert stream.sizes["time"] == 200
    np.testing.assert_array_equal(stream["time"].values, time)
    assert stream.attrs["missing_samples"] == 0
    assert stream.attrs["rate_hz"] == pytest.approx(199 / (49 * 0.08))


def test_missing_values_are_counted_beside_missing_rows() -> None:
    values = np.ones(99)
    values[[3, 4]] = np.nan
    stream = _stream(values, np.delete(np.arange(100) / 50.0, 40))
    assert stream.attrs["missing_samples"] == 3


def test_values_are_si_and_say_what_they_were() -> None:
    time = np.arange(0, 100, 10.0)
    stream = make_stream(
        [Channel("acc_x", np.full(10, 2.0), "g", "sensor", "AccX (g)"), Channel("force", np.full(10, 9.0), "adc")],
        time,
        kind="insole",
        time_unit="ms",
    )
    np.testing.assert_allclose(stream["acc_x"].values, 19.6133)
    about = {k: stream["acc_x"].attrs[k] for k in ("units", "raw_units", "frame", "raw_name")}
    assert about == {"units": "m/s^2", "raw_units": "g", "frame": "sensor", "raw_name": "AccX (g)"}
    assert stream["force"].attrs["units"] == "count"
    np.testing.assert_allclose(stream["time"].values, time * 1e-3)
    np.testing.assert_array_equal(stream["time_raw"].values, time)
    assert stream["time_raw"].attrs["units"] == "ms"
    assert stream.attrs["rate_hz"] == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("values", "time", "says"),
    [
        (np.zeros(0), np.zeros(0), "holds no sample"),
        (np.zeros(3), np.asarray([0.0, 0.1]), "has 3 samples, its time 2"),
        (np.zeros(3), np.asarray([0.0, np.nan, 0.2]), "no time stamp in row 2"),
        (np.zeros(3), np.asarray([0.0, np.inf, 0.2]), "no time stamp in row 2"),
        (np.zeros(4), np.asarray([0.0, 0.2, 0.1, 0.3]), "goes back by 0.1 s at row 3"),
    ],
)
def test_broken_time_is_refused_with_the_row(values: np.ndarray, time: np.ndarray, says: str) -> None:
    with pytest.raises(BadInputError, match=says):
        _stream(values, time)


def test_unknown_units_and_double_names_are_refused() -> None:
    time = np.arange(5) / 10.0
    with pytest.raises(UnitError, match="'stone' is not known"):
        make_stream([Channel("force", np.zeros(5), "stone")], time, kind="insole")
    with pytest.raises(BadInputError, match="'force' stands twice"):
        make_stream([Channel("force", np.zeros(5), "N")] * 2, time, kind="insole")
    with pytest.raises(BadInputError, match="holds no channel"):
        make_stream([], time, kind="insole")
    with pytest.raises(UnitError, match="landmark position is in N, expected m"):
        make_landmarks(np.zeros((5, 1, 3)), ["heel"], time, unit="N")
    with pytest.raises(BadInputError, match="names stand twice: heel"):
        make_landmarks(np.zeros((5, 2, 3)), ["heel", "heel"], time, unit="mm")


# --- Recording and its bytes


def test_a_recording_counts_from_its_first_stamp_over_all_streams() -> None:
    early, late = np.arange(50) / 10.0 + 100.5, np.arange(50) / 10.0 + 103.0
    streams = {"a": _stream(np.ones(50), early), "b": _stream(np.ones(50), late)}
    recording = make_recording(streams, device="d", reader="r", provenance=Provenance(), t0_unix_s=1e9)
    assert recording.streams["a"]["time"].values[0] == 0.0
    assert recording.streams["b"]["time"].values[0] == pytest.approx(2.5)
    assert recording.tree.attrs["t0_unix_s"] == 1e9 + 100.5
    assert recording.streams["a"]["time_raw"].values[0] == 100.5
    with pytest.raises(BadInputError, match="holds no stream"):
        make_recording({}, device="d", reader="r", provenance=Provenance())


def test_two_writes_give_the_same_bytes_and_read_back_the_same(tmp_path: Path) -> None:
    digests = set()
    for name in ("one.nc", "two.nc"):
        _recording().to_netcdf(tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1
    back = Recording.from_netcdf(tmp_path / "one.nc")
    for name, stream in _recording().streams.items():
        xr.testing.assert_identical(back.streams[name].drop_attrs(), stream.drop_attrs())
        for key, value in stream.attrs.items():
            assert back.streams[name].attrs[key] == value
    assert back.provenance == _recording().provenance
    _recording(2).to_netcdf(tmp_path / "three.nc")
    assert hashlib.sha256((tmp_path / "three.nc").read_bytes()).hexdigest() not in digests


def test_written_bytes_hold_no_time_of_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    _recording().to_netcdf(tmp_path / "now.nc")
    real = time.time()
    monkeypatch.setattr(time, "time", lambda: real + 86_400.0)
    _recording().to_netcdf(tmp_path / "tomorrow.nc")
    assert (tmp_path / "now.nc").read_bytes() == (tmp_path / "tomorrow.nc").read_bytes()


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    _recording().to_netcdf(path)
    before = path.read_bytes()
    with pytest.raises(BadInputError, match=r"a\.nc: exists; use --force"):
        _recording(2).to_netcdf(path)
    assert path.read_bytes() == before
    _recording(2).to_netcdf(path, force=True)
    assert path.read_bytes() != before
    with pytest.raises(BadInputError, match="is a folder"):
        _recording().to_netcdf(tmp_path)
    with pytest.raises(BadInputError, match="cannot be written"):
        _recording().to_netcdf(tmp_path / "none" / "a.nc")


def test_a_failed_write_leaves_nothing_and_keeps_what_stood(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def cut_short() -> None:
        with written_whole(path, force=True) as temporary:
            temporary.write_text("half")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        cut_short()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_other_files_are_refused_as_trees_and_trials(tmp_path: Path) -> None:
    (tmp_path / "text.nc").write_text("no netCDF")
    xr.Dataset({"a": ("x", np.zeros(2))}).to_netcdf(tmp_path / "foreign.nc", engine="h5netcdf")
    _recording().to_netcdf(tmp_path / "recording.nc")
    with pytest.raises(BadInputError, match=r"text\.nc: cannot be read as netCDF4"):
        read_tree(tmp_path / "text.nc")
    with pytest.raises(BadInputError, match="was not written by grfkit"):
        read_tree(tmp_path / "foreign.nc")
    with pytest.raises(BadInputError, match=r"is not a grfkit trial \(artefact 'recording'\)"):
        Trial.from_netcdf(tmp_path / "recording.nc")


# --- ClockMap

offsets = st.floats(-1000, 1000)
drifts = st.floats(-20_000, 20_000)
extras = st.lists(st.floats(-0.004, 0.004), min_size=2, max_size=8)


def _knots(start: float, end: float, extra: list[float]) -> list[Knot]:
    return [Knot(t_device_s=float(t), extra_s=x) for t, x in zip(np.linspace(start, end, len(extra)), extra)]


def _map(segments: list[Segment], verdict: str = "aligned") -> ClockMap:
    return ClockMap.model_validate({"source": "d", "target": "r", "verdict": verdict, "segments": segments})


@given(offsets, drifts, extras)
def test_inverse_undoes_apply_with_knots(offset: float, drift: float, extra: list[float]) -> None:
    segment = Segment(
        start_s=0.0, end_s=300.0, offset_s=offset, drift_ppm=drift, knots=_knots(0.0, 300.0, extra)
    )  # fmt: skip
    clock_map = _map([segment])
    t = np.linspace(-20.0, 320.0, 701)  # a single segment reaches beyond its ends
    np.testing.assert_allclose(clock_map.inverse(clock_map.apply(t)), t, atol=1e-7)
    assert np.all(np.diff(clock_map.apply(t)) > 0)


@given(offsets, st.floats(-200, 200), st.lists(st.floats(0.01, 5.0), min_size=1, max_size=4), extras)
def test_inverse_undoes_apply_over_several_segments(
    offset: float, drift: float, lost_s: list[float], extra: list[float]
) -> None:
    edges = np.linspace(0.0, 60.0 * (len(lost_s) + 1), len(lost_s) + 2)
    shifts = offset + np.concatenate([[0.0], np.cumsum(lost_s)])
    segments = [
        Segment(start_s=a, end_s=b, offset_s=shift, drift_ppm=drift, knots=_knots(a, b, extra))
        for a, b, shift in zip(edges[:-1], edges[1:], shifts)
    ]
    clock_map = _map(segments)
    t = np.linspace(edges[0] + 0.01, edges[-1] - 0.01, 997)
    t = t[np.abs(t[:, None] - edges).min(axis=1) > 0.02]
    mapped = clock_map.apply(t)
    assert np.isfinite(mapped).all()
    np.testing.assert_allclose(clock_map.inverse(mapped), t, atol=1e-7)


@given(
    offsets,
    drifts,
    st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.02, 5.0)), min_size=1, max_size=4),
    extras,
    st.lists(st.floats(-400.0, 800.0), min_size=1, max_size=20),
)
def test_inverse_undoes_apply_wherever_that_is_defined(
    offset: float, drift: float, holes: list[tuple[float, float]], extra: list[float], times: list[float]
) -> None:
    starts = 60.0 * np.arange(len(holes) + 1)
    ends = [*(start + 60.0 - hole for start, (hole, _) in zip(starts, holes)), starts[-1] + 60.0]
    shifts = offset + np.concatenate([[0.0], np.cumsum([lost for _, lost in holes])])
    segments = [
        Segment(start_s=a, end_s=b, offset_s=shift, drift_ppm=drift, knots=_knots(a, b, extra))
        for a, b, shift in zip(starts, ends, shifts)
    ]
    clock_map = _map(segments)
    # both sides of every edge, before the first segment and after the last one
    edges = np.concatenate([starts, ends])
    t = np.concatenate([edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf), times, [-1e4, 1e5]])
    mapped = clock_map.apply(t)
    defined = np.isfinite(mapped)
    np.testing.assert_allclose(clock_map.inverse(mapped)[defined], t[defined], atol=1e-7)
    assert np.isnan(clock_map.inverse(mapped)[~defined]).all()
    back = clock_map.inverse(mapped[defined])
    np.testing.assert_allclose(clock_map.apply(back), mapped[defined], atol=1e-7)


def test_several_segments_reach_beyond_both_ends_in_both_directions() -> None:
    first = Segment(start_s=0.0, end_s=10.0, offset_s=5.0, drift_ppm=0.0)
    second = Segment(start_s=12.0, end_s=20.0, offset_s=6.0, drift_ppm=0.0)
    clock_map = _map([first, second])
    np.testing.assert_array_equal(clock_map.inverse(np.asarray([2.0, 31.0, np.nan])), [-3.0, 25.0, np.nan])
    np.testing.assert_array_equal(clock_map.apply(np.asarray([-3.0, 25.0])), [2.0, 31.0])


def test_where_a_clock_was_set_back_the_later_segment_answers() -> None:
    first = Segment(start_s=0.0, end_s=10.0, offset_s=0.0, drift_ppm=0.0)
    second = Segment(start_s=10.0, end_s=20.0, offset_s=-5.0, drift_ppm=0.0)
    clock_map = _map([first, second])
    np.testing.assert_array_equal(clock_map.inverse(np.asarray([4.0, 7.0, 16.0])), [4.0, 12.0, 21.0])


def test_lost_time_has_no_device_time_and_holes_no_reference_time() -> None:
    first = Segment(start_s=0.0, end_s=10.0, offset_s=5.0, drift_ppm=0.0)
    second = Segment(start_s=12.0, end_s=20.0, offset_s=6.0, drift_ppm=0.0)
    clock_map = _map([first, second])
    np.testing.assert_array_equal(clock_map.apply(np.asarray([9.0, 11.0, 12.0, 25.0])), [14.0, np.nan, 18.0, 31.0])
    np.testing.assert_array_equal(clock_map.inverse(np.asarray([14.0, 15.5, 18.0])), [9.0, np.nan, 12.0])


def test_a_refused_map_cannot_be_applied() -> None:
    refused = _map([], "refused")
    with pytest.raises(BadInputError, match="alignment was refused, there is no map to apply"):
        refused.apply(np.zeros(3))


@given(offsets, drifts, extras)
def test_a_map_survives_json(offset: float, drift: float, extra: list[float]) -> None:
    segment = Segment(start_s=0.0, end_s=9.0, offset_s=offset, drift_ppm=drift, knots=_knots(0.0, 9.0, extra))
    clock_map = _map([segment])
    assert ClockMap.model_validate_json(clock_map.model_dump_json()) == clock_map


def test_unknown_fields_verdicts_and_priors_are_refused() -> None:
    with pytest.raises(ValidationError):
        ClockMap.model_validate({"source": "d", "target": "r", "verdict": "aligned", "colour": 1})
    with pytest.raises(ValidationError):
        _map([], "perhaps")
    with pytest.raises(ValidationError):
        Prior(offset_s=0.0, sd_s=0.0)


# --- provenance


def test_an_input_is_named_without_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc")
    found = describe_input(tmp_path / "a.bin", role="reference")
    # FIPS 180-4, the example of SHA-256 of "abc"
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert found == InputFile(name="a.bin", sha256=digest, size_bytes=3, role="reference")
    with pytest.raises(BadInputError, match=r"b\.bin: cannot be read"):
        describe_input(tmp_path / "b.bin")


def test_merging_keeps_order_and_adds_each_thing_once() -> None:
    one, two = (InputFile(name=n, sha256=n * 64, size_bytes=1) for n in "ab")
    first = Provenance(command="c", inputs=[one], findings=["x"])
    merged = first.merged(Provenance(inputs=[two, one], findings=["y", "x"]), Provenance(findings=["y"]))
    assert merged.inputs == [one, two]
    assert merged.findings == ["x", "y"]
    assert merged.command == "c"
    assert first.findings == ["x"]


def test_a_replaced_recording_keeps_where_it_is_from() -> None:
    recording = _recording()
    changed = recording.replaced(recording.streams, findings=["turned"])
    assert changed.provenance.inputs == recording.provenance.inputs
    assert changed.provenance.findings == ["a note", "turned"]
    assert recording.provenance.findings == ["a note"]
    stream = changed.streams["insole_left"]
    stream.attrs["side"] = "right"
    assert changed.streams["insole_left"].attrs["side"] == "left"
