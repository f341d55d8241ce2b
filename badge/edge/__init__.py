"""The doors: where badges and operators come in."""
