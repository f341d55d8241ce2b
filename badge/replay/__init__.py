"""Replay: a recorded session once more, in memory, on a clock of its own, compared with what was recorded."""
