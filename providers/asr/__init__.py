"""Recognisers, one per file."""
