"""Tools of the server, for language models."""
