"""Motion-BIDS (Brain Imaging Data Structure 1.10, motion): a data set of trials with its sidecars.

Jeung et al., Sci Data 11, 716, 2024, doi 10.1038/s41597-024-03559-8; https://bids-specification.readthedocs.io.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from ..arguments import ArgumentError
from ..arrays import Floats
from ..errors import BadInputError
from ..provenance import Provenance
from .source import ExportColumn, ExportSource, ExportStream

DESCRIPTION = "dataset_description.json"
VERSION = "1.10.0"
ZERO = datetime(1900, 1, 1, 12)
"""Time 0 of every trial: no time of day is known, and BIDS takes dates before 1925 for shifted ones."""
_TYPES = {"acc": "ACCEL", "gyro": "GYRO", "mag": "MAGN"}
_COLUMNS = ("name", "component", "type", "tracked_point", "units", "reference_frame", "description")
_DIGITS, _TIME_DIGITS = 9, 12


@dataclass(frozen=True)
class _Run:
    """A trial in the data set: its subject, and the start of its files' names."""

    source: ExportSource
    subject: str
    stem: str


def check_task(task: str) -> str:
    """Return the name of the task; refuse what BIDS does not take.

    Raises
    ------
    BadInputError
        If it holds anything but letters and digits, or nothing.
    """
    if not re.fullmatch(r"[A-Za-z0-9]+", task):
        raise ArgumentError("task", f"is '{task}', expected letters and digits, such as treadmillrun")
    return task


def write_bids(folder: Path, sources: Sequence[ExportSource], *, task: str) -> list[str]:
    """Write a data set: a tracking system for each stream, and return what was noticed.

    Raises
    ------
    BadInputError
        If a trial names no participant, two participants have one label, or one is an estimate.
    """
    runs = _runs(sources, task)
    notes: list[str] = []
    for subject in dict.fromkeys(run.subject for run in runs):
        own = [run for run in runs if run.subject == subject]
        place = folder / f"sub-{subject}"
        (place / "motion").mkdir(parents=True)
        scans: list[list[str]] = []
        for run in own:
            scans += [_stream(place, run, stream) for stream in run.source.streams]
        _tsv(
            place / f"sub-{subject}_scans.tsv", ["filename", "acq_time", "surface", "speed_m_s", "slope_percent"], scans
        )
        _json(place / f"sub-{subject}_scans.json", _SCANS)
    _dataset(folder, runs)
    return notes


def _runs(sources: Sequence[ExportSource], task: str) -> list[_Run]:
    codes: dict[str, str] = {}
    subjects = []
    for source in sources:
        code = str(source.facts.get("participant", ""))
        label = re.sub(r"[^A-Za-z0-9]", "", code)
        if source.artefact == "estimate":
            raise BadInputError(f"{source.name}: is an estimate, no recording; BIDS keeps these apart. Take --to csv")
        if not label:
            raise BadInputError(f"{source.name}: names no participant, as BIDS needs; align with --participant CODE")
        if codes.setdefault(label, code) != code:
            raise BadInputError(f"participants '{codes[label]}' and '{code}' would both be sub-{label}; rename one")
        subjects.append(label)
    total, seen = Counter(subjects), Counter[str]()
    runs = []
    for source, subject in zip(sources, subjects):
        seen[subject] += 1
        number = f"_run-{seen[subject]}" if total[subject] > 1 else ""
        runs.append(_Run(source, subject, f"sub-{subject}_task-{task}" + "{system}" + number))
    return runs


