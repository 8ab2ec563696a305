"""The commands, one module each; the work is done in the rooms below."""
