"""The insole live: what it says (profile), how it is reached (link), and what becomes of its packets."""
