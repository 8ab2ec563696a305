"""Trials, landmarks and public recordings, cut into stance sets."""
