"""The report: is it whole, is it safe, is it the same twice, and does it say what matters?"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grfkit.errors import BadInputError
from grfkit.provenance import InputFile
from grfkit.records import Anchors, ClockMap, Segment
from grfkit.records.evidence import StreamEvidence, TrialEvidence, as_columns
from grfkit.report import BatchRow, batch_row, render_batch_report, render_sync_report, write_sync_report
from grfkit.report.decimate import curve, envelope, ordered
from grfkit.report.numbers import chance, duration, fixed, milliseconds, percent, seconds
from grfkit.report.panel import axis
from grfkit.report.words import without_programs

STEP_S = 0.36


def run_signal(time_s: np.ndarray, contacts_s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return half-sines of 0.23 s at the contacts, each of its own height, with a little noise."""
    last = np.searchsorted(contacts_s, time_s) - 1
    since = np.where(last >= 0, time_s - contacts_s[np.maximum(last, 0)], np.inf)
    height = rng.normal(1.0, 0.05, contacts_s.size)[np.maximum(last, 0)]
    wave = np.where(since < 0.23, np.sin(np.pi * np.minimum(since, 0.23) / 0.23), 0.0)
    return wave * height + rng.normal(0, 0.01, time_s.size)


def scores(lag_s: np.ndarray, offset_s: float, margin: float) -> np.ndarray:
    """Return a comb of peaks one step apart; the best other one is ``margin`` below, two steps away."""
    away = lag_s - offset_s
    nearest = np.round(away / STEP_S)
    peak = -margin * np.minimum(np.abs(nearest), 3) / 2 - 2.0 * np.abs(nearest)
    peak = np.where(np.abs(nearest) == 2, -margin, np.where(nearest == 0, 0.0, peak - 8))
    return peak - 260 * (1 - np.exp(-(((away - nearest * STEP_S) / 0.02) ** 2)))


def stream(
    name: str = "insole_left",
    *,
    seconds_long: float = 60.0,
    offset_s: float = 5.83,
    drift_ppm: float = 42.0,
    margin: float = 38.0,
    verdict: str = "aligned",
    lost: tuple[tuple[float, int], ...] = (),
    reference_hz: float = 250.0,
    device_hz: float = 100.0,
    seed: int = 1,
) -> StreamEvidence:
    """Return the evidence of a runner with a drifting, gappy device; ``lost`` makes pieces."""
    rng = np.random.default_rng(seed)
    contacts = np.cumsum(rng.normal(STEP_S, 0.012, int((seconds_long - 6) / STEP_S))) + 3.0
    reference_s = np.arange(0, seconds_long, 1 / reference_hz)
    device_s = np.arange(0, seconds_long - 1, 1 / device_hz)
    segments, start, extra = [], 0.0, 0.0
    for at, samples in (*lost, (float(device_s[-1]) + 1, 0)):
        segments.append(Segment(start_s=start, end_s=at, offset_s=offset_s + extra, drift_ppm=drift_ppm))
        start, extra = at, extra + samples / device_hz
    truth = ClockMap(
        source=name,
        target="reference",
        verdict="aligned",
        offset_s=offset_s,
        drift_ppm=drift_ppm,
        segments=segments,
    )
    mapped = truth.apply(device_s)
    device = run_signal(mapped, contacts, rng) + rng.normal(0, 0.03, device_s.size)
    gap = (seconds_long * 0.4, seconds_long * 0.4 + 2.0)
    device[(device_s >= gap[0]) & (device_s < gap[1])] = np.nan
    seen = contacts[(contacts > mapped[0]) & (contacts < mapped[-1])]
    residual = rng.normal(0, 0.0035, seen.size)
    kept = rng.random(seen.size) > 0.04
    residual[~kept] += rng.normal(0, 0.05, int((~kept).sum()))
    lag = np.arange(-seconds_long / 2, seconds_long / 2, 0.005)
    score = scores(lag, offset_s, margin)
    score[:50] = np.nan
    told: dict[str, Any] = {
        "verdict": verdict,
        "uncertainty_ms": 4.0,
        "residual_ms": 3.5,
        "margin": margin,
        "margin_without_prior": margin,
        "p_wrong": 0.00025 if verdict == "aligned" else 0.4,
        "inliers": 0.96,
        "matched_anchors": int(kept.sum()),
        "overlap_s": float(mapped[-1] - mapped[0]),
        "runner_up_offset_s": offset_s + 2 * STEP_S,
        "lost_samples": sum(n for _, n in lost),
        "lag_s": 0.012,
        "lag_sd_s": 0.0015,
        "lag_source": "packaged table, insole at 100 Hz",
    }
    if verdict == "refused":
        told |= {"offset_s": None, "drift_ppm": None, "segments": [], "uncertainty_ms": None}
        told["reasons"] = [f"the next best alignment is only {margin:.1f} nats worse (20 needed)"]
    return StreamEvidence(
        stream=name,
        clock_map=truth.model_copy(update=told),
        reference_time_s=reference_s,
        reference_signal=run_signal(reference_s, contacts, rng),
        device_time_s=device_s,
        device_signal=device,
        anchors=Anchors(seen - offset_s, seen, residual, kept),
        anchor_kind="contacts",
        lag_s=lag,
        log_likelihood=score,
        chosen_lag_s=offset_s,
        runner_up_lag_s=offset_s + 2 * STEP_S,
        gaps=[gap],
        lost=lost,
        deciding_prior_sd_s=0.1 if verdict == "refused" and margin > 0 else None,
    )


