"""The names of the commands, and what each is for."""

from __future__ import annotations

COMMANDS = {
    "inspect": "What is in a file, and which reader takes it.",
    "simulate": "Recordings, films and insoles whose truth is known.",
    "calibrate": "Measure what a sensor does: a document for --calibration.",
    "sync": "Put files of several clocks on one: a trial, or a refusal.",
    "steps": "Every step of trials and estimates in a table.",
    "export": "Trials and estimates in the formats of other programs.",
    "train": "Aligned trials to a model with its card.",
    "evaluate": "Prove it on people left out, beside every baseline.",
    "estimate": "Force of a new recording, with its error.",
    "quantize": "An int8 file and C for the insole, and the proof of it.",
    "monitor": "Insoles live: page, terminal, recording.",
}
"""Commands that have names of their own too (``grf-sync``), in the order in which a lab needs them."""
