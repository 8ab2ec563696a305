"""An insole's centre of pressure in the lab: turned and moved with the foot, unknown where a marker is."""

from __future__ import annotations

import numpy as np
import pytest

from grfkit.errors import BadInputError
from grfkit.gait.cop import foot_to_lab

CENTRE = np.array([[0.1, 0.02], [0.2, -0.01], [0.15, 0.0]])


@pytest.mark.parametrize("turn_deg", [0.0, 30.0, 180.0, -90.0])
def test_the_centre_turns_and_moves_with_the_foot(turn_deg: float) -> None:
    turn = np.deg2rad(turn_deg)
    heel = np.array([[1.0, 2.0, 0.05]] * 3)
    toe = heel + 0.2 * np.array([np.cos(turn), np.sin(turn), 0.3])
    lab = foot_to_lab(CENTRE, heel, toe)
    forward, left = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    expected = heel[:, :2] + CENTRE[:, :1] * forward + CENTRE[:, 1:] * left
    np.testing.assert_allclose(lab, np.c_[expected, np.zeros(3)], atol=1e-12)


def test_what_is_unknown_stays_unknown_and_what_does_not_fit_is_refused() -> None:
    heel = np.zeros((3, 3))
    toe = heel + np.array([0.2, 0.0, 0.0])
    gone = toe.copy()
    gone[1] = np.nan
    lab = foot_to_lab(CENTRE, heel, gone)
    assert np.isnan(lab[1]).all()
    assert np.isfinite(lab[[0, 2]]).all()
    with pytest.raises(BadInputError, match="do not fit"):
        foot_to_lab(CENTRE, heel[:2], toe)
    with pytest.raises(BadInputError, match=r"less than 0\.05 m apart"):
        foot_to_lab(CENTRE, heel, heel)
