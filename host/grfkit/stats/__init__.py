"""Statistics of agreement: participants are the unit."""
