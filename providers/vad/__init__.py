"""Voice activity detectors, one per file."""
