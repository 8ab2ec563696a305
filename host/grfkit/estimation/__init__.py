"""A model or bundle on a new recording."""
