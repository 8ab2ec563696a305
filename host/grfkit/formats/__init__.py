"""File formats: bytes and text to numbers and labels, and back; nothing of recordings."""
