"""Synthesisers, one per file."""
