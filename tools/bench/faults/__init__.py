"""What is left of artefacts when a writer is killed or its disk fails."""
