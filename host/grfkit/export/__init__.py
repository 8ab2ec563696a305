"""Trials and estimates in the formats of other programs."""