def _stream(place: Path, run: _Run, stream: ExportStream) -> list[str]:
    """Write one stream's samples, channels, sidecar and events, and return its row of scans."""
    keep = np.isfinite(stream.time_s)
    time = stream.time_s[keep]
    if not time.size:
        raise BadInputError(f"{run.source.name}: '{stream.name}' has no sample")
    columns = [c for c in stream.columns if c.channel != "time_device"]
    system = re.sub(r"[^A-Za-z0-9]", "", stream.file_name)
    stem = place / "motion" / run.stem.format(system=f"_tracksys-{system}")
    table = [_cells(time - time[0], _TIME_DIGITS), *(_cells(c.values[keep], _DIGITS) for c in columns)]
    _write(stem.with_name(f"{stem.name}_motion.tsv"), "".join("\t".join(row) + "\n" for row in zip(*table)))
    rows = [["latency", "n/a", "LATENCY", "n/a", "s", "n/a", "time after the first sample"]]
    rows += [_channel(stream, column) for column in columns]
    _tsv(stem.with_name(f"{stem.name}_channels.tsv"), _COLUMNS, rows)
    _json(stem.with_name(f"{stem.name}_channels.json"), _frames(columns))
    _json(stem.with_name(f"{stem.name}_motion.json"), _sidecar(run, stream, rows, time))
    _events(stem, run.source, float(time[0]), float(time[-1]))
    facts = run.source.facts
    stamp = (ZERO + timedelta(seconds=float(time[0]))).isoformat(timespec="microseconds")
    name = f"motion/{stem.name}_motion.tsv"
    return [name, stamp, *(_text(facts.get(key)) for key in ("surface", "speed_m_s", "slope_percent"))]


def _channel(stream: ExportStream, column: ExportColumn) -> list[str]:
    point, dot, axis = column.channel.rpartition(".")
    kind, _, last = column.channel.rpartition("_")
    if dot and axis not in ("x", "y", "z"):
        return [column.name, "n/a", "MISC", point, column.unit, column.frame or "n/a", f"{axis} of {point}"]
    if dot:
        return [column.name, axis, "POS", point, column.unit, column.frame or "n/a", f"position of {point}"]
    component = last if last in ("x", "y", "z") else column.channel[-1] if column.channel in _FORCES else "n/a"
    where = " ".join(w for w in (stream.side if stream.side in ("left", "right") else "", stream.place) if w)
    where = where or stream.file_name
    what = f"{column.channel} of {stream.name}"
    return [column.name, component, _TYPES.get(kind, "MISC"), where, column.unit, column.frame or "n/a", what]


_FORCES = tuple(f"{kind}{axis}" for kind in "fm" for axis in "xyz")
_FRAME_WORDS = {
    "lab": ("FLU", "laboratory: X forward, Y left, Z up"),
    "global": ("n/a", "axes of the reference file's own laboratory"),
    "sensor": ("n/a", "axes of the sensor"),
    "foot": ("n/a", "axes of the foot: forward from the heel, and to the left"),
    "raw": ("n/a", "values as recorded"),
}


def _frames(columns: Sequence[ExportColumn]) -> dict[str, Any]:
    levels = {}
    for frame in dict.fromkeys(c.frame or "n/a" for c in columns):
        axes, words = _FRAME_WORDS.get(frame, ("n/a", frame))
        levels[frame] = {"SpatialAxes": axes, "RotationOrder": "n/a", "RotationRule": "n/a", "Description": words}
    return {"reference_frame": {"Description": "what the axes are relative to", "Levels": levels}}


def _sidecar(run: _Run, stream: ExportStream, rows: Sequence[Sequence[str]], time: Floats) -> dict[str, Any]:
    counts = Counter(row[2] for row in rows)
    task = re.search(r"_task-([A-Za-z0-9]+)", run.stem)
    seconds = float(time[-1] - time[0])
    steps = np.diff(time)
    return {
        "TaskName": task[1] if task else "",
        "SamplingFrequency": stream.rate_hz,
        "SamplingFrequencyEffective": round(1.0 / float(np.median(steps)), 6) if time.size > 1 else stream.rate_hz,
        "RecordingDuration": round(seconds, 6),
        "RecordingType": "continuous",
        "MissingValues": "n/a",
        "TrackingSystemName": stream.name,
        "TrackedPointsCount": len({row[3] for row in rows} - {"n/a"}),
        "MotionChannelCount": len(rows),
        **{f"{kind}ChannelCount": number for kind, number in sorted(counts.items())},
        "SoftwareVersions": f"grfkit {Provenance().version}",
        "SourceFiles": [{"Name": i.name, "SHA256": i.sha256} for i in run.source.inputs],
        "Notes": list(run.source.notes),
    }


