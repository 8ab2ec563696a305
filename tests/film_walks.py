"""Walks as a film shows them: keypoints in px, with plates under every foot, of known force."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from grfkit.arrays import Floats
from grfkit.provenance import Provenance
from grfkit.records import Recording, Trial
from grfkit.records.film_streams import make_keypoints
from grfkit.records.streams import Channel, make_stream
from grfkit.records.trees import make_recording
from grfkit.units import G

MASS_KG = 70.0
STRIDE_S, STANCE_S, FIRST_S = 1.1, 0.68, 0.35
"""Time of a stride, of a stance, and of the first contact, which is of the left foot."""
LEG_M, PX_M, FLOOR_PX = 0.85, 220.0, 900.0
_KNEES_AHEAD_M, _SHOE_M = 0.05, 0.22


def contacts(side: str, strides: int, speed_m_s: float) -> Floats:
    """Return contact and toe-off of a foot, shape (strides, 2); who walks faster stands shorter."""
    first = FIRST_S + (0.0 if side == "left" else STRIDE_S / 2)
    begin = first + STRIDE_S * np.arange(strides)
    return np.stack([begin, begin + STANCE_S - 0.1 * (speed_m_s - 1.3)], axis=1)


def stance_force_bw(share: Floats, speed_m_s: float) -> Floats:
    """Return force up, forward and to the left of a right foot at shares of its stance: a walker's two humps."""
    wave = np.sin(np.pi * share)
    up = wave * (1.25 + 0.25 * speed_m_s * (np.cos(4 * np.pi * (share - 0.25)) - 0.5) * 0.5)
    return np.stack([up, -0.2 * speed_m_s * np.sin(2 * np.pi * share) * wave, 0.05 * wave], axis=1)


def film_recording(
    *,
    speed_m_s: float = 1.3,
    strides: int = 4,
    rate_hz: float = 60.0,
    heading: float = 1.0,
    near: str = "right",
    jitter_px: float = 0.0,
    seed: int = 0,
    times: Floats | None = None,
) -> Recording:
    """Return the keypoints of a film as a recording."""
    rng = np.random.default_rng(seed)
    end = FIRST_S + STRIDE_S * (strides + 0.5) + 0.4
    time = np.arange(0.0, end, 1.0 / rate_hz) if times is None else times
    points = _points(time, strides, speed_m_s)
    names = list(points)
    place = np.stack([points[n] for n in names], axis=1)
    pixels = np.stack([960.0 + heading * PX_M * (place[:, :, 0] - 2.0), FLOOR_PX - PX_M * place[:, :, 1]], axis=2)
    pixels += rng.normal(0.0, jitter_px, pixels.shape) if jitter_px else 0.0
    about = {"heading": heading, "near_side": near, "leg_px": LEG_M * PX_M, "floor_px": FLOOR_PX}
    about |= {"width_px": 1920, "height_px": 1080, "people": 1}
    stream = make_keypoints(pixels, names, time, rate_hz=rate_hz, attrs=about)
    return make_recording({"keypoints": stream}, device="film", reader="film", provenance=Provenance())


def film_trial(
    *,
    participant: str = "P01",
    speed_m_s: float = 1.3,
    strides: int = 4,
    forward: Sequence[float] = (1.0, 0.0),
    seed: int = 0,
    jitter_px: float = 0.5,
    **film: float | str,
) -> Trial:
    """Return a film with a plate for each foot on one clock; the walk goes along ``forward`` of the laboratory."""
    recording = film_recording(speed_m_s=speed_m_s, strides=strides, seed=seed, jitter_px=jitter_px, **film)  # type: ignore[arg-type]
    streams = {"/film/keypoints": recording.streams["keypoints"]}
    end = float(recording.streams["keypoints"]["time"][-1])
    for side in ("left", "right"):
        streams[f"/reference/plate_{side}"] = _plate(side, strides, speed_m_s, np.asarray(forward), end)
    tree = xr.DataTree.from_dict(streams)
    tree.attrs.update(
        artefact="trial", schema_version="1.0", participant=participant, mass_kg=MASS_KG, surface="overground",
        speed_m_s=float("nan"), slope_percent=float("nan"), verdict="aligned",
        provenance=Provenance().model_dump_json(),
    )  # fmt: skip
    return Trial(tree)


def _plate(side: str, strides: int, speed_m_s: float, forward: Floats, end_s: float) -> xr.Dataset:
    time = np.arange(0.0, end_s, 0.001)
    force = np.zeros((time.size, 3))
    for begin, stop in contacts(side, strides, speed_m_s):
        inside = (time >= begin) & (time <= stop)
        up, ahead, left = (stance_force_bw((time[inside] - begin) / (stop - begin), speed_m_s) * MASS_KG * G).T
        # to the left of a left foot is outward
        left = left if side == "right" else -left
        force[inside, 0] = ahead * forward[0] - left * forward[1]
        force[inside, 1] = ahead * forward[1] + left * forward[0]
        force[inside, 2] = up
    columns = [Channel(f"f{a}", force[:, i], "N", "global") for i, a in enumerate("xyz")]
    return make_stream(
        columns, time, kind="force_plate", rate_hz=1000.0, clock="plates", attrs={"vertical": "+z", "knows_feet": side}
    )


def _points(time: Floats, strides: int, speed_m_s: float) -> dict[str, Floats]:
    """Return every point's way ahead and height, m, by name."""
    pelvis = np.stack([speed_m_s * time, LEG_M + 0.02 * np.cos(4 * np.pi * (time - FIRST_S) / STRIDE_S)], axis=1)
    points: dict[str, Floats] = {}
    for side in ("left", "right"):
        heel = _heel(time, contacts(side, strides, speed_m_s), speed_m_s)
        points[f"hip_{side}"] = pelvis
        points[f"heel_{side}"] = heel
        points[f"toe_{side}"] = heel + np.asarray([_SHOE_M, 0.0])
        points[f"ankle_{side}"] = heel + np.asarray([0.05, 0.07])
        points[f"knee_{side}"] = (pelvis + points[f"ankle_{side}"]) / 2 + np.asarray([_KNEES_AHEAD_M, 0.0])
        points[f"shoulder_{side}"] = pelvis + np.asarray([0.03, 0.5])
    return points


def _heel(time: Floats, spans: Floats, speed_m_s: float) -> Floats:
    """Return the way of a heel: it stands where it lands, and swings in between."""
    at = speed_m_s * (spans[:, 0] + STANCE_S / 2) - 0.05
    times = np.concatenate([[spans[0, 0] - 0.4], spans.reshape(-1), [spans[-1, 1] + 0.4]])
    places = np.concatenate([[at[0] - speed_m_s * STRIDE_S], np.repeat(at, 2), [at[-1] + speed_m_s * STRIDE_S]])
    gap = np.clip(np.searchsorted(times, time) - 1, 0, times.size - 2)
    share = np.clip((time - times[gap]) / (times[gap + 1] - times[gap]), 0.0, 1.0)
    ahead = places[gap] + (places[gap + 1] - places[gap]) * share**2 * (3 - 2 * share)
    swings = gap % 2 == 0
    return np.stack([ahead, np.where(swings, 0.15 * np.sin(np.pi * share) ** 2, 0.0)], axis=1)
