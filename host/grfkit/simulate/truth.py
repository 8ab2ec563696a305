"""The truth about a simulated trial, for scoring only: no reader opens it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .body import BodyPositions, body_positions, total_force_n
from .clocks import TrueClock
from .conditions import Condition
from .passes import Ground
from .pressure import PressurePerson
from .world import FOOT_M, World


@dataclass(frozen=True)
class StreamTruth:
    """The truth about one wearable stream.

    Attributes
    ----------
    clock
        Exact map from the recording's time (from its first stamp) to reference time.
    device_lag_s
        The device's own delay, no part of the clock: the sample stamped ``t`` shows ``t - device_lag_s``.
    lost_samples
        Samples that never arrived and whose absence the stamps show.
    worn
        The foot that the device was on; differs from the stream's name where sides were swapped.
    overlap_s
        Device time shared with the reference, (start, end); empty (equal) where there is none.
    offset_s, drift_ppm
        Best affine map over the overlap, or over the record where there is none. Where samples were lost
        without a trace no affine map is right.
    """

    wearable: str
    stream: str
    clock: TrueClock
    device_lag_s: float
    stamp_source: str
    rate_hz: float
    lost_samples: int
    worn: str
    overlap_s: tuple[float, float]
    offset_s: float
    drift_ppm: float

    def t_reference(self, t_device_s: Floats) -> Floats:
        """Return the true reference time (s) of device times (s); both count from the first stamp."""
        return self.clock.t_reference(t_device_s)


@dataclass(frozen=True)
class ContactTable:
    """Every contact while the reference recorded, in order of onset; all arrays have one row per contact.

    Attributes
    ----------
    plate
        Number of the plate (from 1) that most of the foot is on, 0 where there is none.
    whole
        Whether the whole foot is on that plate.
    lap
        Overground: which pass, from 0.
    impulse_n_s
        Vertical impulse of the whole contact, on a plate or not.
    """

    onset_s: Floats
    contact_s: Floats
    left: NDArray[np.bool_]
    plate: NDArray[np.int64]
    whole: NDArray[np.bool_]
    lap: NDArray[np.int64]
    impulse_n_s: Floats


@dataclass(frozen=True, repr=False)
class Truth:
    """Everything true about a trial; times are reference time (s)."""

    condition: Condition
    seed: int
    world: World
    ground: Ground
    contacts: ContactTable
    streams: dict[tuple[str, str], StreamTruth]
    reference_s: tuple[float, float]
    height_m: float

    def __repr__(self) -> str:
        """Return what was simulated, and each stream's true clock, a line each."""
        lines = [
            f"{name}: offset {stream.offset_s:.3f} s, drift {stream.drift_ppm:.1f} ppm"
            for (_, name), stream in self.streams.items()
        ]
        return "\n  ".join([f"Truth of {self.words}, {self.contacts.onset_s.size} contacts", *lines])

    @property
    def words(self) -> str:
        """Return seed, surface, gait, length and body mass in a few words."""
        seconds = self.reference_s[1] - self.reference_s[0]
        what = f"{self.condition.surface} {self.condition.gait}"
        return f"seed {self.seed}: {what}, {seconds:.6g} s, {self.mass_kg:g} kg"

    @property
    def mass_kg(self) -> float:
        """Return the person's mass."""
        return self.world.situation.mass_kg

    def force_n(self, time_s: Floats) -> Floats:
        """Return the true force of both feet (N), shape (samples, 3): X forward, Y left, Z up."""
        return total_force_n(self.world, np.asarray(time_s, dtype=np.float64))

    def body(self, time_s: Floats) -> BodyPositions:
        """Return noise-free landmarks and centre of mass at increasing times."""
        return body_positions(self.world, self.ground, np.asarray(time_s, dtype=np.float64), height_m=self.height_m)

    def landings_s(self) -> list[float]:
        """Return when jumps landed."""
        return [jump.landing_s for rest in self.world.rests for jump in rest.jumps]

    def _condition(self) -> dict[str, Any]:
        # what is not simulated leaves no key: truth of earlier versions stays as it was, byte for byte
        left_out = {"footprints"} | ({"knees"} if self.condition.knees is None else set())
        return self.condition.model_dump(mode="json", exclude=left_out)

    def to_json(self, *, files: Mapping[str, str] | None = None) -> str:
        """Return the truth as JSON text; ``files`` says which file holds the reference and each wearable."""
        now = self.world.situation
        document: dict[str, Any] = {
            "artefact": "grfkit virtual-lab truth",
            "seed": self.seed,
            "family": self.world.family,
            "files": dict(files or {}),
            "condition": self._condition(),
            "situation": asdict(now),
            "height_m": round(self.height_m, 4),
            "reference_s": list(self.reference_s),
            "streams": [_stream(stream) for stream in self.streams.values()],
            "contacts": _table(self.contacts),
            "plates_m": [{"x": list(p.x), "y": list(p.y)} for p in self.ground.plates],
            "hits": [
                {
                    "contact_onset_s": _round(self.world.steps.onset_s[h.contact]),
                    "plate": h.plate + 1,
                    "lap": h.lap,
                }
                for h in self.ground.hits
                if self.condition.surface == "overground"
            ],
            "rests_s": [[_round(r.start_s), _round(r.end_s)] for r in self.world.rests],
            "landings_s": [_round(t) for t in self.landings_s()],
        }
        if self.world.legs is not None:
            document["legs"] = self.world.legs.person().stated()
        if isinstance(self.world.person, PressurePerson):
            # the recording by its content, not the folder that it lay in
            document["footprints"] = self.world.person.prints.recording.model_dump(mode="json")
        return json.dumps(document, indent=1, allow_nan=False) + "\n"


def contact_table(world: World, ground: Ground, *, start_s: float, end_s: float) -> ContactTable:
    """Return the contacts with onset in ``[start_s, end_s)`` and the plate each is on."""
    plate = np.zeros(world.steps.onset_s.size, dtype=np.int64)
    whole_foot, lap = np.zeros(plate.size, dtype=bool), np.zeros(plate.size, dtype=np.int64)
    covered = np.zeros(plate.size)
    for hit in ground.hits:
        # a foot on two plates counts to the one that holds more of it
        cover = min(hit.heel_to_m, FOOT_M) - max(hit.heel_from_m, 0.0)
        lap[hit.contact] = hit.lap
        if cover > covered[hit.contact]:
            plate[hit.contact], whole_foot[hit.contact] = hit.plate + 1, hit.whole
            covered[hit.contact] = cover
    steps = world.steps
    keep = (steps.onset_s >= start_s) & (steps.onset_s < end_s)
    impulse = world.balance.impulse_bw_s * world.weight_n
    columns = (steps.onset_s, steps.contact_s, steps.left, plate, whole_foot, lap, impulse)
    return ContactTable(*(np.asarray(column[keep]) for column in columns))


def _stream(stream: StreamTruth) -> dict[str, Any]:
    row = asdict(stream)
    row["clock"]["losses"] = [list(loss) for loss in stream.clock.losses]
    row["overlap_s"] = list(stream.overlap_s)
    return row


def _table(table: ContactTable) -> dict[str, list[Any]]:
    columns = asdict(table)
    return {
        name: [_round(v) for v in column] if column.dtype.kind == "f" else column.tolist()
        for name, column in columns.items()
    }


def _round(value: float) -> float:
    return round(float(value), 6)