def trial(*streams: StreamEvidence, verdict: str = "aligned", **changes: Any) -> TrialEvidence:
    """Return a trial with everything filled in."""
    about: dict[str, Any] = {
        "trial": "S07_run_3.0",
        "surface": "treadmill",
        "verdict": verdict,
        "streams": streams,
        "participant": "S07",
        "mass_kg": 68.2,
        "speed_m_s": 3.0,
        "doctor": [
            {
                "plate": "plate_1",
                "code": "offset",
                "severity": "warning",
                "text": "fz rests at -12.4 N with nobody on the plate",
                "corrected": True,
            },
            {
                "plate": "plate_2",
                "code": "sign",
                "severity": "error",
                "text": "the load points up in no axis",
                "corrected": False,
            },
        ],
        "inputs": [
            InputFile(name="S07.c3d", sha256="ab" * 32, size_bytes=18_324_112, role="reference"),
            InputFile(name="S07_left.csv", sha256="0f" * 32, size_bytes=812_345, role="wearable"),
        ],
        "configuration": {"surface": "treadmill", "margin": 20.0, "prior": None},
        "notes": ["S07_left.csv: 12 rows without a stamp were left out"],
        "inspections": [{"name": "S07.c3d", "reader": "c3d", "streams": ["plate_1", "plate_2"]}],
    }
    return TrialEvidence(**(about | changes))


def tree(page: str) -> ElementTree.Element:
    """Return the page parsed as XML, which refuses an element left open or a character not escaped."""
    return ElementTree.fromstring(page.split("\n", 1)[1])


def text_of(page: str) -> str:
    """Return the words of the page, one space between them."""
    return re.sub(r"\s+", " ", " ".join(tree(page).itertext()))


@pytest.fixture(scope="module")
def aligned() -> str:
    """Return the page of an aligned trial with two streams on clocks of their own."""
    return render_sync_report(trial(stream(), stream("insole_right", seed=2, offset_s=-3.2)))


@pytest.fixture(scope="module")
def refused() -> str:
    """Return the page of a refused trial."""
    return render_sync_report(trial(stream(margin=3.1, verdict="refused"), verdict="refused"))


