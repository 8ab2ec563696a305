"""Real insoles, seen from the host: the links to them, their clocks, their samples in time, and the recording."""
