"""Recordings of sessions: what came in, what went out and what changed, written beside a session that knows nothing of it."""