def test_page_is_well_formed_and_fetches_nothing(aligned: str) -> None:
    root = tree(aligned)
    kinds = {element.tag for element in root.iter()}
    assert not kinds & {"script", "link", "img", "iframe", "object", "embed", "image", "use"}
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (element.tag, name)
            assert name != "src"
            assert name != "href" or value.startswith("#")
    assert not re.search(r"https?://|url\(|@import", aligned)


def test_every_figure_says_in_words_what_it_shows(aligned: str) -> None:
    drawings = [e for e in tree(aligned).iter("svg") if e.get("aria-hidden") != "true"]
    # 2 x 2 windows, half a second twice, the trial, 2 scores, residuals and histogram, per stream
    assert len(drawings) == 2 * 11
    assert all(d.get("role") == "img" and len(d.get("aria-label", "")) > 20 for d in drawings)
    assert "runner-up at 6.550 s is 38.0 nats lower" in " ".join(d.get("aria-label", "") for d in drawings)


def test_same_evidence_same_bytes(aligned: str) -> None:
    again = render_sync_report(trial(stream(), stream("insole_right", seed=2, offset_s=-3.2)))
    assert again.encode() == aligned.encode()


def test_aligned_page_says_how_far_and_how_surely(aligned: str) -> None:
    text = text_of(aligned)
    assert "insole_left starts 5.830 s after the reference, ±4.0 ms" in text
    assert "The next best alignment (6.550 s) is 38 nats worse" in text
    assert "a step or more off: 1 in 4,000" in text
    assert "insole_right starts 3.200 s before the reference" in text
    assert "What to do" not in text
    assert "1 error not corrected, 1 finding corrected" in text
    assert "ab" * 32 in text


def test_refused_page_names_the_runner_up_and_the_advice(refused: str) -> None:
    text = text_of(refused)
    assert "insole_left is refused: the best candidate is an offset of 5.830 s" in text
    assert "the runner-up 6.550 s, 0.720 s away and only 3.1 nats worse" in text
    assert "is only 3.1 nats worse (20 needed)" in text
    for remedy in ("three jumps", "More hits", "A prior"):
        assert remedy in text
    assert "--prior-offset" in text
    assert "SD of 100 ms or less" in text
    assert "is only 3.1 nats worse (20 needed)" in text
    assert text.count("natural-log units") == 2  # where nats stand first, and in the table of figures
    assert "If the offset were 6.550 s (runner-up)" in text
    assert "After: aligned" not in text


def test_a_prior_is_advised_only_where_it_would_lift_the_refusal() -> None:
    helpless = replace(stream(margin=3.1, verdict="refused"), deciding_prior_sd_s=None)
    text = text_of(render_sync_report(trial(helpless, verdict="refused")))
    assert "three jumps" in text
    assert "--prior-offset" not in text


def test_a_partly_aligned_page_says_whether_anything_is_written() -> None:
    bad = stream("imu", margin=3.1, verdict="refused", seed=3)
    text = text_of(render_sync_report(trial(stream(), bad, verdict="partial")))
    assert "1 of 2 streams is on the reference clock; do not use the rest. Nothing written; --allow-partial" in text
    allowed = trial(stream(), bad, verdict="partial", configuration={"allow_partial": True})
    assert "do not use the rest. The 1 that aligns is written." in text_of(render_sync_report(allowed))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("use --together (together=True in Python)", "use the column together"),
        (
            "state it with --prior-offset and --prior-sd (prior_offset_s and prior_sd_s in Python)",
            "state it with the columns prior_offset_s and prior_sd_s",
        ),
        (
            "state both (--prior-offset and --prior-sd; prior_offset_s and prior_sd_s in Python).",
            "state both (the columns prior_offset_s and prior_sd_s).",
        ),
        ("leave it out (--calibration; calibrations in Python)", "leave it out (the column calibrations)"),
        ("use --force (force=True in Python)", "use --force (force=True in Python)"),
        ("nothing of either (see --help)", "nothing of either (see --help)"),
    ],
)
def test_a_row_of_a_table_is_told_of_columns(text: str, expected: str) -> None:
    assert as_columns(text) == expected


