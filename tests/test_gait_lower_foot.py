"""Which foot stood on plates that both feet share, by landmarks that show no landing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from c3d_files import real
from grfkit.gait.lower_foot import lower_feet
from grfkit.gait.stances import find_stances
from grfkit.records import make_landmarks
from grfkit.sync import align, assemble
from known_clock_files import a_run, marker_positions

AT_S = np.arange(500, 3000) / 100.0


@pytest.mark.parametrize("gait", ["run", "walk"])
def test_the_lower_foot_is_the_one_that_stood(gait: str) -> None:
    lab = a_run(gait=gait)
    positions, names = marker_positions(lab, AT_S)
    stream = make_landmarks(positions, names, AT_S, unit="m")
    hits = lab.truth.contacts
    measured = AT_S[np.isfinite(positions).all(axis=(1, 2))]
    seen = (hits.onset_s > measured[0]) & (hits.onset_s < measured[-1] - 1.0)
    spans = list(zip(hits.onset_s[seen], hits.onset_s[seen] + hits.contact_s[seen]))
    found = np.asarray(lower_feet([stream], spans))
    true = np.where(hits.left[seen], 0, 1)
    # never the wrong one; a walker's swinging foot is hardly higher, so that some stay unknown
    assert ((found == true) | (found < 0)).all()
    assert (found == true).mean() > (0.98 if gait == "run" else 0.3)


def test_nothing_is_said_of_feet_that_are_not_seen_or_equally_high() -> None:
    positions, names = marker_positions(a_run(), AT_S)
    whole = make_landmarks(positions, names, AT_S, unit="m")
    assert lower_feet([whole], [(100.0, 100.3)]) == [-1]
    assert lower_feet([], [(10.0, 10.3)]) == [-1]
    standing = make_landmarks(np.repeat(positions[:1], AT_S.size, axis=0), names, AT_S, unit="m")
    assert lower_feet([standing], [(10.0, 10.3)]) == [-1]
    left = [n for n in names if not n.startswith("right")]
    of_left = make_landmarks(positions[:, [names.index(n) for n in left]], left, AT_S, unit="m")
    assert lower_feet([of_left], [(10.0, 10.3)]) == [-1]


@pytest.mark.parametrize("name", ["rbds_fukuchi/RBDS001runT35.c3d", "rbds_runners/RBDS010runT35.c3d"])
def test_a_real_runner_on_one_belt_steps_left_and_right_by_turns(name: str) -> None:
    trial = assemble(align(real(name), surface="treadmill", synchronised=True, participant="R", mass_kg=60.0))
    sides = [stance.side for stance in find_stances(trial).stances]
    assert len(sides) > 80
    assert all(a != b for a, b in itertools.pairwise(sides))
    assert "unknown" not in sides
