"""The live benchmark: virtual insoles, the monitor and its page."""
