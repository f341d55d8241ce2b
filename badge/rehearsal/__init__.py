"""Rehearsals: a recorded session with other settings, to see what would have been otherwise."""
