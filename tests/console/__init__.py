"""The management console, from both sides."""
