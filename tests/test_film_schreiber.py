"""Schreiber's walkers on film: their plates, their feet and the film's clock belong together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.images.schreiber import walkers
from grfkit.gait.contacts import contacts_from_force, rule_of

WALK = "schreiber2019_walk_overground/data/2014001/dynamic/2014001_C4_05.c3d"


def test_the_near_foot_stands_on_film_while_its_plate_bears_it(real_file: Callable[[str], Path]) -> None:
    folder = real_file(WALK).parents[3]
    films = walkers(participants=["2014001"], folder=folder)
    assert [f.near_side for f in films] == ["left", "right"] * 2
    for filmed in films:
        assert "rendered" in filmed.film.provenance.findings[0]
        trial = filmed.trial()
        assert sorted(trial.streams) == ["images", "keypoints", "reference/plate_1", "reference/plate_2"]
        points = trial.streams["keypoints"]
        time = points["time"].values
        leg = float(points.attrs["leg_px"])
        speeds = {}
        for side in ("left", "right"):
            ankle = points["position"].sel(landmark=f"ankle_{side}", plane="x").values
            speeds[side] = np.abs(np.gradient(ankle, time)) / leg
        standing = []
        for plate in trial.of_kind("force_plate").values():
            at = plate["time"].values
            found = contacts_from_force(at, plate["fz"].values, rule=rule_of("5%BW").walking(), mass_kg=filmed.mass_kg)
            assert found.ic_s.size == 1
            ic, to = float(found.ic_s[0]), float(found.to_s[0])
            middle = (time > ic + 0.3 * (to - ic)) & (time < ic + 0.5 * (to - ic))
            slower = min(speeds, key=lambda s: float(np.median(speeds[s][middle])))
            standing.append(slower)
            assert float(np.median(speeds[slower][middle])) < 0.3
        assert sorted(standing) == ["left", "right"]
        # the repeated stride is marked, and on the film's own clock
        own = filmed.film.streams["keypoints"].attrs
        assert own["measured_from_s"] > 0.35
        assert own["measured_to_s"] < float(filmed.film.streams["keypoints"]["time"].values[-1]) - 0.35
