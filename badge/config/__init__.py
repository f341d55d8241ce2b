"""config.toml: its schema, a module for each part of it, and how it is read and written."""
