"""Learning ground reaction forces from wearables or landmarks."""
