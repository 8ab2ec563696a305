"""Ground reaction force without a force plate."""
