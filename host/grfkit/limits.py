"""What a person's mass, speed and slope may be: one table for all that takes them from a user or an insole.

The limits catch other units and slips of the pen; :mod:`grfkit.sync.plausible` doubts what lies within them and does
not fit the forces. An insole refuses the same (``SET`` of the wire's control point).
"""

from __future__ import annotations

MASS_KG = (10.0, 250.0)
"""Body mass, kg: a toddler's to the heaviest that treadmills carry; pounds of most people and all grams lie outside."""
SPEED_M_S = (0.0, 15.0)
"""Speed, m/s: above any sprinter's (12)."""
SLOPE_PERCENT = (-45.0, 45.0)
"""Slope, percent of the way: beyond the steepest treadmills (40), uphill positive."""
