"""Predictions for people left out, their scores, nested search, personalisation and comparison."""
