"""The server: sessions, machines, doors and wiring."""

__version__ = "0.1.0"
