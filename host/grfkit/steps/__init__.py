"""Every step of trials in one table."""
