"""Schreiber's walkers before a camera: 24 trials, each seen from the left and from the right, 48 near-side stances.

Rendered, not filmed: a body of capsules posed by the measured markers. The forces are the plates'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from grfkit.dataset.public.schreiber import stated_mass_kg
from grfkit.dataset.public.schreiber_body import filmed_walker
from grfkit.provenance import Provenance
from grfkit.records import Anchors, Recording, Trial, make_recording
from grfkit.simulate.film.camera import Camera
from grfkit.simulate.film.clock import FilmStamps, film_stamps
from grfkit.simulate.film.look import Laboratory, Look, draw_look
from grfkit.simulate.film.motion import SIDES, FilmedBody, extended
from grfkit.simulate.film.truth import RENDERED, true_clock_map, true_film_recording
from grfkit.sync.assemble import assemble_streams

from ..harness import DATA

FOLDER = DATA / "schreiber2019_walk_overground"
LEAD_S = 0.4
"""Seconds of the walker's own repeated stride before and after the markers: the first landing is 50 ms after them."""
LOOK_SEED = 16
"""Seed of both laboratories."""
WIDTH_PX, HEIGHT_PX = 1280, 720


@dataclass(frozen=True)
class FilmedTrial:
    """One pass of one walker before one camera.

    ``film`` is on the film's own clock, ``plates`` on theirs; ``trial()`` joins them.
    """

    participant: str
    mass_kg: float
    name: str
    near_side: str
    laboratory: Laboratory
    body: FilmedBody
    look: Look
    camera: Camera
    stamps: FilmStamps
    plates: Recording
    source: Path
    film: Recording = field(repr=False)

    def trial(self) -> Trial:
        """Return film and plates on the plates' clock, by the renderer's own clock map."""
        return assembled(self, self.film)


def trial_paths(folder: Path = FOLDER) -> list[Path]:
    """Return the walks, in order of people."""
    return sorted(folder.glob("data/*/dynamic/*.c3d"))


def walkers(
    *,
    laboratory: Laboratory = "base",
    near_sides: Sequence[str] = SIDES,
    folder: Path = FOLDER,
    participants: Sequence[str] | None = None,
    rate_hz: float = 60.0,
    size_px: tuple[int, int] = (WIDTH_PX, HEIGHT_PX),
    seed: int = LOOK_SEED,
) -> list[FilmedTrial]:
    """Return every walk seen from each side, with the true points and silhouettes of its film and its plates."""
    people = sorted({p.parent.parent.name for p in trial_paths(folder)})
    made = []
    for path in trial_paths(folder):
        person = path.parent.parent.name
        if participants is not None and person not in participants:
            continue
        recorded, body = filmed_walker(path)
        plates = only_plates(recorded)
        longer = extended(body, before_s=LEAD_S, after_s=LEAD_S)
        look = draw_look(laboratory, seed=seed, person=people.index(person))
        for near_side in near_sides:
            camera = look.camera(body, near_side, width_px=size_px[0], height_px=size_px[1])
            stamps = _stamps(longer, path.stem, near_side, laboratory, rate_hz=rate_hz, seed=seed)
            name = f"{path.stem}_{near_side}"
            film = true_film_recording(longer, look, camera, stamps, name=name)
            made.append(
                FilmedTrial(
                    person,
                    stated_mass_kg(path),
                    name,
                    near_side,
                    laboratory,
                    longer,
                    look,
                    camera,
                    stamps,
                    plates,
                    path,
                    film,
                )
            )
    return made


def only_plates(recording: Recording) -> Recording:
    """Return the recording without the markers: a film's trial has none."""
    plates = recording.of_kind("force_plate")
    return make_recording(plates, device="plates", reader="c3d", provenance=recording.provenance)


def _stamps(body: FilmedBody, name: str, near_side: str, laboratory: str, *, rate_hz: float, seed: int) -> FilmStamps:
    """Return a film's stamps: it begins anywhere within a frame, on a clock that drifts by up to 50 ppm."""
    rng = np.random.default_rng([seed, *name.encode(), SIDES.index(near_side), len(laboratory)])
    start = float(body.time_s[0]) + rng.uniform(0.0, 1.0) / rate_hz
    return film_stamps(
        from_s=start, to_s=float(body.time_s[-1]), rate_hz=rate_hz, drift_ppm=float(rng.uniform(-50.0, 50.0))
    )


def assembled(filmed: FilmedTrial, film: Recording) -> Trial:
    """Return a film's recording (the true one, or one read from the file) and the plates on the plates' clock.

    The film's clock is that of ``filmed``: of a file, its first frame is the first rendered one.
    """
    known = true_clock_map(filmed.stamps)
    shown = filmed.film.provenance.findings
    if film is not filmed.film:
        body, laboratory = filmed.body.source, filmed.laboratory
        shown = [f"{RENDERED} ({body}; {laboratory} laboratory); points were found in its H.264 file by the pose model"]
    nothing = Anchors(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool))
    streams = film.streams
    attrs = {
        "participant": filmed.participant,
        "surface": "overground",
        "mass_kg": filmed.mass_kg,
        "speed_m_s": float("nan"),
        "slope_percent": 0.0,
    }
    return assemble_streams(
        filmed.plates,
        streams,
        dict.fromkeys(streams, known),
        dict.fromkeys(streams, nothing),
        attrs=attrs,
        provenance=Provenance(findings=[*shown, "the clock is the renderer's own"]),
    )