def test_where_a_lag_came_from_is_told_without_programs_of_the_repository() -> None:
    source = (
        "simulated: tools/fit_lags.py, training seeds 5-9; between_sd_s: tools/lag_spread.py, 48 simulators (n 166)"
    )
    assert without_programs(source) == "simulated training seeds 5-9; between_sd_s 48 simulators (n 166)"
    assert without_programs("+1.2 ms to walking (simulated: tools/fit_lag_transfers.py)") == (
        "+1.2 ms to walking (simulated)"
    )


def test_the_page_of_a_row_names_columns_and_the_page_of_a_trial_options() -> None:
    bad = stream("imu", margin=3.1, verdict="refused", seed=3)
    found = trial(replace(bad, deciding_prior_sd_s=0.1), stream(), verdict="partial")
    alone, of_row = render_sync_report(found), render_sync_report(found, of_table=True)
    assert "--allow-partial (allow_partial=True in Python)" in re.sub("</?span[^>]*>", "", alone)
    assert "the column allow_partial" in of_row
    assert "in Python" not in of_row


def test_refusal_taken_at_the_users_word_stays_visible() -> None:
    taken = stream(margin=3.1)
    taken = replace(taken, clock_map=taken.clock_map.model_copy(update={"verdict": "refused"}))
    text = text_of(render_sync_report(trial(taken, verdict="refused")))
    assert "was refused and taken all the same, at the user's word" in text
    assert "refused, accepted by the user" in text
    assert "After: aligned" in text


def test_hostile_names_are_text() -> None:
    evil = "<script>alert('1')</script>\"&amp; --> </style><img src=x onerror=y>"
    given = stream()
    told = {"target": evil, "reasons": [evil], "findings": [evil], "lag_source": evil}
    given = replace(given, stream=evil, anchor_kind=evil, clock_map=given.clock_map.model_copy(update=told))
    page = render_sync_report(
        trial(
            given,
            trial=evil,
            participant=evil,
            notes=[evil],
            doctor=[{"plate": evil, "severity": evil, "text": evil}],
            configuration={evil: evil},
            inspections=[{evil: [evil]}],
            inputs=[InputFile(name=evil, sha256="00", size_bytes=1, role=evil)],
        )
    )
    kinds = [element.tag for element in tree(page).iter()]
    assert "script" not in kinds
    assert "img" not in kinds
    assert text_of(page).count("<script>") >= 15


def test_control_characters_and_lone_surrogates_do_not_break_the_page() -> None:
    page = render_sync_report(trial(stream(), trial="run\x00\x07 \udcff"))
    assert tree(page).find("body") is not None
    page.encode("utf-8")


def test_unknown_values_are_dashes() -> None:
    bare = ClockMap(source="imu", target="reference", verdict="refused", p_wrong=float("nan"))
    nothing = np.empty(0)
    empty = StreamEvidence(
        stream="imu",
        clock_map=bare,
        reference_time_s=nothing,
        reference_signal=nothing,
        device_time_s=nothing,
        device_signal=nothing,
        anchors=Anchors(nothing, nothing, nothing, np.empty(0, dtype=bool)),
        anchor_kind="contacts",
        lag_s=nothing,
        log_likelihood=nothing,
    )
    page = render_sync_report(
        TrialEvidence(trial="t", surface="overground", verdict="refused", streams=[empty], mass_kg=float("nan"))
    )
    rows = {(row[0].text or "").strip(): row[1].text for row in tree(page).iter("tr")}
    for label in (
        "Offset",
        "Drift",
        "Uncertainty",
        "Margin",
        "Chance of a wrong step",
        "Residual",
        "Overlap",
    ):
        assert rows[label] == "—", label
    text = text_of(page)
    assert "no candidate alignment was found" in text
    assert "mass —" in text
    assert not re.search(r"\b(nan|None|inf)\b", text)


