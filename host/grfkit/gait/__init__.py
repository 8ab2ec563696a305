"""Gait: contacts, stances and what is read off a force curve."""
