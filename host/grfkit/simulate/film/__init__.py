"""Rendered films: a side-view body of capsules, posed by measured or simulated motion, before a pinhole camera."""
