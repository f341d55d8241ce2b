"""The management console: asking it about devices, and reading what it says."""
