"""One badge and its conversation."""