def test_trial_without_streams() -> None:
    text = text_of(render_sync_report(TrialEvidence(trial="t", surface="treadmill", verdict="refused")))
    assert "No stream was given to align" in text
    assert "Nothing found." in text


def test_all_missing_signals_are_drawn_as_nothing() -> None:
    given = stream()
    given = replace(
        given,
        device_signal=np.full(given.device_time_s.size, np.nan),
        log_likelihood=np.full(given.lag_s.size, np.nan),
        runner_up_lag_s=float("nan"),
    )
    page = render_sync_report(trial(given))
    assert "insole_left has no sample in this window" in page
    assert "No candidate offset was scored" in page
    drawn = " ".join(e.get("d", "") for e in tree(page).iter("path"))
    assert not re.search(r"nan|inf", drawn)


def test_streams_of_one_clock_stand_together() -> None:
    left = stream()
    renamed = left.clock_map.model_copy(update={"source": "insole_right"})
    page = render_sync_report(trial(left, replace(left, stream="insole_right", clock_map=renamed)))
    assert "insole_left and insole_right start 5.830 s after the reference" in text_of(page)
    assert page.count("<h3>Likelihood against offset</h3>") == 1
    assert page.count("Before and after: insole_right") == 1


def test_lost_samples_are_told_and_drawn() -> None:
    page = render_sync_report(trial(stream(lost=((20.0, 42), (40.0, 370)))))
    assert "in 3 pieces with 412 samples lost between them" in text_of(page)
    assert "412 samples lost without a trace in the stamps (42 at 20.000 s, 370 at 40.000 s)" in text_of(page)
    assert len([e for e in tree(page).iter("path") if e.get("class") == "lost"]) == 2
    assert len([e for e in tree(page).iter("path") if e.get("class") == "cut"]) == 2 + 1  # and the legend's


def test_excluded_anchors_are_hollow_and_counted() -> None:
    given = stream()
    page = render_sync_report(trial(given))
    kept = int(given.anchors.kept.sum())
    rings = [e for e in tree(page).iter("path") if e.get("class") == "runring"]
    assert rings[-1].get("d", "").count("h0") == given.anchors.kept.size - kept
    assert f"used ({kept})" in page


def test_sparse_candidates_are_stems_and_not_a_curve() -> None:
    given = stream()
    few = np.asarray([-20.0, 5.83, 6.19, 6.55, 18.0])
    score = np.asarray([-90.0, 0.0, -60.0, -38.0, -70.0])
    sparse = tree(render_sync_report(trial(replace(given, lag_s=few, log_likelihood=score))))
    dense = tree(render_sync_report(trial(given)))

    def drawn(root: ElementTree.Element) -> list[str]:
        return [e.get("d", "") for e in root.iter("path") if e.get("class") == "score"]

    assert [d.count("M") for d in drawn(sparse)] == [5, 3]
    assert not any("L" in d for d in drawn(sparse))
    assert all(d.count("M") == 1 and d.count("L") > 100 for d in drawn(dense))


def test_overlay_after_lies_on_the_reference() -> None:
    page = render_sync_report(trial(stream(drift_ppm=3000.0)))
    windows = [e for e in tree(page).iter("svg") if "of reference time" in e.get("aria-label", "")]
    assert len(windows) == 4

    def distance(window: ElementTree.Element) -> float:
        curves = {e.get("class"): _points(e.get("d", "")) for e in window.iter("path")}
        (x, y), (u, v) = curves["refline"], curves["dev"]
        return float(np.mean(np.abs(np.interp(x[200:-200], u, v) - y[200:-200])))

    before, after = windows[0], windows[2:]
    assert distance(before) > 15
    assert all(distance(window) < 5 for window in after)


