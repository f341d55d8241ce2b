"""The server: sessions, machines, doors and wiring."""
