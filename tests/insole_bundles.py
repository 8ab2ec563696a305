"""The C side of a bundle around made-up weights, from an insole's samples to packets: no conversion, no training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import tflite_models as made
from firmware_c import need, need_compiler
from grfkit.deploy.bundle_texts import c_texts
from grfkit.deploy.compile_c import compile_c
from grfkit.deploy.emit_c import CModel, c_model
from grfkit.deploy.golden import int8_forces
from grfkit.deploy.tflite_file import TfliteFile
from grfkit.embedded.compile import RUNTIME, runtime_sources
from grfkit.embedded.insole import CELLS, IMU, fixed_columns
from grfkit.embedded.int8_input import counts_to_int8, int8_channel
from grfkit.embedded.levels import levels_settings
from grfkit.embedded.lowpass import lowpass_settings
from grfkit.embedded.made_up_foot import foot_of
from grfkit.embedded.stance_buffer import StanceSettings
from grfkit.estimation.detector import COUNTS
from grfkit.gait.causal import causal_settings
from grfkit.runtime.compiled import CRuntime
from grfkit.runtime.manifest import Axis, Column, Detector, Points, Tensor

POINTS = 51
AXES = (("vgrf", 1.2, 0.7), ("apgrf", 0.01, 0.2), ("mlgrf", 0.0, 0.05))


@dataclass(frozen=True)
class Made:
    """A manifest's numbers, the model, and the folder with all files of the C side."""

    manifest: Any
    model: CModel
    library: CRuntime
    folder: Path


def detector(rate_hz: float, channels: list[str], *, relative: bool, lowpass_hz: float) -> Detector:
    contacts = causal_settings(rate_hz)
    buffer = StanceSettings(
        channels=len(channels),
        capacity=round(0.5 * rate_hz) + contacts.confirm_on + contacts.confirm_off + 16,
        points=POINTS,
        shortest=round(0.08 * rate_hz),
        longest=round(0.5 * rate_hz),
        most_missed=contacts.bridge,
        smooth_shift=contacts.smooth_shift,
    )
    moved = [k for k, name in enumerate(channels) if name in IMU]
    return Detector(
        rate_hz=rate_hz,
        source="insole",
        contacts=asdict(contacts),
        buffer=asdict(buffer),
        levels=asdict(levels_settings(rate_hz)) if relative else None,
        lowpass=asdict(lowpass_settings(lowpass_hz, rate_hz=rate_hz, channels=moved)) if lowpass_hz else None,
    )


def column(
    role: Any, name: str, unit: str, centre: float, size: float, file: TfliteFile, *, points: bool = False
) -> Column:
    step = 1.0 if role == "missing" else COUNTS[unit]
    ends = file.input
    integers = int8_channel(centre=centre / step, size=size / step, scale=ends.scale, zero=ends.zero_point)
    turned = role == "channel" and name in ("acc_y", "gyro_x", "gyro_z")
    table = points_of(centre, size) if points and role == "channel" else None
    return Column(
        role=role, name=name, unit=unit, centre=centre, size=size, unit_per_count=step, turned_on_left=turned,
        points=table, **{k: v for k, v in asdict(integers).items() if k != "points"},
    )  # fmt: skip


def points_of(centre: float, size: float) -> Points:
    """Return centres and sizes that change over the stance, by half of what they are for all of it."""
    wave = np.sin(np.linspace(0.0, 3.0, POINTS))
    return Points(centre=tuple((centre + 0.5 * size * wave).tolist()), size=tuple((size * (1.0 - 0.5 * wave)).tolist()))


def manifest(
    file: TfliteFile,
    rate_hz: float,
    *,
    relative: bool,
    lowpass_hz: float,
    masks: bool,
    unit: str,
    name: str,
    points: bool = False,
) -> Any:
    """Columns in no order that a device would have: a lateral channel first, cells backwards, two statics."""
    channels = ["acc_y", *reversed(CELLS), "gyro_x", "acc_z"]
    cells = ("relative", 0.05, 0.06) if relative else ("count", 400.0, 500.0)
    rows = []
    for one in channels:
        kind, centre, size = cells if one in CELLS else ("m/s^2", 1.0, 9.0) if "acc" in one else ("rad/s", 0.1, 3.0)
        rows.append(column("channel", one, kind, centre, size, file, points=points))
    rows += [column("missing", one, "1", 0.0, 1.0, file) for one in channels if masks]
    rows += [
        column("static", n, u, c, s, file)
        for n, u, c, s in (("contact_s", "s", 0.3, 0.05), ("mass_kg", "kg", 70.0, 9.0))
    ]
    axes = [Axis(name=n, centre=c, size=s, points=points_of(c, s) if points else None) for n, c, s in AXES]
    ends = [
        Tensor(shape=t.shape, dtype="int8", scale=t.scale, zero_point=t.zero_point) for t in (file.input, file.output)
    ]
    told = SimpleNamespace(
        name=name, model_id=0x1234ABCD, window="stance", points=POINTS, columns=tuple(rows), force_unit=unit,
        cells="relative" if relative else "as recorded", imu_lowpass_hz=lowpass_hz, input=ends[0], output=ends[1],
        detector=detector(rate_hz, channels, relative=relative, lowpass_hz=lowpass_hz),
        axes=tuple(axes),
    )  # fmt: skip
    told.of_role = lambda role: tuple(c for c in told.columns if c.role == role)
    return told


def write(
    folder: Path,
    *,
    rate_hz: float = 100.0,
    relative: bool = True,
    lowpass_hz: float = 20.0,
    masks: bool = False,
    unit: str = "BW",
    name: str = "foot_net",
    points: bool = False,
) -> Made:
    """Write the C side of a bundle and its runtime, with a BiLSTM of 8 units in it."""
    need("ai_edge_litert", "flatbuffers")
    need_compiler()
    width = 19 * (1 + masks) + 2
    file = TfliteFile.of(made.bilstm(POINTS, width, 8, 3))
    model = c_model(file, name)
    library = compile_c(model, folder / "library")
    told = manifest(
        file, rate_hz, relative=relative, lowpass_hz=lowpass_hz, masks=masks, unit=unit, name=name, points=points
    )
    raw = np.random.default_rng(1).integers(-3000, 3000, (2, POINTS, width)).astype(np.int16)
    stored = counts_to_int8(raw, fixed_columns(told))
    answers = library.run(stored)
    golden = {"raw": raw, "input_int8": stored, "output_int8": answers, "force": int8_forces(told, answers)}
    files = c_texts(told, golden | foot_of(told, library), [p.name for p in runtime_sources()])
    files |= {f"c/{name}.c": model.source, f"c/{name}.h": model.header}
    files |= {f"runtime/{p.name}": p.read_text() for p in (*runtime_sources(), *RUNTIME.glob("grf_*.h"))}
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return Made(told, model, library, folder)