def _points(data: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = np.asarray(re.findall(r"(-?[\d.]+) (-?[\d.]+)", data), dtype=float)
    return pairs[:, 0], pairs[:, 1]


def test_two_hours_stay_small() -> None:
    long = stream(seconds_long=7200.0, reference_hz=200.0, lost=((1900.0, 4200), (5000.0, 37)))
    page = render_sync_report(trial(long))
    assert len(page.encode()) < 500_000
    assert "used (19," in page


def test_write_refuses_to_overwrite_unless_forced(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    evidence = TrialEvidence(trial="t", surface="treadmill", verdict="refused")
    write_sync_report(target, evidence)
    first = target.read_bytes()
    with pytest.raises(BadInputError, match="--force"):
        write_sync_report(target, evidence)
    write_sync_report(target, evidence, force=True)
    assert target.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]


def test_evidence_of_unequal_lengths_is_refused() -> None:
    with pytest.raises(BadInputError, match="log_likelihood"):
        replace(stream(), log_likelihood=np.zeros(3))


def rows_of_a_batch() -> list[BatchRow]:
    """Return an aligned, a refused, a partial and a failed trial."""
    bad = stream("imu", margin=3.1, verdict="refused", seed=3)
    return [
        batch_row(trial(stream(), trial="S02"), report="S02/report.html"),
        batch_row(trial(bad, verdict="refused", trial="S03"), report="javascript:alert(1)"),
        batch_row(trial(stream(), bad, verdict="partial", trial="S01"), report="a b\\ü#1.html"),
        BatchRow("S04<b>", "bad input", note="S04.c3d: is truncated"),
    ]


def test_batch_counts_orders_and_links() -> None:
    page = render_batch_report(rows_of_a_batch())
    root = tree(page)
    bodies = {b.get("class"): [r[0] for r in b.iter("tr")] for b in root.iter("tbody")}
    names = {k: ["".join(cell.itertext()) for cell in cells] for k, cells in bodies.items()}
    assert names["by-verdict"] == ["S04<b>", "S03", "S01", "S02"]
    assert names["by-name"] == ["S01", "S02", "S03", "S04<b>"]
    links = {link.get("href") for link in root.iter("a")}
    assert links == {"S02/report.html", "javascript%3Aalert%281%29", "a%20b/%C3%BC%231.html"}
    text = text_of(page)
    assert "1 aligned" in text
    assert "1 partly aligned" in text
    assert "S04.c3d: is truncated" in text
    assert "1 of 2" in text
    assert render_batch_report(rows_of_a_batch()) == page


def test_entries_of_a_journal_are_rows() -> None:
    good = {
        "stream": "insole_left",
        "verdict": "aligned",
        "uncertainty_ms": 4.0,
        "margin": 38.0,
        "p_wrong": 0.01,
    }
    bad = {"stream": "imu", "verdict": "refused", "uncertainty_ms": None, "reasons": ["too few contacts"]}
    entries: list[dict[str, Any]] = [
        {"row": 1, "out": "a.nc", "verdict": "aligned", "maps": [good], "error": None, "report": "a.html"},
        {"row": 2, "out": "b.nc", "verdict": "refused", "maps": [good, bad], "error": None},
        {"row": 3, "out": "c.nc", "verdict": "refused", "maps": [bad], "error": None},
        {"row": 4, "out": "d.nc", "verdict": "bad input", "maps": [], "error": "d.c3d: holds no plate"},
    ]
    page = render_batch_report(entries)
    shown = next(b for b in tree(page).iter("tbody") if b.get("class") == "by-name")
    cells = [["".join(c.itertext()).strip() for c in row] for row in shown]
    assert [c[:3] for c in cells] == [
        ["a", "aligned", "1 of 1"],
        ["b", "partly aligned", "1 of 2"],
        ["c", "refused", "0 of 1"],
        ["d", "bad input", "0 of 0"],
    ]
    assert cells[0][3:6] == ["±4.0 ms", "38.0 nats", "1 in 100"]
    assert [c[6] for c in cells[1:]] == [
        "nothing written; the column allow_partial writes the 1 that aligns; imu: too few contacts",
        "imu: too few contacts",
        "d.c3d: holds no plate",
    ]
    assert next(shown.iter("a")).get("href") == "a.html"


def test_batch_of_nothing() -> None:
    assert "No trial was given." in text_of(render_batch_report([]))


def test_batch_row_tells_the_worst_of_the_aligned() -> None:
    loose = stream("b", seed=5)
    loose = replace(loose, clock_map=loose.clock_map.model_copy(update={"uncertainty_ms": 9.0, "p_wrong": None}))
    row = batch_row(trial(stream(), loose))
    assert (row.uncertainty_ms, row.p_wrong, row.aligned) == (9.0, 0.00025, 2)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (seconds(-5.83), "−5.830 s"),
        (seconds(-0.0001), "0.000 s"),
        (seconds(None), "—"),
        (fixed(float("inf"), 1), "—"),
        (fixed(12345.678, 1, "N"), "12,345.7 N"),
        (milliseconds(9.96), "10 ms"),
        (milliseconds(0.0042, from_s=True), "4.2 ms"),
        (percent(0.9999), "99\u202f%"),
        (percent(1.0), "100\u202f%"),
        (chance(0.00025), "1 in 4,000"),
        (chance(1.2345e-4), "1 in 8,100"),
        (chance(1e-4), "less than 1 in 10,000"),
        (chance(0.4), "40\u202f%"),
        (chance(1.0), "100\u202f%"),
        (chance(0.0), "below 1 in 1,000,000"),
        (chance(float("nan")), "—"),
        (duration(8.44), "8.4 s"),
        (duration(119.99), "2 min 00 s"),
        (duration(7200.0), "2 h 00 min"),
    ],
)
def test_numbers_as_words(shown: str, expected: str) -> None:
    assert shown == expected


