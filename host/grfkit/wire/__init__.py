"""What goes between insole and host: packets, and the profile of their service."""
