"""What the offline assistant can do: small pure functions from words to an answer."""