@given(
    st.lists(st.one_of(st.floats(-5, 5), st.just(float("nan"))), min_size=1, max_size=300),
    st.integers(1, 40),
)
def test_envelope_keeps_every_peak(values: list[float], columns: int) -> None:
    y = np.asarray(values)
    x = np.linspace(0.0, 1.0, y.size, endpoint=False)
    seen = envelope(x, y, start=0.0, end=1.0, columns=columns)
    edges = np.linspace(0.0, 1.0, columns + 1)
    for low, high, a, b in zip(seen.low, seen.high, edges[:-1], edges[1:]):
        inside = y[(x >= a) & (x < b)]
        inside = inside[np.isfinite(inside)]
        assert (np.isnan(low) and np.isnan(high)) if not inside.size else (low, high) == (inside.min(), inside.max())


def test_curve_keeps_gaps_and_few_samples_as_they_are() -> None:
    x = np.arange(100) / 10.0
    y = np.where((x > 4) & (x < 6), np.nan, x)
    at, shown = curve(x, y, start=2.0, end=8.0)
    assert at[0] == 1.9
    assert np.isnan(shown[(at > 4) & (at < 6)]).all()
    assert np.array_equal(shown[at < 4], at[at < 4])


def test_ordered_drops_unknown_times_and_steps_back() -> None:
    t, y = ordered(np.asarray([np.nan, 1.0, np.nan, 3.0, 2.5]), np.asarray([9.0, 1.0, 2.0, 3.0, 4.0]))
    assert (np.diff(t) >= 0).all()
    assert t[0] == 1.0
    assert np.isnan(y[1])
    assert ordered(np.asarray([np.nan]), np.asarray([1.0]))[0].size == 0


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_axis_has_a_few_distinct_round_ticks_in_range(low: float, width: float) -> None:
    made = axis(low, low + width)
    texts = [text for _, text in made.ticks]
    assert made.high > made.low
    assert 1 <= len(texts) <= 7
    slack = 1e-6 * (made.high - made.low)
    assert all(made.low - slack <= at <= made.high + slack for at, _ in made.ticks)
    if width > 1e-4 * abs(low) + 1e-4:
        assert len(set(texts)) == len(texts)