def _events(stem: Path, source: ExportSource, start_s: float, end_s: float) -> None:
    """Write the steps within a stream, their onset after its first sample, as contact with its duration."""
    rows = [
        [f"{ic - start_s:.6f}", f"{to - ic:.6f}" if np.isfinite(to) else "n/a", "stance", side or "n/a"]
        for ic, to, side, _ in source.stances
        if start_s <= ic <= end_s
    ]
    rejected = [
        [f"{a - start_s:.6f}", f"{b - a:.6f}", f"rejected: {why}", "n/a"]
        for a, b, why in source.rejected
        if start_s <= a <= end_s
    ]
    if not rows and not rejected:
        return
    ordered = sorted([*rows, *rejected], key=lambda row: float(row[0]))
    _tsv(stem.with_name(f"{stem.name}_events.tsv"), ["onset", "duration", "trial_type", "side"], ordered)
    words = f"initial contact to toe-off of a step, by {source.contact_rule}"
    levels = {"stance": words, **{row[2]: "a contact that is no whole step of one foot" for row in rejected}}
    about = {
        "onset": {"Description": "after the first sample of the same tracking system", "Units": "s"},
        "trial_type": {"Description": "what it is", "Levels": levels},
        "side": {"Description": "foot", "Levels": {"left": "left foot", "right": "right foot"}},
    }
    _json(stem.with_name(f"{stem.name}_events.json"), about)


_SCANS = {
    "acq_time": {
        "Description": "Time of the first sample. Dates are not real: 1900-01-01T12:00:00 is time 0 of each trial's"
        " reference clock, and only differences within a run mean something."
    },
    "surface": {"Description": "what was walked or run on", "Levels": {"treadmill": "belt", "overground": "floor"}},
    "speed_m_s": {"Description": "stated speed", "Units": "m/s"},
    "slope_percent": {"Description": "stated slope, percent of the way forward"},
}


def _dataset(folder: Path, runs: Sequence[_Run]) -> None:
    version = Provenance().version
    about = {
        "Name": f"Motion of {len({run.subject for run in runs})} participants",
        "BIDSVersion": VERSION,
        "DatasetType": "raw",
        "GeneratedBy": [{"Name": "grfkit", "Version": version, "Description": "grf-export --to bids"}],
    }
    _json(folder / DESCRIPTION, about)
    rows: dict[str, list[str]] = {}
    for run in runs:
        row = [f"sub-{run.subject}", _text(run.source.facts.get("participant")), _text(run.source.facts.get("mass_kg"))]
        rows.setdefault(run.subject, row)
    _tsv(folder / "participants.tsv", ["participant_id", "code", "weight"], list(rows.values()))
    columns = {
        "code": {"Description": "code of the person where the data were recorded"},
        "weight": {"Description": "body mass, of the person's first trial", "Units": "kg"},
    }
    _json(folder / "participants.json", columns)
    _write(folder / "README.md", _README)


_README = """# Motion data

Force plates, wearables and landmarks of trials on one clock, written by grf-export. Each stream is a tracking system
with its own samples: the channel `latency` is the time after its first sample, and `acq_time` in `scans.tsv` says when
that was (the dates are not real). Missing values are `n/a`. Ground reaction forces and pressures have the type MISC, as
Motion-BIDS has none of their own. Events are the contacts of the feet, and contacts that were rejected.

Add authors, licence, ethics and instruments here and in `dataset_description.json` before you publish it.
"""


def _cells(values: Floats, digits: int) -> list[str]:
    form = f"%.{digits}g"
    text = [form % value for value in (values + 0.0).tolist()]
    for row in np.flatnonzero(~np.isfinite(values)):
        text[row] = "n/a"
    return text


def _text(value: Any) -> str:
    if value is None or value == "":
        return "n/a"
    return f"{value:.9g}" if isinstance(value, float) else re.sub(r"\s+", " ", str(value))


def _tsv(path: Path, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    _write(path, "".join("\t".join(row) + "\n" for row in [head, *rows]))


def _json(path: Path, about: dict[str, Any]) -> None:
    _write(path, json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="")


def files_of(folder: Path) -> frozenset[str]:
    """Return the files of a data set that grf-export wrote: those of its motion data, and those beside them."""
    fixed = {DESCRIPTION, "README.md", "participants.tsv", "participants.json"}
    pattern = re.compile(r"(sub-[A-Za-z0-9]+)/(motion/\1_task-\w[^/]*_(motion|channels|events)|\1_scans)\.(tsv|json)")
    inside = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return frozenset(fixed | {name for name in inside if pattern.fullmatch(name)})
