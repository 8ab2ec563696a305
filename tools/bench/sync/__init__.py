"""The alignment benchmark."""
