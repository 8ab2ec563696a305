"""Films of somebody walking, filmed from the side: decoded, the walker found, and made a recording."""
