"""State machines: what state a session is in, and nothing else."""
