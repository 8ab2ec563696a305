"""Markers of the feet and the contacts that they show: what :mod:`.marker_names` and :mod:`.landmark_contacts` give."""

from __future__ import annotations

from .landmark_contacts import landmark_contacts
from .marker_names import foot_landmarks

__all__ = ["foot_landmarks", "landmark_contacts"]
