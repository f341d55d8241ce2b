"""A server that is killed again and again, and what it had promised."""
